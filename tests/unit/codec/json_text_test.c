#include "tests/unit/codec/json_decoding.h"

#include <stdio.h>

#include "pipeline/codec/json.h"

/* ---- the table of texts ------------------------------------------------------------------------------------------ */

struct text_case {
    bool valid;
    size_t offset;
    char why[64];
    struct str text;
    char bytes[1024];
    int line;
};

/* <XX> is a byte. */
static size_t read_bytes(const char *from, char *to)
{
    char *start = to;
    while (*from) {
        unsigned byte;
        if (sscanf(from, "<%2X>", &byte) == 1 && from[3] == '>') {
            *to++ = (char)byte;
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    return (size_t)(to - start);
}

static void for_each_text(void (*check)(const struct text_case *))
{
    FILE *file = fopen("data/json/texts.tsv", "r");
    assert_non_null(file);
    char *line = NULL;
    size_t capacity = 0;
    int number = 0, cases = 0;
    while (getline(&line, &capacity, file) >= 0) {
        number++;
        if (*line == '#')
            continue;
        line[strcspn(line, "\n")] = '\0';
        struct text_case c = {.valid = *line == 'y', .line = number};
        char *offset = strchr(line, '\t') + 1, *text = strchr(offset, '\t') + 1;
        if (!c.valid) {
            char *why = text;
            text = strchr(why, '\t');
            *text++ = '\0';
            c.offset = strtoul(offset, NULL, 10);
            snprintf(c.why, sizeof c.why, "%s", why);
        }
        c.text = (struct str){c.bytes, read_bytes(text, c.bytes)};
        check(&c);
        cases++;
    }
    assert_true(cases > 150);
    free(line);
    fclose(file);
}

static void check_validate(const struct text_case *c)
{
    /* a copy of exactly its size, so that the sanitizer sees a byte too many */
    char *copy = malloc(c->text.len + 1);
    memcpy(copy, c->bytes, c->text.len);
    size_t offset;
    const char *why;
    char *exact = realloc(copy, c->text.len ? c->text.len : 1);
    bool valid = json_validate((struct str){exact, c->text.len}, 128, &offset, &why);
    if (valid != c->valid || (!valid && (offset != c->offset || !strstr(why, c->why))))
        fail_msg("texts.tsv:%d: %s at %zu", c->line, valid ? "valid" : why, offset);
    free(exact);
}

static void every_text_of_the_table_is_judged_and_faults_are_placed(void **state)
{
    (void)state;
    for_each_text(check_validate);
}

/* The text as an element of an array as a member: what is good alone is good there, for a wanted and for a skipped
 * member. */
static void check_decode(const struct text_case *c)
{
    static const char *const around[][2] = {{"{\"a\":", "}"}, {"{\"a\":[", "]}"}, {"{\"b\":[{\"c\":", "},{}]}"}};
    for (json_parse_function *const *parse = all_parsers(); *parse; parse++) {
        for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
            struct decoding_rig *rig = decoding_open();
            struct buffer event = {0};
            decoding_want(rig, "a", NULL);
            buffer_add_str(&event, str_of(around[i][0]));
            buffer_add_str(&event, c->text);
            buffer_add_str(&event, str_of(around[i][1]));
            decoding_add(rig, (struct str){event.data, event.len});
            decoding_run(rig, *parse);
            size_t offset;
            const char *why;
            bool valid = json_validate((struct str){event.data, event.len}, 128, &offset, &why);
            if ((rig->out.selected == 1) != valid || (c->valid && !valid))
                fail_msg("texts.tsv:%d: %s between %s and %s", c->line, valid ? "refused" : "taken", around[i][0],
                         around[i][1]);
            buffer_release(&event);
            decoding_close(rig);
        }
    }
}

static void the_decoder_judges_texts_like_the_validator(void **state)
{
    (void)state;
    for_each_text(check_decode);
}

static void a_text_cut_anywhere_is_not_an_object(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e+3,-0,true,{\"b\\u00e9\":\"é\\ud83d\\ude00日\"}],\"c\":null}";
    for (size_t len = 0; len < sizeof text - 1; len++) {
        size_t offset;
        const char *why;
        assert_false(json_validate((struct str){text, len}, 128, &offset, &why));
        assert_int_equal(offset, len);
    }
}

static void depth_is_counted_in_open_brackets(void **state)
{
    (void)state;
    size_t offset;
    const char *why;
    assert_true(json_validate(STR("[[{\"a\":1}]]"), 3, &offset, &why));
    assert_false(json_validate(STR("[[{\"a\":1}]]"), 2, &offset, &why));
    assert_int_equal(offset, 2);
    assert_true(json_validate(STR("1"), 0, &offset, &why));
}

/* ---- walking ------------------------------------------------------------------------------------------------------
 */

static void members_are_walked_in_their_order(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        bool escaped;
        const char *value;
    } expected[] = {
        {"a", false, "1"},
        {"b\\n", true, "\"x\\\"}\""},
        {"", false, "[1, {\"]\":2}]"},
        {"a", false, "{ } "},
        {"long name of a member", false, "null"},
    };
    struct json_members m;
    struct str key, value;
    bool escaped;
    assert_true(json_object_open(&m, STR(" { \"a\" : 1 ,\"b\\n\":\"x\\\"}\", \"\":[1, {\"]\":2}],\n\"a\":{ } "
                                         ",\"long name of a member\":null}")));
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(json_object_next(&m, &key, &escaped, &value));
        assert_true(str_eq(key, str_of(expected[i].key)));
        assert_int_equal(escaped, expected[i].escaped);
        struct str wanted = str_of(expected[i].value);
        while (wanted.data[wanted.len - 1] == ' ')
            wanted.len--;
        assert_true(str_eq(value, wanted));
    }
    assert_false(json_object_next(&m, &key, &escaped, &value));
    assert_true(json_object_open(&m, STR("{ }")));
    assert_false(json_object_next(&m, &key, &escaped, &value));
    assert_false(json_object_open(&m, STR("[]")));
}

