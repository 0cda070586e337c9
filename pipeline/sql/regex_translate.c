/*
 * From an advanced regular expression to a pattern of PCRE2 (manual, 9.7.3; what the manual leaves open as PostgreSQL
 * 15 does it). Every token is read and written anew, so nothing of PCRE2's own syntax can be reached from outside.
 *
 * Also found here: which of several matches Postgres prefers (9.7.3.5), and whether PCRE2 may prefer another one.
 */
#include <stdarg.h>
#include <stdio.h>

#include "pipeline/sql/regex_translator.h"

enum { MAX_REPEAT = 255, MAX_NESTING = 200 };

enum preference { PREFERS_NONE, PREFERS_LONGEST, PREFERS_SHORTEST };

bool regex_fail(struct error *err, const char *sqlstate, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(err, ERROR_REJECT, "%s", text);
    snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate);
    return false;
}

/* ---- quantifiers ---------------------------------------------------------------------------------------------------
 */

/* Blanks and comments that mean nothing. */
static bool skip_blanks(struct translator *t)
{
    for (;;) {
        if (!(t->options & REGEX_ERE) && looking_at(t, "(?#")) {
            while (!at_end(t) && peek(t, 0) != ')')
                t->at++;
            t->at += !at_end(t);
        } else if ((t->options & REGEX_EXPANDED) && peek(t, 0) == '#') {
            while (!at_end(t) && peek(t, 0) != '\n')
                t->at++;
        } else if ((t->options & REGEX_EXPANDED) && !at_end(t) &&
                   (peek(t, 0) == ' ' || (peek(t, 0) >= '\t' && peek(t, 0) <= '\r'))) {
            t->at++;
        } else {
            return true;
        }
    }
}

static bool starts_quantifier(const struct translator *t)
{
    char c = peek(t, 0), next = peek(t, 1);
    return c == '*' || c == '+' || c == '?' || (c == '{' && next >= '0' && next <= '9');
}

struct quantifier {
    bool exists, lazy, variable, prefers;
    char text[16];
};

static bool take_count(struct translator *t, unsigned *out)
{
    unsigned n = 0;
    size_t from = t->at;
    while (peek(t, 0) >= '0' && peek(t, 0) <= '9' && n <= MAX_REPEAT)
        n = n * 10 + (unsigned)(t->in.data[t->at++] - '0');
    *out = n;
    return (t->at > from && n <= MAX_REPEAT) || invalid(t, "invalid repetition count(s)");
}

/* {m}, {m,}, {m,n}: the last two have a preference, even {m,m}. */
static bool take_bound(struct translator *t, struct quantifier *q)
{
    unsigned least, most;
    t->at++;
    if (!take_count(t, &least))
        return false;
    q->prefers = accept(t, ",");
    if (q->prefers && peek(t, 0) == '}') {
        q->variable = true;
        snprintf(q->text, sizeof(q->text), "{%u,}", least);
    } else {
        most = least;
        if (q->prefers && !take_count(t, &most))
            return false;
        if (most < least)
            return invalid(t, "invalid repetition count(s)");
        q->variable = most > least;
        snprintf(q->text, sizeof(q->text), "{%u,%u}", least, most);
    }
    return accept(t, "}") || invalid(t, "invalid repetition count(s)");
}

static bool take_quantifier(struct translator *t, struct quantifier *q)
{
    *q = (struct quantifier){0};
    skip_blanks(t);
    if (at_end(t) || !starts_quantifier(t))
        return true;
    q->exists = true;
    if (peek(t, 0) == '{') {
        if (!take_bound(t, q))
            return false;
    } else {
        q->variable = q->prefers = true;
        snprintf(q->text, sizeof(q->text), "%c", t->in.data[t->at++]);
    }
    if (!(t->options & REGEX_ERE))
        q->lazy = accept(t, "?") && q->prefers;
    skip_blanks(t);
    if (!at_end(t) && starts_quantifier(t))
        return invalid(t, "quantifier operand invalid");
    return true;
}

/* ---- expressions ---------------------------------------------------------------------------------------------------
 */

static bool translate_alternatives(struct translator *t, enum preference *out);

enum atom_kind { ATOM_SIMPLE, ATOM_GROUP, ATOM_CONSTRAINT };

static bool translate_inside(struct translator *t, enum preference *out)
{
    if (++t->nesting > MAX_NESTING)
        return invalid(t, "regular expression is too complex");
    if (!translate_alternatives(t, out))
        return false;
    t->nesting--;
    if (!accept(t, ")"))
        return invalid(t, "parentheses () not balanced");
    add(t, ")");
    return true;
}

