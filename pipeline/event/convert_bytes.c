#include "pipeline/event/convert_pieces.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* "\x" and pairs of digits, between which blanks may be. */
static bool parse_hex(struct str s, char *out, size_t *len, struct error *err)
{
    char *to = out;
    for (size_t i = 2; i < s.len;) {
        if (is_blank(s.data[i])) {
            i++;
            continue;
        }
        int high = hex_digit(s.data[i]), low = i + 1 < s.len ? hex_digit(s.data[i + 1]) : 0;
        if (high < 0 || low < 0) {
            const char *bad = s.data + i + (high >= 0);
            size_t rest = s.len - (size_t)(bad - s.data);
            int width = 1;
            while ((size_t)width < rest && ((uint8_t)bad[width] & 0xc0) == 0x80)
                width++;
            return convert_reject(err, "22023", "invalid hexadecimal digit: \"%.*s\"", width, bad);
        }
        if (i + 1 == s.len)
            return convert_reject(err, "22023", "invalid hexadecimal data: odd number of digits");
        *to++ = (char)(high << 4 | low);
        i += 2;
    }
    *len = (size_t)(to - out);
    return true;
}

static bool is_octal(struct str s, size_t at)
{
    return at + 3 < s.len && s.data[at + 1] >= '0' && s.data[at + 1] <= '3' && s.data[at + 2] >= '0' &&
           s.data[at + 2] <= '7' && s.data[at + 3] >= '0' && s.data[at + 3] <= '7';
}

/* Characters, "\\" and "\ooo" */
static bool parse_escaped(struct str s, char *out, size_t *len, struct error *err)
{
    char *to = out;
    for (size_t i = 0; i < s.len;) {
        if (s.data[i] != '\\') {
            *to++ = s.data[i++];
        } else if (is_octal(s, i)) {
            *to++ = (char)((s.data[i + 1] - '0') << 6 | (s.data[i + 2] - '0') << 3 | (s.data[i + 3] - '0'));
            i += 4;
        } else if (i + 1 < s.len && s.data[i + 1] == '\\') {
            *to++ = '\\';
            i += 2;
        } else {
            return convert_reject(err, "22P02", "invalid input syntax for type bytea");
        }
    }
    *len = (size_t)(to - out);
    return true;
}

bool bytea_parse(const struct convert_context *cx, struct str text, struct value *out, struct error *err)
{
    char *bytes = arena_alloc(cx->arena, text.len + 1);
    size_t len = 0;
    bool hex = text.len >= 2 && text.data[0] == '\\' && text.data[1] == 'x';
    if (!(hex ? parse_hex(text, bytes, &len, err) : parse_escaped(text, bytes, &len, err)))
        return false;
    *out = (struct value){.kind = VALUE_BYTES, .ptr = bytes, .len = (uint32_t)len};
    return true;
}

/* 32 digits, perhaps in braces, perhaps with a '-' behind any group of four. */
bool uuid_parse(const struct convert_context *cx, struct str text, struct value *out, struct error *err)
{
    const char *p = text.data, *end = p + text.len;
    bool braces = p < end && *p == '{';
    p += braces;
    char *bytes = arena_alloc(cx->arena, 16);
    bool good = true;
    for (int i = 0; i < 16 && good; i++) {
        int high = end - p >= 2 ? hex_digit(p[0]) : -1, low = end - p >= 2 ? hex_digit(p[1]) : -1;
        good = high >= 0 && low >= 0;
        if (!good)
            break;
        bytes[i] = (char)(high << 4 | low);
        p += 2;
        if (p < end && *p == '-' && i % 2 == 1 && i < 15)
            p++;
    }
    if (good && braces)
        good = p < end && *p++ == '}';
    if (!good || p != end)
        return convert_reject(err, "22P02", "invalid input syntax for type uuid: \"" STR_FMT "\"", STR_ARG(text));
    *out = (struct value){.kind = VALUE_UUID, .ptr = bytes, .len = 16};
    return true;
}
