#include "tests/unit/connectors/rig.h"

#include <sys/time.h>

#include "pipeline/codec/compress.h"

#define JSON_FILES "type = \"file\"\npath = \"in/*\"\nformat = \"json\"\n"
#define CSV_FILES "type = \"file\"\npath = \"in/*.csv\"\nformat = \"csv\"\n"
#define TEXT_FILES "type = \"file\"\npath = \"in/**\"\nformat = \"text\"\n"

static struct rig rig;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&rig);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void complete(const char *source)
{
    rig_complete(&rig, source);
}

static void put_compressed(const char *name, enum compression how, const char *text, size_t cut)
{
    struct buffer out = {0};
    struct compressor *c = compressor_new();
    compressor_run(c, how, 0, str_of(text), &out);
    scratch_write(&rig.dir, name, out.data, out.len - cut);
    compressor_free(c);
    buffer_release(&out);
}

/* ---- batch ---------------------------------------------------------------------------------------------------------
 */

static void files_are_read_in_order_with_file_line_and_offset(void **state)
{
    (void)state;
    scratch_put(&rig.dir, "in/b.csv", "v\n3\n");
    scratch_put(&rig.dir, "in/a.csv", "v\n\"1\n1\"\n2");
    complete(CSV_FILES);
    assert_string_equal(rig_output(&rig), "in/a.csv:2:2:\"1\n1\"\nin/a.csv:4:8:2\nin/b.csv:2:2:3\n");
}

static void a_second_run_reads_nothing_twice_and_a_changed_file_is_a_new_one(void **state)
{
    (void)state;
    scratch_put(&rig.dir, "in/a", "1\n2\n");
    scratch_put(&rig.dir, "in/empty", "");
    complete(TEXT_FILES);
    complete(TEXT_FILES);
    assert_int_equal(rig.read, 0);
    assert_int_equal(rig_lines(&rig), 2);
    scratch_put(&rig.dir, "in/a", "1\n2\n3\n");
    complete(TEXT_FILES);
    assert_int_equal(rig.read, 3);
}

/* Records with quoted line ends, so large a file that borders of chunks fall into all parts of them. */
static void quoted_line_ends_survive_the_borders_of_chunks(void **state)
{
    (void)state;
    struct buffer csv = {0};
    buffer_add_str(&csv, STR("n,text\r\n"));
    enum { ROWS = 60000 };
    for (int i = 0; i < ROWS; i++)
        buffer_printf(&csv, "%d,\"line one of %d\r\nand \"\"two\"\"\nand %.*s\"\r\n", i, i, i % 40,
                      "0123456789012345678901234567890123456789");
    scratch_write(&rig.dir, "in/a.csv", csv.data, csv.len);
    assert_true(csv.len > 3 << 20);
    complete(CSV_FILES);
    assert_int_equal(rig.delivered, ROWS);
    assert_int_equal(rig.dead, 0);
    const char *p = rig_output(&rig);
    size_t offset = strlen("n,text\r\n");
    for (int i = 0; i < ROWS; i++) {
        char record[160], expected[256];
        int len = snprintf(record, sizeof(record), "%d,\"line one of %d\r\nand \"\"two\"\"\nand %.*s\"", i, i, i % 40,
                           "0123456789012345678901234567890123456789");
        int all = snprintf(expected, sizeof(expected), "in/a.csv:%d:%zu:%s\n", 2 + 3 * i, offset, record);
        if (strncmp(p, expected, (size_t)all) != 0)
            fail_msg("row %d: expected %s got %.60s", i, expected, p);
        p += all;
        offset += (size_t)len + 2;
    }
    buffer_release(&csv);
}

static bool something_arrived(struct rig *r)
{
    return r->edge && counter_get(&r->edge->delivered) > 0;
}

