/*
 * Decimal numbers of any length, the slow path of numeric.h and private to it: digits in base 10000, as Postgres keeps
 * and sends them, because its result scales depend on where those digits begin.
 *
 *   value = sign * sum(digits[i] * 10000^(weight - i)), printed with dscale places
 *
 * Neither the first nor the last digit is 0; zero has no digits, weight 0 and a positive sign. dscale never cuts digits
 * off. A struct big is on the caller's stack; big_release frees what did not fit in it. It points into itself: never
 * copy it.
 */
#ifndef PIPE_NUMERIC_BIG_H
#define PIPE_NUMERIC_BIG_H

#include "pipeline/event/numeric.h"

enum { BIG_BASE = 10000, BIG_DIGITS = 4, BIG_SMALL = 48 };

/* The limits of Postgres's stored format. */
enum { NUMERIC_MAX_WEIGHT = 32767, NUMERIC_MAX_DSCALE = 16383 };

enum big_kind { BIG_FINITE, BIG_NAN, BIG_INFINITE };

struct big {
    enum big_kind kind;
    bool negative;
    int weight, count, dscale;
    int capacity;
    uint16_t *digits;
    uint16_t small[BIG_SMALL];
};

enum big_rounding { BIG_ROUND, BIG_TRUNCATE };

/* Zero, to be assigned to. */
void big_init(struct big *b);
void big_release(struct big *b);
/* Room for `count` digits, all of them 0. Weight and dscale are the caller's to set. */
void big_make(struct big *b, int count);
/* Takes zeros off both ends. */
void big_strip(struct big *b);

/* Number in the syntax of JSON or Postgres, or NaN, Infinity, -Infinity; false for anything else. Out of Postgres's
 * range is fine. */
bool big_parse(struct big *b, struct str text);
/* b of a DECIMAL or NUMBER. */
void big_of_value(struct big *b, struct value v);
/* Whether Postgres can hold it. */
bool big_fits(const struct big *b);

/* Sets the scale: cuts, or rounds half away from zero, or adds zeros behind. Negative places make zeros left of the
 * point and dscale 0. */
void big_round(struct big *b, int places, enum big_rounding how);
int big_compare(const struct big *x, const struct big *y);
/* Of |x| and |y|, both finite. */
int big_compare_magnitudes(const struct big *x, const struct big *y);
/* How many decimal digits x has left of the point; 0 or less for |x| < 1. x is not zero. */
int big_integer_digits(const struct big *x);

/* Finite operands, y of div and mod not zero. r is another one. */
void big_add(const struct big *x, const struct big *y, struct big *r);
void big_sub(const struct big *x, const struct big *y, struct big *r);
void big_mul(const struct big *x, const struct big *y, struct big *r);
/* The product with rscale places. Products of two digits that end two digits behind those places are left out, as in
 * Postgres's mul_var(): seldom it is one unit away from the exact product. */
void big_mul_round(const struct big *x, const struct big *y, int rscale, struct big *r);
void big_div(const struct big *x, const struct big *y, int rscale, enum big_rounding how, struct big *r);
void big_mod(const struct big *x, const struct big *y, struct big *r);

/*
 * numeric_root.c: roots, powers and logarithms of finite x, rounded to rscale places; r is another one. The errors
 * before rounding are below 10^-(rscale + 6), so that but for one in a million the last digit is right.
 */
void big_sqrt(const struct big *x, int rscale, struct big *r); /* x is not negative */
void big_ln(const struct big *x, int rscale, struct big *r);   /* x is positive */
/* False where the result is too large for a numeric; one that is too small is 0. */
bool big_exp(const struct big *x, int rscale, struct big *r);
/* The exception: to the digit what Postgres gives. x is not 0 where the exponent is negative; 0^0 is 1. */
bool big_power_int(const struct big *x, int exponent, int rscale, struct big *r);

void big_copy(const struct big *x, struct big *r);
double big_to_double(const struct big *x); /* infinite where it is too large */
/* DECIMAL where it fits, else text in the arena. numeric.c */
struct value big_to_value(struct arena *a, const struct big *b);

/* As Postgres prints it, appended. */
void big_print(const struct big *b, struct buffer *out);
void big_print_binary(const struct big *b, struct buffer *out);

#endif
