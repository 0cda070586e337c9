#include "pipeline/engine/position.h"

#include <stdlib.h>

#include "pipeline/base/hash.h"
#include "pipeline/engine/lane.h"
#include "pipeline/engine/output.h"

/* One (source, partition, shard): an entry of an open-addressed table, with its ranges sorted and disjoint. */
struct entry {
    const char *source, *partition; /* owned */
    int32_t shard;
    int64_t epoch; /* of SHARD_ALL's entry */
    uint64_t hash;
    struct range *ranges;
    uint32_t count, capacity;
};

struct positions {
    struct entry **slots; /* a power of two; NULL: free. Removed entries stay, without ranges. */
    uint32_t slot_count, used;
};

struct positions *positions_new(void)
{
    struct positions *p = mem_zalloc(sizeof(*p));
    p->slot_count = 64;
    p->slots = mem_zalloc(p->slot_count * sizeof(*p->slots));
    return p;
}

void positions_free(struct positions *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (p->slots[i]) {
            free((char *)p->slots[i]->source);
            free((char *)p->slots[i]->partition);
            free(p->slots[i]->ranges);
            free(p->slots[i]);
        }
    free(p->slots);
    free(p);
}

static uint64_t hash_of(const char *source, const char *partition, int32_t shard)
{
    return hash64(partition, strlen(partition), hash64(source, strlen(source), (uint32_t)shard));
}

static struct entry **find_slot(const struct positions *p, const char *source, const char *partition, int32_t shard,
                                uint64_t hash)
{
    for (uint32_t i = (uint32_t)hash;; i++) {
        struct entry **slot = &p->slots[i & (p->slot_count - 1)];
        const struct entry *e = *slot;
        if (!e || (e->hash == hash && e->shard == shard && strcmp(e->partition, partition) == 0 &&
                   strcmp(e->source, source) == 0))
            return slot;
    }
}

static void grow(struct positions *p)
{
    struct entry **old = p->slots;
    uint32_t old_count = p->slot_count;
    p->slot_count *= 2;
    p->slots = mem_zalloc(p->slot_count * sizeof(*p->slots));
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i])
            *find_slot(p, old[i]->source, old[i]->partition, old[i]->shard, old[i]->hash) = old[i];
    free(old);
}

static struct entry *entry_for(struct positions *p, const char *source, const char *partition, int32_t shard)
{
    if (p->used * 2 >= p->slot_count)
        grow(p);
    uint64_t hash = hash_of(source, partition, shard);
    struct entry **slot = find_slot(p, source, partition, shard, hash);
    if (!*slot) {
        struct entry *e = mem_zalloc(sizeof(*e));
        *e = (struct entry){.source = mem_strdup(source), .partition = mem_strdup(partition), .shard = shard, .hash = hash};
        *slot = e;
        p->used++;
    }
    return *slot;
}

void positions_add(struct positions *p, const char *source, const char *partition, int32_t shard, struct range r)
{
    struct entry *e = entry_for(p, source, partition, shard);
    uint32_t from = e->count; /* ranges mostly come in order: look from the end */
    while (from > 0 && e->ranges[from - 1].next >= r.first)
        from--;
    uint32_t to = from; /* ranges[from, to) overlap or touch r and become one with it */
    for (; to < e->count && e->ranges[to].first <= r.next; to++) {
        r.first = e->ranges[to].first < r.first ? e->ranges[to].first : r.first;
        r.next = e->ranges[to].next > r.next ? e->ranges[to].next : r.next;
    }
    if (from == to && e->count == e->capacity) {
        e->capacity = e->capacity ? e->capacity * 2 : 1;
        e->ranges = mem_realloc(e->ranges, e->capacity * sizeof(*e->ranges));
    }
    memmove(&e->ranges[from + 1], &e->ranges[to], (e->count - to) * sizeof(*e->ranges));
    e->ranges[from] = r;
    e->count = e->count - (to - from) + 1;
}

