#include "pipeline/event/convert.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/*
 * Almost all text is ASCII: whole vectors without a high bit and without NUL are passed at once; where one has either,
 * the bytes are looked at one character at a time until a vector is plain again.
 */

#if !defined(__x86_64__)
static size_t plain_prefix_c(const char *p, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        /* the second term finds zero bytes; it may err only towards "not plain" */
        if (((v | (v - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    return i;
}
#else
static size_t plain_prefix_sse2(const char *p, size_t len)
{
    const __m128i zero = _mm_setzero_si128();
    size_t i = 0;
    for (; i + 16 <= len; i += 16) {
        /* signed: above zero is 0x01 to 0x7f */
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        if (_mm_movemask_epi8(_mm_cmpgt_epi8(v, zero)) != 0xffff)
            break;
    }
    return i;
}

__attribute__((target("avx2"))) static size_t plain_prefix_avx2(const char *p, size_t len)
{
    const __m256i zero = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 32 <= len; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(p + i));
        if ((uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(v, zero)) != 0xffffffff)
            return i;
    }
    return i + plain_prefix_sse2(p + i, len - i);
}
#endif

static size_t plain_prefix(const char *p, size_t len)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") ? plain_prefix_avx2(p, len) : plain_prefix_sse2(p, len);
#else
    return plain_prefix_c(p, len);
#endif
}

static bool follows(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the character at p, 0 if it is none (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) or
 * NUL. */
static size_t character(const uint8_t *p, size_t len)
{
    uint8_t c = p[0];
    if (c < 0x80)
        return c != 0;
    if (c < 0xe0)
        return c >= 0xc2 && len >= 2 && follows(p[1]) ? 2 : 0;
    if (c < 0xf0) {
        if (len < 3 || !follows(p[1]) || !follows(p[2]))
            return 0;
        if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f))
            return 0;
        return 3;
    }
    if (c > 0xf4 || len < 4 || !follows(p[1]) || !follows(p[2]) || !follows(p[3]))
        return 0;
    if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return 4;
}

size_t utf8_valid_prefix(struct str s)
{
    const uint8_t *bytes = (const uint8_t *)s.data;
    size_t i = 0;
    while (i < s.len) {
        i += plain_prefix(s.data + i, s.len - i);
        /* to the end of the vector that was not plain, and on as long as characters are long */
        for (size_t until = i + 16; i < s.len && (i < until || bytes[i] >= 0x80);) {
            size_t len = character(bytes + i, s.len - i);
            if (len == 0)
                return i;
            i += len;
        }
    }
    return i;
}
