#include "pipeline/event/numeric.h"

#include "pipeline/event/numeric_big.h"
#include "pipeline/event/numeric_wide.h"

const int64_t numeric_pow10[DECIMAL_MAX_SCALE + 1] = {1,
                                                      10,
                                                      100,
                                                      1000,
                                                      10000,
                                                      100000,
                                                      1000000,
                                                      10000000,
                                                      100000000,
                                                      1000000000,
                                                      10000000000,
                                                      100000000000,
                                                      1000000000000,
                                                      10000000000000,
                                                      100000000000000,
                                                      1000000000000000,
                                                      10000000000000000,
                                                      100000000000000000,
                                                      1000000000000000000};

/* round() and trunc() go no further (NUMERIC_MAX_RESULT_SCALE); a quotient has at most this many places. */
enum { MAX_ROUND_PLACES = 16383, MIN_ROUND_PLACES = -131072, MIN_SIGNIFICANT_DIGITS = 16, MAX_DISPLAY_SCALE = 1000 };

static bool overflow(struct error *err)
{
    error_set(err, ERROR_REJECT, "value overflows numeric format");
    memcpy(err->sqlstate, "22003", 6);
    return false;
}

static bool division_by_zero(struct error *err)
{
    error_set(err, ERROR_REJECT, "division by zero");
    memcpy(err->sqlstate, "22012", 6);
    return false;
}

static struct value number(const char *text)
{
    return (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)strlen(text), .ptr = text};
}

/* The special numbers in their one spelling. */
static struct value special_value(enum big_kind kind, bool negative)
{
    return number(kind == BIG_NAN ? "NaN" : negative ? "-Infinity" : "Infinity");
}

struct value big_to_value(struct arena *a, const struct big *b)
{
    if (b->kind != BIG_FINITE)
        return special_value(b->kind, b->negative);
    struct buffer text = {0};
    big_print(b, &text);
    struct str s = {text.data, text.len};
    struct value v = {.kind = VALUE_NUMBER, .len = (uint32_t)s.len, .ptr = s.data};
    struct wide w;
    if (wide_of_value(&w, v))
        v = wide_to_value(a, w);
    else
        v.ptr = arena_str(a, s).data;
    buffer_release(&text);
    return v;
}

/* As numeric_print would print it already. */
static bool is_canonical(struct str s)
{
    const char *p = s.data, *end = p + s.len;
    bool negative = p < end && *p == '-', zero = true;
    p += negative;
    if (p < end && (*p == 'N' || *p == 'I'))
        return str_eq(s, STR("NaN")) || str_eq(s, STR("Infinity")) || str_eq(s, STR("-Infinity"));
    const char *first = p;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        zero = zero && *p == '0';
    if (p == first || (*first == '0' && p - first > 1))
        return false;
    if (p < end) {
        if (*p++ != '.' || p == end || end - p > NUMERIC_MAX_DSCALE)
            return false;
        for (; p < end && *p >= '0' && *p <= '9'; p++)
            zero = zero && *p == '0';
    }
    return p == end && !(negative && zero) && s.len <= (NUMERIC_MAX_WEIGHT + 1) * BIG_DIGITS;
}

struct value numeric_normalise_slow(struct arena *a, struct value v)
{
    struct wide w;
    if (wide_of_value(&w, v)) {
        int64_t narrow = (int64_t)w.coefficient;
        if (narrow == w.coefficient && w.scale <= DECIMAL_MAX_SCALE)
            return value_decimal(narrow, w.scale);
    }
    if (is_canonical(value_str(v)))
        return v;
    struct big b;
    big_init(&b);
    big_of_value(&b, v);
    if (big_fits(&b))
        v = big_to_value(a, &b);
    big_release(&b);
    return v;
}

static struct str trim(struct str s)
{
    while (s.len && (s.data[0] == ' ' || (s.data[0] >= '\t' && s.data[0] <= '\r'))) {
        s.data++;
        s.len--;
    }
    while (s.len && (s.data[s.len - 1] == ' ' || (s.data[s.len - 1] >= '\t' && s.data[s.len - 1] <= '\r')))
        s.len--;
    return s;
}

