#include "connectors/kafka/kafka.h"
#include "connectors/kafka/module/row.h"
#include "pipeline/engine/formatted.h"
#include "pipeline/sql/sql.h"

struct program {
    struct encoder *encoder;
    bool lines; /* the format ends each record with a newline, which is no part of a message */
    struct sql_template *topic, *key;
    uint32_t header_count;
    const char **names;
    struct sql_template **values;
};

/* ---- binding ----------------------------------------------------------------------------------------------------- */

static struct sql_template *compile(struct binding *b, const char *option, const char *text, enum template_use use,
                                    struct error *err)
{
    struct sql_options options = {
        .input = NULL, .source_name = b->source_name, .zone = b->zone, .component = b->component_index};
    struct sql_error problem;
    struct sql_template *t = sql_compile_template(str_of(text), use, b->schema, &options, b->arena, &problem);
    if (t)
        return t;
    *err = problem.error;
    error_wrap(err, "%s \"%s\"", option, text);
    return NULL;
}

static bool compile_headers(struct binding *b, struct program *p, const struct text_table *headers, struct error *err)
{
    p->header_count = headers->count;
    p->names = arena_array(b->arena, const char *, headers->count + 1);
    p->values = arena_array(b->arena, struct sql_template *, headers->count + 1);
    for (uint32_t i = 0; i < headers->count; i++) {
        p->names[i] = headers->items[i].key;
        p->values[i] = compile(b, "header", headers->items[i].value, TEMPLATE_TEXT, err);
        if (!p->values[i])
            return false;
    }
    return true;
}

bool kafka_bind(struct sink *s, struct binding *b, struct error *err)
{
    const struct kafka_sink_options *o = b->component->options;
    struct program *p = arena_new(b->arena, struct program);
    *p = (struct program){.encoder = formatted_encoder(s, b, err)};
    if (!p->encoder)
        return false;
    const struct format *f = p->encoder->format;
    p->lines = f == &format_json || f == &format_csv || f == &format_text;
    b->program = p;
    return (p->topic = compile(b, "topic", o->topic, TEMPLATE_TOPIC, err)) &&
           (!o->key || (p->key = compile(b, "key", o->key, TEMPLATE_TEXT, err))) &&
           compile_headers(b, p, &o->headers, err);
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

/* What a broker takes for a topic's name: 1 to 249 of [a-zA-Z0-9._-], and neither "." nor "..". */
static bool is_topic(struct str name)
{
    if (name.len == 0 || name.len > 249 || str_eq(name, STR(".")) || str_eq(name, STR("..")))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static struct str *eval(const struct sql_template *t, const struct slice *in, const uint32_t *rows, uint32_t count,
                        struct arena *arena, struct rejections *r)
{
    struct str *out = arena_array(arena, struct str, in->rows);
    memset(out, 0, in->rows * sizeof(*out));
    sql_eval_template(t, in, rows, count, out, r);
    return out;
}

/* The columns of a slice's messages. */
struct parts {
    struct str *topics, *keys, **headers;
};

static void add_header(struct buffer *out, struct str text)
{
    uint32_t len = (uint32_t)text.len;
    buffer_add(out, &len, sizeof len);
    buffer_add_str(out, text);
}

static void add_row(const struct program *p, const struct parts *parts, uint32_t row, uint32_t record, struct str value,
                    struct buffer *out)
{
    struct str key = p->key ? parts->keys[row] : STR("");
    size_t start = out->len;
    struct kafka_row head = {
        .record = record, .key_len = key.len ? (uint32_t)key.len : KAFKA_NO_KEY, .value_len = (uint32_t)value.len};
    buffer_add(out, &head, sizeof head);
    buffer_add_str(out, key);
    buffer_add_str(out, value);
    size_t before = out->len;
    for (uint32_t i = 0; i < p->header_count; i++) {
        add_header(out, str_of(p->names[i]));
        add_header(out, parts->headers[i][row]);
    }
    ((struct kafka_row *)(out->data + start))->headers_len = (uint32_t)(out->len - before);
    static const char padding[8];
    buffer_add(out, padding, -out->len & 7);
}

static struct str without_line_end(struct str line)
{
    line.len -= line.len && line.data[line.len - 1] == '\n';
    line.len -= line.len && line.data[line.len - 1] == '\r';
    return line;
}

static bool rejects(const struct rejections *r, uint32_t from, uint32_t record)
{
    for (uint32_t i = from; i < r->count; i++)
        if (r->items[i].record == record)
            return true;
    return false;
}

void kafka_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                  struct tools *tools, struct output *out, struct rejections *r)
{
    const struct program *p = b->program;
    uint32_t rejected = r->count;
    struct parts parts = {.topics = eval(p->topic, in, rows, count, tools->arena, r),
                          .headers = arena_array(tools->arena, struct str *, p->header_count + 1)};
    if (p->key)
        parts.keys = eval(p->key, in, rows, count, tools->arena, r);
    for (uint32_t i = 0; i < p->header_count; i++)
        parts.headers[i] = eval(p->values[i], in, rows, count, tools->arena, r);
    struct buffer values = {0};
    uint32_t *row_end = arena_array(tools->arena, uint32_t, count + 1);
    p->encoder->format->encode(p->encoder, in, rows, count, &values, row_end, r);

    struct piece *piece = NULL;
    struct str topic = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i], record = in->record[row], start = i ? row_end[i - 1] : 0, end = row_end[i];
        if (r->count > rejected && rejects(r, rejected, record))
            continue;
        struct str to = parts.topics[row];
        if (!piece || to.data != topic.data || to.len != topic.len) {
            if (!is_topic(to)) {
                reject_record(r, record, b->component_index, "encode", "\"" STR_FMT "\" is no name for a topic",
                              STR_ARG(to));
                continue;
            }
            piece = output_piece(out, to);
            topic = to;
        }
        struct str value = {values.data ? values.data + start : "", end - start};
        add_row(p, &parts, row, record, p->lines ? without_line_end(value) : value, &piece->bytes);
        piece->rows++;
    }
    buffer_release(&values);
}
