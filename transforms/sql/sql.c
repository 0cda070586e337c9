#include "transforms/sql/sql.h"

#include "pipeline/engine/config.h"
#include "pipeline/engine/sql_option.h"

struct sql_transform {
    const char *query;
};

static const struct option sql_transform_options[] = {
    OPT(TEXT, struct sql_transform, query, .required = true,
        .example = "\"SELECT device, temp * 1.8 + 32 AS temp_f FROM input WHERE temp > 30\"",
        .doc = "One SELECT. FROM is `input`, or the name of the only input."),
    OPT_END,
};

static bool sql_transform_bind(struct step *step, struct arena *plan, struct problems *p)
{
    const struct sql_transform *o = step->component->options;
    struct sql_options how = sql_options_of(step);
    struct sql_error err = {0};
    struct sql_query *query = sql_compile(str_of(o->query), step->in, &how, plan, &step->outs[0], &err);
    if (!query) {
        report_sql_error(step, "query", str_of(o->query), &err, p);
        return false;
    }
    step->program = query;
    step->makes_rows = sql_makes_rows(query);
    return true;
}

static void sql_transform_explain(const struct step *step, const char *before, struct buffer *out)
{
    sql_explain(step->program, before, out);
}

static void sql_transform_run(const struct step *step, const struct slice *in, struct slice *outs, struct rejections *r)
{
    sql_run(step->program, in, outs, r);
}

const struct transform_type sql_transform_type = {
    .base =
        {
            .name = "sql",
            .summary = "Selects, filters and computes with PostgreSQL's SQL.",
            .doc = "Each event is one row. Members are named as they are written in the event (`loc.lat` goes into an "
                   "object), `meta.*` is "
                   "what is known beside the record: source, input, file, line, topic, partition, offset, key, "
                   "timestamp, headers, "
                   "properties. `SELECT *` keeps the event as it is; `* EXCLUDE (a, b)` leaves members out; `SELECT *, "
                   "x AS temp` replaces "
                   "one in place.\n\n"
                   "Functions, operators, casts and NULLs behave as in PostgreSQL 15. An event whose expression fails "
                   "(a text that is no "
                   "number, a division by zero) is rejected: it goes to the dead letters, or to whoever reads "
                   "NAME.rejected.\n\n"
                   "A function that makes rows turns one event into many, or none: `SELECT id, unnest(items) AS item`, or in FROM, "
                   "`FROM input, unnest(items) WITH ORDINALITY AS t (item, n)`; LEFT JOIN … ON true keeps events without any. The rows "
                   "of one event stay together: if one of them is rejected, so are the others.\n\n"
                   "`LEFT JOIN lookup('devices.csv') d ON d.id = input.device` adds the columns of a file (CSV with a header, or JSON "
                   "lines; its path starts at the configuration's directory) where the key fits; JOIN leaves out the other events. It is "
                   "read when the pipeline starts and again when it changes; a version that cannot be read, or that has a key "
                   "twice, changes nothing and is a warning. CSV columns are untyped, or as `lookup('devices.csv', id => "
                   "'integer')` says. `*` shows the file's columns that are no key and that the event has no name for.\n\n"
                   "`pipe list functions` shows the functions.",
            .example = "query = \"\"\"\n"
                       "SELECT device, ts, temp, temp * 1.8 + 32 AS temp_f\n"
                       "FROM input\n"
                       "WHERE temp > -40\n"
                       "\"\"\"\n",
            .options = sql_transform_options,
            .options_size = sizeof(struct sql_transform),
        },
    .bind = sql_transform_bind,
    .run = sql_transform_run,
    .explain = sql_transform_explain,
};
