#include "tests/unit/connectors/acquired.h"
#include "tests/unit/connectors/postgres_rig.h"

/* ---- values ----------------------------------------------------------------------------------------------------- */

static void every_column_type_arrives_as_it_was(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; DROP TYPE IF EXISTS mood; CREATE TYPE mood AS ENUM ('sad', 'happy');"
        "CREATE TABLE t (b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, n numeric, t "
        "text, v varchar(3),"
        " y bytea, d date, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, e mood)");
    struct rig rig;
    rig_init(&rig, "t");
    static const struct {
        const char *name;
        enum type_id type;
    } columns[] = {{"b", TYPE_BOOLEAN},      {"i2", TYPE_SMALLINT}, {"i4", TYPE_INTEGER}, {"i8", TYPE_BIGINT},
                   {"f4", TYPE_REAL},        {"f8", TYPE_DOUBLE},   {"n", TYPE_NUMERIC},  {"t", TYPE_TEXT},
                   {"v", TYPE_TEXT},         {"y", TYPE_BYTEA},     {"d", TYPE_DATE},     {"ts", TYPE_TIMESTAMP},
                   {"tz", TYPE_TIMESTAMPTZ}, {"iv", TYPE_INTERVAL}, {"u", TYPE_UUID},     {"j", TYPE_JSONB},
                   {"jb", TYPE_JSONB},       {"e", TYPE_TEXT}};
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
        rig_column(&rig, columns[i].name, columns[i].type);
    rig_open(&rig);
    struct interval interval = {.microseconds = 1500000, .days = 2, .months = 14};
    const char *json = "{\"a\": [1, null]}", *uuid = "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef";
    struct value row[18] = {value_bool(true),
                            value_int(-32768),
                            value_int(2147483647),
                            value_int(INT64_MIN),
                            {.kind = VALUE_REAL, .d = 1.5},
                            value_double(-0.1),
                            value_decimal(-1234567890123, 5),
                            text("gr\xc3\xbc\xc3\x9f dich"),
                            text("\xc3\xa4\xc3\xb6\xc3\xbc"),
                            {.kind = VALUE_BYTES, .len = 3, .ptr = "\0\1\377"},
                            {.kind = VALUE_DATE, .i = -1},
                            {.kind = VALUE_TIMESTAMP, .i = 1},
                            {.kind = VALUE_TIMESTAMPTZ, .i = INT64_MAX},
                            {.kind = VALUE_INTERVAL, .ptr = (const char *)&interval},
                            {.kind = VALUE_UUID, .ptr = uuid},
                            {.kind = VALUE_JSON, .len = (uint32_t)strlen(json), .ptr = json},
                            {.kind = VALUE_JSON, .len = (uint32_t)strlen(json), .ptr = json},
                            text("happy")};
    output_free(rig_store(&rig, row, 1));
    assert_string_equal(ask("SELECT * FROM t"),
                        "t|-32768|2147483647|-9223372036854775808|1.5|-0.1|-12345678.90123|gr\xc3\xbc\xc3\x9f "
                        "dich|\xc3\xa4\xc3\xb6\xc3\xbc|"
                        "\\x0001ff|1999-12-31|2000-01-01 00:00:00.000001|infinity|1 year 2 mons 2 days 00:00:01.5|"
                        "01234567-89ab-cdef-0123-456789abcdef|{\"a\": [1, null]}|{\"a\": [1, null]}|happy");
    struct value nulls[18] = {0};
    output_free(rig_store(&rig, nulls, 1));
    assert_string_equal(
        ask("SELECT count(*) FROM t WHERE num_nulls(b,i2,i4,i8,f4,f8,n,t,v,y,d,ts,tz,iv,u,j,jb,e) = 18"), "1");
    rig_close(&rig);
}

