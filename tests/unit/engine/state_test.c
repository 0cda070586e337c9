/*
 * state_dir's journal: what was appended is there at the next start, whatever a kill left of its last line, and a start
 * that changes nothing writes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/engine/state.h"
#include "tests/unit/connectors/scratch.h"

struct rig {
    struct scratch scratch;
    char directory[128], journal[160];
    struct state *state;
    struct error err;
};

static void reopen(struct rig *r)
{
    state_close(r->state);
    r->state = state_open(r->directory, &r->err);
    if (!r->state)
        fail_msg("%s", r->err.text);
}

static struct rig rig_new(void)
{
    struct rig r = {.state = NULL};
    scratch_open(&r.scratch);
    snprintf(r.directory, sizeof r.directory, "%s/state/one", r.scratch.path);
    snprintf(r.journal, sizeof r.journal, "%s/positions", r.directory);
    reopen(&r);
    return r;
}

static void rig_free(struct rig *r)
{
    state_close(r->state);
    scratch_close(&r->scratch);
}

static void append(struct rig *r, const char *partition, uint64_t first, uint64_t next)
{
    struct position p = {"in", partition, SHARD_ALL, {first, next}};
    assert_true(state_append(r->state, "out", &p, 1, &r->err));
}

static void assert_stored(const struct rig *r, const char *partition, uint64_t first, uint64_t next)
{
    const struct positions *p = state_positions(r->state, "out");
    assert_non_null(p);
    uint32_t count;
    const struct range *ranges = positions_ranges(p, "in", partition, SHARD_ALL, &count);
    assert_int_equal(count, 1);
    assert_int_equal(ranges[0].first, first);
    assert_int_equal(ranges[0].next, next);
}

static struct stat journal(const struct rig *r)
{
    struct stat st;
    assert_int_equal(stat(r->journal, &st), 0);
    return st;
}

static void positions_and_id_are_there_at_the_next_start(void **state)
{
    (void)state;
    struct rig r = rig_new();
    char id[37];
    memcpy(id, state_id(r.state), sizeof id);
    append(&r, "a\tb%", 0, 5);
    append(&r, "a\tb%", 5, 9);
    reopen(&r);
    assert_string_equal(state_id(r.state), id);
    assert_stored(&r, "a\tb%", 0, 9);
    rig_free(&r);
}

static void a_start_that_changes_nothing_leaves_the_journal_alone(void **state)
{
    (void)state;
    struct rig r = rig_new();
    ino_t fresh = journal(&r).st_ino;
    reopen(&r);
    assert_int_equal(journal(&r).st_ino, fresh);
    append(&r, "a", 0, 5);
    append(&r, "a", 5, 9);
    reopen(&r); /* two lines become one */
    struct stat compacted = journal(&r);
    assert_int_not_equal(compacted.st_ino, fresh);
    reopen(&r);
    assert_int_equal(journal(&r).st_ino, compacted.st_ino);
    append(&r, "b", 0, 1);
    reopen(&r);
    assert_stored(&r, "a", 0, 9);
    assert_stored(&r, "b", 0, 1);
    rig_free(&r);
}

static void half_a_line_is_passed_over_and_swallows_nothing(void **state)
{
    (void)state;
    struct rig r = rig_new();
    append(&r, "a", 0, 5);
    off_t whole = journal(&r).st_size;
    append(&r, "b", 0, 7);
    assert_int_equal(truncate(r.journal, whole + 4), 0);
    reopen(&r);
    assert_true(journal(&r).st_size <= whole);
    append(&r, "c", 0, 3);
    reopen(&r);
    assert_stored(&r, "a", 0, 5);
    assert_stored(&r, "c", 0, 3);
    assert_false(positions_cover(state_positions(r.state, "out"), "in", "b", SHARD_ALL, 0));
    rig_free(&r);
}

static void a_journal_that_was_taken_away_is_made_anew(void **state)
{
    (void)state;
    struct rig r = rig_new();
    append(&r, "a", 0, 5);
    state_close(r.state);
    r.state = NULL;
    assert_int_equal(unlink(r.journal), 0);
    reopen(&r);
    assert_null(state_positions(r.state, "out"));
    append(&r, "a", 0, 2);
    reopen(&r);
    assert_stored(&r, "a", 0, 2);
    rig_free(&r);
}

static void overwrite(const struct rig *r, off_t at, const void *bytes, size_t len)
{
    int fd = open(r->journal, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, len, at), len);
    close(fd);
}

static void take_away(const struct rig *r)
{
    assert_int_equal(unlink(r->journal), 0);
}

static void empty(const struct rig *r)
{
    assert_int_equal(truncate(r->journal, 0), 0);
}

static void cut(const struct rig *r)
{
    assert_int_equal(truncate(r->journal, journal(r).st_size - 1), 0);
}

static void zero_the_end(const struct rig *r)
{
    overwrite(r, journal(r).st_size - 10, (char[10]){0}, 10);
}

static void change_a_byte(const struct rig *r)
{
    overwrite(r, journal(r).st_size - 3, "x", 1);
}

/* Who has no position may have had one: that is not forgotten before all have one again. */
static void damage_is_known_until_it_is_made_good(void **state)
{
    (void)state;
    void (*const damages[])(const struct rig *) = {take_away, empty, cut, zero_the_end, change_a_byte};
    for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
        struct rig r = rig_new();
        append(&r, "a", 0, 5);
        append(&r, "b", 0, 5);
        reopen(&r);
        assert_false(state_is_damaged(r.state));
        state_close(r.state);
        r.state = NULL;
        damages[i](&r);
        reopen(&r);
        assert_true(state_is_damaged(r.state));
        append(&r, "c", 0, 5);
        reopen(&r);
        assert_true(state_is_damaged(r.state));
        assert_true(state_made_good(r.state, &r.err));
        append(&r, "d", 0, 5);
        reopen(&r);
        assert_false(state_is_damaged(r.state));
        assert_stored(&r, "c", 0, 5);
        assert_stored(&r, "d", 0, 5);
        rig_free(&r);
    }
}

static void an_identity_that_is_none_is_refused(void **state)
{
    (void)state;
    struct rig r = rig_new();
    state_close(r.state);
    char path[160], id[37], zeros[36] = "";
    snprintf(path, sizeof path, "%s/id", r.directory);
    for (int i = 0; i < 3; i++) {
        const char *text = i == 0   ? zeros
                           : i == 1 ? "8d3f"
                                    : "123e4567-e89b-12d3-a456-426614174000 and more than a UUID has, by far";
        assert_true(file_replace(path, text, i == 0 ? sizeof zeros : strlen(text), &r.err));
        r.state = state_open(r.directory, &r.err);
        assert_null(r.state);
        assert_non_null(strstr(r.err.text, "id is damaged"));
    }
    assert_true(file_replace(path, "123e4567-e89b-12d3-a456-426614174000\n", 37, &r.err));
    assert_true(state_read_or_make_id(r.directory, id, &r.err));
    assert_string_equal(id, "123e4567-e89b-12d3-a456-426614174000");
    scratch_close(&r.scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_and_id_are_there_at_the_next_start),
        cmocka_unit_test(a_start_that_changes_nothing_leaves_the_journal_alone),
        cmocka_unit_test(half_a_line_is_passed_over_and_swallows_nothing),
        cmocka_unit_test(a_journal_that_was_taken_away_is_made_anew),
        cmocka_unit_test(damage_is_known_until_it_is_made_good),
        cmocka_unit_test(an_identity_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
