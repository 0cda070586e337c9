/*
 * LIKE and ILIKE, and LIKE over bytes. A constant pattern that is a text with % at its ends (or nowhere) needs no
 * matcher.
 */
#include "pipeline/sql/function.h"
#include "pipeline/sql/text.h"

enum like_shape { LIKE_EXACT, LIKE_PREFIX, LIKE_SUFFIX, LIKE_INNER, LIKE_GENERAL };

struct like_pattern {
    enum like_shape shape;
    struct str literal; /* all shapes but the last */
    struct str pattern; /* as written; ILIKE: in lower case */
    struct str escape;  /* one character, or none */
    bool bytes;         /* a character is a byte */
};

static bool fail(struct error *err, const char *text)
{
    error_set(err, ERROR_REJECT, "%s", text);
    memcpy(err->sqlstate, "22025", 6);
    return false;
}

static bool starts_with(struct str s, struct str prefix)
{
    return prefix.len == 0 || (s.len >= prefix.len && memcmp(s.data, prefix.data, prefix.len) == 0);
}

static bool is_escape(const struct like_pattern *p, size_t at)
{
    struct str rest = {p->pattern.data + at, p->pattern.len - at};
    return p->escape.len && rest.data[0] == p->escape.data[0] && starts_with(rest, p->escape);
}

/* Fills in the shape: what is left when % at both ends are taken off must be plain characters. */
static void find_shape(struct like_pattern *p, struct arena *arena)
{
    struct str s = p->pattern;
    bool open_start = s.len && s.data[0] == '%';
    char *literal = arena_alloc(arena, s.len + 1);
    size_t len = 0, i = open_start;
    while (i < s.len && s.data[i] == '%')
        i++;
    bool open_end = false;
    p->shape = LIKE_GENERAL;
    for (; i < s.len; i++) {
        if (is_escape(p, i)) {
            i += p->escape.len;
            if (i >= s.len)
                return;
        } else if (s.data[i] == '_') {
            return;
        } else if (s.data[i] == '%') {
            open_end = true;
            continue;
        }
        if (open_end)
            return;
        literal[len++] = s.data[i];
    }
    if (open_start && len == 0)
        open_end = true;
    p->literal = (struct str){literal, len};
    p->shape = open_start ? (open_end ? LIKE_INNER : LIKE_SUFFIX) : open_end ? LIKE_PREFIX : LIKE_EXACT;
}

/* variant: enum like_operator */
static bool compile(struct like_pattern *p, struct str pattern, struct str escape, int variant, struct arena *arena,
                    struct error *err)
{
    *p = (struct like_pattern){.pattern = pattern, .escape = escape, .bytes = variant & LIKE_BYTES};
    if (escape.len && (p->bytes ? escape.len : text_length(escape)) != 1) {
        fail(err, "invalid escape string: it must be empty or one character");
        return false;
    }
    if (variant & LIKE_NOCASE) {
        struct buffer lower = {0};
        text_change_case(pattern, TEXT_LOWER, &lower);
        p->pattern = arena_str(arena, (struct str){lower.data, lower.len});
        buffer_release(&lower);
    }
    find_shape(p, arena);
    return true;
}

bool prepare_like(struct arena *plan, const struct convert_context *cx, struct expr *e, struct error *err)
{
    (void)cx;
    for (uint32_t i = 1; i < e->count; i++)
        if (e->args[i]->kind != EXPR_CONSTANT || value_is_null(e->args[i]->constant))
            return true;
    struct like_pattern *p = arena_new(plan, struct like_pattern);
    struct str escape = e->count > 2 ? value_str(e->args[2]->constant) : STR("\\");
    if (!compile(p, value_str(e->args[1]->constant), escape, e->variant, plan, err))
        return false;
    e->data = p;
    return true;
}

static size_t char_bytes(const struct like_pattern *p, struct str s, size_t at)
{
    return p->bytes ? 1 : text_char_bytes(s.data[at]);
}

/* Where what stands behind a % can begin at the earliest: a plain character must be there. */
static size_t next_start(const struct like_pattern *p, struct str s, size_t at, size_t in)
{
    bool plain = in < p->pattern.len && p->pattern.data[in] != '_' && p->pattern.data[in] != '%' && !is_escape(p, in);
    if (!plain || at >= s.len)
        return at < s.len ? at : s.len;
    const char *found = memchr(s.data + at, p->pattern.data[in], s.len - at);
    return found ? (size_t)(found - s.data) : s.len;
}

