#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/codec/compress.h"

static const enum compression both[] = {COMPRESSION_ZSTD, COMPRESSION_GZIP};

/* Lines that compress, but not to nothing. */
static void make_text(struct buffer *out, unsigned lines)
{
    uint32_t random = 1;
    for (unsigned i = 0; i < lines; i++) {
        random = random * 1664525 + 1013904223;
        buffer_printf(out, "%u,sensor-%u,%u.%02u\n", i, random >> 29, random >> 24, (random >> 8) % 100);
    }
}

/* What comes out when the input arrives in steps of `in_step` and the output has room for `out_step` bytes. */
static bool read_all(struct decompressor *d, struct str in, size_t in_step, size_t out_step, struct buffer *out,
                     bool *at_end, struct error *err)
{
    char *piece = malloc(out_step);
    size_t taken = 0, written;
    bool good = true;
    *at_end = true;
    do {
        size_t step = in.len - taken < in_step ? in.len - taken : in_step;
        written = out_step;
        good = decompressor_run(d, in.data + taken, &step, piece, &written, at_end, err);
        taken += step;
        buffer_add(out, piece, written);
    } while (good && (taken < in.len || written == out_step));
    free(piece);
    return good;
}

static struct str str_of_buffer(const struct buffer *b)
{
    return (struct str){b->data, b->len};
}

static void expect_reads(struct decompressor *d, struct str in, size_t in_step, size_t out_step, struct str expected)
{
    struct buffer out = {0};
    struct error err;
    bool at_end;
    decompressor_reset(d);
    if (!read_all(d, in, in_step, out_step, &out, &at_end, &err))
        fail_msg("%s", err.text);
    assert_true(at_end);
    assert_true(str_eq(str_of_buffer(&out), expected));
    buffer_release(&out);
}

static void what_was_compressed_comes_back(void **state)
{
    (void)state;
    struct compressor *c = compressor_new();
    for (unsigned i = 0; i < 2; i++) {
        struct decompressor *d = decompressor_new(both[i]);
        for (unsigned lines = 0; lines < 100000; lines = lines * 7 + 1) {
            struct buffer text = {0}, packed = {0};
            make_text(&text, lines);
            compressor_run(c, both[i], (int)(lines % 3), str_of_buffer(&text), &packed);
            assert_int_equal(compression_detect(packed.data, packed.len), both[i]);
            expect_reads(d, str_of_buffer(&packed), SIZE_MAX, 1 << 16, str_of_buffer(&text));
            buffer_release(&text);
            buffer_release(&packed);
        }
        decompressor_free(d);
    }
    compressor_free(c);
}

static void pieces_of_any_size_give_the_same_bytes(void **state)
{
    (void)state;
    struct compressor *c = compressor_new();
    struct buffer text = {0};
    make_text(&text, 300);
    for (unsigned i = 0; i < 2; i++) {
        struct buffer packed = {0};
        struct decompressor *d = decompressor_new(both[i]);
        compressor_run(c, both[i], 0, str_of_buffer(&text), &packed);
        for (size_t step = 1; step < 200; step += 13) {
            expect_reads(d, str_of_buffer(&packed), step, 4096, str_of_buffer(&text));
            expect_reads(d, str_of_buffer(&packed), 4096, step, str_of_buffer(&text));
            expect_reads(d, str_of_buffer(&packed), step, 1, str_of_buffer(&text));
        }
        decompressor_free(d);
        buffer_release(&packed);
    }
    buffer_release(&text);
    compressor_free(c);
}

static void several_frames_are_read_as_one_stream(void **state)
{
    (void)state;
    struct compressor *c = compressor_new();
    for (unsigned i = 0; i < 2; i++) {
        struct buffer packed = {0};
        struct decompressor *d = decompressor_new(both[i]);
        compressor_run(c, both[i], 0, STR("one,"), &packed);
        compressor_run(c, both[i], 0, STR(""), &packed);
        compressor_run(c, both[i], 3, STR("two"), &packed);
        expect_reads(d, str_of_buffer(&packed), SIZE_MAX, 4096, STR("one,two"));
        expect_reads(d, str_of_buffer(&packed), 1, 1, STR("one,two"));
        decompressor_free(d);
        buffer_release(&packed);
    }
    compressor_free(c);
}

