/*
 * Characters: what the text functions and LIKE share. Texts are valid UTF-8; upper and lower case are those of the
 * C.UTF-8 locale, as in a database made with it.
 */
#ifndef PIPE_SQL_TEXT_H
#define PIPE_SQL_TEXT_H

#include "pipeline/base/buffer.h"

bool text_is_ascii(struct str s);
size_t text_length(struct str s); /* in characters */
/* Bytes of the first n characters, or all. */
size_t text_bytes_of(struct str s, size_t n);
/* Length in bytes of the character that starts at c. */
static inline size_t text_char_bytes(char c)
{
    unsigned char u = (unsigned char)c;
    return u < 0xC0 ? 1 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : 4;
}
uint32_t text_decode(const char *p);
size_t text_encode(uint32_t c, char out[4]);

enum text_case { TEXT_LOWER, TEXT_UPPER, TEXT_INITCAP };
/* Appends s with its letters changed. */
void text_change_case(struct str s, enum text_case to, struct buffer *out);

void md5_hex(struct str s, char out[32]);

#endif
