/*
 * The few things the JSON parser asks of 16 or 32 bytes at once, as bit masks: bit i is byte i. Loads are unaligned and
 * may reach behind the text by BATCH_PADDING bytes. Included by a parser that defines JSON_AVX2 (with the functions'
 * target attribute JSON_TARGET) or does not.
 */
#ifndef PIPE_JSON_VECTOR_H
#define PIPE_JSON_VECTOR_H

#include <stdint.h>

#ifndef JSON_TARGET
#define JSON_TARGET
#endif

#define JSON_INLINE JSON_TARGET static inline __attribute__((always_inline))

#if defined(__SSE2__)

#include <immintrin.h>

/* Where 16 bytes hold digits. Shifted to the top of the signed range, digits are what is greater than 127 - 10. */
JSON_INLINE uint32_t vector_digits(const unsigned char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i shifted = _mm_add_epi8(bytes, _mm_set1_epi8(127 - '9'));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(shifted, _mm_set1_epi8(127 - 10)));
}

#endif

#if defined(JSON_AVX2)

enum { VECTOR_STRING_BYTES = 32 };

/* Where a string's plain run stops: quote, backslash, control characters, everything that is not ASCII (both are less
 * than a blank if signed). */
JSON_INLINE uint32_t vector_string_stops(const unsigned char *p)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)p);
    __m256i quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
    __m256i backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
    __m256i other = _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), bytes);
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(quote, backslash), other));
}

/* Where 32 bytes are equal. */
JSON_INLINE uint32_t vector_equal32(const unsigned char *a, const unsigned char *b)
{
    __m256i x = _mm256_loadu_si256((const __m256i *)a), y = _mm256_loadu_si256((const __m256i *)b);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, y));
}

#elif defined(__SSE2__)

enum { VECTOR_STRING_BYTES = 16 };

JSON_INLINE uint32_t vector_string_stops(const unsigned char *p)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i other = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), other));
}

JSON_INLINE uint32_t vector_equal32(const unsigned char *a, const unsigned char *b)
{
    __m128i low = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)a), _mm_loadu_si128((const __m128i *)b));
    __m128i high =
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(a + 16)), _mm_loadu_si128((const __m128i *)(b + 16)));
    return (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
}

#else

enum { VECTOR_STRING_BYTES = 16 };

JSON_INLINE uint32_t vector_digits(const unsigned char *p)
{
    uint32_t mask = 0;
    for (int i = 0; i < 16; i++)
        mask |= (uint32_t)(p[i] >= '0' && p[i] <= '9') << i;
    return mask;
}

JSON_INLINE uint32_t vector_string_stops(const unsigned char *p)
{
    uint32_t mask = 0;
    for (int i = 0; i < VECTOR_STRING_BYTES; i++)
        mask |= (uint32_t)(p[i] == '"' || p[i] == '\\' || p[i] < ' ' || p[i] >= 0x80) << i;
    return mask;
}

JSON_INLINE uint32_t vector_equal32(const unsigned char *a, const unsigned char *b)
{
    uint32_t mask = 0;
    for (int i = 0; i < 32; i++)
        mask |= (uint32_t)(a[i] == b[i]) << i;
    return mask;
}

#endif
#endif