static void a_stopped_run_goes_on_in_the_middle_of_the_file(void **state)
{
    (void)state;
    struct buffer text = {0};
    enum { ROWS = 400000 };
    for (int i = 0; i < ROWS; i++)
        buffer_printf(&text, "row %d of many with some more text behind it\n", i);
    scratch_write(&rig.dir, "in/a", text.data, text.len);
    uint64_t read = 0;
    bool stopped = false;
    for (int run = 0; run < 20; run++) {
        rig.tick = run < 19 ? something_arrived : NULL;
        enum outcome outcome = rig_run(&rig, TEXT_FILES);
        read += rig.read;
        if (outcome == OUTCOME_COMPLETE)
            break;
        assert_int_equal(outcome, OUTCOME_STOPPED);
        stopped = true;
    }
    assert_true(stopped);
    assert_int_equal(read, ROWS);
    const char *p = rig_output(&rig);
    size_t offset = 0;
    for (int i = 0; i < ROWS; i++) {
        char row[64], expected[128];
        int row_len = snprintf(row, sizeof(row), "row %d of many with some more text behind it", i);
        int len = snprintf(expected, sizeof(expected), "in/a:%d:%zu:%s\n", i + 1, offset, row);
        if (strncmp(p, expected, (size_t)len) != 0)
            fail_msg("row %d: got %.80s", i, p);
        p += len;
        offset += (size_t)row_len + 1;
    }
    buffer_release(&text);
}

static void many_small_files_all_arrive_once(void **state)
{
    (void)state;
    char name[64], text[64];
    enum { FILES = 3000 };
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "in/%02d/%04d", i % 10, i);
        snprintf(text, sizeof(text), "{\"n\":%d}\n{\"n\":%d}", i, i);
        scratch_put(&rig.dir, name, text);
    }
    complete("type = \"file\"\npath = \"in/**\"\nformat = \"json\"\n");
    assert_int_equal(rig.read, 2 * FILES);
    complete("type = \"file\"\npath = \"in/**\"\nformat = \"json\"\n");
    assert_int_equal(rig.read, 0);
}

static void a_directory_in_place_of_a_pattern_is_explained(void **state)
{
    (void)state;
    scratch_put(&rig.dir, "in/a", "1\n");
    assert_int_equal(rig_run(&rig, "type = \"file\"\npath = \"in\"\nformat = \"text\"\n"), OUTCOME_FAILED);
    assert_non_null(strstr(rig.err.text, "is a directory"));
    assert_non_null(strstr(rig.err.text, "/in/*"));
}

/* ---- bad input -----------------------------------------------------------------------------------------------------
 */

static void a_record_that_is_too_long_is_rejected_alone(void **state)
{
    (void)state;
    struct buffer text = {0};
    buffer_add_str(&text, STR("before\n"));
    memset(buffer_reserve(&text, 5 << 20), 'x', 5 << 20);
    text.len += 5 << 20;
    buffer_add_str(&text, STR("\nafter\n"));
    scratch_write(&rig.dir, "in/a", text.data, text.len);
    complete(TEXT_FILES "max_record = \"2MiB\"\n");
    assert_string_equal(rig_output(&rig), "in/a:1:0:before\nin/a:3:5242888:after\n");
    assert_int_equal(rig.dead, 1);
    complete(TEXT_FILES "max_record = \"6MiB\"\n");
    assert_int_equal(rig.read, 0);
    buffer_release(&text);
}

static void a_record_larger_than_a_chunk_is_read_whole(void **state)
{
    (void)state;
    struct buffer text = {0};
    memset(buffer_reserve(&text, 3 << 20), 'x', 3 << 20);
    text.len += 3 << 20;
    buffer_add_str(&text, STR("\nafter\n"));
    scratch_write(&rig.dir, "in/a", text.data, text.len);
    complete(TEXT_FILES "max_record = \"4MiB\"\n");
    assert_int_equal(rig.delivered, 2);
    assert_int_equal(strlen(rig_output(&rig)), strlen("in/a:1:0:\nin/a:2:3145729:after\n") + (3 << 20));
    buffer_release(&text);
}

