/*
 * Walking texts that are known to be valid JSON: bounds are checked, the grammar is not. Everything is borrowed from the text.
 */
#ifndef PIPE_JSON_WALK_H
#define PIPE_JSON_WALK_H

#include "pipeline/event/value.h"

/* The members of an object. Key: the inside of the quotes, possibly escaped. value: its text, trimmed. */
struct json_members {
    const char *next, *end;
};
bool json_object_open(struct json_members *m, struct str object); /* false: not an object */
bool json_object_next(struct json_members *m, struct str *key, bool *key_escaped, struct str *value);
/* The same for an array's elements. */
bool json_array_open(struct json_members *m, struct str array);
bool json_array_next(struct json_members *m, struct str *element);

/* A valid JSON value's text as a value of TYPE_JSON: NULL, BOOL, NUMBER, TEXT (perhaps escaped), JSON. Borrowed. */
struct value json_to_value(struct str text);
/* The member at the path inside a valid JSON text; VALUE_NULL where it is missing. The last of duplicate keys. */
struct value json_at(struct str object, const struct str *parts, uint32_t count);

#endif