/* After the last % everything up to there is settled: only the rest is tried further right. */
static bool match_general(const struct like_pattern *p, struct str s, bool *matches, struct error *err)
{
    size_t at = 0, in = 0, retry_at = 0, retry_in = 0;
    bool wild = false;
    for (;;) {
        bool fits = false;
        if (in < p->pattern.len && is_escape(p, in)) {
            size_t literal = in + p->escape.len;
            if (literal >= p->pattern.len && at < s.len)
                return fail(err, "LIKE pattern must not end with escape character");
            fits = at < s.len && literal < p->pattern.len && s.data[at] == p->pattern.data[literal];
            if (fits) {
                in = literal + 1;
                at++;
            }
        } else if (in < p->pattern.len && p->pattern.data[in] == '%') {
            wild = true;
            retry_in = ++in;
            retry_at = at = next_start(p, s, at, in);
            fits = true;
        } else if (in < p->pattern.len && at < s.len && p->pattern.data[in] == '_') {
            in++;
            at += char_bytes(p, s, at);
            fits = true;
        } else if (in < p->pattern.len && at < s.len && p->pattern.data[in] == s.data[at]) {
            in++;
            at++;
            fits = true;
        } else if (in >= p->pattern.len && at >= s.len) {
            *matches = true;
            return true;
        }
        if (fits)
            continue;
        if (!wild || retry_at >= s.len) {
            *matches = false;
            return true;
        }
        retry_at = next_start(p, s, retry_at + char_bytes(p, s, retry_at), retry_in);
        at = retry_at;
        in = retry_in;
    }
}

static bool match(const struct like_pattern *p, struct str s, bool *matches, struct error *err)
{
    switch (p->shape) {
    case LIKE_EXACT:
        *matches = str_eq(s, p->literal);
        return true;
    case LIKE_PREFIX:
        *matches = starts_with(s, p->literal);
        return true;
    case LIKE_SUFFIX:
        *matches = s.len >= p->literal.len &&
                   starts_with((struct str){s.data + (s.len - p->literal.len), p->literal.len}, p->literal);
        return true;
    case LIKE_INNER:
        *matches = p->literal.len == 0 || (s.len && memmem(s.data, s.len, p->literal.data, p->literal.len) != NULL);
        return true;
    case LIKE_GENERAL:
        break;
    }
    return match_general(p, s, matches, err);
}

static bool like_row(struct eval *ev, const struct expr *e, const struct operand *args, uint32_t row, bool *matches,
                     struct error *err)
{
    const struct like_pattern *p = e->data;
    struct like_pattern own;
    struct str s = value_str(*operand_at(args[0], row));
    if (!p) {
        struct str escape = e->count > 2 ? value_str(*operand_at(args[2], row)) : STR("\\");
        if (!compile(&own, value_str(*operand_at(args[1], row)), escape, e->variant, ev->arena, err))
            return false;
        p = &own;
    }
    if (e->variant & LIKE_NOCASE) {
        ev->scratch.len = 0;
        text_change_case(s, TEXT_LOWER, &ev->scratch);
        s = (struct str){ev->scratch.data, ev->scratch.len};
    }
    return match(p, s, matches, err);
}

/* A constant pattern without a matcher: nothing can fail. */
static void like_literal(const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n, struct value *out)
{
    const struct like_pattern *p = e->data;
    bool negated = e->variant & LIKE_NEGATED;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        const struct value *v = operand_at(args[0], row);
        bool matches = false;
        if (value_is_null(*v)) {
            out[row] = value_null();
            continue;
        }
        if (p->shape == LIKE_PREFIX)
            matches = starts_with(value_str(*v), p->literal);
        else
            match(p, value_str(*v), &matches, NULL);
        out[row] = value_bool(matches != negated);
    }
}

void kernel_like(struct eval *ev, const struct expr *e, const struct operand *args, const uint32_t *sel, uint32_t n,
                 struct value *out)
{
    const struct like_pattern *p = e->data;
    if (p && p->shape != LIKE_GENERAL && !(e->variant & LIKE_NOCASE)) {
        like_literal(e, args, sel, n, out);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        bool null = false, matches = false;
        struct error err;
        for (uint32_t a = 0; a < e->count; a++)
            null |= value_is_null(*operand_at(args[a], row));
        out[row] = value_null();
        if (null)
            continue;
        if (like_row(ev, e, args, row, &matches, &err))
            out[row] = value_bool(matches != ((e->variant & LIKE_NEGATED) != 0));
        else
            eval_fail(ev, e, args, row, &err);
    }
}
