/*
 * Base 64 (RFC 4648, section 4): the alphabet with + and /, padded, no line ends.
 */
#ifndef PIPE_BASE64_H
#define PIPE_BASE64_H

#include "pipeline/base/arena.h"

/* In the arena. */
struct str base64_encode(struct str bytes, struct arena *a);
/* In the arena. false: not such a text. */
bool base64_decode(struct str text, struct arena *a, struct str *out);

#endif
