/*
 * Hashes. hash64 is XXH64 (xxhash.com, stable for ever: what it gives is stored); crc32c is Castagnoli's (RFC 3720).
 */
#ifndef PIPE_HASH_H
#define PIPE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *data, size_t len, uint64_t seed);
/* Of data behind what gave `crc`; 0 to begin with. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The same, slowly: what crc32c does on a machine without the instruction. */
uint32_t crc32c_without_hardware(uint32_t crc, const void *data, size_t len);

#endif
