/*
 * simdjson as the oracle: over random documents and mutations of them, our validator accepts exactly what simdjson
 * accepts, and walking a valid text gives the members, elements and values that simdjson finds. (json_random_test.c
 * holds the decoder against the validator, over the same texts.)
 *
 * The one difference: simdjson refuses numbers that fit neither 64 bits nor a double; our numbers are texts.
 */
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdlib>
#include <string>

#include <simdjson.h>

/* C leaves out what is zero */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

extern "C" {
#include <cmocka.h>

#include "pipeline/codec/json.h"
#include "tests/unit/codec/json_random.h"
}

namespace dom = simdjson::dom;

static std::string characters(struct arena *a, struct str inside, bool escaped)
{
    struct value v = value_text(inside);
    struct error err;
    if (escaped) {
        v.flags = VALUE_ESCAPED;
        assert_true(value_unescape(a, &v, &err));
    }
    return std::string(v.ptr, v.len);
}

static void compare(struct arena *a, dom::element expected, struct str text);

static void compare_object(struct arena *a, dom::object expected, struct str text)
{
    struct json_members m;
    struct str key, value;
    bool escaped;
    assert_true(json_object_open(&m, text));
    for (dom::key_value_pair pair : expected) {
        assert_true(json_object_next(&m, &key, &escaped, &value));
        assert_true(characters(a, key, escaped) == pair.key);
        compare(a, pair.value, value);
    }
    assert_false(json_object_next(&m, &key, &escaped, &value));
}

static void compare_array(struct arena *a, dom::array expected, struct str text)
{
    struct json_members m;
    struct str element;
    assert_true(json_array_open(&m, text));
    for (dom::element e : expected) {
        assert_true(json_array_next(&m, &element));
        compare(a, e, element);
    }
    assert_false(json_array_next(&m, &element));
}

static void compare(struct arena *a, dom::element expected, struct str text)
{
    struct value v = json_to_value(text);
    std::string bytes(v.kind == VALUE_NUMBER ? v.ptr : "", v.kind == VALUE_NUMBER ? v.len : 0);
    switch (expected.type()) {
    case dom::element_type::OBJECT:
        compare_object(a, expected.get_object().value_unsafe(), text);
        break;
    case dom::element_type::ARRAY:
        compare_array(a, expected.get_array().value_unsafe(), text);
        break;
    case dom::element_type::STRING:
        assert_int_equal(v.kind, VALUE_TEXT);
        assert_true(characters(a, value_str(v), v.flags & VALUE_ESCAPED) == expected.get_string().value_unsafe());
        break;
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
    case dom::element_type::DOUBLE:
        assert_int_equal(v.kind, VALUE_NUMBER);
        assert_true(strtod(bytes.c_str(), NULL) == expected.get_double().value_unsafe());
        break;
    case dom::element_type::BOOL:
        assert_int_equal(v.kind, VALUE_BOOL);
        assert_int_equal(v.i, expected.get_bool().value_unsafe());
        break;
    case dom::element_type::NULL_VALUE:
        assert_int_equal(v.kind, VALUE_NULL);
        break;
    }
}

/* A run of digits that 64 bits might not hold, or an exponent that a double might not. */
static bool has_huge_number(struct str text)
{
    size_t digits = 0;
    bool exponent = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c >= '0' && c <= '9')
            digits++;
        else if (c != '+' && c != '-' && c != '.')
            exponent = (c == 'e' || c == 'E') && digits > 0, digits = 0;
        if (digits >= 18 || (exponent && digits >= 3))
            return true;
    }
    return false;
}

struct counts {
    int valid, invalid;
};

static void check(dom::parser *parser, struct str text, struct counts *counts)
{
    size_t offset;
    const char *why;
    bool valid = json_validate(text, 1024, &offset, &why);
    dom::element expected;
    simdjson::error_code error = parser->parse(text.data, text.len).get(expected);
    if (valid && error == simdjson::NUMBER_ERROR && has_huge_number(text))
        return;
    if (valid != (error == simdjson::SUCCESS))
        fail_msg("%s at %zu, simdjson says: %s\n%.*s", valid ? "valid" : why, offset, simdjson::error_message(error),
                 (int)text.len, text.data);
    if (valid && memmem(text.data, text.len, "\\u0000", 6) == NULL) {
        struct arena a = {};
        compare(&a, expected, text);
        arena_release(&a);
    }
    ++*(valid ? &counts->valid : &counts->invalid);
}

static void we_and_simdjson_judge_and_read_the_same_texts_alike(void **)
{
    struct random r = {20260301};
    struct buffer text = {};
    struct counts counts = {};
    dom::parser parser;
    for (int i = 0; i < 60000; i++) {
        buffer_clear(&text);
        random_value(&r, 5, &text);
        if (i % 4)
            random_mutate(&r, &text);
        struct str s = {text.data, text.len};
        check(&parser, s, &counts);
    }
    buffer_release(&text);
    assert_true(counts.valid > 15000);
    assert_true(counts.invalid > 15000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(we_and_simdjson_judge_and_read_the_same_texts_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
