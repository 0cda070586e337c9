/*
 * The parser's inner loops, compiled once per instruction set. The includer defines JSON_TARGET (the attribute that
 * allows the instructions), JSON_NAME(name) (what tells the copies apart) and perhaps JSON_AVX2.
 */
#include "pipeline/codec/json_parse.h"
#include "pipeline/codec/json_vector.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

JSON_INLINE const unsigned char *skip_space(const unsigned char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    return p;
}

/* p: behind the opening quote. Returns the closing one. */
JSON_INLINE const unsigned char *read_string(const unsigned char *p, const unsigned char *end, uint8_t *flags)
{
    for (;;) {
        uint32_t stops = vector_string_stops(p);
        if (likely(stops)) {
            p += __builtin_ctz(stops);
            break;
        }
        p += VECTOR_STRING_BYTES;
        if (unlikely(p >= end))
            return NULL;
    }
    if (unlikely(p >= end))
        return NULL;
    if (unlikely(*p != '"'))
        return json_string_rest(p, end, flags);
    return p;
}

/* Digits with a point among them are told by masks; whatever is longer than 15 bytes, or has an exponent, is left to
 * json_number. */
JSON_INLINE const unsigned char *read_number(const unsigned char *p)
{
    const unsigned char *first = p + (*p == '-');
    uint32_t others = ~vector_digits(first);
    unsigned length = (unsigned)__builtin_ctz(others);
    if (unlikely(length == 0 || (*first == '0' && length > 1)))
        return NULL;
    if (length < 15 && first[length] == '.') {
        unsigned fraction = (unsigned)__builtin_ctz(others >> (length + 1));
        if (unlikely(fraction == 0))
            return NULL;
        length += 1 + fraction;
    }
    if (unlikely(length >= 16 || (first[length] | 0x20) == 'e' || first[length] == '.'))
        return json_number(p);
    return first + length;
}

JSON_INLINE const unsigned char *read_literal(const unsigned char *p)
{
    if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)
        return p + 4;
    return memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
}

/* Any value but an object or array. Returns what follows it. */
JSON_INLINE const unsigned char *skip_scalar(const unsigned char *p, const unsigned char *end)
{
    if (*p == '"') {
        uint8_t flags;
        p = read_string(p + 1, end, &flags);
        return p ? p + 1 : NULL;
    }
    if (*p == '-' || (unsigned)(*p - '0') < 10)
        return read_number(p);
    return read_literal(p);
}

/* p: where a member's name must begin. Returns where its value must. */
JSON_INLINE const unsigned char *skip_key(const unsigned char *p, const unsigned char *end)
{
    uint8_t flags;
    p = skip_space(p);
    if (*p != '"' || !(p = read_string(p + 1, end, &flags)))
        return NULL;
    if (*++p != ':' && *(p = skip_space(p)) != ':')
        return NULL;
    return p + 1;
}

/*
 * Checks an object or array of which nothing is wanted. A loop instead of a recursion: the nesting is the user's.
 * kinds: a bit per open level, the innermost lowest in its word: is it an object?
 */
JSON_TARGET static const unsigned char *JSON_NAME(skip_nested)(const struct json_parser *parser, const unsigned char *p,
                                                               uint32_t outer_depth)
{
    const unsigned char *end = parser->end;
    uint32_t limit = parser->program->max_depth - outer_depth, depth = 0;
    uint64_t kinds[JSON_MAX_DEPTH / 64];
    bool object;

open:
    if (depth == limit)
        return NULL;
    object = *p++ == '{';
    kinds[depth / 64] = object | (depth % 64 ? kinds[depth / 64] << 1 : 0);
    depth++;
    p = skip_space(p);
    if (*p == (object ? '}' : ']'))
        goto close;
    if (!object)
        goto value;

key:
    if (!(p = skip_key(p, end)))
        return NULL;

value:
    p = skip_space(p);
    if (*p == '{' || *p == '[')
        goto open;
    if (!(p = skip_scalar(p, end)))
        return NULL;

behind_value:
    p = skip_space(p);
    if (*p == ',') {
        p++;
        if (object)
            goto key;
        goto value;
    }
    if (*p != (object ? '}' : ']'))
        return NULL;

close:
    p++;
    if (unlikely(p >= end))
        return NULL;
    if (--depth == 0)
        return p;
    if (depth % 64)
        kinds[depth / 64] >>= 1;
    object = kinds[(depth - 1) / 64] & 1;
    goto behind_value;
}

