/*
 * A bump allocator: many small allocations with one common end. Not thread-safe; each arena has one owner.
 * Memory is 16-aligned and not zeroed. Running out of memory aborts: the byte budget, not malloc, is where
 * the engine waits. In sanitizer builds every allocation is a malloc of its own, so that an overrun is seen.
 */
#ifndef PIPE_ARENA_H
#define PIPE_ARENA_H

#include "pipeline/base/str.h"

struct arena_block;
struct arena_end;

struct arena {
    char *next, *end; /* free part of the current block */
    struct arena_block *first, *current;
    size_t used; /* bytes in all blocks but the current one */
    struct arena_end *ends;
};

#define ARENA_INIT                                                                                                     \
    {                                                                                                                  \
        0                                                                                                              \
    }

void *arena_alloc_slow(struct arena *a, size_t size);

static inline void *arena_alloc(struct arena *a, size_t size)
{
#if !defined(PIPE_ARENA_MALLOC)
    size = (size + 15) & ~(size_t)15;
    if ((size_t)(a->end - a->next) >= size && size != 0) {
        void *p = a->next;
        a->next += size;
        return p;
    }
#endif
    return arena_alloc_slow(a, size);
}

#define arena_new(a, type) ((type *)memset(arena_alloc((a), sizeof(type)), 0, sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_alloc((a), sizeof(type) * (size_t)(count)))

/* Calls end(object) when the arena is reset or released, before its memory goes; the last one asked for first. For what
 * a library allocated and only it can free. */
void arena_on_end(struct arena *a, void (*end)(void *object), void *object);

char *arena_strdup(struct arena *a, const char *text);
struct str arena_str(struct arena *a, struct str s); /* copy; NUL-terminated behind its end */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

size_t arena_bytes(const struct arena *a); /* allocated from the system, for the budget */
void arena_reset(struct arena *a);         /* everything handed out ends; blocks are kept for reuse */
void arena_release(struct arena *a);       /* as reset, and the blocks go back */

/* For memory without an arena: abort instead of NULL, so that callers stay readable. */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_realloc(void *p, size_t size);
char *mem_strdup(const char *text);

#endif
