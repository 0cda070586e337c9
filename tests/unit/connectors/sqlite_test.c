/*
 * The promises of the sink `sqlite`, looked at by an independent connection.
 */
#include "tests/unit/connectors/sink_rig.h"

#include "connectors/sqlite/sqlite.h"

static struct sqlite_options options;
static sqlite3 *watcher;

static void begin(struct rig *rig, const char *table)
{
    options = (struct sqlite_options){.table = table, .unknown = "error", .busy_timeout = 50000};
    rig_init(rig, &sqlite_sink_type, &options);
    options.path = rig_path(rig, "db/a.db");
    struct error err;
    assert_true(file_make_parent(options.path, 0755, &err));
    assert_int_equal(sqlite3_open(options.path, &watcher), SQLITE_OK);
}

static void finish(struct rig *rig)
{
    rig_close(rig);
    sqlite3_close(watcher);
}

static void sql(const char *statements)
{
    char *why = NULL;
    if (sqlite3_exec(watcher, statements, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", statements, why);
}

static char answer[8192];

static int add_row(void *arg, int columns, char **values, char **names)
{
    (void)arg;
    (void)names;
    size_t len = strlen(answer);
    for (int i = 0; i < columns; i++)
        len += (size_t)snprintf(answer + len, sizeof(answer) - len, "%s%s",
                                i     ? "|"
                                : len ? " "
                                      : "",
                                values[i] ? values[i] : "-");
    return 0;
}

/* Rows as "a|b a|b"; NULL is "-". */
static const char *ask(const char *query)
{
    char *why = NULL;
    answer[0] = '\0';
    if (sqlite3_exec(watcher, query, add_row, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", query, why);
    return answer;
}

static void rows_and_positions_become_visible_together(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER, b TEXT)");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_column(&rig, "b", TYPE_TEXT);
    rig_open(&rig);
    struct output *o = rig_write(&rig, VALUES(value_int(1), text("x"), value_int(2), value_null()), 2);
    assert_string_equal(ask("SELECT count(*) FROM t"), "0");
    assert_string_equal(ask("SELECT count(*) FROM pipe_positions"), "0");
    rig_commit(&rig, &o, 1);
    assert_string_equal(ask("SELECT a, b FROM t ORDER BY a"), "1|x 2|-");
    assert_string_equal(ask("SELECT source, partition, first, next FROM pipe_positions"), "hand|a.csv|0|2");
    output_free(o);
    finish(&rig);
}

static void what_was_not_committed_is_gone_and_what_was_is_known_after_a_restart(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER)");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(value_int(1), value_int(2)), 2));
    output_free(rig_store(&rig, VALUES(value_int(3)), 1));
    output_free(rig_write(&rig, VALUES(value_int(4)), 1));
    rig_restart(&rig);
    assert_string_equal(rig_stored(&rig), "0-3");
    assert_string_equal(ask("SELECT group_concat(a) FROM t"), "1,2,3");
    assert_string_equal(ask("SELECT count(*) FROM pipe_positions"), "1"); /* ranges that touch are one row */
    finish(&rig);
}

static void a_failed_transaction_is_written_again_once(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER)");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_open(&rig);
    sql("BEGIN IMMEDIATE");
    struct output *o = rig_encode(&rig, VALUES(value_int(1)), NULL, 1, 1);
    assert_false(rig_try_write(&rig, o));
    assert_int_equal(rig.err.kind, ERROR_RETRY);
    rig.sink.ops->rollback(&rig.sink);
    rig.sink.ops->close(&rig.sink);
    sql("ROLLBACK");
    assert_true(rig_connect(&rig));
    assert_true(rig_try_write(&rig, o));
    rig_commit(&rig, &o, 1);
    assert_string_equal(ask("SELECT count(*) FROM t"), "1");
    output_free(o);
    finish(&rig);
}

static void a_bad_row_is_rejected_and_its_neighbours_go_in(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER UNIQUE, b INTEGER CHECK (b < 10))");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_column(&rig, "b", TYPE_BIGINT);
    rig_open(&rig);
    struct output *o = rig_store(&rig,
                                 VALUES(value_int(1), value_int(1), value_int(1), value_int(2), value_int(3),
                                        value_int(99), value_int(4), value_int(4)),
                                 4);
    assert_string_equal(ask("SELECT group_concat(a) FROM t"), "1,4");
    assert_int_equal(o->rejection_count, 2);
    assert_int_equal(o->rejections[0].record, 1);
    assert_string_equal(o->rejections[0].sqlstate, "23505");
    assert_int_equal(o->rejections[1].record, 2);
    assert_string_equal(o->rejections[1].sqlstate, "23514");
    output_free(o);
    finish(&rig);
}

