/*
 * The careful reader of JSON (RFC 8259): says whether a text is a value and if not, where and why it goes wrong. It
 * looks at every byte within bounds, so it takes any text. The decoder, which is faster and only says "bad", asks here
 * what to tell the user; the framer asks whether a line is a value, or the beginning of one.
 */
#ifndef PIPE_JSON_CHECK_H
#define PIPE_JSON_CHECK_H

#include "pipeline/base/str.h"

/* What options may allow at most; a bit per level of arrays and objects is kept on the stack. */
enum { JSON_MAX_DEPTH = 1024 };

enum json_fault {
    JSON_VALID,
    JSON_ENDS_EARLY, /* all bytes are good, but there must be more of them */
    JSON_NO_VALUE,
    JSON_BAD_LITERAL,
    JSON_BAD_NUMBER,
    JSON_LEADING_ZERO,
    JSON_BAD_ESCAPE,
    JSON_LONE_SURROGATE,
    JSON_CONTROL_CHARACTER,
    JSON_BAD_UTF8,
    JSON_NO_KEY,
    JSON_NO_COLON,
    JSON_NO_COMMA_IN_OBJECT,
    JSON_NO_COMMA_IN_ARRAY,
    JSON_TOO_DEEP,
    JSON_TRAILING_BYTES,
};

/* "expected a comma or '}' behind a member": what is wrong at the offset. */
const char *json_fault_text(enum json_fault fault);

/* Reads one value and the white space before it. *offset: what follows the value, or the byte that cannot be. max_depth
 * <= JSON_MAX_DEPTH. */
enum json_fault json_check_value(struct str text, uint32_t max_depth, size_t *offset);
/* The same for a text that must hold nothing else but white space. */
enum json_fault json_check_text(struct str text, uint32_t max_depth, size_t *offset);

/* The bytes of the valid UTF-8 character at p, which is none of ASCII; 0: not valid; -1: valid so far, but cut off by
 * `end`. */
int json_utf8_length(const char *p, const char *end);

static inline bool json_is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

#endif
