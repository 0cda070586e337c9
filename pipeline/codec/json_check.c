#include "pipeline/codec/json_check.h"

#include <assert.h>

#include "pipeline/codec/json.h"

/* Where the reader is. Functions that read something advance p, and leave it at the offending byte on a fault. */
struct reader {
    const char *p, *end;
    uint32_t depth, max_depth;
    uint64_t objects[JSON_MAX_DEPTH / 64]; /* a bit per level: is it an object? */
};

const char *json_fault_text(enum json_fault fault)
{
    switch (fault) {
    case JSON_VALID:
        return "valid";
    case JSON_ENDS_EARLY:
        return "the text ends inside a value";
    case JSON_NO_VALUE:
        return "expected a value";
    case JSON_BAD_LITERAL:
        return "expected true, false or null";
    case JSON_BAD_NUMBER:
        return "malformed number";
    case JSON_LEADING_ZERO:
        return "a number must not start with a zero before other digits";
    case JSON_BAD_ESCAPE:
        return "unknown escape sequence";
    case JSON_LONE_SURROGATE:
        return "half of a UTF-16 surrogate pair";
    case JSON_CONTROL_CHARACTER:
        return "control character inside a string";
    case JSON_BAD_UTF8:
        return "invalid UTF-8";
    case JSON_NO_KEY:
        return "expected a member's name in quotes";
    case JSON_NO_COLON:
        return "expected ':' behind a member's name";
    case JSON_NO_COMMA_IN_OBJECT:
        return "expected ',' or '}' behind a member";
    case JSON_NO_COMMA_IN_ARRAY:
        return "expected ',' or ']' behind an element";
    case JSON_TOO_DEEP:
        return "nested too deeply";
    case JSON_TRAILING_BYTES:
        return "expected nothing more behind the value";
    }
    return "";
}

static bool is_continuation(const char *p)
{
    return ((unsigned char)*p & 0xC0) == 0x80;
}

/* The Unicode standard, table 3-7: well-formed byte sequences. */
int json_utf8_length(const char *p, const char *end)
{
    unsigned char lead = (unsigned char)p[0];
    int length = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
    if (length == 0)
        return 0;
    if (end - p < 2)
        return -1;
    unsigned char second = (unsigned char)p[1];
    if (!is_continuation(p + 1) || (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F))
        return 0;
    for (int i = 2; i < length; i++) {
        if (end - p <= i)
            return -1;
        if (!is_continuation(p + i))
            return 0;
    }
    return length;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(struct reader *r)
{
    while (r->p < r->end && json_is_space(*r->p))
        r->p++;
}

static enum json_fault read_literal(struct reader *r, struct str literal)
{
    size_t left = (size_t)(r->end - r->p);
    size_t n = left < literal.len ? left : literal.len;
    if (memcmp(r->p, literal.data, n) != 0)
        return JSON_BAD_LITERAL;
    r->p += n;
    return n < literal.len ? JSON_ENDS_EARLY : JSON_VALID;
}

/* At least one digit. */
static enum json_fault read_digits(struct reader *r)
{
    if (r->p == r->end)
        return JSON_ENDS_EARLY;
    if (!is_digit(*r->p))
        return JSON_BAD_NUMBER;
    while (r->p < r->end && is_digit(*r->p))
        r->p++;
    return JSON_VALID;
}

static enum json_fault read_number(struct reader *r)
{
    if (*r->p == '-')
        r->p++;
    bool zero = r->p < r->end && *r->p == '0';
    if (zero)
        r->p++;
    if (zero && r->p < r->end && is_digit(*r->p))
        return JSON_LEADING_ZERO;
    enum json_fault fault = zero ? JSON_VALID : read_digits(r);
    if (fault == JSON_VALID && r->p < r->end && *r->p == '.') {
        r->p++;
        fault = read_digits(r);
    }
    if (fault == JSON_VALID && r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        fault = read_digits(r);
    }
    return fault;
}

/* Behind "\u". */
static enum json_fault read_hex4(struct reader *r, unsigned *out)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++, r->p++) {
        if (r->p == r->end)
            return JSON_ENDS_EARLY;
        char c = *r->p, lower = (char)(c | 0x20);
        if (!is_digit(c) && !(lower >= 'a' && lower <= 'f'))
            return JSON_BAD_ESCAPE;
        v = v * 16 + (unsigned)(is_digit(c) ? c - '0' : lower - 'a' + 10);
    }
    *out = v;
    return JSON_VALID;
}

/* Behind "\u": one unit, or two that make a pair. A fault is reported at the escape's backslash. */
static enum json_fault read_unicode_escape(struct reader *r)
{
    const char *escape = r->p - 2;
    unsigned unit;
    enum json_fault fault = read_hex4(r, &unit);
    if (fault != JSON_VALID)
        return fault;
    if (unit < 0xD800 || unit > 0xDFFF)
        return JSON_VALID;
    if (unit <= 0xDBFF) {
        for (const char *expected = "\\u"; *expected; expected++, r->p++) {
            if (r->p == r->end)
                return JSON_ENDS_EARLY;
            if (*r->p != *expected)
                goto lone;
        }
        fault = read_hex4(r, &unit);
        if (fault != JSON_VALID)
            return fault;
        if (unit >= 0xDC00 && unit <= 0xDFFF)
            return JSON_VALID;
    }
lone:
    r->p = escape;
    return JSON_LONE_SURROGATE;
}

