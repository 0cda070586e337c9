/*
 * The steps of a query before its SELECT list: each takes a slice and gives one with columns of its own added, and perhaps with other rows.
 * FROM's items are stages, and so are functions in the SELECT list that make rows. A stage passes on the columns it is asked for.
 */
#ifndef PIPE_SQL_STAGE_H
#define PIPE_SQL_STAGE_H

#include "pipeline/sql/bind.h"

struct stage_column {
    int32_t from; /* column of what comes in; -1: the stage's own */
    uint32_t own; /* which of those */
};

struct stage {
    struct stage *next;           /* towards the SELECT list */
    const struct stage *previous; /* NULL: the input */
    struct schema *in, *out;
    struct stage_column *columns; /* one per column of out */
    uint32_t capacity;
    uint32_t first_own, own_count; /* columns of out that are its own, in a row */
    struct str alias;              /* data NULL: none */
    struct node *const *calls;     /* functions of the SELECT list: the call of each own column; else NULL */
    const struct node *item;       /* where an error about it points */
    struct program program;
    bool makes_rows;
    void (*explain)(const struct stage *s, struct buffer *out); /* NULL: nothing to say */
    void (*run)(const struct stage *s, const struct slice *in, struct slice *out, struct rejections *r);
};

/* What names may mean. */
struct scope {
    struct schema *input;
    struct stage *first, *last;
};

/* Behind the scope's last stage. The stage's out schema has what is visible of the one before; own columns are added next. */
void stage_init(struct stage *s, struct scope *scope, struct arena *plan);
/* An own column, in a row with those before. */
void stage_own(struct stage *s, struct str name, struct type type, bool visible);
/* The column of the scope's end that holds a column of `s`'s out (NULL: of the input). */
int stage_carry(struct scope *scope, const struct stage *s, int column);
/* Whose own column of b->in's that is, `last` being the scope's last stage; NULL: the input's. */
const struct stage *stage_owner(const struct scope *scope, int column);

/* set.c: functions that make rows. `b` binds over the scope as it was. NULL with an error. */
struct stage *stage_of_calls(struct binder *b, struct node *const *calls, uint32_t count);
struct stage *stage_of_function(struct binder *b, const struct from_item *item);
/* The row of a function that makes rows; NULL: it is none. */
bool set_is_call(const struct node *n);

void set_run(const struct stage *s, const struct slice *in, struct slice *out, struct rejections *r);

/* join.c: lookup('file') */
bool join_is_lookup(const struct node *call);
struct stage *stage_of_lookup(struct binder *b, const struct from_item *item);

#endif
