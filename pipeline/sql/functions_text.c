/*
 * String functions (manual, 9.4). Positions count characters from 1.
 */
#include <stdarg.h>
#include <stdio.h>

#include "pipeline/sql/implementation.h"
#include "pipeline/sql/text.h"

bool function_fail(struct error *err, const char *sqlstate, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(err, ERROR_REJECT, "%s", text);
    snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate);
    return false;
}

static struct value piece(struct value of, size_t from, size_t to)
{
    return value_text((struct str){of.ptr + from, to - from});
}

bool fn_length(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_int((int64_t)text_length(value_str(args[0])));
    return true;
}

bool fn_octet_length(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_int(args[0].len);
    return true;
}

bool fn_bit_length(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_int((int64_t)args[0].len * 8);
    return true;
}

/* variant: enum text_case */
bool fn_change_case(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    (void)err;
    ev->scratch.len = 0;
    text_change_case(value_str(args[0]), (enum text_case)e->variant, &ev->scratch);
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

static bool has_char(struct str set, const char *c, size_t bytes)
{
    for (size_t i = 0; i < set.len; i += text_char_bytes(set.data[i]))
        if (text_char_bytes(set.data[i]) == bytes && memcmp(set.data + i, c, bytes) == 0)
            return true;
    return false;
}

/* variant: enum trim_side. The second argument is a set of characters; a blank where it is missing. */
bool fn_trim(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)err;
    struct str set = e->count > 1 ? value_str(args[1]) : STR(" ");
    const char *text = args[0].ptr;
    size_t from = 0, to = args[0].len;
    while ((e->variant & TRIM_LEFT) && from < to && has_char(set, text + from, text_char_bytes(text[from])))
        from += text_char_bytes(text[from]);
    while ((e->variant & TRIM_RIGHT) && to > from) {
        size_t last = to - 1;
        while (last > from && ((unsigned char)text[last] & 0xC0) == 0x80)
            last--;
        if (!has_char(set, text + last, to - last))
            break;
        to = last;
    }
    *out = piece(args[0], from, to);
    return true;
}

/* Characters [start, start + count) as far as they exist; start may be before the first. */
bool fn_substring(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev;
    int64_t start = args[1].i, end = INT64_MAX;
    if (e->count > 2) {
        if (args[2].i < 0)
            return function_fail(err, "22011", "negative substring length not allowed");
        end = start + args[2].i;
    }
    struct str s = value_str(args[0]);
    start = start < 1 ? 1 : start;
    end = end < start ? start : end;
    size_t from = text_bytes_of(s, (size_t)(start - 1));
    struct str rest = {s.data + from, s.len - from};
    *out = piece(args[0], from, from + text_bytes_of(rest, (size_t)(end - start)));
    return true;
}

/* The number of characters to keep: a negative n leaves out -n at the other end. */
static size_t kept_chars(struct str s, int64_t n)
{
    if (n >= 0)
        return (size_t)n;
    int64_t length = (int64_t)text_length(s);
    return length + n > 0 ? (size_t)(length + n) : 0;
}

bool fn_left(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    struct str s = value_str(args[0]);
    *out = piece(args[0], 0, text_bytes_of(s, kept_chars(s, args[1].i)));
    return true;
}

bool fn_right(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    struct str s = value_str(args[0]);
    size_t length = text_length(s), kept = kept_chars(s, args[1].i);
    if (args[1].i == INT32_MIN) /* Postgres cannot negate it, and takes nothing away */
        kept = length;
    *out = piece(args[0], text_bytes_of(s, kept < length ? length - kept : 0), s.len);
    return true;
}

bool fn_reverse(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e, (void)err;
    uint32_t len = args[0].len;
    char *reversed = arena_alloc(ev->arena, len + 1);
    for (size_t i = 0; i < len;) {
        size_t bytes = text_char_bytes(args[0].ptr[i]);
        memcpy(reversed + len - i - bytes, args[0].ptr + i, bytes);
        i += bytes;
    }
    *out = value_text((struct str){reversed, len});
    return true;
}

