#include "tests/unit/codec/json_framing.h"

#include <stdio.h>

enum { MAX_RECORD = 64 };

/* Records as text, one per line: "position line fault bytes". */
static void print_records(const struct batch *b, struct buffer *out)
{
    static const char *const faults[] = {"ok", "too-long", "truncated", "corrupt"};
    for (uint32_t i = 0; i < b->record_count; i++) {
        const struct record *r = &b->records[i];
        assert_int_equal(r->position, r->offset);
        buffer_printf(out, "%llu %u %s ", (unsigned long long)r->position, r->line, faults[r->fault]);
        buffer_add(out, b->bytes + r->offset, r->length);
        buffer_add_byte(out, '|');
    }
}

/* Frames the stream whole, then cut in two at every byte, then byte by byte: always the same records. */
static void check_frames(struct str stream, const char *expected)
{
    struct framing_rig whole = framing_open(MAX_RECORD);
    framing_offer(&whole, stream, true);
    struct buffer text = {0};
    print_records(whole.b, &text);
    assert_string_equal(buffer_cstr(&text), expected);
    assert_int_equal(whole.consumed, stream.len);
    assert_int_equal(whole.b->spans[0].next, stream.len);
    buffer_release(&text);

    for (size_t cut = 0; cut <= stream.len; cut++) {
        struct framing_rig rig = framing_open(MAX_RECORD);
        framing_offer(&rig, (struct str){stream.data, cut}, false);
        framing_offer(&rig, (struct str){stream.data + cut, stream.len - cut}, true);
        assert_same_records(rig.b, whole.b);
        framing_close(&rig);
    }
    struct framing_rig rig = framing_open(MAX_RECORD);
    for (size_t i = 0; i < stream.len; i++)
        framing_offer(&rig, (struct str){stream.data + i, 1}, false);
    framing_offer(&rig, STR(""), true);
    assert_same_records(rig.b, whole.b);
    framing_close(&rig);
    framing_close(&whole);
}

static void lines_are_records(void **state)
{
    (void)state;
    check_frames(STR("{\"a\":1}\n{\"a\":2}\n"), "0 1 ok {\"a\":1}|8 2 ok {\"a\":2}|");
    check_frames(STR(""), "");
    check_frames(STR("\n \r\n\t\n"), "");
}

static void an_unterminated_last_line_is_a_record(void **state)
{
    (void)state;
    check_frames(STR("{}\n{\"a\":2}"), "0 1 ok {}|3 2 ok {\"a\":2}|");
    check_frames(STR("{\"a\":2}"), "0 1 ok {\"a\":2}|");
    check_frames(STR("{\"a\":2"), "0 1 ok {\"a\":2|");
}

static void blank_lines_carriage_returns_and_the_byte_order_mark_are_no_part_of_records(void **state)
{
    (void)state;
    check_frames(STR("\xEF\xBB\xBF{}\r\n\r\n  {\"a\":1}\r\n \n{}"), "3 1 ok {}|11 3 ok {\"a\":1}|22 5 ok {}|");
    check_frames(STR("\xEF\xBB\xBF"), "");
    check_frames(STR("\xEF\xBB"), "0 1 ok \xEF\xBB|");
}

static void a_malformed_line_leaves_its_neighbours_alone(void **state)
{
    (void)state;
    check_frames(STR("{\"a\":1\n{\"a\":2}\n"), "0 1 ok {\"a\":1|7 2 ok {\"a\":2}|");
    check_frames(STR("{\"a\":\"x\n{\"a\":2}\n"), "0 1 ok {\"a\":\"x|8 2 ok {\"a\":2}|");
    check_frames(STR("{\"a\":1,\n{\"a\":2}\n"), "0 1 ok {\"a\":1,|8 2 ok {\"a\":2}|");
    check_frames(STR("{}\n{\"a\":[}\n{}\n"), "0 1 ok {}|3 2 ok {\"a\":[}|11 3 ok {}|");
    check_frames(STR("oops\n{}\n"), "0 1 ok oops|5 2 ok {}|");
    check_frames(STR("{}\n[1]\n7\n\"x\"\n"), "0 1 ok {}|3 2 ok [1]|7 3 ok 7|9 4 ok \"x\"|");
}

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void a_line_longer_than_allowed_is_one_cut_record(void **state)
{
    (void)state;
    check_frames(STR("{}\n" SIXTY "abcd\n{}\n"), "0 1 ok {}|3 2 ok " SIXTY "abcd|68 3 ok {}|");
    check_frames(STR("{}\n" SIXTY "abcd\r\n{}\n"), "0 1 ok {}|3 2 ok " SIXTY "abcd|69 3 ok {}|");
    check_frames(STR("{}\n" SIXTY "abcde\n{}\n"), "0 1 ok {}|3 2 too-long " SIXTY "abcd|69 3 ok {}|");
    check_frames(STR("{}\n" SIXTY "abcd\r\r\n{}\n"), "0 1 ok {}|3 2 too-long " SIXTY "abcd|70 3 ok {}|");
    check_frames(STR(SIXTY SIXTY SIXTY "\n{}\n"), "0 1 too-long " SIXTY "0123|181 2 ok {}|");
    check_frames(STR("{\"a\":\"" SIXTY SIXTY), "0 1 too-long {\"a\":\"" TEN TEN TEN TEN TEN "01234567|");
}

