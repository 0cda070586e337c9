/*
 * From the parser's tree to bound expressions: names become columns, operators and functions get the row of their
 * table, conversions are put in where PostgreSQL (and the contract's rules for members of events) put them, constants
 * are folded.
 */
#ifndef PIPE_SQL_BIND_H
#define PIPE_SQL_BIND_H

#include "pipeline/sql/ast.h"
#include "pipeline/sql/function.h"

enum { BIND_BUCKETS = 256 };

struct bound {
    struct expr *e;
    struct bound *next;
};

struct scope;

struct binder {
    struct str text; /* the query */
    struct schema *in;
    const struct sql_options *options;
    struct str alias; /* of FROM */
    struct scope *scope; /* what stands in FROM behind the input (stage.h); NULL: nothing */
    struct arena *plan;
    struct sql_error *err;
    struct program *program;
    bool wants_rows;              /* the function bound next may make rows */
    const struct set_shape *set; /* what that one gives */
    struct expr *operands[2];            /* those of the operator bound last, converted */
    struct bound *buckets[BIND_BUCKETS]; /* equal nodes are one node */
};

/* Binding: NULL with *err. */
struct expr *bind_node(struct binder *b, const struct node *n);
struct expr *bind_column(struct binder *b, const struct node *n);
/* A member inside a json or jsonb value that is at hand. */
struct expr *bind_member(struct binder *b, struct expr *e, const struct path *path);
/* A condition: boolean, or what can become one. */
struct expr *bind_condition(struct binder *b, const struct node *n, const char *where);
/* Implicit conversion for a signature or another operand; n is where the caret goes. */
struct expr *bind_convert(struct binder *b, struct expr *e, enum type_id to, const struct node *n);
/* jsonb, but perhaps not in normal form. */
struct expr *bind_as_written(struct binder *b, struct expr *e, const struct node *n);
/* CAST, or try_cast. */
struct expr *bind_cast(struct binder *b, struct expr *e, struct type to, bool is_try, const struct node *n);
/* The one type that several operands have together, converted in place (manual, 10.5). `what` names the form for
 * errors. */
bool bind_common_type(struct binder *b, struct expr **exprs, const struct node *const *nodes, uint32_t count,
                      const char *what, enum type_id *out);

/* bind_named.c: the arguments of a call in the order of the function's parameters; n->args where none is named. */
bool bind_named_arguments(struct binder *b, const struct node *n, struct node ***args, uint32_t *count);

/* A call of a function or operator with bound arguments. */
struct expr *bind_call(struct binder *b, const struct function *table, uint32_t rows, struct str name,
                       struct expr **args, uint32_t count, const struct node *n, const struct node *const *nodes);
struct expr *bind_operator(struct binder *b, const char *name, struct expr *left, struct expr *right,
                           const struct node *n, const struct node *left_node, const struct node *right_node);

/* New nodes. bind_finish folds constants and finds an equal node bound before. */
struct expr *bind_new(struct binder *b, enum expr_kind kind, enum type_id type, const struct node *n, uint32_t args);
struct expr *bind_finish(struct binder *b, struct expr *e);
struct expr *bind_constant(struct binder *b, struct type type, struct value v, const struct node *n);
struct expr *bind_kernel1(struct binder *b, kernel_fn *kernel, int variant, struct type type, struct expr *arg,
                          const struct node *n);

/* Is it what the query's input is called? */
bool bind_is_input(const struct binder *b, struct str name);
/* A column of b->in, as it is. */
struct expr *bind_plain_column(struct binder *b, uint32_t column, const struct node *n);

/* The call of a function that makes rows: the expression for all their values, whose type is that of one. */
struct expr *bind_set(struct binder *b, const struct node *n, const struct set_shape **shape);

/* bind_array.c */
struct expr *bind_array(struct binder *b, const struct node *n, enum type_id element);
struct expr *bind_subscript(struct binder *b, const struct node *n);
struct expr *bind_any(struct binder *b, const struct node *n);

/* bind_polymorph.c: the element type of a call's polymorphic arguments. is_constant may be NULL. */
enum polymorph { POLYMORPH_NONE, POLYMORPH_KNOWN, POLYMORPH_OPEN, POLYMORPH_CLASHES };
enum polymorph bind_polymorph(const struct function *f, const enum type_id *types, const bool *is_member,
                              uint32_t count, enum type_id *element);
bool bind_polymorph_takes(enum type_id parameter, enum type_id argument);
/* What a parameter or result is once the element type is known; other types are themselves. */
enum type_id bind_concrete(enum type_id t, enum type_id element);

/* False with *err where some part has no columns, fails, and is certain to be evaluated: 1/0, but not the one behind a guard. */
bool bind_can_succeed(struct binder *b, const struct expr *e);

/* bind_types.c */
char bind_category(enum type_id t);
bool bind_is_preferred(enum type_id t);
bool bind_is_integer(enum type_id t);
bool bind_casts_implicitly(enum type_id from, enum type_id to);
bool bind_casts_explicitly(enum type_id from, enum type_id to);
/* The row for these argument types (TYPE_UNKNOWN and TYPE_JSON among them). NULL: *ambiguous says whether none or
 * several. */
const struct function *bind_resolve(const struct function *table, uint32_t rows, struct str name,
                                    const enum type_id *types, const bool *is_member, uint32_t count, bool is_operator,
                                    bool *ambiguous);

#endif
