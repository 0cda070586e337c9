/*
 * The dead letters of `pipe sql`: where each record was, which expression or member failed on what, for a person at a shell.
 */
#include "pipeline/cli/rows.h"
#include "pipeline/engine/config.h"
#include "pipeline/engine/output.h"

struct rejected_program {
    uint32_t position, reason, class_name, sqlstate, payload;
};

static bool column(const struct schema *s, const char *name, uint32_t *out, struct error *err)
{
    int at = schema_visible(s, str_of(name));
    *out = (uint32_t)at;
    return at >= 0 || error_set(err, ERROR_STOP, "dead letters have no column \"%s\"", name);
}

static bool rejected_bind(struct sink *s, struct binding *b, struct error *err)
{
    (void)s;
    struct rejected_program *p = arena_new(b->arena, struct rejected_program);
    b->program = p;
    return column(b->schema, "position", &p->position, err) && column(b->schema, "reason", &p->reason, err) &&
           column(b->schema, "class", &p->class_name, err) && column(b->schema, "sqlstate", &p->sqlstate, err) &&
           column(b->schema, "payload", &p->payload, err);
}

/* The record itself, as far as a line goes. */
static void put_payload(struct value payload, struct buffer *out)
{
    enum { MOST = 120 };
    if (value_is_null(payload))
        return;
    struct str text = value_str(payload);
    size_t n = text.len < MOST ? text.len : MOST;
    while (n < text.len && n && ((unsigned char)text.data[n] & 0xc0) == 0x80)
        n--;
    buffer_printf(out, "    ");
    for (size_t i = 0; i < n; i++)
        buffer_add_byte(out, (unsigned char)text.data[i] < ' ' || text.data[i] == 127 ? ' ' : text.data[i]);
    buffer_printf(out, n < text.len ? " …\n" : "\n");
}

/* One piece for what the decoder rejected, one for the rest. */
static void rejected_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count, struct tools *tools,
                            struct output *out, struct rejections *r)
{
    const struct rejected_program *p = b->program;
    uint64_t most = ((const struct rejected *)b->component->options)->most;
    (void)tools, (void)r;
    for (uint32_t i = 0; i < count; i++) {
        bool decode = str_eq(value_str(in->columns[p->class_name][rows[i]]), STR("decode"));
        struct piece *piece = output_piece(out, decode ? STR("decode") : STR("other"));
        struct value state = in->columns[p->sqlstate][rows[i]];
        piece_reserve_rows(piece, 1);
        if (piece->rows < most) {
            buffer_add_str(&piece->bytes, value_str(in->columns[p->position][rows[i]]));
            buffer_printf(&piece->bytes, ": " STR_FMT, STR_ARG(value_str(in->columns[p->reason][rows[i]])));
            if (!value_is_null(state))
                buffer_printf(&piece->bytes, " (SQLSTATE " STR_FMT ")", STR_ARG(value_str(state)));
            buffer_add_byte(&piece->bytes, '\n');
            put_payload(in->columns[p->payload][rows[i]], &piece->bytes);
        }
        piece->row_end[piece->rows++] = (uint32_t)piece->bytes.len;
    }
}

static bool rejected_write(struct sink *s, struct output *o, struct error *err)
{
    struct rejected *all = s->component->options;
    (void)err;
    for (uint32_t i = 0; i < o->piece_count; i++) {
        const struct piece *p = &o->pieces[i];
        uint64_t room = all->count < all->most ? all->most - all->count : 0;
        uint32_t shown = p->rows < room ? p->rows : (uint32_t)room;
        if (shown)
            buffer_add(&all->text, p->bytes.data, p->row_end[shown - 1]);
        all->count += p->rows;
        all->other |= p->rows && !str_eq(p->target, STR("decode"));
    }
    return true;
}

void rejected_release(struct rejected *r)
{
    buffer_release(&r->text);
}

static const struct sink_ops rejected_ops = {.bind = rejected_bind, .encode = rejected_encode, .write = rejected_write};
static const struct option no_options[] = {OPT_END};

const struct sink_type rejected_sink_type = {
    .base = {.name = "rejected", .summary = "Rejected records for people.", .options = no_options, .has_format = true},
    .ops = &rejected_ops,
};
