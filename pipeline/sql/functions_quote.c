/*
 * Texts for use in SQL: quote_ident and its like, and format() (manual, 9.4.1).
 */
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/keyword.h"
#include "pipeline/sql/text.h"

static bool is_plain_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool fits = (c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9');
        if (!fits)
            return false;
    }
    return s.len > 0 && keyword_find(s) == KEYWORD_NONE;
}

static void add_doubling(struct str s, char first, char second, struct buffer *out)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == first || s.data[i] == second)
            buffer_add_byte(out, s.data[i]);
        buffer_add_byte(out, s.data[i]);
    }
}

static void add_ident(struct str s, struct buffer *out)
{
    if (is_plain_name(s)) {
        buffer_add_str(out, s);
        return;
    }
    buffer_add_byte(out, '"');
    add_doubling(s, '"', '"', out);
    buffer_add_byte(out, '"');
}

static void add_literal(struct str s, struct buffer *out)
{
    if (s.len && memchr(s.data, '\\', s.len))
        buffer_add_byte(out, 'E');
    buffer_add_byte(out, '\'');
    add_doubling(s, '\'', '\\', out);
    buffer_add_byte(out, '\'');
}

/* variant: enum quoting. QUOTE_NULLABLE is called for NULL too. */
bool fn_quote(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)err;
    if (value_is_null(args[0])) {
        *out = value_text(STR("NULL"));
        return true;
    }
    struct str text = value_str(args[0]);
    if (args[0].kind != VALUE_TEXT || (args[0].flags & VALUE_ESCAPED)) {
        ev->piece.len = 0;
        function_print(ev, e->args[0], args[0], CONCAT_CASTS, &ev->piece);
        text = (struct str){ev->piece.data, ev->piece.len};
    }
    ev->scratch.len = 0;
    if (e->variant == QUOTE_IDENT)
        add_ident(text, &ev->scratch);
    else
        add_literal(text, &ev->scratch);
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

/* ---- format() ------------------------------------------------------------------------------------------------------
 */

struct formatter {
    struct eval *ev;
    const struct expr *e;
    const struct value *args;
    const char *at, *end;
    uint32_t next; /* the argument that comes without a number */
};

/* Good until the next one. */
static struct str print_argument(struct formatter *f, uint32_t n)
{
    struct buffer *piece = &f->ev->piece;
    piece->len = 0;
    if (!value_is_null(f->args[n]))
        function_print(f->ev, f->e->args[n], f->args[n], CONCAT_PRINTS, piece);
    return (struct str){piece->data, piece->len};
}

/* Digits, if there are any; -1 on overflow. */
static int64_t take_number(struct formatter *f, bool *found)
{
    int64_t n = 0;
    *found = false;
    while (f->at < f->end && *f->at >= '0' && *f->at <= '9') {
        *found = true;
        n = n > INT32_MAX ? n : n * 10 + (*f->at - '0');
        f->at++;
    }
    return n > INT32_MAX ? -1 : n;
}

static bool unterminated(struct error *err)
{
    return function_fail(err, "22023", "unterminated format() type specifier: for a single \"%%\" use \"%%%%\"");
}

static bool argument_at(const struct formatter *f, int64_t number, struct error *err)
{
    if (number == 0)
        return function_fail(err, "22023", "format specifies argument 0, but arguments are numbered from 1");
    return number < (int64_t)f->e->count || function_fail(err, "22023", "too few arguments for format()");
}

