#define JSON_NAME(name) name##_baseline
#include "pipeline/codec/json_parse_template.h"

#include "pipeline/base/hash.h"

json_parse_function *json_parse_choose(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return json_parse_avx2;
#endif
    return json_parse_baseline;
}

/* ---- strings and numbers that are not plain --------------------------------------------------------------------- */

/* At "\u". Returns what follows the escape, or the pair of escapes. */
static const unsigned char *skip_unicode_escape(const unsigned char *p)
{
    unsigned unit[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        if (p[0] != '\\' || p[1] != 'u')
            return NULL;
        for (int k = 2; k < 6; k++) {
            unsigned digit = p[k] - (unsigned)'0', letter = (p[k] | 0x20u) - 'a';
            if (digit > 9 && letter > 5)
                return NULL;
            unit[i] = unit[i] * 16 + (digit <= 9 ? digit : letter + 10);
        }
        p += 6;
        if (i == 0 && (unit[0] < 0xD800 || unit[0] > 0xDFFF))
            return p;
    }
    return unit[0] <= 0xDBFF && unit[1] >= 0xDC00 && unit[1] <= 0xDFFF ? p : NULL;
}

/* At a character outside ASCII. Returns the end of the run of such characters. Inside the loop are the bulk of the
 * three-byte ones, whose second byte needs no closer look. */
static const unsigned char *skip_wide(const unsigned char *p, const unsigned char *end)
{
    for (;;) {
        while (p < end && (p[0] & 0xF0) == 0xE0 && p[0] != 0xE0 && p[0] != 0xED && (p[1] & 0xC0) == 0x80 &&
               (p[2] & 0xC0) == 0x80)
            p += 3;
        if (p >= end || *p < 0x80)
            return p;
        int length = json_utf8_length((const char *)p, (const char *)end);
        if (length <= 0)
            return NULL;
        p += length;
    }
}

/* An escape or character that crosses `end` is found out at the quote: it is behind `end` then, and so is everything in
 * between readable (6 bytes at most). */
const unsigned char *json_string_rest(const unsigned char *p, const unsigned char *end, uint8_t *flags)
{
    while (p < end) {
        uint32_t stops = vector_string_stops(p);
        if (!stops) {
            p += VECTOR_STRING_BYTES;
            continue;
        }
        p += __builtin_ctz(stops);
        if (p >= end)
            return NULL;
        if (*p == '"')
            return p;
        if (*p == '\\') {
            *flags = (uint8_t)((*flags & ~VALUE_JSON_SAFE) | VALUE_ESCAPED);
            if (p[1] == 'u')
                p = skip_unicode_escape(p);
            else
                p = p[1] && strchr("\"\\/bfnrt", p[1]) ? p + 2 : NULL;
        } else {
            p = *p < 0x20 ? NULL : skip_wide(p, end);
        }
        if (!p)
            return NULL;
    }
    return NULL;
}

static const unsigned char *skip_digits(const unsigned char *p)
{
    if ((unsigned)(*p - '0') > 9)
        return NULL;
    while ((unsigned)(*p - '0') <= 9)
        p++;
    return p;
}

const unsigned char *json_number(const unsigned char *p)
{
    p += *p == '-';
    if (*p == '0' && (unsigned)(p[1] - '0') <= 9)
        return NULL;
    p = skip_digits(p);
    if (p && *p == '.')
        p = skip_digits(p + 1);
    if (p && (*p | 0x20) == 'e')
        p = skip_digits(p + 1 + (p[1] == '+' || p[1] == '-'));
    return p;
}

/* ---- learning what comes between the values --------------------------------------------------------------------- */

enum { STEP_FIRST, STEP_NOT_LEARNT, STEPS_RESERVED, STEPS_UNWANTED = 62 };

void json_shape_init(struct json_parser *parser, uint32_t level)
{
    struct json_shape *shape = &parser->shapes[level];
    uint32_t capacity = STEPS_RESERVED + STEPS_UNWANTED + 2 * parser->program->levels[level].count;
    if (capacity > UINT16_MAX)
        capacity = UINT16_MAX;
    uint32_t buckets = 64;
    while (buckets < 2 * capacity)
        buckets *= 2;
    shape->steps = arena_array(parser->arena, struct json_step, capacity);
    shape->buckets = arena_array(parser->arena, uint16_t, buckets);
    shape->bucket_mask = buckets - 1;
    shape->capacity = capacity;
    shape->count = STEPS_RESERVED;
    memset(shape->buckets, 0, buckets * sizeof(*shape->buckets));
    /* bytes that no valid text has, and where they match nevertheless no value begins behind the empty step */
    memset(&shape->steps[STEP_FIRST], 0xFF, sizeof(struct json_step));
    shape->steps[STEP_FIRST].length = 0;
    shape->steps[STEP_FIRST].next = STEP_FIRST;
    shape->steps[STEP_FIRST].level = JSON_NONE;
    shape->steps[STEP_FIRST].column = &parser->unwanted;
    shape->steps[STEP_FIRST].row_mask = 0;
}

