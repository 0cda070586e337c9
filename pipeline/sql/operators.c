/*
 * The table of operators. Mixed integers and mixed floats have rows of their own, as in pg_operator: they decide what
 * an operator with one such operand means.
 */
#include "pipeline/sql/implementation.h"

#define UNARY(op, a, r, ...)                                                                                           \
    {                                                                                                                  \
        .name = op, .result = TYPE_##r, .args = {TYPE_##a}, .count = 1, __VA_ARGS__                                    \
    }
#define BINARY(op, a, b, r, ...)                                                                                       \
    {                                                                                                                  \
        .name = op, .result = TYPE_##r, .args = {TYPE_##a, TYPE_##b}, .count = 2, __VA_ARGS__                          \
    }

#define INT_ARITH(op, v)                                                                                               \
    BINARY(op, SMALLINT, SMALLINT, SMALLINT, .kernel = kernel_int_arith, .variant = v),                                \
        BINARY(op, SMALLINT, INTEGER, INTEGER, .kernel = kernel_int_arith, .variant = v),                              \
        BINARY(op, SMALLINT, BIGINT, BIGINT, .kernel = kernel_int_arith, .variant = v),                                \
        BINARY(op, INTEGER, SMALLINT, INTEGER, .kernel = kernel_int_arith, .variant = v),                              \
        BINARY(op, INTEGER, INTEGER, INTEGER, .kernel = kernel_int_arith, .variant = v),                               \
        BINARY(op, INTEGER, BIGINT, BIGINT, .kernel = kernel_int_arith, .variant = v),                                 \
        BINARY(op, BIGINT, SMALLINT, BIGINT, .kernel = kernel_int_arith, .variant = v),                                \
        BINARY(op, BIGINT, INTEGER, BIGINT, .kernel = kernel_int_arith, .variant = v),                                 \
        BINARY(op, BIGINT, BIGINT, BIGINT, .kernel = kernel_int_arith, .variant = v)

#define FLOAT_ARITH(op, v)                                                                                             \
    BINARY(op, REAL, REAL, REAL, .kernel = kernel_double_arith, .variant = v),                                         \
        BINARY(op, REAL, DOUBLE, DOUBLE, .kernel = kernel_double_arith, .variant = v),                                 \
        BINARY(op, DOUBLE, REAL, DOUBLE, .kernel = kernel_double_arith, .variant = v),                                 \
        BINARY(op, DOUBLE, DOUBLE, DOUBLE, .kernel = kernel_double_arith, .variant = v)

#define NUMERIC_ARITH(op, v) BINARY(op, NUMERIC, NUMERIC, NUMERIC, .kernel = kernel_numeric_arith, .variant = v)

#define UNARY_ARITH(op, v)                                                                                             \
    UNARY(op, SMALLINT, SMALLINT, .kernel = kernel_int_arith, .variant = v),                                           \
        UNARY(op, INTEGER, INTEGER, .kernel = kernel_int_arith, .variant = v),                                         \
        UNARY(op, BIGINT, BIGINT, .kernel = kernel_int_arith, .variant = v),                                           \
        UNARY(op, NUMERIC, NUMERIC, .kernel = kernel_numeric_arith, .variant = v),                                     \
        UNARY(op, REAL, REAL, .kernel = kernel_double_arith, .variant = v),                                            \
        UNARY(op, DOUBLE, DOUBLE, .kernel = kernel_double_arith, .variant = v)

#define BITS(op, v)                                                                                                    \
    BINARY(op, SMALLINT, SMALLINT, SMALLINT, .kernel = kernel_int_arith, .variant = v),                                \
        BINARY(op, INTEGER, INTEGER, INTEGER, .kernel = kernel_int_arith, .variant = v),                               \
        BINARY(op, BIGINT, BIGINT, BIGINT, .kernel = kernel_int_arith, .variant = v)

#define SHIFTS(op, v)                                                                                                  \
    BINARY(op, SMALLINT, INTEGER, SMALLINT, .kernel = kernel_int_arith, .variant = v),                                 \
        BINARY(op, INTEGER, INTEGER, INTEGER, .kernel = kernel_int_arith, .variant = v),                               \
        BINARY(op, BIGINT, INTEGER, BIGINT, .kernel = kernel_int_arith, .variant = v)