static void numerics_of_every_size_keep_their_digits(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (n numeric)");
    struct rig rig;
    rig_init(&rig, "t");
    rig_column(&rig, "n", TYPE_NUMERIC);
    rig_open(&rig);
    const struct value huge = {.kind = VALUE_NUMBER, .len = 30, .ptr = "123456789012345678901234567890"};
    output_free(rig_store(
        &rig, VALUES(value_decimal(0, 3), value_decimal(1, 18), value_decimal(-10000, 0), value_decimal(5, 1), huge),
        5));
    assert_string_equal(ask("SELECT n FROM t"), "0.000 0.000000000000000001 -10000 0.5 123456789012345678901234567890");
    rig_close(&rig);
}

static void types_we_do_not_know_are_cast_by_the_server(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (addr inet, tags text[], n integer)");
    struct rig rig;
    rig_init(&rig, "t");
    rig_column(&rig, "addr", TYPE_TEXT);
    rig_column(&rig, "tags", TYPE_TEXT);
    rig_column(&rig, "n", TYPE_INTEGER);
    rig_open(&rig);
    struct output *o = rig_store(&rig,
                                 VALUES(text("10.0.0.1"), text("{a,b}"), value_int(1), text("10.0.0.300"), text("{}"),
                                        value_int(2), value_null(), value_null(), value_int(3)),
                                 3);
    assert_int_equal(o->rejection_count, 1);
    assert_int_equal(o->rejections[0].record, 1);
    assert_string_equal(o->rejections[0].sqlstate, "22P02");
    assert_string_equal(ask("SELECT * FROM t ORDER BY n"), "10.0.0.1|{a,b}|1 -|-|3");
    output_free(o);
    rig_close(&rig);
}

static void what_a_column_cannot_hold_is_rejected_by_the_worker(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (i2 smallint, v varchar(2), k integer NOT NULL)");
    struct rig rig;
    rig_init(&rig, "t");
    rig_column(&rig, "i2", TYPE_BIGINT);
    rig_column(&rig, "v", TYPE_TEXT);
    rig_column(&rig, "k", TYPE_INTEGER);
    rig_open(&rig);
    struct output *o =
        rig_store(&rig,
                  VALUES(value_int(32768), text("ab"), value_int(1), value_int(1), text("abc"), value_int(2),
                         value_int(1), text("ab  "), value_int(3), value_int(1), text("ab"), value_null()),
                  4);
    assert_int_equal(rig.rejections.count, 3);
    assert_string_equal(rig.rejections.items[0].sqlstate, "22003");
    assert_non_null(strstr(rig.rejections.items[0].text.data, "column \"i2\": 32768 is out of range"));
    assert_string_equal(rig.rejections.items[1].sqlstate, "22001");
    assert_string_equal(rig.rejections.items[2].sqlstate, "23502");
    assert_string_equal(ask("SELECT * FROM t"), "1|ab|3");
    output_free(o);
    rig_close(&rig);
}

/* ---- binding ---------------------------------------------------------------------------------------------------- */

static void create_makes_the_table_with_the_types_of_the_query_and_the_key(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS \"Made Here\"");
    struct rig rig;
    rig_init(&rig, "public.Made Here");
    rig.options.create = true;
    const char *key[] = {"device", "ts"};
    rig.options.key = (struct text_list){key, 2};
    rig.options.write = POSTGRES_UPSERT;
    rig_column(&rig, "device", TYPE_TEXT);
    rig_column(&rig, "ts", TYPE_TIMESTAMPTZ);
    rig_column(&rig, "raw", TYPE_UNKNOWN);
    rig_column(&rig, "member", TYPE_JSON);
    rig_column(&rig, "n", TYPE_NUMERIC);
    rig_open(&rig);
    assert_string_equal(
        ask("SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = "
            "'\"Made Here\"'::regclass AND attnum > 0"),
        "device|text|t ts|timestamp with time zone|t raw|text|f member|jsonb|f n|numeric|f");
    assert_string_equal(
        ask("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '\"Made Here\"'::regclass"),
        "PRIMARY KEY (device, ts)");
    rig_close(&rig);
}

