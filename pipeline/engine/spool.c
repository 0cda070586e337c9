#include "pipeline/engine/spool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/file.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/report.h"
#include "pipeline/engine/spool_list.h"

#define EPOCH_US INT64_C(946684800000000) /* 2000-01-01 */

enum {
    SEGMENTS_LEAST = 8, /* spool.max_size holds so many: otherwise the one being written could not go */
    SEGMENT_LEAST = 64 << 10,
    GROUP_MOST = 8 << 20, /* written and synced together: more makes no disk faster, and acknowledgements later */
    PAUSE_SECONDS = 1,
};

struct spool {
    struct engine *engine;
    const struct component *source;
    struct lane *reader;
    struct source_stats *stats;
    struct spool_log log;
    uint64_t max_size;
    pthread_t thread;
    bool started;
    bool full, failing; /* the thread's: it has been said */

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t arrived, room;
    struct spool_frame *first, **last; /* to be written */
    uint32_t fronts;
    bool closing;
    sink_mask sinks;
    uint64_t settled[PLAN_MAX_SINKS], passed; /* passed: the lowest */
};

char *spool_directory(const char *state_dir, const char *source)
{
    char *all = file_join(state_dir, "spool"), *own = file_join(all, source);
    free(all);
    return own;
}

void spool_key(const char id[37], char key[SPOOL_KEY_SIZE])
{
    snprintf(key, SPOOL_KEY_SIZE, "spool-%.36s", id);
}

static int64_t now_us(const struct spool *s)
{
    return s->engine->clock->wall_us(s->engine->clock) - EPOCH_US;
}

/* For metrics. */
static void publish(struct spool *s)
{
    uint64_t next = spool_log_next(&s->log);
    pthread_mutex_lock(&s->lock);
    uint64_t passed = s->passed;
    pthread_mutex_unlock(&s->lock);
    atomic_store_explicit(&s->stats->spool_bytes, spool_log_bytes(&s->log), memory_order_relaxed);
    atomic_store_explicit(&s->stats->spool_records, next > passed ? next - passed : 0, memory_order_relaxed);
}

/* ---- room ---------------------------------------------------------------------------------------------------------------- */

static bool is_closing(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    bool closing = s->closing;
    pthread_mutex_unlock(&s->lock);
    return closing;
}

/* Positions that the engine keeps are only as durable as the journal: it goes first. */
static void drop_passed(struct spool *s, uint64_t passed)
{
    struct error err;
    if (s->engine->state && !state_sync(s->engine->state, &err))
        return;
    if (spool_log_drop(&s->log, passed)) {
        pthread_mutex_lock(&s->lock);
        pthread_cond_broadcast(&s->room);
        pthread_mutex_unlock(&s->lock);
    }
}

static uint64_t passed_by_all(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t passed = s->passed;
    pthread_mutex_unlock(&s->lock);
    return passed;
}

/* The segment being written ends here, so that it can go as well. */
static void end_segment(struct spool *s)
{
    spool_log_roll(&s->log);
    drop_passed(s, passed_by_all(s));
}

static void say_full(struct spool *s)
{
    struct buffer size = {0};
    print_bytes(&size, s->max_size);
    buffer_add_byte(&size, '\0');
    log_warn(s->source->name, "the spool holds spool.max_size (%s): reading waits until the sinks have caught up", size.data);
    buffer_release(&size);
    s->full = true;
}

/* false: the spool is closing. */
static bool wait_for_room(struct spool *s, uint64_t bytes)
{
    bool ended = false;
    while (spool_log_bytes(&s->log) + bytes > s->max_size && passed_by_all(s) < spool_log_next(&s->log)) {
        if (!ended) {
            end_segment(s);
            ended = true;
            continue;
        }
        if (!s->full)
            say_full(s);
        pthread_mutex_lock(&s->lock);
        if (!s->closing)
            pthread_cond_wait(&s->room, &s->lock);
        bool closing = s->closing;
        pthread_mutex_unlock(&s->lock);
        if (closing)
            return false;
    }
    if (spool_log_bytes(&s->log) + bytes > s->max_size)
        end_segment(s); /* larger than the spool may be: alone it is let in */
    if (s->full)
        log_info(s->source->name, "there is room in the spool again");
    s->full = false;
    return true;
}

