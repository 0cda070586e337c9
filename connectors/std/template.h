/*
 * Text with placeholders, printed millions of times a second:
 *
 *   {counter} {counter:START}   the event's number, from 0 or START
 *   {random:LO:HI}              a decimal number, with two digits behind the point, or as many as LO or HI has
 *   {random_int:LO:HI}          an integer; both ends are included
 *   {choice:a|b|c}              one of them
 *   {time}                      2026-03-01T12:00:00.123Z
 *   {uuid}                      a random UUID (version 4)
 *
 * A brace not followed by a lower-case name is itself, so that JSON needs no quoting. What is random depends on the
 * seed and the event's number alone: any event can be printed again.
 */
#ifndef PIPE_TEMPLATE_H
#define PIPE_TEMPLATE_H

#include "pipeline/base/arena.h"
#include "pipeline/base/error.h"

struct template;

/* In `arena`, with a copy of the text. On error *offset is where in the text. */
struct template *template_parse(const char *text, struct arena *arena, size_t *offset, struct error *err);
/* No event is longer. */
size_t template_most(const struct template *t);
/* The last printed second, kept between calls. Zero-initialised. */
struct template_clock {
    int64_t second;
    char text[25];
};
/* Prints event n at time wall_us (µs since 1970 UTC) to `to`; returns its length. */
size_t template_print(const struct template *t, uint64_t seed, uint64_t n, int64_t wall_us,
                      struct template_clock *clock, char *to);

#endif