/* At a backslash. */
static enum json_fault read_escape(struct reader *r)
{
    if (++r->p == r->end)
        return JSON_ENDS_EARLY;
    if (*r->p == 'u') {
        r->p++;
        return read_unicode_escape(r);
    }
    if (*r->p == '\0' || !strchr("\"\\/bfnrt", *r->p))
        return JSON_BAD_ESCAPE;
    r->p++;
    return JSON_VALID;
}

/* At the opening quote. */
static enum json_fault read_string(struct reader *r)
{
    r->p++;
    while (r->p < r->end) {
        unsigned char c = (unsigned char)*r->p;
        if (c == '"') {
            r->p++;
            return JSON_VALID;
        }
        if (c == '\\') {
            enum json_fault fault = read_escape(r);
            if (fault != JSON_VALID)
                return fault;
        } else if (c < 0x20) {
            return JSON_CONTROL_CHARACTER;
        } else if (c < 0x80) {
            r->p++;
        } else {
            int length = json_utf8_length(r->p, r->end);
            if (length == 0)
                return JSON_BAD_UTF8;
            r->p = length < 0 ? r->end : r->p + length;
        }
    }
    return JSON_ENDS_EARLY;
}

static bool in_object(const struct reader *r)
{
    uint32_t level = r->depth - 1;
    return r->objects[level / 64] >> (level % 64) & 1;
}

/* At '{' or '['. */
static enum json_fault enter(struct reader *r)
{
    if (r->depth == r->max_depth)
        return JSON_TOO_DEEP;
    uint32_t level = r->depth++;
    uint64_t bit = (uint64_t)1 << (level % 64);
    if (*r->p++ == '{')
        r->objects[level / 64] |= bit;
    else
        r->objects[level / 64] &= ~bit;
    return JSON_VALID;
}

/* A member's name and the colon. */
static enum json_fault read_key(struct reader *r)
{
    skip_space(r);
    if (r->p == r->end)
        return JSON_ENDS_EARLY;
    if (*r->p != '"')
        return JSON_NO_KEY;
    enum json_fault fault = read_string(r);
    if (fault != JSON_VALID)
        return fault;
    skip_space(r);
    if (r->p == r->end)
        return JSON_ENDS_EARLY;
    if (*r->p != ':')
        return JSON_NO_COLON;
    r->p++;
    return JSON_VALID;
}

/* A scalar, or the start of an object or array up to where its first value is expected; an empty one is read whole. */
static enum json_fault read_value_start(struct reader *r, bool *complete)
{
    *complete = true;
    skip_space(r);
    if (r->p == r->end)
        return JSON_ENDS_EARLY;
    switch (*r->p) {
    case '"':
        return read_string(r);
    case 't':
        return read_literal(r, STR("true"));
    case 'f':
        return read_literal(r, STR("false"));
    case 'n':
        return read_literal(r, STR("null"));
    case '{':
    case '[':
        break;
    default:
        return *r->p == '-' || is_digit(*r->p) ? read_number(r) : JSON_NO_VALUE;
    }
    enum json_fault fault = enter(r);
    if (fault != JSON_VALID)
        return fault;
    skip_space(r);
    if (r->p < r->end && *r->p == (in_object(r) ? '}' : ']')) {
        r->p++;
        r->depth--;
        return JSON_VALID;
    }
    *complete = false;
    return in_object(r) ? read_key(r) : JSON_VALID;
}

/* Behind a value: a comma, and what must come before the next value; or the ends of objects and arrays, as far as they
 * go. */
static enum json_fault read_value_end(struct reader *r)
{
    while (r->depth > 0) {
        bool object = in_object(r);
        skip_space(r);
        if (r->p == r->end)
            return JSON_ENDS_EARLY;
        if (*r->p == ',') {
            r->p++;
            return object ? read_key(r) : JSON_VALID;
        }
        if (*r->p != (object ? '}' : ']'))
            return object ? JSON_NO_COMMA_IN_OBJECT : JSON_NO_COMMA_IN_ARRAY;
        r->p++;
        r->depth--;
    }
    return JSON_VALID;
}

enum json_fault json_check_value(struct str text, uint32_t max_depth, size_t *offset)
{
    assert(max_depth <= JSON_MAX_DEPTH);
    struct reader r = {.p = text.data, .end = text.data + text.len, .max_depth = max_depth};
    enum json_fault fault;
    do {
        bool complete;
        fault = read_value_start(&r, &complete);
        if (fault == JSON_VALID && complete)
            fault = read_value_end(&r);
    } while (fault == JSON_VALID && r.depth > 0);
    *offset = (size_t)(r.p - text.data);
    return fault;
}

enum json_fault json_check_text(struct str text, uint32_t max_depth, size_t *offset)
{
    enum json_fault fault = json_check_value(text, max_depth, offset);
    while (fault == JSON_VALID && *offset < text.len) {
        if (!json_is_space(text.data[*offset]))
            return JSON_TRAILING_BYTES;
        ++*offset;
    }
    return fault;
}

bool json_validate(struct str text, uint32_t max_depth, size_t *offset, const char **why)
{
    enum json_fault fault = json_check_text(text, max_depth < JSON_MAX_DEPTH ? max_depth : JSON_MAX_DEPTH, offset);
    *why = json_fault_text(fault);
    return fault == JSON_VALID;
}
