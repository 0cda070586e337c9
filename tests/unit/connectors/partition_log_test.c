/*
 * The log of a partition that processes share. A process is a struct partition_log with a state_dir of its own; a crash
 * is one that is asked nothing more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "connectors/object/partition_log.h"
#include "pipeline/base/file.h"
#include "tests/unit/connectors/scratch.h"

struct lake {
    struct scratch scratch;
    char *root, *hidden;
    struct partition_log *a, *b;
    uint64_t number;
    struct error err;
};

static struct partition_log *process(const struct lake *l, const char *state_dir)
{
    struct identity id = {.pipeline = "test", .instance = "", .sink = "store", .incarnation = state_dir};
    return partition_log_new(l->root, &id, "in", "topic/3");
}

static void lake_open(struct lake *l)
{
    *l = (struct lake){0};
    scratch_open(&l->scratch);
    l->root = file_join(l->scratch.path, "lake");
    l->hidden = file_join(l->root, ".pipe/test/store/shared/in/topic/3");
    l->a = process(l, "a");
    l->b = process(l, "b");
}

static void lake_close(struct lake *l)
{
    partition_log_free(l->a);
    partition_log_free(l->b);
    free(l->root);
    free(l->hidden);
    scratch_close(&l->scratch);
}

static bool exists(const char *directory, const char *name)
{
    char *path = file_join(directory, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static void claim(struct lake *l, struct partition_log *log)
{
    if (!partition_log_claim(log, &l->err))
        fail_msg("%s", l->err.text);
}

/* A durable part; its name. */
static const char *write_part(struct lake *l, const struct partition_log *log)
{
    static char names[8][64];
    char *path = partition_log_part(log, ++l->number), *name = names[l->number % 8];
    assert_true(file_replace(path, "x", 1, &l->err));
    snprintf(name, 64, "%s", strrchr(path, '/') + 1);
    free(path);
    return name;
}

/* Up to `next`, with one object of that name. */
static bool add(struct lake *l, struct partition_log *log, uint64_t next, const char *object)
{
    struct position range = {"in", "topic/3", SHARD_ALL, {0, next}};
    struct rename_pair rename = {write_part(l, log), object};
    return partition_log_commit(log, &range, 1, &rename, 1, &l->err);
}

static void commit(struct lake *l, struct partition_log *log, uint64_t next, const char *object)
{
    if (!add(l, log, next, object) || !partition_log_finish(log, &l->err))
        fail_msg("%s", l->err.text);
}

static uint64_t position(const struct partition_log *log)
{
    uint32_t n;
    const struct range *ranges = positions_ranges(log->positions, "in", "topic/3", SHARD_ALL, &n);
    assert_true(n <= 1);
    return n ? ranges[0].next : 0;
}

/* ---- taking over ------------------------------------------------------------------------------------------------ */

static void a_claim_goes_on_where_finished_objects_end_in_a_new_epoch(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    assert_int_equal(position(l.a), 0);
    commit(&l, l.a, 10, "x");
    commit(&l, l.a, 25, "day/y");
    int64_t epoch = l.a->epoch;
    claim(&l, l.b);
    assert_true(l.b->epoch > epoch);
    assert_int_equal(position(l.b), 25);
    assert_true(exists(l.root, "x") && exists(l.root, "day/y"));
    lake_close(&l);
}

static void whoever_was_taken_over_can_commit_nothing(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    commit(&l, l.a, 10, "x");
    claim(&l, l.b);
    assert_false(add(&l, l.a, 20, "from-a"));
    assert_int_equal(l.err.kind, ERROR_RETRY);
    assert_int_equal(l.a->epoch, 0);
    commit(&l, l.b, 20, "from-b");
    assert_false(exists(l.root, "from-a"));
    claim(&l, l.a); /* and it may have it again */
    assert_int_equal(position(l.a), 20);
    commit(&l, l.a, 30, "z");
    lake_close(&l);
}

static void a_process_sees_that_it_was_taken_over_before_it_writes_anything(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    assert_true(partition_log_is_ours(l.a));
    claim(&l, l.b);
    assert_false(partition_log_is_ours(l.a));
    assert_true(partition_log_is_ours(l.b));
    lake_close(&l);
}

static void a_process_that_slept_through_many_commits_has_lost_as_well(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    commit(&l, l.a, 10, "x");
    int64_t next = l.a->last + 1;
    claim(&l, l.b);
    for (int i = 0; i < 2 * LOG_KEPT; i++) {
        char name[32];
        snprintf(name, sizeof(name), "b%d", i);
        commit(&l, l.b, 20 + (uint64_t)i, name);
    }
    char number[32];
    snprintf(number, sizeof(number), "%020lld", (long long)next);
    assert_false(exists(l.hidden, number)); /* its number is free again */
    file_make_directories(l.a->parts, 0755, &l.err);
    assert_true(!add(&l, l.a, 20, "from-a") || !partition_log_finish(l.a, &l.err));
    assert_int_equal(l.a->epoch, 0);
    assert_false(exists(l.root, "from-a"));
    struct partition_log *c = process(&l, "c");
    claim(&l, c);
    assert_int_equal(position(c), 20 + 2 * LOG_KEPT - 1);
    partition_log_free(c);
    lake_close(&l);
}

/* ---- crashes ---------------------------------------------------------------------------------------------------- */

static void a_commit_that_was_not_carried_out_is_finished_by_the_next_owner(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    assert_true(add(&l, l.a, 10, "day/x"));
    assert_false(exists(l.root, "day/x"));
    claim(&l, l.b);
    assert_true(exists(l.root, "day/x"));
    assert_int_equal(position(l.b), 10);
    assert_false(partition_log_finish(l.a, &l.err)); /* should it come back */
    assert_int_equal(l.a->epoch, 0);
    lake_close(&l);
}