static void expect_open_to_stop(struct rig *rig, const char *sqlstate, const char *words)
{
    assert_false(rig_try_open(rig));
    assert_int_equal(rig->err.kind, ERROR_STOP);
    assert_string_equal(rig->err.sqlstate, sqlstate);
    if (!strstr(rig->err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, rig->err.text);
    assert_null(strstr(rig->err.text, "secret"));
    rig_close(rig);
}

static void what_cannot_work_stops_with_its_reason(void **state)
{
    (void)state;
    struct rig rig;
    char url[160];
    rig_init(&rig, "nowhere");
    expect_open_to_stop(&rig, "42P01", "create = true");

    rig_init(&rig, "t");
    snprintf(url, sizeof(url), "postgresql://pipe:wrong%s", strstr(server.url, "@"));
    rig.options.url = url;
    expect_open_to_stop(&rig, "28P01", "password authentication failed");

    rig_init(&rig, "t");
    snprintf(url, sizeof(url), "%s_missing", server.url);
    rig.options.url = url;
    expect_open_to_stop(&rig, "3D000", "does not exist");

    rig_init(&rig, "t");
    rig.options.url = "postgresql://pipe:secret%ZZ@127.0.0.1/pipe";
    expect_open_to_stop(&rig, "", "no connection string");

    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (device text, temp real)");
    rig_init(&rig, "t");
    rig_column(&rig, "devise", TYPE_TEXT);
    expect_open_to_stop(&rig, "42703", "did you mean \"device\"");

    rig_init(&rig, "t");
    rig_column(&rig, "temp", TYPE_TEXT);
    expect_open_to_stop(&rig, "42804", "cast it in the query");

    rig_init(&rig, "t");
    rig.options.write = POSTGRES_UPSERT;
    const char *key[] = {"device"};
    rig.options.key = (struct text_list){key, 1};
    rig_column(&rig, "device", TYPE_TEXT);
    expect_open_to_stop(&rig, "42P10", "unique index");

    sql("ALTER TABLE t ADD must text NOT NULL");
    rig_init(&rig, "t");
    rig_column(&rig, "device", TYPE_TEXT);
    expect_open_to_stop(&rig, "23502", "\"must\"");
}

static void a_server_that_is_away_is_waited_for(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer)");
    PQfinish(server.watcher);
    server.watcher = NULL;
    server_verb("stop");
    struct rig rig;
    rig_init(&rig, "t");
    rig_column(&rig, "k", TYPE_INTEGER);
    assert_false(rig_try_open(&rig));
    assert_int_equal(rig.err.kind, ERROR_RETRY);
    server_verb("start");
    watcher_connect();
    rig_open(&rig);
    rig_close(&rig);
}

/* ---- bad rows --------------------------------------------------------------------------------------------------- */

static void a_bad_row_goes_out_and_its_neighbours_go_in(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer CHECK (k % 777 <> 5), s text)");
    struct rig rig;
    rig_init(&rig, "t");
    rig_column(&rig, "k", TYPE_INTEGER);
    rig_column(&rig, "s", TYPE_TEXT);
    rig_open(&rig);
    enum { ROWS = 10000 };
    struct value *values = mem_alloc(2 * ROWS * sizeof(*values));
    struct output *outputs[3];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < ROWS; i++) {
            values[2 * i] = value_int(round * ROWS + i);
            values[2 * i + 1] = text("x");
        }
        outputs[round] = rig_encode(&rig, values, NULL, ROWS, ROWS);
        rig_write(&rig, 0, outputs[round]);
    }
    rig_commit(&rig, outputs, 3);
    uint32_t rejected = 0;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < outputs[round]->rejection_count; i++) {
            assert_int_equal((round * ROWS + (int)outputs[round]->rejections[i].record) % 777, 5);
            assert_string_equal(outputs[round]->rejections[i].sqlstate, "23514");
        }
        rejected += outputs[round]->rejection_count;
        output_free(outputs[round]);
    }
    assert_int_equal(rejected, 39);
    assert_string_equal(ask("SELECT count(*), count(DISTINCT k) FROM t"), "29961|29961");
    free(values);
    rig_close(&rig);
}

