/*
 * Any bytes as a frame of a spool, as they are and with checksums that fit: parsing ends, and what it gives lies within the bytes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/hash.h"
#include "pipeline/engine/spool_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_meta(const char *at, size_t len, const char *data, size_t size)
{
    struct value v;
    uint32_t field;
    for (const char *end = at + len; spool_meta_next(&at, end, &field, &v);)
        if (v.kind == VALUE_TEXT || v.kind == VALUE_JSON || v.kind == VALUE_BYTES)
            assert(v.ptr >= data && v.ptr + v.len <= data + size);
}

static void look_at_origins(const struct spool_view *v)
{
    for (uint32_t i = 0; i < v->head.origins && i < 100; i++) {
        struct partition *p = partition_new("key");
        struct str origin = spool_view_origin(v, i);
        assert(origin.data >= v->index && origin.data + origin.len <= v->entries);
        spool_origin_read(origin, p);
        partition_unref(p);
    }
}

static void parse(const char *data, size_t size)
{
    struct spool_view v;
    if (spool_frame_parse(data, size, &v) != SPOOL_WHOLE)
        return;
    assert(v.bytes <= size && v.fault_text.data >= v.index && v.fault_text.data + v.fault_text.len <= v.entries);
    look_at_origins(&v);
    size_t meta_at = 0;
    for (uint32_t i = 0; i < v.head.records; i++) {
        struct spool_entry e;
        spool_view_record(&v, i, meta_at, &e);
        assert(v.body + e.offset + e.length <= data + size);
        assert(v.meta + meta_at + e.meta <= v.body);
        look_at_meta(v.meta + meta_at, e.meta, data, size);
        meta_at += e.meta;
    }
}

/* Sizes that fit the data, and checksums that fit the sizes. */
static void mend(char *data, size_t size)
{
    struct spool_head h;
    size_t left = size - sizeof(h);
    memcpy(&h, data, sizeof(h));
    h.magic = SPOOL_FRAME_MAGIC;
    h.index_bytes %= (uint32_t)left + 1;
    h.meta_bytes %= (uint32_t)(left - h.index_bytes) + 1;
    h.body_bytes = (uint32_t)(left - h.index_bytes - h.meta_bytes);
    h.records %= h.index_bytes / (uint32_t)sizeof(struct spool_entry) + 1;
    h.index_crc = crc32c(0, data + sizeof(h), h.index_bytes);
    h.crc = crc32c(0, &h.first, sizeof(h) - offsetof(struct spool_head, first));
    memcpy(data, &h, sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    parse(copy, size);
    if (size > sizeof(struct spool_head)) {
        mend(copy, size);
        parse(copy, size);
    }
    free(copy);
    return 0;
}
