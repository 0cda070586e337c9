/*
 * The promises of the sink `object`, looked at in its directory. A crash is a sink that is closed without a commit, or
 * files put back to what they were at that moment.
 */
#include "tests/unit/connectors/sink_rig.h"

#include <dirent.h>
#include <sys/resource.h>

#include "connectors/object/object.h"

static struct object_options options;

static void begin(struct rig *rig, const char *format)
{
    options = (struct object_options){.roll_size = 64 << 20, .roll_interval = INT64_C(300000000)};
    rig_init(rig, &object_sink_type, &options);
    rig->sink_common.formats =
        (struct format_options){.csv_delimiter = ",", .csv_quote = "\"", .json_max_depth = 64, .text_column = "line"};
    for (int i = 0; formats[i]; i++)
        if (strcmp(formats[i]->name, format) == 0)
            rig->sink_common.format = i;
    options.url = rig_path(rig, "lake");
    rig_column(rig, "k", TYPE_TEXT);
    rig_column(rig, "v", TYPE_BIGINT);
}

/* Every object's path from its partition on, sorted: "a/ b/" for two; and all their lines in one text. */
struct seen {
    char partitions[4096], lines[1 << 16];
    uint32_t objects;
};

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void look_into(struct seen *seen, const char *root, const char *relative)
{
    char *directory = file_join(root, relative);
    struct dirent **names;
    int n = scandir(directory, &names, is_visible, by_name);
    for (int i = 0; i < n; i++) {
        char path[8192];
        snprintf(path, sizeof(path), "%s%s%s", relative, *relative ? "/" : "", names[i]->d_name);
        char *full = file_join(root, path);
        struct stat st;
        assert_int_equal(stat(full, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            look_into(seen, root, path);
        } else {
            struct buffer text = {0};
            struct error err;
            assert_true(file_read_all(full, 1 << 20, &text, &err));
            seen->objects++;
            size_t at = strlen(seen->partitions);
            snprintf(seen->partitions + at, sizeof(seen->partitions) - at, "%s%s", at ? " " : "", relative);
            at = strlen(seen->lines);
            snprintf(seen->lines + at, sizeof(seen->lines) - at, "%.*s", (int)text.len, text.data);
            buffer_release(&text);
        }
        free(full);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    free(directory);
}

static const struct seen *look(void)
{
    static struct seen seen;
    memset(&seen, 0, sizeof(seen));
    look_into(&seen, options.url, "");
    return &seen;
}

static char *hidden(struct rig *rig, const char *name)
{
    return arena_printf(&rig->arena, "%s/.pipe/test/store/%s", options.url, name);
}

static uint32_t count_parts(struct rig *rig)
{
    struct dirent **names;
    int n = scandir(hidden(rig, "parts"), &names, is_visible, by_name);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return (uint32_t)n;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* ---- two phases
 * ------------------------------------------------------------------------------------------------------------ */

static void objects_appear_whole_when_they_are_committed(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    rig_open(&rig);
    struct output *o = rig_write(&rig, VALUES(text("a"), value_int(1)), 1),
                  *p = rig_write(&rig, VALUES(text("b"), value_int(2)), 1);
    assert_int_equal(look()->objects, 0);
    rig_commit(&rig, (struct output *[]){o, p}, 2);
    assert_int_equal(look()->objects, 1);
    assert_string_equal(look()->lines, "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n");
    assert_int_equal(count_parts(&rig), 0);
    assert_false(exists(hidden(&rig, "commit")));
    rig_restart(&rig);
    assert_string_equal(rig_stored(&rig), "0-2");
    output_free(o);
    output_free(p);
    rig_close(&rig);
}

static struct value *large(struct rig *rig, uint32_t rows)
{
    struct value *v = arena_array(&rig->arena, struct value, 2 * rows);
    char *pad = arena_alloc(&rig->arena, 200);
    memset(pad, 'x', 200);
    for (uint32_t i = 0; i < rows; i++) {
        v[2 * i] = value_text((struct str){pad, 200});
        v[2 * i + 1] = value_int(i);
    }
    return v;
}

static void parts_without_a_commit_record_are_removed_at_the_next_start(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(text("a"), value_int(1)), 1));
    output_free(rig_write(&rig, large(&rig, 5000), 5000));
    assert_int_equal(count_parts(&rig), 1);
    rig_restart(&rig);
    assert_int_equal(count_parts(&rig), 0);
    assert_string_equal(rig_stored(&rig), "0-1");
    assert_string_equal(look()->lines, "{\"k\":\"a\",\"v\":1}\n");
    rig_close(&rig);
}

/* Two objects, the second of which cannot get its directory: the record is durable, the commit half done. */
static struct output *commit_half(struct rig *rig, const char *blocked)
{
    struct error err;
    assert_true(file_make_directories(options.url, 0755, &err));
    assert_true(file_replace(blocked, "", 0, &err));
    struct output *o = rig_write(rig, VALUES(text("a"), value_int(1), text("b"), value_int(2)), 2);
    assert_false(rig_try_commit(rig, &o, 1));
    assert_true(exists(hidden(rig, "commit")));
    assert_string_equal(look()->lines, "{\"k\":\"a\",\"v\":1}\n");
    assert_int_equal(unlink(blocked), 0);
    return o;
}

static void a_commit_that_was_cut_off_is_finished_by_the_next_start(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    options.partition = "{k}";
    rig_open(&rig);
    output_free(commit_half(&rig, rig_path(&rig, "lake/b")));
    rig_restart(&rig);
    assert_string_equal(look()->lines, "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n");
    assert_string_equal(rig_stored(&rig), "0-2");
    assert_false(exists(hidden(&rig, "commit")));
    rig_close(&rig);
}

static void a_commit_that_was_cut_off_is_finished_by_the_retry_and_what_came_meanwhile_is_kept(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    options.partition = "{k}";
    rig_open(&rig);
    struct output *o = commit_half(&rig, rig_path(&rig, "lake/b"));
    struct output *p = rig_write(&rig, VALUES(text("c"), value_int(3)), 1);
    int64_t wait;
    assert_true(rig.sink.ops->wants_commit(&rig.sink, clock_now_us(&rig.clock), &wait));
    rig_commit(&rig, (struct output *[]){o, p}, 2);
    assert_string_equal(look()->partitions, "a b c");
    assert_string_equal(look()->lines, "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n{\"k\":\"c\",\"v\":3}\n");
    rig_restart(&rig);
    assert_string_equal(rig_stored(&rig), "0-3");
    output_free(o);
    output_free(p);
    rig_close(&rig);
}

/* A kill between any two of the last steps (renames, positions, the record's removal): the record and an older
 * positions file are put back. */
static void carrying_out_a_record_again_changes_nothing(void **state)
{
    (void)state;
    for (int with_old_positions = 0; with_old_positions < 2; with_old_positions++) {
        struct rig rig;
        begin(&rig, "json");
        options.partition = "{k}";
        rig_open(&rig);
        struct output *o = commit_half(&rig, rig_path(&rig, "lake/b"));
        struct buffer record = {0}, before = {0};
        assert_true(file_read_all(hidden(&rig, "commit"), 1 << 20, &record, &rig.err));
        assert_true(file_read_all(hidden(&rig, "positions"), 1 << 20, &before, &rig.err));
        rig_commit(&rig, &o, 1);
        rig_shut(&rig);
        assert_true(file_replace(hidden(&rig, "commit"), record.data, record.len, &rig.err));
        if (with_old_positions)
            assert_true(file_replace(hidden(&rig, "positions"), before.data, before.len, &rig.err));
        rig_open(&rig);
        assert_string_equal(look()->lines, "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n");
        assert_string_equal(rig_stored(&rig), "0-2");
        assert_false(exists(hidden(&rig, "commit")));
        buffer_release(&record);
        buffer_release(&before);
        output_free(o);
        rig_close(&rig);
    }
}

static void a_directory_that_was_moved_between_crash_and_start_is_finished_where_it_is_now(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    options.partition = "{k}";
    rig_open(&rig);
    output_free(commit_half(&rig, rig_path(&rig, "lake/b")));
    rig_shut(&rig);
    const char *moved = rig_path(&rig, "moved");
    assert_int_equal(rename(options.url, moved), 0);
    options.url = moved;
    rig_open(&rig);
    assert_string_equal(look()->partitions, "a b");
    rig_close(&rig);
}

static int64_t stopped_wall(const struct clock *c)
{
    (void)c;
    return INT64_C(1767225600000000);
}

static void an_existing_object_is_never_replaced(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    rig.clock.wall_us = stopped_wall;
    rig_open(&rig);
    const char *name = rig_path(&rig, "lake/store-20260101T000000.000000Z-11111111-0.ndjson");
    assert_true(file_replace(name, "theirs", 6, &rig.err));
    struct output *o = rig_write(&rig, VALUES(text("a"), value_int(1)), 1);
    assert_false(rig_try_commit(&rig, &o, 1));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    assert_string_equal(look()->lines, "theirs");
    output_free(o);
    rig_close(&rig);
}

static void another_state_dir_and_a_second_process_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    rig_open(&rig);
    struct sink second = rig.sink;
    second.state = mem_zalloc(rig.sink.ops->state_size);
    assert_false(rig.sink.ops->open(&second, &rig.err));
    assert_non_null(strstr(rig.err.text, "another process"));
    free(second.state);
    rig_shut(&rig);
    rig.identity.incarnation = "99999999-2222-3333-4444-555555555555";
    assert_false(rig_try_open(&rig));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    assert_non_null(strstr(rig.err.text, "pipe state adopt"));
    rig_close(&rig);
}

