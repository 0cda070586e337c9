/*
 * The dead letters of a pipeline as a list: one letter per id, the last one written. They are in the default file
 * (letters_file.c), or in the table of a sink that can read them back (letters_sink.c).
 */
#ifndef PIPE_LETTERS_H
#define PIPE_LETTERS_H

#include "pipeline/engine/plan.h"

struct letter {
    struct str line;                            /* a file's, without its line end */
    struct str members[DEAD_COLUMNS];           /* each as JSON; "" where it is missing */
    const char *id, *source, *component, *time; /* the texts of these; "" where they are null */
};

struct letters;

/* Where letters are kept. */
struct letter_store {
    /* Adds all there are, oldest first. */
    bool (*read)(struct letters *l, struct error *err);
    /* Leaves those for which keep[i] is true, without their repeats; what has been written since they were read stays.
     */
    bool (*keep)(const struct letters *l, const bool *keep, struct error *err);
};
extern const struct letter_store letter_file, letter_sink;

struct letters {
    const struct letter_store *store;
    const struct config *cfg;
    const char *place;    /* for messages: the file's path, or the table's name */
    struct arena *arena;  /* of everything here */
    struct letter *items; /* oldest first */
    uint32_t count;
    const struct letter *repeats; /* the earlier ones of those that are there several times */
    uint32_t repeat_count;
};

/*
 * Nothing there yet is an empty list. ERROR_STOP where they are kept by a sink that can't read them back, or in a file
 * that is not plain NDJSON. Lines of a file that are no letters are an error with their number, but for a last one that
 * is not whole: a pipeline is writing it.
 */
bool letters_read(const struct config *cfg, struct arena *arena, struct letters *out, struct error *err);
/* Takes out those for which gone[i] is true. *newer: how many have been written since the list was read; these stay.
 * The caller holds the state_dir. */
bool letters_remove(const struct letters *l, const bool *gone, uint32_t *newer, struct error *err);

/* A member as text: strings without quotes and escapes, null as "". In the arena. */
const char *letter_text(const struct letter *l, enum dead_column c, struct arena *arena);
/* The letters whose id begins with `prefix`: how many, the last one in *found. */
uint32_t letters_find(const struct letters *l, const char *prefix, uint32_t *found);

/* For stores: one more letter, whose members are to be filled, and its texts set by letter_name(). */
struct letter *letters_add(struct letters *l);
/* false: it has no id. */
bool letter_name(struct letter *l, struct arena *arena);
/* The letter with this id, in an index of the list; UINT32_MAX: none. */
struct letter_index;
struct letter_index *letter_index_new(const struct letters *l);
uint32_t letter_index_find(const struct letter_index *x, const char *id);
void letter_index_free(struct letter_index *x);

#endif