static void a_commit_that_was_half_carried_out_is_finished_by_the_next_owner(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    struct position range = {"in", "topic/3", SHARD_ALL, {0, 10}};
    struct rename_pair renames[] = {{write_part(&l, l.a), "x"}, {write_part(&l, l.a), "y"}};
    assert_true(partition_log_commit(l.a, &range, 1, renames, 2, &l.err));
    char *part = file_join(l.a->parts, renames[0].part), *object = file_join(l.root, "x");
    assert_int_equal(rename(part, object), 0);
    free(part);
    free(object);
    claim(&l, l.b);
    assert_true(exists(l.root, "x") && exists(l.root, "y"));
    assert_int_equal(position(l.b), 10);
    lake_close(&l);
}

static void parts_of_no_commit_are_removed_by_the_next_owner(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    const char *part = write_part(&l, l.a);
    assert_true(exists(l.a->parts, part));
    claim(&l, l.b);
    assert_false(exists(l.a->parts, part));
    lake_close(&l);
}

/* A draft that a crash left behind is the entry's own file: writing the next one must not change it. */
static void a_draft_that_was_left_behind_is_no_harm_to_its_entry(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    commit(&l, l.a, 10, "x");
    char *entry = NULL, *draft = NULL;
    assert_true(asprintf(&draft, "%s/%lld-draft-a", l.a->parts, (long long)l.a->epoch) > 0);
    assert_true(asprintf(&entry, "%s/%020lld", l.hidden, (long long)l.a->last) > 0);
    assert_int_equal(link(entry, draft), 0);
    commit(&l, l.a, 20, "y");
    struct commit_record_file f;
    assert_true(commit_record_read(&f, entry, &l.err));
    assert_int_equal(f.record.ranges[0].range.next, 10);
    commit_record_release(&f);
    free(entry);
    free(draft);
    lake_close(&l);
}

static void a_damaged_entry_is_not_guessed_about(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    claim(&l, l.a);
    commit(&l, l.a, 10, "x");
    char *entry = NULL;
    assert_true(asprintf(&entry, "%s/%020lld", l.hidden, (long long)l.a->last) > 0);
    assert_true(file_replace(entry, "epoch\t1\ta\n", 10, &l.err));
    assert_false(partition_log_claim(l.b, &l.err));
    assert_int_equal(l.err.kind, ERROR_STOP);
    assert_non_null(strstr(l.err.text, "is damaged"));
    free(entry);
    lake_close(&l);
}

/* ---- at the same time ------------------------------------------------------------------------------------------- */

/* Claims and commits in turn: every commit that succeeded has an object of its own, and each continues another. */
static void fight(const char *root, int who)
{
    char name[8];
    snprintf(name, sizeof(name), "p%d", who);
    struct lake l = {.root = (char *)root};
    struct partition_log *log = process(&l, name);
    for (int i = 0; i < 60; i++) {
        if (!log->epoch && !partition_log_claim(log, &l.err))
            _exit(1);
        char object[64];
        uint64_t at = position(log);
        snprintf(object, sizeof(object), "%llu", (unsigned long long)at);
        char *part = partition_log_part(log, (uint64_t)i), *base = strrchr(part, '/') + 1;
        struct position range = {"in", "topic/3", SHARD_ALL, {0, at + 1}};
        struct rename_pair pair = {base, object};
        if (file_replace(part, name, strlen(name), &l.err) && partition_log_commit(log, &range, 1, &pair, 1, &l.err))
            partition_log_finish(log, &l.err);
        free(part);
        if (i % 7 == who)
            log->epoch = 0; /* a claim of one's own is a new one, too */
    }
    partition_log_free(log);
    _exit(0);
}

static void processes_that_fight_for_a_partition_leave_one_object_for_each_position(void **state)
{
    (void)state;
    struct lake l;
    lake_open(&l);
    pid_t pids[4];
    for (int i = 0; i < 4; i++)
        if ((pids[i] = fork()) == 0)
            fight(l.root, i);
    for (int i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    claim(&l, l.a);
    uint64_t reached = position(l.a);
    assert_true(reached > 0);
    char name[32];
    for (uint64_t i = 0; i < reached; i++) {
        snprintf(name, sizeof(name), "%llu", (unsigned long long)i);
        assert_true(exists(l.root, name));
    }
    snprintf(name, sizeof(name), "%llu", (unsigned long long)reached);
    assert_false(exists(l.root, name));
    lake_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_goes_on_where_finished_objects_end_in_a_new_epoch),
        cmocka_unit_test(whoever_was_taken_over_can_commit_nothing),
        cmocka_unit_test(a_process_sees_that_it_was_taken_over_before_it_writes_anything),
        cmocka_unit_test(a_process_that_slept_through_many_commits_has_lost_as_well),
        cmocka_unit_test(a_commit_that_was_not_carried_out_is_finished_by_the_next_owner),
        cmocka_unit_test(a_commit_that_was_half_carried_out_is_finished_by_the_next_owner),
        cmocka_unit_test(parts_of_no_commit_are_removed_by_the_next_owner),
        cmocka_unit_test(a_draft_that_was_left_behind_is_no_harm_to_its_entry),
        cmocka_unit_test(a_damaged_entry_is_not_guessed_about),
        cmocka_unit_test(processes_that_fight_for_a_partition_leave_one_object_for_each_position),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
