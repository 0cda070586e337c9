#include "connectors/sqlite/sqlite.h"

#include <stdlib.h>

#include "pipeline/engine/upstream.h"

static const struct option_choice write_choices[] = {
    {"append", SQ_APPEND, "Every record becomes a new row."},
    {"upsert", SQ_UPSERT, "A row with the same key is replaced."},
    {"insert", SQ_INSERT, "A row with the same key stays as it is, and the new one is left out."},
    {"replace", SQ_REPLACE, "Every run reads all its input and replaces the table's rows, in one transaction."},
    {NULL, 0, NULL},
};

static const struct option sqlite_options[] = {
    OPT(PATH, struct sqlite_options, path, .required = true,
        .doc = "The database file. It and its directory are made where they are missing.",
        .example = "\"out/readings.db\""),
    OPT(TEXT, struct sqlite_options, table, .required = true, .doc = "The table. Its name is used exactly as written.",
        .example = "\"readings\""),
    OPT(CHOICE, struct sqlite_options, write, .preset = "append", .choices = write_choices,
        .doc = "What happens to the rows that are there."),
    OPT(LIST, struct sqlite_options, key,
        .doc =
            "The columns that identify a row, for upsert and insert. The table needs a unique index on exactly these.",
        .example = "[\"device\", \"ts\"]"),
    OPT(BOOL, struct sqlite_options, create, .preset = "false",
        .doc = "Create the table where it is missing, with the types of the query or of the declared columns and the "
               "key as its "
               "primary key."),
    OPT(TEXT, struct sqlite_options, unknown, .preset = "error",
        .doc = "What happens to members that the table has no column for: \"error\" refuses them, \"ignore\" leaves "
               "them out, and any other "
               "text is the name of a column that takes them as a JSON object."),
    OPT(DURATION, struct sqlite_options, busy_timeout, .preset = "5s", .max = INT64_C(3600000000),
        .doc = "How long to wait for another process that writes to the database before the commit is tried anew."),
    OPT_END,
};

static const struct sqlite_options *options_of(const struct component *c)
{
    return c->options;
}

static bool sq_one_commit(const struct component *c)
{
    return options_of(c)->write == SQ_REPLACE;
}

static void sq_check(const struct component *c, struct problems *p)
{
    const struct sqlite_options *o = options_of(c);
    if (c->sink_common->connections > 1)
        problem_add(p, config_place(c, "connections"), "SQLite has one writer at a time: leave `connections` at 1");
    if (o->write == SQ_UPSERT && o->key.count == 0)
        problem_add(p, config_place(c, "write"), "write = \"upsert\" needs `key`: the columns that identify a row");
    const struct component *endless = o->write == SQ_REPLACE ? upstream_endless(c) : NULL;
    if (endless)
        problem_add(p, config_place(c, "write"),
                    "write = \"replace\" commits when its sources have ended, and the source \"%s\" never ends",
                    endless->name);
}

/* ---- opening
 * -------------------------------------------------------------------------------------------------------------- */

/* Once: reconnecting changes nothing that is bound. */
static bool know_table(struct sink *s, struct error *err)
{
    struct sq_shared *shared = s->shared;
    if (shared->table_known)
        return true;
    if (!sq_table_read(s, err))
        return false;
    if (!shared->exists && !sq_options(s)->create) {
        error_set(err, ERROR_STOP, "table %s does not exist in %s: create it, or set create = true",
                  sq_options(s)->table, sq_options(s)->path);
        memcpy(err->sqlstate, "42P01", 6);
        return false;
    }
    shared->table_known = true;
    return true;
}

static void sq_close(struct sink *s)
{
    struct sq_sink *sq = s->state;
    sq_disconnect(s);
    free(sq->refs);
    *sq = (struct sq_sink){0};
}

static bool sq_open(struct sink *s, struct error *err)
{
    if (!s->shared)
        s->shared = mem_zalloc(sizeof(struct sq_shared));
    if (sq_connect(s, err) && know_table(s, err))
        return true;
    sq_close(s);
    return false;
}