static void elements_are_walked_in_their_order(void **state)
{
    (void)state;
    static const char *const expected[] = {"1", "\"],\"", "[[2]]", "{\"a\":[]}", "false"};
    struct json_members m;
    struct str element;
    assert_true(json_array_open(&m, STR("[ 1,\"],\" , [[2]], {\"a\":[]},false ]")));
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(json_array_next(&m, &element));
        assert_true(str_eq(element, str_of(expected[i])));
    }
    assert_false(json_array_next(&m, &element));
    assert_true(json_array_open(&m, STR("[]")));
    assert_false(json_array_next(&m, &element));
    assert_false(json_array_open(&m, STR("{}")));
}

static void a_text_becomes_a_value_of_its_kind(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } cases[] = {
        {" null ", "-"},  {"true", "true"},         {"false", "false"},     {" -1.50 ", "-1.50"},
        {"\"\"", "\"\""}, {"\"a\\n\"", "\"a\\n\""}, {" [1, 2] ", "[1, 2]"}, {"{\"a\":1}", "{\"a\":1}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer text = {0};
        print_decoded(json_to_value(str_of(cases[i].text)), &text);
        assert_string_equal(buffer_cstr(&text), cases[i].value);
        buffer_release(&text);
    }
}

static void check_at(const char *object, const char *path, const char *expected)
{
    struct arena a = ARENA_INIT;
    struct buffer text = {0};
    struct path p = path_parse(&a, str_of(path));
    print_decoded(json_at(str_of(object), p.parts, p.count), &text);
    assert_string_equal(buffer_cstr(&text), expected);
    buffer_release(&text);
    arena_release(&a);
}

static void a_path_finds_the_last_of_equal_members(void **state)
{
    (void)state;
    check_at("{\"a\":1}", "a", "1");
    check_at("{\"a\":1}", "b", "-");
    check_at("{\"a\":{\"b\":[1]}}", "a.b", "[1]");
    check_at("{\"a\":{\"b\":1},\"\\u0061\":{\"b\":2}}", "a.b", "2");
    check_at("{\"a\":{\"b\":1},\"a\":{}}", "a.b", "-");
    check_at("{\"a\":[1]}", "a.b", "-");
    check_at("7", "a", "-");
}

static void jsonb_is_printed_as_postgres_prints_it(void **state)
{
    (void)state;
    /* select $$…$$::jsonb in PostgreSQL 15 */
    static const char *const cases[][2] = {
        {"{\"bb\":1,\"a\":2,\"c\":{},\"bb\":3}", "{\"a\": 2, \"c\": {}, \"bb\": 3}"},
        {" [ 1 ,2.50 , -0 , 1e2, 1.5e-3, 12E+1 ]", "[1, 2.50, 0, 100, 0.0015, 120]"},
        {"[\"\\u00e9\\/\\n\\u001f\\\"\"]", "[\"é/\\n\\u001f\\\"\"]"},
        {"{}", "{}"},
        {"[]", "[]"},
        {"[[],{\"\":null},true,false]", "[[], {\"\": null}, true, false]"},
        {"{\"b\":1,\"\\u0061\":2,\"a\":3,\"aa\":4}", "{\"a\": 3, \"b\": 1, \"aa\": 4}"},
        {"123456789012345678901234567890.10", "123456789012345678901234567890.10"},
        {"\"x\"", "\"x\""},
        {"null", "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer text = {0};
        json_print_jsonb(str_of(cases[i][0]), &text);
        assert_string_equal(buffer_cstr(&text), cases[i][1]);
        buffer_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_of_the_table_is_judged_and_faults_are_placed),
        cmocka_unit_test(the_decoder_judges_texts_like_the_validator),
        cmocka_unit_test(a_text_cut_anywhere_is_not_an_object),
        cmocka_unit_test(depth_is_counted_in_open_brackets),
        cmocka_unit_test(members_are_walked_in_their_order),
        cmocka_unit_test(elements_are_walked_in_their_order),
        cmocka_unit_test(a_text_becomes_a_value_of_its_kind),
        cmocka_unit_test(a_path_finds_the_last_of_equal_members),
        cmocka_unit_test(jsonb_is_printed_as_postgres_prints_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
