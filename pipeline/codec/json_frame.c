/*
 * JSON streams come in three shapes, told by their first bytes:
 *   lines      one value per line (NDJSON). A bad line spoils nothing but itself.
 *   documents  values over several lines, one behind the other.
 *   array      one array, of which each element is a record, so that it need not fit into memory. Another stream of any
 * shape may follow it.
 *
 * A restart hands a new framer the shape (prime), but not the place inside an array. Therefore the span's `next` only
 * ever is the start of a line, or of the stream, or the byte behind a value: an array goes on there with ',' or ']'.
 */
#include "pipeline/codec/json_frame.h"

#include "pipeline/codec/json_boundary.h"
#include "pipeline/codec/json_check.h"

enum shape { SHAPE_UNKNOWN, SHAPE_LINES, SHAPE_DOCUMENTS, SHAPE_ARRAY };

enum phase {
    PHASE_RESTART,     /* array: primed, but nothing seen yet */
    PHASE_FIRST_VALUE, /* array: an element or ']' */
    PHASE_VALUE,       /* an element; a document */
    PHASE_SEPARATOR,   /* ',' or ']' */
    PHASE_INSIDE,      /* within a value: `boundary` is valid */
    PHASE_GIVEN_UP,    /* nothing that follows can be read */
};

/* What framer.state holds. */
struct json_stream {
    struct json_boundary boundary; /* lines: only `scanned` */
    uint64_t lag;                  /* bytes between the place to restart at and framer.position */
    uint8_t shape, phase;
    bool skipping; /* inside a record that was too long and has been added */
};
static_assert(sizeof(struct json_stream) <= sizeof(((struct framer *)0)->state), "kept in there");

/* One call of frame(). text: what is offered; at: how much of it is done with. */
struct framing {
    struct framer *f;
    struct batch *b;
    struct json_stream *s;
    struct str text;
    size_t at;
    size_t from; /* of text within the batch */
    uint32_t most;
    bool last;
};

static const char not_closed[] = "the input ends inside a JSON value";
static const char array_not_closed[] = "the input ends inside a JSON array, behind this place";
static const char no_value[] = "malformed JSON: expected a value; nothing from here on can be read";
static const char no_separator[] =
    "malformed JSON array: expected ',' or ']' behind an element; nothing from here on can be read";
static const char mismatch[] = "malformed JSON: brackets do not match; nothing behind this value can be read";

static struct str rest(const struct framing *x)
{
    return (struct str){x->text.data + x->at, x->text.len - x->at};
}

static bool full(const struct framing *x)
{
    return x->b->record_count >= x->most;
}

/* Done with the next n bytes. */
static void advance(struct framing *x, size_t n)
{
    if (x->f->line) {
        uint32_t lines = 0;
        for (size_t i = 0; i < n; i++)
            lines += x->text.data[x->at + i] == '\n';
        x->f->line += lines;
    }
    x->at += n;
    x->s->lag += n;
}

static void add_record(struct framing *x, size_t length, enum record_fault fault, const char *fault_text)
{
    struct record *r = batch_add_record(x->b);
    *r = (struct record){
        .position = x->f->position + x->at,
        .offset = (uint32_t)(x->from + x->at),
        .length = (uint32_t)length,
        .line = x->f->line,
        .span = (uint16_t)(x->b->span_count - 1),
        .fault = (uint8_t)fault,
        .element = x->s->shape == SHAPE_ARRAY,
    };
    x->b->spans[x->b->span_count - 1].count++;
    if (fault_text && !x->b->fault_text)
        x->b->fault_text = fault_text;
}

/* A whole record of that length, perhaps too long. */
static void add_whole(struct framing *x, size_t length)
{
    bool too_long = length > x->f->max_record;
    add_record(x, too_long ? x->f->max_record : length, too_long ? RECORD_TOO_LONG : RECORD_OK, NULL);
}

