#include "pipeline/event/numeric_big.h"

#include <limits.h>
#include <stdlib.h>

static const unsigned pow10_of[BIG_DIGITS + 1] = {1, 10, 100, 1000, 10000};

void big_init(struct big *b)
{
    b->kind = BIG_FINITE;
    b->negative = false;
    b->weight = b->count = b->dscale = 0;
    b->capacity = BIG_SMALL;
    b->digits = b->small;
}

void big_release(struct big *b)
{
    if (b->digits != b->small)
        free(b->digits);
}

void big_make(struct big *b, int count)
{
    if (count > b->capacity) {
        big_release(b);
        b->digits = mem_alloc(sizeof(*b->digits) * (size_t)count);
        b->capacity = count;
    }
    memset(b->digits, 0, sizeof(*b->digits) * (size_t)count);
    b->count = count;
}

void big_strip(struct big *b)
{
    int leading = 0;
    while (b->count > 0 && b->digits[b->count - 1] == 0)
        b->count--;
    while (leading < b->count && b->digits[leading] == 0)
        leading++;
    if (leading) {
        b->count -= leading;
        b->weight -= leading;
        memmove(b->digits, b->digits + leading, sizeof(*b->digits) * (size_t)b->count);
    }
    if (b->count == 0) {
        b->weight = 0;
        b->negative = false;
    }
}

/* The parts of a number's text. Zeros before the first other digit are not among the digits. */
struct scanned {
    bool negative;
    const char *first, *end; /* digits, perhaps with a point between them */
    int integer_digits;      /* of those: left of the point; negative for zeros that came right behind it */
    int fraction_digits;     /* right of the point */
    int exponent;
};

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static bool scan_exponent(const char **at, const char *end, int *exponent)
{
    const char *p = *at + 1;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (!is_digit(p, end))
        return false;
    int n = 0;
    for (; is_digit(p, end); p++)
        n = n >= INT_MAX / 20 ? INT_MAX / 2 : n * 10 + (*p - '0'); /* far beyond what fits */
    *exponent = negative ? -n : n;
    *at = p;
    return true;
}

static bool scan(struct str text, struct scanned *s)
{
    const char *p = text.data, *end = p + text.len;
    *s = (struct scanned){.negative = p < end && *p == '-'};
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    bool any = is_digit(p, end);
    while (p < end && *p == '0')
        p++;
    s->first = p;
    for (; is_digit(p, end); p++)
        s->integer_digits++;
    if (p < end && *p == '.') {
        p++;
        const char *fraction = p;
        for (; is_digit(p, end); p++)
            s->fraction_digits++;
        any = any || p > fraction;
        if (s->integer_digits == 0) {
            for (s->first = fraction; s->first < p && *s->first == '0'; s->first++)
                s->integer_digits--;
        }
    }
    s->end = p;
    if (any && p < end && (*p == 'e' || *p == 'E') && !scan_exponent(&p, end, &s->exponent))
        return false;
    return any && p == end;
}

static bool parse_special(struct big *b, struct str text)
{
    bool negative = text.len && text.data[0] == '-';
    struct str name = text;
    if (negative || (text.len && text.data[0] == '+')) {
        name.data++;
        name.len--;
    }
    bool infinite = str_eq_nocase(name, STR("infinity")) || str_eq_nocase(name, STR("inf"));
    if (!infinite && !str_eq_nocase(text, STR("nan")))
        return false;
    b->kind = infinite ? BIG_INFINITE : BIG_NAN;
    b->negative = infinite && negative;
    return true;
}