static void skippable_frames_are_skipped(void **state)
{
    (void)state;
    struct buffer packed = {0};
    struct compressor *c = compressor_new();
    struct decompressor *d = decompressor_new(COMPRESSION_ZSTD);
    buffer_add_str(&packed, STR("\x51\x2a\x4d\x18\x05\0\0\0hello"));
    assert_int_equal(compression_detect(packed.data, packed.len), COMPRESSION_ZSTD);
    compressor_run(c, COMPRESSION_ZSTD, 0, STR("data"), &packed);
    buffer_add_str(&packed, STR("\x50\x2a\x4d\x18\0\0\0\0"));
    expect_reads(d, str_of_buffer(&packed), SIZE_MAX, 4096, STR("data"));
    expect_reads(d, str_of_buffer(&packed), 1, 4096, STR("data"));
    decompressor_free(d);
    compressor_free(c);
    buffer_release(&packed);
}

static void zeros_behind_a_gzip_member_are_padding(void **state)
{
    (void)state;
    struct buffer packed = {0};
    struct compressor *c = compressor_new();
    struct decompressor *d = decompressor_new(COMPRESSION_GZIP);
    compressor_run(c, COMPRESSION_GZIP, 0, STR("data"), &packed);
    buffer_add_str(&packed, STR("\0\0\0\0\0\0\0"));
    expect_reads(d, str_of_buffer(&packed), SIZE_MAX, 4096, STR("data"));
    decompressor_free(d);
    compressor_free(c);
    buffer_release(&packed);
}

static void input_that_ends_inside_a_frame_is_seen(void **state)
{
    (void)state;
    struct compressor *c = compressor_new();
    struct buffer text = {0};
    make_text(&text, 2000);
    for (unsigned i = 0; i < 2; i++) {
        struct buffer packed = {0}, out = {0};
        struct decompressor *d = decompressor_new(both[i]);
        compressor_run(c, both[i], 0, str_of_buffer(&text), &packed);
        for (size_t len = 1; len < packed.len; len += len < 64 ? 1 : 97) {
            struct error err;
            bool at_end;
            out.len = 0;
            decompressor_reset(d);
            assert_true(read_all(d, (struct str){packed.data, len}, 100, 100, &out, &at_end, &err));
            assert_false(at_end);
            assert_true(out.len <= text.len);
            assert_memory_equal(out.data ? out.data : "", text.data, out.len);
        }
        decompressor_free(d);
        buffer_release(&packed);
        buffer_release(&out);
    }
    buffer_release(&text);
    compressor_free(c);
}

static void corrupt_bytes_are_an_error_and_what_came_before_is_good(void **state)
{
    (void)state;
    struct compressor *c = compressor_new();
    for (unsigned i = 0; i < 2; i++) {
        struct buffer packed = {0}, out = {0};
        struct decompressor *d = decompressor_new(both[i]);
        struct error err;
        bool at_end;
        compressor_run(c, both[i], 0, STR("whole"), &packed);
        buffer_add_str(&packed, STR("rubbish, no frame at all"));
        assert_false(read_all(d, str_of_buffer(&packed), SIZE_MAX, 4096, &out, &at_end, &err));
        assert_int_equal(err.kind, ERROR_REJECT);
        assert_true(str_eq(str_of_buffer(&out), STR("whole")));
        /* and it stays so until a reset */
        assert_false(read_all(d, str_of_buffer(&packed), SIZE_MAX, 4096, &out, &at_end, &err));
        decompressor_reset(d);
        packed.len = 0;
        compressor_run(c, both[i], 0, STR("next"), &packed);
        expect_reads(d, str_of_buffer(&packed), SIZE_MAX, 4096, STR("next"));
        decompressor_free(d);
        buffer_release(&packed);
        buffer_release(&out);
    }
    compressor_free(c);
}

