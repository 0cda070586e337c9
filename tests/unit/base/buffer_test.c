#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline/base/buffer.h"

static void what_is_added_stays_in_order_while_it_grows(void **state)
{
    (void)state;
    struct buffer b = {0};
    for (int i = 0; i < 10000; i++) {
        buffer_add_byte(&b, (char)i);
        buffer_add(&b, "abc", 3);
        buffer_add(&b, NULL, 0);
    }
    assert_int_equal(b.len, 40000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(b.data[i * 4], (char)i);
        assert_memory_equal(b.data + i * 4 + 1, "abc", 3);
    }
    buffer_release(&b);
    assert_null(b.data);
}

static void numbers_go_out_in_network_order(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_add_be16(&b, 0x0102);
    buffer_add_be32(&b, 0x03040506);
    buffer_add_be64(&b, 0x0708090A0B0C0D0E);
    assert_int_equal(b.len, 14);
    for (int i = 0; i < 14; i++)
        assert_int_equal(b.data[i], i + 1);
    buffer_release(&b);
}

static void printing_fits_whatever_room_is_left(void **state)
{
    (void)state;
    for (size_t before = 0; before < 200; before++) {
        struct buffer b = {0};
        for (size_t i = 0; i < before; i++)
            buffer_add_byte(&b, '.');
        buffer_printf(&b, "%s=%d", "seq", 123456789);
        assert_int_equal(b.len, before + 13);
        assert_string_equal(buffer_cstr(&b) + before, "seq=123456789");
        assert_int_equal(b.len, before + 13);
        buffer_release(&b);
    }
}

static void an_empty_buffer_is_an_empty_string(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_string_equal(buffer_cstr(&b), "");
    buffer_add_str(&b, STR("abc"));
    buffer_clear(&b);
    assert_string_equal(buffer_cstr(&b), "");
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_stays_in_order_while_it_grows),
        cmocka_unit_test(numbers_go_out_in_network_order),
        cmocka_unit_test(printing_fits_whatever_room_is_left),
        cmocka_unit_test(an_empty_buffer_is_an_empty_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
