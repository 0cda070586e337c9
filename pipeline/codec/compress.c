#include "pipeline/codec/compress.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "pipeline/base/arena.h"

const struct option_choice compression_choices[] = {
    {"none", COMPRESSION_NONE, "Bytes as they are."},
    {"zstd", COMPRESSION_ZSTD, "Zstandard (RFC 8878)."},
    {"gzip", COMPRESSION_GZIP, "gzip (RFC 1952)."},
    {.name = NULL},
};

const struct option_choice source_compression_choices[] = {
    {"auto", COMPRESSION_AUTO, "Whatever the first bytes say."},
    {"none", COMPRESSION_NONE, "Bytes as they are."},
    {"zstd", COMPRESSION_ZSTD, "Zstandard (RFC 8878)."},
    {"gzip", COMPRESSION_GZIP, "gzip (RFC 1952)."},
    {.name = NULL},
};

enum compression compression_detect(const void *data, size_t len)
{
    const unsigned char *b = data;
    if (len < 4)
        return COMPRESSION_NONE;
    uint32_t magic = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    if (magic == ZSTD_MAGICNUMBER || (magic & 0xfffffff0) == 0x184d2a50 /* a skippable frame */)
        return COMPRESSION_ZSTD;
    if (b[0] == 0x1f && b[1] == 0x8b && b[2] == 8 /* deflate, the only method there is */)
        return COMPRESSION_GZIP;
    return COMPRESSION_NONE;
}

const char *compression_extension(enum compression c)
{
    switch (c) {
    case COMPRESSION_ZSTD:
        return ".zst";
    case COMPRESSION_GZIP:
        return ".gz";
    case COMPRESSION_NONE:
    case COMPRESSION_AUTO:
        break;
    }
    return "";
}

struct compressor {
    ZSTD_CCtx *zstd; /* NULL until needed */
    z_stream gzip;
    int gzip_level; /* 0: gzip is not set up */
};

enum { ZSTD_LEVEL = 1, GZIP_LEVEL = 6 };

struct compressor *compressor_new(void)
{
    return mem_zalloc(sizeof(struct compressor));
}

void compressor_free(struct compressor *c)
{
    if (!c)
        return;
    ZSTD_freeCCtx(c->zstd);
    if (c->gzip_level)
        deflateEnd(&c->gzip);
    free(c);
}

/* Only memory can run out here, and then the program ends as with any other allocation. */
static void insist(bool worked)
{
    if (!worked)
        abort();
}

static void run_zstd(struct compressor *c, int level, struct str data, struct buffer *out)
{
    if (!c->zstd) {
        c->zstd = ZSTD_createCCtx();
        insist(c->zstd != NULL);
        ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
    }
    ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, level);
    size_t room = ZSTD_compressBound(data.len);
    size_t len = ZSTD_compress2(c->zstd, buffer_reserve(out, room), room, data.data, data.len);
    insist(!ZSTD_isError(len));
    out->len += len;
}

static void gzip_set_up(struct compressor *c, int level)
{
    if (c->gzip_level == level) {
        deflateReset(&c->gzip);
        return;
    }
    if (c->gzip_level)
        deflateEnd(&c->gzip);
    c->gzip = (z_stream){0};
    insist(deflateInit2(&c->gzip, level, Z_DEFLATED, MAX_WBITS + 16 /* gzip */, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    c->gzip_level = level;
}

static void run_gzip(struct compressor *c, int level, struct str data, struct buffer *out)
{
    gzip_set_up(c, level);
    z_stream *z = &c->gzip;
    z->next_in = (Bytef *)data.data;
    int status;
    do {
        size_t room = deflateBound(z, data.len);
        char *to = buffer_reserve(out, room);
        z->avail_in = data.len < UINT_MAX ? (uInt)data.len : UINT_MAX;
        z->avail_out = room < UINT_MAX ? (uInt)room : UINT_MAX;
        uInt offered = z->avail_in;
        z->next_out = (Bytef *)to;
        status = deflate(z, offered == data.len ? Z_FINISH : Z_NO_FLUSH);
        insist(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
        data.len -= offered - z->avail_in;
        out->len += (size_t)((char *)z->next_out - to);
    } while (status != Z_STREAM_END);
}

void compressor_run(struct compressor *c, enum compression how, int level, struct str data, struct buffer *out)
{
    assert(how != COMPRESSION_AUTO);
    if (how == COMPRESSION_ZSTD)
        run_zstd(c, level ? level : ZSTD_LEVEL, data, out);
    else if (how == COMPRESSION_GZIP)
        run_gzip(c, level ? level : GZIP_LEVEL, data, out);
    else
        buffer_add_str(out, data);
}