static void a_changed_byte_is_found_by_the_checksum(void **state)
{
    (void)state;
    struct compressor *c = compressor_new();
    for (unsigned i = 0; i < 2; i++) {
        struct buffer packed = {0}, out = {0};
        struct decompressor *d = decompressor_new(both[i]);
        struct error err;
        bool at_end;
        compressor_run(c, both[i], 0, STR("abcdefghijklmnopqrstuvwxyz"), &packed);
        packed.data[packed.len / 2] ^= 1;
        assert_false(read_all(d, str_of_buffer(&packed), SIZE_MAX, 4096, &out, &at_end, &err));
        decompressor_free(d);
        buffer_release(&packed);
        buffer_release(&out);
    }
    compressor_free(c);
}

static void a_frame_may_not_ask_for_any_amount_of_memory(void **state)
{
    (void)state;
    /* A frame of nothing with a window of 2^27 and one with 2^28 bytes (RFC 8878, 3.1.1.1.2). */
    const struct str fits = STR("\x28\xb5\x2f\xfd\x00\x88\x01\0\0"),
                     too_large = STR("\x28\xb5\x2f\xfd\x00\x90\x01\0\0");
    struct decompressor *d = decompressor_new(COMPRESSION_ZSTD);
    struct buffer out = {0};
    struct error err;
    bool at_end;
    expect_reads(d, fits, SIZE_MAX, 4096, STR(""));
    assert_false(read_all(d, too_large, SIZE_MAX, 4096, &out, &at_end, &err));
    assert_non_null(strstr(err.text, "128 MiB"));
    decompressor_free(d);
    buffer_release(&out);
}

static void frames_of_zstd_before_0_8_are_refused(void **state)
{
    (void)state;
    struct decompressor *d = decompressor_new(COMPRESSION_ZSTD);
    struct buffer out = {0};
    struct error err;
    bool at_end;
    assert_false(read_all(d, STR("\x27\xb5\x2f\xfd\x01\0\0\0"), 1, 4096, &out, &at_end, &err));
    assert_string_equal(err.text, "zstd: no frame where one should begin");
    decompressor_free(d);
    buffer_release(&out);
}

static void files_of_the_common_programs_can_be_read(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum compression how;
    } files[] = {{"data/compress/lines.zst", COMPRESSION_ZSTD}, {"data/compress/lines.gz", COMPRESSION_GZIP}};
    struct buffer text = {0};
    for (unsigned i = 1; i <= 1000; i++)
        buffer_printf(&text, "%u\n", i);
    for (unsigned i = 0; i < 2; i++) {
        struct buffer packed = {0};
        struct error err;
        struct decompressor *d = decompressor_new(files[i].how);
        if (!file_read_all(files[i].path, 1 << 20, &packed, &err))
            fail_msg("%s", err.text);
        assert_int_equal(compression_detect(packed.data, packed.len), files[i].how);
        expect_reads(d, str_of_buffer(&packed), 50, 50, str_of_buffer(&text));
        decompressor_free(d);
        buffer_release(&packed);
    }
    buffer_release(&text);
}

static void other_content_is_not_taken_for_compressed(void **state)
{
    (void)state;
    assert_int_equal(compression_detect("a,b\n", 4), COMPRESSION_NONE);
    assert_int_equal(compression_detect("\x1f\x8b\x08", 3), COMPRESSION_NONE);
    assert_int_equal(compression_detect("", 0), COMPRESSION_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_compressed_comes_back),
        cmocka_unit_test(pieces_of_any_size_give_the_same_bytes),
        cmocka_unit_test(several_frames_are_read_as_one_stream),
        cmocka_unit_test(skippable_frames_are_skipped),
        cmocka_unit_test(zeros_behind_a_gzip_member_are_padding),
        cmocka_unit_test(input_that_ends_inside_a_frame_is_seen),
        cmocka_unit_test(corrupt_bytes_are_an_error_and_what_came_before_is_good),
        cmocka_unit_test(a_changed_byte_is_found_by_the_checksum),
        cmocka_unit_test(a_frame_may_not_ask_for_any_amount_of_memory),
        cmocka_unit_test(frames_of_zstd_before_0_8_are_refused),
        cmocka_unit_test(files_of_the_common_programs_can_be_read),
        cmocka_unit_test(other_content_is_not_taken_for_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
