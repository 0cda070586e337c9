/*
 * Parts are collected per object and, of sources that processes share, per partition: each partition is committed for
 * itself, and what was written of one that has been lost goes without touching the others.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "connectors/object/object_private.h"
#include "pipeline/base/clock.h"
#include "pipeline/engine/lane.h"
#include "pipeline/engine/output.h"
#include "pipeline/engine/resume.h"
#include "pipeline/engine/upstream.h"

static enum compression compression_of(const struct sink *s)
{
    return (enum compression)object_options_of(s)->compression;
}

/* ---- partitions that processes share ---------------------------------------------------------------------------- */

static struct partition_log *find_log(const struct object_sink *o, const char *source, const char *key)
{
    for (struct partition_log *l = o->logs; l; l = l->next)
        if (strcmp(l->key, key) == 0 && strcmp(l->source, source) == 0)
            return l;
    return NULL;
}

static void copy_position(void *into, const struct position *p)
{
    positions_add(into, p->source, p->partition, p->shard, p->range);
}

static bool acquire_one(struct sink *s, const char *source, const char *key, struct positions *out, struct error *err)
{
    struct object_sink *o = s->state;
    struct partition_log *l = find_log(o, source, key);
    if (!l) {
        l = partition_log_new(object_options_of(s)->url, s->identity, source, key);
        l->next = o->logs;
        o->logs = l;
    }
    parts_drop(&o->parts, l, true); /* of an earlier epoch */
    if (!partition_log_claim(l, err))
        return false;
    positions_each(l->positions, copy_position, out);
    positions_set_epoch(out, source, key, l->epoch);
    return true;
}

bool object_acquire(struct sink *s, const char *source, const char *const *keys, uint32_t count, struct positions *out,
                    struct error *err)
{
    for (uint32_t i = 0; i < count; i++)
        if (!acquire_one(s, source, keys[i], out, err))
            return false;
    return true;
}

static bool is_kept_in_logs(const struct sink *s, const struct component *source)
{
    return source->source->shared && config_keeps_positions(s->component);
}

static bool is_of_log(const struct sink *s, const struct output *out)
{
    const struct batch *b = out->batch;
    return b->lane && b->span_count && is_kept_in_logs(s, lane_component(b->lane));
}

/* The log of the output's partition, if that is still the one that was claimed for it. */
static struct partition_log *log_of(const struct sink *s, struct output *out)
{
    struct arena arena = ARENA_INIT;
    uint32_t n;
    const struct held_partition *held = held_partitions(s->index, &out, 1, &arena, &n);
    struct partition_log *l = n ? find_log(s->state, held->source, held->partition->key) : NULL;
    if (l && (l->epoch != held->epoch || batch_is_lost(out->batch)))
        l = NULL;
    arena_release(&arena);
    return l;
}

static bool is_still_ours(struct partition_log *l, const struct held_partition *h)
{
    bool ours = l && l->epoch == h->epoch && !atomic_load_explicit(&h->partition->lost, memory_order_relaxed) &&
                partition_log_is_ours(l);
    if (!ours)
        atomic_store_explicit(&h->partition->lost, true, memory_order_relaxed);
    return ours;
}

