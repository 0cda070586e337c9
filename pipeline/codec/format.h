/*
 * Formats: how bytes become records (framing, on the source's thread), records become columns (decoding, in a worker) and columns
 * become bytes (encoding, in a worker). Formats take bytes and return structs; they know no files and no sockets. A format is one
 * static struct; the visible list is formats[] in format.c.
 */
#ifndef PIPE_FORMAT_H
#define PIPE_FORMAT_H

#include <sys/types.h>

#include "pipeline/base/option.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/slice.h"

/* CSV: is the first record a header? AUTO: when reading, unless names are given; when writing, yes. */
enum csv_header { CSV_HEADER_AUTO, CSV_HEADER_YES, CSV_HEADER_NO };

enum csv_encoding { CSV_UTF8, CSV_LATIN1, CSV_WINDOWS_1252 };

/* The formats' own options, shared by sources and sinks: [sources.x.csv] … Zero-initialised plus presets of format_options. */
struct format_options {
    /* csv */
    const char *csv_delimiter; /* one byte, or "\t" */
    const char *csv_quote;     /* one byte */
    int csv_header;            /* enum csv_header. YES beside names: the header is there, and skipped */
    struct text_list csv_names; /* names instead of a header */
    const char *csv_null;      /* the unquoted text that is NULL besides the empty one; NULL: none */
    int csv_encoding;          /* enum csv_encoding, of what is read */
    /* json */
    int64_t json_max_depth;
    /* avro */
    const char *avro_schema;       /* a file with the schema: the reader's, or what is written; absolute */
    int avro_framing;              /* enum avro_framing (avro.h) */
    const char *avro_registry_url; /* NULL: none */
    const char *avro_registry_username, *avro_registry_password;
    const char *avro_subject;      /* of a sink: what its schema is registered under */
    /* text */
    const char *text_column;   /* the member that holds the line; "line" */
};
extern const struct option format_options[];

/* ---- framing: source thread ---------------------------------------------------------------------------------------- */

/*
 * Cuts one partition's stream into records. The caller offers the bytes behind what was consumed so far, again and longer if nothing
 * was consumed; a framer keeps no bytes. Records are added to the batch at the offsets of data within batch->bytes; span, position and line are set:
 * position = stream offset of the record's first byte. A record longer than max_record is added once with RECORD_TOO_LONG
 * (its first max_record bytes at most) and the framer then skips to the next boundary.
 */
struct framer {
    const struct format *format;
    const struct format_options *options;
    size_t max_record;
    uint64_t position; /* stream offset of the next byte to be offered */
    uint32_t line;     /* of that byte, from 1; 0: unknown */
    uint32_t state[8]; /* the format's own: inside quotes, skipping, inside the top-level array … zero at the start */
    struct partition *partition;
};

/* ---- the three parts ----------------------------------------------------------------------------------------------- */

/* What `prime` may return besides an offset. */
enum { PRIME_ERROR = -1, PRIME_MORE = -2 };

/* A decoder: plan + schema → which paths go into which columns. Const after bind; lives in the plan's arena. */
struct decoder {
    const struct format *format;
    const struct format_options *options;
    const struct schema *schema;
    struct convert_context convert; /* zone, for declared timestamptz columns; arena unset */
    uint32_t component;             /* for rejections: the source */
    struct str source_name;
    const struct avro_registry_ops *registry; /* where options name one */
    const void *program;            /* the format's own */
};

/* An encoder: a schema's visible columns (and the raw event of open schemas) → bytes of one record after the other. Const after bind. */
struct encoder {
    const struct format *format;
    const struct format_options *options;
    const struct schema *schema;
    const struct zone *zone;
    uint32_t component;
    const struct avro_registry_ops *registry; /* where options name one */
    const void *program;
};

struct format {
    const char *name, *summary;
    const char *extension; /* ".ndjson" */
    const char *media_type;

