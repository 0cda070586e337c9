/*
 * Decimals: an unscaled integer of any size, two's complement, big endian (specification: "Decimal").
 */
#include <stdlib.h>

#include "pipeline/codec/avro_data.h"
#include "pipeline/event/numeric.h"

enum { CHUNK = 1000000000, CHUNK_DIGITS = 9 };

/* Eight bytes or less. */
static int64_t small(struct str bytes)
{
    uint64_t v = bytes.len && (bytes.data[0] & 0x80) ? UINT64_MAX : 0;
    for (size_t i = 0; i < bytes.len; i++)
        v = v << 8 | (unsigned char)bytes.data[i];
    return (int64_t)v;
}

/* Digits from the magnitude's bytes, by dividing it again and again; `magnitude` is used up. Returns where they start: at the end of digits[]. */
static char *print_magnitude(unsigned char *magnitude, size_t len, char *digits_end)
{
    size_t first = 0;
    char *to = digits_end;
    while (first < len) {
        uint64_t rest = 0;
        for (size_t i = first; i < len; i++) {
            rest = rest << 8 | magnitude[i];
            magnitude[i] = (unsigned char)(rest / CHUNK);
            rest %= CHUNK;
        }
        while (first < len && magnitude[first] == 0)
            first++;
        for (int i = 0; i < CHUNK_DIGITS; i++, rest /= 10)
            *--to = (char)('0' + rest % 10);
    }
    while (to < digits_end && *to == '0')
        to++;
    return to;
}

struct value avro_decimal_value(struct str bytes, int32_t scale, struct arena *a)
{
    while (bytes.len > 8 && ((bytes.data[0] == 0 && !(bytes.data[1] & 0x80)) || ((unsigned char)bytes.data[0] == 0xff && (bytes.data[1] & 0x80))))
        bytes = (struct str){bytes.data + 1, bytes.len - 1};
    if (bytes.len <= 8 && scale <= DECIMAL_MAX_SCALE)
        return value_decimal(small(bytes), (unsigned)scale);
    bool negative = bytes.len && (bytes.data[0] & 0x80);
    unsigned char *magnitude = arena_alloc(a, bytes.len + 1);
    unsigned carry = negative;
    for (size_t i = bytes.len; i-- > 0;) {
        unsigned byte = (unsigned char)bytes.data[i];
        byte = (negative ? 255 - byte : byte) + carry;
        magnitude[i] = (unsigned char)byte;
        carry = byte >> 8;
    }
    size_t room = bytes.len * 3 + CHUNK_DIGITS + (size_t)scale + 4;
    char *text = arena_alloc(a, room), *end = text + room;
    char *first = print_magnitude(magnitude, bytes.len, end);
    while (end - first <= scale)
        *--first = '0';
    /* Make room for the point: the whole part moves one place to the front. */
    if (scale > 0) {
        memmove(first - 1, first, (size_t)(end - first - scale));
        first--;
        end[-scale - 1] = '.';
    }
    if (negative)
        *--first = '-';
    return numeric_normalise(a, (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)(end - first), .ptr = first});
}

/* The digits of the unscaled value, without sign and point. */
static bool unscaled(struct value v, int32_t scale, struct buffer *digits, bool *negative)
{
    struct buffer text = {0};
    numeric_print(v, &text);
    int32_t behind = -1;
    bool ok = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '-')
            *negative = true;
        else if (c == '.')
            behind = 0;
        else if (c >= '0' && c <= '9') {
            buffer_add_byte(digits, c);
            behind += behind >= 0;
        } else {
            ok = false; /* NaN, Infinity */
        }
    }
    for (int32_t i = behind < 0 ? 0 : behind; i < scale; i++)
        buffer_add_byte(digits, '0');
    buffer_release(&text);
    return ok && behind <= scale;
}

size_t avro_decimal_bytes(struct value v, int32_t scale, uint32_t size, unsigned char *out, size_t most)
{
    struct buffer digits = {0};
    bool negative = false, fits = unscaled(v, scale, &digits, &negative);
    size_t len = size ? size : most, used = 1;
    fits = fits && len <= most;
    if (fits)
        memset(out, 0, len);
    for (size_t d = 0; fits && d < digits.len; d++) {
        unsigned carry = (unsigned)(digits.data[d] - '0');
        for (size_t i = len; i-- > 0 && (carry || i >= len - used);) {
            carry += out[i] * 10u;
            out[i] = (unsigned char)carry;
            carry >>= 8;
            used = len - i > used ? len - i : used;
        }
        fits = carry == 0;
    }
    buffer_release(&digits);
    for (size_t i = len, borrow = 1; fits && negative && i-- > 0;) {
        unsigned byte = 255u - out[i] + (unsigned)borrow;
        out[i] = (unsigned char)byte;
        borrow = byte >> 8;
    }
    bool zero = true;
    for (size_t i = 0; fits && i < len; i++)
        zero &= out[i] == 0;
    if (!fits || (!zero && negative != (out[0] >> 7)))
        return 0;
    if (size)
        return size;
    size_t first = 0; /* the shortest form keeps the sign bit */
    while (first + 1 < len && (out[first] == 0 || out[first] == 0xff) && (out[first] >> 7) == (out[first + 1] >> 7))
        first++;
    memmove(out, out + first, len - first);
    return len - first;
}