/* ---- the thread ---------------------------------------------------------------------------------------------------------- */

/* Sleeps before the next attempt, or until a segment has gone. */
static void pause_before_retry(struct spool *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PAUSE_SECONDS;
    pthread_mutex_lock(&s->lock);
    if (!s->closing)
        pthread_cond_timedwait(&s->room, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
}

/* On a full disk, what everybody has passed must go even if there is no room for another file. */
static void make_room_on_disk(struct spool *s)
{
    uint64_t passed = passed_by_all(s);
    struct error err;
    if (passed >= spool_log_next(&s->log) && state_sync(s->engine->state, &err))
        spool_log_empty(&s->log);
    else
        drop_passed(s, passed);
}

/* After a failed attempt. false: the spool is closing, or can never be written. */
static bool recover(struct spool *s, const struct error *err)
{
    spool_log_take_back(&s->log);
    if (err->kind != ERROR_RETRY) {
        engine_fail(s->engine, s->source, err);
        return false;
    }
    if (!s->failing)
        log_warn(s->source->name, "%s; nothing more is acknowledged until it can be written", err->text);
    s->failing = true;
    make_room_on_disk(s);
    pause_before_retry(s);
    return !is_closing(s);
}

static void send_home(struct spool *s, struct spool_frame *frames)
{
    for (struct spool_frame *next; frames; frames = next) {
        next = frames->next;
        frames->next = NULL;
        lane_post_receipt(frames->batch->lane, frames);
    }
    publish(s);
    lane_wake(s->reader);
}

static void give_up(struct spool_frame *frames)
{
    for (struct spool_frame *next; frames; frames = next) {
        next = frames->next;
        spool_frame_free(frames);
    }
}

/* The last of those that are written together: as many as go into one segment, at least one. While the disk makes trouble, one. */
static struct spool_frame *end_of_group(struct spool *s, struct spool_frame *first)
{
    uint64_t bytes = (s->log.fd >= 0 ? s->log.written : sizeof(struct spool_segment_head)) + first->bytes, group = first->bytes;
    uint64_t held = spool_log_bytes(&s->log) + first->bytes;
    struct spool_frame *last = first;
    while (!s->failing && last->next && bytes + last->next->bytes <= s->log.segment_size && held + last->next->bytes <= s->max_size &&
           group + last->next->bytes <= GROUP_MOST) {
        last = last->next;
        group += last->bytes;
        bytes += last->bytes;
        held += last->bytes;
    }
    return last;
}

/* Returns those that are left. */
static struct spool_frame *store_some(struct spool *s, struct spool_frame *frames)
{
    struct error err;
    if (!wait_for_room(s, frames->bytes)) {
        give_up(frames);
        return NULL;
    }
    if (s->log.fd >= 0 && s->log.written + frames->bytes > s->log.segment_size && s->log.written > sizeof(struct spool_segment_head))
        end_segment(s);
    struct spool_frame *last = end_of_group(s, frames), *rest = last->next;
    last->next = NULL;
    if (spool_log_write(&s->log, frames, now_us(s), &err) && spool_log_sync(&s->log, &err)) {
        if (s->failing)
            log_info(s->source->name, "the spool can be written again");
        s->failing = false;
        send_home(s, frames);
        return rest;
    }
    last->next = rest;
    if (recover(s, &err))
        return frames;
    give_up(frames);
    return NULL;
}

static void *spool_main(void *arg)
{
    struct spool *s = arg;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (!s->first && !s->closing)
            pthread_cond_wait(&s->arrived, &s->lock);
        struct spool_frame *frames = s->first;
        s->first = NULL;
        s->last = &s->first;
        pthread_mutex_unlock(&s->lock);
        if (!frames)
            return NULL;
        while (frames)
            frames = store_some(s, frames);
    }
}

/* ---- from outside -------------------------------------------------------------------------------------------------------- */