bool big_parse(struct big *b, struct str text)
{
    struct scanned s;
    if (text.len > INT_MAX / 4)
        return false;
    if (!scan(text, &s))
        return parse_special(b, text);
    b->negative = s.negative;
    b->dscale = s.fraction_digits > s.exponent ? s.fraction_digits - s.exponent : 0;
    int top = s.integer_digits + s.exponent - 1; /* the first digit stands for 10^top */
    int weight = top >= 0 ? top / BIG_DIGITS : -((-top - 1) / BIG_DIGITS) - 1;
    int place = top - weight * BIG_DIGITS; /* of the first digit within its base-10000 digit */
    int total = (int)(s.end - s.first);
    big_make(b, total / BIG_DIGITS + 2);
    b->weight = weight;
    int i = 0;
    for (const char *p = s.first; p < s.end; p++) {
        if (*p == '.')
            continue;
        b->digits[i] = (uint16_t)(b->digits[i] + (unsigned)(*p - '0') * pow10_of[place]);
        if (place-- == 0) {
            place = BIG_DIGITS - 1;
            i++;
        }
    }
    big_strip(b);
    return true;
}

static void big_of_decimal(struct big *b, int64_t coefficient, int scale)
{
    uint64_t magnitude = coefficient < 0 ? -(uint64_t)coefficient : (uint64_t)coefficient;
    int fraction = (scale + BIG_DIGITS - 1) / BIG_DIGITS; /* base-10000 digits behind the point */
    unsigned __int128 wide = (unsigned __int128)magnitude * pow10_of[fraction * BIG_DIGITS - scale];
    enum { MOST = 7 }; /* 10^19 * 10^3 has 23 decimal digits */
    big_make(b, MOST);
    for (int i = MOST - 1; wide; i--, wide /= BIG_BASE)
        b->digits[i] = (uint16_t)(wide % BIG_BASE);
    b->negative = coefficient < 0;
    b->dscale = scale;
    b->weight = MOST - 1 - fraction;
    big_strip(b);
}

void big_of_value(struct big *b, struct value v)
{
    if (v.kind == VALUE_DECIMAL) {
        big_of_decimal(b, v.i, v.scale);
        return;
    }
    bool ok = v.kind == VALUE_NUMBER && big_parse(b, value_str(v));
    assert(ok);
    (void)ok;
}

bool big_fits(const struct big *b)
{
    return b->kind != BIG_FINITE || (b->weight <= NUMERIC_MAX_WEIGHT && b->dscale <= NUMERIC_MAX_DSCALE);
}

int big_integer_digits(const struct big *x)
{
    int digits = (x->weight + 1) * BIG_DIGITS;
    for (unsigned limit = BIG_BASE / 10; x->digits[0] < limit; limit /= 10)
        digits--;
    return digits;
}

static void add_unit(struct big *b, int at, unsigned unit)
{
    unsigned carry = unit;
    for (; at >= 0 && carry; at--) {
        unsigned sum = b->digits[at] + carry;
        carry = sum >= BIG_BASE;
        b->digits[at] = (uint16_t)(carry ? sum - BIG_BASE : sum);
    }
    if (!carry)
        return;
    /* Every digit has become 0, so there is room for one in front where there was one at all. */
    b->digits[0] = 1;
    b->count = 1;
    b->weight++;
}

void big_round(struct big *b, int places, enum big_rounding how)
{
    b->dscale = places > 0 ? places : 0;
    if (b->count == 0)
        return;
    int keep =
        (b->weight + 1) * BIG_DIGITS + places; /* decimal digits, from the first base-10000 digit's thousands on */
    if (keep < 0) {
        b->count = 0;
        big_strip(b);
        return;
    }
    int whole = keep / BIG_DIGITS, part = keep % BIG_DIGITS;
    if (whole >= b->count)
        return;
    unsigned unit = pow10_of[BIG_DIGITS - part];
    unsigned rest = b->digits[whole] % unit;
    b->digits[whole] = (uint16_t)(b->digits[whole] - rest);
    b->count = whole + (part > 0);
    if (how == BIG_ROUND && rest >= unit / 2)
        add_unit(b, part > 0 ? whole : whole - 1, part > 0 ? unit : 1);
    big_strip(b);
}