/* ---- positions
 * --------------------------------------------------------------------------------------------------------------- */

static void a_torn_end_of_the_positions_is_cut_away(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(text("a"), value_int(1)), 1));
    output_free(rig_store(&rig, VALUES(text("b"), value_int(2)), 1));
    rig_shut(&rig);
    struct buffer text_file = {0};
    assert_true(file_read_all(hidden(&rig, "positions"), 1 << 20, &text_file, &rig.err));
    for (size_t cut = 1; cut < text_file.len / 2; cut++) {
        assert_true(file_replace(hidden(&rig, "positions"), text_file.data, text_file.len - cut, &rig.err));
        rig_open(&rig);
        assert_string_equal(rig_stored(&rig), "0-1");
        rig_shut(&rig);
    }
    rig_open(&rig);
    rig.position = 1; /* as the engine would read it again */
    output_free(rig_store(&rig, VALUES(text("b"), value_int(2)), 1));
    rig_restart(&rig);
    assert_string_equal(rig_stored(&rig), "0-2");
    buffer_release(&text_file);
    rig_close(&rig);
}

static void positions_stay_small_and_survive_their_tidying(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    rig_open(&rig);
    struct stat st;
    for (uint32_t i = 0; i < 6000; i++) {
        struct output *o = rig_encode(&rig, NULL, NULL, 0, 1); /* all filtered: positions alone */
        assert_true(rig_try_commit(&rig, &o, 1));
        output_free(o);
    }
    assert_int_equal(stat(hidden(&rig, "positions"), &st), 0);
    assert_in_range(st.st_size, 1, 200000);
    rig_restart(&rig);
    assert_string_equal(rig_stored(&rig), "0-6000");
    assert_true(rig.sink.ops->forget_positions(&rig.sink, "hand", (const char *const[]){"a.csv"}, 1, &rig.err));
    rig_restart(&rig);
    assert_string_equal(rig_stored(&rig), "");
    rig_close(&rig);
}

