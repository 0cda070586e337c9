#include <math.h>

#include "pipeline/codec/avro_data.h"
#include "pipeline/codec/cbor.h"
#include "pipeline/event/numeric.h"

struct reader {
    const unsigned char *start, *at, *end;
    struct cbor_fault *fault;
    struct arena *arena;
    uint32_t depth; /* levels that may still be entered */
};

struct head {
    const unsigned char *from;
    uint64_t argument;
    unsigned char major, info;
};
enum { INDEFINITE = 31, BREAK = 0xff };

static bool fail(struct reader *r, const unsigned char *where, const char *why)
{
    *r->fault = (struct cbor_fault){why, (size_t)(where - r->start)};
    return false;
}

static bool ends_early(struct reader *r)
{
    return fail(r, r->end, "it ends early");
}

/* RFC 8949, 3: three bits of major type, five that say where the argument is. */
static bool read_head(struct reader *r, struct head *h)
{
    if (r->at == r->end)
        return ends_early(r);
    h->from = r->at;
    unsigned char first = *r->at++;
    h->major = first >> 5;
    h->info = first & 31;
    h->argument = h->info;
    if (h->info < 24)
        return true;
    if (h->info < 28) {
        size_t bytes = (size_t)1 << (h->info - 24);
        if ((size_t)(r->end - r->at) < bytes)
            return ends_early(r);
        h->argument = 0;
        for (; bytes > 0; bytes--)
            h->argument = h->argument << 8 | *r->at++;
        return true;
    }
    if (h->info != INDEFINITE)
        return fail(r, h->from, "a reserved length");
    if (h->major == CBOR_UNSIGNED || h->major == CBOR_NEGATIVE || h->major == CBOR_TAG)
        return fail(r, h->from, "an integer or tag without an end");
    return true;
}

static bool take(struct reader *r, uint64_t len, struct str *out)
{
    if ((uint64_t)(r->end - r->at) < len)
        return ends_early(r);
    *out = (struct str){(const char *)r->at, (size_t)len};
    r->at += len;
    return true;
}

static bool at_break(struct reader *r)
{
    if (r->at == r->end || *r->at != BREAK)
        return false;
    r->at++;
    return true;
}

/* ---- strings ------------------------------------------------------------------------------------------------------------- */

static bool add_text(struct reader *r, struct str s, struct buffer *out)
{
    size_t valid = utf8_valid_prefix(s);
    if (valid != s.len)
        return fail(r, (const unsigned char *)s.data + valid, "invalid UTF-8");
    json_escape(out, s);
    return true;
}

static bool add_hex(struct reader *r, struct str s, struct buffer *out)
{
    static const char digits[] = "0123456789abcdef";
    (void)r;
    char *to = buffer_reserve(out, 2 * s.len);
    for (size_t i = 0; i < s.len; i++) {
        *to++ = digits[(unsigned char)s.data[i] >> 4];
        *to++ = digits[s.data[i] & 15];
    }
    out->len += 2 * s.len;
    return true;
}

static bool add_bytes(struct reader *r, struct str s, struct buffer *out)
{
    (void)r;
    buffer_add_str(out, s);
    return true;
}

/* A string in one piece, or in pieces up to a break, each of which is one in one piece, and UTF-8 by itself (3.2.3). */
static bool read_string(struct reader *r, struct head h, bool (*add)(struct reader *, struct str, struct buffer *), struct buffer *out)
{
    struct str s;
    if (h.info != INDEFINITE)
        return take(r, h.argument, &s) && add(r, s, out);
    while (!at_break(r)) {
        struct head piece;
        if (!read_head(r, &piece))
            return false;
        if (piece.major != h.major || piece.info == INDEFINITE)
            return fail(r, piece.from, "a piece of a string is another kind of item");
        if (!take(r, piece.argument, &s) || !add(r, s, out))
            return false;
    }
    return true;
}

