#include "tests/unit/event/answers.h"

#include "pipeline/event/convert.h"

/* The definition, RFC 3629's grammar by code points: slow and plain. */
static size_t by_definition(struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        uint8_t c = (uint8_t)s.data[i];
        size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
        if (len == 0 || c > 0xf7 || i + len > s.len)
            return i;
        uint32_t code = len == 1 ? c : c & (0x7f >> len);
        for (size_t k = 1; k < len; k++) {
            uint8_t next = (uint8_t)s.data[i + k];
            if ((next & 0xc0) != 0x80)
                return i;
            code = code << 6 | (next & 0x3f);
        }
        static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
        if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return i;
        i += len;
    }
    return i;
}

static uint32_t random_state = 1;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)random_state * below >> 32);
}

static void the_valid_prefix_is_what_the_grammar_says(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",
                                         "temperature",
                                         "0123456789abcdef0123456789abcdef",
                                         "é",
                                         "€",
                                         "日本語テキスト",
                                         "😀",
                                         "\xc0\x80",
                                         "\xed\xa0\x80",
                                         "\xf4\x90\x80\x80",
                                         "\xff",
                                         "\xe2",
                                         "\xf0\x9f",
                                         "\x80",
                                         "߿",
                                         "ࠀ",
                                         "\xef\xbf\xbf",
                                         "𐀀",
                                         "\xf4\x8f\xbf\xbf"};
    for (int round = 0; round < 200000; round++) {
        char text[256];
        size_t len = 0;
        uint32_t count = draw(9), most = draw(4) == 0 ? 19 : 7;
        for (uint32_t i = 0; i < count; i++) {
            const char *piece = pieces[draw(most)];
            size_t n = strlen(piece);
            memcpy(text + len, piece, n);
            len += n;
        }
        if (len > 0 && draw(20) == 0)
            text[draw((uint32_t)len)] = '\0';
        char *exact = malloc(len + 1); /* an overrun is seen */
        memcpy(exact, text, len);
        struct str s = {exact, len};
        if (utf8_valid_prefix(s) != by_definition(s))
            fail_msg("round %d: %zu, not %zu of %zu bytes", round, utf8_valid_prefix(s), by_definition(s), len);
        free(exact);
    }
}

static void every_single_byte_in_every_place_is_judged(void **state)
{
    (void)state;
    for (int place = 0; place < 100; place++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[100];
            memset(text, 'x', sizeof text);
            text[place] = (char)byte;
            size_t expected = byte == 0 || byte >= 0x80 ? (size_t)place : sizeof text;
            assert_int_equal(utf8_valid_prefix((struct str){text, sizeof text}), expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_valid_prefix_is_what_the_grammar_says),
        cmocka_unit_test(every_single_byte_in_every_place_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