static bool translate_lookaround(struct translator *t, const char *open)
{
    enum preference ignored;
    bool outer = t->lookaround, lazy = t->lazy;
    add(t, open);
    t->lookaround = true;
    t->lazy = false;
    bool ok = translate_inside(t, &ignored);
    t->lookaround = outer;
    t->lazy = lazy;
    return ok;
}

/* Behind the opening parenthesis. */
static bool translate_parenthesis(struct translator *t, enum atom_kind *kind, enum preference *prefers)
{
    static const char *const around[] = {"?=", "?!", "?<=", "?<!"};
    static const char *const opening[] = {"(?=", "(?!", "(?<=", "(?<!"};
    *kind = ATOM_GROUP;
    if (!(t->options & REGEX_ERE)) {
        for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++)
            if (accept(t, around[i])) {
                *kind = ATOM_CONSTRAINT;
                *prefers = PREFERS_NONE;
                return translate_lookaround(t, opening[i]);
            }
        if (accept(t, "?:")) {
            add(t, "(?:");
            return translate_inside(t, prefers);
        }
        if (peek(t, 0) == '?')
            return invalid(t, "quantifier operand invalid");
    }
    if (t->lookaround) {
        add(t, "(?:");
        return translate_inside(t, prefers);
    }
    uint32_t number = ++t->groups;
    if (number >= sizeof(t->closed))
        return invalid(t, "regular expression is too complex");
    t->closed[number] = false;
    add(t, "(");
    if (!translate_inside(t, prefers))
        return false;
    t->closed[number] = true;
    return true;
}

static bool translate_atom(struct translator *t, enum atom_kind *kind, enum preference *prefers)
{
    bool is_constraint;
    *kind = ATOM_SIMPLE;
    *prefers = PREFERS_NONE;
    if (starts_quantifier(t))
        return invalid(t, "quantifier operand invalid");
    if (accept(t, "[[:<:]]") || accept(t, "[[:>:]]")) {
        *kind = ATOM_CONSTRAINT;
        regex_add_word_edge(t, t->in.data[t->at - 4] == '<' ? WORD_START : WORD_END);
        return true;
    }
    switch (peek(t, 0)) {
    case '(':
        t->at++;
        return translate_parenthesis(t, kind, prefers);
    case '[':
        t->at++;
        return regex_translate_bracket(t);
    case '\\':
        t->at++;
        if (!regex_translate_escape(t, &is_constraint))
            return false;
        *kind = is_constraint ? ATOM_CONSTRAINT : ATOM_SIMPLE;
        return true;
    case '^':
    case '$':
        *kind = ATOM_CONSTRAINT;
        buffer_add_byte(t->out, t->in.data[t->at++]);
        return true;
    case '.':
        t->at++;
        add(t, t->options & REGEX_LINE_DOTS ? "[^\\n]" : ".");
        return true;
    default:
        regex_add_char(t, take_char(t));
        return true;
    }
}

static void note_choice(struct translator *t, const struct quantifier *q, enum atom_kind kind)
{
    if (!q->prefers)
        return;
    t->choices += q->variable;
    t->has_lazy |= q->lazy && q->variable;
    t->has_group_choice |= kind == ATOM_GROUP && q->variable;
}

static bool translate_quantified(struct translator *t, enum preference *out)
{
    struct translator before = *t;
    size_t out_before = t->out->len;
    enum atom_kind kind;
    struct quantifier q;
    if (!translate_atom(t, &kind, out))
        return false;
    if (kind == ATOM_CONSTRAINT)
        return true;
    if (!take_quantifier(t, &q))
        return false;
    if (kind == ATOM_GROUP && q.lazy && !t->lazy) {
        /* what is inside prefers the shortest as well: once more, from the start */
        struct buffer *text = t->out;
        *t = before;
        t->out = text;
        text->len = out_before;
        t->lazy = true;
        if (!translate_atom(t, &kind, out) || !take_quantifier(t, &q))
            return false;
        t->lazy = false;
        t->has_lazy = true;
        t->choices += 2;
    }
    if (!q.exists)
        return true;
    note_choice(t, &q, kind);
    add(t, q.text);
    if ((q.lazy || t->lazy) && q.variable)
        add(t, "?");
    if (q.prefers)
        *out = q.lazy ? PREFERS_SHORTEST : PREFERS_LONGEST;
    return true;
}

/* A branch prefers what its first part with a preference does. */
static bool translate_branch(struct translator *t, enum preference *out)
{
    *out = PREFERS_NONE;
    for (;;) {
        skip_blanks(t);
        if (at_end(t) || peek(t, 0) == '|' || (peek(t, 0) == ')' && t->nesting > 0))
            return true;
        if (peek(t, 0) == ')' && !(t->options & REGEX_ERE))
            return invalid(t, "parentheses () not balanced");
        enum preference part;
        if (!translate_quantified(t, &part))
            return false;
        if (*out == PREFERS_NONE)
            *out = part;
    }
}