/* White space, which is skipped; false: nothing else is there. */
static bool skip_space(struct framing *x)
{
    size_t i = x->at;
    while (i < x->text.len && json_is_space(x->text.data[i]))
        i++;
    advance(x, i - x->at);
    return x->at < x->text.len;
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

/* Like advance, where the only line end is the last byte, if at all. */
static void advance_line(struct framing *x, size_t n, bool ended)
{
    x->at += n;
    x->f->line += ended && x->f->line != 0;
    x->s->lag = 0;
    x->s->boundary.scanned = 0;
}

/* A line's bytes without its "\r". */
static size_t line_length(const struct framing *x, size_t n)
{
    return n > 0 && x->text.data[x->at + n - 1] == '\r' ? n - 1 : n;
}

static bool frame_line(struct framing *x)
{
    if (!x->s->skipping && json_is_space(x->text.data[x->at]) && !skip_space(x))
        return false;
    struct str line = rest(x);
    size_t scanned = x->s->boundary.scanned;
    const char *newline = memchr(line.data + scanned, '\n', line.len - scanned);
    size_t n = newline ? (size_t)(newline - line.data) : line.len;
    bool ended = newline || x->last;
    if (!x->s->skipping) {
        /* a "\r" at the end of what is there may belong to the line's end */
        if (!ended && line_length(x, n) <= x->f->max_record) {
            x->s->boundary.scanned = (uint32_t)n;
            return false;
        }
        add_whole(x, line_length(x, n));
    }
    x->s->skipping = !ended;
    uint64_t lag = x->s->lag;
    advance_line(x, newline ? n + 1 : n, newline);
    if (x->s->skipping)
        x->s->lag = lag + n;
    return true;
}

static void frame_lines(struct framing *x)
{
    x->s->lag = x->s->skipping ? x->s->lag : 0;
    while (x->at < x->text.len && !full(x))
        if (!frame_line(x))
            break;
    if (!x->s->skipping)
        x->s->lag = 0;
}

/* ---- documents and arrays --------------------------------------------------------------------------------------- */

static void give_up(struct framing *x, size_t length, const char *why)
{
    add_record(x, length, RECORD_CORRUPT, why);
    x->s->phase = PHASE_GIVEN_UP;
}

static void value_done(struct framing *x)
{
    x->s->phase = x->s->shape == SHAPE_ARRAY ? PHASE_SEPARATOR : PHASE_VALUE;
    x->s->skipping = false;
    x->s->lag = 0;
}

/* The value at x->at, or the rest of one that is skipped, ends after `end` bytes. */
static void frame_found(struct framing *x, size_t end)
{
    if (end == 0 && !x->s->skipping) {
        give_up(x, 1, no_value);
        return;
    }
    if (!x->s->skipping)
        add_whole(x, end);
    advance(x, end);
    value_done(x);
}

static void frame_mismatch(struct framing *x, size_t bracket)
{
    if (!x->s->skipping && bracket + 1 <= x->f->max_record) {
        give_up(x, bracket + 1, mismatch);
        return;
    }
    if (!x->s->skipping)
        add_record(x, x->f->max_record, RECORD_TOO_LONG, NULL);
    advance(x, bracket);
    give_up(x, 1, mismatch);
}

/* The value goes on behind all bytes there are. False: more of them are needed. */
static bool frame_beyond(struct framing *x)
{
    struct str text = rest(x);
    bool bare = x->s->boundary.bare;
    bool too_long = text.len > x->f->max_record;
    if (!x->s->skipping && too_long)
        add_record(x, x->f->max_record, RECORD_TOO_LONG, NULL);
    else if (!x->s->skipping && x->last)
        add_record(x, text.len, bare && x->s->shape == SHAPE_DOCUMENTS ? RECORD_OK : RECORD_TRUNCATED, not_closed);
    else if (!x->s->skipping)
        return false;
    x->s->skipping = true;
    size_t dropped = x->last ? text.len : text.len - json_boundary_drop(&x->s->boundary, text.len);
    advance(x, dropped);
    if (x->last)
        x->s->phase = PHASE_GIVEN_UP;
    return false;
}

static bool frame_value(struct framing *x)
{
    size_t end;
    switch (json_boundary_find(&x->s->boundary, rest(x), &end)) {
    case BOUNDARY_FOUND:
        frame_found(x, end);
        return true;
    case BOUNDARY_MISMATCH:
        frame_mismatch(x, end);
        return true;
    case BOUNDARY_BEYOND:
        break;
    }
    return frame_beyond(x);
}

static void array_goes_on(struct framing *x)
{
    advance(x, 1);
    x->s->phase = PHASE_VALUE;
}

static void array_ended(struct framing *x)
{
    advance(x, 1);
    *x->s = (struct json_stream){.shape = SHAPE_UNKNOWN};
}

/* One step; false: more bytes are needed. */
static bool frame_step(struct framing *x)
{
    if (x->s->phase == PHASE_INSIDE)
        return x->at < x->text.len && frame_value(x);
    if (x->s->phase == PHASE_GIVEN_UP) {
        advance(x, x->text.len - x->at);
        return false;
    }
    if (!skip_space(x))
        return false;
    char c = x->text.data[x->at];
    bool between = c == ',' || c == ']';
    switch ((enum phase)x->s->phase) {
    case PHASE_RESTART:
        x->s->phase = PHASE_SEPARATOR;
        if (!between)
            *x->s = (struct json_stream){.shape = SHAPE_UNKNOWN};
        return true;
    case PHASE_SEPARATOR:
        if (!between)
            give_up(x, 1, no_separator);
        else if (c == ']')
            array_ended(x);
        else
            array_goes_on(x);
        return true;
    case PHASE_FIRST_VALUE:
        if (c == ']') {
            array_ended(x);
            return true;
        }
        break;
    case PHASE_VALUE:
    case PHASE_INSIDE:
    case PHASE_GIVEN_UP:
        break;
    }
    x->s->phase = PHASE_INSIDE;
    x->s->boundary = json_boundary_start(c);
    return true;
}

/* The stream ends, and everything of it has been done with: perhaps between the elements of an array. This record may
 * be one more than were asked for. */
static void finish(struct framing *x)
{
    bool between = x->s->phase == PHASE_FIRST_VALUE || x->s->phase == PHASE_VALUE || x->s->phase == PHASE_SEPARATOR;
    if (x->s->shape == SHAPE_ARRAY && between) {
        add_record(x, 0, RECORD_TRUNCATED, array_not_closed);
        x->s->phase = PHASE_GIVEN_UP;
    }
    x->s->lag = 0;
}

/* ---- shapes ----------------------------------------------------------------------------------------------------- */

/*
 * The shape of a stream that begins with `text`, no white space. A first line that is a value, or is malformed, is the
 * first of lines; one that the next line's first byte can go on with is the beginning of a document. UNKNOWN: more
 * bytes are needed.
 */
static enum shape find_shape(struct str text, size_t max_record, bool last)
{
    if (text.data[0] == '[')
        return SHAPE_ARRAY;
    if (text.data[0] != '{')
        return SHAPE_LINES;
    size_t window = text.len > max_record ? max_record : text.len;
    bool no_more = last || text.len > max_record;
    const char *newline = memchr(text.data, '\n', window);
    if (!newline)
        return no_more ? SHAPE_LINES : SHAPE_UNKNOWN;
    size_t offset, next = (size_t)(newline - text.data);
    if (json_check_text((struct str){text.data, next}, JSON_MAX_DEPTH, &offset) != JSON_ENDS_EARLY)
        return SHAPE_LINES;
    while (next < window && json_is_space(text.data[next]))
        next++;
    if (next == window)
        return no_more ? SHAPE_LINES : SHAPE_UNKNOWN;
    enum json_fault fault = json_check_value((struct str){text.data, next + 1}, JSON_MAX_DEPTH, &offset);
    return fault == JSON_ENDS_EARLY || fault == JSON_VALID ? SHAPE_DOCUMENTS : SHAPE_LINES;
}

/* How many bytes the byte order mark takes up; -1: more bytes must come before one knows. */
static ssize_t mark_length(struct str text, bool last)
{
    static const char mark[3] = "\xEF\xBB\xBF";
    size_t n = text.len < sizeof(mark) ? text.len : sizeof(mark);
    if (n > 0 && memcmp(text.data, mark, n) != 0)
        return 0;
    return n == sizeof(mark) ? (ssize_t)n : last ? 0 : -1;
}

/* False: more bytes are needed. */
static bool decide_shape(struct framing *x)
{
    if (x->f->position + x->at == 0 && x->text.len > 0) {
        ssize_t mark = mark_length(x->text, x->last);
        if (mark < 0)
            return false;
        advance(x, (size_t)mark);
    }
    if (!skip_space(x))
        return false;
    enum shape shape = find_shape(rest(x), x->f->max_record, x->last);
    if (shape == SHAPE_UNKNOWN)
        return false;
    *x->s = (struct json_stream){.shape = shape, .phase = PHASE_VALUE, .lag = 0};
    if (shape == SHAPE_ARRAY) {
        advance(x, 1);
        x->s->phase = PHASE_FIRST_VALUE;
    }
    return true;
}

static void frame_all(struct framing *x)
{
    bool more = true;
    while (more && !full(x)) {
        switch ((enum shape)x->s->shape) {
        case SHAPE_UNKNOWN:
            x->s->lag = 0;
            more = decide_shape(x);
            break;
        case SHAPE_LINES:
            frame_lines(x);
            more = false;
            break;
        case SHAPE_DOCUMENTS:
        case SHAPE_ARRAY:
            more = frame_step(x);
            break;
        }
    }
}

size_t json_frame(struct framer *f, struct batch *b, size_t from, bool last, uint32_t most)
{
    struct json_stream s;
    memcpy(&s, f->state, sizeof(s));
    struct framing x = {
        .f = f,
        .b = b,
        .s = &s,
        .text = {b->bytes + from, b->len - from},
        .from = from,
        .most = most,
        .last = last,
    };
    frame_all(&x);
    if (last && x.at == x.text.len)
        finish(&x);
    f->position += x.at;
    memcpy(f->state, &s, sizeof(s));
    b->spans[b->span_count - 1].next = f->position - s.lag;
    return x.at;
}

ssize_t json_prime(struct framer *f, const char *data, size_t len, bool last, struct error *err)
{
    (void)err;
    struct str text = {data, len};
    ssize_t mark = mark_length(text, last);
    if (mark < 0)
        return PRIME_MORE;
    size_t start = (size_t)mark;
    while (start < len && json_is_space(data[start]))
        start++;
    enum shape shape =
        start == len ? SHAPE_UNKNOWN : find_shape((struct str){data + start, len - start}, f->max_record, last);
    if (shape == SHAPE_UNKNOWN && !last)
        return PRIME_MORE;
    struct json_stream s = {.shape = (uint8_t)shape, .phase = shape == SHAPE_ARRAY ? PHASE_RESTART : PHASE_VALUE};
    memcpy(f->state, &s, sizeof(s));
    for (size_t i = 0; f->line && i < start; i++)
        f->line += data[i] == '\n';
    return (ssize_t)start;
}
