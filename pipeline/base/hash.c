#include "pipeline/base/hash.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(const void *data, size_t len, uint64_t seed)
{
    return XXH64(data, len, seed);
}

/* The reflected Castagnoli polynomial, a nibble at a time: small enough to be a table in the source. */
static const uint32_t nibble_table[16] = {
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};

static uint32_t crc32c_plain(uint32_t crc, const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = (crc >> 4) ^ nibble_table[crc & 15];
        crc = (crc >> 4) ^ nibble_table[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const unsigned char *p, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len > 0; p++, len--)
        crc = _mm_crc32_u8(crc, *p);
    return crc;
}

static uint32_t crc32c_update(uint32_t crc, const unsigned char *p, size_t len)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse42(crc, p, len) : crc32c_plain(crc, p, len);
}
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>

__attribute__((target("+crc"))) static uint32_t crc32c_arm(uint32_t crc, const unsigned char *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = __crc32cd(crc, word);
    }
    for (; len > 0; p++, len--)
        crc = __crc32cb(crc, *p);
    return crc;
}

static uint32_t crc32c_update(uint32_t crc, const unsigned char *p, size_t len)
{
    enum { HAS_CRC32 = 1 << 7 }; /* HWCAP_CRC32 */
    return getauxval(AT_HWCAP) & HAS_CRC32 ? crc32c_arm(crc, p, len) : crc32c_plain(crc, p, len);
}
#else
static uint32_t crc32c_update(uint32_t crc, const unsigned char *p, size_t len)
{
    return crc32c_plain(crc, p, len);
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    return ~crc32c_update(~crc, data, len);
}

uint32_t crc32c_without_hardware(uint32_t crc, const void *data, size_t len)
{
    return ~crc32c_plain(~crc, data, len);
}