/* The width that an argument holds: "*" or "*n$". */
static bool take_width_argument(struct formatter *f, int64_t *width, struct error *err)
{
    bool numbered;
    int64_t n = take_number(f, &numbered);
    if (numbered && (f->at >= f->end || *f->at != '$'))
        return function_fail(err, "22023", "width argument position must be ended by \"$\"");
    if (numbered)
        f->at++;
    else
        n = f->next++;
    if (!argument_at(f, n, err))
        return false;
    if (numbered)
        f->next = (uint32_t)n + 1;
    struct value v = f->args[n], cast;
    *width = 0;
    if (value_is_null(v))
        return true;
    if (v.kind == VALUE_INT) {
        *width = v.i;
    } else {
        struct str text = print_argument(f, (uint32_t)n);
        if (!value_parse(&f->ev->cx, text, TYPE(TYPE_INTEGER), &cast, err))
            return false;
        *width = cast.i;
    }
    if (*width < INT32_MIN + 1 || *width > INT32_MAX)
        return function_fail(err, "22003", "number is out of range");
    return true;
}

/* Behind the %: [n$][-][width]type */
static bool take_specifier(struct formatter *f, struct buffer *out, struct error *err)
{
    bool found, left = false;
    int64_t position = -1, width = take_number(f, &found);
    if (found && width < 0)
        return function_fail(err, "22003", "number is out of range");
    if (found && f->at < f->end && *f->at == '$') {
        f->at++;
        if (width == 0)
            return argument_at(f, 0, err);
        position = width;
        width = 0;
        found = false;
    }
    if (!found) {
        for (; f->at < f->end && *f->at == '-'; f->at++)
            left = true;
        if (f->at < f->end && *f->at == '*') {
            f->at++;
            if (!take_width_argument(f, &width, err))
                return false;
        } else if ((width = take_number(f, &found)) < 0) {
            return function_fail(err, "22003", "number is out of range");
        }
    }
    if (f->at >= f->end)
        return unterminated(err);
    char type = *f->at++;
    if (!strchr("sIL", type))
        return function_fail(err, "22023",
                             "unrecognized format() type specifier \"%c\": for a single \"%%\" use \"%%%%\"", type);
    if (position < 0)
        position = f->next++;
    else
        f->next = (uint32_t)position + 1;
    if (!argument_at(f, position, err))
        return false;

    struct value v = f->args[position];
    size_t from = out->len;
    struct str text = print_argument(f, (uint32_t)position);
    if (type == 'I' && value_is_null(v))
        return function_fail(err, "22004", "null values cannot be formatted as an SQL identifier");
    if (type == 'L' && value_is_null(v))
        buffer_add_str(out, STR("NULL"));
    else if (type == 'I')
        add_ident(text, out);
    else if (type == 'L')
        add_literal(text, out);
    else
        buffer_add_str(out, text);

    left |= width < 0;
    size_t wanted = (size_t)(width < 0 ? -width : width);
    size_t len = text_length((struct str){out->data + from, out->len - from});
    if (wanted <= len)
        return true;
    size_t missing = wanted - len, bytes = out->len - from;
    if (missing > FUNCTION_MAX_TEXT)
        return function_fail(err, "54000", "requested length too large");
    buffer_reserve(out, missing);
    memmove(out->data + from + (left ? 0 : missing), out->data + from, bytes);
    memset(out->data + from + (left ? bytes : 0), ' ', missing);
    out->len += missing;
    return true;
}

static bool format_all(struct formatter *f, struct buffer *out, struct error *err)
{
    while (f->at < f->end) {
        const char *percent = memchr(f->at, '%', (size_t)(f->end - f->at));
        buffer_add(out, f->at, (size_t)((percent ? percent : f->end) - f->at));
        if (!percent)
            break;
        f->at = percent + 1;
        if (f->at >= f->end)
            return unterminated(err);
        if (*f->at == '%') {
            buffer_add_byte(out, *f->at++);
            continue;
        }
        if (!take_specifier(f, out, err))
            return false;
    }
    return true;
}

bool fn_format(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    if (value_is_null(args[0]))
        return true;
    struct formatter f = {
        .ev = ev, .e = e, .args = args, .at = args[0].ptr, .end = args[0].ptr + args[0].len, .next = 1};
    ev->scratch.len = 0;
    bool ok = format_all(&f, &ev->scratch, err);
    if (ok)
        *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return ok;
}
