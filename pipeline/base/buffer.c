#include "pipeline/base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/arena.h"

enum { SMALLEST = 64 };

void buffer_grow(struct buffer *b, size_t more)
{
    size_t needed = b->len + more;
    assert(needed >= more);
    size_t capacity = b->capacity ? b->capacity : SMALLEST;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    b->data = mem_realloc(b->data, capacity);
    b->capacity = capacity;
}

void buffer_trim(struct buffer *b)
{
    if (b->capacity <= b->len + SMALLEST)
        return;
    b->capacity = b->len + SMALLEST;
    b->data = mem_realloc(b->data, b->capacity);
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(b->data ? b->data + b->len : NULL, b->capacity - b->len, format, args);
    va_end(args);
    assert(len >= 0);
    if ((size_t)len >= b->capacity - b->len) {
        buffer_grow(b, (size_t)len + 1);
        va_start(args, format);
        vsnprintf(b->data + b->len, b->capacity - b->len, format, args);
        va_end(args);
    }
    b->len += (size_t)len;
}

const char *buffer_cstr(struct buffer *b)
{
    *buffer_reserve(b, 1) = '\0';
    return b->data;
}

void buffer_release(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}
