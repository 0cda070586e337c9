/*
 * SQL over a stream: a SELECT without FROM-joins, grouping or subqueries, compiled once against a schema and evaluated
 * a column at a time (MonetDB/X100: Boncz et al., CIDR 2005). The dialect is PostgreSQL's; the typing rules are in the
 * contract.
 *
 * A compiled query or expression is const and used by all workers at once; what an evaluation needs lives in the
 * slice's arena.
 */
#ifndef PIPE_SQL_H
#define PIPE_SQL_H

#include "pipeline/event/convert.h"
#include "pipeline/event/slice.h"

/* Where in the query's text an error is. offset: bytes from its start. */
struct sql_error {
    struct error error; /* text without the position */
    size_t offset, length;
    char hint[256]; /* "did you mean …", "use …"; "" for none */
};

struct sql_query;
struct sql_expr;
struct lookup_set; /* lookup.h */

struct sql_options {
    const char *input;      /* the only input's name, allowed in FROM beside "input" */
    struct str source_name; /* for meta.source */
    const struct zone *zone;
    uint32_t component; /* for rejections */
    const char *directory; /* that relative paths start at; NULL: the present one */
    uint64_t most_rows; /* that one record may become; 0: any number */
    struct lookup_set *lookups; /* of all queries of the plan; NULL: this one reads its own */
};

/*
 * Compiles `text` against the schema of its input, asking it for the columns it needs, and fills *out (owned by the
 * plan's arena): the schema of its output, on which later consumers may again ask for columns. NULL with *err
 * otherwise.
 */
struct sql_query *sql_compile(struct str text, struct schema *in, const struct sql_options *o, struct arena *plan,
                              struct schema **out, struct sql_error *err);

/* What the text alone says, before there is a schema. All false where it cannot be parsed: compiling it will say why. */
struct sql_outline {
    bool has_from, has_star;
};
struct sql_outline sql_outline(struct str text);

/* A line for each lookup of the query, behind `before`. */
void sql_explain(const struct sql_query *q, const char *before, struct buffer *out);
/* Whether one event may become several rows. */
bool sql_makes_rows(const struct sql_query *q);

/* Evaluates over in->sel; *out shares columns with in. Rejected rows are gathered and are not in out->sel. */
void sql_run(const struct sql_query *q, const struct slice *in, struct slice *out, struct rejections *r);

/* One expression: route conditions, templates. `want` of TYPE_UNKNOWN: whatever it is (json scalars become text). */
struct sql_expr *sql_compile_expr(struct str text, struct schema *in, const struct sql_options *o, struct type want,
                                  struct arena *plan, struct type *out_type, struct sql_error *err);
/* out[row] for sel[0..n); rejected rows get NULL and are in r. */
void sql_eval(const struct sql_expr *e, const struct slice *in, const uint32_t *sel, uint32_t n, struct value *out,
              struct rejections *r);

/*
 * A template: "dt={ts:%Y-%m-%d}/device={device}". Literal text, and {expression} or {expression:%strftime}; {{ and }}
 * are braces.
 */
enum template_use {
    TEMPLATE_PATH,  /* values percent-encoded, NULL is __HIVE_DEFAULT_PARTITION__ */
    TEMPLATE_TOPIC, /* NULL, empty or a wildcard rejects the record */
    TEMPLATE_TEXT,  /* as it is; NULL is '' */
};
struct sql_template;
struct sql_template *sql_compile_template(struct str text, enum template_use use, struct schema *in,
                                          const struct sql_options *o, struct arena *plan, struct sql_error *err);
/* out[row] (arena) for sel[0..n). A template without expressions gives the same pointer for all. */
void sql_eval_template(const struct sql_template *t, const struct slice *in, const uint32_t *sel, uint32_t n,
                       struct str *out, struct rejections *r);

/* The function table, for the reference and `pipe list functions`. */
struct sql_function_doc {
    const char *name, *signature, *summary, *example, *result;
};
extern const struct sql_function_doc *sql_function_docs(uint32_t *count);

/* One row of the tables of functions and operators. Types by their names; "any". All static. */
enum { SQL_SIGNATURE_ARGS = 8 };
struct sql_signature {
    const char *name, *result, *args[SQL_SIGNATURE_ARGS];
    uint32_t count;
    bool is_operator, variadic;
};
/* The i-th, functions first; false behind the last. */
bool sql_signature(uint32_t i, struct sql_signature *out);

/* Names in the queries that were requested from open schemas and that no event had are found by the engine; nothing to
 * do here. */

#endif
