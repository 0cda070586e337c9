#include "pipeline/event/convert.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* What has to be escaped: '"', '\' and everything below the blank (RFC 8259, 7). */
static bool is_special(char c)
{
    return (uint8_t)c < 0x20 || c == '"' || c == '\\';
}

static size_t safe_prefix_c(const char *p, size_t len)
{
    size_t i = 0;
    while (i < len && !is_special(p[i]))
        i++;
    return i;
}

#if defined(__x86_64__)
static size_t safe_prefix_sse2(const char *p, size_t len)
{
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    size_t i = 0;
    for (; i + 16 <= len; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                                       _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        uint32_t found = (uint32_t)_mm_movemask_epi8(special);
        if (found)
            return i + (size_t)__builtin_ctz(found);
    }
    return i + safe_prefix_c(p + i, len - i);
}

__attribute__((target("avx2"))) static size_t safe_prefix_avx2(const char *p, size_t len)
{
    const __m256i quote = _mm256_set1_epi8('"'), backslash = _mm256_set1_epi8('\\'), control = _mm256_set1_epi8(0x1f);
    size_t i = 0;
    for (; i + 32 <= len; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(p + i));
        __m256i special = _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(v, quote), _mm256_cmpeq_epi8(v, backslash)),
                                          _mm256_cmpeq_epi8(_mm256_min_epu8(v, control), v));
        uint32_t found = (uint32_t)_mm256_movemask_epi8(special);
        if (found)
            return i + (size_t)__builtin_ctz(found);
    }
    return i + safe_prefix_sse2(p + i, len - i);
}
#endif

static size_t safe_prefix(const char *p, size_t len)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") ? safe_prefix_avx2(p, len) : safe_prefix_sse2(p, len);
#else
    return safe_prefix_c(p, len);
#endif
}

static void escape_one(struct buffer *out, char c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '"':
        buffer_add(out, "\\\"", 2);
        break;
    case '\\':
        buffer_add(out, "\\\\", 2);
        break;
    case '\b':
        buffer_add(out, "\\b", 2);
        break;
    case '\f':
        buffer_add(out, "\\f", 2);
        break;
    case '\n':
        buffer_add(out, "\\n", 2);
        break;
    case '\r':
        buffer_add(out, "\\r", 2);
        break;
    case '\t':
        buffer_add(out, "\\t", 2);
        break;
    default:
        buffer_add(out, "\\u00", 4);
        buffer_add_byte(out, hex[(uint8_t)c >> 4]);
        buffer_add_byte(out, hex[c & 15]);
        break;
    }
}

void json_escape(struct buffer *out, struct str s)
{
    while (s.len > 0) {
        size_t safe = safe_prefix(s.data, s.len);
        buffer_add(out, s.data, safe);
        if (safe == s.len)
            return;
        escape_one(out, s.data[safe]);
        s = (struct str){s.data + safe + 1, s.len - safe - 1};
    }
}