static void of_two_equal_keys_the_first_goes_in(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer PRIMARY KEY, n integer)");
    struct rig rig;
    rig_init(&rig, "t");
    rig_column(&rig, "k", TYPE_INTEGER);
    rig_column(&rig, "n", TYPE_INTEGER);
    rig_open(&rig);
    struct output *o = rig_store(&rig,
                                 VALUES(value_int(1), value_int(1), value_int(2), value_int(2), value_int(1),
                                        value_int(3), value_int(3), value_int(4)),
                                 4);
    assert_int_equal(o->rejection_count, 1);
    assert_int_equal(o->rejections[0].record, 2);
    assert_string_equal(o->rejections[0].sqlstate, "23505");
    assert_string_equal(ask("SELECT * FROM t ORDER BY k"), "1|1 2|2 3|4");
    output_free(o);
    rig_close(&rig);
}

static void a_record_with_a_bad_row_leaves_none_of_its_rows(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer CHECK (k <> 13))");
    struct rig rig;
    rig_init(&rig, "t");
    rig_column(&rig, "k", TYPE_INTEGER);
    rig_open(&rig);
    const uint32_t record[] = {0, 1, 1, 1, 2};
    struct output *o =
        rig_encode(&rig, VALUES(value_int(1), value_int(11), value_int(12), value_int(13), value_int(2)), record, 5, 3);
    rig_write(&rig, 0, o);
    rig_commit(&rig, &o, 1);
    assert_int_equal(o->rejection_count, 1);
    assert_int_equal(o->rejections[0].record, 1);
    assert_string_equal(ask("SELECT k FROM t ORDER BY k"), "1 2");
    output_free(o);
    rig_close(&rig);
}

static void a_deferred_constraint_fails_at_its_row(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS devices; CREATE TABLE devices (id integer PRIMARY KEY); INSERT "
        "INTO devices VALUES (1);"
        "CREATE TABLE t (device integer REFERENCES devices DEFERRABLE INITIALLY DEFERRED)");
    struct rig rig;
    rig_init(&rig, "t");
    rig_column(&rig, "device", TYPE_INTEGER);
    rig_open(&rig);
    struct output *o = rig_store(&rig, VALUES(value_int(1), value_int(2), value_int(1)), 3);
    assert_int_equal(o->rejection_count, 1);
    assert_int_equal(o->rejections[0].record, 1);
    assert_string_equal(o->rejections[0].sqlstate, "23503");
    assert_string_equal(ask("SELECT count(*) FROM t"), "2");
    output_free(o);
    rig_close(&rig);
    sql("DROP TABLE t");
}

/* ---- write modes ------------------------------------------------------------------------------------------------ */

static void open_keyed(struct rig *rig, int write)
{
    static const char *key[] = {"k"};
    rig_init(rig, "t");
    rig->options.write = write;
    rig->options.key = (struct text_list){key, 1};
    rig_column(rig, "k", TYPE_INTEGER);
    rig_column(rig, "n", TYPE_INTEGER);
    rig_open(rig);
}

static void of_several_rows_with_one_key_the_last_wins(void **state)
{
    (void)state;
    enum { MANY = 12000 };
    struct value *values = mem_alloc(2 * MANY * sizeof(*values));
    for (int i = 0; i < MANY; i++) {
        values[2 * i] = value_int(i % 100);
        values[2 * i + 1] = value_int(i);
    }
    for (int rows = 300; rows <= MANY; rows *= 40) { /* by arrays, and by the stage */
        sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer PRIMARY KEY, n integer); INSERT INTO t VALUES (7, -1), "
            "(1000, -1)");
        struct rig rig;
        open_keyed(&rig, POSTGRES_UPSERT);
        output_free(rig_store(&rig, values, (uint32_t)rows));
        char expected[64];
        snprintf(expected, sizeof(expected), "101|%d|-1", rows - 100 + 7);
        assert_string_equal(ask("SELECT count(*), min(n) FILTER (WHERE k = 7), min(n) FILTER (WHERE k = 1000) FROM t"),
                            expected);
        rig_close(&rig);
    }
    free(values);
}

