/*
 * The spool's files: what is written comes back as it was, whatever is cut off or flipped, and no number is used twice.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/engine/spool_read.h"
#include "tests/unit/connectors/scratch.h"

enum { NOW = 1000000, HEAD = sizeof(struct spool_segment_head), MOST = 4096 };

struct rig {
    struct scratch scratch;
    char directory[128];
    struct spool_log log;
    struct error err;
};

static void open_log(struct rig *r, uint64_t segment_size, uint64_t used)
{
    memset(&r->log, 0, sizeof(r->log));
    if (!spool_log_open(&r->log, r->directory, segment_size, used, &r->err))
        fail_msg("%s", r->err.text);
}

static struct rig rig_new(uint64_t segment_size)
{
    struct rig r;
    scratch_open(&r.scratch);
    snprintf(r.directory, sizeof(r.directory), "%s/spool", r.scratch.path);
    open_log(&r, segment_size, 0);
    return r;
}

/* Record k of a test says so. */
static int text_of(uint64_t k, char text[64])
{
    return snprintf(text, 64, "record %llu%.*s", (unsigned long long)k, (int)(k % 20), "....................");
}

static struct batch *batch_of(uint64_t first, uint32_t count)
{
    struct batch *b = batch_new(count * 64 + 64);
    struct partition *p = partition_new("source's own");
    struct span *s = batch_add_span(b, p, first);
    partition_unref(p);
    for (uint32_t i = 0; i < count; i++) {
        struct record *rec = batch_add_record(b);
        rec->offset = (uint32_t)b->len;
        rec->position = first + i;
        rec->line = (uint32_t)(first + i + 1);
        rec->length = (uint32_t)text_of(first + i, b->bytes + b->len);
        b->len += rec->length;
        b->bytes[b->len++] = '\n';
    }
    s->count = count;
    s->next = first + count;
    return b;
}

static bool put(struct rig *r, struct batch *b)
{
    struct spool_frame *f = spool_frame_new(b, NOW);
    batch_unref(b);
    bool ok = spool_log_write(&r->log, f, NOW, &r->err) && spool_log_sync(&r->log, &r->err);
    spool_frame_free(f);
    return ok;
}

/* Records [first, first + count), each batch of `per`. */
static void put_all(struct rig *r, uint64_t first, uint32_t count, uint32_t per)
{
    for (uint32_t i = 0; i < count; i += per) {
        if (r->log.fd >= 0 && r->log.written > r->log.segment_size)
            spool_log_roll(&r->log);
        assert_true(put(r, batch_of(first + i, per)));
    }
}

static struct partition *any_partition(void *arg)
{
    (void)arg;
    return partition_new("spool-x");
}

/* What became of each number. */
struct result {
    uint64_t good, corrupt, lost, next;
    uint8_t seen[MOST];
};

static void take(struct result *x, const struct batch *b)
{
    for (uint32_t i = 0; i < b->record_count; i++) {
        const struct record *rec = &b->records[i];
        assert_true(rec->position < MOST);
        x->seen[rec->position]++;
        if (rec->fault == RECORD_CORRUPT) {
            x->corrupt++;
            continue;
        }
        char want[64];
        int len = text_of(rec->position, want);
        assert_int_equal(rec->length, len);
        assert_memory_equal(b->bytes + rec->offset, want, len);
        assert_int_equal(rec->line, rec->position + 1);
        assert_int_equal(b->meta.timestamp[i].i, NOW);
        x->good++;
    }
    uint64_t at = x->next;
    for (uint32_t i = 0; i < b->span_count; i++) {
        assert_true(b->spans[i].first == at && b->spans[i].next >= at);
        at = b->spans[i].next;
    }
}

