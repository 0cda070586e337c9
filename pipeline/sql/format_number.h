/*
 * Patterns for numbers as to_char() and to_number() take them (manual, table 9.29), read once.
 */
#ifndef PIPE_SQL_FORMAT_NUMBER_H
#define PIPE_SQL_FORMAT_NUMBER_H

#include "pipeline/base/arena.h"
#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"

enum number_pattern {
    NUMBER_LITERAL, /* a character that stands for itself */
    NUMBER_COMMA,
    NUMBER_POINT,
    NUMBER_ZERO,
    NUMBER_NINE,
    NUMBER_BLANK, /* B */
    NUMBER_CURRENCY_CODE,
    NUMBER_LOCALE_POINT, /* D */
    NUMBER_EXPONENT,     /* EEEE */
    NUMBER_FILL,         /* FM */
    NUMBER_GROUP,        /* G */
    NUMBER_CURRENCY,     /* L */
    NUMBER_MINUS,        /* MI */
    NUMBER_PLUS,         /* PL */
    NUMBER_BRACKETS,     /* PR */
    NUMBER_ROMAN,
    NUMBER_SIGN,     /* SG */
    NUMBER_SPELL,    /* SP */
    NUMBER_ANCHORED, /* S: the sign stands beside the number */
    NUMBER_ORDINAL,
    NUMBER_SHIFT, /* V */
};

struct number_node {
    uint8_t pattern; /* enum number_pattern */
    bool lower;
    uint8_t len;
    char text[4]; /* NUMBER_LITERAL: one character */
};

enum anchor { ANCHOR_NONE, ANCHOR_BEFORE, ANCHOR_BEHIND };

/* What the format says as a whole. */
struct number_shape {
    int before, behind;       /* digits before and behind the point */
    int shift;                /* digits behind V */
    int zero_start, zero_end; /* the first place with a 0, from 1 on; how many places up to the last 0 */
    int before_anchor;        /* digits before S */
    enum anchor anchor;       /* of S */
    bool point, fill, zeros, blank, brackets, minus, plus, roman, exponent, shifted;
};

struct number_format {
    struct number_shape shape;
    struct number_node *nodes;
    uint32_t count;
};

/* NULL with ERROR_REJECT 42601 where patterns exclude one another. */
struct number_format *number_format_compile(struct str format, struct arena *arena, struct error *err);

/*
 * Writes a number that is already rounded to the shape's places: `digits` without a sign ("12.30"; NUL at the end),
 * `sign` '+' or '-' (0: a Roman number). With an exponent `digits` are the whole result.
 * ERROR_REJECT 22P02 for an ordinal of NaN and its like.
 */
bool number_format_write(const struct number_format *f, struct number_shape shape, const char *digits, char sign,
                         struct buffer *out, struct error *err);
/* The digits that number_format_write takes for a number that has more places than the format. */
void number_format_overflow(const struct number_shape *s, struct buffer *digits);

/* What the text is by the format: a number as numeric reads it, blank in front, and its digits behind the point.
 * ERROR_REJECT 0A000 for EEEE and RN. */
bool number_format_read(const struct number_format *f, struct str text, struct buffer *out, int *behind,
                        struct error *err);

#endif
