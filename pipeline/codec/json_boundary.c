#include "pipeline/codec/json_boundary.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "pipeline/codec/json_check.h"

enum { OBJECT_BITS = 64 };

static bool is_string_stop(char c)
{
    return c == '"' || c == '\\' || c == '\n';
}

static bool is_structure(char c)
{
    return c == '"' || c == '{' || c == '}' || c == '[' || c == ']';
}

/* The first place in [i, len) where a string ends, or may end. */
static size_t find_string_stop(const char *text, size_t i, size_t len)
{
#if defined(__SSE2__)
    for (; len - i >= 16; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(text + i));
        __m128i stops =
            _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        stops = _mm_or_si128(stops, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')));
        unsigned mask = (unsigned)_mm_movemask_epi8(stops);
        if (mask)
            return i + (unsigned)__builtin_ctz(mask);
    }
#endif
    while (i < len && !is_string_stop(text[i]))
        i++;
    return i;
}

/* The first quote or bracket in [i, len). With the bit 0x20 set, '[' is '{' and ']' is '}'. */
static size_t find_structure(const char *text, size_t i, size_t len)
{
#if defined(__SSE2__)
    for (; len - i >= 16; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(text + i));
        __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        __m128i found =
            _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')), _mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
        unsigned mask = (unsigned)_mm_movemask_epi8(found);
        if (mask)
            return i + (unsigned)__builtin_ctz(mask);
    }
#endif
    while (i < len && !is_structure(text[i]))
        i++;
    return i;
}

static void open_level(struct json_boundary *b, bool object)
{
    if (b->depth < OBJECT_BITS) {
        uint64_t bit = (uint64_t)1 << b->depth;
        b->objects = object ? b->objects | bit : b->objects & ~bit;
    }
    b->depth++;
}

/* False: the innermost level is of the other kind. Deeper than there are bits, nobody looks. */
static bool close_level(struct json_boundary *b, bool object)
{
    b->depth--;
    return b->depth >= OBJECT_BITS || (b->objects >> b->depth & 1) == object;
}

/* Moves *i behind the string, or as far as there are bytes. An escape stays together. */
static void follow_string(struct json_boundary *b, struct str text, size_t *i)
{
    while ((*i = find_string_stop(text.data, *i, text.len)) < text.len) {
        if (text.data[*i] != '\\') {
            b->in_string = false;
            ++*i;
            return;
        }
        if (*i + 1 == text.len)
            return;
        *i += text.data[*i + 1] == '\n' ? 1 : 2;
    }
}

static enum json_boundary_result find_bare_end(struct json_boundary *b, struct str text, size_t *end)
{
    size_t i = b->scanned;
    while (i < text.len && !json_is_space(text.data[i]) && text.data[i] != ',' && !is_structure(text.data[i]))
        i++;
    b->scanned = (uint32_t)i;
    *end = i;
    return i < text.len ? BOUNDARY_FOUND : BOUNDARY_BEYOND;
}

/* An object, array or string. */
static enum json_boundary_result follow(struct json_boundary *b, struct str text, size_t *i)
{
    do {
        if (b->in_string) {
            follow_string(b, text, i);
            if (b->in_string)
                return BOUNDARY_BEYOND;
            continue;
        }
        *i = find_structure(text.data, *i, text.len);
        if (*i == text.len)
            return BOUNDARY_BEYOND;
        char c = text.data[*i];
        if (c == '"')
            b->in_string = true;
        else if (c == '{' || c == '[')
            open_level(b, c == '{');
        else if (!close_level(b, c == '}'))
            return BOUNDARY_MISMATCH;
        ++*i;
    } while (b->depth > 0 || b->in_string);
    return BOUNDARY_FOUND;
}

struct json_boundary json_boundary_start(char first)
{
    return (struct json_boundary){.bare = first != '{' && first != '[' && first != '"'};
}

enum json_boundary_result json_boundary_find(struct json_boundary *b, struct str text, size_t *end)
{
    if (b->bare)
        return find_bare_end(b, text, end);
    size_t i = b->scanned;
    enum json_boundary_result result = follow(b, text, &i);
    b->scanned = (uint32_t)i;
    *end = i;
    return result;
}

size_t json_boundary_drop(struct json_boundary *b, size_t len)
{
    size_t kept = len - b->scanned; /* a backslash whose partner has not come */
    b->scanned = 0;
    return kept;
}
