/*
 * Avro's binary encoding, one datum at a time, straight from bytes to values (Apache Avro 1.11, "Binary Encoding"). No tree is built. Every length is checked against
 * what is there; a reader that has failed stays failed.
 */
#ifndef PIPE_AVRO_DATA_H
#define PIPE_AVRO_DATA_H

#include "pipeline/base/arena.h"
#include "pipeline/codec/avro_schema.h"
#include "pipeline/event/value.h"

struct avro_reader {
    const unsigned char *start, *at, *end;
    const char *why; /* static; NULL while all is well. `at` is then near the fault */
    unsigned depth;
};

static inline struct avro_reader avro_reader_of(struct str bytes)
{
    const unsigned char *start = (const unsigned char *)bytes.data;
    return (struct avro_reader){.start = start, .at = start, .end = start + bytes.len};
}

/* false, always. */
bool avro_fail(struct avro_reader *r, const char *why);
bool avro_read_long_slow(struct avro_reader *r, int64_t *out);

/* int and long are written alike: zig-zag, seven bits a byte. */
static inline bool avro_read_long(struct avro_reader *r, int64_t *out)
{
    if (r->at < r->end && *r->at < 0x80) {
        *out = (int64_t)(*r->at >> 1) ^ -(int64_t)(*r->at & 1);
        r->at++;
        return true;
    }
    return avro_read_long_slow(r, out);
}

/* A length and so many bytes: bytes and string. Borrowed from the reader. */
bool avro_read_bytes(struct avro_reader *r, struct str *out);
/* A union's branch. NULL: no such one. */
const struct avro_schema *avro_read_branch(struct avro_reader *r, const struct avro_schema *u);
/*
 * The next run of an array's or map's items: how many, 0 at the end. *bytes, where asked for: how long the run is, or -1 where the writer has not said.
 */
bool avro_read_block(struct avro_reader *r, int64_t *items, int64_t *bytes);

bool avro_skip_datum(struct avro_reader *r, const struct avro_schema *s);

/*
 * A whole datum as a value of avro_schema_type(s). Text and bytes are borrowed from the reader, text must be UTF-8; what is made is in the arena.
 */
bool avro_read_value(struct avro_reader *r, const struct avro_schema *s, struct arena *a, struct value *out);
/* A whole datum as JSON text, appended: unions as their branch, bytes as Postgres's hex, numbers that JSON has not as strings, times in ISO 8601. */
bool avro_read_json(struct avro_reader *r, const struct avro_schema *s, struct buffer *out);

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

void avro_write_long(struct buffer *out, int64_t v);
static inline void avro_write_bytes(struct buffer *out, struct str s)
{
    avro_write_long(out, (int64_t)s.len);
    buffer_add_str(out, s);
}
/*
 * A value of avro_schema_type(s) (or NULL, where the schema allows it) as a datum, appended. Text has no JSON escapes left; numbers are rounded to the decimal's scale. false: it does not
 * fit; something may have been appended.
 */
bool avro_write_value(const struct avro_schema *s, struct value v, struct buffer *out);
/* JSON text as a datum of the schema: defaults (specification: the table below "default"; bytes as code points), and jsonb values. false: it does not fit, and nothing is appended. */
bool avro_write_json(const struct avro_schema *s, struct str json, struct buffer *out);
/*
 * A decimal's unscaled value as the shortest two's complement, big endian; `size` > 0: sign-extended to so many bytes (fixed). v: numeric, rounded to `scale` by the caller.
 * Returns the bytes, or 0 where it does not fit `most` bytes or is not finite.
 */
size_t avro_decimal_bytes(struct value v, int32_t scale, uint32_t size, unsigned char *out, size_t most);
/* The other way: unscaled bytes → numeric. */
struct value avro_decimal_value(struct str bytes, int32_t scale, struct arena *a);

#endif
