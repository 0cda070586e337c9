#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connectors/file/identity.h"
#include "connectors/file/key_set.h"
#include "tests/unit/connectors/scratch.h"

static struct scratch dir;

static struct file_identity identity_of(const char *name)
{
    struct file_identity id;
    struct error err;
    int fd = open(scratch_path(&dir, name), O_RDONLY);
    assert_true(fd >= 0);
    assert_true(file_identify(fd, name, &id, &err));
    close(fd);
    return id;
}

static void set_mtime(const char *name, int64_t ns)
{
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, scratch_path(&dir, name), times, 0), 0);
}

static void write_large(const char *name, size_t at, char c)
{
    static char data[100000];
    memset(data, 'x', sizeof(data));
    data[at] = c;
    scratch_write(&dir, name, data, sizeof(data));
    set_mtime(name, 1);
}

static void a_file_that_is_touched_written_or_grown_is_another(void **state)
{
    (void)state;
    scratch_put(&dir, "a", "one\n");
    set_mtime("a", 5);
    uint64_t first = identity_of("a").hash;
    assert_true(identity_of("a").hash == first);
    set_mtime("a", 6);
    assert_false(identity_of("a").hash == first);
    scratch_put(&dir, "a", "two\n");
    set_mtime("a", 5);
    assert_false(identity_of("a").hash == first);
    scratch_put(&dir, "a", "one\n\n");
    set_mtime("a", 5);
    assert_false(identity_of("a").hash == first);
}

static void the_first_and_the_last_four_kib_count(void **state)
{
    (void)state;
    write_large("a", 50000, 'x');
    uint64_t first = identity_of("a").hash;
    write_large("a", 4095, 'y');
    assert_false(identity_of("a").hash == first);
    write_large("a", 100000 - 4096, 'y');
    assert_false(identity_of("a").hash == first);
    write_large("a", 4096, 'y');
    assert_true(identity_of("a").hash == first);
}

static void a_copy_on_another_disk_is_the_same(void **state)
{
    (void)state;
    scratch_put(&dir, "a", "one\n");
    scratch_put(&dir, "b", "one\n");
    set_mtime("a", 5);
    set_mtime("b", 5);
    assert_true(identity_of("a").hash == identity_of("b").hash);
}

static void a_small_file_is_read_whole_with_its_identity(void **state)
{
    (void)state;
    scratch_put(&dir, "a", "one\n");
    struct file_identity id = identity_of("a");
    assert_int_equal(id.head_len, 4);
    assert_memory_equal(id.head, "one\n", 4);
    scratch_put(&dir, "empty", "");
    assert_int_equal(identity_of("empty").size, 0);
}

static void a_key_gives_back_its_path_and_hash(void **state)
{
    (void)state;
    struct buffer key = {0};
    file_key_print("in#box/a#b.csv", UINT64_C(0x0123456789abcdef), &key);
    assert_string_equal(key.data, "in#box/a#b.csv#0123456789abcdef");
    size_t len;
    uint64_t hash;
    assert_true(file_key_parse(key.data, &len, &hash));
    assert_int_equal(len, strlen("in#box/a#b.csv"));
    assert_true(hash == UINT64_C(0x0123456789abcdef));
    assert_false(file_key_parse("stdin", &len, &hash));
    assert_false(file_key_parse("a.csv#0123456789abcdeg", &len, &hash));
    buffer_release(&key);
}

static void a_name_that_is_no_utf_8_has_a_text_that_is_and_can_be_found_by_it(void **state)
{
    (void)state;
    char *text = file_name_text("in/\xff\xfe \xc3\xbc %41.csv");
    assert_string_equal(text, "in/%FF%FE \xc3\xbc %41.csv");
    file_name_restore(text);
    assert_string_equal(text, "in/\xff\xfe \xc3\xbc %41.csv");
    free(text);
    struct buffer key = {0};
    file_key_print("\xff", 0, &key);
    assert_string_equal(key.data, "%FF#0000000000000000");
    buffer_release(&key);
}

static void paths_are_told_as_the_configuration_sees_them(void **state)
{
    (void)state;
    assert_string_equal(file_relative("/srv/p", "/srv/p/inbox/a.csv"), "inbox/a.csv");
    assert_string_equal(file_relative("/srv/p/", "/srv/p/a.csv"), "a.csv");
    assert_string_equal(file_relative("/srv/p", "/srv/plant/a.csv"), "/srv/plant/a.csv");
    assert_string_equal(file_relative("/", "/a.csv"), "a.csv");
}

static void times_before_1970_are_rounded_down(void **state)
{
    (void)state;
    assert_true(mtime_to_timestamp(0) == INT64_C(-946684800000000));
    assert_true(mtime_to_timestamp(-1) == INT64_C(-946684800000001));
    assert_true(mtime_to_timestamp(INT64_C(946684800000001999)) == 1);
}

static void a_set_of_hashes_knows_its_members_through_growth(void **state)
{
    (void)state;
    struct key_set s = {0};
    assert_false(key_set_has(&s, 0));
    for (uint64_t i = 0; i < 1000; i += 2)
        assert_true(key_set_add(&s, i * UINT64_C(0x9e3779b97f4a7c15)));
    assert_false(key_set_add(&s, 0));
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(key_set_has(&s, i * UINT64_C(0x9e3779b97f4a7c15)), i % 2 == 0);
    key_set_release(&s);
}

static int open_dir(void **state)
{
    (void)state;
    scratch_open(&dir);
    return 0;
}

static int close_dir(void **state)
{
    (void)state;
    scratch_close(&dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_touched_written_or_grown_is_another),
        cmocka_unit_test(the_first_and_the_last_four_kib_count),
        cmocka_unit_test(a_copy_on_another_disk_is_the_same),
        cmocka_unit_test(a_small_file_is_read_whole_with_its_identity),
        cmocka_unit_test(a_key_gives_back_its_path_and_hash),
        cmocka_unit_test(a_name_that_is_no_utf_8_has_a_text_that_is_and_can_be_found_by_it),
        cmocka_unit_test(paths_are_told_as_the_configuration_sees_them),
        cmocka_unit_test(times_before_1970_are_rounded_down),
        cmocka_unit_test(a_set_of_hashes_knows_its_members_through_growth),
    };
    return cmocka_run_group_tests_name("identity", tests, open_dir, close_dir);
}
