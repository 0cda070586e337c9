#include "tests/unit/connectors/rig.h"

#include "connectors/file/book.h"

#define TAIL "type = \"file\"\npath = \"log/*\"\nformat = \"text\"\nmode = \"tail\"\n"

static struct rig rig;
static int step;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&rig);
    step = 0;
    assert_int_equal(mkdir(scratch_path(&rig.dir, "log"), 0777), 0);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void append(struct rig *r, const char *name, const char *text)
{
    int fd = open(scratch_path(&r->dir, name), O_WRONLY | O_APPEND | O_CREAT, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void append_many(struct rig *r, const char *name, int from, int to)
{
    struct buffer text = {0};
    for (int i = from; i < to; i++)
        buffer_printf(&text, "line %d of a log that is longer than its prefix\n", i);
    append(r, name, buffer_cstr(&text));
    buffer_release(&text);
}

static void move(struct rig *r, const char *from, const char *to)
{
    assert_int_equal(rename(scratch_path(&r->dir, from), scratch_path(&r->dir, to)), 0);
}

static size_t wanted;

static bool wanted_lines_are_there(struct rig *r)
{
    return rig_lines(r) == wanted;
}

static void follow(bool (*tick)(struct rig *r))
{
    rig.tick = tick;
    rig_complete(&rig, TAIL);
}

/* ---- the book ------------------------------------------------------------------------------------------------------
 */

static struct book_look look_at(const char *path, uint64_t inode, const char *head)
{
    return (struct book_look){path, inode, head, strlen(head)};
}

static char *key(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    return strcpy(copy, text);
}

static void a_growing_file_keeps_its_key_while_its_prefix_grows(void **state)
{
    (void)state;
    struct book b;
    struct error err;
    const char *file = scratch_path(&rig.dir, "book");
    assert_true(book_open(&b, file, &err));
    struct book_look look = look_at("/l/a\tb\n", 7, "ab");
    struct book_entry *e = book_add(&b, &look, key("a#1"));
    look = look_at("/l/a\tb\n", 7, "abc");
    book_update(&b, e, &look);
    assert_int_equal(e->length, 2); /* not every byte is worth a write */
    look = look_at("/l/moved", 7, "abcd");
    book_update(&b, e, &look);
    assert_int_equal(e->length, 4);
    assert_true(book_save(&b, &err));
    book_close(&b);

    assert_true(book_open(&b, scratch_path(&rig.dir, "book"), &err));
    look = look_at("/elsewhere", 7, "abcdefgh");
    e = book_find(&b, &look);
    assert_non_null(e);
    assert_string_equal(e->key, "a#1");
    assert_string_equal(e->path, "/l/moved");
    look = look_at("/l/moved", 7, "abcX");
    assert_null(book_find(&b, &look));
    book_close(&b);
}

static void the_inode_decides_between_files_that_begin_alike_then_the_path(void **state)
{
    (void)state;
    struct book b;
    struct error err;
    assert_true(book_open(&b, scratch_path(&rig.dir, "book"), &err));
    struct book_look one = look_at("/l/1", 1, "# log\n"), two = look_at("/l/2", 2, "# log\n");
    struct book_entry *first = book_add(&b, &one, key("1")), *second = book_add(&b, &two, key("2"));
    struct book_look renamed = look_at("/l/2", 1, "# log\nmore"), copied = look_at("/l/2", 3, "# log\n"),
                     stranger = look_at("/l/3", 3, "# log\n");
    assert_ptr_equal(book_find(&b, &renamed), first);
    assert_ptr_equal(book_find(&b, &copied), second);
    assert_null(book_find(&b, &stranger)); /* so short a prefix proves nothing */
    book_close(&b);
}

static void a_whole_prefix_finds_a_copy_but_not_while_the_original_is_followed(void **state)
{
    (void)state;
    struct book b;
    struct error err;
    char head[BOOK_PREFIX + 1];
    memset(head, 'x', BOOK_PREFIX);
    head[BOOK_PREFIX] = '\0';
    assert_true(book_open(&b, scratch_path(&rig.dir, "book"), &err));
    struct book_look original = look_at("/l/1", 1, head), copy = look_at("/l/1.copy", 9, head);
    struct book_entry *e = book_add(&b, &original, key("1"));
    e->taken = true;
    assert_null(book_find(&b, &copy));
    assert_true(book_is_copy(&b, &copy));
    e->taken = false;
    assert_ptr_equal(book_find(&b, &copy), e);
    assert_false(book_is_copy(&b, &copy));
    book_close(&b);
}

/* ---- following -----------------------------------------------------------------------------------------------------
 */

static bool lines_come_in_pieces(struct rig *r)
{
    if (step == 0 && rig_lines(r) == 1) {
        append(r, "log/a", "half");
        step = 1;
    } else if (step > 0 && step < 20) {
        assert_int_equal(rig_lines(r), 1);
        step++;
    } else if (step == 20) {
        append(r, "log/a", " a line\nand");
        step = 21;
    }
    return rig_lines(r) == 2;
}

static void an_unterminated_line_waits_for_its_end_also_in_the_next_run(void **state)
{
    (void)state;
    append(&rig, "log/a", "first\n");
    follow(lines_come_in_pieces);
    assert_string_equal(rig_output(&rig), "log/a:1:0:first\nlog/a:2:6:half a line\n");
    append(&rig, "log/a", " more\n");
    wanted = 3;
    follow(wanted_lines_are_there);
    assert_string_equal(rig_output(&rig), "log/a:1:0:first\nlog/a:2:6:half a line\nlog/a:3:18:and more\n");
}

static bool rotates(struct rig *r)
{
    if (step == 0 && rig_lines(r) == 1) {
        append(r, "log/a", "last of the old\n");
        move(r, "log/a", "log/a.1");
        append(r, "log/a.1", "the writer was still there\n");
        append(r, "log/a", "first of the new\n");
        step = 1;
    }
    return rig_lines(r) == 4;
}

static void rotation_by_rename_loses_nothing_and_reads_the_old_file_first(void **state)
{
    (void)state;
    append(&rig, "log/a", "1\n");
    follow(rotates);
    assert_string_equal(rig_output(&rig),
                        "log/a:1:0:1\nlog/a:2:2:last of the old\nlog/a:3:18:the writer was still there\n"
                        "log/a:1:0:first of the new\n");
}

static bool leaves(struct rig *r)
{
    if (step == 0 && rig_lines(r) == 1) {
        append(r, "log/a", "last\nunterminated");
        move(r, "log/a", "away");
        append(r, "log/a", "new\n");
        step = 1;
    }
    return rig_lines(r) == 3;
}

static void a_file_that_is_renamed_out_of_sight_is_read_to_its_end(void **state)
{
    (void)state;
    append(&rig, "log/a", "1\n");
    follow(leaves);
    assert_string_equal(rig_output(&rig), "log/a:1:0:1\nlog/a:2:2:last\nlog/a:1:0:new\n");
}

static bool cuts_off(struct rig *r)
{
    size_t lines = rig_lines(r);
    if (step == 0 && lines == 50) {
        char command[1200];
        snprintf(command, sizeof(command), "cp %s %s", scratch_path(&r->dir, "log/a"),
                 scratch_path(&r->dir, "log/a.1"));
        assert_int_equal(system(command), 0);
        step = 1;
    } else if (step > 0 && step < 20) {
        step++; /* the copy is seen beside its original */
    } else if (step == 20) {
        assert_int_equal(lines, 50);
        append_many(r, "log/a.1", 50, 51); /* as if it had come before the copy was made */
        assert_int_equal(truncate(scratch_path(&r->dir, "log/a"), 0), 0);
        append(r, "log/a", "after\n");
        step = 21;
    }
    return lines == 52;
}

static void a_file_that_is_copied_and_cut_off_is_read_once(void **state)
{
    (void)state;
    append_many(&rig, "log/a", 0, 50);
    follow(cuts_off);
    assert_int_equal(rig_lines(&rig), 52);
    assert_non_null(strstr(rig.text.data, ":line 50 of"));
    assert_non_null(strstr(rig.text.data, "log/a:1:0:after\n"));
}

static bool has_stopped(struct rig *r)
{
    return r->edge && counter_get(&r->edge->delivered) > 0;
}

static void what_was_renamed_between_two_runs_goes_on_where_it_was(void **state)
{
    (void)state;
    append_many(&rig, "log/a", 0, 100);
    follow(has_stopped);
    size_t before = rig_lines(&rig);
    assert_true(before > 0);
    append_many(&rig, "log/a", 100, 101);
    move(&rig, "log/a", "log/a.1");
    append(&rig, "log/a", "new\n");
    wanted = 102;
    follow(wanted_lines_are_there);
    assert_int_equal(rig_lines(&rig), 102);
    assert_non_null(strstr(rig.text.data, ":line 100 of"));
}

static bool all_of_many(struct rig *r)
{
    if (step == 0) {
        for (int i = 0; i < 200; i++) {
            char name[32], text[32];
            snprintf(name, sizeof(name), "log/%d", i);
            snprintf(text, sizeof(text), "%d\n", i);
            append(r, name, text);
        }
        step = 1;
    }
    return rig_lines(r) == 200;
}

static void many_files_that_begin_alike_are_all_followed(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "log/%d", i);
        append(&rig, name, "# the same beginning, without an end: ");
    }
    follow(all_of_many);
    for (int i = 0; i < 200; i++) {
        char line[96];
        snprintf(line, sizeof(line), "log/%d:1:0:# the same beginning, without an end: %d\n", i, i);
        assert_non_null(strstr(rig.text.data, line));
    }
}

