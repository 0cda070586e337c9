/*
 * The tables of functions and operators. A row is one signature; adding a function is adding a row (and its kernel).
 * Which row a call means is decided by PostgreSQL's rules (manual, 10.2 and 10.3) in bind_types.c.
 */
#ifndef PIPE_SQL_FUNCTION_H
#define PIPE_SQL_FUNCTION_H

#include "pipeline/sql/eval.h"

enum { FUNCTION_MAX_ARGS = 7 };
/* An argument of any type, taken as it is. */
#define TYPE_ANY TYPE_COUNT
/*
 * Polymorphic arguments and results (manual, 38.2.5): all of a call's agree on one element type. The compatible ones take the common type of
 * what they are given, the others want it to be the same.
 */
#define TYPE_ANYELEMENT ((enum type_id)(TYPE_COUNT + 1))
#define TYPE_ANYARRAY ((enum type_id)(TYPE_COUNT + 2))
#define TYPE_ANYNONARRAY ((enum type_id)(TYPE_COUNT + 3))
#define TYPE_COMPATIBLE ((enum type_id)(TYPE_COUNT + 4))
#define TYPE_COMPATIBLE_ARRAY ((enum type_id)(TYPE_COUNT + 5))

/* The columns that a function which makes rows gives; types may be polymorphic. */
struct set_shape {
    uint32_t count;
    const char *names[2]; /* NULL: the function's own name */
    enum type_id types[2];
};

struct function {
    const char *name; /* lower case, or the operator */
    enum type_id result;
    enum type_id args[FUNCTION_MAX_ARGS];
    uint32_t count;
    bool variadic;   /* the last argument may come any number of times */
    bool null_call;  /* scalar is called for NULLs too */
    bool as_written; /* jsonb arguments need not be in normal form: it reaches into them */
    kernel_fn *kernel;
    scalar_fn *scalar;
    int variant;
    const char *parameters; /* "years months": they may be given by name; NULL: not */
    bool defaults;          /* parameters that are left out are 0 */
    const struct set_shape *set; /* makes rows: scalar gives an array of all their values, row by row */
    /* Makes e->data from arguments that are constants, and refuses bad ones. NULL: nothing to do. */
    bool (*prepare)(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
};

extern const struct function sql_functions[], sql_operators[];
extern const uint32_t sql_function_count, sql_operator_count;

/* What `variant` says to the kernels of comparisons and arithmetic. */
enum comparison { COMPARE_LT, COMPARE_LE, COMPARE_EQ, COMPARE_NE, COMPARE_GE, COMPARE_GT };
enum arithmetic {
    ARITH_ADD,
    ARITH_SUB,
    ARITH_MUL,
    ARITH_DIV,
    ARITH_MOD,
    ARITH_NEG,
    ARITH_PLUS,
    ARITH_ABS,
    ARITH_AND,
    ARITH_OR,
    ARITH_XOR,
    ARITH_NOT,
    ARITH_LEFT,
    ARITH_RIGHT,
};

/* kernels_compare.c */
kernel_fn kernel_compare_int, kernel_compare_double, kernel_compare_numeric, kernel_compare_text, kernel_compare_json,
    kernel_compare_array;
bool prepare_compare_numeric(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
bool prepare_compare_json(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);
/* -1, 0, 1 for two values of one type that has an order. */
int sql_compare_values(struct value a, struct value b);
/* Whether they can be compared: false for items of a JSON array that are not of one sort. */
bool sql_same_kind(struct value a, struct value b);

/* What orders by `comparison` (enum comparison). */
bool sql_comparison_holds(int comparison, int order);

/* kernels_time.c */
kernel_fn kernel_interval_arith, kernel_interval_scale, kernel_time_shift, kernel_time_difference, kernel_compare_time,
    kernel_compare_interval;

/* kernels_logic.c: args as bind.c lays them out */
kernel_fn kernel_not, kernel_is, kernel_distinct, kernel_nullif, kernel_greatest;

/* kernels_numeric.c */
kernel_fn kernel_int_arith, kernel_double_arith, kernel_numeric_arith, kernel_date_arith;
scalar_fn scalar_numeric_arith;

/* kernels_cast.c: conversions that bind.c inserts */
kernel_fn kernel_load_numeric, kernel_load_text, kernel_json_to, kernel_parse_text, kernel_cast, kernel_try_cast,
    kernel_int_to_numeric, kernel_to_double, kernel_to_text, kernel_member, kernel_json_normal;
bool sql_decimal_of(const struct value *v, struct value *out);

/* kernel_any.c: e->data is a struct any_call that bind_array.c makes */
kernel_fn kernel_any;
struct any_call {
    const struct expr *test; /* of columns 0, the left operand, and 1, the element */
    struct program program;
    bool all;
};

/* kernels_like.c; variant: enum like_operator */
enum like_operator { LIKE_NOCASE = 1, LIKE_NEGATED = 2, LIKE_BYTES = 4 };
kernel_fn kernel_like;
bool prepare_like(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err);

#endif
