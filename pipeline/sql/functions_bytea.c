/*
 * Binary strings (manual, 9.5): bytes and bits counted from 0, substrings from 1.
 */
#include "pipeline/sql/implementation.h"

static struct value bytes_value(const char *data, size_t len)
{
    return (struct value){.kind = VALUE_BYTES, .len = (uint32_t)len, .ptr = data};
}

static char *copy_of(struct eval *ev, struct value v)
{
    char *copy = arena_alloc(ev->arena, v.len + 1);
    if (v.len)
        memcpy(copy, v.ptr, v.len);
    return copy;
}

bool fn_bytes_concat(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)e, (void)err;
    char *data = arena_alloc(ev->arena, (size_t)args[0].len + args[1].len + 1);
    if (args[0].len)
        memcpy(data, args[0].ptr, args[0].len);
    if (args[1].len)
        memcpy(data + args[0].len, args[1].ptr, args[1].len);
    *out = bytes_value(data, (size_t)args[0].len + args[1].len);
    return true;
}

/* Bytes [start, end) as far as they exist, counted from 1. */
static struct value slice_of(struct value v, int64_t start, int64_t end)
{
    int64_t last = (int64_t)v.len + 1;
    start = start < 1 ? 1 : start > last ? last : start;
    end = end > last ? last : end < start ? start : end;
    return bytes_value(v.ptr + start - 1, (size_t)(end - start));
}

bool fn_bytes_substring(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                        struct error *err)
{
    (void)ev;
    if (e->count > 2 && args[2].i < 0)
        return function_fail(err, "22011", "negative substring length not allowed");
    *out = slice_of(args[0], args[1].i, e->count > 2 ? args[1].i + args[2].i : INT64_MAX);
    return true;
}

bool fn_bytes_overlay(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                      struct error *err)
{
    int64_t start = args[2].i, replaced = e->count > 3 ? args[3].i : args[1].len, behind = start + replaced;
    if (start <= 0)
        return function_fail(err, "22011", "negative substring length not allowed");
    if (behind > INT32_MAX || behind < INT32_MIN)
        return function_fail(err, "22003", "integer out of range");
    struct value head = slice_of(args[0], 1, start), tail = slice_of(args[0], behind, INT64_MAX);
    char *data = arena_alloc(ev->arena, (size_t)head.len + args[1].len + tail.len + 1);
    memcpy(data, head.ptr, head.len);
    memcpy(data + head.len, args[1].ptr, args[1].len);
    memcpy(data + head.len + args[1].len, tail.ptr, tail.len);
    *out = bytes_value(data, (size_t)head.len + args[1].len + tail.len);
    return true;
}

bool fn_bytes_position(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    (void)ev, (void)e, (void)err;
    const char *at = args[1].len == 0 ? args[0].ptr : memmem(args[0].ptr, args[0].len, args[1].ptr, args[1].len);
    *out = value_int(at ? at - args[0].ptr + 1 : 0);
    return true;
}

static bool has_byte(struct value set, char c)
{
    return set.len && memchr(set.ptr, c, set.len) != NULL;
}

/* variant: enum trim_side */
bool fn_bytes_trim(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    (void)ev, (void)err;
    size_t from = 0, to = args[0].len;
    while ((e->variant & TRIM_LEFT) && from < to && has_byte(args[1], args[0].ptr[from]))
        from++;
    while ((e->variant & TRIM_RIGHT) && to > from && has_byte(args[1], args[0].ptr[to - 1]))
        to--;
    *out = bytes_value(args[0].ptr + from, to - from);
    return true;
}

/* ---- single bytes and bits: the first bit of a byte is its lowest
 * ---------------------------------------------------- */

static bool check_index(int64_t index, int64_t count, struct error *err)
{
    if (index >= 0 && index < count)
        return true;
    return function_fail(err, "2202E", "index %lld out of valid range, 0..%lld", (long long)index,
                         (long long)count - 1);
}

bool fn_get_byte(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e;
    if (!check_index(args[1].i, args[0].len, err))
        return false;
    *out = value_int((unsigned char)args[0].ptr[args[1].i]);
    return true;
}

bool fn_set_byte(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    if (!check_index(args[1].i, args[0].len, err))
        return false;
    char *data = copy_of(ev, args[0]);
    data[args[1].i] = (char)args[2].i;
    *out = bytes_value(data, args[0].len);
    return true;
}

bool fn_get_bit(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e;
    if (!check_index(args[1].i, (int64_t)args[0].len * 8, err))
        return false;
    *out = value_int((unsigned char)args[0].ptr[args[1].i / 8] >> (args[1].i % 8) & 1);
    return true;
}

bool fn_set_bit(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    if (!check_index(args[1].i, (int64_t)args[0].len * 8, err))
        return false;
    if (args[2].i != 0 && args[2].i != 1)
        return function_fail(err, "22023", "new bit must be 0 or 1");
    char *data = copy_of(ev, args[0]);
    unsigned char bit = (unsigned char)(1u << (args[1].i % 8)), *byte = (unsigned char *)data + args[1].i / 8;
    *byte = args[2].i ? *byte | bit : (unsigned char)(*byte & ~bit);
    *out = bytes_value(data, args[0].len);
    return true;
}

bool fn_bit_count(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    int64_t count = 0;
    for (size_t i = 0; i < args[0].len; i++)
        count += __builtin_popcount((unsigned char)args[0].ptr[i]);
    *out = value_int(count);
    return true;
}