static void compression_is_found_by_content(void **state)
{
    (void)state;
    put_compressed("in/a", COMPRESSION_ZSTD, "1\n2\n", 0);
    put_compressed("in/b.csv", COMPRESSION_GZIP, "3\n", 0);
    put_compressed("in/c", COMPRESSION_GZIP, "", 0);
    scratch_put(&rig.dir, "in/d.gz", "4\n");
    complete(TEXT_FILES);
    assert_string_equal(rig_output(&rig), "in/a:1:0:1\nin/a:2:2:2\nin/b.csv:1:0:3\nin/d.gz:1:0:4\n");
    complete(TEXT_FILES);
    assert_int_equal(rig.read, 0);
}

static void what_is_whole_of_a_truncated_frame_arrives_and_the_rest_is_one_dead_letter(void **state)
{
    (void)state;
    struct buffer text = {0};
    for (int i = 0; i < 300000; i++)
        buffer_printf(&text, "%d %x\n", i, (unsigned)i * 2654435761u);
    const enum compression how[] = {COMPRESSION_ZSTD, COMPRESSION_GZIP};
    for (int i = 0; i < 2; i++) {
        char name[16];
        snprintf(name, sizeof(name), "in/%d", i);
        put_compressed(name, how[i], buffer_cstr(&text), 100000);
    }
    scratch_put(&rig.dir, "in/z", "the next file\n");
    complete(TEXT_FILES);
    assert_true(rig.delivered > 200000);
    assert_int_equal(rig.dead, 2);
    assert_int_equal(rig.read, rig.delivered + 2);
    assert_non_null(strstr(rig_output(&rig), "the next file"));
    complete(TEXT_FILES);
    assert_int_equal(rig.read, 0);
    buffer_release(&text);
}

static void a_header_that_cannot_be_read_rejects_the_file_and_the_next_is_read(void **state)
{
    (void)state;
    scratch_put(&rig.dir, "in/a.csv", "\xff\xfe,b\n1,2\n");
    scratch_put(&rig.dir, "in/b.csv", "a,b\n3,4\n");
    complete(CSV_FILES);
    assert_int_equal(rig.dead, 1);
    assert_string_equal(rig_output(&rig), "in/b.csv:2:4:3,4\n");
}

/* ---- on_done -------------------------------------------------------------------------------------------------------
 */

static void done_files_move_with_their_directories_and_take_free_names(void **state)
{
    (void)state;
    const char *source = TEXT_FILES "on_done = \"move\"\ndone_dir = \"done\"\n";
    scratch_put(&rig.dir, "in/a", "1\n");
    scratch_put(&rig.dir, "in/x/y/b", "2\n");
    scratch_put(&rig.dir, "done/a", "taken\n");
    complete(source);
    assert_int_equal(rig.delivered, 2);
    assert_true(scratch_has(&rig.dir, "done/a.1"));
    assert_true(scratch_has(&rig.dir, "done/x/y/b"));
    assert_false(scratch_has(&rig.dir, "in/a"));
    assert_false(scratch_has(&rig.dir, "in/x/y/b"));
}

static void a_file_that_has_gone_is_forgotten_and_read_again_when_it_comes_back(void **state)
{
    (void)state;
    const char *source = TEXT_FILES "on_done = \"delete\"\n";
    struct timeval times[2] = {{1, 0}, {1, 0}};
    scratch_put(&rig.dir, "in/.keep", "");
    for (int i = 0; i < 2; i++) {
        scratch_put(&rig.dir, "in/a", "1\n");
        assert_int_equal(utimes(scratch_path(&rig.dir, "in/a"), times), 0);
        complete(source);
        assert_int_equal(rig.delivered, 1);
        assert_false(scratch_has(&rig.dir, "in/a"));
        complete(source);
        assert_int_equal(rig.read, 0);
    }
}