int big_compare_magnitudes(const struct big *x, const struct big *y)
{
    if (x->count == 0 || y->count == 0)
        return (x->count > 0) - (y->count > 0);
    if (x->weight != y->weight)
        return x->weight > y->weight ? 1 : -1;
    for (int i = 0; i < x->count && i < y->count; i++)
        if (x->digits[i] != y->digits[i])
            return x->digits[i] > y->digits[i] ? 1 : -1;
    return (x->count > y->count) - (x->count < y->count);
}

/* Where a number stands among the special ones. */
static int rank(const struct big *b)
{
    if (b->kind == BIG_NAN)
        return 2;
    return b->kind == BIG_FINITE ? 0 : b->negative ? -1 : 1;
}

int big_compare(const struct big *x, const struct big *y)
{
    int p = rank(x), q = rank(y);
    if (p || q)
        return (p > q) - (p < q);
    if (x->negative != y->negative)
        return x->negative ? -1 : 1;
    return x->negative ? big_compare_magnitudes(y, x) : big_compare_magnitudes(x, y);
}

static unsigned digit_at(const struct big *b, int weight)
{
    int i = b->weight - weight;
    return i >= 0 && i < b->count ? b->digits[i] : 0;
}

static char *put_four(char *p, unsigned digits)
{
    for (int i = BIG_DIGITS - 1; i >= 0; i--, digits /= 10)
        p[i] = (char)('0' + digits % 10);
    return p + BIG_DIGITS;
}

static char *put_first(char *p, unsigned digits)
{
    int places = digits < 10 ? 1 : digits < 100 ? 2 : digits < 1000 ? 3 : 4;
    for (int i = places - 1; i >= 0; i--, digits /= 10)
        p[i] = (char)('0' + digits % 10);
    return p + places;
}

void big_print(const struct big *b, struct buffer *out)
{
    if (b->kind == BIG_NAN) {
        buffer_add_str(out, STR("NaN"));
        return;
    }
    if (b->negative)
        buffer_add_byte(out, '-');
    if (b->kind == BIG_INFINITE) {
        buffer_add_str(out, STR("Infinity"));
        return;
    }
    char *p = buffer_reserve(out, (size_t)(b->weight > 0 ? b->weight + 1 : 1) * BIG_DIGITS + (size_t)b->dscale + 16);
    char *start = p;
    if (b->weight < 0 || b->count == 0)
        *p++ = '0';
    else
        p = put_first(p, b->digits[0]);
    for (int weight = b->weight - 1; weight >= 0; weight--)
        p = put_four(p, digit_at(b, weight));
    if (b->dscale) {
        *p++ = '.';
        char *fraction = p;
        for (int weight = -1; p - fraction < b->dscale; weight--)
            p = put_four(p, digit_at(b, weight));
        p = fraction + b->dscale;
    }
    out->len += (size_t)(p - start);
}

/* numeric_send() of src/backend/utils/adt/numeric.c: the signs are its NUMERIC_POS, _NEG, _NAN, _PINF and _NINF. */
void big_print_binary(const struct big *b, struct buffer *out)
{
    if (b->kind != BIG_FINITE) {
        unsigned sign = b->kind == BIG_NAN ? 0xC000 : b->negative ? 0xF000 : 0xD000;
        buffer_add_be16(out, 0);
        buffer_add_be16(out, 0);
        buffer_add_be16(out, (uint16_t)sign);
        buffer_add_be16(out, b->kind == BIG_NAN ? 0 : 32);
        return;
    }
    buffer_add_be16(out, (uint16_t)b->count);
    buffer_add_be16(out, (uint16_t)b->weight);
    buffer_add_be16(out, b->negative ? 0x4000 : 0);
    buffer_add_be16(out, (uint16_t)b->dscale);
    for (int i = 0; i < b->count; i++)
        buffer_add_be16(out, b->digits[i]);
}
