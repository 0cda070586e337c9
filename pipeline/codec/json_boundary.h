/*
 * Where does a JSON value end? Follows only strings and nesting, and can go on where it stopped, so that a value that
 * comes in pieces is looked at once.
 */
#ifndef PIPE_JSON_BOUNDARY_H
#define PIPE_JSON_BOUNDARY_H

#include "pipeline/base/str.h"

/* Pure data. */
struct json_boundary {
    uint64_t objects; /* of the outer 64 levels: a bit for those that are objects */
    uint32_t scanned; /* bytes that need not be seen again, counted from those that are offered next */
    uint32_t depth : 30;
    uint32_t in_string : 1;
    uint32_t bare : 1; /* neither object nor array nor string */
};

enum json_boundary_result {
    BOUNDARY_FOUND,    /* *end: behind the value */
    BOUNDARY_BEYOND,   /* not within these bytes */
    BOUNDARY_MISMATCH, /* *end: a bracket that closes another one than was opened last */
};

/* At a value that begins with that byte. */
struct json_boundary json_boundary_start(char first);
/*
 * text: the bytes that follow those dropped so far. An object or array ends with its bracket, a string with its quote,
 * anything else before white space, a comma or a bracket. A line end inside a string, where there cannot be one, ends
 * the string: a missing quote then spoils one value, not all that follow.
 */
enum json_boundary_result json_boundary_find(struct json_boundary *b, struct str text, size_t *end);
/* All of the text offered last is dropped. Only after BOUNDARY_BEYOND; returns how many bytes of it must be offered
 * again nevertheless. */
size_t json_boundary_drop(struct json_boundary *b, size_t len);

#endif