static void a_directory_with_nothing_in_it_may_not_be_mounted_and_forgets_nothing(void **state)
{
    (void)state;
    struct timeval times[2] = {{1, 0}, {1, 0}};
    scratch_put(&rig.dir, "in/a", "1\n");
    assert_int_equal(utimes(scratch_path(&rig.dir, "in/a"), times), 0);
    complete(TEXT_FILES);
    assert_int_equal(rename(scratch_path(&rig.dir, "in"), scratch_path(&rig.dir, "unmounted")), 0);
    assert_int_equal(mkdir(scratch_path(&rig.dir, "in"), 0777), 0);
    complete(TEXT_FILES);
    assert_int_equal(rmdir(scratch_path(&rig.dir, "in")), 0);
    assert_int_equal(rename(scratch_path(&rig.dir, "unmounted"), scratch_path(&rig.dir, "in")), 0);
    complete(TEXT_FILES);
    assert_int_equal(rig.read, 0);
}

static void a_file_with_dead_letters_stays_also_in_later_runs(void **state)
{
    (void)state;
    const char *source = "type = \"file\"\npath = \"in/*\"\nformat = \"json\"\non_done = \"delete\"\n";
    scratch_put(&rig.dir, "in/a", "{\"n\":1}\n{broken\n");
    complete(source);
    assert_int_equal(rig.dead, 1);
    assert_true(scratch_has(&rig.dir, "in/a"));
    complete(source);
    assert_int_equal(rig.read, 0);
    assert_true(scratch_has(&rig.dir, "in/a"));
}

static void done_options_must_fit_together(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    assert_null(rig_config(&rig, TEXT_FILES "on_done = \"move\"\n", &arena));
    assert_non_null(strstr(rig.problems, "needs done_dir"));
    assert_null(rig_config(&rig, TEXT_FILES "done_dir = \"x\"\n", &arena));
    assert_non_null(strstr(rig.problems, "done_dir needs"));
    assert_null(rig_config(&rig, TEXT_FILES "settle = \"soon\"\n", &arena));
    assert_non_null(strstr(rig.problems, "settle is a duration"));
    arena_release(&arena);
}

/* ---- watch ---------------------------------------------------------------------------------------------------------
 */

static int steps;

static bool drops_arrive(struct rig *r)
{
    size_t lines = rig_lines(r);
    if (steps == 0 && lines == 1) {
        scratch_put(&r->dir, "in/new/b", "2\n");
        steps = 1;
    } else if (steps == 1 && lines == 2) {
        scratch_put(&r->dir, "elsewhere", "3\n");
        rename(scratch_path(&r->dir, "elsewhere"), scratch_path(&r->dir, "in/new/c"));
        steps = 2;
    }
    return lines == 3;
}

static void watching_takes_files_as_they_come_also_in_new_directories(void **state)
{
    (void)state;
    steps = 0;
    scratch_put(&rig.dir, "in/a", "1\n");
    rig.tick = drops_arrive;
    complete(TEXT_FILES "mode = \"watch\"\nsettle = \"50ms\"\n");
    assert_string_equal(rig_output(&rig), "in/a:1:0:1\nin/new/b:1:0:2\nin/new/c:1:0:3\n");
}

static int half_written;

static bool a_writer_takes_its_time(struct rig *r)
{
    if (steps == 0 && rig_lines(r) == 0)
        return false;
    steps++;
    if (steps == 1) {
        half_written = open(scratch_path(&r->dir, "in/b"), O_WRONLY | O_CREAT, 0666);
        assert_int_equal(write(half_written, "ha", 2), 2);
    } else if (steps <= 250 && steps % 50 == 0) {
        assert_int_equal(write(half_written, "lf\n", 3), 3);
        assert_int_equal(rig_lines(r), 1);
    } else if (steps == 251) {
        close(half_written);
    }
    return steps > 251 && rig_lines(r) > 1;
}

