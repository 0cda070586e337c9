/*
 * Cutting CSV into records.
 *
 * Only three bytes matter: LF, CR and the quote. They are found 64 at a time as bit masks; between them nothing is
 * looked at. What is known of an unfinished record is kept in framer->state, so that offering it again, longer, costs
 * only the new bytes.
 *
 * A quote that is never closed would swallow the rest of the file. So a quoted field is given up, and only the rest of
 * the line on which it opened goes with it (that record is bad, reading goes on at the next line), when
 *
 *   - its record grows past max_record (RECORD_TOO_LONG),
 *   - the stream ends (RECORD_TRUNCATED),
 *   - it spans lines, and what stands behind its closing quote shows that this was no closing quote (the record then
 *     ends inside quotes, which is what the decoder says about it).
 *
 * What is then read again was inside the field, so its quotes come in pairs, none is open at a line's end, and nothing
 * is read a third time. A record that grows past max_record outside quotes is skipped to the next line end, whatever
 * quotes follow.
 */
#include "pipeline/codec/csv.h"
#include "pipeline/codec/csv_scan.h"

enum { STATE_SCANNED, STATE_FLAGS, STATE_LINES, STATE_OPEN, STATE_OPEN_LINES, STATE_SKIPPED_LOW, STATE_SKIPPED_HIGH };
enum { FLAG_QUOTED = 1, FLAG_SKIPPING = 2, FLAG_AFTER_CR = 4 };

enum { BLOCKS = 64 };

/* The positions of line ends and quotes, ascending. */
struct events {
    const struct csv_scanner *scanner;
    const char *data;
    size_t len;
    size_t end;  /* bytes before it have been looked at */
    size_t base; /* of the block that `bits` is about */
    uint64_t bits;
    uint64_t masks[BLOCKS];
    unsigned next, count; /* masks still to come */
    char quote;
};

static void events_seek(struct events *e, size_t to)
{
    e->end = to;
    e->bits = 0;
    e->next = e->count = 0;
}

static bool events_fill(struct events *e)
{
    if (e->end >= e->len)
        return false;
    size_t blocks = (e->len - e->end + 63) / 64;
    if (blocks > BLOCKS)
        blocks = BLOCKS;
    e->scanner->breaks(e->data + e->end, blocks, e->quote, e->masks);
    e->base = e->end - 64;
    e->end += blocks * 64;
    if (e->end > e->len) {
        e->masks[blocks - 1] &= UINT64_MAX >> (e->end - e->len);
        e->end = e->len;
    }
    e->next = 0;
    e->count = (unsigned)blocks;
    return true;
}

/* len: there is none any more */
static inline size_t events_next(struct events *e)
{
    while (e->bits == 0) {
        if (e->next == e->count && !events_fill(e))
            return e->len;
        e->bits = e->masks[e->next++];
        e->base += 64;
    }
    size_t at = e->base + (unsigned)__builtin_ctzll(e->bits);
    e->bits &= e->bits - 1;
    return at;
}

/* One call of csv_frame. Positions are offsets in data. */
struct cut {
    struct framer *framer;
    struct batch *batch;
    struct events events;
    const char *data;
    size_t from, len;
    bool last;
    char delimiter, quote;
    size_t start;        /* of the record that is being cut */
    size_t open;         /* its last opening quote */
    uint32_t lines;      /* line ends inside it */
    uint32_t open_lines; /* of these, before the opening quote */
    bool quoted;         /* inside a quoted field */
    bool skipping;       /* the record was too long; its end is looked for */
    bool after_cr;       /* the byte before start is a CR: a LF at start belongs to it */
};

static void cut_resume(struct cut *c)
{
    const uint32_t *state = c->framer->state;
    c->start = c->from;
    c->open = c->start + state[STATE_OPEN];
    c->lines = state[STATE_LINES];
    c->open_lines = state[STATE_OPEN_LINES];
    c->quoted = state[STATE_FLAGS] & FLAG_QUOTED;
    c->skipping = state[STATE_FLAGS] & FLAG_SKIPPING;
    c->after_cr = state[STATE_FLAGS] & FLAG_AFTER_CR;
    events_seek(&c->events, c->start + state[STATE_SCANNED]);
}

/* scanned: everything before it has been dealt with. */
static void cut_suspend(struct cut *c, size_t scanned)
{
    uint32_t *state = c->framer->state;
    state[STATE_SCANNED] = (uint32_t)(scanned - c->start);
    state[STATE_OPEN] = c->quoted ? (uint32_t)(c->open - c->start) : 0;
    state[STATE_LINES] = c->lines;
    state[STATE_OPEN_LINES] = c->open_lines;
    state[STATE_FLAGS] =
        (c->quoted ? FLAG_QUOTED : 0) | (c->skipping ? FLAG_SKIPPING : 0) | (c->after_cr ? FLAG_AFTER_CR : 0);
}

static void add_record(struct cut *c, size_t len, enum record_fault fault)
{
    struct batch *b = c->batch;
    struct record *r = batch_add_record(b);
    r->position = c->framer->position + (c->start - c->from);
    r->offset = (uint32_t)c->start;
    r->length = (uint32_t)len;
    r->line = c->framer->line;
    r->span = (uint16_t)(b->span_count - 1);
    r->fault = (uint8_t)fault;
    b->spans[b->span_count - 1].count++;
}

