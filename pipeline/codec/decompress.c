#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "pipeline/base/arena.h"
#include "pipeline/codec/compress.h"

/* A frame may ask for any amount of memory: 128 MiB is what `zstd -d` grants without being told to, and no more. */
enum { ZSTD_WINDOW_LOG_MAX = 27 };

struct decompressor {
    enum compression how;
    bool inside; /* a frame or member has begun and not ended */
    bool failed; /* corrupt; nothing works until a reset */
    ZSTD_DCtx *zstd;
    z_stream gzip;
};

struct decompressor *decompressor_new(enum compression c)
{
    assert(c != COMPRESSION_AUTO);
    struct decompressor *d = mem_zalloc(sizeof(*d));
    d->how = c;
    bool worked = true;
    if (c == COMPRESSION_ZSTD) {
        d->zstd = ZSTD_createDCtx();
        worked = d->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX));
    } else if (c == COMPRESSION_GZIP) {
        worked = inflateInit2(&d->gzip, MAX_WBITS + 16 /* gzip */) == Z_OK;
    }
    if (!worked)
        abort(); /* out of memory */
    return d;
}

void decompressor_free(struct decompressor *d)
{
    if (!d)
        return;
    ZSTD_freeDCtx(d->zstd);
    if (d->how == COMPRESSION_GZIP)
        inflateEnd(&d->gzip);
    free(d);
}

void decompressor_reset(struct decompressor *d)
{
    d->inside = d->failed = false;
    if (d->how == COMPRESSION_ZSTD)
        ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_only);
    else if (d->how == COMPRESSION_GZIP)
        inflateReset(&d->gzip);
}

static bool zstd_failed(size_t code, struct error *err)
{
    if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge)
        return error_set(err, ERROR_REJECT, "zstd: the frame needs a window of more than %d MiB",
                         1 << (ZSTD_WINDOW_LOG_MAX - 20));
    return error_set(err, ERROR_REJECT, "zstd: %s", ZSTD_getErrorName(code));
}

/*
 * Whether a frame, or one to be skipped, may begin with this byte. libzstd also reads what zstd wrote before version
 * 0.8, by decoders that nobody maintains; the first byte tells those formats apart.
 */
static bool zstd_begins(unsigned char byte)
{
    return byte == (ZSTD_MAGICNUMBER & 0xff) || (byte & 0xf0) == (ZSTD_MAGIC_SKIPPABLE_START & 0xf0);
}

static bool run_zstd(struct decompressor *d, ZSTD_inBuffer *in, ZSTD_outBuffer *out, struct error *err)
{
    for (;;) {
        size_t taken = in->pos, written = out->pos;
        if (!d->inside && in->pos == in->size)
            return true;
        if (!d->inside && !zstd_begins(((const unsigned char *)in->src)[in->pos]))
            return error_set(err, ERROR_REJECT, "zstd: no frame where one should begin");
        size_t more = ZSTD_decompressStream(d->zstd, out, in);
        if (ZSTD_isError(more))
            return zstd_failed(more, err);
        d->inside = more != 0;
        if (d->inside && (out->pos == out->size || (in->pos == taken && out->pos == written)))
            return true;
    }
}

/* Zeros behind a member are padding (tapes, block devices), as gzip(1) has it. */
static void skip_padding(ZSTD_inBuffer *in)
{
    const char *bytes = in->src;
    while (in->pos < in->size && bytes[in->pos] == 0)
        in->pos++;
}

static bool gzip_failed(const z_stream *z, int status, struct error *err)
{
    if (status == Z_NEED_DICT)
        return error_set(err, ERROR_REJECT, "gzip: a preset dictionary is wanted");
    return error_set(err, ERROR_REJECT, "gzip: %s", z->msg ? z->msg : zError(status));
}

static uInt at_most_uint(size_t len)
{
    return len < UINT_MAX ? (uInt)len : UINT_MAX;
}

static bool run_gzip(struct decompressor *d, ZSTD_inBuffer *in, ZSTD_outBuffer *out, struct error *err)
{
    z_stream *z = &d->gzip;
    for (;;) {
        if (!d->inside)
            skip_padding(in);
        if (!d->inside && in->pos == in->size)
            return true;
        uInt offered = at_most_uint(in->size - in->pos), room = at_most_uint(out->size - out->pos);
        z->next_in = (Bytef *)in->src + in->pos;
        z->avail_in = offered;
        z->next_out = (Bytef *)out->dst + out->pos;
        z->avail_out = room;
        int status = inflate(z, Z_NO_FLUSH);
        in->pos += offered - z->avail_in;
        out->pos += room - z->avail_out;
        if (status == Z_STREAM_END) {
            inflateReset(z);
            d->inside = false;
            continue;
        }
        d->inside = true;
        if (status == Z_BUF_ERROR || (status == Z_OK && (z->avail_in == 0 || z->avail_out == 0)))
            return true;
        if (status != Z_OK)
            return gzip_failed(z, status, err);
    }
}

static bool copy(ZSTD_inBuffer *in, ZSTD_outBuffer *out)
{
    size_t len = in->size < out->size ? in->size : out->size;
    if (len)
        memcpy(out->dst, in->src, len);
    in->pos = out->pos = len;
    return true;
}

bool decompressor_run(struct decompressor *d, const void *in, size_t *in_len, void *out, size_t *out_len, bool *at_end,
                      struct error *err)
{
    ZSTD_inBuffer from = {in, *in_len, 0};
    ZSTD_outBuffer to = {out, *out_len, 0};
    bool good = true;
    if (d->failed) {
        *in_len = *out_len = 0;
        *at_end = false;
        return error_set(err, ERROR_REJECT, "%s: the stream is corrupt", d->how == COMPRESSION_GZIP ? "gzip" : "zstd");
    }
    switch (d->how) {
    case COMPRESSION_ZSTD:
        good = run_zstd(d, &from, &to, err);
        break;
    case COMPRESSION_GZIP:
        good = run_gzip(d, &from, &to, err);
        break;
    case COMPRESSION_NONE:
    case COMPRESSION_AUTO:
        copy(&from, &to);
        break;
    }
    *in_len = from.pos;
    *out_len = to.pos;
    d->failed = !good;
    *at_end = good && !d->inside;
    return good;
}
