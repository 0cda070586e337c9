/*
 * Bound expressions and how they are evaluated: a column at a time, over a selection of rows. An expression is const
 * after binding and shared by all workers; everything an evaluation makes lives in struct eval and the slice's arena.
 *
 * A node's result is an operand: a column of values by row, or one constant for all rows. Only the selected rows of a
 * column mean anything. A row that fails is rejected once, its value is NULL from then on, and the caller drops it at
 * the end (eval_survivors).
 */
#ifndef PIPE_SQL_EVAL_H
#define PIPE_SQL_EVAL_H

#include "pipeline/sql/sql.h"

struct eval;
struct expr;

/* at[row & mask]: mask 0 makes a constant look like a column. */
struct operand {
    const struct value *at;
    uint32_t mask;
};

static inline const struct value *operand_at(struct operand o, uint32_t row)
{
    return &o.at[row & o.mask];
}

/* Fills out[row] for sel[0..n). A column is never both argument and result. */
typedef void kernel_fn(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel,
                       uint32_t n, struct value *out);
/* One row; args are never NULL unless the function says it wants them. False: the row is rejected with *err. */
typedef bool scalar_fn(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err);

enum expr_kind {
    EXPR_CONSTANT,
    EXPR_COLUMN,  /* of the slice */
    EXPR_RELABEL, /* args[0], whose values already are values of this type */
    EXPR_KERNEL,  /* args, then the kernel */
    EXPR_SCALAR,  /* args, then the scalar function row by row */
    EXPR_AND,     /* each argument only for the rows that the ones before it leave open */
    EXPR_OR,
    EXPR_CASE, /* condition, result, … [else] */
    EXPR_COALESCE,
};

struct expr {
    enum expr_kind kind;
    int variant; /* for kernels that serve several operators */
    struct type type;
    bool null_call; /* EXPR_SCALAR: called for NULLs too */
    bool is_member; /* EXPR_COLUMN, EXPR_RELABEL of one: not a constant, so an untyped literal of a record */
    int32_t slot;   /* >= 0: used more than once, kept in eval.memo[slot] */
    uint32_t uses;
    uint32_t column;       /* EXPR_COLUMN */
    struct value constant; /* EXPR_CONSTANT */
    struct expr **args;
    uint32_t count;
    kernel_fn *kernel;
    scalar_fn *scalar;
    const void *data; /* what the node prepared from constant arguments */
    struct str text;  /* as written in the query, for rejections */
    const struct error *failure; /* it has no columns, and fails whenever it is reached */
};

/* The shared nodes of a query or of one expression. */
struct program {
    uint32_t slots;
    const struct zone *zone;
    uint32_t component;
};

enum { EVAL_SPARES = 32 };

struct eval {
    const struct slice *in;
    struct arena *arena;
    const struct program *program;
    struct rejections *rejections;
    struct convert_context cx;
    struct value **memo; /* per slot */
    uint8_t **done;      /* per slot and row; NULL where the whole column is there */
    const uint32_t *root_sel;
    uint32_t root_count;
    uint8_t *dead; /* per row; NULL until the first rejection */
    struct value *spare[EVAL_SPARES];
    uint32_t *spare_sel[EVAL_SPARES];
    uint32_t spares, spare_sels;
    struct buffer scratch; /* for texts in the making */
    struct buffer piece;   /* for what goes into such a text */
    struct error *folding; /* binding: where a failure goes, instead of to the rejections */
    bool failed;
};

void eval_init(struct eval *ev, const struct program *p, const struct slice *in, const uint32_t *sel, uint32_t n,
               struct rejections *r);
void eval_release(struct eval *ev);
/* Forgets what is shared: the columns hold other values now. */
void eval_again(struct eval *ev, const uint32_t *sel, uint32_t n);

struct operand eval_expr(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n);
void eval_into(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, struct value *out);
/* A column for the operand of e that stays whole until the arena is reset; constants are spread out. */
struct value *eval_column(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n);
/* The rows for which the boolean e is true, into out (may be sel); returns how many. */
uint32_t eval_filter(struct eval *ev, const struct expr *e, const uint32_t *sel, uint32_t n, uint32_t *out);
/* Leaves out the rejected rows; out may be sel. */
uint32_t eval_survivors(const struct eval *ev, const uint32_t *sel, uint32_t n, uint32_t *out);

/* Rejects the row of a kernel: which expression, what went wrong, on which values. */
void eval_fail(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row, const struct error *err)
    __attribute__((cold));

/* Text results: reserve at most `most` bytes, then keep what was used. */
static inline struct value eval_text(struct eval *ev, const char *data, size_t len)
{
    char *copy = arena_alloc(ev->arena, len ? len : 1);
    if (len)
        memcpy(copy, data, len);
    return value_text((struct str){copy, len});
}

#endif