static void insert_leaves_existing_keys_alone(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer PRIMARY KEY, n integer); INSERT INTO t VALUES (1, 10)");
    struct rig rig;
    open_keyed(&rig, POSTGRES_INSERT);
    output_free(rig_store(
        &rig, VALUES(value_int(1), value_int(11), value_int(2), value_int(12), value_int(2), value_int(13)), 3));
    assert_string_equal(ask("SELECT * FROM t ORDER BY k"), "1|10 2|12");
    rig_close(&rig);
}

static void a_bad_row_among_upserts_goes_out_alone(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer PRIMARY KEY, n integer CHECK (n <> 4321))");
    struct rig rig;
    open_keyed(&rig, POSTGRES_UPSERT);
    enum { ROWS = 5000 };
    struct value *values = mem_alloc(2 * ROWS * sizeof(*values));
    for (int i = 0; i < ROWS; i++) {
        values[2 * i] = value_int(i);
        values[2 * i + 1] = value_int(i);
    }
    struct output *o = rig_store(&rig, values, ROWS);
    assert_int_equal(o->rejection_count, 1);
    assert_int_equal(o->rejections[0].record, 4321);
    assert_string_equal(ask("SELECT count(*) FROM t"), "4999");
    output_free(o);
    free(values);
    rig_close(&rig);
}

static void replace_shows_the_old_rows_until_its_one_commit(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t; CREATE TABLE t (k integer CHECK (k <> 3), n integer); INSERT INTO t VALUES (1, 1)");
    struct rig rig;
    rig_init(&rig, "t");
    rig.options.write = POSTGRES_REPLACE;
    rig_column(&rig, "k", TYPE_INTEGER);
    rig_column(&rig, "n", TYPE_INTEGER);
    rig_open(&rig);
    struct output *o = rig_encode(
        &rig, VALUES(value_int(2), value_int(2), value_int(3), value_int(3), value_int(4), value_int(4)), NULL, 3, 3);
    rig_write(&rig, 0, o);
    assert_int_equal(o->rejection_count, 1);
    assert_string_equal(ask("SELECT * FROM t"), "1|1");
    rig_commit(&rig, &o, 1);
    assert_string_equal(ask("SELECT * FROM t"), "2|2 4|4");
    rig_commit(&rig, &o, 0);
    assert_string_equal(ask("SELECT count(*) FROM t"), "0");
    output_free(o);
    rig_close(&rig);
}

/* ---- positions -------------------------------------------------------------------------------------------------- */

static void open_plain(struct rig *rig)
{
    rig_init(rig, "t");
    rig_column(rig, "k", TYPE_INTEGER);
    rig_open(rig);
}

static void fresh_table(void)
{
    sql("DROP TABLE IF EXISTS t, pipe_positions, pipe_epochs; CREATE TABLE t (k integer)");
}

static void what_is_committed_is_found_again_and_what_is_not_is_not(void **state)
{
    (void)state;
    fresh_table();
    struct rig rig;
    open_plain(&rig);
    output_free(rig_store(&rig, VALUES(value_int(1), value_int(2)), 2));
    struct output *lost = rig_encode(&rig, VALUES(value_int(3)), NULL, 1, 1);
    rig_write(&rig, 0, lost);
    rig_close(&rig);
    open_plain(&rig);
    uint32_t count;
    const struct range *ranges = positions_ranges(rig.stored, "hand", "a.csv", SHARD_ALL, &count);
    assert_int_equal(count, 1);
    assert_int_equal(ranges[0].first, 0);
    assert_int_equal(ranges[0].next, 2);
    assert_string_equal(ask("SELECT k FROM t"), "1 2");
    output_free(lost);
    rig_close(&rig);
}