static struct result read_from(struct rig *r, uint64_t from, size_t room)
{
    struct spool_reader reader;
    struct spool_place place = {.at = from};
    struct result x = {.next = from};
    spool_reader_init(&reader, &r->log, "test");
    reader.partition = any_partition;
    for (size_t need; (need = spool_read_room(&reader, &place, room)) > 0;) {
        struct batch *b = batch_new(need);
        struct spool_got got;
        struct spool_place before = place;
        spool_read(&reader, &place, UINT64_MAX, b, &got);
        assert_true(place.at > before.at || place.offset > before.offset || place.segment != before.segment);
        x.lost += got.lost;
        take(&x, b);
        x.next = place.at;
        batch_unref(b);
    }
    spool_reader_release(&reader);
    return x;
}

static void close_log(struct rig *r)
{
    spool_log_close(&r->log);
}

/* Damage is told in the log; a thousand times of it are not worth reading. */
static int quiet(void)
{
    int before = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    return before;
}

static void loud(int before)
{
    dup2(before, STDERR_FILENO);
    close(before);
}

static void finish(struct rig *r)
{
    close_log(r);
    scratch_close(&r->scratch);
}

/* ---- as it was put ------------------------------------------------------------------------------------------------------- */

static void everything_comes_back_in_chunks_of_any_size(void **state)
{
    (void)state;
    struct rig r = rig_new(4096);
    put_all(&r, 0, 1000, 10);
    assert_true(r.log.count > 3);
    for (size_t room = 64; room < 20000; room = room * 3 + 1) {
        struct result x = read_from(&r, 0, room);
        assert_int_equal(x.good, 1000);
        assert_int_equal(x.next, 1000);
    }
    for (uint64_t from = 0; from <= 1000; from += 7)
        assert_int_equal(read_from(&r, from, 1 << 20).good, 1000 - from);
    finish(&r);
}

static void reading_stops_at_a_limit_and_goes_on_from_there(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    put_all(&r, 0, 100, 10);
    struct spool_reader reader;
    struct spool_place place = {0};
    struct spool_got got;
    spool_reader_init(&reader, &r.log, "test");
    reader.partition = any_partition;
    const uint64_t limits[] = {5, 37, 40, 100};
    for (int i = 0; i < 4; i++) {
        struct batch *b = batch_new(1 << 20);
        uint64_t from = place.at;
        spool_read(&reader, &place, limits[i], b, &got);
        assert_int_equal(place.at, limits[i]);
        assert_int_equal(b->record_count, limits[i] - from);
        assert_int_equal(b->records[0].position, from);
        batch_unref(b);
    }
    spool_reader_release(&reader);
    finish(&r);
}

static void what_is_known_of_a_record_is_kept_with_it(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    struct batch *b = batch_of(0, 3);
    struct partition *p = b->spans[0].partition;
    p->file = mem_strdup("a/b.csv");
    p->topic = mem_strdup("t");
    p->number = 7;
    b->meta.topic = mem_zalloc(3 * sizeof(struct value));
    b->meta.headers = mem_zalloc(3 * sizeof(struct value));
    b->meta.key = mem_zalloc(3 * sizeof(struct value));
    b->meta.timestamp = mem_zalloc(3 * sizeof(struct value));
    b->meta.delivery = mem_zalloc(3);
    b->meta.topic[1] = value_text(STR("plant/7"));
    b->meta.headers[2] = (struct value){.kind = VALUE_JSON, .ptr = "{\"a\":1}", .len = 7};
    b->meta.key[0] = value_text(STR(""));
    b->meta.timestamp[1] = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = -5};
    b->meta.delivery[2] = 2 | DELIVERY_RETAIN;
    b->records[1].fault = RECORD_TRUNCATED;
    b->fault_text = "cut off";
    assert_true(put(&r, b));

    struct spool_reader reader;
    struct spool_place place = {0};
    struct spool_got got;
    spool_reader_init(&reader, &r.log, "test");
    reader.partition = any_partition;
    struct batch *back = batch_new(4096);
    spool_read(&reader, &place, UINT64_MAX, back, &got);
    assert_int_equal(back->record_count, 3);
    const struct partition *origin = back->spans[0].partition;
    assert_string_equal(origin->file, "a/b.csv");
    assert_string_equal(origin->topic, "t");
    assert_int_equal(origin->number, 7);
    assert_int_equal(back->meta.topic[0].kind, VALUE_NULL);
    assert_true(str_eq(value_str(back->meta.topic[1]), STR("plant/7")));
    assert_int_equal(back->meta.headers[2].kind, VALUE_JSON);
    assert_true(str_eq(value_str(back->meta.headers[2]), STR("{\"a\":1}")));
    assert_int_equal(back->meta.key[0].kind, VALUE_TEXT);
    assert_int_equal(back->meta.timestamp[0].i, NOW);
    assert_int_equal(back->meta.timestamp[1].i, -5);
    assert_int_equal(back->meta.delivery[1], 0);
    assert_int_equal(back->meta.delivery[2], 2 | DELIVERY_RETAIN);
    assert_int_equal(back->records[1].fault, RECORD_TRUNCATED);
    assert_string_equal(back->fault_text, "cut off");
    batch_unref(back);
    spool_reader_release(&reader);
    finish(&r);
}