/* What was written of partitions that are lost goes. false: there are some, whose outputs are not to be committed. */
static bool drop_lost(struct object_sink *o, const struct held_partition *held, uint32_t count, struct error *err)
{
    bool all = true;
    for (struct partition_log *l = o->logs; l; l = l->next)
        l->held = false;
    for (uint32_t i = 0; i < count; i++) {
        struct partition_log *l = find_log(o, held[i].source, held[i].partition->key);
        if (is_still_ours(l, &held[i]))
            l->held = true;
        else
            all = error_set(err, ERROR_RETRY, "another process has taken over %s", held[i].partition->key);
    }
    for (struct partition_log *l = o->logs; l; l = l->next)
        if (!l->held)
            parts_drop(&o->parts, l, true);
    return all;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* TARGET[-]TIME-ID-NUMBER.EXTENSION: sortable by time, unique over machines and restarts. */
static struct part *new_part(struct sink *s, struct partition_log *log, const struct piece *piece)
{
    struct object_sink *o = s->state;
    const struct format *format = formats[s->component->sink_common->format];
    int64_t now = s->clock->wall_us(s->clock);
    time_t seconds = (time_t)(now / 1000000);
    struct tm tm;
    char stamp[32], *object;
    gmtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
    bool named = piece->target.len && piece->target.data[piece->target.len - 1] != '/';
    if (asprintf(&object, STR_FMT "%s-%s.%06" PRId64 "Z-%.8s-%" PRIu64 "%s%s", STR_ARG(piece->target),
                 named ? "" : s->component->name, stamp, now % 1000000, s->identity->incarnation, o->next_number,
                 format->extension, compression_extension(compression_of(s))) < 0)
        abort();
    char *path = log ? partition_log_part(log, o->next_number) : ledger_file_part(&o->ledger, o->next_number);
    o->next_number++;
    struct part *part = parts_add(&o->parts, log, piece->target, piece->target_hash, path, object);
    const struct buffer *header = s->shared;
    buffer_add(&part->pending, header->data, header->len);
    o->parts.pending += header->len;
    return part;
}

static void add_pieces(struct sink *s, struct partition_log *log, const struct output *out)
{
    struct object_sink *o = s->state;
    if (o->rows == 0)
        o->first_row_us = clock_now_us(s->clock);
    for (uint32_t i = 0; i < out->piece_count; i++) {
        const struct piece *piece = &out->pieces[i];
        if (piece->bytes.len == 0)
            continue;
        struct part *part = parts_find(&o->parts, log, piece->target, piece->target_hash);
        if (!part)
            part = new_part(s, log, piece);
        buffer_add(&part->pending, piece->bytes.data, piece->bytes.len);
        part->rows += piece->rows;
        o->parts.pending += piece->bytes.len;
        o->rows += piece->rows;
    }
}

/* Those of a partition that is lost are dropped at the next commit. */
static bool add_output(struct sink *s, struct output *out, struct error *err)
{
    bool in_log = is_of_log(s, out);
    struct partition_log *log = in_log ? log_of(s, out) : NULL;
    if (!in_log && !object_open_ledger(s, err))
        return false;
    if (!in_log || log)
        add_pieces(s, log, out);
    return true;
}

bool object_write(struct sink *s, struct output *out, struct error *err)
{
    struct object_sink *o = s->state;
    if (o->added != out && !add_output(s, out, err))
        return false;
    o->added = out;
    if (!parts_flush(&o->parts, s, compression_of(s), false, err))
        return false;
    o->added = NULL;
    return true;
}

/* ---- committing ------------------------------------------------------------------------------------------------- */

bool object_wants_commit(struct sink *s, int64_t now_us, int64_t *wait_us)
{
    struct object_sink *o = s->state;
    const struct object_options *options = object_options_of(s);
    *wait_us = o->first_row_us + options->roll_interval - now_us;
    bool full = o->ledger.record_found; /* half done */
    for (const struct partition_log *l = o->logs; l; l = l->next)
        full |= l->unfinished;
    full |= options->roll_count && o->rows >= (uint64_t)options->roll_count;
    for (uint32_t i = 0; !full && i < o->parts.count; i++)
        full = o->parts.items[i].size + o->parts.items[i].pending.len >= options->roll_size;
    return full || *wait_us <= 0;
}

static bool commit_own(struct sink *s, const struct position *positions, uint32_t count, struct error *err)
{
    struct object_sink *o = s->state;
    struct rename_pair *renames;
    uint32_t n = parts_renames(&o->parts, NULL, &renames);
    bool ok = (n == 0 && count == 0) || ledger_file_commit(&o->ledger, positions, count, renames, n, err);
    free(renames);
    if (ok || o->ledger.record_found) /* from the record on, the parts belong to the commit */
        parts_drop(&o->parts, NULL, false);
    return ok;
}

static bool has_all(const struct partition_log *l, const struct position *positions, uint32_t count)
{
    uint32_t n;
    const struct range *ranges = positions_ranges(l->positions, l->source, l->key, SHARD_ALL, &n);
    for (uint32_t i = 0; i < count; i++)
        if (!ranges_cover(ranges, n, positions[i].range.first) || !ranges_cover(ranges, n, positions[i].range.next - 1))
            return false;
    return true;
}

/* An attempt that failed halfway may have committed it, or begun to. */
static bool commit_log(struct object_sink *o, struct partition_log *l, const struct position *positions, uint32_t count,
                       struct error *err)
{
    if (!partition_log_finish(l, err))
        return false;
    struct rename_pair *renames;
    uint32_t n = parts_renames(&o->parts, l, &renames);
    bool nothing = n == 0 && has_all(l, positions, count);
    bool ok = nothing || partition_log_commit(l, positions, count, renames, n, err);
    free(renames);
    if (ok)
        parts_drop(&o->parts, l, false);
    return ok && partition_log_finish(l, err);
}

/* The positions of one log among all of a commit, which are sorted. */
static const struct position *positions_of_log(const struct partition_log *l, const struct position *positions,
                                               uint32_t count, uint32_t *n)
{
    const struct position *first = NULL;
    *n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(positions[i].source, l->source) == 0 && strcmp(positions[i].partition, l->key) == 0) {
            first = first ? first : &positions[i];
            ++*n;
        }
    return first;
}

