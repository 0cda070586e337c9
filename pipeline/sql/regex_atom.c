/*
 * Characters, classes, escapes and brackets of a regular expression (manual, 9.7.3.2 and 9.7.3.3), written anew for
 * PCRE2.
 */
#include "pipeline/sql/regex_translator.h"

static bool is_letter_or_digit(uint32_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

enum { FIRST_SURROGATE = 0xD800, LAST_SURROGATE = 0xDFFF, LAST_CHARACTER = 0x10FFFF };

#define ANY_CHARACTER "[\\x00-\\x{10ffff}]"
#define NO_CHARACTER "[^\\x00-\\x{10ffff}]"

void regex_add_char(struct translator *t, uint32_t c)
{
    char bytes[4];
    if (c < 0x20 || c == 0x7F) {
        buffer_printf(t->out, "\\x{%x}", (unsigned)c);
        return;
    }
    if (c < 0x80 && !is_letter_or_digit(c))
        buffer_add_byte(t->out, '\\');
    buffer_add(t->out, bytes, text_encode(c, bytes));
}

/* \x and \U may name what is no character: then nothing is matched. */
static bool is_character(uint32_t c)
{
    return c <= LAST_CHARACTER && (c < FIRST_SURROGATE || c > LAST_SURROGATE);
}

static void add_atom(struct translator *t, uint32_t c)
{
    if (is_character(c))
        regex_add_char(t, c);
    else
        add(t, NO_CHARACTER);
}

/* Inside brackets: the characters among those numbers. */
static void add_range(struct translator *t, uint32_t from, uint32_t to)
{
    if (!is_character(from) && from <= LAST_SURROGATE)
        from = LAST_SURROGATE + 1;
    if (!is_character(to))
        to = to <= LAST_SURROGATE ? FIRST_SURROGATE - 1 : LAST_CHARACTER;
    if (from > to)
        return;
    regex_add_char(t, from);
    if (from < to) {
        add(t, "-");
        regex_add_char(t, to);
    }
}

/* ---- classes -------------------------------------------------------------------------------------------------------
 */

/* What is inside the brackets of a class of C.UTF-8 (see the C library's own iswalpha() …). */
#define SPACES "\\x09-\\x0d\\x20\\x{1680}\\x{2000}-\\x{2006}\\x{2008}-\\x{200a}\\x{2028}\\x{2029}\\x{205f}\\x{3000}"
#define NO_SPACES                                                                                                      \
    "\\x00-\\x08\\x0e-\\x1f\\x21-\\x{167f}\\x{1681}-\\x{1fff}\\x{2007}\\x{200b}-\\x{2027}\\x{202a}-\\x{205e}"          \
    "\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}"
#define WORDS "a-zA-Z0-9_\\p{Alphabetic}\\p{Nd}"

void regex_add_word_edge(struct translator *t, enum word_edge edge)
{
    add(t, edge == WORD_START ? "(?<![" WORDS "])(?=[" WORDS "])" : "(?<=[" WORDS "])(?![" WORDS "])");
}

static const char *class_named(struct str name, bool any_case)
{
    static const struct {
        const char *name, *inside;
    } classes[] = {
        {"alpha", "a-zA-Z\\p{Alphabetic}"},
        {"alnum", "a-zA-Z0-9\\p{Alphabetic}\\p{Nd}"},
        {"digit", "0-9"},
        {"xdigit", "0-9a-fA-F"},
        {"space", SPACES},
        {"blank", "\\x09\\x20\\x{1680}\\x{2000}-\\x{2006}\\x{2008}-\\x{200a}\\x{205f}\\x{3000}"},
        {"upper", "A-Z\\p{Uppercase}\\p{Lt}"},
        {"lower", "a-z\\p{Lowercase}\\x{1c5}\\x{1c8}\\x{1cb}\\x{1f2}"},
        {"punct", "\\p{P}\\p{S}\\p{No}\\p{Cf}\\p{Co}"},
        {"cntrl", "\\p{Cc}\\x{2028}\\x{2029}"},
        {"graph", "\\x21-\\x7e\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\x{a0}\\x{2007}\\x{202f}"},
        {"print", "\\x20-\\x7e\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}"},
        {"word", WORDS},
    };
    if (any_case && (str_eq(name, STR("upper")) || str_eq(name, STR("lower"))))
        name = STR("alpha");
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (str_eq(name, str_of(classes[i].name)))
            return classes[i].inside;
    return NULL;
}

/* \d \s \w inside brackets; their complements cannot always be written exactly. NULL: c is none of them. */
static const char *class_letter(char c)
{
    switch (c) {
    case 'd':
        return "0-9";
    case 's':
        return SPACES;
    case 'w':
        return WORDS;
    case 'D':
        return "\\x00-\\x2f\\x3a-\\x{10ffff}";
    case 'S':
        return NO_SPACES;
    case 'W':
        return "\\W";
    default:
        return NULL;
    }
}

/* ---- escapes -------------------------------------------------------------------------------------------------------
 */

/* As in Postgres the number wraps around at 32 bits. */
static bool take_hex(struct translator *t, int fewest, int most, uint32_t *out)
{
    uint32_t c = 0;
    int digits = 0;
    for (; digits < most && !at_end(t); digits++) {
        char h = peek(t, 0), low = (char)(h | 32);
        if (h >= '0' && h <= '9')
            c = c << 4 | (uint32_t)(h - '0');
        else if (low >= 'a' && low <= 'f')
            c = c << 4 | (uint32_t)(low - 'a' + 10);
        else
            break;
        t->at++;
    }
    *out = c;
    return digits >= fewest || invalid(t, "invalid escape \\ sequence");
}

static bool valid_char(struct translator *t, uint32_t c)
{
    return c <= 0x7FFFFFFE || invalid(t, "invalid escape \\ sequence");
}

/* Escapes that are one character. False without an error (*is_char false): another kind. */
static bool take_char_escape(struct translator *t, uint32_t *c, bool *is_char)
{
    static const char letters[] = "abBefnrtv", values[] = "\a\b\\\033\f\n\r\t\v";
    char letter = peek(t, 0);
    const char *simple = letter ? strchr(letters, letter) : NULL;
    *is_char = true;
    if (at_end(t))
        return invalid(t, "invalid escape \\ sequence");
    if (simple) {
        *c = (unsigned char)values[simple - letters];
        t->at++;
        return true;
    }
    if ((unsigned char)letter >= 0x80 || !is_letter_or_digit((unsigned char)letter)) {
        *c = take_char(t);
        return true;
    }
    switch (letter) {
    case 'c':
        t->at++;
        if (at_end(t))
            return invalid(t, "invalid escape \\ sequence");
        *c = take_char(t) & 037;
        return true;
    case 'u':
        t->at++;
        return take_hex(t, 4, 4, c) && valid_char(t, *c);
    case 'U':
        t->at++;
        return take_hex(t, 8, 8, c) && valid_char(t, *c);
    case 'x':
        t->at++;
        return take_hex(t, 1, 255, c) && valid_char(t, *c);
    case '0':
        *c = 0;
        for (int i = 0; i < 3 && peek(t, 0) >= '0' && peek(t, 0) <= '7' && *c * 8 <= 0xFF; i++)
            *c = *c * 8 + (uint32_t)(t->in.data[t->at++] - '0');
        return true;
    default:
        *is_char = false;
        return true;
    }
}

/* \1 … refers to a group where that many are there (or it is one digit), else it is an octal number. */
static bool take_number_escape(struct translator *t)
{
    size_t from = t->at;
    uint32_t number = 0;
    while (peek(t, 0) >= '0' && peek(t, 0) <= '9' && number < 10000)
        number = number * 10 + (uint32_t)(t->in.data[t->at++] - '0');
    if (t->at == from + 1 || number <= t->groups) {
        bool known = number <= t->groups && number < sizeof(t->closed) && t->closed[number];
        if (!known || t->lookaround)
            return invalid(t, "invalid backreference number");
        t->has_backref = true;
        buffer_printf(t->out, "\\g{%u}", (unsigned)number);
        return true;
    }
    t->at = from;
    uint32_t c = 0;
    for (int i = 0; i < 3 && peek(t, 0) >= '0' && peek(t, 0) <= '7' && c * 8 <= 0xFF; i++)
        c = c * 8 + (uint32_t)(t->in.data[t->at++] - '0');
    if (t->at == from)
        return invalid(t, "invalid backreference number");
    regex_add_char(t, c);
    return true;
}

bool regex_translate_escape(struct translator *t, bool *is_constraint)
{
    uint32_t c;
    bool is_char;
    *is_constraint = false;
    if (at_end(t))
        return invalid(t, "invalid escape \\ sequence");
    if (t->options & REGEX_ERE) {
        regex_add_char(t, take_char(t));
        return true;
    }
    if (!take_char_escape(t, &c, &is_char))
        return false;
    if (is_char) {
        add_atom(t, c);
        return true;
    }
    char letter = peek(t, 0);
    if (letter >= '1' && letter <= '9')
        return take_number_escape(t);
    t->at++;
    if (letter == 'W') {
        add(t, "[^" WORDS "]");
        return true;
    }
    if (class_letter(letter)) {
        buffer_printf(t->out, "[%s]", class_letter(letter));
        return true;
    }
    *is_constraint = true;
    switch (letter) {
    case 'A':
        add(t, "\\A");
        return true;
    case 'Z':
        add(t, "\\z");
        return true;
    case 'm':
        regex_add_word_edge(t, WORD_START);
        return true;
    case 'M':
        regex_add_word_edge(t, WORD_END);
        return true;
    case 'y':
        add(t, "(?:(?<=[" WORDS "])(?![" WORDS "])|(?<![" WORDS "])(?=[" WORDS "]))");
        return true;
    case 'Y':
        add(t, "(?:(?<=[" WORDS "])(?=[" WORDS "])|(?<![" WORDS "])(?![" WORDS "]))");
        return true;
    default:
        return invalid(t, "invalid escape \\ sequence");
    }
}

/* ---- brackets ------------------------------------------------------------------------------------------------------
 */

/* [.x.] and [=x=]: x is one character. */
static bool take_element(struct translator *t, const char *end, uint32_t *c)
{
    if (at_end(t))
        return invalid(t, "brackets [] not balanced");
    *c = take_char(t);
    return accept(t, end) || invalid(t, "invalid collating element");
}

static bool add_class(struct translator *t)
{
    size_t from = t->at;
    while (peek(t, 0) >= 'a' && peek(t, 0) <= 'z')
        t->at++;
    struct str name = {t->in.data + from, t->at - from};
    const char *inside = class_named(name, t->options & REGEX_NOCASE);
    if (!inside || !accept(t, ":]"))
        return invalid(t, "invalid character class");
    add(t, inside);
    return true;
}

/* One item that may begin or end a range: a character; or a class, already written. */
static bool take_item(struct translator *t, uint32_t *c, bool *is_char)
{
    *is_char = true;
    if (at_end(t))
        return invalid(t, "brackets [] not balanced");
    if (accept(t, "[:")) {
        *is_char = false;
        return add_class(t);
    }
    if (accept(t, "[."))
        return take_element(t, ".]", c);
    if (accept(t, "[="))
        return take_element(t, "=]", c);
    if (peek(t, 0) != '\\' || (t->options & REGEX_ERE)) {
        *c = take_char(t);
        return true;
    }
    t->at++;
    if (!take_char_escape(t, c, is_char))
        return false;
    if (*is_char)
        return true;
    const char *inside = class_letter(peek(t, 0));
    if (!inside)
        return invalid(t, "invalid escape \\ sequence");
    t->at++;
    add(t, inside);
    return true;
}

bool regex_translate_bracket(struct translator *t)
{
    bool first = true, negated = accept(t, "^");
    size_t opening = t->out->len;
    add(t, negated ? "[^" : "[");
    size_t inside = t->out->len;
    while (first || peek(t, 0) != ']') {
        uint32_t c, last;
        bool is_char, end_is_char;
        bool dash = !first && peek(t, 0) == '-' && peek(t, 1) != ']';
        first = false;
        if (dash)
            return invalid(t, "invalid character range");
        if (!take_item(t, &c, &is_char))
            return false;
        bool range = peek(t, 0) == '-' && peek(t, 1) != ']' && t->at + 1 < t->in.len;
        if (!range) {
            if (is_char)
                add_range(t, c, c);
            continue;
        }
        t->at++;
        if (!is_char || !take_item(t, &last, &end_is_char))
            return is_char ? false : invalid(t, "invalid character range");
        if (!end_is_char || last < c)
            return invalid(t, "invalid character range");
        add_range(t, c, last);
    }
    t->at++;
    if (negated && (t->options & REGEX_LINE_DOTS))
        add(t, "\\n");
    if (t->out->len > inside) {
        add(t, "]");
    } else {
        t->out->len = opening;
        add(t, negated ? ANY_CHARACTER : NO_CHARACTER);
    }
    return true;
}
