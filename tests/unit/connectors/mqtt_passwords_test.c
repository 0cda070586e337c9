#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "connectors/mqtt/listen/passwords.h"

#define SALT "$OIKVoqMLbg9F+OTC$"
#define HASH "RBpJH9K6PT7k6HwuXSDwdDr1DSfZoPen7Tfgb58b9cIdUGxnY0INX9wEDKEHMGmwIgDs/hU2hozKgFKrfLLNrA=="

/* Stands for PBKDF2: the password is as many x as there are iterations. */
static bool is_as_long(const struct mqtt_password *p, struct str password)
{
    return password.len == p->iterations;
}
static const struct mqtt_password_ops ops = {.matches = is_as_long};

static void users_are_found_by_name_and_only_with_their_password(void **state)
{
    (void)state;
    struct mqtt_passwords p;
    struct error err;
    assert_true(mqtt_passwords_parse(
        &p, STR("# devices\nline:$7$3" SALT HASH "\r\n\nline10:$7$1" SALT HASH "\nAnna:$7$2" SALT HASH), &err));
    assert_int_equal(p.count, 3);
    assert_int_equal(p.all[0].salt.len, 12);
    assert_true(mqtt_passwords_allow(&p, &ops, STR("Anna"), STR("xx")));
    assert_true(mqtt_passwords_allow(&p, &ops, STR("line"), STR("xxx")));
    assert_true(mqtt_passwords_allow(&p, &ops, STR("line10"), STR("x")));
    assert_false(mqtt_passwords_allow(&p, &ops, STR("line"), STR("x")));
    assert_false(mqtt_passwords_allow(&p, &ops, STR("nobody"), STR("xx")));
    assert_false(mqtt_passwords_allow(&p, &ops, STR(""), STR("")));
    mqtt_passwords_release(&p);
}

static void an_empty_file_lets_nobody_in(void **state)
{
    (void)state;
    struct mqtt_passwords p;
    struct error err;
    assert_true(mqtt_passwords_parse(&p, STR("# nobody yet\n"), &err));
    assert_false(mqtt_passwords_allow(&p, &ops, STR(""), STR("")));
    mqtt_passwords_release(&p);
}

static void a_line_that_is_none_is_told_with_its_number(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } wrong[] = {
        {"line3", "NAME:HASH"},
        {":$7$101" SALT HASH, "NAME:HASH"},
        {"line3:secret", "$7$"},
        {"line3:$6$" SALT HASH, "$7$"},
        {"line3:$7$" SALT HASH, "iterations"},
        {"line3:$7$0" SALT HASH, "iterations"},
        {"line3:$7$1000001" SALT HASH, "iterations"},
        {"line3:$7$99999999999999999999" SALT HASH, "iterations"},
        {"line3:$7$-1" SALT HASH, "iterations"},
        {"line3:$7$101" SALT, "damaged"},
        {"line3:$7$101$!$" HASH, "damaged"},
        {"line3:$7$101" SALT "abcd", "damaged"},
        {"line3:$7$101" SALT HASH "\nline3:$7$101" SALT HASH, "\"line3\" is there twice"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mqtt_passwords p;
        struct error err;
        assert_false(mqtt_passwords_parse(&p, str_of(wrong[i].line), &err));
        if (!strstr(err.text, wrong[i].says))
            fail_msg("%s: %s", wrong[i].line, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_are_found_by_name_and_only_with_their_password),
        cmocka_unit_test(an_empty_file_lets_nobody_in),
        cmocka_unit_test(a_line_that_is_none_is_told_with_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
