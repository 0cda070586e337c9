/*
 * Numbers into a format. The places of the format are gone through with the digits beside them, as PostgreSQL does
 * (formatting.c): its results follow from that for every mixture of patterns, sensible or not.
 */
#include <stdio.h>

#include "pipeline/sql/format_number.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/text.h"

struct writer {
    struct number_shape shape;
    struct buffer *out;
    const char *digits, *at; /* the number, and the digit that is next */
    const char *last;        /* of a fraction without blanks: what is behind is not written; NULL: all is */
    char sign;
    bool sign_written, begun; /* begun: a digit has been written */
    int blanks;               /* places before the first digit */
    int place, places;        /* places gone through, and how many have a meaning */
    bool ended;               /* there were more places than digits: nothing more is written, as in Postgres */
    bool not_a_number;        /* and therefore no ordinal */
};

static void put(struct writer *w, char c)
{
    if (!w->ended)
        buffer_add_byte(w->out, c);
}

static void put_blank_unless_filled(struct writer *w)
{
    if (!w->shape.fill)
        put(w, ' ');
}

/* The point, or the last digit behind it that is no zero. */
static const char *last_relevant(const struct number_shape *s, const char *digits, int blanks)
{
    const char *point = strchr(digits, '.');
    if (!point)
        return NULL;
    const char *last = point;
    for (const char *p = point + 1; *p; p++)
        if (*p != '0')
            last = p;
    if (s->zero_end <= blanks)
        return last;
    int most = (int)strlen(digits) - 1, wanted = s->zero_end - blanks;
    const char *zero = digits + (wanted < most ? wanted : most);
    return last < zero ? zero : last;
}

/* Where "0.1" goes into ".9" or "9.9": its zero is not shown. */
static bool is_hidden_zero(const struct writer *w)
{
    return !w->shape.zeros && w->at == w->digits && *w->digits == '0' && w->shape.behind != 0;
}

static bool ends_at_point(const struct writer *w)
{
    return w->last && *w->last == '.';
}

static void write_sign(struct writer *w)
{
    bool here = w->place >= w->blanks || (w->shape.zeros && w->shape.zero_start == w->place);
    if (w->sign_written || !here || (is_hidden_zero(w) && !ends_at_point(w)))
        return;
    if (w->shape.anchor != ANCHOR_NONE) {
        if (w->shape.anchor != ANCHOR_BEFORE)
            return;
        put(w, w->sign == '-' ? '-' : '+');
    } else if (w->shape.brackets) {
        put(w, w->sign == '+' ? ' ' : '<');
    } else if (w->sign == '+') {
        put_blank_unless_filled(w);
    } else if (w->sign == '-') {
        put(w, '-');
    } else {
        return;
    }
    w->sign_written = true;
}

static void write_digit(struct writer *w, bool is_zero_pattern)
{
    if (*w->at == '.') {
        if (!ends_at_point(w) || w->shape.fill)
            put(w, '.');
    } else if (w->last && w->at > w->last && !is_zero_pattern) {
        /* a zero that FM takes away */
    } else if (is_hidden_zero(w)) {
        if (!w->shape.fill)
            put(w, ' ');
        else if (ends_at_point(w))
            put(w, '0');
    } else {
        w->ended |= *w->at == '\0';
        put(w, *w->at);
        w->begun = true;
    }
    if (*w->at)
        w->at++;
}

static void write_closing(struct writer *w)
{
    int end = w->places + (w->blanks ? 1 : 0) + (w->shape.point ? 1 : 0);
    if (w->last && w->last == w->at)
        end = w->place;
    if (w->place + 1 != end)
        return;
    if (w->sign_written && w->shape.brackets)
        put(w, w->sign == '+' ? ' ' : '>');
    else if (w->shape.anchor == ANCHOR_BEHIND)
        put(w, w->sign == '-' ? '-' : '+');
}

static void write_place(struct writer *w, bool is_zero_pattern)
{
    if (w->shape.roman)
        return;
    w->begun = false;
    write_sign(w);
    bool in_blanks = w->place < w->blanks;
    if (in_blanks && (!w->shape.zeros || w->shape.zero_start > w->place)) {
        put_blank_unless_filled(w);
    } else if (in_blanks) {
        put(w, '0');
        w->begun = true;
    } else {
        write_digit(w, is_zero_pattern);
    }
    write_closing(w);
    w->place++;
}

static void write_group(struct writer *w)
{
    if (w->begun)
        put(w, ',');
    else
        put_blank_unless_filled(w);
}

