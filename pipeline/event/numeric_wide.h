/*
 * Decimal numbers of up to 38 digits in 128 bits: the middle path of numeric.h, private to it, for what is too long for
 * a DECIMAL on the way or at the end (0.33333333333333333333 is). Every function that may not have the room says so
 * with false, and struct big does the work.
 */
#ifndef PIPE_NUMERIC_WIDE_H
#define PIPE_NUMERIC_WIDE_H

#include "pipeline/event/numeric.h"

typedef __int128 int128;
typedef unsigned __int128 uint128;

enum { WIDE_DIGITS = 38 };

/* coefficient / 10^scale; |coefficient| < 2^127 */
struct wide {
    int128 coefficient;
    unsigned scale;
};

/* False for long numbers, those with an exponent, and the special ones. */
bool wide_of_value(struct wide *w, struct value v);
/* DECIMAL where it fits, else text in the arena. */
struct value wide_to_value(struct arena *a, struct wide w);

bool wide_align(struct wide *x, struct wide *y); /* to the larger scale */
bool wide_add(struct wide x, struct wide y, struct wide *out);
bool wide_sub(struct wide x, struct wide y, struct wide *out);
bool wide_mul(struct wide x, struct wide y, struct wide *out);
bool wide_div(struct wide x, struct wide y, struct wide *out); /* y is not zero; scale as Postgres selects it */
bool wide_mod(struct wide x, struct wide y, struct wide *out); /* y is not zero */
bool wide_round(struct wide *w, int places, bool half_up);     /* else cuts; negative places as in numeric_round */

/*
 * The first digit that is not 0, in base 10000 as Postgres keeps numbers: its value, how many powers of 10000 it stands
 * for, and how many of the coefficient's decimal places are behind it (negative: so many are missing). All 0 but places
 * for 0.
 */
enum { WIDE_BASE_DIGITS = 4 };
struct wide_lead {
    unsigned digit;
    int weight, places;
};
struct wide_lead wide_lead(struct wide w);
/* The scale of a quotient, as Postgres selects it. */
int wide_division_scale(struct wide x, struct wide y);

/* 0 for 0 */
unsigned wide_count_digits(int128 coefficient);

/* As Postgres prints it; at most WIDE_TEXT bytes. Returns the length. */
enum { WIDE_TEXT = 128 };
size_t wide_print(struct wide w, char out[WIDE_TEXT]);

#endif