bool numeric_parse(struct arena *a, struct str text, struct value *out, struct error *err)
{
    int64_t coefficient;
    unsigned scale;
    struct str s = trim(text);
    if (numeric_parse_small(s.data, s.len, &coefficient, &scale)) {
        *out = value_decimal(coefficient, scale);
        return true;
    }
    struct big b;
    big_init(&b);
    bool ok = big_parse(&b, s);
    if (!ok) {
        error_set(err, ERROR_REJECT, "invalid input syntax for type numeric: \"" STR_FMT "\"", STR_ARG(text));
        memcpy(err->sqlstate, "22P02", 6);
    } else if (!big_fits(&b)) {
        ok = overflow(err);
    } else {
        *out = big_to_value(a, &b);
    }
    big_release(&b);
    return ok;
}

bool numeric_check(struct value x, struct error *err)
{
    struct wide w;
    if (wide_of_value(&w, x))
        return true;
    struct big b;
    big_init(&b);
    big_of_value(&b, x);
    bool fits = big_fits(&b);
    big_release(&b);
    return fits || overflow(err);
}

/* What every operation with a special operand gives, and division by zero; *done is false where both are finite and can
 * be calculated with. */
static bool special_sum(const struct big *x, const struct big *y, bool minus, struct value *out)
{
    bool y_negative = y->negative != minus;
    if (x->kind == BIG_INFINITE && y->kind == BIG_INFINITE && x->negative != y_negative)
        *out = special_value(BIG_NAN, false);
    else
        *out = special_value(BIG_INFINITE, x->kind == BIG_INFINITE ? x->negative : y_negative);
    return true;
}

static bool is_zero(const struct big *b)
{
    return b->kind == BIG_FINITE && b->count == 0;
}

static bool special_product(const struct big *x, const struct big *y, struct value *out)
{
    if (is_zero(x) || is_zero(y))
        *out = special_value(BIG_NAN, false);
    else
        *out = special_value(BIG_INFINITE, x->negative != y->negative);
    return true;
}

static bool special_quotient(const struct big *x, const struct big *y, struct value *out, struct error *err)
{
    if (is_zero(y))
        return division_by_zero(err);
    if (x->kind == BIG_FINITE)
        *out = value_decimal(0, 0);
    else if (y->kind == BIG_INFINITE)
        *out = special_value(BIG_NAN, false);
    else
        *out = special_value(BIG_INFINITE, x->negative != y->negative);
    return true;
}

static bool special_remainder(struct arena *a, const struct big *x, const struct big *y, struct value *out,
                              struct error *err)
{
    if (is_zero(y))
        return division_by_zero(err);
    *out = x->kind == BIG_INFINITE ? special_value(BIG_NAN, false) : big_to_value(a, x);
    return true;
}

enum operation { ADD, SUB, MUL, DIV, MOD };

static bool special(enum operation op, struct arena *a, const struct big *x, const struct big *y, struct value *out,
                    struct error *err)
{
    if (x->kind == BIG_NAN || y->kind == BIG_NAN) {
        *out = special_value(BIG_NAN, false);
        return true;
    }
    switch (op) {
    case ADD:
    case SUB:
        return special_sum(x, y, op == SUB, out);
    case MUL:
        return special_product(x, y, out);
    case DIV:
        return special_quotient(x, y, out, err);
    case MOD:
        return special_remainder(a, x, y, out, err);
    }
    return false;
}

static int largest(int a, int b)
{
    return a > b ? a : b;
}

/* select_div_scale(), see numeric_wide.c; weights and first digits are at hand here. */
static int division_scale(const struct big *x, const struct big *y)
{
    int weight = x->weight - y->weight;
    if ((x->count ? x->digits[0] : 0) <= y->digits[0])
        weight--;
    int scale = MIN_SIGNIFICANT_DIGITS - weight * BIG_DIGITS;
    scale = largest(largest(scale, 0), largest(x->dscale, y->dscale));
    return scale < MAX_DISPLAY_SCALE ? scale : MAX_DISPLAY_SCALE;
}

static bool combine(enum operation op, const struct big *x, const struct big *y, struct big *r, struct error *err)
{
    switch (op) {
    case ADD:
        big_add(x, y, r);
        break;
    case SUB:
        big_sub(x, y, r);
        break;
    case MUL:
        big_mul(x, y, r);
        if (r->dscale > NUMERIC_MAX_DSCALE) /* Postgres keeps no more */
            big_round(r, NUMERIC_MAX_DSCALE, BIG_ROUND);
        break;
    case DIV:
        if (is_zero(y))
            return division_by_zero(err);
        big_div(x, y, division_scale(x, y), BIG_ROUND, r);
        break;
    case MOD:
        if (is_zero(y))
            return division_by_zero(err);
        big_mod(x, y, r);
        break;
    }
    return big_fits(r) || overflow(err);
}