/* ---- rolling
 * ------------------------------------------------------------------------------------------------------------------ */

static bool wants(struct rig *rig, int64_t later_us, int64_t *wait)
{
    return rig->sink.ops->wants_commit(&rig->sink, clock_now_us(&rig->clock) + later_us, wait);
}

static void objects_are_finished_by_size_by_rows_and_by_time(void **state)
{
    (void)state;
    struct rig rig;
    int64_t wait;
    begin(&rig, "json");
    options.roll_size = 10000;
    options.roll_count = 100;
    rig_open(&rig);
    struct output *o = rig_write(&rig, large(&rig, 10), 10);
    assert_false(wants(&rig, 0, &wait));
    assert_in_range(wait, 1, options.roll_interval);
    assert_true(wants(&rig, options.roll_interval, &wait));
    struct output *p = rig_write(&rig, large(&rig, 50), 50);
    assert_true(wants(&rig, 0, &wait));
    rig_commit(&rig, (struct output *[]){o, p}, 2);
    struct output *q = rig_write(&rig, VALUES(text("a"), value_int(1)), 1);
    assert_false(wants(&rig, 0, &wait));
    struct value *small = arena_array(&rig.arena, struct value, 200);
    for (int i = 0; i < 200; i++)
        small[i] = i % 2 ? value_int(i) : text("s");
    struct output *r = rig_write(&rig, small, 100);
    assert_true(wants(&rig, 0, &wait));
    output_free(o);
    output_free(p);
    output_free(q);
    output_free(r);
    rig_close(&rig);
}