JSON_TARGET static const unsigned char *JSON_NAME(read_members)(struct json_parser *parser, const unsigned char *p,
                                                                uint32_t level, uint32_t depth);

/* p: the value's first byte. depth: of the object that it is a member of. */
JSON_INLINE const unsigned char *read_value(struct json_parser *parser, const unsigned char *p,
                                            const struct json_step *step, uint32_t depth)
{
    struct value *out = &step->column[parser->row & step->row_mask];
    const unsigned char *end = parser->end, *start = p;
    if (likely(*p == '"')) {
        uint8_t flags = VALUE_JSON_SAFE;
        start++;
        p = read_string(start, end, &flags);
        if (unlikely(!p))
            return NULL;
        *out = (struct value){
            .kind = VALUE_TEXT, .flags = flags, .len = (uint32_t)(p - start), .ptr = (const char *)start};
        return p + 1;
    }
    if (likely(*p == '-' || (unsigned)(*p - '0') < 10)) {
        p = read_number(start);
        if (unlikely(!p))
            return NULL;
        *out = (struct value){.kind = VALUE_NUMBER, .len = (uint32_t)(p - start), .ptr = (const char *)start};
        return p;
    }
    if (*p == '{' || *p == '[') {
        if (*p == '{' && step->level != JSON_NONE) {
            p = JSON_NAME(read_members)(parser, p + 1, step->level, depth + 1);
            if (unlikely(!p || p >= end))
                return NULL;
        } else if (!(p = JSON_NAME(skip_nested)(parser, p, depth))) {
            return NULL;
        }
        *out = (struct value){.kind = VALUE_JSON, .len = (uint32_t)(p - start), .ptr = (const char *)start};
        return p;
    }
    if (!(p = read_literal(start)))
        return NULL;
    *out = *start == 'n' ? value_null() : value_bool(*start == 't');
    return p;
}

/* p: behind an object's '{'. Returns what follows its '}'. */
JSON_TARGET static const unsigned char *JSON_NAME(read_members)(struct json_parser *parser, const unsigned char *p,
                                                                uint32_t level, uint32_t depth)
{
    struct json_shape *shape = &parser->shapes[level];
    if (unlikely(depth > parser->program->max_depth))
        return NULL;
    if (unlikely(!shape->steps))
        json_shape_init(parser, level);
    uint32_t at = 0;
    for (;;) {
        uint32_t next = shape->steps[at].next;
        const struct json_step *step = &shape->steps[next];
        if (likely((vector_equal32(p, step->text) & step->mask) == step->mask)) {
            p += step->length;
            if (unlikely(*p <= ' ')) /* more white space than when the step was learnt */
                p = skip_space(p);
            at = next;
        } else {
            if (*p == '}')
                return p + 1;
            p = json_learn(parser, level, &at, p);
            if (!p || at == 0)
                return p;
            step = &shape->steps[at];
        }
        if (step->level != JSON_NONE)
            json_take_back(parser, step->level);
        p = read_value(parser, p, step, depth);
        if (unlikely(!p))
            return NULL;
        parser->filled |= step->bit;
    }
}

JSON_TARGET bool JSON_NAME(json_parse)(struct json_parser *parser, const char *text, size_t len)
{
    if (len < 2 || text[0] != '{' || text[len - 1] != '}')
        return false;
    parser->end = (const unsigned char *)text + len;
    parser->filled = 0;
    return JSON_NAME(read_members)(parser, (const unsigned char *)text + 1, 0, 1) == parser->end;
}
