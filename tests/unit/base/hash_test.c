#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/base/hash.h"

/* What is stored must be read by every later version: the values are those of the specifications. */
static void hash64_is_xxh64_for_ever(void **state)
{
    (void)state;
    assert_true(hash64("", 0, 0) == UINT64_C(0xEF46DB3751D8E999));
    assert_true(hash64("abc", 3, 0) == UINT64_C(0x44BC2CF5AD770999));
    assert_true(hash64("abc", 3, 1) != hash64("abc", 3, 0));
}

static void crc32c_has_the_check_values_of_rfc_3720(void **state)
{
    (void)state;
    unsigned char bytes[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, 32), 0x8A9136AA);
    memset(bytes, 0xFF, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46DD794E);
}

/* A bit at a time, straight from the polynomial. */
static uint32_t crc32c_by_definition(const unsigned char *p, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
    }
    return ~crc;
}

static void crc32c_is_the_same_at_every_length_and_in_pieces(void **state)
{
    (void)state;
    unsigned char bytes[100];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint32_t whole = crc32c_by_definition(bytes, len);
        assert_int_equal(crc32c(0, bytes, len), whole);
        size_t half = len / 3;
        assert_int_equal(crc32c(crc32c(0, bytes, half), bytes + half, len - half), whole);
        assert_int_equal(crc32c_without_hardware(0, bytes, len), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash64_is_xxh64_for_ever),
        cmocka_unit_test(crc32c_has_the_check_values_of_rfc_3720),
        cmocka_unit_test(crc32c_is_the_same_at_every_length_and_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