/* The slow path: any two numbers. */
static bool calculate(enum operation op, struct arena *a, struct value x, struct value y, struct value *out,
                      struct error *err)
{
    struct big p, q, r;
    big_init(&p);
    big_init(&q);
    big_init(&r);
    big_of_value(&p, x);
    big_of_value(&q, y);
    bool ok;
    if (!big_fits(&p) || !big_fits(&q))
        ok = overflow(err);
    else if (p.kind != BIG_FINITE || q.kind != BIG_FINITE)
        ok = special(op, a, &p, &q, out, err);
    else if ((ok = combine(op, &p, &q, &r, err)))
        *out = big_to_value(a, &r);
    big_release(&p);
    big_release(&q);
    big_release(&r);
    return ok;
}

bool numeric_add(struct arena *a, struct value x, struct value y, struct value *out, struct error *err)
{
    struct wide p, q, r;
    if (numeric_add_fast(x, y, out))
        return true;
    if (!wide_of_value(&p, x) || !wide_of_value(&q, y) || !wide_add(p, q, &r))
        return calculate(ADD, a, x, y, out, err);
    *out = wide_to_value(a, r);
    return true;
}

bool numeric_sub(struct arena *a, struct value x, struct value y, struct value *out, struct error *err)
{
    struct wide p, q, r;
    if (numeric_sub_fast(x, y, out))
        return true;
    if (!wide_of_value(&p, x) || !wide_of_value(&q, y) || !wide_sub(p, q, &r))
        return calculate(SUB, a, x, y, out, err);
    *out = wide_to_value(a, r);
    return true;
}

bool numeric_mul(struct arena *a, struct value x, struct value y, struct value *out, struct error *err)
{
    struct wide p, q, r;
    if (numeric_mul_fast(x, y, out))
        return true;
    if (!wide_of_value(&p, x) || !wide_of_value(&q, y) || !wide_mul(p, q, &r))
        return calculate(MUL, a, x, y, out, err);
    *out = wide_to_value(a, r);
    return true;
}

bool numeric_div(struct arena *a, struct value x, struct value y, struct value *out, struct error *err)
{
    struct wide p, q, r;
    if (!wide_of_value(&p, x) || !wide_of_value(&q, y) || q.coefficient == 0 || !wide_div(p, q, &r))
        return calculate(DIV, a, x, y, out, err);
    *out = wide_to_value(a, r);
    return true;
}

bool numeric_mod(struct arena *a, struct value x, struct value y, struct value *out, struct error *err)
{
    struct wide p, q, r;
    if (!wide_of_value(&p, x) || !wide_of_value(&q, y) || q.coefficient == 0 || !wide_mod(p, q, &r))
        return calculate(MOD, a, x, y, out, err);
    *out = wide_to_value(a, r);
    return true;
}

int numeric_compare(struct value x, struct value y)
{
    int order;
    struct wide p, q;
    if (numeric_compare_fast(x, y, &order))
        return order;
    if (wide_of_value(&p, x) && wide_of_value(&q, y) && wide_align(&p, &q))
        return (p.coefficient > q.coefficient) - (p.coefficient < q.coefficient);
    struct big b, c;
    big_init(&b);
    big_init(&c);
    big_of_value(&b, x);
    big_of_value(&c, y);
    order = big_compare(&b, &c);
    big_release(&b);
    big_release(&c);
    return order;
}

int numeric_sign(struct value x)
{
    if (x.kind == VALUE_DECIMAL)
        return (x.i > 0) - (x.i < 0);
    if (numeric_is_nan(x))
        return 0;
    return numeric_compare(x, value_decimal(0, 0));
}

bool numeric_is_nan(struct value x)
{
    return x.kind == VALUE_NUMBER && x.len == 3 && (x.ptr[0] == 'N' || x.ptr[0] == 'n');
}