static bool read_text(struct reader *r, struct head h, struct buffer *out)
{
    buffer_add_byte(out, '"');
    if (!read_string(r, h, add_text, out))
        return false;
    buffer_add_byte(out, '"');
    return true;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------------- */

static void put_integer(struct head h, struct buffer *out)
{
    if (h.major == CBOR_UNSIGNED)
        buffer_printf(out, "%llu", (unsigned long long)h.argument);
    else if (h.argument == UINT64_MAX)
        buffer_add_str(out, STR("-18446744073709551616"));
    else
        buffer_printf(out, "-%llu", (unsigned long long)h.argument + 1);
}

/* RFC 8949, appendix D. */
static double half(uint64_t bits)
{
    int exponent = (int)(bits >> 10) & 31;
    double mantissa = (double)(bits & 1023), v;
    if (exponent == 0)
        v = ldexp(mantissa, -24);
    else if (exponent != 31)
        v = ldexp(mantissa + 1024, exponent - 25);
    else
        v = mantissa == 0 ? INFINITY : NAN;
    return bits & 0x8000 ? -v : v;
}

static bool is_float(struct head h)
{
    return h.major == CBOR_SIMPLE && h.info >= 25 && h.info <= 27;
}

static double float_of(struct head h)
{
    if (h.info == 25)
        return half(h.argument);
    if (h.info == 26) {
        uint32_t bits = (uint32_t)h.argument;
        float f;
        memcpy(&f, &bits, sizeof(f));
        return f;
    }
    double d;
    memcpy(&d, &h.argument, sizeof(d));
    return d;
}

/* The integer of tag 2 or 3, or an integer itself, as two's complement. */
static bool read_integer(struct reader *r, struct head h, struct str *out)
{
    struct buffer bytes = {0};
    bool negative = h.major == CBOR_NEGATIVE, good = true;
    buffer_add_byte(&bytes, 0);
    if (h.major == CBOR_TAG && (h.argument == CBOR_TAG_BIGNUM || h.argument == CBOR_TAG_NEGATIVE_BIGNUM)) {
        struct head content;
        negative = h.argument == CBOR_TAG_NEGATIVE_BIGNUM;
        good = read_head(r, &content) && (content.major == CBOR_BYTES || fail(r, content.from, "a bignum is a byte string")) &&
               read_string(r, content, add_bytes, &bytes) && (bytes.len <= CBOR_BIGNUM_MAX + 1 || fail(r, h.from, "a bignum of more than 4096 bytes"));
    } else if (h.major <= CBOR_NEGATIVE) {
        buffer_add_be64(&bytes, h.argument);
    } else {
        good = fail(r, h.from, "an integer is expected here");
    }
    for (size_t i = 0; i < bytes.len && negative; i++)
        bytes.data[i] = (char)~bytes.data[i]; /* -1 - n */
    *out = arena_str(r->arena, (struct str){bytes.data, bytes.len});
    buffer_release(&bytes);
    return good;
}

/* Tag 4: [exponent, mantissa]. Far exponents stay exponents, so that few bytes do not become many zeros. */
static bool read_decimal(struct reader *r, struct buffer *out)
{
    enum { NEAR = 64, FAR = 200000 };
    struct head array, exponent, mantissa;
    struct str digits;
    if (!read_head(r, &array))
        return false;
    if (array.major != CBOR_ARRAY || array.info == INDEFINITE || array.argument != 2)
        return fail(r, array.from, "a decimal fraction is an array of exponent and mantissa");
    if (!read_head(r, &exponent))
        return false;
    if (exponent.major > CBOR_NEGATIVE || exponent.argument > FAR)
        return fail(r, exponent.from, "the exponent of a decimal fraction is no integer between -200000 and 200000");
    if (!read_head(r, &mantissa) || !read_integer(r, mantissa, &digits))
        return false;
    int32_t scale = exponent.major == CBOR_NEGATIVE ? (int32_t)exponent.argument + 1 : -(int32_t)exponent.argument;
    bool near = scale >= 0 && scale <= NEAR;
    numeric_print(avro_decimal_value(digits, near ? scale : 0, r->arena), out);
    if (!near)
        buffer_printf(out, "e%d", -scale);
    return true;
}

/* Tag 1: seconds since 1970. */
static bool read_epoch(struct reader *r, struct buffer *out)
{
    static const double earliest = -210866803200.0, end = 9224318016000.0; /* what timestamptz can hold */
    struct head h;
    double seconds;
    int64_t us;
    if (!read_head(r, &h))
        return false;
    if (h.major <= CBOR_NEGATIVE)
        seconds = h.major == CBOR_UNSIGNED ? (double)h.argument : -1 - (double)h.argument;
    else if (is_float(h))
        seconds = float_of(h);
    else
        return fail(r, h.from, "a time (tag 1) is a number of seconds");
    if (!(seconds >= earliest && seconds < end))
        return fail(r, h.from, "a time that no timestamp can hold");
    us = h.major <= CBOR_NEGATIVE ? (int64_t)seconds * 1000000 - 946684800000000 : (int64_t)llround((seconds - 946684800.0) * 1e6);
    value_print_json((struct value){.kind = VALUE_TIMESTAMPTZ, .i = us}, TYPE(TYPE_TIMESTAMPTZ), zone_utc, out);
    return true;
}

static bool read_simple(struct reader *r, struct head h, struct buffer *out)
{
    static const char *const names[] = {"false", "true", "null", "null"};
    if (is_float(h)) {
        /* As short as tells it from every other one of its width. */
        struct value v = {.kind = h.info == 27 ? VALUE_DOUBLE : VALUE_REAL, .d = float_of(h)};
        value_print_json(v, TYPE(h.info == 27 ? TYPE_DOUBLE : TYPE_REAL), zone_utc, out);
        return true;
    }
    if (h.info >= 20 && h.info < 24) {
        buffer_add_str(out, str_of(names[h.info - 20]));
        return true;
    }
    return fail(r, h.from, h.info == INDEFINITE ? "a break where no item has been left open" : "a simple value that means nothing");
}

/* ---- items --------------------------------------------------------------------------------------------------------------- */

static bool read_item(struct reader *r, struct head h, struct buffer *out);

static bool read_next(struct reader *r, struct buffer *out)
{
    struct head h;
    return read_head(r, &h) && read_item(r, h, out);
}

static bool read_key(struct reader *r, struct buffer *out)
{
    struct head key;
    if (!read_head(r, &key))
        return false;
    if (key.major != CBOR_TEXT)
        return fail(r, key.from, "a member's name is not text");
    if (!read_text(r, key, out))
        return false;
    buffer_add_byte(out, ':');
    return true;
}

static bool read_items(struct reader *r, struct head h, struct buffer *out)
{
    bool map = h.major == CBOR_MAP;
    buffer_add_byte(out, map ? '{' : '[');
    for (uint64_t i = 0; h.info == INDEFINITE ? !at_break(r) : i < h.argument; i++) {
        if (i > 0)
            buffer_add_byte(out, ',');
        if ((map && !read_key(r, out)) || !read_next(r, out))
            return false;
    }
    buffer_add_byte(out, map ? '}' : ']');
    return true;
}

static bool read_tagged(struct reader *r, struct head tag, struct buffer *out)
{
    struct str digits;
    switch (tag.argument) {
    case CBOR_TAG_EPOCH:
        return read_epoch(r, out);
    case CBOR_TAG_BIGNUM:
    case CBOR_TAG_NEGATIVE_BIGNUM:
        if (!read_integer(r, tag, &digits))
            return false;
        numeric_print(avro_decimal_value(digits, 0, r->arena), out);
        return true;
    case CBOR_TAG_DECIMAL:
        return read_decimal(r, out);
    default:
        return read_next(r, out); /* text times are text; what else a tag says is for others */
    }
}

static bool read_item(struct reader *r, struct head h, struct buffer *out)
{
    if (h.major == CBOR_SIMPLE)
        return read_simple(r, h, out);
    if (h.major == CBOR_TEXT)
        return read_text(r, h, out);
    if (h.major == CBOR_BYTES) {
        buffer_add_str(out, STR("\"\\\\x"));
        if (!read_string(r, h, add_hex, out))
            return false;
        buffer_add_byte(out, '"');
        return true;
    }
    if (h.major <= CBOR_NEGATIVE) {
        put_integer(h, out);
        return true;
    }
    if (r->depth == 0)
        return fail(r, h.from, "nested too deeply (json.max_depth)");
    r->depth--;
    bool good = h.major == CBOR_TAG ? read_tagged(r, h, out) : read_items(r, h, out);
    r->depth++;
    return good;
}

bool cbor_read_json(struct str bytes, uint32_t max_depth, struct arena *a, struct buffer *out, struct cbor_fault *fault)
{
    const unsigned char *start = (const unsigned char *)bytes.data;
    struct reader r = {.start = start, .at = start, .end = start + bytes.len, .fault = fault, .arena = a, .depth = max_depth};
    return read_next(&r, out) && (r.at == r.end || fail(&r, r.at, "something follows behind the item"));
}
