#include "pipeline/codec/avro_schema.h"
#include "pipeline/event/convert.h"

/* ---- the parsing canonical form ------------------------------------------------------------------------------------------ */

/* Named types that have been written out: later uses are names. Schemas are small: a list will do. */
struct seen {
    struct seen *next;
    const struct avro_schema *schema;
};

static void add_text(struct buffer *out, struct str s)
{
    buffer_add_byte(out, '"');
    json_escape(out, s);
    buffer_add_byte(out, '"');
}

static void print(const struct avro_schema *s, struct seen **seen, struct arena *arena, struct buffer *out);

static void print_fields(const struct avro_schema *s, struct seen **seen, struct arena *arena, struct buffer *out)
{
    for (uint32_t i = 0; i < s->count; i++) {
        buffer_printf(out, "%s{\"name\":", i ? "," : "");
        add_text(out, s->fields[i].name);
        buffer_add_str(out, STR(",\"type\":"));
        print(s->fields[i].schema, seen, arena, out);
        buffer_add_byte(out, '}');
    }
}

static void print_named(const struct avro_schema *s, struct seen **seen, struct arena *arena, struct buffer *out)
{
    for (const struct seen *x = *seen; x; x = x->next)
        if (x->schema == s) {
            add_text(out, s->name);
            return;
        }
    struct seen *now = arena_new(arena, struct seen);
    *now = (struct seen){*seen, s};
    *seen = now;
    buffer_add_str(out, STR("{\"name\":"));
    add_text(out, s->name);
    if (s->kind == AVRO_KIND_RECORD) {
        buffer_add_str(out, STR(",\"type\":\"record\",\"fields\":["));
        print_fields(s, seen, arena, out);
        buffer_add_str(out, STR("]}"));
    } else if (s->kind == AVRO_KIND_ENUM) {
        buffer_add_str(out, STR(",\"type\":\"enum\",\"symbols\":["));
        for (uint32_t i = 0; i < s->count; i++) {
            buffer_add_str(out, i ? STR(",") : STR(""));
            add_text(out, s->symbols[i]);
        }
        buffer_add_str(out, STR("]}"));
    } else {
        buffer_printf(out, ",\"type\":\"fixed\",\"size\":%u}", s->size);
    }
}

static void print(const struct avro_schema *s, struct seen **seen, struct arena *arena, struct buffer *out)
{
    char title[128];
    switch (s->kind) {
    case AVRO_KIND_RECORD:
    case AVRO_KIND_ENUM:
    case AVRO_KIND_FIXED:
        print_named(s, seen, arena, out);
        return;
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
        buffer_add_str(out, s->kind == AVRO_KIND_ARRAY ? STR("{\"type\":\"array\",\"items\":") : STR("{\"type\":\"map\",\"values\":"));
        print(s->parts[0], seen, arena, out);
        buffer_add_byte(out, '}');
        return;
    case AVRO_KIND_UNION:
        for (uint32_t i = 0; i < s->count; i++) {
            buffer_add_byte(out, i ? ',' : '[');
            print(s->parts[i], seen, arena, out);
        }
        buffer_add_byte(out, ']');
        return;
    case AVRO_KIND_NULL:
    case AVRO_KIND_BOOLEAN:
    case AVRO_KIND_INT:
    case AVRO_KIND_LONG:
    case AVRO_KIND_FLOAT:
    case AVRO_KIND_DOUBLE:
    case AVRO_KIND_BYTES:
    case AVRO_KIND_STRING: {
        struct avro_schema bare = {.kind = s->kind};
        add_text(out, str_of(avro_schema_title(&bare, title)));
        return;
    }
    }
}

void avro_schema_canonical(const struct avro_schema *s, struct buffer *out)
{
    struct arena arena = ARENA_INIT;
    struct seen *seen = NULL;
    print(s, &seen, &arena, out);
    arena_release(&arena);
}

/* ---- its fingerprint ----------------------------------------------------------------------------------------------------- */

#define RABIN_EMPTY UINT64_C(0xc15d213aa4d7a795)

uint64_t avro_schema_fingerprint(const struct avro_schema *s)
{
    struct buffer text = {0};
    avro_schema_canonical(s, &text);
    uint64_t hash = RABIN_EMPTY;
    for (size_t i = 0; i < text.len; i++) {
        hash ^= (unsigned char)text.data[i];
        for (int bit = 0; bit < 8; bit++)
            hash = hash >> 1 ^ (hash & 1 ? RABIN_EMPTY : 0);
    }
    buffer_release(&text);
    return hash;
}
