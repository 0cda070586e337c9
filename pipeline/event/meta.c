/*
 * meta.*: what is known about a record beside its bytes.
 */
#include "pipeline/event/slice.h"

static const struct {
    const char *name;
    enum type_id type;
} fields[META_COUNT] = {
    [META_SOURCE] = {"source", TYPE_TEXT},
    [META_INPUT] = {"input", TYPE_TEXT},
    [META_FILE] = {"file", TYPE_TEXT},
    [META_LINE] = {"line", TYPE_BIGINT},
    [META_TOPIC] = {"topic", TYPE_TEXT},
    [META_PARTITION] = {"partition", TYPE_INTEGER},
    [META_OFFSET] = {"offset", TYPE_BIGINT},
    [META_KEY] = {"key", TYPE_TEXT},
    [META_TIMESTAMP] = {"timestamp", TYPE_TIMESTAMPTZ},
    [META_HEADERS] = {"headers", TYPE_JSONB},
    [META_PROPERTIES] = {"properties", TYPE_JSONB},
    [META_QOS] = {"qos", TYPE_INTEGER},
    [META_RETAIN] = {"retain", TYPE_BOOLEAN},
};

int meta_field_find(struct str name)
{
    for (int i = 0; i < META_COUNT; i++)
        if (str_eq(name, str_of(fields[i].name)))
            return i;
    return -1;
}

const char *meta_field_name(enum meta_field f)
{
    return fields[f].name;
}

struct type meta_field_type(enum meta_field f)
{
    return TYPE(fields[f].type);
}

static struct value text_or_null(const char *text)
{
    return text ? value_text(str_of(text)) : value_null();
}

static struct value timestamp_or_null(int64_t us)
{
    return us == INT64_MIN ? value_null() : (struct value){.kind = VALUE_TIMESTAMPTZ, .i = us};
}

static struct value of_record(const struct value *values, uint32_t record)
{
    return values ? values[record] : value_null();
}

/* What all records of a span have in common. */
static struct value of_partition(const struct batch *b, const struct partition *p, enum meta_field field)
{
    switch (field) {
    case META_FILE:
        return text_or_null(p->file);
    case META_TOPIC:
        return text_or_null(p->topic);
    case META_PARTITION:
        return p->number < 0 ? value_null() : value_int(p->number);
    case META_TIMESTAMP:
        if (p->timestamp == INT64_MIN && b->read_at)
            return timestamp_or_null(b->read_at);
        return timestamp_or_null(p->timestamp);
    case META_SOURCE:
    case META_INPUT:
    case META_LINE:
    case META_OFFSET:
    case META_KEY:
    case META_HEADERS:
    case META_PROPERTIES:
    case META_QOS:
    case META_RETAIN:
    case META_COUNT:
        break;
    }
    return value_null();
}

static void fill(const struct slice *s, struct value v, struct value *out)
{
    for (uint32_t i = 0; i < s->selected; i++)
        out[s->sel[i]] = v;
}

static void fill_from_partitions(const struct slice *s, enum meta_field field, struct value *out)
{
    uint32_t span = UINT32_MAX;
    struct value v = value_null();
    for (uint32_t i = 0; i < s->selected; i++) {
        uint32_t row = s->sel[i], record = s->record[row];
        if (s->batch->records[record].span != span) {
            span = s->batch->records[record].span;
            v = of_partition(s->batch, batch_record_partition(s->batch, record), field);
        }
        out[row] = v;
    }
}

static void fill_from_records(const struct slice *s, const struct value *values, struct value *out)
{
    for (uint32_t i = 0; i < s->selected; i++)
        out[s->sel[i]] = of_record(values, s->record[s->sel[i]]);
}

static void fill_lines(const struct slice *s, struct value *out)
{
    for (uint32_t i = 0; i < s->selected; i++) {
        uint32_t row = s->sel[i], line = s->batch->records[s->record[row]].line;
        out[row] = line ? value_int(line) : value_null();
    }
}

static void fill_offsets(const struct slice *s, struct value *out)
{
    for (uint32_t i = 0; i < s->selected; i++) {
        uint32_t row = s->sel[i];
        out[row] = value_int((int64_t)s->batch->records[s->record[row]].position);
    }
}

static void fill_qos(const struct slice *s, const uint8_t *delivery, struct value *out)
{
    for (uint32_t i = 0; i < s->selected; i++) {
        uint32_t row = s->sel[i];
        out[row] = value_int(delivery[s->record[row]] & DELIVERY_QOS);
    }
}

static void fill_retain(const struct slice *s, const uint8_t *delivery, struct value *out)
{
    for (uint32_t i = 0; i < s->selected; i++) {
        uint32_t row = s->sel[i];
        out[row] = value_bool(delivery[s->record[row]] & DELIVERY_RETAIN);
    }
}

void slice_meta(const struct slice *s, enum meta_field field, struct str source, struct value *out)
{
    const struct record_meta *meta = &s->batch->meta;
    switch (field) {
    case META_SOURCE:
    case META_INPUT: /* of a step right behind the source; steps further down know theirs themselves */
        fill(s, value_text(source), out);
        return;
    case META_LINE:
        fill_lines(s, out);
        return;
    case META_OFFSET:
        fill_offsets(s, out);
        return;
    case META_KEY:
        fill_from_records(s, meta->key, out);
        return;
    case META_HEADERS:
        fill_from_records(s, meta->headers, out);
        return;
    case META_PROPERTIES:
        fill_from_records(s, meta->properties, out);
        return;
    case META_TOPIC:
        if (meta->topic)
            fill_from_records(s, meta->topic, out);
        else
            fill_from_partitions(s, field, out);
        return;
    case META_TIMESTAMP:
        if (meta->timestamp)
            fill_from_records(s, meta->timestamp, out);
        else
            fill_from_partitions(s, field, out);
        return;
    case META_FILE:
    case META_PARTITION:
        fill_from_partitions(s, field, out);
        return;
    case META_QOS:
        if (!meta->delivery)
            break;
        fill_qos(s, meta->delivery, out);
        return;
    case META_RETAIN:
        if (!meta->delivery)
            break;
        fill_retain(s, meta->delivery, out);
        return;
    case META_COUNT:
        break;
    }
    fill(s, value_null(), out);
}