static void a_record_larger_than_the_chunk_gets_a_larger_batch(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    struct batch *b = batch_new(3 << 20);
    struct partition *p = partition_new("x");
    struct span *s = batch_add_span(b, p, 0);
    partition_unref(p);
    batch_add_record(b)->length = 3 << 20;
    memset(b->bytes, 'x', 3 << 20);
    b->len = 3 << 20;
    s->count = 1;
    s->next = 1;
    assert_true(put(&r, b));
    struct spool_reader reader;
    struct spool_place place = {0};
    struct spool_got got;
    spool_reader_init(&reader, &r.log, "test");
    reader.partition = any_partition;
    struct batch *back = batch_new(65536);
    spool_read(&reader, &place, UINT64_MAX, back, &got);
    assert_int_equal(back->record_count, 1);
    assert_int_equal(back->records[0].length, 3 << 20);
    assert_int_equal(back->bytes[back->records[0].offset + (3 << 20) - 1], 'x');
    batch_unref(back);
    spool_reader_release(&reader);
    finish(&r);
}

/* ---- segments ------------------------------------------------------------------------------------------------------------ */

static void segments_go_when_they_are_passed_and_the_last_one_stays(void **state)
{
    (void)state;
    struct rig r = rig_new(4096);
    put_all(&r, 0, 1000, 10);
    uint32_t segments = r.log.count;
    uint64_t second = r.log.segments[1].first;
    assert_false(spool_log_drop(&r.log, second - 1));
    assert_true(spool_log_drop(&r.log, second));
    assert_int_equal(r.log.count, segments - 1);
    assert_int_equal(spool_log_first(&r.log), second);
    assert_true(spool_log_drop(&r.log, 1000));
    assert_int_equal(r.log.count, 1);
    close_log(&r);
    open_log(&r, 4096, 0);
    assert_int_equal(spool_log_next(&r.log), 1000);
    put_all(&r, 1000, 10, 10);
    assert_int_equal(read_from(&r, 1000, 4096).good, 10);
    finish(&r);
}

static void a_number_that_a_sink_has_seen_is_not_used_again(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    put_all(&r, 0, 20, 10);
    char *path = spool_segment_path(r.directory, 0);
    close_log(&r);
    assert_int_equal(truncate(path, HEAD + 100), 0); /* even the first frame is cut */
    free(path);
    open_log(&r, 1 << 20, 20);
    put_all(&r, 20, 10, 10);
    struct result x = read_from(&r, 0, 4096);
    assert_int_equal(x.good, 10);
    assert_int_equal(x.seen[20], 1);
    assert_int_equal(x.corrupt, 0); /* left out on purpose */
    finish(&r);
}

