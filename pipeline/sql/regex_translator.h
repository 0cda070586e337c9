/*
 * A pattern on its way from PostgreSQL's syntax to PCRE2's. regex_translate.c reads its structure, regex_atom.c what
 * stands for one character; for these two only.
 */
#ifndef PIPE_SQL_REGEX_TRANSLATOR_H
#define PIPE_SQL_REGEX_TRANSLATOR_H

#include "pipeline/sql/regex.h"
#include "pipeline/sql/text.h"

struct translator {
    struct str in;
    size_t at;
    unsigned options;
    struct buffer *out;
    struct error *err;
    uint32_t groups;      /* capturing ones opened so far */
    uint8_t closed[1024]; /* by number: whether the group is whole, as a back reference needs it */
    uint32_t nesting;
    bool lazy;       /* inside something that prefers the shortest: so does all in it */
    bool lookaround; /* parentheses capture nothing here */
    uint32_t choices;
    bool has_alternation, has_lazy, has_group_choice, has_backref;
};

static inline bool invalid(struct translator *t, const char *what)
{
    return regex_fail(t->err, "2201B", "invalid regular expression: %s", what);
}

static inline bool at_end(const struct translator *t)
{
    return t->at >= t->in.len;
}

static inline char peek(const struct translator *t, size_t ahead)
{
    return t->at + ahead < t->in.len ? t->in.data[t->at + ahead] : '\0';
}

static inline bool looking_at(const struct translator *t, const char *text)
{
    size_t len = strlen(text);
    return t->in.len - t->at >= len && memcmp(t->in.data + t->at, text, len) == 0;
}

static inline bool accept(struct translator *t, const char *text)
{
    bool is = looking_at(t, text);
    t->at += is ? strlen(text) : 0;
    return is;
}

static inline uint32_t take_char(struct translator *t)
{
    uint32_t c = text_decode(t->in.data + t->at);
    t->at += text_char_bytes(t->in.data[t->at]);
    return c;
}

static inline void add(struct translator *t, const char *text)
{
    buffer_add_str(t->out, str_of(text));
}

/* regex_atom.c. A character that stands for itself, inside brackets and outside. */
void regex_add_char(struct translator *t, uint32_t c);
/* Where a word starts, or ends. */
enum word_edge { WORD_START, WORD_END };
void regex_add_word_edge(struct translator *t, enum word_edge edge);
/* Behind the backslash, outside brackets. *is_constraint: it matches no characters, and no quantifier may follow. */
bool regex_translate_escape(struct translator *t, bool *is_constraint);
/* Behind the opening bracket. */
bool regex_translate_bracket(struct translator *t);

#endif
