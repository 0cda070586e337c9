/*
 * The table of functions and its documentation, both made from functions.def.
 */
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/sha2.h"
#include "pipeline/sql/text.h"

#define F0(name_, r, doc, example, gives, ...)                                                                         \
    {.name = name_, .result = TYPE_##r, .args = {0}, .count = 0, __VA_ARGS__},
#define F1(name_, a, r, doc, example, gives, ...)                                                                      \
    {.name = name_, .result = TYPE_##r, .args = {TYPE_##a}, .count = 1, __VA_ARGS__},
#define F2(name_, a, b, r, doc, example, gives, ...)                                                                   \
    {.name = name_, .result = TYPE_##r, .args = {TYPE_##a, TYPE_##b}, .count = 2, __VA_ARGS__},
#define F3(name_, a, b, c, r, doc, example, gives, ...)                                                                \
    {.name = name_, .result = TYPE_##r, .args = {TYPE_##a, TYPE_##b, TYPE_##c}, .count = 3, __VA_ARGS__},
#define F4(name_, a, b, c, d, r, doc, example, gives, ...)                                                             \
    {.name = name_, .result = TYPE_##r, .args = {TYPE_##a, TYPE_##b, TYPE_##c, TYPE_##d}, .count = 4, __VA_ARGS__},
#define F5(name_, a, b, c, d, e, r, doc, example, gives, ...)                                                          \
    {.name = name_,                                                                                                    \
     .result = TYPE_##r,                                                                                               \
     .args = {TYPE_##a, TYPE_##b, TYPE_##c, TYPE_##d, TYPE_##e},                                                       \
     .count = 5,                                                                                                       \
     __VA_ARGS__},
#define F6(name_, a, b, c, d, e, f, r, doc, example, gives, ...)                                                       \
    {.name = name_,                                                                                                    \
     .result = TYPE_##r,                                                                                               \
     .args = {TYPE_##a, TYPE_##b, TYPE_##c, TYPE_##d, TYPE_##e, TYPE_##f},                                             \
     .count = 6,                                                                                                       \
     __VA_ARGS__},
#define F7(name_, a, b, c, d, e, f, g, r, doc, example, gives, ...)                                                    \
    {.name = name_,                                                                                                    \
     .result = TYPE_##r,                                                                                               \
     .args = {TYPE_##a, TYPE_##b, TYPE_##c, TYPE_##d, TYPE_##e, TYPE_##f, TYPE_##g},                                   \
     .count = 7,                                                                                                       \
     __VA_ARGS__},

#define F7(name_, a, b, c, d, e, f, g, r, doc, example, gives, ...)                                                    \
    {.name = name_,                                                                                                    \
     .result = TYPE_##r,                                                                                               \
     .args = {TYPE_##a, TYPE_##b, TYPE_##c, TYPE_##d, TYPE_##e, TYPE_##f, TYPE_##g},                                   \
     .count = 7,                                                                                                       \
     __VA_ARGS__},

const struct function sql_functions[] = {
#include "pipeline/sql/functions.def"
};
const uint32_t sql_function_count = sizeof(sql_functions) / sizeof(sql_functions[0]);

#undef F0
#undef F1
#undef F2
#undef F3
#undef F4
#undef F5
#undef F6
#undef F7

#define SQL_BOOLEAN "boolean"
#define SQL_SMALLINT "smallint"
#define SQL_INTEGER "integer"
#define SQL_BIGINT "bigint"
#define SQL_NUMERIC "numeric"
#define SQL_REAL "real"
#define SQL_DOUBLE "double precision"
#define SQL_TEXT "text"
#define SQL_BYTEA "bytea"
#define SQL_UUID "uuid"
#define SQL_DATE "date"
#define SQL_TIMESTAMP "timestamp"
#define SQL_TIMESTAMPTZ "timestamptz"
#define SQL_INTERVAL "interval"
#define SQL_JSON "json"
#define SQL_JSONB "jsonb"
#define SQL_TEXT_ARRAY "text[]"
#define SQL_INTEGER_ARRAY "integer[]"
#define SQL_ANYARRAY "anyarray"
#define SQL_ANYELEMENT "anyelement"
#define SQL_COMPATIBLE "anycompatible"
#define SQL_COMPATIBLE_ARRAY "anycompatiblearray"
#define SQL_ANY "any, …"

#define F0(name_, r, doc, example_, gives, ...) {name_, name_ "() → " SQL_##r, doc, example_, gives},
#define F1(name_, a, r, doc, example_, gives, ...) {name_, name_ "(" SQL_##a ") → " SQL_##r, doc, example_, gives},
#define F2(name_, a, b, r, doc, example_, gives, ...)                                                                  \
    {name_, name_ "(" SQL_##a ", " SQL_##b ") → " SQL_##r, doc, example_, gives},
#define F3(name_, a, b, c, r, doc, example_, gives, ...)                                                               \
    {name_, name_ "(" SQL_##a ", " SQL_##b ", " SQL_##c ") → " SQL_##r, doc, example_, gives},
#define F4(name_, a, b, c, d, r, doc, example_, gives, ...)                                                            \
    {name_, name_ "(" SQL_##a ", " SQL_##b ", " SQL_##c ", " SQL_##d ") → " SQL_##r, doc, example_, gives},
#define F5(name_, a, b, c, d, e, r, doc, example_, gives, ...)                                                         \
    {name_, name_ "(" SQL_##a ", " SQL_##b ", " SQL_##c ", " SQL_##d ", " SQL_##e ") → " SQL_##r, doc, example_, gives},
#define F6(name_, a, b, c, d, e, f, r, doc, example_, gives, ...)                                                      \
    {name_, name_ "(" SQL_##a ", " SQL_##b ", " SQL_##c ", " SQL_##d ", " SQL_##e ", " SQL_##f ") → " SQL_##r, doc,    \
     example_, gives},
#define F7(name_, a, b, c, d, e, f, g, r, doc, example_, gives, ...)                                                   \
    {name_,                                                                                                            \
     name_ "(" SQL_##a ", " SQL_##b ", " SQL_##c ", " SQL_##d ", " SQL_##e ", " SQL_##f ", " SQL_##g ") → " SQL_##r,   \
     doc, example_, gives},

#define F7(name_, a, b, c, d, e, f, g, r, doc, example_, gives, ...)                                                   \
    {name_,                                                                                                            \
     name_ "(" SQL_##a ", " SQL_##b ", " SQL_##c ", " SQL_##d ", " SQL_##e ", " SQL_##f ", " SQL_##g ") → " SQL_##r,   \
     doc, example_, gives},

static const struct sql_function_doc docs[] = {
    /* Forms of the grammar, which have no row of their own. */
    {"coalesce", "coalesce(any, …) → any", "The first argument that is not NULL", "coalesce(NULL, 'x')", "x"},
    {"nullif", "nullif(any, any) → any", "NULL where both are equal, else the first", "nullif(1, 2)", "1"},
    {"greatest", "greatest(any, …) → any", "The greatest argument; NULLs are left out", "greatest(1, 3, 2)", "3"},
    {"least", "least(any, …) → any", "The least argument; NULLs are left out", "least(1, 3, 2)", "1"},
    {"try_cast", "try_cast(any AS type) → type", "As CAST, but NULL where the value does not fit",
     "coalesce(try_cast('x' AS integer), 0)", "0"},
    {"now", "now() → timestamptz", "meta.timestamp: the same on every replay", "now() IS NULL", "f"},
#include "pipeline/sql/functions.def"
};

const struct sql_function_doc *sql_function_docs(uint32_t *count)
{
    *count = sizeof(docs) / sizeof(docs[0]);
    return docs;
}
