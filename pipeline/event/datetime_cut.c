#include "pipeline/event/datetime_reader.h"

static bool is_punctuation(char c)
{
    return c > ' ' && c < 0x7f && !is_digit(c) && !is_letter(c);
}

struct cutter {
    const char *at, *end;
    char *to, *to_end;
    bool full;
};

static char peek(const struct cutter *c)
{
    return c->at < c->end ? *c->at : '\0';
}

static void copy(struct cutter *c)
{
    char ch = *c->at++;
    if (c->to + 1 >= c->to_end)
        c->full = true;
    else
        *c->to++ = ch >= 'A' && ch <= 'Z' ? (char)(ch | 32) : ch;
}

static void copy_digits(struct cutter *c)
{
    while (is_digit(peek(c)))
        copy(c);
}

static enum field_kind cut_number(struct cutter *c)
{
    copy_digits(c);
    char separator = peek(c);
    if (separator == ':') {
        while (is_digit(peek(c)) || peek(c) == ':' || peek(c) == '.')
            copy(c);
        return FIELD_TIME;
    }
    if (separator != '-' && separator != '/' && separator != '.')
        return FIELD_NUMBER;
    copy(c);
    if (!is_digit(peek(c))) {
        while (is_digit(peek(c)) || is_letter(peek(c)) || (peek(c) == separator && c->at < c->end))
            copy(c);
        return FIELD_DATE;
    }
    copy_digits(c);
    if (peek(c) != separator)
        return separator == '.' ? FIELD_NUMBER : FIELD_DATE;
    while (is_digit(peek(c)) || peek(c) == separator)
        copy(c);
    return FIELD_DATE;
}

/* A word; or, with punctuation in it, a date that begins with its month, or the name of a zone. */
static enum field_kind cut_word(struct cutter *c, const char *start)
{
    while (is_letter(peek(c)))
        copy(c);
    char next = peek(c);
    bool more = next == '-' || next == '/' || next == '.';
    if (next == '+' || is_digit(next)) {
        *c->to = '\0';
        more = datetime_word_find(start) == NULL;
    }
    if (!more)
        return FIELD_WORD;
    while (is_digit(next) || is_letter(next) || (next != '\0' && strchr("+-/_.:", next))) {
        copy(c);
        next = peek(c);
    }
    return FIELD_DATE;
}

/* An offset, or "-infinity" */
static bool cut_signed(struct cutter *c, enum field_kind *kind)
{
    copy(c);
    while (is_blank(peek(c)))
        c->at++;
    if (is_digit(peek(c))) {
        *kind = FIELD_OFFSET;
        while (is_digit(peek(c)) || peek(c) == ':' || peek(c) == '.' || peek(c) == '-')
            copy(c);
        return true;
    }
    *kind = FIELD_WORD;
    if (!is_letter(peek(c)))
        return false;
    while (is_letter(peek(c)))
        copy(c);
    return true;
}

bool datetime_cut(struct reader *r, struct str text, size_t room)
{
    struct cutter c = {.at = text.data, .end = text.data + text.len, .to = r->work, .to_end = r->work + room};
    while (c.at < c.end) {
        char ch = *c.at;
        if (is_blank(ch)) {
            c.at++;
            continue;
        }
        if (r->field_count == MAX_FIELDS)
            return false;
        struct field *f = &r->fields[r->field_count];
        f->text = c.to;
        if (is_digit(ch)) {
            f->kind = cut_number(&c);
        } else if (ch == '.') {
            f->kind = FIELD_NUMBER;
            copy(&c);
            copy_digits(&c);
        } else if (is_letter(ch)) {
            f->kind = cut_word(&c, f->text);
        } else if (ch == '+' || ch == '-') {
            if (!cut_signed(&c, &f->kind))
                return false;
        } else if (is_punctuation(ch)) {
            c.at++;
            continue;
        } else {
            return false;
        }
        if (c.full)
            return false;
        *c.to++ = '\0';
        r->field_count++;
    }
    return true;
}