static void all_rows_of_a_record_go_in_or_none(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER UNIQUE)");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_open(&rig);
    const uint32_t record[] = {0, 1, 1, 1, 2, 2};
    struct output *o = rig_encode(
        &rig, VALUES(value_int(1), value_int(2), value_int(3), value_int(1), value_int(2), value_int(4)), record, 6, 3);
    assert_true(rig_try_write(&rig, o));
    rig_commit(&rig, &o, 1);
    assert_string_equal(ask("SELECT group_concat(a) FROM (SELECT a FROM t ORDER BY a)"), "1,2,4");
    assert_int_equal(o->rejection_count, 1);
    assert_int_equal(o->rejections[0].record, 1);
    output_free(o);
    finish(&rig);
}

static void a_trigger_that_rolls_everything_back_stops_the_run(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER); CREATE TRIGGER no BEFORE INSERT ON t WHEN new.a = 2 BEGIN SELECT RAISE(ROLLBACK, "
        "'no'); END");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_open(&rig);
    struct output *o = rig_encode(&rig, VALUES(value_int(1), value_int(2)), NULL, 2, 2);
    assert_false(rig_try_write(&rig, o));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    output_free(o);
    finish(&rig);
}

static void upsert_replaces_and_insert_keeps(void **state)
{
    (void)state;
    const struct {
        int write;
        const char *rows;
    } cases[] = {{SQ_UPSERT, "1|new 2|c"}, {SQ_INSERT, "1|a 2|c"}};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        begin(&rig, "t");
        options.write = cases[i].write;
        options.create = true;
        options.key = (struct text_list){(const char *[]){"k"}, 1};
        rig_column(&rig, "k", TYPE_BIGINT);
        rig_column(&rig, "v", TYPE_TEXT);
        rig_open(&rig);
        output_free(rig_store(&rig, VALUES(value_int(1), text("a"), value_int(2), text("c")), 2));
        output_free(rig_store(&rig, VALUES(value_int(1), text("b"), value_int(1), text("new")), 2));
        assert_string_equal(ask("SELECT k, v FROM t ORDER BY k"), cases[i].rows);
        output_free(rig_encode(&rig, VALUES(value_null(), text("b")), NULL, 1, 1));
        assert_int_equal(rig.rejections.count, 1); /* a key is never NULL */
        finish(&rig);
    }
}

static void replace_swaps_all_rows_in_one_transaction(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (77)");
    options.write = SQ_REPLACE;
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_open(&rig);
    struct output *o = rig_write(&rig, VALUES(value_int(1), value_int(2)), 2);
    assert_string_equal(ask("SELECT group_concat(a) FROM t"), "77");
    rig_commit(&rig, &o, 1);
    assert_string_equal(ask("SELECT group_concat(a) FROM t"), "1,2");
    rig_commit(&rig, NULL, 0); /* a run without any rows */
    assert_string_equal(ask("SELECT count(*) FROM t"), "0");
    output_free(o);
    finish(&rig);
}

static void another_state_dir_is_refused_with_an_explanation(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER)");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_open(&rig);
    rig_shut(&rig);
    rig.identity.incarnation = "99999999-2222-3333-4444-555555555555";
    assert_false(rig_try_open(&rig));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    assert_non_null(strstr(rig.err.text, "11111111-2222-3333-4444-555555555555"));
    assert_non_null(strstr(rig.err.text, "pipe state adopt"));
    rig.identity.instance = "b"; /* of its own */
    rig_open(&rig);
    finish(&rig);
}

