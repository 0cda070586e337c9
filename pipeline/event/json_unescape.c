#include "pipeline/event/convert_pieces.h"

static bool refuse(struct error *err, const char *format, const char *what, int len)
{
    error_set(err, ERROR_REJECT, format, len, what);
    strcpy(err->sqlstate, "22P05");
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hexadecimal digits behind "\u"; -1: they are not. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t n = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        n = n * 16 + digit;
    }
    return n;
}

static char *put_utf8(char *p, int32_t c)
{
    if (c < 0x80) {
        *p++ = (char)c;
    } else if (c < 0x800) {
        *p++ = (char)(0xc0 | c >> 6);
        *p++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *p++ = (char)(0xe0 | c >> 12);
        *p++ = (char)(0x80 | (c >> 6 & 63));
        *p++ = (char)(0x80 | (c & 63));
    } else {
        *p++ = (char)(0xf0 | c >> 18);
        *p++ = (char)(0x80 | (c >> 12 & 63));
        *p++ = (char)(0x80 | (c >> 6 & 63));
        *p++ = (char)(0x80 | (c & 63));
    }
    return p;
}

/* \uXXXX, or a surrogate pair of them, at *in (on the first digit), which is moved behind it. */
static bool put_unicode(char **out, const char **in, const char *end, struct error *err)
{
    int32_t c = hex4(*in, end);
    if (c == 0)
        return refuse(err, "unsupported Unicode escape sequence: %.*s cannot be converted to text", "\\u0000", 6);
    const char *text = *in - 2;
    *in += 4;
    if (c >= 0xd800 && c < 0xdc00 && end - *in >= 6 && (*in)[0] == '\\' && (*in)[1] == 'u') {
        int32_t low = hex4(*in + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            *in += 6;
        }
    }
    if (c < 0 || (c >= 0xd800 && c < 0xe000))
        return refuse(err, "invalid Unicode escape sequence: \"%.*s\"", text, (int)(end - text < 6 ? end - text : 6));
    *out = put_utf8(*out, c);
    return true;
}

bool json_unescape(struct str text, char *to, size_t *len, struct error *err)
{
    static const char from[] = "\"\\/bfnrt", character[] = "\"\\/\b\f\n\r\t";
    const char *in = text.data, *end = in + text.len;
    char *out = to;
    while (in < end) {
        const char *escape = memchr(in, '\\', (size_t)(end - in));
        size_t plain = (size_t)((escape ? escape : end) - in);
        memcpy(out, in, plain);
        out += plain;
        in += plain;
        if (!escape)
            break;
        if (end - in < 2)
            return refuse(err, "invalid escape sequence: \"%.*s\"", in, (int)(end - in));
        in += 2;
        const char *simple = in[-1] ? strchr(from, in[-1]) : NULL;
        if (simple)
            *out++ = character[simple - from];
        else if (in[-1] != 'u')
            return refuse(err, "invalid escape sequence: \"%.*s\"", in - 2, 2);
        else if (!put_unicode(&out, &in, end, err))
            return false;
    }
    *len = (size_t)(out - to);
    return true;
}

bool value_unescape(struct arena *a, struct value *v, struct error *err)
{
    if (v->kind != VALUE_TEXT || !(v->flags & VALUE_ESCAPED))
        return true;
    char *text = arena_alloc(a, v->len + 1); /* no escape is shorter than its character */
    size_t len;
    if (!json_unescape(value_str(*v), text, &len, err))
        return false;
    v->ptr = text;
    v->len = (uint32_t)len;
    v->flags &= (uint8_t) ~(VALUE_ESCAPED | VALUE_JSON_SAFE);
    return true;
}
