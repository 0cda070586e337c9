#include "pipeline/base/base64.h"

#include <stdint.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct str base64_encode(struct str bytes, struct arena *a)
{
    char *out = arena_alloc(a, (bytes.len + 2) / 3 * 4 + 1), *to = out;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t v = (uint32_t)(unsigned char)bytes.data[i] << 16;
        v |= left > 1 ? (uint32_t)(unsigned char)bytes.data[i + 1] << 8 : 0;
        v |= left > 2 ? (uint32_t)(unsigned char)bytes.data[i + 2] : 0;
        *to++ = digits[v >> 18];
        *to++ = digits[v >> 12 & 63];
        *to++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[v & 63] : '=';
    }
    return (struct str){out, (size_t)(to - out)};
}

bool base64_decode(struct str text, struct arena *a, struct str *out)
{
    if (text.len % 4)
        return false;
    size_t padding = text.len && text.data[text.len - 1] == '=';
    padding += padding && text.data[text.len - 2] == '=';
    char *bytes = arena_alloc(a, text.len / 4 * 3 + 1), *to = bytes;
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t v = 0;
        for (size_t k = i; k < i + 4; k++) {
            bool padded = k >= text.len - padding;
            const char *digit = padded || !text.data[k] ? NULL : strchr(digits, text.data[k]);
            if (!digit && !padded)
                return false;
            v = v << 6 | (digit ? (uint32_t)(digit - digits) : 0);
        }
        *to++ = (char)(v >> 16);
        *to++ = (char)(v >> 8);
        *to++ = (char)v;
    }
    *out = (struct str){bytes, (size_t)(to - bytes) - padding};
    return true;
}
