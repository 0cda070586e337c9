#include "pipeline/sql/text.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

bool text_is_ascii(struct str s)
{
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.data + i, 8);
        if (word & UINT64_C(0x8080808080808080))
            return false;
    }
    for (; i < s.len; i++)
        if ((unsigned char)s.data[i] >= 0x80)
            return false;
    return true;
}

size_t text_length(struct str s)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((unsigned char)s.data[i] & 0xC0) != 0x80;
    return count;
}

size_t text_bytes_of(struct str s, size_t n)
{
    size_t at = 0;
    while (n > 0 && at < s.len) {
        at += text_char_bytes(s.data[at]);
        n--;
    }
    return at < s.len ? at : s.len;
}

uint32_t text_decode(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    switch (text_char_bytes(*p)) {
    case 2:
        return (u[0] & 31u) << 6 | (u[1] & 63u);
    case 3:
        return (u[0] & 15u) << 12 | (u[1] & 63u) << 6 | (u[2] & 63u);
    case 4:
        return (u[0] & 7u) << 18 | (u[1] & 63u) << 12 | (u[2] & 63u) << 6 | (u[3] & 63u);
    default:
        return u[0];
    }
}

size_t text_encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* ---- case ----------------------------------------------------------------------------------------------------------
 */

static locale_t utf8_locale;
static pthread_once_t utf8_locale_once = PTHREAD_ONCE_INIT;

static void open_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* (locale_t)0 on a system without C.UTF-8: then only ASCII letters have a case. */
static locale_t locale_of_text(void)
{
    pthread_once(&utf8_locale_once, open_locale);
    return utf8_locale;
}

static char ascii_lower(char c)
{
    return (char)(c + ((unsigned char)(c - 'A') < 26 ? 32 : 0));
}

static char ascii_upper(char c)
{
    return (char)(c - ((unsigned char)(c - 'a') < 26 ? 32 : 0));
}

static bool ascii_is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void change_ascii(struct str s, enum text_case to, struct buffer *out)
{
    if (s.len == 0)
        return;
    char *restrict p = buffer_reserve(out, s.len);
    bool inside = false;
    out->len += s.len;
    switch (to) {
    case TEXT_LOWER:
        for (size_t i = 0; i < s.len; i++)
            p[i] = ascii_lower(s.data[i]);
        return;
    case TEXT_UPPER:
        for (size_t i = 0; i < s.len; i++)
            p[i] = ascii_upper(s.data[i]);
        return;
    case TEXT_INITCAP:
        for (size_t i = 0; i < s.len; i++) {
            p[i] = inside ? ascii_lower(s.data[i]) : ascii_upper(s.data[i]);
            inside = ascii_is_word(s.data[i]);
        }
        return;
    }
}

void text_change_case(struct str s, enum text_case to, struct buffer *out)
{
    locale_t locale;
    if (text_is_ascii(s) || (locale = locale_of_text()) == (locale_t)0) {
        change_ascii(s, to, out);
        return;
    }
    bool inside = false;
    for (size_t i = 0; i < s.len; i += text_char_bytes(s.data[i])) {
        wint_t c = (wint_t)text_decode(s.data + i);
        bool upper = to == TEXT_UPPER || (to == TEXT_INITCAP && !inside);
        wint_t changed = upper ? towupper_l(c, locale) : towlower_l(c, locale);
        char *p = buffer_reserve(out, 4);
        out->len += text_encode((uint32_t)changed, p);
        inside = iswalnum_l(c, locale) != 0;
    }
}
