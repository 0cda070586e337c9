#include "pipeline/codec/avro_schema.h"

#include <stdarg.h>
#include <stdio.h>

#include "pipeline/codec/json.h"

enum { MOST_DEPTH = 64, MOST_FIXED = 1 << 20 };

static const char *const kind_names[] = {
    "null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum", "array", "map", "union", "fixed",
};
enum { PRIMITIVES = AVRO_KIND_STRING + 1, KINDS = sizeof(kind_names) / sizeof(kind_names[0]) };

static const struct logical_type {
    const char *name;
    enum avro_logical logical;
    enum avro_kind kind;
} logical_types[] = {
    {"decimal", AVRO_DECIMAL, AVRO_KIND_BYTES},
    {"decimal", AVRO_DECIMAL, AVRO_KIND_FIXED},
    {"uuid", AVRO_UUID, AVRO_KIND_STRING},
    {"date", AVRO_DATE, AVRO_KIND_INT},
    {"time-millis", AVRO_TIME_MILLIS, AVRO_KIND_INT},
    {"time-micros", AVRO_TIME_MICROS, AVRO_KIND_LONG},
    {"timestamp-millis", AVRO_TIMESTAMP_MILLIS, AVRO_KIND_LONG},
    {"timestamp-micros", AVRO_TIMESTAMP_MICROS, AVRO_KIND_LONG},
    {"local-timestamp-millis", AVRO_LOCAL_MILLIS, AVRO_KIND_LONG},
    {"local-timestamp-micros", AVRO_LOCAL_MICROS, AVRO_KIND_LONG},
};

const char *avro_schema_title(const struct avro_schema *s, char out[128])
{
    const char *logical = NULL;
    for (size_t i = 0; i < sizeof(logical_types) / sizeof(logical_types[0]); i++)
        if (s->logical != AVRO_PLAIN && logical_types[i].logical == s->logical)
            logical = logical_types[i].name;
    if (s->name.len)
        snprintf(out, 128, "%s " STR_FMT, kind_names[s->kind], STR_ARG(s->name));
    else if (logical)
        snprintf(out, 128, "%s (%s)", kind_names[s->kind], logical);
    else
        return kind_names[s->kind];
    return out;
}

/* ---- parsing ------------------------------------------------------------------------------------------------------------ */

struct named {
    struct named *next;
    const struct avro_schema *schema;
};

struct parser {
    struct arena *arena;
    struct named *named;
    struct error *err;
    unsigned depth;
};

static const struct avro_schema *parse(struct parser *p, struct str json, struct str space);

static const struct avro_schema *fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const struct avro_schema *fail(struct parser *p, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_set(p->err, ERROR_STOP, "%s", text);
    return NULL;
}

/* The last member of that name, as JSON; "" where it is missing. */
static struct str member(struct str object, const char *name)
{
    struct json_members m;
    struct str key, value, found = STR("");
    bool escaped;
    if (json_object_open(&m, object))
        while (json_object_next(&m, &key, &escaped, &value))
            if (!escaped && str_eq(key, str_of(name)))
                found = value;
    return found;
}

/* A JSON string's characters in the arena; false: it is none. */
static bool text_of(struct parser *p, struct str json, struct str *out)
{
    struct error err;
    struct value v = json.len ? json_to_value(json) : value_null();
    if (v.kind != VALUE_TEXT || !value_unescape(p->arena, &v, &err))
        return false;
    *out = arena_str(p->arena, value_str(v));
    return true;
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(c >= '0' && c <= '9' && i > 0))
            return false;
    }
    return s.len > 0;
}

static struct str qualified(struct parser *p, struct str name, struct str space)
{
    if (space.len == 0 || memchr(name.data, '.', name.len))
        return name;
    return str_of(arena_printf(p->arena, STR_FMT "." STR_FMT, STR_ARG(space), STR_ARG(name)));
}

static struct str space_of(struct str full_name)
{
    const char *dot = memrchr(full_name.data, '.', full_name.len);
    return dot ? (struct str){full_name.data, (size_t)(dot - full_name.data)} : STR("");
}

static uint32_t count_elements(struct str array)
{
    struct json_members m;
    struct str element;
    uint32_t n = 0;
    if (json_array_open(&m, array))
        while (json_array_next(&m, &element))
            n++;
    return n;
}

/* "aliases": names, which stand in the same namespace where `space` is given. */
static bool parse_names(struct parser *p, struct str array, struct str space, struct str **names, uint32_t *count)
{
    struct json_members m;
    struct str element;
    *names = arena_array(p->arena, struct str, count_elements(array));
    *count = 0;
    if (array.len == 0)
        return true;
    if (!json_array_open(&m, array))
        return false;
    while (json_array_next(&m, &element)) {
        if (!text_of(p, element, &(*names)[*count]))
            return false;
        (*names)[*count] = qualified(p, (*names)[*count], space);
        ++*count;
    }
    return true;
}

