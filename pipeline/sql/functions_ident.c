/*
 * parse_ident(): a qualified name in its parts (manual, 9.4).
 */
#include "pipeline/event/array.h"
#include "pipeline/sql/implementation.h"

static bool bad_name(struct str s, const char *why, struct error *err)
{
    return function_fail(err, "22023", "string is not a valid identifier: \"%.*s\"%s", s.len < 64 ? (int)s.len : 64,
                         s.data, why);
}

static void skip_space(struct str s, size_t *at)
{
    while (*at < s.len && (s.data[*at] == ' ' || (s.data[*at] >= '\t' && s.data[*at] <= '\r')))
        ++*at;
}

static bool starts_name(char c)
{
    return (unsigned char)c >= 0x80 || c == '_' || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* In double quotes, of which two stand for one. */
static bool take_quoted(struct eval *ev, struct str s, size_t *at, struct value *out, struct error *err)
{
    const char *p = s.data + *at + 1, *end = s.data + s.len;
    ev->scratch.len = 0;
    for (;;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (!quote)
            return bad_name(s, ": it has an unclosed double quote", err);
        buffer_add(&ev->scratch, p, (size_t)(quote - p));
        p = quote + 1;
        if (p == end || *p != '"')
            break;
        buffer_add_byte(&ev->scratch, *p++);
    }
    *at = (size_t)(p - s.data);
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return out->len > 0 || bad_name(s, ": a quoted name is empty", err);
}

static bool take_plain(struct eval *ev, struct str s, size_t *at, struct value *out, struct error *err)
{
    if (*at >= s.len || !starts_name(s.data[*at]))
        return bad_name(s, ": a name is missing", err);
    ev->scratch.len = 0;
    for (; *at < s.len; ++*at) {
        char c = s.data[*at];
        if (!starts_name(c) && !(c >= '0' && c <= '9') && c != '$')
            break;
        buffer_add_byte(&ev->scratch, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

/* The second argument: whether characters behind the last name are an error. */
bool fn_parse_ident(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                    struct error *err)
{
    struct str s = value_str(args[0]);
    bool strict = e->count < 2 || args[1].i;
    size_t at = 0, most = 1, count = 0;
    for (size_t i = 0; i < s.len; i++)
        most += s.data[i] == '.';
    struct value *parts = arena_array(ev->arena, struct value, most);
    for (;;) {
        skip_space(s, &at);
        bool quoted = at < s.len && s.data[at] == '"';
        if (quoted ? !take_quoted(ev, s, &at, &parts[count], err) : !take_plain(ev, s, &at, &parts[count], err))
            return false;
        count++;
        skip_space(s, &at);
        if (at >= s.len || s.data[at] != '.')
            break;
        at++;
    }
    if (strict && at < s.len)
        return bad_name(s, "", err);
    struct array *a = array_new(ev->arena, (uint32_t)count);
    memcpy(a->items, parts, count * sizeof(*parts));
    *out = value_of_array(a);
    return true;
}
