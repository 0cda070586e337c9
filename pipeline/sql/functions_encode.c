/*
 * Bytes as text and back (manual, 9.5): encode, decode, convert_from, convert_to, and digests.
 */
#include <ctype.h>

#include "pipeline/sql/implementation.h"
#include "pipeline/sql/sha2.h"
#include "pipeline/sql/text.h"

static struct value as_bytes(struct value text)
{
    text.kind = VALUE_BYTES;
    return text;
}

/* ---- base64, hex, escape -------------------------------------------------------------------------------------------
 */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* RFC 2045: after 76 characters the line ends. */
static void encode_base64(struct str s, struct buffer *out)
{
    size_t in_line = 0;
    for (size_t i = 0; i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t bits = (uint32_t)(unsigned char)s.data[i] << 16;
        bits |= left > 1 ? (uint32_t)(unsigned char)s.data[i + 1] << 8 : 0;
        bits |= left > 2 ? (unsigned char)s.data[i + 2] : 0;
        for (unsigned d = 0; d < 4; d++)
            buffer_add_byte(out, d <= left ? base64_digits[bits >> (18 - 6 * d) & 63] : '=');
        if (left >= 3 && (in_line += 4) == 76) {
            buffer_add_byte(out, '\n');
            in_line = 0;
        }
    }
}

static bool decode_base64(struct str s, struct buffer *out, struct error *err)
{
    uint32_t bits = 0;
    unsigned digits = 0, kept = 3;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        const char *digit = c ? strchr(base64_digits, c) : NULL;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            continue;
        if (c == '=' && kept == 3) {
            if (digits < 2)
                return function_fail(err, "22023", "unexpected \"=\" while decoding base64 sequence");
            kept = digits - 1;
        } else if (c != '=' && !digit) {
            return function_fail(err, "22023", "invalid symbol \"%.*s\" found while decoding base64 sequence",
                                 (int)text_char_bytes(c), s.data + i);
        }
        bits = bits << 6 | (digit ? (uint32_t)(digit - base64_digits) : 0);
        if (++digits < 4)
            continue;
        for (unsigned b = 0; b < kept; b++)
            buffer_add_byte(out, (char)(bits >> (16 - 8 * b)));
        bits = digits = 0;
    }
    return digits == 0 || function_fail(err, "22023", "invalid base64 end sequence: the data is truncated or corrupt");
}

static void encode_hex(struct str s, struct buffer *out)
{
    static const char hex[] = "0123456789abcdef";
    char *p = buffer_reserve(out, 2 * s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        p[2 * i] = hex[(unsigned char)s.data[i] >> 4];
        p[2 * i + 1] = hex[(unsigned char)s.data[i] & 15];
    }
    out->len += 2 * s.len;
}

static void encode_escape(struct str s, struct buffer *out)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c == 0 || c >= 0x80)
            buffer_printf(out, "\\%03o", c);
        else if (c == '\\')
            buffer_add_str(out, STR("\\\\"));
        else
            buffer_add_byte(out, (char)c);
    }
}

bool fn_encode(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    struct str bytes = value_str(args[0]), format = value_str(args[1]);
    ev->scratch.len = 0;
    if (str_eq_nocase(format, STR("base64")))
        encode_base64(bytes, &ev->scratch);
    else if (str_eq_nocase(format, STR("hex")))
        encode_hex(bytes, &ev->scratch);
    else if (str_eq_nocase(format, STR("escape")))
        encode_escape(bytes, &ev->scratch);
    else
        return function_fail(err, "22023", "unrecognized encoding: \"" STR_FMT "\"", STR_ARG(format));
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

bool fn_decode(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)e;
    struct str text = value_str(args[0]), format = value_str(args[1]);
    bool hex = str_eq_nocase(format, STR("hex"));
    ev->scratch.len = 0;
    if (str_eq_nocase(format, STR("base64"))) {
        if (!decode_base64(text, &ev->scratch, err))
            return false;
        *out = as_bytes(eval_text(ev, ev->scratch.data, ev->scratch.len));
        return true;
    }
    if (!hex && !str_eq_nocase(format, STR("escape")))
        return function_fail(err, "22023", "unrecognized encoding: \"" STR_FMT "\"", STR_ARG(format));
    /* bytea's own input reads both; a leading \x is its sign for hex, and belongs to neither here */
    if (text.len >= 2 && text.data[0] == '\\' && text.data[1] == 'x')
        return hex ? function_fail(err, "22023", "invalid hexadecimal digit: \"\\\"")
                   : function_fail(err, "22P02", "invalid input syntax for type bytea");
    if (hex) {
        buffer_add_str(&ev->scratch, STR("\\x"));
        buffer_add_str(&ev->scratch, text);
        text = (struct str){ev->scratch.data, ev->scratch.len};
    }
    return value_parse(&ev->cx, text, TYPE(TYPE_BYTEA), out, err);
}