static void sq_release(struct sink *s)
{
    struct sq_shared *shared = s->shared;
    if (shared)
        arena_release(&shared->arena);
    free(shared);
    s->shared = NULL;
}

static bool sq_probe(struct sink *s, struct binding *const *bindings, uint32_t count, struct buffer *ddl,
                     struct error *err)
{
    if (ddl) { /* needs no database */
        bool done = count == 0 || sq_create_statement(s, bindings[0]->schema, ddl, err);
        buffer_printf(ddl, done && count ? ";\n" : "");
        return done;
    }
    if (!sq_open(s, err))
        return false;
    const struct sq_shared *shared = s->shared;
    bool done = true;
    for (uint32_t i = 0; i < count && shared->exists && done; i++)
        done = sq_bind(s, bindings[i], err);
    sq_close(s);
    return done;
}

static const struct sink_ops sqlite_ops = {
    .state_size = sizeof(struct sq_sink),
    .open = sq_open,
    .close = sq_close,
    .release = sq_release,
    .load_positions = sq_load_positions,
    .store_positions = sq_store_positions,
    .acquire = sq_acquire,
    .forget_positions = sq_forget_positions,
    .bind = sq_bind,
    .encode = sq_encode,
    .write = sq_write,
    .commit = sq_commit,
    .rollback = sq_rollback,
    .probe = sq_probe,
    .read_letters = sq_read_letters,
    .remove_letters = sq_remove_letters,
};

static const char sqlite_doc[] = "Each commit is one transaction, durable (write-ahead log, synchronous = FULL). A row "
                                 "that breaks a constraint (NOT NULL, UNIQUE, CHECK, a foreign\n"
                                 "key, a STRICT table's type, a trigger's RAISE) rejects that record alone. Other "
                                 "programs may read at any time; while one writes, the sink\n"
                                 "waits for it. A file that is removed or replaced meanwhile stops the run before "
                                 "anything counts as delivered that would be lost with it.\n"
                                 "\n"
                                 "**Exactly once**: the transaction also holds the ranges of input that it stores, in "
                                 "the table `pipe_positions`. A second process with the\n"
                                 "same pipeline and instance takes over (`pipe_epochs`), and the first one stops.\n"
                                 "\n"
                                 "**Column types**. SQLite stores what it is given; the declared type says what that "
                                 "is. INTEGER: 64 bits, booleans as 0 and 1. REAL: a double.\n"
                                 "TEXT: text, and whatever else in the form Postgres prints it. BLOB or no type: every "
                                 "value as what it is. NUMERIC and DECIMAL: whole numbers of\n"
                                 "64 bits and decimals of up to 15 significant digits, which SQLite keeps exactly; a "
                                 "number with more rejects its record instead of being rounded (declare\n"
                                 "the column TEXT to keep all digits, or cast to double precision). BOOLEAN, DATE, "
                                 "TIMESTAMP, DATETIME, UUID and JSON are read as what they say.\n"
                                 "\n"
                                 "Dates and timestamps are text that SQLite's date functions read and that sorts by "
                                 "time: `2026-03-01`, `2026-03-01 12:00:00.123`; a timestamptz is in\n"
                                 "UTC, as `datetime('now')` is.\n"
                                 "\n"
                                 "**create** declares boolean and integers INTEGER, real and double precision REAL, "
                                 "numeric NUMERIC, bytea BLOB, an untyped JSON member without a\n"
                                 "type (each value as what it is), and everything else TEXT.\n";

const struct sink_type sqlite_sink_type = {
    .base =
        {
            .name = "sqlite",
            .summary = "Loads events into a table of an SQLite database, exactly once.",
            .doc = sqlite_doc,
            .example = "path = \"out/readings.db\"\ntable = \"readings\"\ncreate = true\n",
            .options = sqlite_options,
            .options_size = sizeof(struct sqlite_options),
            .check = sq_check,
        },
    .exactly_once = true,
    .acquires = true,
    .one_commit = sq_one_commit,
    .ops = &sqlite_ops,
};
