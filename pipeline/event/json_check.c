#include "pipeline/event/convert_pieces.h"

/*
 * RFC 8259 for texts that become jsonb: what the decoder of JSON events checks for events. Small rather than quick; it
 * is used for members that are strings of JSON, never for a whole event.
 */
enum { MAX_DEPTH = 1000 };

enum json_fault { JSON_GOOD, JSON_SYNTAX, JSON_NUL, JSON_DEPTH };

struct checker {
    const char *at, *end;
};

static void skip_blanks(struct checker *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct checker *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_word(struct checker *c, struct str word)
{
    if ((size_t)(c->end - c->at) < word.len || memcmp(c->at, word.data, word.len) != 0)
        return false;
    c->at += word.len;
    return true;
}

static bool take_digits(struct checker *c)
{
    const char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return c->at > start;
}

static bool check_number(struct checker *c)
{
    take(c, '-');
    if (!take(c, '0') && !take_digits(c))
        return false;
    if (take(c, '.') && !take_digits(c))
        return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+'))
            take(c, '-');
        return take_digits(c);
    }
    return true;
}

/* The four digits behind "\u"; -1: they are not. */
static int32_t take_hex4(struct checker *c)
{
    int32_t n = 0;
    for (int i = 0; i < 4; i++, c->at++) {
        if (c->at == c->end)
            return -1;
        char ch = *c->at, lower = (char)(ch | 32);
        if (ch >= '0' && ch <= '9')
            n = n * 16 + (ch - '0');
        else if (lower >= 'a' && lower <= 'f')
            n = n * 16 + (lower - 'a' + 10);
        else
            return -1;
    }
    return n;
}

static enum json_fault check_unicode(struct checker *c)
{
    int32_t code = take_hex4(c);
    if (code == 0)
        return JSON_NUL;
    if (code < 0 || (code >= 0xdc00 && code < 0xe000))
        return JSON_SYNTAX;
    if (code < 0xd800 || code >= 0xe000)
        return JSON_GOOD;
    if (!take(c, '\\') || !take(c, 'u'))
        return JSON_SYNTAX;
    code = take_hex4(c);
    return code >= 0xdc00 && code < 0xe000 ? JSON_GOOD : JSON_SYNTAX;
}

/* From behind the opening quote. */
static enum json_fault check_string(struct checker *c)
{
    while (c->at < c->end) {
        char ch = *c->at++;
        if (ch == '"')
            return JSON_GOOD;
        if ((uint8_t)ch < 0x20)
            return JSON_SYNTAX;
        if (ch != '\\')
            continue;
        if (take(c, 'u')) {
            enum json_fault fault = check_unicode(c);
            if (fault)
                return fault;
        } else if (c->at == c->end || *c->at == '\0' || !strchr("\"\\/bfnrt", *c->at++)) {
            return JSON_SYNTAX;
        }
    }
    return JSON_SYNTAX;
}

static enum json_fault check_value(struct checker *c, int depth);

static enum json_fault check_members(struct checker *c, bool object, int depth)
{
    const char close = object ? '}' : ']';
    skip_blanks(c);
    if (take(c, close))
        return JSON_GOOD;
    do {
        if (object) {
            skip_blanks(c);
            if (!take(c, '"'))
                return JSON_SYNTAX;
            enum json_fault fault = check_string(c);
            if (fault)
                return fault;
            skip_blanks(c);
            if (!take(c, ':'))
                return JSON_SYNTAX;
        }
        enum json_fault fault = check_value(c, depth);
        if (fault)
            return fault;
    } while (take(c, ','));
    return take(c, close) ? JSON_GOOD : JSON_SYNTAX;
}

static enum json_fault check_value(struct checker *c, int depth)
{
    enum json_fault fault = JSON_GOOD;
    skip_blanks(c);
    if (take(c, '"')) {
        fault = check_string(c);
    } else if (take(c, '{')) {
        fault = depth < MAX_DEPTH ? check_members(c, true, depth + 1) : JSON_DEPTH;
    } else if (take(c, '[')) {
        fault = depth < MAX_DEPTH ? check_members(c, false, depth + 1) : JSON_DEPTH;
    } else if (!take_word(c, STR("true")) && !take_word(c, STR("false")) && !take_word(c, STR("null")) &&
               !check_number(c)) {
        fault = JSON_SYNTAX;
    }
    skip_blanks(c);
    return fault;
}

bool json_check(struct str text, struct error *err)
{
    struct checker c = {text.data, text.data + text.len};
    enum json_fault fault = check_value(&c, 0);
    if (fault == JSON_GOOD && c.at != c.end)
        fault = JSON_SYNTAX;
    switch (fault) {
    case JSON_GOOD:
        return true;
    case JSON_SYNTAX:
        return convert_reject(err, "22P02", "invalid input syntax for type json");
    case JSON_NUL:
        return convert_reject(err, "22P05", "unsupported Unicode escape sequence");
    case JSON_DEPTH:
        return convert_reject(err, "54001", "JSON is nested more than %d deep", MAX_DEPTH);
    }
    return false;
}