/* ---- character sets ------------------------------------------------------------------------------------------------
 */

enum charset { CHARSET_UTF8, CHARSET_LATIN1, CHARSET_ASCII };

/* Letters and digits of the name count, in any case: UTF-8 is utf8. */
static bool find_charset(struct str name, enum charset *out, struct error *err)
{
    static const struct {
        const char *name;
        enum charset charset;
    } known[] = {
        {"utf8", CHARSET_UTF8},       {"unicode", CHARSET_UTF8},   {"latin1", CHARSET_LATIN1},
        {"iso88591", CHARSET_LATIN1}, {"sqlascii", CHARSET_ASCII},
    };
    char plain[16];
    size_t len = 0;
    for (size_t i = 0; i < name.len && len < sizeof(plain); i++)
        if (isalnum((unsigned char)name.data[i]))
            plain[len++] = (char)tolower((unsigned char)name.data[i]);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (str_eq((struct str){plain, len}, str_of(known[i].name))) {
            *out = known[i].charset;
            return true;
        }
    return function_fail(err, "22023", "encoding \"" STR_FMT "\" is not known: UTF8, LATIN1 and SQL_ASCII are",
                         STR_ARG(name));
}

static bool check_utf8(struct str s, struct error *err)
{
    size_t good = utf8_valid_prefix(s);
    if (good == s.len)
        return true;
    return function_fail(err, "22021", "invalid byte sequence for encoding \"UTF8\": 0x%02x",
                         (unsigned)(unsigned char)s.data[good]);
}

static bool from_latin1(struct str s, struct buffer *out, struct error *err)
{
    for (size_t i = 0; i < s.len; i++) {
        char bytes[4];
        if (s.data[i] == '\0')
            return function_fail(err, "22021", "invalid byte sequence for encoding \"LATIN1\": 0x00");
        buffer_add(out, bytes, text_encode((unsigned char)s.data[i], bytes));
    }
    return true;
}

bool fn_convert_from(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                     struct error *err)
{
    (void)e;
    enum charset charset;
    if (!find_charset(value_str(args[1]), &charset, err))
        return false;
    *out = value_text(value_str(args[0]));
    if (charset != CHARSET_LATIN1)
        return check_utf8(value_str(args[0]), err);
    ev->scratch.len = 0;
    if (!from_latin1(value_str(args[0]), &ev->scratch, err))
        return false;
    *out = eval_text(ev, ev->scratch.data, ev->scratch.len);
    return true;
}

bool fn_convert_to(struct eval *ev, const struct expr *e, const struct value *args, struct value *out,
                   struct error *err)
{
    (void)e;
    enum charset charset;
    if (!find_charset(value_str(args[1]), &charset, err))
        return false;
    *out = as_bytes(args[0]);
    out->flags = 0;
    if (charset != CHARSET_LATIN1)
        return true;
    struct str s = value_str(args[0]);
    ev->scratch.len = 0;
    for (size_t i = 0; i < s.len; i += text_char_bytes(s.data[i])) {
        uint32_t c = text_decode(s.data + i);
        if (c > 0xFF)
            return function_fail(err, "22P05", "character \"%.*s\" has no equivalent in encoding \"LATIN1\"",
                                 (int)text_char_bytes(s.data[i]), s.data + i);
        buffer_add_byte(&ev->scratch, (char)c);
    }
    *out = as_bytes(eval_text(ev, ev->scratch.data, ev->scratch.len));
    return true;
}

/* The number of characters that the bytes are in that character set. */
bool fn_length_in(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)ev, (void)e;
    enum charset charset;
    if (!find_charset(value_str(args[1]), &charset, err))
        return false;
    if (charset == CHARSET_UTF8 && !check_utf8(value_str(args[0]), err))
        return false;
    if (args[0].len && memchr(args[0].ptr, '\0', args[0].len))
        return function_fail(err, "22021", "invalid byte sequence: 0x00");
    *out = value_int(charset == CHARSET_UTF8 ? (int64_t)text_length(value_str(args[0])) : args[0].len);
    return true;
}

/* ---- digests -------------------------------------------------------------------------------------------------------
 */

/* variant: enum sha2 */
bool fn_sha2(struct eval *ev, const struct expr *e, const struct value *args, struct value *out, struct error *err)
{
    (void)err;
    unsigned char digest[SHA2_MAX_BYTES];
    size_t len = sha2((enum sha2)e->variant, value_str(args[0]), digest);
    *out = as_bytes(eval_text(ev, (const char *)digest, len));
    return true;
}
