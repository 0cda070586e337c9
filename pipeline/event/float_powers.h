/*
 * Powers of ten to 126 bits, for printing floats; only for float_*.c.
 */
#ifndef PIPE_FLOAT_POWERS_H
#define PIPE_FLOAT_POWERS_H

#include <stdint.h>

/* g = high * 2^63 + low = floor(10^-k * 2^-r) + 1, with r such that 2^125 <= g < 2^126; k is -324 … 292. */
struct float_power {
    uint64_t high, low;
};

enum { FLOAT_POWER_MIN = -324, FLOAT_POWER_MAX = 292 };
extern const struct float_power float_powers[FLOAT_POWER_MAX - FLOAT_POWER_MIN + 1];

#endif
