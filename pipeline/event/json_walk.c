/* Reading texts that are known to be valid JSON: bounds are checked, the grammar is not. */
#include "pipeline/event/convert.h"
#include "pipeline/event/json_walk.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* p: behind the opening quote. Returns the closing one. */
static const char *string_end(const char *p, const char *end, bool *escaped)
{
    for (;;) {
#if defined(__SSE2__)
        while (end - p >= 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)p);
            unsigned mask = (unsigned)_mm_movemask_epi8(
                _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
            if (mask) {
                p += __builtin_ctz(mask);
                break;
            }
            p += 16;
        }
#endif
        while (p < end && *p != '"' && *p != '\\')
            p++;
        if (p >= end || *p == '"')
            return p < end ? p : end;
        *escaped = true;
        p += 2;
    }
}

static const char *scalar_end(const char *p, const char *end)
{
    while (p < end && !is_space(*p) && *p != ',' && *p != '}' && *p != ']')
        p++;
    return p;
}

static const char *nested_end(const char *p, const char *end)
{
    size_t depth = 0;
    bool escaped;
    for (; p < end; p++) {
        if (*p == '"')
            p = string_end(p + 1, end, &escaped);
        else if (*p == '{' || *p == '[')
            depth++;
        else if ((*p == '}' || *p == ']') && --depth == 0)
            return p + 1;
    }
    return end;
}

static const char *value_end(const char *p, const char *end)
{
    bool escaped;
    if (p == end)
        return p;
    if (*p == '{' || *p == '[')
        return nested_end(p, end);
    if (*p != '"')
        return scalar_end(p, end);
    p = string_end(p + 1, end, &escaped);
    return p < end ? p + 1 : end;
}

static bool open_walk(struct json_members *m, struct str text, char bracket)
{
    m->end = text.data + text.len;
    m->next = skip_space(text.data, m->end);
    if (m->next == m->end || *m->next != bracket)
        return false;
    m->next++;
    return true;
}

/* To the next key or element; false: there is none. */
static bool walk_on(struct json_members *m)
{
    const char *p = skip_space(m->next, m->end);
    if (p < m->end && *p == ',')
        p = skip_space(p + 1, m->end);
    m->next = p;
    return p < m->end && *p != '}' && *p != ']';
}

bool json_object_open(struct json_members *m, struct str object)
{
    return open_walk(m, object, '{');
}

bool json_object_next(struct json_members *m, struct str *key, bool *key_escaped, struct str *value)
{
    if (!walk_on(m))
        return false;
    const char *start = m->next + 1;
    *key_escaped = false;
    const char *p = string_end(start, m->end, key_escaped);
    *key = (struct str){start, (size_t)(p - start)};
    if (p < m->end)
        p = skip_space(p + 1, m->end);
    if (p < m->end)
        p = skip_space(p + 1, m->end); /* behind the colon */
    m->next = value_end(p, m->end);
    *value = (struct str){p, (size_t)(m->next - p)};
    return true;
}

bool json_array_open(struct json_members *m, struct str array)
{
    return open_walk(m, array, '[');
}

bool json_array_next(struct json_members *m, struct str *element)
{
    if (!walk_on(m))
        return false;
    const char *p = m->next;
    m->next = value_end(p, m->end);
    *element = (struct str){p, (size_t)(m->next - p)};
    return true;
}

struct value json_to_value(struct str text)
{
    const char *end = text.data + text.len, *p = skip_space(text.data, end);
    bool escaped = false;
    while (end > p && is_space(end[-1]))
        end--;
    if (p == end)
        return value_null();
    struct value v = {.len = (uint32_t)(end - p), .ptr = p};
    switch (*p) {
    case 'n':
        return value_null();
    case 't':
    case 'f':
        return value_bool(*p == 't');
    case '{':
    case '[':
        v.kind = VALUE_JSON;
        return v;
    case '"':
        end = string_end(p + 1, end, &escaped);
        v = value_text((struct str){p + 1, (size_t)(end - (p + 1))});
        v.flags = escaped ? VALUE_ESCAPED : VALUE_JSON_SAFE;
        return v;
    default:
        v.kind = VALUE_NUMBER;
        return v;
    }
}

/* Is that key, as it stands between its quotes, the name? */
static bool key_is(struct str key, bool escaped, struct str name)
{
    if (!escaped)
        return str_eq(key, name);
    if (key.len < name.len)
        return false;
    struct arena arena = ARENA_INIT;
    struct value v = value_text(key);
    struct error err;
    v.flags = VALUE_ESCAPED;
    bool equal = value_unescape(&arena, &v, &err) && str_eq(value_str(v), name);
    arena_release(&arena);
    return equal;
}

struct value json_at(struct str object, const struct str *parts, uint32_t count)
{
    struct str found = object;
    for (uint32_t i = 0; i < count; i++) {
        struct json_members m;
        struct str key, value, last = {0};
        bool escaped;
        if (!json_object_open(&m, found))
            return value_null();
        while (json_object_next(&m, &key, &escaped, &value))
            if (key_is(key, escaped, parts[i]))
                last = value;
        if (!last.data)
            return value_null();
        found = last;
    }
    return json_to_value(found);
}
