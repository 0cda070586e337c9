#include "pipeline/codec/avro.h"

#include <stdlib.h>

#include "pipeline/base/file.h"

enum { SCHEMA_MAX = 4 << 20 };

const struct avro_schema *avro_schema_load(const char *path, struct arena *arena, struct str *text, struct error *err)
{
    struct buffer file = {0};
    const struct avro_schema *s = NULL;
    if (file_read_all(path, SCHEMA_MAX, &file, err)) {
        *text = arena_str(arena, (struct str){file.data, file.len});
        s = avro_schema_parse(*text, arena, err);
        if (!s)
            error_wrap(err, "%s", path);
    }
    buffer_release(&file);
    return s;
}

/* ---- a source's schema --------------------------------------------------------------------------------------------------- */

/* What lies at the path inside a record; NULL: certainly nothing. */
static const struct avro_schema *schema_at(const struct avro_schema *s, const struct path *path)
{
    for (uint32_t i = 0; i < path->count; i++) {
        s = avro_schema_unwrap(s, NULL);
        if (s->kind == AVRO_KIND_MAP) {
            s = s->parts[0];
            continue;
        }
        const struct avro_field *f = s->kind == AVRO_KIND_RECORD ? avro_field_named(s, path->parts[i]) : NULL;
        if (!f)
            return NULL;
        s = f->schema;
    }
    return s;
}

static int request_member(struct schema *s, const struct path *path)
{
    const struct avro_schema *found = schema_at(s->owner, path);
    if (!found)
        return -1;
    return (int)schema_add(s, (struct column){.name = path->parts[path->count - 1], .type = avro_schema_type(found), .origin = COLUMN_MEMBER, .path = *path});
}

static int request_meta(struct schema *s, enum meta_field field)
{
    return (int)schema_add(
        s, (struct column){.name = str_of(meta_field_name(field)), .type = meta_field_type(field), .origin = COLUMN_META, .meta = field});
}

static void add_fields(struct schema *s, const struct avro_schema *record)
{
    for (uint32_t i = 0; i < record->count; i++) {
        struct str *name = arena_new(s->arena, struct str);
        *name = record->fields[i].name;
        if (schema_visible(s, *name) >= 0)
            continue; /* declared: as the pipeline wants it */
        schema_add(s, (struct column){.name = *name,
                                      .type = avro_schema_type(record->fields[i].schema),
                                      .visible = true,
                                      .origin = COLUMN_MEMBER,
                                      .path = {name, 1}});
    }
}

/* Declared columns alone are the event, unless extra members are kept; else the reader's schema is, where there is one; else what comes. */
static bool source_schema(const struct format_options *o, struct schema *s, struct error *err)
{
    bool declared = s->count > 0, extra = s->open || !declared;
    if (!o->avro_schema) {
        if (o->avro_framing != AVRO_CONFLUENT)
            return error_set(err, ERROR_STOP, "avro.framing without a schema registry needs avro.schema: a file with the schema");
        if (!o->avro_registry_url)
            return error_set(err, ERROR_STOP, "format avro needs avro.registry.url, or avro.schema: a file with the schema");
        s->open = extra;
        source_schema_requests(s, TYPE_JSON);
        return true;
    }
    struct str text;
    const struct avro_schema *reader = avro_schema_load(o->avro_schema, s->arena, &text, err);
    if (!reader)
        return false;
    if (reader->kind != AVRO_KIND_RECORD)
        return error_set(err, ERROR_STOP, "%s: an event is a record", o->avro_schema);
    if (extra)
        add_fields(s, reader);
    s->open = false;
    s->owner = (void *)reader;
    s->request = request_member;
    s->request_meta = request_meta;
    return true;
}

const struct format format_avro = {
    .name = "avro",
    .summary = "Apache Avro: messages in the wire format of schema registries, single objects, or bare data.",
    .extension = ".avro",
    .media_type = "avro/binary",
    .source_schema = source_schema,
    .bind_decoder = avro_bind_decoder,
    .prepare = avro_prepare,
    .decode = avro_decode,
    .bind_encoder = avro_bind_encoder,
    .encode = avro_encode,
};