static void a_second_process_fences_the_first(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER)");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_open(&rig);
    sql("UPDATE pipe_epochs SET epoch = epoch + 1");
    struct output *o = rig_write(&rig, VALUES(value_int(1)), 1);
    assert_false(rig_try_commit(&rig, &o, 1));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    rig.sink.ops->rollback(&rig.sink);
    assert_string_equal(ask("SELECT count(*) FROM t"), "0");
    output_free(o);
    finish(&rig);
}

static void positions_of_files_that_are_gone_are_forgotten(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER)");
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(value_int(1)), 1));
    assert_true(rig.sink.ops->forget_positions(&rig.sink, "hand", (const char *const[]){"a.csv"}, 1, &rig.err));
    assert_string_equal(ask("SELECT count(*) FROM pipe_positions"), "0");
    finish(&rig);
}

/* ---- types
 * ---------------------------------------------------------------------------------------------------------------- */

static void every_type_is_stored_as_the_reference_says(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    options.create = true;
    const enum type_id types[] = {TYPE_BOOLEAN,     TYPE_BIGINT, TYPE_DOUBLE, TYPE_NUMERIC,
                                  TYPE_TEXT,        TYPE_BYTEA,  TYPE_DATE,   TYPE_TIMESTAMP,
                                  TYPE_TIMESTAMPTZ, TYPE_JSONB,  TYPE_JSON,   TYPE_UNKNOWN};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        rig_column(&rig, arena_printf(&rig.arena, "c%zu", i), types[i]);
    rig_open(&rig);
    struct value bytes = {.kind = VALUE_BYTES, .len = 2, .ptr = "\0\xff"},
                 json = {.kind = VALUE_JSON, .len = 7, .ptr = "{\"a\":1}"},
                 number = {.kind = VALUE_NUMBER, .len = 3, .ptr = "1.5"};
    output_free(rig_store(&rig,
                          VALUES(value_bool(true), value_int(INT64_MIN), value_double(0.1), value_decimal(2153, 2),
                                 text("ü"), bytes, ((struct value){.kind = VALUE_DATE, .i = 1}),
                                 ((struct value){.kind = VALUE_TIMESTAMP, .i = 1500000}),
                                 ((struct value){.kind = VALUE_TIMESTAMPTZ, .i = 0}), json, number, text("7")),
                          1));
    assert_int_equal(rig.rejections.count, 0);
    assert_string_equal(
        ask("SELECT c0, c1, c2, c3, c4, hex(c5), c6, c7, c8, c9, c10, c11 FROM t"),
        "1|-9223372036854775808|0.1|21.53|ü|00FF|2000-01-02|2000-01-01 00:00:01.5|2000-01-01 00:00:00|{\"a\":1}|1.5|7");
    assert_string_equal(ask("SELECT typeof(c0), typeof(c1), typeof(c2), typeof(c3), typeof(c4), typeof(c5), "
                            "typeof(c8), typeof(c10), typeof(c11) FROM t"),
                        "integer|integer|real|real|text|blob|text|real|text");
    finish(&rig);
}

static struct value number(const char *digits)
{
    return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)strlen(digits), .ptr = digits};
}

static void a_numeric_is_stored_exactly_or_refused(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (n NUMERIC, x TEXT)");
    rig_column(&rig, "n", TYPE_NUMERIC);
    rig_column(&rig, "x", TYPE_NUMERIC);
    rig_open(&rig);
    const char *exact[] = {"0.1", "123456789012.345", "9223372036854775807", "1e30", "1.50", "-0.000001"};
    for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++)
        output_free(rig_store(&rig, VALUES(number(exact[i]), number(exact[i])), 1));
    assert_int_equal(rig.rejections.count, 0);
    assert_string_equal(ask("SELECT n FROM t"), "0.1 123456789012.345 9223372036854775807 1.0e+30 1.5 -1.0e-06");
    output_free(rig_store(&rig, VALUES(number("0.1234567890123456789"), number("1")), 1));
    assert_int_equal(rig.rejections.count, 1);
    assert_string_equal(rig.rejections.items[0].sqlstate, "22003");
    output_free(rig_store(&rig, VALUES(number("1"), number("0.1234567890123456789")), 1));
    assert_string_equal(ask("SELECT x FROM t WHERE n = 1"), "0.1234567890123456789");
    finish(&rig);
}

