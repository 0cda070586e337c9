/*
 * Random JSON documents, and mutations of them that mostly are not JSON any more, from a seed: the same ones in every
 * run.
 */
#ifndef TEST_JSON_RANDOM_H
#define TEST_JSON_RANDOM_H

#include <stdlib.h>

#include "pipeline/base/buffer.h"

struct random {
    uint64_t state;
};

/* xorshift64* (Vigna 2014) */
static inline uint32_t random_next(struct random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (uint32_t)((r->state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

static inline uint32_t random_below(struct random *r, uint32_t limit)
{
    return random_next(r) % limit;
}

static inline const char *random_choice(struct random *r, const char *const *choices, uint32_t count)
{
    return choices[random_below(r, count)];
}

static inline void random_space(struct random *r, struct buffer *out)
{
    static const char *const spaces[] = {"", "", "", "", "", "", " ", "  ", "\n", "\t \r\n"};
    buffer_add_str(out, str_of(random_choice(r, spaces, 10)));
}

static inline void random_string(struct random *r, struct buffer *out)
{
    static const char *const pieces[] = {"a",
                                         "temp",
                                         "0123456789",
                                         "日本",
                                         "é",
                                         "😀",
                                         "\\n",
                                         "\\\"",
                                         "\\\\",
                                         "\\u00e9",
                                         "\\ud83d\\ude00",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ":",
                                         ",",
                                         " ",
                                         "a longer piece of plain text"};
    buffer_add_byte(out, '"');
    for (uint32_t n = random_below(r, 5); n > 0; n--)
        buffer_add_str(out, str_of(random_choice(r, pieces, 19)));
    buffer_add_byte(out, '"');
}

static inline void random_number(struct random *r, struct buffer *out)
{
    if (random_below(r, 3) == 0)
        buffer_add_byte(out, '-');
    buffer_printf(out, "%u", random_below(r, 4) ? random_below(r, 1000) : random_next(r));
    if (random_below(r, 2))
        buffer_printf(out, ".%0*u", 1 + (int)random_below(r, 4), random_below(r, 10));
    if (random_below(r, 6) == 0)
        buffer_printf(out, "%c%s%u", random_below(r, 2) ? 'e' : 'E',
                      random_below(r, 2)   ? "-"
                      : random_below(r, 2) ? "+"
                                           : "",
                      random_below(r, 20));
}

static inline void random_value(struct random *r, int depth, struct buffer *out);

/* Names from a small set, so that some are wanted and some come twice. */
static inline void random_object(struct random *r, int depth, struct buffer *out)
{
    static const char *const names[] = {
        "\"a\"", "\"b\"", "\"c\"", "\"\\u0061\"", "\"loc\"", "\"a longer name, of some bytes more\"", "\"\"", "\"}\""};
    buffer_add_byte(out, '{');
    random_space(r, out);
    uint32_t shape = random_below(r, 8);
    for (uint32_t i = 0, n = random_below(r, 6); i < n; i++) {
        if (i)
            buffer_add_byte(out, ',');
        random_space(r, out);
        if (random_below(r, 12) == 0)
            random_string(r, out);
        else
            buffer_add_str(out, str_of(names[(shape + i * (1 + shape / 4)) % 8]));
        random_space(r, out);
        buffer_add_byte(out, ':');
        random_space(r, out);
        random_value(r, depth - 1, out);
        random_space(r, out);
    }
    buffer_add_byte(out, '}');
}

static inline void random_array(struct random *r, int depth, struct buffer *out)
{
    buffer_add_byte(out, '[');
    random_space(r, out);
    for (uint32_t i = 0, n = random_below(r, 4); i < n; i++) {
        if (i)
            buffer_add_byte(out, ',');
        random_space(r, out);
        random_value(r, depth - 1, out);
        random_space(r, out);
    }
    buffer_add_byte(out, ']');
}

static inline void random_value(struct random *r, int depth, struct buffer *out)
{
    static const char *const literals[] = {"true", "false", "null"};
    switch (random_below(r, depth > 0 ? 7 : 4)) {
    case 0:
    case 1:
        random_number(r, out);
        break;
    case 2:
        random_string(r, out);
        break;
    case 3:
        buffer_add_str(out, str_of(random_choice(r, literals, 3)));
        break;
    case 4:
        random_array(r, depth, out);
        break;
    default:
        random_object(r, depth, out);
        break;
    }
}

/* Spoils a few bytes: structure, quotes, halves of characters, control characters; or moves, doubles, cuts. */
static inline void random_mutate(struct random *r, struct buffer *text)
{
    static const char bytes[] = "{}[]:,\"\\\"0123456789-+.eEtfnu \n\t\r\x01\x1f\x7f\x80\xbf\xc3\xe2\xed\xf0\xff";
    for (uint32_t n = 1 + random_below(r, 3); n > 0 && text->len > 0; n--) {
        uint32_t at = random_below(r, (uint32_t)text->len), kind = random_below(r, 5);
        char byte = bytes[random_below(r, sizeof(bytes))];
        if (kind == 0) {
            text->data[at] = byte;
        } else if (kind == 1) {
            memmove(text->data + at, text->data + at + 1, text->len - at - 1);
            text->len--;
        } else if (kind == 2 || kind == 3) {
            buffer_reserve(text, 1);
            memmove(text->data + at + 1, text->data + at, text->len - at);
            text->data[at] = kind == 2 ? byte : text->data[random_below(r, (uint32_t)text->len)];
            text->len++;
        } else if (random_below(r, 4) == 0) {
            text->len = at;
        }
    }
}

#endif