static void write_roman(struct writer *w, bool lower)
{
    char padded[16];
    snprintf(padded, sizeof(padded), w->shape.fill ? "%s" : "%15s", w->digits);
    for (const char *p = padded; *p; p++)
        put(w, lower && *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p);
}

static void write_ordinal(struct writer *w, bool lower)
{
    size_t len = strlen(w->digits);
    if (w->shape.roman || *w->digits == '#' || w->sign == '-' || w->shape.point || len == 0)
        return;
    char last = w->digits[len - 1];
    w->not_a_number |= last < '0' || last > '9';
    bool teen = len > 1 && w->digits[len - 2] == '1';
    const char *ending = teen ? "TH" : last == '1' ? "ST" : last == '2' ? "ND" : last == '3' ? "RD" : "TH";
    for (; *ending; ending++)
        put(w, lower ? (char)(*ending + 32) : *ending);
}

static void write_node(struct writer *w, const struct number_node *n)
{
    switch ((enum number_pattern)n->pattern) {
    case NUMBER_LITERAL:
        for (uint8_t i = 0; i < n->len; i++)
            put(w, n->text[i]);
        return;
    case NUMBER_NINE:
    case NUMBER_ZERO:
    case NUMBER_POINT:
    case NUMBER_LOCALE_POINT:
        write_place(w, n->pattern == NUMBER_ZERO);
        return;
    case NUMBER_COMMA:
    case NUMBER_GROUP:
        write_group(w);
        return;
    case NUMBER_CURRENCY: /* of the C locale, which has none */
        put(w, ' ');
        return;
    case NUMBER_ROMAN:
        write_roman(w, n->lower);
        return;
    case NUMBER_ORDINAL:
        write_ordinal(w, n->lower);
        return;
    case NUMBER_MINUS:
        if (w->sign == '-')
            put(w, '-');
        else
            put_blank_unless_filled(w);
        return;
    case NUMBER_PLUS:
        if (w->sign == '+')
            put(w, '+');
        else
            put_blank_unless_filled(w);
        return;
    case NUMBER_SIGN:
        w->ended |= w->sign == '\0';
        put(w, w->sign);
        return;
    case NUMBER_BLANK:
    case NUMBER_CURRENCY_CODE:
    case NUMBER_EXPONENT:
    case NUMBER_FILL:
    case NUMBER_BRACKETS:
    case NUMBER_SPELL:
    case NUMBER_ANCHORED: /* written with the number it is anchored to */
    case NUMBER_SHIFT:
        return;
    }
}

static int places_before_point(const char *digits)
{
    return (int)strcspn(digits, ".");
}

bool number_format_write(const struct number_format *f, struct number_shape shape, const char *digits, char sign,
                         struct buffer *out, struct error *err)
{
    if (shape.exponent) {
        buffer_add(out, digits, strlen(digits));
        return true;
    }
    if (shape.roman)
        shape = (struct number_shape){.roman = true, .fill = shape.fill};
    struct writer w = {.shape = shape, .out = out, .digits = digits, .at = digits, .sign = sign};
    if (shape.zero_start)
        w.shape.zero_start--;
    int missing = shape.before - places_before_point(digits);
    w.blanks = !shape.roman && missing > 0 ? missing : 0;
    if (shape.plus || shape.minus) {
        w.sign_written = shape.minus;
    } else {
        if (sign != '-' && shape.fill)
            w.shape.brackets = false;
        w.sign_written = sign == '+' && shape.fill && shape.anchor == ANCHOR_NONE;
        if (shape.anchor == ANCHOR_BEFORE && shape.before == shape.before_anchor)
            w.shape.anchor = ANCHOR_BEHIND;
    }
    w.places = shape.behind + shape.before - 1;
    if (shape.fill && shape.point)
        w.last = last_relevant(&w.shape, digits, w.blanks);
    if (!w.sign_written && w.blanks == 0)
        w.places++;
    for (uint32_t i = 0; i < f->count; i++)
        write_node(&w, &f->nodes[i]);
    return !w.not_a_number || function_fail(err, "22P02", "\"%s\" is not a number", digits);
}

void number_format_overflow(const struct number_shape *s, struct buffer *digits)
{
    buffer_clear(digits);
    for (int i = 0; i < s->before; i++)
        buffer_add_byte(digits, '#');
    buffer_add_byte(digits, '.');
    for (int i = 0; i < s->behind; i++)
        buffer_add_byte(digits, '#');
}