static void ranges_are_merged_while_it_runs(void **state)
{
    (void)state;
    fresh_table();
    struct rig rig;
    open_plain(&rig);
    for (int i = 0; i < 200; i++)
        output_free(rig_store(&rig, VALUES(value_int(i)), 1));
    assert_string_equal(ask("SELECT count(*) < 70, sum(next - first), min(first), max(next) FROM pipe_positions"),
                        "t|200|0|200");
    rig_close(&rig);
    open_plain(&rig);
    assert_string_equal(ask("SELECT first, next FROM pipe_positions"), "0|200");
    rig_close(&rig);
}

static void a_process_that_was_replaced_commits_nothing_more(void **state)
{
    (void)state;
    fresh_table();
    struct rig old, new;
    open_plain(&old);
    open_plain(&new);
    struct output *o = rig_encode(&old, VALUES(value_int(1)), NULL, 1, 1);
    rig_write(&old, 0, o);
    assert_false(rig_try_commit(&old, 0, &o, 1));
    assert_int_equal(old.err.kind, ERROR_STOP);
    assert_non_null(strstr(old.err.text, "another process"));
    old.ops->rollback(&old.sinks[0]);
    output_free(o);
    output_free(rig_store(&new, VALUES(value_int(2)), 1));
    assert_string_equal(ask("SELECT k FROM t"), "2");
    rig_close(&old);
    rig_close(&new);
}

static void another_state_dir_is_refused_and_another_instance_is_not(void **state)
{
    (void)state;
    fresh_table();
    struct rig rig;
    open_plain(&rig);
    output_free(rig_store(&rig, VALUES(value_int(1)), 1));
    rig_close(&rig);
    rig_init(&rig, "t");
    rig_column(&rig, "k", TYPE_INTEGER);
    rig.identity.incarnation = "99999999-2222-3333-4444-555555555555";
    expect_open_to_stop(&rig, "", "pipe state adopt");
    rig_init(&rig, "t");
    rig_column(&rig, "k", TYPE_INTEGER);
    rig.identity.incarnation = "99999999-2222-3333-4444-555555555555";
    rig.identity.instance = "gateway-2";
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(value_int(2)), 1));
    rig_close(&rig);
    assert_string_equal(ask("SELECT k FROM t"), "1 2");
}

static void positions_of_partitions_that_are_gone_are_forgotten(void **state)
{
    (void)state;
    fresh_table();
    struct rig rig;
    open_plain(&rig);
    output_free(rig_store(&rig, VALUES(value_int(1)), 1));
    struct positions *more = positions_new();
    positions_add(more, "hand", "b \"quoted\\\".csv", SHARD_ALL, (struct range){0, 7});
    assert_true(rig.ops->store_positions(&rig.sinks[0], more, &rig.err));
    positions_free(more);
    assert_string_equal(ask("SELECT partition, next FROM pipe_positions ORDER BY 1"), "a.csv|1 b \"quoted\\\".csv|7");
    const char *keys[] = {"a.csv"};
    assert_true(rig.ops->forget_positions(&rig.sinks[0], "hand", keys, 1, &rig.err));
    assert_string_equal(ask("SELECT partition, next FROM pipe_positions"), "b \"quoted\\\".csv|7");
    rig_close(&rig);
}

static const struct source_type shared_source_type = {
    .base = {.name = "hand"}, .finite = always, .rewindable = always, .shared = true, .ops = &hand_ops};

/* As a lane does: a partition as found, read from where the sink has it. The caller's reference. */
static struct partition *acquire(struct rig *rig, const char *key)
{
    struct partition *p = acquired(&rig->sinks[0], "hand", key, &rig->position, &rig->err);
    partition_unref(rig->partition);
    rig->partition = partition_ref(p);
    return p;
}