static bool commit_logs(struct object_sink *o, const struct held_partition *held, uint32_t held_count,
                        const struct position *positions, uint32_t count, struct error *err)
{
    bool all = true;
    struct error failure;
    for (uint32_t i = 0; i < held_count; i++) {
        struct partition_log *l = find_log(o, held[i].source, held[i].partition->key);
        uint32_t n;
        const struct position *own = positions_of_log(l, positions, count, &n);
        if (commit_log(o, l, own, n, &failure))
            continue;
        if (l->epoch == 0)
            atomic_store_explicit(&held[i].partition->lost, true, memory_order_relaxed);
        all = false;
        *err = failure;
    }
    return all;
}

/* Those of the ledger, in place of all. */
static uint32_t keep_own(const struct sink *s, const struct position *all, uint32_t count, struct position *own)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!upstream_is_shared(s->component, all[i].source) || !config_keeps_positions(s->component))
            own[n++] = all[i];
    return n;
}

static bool commit_outputs(struct sink *s, struct output *const *outputs, uint32_t count, struct arena *arena,
                           struct error *err)
{
    struct object_sink *o = s->state;
    bool in_logs = config_keeps_positions(s->component);
    uint32_t held_count = 0, n;
    const struct held_partition *held = in_logs ? held_partitions(s->index, outputs, count, arena, &held_count) : NULL;
    if (!drop_lost(o, held, held_count, err))
        return false;
    const struct position *positions = positions_of_outputs(outputs, count, arena, &n);
    struct position *own = arena_array(arena, struct position, n + 1);
    uint32_t own_count = keep_own(s, positions, n, own);
    return ledger_file_finish(&o->ledger, err) && parts_flush(&o->parts, s, compression_of(s), true, err) &&
           parts_sync(&o->parts, err) && commit_own(s, own, own_count, err) &&
           commit_logs(o, held, held_count, positions, n, err);
}

bool object_commit(struct sink *s, struct output *const *outputs, uint32_t count, struct error *err)
{
    struct object_sink *o = s->state;
    struct arena arena = ARENA_INIT;
    bool ok = commit_outputs(s, outputs, count, &arena, err);
    if (o->parts.count == 0)
        o->rows = 0;
    arena_release(&arena);
    return ok;
}