static struct avro_schema *new_schema(struct parser *p, enum avro_kind kind)
{
    struct avro_schema *s = arena_new(p->arena, struct avro_schema);
    s->kind = kind;
    return s;
}

static const struct avro_schema *find_named(const struct parser *p, struct str name)
{
    for (const struct named *n = p->named; n; n = n->next)
        if (str_eq(n->schema->name, name))
            return n->schema;
    return NULL;
}

/* A type given by its name alone. */
static const struct avro_schema *parse_reference(struct parser *p, struct str name, struct str space)
{
    for (int k = 0; k < PRIMITIVES; k++)
        if (str_eq(name, str_of(kind_names[k])))
            return new_schema(p, (enum avro_kind)k);
    const struct avro_schema *found = find_named(p, qualified(p, name, space));
    if (!found)
        found = find_named(p, name);
    return found ? found : fail(p, "unknown type \"" STR_FMT "\"", STR_ARG(name));
}

static const struct avro_schema *parse_union(struct parser *p, struct str json, struct str space)
{
    struct json_members m;
    struct str element;
    struct avro_schema *s = new_schema(p, AVRO_KIND_UNION);
    s->parts = arena_array(p->arena, const struct avro_schema *, count_elements(json));
    json_array_open(&m, json);
    while (json_array_next(&m, &element)) {
        const struct avro_schema *branch = parse(p, element, space);
        if (!branch)
            return NULL;
        if (branch->kind == AVRO_KIND_UNION)
            return fail(p, "a union may not stand directly in another one");
        s->parts[s->count++] = branch;
    }
    return s->count ? s : fail(p, "a union needs at least one branch");
}

/* Name, namespace and aliases of a named type, which may refer to itself from here on. */
static bool declare(struct parser *p, struct avro_schema *s, struct str json, struct str space)
{
    struct str name, own = STR("");
    if (!text_of(p, member(json, "name"), &name)) {
        fail(p, "%s needs a name", kind_names[s->kind]);
        return false;
    }
    if (text_of(p, member(json, "namespace"), &own))
        space = own;
    s->name = qualified(p, name, space);
    struct str last = {s->name.data + space_of(s->name).len, s->name.len - space_of(s->name).len};
    if (last.len && last.data[0] == '.')
        last = (struct str){last.data + 1, last.len - 1};
    if (!is_name(last)) {
        fail(p, "\"" STR_FMT "\" is no name of a type: letters, digits and _, not beginning with a digit", STR_ARG(s->name));
        return false;
    }
    if (find_named(p, s->name)) {
        fail(p, "type \"" STR_FMT "\" is declared twice", STR_ARG(s->name));
        return false;
    }
    if (!parse_names(p, member(json, "aliases"), space_of(s->name), &s->aliases, &s->alias_count)) {
        fail(p, "aliases of \"" STR_FMT "\" must be a list of names", STR_ARG(s->name));
        return false;
    }
    struct named *n = arena_new(p->arena, struct named);
    *n = (struct named){p->named, s};
    p->named = n;
    return true;
}

static bool parse_field(struct parser *p, struct avro_schema *record, struct str json)
{
    struct avro_field *f = &record->fields[record->count];
    *f = (struct avro_field){.preset = arena_str(p->arena, member(json, "default"))};
    if (!text_of(p, member(json, "name"), &f->name) || !is_name(f->name))
        return fail(p, "field %u of \"" STR_FMT "\" needs a name", record->count + 1, STR_ARG(record->name)) != NULL;
    if (avro_field_named(record, f->name))
        return fail(p, "field \"" STR_FMT "\" is there twice", STR_ARG(f->name)) != NULL;
    if (!parse_names(p, member(json, "aliases"), STR(""), &f->aliases, &f->alias_count))
        return fail(p, "field \"" STR_FMT "\": aliases must be a list of names", STR_ARG(f->name)) != NULL;
    struct str type = member(json, "type");
    if (type.len == 0)
        return fail(p, "field \"" STR_FMT "\" needs a type", STR_ARG(f->name)) != NULL;
    f->schema = parse(p, type, space_of(record->name));
    if (!f->schema)
        return error_wrap(p->err, "field \"" STR_FMT "\"", STR_ARG(f->name));
    record->count++;
    return true;
}