/* A commit is told by epochs which of its partitions are others' by now: the rest can be written again. */
static void a_partition_that_was_taken_over_is_lost_and_its_neighbours_are_not(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t, pipe_positions, pipe_epochs; CREATE TABLE t (k integer)");
    struct rig rig;
    rig_init(&rig, "t");
    rig.components[0].source = &shared_source_type;
    rig_column(&rig, "k", TYPE_INTEGER);
    rig_open(&rig);
    assert_string_equal(ask("SELECT count(*) FROM pipe_epochs"), "0"); /* nothing of it is the state_dir's */
    struct partition *y = acquire(&rig, "t/1");
    struct output *of_y = rig_encode(&rig, VALUES(value_int(2)), NULL, 1, 1);
    struct partition *x = acquire(&rig, "t/0");
    struct output *of_x = rig_encode(&rig, VALUES(value_int(1)), NULL, 1, 1);
    sql("UPDATE pipe_epochs SET epoch = epoch + 1 WHERE source = 'hand/t/0'"); /* as another process does */
    rig_write(&rig, 0, of_x);
    rig_write(&rig, 0, of_y);
    assert_false(rig_try_commit(&rig, 0, (struct output *[]){of_x, of_y}, 2));
    assert_int_equal(rig.err.kind, ERROR_RETRY);
    assert_true(x->lost);
    assert_false(y->lost);
    rig.ops->rollback(&rig.sinks[0]);
    assert_string_equal(ask("SELECT count(*) FROM t"), "0");
    rig_write(&rig, 0, of_y);
    assert_true(rig_try_commit(&rig, 0, &of_y, 1));
    assert_string_equal(ask("SELECT k FROM t"), "2");
    assert_string_equal(ask("SELECT instance, source, partition, next, incarnation FROM pipe_positions"),
                        "|hand|t/1|1|");
    struct partition *again = acquire(&rig, "t/1");
    assert_int_equal(rig.position, 1);
    assert_string_equal(ask("SELECT source, epoch FROM pipe_epochs ORDER BY 1"), "hand/t/0|2 hand/t/1|2");
    output_free(of_x);
    output_free(of_y);
    partition_unref(x);
    partition_unref(y);
    partition_unref(again);
    rig_close(&rig);
}

static void several_connections_share_the_keys_and_each_stores_its_shards(void **state)
{
    (void)state;
    sql("DROP TABLE IF EXISTS t, pipe_positions, pipe_epochs; CREATE TABLE t (k integer PRIMARY KEY, n integer)");
    static const char *key[] = {"k"};
    struct rig rig;
    for (int run = 0; run < 2; run++) {
        rig_init(&rig, "t");
        rig.options.write = POSTGRES_UPSERT;
        rig.options.key = (struct text_list){key, 1};
        rig.sink_common.connections = 2;
        rig_column(&rig, "k", TYPE_INTEGER);
        rig_column(&rig, "n", TYPE_INTEGER);
        rig_open(&rig);
        struct value values[200];
        for (int i = 0; i < 100; i++) {
            values[2 * i] = value_int(i % 50);
            values[2 * i + 1] = value_int(i);
        }
        struct output *o = rig_encode(&rig, values, NULL, 100, 100);
        if (run == 0) { /* the second connection never gets to its commit */
            rig_write(&rig, 0, o);
            rig_write(&rig, 1, o);
            assert_true(rig_try_commit(&rig, 0, &o, 1));
            assert_string_equal(ask("SELECT count(*), count(*) FILTER (WHERE shard % 2 = 0) FROM pipe_positions"),
                                "8|8");
        } else { /* what the first one had committed is not even encoded */
            assert_true(rig.ops->has(&rig.sinks[0], rig.stored, o));
            assert_false(rig.ops->has(&rig.sinks[1], rig.stored, o));
            for (uint32_t i = 0; i < o->piece_count; i++)
                assert_true(o->pieces[i].rows == 0 || (o->pieces[i].target.data[0] - '0') % 2 == 1);
            rig_write(&rig, 0, o);
            rig_write(&rig, 1, o);
            rig_commit(&rig, &o, 1);
        }
        output_free(o);
        rig_close(&rig);
    }
    assert_string_equal(ask("SELECT count(*), min(n), max(n) FROM t"), "50|50|99");
}

