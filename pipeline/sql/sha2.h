/*
 * SHA-2 (FIPS 180-4), for the functions sha224() … sha512(). The whole message is at hand.
 */
#ifndef PIPE_SQL_SHA2_H
#define PIPE_SQL_SHA2_H

#include "pipeline/base/str.h"

enum sha2 { SHA2_224, SHA2_256, SHA2_384, SHA2_512 };
enum { SHA2_MAX_BYTES = 64 };

/* Returns the digest's length: 28, 32, 48 or 64. */
size_t sha2(enum sha2 which, struct str message, unsigned char out[SHA2_MAX_BYTES]);

#endif
