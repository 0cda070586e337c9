/*
 * A growing run of bytes that its holder owns. Zero-initialised is empty. Growth doubles; running out of memory aborts.
 */
#ifndef PIPE_BUFFER_H
#define PIPE_BUFFER_H

#include "pipeline/base/str.h"

struct buffer {
    char *data;
    size_t len, capacity;
};

void buffer_grow(struct buffer *b, size_t more);
/* Gives back what it holds beyond len. */
void buffer_trim(struct buffer *b);

/* Room for `more` bytes behind len; returns where they go. The caller adds to len what it wrote. */
static inline char *buffer_reserve(struct buffer *b, size_t more)
{
    if (b->capacity - b->len < more)
        buffer_grow(b, more);
    return b->data + b->len;
}

static inline void buffer_add(struct buffer *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(buffer_reserve(b, len), data, len);
    b->len += len;
}

static inline void buffer_add_byte(struct buffer *b, char c)
{
    *buffer_reserve(b, 1) = c;
    b->len++;
}

static inline void buffer_add_str(struct buffer *b, struct str s)
{
    buffer_add(b, s.data, s.len);
}

/* Big-endian ("network order"), as Postgres's binary formats and Kafka have it. */
static inline void buffer_add_be16(struct buffer *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    buffer_add(b, &v, 2);
}
static inline void buffer_add_be32(struct buffer *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buffer_add(b, &v, 4);
}
static inline void buffer_add_be64(struct buffer *b, uint64_t v)
{
    v = __builtin_bswap64(v);
    buffer_add(b, &v, 8);
}

void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *buffer_cstr(struct buffer *b); /* NUL-terminated; the NUL is not counted in len */

static inline void buffer_clear(struct buffer *b)
{
    b->len = 0;
}
void buffer_release(struct buffer *b);

#endif
