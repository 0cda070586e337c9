#include "connectors/postgres/postgres.h"

#include "pipeline/engine/upstream.h"

static const struct option_choice write_choices[] = {
    {"append", POSTGRES_APPEND, "Every record becomes a new row."},
    {"upsert", POSTGRES_UPSERT, "A row with the same key is replaced."},
    {"insert", POSTGRES_INSERT, "A row with the same key stays as it is, and the new one is left out."},
    {"replace", POSTGRES_REPLACE, "Every run reads all its input and replaces the table's rows, in one transaction."},
    {NULL, 0, NULL},
};

static const struct option postgres_options[] = {
    OPT(SECRET, struct postgres_options, url,
        .doc = "A connection string as libpq reads it. What is left out comes from libpq's environment variables, "
               "service file "
               "and password file.",
        .example = "\"postgresql://user:${PGPASSWORD}@db.plant7:5432/iot\""),
    OPT(TEXT, struct postgres_options, table, .required = true,
        .doc = "The table, with its schema where it is not on the search path. Names are used exactly as written.",
        .example = "\"plant.readings\""),
    OPT(TABLE, struct postgres_options, columns,
        .doc = "Which columns are written, and from which member of the event each is taken (dots lead into nested "
               "members). Without "
               "it, columns and members are matched by name.",
        .example = "{ device = \"id\", temp = \"reading.temp\", origin = \"meta.file\" }"),
    OPT(CHOICE, struct postgres_options, write, .preset = "append", .choices = write_choices,
        .doc = "What happens to the rows that are there."),
    OPT(LIST, struct postgres_options, key,
        .doc =
            "The columns that identify a row, for upsert and insert. The table needs a unique index on exactly these.",
        .example = "[\"device\", \"ts\"]"),
    OPT(BOOL, struct postgres_options, create, .preset = "false",
        .doc = "Create the table where it is missing, with the types of the query or of the declared columns and the "
               "key as its "
               "primary key. An untyped CSV member becomes text, an untyped JSON member jsonb."),
    OPT(TEXT, struct postgres_options, unknown, .preset = "error",
        .doc = "What happens to members that the table has no column for: \"error\" refuses them, \"ignore\" leaves "
               "them out, and any other "
               "text is the name of a jsonb column that takes them as an object."),
    OPT_END,
};

static const struct postgres_options *options_of(const struct component *c)
{
    return c->options;
}

static bool postgres_one_commit(const struct component *c)
{
    return options_of(c)->write == POSTGRES_REPLACE;
}

static void postgres_check(const struct component *c, struct problems *p)
{
    const struct postgres_options *o = options_of(c);
    if (o->write == POSTGRES_UPSERT && o->key.count == 0)
        problem_add(p, config_place(c, "write"), "write = \"upsert\" needs `key`: the columns that identify a row");
    for (uint32_t i = 0; i < o->key.count && o->columns.count; i++) {
        bool written = false;
        for (uint32_t k = 0; k < o->columns.count; k++)
            written |= strcmp(o->columns.items[k].key, o->key.items[i]) == 0;
        if (!written)
            problem_add(p, config_place(c, "key"), "key column \"%s\" is not among `columns`", o->key.items[i]);
    }
    if (o->write != POSTGRES_REPLACE)
        return;
    if (c->sink_common->connections > 1)
        problem_add(p, config_place(c, "connections"),
                    "write = \"replace\" is one transaction: it can't use several connections");
    const struct component *endless = upstream_endless(c);
    if (endless)
        problem_add(p, config_place(c, "write"),
                    "write = \"replace\" commits when its sources have ended, and the source \"%s\" never ends",
                    endless->name);
}

static const char postgres_doc[] = "Rows are sent with binary COPY; values are checked and encoded by the workers "
                                   "against the column types found in the catalog. A\n"
                                   "value that its column cannot hold rejects that record alone, with Postgres's "
                                   "SQLSTATE. What only the server can see (a duplicate key,\n"
                                   "a foreign key, a check, a row-level security policy, whatever a trigger raises) "
                                   "rejects that record alone, too: the "
                                   "transaction is sent again in slices with savepoints.\n"
                                   "\n"
                                   "A server that is down, starting, read-only, full, out of connections or busy with "
                                   "locks is waited for. A table, column or right that is\n"
                                   "missing and a login that is refused stop the run, as does a column whose type "
                                   "changes while it is appended to.\n"
                                   "\n"
                                   "**Exactly once**: a transaction ends with the ranges of input it holds, in the "
                                   "table `pipe_positions`, and a share lock on the\n"
                                   "pipeline's row in `pipe_epochs`. A second process with the same pipeline and "
                                   "instance takes over, and the first one stops. Both tables are\n"
                                   "made in the first schema of the search path where they are missing.\n"
                                   "\n"
                                   "**Column types**: boolean, smallint, integer, bigint, real, double precision, "
                                   "numeric, text, varchar, char, citext, enums, bytea,\n"
                                   "date, timestamp, timestamptz, interval, uuid, json, jsonb and domains over them go "
                                   "in as they are. A table with a column of any other\n"
                                   "type (inet, arrays, ranges, geometry …) is loaded through a temporary table, where "
                                   "the server casts that column from text.\n"
                                   "\n"
                                   "**Defaults**: a column that the event has no member for gets its default. Where "
                                   "the members are not known beforehand (JSON without\n"
                                   "declared columns), serial and identity columns are left to the server unless "
                                   "`columns` names them; a missing member of any other\n"
                                   "column is NULL.\n"
                                   "\n"
                                   "**upsert**: of several rows with one key in a transaction the last wins. "
                                   "**replace** deletes the old rows in the transaction that loads\n"
                                   "the new ones: readers see the old table until the commit.\n"
                                   "\n"
                                   "With several `connections` and `ordered = true`, a source partition (for upsert "
                                   "and insert: a key) stays on one connection.\n";

const struct sink_type postgres_sink_type = {
    .base =
        {
            .name = "postgres",
            .summary = "Loads events into a PostgreSQL table, exactly once.",
            .doc = postgres_doc,
            .example = "url = \"${DATABASE_URL:-postgresql:///iot}\"\ntable = \"readings\"\ncreate = true\n",
            .options = postgres_options,
            .options_size = sizeof(struct postgres_options),
            .module = "postgres",
            .check = postgres_check,
        },
    .exactly_once = true,
    .acquires = true,
    .one_commit = postgres_one_commit,
};