/* ---- partitions
 * ---------------------------------------------------------------------------------------------------------------- */

static void values_in_paths_are_encoded_and_null_has_a_name(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    options.partition = "k={k}";
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(text("a/../b"), value_int(1), value_null(), value_int(2)), 2));
    assert_string_equal(look()->partitions, "k=__HIVE_DEFAULT_PARTITION__ k=a%2F..%2Fb");
    rig_close(&rig);
}

static void a_path_that_no_file_can_have_rejects_its_record_alone(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "json");
    options.partition = "{k}";
    rig_open(&rig);
    char *name = arena_alloc(&rig.arena, 301);
    memset(name, 'n', 300);
    name[300] = '\0';
    output_free(rig_store(
        &rig,
        VALUES(text("a"), value_int(1), text(name), value_int(2), text(""), value_int(3), text("b"), value_int(4)), 4));
    assert_string_equal(look()->partitions, "a b");
    assert_int_equal(rig.rejections.count, 2);
    assert_int_equal(rig.rejections.items[0].record, 1);
    assert_int_equal(rig.rejections.items[1].record, 2);
    rig_close(&rig);
}

static void thousands_of_partitions_need_few_open_files(void **state)
{
    (void)state;
    enum { ROWS = 6000, TARGETS = 3000 };
    struct rig rig;
    begin(&rig, "json");
    options.partition = "p{v}";
    rig_open(&rig);
    struct value *rows = arena_array(&rig.arena, struct value, 2 * ROWS);
    for (uint32_t i = 0; i < ROWS; i++) {
        rows[2 * i] = text("x");
        rows[2 * i + 1] = value_int(i * 7919 % TARGETS);
    }
    struct rlimit before, few = {32, 32};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    output_free(rig_store(&rig, rows, ROWS));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(look()->objects, TARGETS);
    rig_close(&rig);
}

/* ---- formats
 * -------------------------------------------------------------------------------------------------------------------
 */

static void every_csv_object_begins_with_its_header(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "csv");
    options.partition = "{k}";
    rig_open(&rig);
    output_free(rig_store(&rig, VALUES(text("a"), value_int(1), text("b"), value_int(2)), 2));
    assert_string_equal(look()->lines, "k,v\na,1\nk,v\nb,2\n");
    rig_close(&rig);
}

