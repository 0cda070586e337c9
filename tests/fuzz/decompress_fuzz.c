/*
 * Any bytes as compressed input: it ends, stays in its buffers, and pieces of any size give what one piece gives. The
 * first byte chooses the compression, the second the sizes.
 */
#include <stdlib.h>

#include "pipeline/base/arena.h"
#include "pipeline/codec/compress.h"

#define REQUIRE(what)                                                                                                  \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            abort();                                                                                                   \
    } while (0)

enum { MOST = 1 << 20 }; /* a bomb may be long */

static bool read_all(enum compression how, const uint8_t *data, size_t size, size_t in_step, size_t out_step,
                     struct buffer *out)
{
    struct decompressor *d = decompressor_new(how);
    struct error err;
    size_t taken = 0, written;
    bool good, at_end = true;
    do {
        size_t step = size - taken < in_step ? size - taken : in_step, offered = step;
        written = out_step;
        good = decompressor_run(d, data + taken, &step, buffer_reserve(out, out_step), &written, &at_end, &err);
        REQUIRE(step <= offered && written <= out_step);
        REQUIRE(step || written || !offered || !good);
        taken += step;
        out->len += written;
    } while (good && out->len < MOST && (taken < size || written == out_step));
    decompressor_free(d);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum compression how = data[0] & 1 ? COMPRESSION_ZSTD : COMPRESSION_GZIP;
    struct buffer whole = {0}, cut = {0};
    bool good = read_all(how, data + 2, size - 2, SIZE_MAX, MOST, &whole);
    bool cut_good = read_all(how, data + 2, size - 2, 1 + data[1] % 7, 1 + data[1] * 16, &cut);
    size_t both = whole.len < cut.len ? whole.len : cut.len;
    REQUIRE(both == 0 || memcmp(whole.data, cut.data, both) == 0);
    if (whole.len < MOST && cut.len < MOST && good)
        REQUIRE(cut_good && whole.len == cut.len);
    buffer_release(&whole);
    buffer_release(&cut);
    return 0;
}
