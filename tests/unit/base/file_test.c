#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/file.h"

static char directory[] = "/tmp/pipe-file-test-XXXXXX";
static char *home;

/* Each test's working directory is the temporary one: names in tests are short. */
static int enter(void **state)
{
    (void)state;
    home = getcwd(NULL, 0);
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    int failed = chdir(home);
    free(home);
    return failed ? failed : system(command);
}

static void check_content(const char *path, const char *expected)
{
    struct buffer b = {0};
    struct error err;
    assert_true(file_read_all(path, 1 << 20, &b, &err));
    assert_string_equal(buffer_cstr(&b), expected);
    buffer_release(&b);
}

static int count_entries(const char *path)
{
    DIR *d = opendir(path);
    assert_non_null(d);
    int count = 0;
    while (readdir(d))
        count++;
    closedir(d);
    return count - 2;
}

static void a_file_is_replaced_whole_and_leaves_nothing_beside_it(void **state)
{
    (void)state;
    struct error err;
    assert_true(file_make_directories("replace", 0777, &err));
    assert_true(file_replace("replace/a", "one", 3, &err));
    check_content("replace/a", "one");
    assert_true(file_replace("replace/a", "and two", 7, &err));
    check_content("replace/a", "and two");
    int fd = open("replace/a.pipe-tmp", O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "left by a kill, and longer", 26), 26);
    close(fd);
    assert_true(file_replace("replace/a", "three", 5, &err));
    check_content("replace/a", "three");
    assert_int_equal(count_entries("replace"), 1);
}

static void a_failed_replace_keeps_the_old_file_and_names_the_new(void **state)
{
    (void)state;
    struct error err;
    assert_true(file_make_directories("kept/a", 0777, &err));
    assert_false(file_replace("kept/a", "x", 1, &err)); /* a directory is in the way */
    assert_int_equal(err.kind, ERROR_STOP);
    assert_non_null(strstr(err.text, "kept/a"));
    assert_int_equal(count_entries("kept"), 1);
    assert_false(file_replace("nowhere/a", "x", 1, &err));
    assert_non_null(strstr(err.text, "No such file"));
}

static void reading_stops_at_the_limit(void **state)
{
    (void)state;
    struct error err;
    struct buffer b = {0};
    assert_true(file_replace("limit", "12345", 5, &err));
    assert_true(file_read_all("limit", 5, &b, &err));
    assert_int_equal(b.len, 5);
    assert_false(file_read_all("limit", 4, &b, &err));
    assert_int_equal(err.kind, ERROR_STOP);
    assert_false(file_read_all("missing", 4, &b, &err));
    assert_string_equal(err.text, "cannot open missing: No such file or directory");
    buffer_release(&b);
}

static void a_full_disk_is_worth_another_try(void **state)
{
    (void)state;
    struct error err;
    int fd = open("/dev/full", O_WRONLY);
    assert_true(fd >= 0);
    assert_false(file_write_all(fd, "x", 1, "/dev/full", &err));
    assert_int_equal(err.kind, ERROR_RETRY);
    assert_string_equal(err.text, "cannot write /dev/full: No space left on device");
    close(fd);
}

static void directories_are_made_with_their_parents(void **state)
{
    (void)state;
    struct error err;
    struct stat st;
    assert_true(file_make_directories("p/q//r/", 0777, &err));
    assert_true(file_make_directories("p/q/r", 0777, &err));
    assert_true(stat("p/q/r", &st) == 0 && S_ISDIR(st.st_mode));
    assert_true(file_make_parent("p/s/t.csv", 0777, &err));
    assert_true(stat("p/s", &st) == 0 && stat("p/s/t.csv", &st) != 0);
    assert_true(file_make_parent("bare", 0777, &err));
    assert_true(file_replace("p/file", "", 0, &err));
    assert_false(file_make_directories("p/file/below", 0777, &err));
    assert_int_equal(err.kind, ERROR_STOP);
    assert_non_null(strstr(err.text, "Not a directory"));
}

static void a_rename_moves_between_directories(void **state)
{
    (void)state;
    struct error err;
    assert_true(file_make_directories("from", 0777, &err));
    assert_true(file_make_directories("to", 0777, &err));
    assert_true(file_replace("from/a", "moved", 5, &err));
    assert_true(file_rename_durably("from/a", "to/b", &err));
    check_content("to/b", "moved");
    assert_int_equal(count_entries("from"), 0);
    assert_false(file_rename_durably("from/a", "to/c", &err));
    assert_string_equal(err.text, "cannot rename from/a to to/c: No such file or directory");
}

static void check_join(const char *first, const char *name, const char *expected)
{
    char *path = file_join(first, name);
    assert_string_equal(path, expected);
    free(path);
}

static void paths_are_joined_with_one_slash(void **state)
{
    (void)state;
    check_join("state", "lock", "state/lock");
    check_join("state//", "lock", "state/lock");
    check_join("/", "lock", "/lock");
    check_join("state", "/var/lock", "/var/lock");
    check_join("", "lock", "lock");
    check_join(".", "a/b", "./a/b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_whole_and_leaves_nothing_beside_it),
        cmocka_unit_test(a_failed_replace_keeps_the_old_file_and_names_the_new),
        cmocka_unit_test(reading_stops_at_the_limit),
        cmocka_unit_test(a_full_disk_is_worth_another_try),
        cmocka_unit_test(directories_are_made_with_their_parents),
        cmocka_unit_test(a_rename_moves_between_directories),
        cmocka_unit_test(paths_are_joined_with_one_slash),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
