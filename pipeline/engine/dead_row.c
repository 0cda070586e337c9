#include "pipeline/engine/dead_row.h"

#include <inttypes.h>

#include "pipeline/base/base64.h"
#include "pipeline/base/hash.h"
#include "pipeline/engine/engine.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/datetime.h"

static struct value text_value(struct arena *a, const char *text)
{
    return value_text(arena_str(a, str_of(text)));
}

/* A record that is tried again keeps its identity, and so its letter's. */
static const char *partition_of(const struct batch *b, uint32_t record)
{
    const struct partition *p = batch_record_partition(b, record);
    return p->origin ? p->origin : p->key;
}

static struct value letter_id(const struct engine *e, const struct batch *b, const struct dead_record *r, const char *component,
                              struct arena *a)
{
    const struct record *record = &b->records[r->record];
    const char *parts[] = {e->cfg->pipeline.name, e->cfg->pipeline.instance ? e->cfg->pipeline.instance : "",
                           lane_component(b->lane)->name, partition_of(b, r->record), component};
    uint64_t high = record->position, low = ~record->position;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        high = hash64(parts[i], strlen(parts[i]), high);
        low = hash64(parts[i], strlen(parts[i]), low);
    }
    return text_value(a, arena_printf(a, "%016" PRIx64 "%016" PRIx64, high, low));
}

/* Where it was: what a person looks for first. The byte is that of the fault, where known. */
static struct value position_text(const struct batch *b, const struct dead_record *r, struct arena *a)
{
    const struct record *record = &b->records[r->record];
    const struct partition *p = batch_record_partition(b, r->record);
    uint64_t byte = record->position + (r->offset == UINT32_MAX ? 0 : r->offset);
    if (!p->file)
        return text_value(a, arena_printf(a, "%s@%" PRIu64, partition_of(b, r->record), record->position));
    if (record->line)
        return text_value(a, arena_printf(a, "%s:%" PRIu32 " byte %" PRIu64, p->file, record->line, byte));
    return text_value(a, arena_printf(a, "%s byte %" PRIu64, p->file, byte));
}

static void add_text(struct buffer *json, const char *name, struct str text)
{
    buffer_printf(json, ",\"%s\":\"", name);
    json_escape(json, text);
    buffer_add_byte(json, '"');
}

/* What the record itself says. */
static void add_record_meta(struct buffer *json, const struct record_meta *meta, uint32_t record)
{
    if (meta->topic && meta->topic[record].kind == VALUE_TEXT)
        add_text(json, "topic", value_str(meta->topic[record]));
    if (meta->delivery)
        buffer_printf(json, ",\"qos\":%d,\"retain\":%s", meta->delivery[record] & DELIVERY_QOS,
                      meta->delivery[record] & DELIVERY_RETAIN ? "true" : "false");
    if (meta->properties && meta->properties[record].kind == VALUE_JSON)
        buffer_printf(json, ",\"properties\":" STR_FMT, STR_ARG(value_str(meta->properties[record])));
}

/* meta.* as JSON: what is known about the record, for `dead retry`. */
static struct value meta_json(const struct batch *b, const struct dead_record *r, struct arena *a)
{
    const struct record *record = &b->records[r->record];
    const struct partition *p = batch_record_partition(b, r->record);
    struct buffer json = {0};
    buffer_printf(&json, "{\"partition\":\"");
    json_escape(&json, str_of(partition_of(b, r->record)));
    buffer_printf(&json, "\",\"offset\":%" PRIu64, record->position);
    if (p->file)
        add_text(&json, "file", str_of(p->file));
    if (record->line)
        buffer_printf(&json, ",\"line\":%" PRIu32, record->line);
    if (p->topic)
        add_text(&json, "topic", str_of(p->topic));
    add_record_meta(&json, &b->meta, r->record);
    if (p->timestamp != INT64_MIN) {
        char text[48];
        size_t n = timestamptz_print(p->timestamp, zone_utc, 'T', true, text);
        buffer_printf(&json, ",\"timestamp\":\"%.*s\"", (int)n, text);
    }
    int format = lane_component(b->lane)->source_common->format;
    if (p->format_state && format >= 0 && formats[format]->save_start) {
        buffer_printf(&json, ",\"start\":");
        formats[format]->save_start(p, &json);
    }
    buffer_add_byte(&json, '}');
    struct str copy = arena_str(a, (struct str){json.data, json.len});
    buffer_release(&json);
    return (struct value){.kind = VALUE_JSON, .len = (uint32_t)copy.len, .ptr = copy.data};
}

void dead_row_fill(const struct engine *e, const struct batch *b, const struct dead_record *r, struct arena *a,
                   struct value row[DEAD_COLUMNS])
{
    const char *component = e->cfg->components[r->component].name;
    struct str payload = batch_record_bytes(b, r->record);
    bool is_text = utf8_valid_prefix(payload) == payload.len;
    row[DEAD_ID] = letter_id(e, b, r, component, a);
    row[DEAD_TIME] = (struct value){.kind = VALUE_TIMESTAMPTZ, .i = e->clock->wall_us(e->clock) - PG_EPOCH_SECS * USECS_PER_SEC};
    row[DEAD_PIPELINE] = text_value(a, e->cfg->pipeline.name);
    row[DEAD_SOURCE] = text_value(a, lane_component(b->lane)->name);
    row[DEAD_COMPONENT] = text_value(a, component);
    row[DEAD_POSITION] = position_text(b, r, a);
    row[DEAD_CLASS] = text_value(a, r->class_name);
    row[DEAD_REASON] = value_text(arena_str(a, r->reason));
    row[DEAD_SQLSTATE] = *r->sqlstate ? text_value(a, r->sqlstate) : value_null();
    row[DEAD_META] = meta_json(b, r, a);
    row[DEAD_PAYLOAD] = is_text ? value_text(arena_str(a, payload)) : value_null();
    row[DEAD_PAYLOAD_BASE64] = is_text ? value_null() : value_text(base64_encode(payload, a));
}
