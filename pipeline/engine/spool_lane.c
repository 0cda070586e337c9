#include "pipeline/engine/spool_lane.h"

#include <inttypes.h>
#include <stdlib.h>

#include "pipeline/base/log.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/resume.h"
#include "pipeline/engine/runner.h"
#include "pipeline/engine/spool_read.h"

enum { CHUNK_MOST = 1 << 20, CHUNK_LEAST = 32 << 10 };

#define EPOCH_US INT64_C(946684800000000)

/* A batch that a sink has not settled. */
struct flight {
    uint64_t next; /* settled, its place is here */
    size_t memory;
    int64_t appended_us;
    bool settled;
};

struct outlet {
    uint32_t sink;
    struct spool_place place;
    struct flight *ring;  /* capacity: a power of two */
    uint32_t capacity;
    uint64_t first, next; /* output numbers in flight: [first, next) */
    size_t memory;        /* of all in flight */
    uint64_t served;      /* when it was served last, in turns */
};

struct spool_feed {
    struct lane *lane;
    struct spool *spool;
    struct spool_log *log;
    struct spool_reader reader;
    char key[SPOOL_KEY_SIZE];
    struct outlet *outlets;
    uint32_t count;
    size_t allowance, chunk;
    uint64_t turn;
};

/* ---- what is in flight ---------------------------------------------------------------------------------------------------- */

static struct flight *flight_at(const struct outlet *o, uint64_t number)
{
    return &o->ring[number & (o->capacity - 1)];
}

static void push_flight(struct outlet *o, const struct flight *f)
{
    if (o->next - o->first == o->capacity) {
        uint32_t capacity = o->capacity ? o->capacity * 2 : 16;
        struct flight *ring = mem_zalloc(capacity * sizeof(*ring));
        for (uint64_t n = o->first; n < o->next; n++)
            ring[n & (capacity - 1)] = *flight_at(o, n);
        free(o->ring);
        o->ring = ring;
        o->capacity = capacity;
    }
    *flight_at(o, o->next++) = *f;
    o->memory += f->memory;
}

/* What was given up stays open: nothing behind it counts in this run. */
static void answered(void *arg, const struct output *out)
{
    struct spool_feed *f = arg;
    struct outlet *o = f->outlets;
    while (o->sink != out->sink)
        o++;
    if (!out->settled)
        return;
    flight_at(o, out->number)->settled = true;
    uint64_t before = o->first;
    uint64_t reached = 0;
    for (; o->first < o->next && flight_at(o, o->first)->settled; o->first++) {
        reached = flight_at(o, o->first)->next;
        o->memory -= flight_at(o, o->first)->memory;
    }
    if (o->first != before)
        spool_settled(f->spool, o->sink, reached);
}

static sink_mask open_sinks(void *arg)
{
    const struct spool_feed *f = arg;
    sink_mask open = 0;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->outlets[i].first < f->outlets[i].next)
            open |= (sink_mask)1 << f->outlets[i].sink;
    return open;
}

static int64_t oldest_us(void *arg)
{
    const struct spool_feed *f = arg;
    int64_t oldest = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        const struct outlet *o = &f->outlets[i];
        int64_t its = o->first < o->next ? flight_at(o, o->first)->appended_us : 0;
        if (its && (!oldest || its < oldest))
            oldest = its;
    }
    return oldest ? oldest + EPOCH_US : 0;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static bool is_behind(const struct outlet *o, uint64_t next)
{
    return o->place.at < next;
}

static bool may_get_more(const struct spool_feed *f, const struct outlet *o)
{
    return o->first == o->next || o->memory < f->allowance;
}

/* Whose turn it is: of those who can take something, the one that waited longest. */
static struct outlet *next_turn(const struct spool_feed *f)
{
    uint64_t next = spool_log_next(f->log);
    struct outlet *best = NULL;
    for (uint32_t i = 0; i < f->count; i++) {
        struct outlet *o = &f->outlets[i];
        if (is_behind(o, next) && may_get_more(f, o) && (!best || o->served < best->served))
            best = o;
    }
    return best;
}

/* Everybody who is at the same place, and can take it. */
static sink_mask group_at(struct spool_feed *f, uint64_t at)
{
    sink_mask group = 0;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->outlets[i].place.at == at && may_get_more(f, &f->outlets[i]))
            group |= (sink_mask)1 << f->outlets[i].sink;
    return group;
}

/* Up to the next place where somebody is, to go on from there together; and no more than fits into memory once rows are made of it. */
static uint64_t limit_behind(const struct spool_feed *f, uint64_t at)
{
    uint64_t limit = at + lane_most_records(f->lane);
    for (uint32_t i = 0; i < f->count; i++)
        if (f->outlets[i].place.at > at && f->outlets[i].place.at < limit)
            limit = f->outlets[i].place.at;
    return limit;
}

