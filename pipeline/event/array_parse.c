/*
 * Array literals, with the rules of PostgreSQL 15's array_in (arrayfuncs.c): blanks around items do not count, quotes and backslashes
 * protect, NULL without quotes is one, and sub-arrays have equal lengths.
 */
#include "pipeline/event/array.h"
#include "pipeline/event/convert_pieces.h"

struct reader {
    const struct convert_context *cx;
    struct str text;
    const char *p, *end;
    struct type element;
    struct value *items;
    uint32_t count, capacity;
    struct error *err;
    struct array shape; /* lengths: -1 where not known yet; last, for it has a flexible member */
};

static bool malformed(struct reader *r)
{
    return convert_reject(r->err, "22P02", "malformed array literal: \"" STR_FMT "\"", STR_ARG(r->text));
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && is_blank(*r->p))
        r->p++;
}

static bool peek(struct reader *r, char c)
{
    return r->p < r->end && *r->p == c;
}

static bool add_item(struct reader *r, struct value v)
{
    if (r->count == r->capacity) {
        if (r->count >= ARRAY_MAX_ITEMS)
            return convert_reject(r->err, "54000", "array size exceeds the maximum allowed (%d)", ARRAY_MAX_ITEMS);
        uint32_t capacity = r->capacity ? r->capacity * 2 : 8;
        struct value *grown = arena_array(r->cx->arena, struct value, capacity);
        if (r->count)
            memcpy(grown, r->items, r->count * sizeof(*grown));
        r->items = grown;
        r->capacity = capacity;
    }
    r->items[r->count++] = v;
    return true;
}

static bool add_text(struct reader *r, struct str text)
{
    struct value v;
    return value_parse(r->cx, text, r->element, &v, r->err) && add_item(r, v);
}

static bool read_quoted(struct reader *r)
{
    const char *start = ++r->p;
    while (r->p < r->end && *r->p != '"')
        r->p += *r->p == '\\' ? 2 : 1;
    if (r->p >= r->end)
        return malformed(r);
    char *copy = arena_alloc(r->cx->arena, (size_t)(r->p - start) + 1), *to = copy;
    for (const char *from = start; from < r->p; from++) {
        from += *from == '\\';
        *to++ = *from;
    }
    r->p++;
    return add_text(r, (struct str){copy, (size_t)(to - copy)});
}

/* Up to a comma or brace; blanks at its end go, but not those behind a backslash. */
static bool read_bare(struct reader *r)
{
    char *copy = arena_alloc(r->cx->arena, (size_t)(r->end - r->p) + 1), *to = copy, *last = copy;
    bool escaped = false;
    while (r->p < r->end && !strchr(",{}\"", *r->p)) {
        bool protects = *r->p == '\\';
        if (protects && ++r->p == r->end)
            return malformed(r);
        escaped |= protects;
        *to++ = *r->p++;
        if (protects || !is_blank(to[-1]))
            last = to;
    }
    struct str text = {copy, (size_t)(last - copy)};
    if (r->p >= r->end || *r->p == '{' || *r->p == '"' || text.len == 0)
        return malformed(r);
    if (!escaped && str_eq_nocase(text, STR("NULL")))
        return add_item(r, value_null());
    return add_text(r, text);
}

static bool read_level(struct reader *r, uint32_t dimension);

/* An item or a sub-array: which of them is the same all over a level. */
static bool read_member(struct reader *r, uint32_t dimension)
{
    bool is_array = peek(r, '{'), is_last = dimension + 1 == r->shape.dimensions;
    if (r->count > 0 && is_array == is_last)
        return malformed(r);
    if (is_array)
        return read_level(r, dimension + 1);
    return peek(r, '"') ? read_quoted(r) : read_bare(r);
}