/* Under the lock. */
static uint64_t lowest_settled(const struct spool *s)
{
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < PLAN_MAX_SINKS; i++)
        if (s->sinks & (sink_mask)1 << i && s->settled[i] < lowest)
            lowest = s->settled[i];
    return lowest;
}

static void tell_what_is_there(const struct spool *s)
{
    const struct spool_log *l = &s->log;
    if (l->cut_bytes)
        log_warn(s->source->name, "spool: cut off %" PRIu64 " bytes of a torn end, which were never acknowledged", l->cut_bytes);
    if (l->written_next > l->next)
        log_error(s->source->name, "spool: the end of %s was lost; numbers up to %" PRIu64 " were used before and are left out", l->directory,
                  l->written_next);
}

struct spool *spool_start(struct engine *e, const struct component *source, sink_mask sinks, uint64_t used, uint32_t fronts, struct lane *reader,
                          struct error *err)
{
    struct spool *s = mem_zalloc(sizeof(*s));
    const struct source_common *o = source->source_common;
    *s = (struct spool){.engine = e,
                        .source = source,
                        .reader = reader,
                        .stats = &e->stats->sources[stats_source_index(source)],
                        .max_size = o->spool_max_size,
                        .fronts = fronts,
                        .sinks = sinks};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->arrived, NULL);
    pthread_cond_init(&s->room, NULL);
    s->last = &s->first;
    s->passed = lowest_settled(s); /* without any sink: everything */
    uint64_t segment = s->max_size / SEGMENTS_LEAST > SEGMENT_LEAST ? s->max_size / SEGMENTS_LEAST : SEGMENT_LEAST;
    if (o->spool_segment_size < segment)
        segment = o->spool_segment_size;
    char *directory = spool_directory(e->cfg->pipeline.state_dir, source->name);
    bool ok = spool_log_open(&s->log, directory, segment, used, err);
    free(directory);
    if (ok) {
        tell_what_is_there(s);
        publish(s);
        s->started = pthread_create(&s->thread, NULL, spool_main, s) == 0;
        if (s->started)
            return s;
        error_set(err, ERROR_STOP, "cannot start a thread");
    }
    spool_free(s);
    return NULL;
}

void spool_stop(struct spool *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_broadcast(&s->arrived);
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    if (s->started)
        pthread_join(s->thread, NULL);
    s->started = false;
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    spool_stop(s);
    give_up(s->first);
    spool_log_close(&s->log);
    pthread_cond_destroy(&s->arrived);
    pthread_cond_destroy(&s->room);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void spool_put(struct spool *s, struct batch *b)
{
    struct spool_frame *f = spool_frame_new(b, now_us(s));
    f->head.front = lane_number(b->lane);
    pthread_mutex_lock(&s->lock);
    *s->last = f;
    s->last = &f->next;
    pthread_cond_signal(&s->arrived);
    pthread_mutex_unlock(&s->lock);
}

void spool_front_ended(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    s->fronts--;
    pthread_mutex_unlock(&s->lock);
    lane_wake(s->reader);
}

bool spool_is_final(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    bool final = s->fronts == 0;
    pthread_mutex_unlock(&s->lock);
    return final;
}

struct spool_log *spool_files(struct spool *s)
{
    return &s->log;
}

void spool_settled(struct spool *s, uint32_t sink, uint64_t number)
{
    pthread_mutex_lock(&s->lock);
    s->settled[sink] = number;
    uint64_t before = s->passed, passed = s->passed = lowest_settled(s);
    pthread_cond_broadcast(&s->room);
    pthread_mutex_unlock(&s->lock);
    if (passed == before)
        return;
    if (spool_log_can_drop(&s->log, passed))
        drop_passed(s, passed);
    publish(s);
}

void spool_describe(struct spool *s, struct buffer *out)
{
    struct spool_cursor cursors[PLAN_MAX_SINKS];
    uint32_t count = 0;
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < PLAN_MAX_SINKS; i++)
        if (s->sinks & (sink_mask)1 << i)
            cursors[count++] = (struct spool_cursor){plan_sink(s->engine->cfg, i)->name, s->settled[i]};
    pthread_mutex_unlock(&s->lock);
    spool_list(&s->log, s->source->name, cursors, count, out);
}
