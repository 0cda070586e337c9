/*
 * CSV (RFC 4180), shared by the files csv*.c and by their tests; nobody else includes it.
 *
 * What counts as CSV here, where the RFC leaves it open:
 *   - A quote opens a quoted field only at the field's start; elsewhere it is a character like any other.
 *   - Outside quotes a record ends at LF, CR LF or CR. Empty lines are no records.
 *   - An unquoted empty field is NULL, as is the configured text (`null`); a quoted empty field is ''.
 */
#ifndef PIPE_CSV_H
#define PIPE_CSV_H

#include "pipeline/codec/format.h"

struct csv_dialect {
    char delimiter, quote;
    bool has_null;
    struct str null;
    enum csv_encoding encoding;
};

bool csv_dialect_of(const struct format_options *o, struct csv_dialect *out, struct error *err);

/* The first record of a stream is a header, which is read (no names given) or skipped (names given). */
bool csv_expects_header(const struct format_options *o);

/* partition->format_state: the names in a stream's header, UTF-8. One malloc'd block. */
struct csv_names {
    uint32_t count;
    struct str names[];
};

ssize_t csv_prime(struct framer *f, const char *data, size_t len, bool last, struct error *err);
void csv_save_start(const struct partition *p, struct buffer *out);
bool csv_load_start(struct partition *p, struct str json);
size_t csv_frame(struct framer *f, struct batch *b, size_t from, bool last, uint32_t most);

bool csv_bind_decoder(struct decoder *d, struct arena *plan, struct error *err);
void csv_decode(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                struct rejections *r);

bool csv_bind_encoder(struct encoder *e, struct arena *plan, struct error *err);
void csv_encode_header(const struct encoder *e, struct buffer *out);
void csv_encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                struct buffer *out, uint32_t *row_end, struct rejections *r);

/*
 * Splits one record into fields: TEXT or NULL, borrowed from the record, unescaped ones from the arena. The first
 * `room` of them go into cells, all are counted. NULL: all is well; else what is wrong with the record, and where. This
 * is the careful way, for records with quotes; csv_decode has a faster one for those without.
 */
const char *csv_split(const struct csv_dialect *dialect, struct str record, struct arena *arena, struct value *cells,
                      uint32_t room, uint32_t *count, size_t *offset);

/* An unquoted field as a value. */
static inline struct value csv_bare(const struct csv_dialect *dialect, const char *data, size_t len, unsigned flags)
{
    if (len == 0)
        return value_null();
    if (dialect->has_null && str_eq((struct str){data, len}, dialect->null))
        return value_null();
    return (struct value){.kind = VALUE_TEXT, .flags = (uint8_t)flags, .len = (uint32_t)len, .ptr = data};
}

/* Text in one of the 8-bit encodings as UTF-8: in the arena, or as it is where it is ASCII. */
struct str csv_to_utf8(enum csv_encoding encoding, struct str text, struct arena *arena);

static inline bool csv_is_break(char c)
{
    return c == '\n' || c == '\r';
}

#endif