/* Records that nobody will ever see, beside the one that stands for them: dead, for each of these sinks. */
static void count_lost(const struct spool_feed *f, sink_mask group, uint64_t lost)
{
    const struct stats *stats = lane_engine(f->lane)->stats;
    uint32_t source = lane_source_index(f->lane);
    for (uint32_t i = 0; i < f->count && lost; i++) {
        uint32_t sink = f->outlets[i].sink;
        if (!(group & (sink_mask)1 << sink))
            continue;
        counter_add(&stats_edge(stats, source, sink)->dead, lost);
        counter_add(stats_dead(stats, source, sink, lane_component(f->lane)->index), lost);
    }
}

static void hand_on(struct spool_feed *f, struct batch *b, sink_mask group, const struct spool_place *place, const struct spool_got *got)
{
    struct flight flight = {.next = place->at, .memory = lane_memory_of(f->lane, b->len), .appended_us = got->appended_us};
    for (uint32_t i = 0; i < f->count; i++)
        if (group & (sink_mask)1 << f->outlets[i].sink)
            push_flight(&f->outlets[i], &flight);
    b->more = place->at < spool_log_next(f->log);
    lane_hand_on(f->lane, b, group);
}

/* One batch for an outlet and all at its place. false: reading is to stop. */
static bool serve(struct spool_feed *f, const struct outlet *o)
{
    struct spool_place place = o->place;
    size_t room = spool_read_room(&f->reader, &place, f->chunk);
    struct batch *b = lane_draw(f->lane, room);
    if (!b)
        return false;
    sink_mask group = group_at(f, place.at);
    struct spool_got got;
    uint64_t at = place.at;
    spool_read(&f->reader, &place, limit_behind(f, at), b, &got);
    f->turn++;
    for (uint32_t i = 0; i < f->count; i++)
        if (group & (sink_mask)1 << f->outlets[i].sink) {
            f->outlets[i].place = place;
            f->outlets[i].served = f->turn;
        }
    if (place.at == at) {
        lane_discard(f->lane, b);
        return true;
    }
    count_lost(f, group, got.lost);
    hand_on(f, b, group, &place, &got);
    return true;
}

static void feed(struct spool_feed *f)
{
    for (;;) {
        lane_serve(f->lane);
        if (lane_stopping(f->lane))
            return;
        bool final = spool_is_final(f->spool); /* before looking what there is */
        const struct outlet *o = next_turn(f);
        if (o) {
            if (!serve(f, o))
                return;
            continue;
        }
        uint64_t next = spool_log_next(f->log);
        bool behind = false;
        for (uint32_t i = 0; i < f->count; i++)
            behind |= is_behind(&f->outlets[i], next);
        if (final && !behind)
            return;
        lane_sleep(f->lane);
    }
}

/* ---- beginning ---------------------------------------------------------------------------------------------------------------- */

static struct partition *new_partition(void *arg)
{
    struct spool_feed *f = arg;
    return lane_partition(f->lane, f->key);
}

static bool place_outlet(const struct spool_feed *f, struct outlet *o, const struct resume *resume, struct error *err)
{
    uint64_t first = spool_log_first(f->log);
    o->place.at = resume ? resume->sinks[o->sink].prefix : 0;
    if (o->place.at > 0 && o->place.at < first)
        return error_set(err, ERROR_STOP,
                         "sink %s has everything before record %" PRIu64 ", but %s begins at %" PRIu64
                         ": what lies between is gone. Put the missing files back, or go on without them: pipe spool replay FILE --sink %s --from %" PRIu64,
                         plan_sink(lane_engine(f->lane)->cfg, o->sink)->name, o->place.at, f->log->directory, first,
                         plan_sink(lane_engine(f->lane)->cfg, o->sink)->name, first);
    return true;
}

/* What the last run left counts as read, and as there before for the sinks that have it. */
static void count_backlog(const struct spool_feed *f)
{
    const struct stats *stats = lane_engine(f->lane)->stats;
    uint32_t source = lane_source_index(f->lane);
    uint64_t most = 0;
    for (uint32_t i = 0; i < f->count; i++) {
        uint64_t left = spool_log_count(f->log, f->outlets[i].place.at);
        most = left > most ? left : most;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        struct edge_stats *edge = stats_edge(stats, source, f->outlets[i].sink);
        counter_add(&edge->read, most);
        counter_add(&edge->skipped, most - spool_log_count(f->log, f->outlets[i].place.at));
    }
    counter_add(&stats->sources[source].read, most);
    if (most)
        log_info(lane_component(f->lane)->name, "%" PRIu64 " records of an earlier run are in the spool", most);
}