static void a_value_over_several_lines_is_a_record(void **state)
{
    (void)state;
    check_frames(STR("{\n  \"a\": 1\n}\n"), "0 1 ok {\n  \"a\": 1\n}|");
    check_frames(STR("{\"a\": [\n1,{}\n]}\n\n{\n\"b\":\"}\\\"{\"}{}\n"),
                 "0 1 ok {\"a\": [\n1,{}\n]}|17 5 ok {\n\"b\":\"}\\\"{\"}|30 6 ok {}|");
    check_frames(STR("{\"a\":1\n}\n12 {}"), "0 1 ok {\"a\":1\n}|9 3 ok 12|12 3 ok {}|");
}

static void a_document_that_does_not_end_is_truncated(void **state)
{
    (void)state;
    check_frames(STR("{\n\"a\": {}\n"), "0 1 truncated {\n\"a\": {}\n|");
    check_frames(STR("{\n\"a\": 1\n}\n{\n\"b\\"), "0 1 ok {\n\"a\": 1\n}|11 4 truncated {\n\"b\\|");
}

static void a_document_longer_than_allowed_is_skipped(void **state)
{
    (void)state;
    check_frames(STR("{\n\"a\":\"" SIXTY "\\\"" SIXTY "\"}\n{}\n"),
                 "0 1 too-long {\n\"a\":\"" TEN TEN TEN TEN TEN "0123456|132 3 ok {}|");
    check_frames(STR("{\n\"a\":\"" SIXTY "\\"), "0 1 too-long {\n\"a\":\"" TEN TEN TEN TEN TEN "0123456|");
}

static void the_elements_of_an_array_are_records(void **state)
{
    (void)state;
    check_frames(STR("[]"), "");
    check_frames(STR(" [ {\"a\":1} , {\"a\":[{}, \"]\"]}\n,\n{} ]\n"),
                 "3 1 ok {\"a\":1}|13 1 ok {\"a\":[{}, \"]\"]}|31 3 ok {}|");
    check_frames(STR("[1,\"x,]\",[2],null]"), "1 1 ok 1|3 1 ok \"x,]\"|9 1 ok [2]|13 1 ok null|");
    check_frames(STR("\xEF\xBB\xBF[{}]"), "4 1 ok {}|");
}

static void streams_may_follow_an_array(void **state)
{
    (void)state;
    check_frames(STR("[{}]\n[{},\n{}]\n{\"a\":1}\n{\"b\n"),
                 "1 1 ok {}|6 2 ok {}|10 3 ok {}|14 4 ok {\"a\":1}|22 5 ok {\"b|");
}

static void a_malformed_element_is_one_record_where_its_brackets_match(void **state)
{
    (void)state;
    check_frames(STR("[{\"a\":tru},{\"b\" 1},{}]"), "1 1 ok {\"a\":tru}|11 1 ok {\"b\" 1}|19 1 ok {}|");
    check_frames(STR("[{\"a\":\"x\n},{}]"), "1 1 ok {\"a\":\"x\n}|11 2 ok {}|");
}

static void what_cannot_be_followed_is_corrupt_and_ends_the_array(void **state)
{
    (void)state;
    check_frames(STR("[{},{\"a\":[},{}]"), "1 1 ok {}|4 1 corrupt {\"a\":[}|");
    check_frames(STR("[{}\n{}]"), "1 1 ok {}|4 2 corrupt {|");
    check_frames(STR("[{},]"), "1 1 ok {}|4 1 corrupt ]|");
    check_frames(STR("[,{}]"), "1 1 corrupt ,|");
    check_frames(STR("[\"" SIXTY SIXTY "\",[}," SIXTY "]"), "1 1 too-long \"" SIXTY "012|124 1 corrupt [}|");
    check_frames(STR("[{\"" SIXTY SIXTY "\":],{}]"), "1 1 too-long {\"" SIXTY "01|125 1 corrupt ]|");
}

static void an_array_that_does_not_end_is_truncated(void **state)
{
    (void)state;
    check_frames(STR("["), "1 1 truncated |");
    check_frames(STR("[{}, "), "1 1 ok {}|5 1 truncated |");
    check_frames(STR("[{},{\"a\":1"), "1 1 ok {}|4 1 truncated {\"a\":1|");
    check_frames(STR("[12"), "1 1 truncated 12|");
    check_frames(STR("[\"" SIXTY SIXTY), "1 1 too-long \"" SIXTY "012|");
}

static void an_element_longer_than_allowed_is_skipped(void **state)
{
    (void)state;
    check_frames(STR("[{\"a\":\"" SIXTY "\\\\" SIXTY "\"},{}]"),
                 "1 1 too-long {\"a\":\"" TEN TEN TEN TEN TEN "01234567|132 1 ok {}|");
    check_frames(STR("[" SIXTY SIXTY ",{}]"), "1 1 too-long " SIXTY "0123|122 1 ok {}|");
}