void json_take_back(struct json_parser *parser, uint32_t level)
{
    const struct json_level *l = &parser->program->levels[level];
    uint64_t bits = json_slot_bits(l->first_slot, l->end_slot);
    parser->filled &= ~bits;
    for (uint32_t slot = l->first_slot < JSON_MASKED_SLOTS ? JSON_MASKED_SLOTS : l->first_slot; slot < l->end_slot;
         slot++)
        parser->slots[slot][parser->row] = value_null();
}

/* What is to be done with the value of the member of that name; the name as it is written. */
static void step_for(struct json_parser *parser, uint32_t level, struct str name, uint8_t flags, struct json_step *step)
{
    step->level = JSON_NONE;
    step->row_mask = 0;
    step->column = &parser->unwanted;
    step->bit = 0;
    step->next = STEP_FIRST;
    if (flags & VALUE_ESCAPED) {
        struct value v = value_text(name);
        struct error err;
        v.flags = VALUE_ESCAPED;
        if (!value_unescape(parser->arena, &v, &err))
            return; /* has a NUL character, which nobody can ask for */
        name = value_str(v);
    }
    const struct json_member *m = json_level_find(&parser->program->levels[level], name);
    if (!m)
        return;
    step->level = m->level;
    if (m->slot != JSON_NONE) {
        step->row_mask = UINT32_MAX;
        step->column = parser->slots[m->slot];
        step->bit = json_slot_bit(m->slot);
    }
}

static void set_step_text(struct json_step *step, const unsigned char *text, size_t length)
{
    memset(step->text, 0, sizeof(step->text));
    memcpy(step->text, text, length);
    step->length = (uint16_t)length;
    step->mask = length == JSON_STEP_BYTES ? UINT32_MAX : ((uint32_t)1 << length) - 1;
}

/* The bucket of the step with that text, or the empty one where it belongs. */
static uint16_t *bucket_of(const struct json_shape *shape, const unsigned char *text, size_t length)
{
    for (uint32_t i = (uint32_t)hash64(text, length, 0);; i++) {
        uint16_t *bucket = &shape->buckets[i & shape->bucket_mask];
        const struct json_step *step = &shape->steps[*bucket];
        if (*bucket == 0 || (step->length == length && memcmp(step->text, text, length) == 0))
            return bucket;
    }
}

/*
 * The index of the step for text [start, value), where a member's name and its colon have been read. A name with a '}'
 * is not learnt: a match must not reach beyond the '}' that ends the event.
 */
static uint32_t step_index(struct json_parser *parser, uint32_t level, const unsigned char *start,
                           const unsigned char *value, struct str name, uint8_t flags)
{
    struct json_shape *shape = &parser->shapes[level];
    size_t length = (size_t)(value - start);
    if (length > JSON_STEP_BYTES || memchr(name.data, '}', name.len)) {
        step_for(parser, level, name, flags, &shape->steps[STEP_NOT_LEARNT]);
        return STEP_NOT_LEARNT;
    }
    uint16_t *bucket = bucket_of(shape, start, length);
    if (*bucket)
        return *bucket;
    uint32_t index = shape->count < shape->capacity ? shape->count++ : STEP_NOT_LEARNT;
    struct json_step *step = &shape->steps[index];
    step_for(parser, level, name, flags, step);
    if (index != STEP_NOT_LEARNT) {
        set_step_text(step, start, length);
        *bucket = (uint16_t)index;
    }
    return index;
}

const unsigned char *json_learn(struct json_parser *parser, uint32_t level, uint32_t *at, const unsigned char *p)
{
    const unsigned char *start = p;
    uint32_t before = *at;
    p = skip_space(p);
    if (*p == '}') {
        *at = 0;
        return p + 1;
    }
    if (before != STEP_FIRST) {
        if (*p != ',')
            return NULL;
        p = skip_space(p + 1);
    }
    if (*p != '"')
        return NULL;
    uint8_t flags = 0;
    const unsigned char *name = p + 1;
    p = read_string(name, parser->end, &flags);
    if (!p)
        return NULL;
    struct str text = {(const char *)name, (size_t)(p - name)};
    p = skip_space(p + 1);
    if (*p != ':')
        return NULL;
    p = skip_space(p + 1);
    *at = step_index(parser, level, start, p, text, flags);
    struct json_step *steps = parser->shapes[level].steps;
    steps[before].next = *at == STEP_NOT_LEARNT ? STEP_FIRST : (uint16_t)*at;
    return p;
}
