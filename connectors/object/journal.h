/*
 * The ranges that finished objects hold, in a file: one line a range (or a partition forgotten), each with its CRC32C,
 * appended and synced; written anew when it is mostly history. What a crash tore off at its end was never acknowledged,
 * and is cut away. Sink thread only.
 */
#ifndef PIPE_OBJECT_JOURNAL_H
#define PIPE_OBJECT_JOURNAL_H

#include "pipeline/base/buffer.h"
#include "pipeline/engine/position.h"

struct journal {
    char *path;
    int fd; /* -1: closed */
    uint64_t size;
    uint32_t lines;
    struct positions *positions; /* what it says */
};

/* The file is made where it is missing. */
bool journal_open(struct journal *j, const char *path, struct error *err);
void journal_close(struct journal *j);
/* Durable when they return true; after a failure they may be called again. */
bool journal_add(struct journal *j, const struct position *positions, uint32_t count, struct error *err);
bool journal_forget(struct journal *j, const char *source, const char *const *keys, uint32_t count, struct error *err);

/* Fields of a line: a tab, then the text with control characters and '%' percent-encoded. */
void field_add(struct buffer *out, const char *text);
/* Splits a line into at most `most` fields, in place. Returns their count. */
int field_split(char *line, char **fields, int most);

#endif