static void what_cannot_be_done_to_a_growing_file_is_refused(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    const char *options[] = {"compression = \"zstd\"\n", "on_done = \"delete\"\n", "settle = \"2s\"\n"};
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        char source[512];
        snprintf(source, sizeof(source), "%s%s", TAIL, options[i]);
        assert_null(rig_config(&rig, source, &arena));
        assert_non_null(strstr(rig.problems, "follow"));
    }
    assert_null(rig_config(&rig, "type = \"file\"\npath = \"a\"\nformat = \"raw\"\nmode = \"tail\"\n", &arena));
    assert_non_null(strstr(rig.problems, "whole files"));
    arena_release(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_growing_file_keeps_its_key_while_its_prefix_grows),
        TEST(the_inode_decides_between_files_that_begin_alike_then_the_path),
        TEST(a_whole_prefix_finds_a_copy_but_not_while_the_original_is_followed),
        TEST(an_unterminated_line_waits_for_its_end_also_in_the_next_run),
        TEST(rotation_by_rename_loses_nothing_and_reads_the_old_file_first),
        TEST(a_file_that_is_renamed_out_of_sight_is_read_to_its_end),
        TEST(a_file_that_is_copied_and_cut_off_is_read_once),
        TEST(what_was_renamed_between_two_runs_goes_on_where_it_was),
        TEST(many_files_that_begin_alike_are_all_followed),
        TEST(what_cannot_be_done_to_a_growing_file_is_refused),
    };
    return cmocka_run_group_tests_name("tail", tests, NULL, NULL);
}
