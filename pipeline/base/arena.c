#include "pipeline/base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Blocks form a list from `first`; those behind `current` are empty, kept by a reset. A block is 16-aligned, and so is
 * what follows its header.
 */
struct arena_block {
    struct arena_block *next;
    size_t size; /* of the part behind the header */
};
static_assert(sizeof(struct arena_block) % 16 == 0, "what follows is aligned");

enum { FIRST_BLOCK = 4096, LARGEST_STEP = 256 * 1024 };

struct arena_end {
    void (*end)(void *object);
    void *object;
    struct arena_end *next;
};

static char *block_start(struct arena_block *b)
{
    return (char *)(b + 1);
}

static struct arena_block *block_new(size_t size)
{
    struct arena_block *b = mem_alloc(sizeof(*b) + size);
    b->next = NULL;
    b->size = size;
    return b;
}

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
}

static void end_objects(struct arena *a)
{
    for (struct arena_end *e = a->ends; e; e = e->next)
        e->end(e->object);
    a->ends = NULL;
}

static size_t round_up(size_t size)
{
    return size ? (size + 15) & ~(size_t)15 : 16;
}

#if defined(PIPE_ARENA_MALLOC)

/* Every allocation is a block of exactly its size, so that AddressSanitizer sees each overrun and each use after reset.
 */
void *arena_alloc_slow(struct arena *a, size_t size)
{
    struct arena_block *b = block_new(size);
    b->next = a->first;
    a->first = b;
    a->used += round_up(size);
    return block_start(b);
}

void arena_reset(struct arena *a)
{
    arena_release(a);
}

size_t arena_bytes(const struct arena *a)
{
    return a->used;
}

#else

static void enter_block(struct arena *a, struct arena_block *b)
{
    if (a->current)
        a->used += a->current->size;
    a->current = b;
    a->next = block_start(b);
    a->end = a->next + b->size;
}

/* Blocks double up to LARGEST_STEP; a request larger than that gets a block of its own size. */
static size_t next_size(const struct arena *a, size_t request)
{
    size_t size = a->current ? a->current->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_STEP)
        size = LARGEST_STEP;
    return request > size ? request : size;
}

void *arena_alloc_slow(struct arena *a, size_t size)
{
    size = round_up(size);
    if ((size_t)(a->end - a->next) < size) {
        struct arena_block **link = a->current ? &a->current->next : &a->first;
        struct arena_block *b = *link;
        if (!b || b->size < size) {
            b = block_new(next_size(a, size));
            b->next = *link;
            *link = b;
        }
        enter_block(a, b);
    }
    void *p = a->next;
    a->next += size;
    return p;
}

void arena_reset(struct arena *a)
{
    end_objects(a);
    a->current = NULL;
    a->next = a->end = NULL;
    a->used = 0;
    if (a->first)
        enter_block(a, a->first);
}

size_t arena_bytes(const struct arena *a)
{
    size_t bytes = 0;
    for (const struct arena_block *b = a->first; b; b = b->next)
        bytes += b->size;
    return bytes;
}

#endif

void arena_release(struct arena *a)
{
    end_objects(a);
    free_blocks(a->first);
    *a = (struct arena)ARENA_INIT;
}

void arena_on_end(struct arena *a, void (*end)(void *object), void *object)
{
    struct arena_end *e = arena_alloc(a, sizeof(*e));
    *e = (struct arena_end){end, object, a->ends};
    a->ends = e;
}

char *arena_strdup(struct arena *a, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(arena_alloc(a, size), text, size);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (s.len)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *text = arena_alloc(a, (size_t)len + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return text;
}