static void a_half_written_file_waits_until_it_is_quiet(void **state)
{
    (void)state;
    steps = 0;
    scratch_put(&rig.dir, "in/a", "1\n");
    rig.tick = a_writer_takes_its_time;
    complete(TEXT_FILES "mode = \"watch\"\nsettle = \"1s\"\n");
    assert_int_equal(rig_lines(&rig), 6);
}

static bool one_by_rename(struct rig *r)
{
    if (steps == 0 && rig_lines(r) == 0)
        return false; /* what is there before it listens is taken */
    if (++steps == 5) {
        scratch_put(&r->dir, "in/direct", "no\n");
        scratch_put(&r->dir, "in/.hidden", "2\n");
    } else if (steps == 20) {
        rename(scratch_path(&r->dir, "in/.hidden"), scratch_path(&r->dir, "in/renamed"));
    }
    return rig_lines(r) == 2;
}

static void with_settle_rename_only_renamed_files_are_taken(void **state)
{
    (void)state;
    steps = 0;
    scratch_put(&rig.dir, "in/a", "1\n");
    rig.tick = one_by_rename;
    complete(TEXT_FILES "mode = \"watch\"\nsettle = \"rename\"\n");
    assert_string_equal(rig_output(&rig), "in/a:1:0:1\nin/renamed:1:0:2\n");
}

static bool marker_comes(struct rig *r)
{
    if (++steps == 5)
        scratch_put(&r->dir, "in/b", "2\n");
    else if (steps == 20)
        scratch_put(&r->dir, "in/b.ok", "");
    return rig_lines(r) == 2 && !scratch_has(&r->dir, "in/b.ok");
}

static void with_a_marker_files_wait_for_it_and_it_goes_with_them(void **state)
{
    (void)state;
    steps = 0;
    scratch_put(&rig.dir, "in/a", "1\n");
    scratch_put(&rig.dir, "in/a.ok", "");
    scratch_put(&rig.dir, "in/unmarked", "no\n");
    rig.tick = marker_comes;
    complete(TEXT_FILES "mode = \"watch\"\nsettle = \"marker:.ok\"\non_done = \"delete\"\n");
    assert_string_equal(rig_output(&rig), "in/a:1:0:1\nin/b:1:0:2\n");
    assert_false(scratch_has(&rig.dir, "in/b"));
    assert_true(scratch_has(&rig.dir, "in/unmarked"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_read_in_order_with_file_line_and_offset),
        TEST(a_second_run_reads_nothing_twice_and_a_changed_file_is_a_new_one),
        TEST(quoted_line_ends_survive_the_borders_of_chunks),
        TEST(a_stopped_run_goes_on_in_the_middle_of_the_file),
        TEST(many_small_files_all_arrive_once),
        TEST(a_directory_in_place_of_a_pattern_is_explained),
        TEST(a_record_that_is_too_long_is_rejected_alone),
        TEST(a_record_larger_than_a_chunk_is_read_whole),
        TEST(compression_is_found_by_content),
        TEST(what_is_whole_of_a_truncated_frame_arrives_and_the_rest_is_one_dead_letter),
        TEST(a_header_that_cannot_be_read_rejects_the_file_and_the_next_is_read),
        TEST(done_files_move_with_their_directories_and_take_free_names),
        TEST(a_file_that_has_gone_is_forgotten_and_read_again_when_it_comes_back),
        TEST(a_directory_with_nothing_in_it_may_not_be_mounted_and_forgets_nothing),
        TEST(a_file_with_dead_letters_stays_also_in_later_runs),
        TEST(done_options_must_fit_together),
        TEST(watching_takes_files_as_they_come_also_in_new_directories),
        TEST(a_half_written_file_waits_until_it_is_quiet),
        TEST(with_settle_rename_only_renamed_files_are_taken),
        TEST(with_a_marker_files_wait_for_it_and_it_goes_with_them),
    };
    return cmocka_run_group_tests_name("file source", tests, NULL, NULL);
}