/* The record's line end is at `at`; the next record starts behind it. */
static inline void end_line(struct cut *c, size_t at)
{
    if (c->framer->line)
        c->framer->line += c->lines + 1;
    c->lines = 0;
    c->start = at + 1;
    c->after_cr = c->data[at] == '\r';
}

/* The quoted field cannot be right: the record ends with the line on which it opened. False: there is no other line. */
static bool give_up_quote(struct cut *c, enum record_fault fault)
{
    if (c->lines == c->open_lines)
        return false;
    size_t at = c->open;
    while (!csv_is_break(c->data[at]))
        at++;
    add_record(c, at - c->start, fault);
    c->lines = c->open_lines;
    c->quoted = false;
    end_line(c, at);
    events_seek(&c->events, c->start);
    return true;
}

static void too_long(struct cut *c)
{
    if (c->quoted && give_up_quote(c, RECORD_TOO_LONG))
        return;
    add_record(c, c->framer->max_record, RECORD_TOO_LONG);
    uint64_t position = c->framer->position + (c->start - c->from);
    c->framer->state[STATE_SKIPPED_LOW] = (uint32_t)position;
    c->framer->state[STATE_SKIPPED_HIGH] = (uint32_t)(position >> 32);
    c->start += c->framer->max_record;
    c->quoted = false;
    c->after_cr = false;
    c->skipping = true;
    events_seek(&c->events, c->start);
}

static inline void line_end(struct cut *c, size_t at)
{
    if (at == c->start && c->after_cr && c->data[at] == '\n') {
        c->start++;
        c->after_cr = false;
        return;
    }
    if (at > c->start && !c->skipping)
        add_record(c, at - c->start, RECORD_OK);
    c->skipping = false;
    end_line(c, at);
}

enum step { STEP_ON, STEP_WAIT /* what follows must be known first */ };

/* A quote or line end inside a quoted field. */
static inline enum step inside_quotes(struct cut *c, size_t at)
{
    const char *data = c->data;
    if (data[at] != c->quote) {
        c->lines += data[at] == '\r' || data[at - 1] != '\r';
        return STEP_ON;
    }
    size_t behind = at + 1;
    if (behind == c->len) {
        if (!c->last)
            return STEP_WAIT;
        c->quoted = false;
    } else if (data[behind] == c->quote) {
        events_next(&c->events);
    } else if (c->lines == c->open_lines || data[behind] == c->delimiter || csv_is_break(data[behind])) {
        c->quoted = false;
    } else {
        give_up_quote(c, RECORD_OK);
    }
    return STEP_ON;
}

static inline void outside_quotes(struct cut *c, size_t at)
{
    if (c->data[at] != c->quote) {
        line_end(c, at);
    } else if (!c->skipping && (at == c->start || c->data[at - 1] == c->delimiter)) {
        c->quoted = true;
        c->open = at;
        c->open_lines = c->lines;
    }
}

/* The stream ends inside a record. */
static void end_stream(struct cut *c)
{
    if (c->quoted && give_up_quote(c, RECORD_TRUNCATED))
        return;
    add_record(c, c->len - c->start, c->quoted ? RECORD_TRUNCATED : RECORD_OK);
    c->start = c->len;
    c->quoted = false;
}

/* Cuts until the input ends or the batch is full; returns where scanning stopped. */
static size_t cut_records(struct cut *c, uint32_t most)
{
    while (c->batch->record_count < most) {
        size_t at = events_next(&c->events);
        if (!c->skipping && at - c->start > c->framer->max_record) {
            too_long(c);
        } else if (at == c->len) {
            if (c->skipping)
                c->start = c->len;
            if (!c->last || c->start == c->len)
                return c->len;
            end_stream(c);
        } else if (!c->quoted) {
            outside_quotes(c, at);
        } else if (inside_quotes(c, at) == STEP_WAIT) {
            return at;
        }
    }
    return c->start;
}

/* A byte order mark at the stream's start is not data. False: too few bytes to know. */
static bool skip_byte_order_mark(struct cut *c)
{
    if (c->framer->position != 0 || c->framer->state[STATE_SCANNED] != 0)
        return true;
    size_t len = c->len - c->from;
    if (memcmp(c->data + c->from, "\xef\xbb\xbf", len < 3 ? len : 3) != 0)
        return true;
    if (len < 3)
        return c->last;
    c->start += 3;
    events_seek(&c->events, c->start);
    return true;
}

size_t csv_frame(struct framer *f, struct batch *b, size_t from, bool last, uint32_t most)
{
    if (b->record_count >= most)
        return 0;
    struct csv_dialect dialect;
    struct error err;
    bool valid = csv_dialect_of(f->options, &dialect, &err);
    assert(valid);
    (void)valid;
    struct cut c = {
        .framer = f,
        .batch = b,
        .data = b->bytes,
        .from = from,
        .len = b->len,
        .last = last,
        .delimiter = dialect.delimiter,
        .quote = dialect.quote,
    };
    c.events.scanner = csv_scanner_best();
    c.events.data = b->bytes;
    c.events.len = b->len;
    c.events.quote = dialect.quote;
    cut_resume(&c);
    if (!skip_byte_order_mark(&c))
        return 0;
    size_t scanned = cut_records(&c, most);
    cut_suspend(&c, scanned);
    f->position += c.start - from;
    uint64_t skipped = (uint64_t)f->state[STATE_SKIPPED_HIGH] << 32 | f->state[STATE_SKIPPED_LOW];
    b->spans[b->span_count - 1].next = c.skipping ? skipped : f->position;
    return c.start - from;
}