#define COMPARE_WITH(op, v, a, b, k) BINARY(op, a, b, BOOLEAN, .kernel = k, .variant = v)
#define COMPARE(op, v)                                                                                                 \
    COMPARE_WITH(op, v, SMALLINT, SMALLINT, kernel_compare_int),                                                       \
        COMPARE_WITH(op, v, SMALLINT, INTEGER, kernel_compare_int),                                                    \
        COMPARE_WITH(op, v, SMALLINT, BIGINT, kernel_compare_int),                                                     \
        COMPARE_WITH(op, v, INTEGER, SMALLINT, kernel_compare_int),                                                    \
        COMPARE_WITH(op, v, INTEGER, INTEGER, kernel_compare_int),                                                     \
        COMPARE_WITH(op, v, INTEGER, BIGINT, kernel_compare_int),                                                      \
        COMPARE_WITH(op, v, BIGINT, SMALLINT, kernel_compare_int),                                                     \
        COMPARE_WITH(op, v, BIGINT, INTEGER, kernel_compare_int),                                                      \
        COMPARE_WITH(op, v, BIGINT, BIGINT, kernel_compare_int),                                                       \
        BINARY(op, NUMERIC, NUMERIC, BOOLEAN, .kernel = kernel_compare_numeric, .variant = v,                          \
               .prepare = prepare_compare_numeric),                                                                    \
        COMPARE_WITH(op, v, REAL, REAL, kernel_compare_double),                                                        \
        COMPARE_WITH(op, v, REAL, DOUBLE, kernel_compare_double),                                                      \
        COMPARE_WITH(op, v, DOUBLE, REAL, kernel_compare_double),                                                      \
        COMPARE_WITH(op, v, DOUBLE, DOUBLE, kernel_compare_double),                                                    \
        COMPARE_WITH(op, v, TEXT, TEXT, kernel_compare_text), COMPARE_WITH(op, v, BYTEA, BYTEA, kernel_compare_text),  \
        COMPARE_WITH(op, v, UUID, UUID, kernel_compare_text),                                                          \
        COMPARE_WITH(op, v, BOOLEAN, BOOLEAN, kernel_compare_int),                                                     \
        COMPARE_WITH(op, v, DATE, DATE, kernel_compare_int),                                                           \
        COMPARE_WITH(op, v, TIMESTAMP, TIMESTAMP, kernel_compare_int),                                                 \
        COMPARE_WITH(op, v, TIMESTAMPTZ, TIMESTAMPTZ, kernel_compare_int),                                             \
        COMPARE_WITH(op, v, JSONB, JSONB, kernel_compare_array),                                                       \
        COMPARE_WITH(op, v, ANYARRAY, ANYARRAY, kernel_compare_array),                                                 \
        COMPARE_WITH(op, v, DATE, TIMESTAMP, kernel_compare_time),                                                     \
        COMPARE_WITH(op, v, DATE, TIMESTAMPTZ, kernel_compare_time),                                                   \
        COMPARE_WITH(op, v, TIMESTAMP, DATE, kernel_compare_time),                                                     \
        COMPARE_WITH(op, v, TIMESTAMP, TIMESTAMPTZ, kernel_compare_time),                                              \
        COMPARE_WITH(op, v, TIMESTAMPTZ, DATE, kernel_compare_time),                                                   \
        COMPARE_WITH(op, v, TIMESTAMPTZ, TIMESTAMP, kernel_compare_time),                                              \
        COMPARE_WITH(op, v, INTERVAL, INTERVAL, kernel_compare_interval)

