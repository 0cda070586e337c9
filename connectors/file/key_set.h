/*
 * A set of 64-bit hashes: 8 bytes a member at half load, which is all that is kept of a file that has been dealt with.
 * Zero-initialised is empty. Two different files with one hash are taken for the same: with a million files the chance
 * is 1 in 37 million.
 */
#ifndef PIPE_KEY_SET_H
#define PIPE_KEY_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_set {
    uint64_t *slots; /* 0: free */
    size_t count, capacity;
};

/* False: it was there already. */
bool key_set_add(struct key_set *s, uint64_t hash);
bool key_set_has(const struct key_set *s, uint64_t hash);
void key_set_release(struct key_set *s);

#endif
