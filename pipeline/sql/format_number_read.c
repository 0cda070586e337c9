/*
 * Numbers out of a text by a format, which is matched loosely, as PostgreSQL does.
 */
#include "pipeline/sql/format_number.h"
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/text.h"

struct reader {
    const struct number_shape *shape;
    const char *at, *end; /* the text */
    struct buffer *out;   /* the first byte is the sign, blank where none was read */
    size_t base;
    int before, behind; /* digits read */
    bool point;
};

static bool done(const struct reader *r)
{
    return r->at >= r->end;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool has_sign(const struct reader *r)
{
    return r->out->data[r->base] != ' ';
}

static void set_sign(struct reader *r, char sign)
{
    r->out->data[r->base] = sign;
}

static void pass(struct reader *r)
{
    size_t len = text_char_bytes(*r->at), left = (size_t)(r->end - r->at);
    r->at += len < left ? len : left;
}

/* What is no part of a number. */
static void pass_other(struct reader *r, int count)
{
    while (count-- > 0 && !done(r) && !strchr("0123456789.,+-", *r->at))
        pass(r);
}

static void read_sign_before(struct reader *r)
{
    char c = *r->at;
    bool bracket = r->shape->brackets && c == '<';
    if (c != '-' && c != '+' && !bracket)
        return;
    set_sign(r, c == '+' ? '+' : '-');
    r->at++;
}

/* A digit or the point; whether one was taken (the text is left on it). False: the rest of this place is passed over.
 */
static bool read_digit(struct reader *r, bool *taken)
{
    *taken = false;
    if (is_digit(*r->at)) {
        if (r->point && r->behind == r->shape->behind)
            return false;
        buffer_add_byte(r->out, *r->at);
        r->behind += r->point;
        r->before += !r->point;
        *taken = true;
    } else if (r->shape->point && !r->point && *r->at == '.') {
        buffer_add_byte(r->out, '.');
        r->point = *taken = true;
    }
    return true;
}

/* Behind the last digit, where it is not known to be the last. */
static void read_sign_behind(struct reader *r, bool taken)
{
    if (has_sign(r) || r->before + r->behind == 0)
        return;
    if (r->shape->anchor != ANCHOR_NONE && taken && r->at + 1 < r->end && !is_digit(r->at[1])) {
        if (r->at[1] == '-' || r->at[1] == '+')
            set_sign(r, *++r->at);
    } else if (!taken && r->shape->anchor == ANCHOR_NONE && (r->shape->plus || r->shape->minus)) {
        if (*r->at == '-' || *r->at == '+')
            set_sign(r, *r->at);
    }
}

static void read_place(struct reader *r, bool is_digit_pattern)
{
    bool taken;
    if (!done(r) && *r->at == ' ')
        r->at++;
    if (done(r))
        return;
    if (!has_sign(r) && is_digit_pattern && r->before + r->behind == 0)
        read_sign_before(r);
    if (!done(r) && read_digit(r, &taken) && !done(r))
        read_sign_behind(r, taken);
}

/* '+' or '-' where the pattern is. */
static void read_sign(struct reader *r, bool plus, bool minus)
{
    if ((minus && *r->at == '-') || (plus && *r->at == '+'))
        set_sign(r, *r->at++);
    else
        pass_other(r, 1);
}

static void read_node(struct reader *r, const struct number_node *n)
{
    switch ((enum number_pattern)n->pattern) {
    case NUMBER_NINE:
    case NUMBER_ZERO:
    case NUMBER_POINT:
    case NUMBER_LOCALE_POINT:
        read_place(r, n->pattern == NUMBER_NINE || n->pattern == NUMBER_ZERO);
        r->at++;
        return;
    case NUMBER_COMMA:
    case NUMBER_GROUP:
        if (!r->shape->fill && *r->at == ',')
            r->at++;
        return;
    case NUMBER_CURRENCY:
        pass_other(r, 1);
        return;
    case NUMBER_ORDINAL:
        if (!r->shape->point)
            pass_other(r, 2);
        return;
    case NUMBER_MINUS:
        read_sign(r, false, true);
        return;
    case NUMBER_PLUS:
        read_sign(r, true, false);
        return;
    case NUMBER_SIGN:
        read_sign(r, true, true);
        return;
    case NUMBER_LITERAL:
        pass(r);
        return;
    case NUMBER_BLANK:
    case NUMBER_CURRENCY_CODE:
    case NUMBER_EXPONENT:
    case NUMBER_FILL:
    case NUMBER_BRACKETS:
    case NUMBER_ROMAN:
    case NUMBER_SPELL:
    case NUMBER_ANCHORED:
    case NUMBER_SHIFT:
        return;
    }
}

bool number_format_read(const struct number_format *f, struct str text, struct buffer *out, int *behind,
                        struct error *err)
{
    if (f->shape.exponent)
        return function_fail(err, "0A000", "\"EEEE\" not supported for input");
    if (f->shape.roman)
        return function_fail(err, "0A000", "\"RN\" not supported for input");
    struct reader r = {.shape = &f->shape, .at = text.data, .end = text.data + text.len, .out = out, .base = out->len};
    buffer_add_byte(out, ' ');
    for (uint32_t i = 0; i < f->count && !done(&r); i++)
        read_node(&r, &f->nodes[i]);
    if (out->data[out->len - 1] == '.')
        out->len--;
    *behind = r.behind;
    return true;
}