static bool read_level(struct reader *r, uint32_t dimension)
{
    int32_t length = 0;
    if (dimension == ARRAY_MAX_DIMENSIONS)
        return convert_reject(r->err, "54000", "number of array dimensions (%d) exceeds the maximum allowed (%d)",
                              ARRAY_MAX_DIMENSIONS + 1, ARRAY_MAX_DIMENSIONS);
    if (r->count == 0 && r->shape.dimensions < dimension + 1)
        r->shape.dimensions = dimension + 1;
    r->p++;
    skip_blanks(r);
    bool empty = dimension == 0 && peek(r, '}');
    while (!empty) {
        skip_blanks(r);
        if (!read_member(r, dimension))
            return false;
        length++;
        skip_blanks(r);
        if (peek(r, '}'))
            break;
        if (!peek(r, ','))
            return malformed(r);
        r->p++;
    }
    r->p++;
    if (r->shape.lengths[dimension] >= 0 && r->shape.lengths[dimension] != length)
        return malformed(r);
    r->shape.lengths[dimension] = length;
    return true;
}

/* [2:4][1:2]= before the braces; without a lower bound it is 1. */
static bool read_number(struct reader *r, int32_t *out)
{
    bool negative = peek(r, '-');
    if (negative || peek(r, '+'))
        r->p++;
    const char *start = r->p;
    int64_t n = 0;
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9' && n < INT32_MAX)
        n = n * 10 + (*r->p++ - '0');
    *out = (int32_t)(negative ? -n : n);
    return r->p > start && n < INT32_MAX;
}

static bool read_bounds(struct reader *r, int32_t *lower, int32_t *upper, uint32_t *count)
{
    for (*count = 0; peek(r, '['); ++*count) {
        if (*count == ARRAY_MAX_DIMENSIONS)
            return convert_reject(r->err, "54000", "number of array dimensions (%d) exceeds the maximum allowed (%d)",
                                  ARRAY_MAX_DIMENSIONS + 1, ARRAY_MAX_DIMENSIONS);
        r->p++;
        lower[*count] = 1;
        if (!read_number(r, &upper[*count]))
            return malformed(r);
        if (peek(r, ':')) {
            r->p++;
            lower[*count] = upper[*count];
            if (!read_number(r, &upper[*count]))
                return malformed(r);
        }
        if (!peek(r, ']'))
            return malformed(r);
        r->p++;
        if (upper[*count] < lower[*count])
            return convert_reject(r->err, "2202E", "upper bound cannot be less than lower bound");
        skip_blanks(r);
    }
    if (*count == 0)
        return true;
    if (!peek(r, '='))
        return malformed(r);
    r->p++;
    skip_blanks(r);
    return true;
}

bool array_parse(const struct convert_context *cx, struct str text, struct type type, struct value *out,
                 struct error *err)
{
    struct reader r = {.cx = cx, .text = text, .p = text.data, .end = text.data + text.len, .err = err};
    int32_t lower[ARRAY_MAX_DIMENSIONS], upper[ARRAY_MAX_DIMENSIONS];
    uint32_t bounds = 0;
    r.element = array_element_type(type);
    for (int d = 0; d < ARRAY_MAX_DIMENSIONS; d++)
        r.shape.lengths[d] = -1, r.shape.lower[d] = 1;
    skip_blanks(&r);
    if (!read_bounds(&r, lower, upper, &bounds))
        return false;
    if (!peek(&r, '{'))
        return malformed(&r);
    if (!read_level(&r, 0))
        return false;
    skip_blanks(&r);
    if (r.p != r.end || (bounds && bounds != r.shape.dimensions))
        return malformed(&r);
    for (uint32_t d = 0; d < bounds; d++) {
        if ((int64_t)upper[d] - lower[d] + 1 != r.shape.lengths[d])
            return malformed(&r);
        r.shape.lower[d] = lower[d];
    }
    r.shape.count = r.count;
    if (r.count == 0)
        r.shape = (struct array){0};
    struct array *a = array_like(cx->arena, &r.shape);
    if (r.count)
        memcpy(a->items, r.items, r.count * sizeof(*r.items));
    *out = value_of_array(a);
    return true;
}
