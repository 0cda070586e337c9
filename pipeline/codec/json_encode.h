/*
 * The encoder: one JSON object per line. Closed events are written from their columns; open ones from their own text,
 * in which columns take the place of the members of their name (json_merge.c).
 */
#ifndef PIPE_JSON_ENCODE_H
#define PIPE_JSON_ENCODE_H

#include "pipeline/codec/format.h"

bool json_bind_encoder(struct encoder *e, struct arena *plan, struct error *err);
void json_encode(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                 struct buffer *out, uint32_t *row_end, struct rejections *r);

/* ---- between json_encode.c and json_merge.c --------------------------------------------------------------------- */

/* Copies go by whole blocks: what is behind a name is readable, what is behind the row's end writable. */
enum { JSON_BLOCK = 32 };

/* A member that a column fills. */
struct json_output {
    struct str name;  /* unescaped */
    struct str label; /* `,"name":` and readable up to a whole block */
    struct type type;
    uint32_t column;
};

struct json_encoder {
    struct json_output *outputs;
    uint32_t output_count;
    size_t fixed_bytes; /* enough for a row without the bytes of its texts */
    const struct json_level
        *touched; /* open: which members are not copied; slot: the output, or JSON_NONE for hidden ones */
};

/* Appends a value of an output, without its label. Room for len bytes and for all that is fixed has been reserved, and
 * is so again afterwards. */
void json_put_value(struct buffer *out, const struct encoder *e, const struct json_output *o, struct value v);
/* Appends a JSON text that must not break the line: without the white space between its tokens if there is a line end
 * among it. */
void json_put_line(struct buffer *out, struct str json);
/* Rows of an open schema. */
void json_merge_rows(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count,
                     struct buffer *out, uint32_t *row_end);

/* At most JSON_BLOCK - 1 bytes too many are read and written. */
static inline char *json_copy_label(char *to, struct str label)
{
    for (size_t i = 0; i < label.len; i += JSON_BLOCK)
        memcpy(to + i, label.data + i, JSON_BLOCK);
    return to + label.len;
}

/* memcpy for the short texts that most members are, without a call. */
static inline char *json_copy(char *to, const char *from, size_t len)
{
    if (len >= 16) {
        for (size_t i = 0; i + 16 < len; i += 16)
            memcpy(to + i, from + i, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else {
        for (size_t i = 0; i < len; i++)
            to[i] = from[i];
    }
    return to + len;
}

#endif
