#include "connectors/object/targets.h"

#include "pipeline/base/hash.h"

struct table {
    uint32_t *slots; /* group + 1 */
    uint32_t mask;
    struct target_group *groups;
    uint64_t *hashes;
    uint32_t count;
};

static uint32_t group_of(struct table *t, struct str target)
{
    uint64_t hash = hash64(target.data, target.len, 0);
    for (uint32_t i = (uint32_t)hash;; i++) {
        uint32_t *slot = &t->slots[i & t->mask];
        if (!*slot) {
            t->groups[t->count] = (struct target_group){.target = target};
            t->hashes[t->count] = hash;
            *slot = ++t->count;
            return t->count - 1;
        }
        if (t->hashes[*slot - 1] == hash && str_eq(t->groups[*slot - 1].target, target))
            return *slot - 1;
    }
}

struct target_group *targets_group(const struct str *targets, const uint32_t *rows, uint32_t count, struct arena *arena,
                                   uint32_t *group_count)
{
    uint32_t size = 16;
    while (size < count * 2)
        size *= 2;
    struct table t = {.slots = arena_array(arena, uint32_t, size),
                      .mask = size - 1,
                      .groups = arena_array(arena, struct target_group, count + 1),
                      .hashes = arena_array(arena, uint64_t, count + 1)};
    memset(t.slots, 0, size * sizeof(*t.slots));
    uint32_t *group = arena_array(arena, uint32_t, count + 1);
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct str target = targets[rows[i]];
        if (!target.data) {
            group[i] = UINT32_MAX;
            continue;
        }
        if (t.count == 0 || !str_eq(t.groups[last].target, target)) /* neighbours mostly go the same way */
            last = group_of(&t, target);
        group[i] = last;
        t.groups[last].count++;
    }
    uint32_t *sorted = arena_array(arena, uint32_t, count + 1), **next = arena_array(arena, uint32_t *, t.count + 1);
    for (uint32_t g = 0, at = 0; g < t.count; at += t.groups[g++].count)
        t.groups[g].rows = next[g] = sorted + at;
    for (uint32_t i = 0; i < count; i++)
        if (group[i] != UINT32_MAX)
            *next[group[i]]++ = rows[i];
    *group_count = t.count;
    return t.groups;
}