/* Two or more branches always prefer the longest. */
static bool translate_alternatives(struct translator *t, enum preference *out)
{
    if (!translate_branch(t, out))
        return false;
    while (accept(t, "|")) {
        enum preference ignored;
        add(t, "|");
        t->has_alternation |= !t->lookaround;
        if (!translate_branch(t, &ignored))
            return false;
        *out = PREFERS_LONGEST;
    }
    return true;
}

/* ---- the start of the pattern --------------------------------------------------------------------------------------
 */

static bool add_option(char letter, unsigned *options)
{
    switch (letter) {
    case 'c':
        *options &= ~(unsigned)REGEX_NOCASE;
        return true;
    case 'e':
        *options = (*options | REGEX_ERE) & ~(unsigned)REGEX_LITERAL;
        return true;
    case 'g':
        *options |= REGEX_GLOBAL;
        return true;
    case 'i':
        *options |= REGEX_NOCASE;
        return true;
    case 'm':
    case 'n':
        *options |= REGEX_LINE_DOTS | REGEX_LINE_ANCHORS;
        return true;
    case 'p':
        *options = (*options | REGEX_LINE_DOTS) & ~(unsigned)REGEX_LINE_ANCHORS;
        return true;
    case 'q':
        *options = (*options | REGEX_LITERAL) & ~(unsigned)REGEX_ERE;
        return true;
    case 's':
        *options &= ~(unsigned)(REGEX_LINE_DOTS | REGEX_LINE_ANCHORS);
        return true;
    case 't':
        *options &= ~(unsigned)REGEX_EXPANDED;
        return true;
    case 'w':
        *options = (*options & ~(unsigned)REGEX_LINE_DOTS) | REGEX_LINE_ANCHORS;
        return true;
    case 'x':
        *options |= REGEX_EXPANDED;
        return true;
    default:
        return false;
    }
}

static bool refuse_basic(struct error *err)
{
    return regex_fail(err, "0A000",
                      "basic regular expressions (option \"b\") are not supported: write an advanced one");
}

bool regex_parse_flags(struct str flags, unsigned *options, struct error *err)
{
    for (size_t i = 0; i < flags.len; i += text_char_bytes(flags.data[i])) {
        if (flags.data[i] == 'b')
            return refuse_basic(err);
        if (!add_option(flags.data[i], options))
            return regex_fail(err, "22023", "invalid regular expression option: \"%.*s\"",
                              (int)text_char_bytes(flags.data[i]), flags.data + i);
    }
    return true;
}

/* "***:" and "***=", then options in parentheses. */
static bool take_director(struct translator *t)
{
    if (t->options & REGEX_LITERAL)
        return true;
    if (accept(t, "***=")) {
        t->options |= REGEX_LITERAL;
        return true;
    }
    if (accept(t, "***:"))
        t->options &= ~(unsigned)REGEX_ERE;
    else if (looking_at(t, "***"))
        return invalid(t, "quantifier operand invalid");
    char letter = peek(t, 2);
    if ((t->options & REGEX_ERE) || !looking_at(t, "(?") || letter < 'a' || letter > 'z')
        return true;
    for (t->at += 2; peek(t, 0) >= 'a' && peek(t, 0) <= 'z'; t->at++) {
        if (peek(t, 0) == 'b')
            return refuse_basic(t->err);
        if (peek(t, 0) == 'g' || !add_option(peek(t, 0), &t->options))
            return invalid(t, "invalid embedded option");
    }
    return accept(t, ")") || invalid(t, "invalid embedded option");
}

bool regex_translate(struct str pattern, unsigned options, struct regex_translation *out, struct error *err)
{
    struct translator t = {.in = pattern, .options = options, .out = &out->pattern, .err = err};
    enum preference prefers = PREFERS_NONE;
    *out = (struct regex_translation){0};
    if (!take_director(&t))
        return false;
    if (t.options & REGEX_LITERAL) {
        while (!at_end(&t))
            regex_add_char(&t, take_char(&t));
    } else if (!translate_alternatives(&t, &prefers)) {
        return false;
    }
    out->options = t.options;
    out->groups = t.groups;
    out->shortest = prefers == PREFERS_SHORTEST;
    /* One choice alone, or several that each take all they can, find what Postgres finds. */
    bool differs = t.has_alternation || (t.choices > 1 && (t.has_lazy || t.has_group_choice));
    out->ambiguous = differs && !t.has_backref;
    return true;
}