static void a_segment_that_is_gone_is_lost_and_counted(void **state)
{
    (void)state;
    struct rig r = rig_new(4096);
    put_all(&r, 0, 1000, 10);
    uint64_t gone = r.log.segments[1].first, behind = r.log.segments[2].first;
    close_log(&r);
    char *path = spool_segment_path(r.directory, gone);
    assert_int_equal(unlink(path), 0);
    free(path);
    open_log(&r, 4096, 0);
    struct result x = read_from(&r, 0, 4096);
    assert_int_equal(x.good, 1000 - (behind - gone));
    assert_int_equal(x.corrupt + x.lost, behind - gone);
    assert_int_equal(x.next, 1000);
    finish(&r);
}

static void a_write_that_fails_is_taken_back_and_made_again(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    put_all(&r, 0, 100, 10);
    struct rlimit before, small = {.rlim_cur = r.log.written + 200, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(put(&r, batch_of(100, 50)));
    spool_log_take_back(&r.log);
    assert_int_equal(spool_log_next(&r.log), 100);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    put_all(&r, 100, 100, 50);
    assert_int_equal(read_from(&r, 0, 4096).good, 200);
    close_log(&r);
    open_log(&r, 1 << 20, 0);
    assert_int_equal(read_from(&r, 0, 4096).good, 200);
    finish(&r);
}

/* ---- torn and damaged ---------------------------------------------------------------------------------------------------- */

static void a_tail_torn_at_any_byte_keeps_every_whole_frame(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    uint64_t ends[4] = {HEAD};
    for (int i = 1; i < 4; i++) {
        put_all(&r, (uint64_t)(i - 1) * 2, 2, 2);
        ends[i] = r.log.written;
    }
    char *path = spool_segment_path(r.directory, 0);
    struct buffer whole = {0};
    assert_true(file_read_all(path, 1 << 20, &whole, &r.err));
    close_log(&r);
    for (size_t cut = 0; cut <= whole.len; cut++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        assert_true(file_write_all(fd, whole.data, cut, path, &r.err));
        close(fd);
        uint64_t frames = 0;
        while (frames < 3 && ends[frames + 1] <= cut)
            frames++;
        open_log(&r, 1 << 20, 0);
        assert_int_equal(spool_log_next(&r.log), frames * 2);
        put_all(&r, frames * 2, 2, 2); /* and it goes on behind them */
        struct result x = read_from(&r, 0, 4096);
        assert_int_equal(x.good, frames * 2 + 2);
        assert_int_equal(x.corrupt + x.lost, 0);
        close_log(&r);
    }
    free(path);
    buffer_release(&whole);
    scratch_close(&r.scratch);
}

/* One bit anywhere in a segment: each record comes exactly once, good or as damaged, and those of other frames are good. */
static void a_flipped_bit_costs_no_more_than_its_frame(void **state)
{
    (void)state;
    enum { FRAMES = 2, PER = 4, ALL = FRAMES * PER };
    struct rig r = rig_new(1 << 20);
    put_all(&r, 0, ALL, PER);
    uint64_t end = r.log.written;
    spool_log_roll(&r.log);
    put_all(&r, ALL, PER, PER);
    close_log(&r);
    char *path = spool_segment_path(r.directory, 0), *aside = file_join(r.directory, "quarantine");
    int fd = open(path, O_RDWR);
    for (uint64_t at = 0; at < end; at++) {
        unsigned char byte, flipped;
        assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
        flipped = (unsigned char)(byte ^ (1 << (at % 8)));
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
        int stderr_fd = quiet();
        open_log(&r, 1 << 20, 0);
        struct result x = read_from(&r, 0, 1 << 16);
        loud(stderr_fd);
        assert_int_equal(x.good + x.corrupt + x.lost, ALL + PER);
        assert_true(x.corrupt + x.lost <= PER);
        assert_true(at < HEAD || byte == '\n' || x.corrupt + x.lost > 0); /* what lies between records is nobody's */
        assert_int_equal(x.next, ALL + PER);
        for (int k = 0; k < ALL + PER; k++)
            assert_true(x.seen[k] <= 1);
        close_log(&r);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    assert_int_equal(access(aside, F_OK), 0);
    close(fd);
    free(path);
    free(aside);
    scratch_close(&r.scratch);
}

/* The same in the last segment, where it might be taken for a torn end. */
static void damage_before_good_frames_is_no_torn_end(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    put_all(&r, 0, 10, 10);
    uint64_t second = r.log.written;
    put_all(&r, 10, 20, 10);
    close_log(&r);
    char *path = spool_segment_path(r.directory, 0);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "garbage!", 8, (off_t)second), 8);
    close(fd);
    free(path);
    open_log(&r, 1 << 20, 0);
    assert_int_equal(spool_log_next(&r.log), 30);
    struct result x = read_from(&r, 0, 4096);
    assert_int_equal(x.good, 20);
    assert_int_equal(x.corrupt + x.lost, 10);
    finish(&r);
}

