#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "connectors/file/pending.h"

#define SECOND INT64_C(1000000)
#define WALL INT64_C(1800000000000000)

static struct stat looks(off_t size, int64_t mtime_us)
{
    return (struct stat){.st_size = size,
                         .st_mtim = {.tv_sec = mtime_us / SECOND, .tv_nsec = mtime_us % SECOND * 1000}};
}

static void the_three_ways_to_settle_are_told_apart(void **state)
{
    (void)state;
    struct settle s;
    struct error err;
    assert_true(settle_parse(NULL, 7, &s, &err) && s.kind == SETTLE_QUIET && s.quiet_us == 7);
    assert_true(settle_parse("1m30s", 7, &s, &err) && s.kind == SETTLE_QUIET && s.quiet_us == 90 * SECOND);
    assert_true(settle_parse("0", 7, &s, &err) && s.quiet_us == 0);
    assert_true(settle_parse("500ms", 7, &s, &err) && s.quiet_us == SECOND / 2);
    assert_true(settle_parse("rename", 7, &s, &err) && s.kind == SETTLE_RENAME);
    assert_true(settle_parse("marker:.done", 7, &s, &err) && s.kind == SETTLE_MARKER);
    assert_string_equal(s.suffix, ".done");
    const char *wrong[] = {"", "2", "soon", "marker:", "marker:a/b", "-1s", "2 parsecs"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_false(settle_parse(wrong[i], 7, &s, &err));
}

static void a_file_settles_when_it_has_not_changed_for_the_time(void **state)
{
    (void)state;
    struct settle_seen seen = {0};
    struct stat st = looks(10, WALL);
    settle_look(&seen, &st, 100 * SECOND);
    assert_true(settle_wait_us(&seen, 2 * SECOND, 100 * SECOND, WALL) == 2 * SECOND);
    settle_look(&seen, &st, 101 * SECOND);
    assert_true(settle_wait_us(&seen, 2 * SECOND, 101 * SECOND, WALL) == SECOND);
    settle_look(&seen, &st, 102 * SECOND);
    assert_true(settle_wait_us(&seen, 2 * SECOND, 102 * SECOND, WALL) == 0);
}

static void every_change_starts_the_time_again(void **state)
{
    (void)state;
    struct settle_seen seen = {0};
    struct stat st = looks(10, WALL);
    settle_look(&seen, &st, 100 * SECOND);
    st = looks(11, WALL);
    settle_look(&seen, &st, 102 * SECOND);
    assert_true(settle_wait_us(&seen, 2 * SECOND, 102 * SECOND, WALL) == 2 * SECOND);
    st = looks(11, WALL + 1);
    settle_look(&seen, &st, 104 * SECOND);
    assert_true(settle_wait_us(&seen, 2 * SECOND, 104 * SECOND, WALL) == 2 * SECOND);
}

static void an_old_file_need_not_be_watched_but_one_from_the_future_must(void **state)
{
    (void)state;
    struct settle_seen seen = {0};
    struct stat st = looks(10, WALL - 3600 * SECOND);
    settle_look(&seen, &st, 100 * SECOND);
    assert_true(settle_wait_us(&seen, 2 * SECOND, 100 * SECOND, WALL) == 0);
    st = looks(10, WALL + 3600 * SECOND);
    settle_look(&seen, &st, 100 * SECOND);
    assert_true(settle_wait_us(&seen, 2 * SECOND, 100 * SECOND, WALL) == 2 * SECOND);
}

static void pend(struct pending *p, const char *path, int64_t since_us)
{
    struct pending_file *f = pending_at(p, path);
    struct stat st = looks(1, WALL);
    settle_look(&f->seen, &st, since_us);
    f->quiet_us = 2 * SECOND;
}

static void pending_files_come_out_when_due_in_order_of_path(void **state)
{
    (void)state;
    struct pending p = {0};
    assert_true(pending_wait_us(&p, 0, WALL) == -1);
    pend(&p, "/c", 10 * SECOND);
    pend(&p, "/a", 10 * SECOND);
    pend(&p, "/b", 11 * SECOND);
    pending_at(&p, "/refused")->refused = true;
    assert_true(pending_wait_us(&p, 11 * SECOND, WALL) == SECOND);
    assert_null(pending_take_due(&p, 11 * SECOND, WALL));

    struct pending_file *due = pending_take_due(&p, 12 * SECOND, WALL);
    assert_string_equal(due->path, "/a");
    assert_string_equal(due->next->path, "/c");
    assert_null(due->next->next);
    pending_file_free(due->next);
    pending_file_free(due);
    assert_int_equal(p.count, 2);
    pending_remove(&p, "/b");
    assert_true(pending_wait_us(&p, 99 * SECOND, WALL) == -1);
    pending_release(&p);
}

static void many_pending_files_are_each_found_again(void **state)
{
    (void)state;
    struct pending p = {0};
    char path[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof(path), "/in/%d", i);
        pend(&p, path, i * SECOND);
    }
    assert_int_equal(p.count, 1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof(path), "/in/%d", i);
        assert_true(pending_at(&p, path)->seen.since_us == (i ? i * SECOND : 0));
        pending_remove(&p, path);
    }
    assert_int_equal(p.count, 0);
    pending_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_ways_to_settle_are_told_apart),
        cmocka_unit_test(a_file_settles_when_it_has_not_changed_for_the_time),
        cmocka_unit_test(every_change_starts_the_time_again),
        cmocka_unit_test(an_old_file_need_not_be_watched_but_one_from_the_future_must),
        cmocka_unit_test(pending_files_come_out_when_due_in_order_of_path),
        cmocka_unit_test(many_pending_files_are_each_found_again),
    };
    return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
