/*
 * to_char() for numbers, and to_number() (manual, 9.8).
 */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "pipeline/event/numeric.h"
#include "pipeline/sql/format_number.h"
#include "pipeline/sql/implementation.h"

bool prepare_number_format(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx;
    const struct expr *format = e->args[1];
    if (format->kind == EXPR_CONSTANT && !value_is_null(format->constant))
        return (e->data = number_format_compile(value_str(format->constant), plan, err)) != NULL;
    return true;
}

/* A number on its way into a format: its digits are in the evaluation's scratch buffer. */
struct number {
    struct buffer *digits;
    struct number_shape shape;
    char sign;
};

static bool out_of_range(enum type_id type, struct error *err)
{
    return function_fail(err, "22003", "%s out of range", type_id_name(type));
}

/* ---- Roman numbers, exponents --------------------------------------------------------------------------------------
 */

static void roman(int64_t n, struct buffer *out)
{
    static const struct {
        int value;
        const char *text;
    } parts[] = {
        {1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
        {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"},
    };
    if (n < 1 || n > 3999) {
        buffer_add(out, "###############", 15);
        return;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        for (; n >= parts[i].value; n -= parts[i].value)
            buffer_add(out, parts[i].text, strlen(parts[i].text));
}

static bool as_roman(struct eval *ev, struct value v, enum type_id type, struct number *n, struct error *err)
{
    struct value whole = v;
    if (type == TYPE_REAL || type == TYPE_DOUBLE)
        whole = value_int(v.d >= 0.5 && v.d < 4000 ? (int64_t)rint(v.d) : 0);
    else if (type != TYPE_INTEGER && !value_cast(&ev->cx, v, TYPE(type), TYPE(TYPE_INTEGER), &whole, err))
        return false;
    roman(whole.i, n->digits);
    n->sign = '\0';
    return true;
}

/* " #.##########": what has no exponent. */
static void unwritable(struct number *n)
{
    const struct number_shape *s = &n->shape;
    size_t from = n->digits->len;
    for (int i = 0; i < s->before + s->behind + 6; i++)
        buffer_add_byte(n->digits, '#');
    n->digits->data[from] = ' ';
    n->digits->data[from + (size_t)s->before + 1] = '.';
}

static void double_with_exponent(double d, struct number *n)
{
    if (isnan(d) || isinf(d)) {
        unwritable(n);
        return;
    }
    size_t from = n->digits->len;
    buffer_printf(n->digits, "%+.*e", n->shape.behind, d);
    if (n->digits->data[from] == '+')
        n->digits->data[from] = ' ';
}

/*
 * The exponent is that of the first digit, and the rest is rounded after it: 9.99 with no places is 10e+00, in
 * Postgres too.
 */
static void numeric_with_exponent(struct eval *ev, struct value v, struct number *n)
{
    struct buffer *b = n->digits;
    size_t from = b->len;
    numeric_print(v, b);
    const char *text = buffer_cstr(b) + from;
    bool negative = *text == '-';
    text += negative;
    if (*text < '0' || *text > '9') {
        b->len = from;
        unwritable(n);
        return;
    }
    int before = (int)strcspn(text, "."), zeros = (int)strspn(text, "0."), exponent = 0;
    if (text[zeros])
        exponent = zeros < before ? before - 1 : before - zeros;
    /* the digits from the first that is none on, as many as are wanted and one more to round by */
    int wanted = n->shape.behind + 2, count = 0;
    char *digits = arena_alloc(ev->arena, (size_t)wanted + 1);
    for (const char *p = text + (text[zeros] ? zeros : 0); *p && count < wanted; p++)
        if (*p != '.')
            digits[count++] = *p;
    for (; count < wanted; count++)
        digits[count] = '0';
    bool up = digits[wanted - 1] >= '5', carry = up;
    for (int i = wanted - 2; i >= 0 && carry; i--) {
        carry = digits[i] == '9';
        digits[i] = carry ? '0' : (char)(digits[i] + 1);
    }
    b->len = from;
    buffer_printf(b, "%s%s%c", negative ? "-" : " ", carry ? "1" : "", digits[0]);
    if (n->shape.behind)
        buffer_printf(b, ".%.*s", n->shape.behind, digits + 1);
    buffer_printf(b, "e%+03d", exponent);
}

static void as_exponent(struct eval *ev, struct value v, enum type_id type, struct number *n)
{
    if (type == TYPE_INTEGER)
        double_with_exponent((double)v.i, n);
    else if (type == TYPE_BIGINT)
        numeric_with_exponent(ev, numeric_from_int64(v.i), n);
    else if (type == TYPE_NUMERIC)
        numeric_with_exponent(ev, v, n);
    else
        double_with_exponent(v.d, n);
}

/* ---- digits --------------------------------------------------------------------------------------------------------
 */

/* The sign is taken off; what has more places before the point than the format is shown as such. */
static void finish_digits(struct number *n, size_t from)
{
    struct buffer *b = n->digits;
    n->sign = b->len > from && b->data[from] == '-' ? '-' : '+';
    if (n->sign == '-') {
        memmove(b->data + from, b->data + from + 1, b->len - from - 1);
        b->len--;
    }
    int before = (int)strcspn(buffer_cstr(b) + from, ".");
    if (before > n->shape.before) {
        b->len = from;
        number_format_overflow(&n->shape, b);
    }
}

static bool integer_digits(int64_t i, enum type_id type, struct number *n, struct error *err)
{
    for (int k = 0; k < n->shape.shift; k++)
        if (__builtin_mul_overflow(i, 10, &i) || (type == TYPE_INTEGER && i != (int32_t)i))
            return out_of_range(type, err);
    n->shape.before += n->shape.shift;
    size_t from = n->digits->len;
    buffer_printf(n->digits, "%lld", (long long)i);
    if (n->shape.behind)
        buffer_add_byte(n->digits, '.');
    for (int k = 0; k < n->shape.behind; k++)
        buffer_add_byte(n->digits, '0');
    finish_digits(n, from);
    return true;
}

static bool numeric_digits(struct eval *ev, struct value v, struct number *n, struct error *err)
{
    if (n->shape.shifted) {
        struct value power = value_decimal(1, 0);
        for (int k = 0; k < n->shape.shift; k++)
            if (!numeric_mul(ev->arena, power, value_decimal(10, 0), &power, err))
                return false;
        if (!numeric_mul(ev->arena, v, power, &v, err))
            return false;
        n->shape.before += n->shape.shift;
    }
    size_t from = n->digits->len;
    numeric_print(numeric_round(ev->arena, v, n->shape.behind), n->digits);
    finish_digits(n, from);
    return true;
}

static void print_double(double d, int places, struct buffer *out)
{
    if (isnan(d))
        buffer_add(out, "NaN", 3);
    else if (isinf(d))
        buffer_printf(out, "%sInfinity", d < 0 ? "-" : "");
    else
        buffer_printf(out, "%.*f", places, d);
}

/* No more digits than the type has are shown. */
static void double_digits(double d, bool is_real, struct number *n)
{
    const int most = is_real ? FLT_DIG : DBL_DIG;
    struct number_shape *s = &n->shape;
    if (s->shifted) {
        double power = pow(10, s->shift);
        d = is_real ? (double)((float)d * (float)power) : d * power;
        s->before += s->shift;
    }
    size_t from = n->digits->len;
    print_double(fabs(d), 0, n->digits);
    int before = (int)(n->digits->len - from);
    n->digits->len = from;
    if (before >= most)
        s->behind = 0;
    else if (before + s->behind > most)
        s->behind = most - before;
    print_double(d, s->behind, n->digits);
    finish_digits(n, from);
}

static bool make_digits(struct eval *ev, struct value v, enum type_id type, struct number *n, struct error *err)
{
    if (n->shape.roman)
        return as_roman(ev, v, type, n, err);
    if (n->shape.exponent) {
        as_exponent(ev, v, type, n);
        return true;
    }
    if (type == TYPE_INTEGER || type == TYPE_BIGINT)
        return integer_digits(v.i, type, n, err);
    if (type == TYPE_NUMERIC)
        return numeric_digits(ev, v, n, err);
    double_digits(v.d, type == TYPE_REAL, n);
    return true;
}

static const struct number_format *format_of(struct eval *ev, const struct expr *e, struct value text,
                                             struct error *err)
{
    return e->data ? e->data : number_format_compile(value_str(text), ev->arena, err);
}

bool number_to_char(struct eval *ev, const struct number_format *f, struct value v, enum type_id type,
                    struct value *out, struct error *err)
{
    struct buffer *b = &ev->scratch;
    buffer_clear(b);
    struct number n = {.digits = b, .shape = f->shape};
    if (!make_digits(ev, v, type, &n, err))
        return false;
    buffer_add_byte(b, '\0');
    buffer_reserve(b, (size_t)f->count * 16 + b->len + 32); /* the digits stay where they are while they are written */
    size_t from = b->len;
    if (!number_format_write(f, n.shape, b->data, n.sign, b, err))
        return false;
    *out = eval_text(ev, b->data + from, b->len - from);
    return true;
}

bool fn_to_char_number(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                       struct error *err)
{
    const struct number_format *f = format_of(ev, e, args[1], err);
    return f && number_to_char(ev, f, args[0], e->args[0]->type.id, out, err);
}

/* ---- to_number -----------------------------------------------------------------------------------------------------
 */

/* 10^-n as Postgres's power() has it: with 16 places or more. */
static struct value negative_power(struct eval *ev, int n, struct error *err, bool *ok)
{
    struct value p = value_decimal(1, 0);
    int places = n > 16 ? n : 16;
    *ok = true;
    for (int i = 0; i < n && *ok; i++)
        *ok = numeric_mul(ev->arena, p, value_decimal(1, 1), &p, err);
    return *ok ? numeric_round(ev->arena, p, places) : p;
}

bool fn_to_number(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    const struct number_format *f = format_of(ev, e, args[1], err);
    *out = value_null();
    if (!f)
        return false;
    if (args[1].len == 0)
        return true;
    int behind = 0;
    struct value v;
    buffer_clear(&ev->scratch);
    if (!number_format_read(f, value_str(args[0]), &ev->scratch, &behind, err))
        return false;
    struct str digits = arena_str(ev->arena, (struct str){ev->scratch.data, ev->scratch.len});
    int precision = f->shape.before + f->shape.shift + behind;
    if (!numeric_parse(ev->arena, digits, &v, err) || !numeric_apply_typmod(ev->arena, v, precision, behind, &v, err))
        return false;
    *out = v;
    if (!f->shape.shifted)
        return true;
    bool ok;
    struct value power = negative_power(ev, f->shape.shift, err, &ok);
    return ok && numeric_mul(ev->arena, v, power, out, err);
}
