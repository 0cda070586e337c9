/*
 * Which members of an event go into which columns: a tree of levels, made when a decoder is bound and const from then
 * on.
 */
#ifndef PIPE_JSON_PROGRAM_H
#define PIPE_JSON_PROGRAM_H

#include "pipeline/codec/format.h"

struct json_parser;

enum { JSON_NONE = UINT32_MAX };

/* Wanted columns up to this one have a bit in `filled` masks; the ones beyond are set to NULL in advance. */
enum { JSON_MASKED_SLOTS = 64 };

/* A member somebody wants, or wants a part of. */
struct json_member {
    struct str name;
    uint32_t slot;  /* where its value goes; JSON_NONE: only parts of it are wanted */
    uint32_t level; /* the level of its own members; JSON_NONE: it is not looked into */
};

/* The wanted members of one object, sorted by length, then bytes. */
struct json_level {
    struct json_member *members;
    uint32_t count;
    /* the slots of everything below, which a second member of the same name takes back: [first_slot, end_slot) */
    uint32_t first_slot, end_slot;
};

/* Slots are numbered depth first, so that what lies below a member is a range. */
struct json_program {
    struct json_level *levels; /* [0]: the event itself */
    uint32_t level_count;
    uint32_t *slot_column; /* per slot: the column it fills */
    uint32_t slot_count;
    struct json_copy {
        uint32_t from, to; /* columns that want the same member */
    } * copies;
    uint32_t copy_count;
    uint32_t *conversions; /* declared columns */
    uint32_t conversion_count;
    uint32_t max_depth;
    bool (*parse)(struct json_parser *parser, const char *text, size_t len); /* for this machine */
};

struct json_program *json_program_new(const struct schema *s, uint32_t max_depth, struct arena *plan);
/* Into the order that json_level_find needs. */
void json_level_sort(struct json_level *level);
/* The member of that (unescaped) name, or NULL. */
const struct json_member *json_level_find(const struct json_level *level, struct str name);

static inline uint64_t json_slot_bit(uint32_t slot)
{
    return slot < JSON_MASKED_SLOTS ? (uint64_t)1 << slot : 0;
}

/* The bits of slots [first, end). */
static inline uint64_t json_slot_bits(uint32_t first, uint32_t end)
{
    uint64_t below_end = end >= JSON_MASKED_SLOTS ? UINT64_MAX : ((uint64_t)1 << end) - 1;
    return first >= JSON_MASKED_SLOTS ? 0 : below_end & ~(((uint64_t)1 << first) - 1);
}

#endif