static void edges_with_other_columns_cannot_share_a_csv_object(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig, "csv");
    rig_open(&rig);
    struct schema other = {.arena = &rig.arena};
    schema_add(&other,
               (struct column){.name = STR("z"), .type = TYPE(TYPE_TEXT), .visible = true, .origin = COLUMN_DERIVED});
    struct binding b = rig.binding;
    b.schema = &other;
    assert_false(rig.sink.ops->bind(&rig.sink, &b, &rig.err));
    assert_int_equal(rig.err.kind, ERROR_STOP);
    rig_close(&rig);
}

/* All bytes of the only object, decompressed. */
static size_t unpack(const struct rig *rig, enum compression how, const char *extension)
{
    (void)rig;
    struct dirent **names;
    struct buffer packed = {0};
    struct error err;
    assert_int_equal(scandir(options.url, &names, is_visible, by_name), 1);
    size_t len = strlen(names[0]->d_name);
    assert_string_equal(names[0]->d_name + len - strlen(extension), extension);
    char *path = file_join(options.url, names[0]->d_name);
    assert_true(file_read_all(path, 1 << 24, &packed, &err));
    struct decompressor *d = decompressor_new(how);
    size_t total = 0;
    bool at_end = false;
    for (size_t at = 0; at < packed.len || !at_end;) {
        static char out[1 << 16];
        size_t in_len = packed.len - at, out_len = sizeof(out);
        assert_true(decompressor_run(d, packed.data + at, &in_len, out, &out_len, &at_end, &err));
        at += in_len;
        total += out_len;
    }
    decompressor_free(d);
    buffer_release(&packed);
    free(path);
    free(names[0]);
    free(names);
    return total;
}

static void compressed_objects_are_whole_frames(void **state)
{
    (void)state;
    const struct {
        enum compression how;
        const char *extension;
    } cases[] = {{COMPRESSION_ZSTD, ".ndjson.zst"}, {COMPRESSION_GZIP, ".ndjson.gz"}};
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        begin(&rig, "json");
        options.compression = (int)cases[i].how;
        rig_open(&rig);
        struct output *o = rig_write(&rig, large(&rig, 5000), 5000), *p = rig_write(&rig, large(&rig, 10), 10);
        rig_commit(&rig, (struct output *[]){o, p}, 2);
        size_t expected = 0;
        for (uint32_t v = 0; v < 5010; v++)
            expected += 200 + (size_t)snprintf(NULL, 0, "{\"k\":\"\",\"v\":%u}\n", v < 5000 ? v : v - 5000);
        assert_int_equal(unpack(&rig, cases[i].how, cases[i].extension), expected);
        output_free(o);
        output_free(p);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_appear_whole_when_they_are_committed),
        cmocka_unit_test(parts_without_a_commit_record_are_removed_at_the_next_start),
        cmocka_unit_test(a_commit_that_was_cut_off_is_finished_by_the_next_start),
        cmocka_unit_test(a_commit_that_was_cut_off_is_finished_by_the_retry_and_what_came_meanwhile_is_kept),
        cmocka_unit_test(carrying_out_a_record_again_changes_nothing),
        cmocka_unit_test(a_directory_that_was_moved_between_crash_and_start_is_finished_where_it_is_now),
        cmocka_unit_test(an_existing_object_is_never_replaced),
        cmocka_unit_test(another_state_dir_and_a_second_process_are_refused),
        cmocka_unit_test(a_torn_end_of_the_positions_is_cut_away),
        cmocka_unit_test(positions_stay_small_and_survive_their_tidying),
        cmocka_unit_test(objects_are_finished_by_size_by_rows_and_by_time),
        cmocka_unit_test(values_in_paths_are_encoded_and_null_has_a_name),
        cmocka_unit_test(a_path_that_no_file_can_have_rejects_its_record_alone),
        cmocka_unit_test(thousands_of_partitions_need_few_open_files),
        cmocka_unit_test(every_csv_object_begins_with_its_header),
        cmocka_unit_test(edges_with_other_columns_cannot_share_a_csv_object),
        cmocka_unit_test(compressed_objects_are_whole_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
