/*
 * TOML 1.0 (toml.io) as a tree in which every key and value knows its place. The parser is toml++, which only toml.cpp
 * knows. Everything lives in the caller's arena.
 */
#ifndef PIPE_TOML_H
#define PIPE_TOML_H

#ifdef __cplusplus
extern "C" {
#endif

#include "pipeline/base/arena.h"
#include "pipeline/base/option.h"

enum toml_kind { TOML_TABLE, TOML_ARRAY, TOML_STRING, TOML_INTEGER, TOML_FLOAT, TOML_BOOLEAN, TOML_DATE };

/* A stretch of an interpolated string: result[at, at + length) came from the written value's [from, …). */
struct toml_segment {
    size_t at, length, from;
    bool copied; /* the same bytes; else what a ${…} at `from` gave */
};

struct toml_node {
    enum toml_kind kind;
    struct place place, end; /* of the value; end: behind its last character */
    struct place key_place;
    uint32_t key_length; /* characters, as written */
    const char *key;     /* NULL in arrays */
    /* A string's content, NUL-terminated behind its end; other scalars as they are written. */
    struct str text;
    struct toml_node *children, *next; /* in the file's order */

    /* Set by who reads the tree: */
    const char *origin;                  /* "--set a.b" where it is not from the file */
    bool loose;                          /* interpolated, or given by --set: text may stand for any type */
    bool secret;                         /* the text must never be shown */
    bool broken;                         /* has been reported: nobody else should look at it */
    const struct toml_segment *segments; /* of an interpolated string */
    uint32_t segment_count;
};

struct toml_error {
    struct place place;
    uint32_t length; /* characters */
    char text[256];
};

/* The root table, or NULL with *err: the first error only, what follows it cannot be trusted. */
struct toml_node *toml_parse(struct str text, struct arena *arena, struct toml_error *err);

#ifdef __cplusplus
}
#endif

#endif
