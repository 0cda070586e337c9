/*
 * unistr(): Unicode escapes in a text (manual, 9.4).
 */
#include "pipeline/sql/implementation.h"
#include "pipeline/sql/text.h"

static bool bad_escape(struct error *err)
{
    return function_fail(err, "42601", "invalid Unicode escape: it must be \\XXXX, \\+XXXXXX, \\uXXXX or \\UXXXXXXXX");
}

/* Behind the backslash. */
static bool take_escape(struct str s, size_t *at, uint32_t *c, struct error *err)
{
    char kind = *at < s.len ? s.data[*at] : '\0';
    unsigned digits = kind == '+' ? 6 : kind == 'U' ? 8 : 4;
    *at += kind == '+' || kind == 'u' || kind == 'U';
    *c = 0;
    for (unsigned i = 0; i < digits; i++, ++*at) {
        char d = *at < s.len ? s.data[*at] : '\0', low = (char)(d | 32);
        if (d >= '0' && d <= '9')
            *c = *c << 4 | (uint32_t)(d - '0');
        else if (low >= 'a' && low <= 'f')
            *c = *c << 4 | (uint32_t)(low - 'a' + 10);
        else
            return bad_escape(err);
    }
    if (*c == 0 || *c > 0x10FFFF)
        return function_fail(err, "22023", "invalid Unicode code point");
    return true;
}

static bool is_first_surrogate(uint32_t c)
{
    return c >= 0xD800 && c <= 0xDBFF;
}

static bool is_second_surrogate(uint32_t c)
{
    return c >= 0xDC00 && c <= 0xDFFF;
}

bool fn_unistr(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    struct str s = value_str(args[0]);
    uint32_t first = 0; /* of a pair whose second half must follow */
    ev->scratch.len = 0;
    for (size_t at = 0; at < s.len;) {
        bool escape = s.data[at] == '\\' && !(at + 1 < s.len && s.data[at + 1] == '\\');
        uint32_t c = 0;
        char bytes[4];
        if (!escape) {
            at += s.data[at] == '\\';
            bytes[0] = s.data[at++];
        } else if (at++, !take_escape(s, &at, &c, err)) {
            return false;
        }
        if ((first != 0) != is_second_surrogate(c))
            return function_fail(err, "42601", "invalid Unicode surrogate pair");
        if (is_first_surrogate(c)) {
            first = c;
            continue;
        }
        if (first)
            c = 0x10000 + ((first - 0xD800) << 10) + (c - 0xDC00);
        first = 0;
        buffer_add(&ev->scratch, bytes, escape ? text_encode(c, bytes) : 1);
    }
    if (first)
        return function_fail(err, "42601", "invalid Unicode surrogate pair");
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}