const struct range *positions_ranges(const struct positions *p, const char *source, const char *partition, int32_t shard,
                                     uint32_t *count)
{
    const struct entry *e = *find_slot(p, source, partition, shard, hash_of(source, partition, shard));
    *count = e ? e->count : 0;
    return *count ? e->ranges : NULL;
}

bool ranges_cover(const struct range *ranges, uint32_t count, uint64_t position)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (ranges[middle].next <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ranges[low].first <= position;
}

bool positions_cover(const struct positions *p, const char *source, const char *partition, int32_t shard, uint64_t position)
{
    uint32_t count;
    const struct range *ranges = positions_ranges(p, source, partition, shard, &count);
    return ranges_cover(ranges, count, position);
}

bool positions_have_source(const struct positions *p, const char *source)
{
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (p->slots[i] && p->slots[i]->count && strcmp(p->slots[i]->source, source) == 0)
            return true;
    return false;
}

void positions_remove(struct positions *p, const char *source, const char *partition)
{
    for (int32_t shard = SHARD_ALL; shard < POSITION_SHARDS; shard++) {
        struct entry *e = *find_slot(p, source, partition, shard, hash_of(source, partition, shard));
        if (e)
            e->count = 0;
    }
}

void positions_set_epoch(struct positions *p, const char *source, const char *partition, int64_t epoch)
{
    entry_for(p, source, partition, SHARD_ALL)->epoch = epoch;
}

int64_t positions_epoch(const struct positions *p, const char *source, const char *partition)
{
    const struct entry *e = *find_slot(p, source, partition, SHARD_ALL, hash_of(source, partition, SHARD_ALL));
    return e ? e->epoch : 0;
}

uint32_t positions_count(const struct positions *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->slot_count; i++)
        count += p->slots[i] && p->slots[i]->count;
    return count;
}

static int by_identity(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    int order = strcmp(x->source, y->source);
    if (order == 0)
        order = strcmp(x->partition, y->partition);
    return order ? order : (x->shard > y->shard) - (x->shard < y->shard);
}

void positions_each(const struct positions *p, void (*each)(void *arg, const struct position *position), void *arg)
{
    struct entry **sorted = mem_alloc((p->used + 1) * sizeof(struct entry *));
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->slot_count; i++)
        if (p->slots[i] && p->slots[i]->count)
            sorted[n++] = p->slots[i];
    qsort(sorted, n, sizeof(struct entry *), by_identity);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < sorted[i]->count; k++)
            each(arg, &(struct position){.source = sorted[i]->source,
                                         .partition = sorted[i]->partition,
                                         .shard = sorted[i]->shard,
                                         .range = sorted[i]->ranges[k]});
    free(sorted);
}

static int position_order(const void *a, const void *b)
{
    const struct position *x = a, *y = b;
    int order = strcmp(x->source, y->source);
    if (order == 0 && x->partition != y->partition)
        order = strcmp(x->partition, y->partition);
    return order ? order : (x->range.first > y->range.first) - (x->range.first < y->range.first);
}

const struct position *positions_of_outputs(struct output *const *outputs, uint32_t count, struct arena *arena, uint32_t *n)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++)
        most += outputs[i]->span_count;
    struct position *all = arena_array(arena, struct position, most + 1);
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct batch *b = outputs[i]->batch; /* dead letters' has no lane, and no spans */
        for (uint32_t k = 0; k < outputs[i]->span_count; k++) {
            struct span s = output_span(outputs[i], k);
            if (s.first < s.next)
                all[found++] = (struct position){lane_component(b->lane)->name, s.partition->key, SHARD_ALL, {s.first, s.next}};
        }
    }
    qsort(all, found, sizeof(*all), position_order);
    uint32_t merged = 0;
    for (uint32_t i = 0; i < found; i++) {
        struct position *last = merged ? &all[merged - 1] : NULL;
        if (last && strcmp(last->source, all[i].source) == 0 && strcmp(last->partition, all[i].partition) == 0 &&
            all[i].range.first <= last->range.next) {
            if (all[i].range.next > last->range.next)
                last->range.next = all[i].range.next;
        } else {
            all[merged++] = all[i];
        }
    }
    *n = merged;
    return all;
}
