#include "pipeline/codec/csv_scan.h"

static bool everywhere(void)
{
    return true;
}

static void breaks_plain(const char *data, size_t blocks, char quote, uint64_t *masks)
{
    for (size_t i = 0; i < blocks; i++, data += 64) {
        uint64_t mask = 0;
        for (unsigned k = 0; k < 64; k++)
            mask |= (uint64_t)(data[k] == '\n' || data[k] == '\r' || data[k] == quote) << k;
        masks[i] = mask;
    }
}

static void fields_plain(const char *data, size_t blocks, char delimiter, char quote, uint64_t *plain,
                         uint64_t *special)
{
    for (size_t i = 0; i < blocks; i++, data += 64) {
        uint64_t found = 0, odd = 0;
        for (unsigned k = 0; k < 64; k++) {
            char c = data[k];
            found |= (uint64_t)(c == delimiter) << k;
            odd |= (uint64_t)(c == quote || c == '"' || c == '\\' || (unsigned char)c < 0x20) << k;
        }
        plain[i] = found;
        special[i] = odd & ~found;
    }
}

#if defined(__x86_64__)

#include <immintrin.h>

static inline uint64_t breaks16(const char *data, char quote)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)data);
    __m128i found =
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r')));
    found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(quote)));
    return (uint32_t)_mm_movemask_epi8(found);
}

static void breaks_sse2(const char *data, size_t blocks, char quote, uint64_t *masks)
{
    for (size_t i = 0; i < blocks; i++, data += 64)
        masks[i] = breaks16(data, quote) | breaks16(data + 16, quote) << 16 | breaks16(data + 32, quote) << 32 |
                   breaks16(data + 48, quote) << 48;
}

static inline void fields16(const char *data, char delimiter, char quote, uint64_t *plain, uint64_t *special)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)data);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(quote)), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    odd = _mm_or_si128(_mm_or_si128(odd, control), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    *plain = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(delimiter)));
    *special = (uint32_t)_mm_movemask_epi8(odd);
}

static void fields_sse2(const char *data, size_t blocks, char delimiter, char quote, uint64_t *plain, uint64_t *special)
{
    for (size_t i = 0; i < blocks; i++, data += 64) {
        uint64_t found = 0, odd = 0;
        for (unsigned k = 0; k < 64; k += 16) {
            uint64_t found16, odd16;
            fields16(data + k, delimiter, quote, &found16, &odd16);
            found |= found16 << k;
            odd |= odd16 << k;
        }
        plain[i] = found;
        special[i] = odd & ~found;
    }
}

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline uint64_t breaks32(const char *data, char quote)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)data);
    __m256i found = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\n')),
                                    _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\r')));
    found = _mm256_or_si256(found, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(quote)));
    return (uint32_t)_mm256_movemask_epi8(found);
}

AVX2 static void breaks_avx2(const char *data, size_t blocks, char quote, uint64_t *masks)
{
    for (size_t i = 0; i < blocks; i++, data += 64)
        masks[i] = breaks32(data, quote) | breaks32(data + 32, quote) << 32;
}

AVX2 static inline void fields32(const char *data, char delimiter, char quote, uint64_t *plain, uint64_t *special)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)data);
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    __m256i odd = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(quote)),
                                  _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\')));
    odd = _mm256_or_si256(_mm256_or_si256(odd, control), _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"')));
    *plain = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(delimiter)));
    *special = (uint32_t)_mm256_movemask_epi8(odd);
}

AVX2 static void fields_avx2(const char *data, size_t blocks, char delimiter, char quote, uint64_t *plain,
                             uint64_t *special)
{
    for (size_t i = 0; i < blocks; i++, data += 64) {
        uint64_t found[2], odd[2];
        fields32(data, delimiter, quote, &found[0], &odd[0]);
        fields32(data + 32, delimiter, quote, &found[1], &odd[1]);
        plain[i] = found[0] | found[1] << 32;
        special[i] = (odd[0] | odd[1] << 32) & ~plain[i];
    }
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

#endif

const struct csv_scanner csv_scanners[] = {
#if defined(__x86_64__)
    {"avx2", has_avx2, breaks_avx2, fields_avx2},
    {"sse2", everywhere, breaks_sse2, fields_sse2},
#endif
    {"plain", everywhere, breaks_plain, fields_plain},
};
const unsigned csv_scanner_count = sizeof(csv_scanners) / sizeof(csv_scanners[0]);

const struct csv_scanner *csv_scanner_best(void)
{
    const struct csv_scanner *s = csv_scanners;
    while (!s->usable())
        s++;
    return s;
}