/* ---- a server that dies ----------------------------------------------------------------------------------------- */

static void a_server_killed_in_the_middle_of_a_copy_is_noticed_and_all_is_sent_again(void **state)
{
    (void)state;
    fresh_table();
    struct rig rig;
    open_plain(&rig);
    enum { ROWS = 50000 };
    struct value *values = mem_alloc(ROWS * sizeof(*values));
    for (int i = 0; i < ROWS; i++)
        values[i] = value_int(i);
    struct output *o = rig_encode(&rig, values, NULL, ROWS, ROWS);
    rig_write(&rig, 0, o);
    PQfinish(server.watcher);
    server.watcher = NULL;
    server_verb("kill");
    assert_false(rig.ops->write(&rig.sinks[0], o, &rig.err) && rig_try_commit(&rig, 0, &o, 1));
    assert_int_equal(rig.err.kind, ERROR_RETRY);
    rig.ops->rollback(&rig.sinks[0]);
    rig.ops->close(&rig.sinks[0]);
    assert_false(rig.ops->open(&rig.sinks[0], &rig.err));
    assert_int_equal(rig.err.kind, ERROR_RETRY);
    server_verb("start");
    watcher_connect();
    assert_true(rig_connect(&rig, 0));
    assert_false(rig.ops->has(&rig.sinks[0], rig.stored, o));
    rig_write(&rig, 0, o);
    rig_commit(&rig, &o, 1);
    assert_string_equal(ask("SELECT count(*), count(DISTINCT k) FROM t"), "50000|50000");
    output_free(o);
    free(values);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_column_type_arrives_as_it_was),
        cmocka_unit_test(numerics_of_every_size_keep_their_digits),
        cmocka_unit_test(types_we_do_not_know_are_cast_by_the_server),
        cmocka_unit_test(what_a_column_cannot_hold_is_rejected_by_the_worker),
        cmocka_unit_test(create_makes_the_table_with_the_types_of_the_query_and_the_key),
        cmocka_unit_test(what_cannot_work_stops_with_its_reason),
        cmocka_unit_test(a_server_that_is_away_is_waited_for),
        cmocka_unit_test(a_bad_row_goes_out_and_its_neighbours_go_in),
        cmocka_unit_test(of_two_equal_keys_the_first_goes_in),
        cmocka_unit_test(a_record_with_a_bad_row_leaves_none_of_its_rows),
        cmocka_unit_test(a_deferred_constraint_fails_at_its_row),
        cmocka_unit_test(of_several_rows_with_one_key_the_last_wins),
        cmocka_unit_test(insert_leaves_existing_keys_alone),
        cmocka_unit_test(a_bad_row_among_upserts_goes_out_alone),
        cmocka_unit_test(replace_shows_the_old_rows_until_its_one_commit),
        cmocka_unit_test(what_is_committed_is_found_again_and_what_is_not_is_not),
        cmocka_unit_test(ranges_are_merged_while_it_runs),
        cmocka_unit_test(a_process_that_was_replaced_commits_nothing_more),
        cmocka_unit_test(another_state_dir_is_refused_and_another_instance_is_not),
        cmocka_unit_test(positions_of_partitions_that_are_gone_are_forgotten),
        cmocka_unit_test(a_partition_that_was_taken_over_is_lost_and_its_neighbours_are_not),
        cmocka_unit_test(several_connections_share_the_keys_and_each_stores_its_shards),
        cmocka_unit_test(a_server_killed_in_the_middle_of_a_copy_is_noticed_and_all_is_sent_again),
    };
    return cmocka_run_group_tests_name("postgres", tests, server_setup, server_teardown);
}