    /*
     * Finds records in batch->bytes[from, batch->len), which continue the stream at framer->position, adds them (and counts them into the
     * batch's last span), and returns how many bytes are done with (records, terminators, what was skipped). It moves framer->position and
     * framer->line by what it returns, and the span's `next` to the new position (while an overlong record is skipped: to that
     * record's, so that a restart does not begin in its middle). `last`: the stream ends here, so an unterminated record is whole, or
     * RECORD_TRUNCATED. Stops early when the batch has `most` records.
     * NULL: the format needs no framing (raw): the whole stream is one record.
     */
    size_t (*frame)(struct framer *f, struct batch *b, size_t from, bool last, uint32_t most);
    /*
     * What must be known of a stream's start before reading in its middle (CSV: the header; JSON: lines, array or documents, in f->state). data:
     * the first bytes of the stream. Sets f->partition->format_state and moves f->line behind what it takes up; f->position is the caller's to move. Returns where data
     * records begin (0 where nothing precedes them), PRIME_MORE: give me more bytes, or PRIME_ERROR.
     * NULL: nothing.
     */
    ssize_t (*prime)(struct framer *f, const char *data, size_t len, bool last, struct error *err);

    /*
     * What prime has learnt of a stream's start (partition->format_state) as one JSON value, and back: so that a single record can be decoded
     * again without its stream. load_start: false where it is no such value. NULL: nothing is learnt.
     */
    void (*save_start)(const struct partition *p, struct buffer *out);
    bool (*load_start)(struct partition *p, struct str json);

    /* Adds declared/visible columns that the format itself implies (text: "line"; raw: "payload"; csv with names) to a source's schema, and says
     * whether it stays open, and how a member nobody declared is found (source_schema_requests). The declared columns of [sources.x.columns] have
     * been added before; s->open says then whether members beside them are wanted (`extra = "keep"`). */
    bool (*source_schema)(const struct format_options *o, struct schema *s, struct error *err);
    bool (*bind_decoder)(struct decoder *d, struct arena *plan, struct error *err);
    /*
     * The source's thread, before the batch reaches a worker: makes sure that all is known that decoding it needs, which may mean asking a server. ERROR_RETRY:
     * not now. What holds for this batch only goes to b->prepared. NULL: nothing.
     */
    bool (*prepare)(const struct decoder *d, struct batch *b, struct error *err);
    /* Fills out->columns (allocated in out->arena by the callee), rows, record, sel, selected, raw (where wanted) for records [first, first + count).
     * Bad records are rejected with the byte offset and left out of sel. meta columns are filled by the caller. */
    void (*decode)(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct slice *out,
                   struct rejections *r);

    bool (*bind_encoder)(struct encoder *e, struct arena *plan, struct error *err);
    /* What stands at the start of every file or object (CSV header). NULL: nothing. */
    void (*encode_header)(const struct encoder *e, struct buffer *out);
    /* Appends the rows (a subset of in->sel, ascending). row_end, where not NULL, gets out->len after each row. A row that cannot be encoded is
     * rejected and adds nothing. */
    void (*encode)(const struct encoder *e, const struct slice *in, const uint32_t *rows, uint32_t count, struct buffer *out,
                   uint32_t *row_end, struct rejections *r);
};

extern const struct format format_avro, format_cbor, format_json, format_csv, format_text, format_raw, format_sparkplug;
extern const struct format *const formats[]; /* NULL-ended */
const struct format *format_find(const char *name);
/* The choices for an option `format`; value: index in formats[]. */
extern const struct option_choice format_choices[];

/* For source_schema: asking for a member, a meta field or the whole event adds a column for it. Members of an open schema get type `member`. */
void source_schema_requests(struct schema *s, enum type_id member);
/* What is wrong with a record before anybody has parsed it; NULL: nothing. */
const char *record_fault_text(const struct batch *b, const struct record *r);
/* For decode: whether the record was bad before anybody parsed it; if so it has been rejected. */
bool decoder_fault(const struct decoder *d, const struct batch *b, uint32_t record, struct rejections *r);

/* Decodes slice->columns of origin COLUMN_META and sets up the rest around format->decode. */
void decoder_run(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct arena *arena,
                 struct slice *out, struct rejections *r);

#endif