struct value numeric_neg(struct arena *a, struct value x)
{
    if (x.kind == VALUE_DECIMAL && x.i != INT64_MIN)
        return value_decimal(-x.i, x.scale);
    struct wide w;
    if (wide_of_value(&w, x)) {
        w.coefficient = -w.coefficient;
        return wide_to_value(a, w);
    }
    struct big b;
    big_init(&b);
    big_of_value(&b, x);
    if (big_fits(&b)) {
        b.negative = !b.negative && (b.kind == BIG_INFINITE || b.count > 0);
        x = big_to_value(a, &b);
    } else {
        bool negative = x.ptr[0] == '-';
        x = number(negative ? arena_printf(a, STR_FMT, (int)x.len - 1, x.ptr + 1)
                            : arena_printf(a, "-" STR_FMT, (int)x.len, x.ptr));
    }
    big_release(&b);
    return x;
}

struct value numeric_abs(struct arena *a, struct value x)
{
    return numeric_sign(x) < 0 ? numeric_neg(a, x) : x;
}

static struct value round_big(struct arena *a, struct value x, int places, enum big_rounding how)
{
    struct big b;
    big_init(&b);
    big_of_value(&b, x);
    if (b.kind == BIG_FINITE && big_fits(&b)) {
        big_round(&b, places, how);
        x = big_to_value(a, &b);
    }
    big_release(&b);
    return x;
}

static int clip_places(int places)
{
    return places > MAX_ROUND_PLACES ? MAX_ROUND_PLACES : places < MIN_ROUND_PLACES ? MIN_ROUND_PLACES : places;
}

static struct value round_to(struct arena *a, struct value x, int places, enum big_rounding how)
{
    struct wide w;
    if (wide_of_value(&w, x) && wide_round(&w, places, how == BIG_ROUND))
        return wide_to_value(a, w);
    return round_big(a, x, places, how);
}

struct value numeric_round(struct arena *a, struct value x, int places)
{
    return round_to(a, x, clip_places(places), BIG_ROUND);
}

struct value numeric_trunc(struct arena *a, struct value x, int places)
{
    return round_to(a, x, clip_places(places), BIG_TRUNCATE);
}

/* Towards `direction`: the integer below or above, unless x is one. */
static struct value next_integer(struct arena *a, struct value x, int direction)
{
    struct value whole = round_to(a, x, 0, BIG_TRUNCATE);
    if (numeric_compare(x, whole) != direction)
        return whole;
    struct value out;
    struct error err;
    return numeric_add(a, whole, value_decimal(direction, 0), &out, &err) ? out : whole;
}

struct value numeric_ceil(struct arena *a, struct value x)
{
    return next_integer(a, x, 1);
}

struct value numeric_floor(struct arena *a, struct value x)
{
    return next_integer(a, x, -1);
}

static bool field_overflow(int precision, int scale, struct error *err)
{
    int digits = precision - scale;
    error_set(
        err, ERROR_REJECT,
        "numeric field overflow: a field with precision %d, scale %d must round to an absolute value less than %s%d",
        precision, scale, digits ? "10^" : "", digits ? digits : 1);
    memcpy(err->sqlstate, "22003", 6);
    return false;
}

static bool apply_typmod_big(struct arena *a, struct value x, int precision, int scale, struct value *out,
                             struct error *err)
{
    struct big b;
    big_init(&b);
    big_of_value(&b, x);
    bool ok;
    if (b.kind == BIG_INFINITE) {
        error_set(err, ERROR_REJECT,
                  "numeric field overflow: a field with precision %d, scale %d cannot hold an infinite value",
                  precision, scale);
        memcpy(err->sqlstate, "22003", 6);
        ok = false;
    } else if (!big_fits(&b)) {
        ok = overflow(err);
    } else {
        if (b.kind == BIG_FINITE)
            big_round(&b, scale, BIG_ROUND);
        ok = b.count == 0 || big_integer_digits(&b) <= precision - scale || field_overflow(precision, scale, err);
    }
    if (ok)
        *out = big_to_value(a, &b);
    big_release(&b);
    return ok;
}

bool numeric_apply_typmod(struct arena *a, struct value x, int precision, int scale, struct value *out,
                          struct error *err)
{
    struct wide w;
    if (!wide_of_value(&w, x) || !wide_round(&w, scale, true))
        return apply_typmod_big(a, x, precision, scale, out, err);
    int integer_digits = (int)wide_count_digits(w.coefficient) - (int)w.scale;
    if (w.coefficient != 0 && integer_digits > precision - scale)
        return field_overflow(precision, scale, err);
    *out = wide_to_value(a, w);
    return true;
}