static const struct avro_schema *parse_record(struct parser *p, struct str json, struct str space)
{
    struct json_members m;
    struct str element, fields = member(json, "fields");
    struct avro_schema *s = new_schema(p, AVRO_KIND_RECORD);
    if (!declare(p, s, json, space))
        return NULL;
    if (!json_array_open(&m, fields))
        return fail(p, "record \"" STR_FMT "\" needs a list of fields", STR_ARG(s->name));
    s->fields = arena_array(p->arena, struct avro_field, count_elements(fields));
    while (json_array_next(&m, &element))
        if (!parse_field(p, s, element))
            return NULL;
    return s;
}

static const struct avro_schema *parse_enum(struct parser *p, struct str json, struct str space)
{
    struct avro_schema *s = new_schema(p, AVRO_KIND_ENUM);
    if (!declare(p, s, json, space))
        return NULL;
    if (!parse_names(p, member(json, "symbols"), STR(""), &s->symbols, &s->count) || s->count == 0)
        return fail(p, "enum \"" STR_FMT "\" needs a list of symbols", STR_ARG(s->name));
    text_of(p, member(json, "default"), &s->preset);
    return s;
}

static bool whole_number(struct str json, int64_t most, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < json.len; i++) {
        if (json.data[i] < '0' || json.data[i] > '9' || *out > most)
            return false;
        *out = *out * 10 + (json.data[i] - '0');
    }
    return json.len > 0 && *out <= most;
}

static const struct avro_schema *parse_fixed(struct parser *p, struct str json, struct str space)
{
    struct avro_schema *s = new_schema(p, AVRO_KIND_FIXED);
    int64_t size;
    if (!declare(p, s, json, space))
        return NULL;
    if (!whole_number(member(json, "size"), MOST_FIXED, &size))
        return fail(p, "fixed \"" STR_FMT "\" needs a size up to %d", STR_ARG(s->name), MOST_FIXED);
    s->size = (uint32_t)size;
    return s;
}

static const struct avro_schema *parse_items(struct parser *p, struct str json, struct str space, enum avro_kind kind)
{
    struct avro_schema *s = new_schema(p, kind);
    struct str items = member(json, kind == AVRO_KIND_ARRAY ? "items" : "values");
    if (items.len == 0)
        return fail(p, "%s needs %s", kind_names[kind], kind == AVRO_KIND_ARRAY ? "items" : "values");
    s->parts = arena_array(p->arena, const struct avro_schema *, 1);
    s->parts[0] = parse(p, items, space);
    s->count = 1;
    return s->parts[0] ? s : NULL;
}

/* What a decimal of so many bytes can hold, in digits. */
static int64_t digits_that_fit(uint32_t bytes)
{
    return (int64_t)((bytes * 8.0 - 1) * 0.30102999566398120);
}

static void add_logical(struct parser *p, struct avro_schema *s, struct str json)
{
    struct str name;
    if (!text_of(p, member(json, "logicalType"), &name))
        return;
    for (size_t i = 0; i < sizeof(logical_types) / sizeof(logical_types[0]); i++)
        if (logical_types[i].kind == s->kind && str_eq(name, str_of(logical_types[i].name)))
            s->logical = logical_types[i].logical;
    if (s->logical != AVRO_DECIMAL)
        return;
    int64_t precision, scale = 0;
    struct str written = member(json, "scale");
    bool good = whole_number(member(json, "precision"), 1000, &precision) && precision > 0 &&
                (written.len == 0 || whole_number(written, precision, &scale)) &&
                (s->kind != AVRO_KIND_FIXED || precision <= digits_that_fit(s->size));
    s->logical = good ? AVRO_DECIMAL : AVRO_PLAIN;
    s->precision = good ? (int32_t)precision : 0;
    s->scale = good ? (int32_t)scale : 0;
}

static const struct avro_schema *parse_object(struct parser *p, struct str json, struct str space)
{
    struct str type = member(json, "type"), name;
    if (type.len == 0)
        return fail(p, "a schema needs a type");
    if (!text_of(p, type, &name))
        return parse(p, type, space);
    const struct avro_schema *s;
    if (str_eq(name, STR("record")) || str_eq(name, STR("error")))
        s = parse_record(p, json, space);
    else if (str_eq(name, STR("enum")))
        s = parse_enum(p, json, space);
    else if (str_eq(name, STR("fixed")))
        s = parse_fixed(p, json, space);
    else if (str_eq(name, STR("array")))
        s = parse_items(p, json, space, AVRO_KIND_ARRAY);
    else if (str_eq(name, STR("map")))
        s = parse_items(p, json, space, AVRO_KIND_MAP);
    else
        s = parse_reference(p, name, space);
    if (s && (s->kind <= AVRO_KIND_STRING || s->kind == AVRO_KIND_FIXED))
        add_logical(p, (struct avro_schema *)s, json); /* made just now: a reference to a fixed type has no logicalType of its own */
    return s;
}

