#include "pipeline/sql/lex.h"

#include <stdlib.h>

#include "pipeline/base/buffer.h"
#include "pipeline/event/convert.h"

struct lexer {
    const char *start, *at, *end;
    struct arena *arena;
    struct sql_error *err;
};

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_word_start(c) || is_digit(c) || c == '$';
}

static bool is_operator(char c)
{
    return c != '\0' && strchr("+-*/<>=~!@#%^&|`?", c) != NULL;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char peek(const struct lexer *lx, size_t ahead)
{
    return (size_t)(lx->end - lx->at) > ahead ? lx->at[ahead] : '\0';
}

static bool fail_from(struct lexer *lx, const char *from, const char *what)
{
    return sql_fail(lx->err, "42601", (size_t)(from - lx->start), (size_t)(lx->end - from), "%s", what);
}

/* Block comments nest, as in the standard. */
static bool skip_block_comment(struct lexer *lx)
{
    const char *from = lx->at;
    int depth = 0;
    do {
        if (lx->at >= lx->end)
            return fail_from(lx, from, "unterminated /* comment");
        if (peek(lx, 0) == '/' && peek(lx, 1) == '*') {
            depth++;
            lx->at += 2;
        } else if (peek(lx, 0) == '*' && peek(lx, 1) == '/') {
            depth--;
            lx->at += 2;
        } else {
            lx->at++;
        }
    } while (depth > 0);
    return true;
}

static bool skip_blanks(struct lexer *lx, bool *newline)
{
    *newline = false;
    while (lx->at < lx->end) {
        if (is_space(*lx->at)) {
            *newline |= *lx->at == '\n' || *lx->at == '\r';
            lx->at++;
        } else if (peek(lx, 0) == '-' && peek(lx, 1) == '-') {
            while (lx->at < lx->end && *lx->at != '\n')
                lx->at++;
        } else if (peek(lx, 0) == '/' && peek(lx, 1) == '*') {
            if (!skip_block_comment(lx))
                return false;
        } else {
            break;
        }
    }
    return true;
}

static void add_utf8(struct buffer *out, uint32_t c)
{
    if (c < 0x80) {
        buffer_add_byte(out, (char)c);
    } else if (c < 0x800) {
        buffer_add_byte(out, (char)(0xC0 | c >> 6));
        buffer_add_byte(out, (char)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        buffer_add_byte(out, (char)(0xE0 | c >> 12));
        buffer_add_byte(out, (char)(0x80 | (c >> 6 & 63)));
        buffer_add_byte(out, (char)(0x80 | (c & 63)));
    } else {
        buffer_add_byte(out, (char)(0xF0 | c >> 18));
        buffer_add_byte(out, (char)(0x80 | (c >> 12 & 63)));
        buffer_add_byte(out, (char)(0x80 | (c >> 6 & 63)));
        buffer_add_byte(out, (char)(0x80 | (c & 63)));
    }
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* At most `most` hexadecimal digits; returns how many there were. */
static int take_hex(struct lexer *lx, int most, uint32_t *value)
{
    int digits = 0;
    *value = 0;
    while (digits < most && hex_value(peek(lx, 0)) >= 0) {
        *value = *value << 4 | (uint32_t)hex_value(*lx->at++);
        digits++;
    }
    return digits;
}

static bool take_unicode(struct lexer *lx, int digits, uint32_t *value)
{
    const char *from = lx->at;
    if (take_hex(lx, digits, value) != digits)
        return fail_from(lx, from, "invalid Unicode escape: \\u takes 4 hexadecimal digits, \\U takes 8");
    return true;
}

/* Behind the backslash of an E'…' string. */
static bool take_escape(struct lexer *lx, struct buffer *out)
{
    const char *from = lx->at - 1;
    char c = *lx->at++;
    uint32_t value;
    switch (c) {
    case 'b':
        buffer_add_byte(out, '\b');
        return true;
    case 'f':
        buffer_add_byte(out, '\f');
        return true;
    case 'n':
        buffer_add_byte(out, '\n');
        return true;
    case 'r':
        buffer_add_byte(out, '\r');
        return true;
    case 't':
        buffer_add_byte(out, '\t');
        return true;
    case 'x':
        if (take_hex(lx, 2, &value) == 0)
            value = 'x';
        buffer_add_byte(out, (char)value);
        return true;
    case 'u':
    case 'U':
        if (!take_unicode(lx, c == 'u' ? 4 : 8, &value))
            return false;
        if (value >= 0xD800 && value < 0xDC00 && peek(lx, 0) == '\\' && peek(lx, 1) == 'u') {
            uint32_t low;
            lx->at += 2;
            if (!take_unicode(lx, 4, &low))
                return false;
            if (low < 0xDC00 || low > 0xDFFF)
                return fail_from(lx, from, "invalid Unicode surrogate pair");
            value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
        }
        if (value == 0 || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
            return fail_from(lx, from, "invalid Unicode escape value");
        add_utf8(out, value);
        return true;
    default:
        if (c >= '0' && c <= '7') {
            value = (uint32_t)(c - '0');
            for (int i = 0; i < 2 && peek(lx, 0) >= '0' && peek(lx, 0) <= '7'; i++)
                value = value << 3 | (uint32_t)(*lx->at++ - '0');
            c = (char)value;
        }
        buffer_add_byte(out, c);
        return true;
    }
}

/* From the opening quote on; a doubled quote is one. */
static bool take_quoted(struct lexer *lx, char quote, bool escapes, struct buffer *out, const char *unterminated)
{
    const char *from = lx->at++;
    for (;;) {
        if (lx->at >= lx->end)
            return fail_from(lx, from, unterminated);
        char c = *lx->at++;
        if (c == quote) {
            if (peek(lx, 0) != quote)
                return true;
            lx->at++;
            buffer_add_byte(out, quote);
        } else if (c == '\\' && escapes) {
            if (lx->at >= lx->end)
                return fail_from(lx, from, unterminated);
            if (!take_escape(lx, out))
                return false;
        } else {
            buffer_add_byte(out, c);
        }
    }
}

static bool take_string(struct lexer *lx, bool escapes, struct token *t)
{
    struct buffer text = {0};
    const char *from = lx->at;
    bool ok = take_quoted(lx, '\'', escapes, &text, "unterminated quoted string");
    /* Strings with nothing but white space and a line break between them are one. */
    while (ok) {
        const char *behind = lx->at;
        bool newline;
        ok = skip_blanks(lx, &newline);
        if (!ok || !newline || peek(lx, 0) != '\'') {
            lx->at = behind;
            break;
        }
        ok = take_quoted(lx, '\'', escapes, &text, "unterminated quoted string");
    }
    struct str bytes = {text.data, text.len};
    if (ok && utf8_valid_prefix(bytes) != bytes.len)
        ok = fail_from(lx, from, "invalid byte sequence for encoding \"UTF8\" in a string constant");
    t->kind = TOKEN_STRING;
    t->text = ok ? arena_str(lx->arena, bytes) : (struct str){0};
    buffer_release(&text);
    return ok;
}

static bool take_name(struct lexer *lx, struct token *t)
{
    struct buffer text = {0};
    const char *from = lx->at;
    bool ok = take_quoted(lx, '"', false, &text, "unterminated quoted identifier");
    if (ok && text.len == 0)
        ok = sql_fail(lx->err, "42601", (size_t)(from - lx->start), 2, "zero-length delimited identifier");
    t->kind = TOKEN_NAME;
    t->text = ok ? arena_str(lx->arena, (struct str){text.data, text.len}) : (struct str){0};
    buffer_release(&text);
    return ok;
}

/* $tag$ … $tag$; false without an error where there is no opening tag here. */
static bool take_dollar(struct lexer *lx, struct token *t, bool *matched)
{
    const char *tag_end = lx->at + 1;
    *matched = false;
    if (tag_end < lx->end && is_digit(*tag_end))
        return true;
    while (tag_end < lx->end && is_word(*tag_end) && *tag_end != '$')
        tag_end++;
    if (tag_end >= lx->end || *tag_end != '$')
        return true;
    *matched = true;
    size_t tag_len = (size_t)(tag_end + 1 - lx->at);
    const char *body = tag_end + 1;
    const char *close = memmem(body, (size_t)(lx->end - body), lx->at, tag_len);
    if (!close)
        return fail_from(lx, lx->at, "unterminated dollar-quoted string");
    t->kind = TOKEN_STRING;
    t->text = (struct str){body, (size_t)(close - body)};
    lx->at = close + tag_len;
    return true;
}

static bool take_number(struct lexer *lx, struct token *t)
{
    const char *from = lx->at;
    t->kind = TOKEN_INTEGER;
    while (is_digit(peek(lx, 0)))
        lx->at++;
    if (peek(lx, 0) == '.' && peek(lx, 1) != '.') {
        t->kind = TOKEN_NUMBER;
        lx->at++;
        while (is_digit(peek(lx, 0)))
            lx->at++;
    }
    if (peek(lx, 0) == 'e' || peek(lx, 0) == 'E') {
        size_t sign = peek(lx, 1) == '+' || peek(lx, 1) == '-';
        if (is_digit(peek(lx, 1 + sign))) {
            t->kind = TOKEN_NUMBER;
            lx->at += 1 + sign;
            while (is_digit(peek(lx, 0)))
                lx->at++;
        }
    }
    if (is_word_start(peek(lx, 0)))
        return sql_fail(lx->err, "42601", (size_t)(from - lx->start), (size_t)(lx->at + 1 - from),
                        "trailing junk after numeric literal at or near \"%.*s\"", (int)(lx->at + 1 - from), from);
    t->text = (struct str){from, (size_t)(lx->at - from)};
    return true;
}

static void take_operator(struct lexer *lx, struct token *t)
{
    const char *from = lx->at;
    while (is_operator(peek(lx, 0))) {
        bool comment = (peek(lx, 0) == '-' && peek(lx, 1) == '-') || (peek(lx, 0) == '/' && peek(lx, 1) == '*');
        if (comment && lx->at > from)
            break;
        lx->at++;
    }
    /* "a*-1" is two operators: only one with an unusual character in it may end in + or -. */
    bool unusual = false;
    for (const char *c = from; c < lx->at; c++)
        unusual |= strchr("~!@#%^&|`?", *c) != NULL;
    while (!unusual && lx->at - from > 1 && (lx->at[-1] == '+' || lx->at[-1] == '-'))
        lx->at--;
    t->kind = TOKEN_OPERATOR;
    t->text = (struct str){from, (size_t)(lx->at - from)};
    if (str_eq(t->text, STR("!=")))
        t->text = STR("<>");
}

static bool take_word(struct lexer *lx, struct token *t)
{
    const char *from = lx->at;
    char first = *from;
    if (peek(lx, 1) == '\'') {
        if (strchr("bBxX", first))
            return sql_fail(lx->err, "0A000", (size_t)(from - lx->start), 2, "bit string constants are not supported");
        if (strchr("eEnN", first)) {
            lx->at++;
            return take_string(lx, first == 'e' || first == 'E', t);
        }
    }
    if ((first == 'U' || first == 'u') && peek(lx, 1) == '&' && (peek(lx, 2) == '\'' || peek(lx, 2) == '"')) {
        sql_fail(lx->err, "0A000", (size_t)(from - lx->start), 3, "U&'…' constants are not supported");
        return sql_hint(lx->err, "Write E'\\u0041' instead.");
    }
    while (is_word(peek(lx, 0)))
        lx->at++;
    t->kind = TOKEN_WORD;
    t->text = (struct str){from, (size_t)(lx->at - from)};
    return true;
}

static bool take_token(struct lexer *lx, struct token *t)
{
    char c = peek(lx, 0);
    if (c == '\'')
        return take_string(lx, false, t);
    if (c == '"')
        return take_name(lx, t);
    if (c == '$') {
        bool matched;
        if (!take_dollar(lx, t, &matched))
            return false;
        if (matched)
            return true;
    }
    if (is_word_start(c))
        return take_word(lx, t);
    if (is_digit(c) || (c == '.' && is_digit(peek(lx, 1))))
        return take_number(lx, t);
    if (c != '\0' && strchr("()[],;.:", c)) {
        size_t len = c == ':' && peek(lx, 1) == ':' ? 2 : 1;
        t->kind = TOKEN_PUNCT;
        t->text = (struct str){lx->at, len};
        lx->at += len;
        return true;
    }
    if (is_operator(c)) {
        take_operator(lx, t);
        return true;
    }
    return sql_fail(lx->err, "42601", (size_t)(lx->at - lx->start), 1, "syntax error at or near \"%.1s\"", lx->at);
}

struct token *lex(struct str text, struct arena *arena, struct sql_error *err)
{
    struct lexer lx = {.start = text.data, .at = text.data, .end = text.data + text.len, .arena = arena, .err = err};
    if (text.len > UINT32_MAX / 2) {
        sql_fail(err, "54000", 0, 0, "the query is too long");
        return NULL;
    }
    size_t bad = utf8_valid_prefix(text);
    if (bad != text.len) {
        sql_fail(err, "22021", bad, 1, "invalid byte sequence for encoding \"UTF8\"");
        return NULL;
    }
    size_t count = 0, capacity = 32;
    struct token *tokens = mem_alloc(capacity * sizeof(*tokens));
    for (;;) {
        bool newline;
        if (count == capacity)
            tokens = mem_realloc(tokens, (capacity *= 2) * sizeof(*tokens));
        struct token *t = &tokens[count];
        *t = (struct token){.kind = TOKEN_END};
        if (!skip_blanks(&lx, &newline))
            break;
        t->offset = (uint32_t)(lx.at - lx.start);
        count++;
        if (lx.at >= lx.end) {
            struct token *kept = arena_array(arena, struct token, count);
            memcpy(kept, tokens, count * sizeof(*tokens));
            free(tokens);
            return kept;
        }
        if (!take_token(&lx, t))
            break;
        t->length = (uint32_t)(lx.at - lx.start) - t->offset;
    }
    free(tokens);
    return NULL;
}
