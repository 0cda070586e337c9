#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/engine/lane.h"
#include "pipeline/base/arena.h"
#include "pipeline/base/clock.h"

struct key_list {
    struct arena arena;
    const char **keys;
    uint32_t count;
};

static void collect(void *arg, const char *key, uint64_t lowest)
{
    struct key_list *list = arg;
    (void)lowest;
    list->keys = mem_realloc(list->keys, (list->count + 1) * sizeof(*list->keys));
    list->keys[list->count++] = arena_strdup(&list->arena, key);
}

struct partition *lane_partition_of_this_run(struct lane *lane, const char *name)
{
    struct key_list old = {0};
    lane_stored_keys(lane, collect, &old);
    if (old.count > 0)
        lane_forget(lane, old.keys, old.count);
    free(old.keys);

    int64_t wall_us = lane_clock(lane)->wall_us(lane_clock(lane));
    struct partition *p =
        lane_partition(lane, arena_printf(&old.arena, "%s@%" PRId64 ".%d", name, wall_us, (int)getpid()));
    arena_release(&old.arena);
    return p;
}
