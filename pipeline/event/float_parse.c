#include "pipeline/event/convert_pieces.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

/* Powers of ten that a double holds exactly. */
static const double exact_pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

struct decimal {
    uint64_t digits; /* at most 19 of them */
    int exponent;    /* of ten */
    bool negative;
};

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

/* [-+]digits[.digits][e[-+]digits] to the end of the text, if that fits; the library has the last word on all else. */
static bool read_decimal(struct str s, struct decimal *out)
{
    const char *p = s.data, *end = p + s.len;
    out->negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    uint64_t n = 0;
    const char *start = p, *point = NULL;
    for (; p < end && (is_digit(*p) || (*p == '.' && !point)); p++) {
        if (*p == '.')
            point = p;
        else
            n = n * 10 + (uint64_t)(*p - '0');
    }
    ptrdiff_t count = p - start - (point != NULL);
    if (count < 1 || count > 19)
        return false;
    out->digits = n;
    out->exponent = point ? (int)(point + 1 - p) : 0;
    if (p == end)
        return true;
    if ((*p | 32) != 'e')
        return false;
    p++;
    bool negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    if (p == end || end - p > 3)
        return false;
    int exponent = 0;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        exponent = exponent * 10 + (*p - '0');
    }
    out->exponent += negative ? -exponent : exponent;
    return true;
}

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* By the library, whatever locale the process has. Blanks may be around the number. */
static enum float_fault read_by_library(struct str text, bool real, double *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_c_locale);
    struct str s = str_trim(text);
    char few[128];
    char *copy = s.len < sizeof few ? few : mem_alloc(s.len + 1);
    memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    char *end;
    errno = 0;
    double d = real ? (double)strtof_l(copy, &end, c_locale) : strtod_l(copy, &end, c_locale);
    enum float_fault fault = s.len > 0 && end == copy + s.len ? FLOAT_GOOD : FLOAT_SYNTAX;
    if (errno == ERANGE && (d == 0 || isinf(d))) /* said before anything that is wrong behind it; subnormals are fine */
        fault = FLOAT_RANGE;
    if (copy != few)
        free(copy);
    *out = d;
    return fault;
}

enum float_fault float_read_double(struct str text, double *out)
{
    struct decimal n;
    /* both operands exact: the one rounding is that of the operation (W. D. Clinger, PLDI 1990) */
    if (!read_decimal(text, &n) || n.digits > UINT64_C(1) << 53 || n.exponent < -22 || n.exponent > 22)
        return read_by_library(text, false, out);
    double d = (double)n.digits;
    d = n.exponent < 0 ? d / exact_pow10[-n.exponent] : d * exact_pow10[n.exponent];
    *out = n.negative ? -d : d;
    return FLOAT_GOOD;
}

enum float_fault float_read_real(struct str text, double *out)
{
    struct decimal n;
    if (!read_decimal(text, &n) || n.digits > UINT64_C(1) << 24 || n.exponent < -10 || n.exponent > 10)
        return read_by_library(text, true, out);
    float f = (float)n.digits;
    f = n.exponent < 0 ? f / (float)exact_pow10[-n.exponent] : f * (float)exact_pow10[n.exponent];
    *out = n.negative ? -f : f;
    return FLOAT_GOOD;
}

static struct str number_in(struct str text)
{
    struct str s = str_trim(text);
    size_t len = 0;
    while (len < s.len && (is_digit(s.data[len]) || strchr("+-.eExXpP", s.data[len])))
        len++;
    return (struct str){s.data, len};
}

bool float_parse(struct str text, enum type_id id, double *out, struct error *err)
{
    switch (id == TYPE_REAL ? float_read_real(text, out) : float_read_double(text, out)) {
    case FLOAT_GOOD:
        return true;
    case FLOAT_SYNTAX:
        return convert_reject(err, "22P02", "invalid input syntax for type %s: \"" STR_FMT "\"", type_id_name(id),
                              STR_ARG(text));
    case FLOAT_RANGE: {
        struct str s = id == TYPE_DOUBLE ? number_in(text) : text; /* what each says in Postgres */
        return convert_reject(err, "22003", "\"" STR_FMT "\" is out of range for type %s", STR_ARG(s),
                              type_id_name(id));
    }
    }
    return false;
}
