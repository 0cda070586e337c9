/*
 * Which piece a row belongs to, and the workers' loop over the rows of a slice.
 */
#include <string.h>

#include "connectors/postgres/module/pg.h"
#include "pipeline/base/hash.h"
#include "pipeline/codec/json.h"

/* ---- members without a column ----------------------------------------------------------------------------------- */

static bool is_known(const struct pg_program *p, struct str key, uint32_t *next)
{
    for (uint32_t i = 0; i < p->known_count; i++) {
        uint32_t k = (*next + i) % p->known_count; /* members mostly come in the same order */
        if (str_eq(p->known[k], key)) {
            *next = k + 1;
            return true;
        }
    }
    return false;
}

/* The key's characters; a key that has none ("\u0000") is as good as unknown. */
static struct str key_text(struct str key, bool escaped, const struct convert_context *cx)
{
    struct value v = value_text(key);
    v.flags = escaped ? VALUE_ESCAPED : 0;
    struct error ignored;
    return value_unescape(cx->arena, &v, &ignored) ? value_str(v) : key;
}

/* The next member of the event that has no column. */
static bool next_unknown(const struct pg_program *p, struct json_members *m, const struct convert_context *cx,
                         uint32_t *hint, struct str *key, struct str *value)
{
    bool escaped;
    while (json_object_next(m, key, &escaped, value))
        if (!is_known(p, escaped ? key_text(*key, escaped, cx) : *key, hint))
            return true;
    return false;
}

static void add_member(struct buffer *out, struct str key)
{
    buffer_add_byte(out, out->len ? ',' : '{');
    buffer_add_byte(out, '"');
    buffer_add_str(out, key);
    buffer_add(out, "\":", 2);
}

struct value pg_unknown_members(const struct pg_program *p, const struct slice *in, const struct schema *schema,
                                uint32_t row, const struct convert_context *cx)
{
    struct buffer out = {0};
    struct json_members m;
    struct str key, value;
    uint32_t hint = 0;
    if (p->open && json_object_open(&m, in->raw[row]))
        while (next_unknown(p, &m, cx, &hint, &key, &value)) {
            add_member(&out, key);
            buffer_add_str(&out, value);
        }
    for (uint32_t i = 0; i < p->collect_count; i++) {
        const struct column *c = &schema->columns[p->collect[i]];
        struct buffer name = {0};
        json_escape(&name, c->name);
        add_member(&out, (struct str){name.data, name.len});
        buffer_release(&name);
        value_print_json(in->columns[p->collect[i]][row], c->type, cx->zone, &out);
    }
    if (out.len == 0)
        return value_null();
    buffer_add_byte(&out, '}');
    struct str text = arena_str(cx->arena, (struct str){out.data, out.len});
    buffer_release(&out);
    return (struct value){.kind = VALUE_JSON, .len = (uint32_t)text.len, .ptr = text.data};
}

static bool has_unknown(const struct pg_program *p, struct str event, const struct convert_context *cx, struct str *key)
{
    struct json_members m;
    struct str value;
    uint32_t hint = 0;
    return json_object_open(&m, event) && next_unknown(p, &m, cx, &hint, key, &value);
}

/* ---- routes ----------------------------------------------------------------------------------------------------- */

static uint32_t read32(const char *at)
{
    uint32_t v;
    memcpy(&v, at, 4);
    return __builtin_bswap32(v);
}

/* Types of which equal values have equal bytes, or are given them here. Others contribute nothing: all their rows stay
 * together. */
static uint64_t hash_field(const struct pg_column *c, const char *data, uint32_t len, uint64_t seed)
{
    switch (c->form) {
    case PG_BOOL:
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
    case PG_BYTEA:
    case PG_DATE:
    case PG_TIMESTAMP:
    case PG_TIMESTAMPTZ:
    case PG_UUID:
        return hash64(data, len, seed);
    case PG_TEXT:
        if (strcmp(c->type_name, "citext") == 0)
            return seed;
        while (c->blank_padded && len && data[len - 1] == ' ')
            len--;
        return hash64(data, len, seed);
    case PG_NUMERIC: /* 1.0 and 1.00 differ in the display scale, bytes 6 and 7 */
        return len < 8 ? seed : hash64(data + 8, len - 8, hash64(data, 6, seed));
    case PG_FLOAT4:
    case PG_FLOAT8:
    case PG_INTERVAL:
    case PG_JSON:
    case PG_JSONB:
    case PG_ARRAY:
    case PG_CAST:
        return seed;
    }
    return seed;
}

static uint64_t key_hash(const struct pg_program *p, const char *row)
{
    uint64_t hash = 0;
    row += 2;
    for (uint32_t i = 0; i < p->count; i++) {
        uint32_t len = read32(row);
        row += 4;
        if (len == UINT32_MAX)
            continue;
        if (p->fields[i].key)
            hash = hash_field(p->fields[i].column, row, len, hash);
        row += len;
    }
    return hash;
}

uint32_t pg_partition_route(const struct pg_shared *shared, const char *key)
{
    return (uint32_t)(hash64(key, strlen(key), 0) % shared->connections);
}

