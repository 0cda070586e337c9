/*
 * The decoder's parser: one pass over an event's text, which checks every byte of it and writes the wanted members'
 * values into their columns. It says only "good" or "bad"; json_check.h tells what is wrong with a bad one.
 *
 * Three things make it fast:
 *   1. The text must begin with '{' and end with '}'. That last byte stops every scan but those inside strings, so that
 * bounds are checked only where a string ends and where an object inside the event ends.
 *   2. Members mostly come in the order of the event before. What stands between two values (`,"temp":`, white space
 * included) is learnt as a step and compared as a whole with the next 32 bytes.
 *   3. Values are not converted: numbers and strings are borrowed as they stand.
 *
 * Loads may reach BATCH_PADDING bytes behind the text.
 */
#ifndef PIPE_JSON_PARSE_H
#define PIPE_JSON_PARSE_H

#include "pipeline/codec/json_check.h"
#include "pipeline/codec/json_program.h"

/* Longer ones are not learnt. One compare's worth. */
enum { JSON_STEP_BYTES = 32 };

/* From the end of one value to the start of the next one, and what is to be done with that. A cache line. */
struct json_step {
    unsigned char text[JSON_STEP_BYTES];
    uint32_t mask; /* which of the text's places count */
    uint16_t length;
    uint16_t next;        /* the step that came after it last time */
    uint32_t level;       /* of the value's own members; JSON_NONE */
    uint32_t row_mask;    /* all ones, or 0 where `column` is a place for what nobody wants */
    struct value *column; /* the value goes to column[row & row_mask] */
    uint64_t bit;         /* in json_parser.filled */
};
static_assert(sizeof(struct json_step) == 64, "one cache line");

/* What has been learnt of the objects of one level. steps[0] comes before the first member, and as a prediction it
 * never holds; steps[1] is for a member that is not learnt. */
struct json_shape {
    struct json_step *steps; /* NULL: none of these objects was seen yet */
    uint32_t count, capacity;
    uint16_t *buckets; /* index of a step by the hash of its text; 0: empty */
    uint32_t bucket_mask;
};

/* On the stack of a decode call; shapes live in the slice's arena, so that nothing is shared between threads. */
struct json_parser {
    const struct json_program *program;
    const unsigned char *end;
    struct value **slots; /* per slot: its column's values */
    uint32_t row;
    uint64_t filled; /* the slots that this row has a value for */
    struct json_shape *shapes;
    struct arena *arena;
    struct value unwanted;
};

/* Reads the object text[0, len) into parser->row. False: it is not valid, or nested too deeply; the row then holds
 * rubbish. */
typedef bool json_parse_function(struct json_parser *parser, const char *text, size_t len);
/* The fastest one for this machine. */
json_parse_function *json_parse_choose(void);

/* ---- between the parts of the parser ---------------------------------------------------------------------------- */

json_parse_function json_parse_baseline, json_parse_avx2;

/* Everything about strings but plain ASCII: p is anywhere inside; returns the closing quote or NULL. Adds to flags. */
const unsigned char *json_string_rest(const unsigned char *p, const unsigned char *end, uint8_t *flags);
/* Any number; returns what follows it, or NULL. The text has a '}' to stop at. */
const unsigned char *json_number(const unsigned char *p);
/*
 * What to do where the prediction did not hold: reads from the end of a value (or the object's '{') to the start of the
 * next one, finds or learns the step for it and stores its index in *at. *at == 0: the object has ended there. NULL:
 * not valid.
 */
const unsigned char *json_learn(struct json_parser *parser, uint32_t level, uint32_t *at, const unsigned char *p);
void json_shape_init(struct json_parser *parser, uint32_t level);
/* Another value of the same member has come: what was taken from inside of the first one goes. */
void json_take_back(struct json_parser *parser, uint32_t level);

#endif
