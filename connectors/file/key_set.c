#include "connectors/file/key_set.h"

#include <stdlib.h>

#include "pipeline/base/arena.h"

/* The slot where it is, or where it would go. */
static uint64_t *slot_of(const struct key_set *s, uint64_t hash)
{
    size_t i = hash & (s->capacity - 1);
    while (s->slots[i] != 0 && s->slots[i] != hash)
        i = (i + 1) & (s->capacity - 1);
    return &s->slots[i];
}

static void grow(struct key_set *s)
{
    struct key_set larger = {.capacity = s->capacity ? s->capacity * 2 : 64, .count = s->count};
    larger.slots = mem_zalloc(larger.capacity * sizeof(*larger.slots));
    for (size_t i = 0; i < s->capacity; i++)
        if (s->slots[i] != 0)
            *slot_of(&larger, s->slots[i]) = s->slots[i];
    free(s->slots);
    *s = larger;
}

bool key_set_add(struct key_set *s, uint64_t hash)
{
    hash += hash == 0;
    if (s->count * 2 >= s->capacity)
        grow(s);
    uint64_t *slot = slot_of(s, hash);
    if (*slot == hash)
        return false;
    *slot = hash;
    s->count++;
    return true;
}

bool key_set_has(const struct key_set *s, uint64_t hash)
{
    hash += hash == 0;
    return s->capacity > 0 && *slot_of(s, hash) == hash;
}

void key_set_release(struct key_set *s)
{
    free(s->slots);
    *s = (struct key_set){0};
}
