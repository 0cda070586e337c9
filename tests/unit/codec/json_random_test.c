/*
 * The decoder against the validator (which json_oracle_test.cpp holds against simdjson), over random documents, in
 * batches, so that members are predicted from other documents: it takes exactly the valid objects, and its columns hold
 * what json_at finds.
 */
#include "tests/unit/codec/json_decoding.h"
#include "tests/unit/codec/json_random.h"

#include "pipeline/codec/json.h"

static const char *const paths[] = {"a", "b", "loc", "loc.a", "loc.a.b", "a longer name, of some bytes more", "a.b"};
enum { PATHS = sizeof paths / sizeof *paths, RECORDS = 200, ROUNDS = 150, DEPTH = 5 };

static void fill(struct decoding_rig *rig, struct random *r)
{
    struct buffer text = {0};
    for (int i = 0; i < RECORDS; i++) {
        buffer_clear(&text);
        if (random_below(r, 10))
            random_object(r, DEPTH, &text);
        else
            random_value(r, DEPTH, &text);
        if (random_below(r, 3) == 0)
            random_mutate(r, &text);
        decoding_add(rig, (struct str){text.data, text.len});
    }
    buffer_release(&text);
}

static void check_values(const struct decoding_rig *rig, struct str event, uint32_t row)
{
    for (uint32_t c = 0; c < PATHS; c++) {
        const struct path *path = &rig->schema.columns[c].path;
        struct buffer got = {0}, expected = {0};
        print_decoded(rig->out.columns[c][row], &got);
        print_decoded(json_at(event, path->parts, path->count), &expected);
        if (strcmp(buffer_cstr(&got), buffer_cstr(&expected)) != 0)
            fail_msg("%s: %s instead of %s in\n%.*s", paths[c], got.data, expected.data, STR_ARG(event));
        buffer_release(&got);
        buffer_release(&expected);
    }
}

static void check_round(const struct decoding_rig *rig, uint32_t *good, uint32_t *bad)
{
    uint32_t row = 0, rejected = 0;
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct str text = batch_record_bytes(rig->b, i);
        size_t offset;
        const char *why;
        struct json_members m;
        bool event = json_validate(text, 128, &offset, &why) && json_object_open(&m, text);
        bool taken = row < rig->out.selected && rig->out.record[rig->out.sel[row]] == i;
        if (event != taken)
            fail_msg("%s: %.*s", taken ? "taken" : "refused", STR_ARG(text));
        if (taken)
            check_values(rig, text, rig->out.sel[row++]);
        else
            assert_int_equal(rig->rejections.items[rejected++].record, i);
    }
    assert_int_equal(rig->out.selected, row);
    assert_int_equal(rig->rejections.count, rejected);
    *good += row;
    *bad += rejected;
}

static void the_decoder_takes_what_is_valid_and_finds_what_is_there(void **state)
{
    (void)state;
    for (json_parse_function *const *parse = all_parsers(); *parse; parse++) {
        struct random r = {8259};
        uint32_t good = 0, bad = 0;
        for (int round = 0; round < ROUNDS; round++) {
            struct decoding_rig *rig = decoding_open();
            for (uint32_t c = 0; c < PATHS; c++)
                decoding_want(rig, paths[c], NULL);
            fill(rig, &r);
            decoding_run(rig, *parse);
            check_round(rig, &good, &bad);
            decoding_close(rig);
        }
        assert_true(good > ROUNDS * RECORDS / 2);
        assert_true(bad > ROUNDS * RECORDS / 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decoder_takes_what_is_valid_and_finds_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