static void the_batch_takes_as_many_records_as_it_should_and_goes_on_later(void **state)
{
    (void)state;
    static const char *const streams[] = {"{}\n{}\n{}\n", "[{},{},{}]", "{\n}{}\n{}"};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct framing_rig rig = framing_open(MAX_RECORD);
        struct str stream = str_of(streams[i]);
        memcpy(rig.b->bytes, stream.data, stream.len);
        rig.b->len = stream.len;
        for (uint32_t most = 1; most <= 3; most++) {
            rig.consumed += json_frame(&rig.f, rig.b, rig.consumed, true, most);
            assert_int_equal(rig.b->record_count, most);
        }
        rig.consumed += json_frame(&rig.f, rig.b, rig.consumed, true, 4);
        assert_int_equal(rig.b->record_count, 3);
        assert_int_equal(rig.consumed, stream.len);
        framing_close(&rig);
    }
}

/* From every `next` that a cut stream has had, a new framer finds exactly the records that are not behind it. */
static void check_restarts(struct str stream)
{
    struct framing_rig whole = framing_open(MAX_RECORD);
    framing_offer(&whole, stream, true);
    for (size_t cut = 0; cut <= stream.len; cut++) {
        struct framing_rig rig = framing_open(MAX_RECORD);
        framing_offer(&rig, (struct str){stream.data, cut}, false);
        uint64_t next = rig.b->spans[0].next;
        framing_close(&rig);

        rig = framing_open(MAX_RECORD);
        struct error err;
        ssize_t start = json_prime(&rig.f, stream.data, stream.len, true, &err);
        assert_true(start >= 0);
        if (next < (uint64_t)start)
            next = (uint64_t)start;
        rig.f.position = rig.consumed = next;
        rig.f.line = 0;
        rig.b->len = next;
        framing_offer(&rig, (struct str){stream.data + next, stream.len - next}, true);
        uint32_t first = 0;
        while (first < whole.b->record_count && whole.b->records[first].position < next)
            first++;
        assert_int_equal(rig.b->record_count, whole.b->record_count - first);
        for (uint32_t i = 0; i < rig.b->record_count; i++) {
            assert_int_equal(rig.b->records[i].position, whole.b->records[first + i].position);
            assert_int_equal(rig.b->records[i].length, whole.b->records[first + i].length);
            assert_int_equal(rig.b->records[i].fault, whole.b->records[first + i].fault);
        }
        framing_close(&rig);
    }
    framing_close(&whole);
}

static void a_new_framer_goes_on_where_the_old_one_says(void **state)
{
    (void)state;
    check_restarts(STR("\xEF\xBB\xBF{}\n  \n{\"a\":1}\n,oops\n[]\n{}"));
    check_restarts(STR("{}\n" SIXTY SIXTY "\n{}\n"));
    check_restarts(STR("{\n}\n{\"a\":\n1}{}\n\n{\n\"a\":\"" SIXTY SIXTY "\"}\n{\n}\n"));
    check_restarts(STR(" [{\"a\":1} , {\"a\":[{}, \"]\"]}\n,\n[] ,\"" SIXTY SIXTY "\",{} ]\n"));
    check_restarts(STR("[{},{}]\n[{},{}]\n{}\n{}\n"));
    check_restarts(STR("[{},{\"a\":[},{},{},{}]"));
    check_restarts(STR("[{},{"));
}

static void a_missing_line_number_stays_missing(void **state)
{
    (void)state;
    static const char *const streams[] = {"{}\n{}\n", "[{},\n{}]", "{\n}\n{}"};
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        struct framing_rig rig = framing_open(MAX_RECORD);
        rig.f.line = 0;
        framing_offer(&rig, str_of(streams[i]), true);
        assert_int_equal(rig.b->record_count, 2);
        assert_int_equal(rig.b->records[1].line, 0);
        framing_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_records),
        cmocka_unit_test(an_unterminated_last_line_is_a_record),
        cmocka_unit_test(blank_lines_carriage_returns_and_the_byte_order_mark_are_no_part_of_records),
        cmocka_unit_test(a_malformed_line_leaves_its_neighbours_alone),
        cmocka_unit_test(a_line_longer_than_allowed_is_one_cut_record),
        cmocka_unit_test(a_value_over_several_lines_is_a_record),
        cmocka_unit_test(a_document_that_does_not_end_is_truncated),
        cmocka_unit_test(a_document_longer_than_allowed_is_skipped),
        cmocka_unit_test(the_elements_of_an_array_are_records),
        cmocka_unit_test(streams_may_follow_an_array),
        cmocka_unit_test(a_malformed_element_is_one_record_where_its_brackets_match),
        cmocka_unit_test(what_cannot_be_followed_is_corrupt_and_ends_the_array),
        cmocka_unit_test(an_array_that_does_not_end_is_truncated),
        cmocka_unit_test(an_element_longer_than_allowed_is_skipped),
        cmocka_unit_test(the_batch_takes_as_many_records_as_it_should_and_goes_on_later),
        cmocka_unit_test(a_new_framer_goes_on_where_the_old_one_says),
        cmocka_unit_test(a_missing_line_number_stays_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