/* It may be another user's, or the process out of descriptors: what it holds is not known, so nothing is done to it. */
static void a_segment_that_cannot_be_opened_stops_the_start_and_stays(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    put_all(&r, 0, 20, 10);
    close_log(&r);
    char aside[160], *path = spool_segment_path(r.directory, 0);
    snprintf(aside, sizeof(aside), "%s/aside", r.scratch.path);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(symlink(path, path), 0);
    memset(&r.log, 0, sizeof(r.log));
    assert_false(spool_log_open(&r.log, r.directory, 1 << 20, 0, &r.err));
    assert_non_null(strstr(r.err.text, path));
    spool_log_close(&r.log);
    assert_int_equal(rename(aside, path), 0);
    open_log(&r, 1 << 20, 0);
    assert_int_equal(spool_log_next(&r.log), 20);
    free(path);
    finish(&r);
}

static void an_identity_that_is_lost_or_damaged_is_found_in_the_segments(void **state)
{
    (void)state;
    struct rig r = rig_new(1 << 20);
    put_all(&r, 0, 20, 10);
    char id[37], path[160];
    memcpy(id, r.log.id, sizeof(id));
    snprintf(path, sizeof(path), "%s/id", r.directory);
    int before = quiet();
    for (int i = 0; i < 3; i++) {
        close_log(&r);
        if (i == 0)
            unlink(path);
        else
            assert_true(file_replace(path, i == 1 ? "" : "123e4567-e89b-12d3-a456-426614174000", i == 1 ? 0 : 36, &r.err));
        open_log(&r, 1 << 20, 0);
        assert_string_equal(r.log.id, id);
        close_log(&r);
        open_log(&r, 1 << 20, 0);
        assert_string_equal(r.log.id, id);
    }
    loud(before);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back_in_chunks_of_any_size),
        cmocka_unit_test(reading_stops_at_a_limit_and_goes_on_from_there),
        cmocka_unit_test(what_is_known_of_a_record_is_kept_with_it),
        cmocka_unit_test(a_record_larger_than_the_chunk_gets_a_larger_batch),
        cmocka_unit_test(segments_go_when_they_are_passed_and_the_last_one_stays),
        cmocka_unit_test(a_number_that_a_sink_has_seen_is_not_used_again),
        cmocka_unit_test(a_segment_that_is_gone_is_lost_and_counted),
        cmocka_unit_test(a_write_that_fails_is_taken_back_and_made_again),
        cmocka_unit_test(a_tail_torn_at_any_byte_keeps_every_whole_frame),
        cmocka_unit_test(a_flipped_bit_costs_no_more_than_its_frame),
        cmocka_unit_test(damage_before_good_frames_is_no_torn_end),
        cmocka_unit_test(a_segment_that_cannot_be_opened_stops_the_start_and_stays),
        cmocka_unit_test(an_identity_that_is_lost_or_damaged_is_found_in_the_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