bool fn_repeat(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    uint64_t times = args[1].i < 0 ? 0 : (uint64_t)args[1].i, len = args[0].len;
    if (len * times > FUNCTION_MAX_TEXT)
        return function_fail(err, "54000", "requested length too large");
    char *text = arena_alloc(ev->arena, len * times + 1);
    for (uint64_t i = 0; i < times && len; i++)
        memcpy(text + i * len, args[0].ptr, len);
    *out = value_text((struct str){text, len * times});
    return true;
}

/* variant: enum pad_side. lpad and rpad: also cuts to the length. */
bool fn_pad(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    struct str s = value_str(args[0]), fill = e->count > 2 ? value_str(args[2]) : STR(" ");
    size_t wanted = args[1].i < 0 ? 0 : (size_t)args[1].i, length = text_length(s), fill_length = text_length(fill);
    size_t kept = text_bytes_of(s, wanted), missing = wanted > length && fill_length ? wanted - length : 0;
    size_t fill_bytes = missing ? missing / fill_length * fill.len + text_bytes_of(fill, missing % fill_length) : 0;
    if (kept + fill_bytes > FUNCTION_MAX_TEXT)
        return function_fail(err, "54000", "requested length too large");
    char *text = arena_alloc(ev->arena, kept + fill_bytes + 1);
    char *filling = e->variant == PAD_LEFT ? text : text + kept;
    for (size_t i = 0; i < fill_bytes; i += fill.len)
        memcpy(filling + i, fill.data, fill_bytes - i < fill.len ? fill_bytes - i : fill.len);
    if (kept)
        memcpy(e->variant == PAD_LEFT ? text + fill_bytes : text, s.data, kept);
    *out = value_text((struct str){text, kept + fill_bytes});
    return true;
}

bool fn_md5(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e, (void)err;
    char *hex = arena_alloc(ev->arena, 32);
    md5_hex(value_str(args[0]), hex);
    *out = value_text((struct str){hex, 32});
    return true;
}

bool fn_ascii(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e, (void)err;
    *out = value_int(args[0].len ? text_decode(args[0].ptr) : 0);
    return true;
}

bool fn_chr(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    int64_t c = args[0].i;
    if (c == 0)
        return function_fail(err, "54000", "null character not permitted");
    if (c < 0)
        return function_fail(err, "22023", "character number must be positive");
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return function_fail(err, "54000", "requested character too large for encoding: %lld", (long long)c);
    char bytes[4];
    *out = eval_text(ev, bytes, text_encode((uint32_t)c, bytes));
    return true;
}

bool fn_to_hex(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)err;
    char hex[20];
    uint64_t bits = e->args[0]->type.id == TYPE_BIGINT ? (uint64_t)args[0].i : (uint32_t)args[0].i;
    int len = snprintf(hex, sizeof(hex), "%llx", (unsigned long long)bits);
    *out = eval_text(ev, hex, (size_t)len);
    return true;
}

/* The characters [start, start + replaced) give way to the second argument; as many as it has where the fourth is
 * missing. */
bool fn_overlay(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    struct str s = value_str(args[0]), by = value_str(args[1]);
    int64_t start = args[2].i, replaced = e->count > 3 ? args[3].i : (int64_t)text_length(by),
            behind = start + replaced;
    if (start <= 0)
        return function_fail(err, "22011", "negative substring length not allowed");
    if (behind > INT32_MAX || behind < INT32_MIN)
        return function_fail(err, "22003", "integer out of range");
    size_t head = text_bytes_of(s, (size_t)(start - 1)), tail = text_bytes_of(s, behind < 1 ? 0 : (size_t)(behind - 1));
    char *text = arena_alloc(ev->arena, head + by.len + (s.len - tail) + 1);
    memcpy(text, s.data, head);
    memcpy(text + head, by.data, by.len);
    memcpy(text + head + by.len, s.data + tail, s.len - tail);
    *out = value_text((struct str){text, head + by.len + (s.len - tail)});
    return true;
}