static const struct avro_schema *parse(struct parser *p, struct str json, struct str space)
{
    struct str name;
    if (++p->depth > MOST_DEPTH)
        return fail(p, "nested deeper than %d levels", MOST_DEPTH);
    const struct avro_schema *s;
    if (json.data[0] == '[')
        s = parse_union(p, json, space);
    else if (json.data[0] == '{')
        s = parse_object(p, json, space);
    else if (text_of(p, json, &name))
        s = parse_reference(p, name, space);
    else
        s = fail(p, "a schema is a name, an object or a list, not " STR_FMT, (int)(json.len < 40 ? json.len : 40), json.data);
    p->depth--;
    return s;
}

const struct avro_schema *avro_schema_parse(struct str json, struct arena *arena, struct error *err)
{
    struct parser p = {.arena = arena, .err = err};
    size_t offset;
    const char *why;
    if (!json_validate(json, 2 * MOST_DEPTH, &offset, &why)) {
        /* A primitive may be written without quotes: the registries print it so. */
        for (int k = 0; k < PRIMITIVES; k++)
            if (str_eq(json, str_of(kind_names[k])))
                return new_schema(&p, (enum avro_kind)k);
        error_set(err, ERROR_STOP, "the Avro schema is no JSON: %s at byte %zu", why, offset);
        return NULL;
    }
    while (json.len && (json.data[0] == ' ' || json.data[0] == '\t' || json.data[0] == '\n' || json.data[0] == '\r'))
        json = (struct str){json.data + 1, json.len - 1};
    const struct avro_schema *s = parse(&p, json, STR(""));
    if (!s)
        error_wrap(err, "Avro schema");
    return s;
}

/* ---- questions ---------------------------------------------------------------------------------------------------------- */

const struct avro_field *avro_field_named(const struct avro_schema *record, struct str name)
{
    for (uint32_t i = 0; i < record->count; i++)
        if (str_eq(record->fields[i].name, name))
            return &record->fields[i];
    return NULL;
}

const struct avro_schema *avro_schema_unwrap(const struct avro_schema *s, bool *nullable)
{
    if (nullable)
        *nullable = s->kind == AVRO_KIND_NULL;
    if (s->kind != AVRO_KIND_UNION)
        return s;
    const struct avro_schema *other = NULL;
    uint32_t others = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->parts[i]->kind != AVRO_KIND_NULL) {
            other = s->parts[i];
            others++;
        } else if (nullable) {
            *nullable = true;
        }
    return others == 1 ? other : s;
}

static struct type logical_type(const struct avro_schema *s)
{
    switch (s->logical) {
    case AVRO_PLAIN:
        break;
    case AVRO_DECIMAL:
        return (struct type){.id = TYPE_NUMERIC, .precision = s->precision, .scale = (int16_t)s->scale};
    case AVRO_UUID:
        return TYPE(TYPE_UUID);
    case AVRO_DATE:
        return TYPE(TYPE_DATE);
    case AVRO_TIME_MILLIS:
    case AVRO_TIME_MICROS:
        return TYPE(TYPE_TEXT); /* there is no type time */
    case AVRO_TIMESTAMP_MILLIS:
    case AVRO_TIMESTAMP_MICROS:
        return TYPE(TYPE_TIMESTAMPTZ);
    case AVRO_LOCAL_MILLIS:
    case AVRO_LOCAL_MICROS:
        return TYPE(TYPE_TIMESTAMP);
    }
    return TYPE(TYPE_UNKNOWN);
}

struct type avro_schema_type(const struct avro_schema *s)
{
    s = avro_schema_unwrap(s, NULL);
    if (s->logical != AVRO_PLAIN)
        return logical_type(s);
    switch (s->kind) {
    case AVRO_KIND_BOOLEAN:
        return TYPE(TYPE_BOOLEAN);
    case AVRO_KIND_INT:
        return TYPE(TYPE_INTEGER);
    case AVRO_KIND_LONG:
        return TYPE(TYPE_BIGINT);
    case AVRO_KIND_FLOAT:
        return TYPE(TYPE_REAL);
    case AVRO_KIND_DOUBLE:
        return TYPE(TYPE_DOUBLE);
    case AVRO_KIND_BYTES:
    case AVRO_KIND_FIXED:
        return TYPE(TYPE_BYTEA);
    case AVRO_KIND_NULL:
    case AVRO_KIND_STRING:
    case AVRO_KIND_ENUM:
        return TYPE(TYPE_TEXT);
    case AVRO_KIND_RECORD:
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
    case AVRO_KIND_UNION:
        break;
    }
    return TYPE(TYPE_JSONB);
}