static void an_untyped_member_takes_the_columns_type(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (i INTEGER, r REAL, s TEXT, ts TIMESTAMP)");
    rig_column(&rig, "i", TYPE_UNKNOWN);
    rig_column(&rig, "r", TYPE_UNKNOWN);
    rig_column(&rig, "s", TYPE_UNKNOWN);
    rig_column(&rig, "ts", TYPE_UNKNOWN);
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(text("7"), text("1e3"), text("007"), text("2026-03-01T12:00:00")), 1));
    assert_string_equal(ask("SELECT i, r, s, ts FROM t"), "7|1000.0|007|2026-03-01 12:00:00");
    output_free(rig_store(&rig, VALUES(text("x"), text("1"), text("1"), text("2026-03-01")), 1));
    assert_int_equal(rig.rejections.count, 1);
    assert_string_equal(rig.rejections.items[0].sqlstate, "22P02");
    finish(&rig);
}

/* ---- columns
 * -------------------------------------------------------------------------------------------------------------- */

static void a_member_without_a_column_is_an_error_with_the_nearest_name(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (device TEXT, temp REAL)");
    rig_column(&rig, "device", TYPE_TEXT);
    rig_column(&rig, "tmp", TYPE_DOUBLE);
    assert_false(rig_try_open(&rig));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    assert_non_null(strstr(rig.err.text, "did you mean \"temp\""));
    finish(&rig);
}

static void unknown_members_are_left_out_or_collected(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "t");
    sql("CREATE TABLE t (a INTEGER, rest TEXT)");
    options.unknown = "rest";
    rig_column(&rig, "a", TYPE_BIGINT);
    rig_column(&rig, "b", TYPE_TEXT);
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(value_int(1), text("x")), 1));
    assert_string_equal(ask("SELECT a, rest FROM t"), "1|{\"b\":\"x\"}");
    rig_shut(&rig);
    options.unknown = "ignore";
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(value_int(2), text("x")), 1));
    assert_string_equal(ask("SELECT a, rest FROM t WHERE a = 2"), "2|-");
    finish(&rig);
}

static void a_missing_table_and_a_file_of_another_kind_stop_with_a_clear_error(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "gone");
    rig_column(&rig, "a", TYPE_BIGINT);
    assert_false(rig_try_open(&rig));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    assert_string_equal(rig.err.sqlstate, "42P01");
    options.path = rig_path(&rig, "text.db");
    struct error err;
    char text_file[2000];
    memset(text_file, 'x', sizeof(text_file));
    assert_true(file_replace(options.path, text_file, sizeof(text_file), &err));
    assert_false(rig_try_open(&rig));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    assert_non_null(strstr(rig.err.text, "not a database"));
    finish(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_positions_become_visible_together),
        cmocka_unit_test(what_was_not_committed_is_gone_and_what_was_is_known_after_a_restart),
        cmocka_unit_test(a_failed_transaction_is_written_again_once),
        cmocka_unit_test(a_bad_row_is_rejected_and_its_neighbours_go_in),
        cmocka_unit_test(all_rows_of_a_record_go_in_or_none),
        cmocka_unit_test(a_trigger_that_rolls_everything_back_stops_the_run),
        cmocka_unit_test(upsert_replaces_and_insert_keeps),
        cmocka_unit_test(replace_swaps_all_rows_in_one_transaction),
        cmocka_unit_test(another_state_dir_is_refused_with_an_explanation),
        cmocka_unit_test(a_second_process_fences_the_first),
        cmocka_unit_test(positions_of_files_that_are_gone_are_forgotten),
        cmocka_unit_test(every_type_is_stored_as_the_reference_says),
        cmocka_unit_test(a_numeric_is_stored_exactly_or_refused),
        cmocka_unit_test(an_untyped_member_takes_the_columns_type),
        cmocka_unit_test(a_member_without_a_column_is_an_error_with_the_nearest_name),
        cmocka_unit_test(unknown_members_are_left_out_or_collected),
        cmocka_unit_test(a_missing_table_and_a_file_of_another_kind_stop_with_a_clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