static bool place_outlets(struct spool_feed *f, struct error *err)
{
    struct partition *p = new_partition(f);
    sink_mask reaches = lane_reaches(f->lane);
    bool ok = true;
    for (; ok && reaches; reaches &= reaches - 1) {
        struct outlet *o = &f->outlets[f->count++];
        o->sink = (uint32_t)__builtin_ctzll(reaches);
        ok = place_outlet(f, o, p->resume, err);
    }
    partition_unref(p);
    if (!ok)
        return false;
    count_backlog(f);
    for (uint32_t i = 0; i < f->count; i++)
        spool_settled(f->spool, f->outlets[i].sink, f->outlets[i].place.at);
    return true;
}

static void share_memory(struct spool_feed *f)
{
    size_t part = budget_minimum(lane_share(f->lane)) / (f->count ? f->count : 1), chunk = part * 100 / lane_memory_of(f->lane, 100) / 4;
    f->allowance = f->count > 1 ? part : SIZE_MAX;
    f->chunk = chunk > CHUNK_MOST ? CHUNK_MOST : chunk < CHUNK_LEAST ? CHUNK_LEAST : chunk;
}

static bool run(struct lane *lane, struct error *err)
{
    const struct component *source = lane_component(lane);
    struct spool_feed *f = mem_zalloc(sizeof(*f));
    *f = (struct spool_feed){.lane = lane, .spool = lane_spool(lane), .log = spool_files(lane_spool(lane))};
    f->outlets = mem_zalloc(PLAN_MAX_SINKS * sizeof(*f->outlets));
    spool_key(f->log->id, f->key);
    spool_reader_init(&f->reader, f->log, source->name);
    f->reader.partition = new_partition;
    f->reader.arg = f;
    f->reader.format = source->source_common->format >= 0 ? formats[source->source_common->format] : NULL;
    f->reader.options = &source->source_common->formats;
    f->reader.max_record = source->source_common->max_record;
    lane_set_state(lane, f);
    lane_listen(lane, &(struct lane_listener){answered, open_sinks, oldest_us, f});
    if (!place_outlets(f, err))
        return false;
    share_memory(f);
    feed(f);
    return true;
}

static void close_feed(struct lane *lane)
{
    struct spool_feed *f = lane_state(lane);
    spool_reader_release(&f->reader);
    for (uint32_t i = 0; i < f->count; i++)
        free(f->outlets[i].ring);
    free(f->outlets);
    free(f);
}

const struct source_ops spool_reader_ops = {.run = run, .close = close_feed};

/* ---- all spools of a run ---------------------------------------------------------------------------------------------------- */

bool spool_wanted(const struct engine *e, const struct component *source)
{
    const struct source_type *type = source->source;
    bool rewindable = type->rewindable && type->rewindable(source); /* one that stands in for the source, for a while */
    return source->source_common->ack == ACK_SPOOLED && !rewindable && !e->without_state;
}

/* The highest number that a sink has stored of this spool. */
static uint64_t highest_stored(const struct engine *e, const struct component *source, const char *key)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < e->sink_count; i++) {
        const struct positions *p = runner_stored(e->runners[i]);
        for (int32_t shard = SHARD_ALL; p && shard < POSITION_SHARDS; shard++) {
            uint32_t count;
            const struct range *ranges = positions_ranges(p, source->name, key, shard, &count);
            if (count && ranges[count - 1].next > highest)
                highest = ranges[count - 1].next;
        }
    }
    return highest;
}

static bool open_spool(struct engine *e, struct lane *reader, struct error *err)
{
    const struct component *source = lane_component(reader);
    uint32_t index = lane_source_index(reader), fronts = 0;
    char id[37], key[SPOOL_KEY_SIZE];
    char *directory = spool_directory(e->cfg->pipeline.state_dir, source->name);
    bool ok = spool_log_identify(directory, id, err);
    free(directory);
    if (!ok)
        return false;
    spool_key(id, key);
    for (uint32_t i = 0; i < e->lane_count; i++)
        fronts += lane_source_index(e->lanes[i]) == index && !lane_is_reader(e->lanes[i]);
    struct spool *s = spool_start(e, source, e->plan->routes[index].reaches, highest_stored(e, source, key), fronts, reader, err);
    if (!s)
        return false;
    e->spools[index] = s;
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (lane_source_index(e->lanes[i]) == index)
            lane_set_spool(e->lanes[i], s);
    return true;
}

bool spool_open_all(struct engine *e, struct error *err)
{
    for (uint32_t i = 0; i < e->lane_count; i++)
        if (lane_is_reader(e->lanes[i]) && !open_spool(e, e->lanes[i], err))
            return error_wrap(err, "source %s", lane_component(e->lanes[i])->name);
    return true;
}
