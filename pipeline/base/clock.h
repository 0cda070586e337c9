/*
 * Time is passed in, so that a test can move it. Monotonic time is for waiting and measuring, wall time for what is shown and stored.
 */
#ifndef PIPE_CLOCK_H
#define PIPE_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*monotonic_us)(const struct clock *c);
    int64_t (*wall_us)(const struct clock *c); /* microseconds since 1970-01-01 UTC */
};

extern const struct clock clock_system;

static inline int64_t clock_now_us(const struct clock *c)
{
    return c->monotonic_us(c);
}

/* "2026-03-01T12:00:00.123Z" into 25 bytes */
void clock_print_wall(int64_t wall_us, char out[25]);

#endif