/* variant: enum like_operator */
#define LIKE_OVER(op, t, v)                                                                                            \
    BINARY(op, t, t, BOOLEAN, .kernel = kernel_like, .variant = v, .prepare = prepare_like),                           \
    {                                                                                                                  \
        .name = op, .result = TYPE_BOOLEAN, .args = {TYPE_##t, TYPE_##t, TYPE_##t}, .count = 3, .kernel = kernel_like, \
        .variant = v, .prepare = prepare_like                                                                          \
    }
#define LIKE(op, v) LIKE_OVER(op, TEXT, v)

#define MATCH(op, v) BINARY(op, TEXT, TEXT, BOOLEAN, .kernel = kernel_match, .variant = v, .prepare = prepare_match)
#define SIMILAR(op)                                                                                                 \
    BINARY(op, TEXT, TEXT, BOOLEAN, .scalar = fn_similar, .prepare = prepare_similar),                                 \
    {                                                                                                                  \
        .name = op, .result = TYPE_BOOLEAN, .args = {TYPE_TEXT, TYPE_TEXT, TYPE_TEXT}, .count = 3,                     \
        .scalar = fn_similar, .prepare = prepare_similar                                                               \
    }

const struct function sql_operators[] = {
    INT_ARITH("+", ARITH_ADD),
    NUMERIC_ARITH("+", ARITH_ADD),
    FLOAT_ARITH("+", ARITH_ADD),
    BINARY("+", DATE, INTEGER, DATE, .kernel = kernel_date_arith, .variant = ARITH_ADD),
    BINARY("+", INTEGER, DATE, DATE, .kernel = kernel_date_arith, .variant = ARITH_ADD),
    BINARY("+", DATE, INTERVAL, TIMESTAMP, .kernel = kernel_time_shift, .variant = ARITH_ADD),
    BINARY("+", INTERVAL, DATE, TIMESTAMP, .kernel = kernel_time_shift, .variant = ARITH_ADD),
    BINARY("+", TIMESTAMP, INTERVAL, TIMESTAMP, .kernel = kernel_time_shift, .variant = ARITH_ADD),
    BINARY("+", INTERVAL, TIMESTAMP, TIMESTAMP, .kernel = kernel_time_shift, .variant = ARITH_ADD),
    BINARY("+", TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, .kernel = kernel_time_shift, .variant = ARITH_ADD),
    BINARY("+", INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ, .kernel = kernel_time_shift, .variant = ARITH_ADD),
    BINARY("+", INTERVAL, INTERVAL, INTERVAL, .kernel = kernel_interval_arith, .variant = ARITH_ADD),
    UNARY_ARITH("+", ARITH_PLUS),

    INT_ARITH("-", ARITH_SUB),
    NUMERIC_ARITH("-", ARITH_SUB),
    FLOAT_ARITH("-", ARITH_SUB),
    BINARY("-", DATE, INTEGER, DATE, .kernel = kernel_date_arith, .variant = ARITH_SUB),
    BINARY("-", DATE, DATE, INTEGER, .kernel = kernel_date_arith, .variant = ARITH_SUB),
    BINARY("-", DATE, INTERVAL, TIMESTAMP, .kernel = kernel_time_shift, .variant = ARITH_SUB),
    BINARY("-", TIMESTAMP, INTERVAL, TIMESTAMP, .kernel = kernel_time_shift, .variant = ARITH_SUB),
    BINARY("-", TIMESTAMPTZ, INTERVAL, TIMESTAMPTZ, .kernel = kernel_time_shift, .variant = ARITH_SUB),
    BINARY("-", TIMESTAMP, TIMESTAMP, INTERVAL, .kernel = kernel_time_difference),
    BINARY("-", TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL, .kernel = kernel_time_difference),
    BINARY("-", INTERVAL, INTERVAL, INTERVAL, .kernel = kernel_interval_arith, .variant = ARITH_SUB),
    UNARY_ARITH("-", ARITH_NEG),
    UNARY("-", INTERVAL, INTERVAL, .kernel = kernel_interval_arith, .variant = ARITH_NEG),

    INT_ARITH("*", ARITH_MUL),
    NUMERIC_ARITH("*", ARITH_MUL),
    FLOAT_ARITH("*", ARITH_MUL),
    BINARY("*", DOUBLE, INTERVAL, INTERVAL, .kernel = kernel_interval_scale, .variant = ARITH_MUL),
    BINARY("*", INTERVAL, DOUBLE, INTERVAL, .kernel = kernel_interval_scale, .variant = ARITH_MUL),

    INT_ARITH("/", ARITH_DIV),
    NUMERIC_ARITH("/", ARITH_DIV),
    FLOAT_ARITH("/", ARITH_DIV),
    BINARY("/", INTERVAL, DOUBLE, INTERVAL, .kernel = kernel_interval_scale, .variant = ARITH_DIV),

    BITS("%", ARITH_MOD),
    NUMERIC_ARITH("%", ARITH_MOD),

    BINARY("^", DOUBLE, DOUBLE, DOUBLE, .scalar = fn_power),
    BINARY("^", NUMERIC, NUMERIC, NUMERIC, .scalar = fn_numeric_power),
    UNARY("|/", DOUBLE, DOUBLE, .scalar = fn_double, .variant = DOUBLE_SQRT),
    UNARY("||/", DOUBLE, DOUBLE, .scalar = fn_double, .variant = DOUBLE_CBRT),
    UNARY_ARITH("@", ARITH_ABS),

    BITS("&", ARITH_AND),
    BITS("|", ARITH_OR),
    BITS("#", ARITH_XOR),
    SHIFTS("<<", ARITH_LEFT),
    SHIFTS(">>", ARITH_RIGHT),
    UNARY("~", SMALLINT, SMALLINT, .kernel = kernel_int_arith, .variant = ARITH_NOT),
    UNARY("~", INTEGER, INTEGER, .kernel = kernel_int_arith, .variant = ARITH_NOT),
    UNARY("~", BIGINT, BIGINT, .kernel = kernel_int_arith, .variant = ARITH_NOT),

    COMPARE("<", COMPARE_LT),
    COMPARE("<=", COMPARE_LE),
    COMPARE("=", COMPARE_EQ),
    COMPARE("<>", COMPARE_NE),
    COMPARE(">=", COMPARE_GE),
    COMPARE(">", COMPARE_GT),

    BINARY("||", TEXT, TEXT, TEXT, .scalar = fn_concat, .variant = CONCAT_CASTS),
    BINARY("||", BYTEA, BYTEA, BYTEA, .scalar = fn_bytes_concat),
    BINARY("||", TEXT, ANYNONARRAY, TEXT, .scalar = fn_concat, .variant = CONCAT_CASTS),
    BINARY("||", ANYNONARRAY, TEXT, TEXT, .scalar = fn_concat, .variant = CONCAT_CASTS),
    BINARY("||", COMPATIBLE_ARRAY, COMPATIBLE_ARRAY, COMPATIBLE_ARRAY, .scalar = fn_array_cat, .null_call = true),
    BINARY("||", COMPATIBLE_ARRAY, COMPATIBLE, COMPATIBLE_ARRAY, .scalar = fn_array_append, .null_call = true),
    BINARY("||", COMPATIBLE, COMPATIBLE_ARRAY, COMPATIBLE_ARRAY, .scalar = fn_array_prepend, .null_call = true),
    BINARY("||", JSONB, JSONB, JSONB, .scalar = fn_json_concat),
    BINARY("@>", ANYARRAY, ANYARRAY, BOOLEAN, .scalar = fn_array_contains, .variant = ARRAY_CONTAINS),
    BINARY("<@", ANYARRAY, ANYARRAY, BOOLEAN, .scalar = fn_array_contains, .variant = ARRAY_IS_CONTAINED),
    BINARY("&&", ANYARRAY, ANYARRAY, BOOLEAN, .scalar = fn_array_overlaps),

    LIKE("~~", 0),
    LIKE("~~*", LIKE_NOCASE),
    LIKE("!~~", LIKE_NEGATED),
    LIKE("!~~*", LIKE_NOCASE | LIKE_NEGATED),
    LIKE_OVER("~~", BYTEA, LIKE_BYTES),
    LIKE_OVER("!~~", BYTEA, LIKE_BYTES | LIKE_NEGATED),
    MATCH("~", 0),
    MATCH("~*", MATCH_NOCASE),
    MATCH("!~", MATCH_NEGATED),
    MATCH("!~*", MATCH_NOCASE | MATCH_NEGATED),
    SIMILAR("similar to"),
    BINARY("^@", TEXT, TEXT, BOOLEAN, .scalar = fn_starts_with),

    BINARY("->", JSONB, TEXT, JSONB, .scalar = fn_json_get, .variant = JSON_AS_JSON, .as_written = true),
    BINARY("->", JSONB, INTEGER, JSONB, .scalar = fn_json_get, .variant = JSON_AS_JSON, .as_written = true),
    BINARY("->>", JSONB, TEXT, TEXT, .scalar = fn_json_get, .variant = JSON_AS_TEXT, .as_written = true),
    BINARY("->>", JSONB, INTEGER, TEXT, .scalar = fn_json_get, .variant = JSON_AS_TEXT, .as_written = true),
    BINARY("#>", JSONB, TEXT_ARRAY, JSONB, .scalar = fn_json_path, .variant = JSON_AS_JSON, .as_written = true),
    BINARY("#>>", JSONB, TEXT_ARRAY, TEXT, .scalar = fn_json_path, .variant = JSON_AS_TEXT, .as_written = true),
    BINARY("@>", JSONB, JSONB, BOOLEAN, .scalar = fn_json_contains, .variant = JSON_CONTAINS),
    BINARY("<@", JSONB, JSONB, BOOLEAN, .scalar = fn_json_contains, .variant = JSON_IS_CONTAINED),
    BINARY("?", JSONB, TEXT, BOOLEAN, .scalar = fn_json_exists, .as_written = true),
    BINARY("?|", JSONB, TEXT_ARRAY, BOOLEAN, .scalar = fn_json_exists_some, .variant = JSON_SOME, .as_written = true),
    BINARY("?&", JSONB, TEXT_ARRAY, BOOLEAN, .scalar = fn_json_exists_some, .variant = JSON_ALL, .as_written = true),
    BINARY("-", JSONB, TEXT, JSONB, .scalar = fn_json_without),
    BINARY("-", JSONB, TEXT_ARRAY, JSONB, .scalar = fn_json_without),
    BINARY("-", JSONB, INTEGER, JSONB, .scalar = fn_json_without_element),
    BINARY("#-", JSONB, TEXT_ARRAY, JSONB, .scalar = fn_json_without_path),
};
const uint32_t sql_operator_count = sizeof(sql_operators) / sizeof(sql_operators[0]);