static struct piece *piece_of(struct output *o, uint32_t route, uint32_t layout)
{
    char name[2] = {(char)('0' + route), (char)('0' + layout)};
    return output_piece(o, (struct str){name, route || layout ? 2 : 0});
}

uint32_t pg_piece_layout(const struct piece *p)
{
    return p->target.len ? (uint32_t)(p->target.data[1] - '0') : 0;
}

bool pg_piece_is_mine(const struct sink *s, const struct piece *p)
{
    const struct pg_shared *shared = s->shared;
    uint32_t route = p->target.len ? (uint32_t)(p->target.data[0] - '0') : 0;
    return shared->routing == PG_ROUTE_NONE || route % shared->connections == s->connection;
}

/* ---- the loop --------------------------------------------------------------------------------------------------- */

struct run {
    const struct pg_program *program;
    const struct binding *binding;
    const struct slice *in;
    struct convert_context cx;
    struct output *out;
    struct rejections *rejections;
    struct piece *piece;
    uint32_t route, span; /* of `piece` */
    uint32_t left;        /* rows still to come, at most */
    struct buffer row;    /* sharded: a row before its shard is known */
};

static void reject(struct run *run, uint32_t record, const struct pg_field *f, const struct error *err)
{
    struct rejection *r = reject_record(run->rejections, record, run->binding->component_index, "encode",
                                        "column \"%s\": %s", f->column->name, err->text);
    memcpy(r->sqlstate, err->sqlstate, sizeof(r->sqlstate));
}

static bool reject_unknown(struct run *run, uint32_t record, struct str event)
{
    struct str key;
    if (!has_unknown(run->program, event, &run->cx, &key))
        return false;
    struct rejection *r = reject_record(run->rejections, record, run->binding->component_index, "encode",
                                        "table %s has no column for the member \"" STR_FMT
                                        "\" (or one that the server numbers): unknown = \"ignore\" would leave it out",
                                        run->program->shared->table.name, STR_ARG(key));
    memcpy(r->sqlstate, "42703", 6);
    return true;
}

/* Is the record's row of that shard in already, from before the process began? */
static bool is_stored(const struct run *run, uint32_t record, uint32_t shard)
{
    const struct positions *stored = run->binding->sink->stored;
    const struct batch *b = run->in->batch;
    return stored && positions_cover(stored, run->program->source, batch_record_partition(b, record)->key,
                                     (int32_t)shard, b->records[record].position);
}

static void take_piece(struct run *run, uint32_t route)
{
    run->piece = piece_of(run->out, route, run->program->layout);
    run->route = route;
    piece_reserve_rows(run->piece, run->left);
}

static void add_row(struct run *run, uint32_t record)
{
    struct piece *p = run->piece;
    p->row_end[p->rows] = (uint32_t)p->bytes.len;
    p->row_record[p->rows++] = record;
}

static bool encode_into(struct run *run, uint32_t row, uint32_t record, struct buffer *out)
{
    const struct pg_program *p = run->program;
    if (p->unknown == PG_UNKNOWN_ERROR && reject_unknown(run, record, run->in->raw[row]))
        return false;
    struct error err;
    const struct pg_field *failed;
    if (pg_encode_row(p, run->in, run->binding->schema, row, &run->cx, out, &failed, &err))
        return true;
    reject(run, record, failed, &err);
    return false;
}

static void encode_direct(struct run *run, uint32_t row, uint32_t record)
{
    const struct batch *b = run->in->batch;
    if (run->program->shared->routing == PG_ROUTE_PARTITION && b->records[record].span != run->span) {
        run->span = b->records[record].span;
        uint32_t route = pg_partition_route(run->program->shared, batch_record_partition(b, record)->key);
        if (route != run->route)
            take_piece(run, route);
    }
    if (encode_into(run, row, record, &run->piece->bytes))
        add_row(run, record);
}

static void encode_sharded(struct run *run, uint32_t row, uint32_t record)
{
    buffer_clear(&run->row);
    if (!encode_into(run, row, record, &run->row))
        return;
    uint32_t shard = (uint32_t)(key_hash(run->program, run->row.data) % POSITION_SHARDS);
    if (is_stored(run, record, shard))
        return;
    if (shard != run->route)
        take_piece(run, shard);
    buffer_add(&run->piece->bytes, run->row.data, run->row.len);
    add_row(run, record);
}

void pg_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
               struct tools *tools, struct output *out, struct rejections *r)
{
    const struct pg_program *p = b->program;
    struct run run = {
        .program = p,
        .binding = b,
        .in = in,
        .cx = {tools->arena, b->zone, INT64_MIN},
        .out = out,
        .rejections = r,
        .span = UINT32_MAX,
        .left = count,
    };
    bool sharded = p->shared->routing == PG_ROUTE_SHARD;
    take_piece(&run, 0);
    for (uint32_t i = 0; i < count; i++, run.left--) {
        if (sharded)
            encode_sharded(&run, rows[i], in->record[rows[i]]);
        else
            encode_direct(&run, rows[i], in->record[rows[i]]);
    }
    buffer_release(&run.row);
}
