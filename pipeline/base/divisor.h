/*
 * Division of 64-bit integers by one divisor, again and again: a multiplication and a shift (Granlund and Montgomery,
 * "Division by Invariant Integers using Multiplication", PLDI 1994, figure 5.2). Exact for every dividend, and cut
 * towards zero as C's own.
 */
#ifndef PIPE_DIVISOR_H
#define PIPE_DIVISOR_H

#include <stdint.h>

struct divisor {
    int64_t magic; /* 2^63 / |divisor|, scaled up to 64 bits, less 2^64 */
    int64_t sign;  /* -1 or 0 */
    unsigned shift;
};

/* by: not 0; and not -1 where the dividend may be INT64_MIN. */
static inline struct divisor divisor_of(int64_t by)
{
    uint64_t size = by < 0 ? -(uint64_t)by : (uint64_t)by;
    unsigned bits = size > 2 ? 64 - (unsigned)__builtin_clzll(size - 1) : 1; /* of the next power of two */
    unsigned __int128 magic = ((unsigned __int128)1 << (63 + bits)) / size + 1;
    return (struct divisor){.magic = (int64_t)(uint64_t)magic, .sign = by >> 63, .shift = bits - 1};
}

static inline int64_t divide_by(struct divisor d, int64_t dividend)
{
    int64_t high = (int64_t)(((__int128)d.magic * dividend) >> 64);
    int64_t shifted = (int64_t)((uint64_t)dividend + (uint64_t)high) >> d.shift;
    uint64_t quotient = (uint64_t)shifted - (uint64_t)(dividend >> 63);
    return (int64_t)((quotient ^ (uint64_t)d.sign) - (uint64_t)d.sign);
}

#endif
