/*
 * A JSON schema (draft 2020-12) of pipeline.toml, for editors: from the option tables. Options with dots are nested
 * objects. Every value may also be a text with ${…} in it.
 */
#include <stdio.h>

#include "pipeline/cli/catalog.h"
#include "pipeline/cli/command.h"
#include "pipeline/engine/config_document.h"
#include "pipeline/event/convert.h"

enum { MOST_GROUPS = 4 };

/* Tables of options that together make one object. */
struct object {
    const struct option *groups[MOST_GROUPS];
    uint32_t count;
};

static void print_string(struct buffer *out, const char *text)
{
    buffer_add_byte(out, '"');
    json_escape(out, str_of(text));
    buffer_add_byte(out, '"');
}

static void print_member(struct buffer *out, bool *first, const char *key)
{
    if (!*first)
        buffer_add_byte(out, ',');
    *first = false;
    print_string(out, key);
    buffer_add_byte(out, ':');
}

/* ---- one option -------------------------------------------------------------------------------------------------- */

#define INTERPOLATED "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}"

static void print_bounds(const struct option *o, struct buffer *out)
{
    if (o->min || o->max)
        buffer_printf(out, ",\"minimum\":%lld", (long long)o->min);
    if (o->max && o->max != INT64_MAX)
        buffer_printf(out, ",\"maximum\":%lld", (long long)o->max);
}

static void print_choices(const struct option *o, struct buffer *out)
{
    buffer_printf(out, "\"anyOf\":[{\"enum\":[");
    for (const struct option_choice *c = o->choices; c->name; c++) {
        if (c != o->choices)
            buffer_add_byte(out, ',');
        print_string(out, c->name);
        if (strcmp(c->name, "true") == 0 || strcmp(c->name, "false") == 0)
            buffer_printf(out, ",%s", c->name);
    }
    buffer_printf(out, "]}," INTERPOLATED "]");
}

static void print_kind(const struct option *o, struct buffer *out)
{
    switch (o->kind) {
    case OPTION_TEXT:
    case OPTION_SECRET:
        buffer_printf(out, "\"type\":[\"string\",\"number\"]");
        break;
    case OPTION_PATH:
        buffer_printf(out, "\"type\":\"string\"");
        break;
    case OPTION_BOOL:
        buffer_printf(out, "\"anyOf\":[{\"type\":\"boolean\"}," INTERPOLATED "]");
        break;
    case OPTION_INTEGER:
    case OPTION_NUMBER:
        buffer_printf(out, "\"anyOf\":[{\"type\":\"%s\"", o->kind == OPTION_INTEGER ? "integer" : "number");
        print_bounds(o, out);
        buffer_printf(out, "}," INTERPOLATED "]");
        break;
    case OPTION_SIZE:
        buffer_printf(out, "\"anyOf\":[{\"type\":\"integer\"");
        print_bounds(o, out);
        buffer_printf(out,
                      "},{\"type\":\"string\",\"pattern\":\"^[0-9.]+ *[KkMmGgTt]?[Ii]?[Bb]?$\"}," INTERPOLATED "]");
        break;
    case OPTION_DURATION:
        buffer_printf(out, "\"anyOf\":[{\"const\":0},{\"type\":\"string\",\"pattern\":"
                           "\"^(0|([0-9.]+ *(us|µs|ms|s|m|h|d) *)+)$\"}," INTERPOLATED "]");
        break;
    case OPTION_CHOICE:
        print_choices(o, out);
        break;
    case OPTION_LIST:
    case OPTION_PATHS:
        buffer_printf(
            out, "\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":[\"string\",\"number\"]}}]");
        break;
    case OPTION_TABLE:
        buffer_printf(out, "\"type\":\"object\"");
        break;
    }
}

static void print_option(const struct option *o, struct buffer *out)
{
    buffer_add_byte(out, '{');
    if (o->doc) {
        buffer_printf(out, "\"description\":");
        print_string(out, o->doc);
        buffer_add_byte(out, ',');
    }
    if (o->preset && *o->preset && strcmp(o->preset, "-1") != 0) {
        buffer_printf(out, "\"default\":");
        print_string(out, o->preset);
        buffer_add_byte(out, ',');
    }
    print_kind(o, out);
    buffer_add_byte(out, '}');
}

/* ---- objects: names with dots nest ------------------------------------------------------------------------------- */

/* The part of a name below `prefix` ("retry." of "retry.first" gives "first"), or NULL. */
static const char *below(const char *name, const char *prefix, size_t len)
{
    return strncmp(name, prefix, len) == 0 ? name + len : NULL;
}

/* Has an earlier option of the object the same next part? Then that one has printed it. */
static bool is_repeated(const struct object *object, uint32_t group, const struct option *o, const char *prefix,
                        size_t len)
{
    const char *part = o->name + len;
    size_t part_len = strcspn(part, ".");
    for (uint32_t g = 0; g <= group; g++)
        for (const struct option *other = object->groups[g]; other->name; other++) {
            if (other == o)
                return false;
            const char *rest = below(other->name, prefix, len);
            if (rest && strcspn(rest, ".") == part_len && strncmp(rest, part, part_len) == 0)
                return true;
        }
    return false;
}

static void print_properties(const struct object *object, const char *prefix, bool *first, struct buffer *out)
{
    size_t len = strlen(prefix);
    for (uint32_t g = 0; g < object->count; g++)
        for (const struct option *o = object->groups[g]; o->name; o++) {
            const char *part = below(o->name, prefix, len);
            if (!part || is_repeated(object, g, o, prefix, len))
                continue;
            char key[128];
            size_t part_len = strcspn(part, ".");
            snprintf(key, sizeof key, "%.*s", (int)part_len, part);
            print_member(out, first, key);
            if (part[part_len] == '\0') {
                print_option(o, out);
                continue;
            }
            char inner[160];
            snprintf(inner, sizeof inner, "%.*s", (int)(len + part_len + 1), o->name);
            bool inner_first = true;
            buffer_printf(out, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
            print_properties(object, inner, &inner_first, out);
            buffer_printf(out, "}}");
        }
}

/* `required` so far: what the caller wants besides the options. */
static void print_required(const struct object *object, bool first, struct buffer *out)
{
    for (uint32_t g = 0; g < object->count; g++)
        for (const struct option *o = object->groups[g]; o->name; o++)
            if (o->required && !strchr(o->name, '.')) {
                if (!first)
                    buffer_add_byte(out, ',');
                first = false;
                print_string(out, o->name);
            }
}

static void print_table(const struct option *options, struct buffer *out)
{
    struct object object = {.groups = {options}, .count = 1};
    bool first = true;
    buffer_printf(out, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    print_properties(&object, "", &first, out);
    buffer_printf(out, "},\"required\":[");
    print_required(&object, true, out);
    buffer_printf(out, "]}");
}

/* ---- components -------------------------------------------------------------------------------------------------- */

static struct object object_of(enum component_kind kind, const struct component_type *type)
{
    struct object object = {0};
    if (type->options)
        object.groups[object.count++] = type->options;
    if (kind != COMPONENT_TRANSFORM) {
        object.groups[object.count++] = kind == COMPONENT_SOURCE ? source_common_options : sink_common_options;
        if (type->has_format) {
            object.groups[object.count++] = kind == COMPONENT_SOURCE ? source_format_options : sink_format_options;
            object.groups[object.count++] = format_options;
        }
    }
    return object;
}

static void print_component(enum component_kind kind, const struct component_type *type, bool dead_letter,
                            struct buffer *out)
{
    struct object object = object_of(kind, type);
    bool first = true;
    /* A connection may give what is required: only editors that know it could tell, so nothing but the type is. */
    buffer_printf(out, "{\"description\":");
    print_string(out, type->summary);
    buffer_printf(out, ",\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    print_member(out, &first, "type");
    buffer_printf(out, "{\"const\":");
    print_string(out, type->name);
    buffer_printf(out, "},\"connection\":{\"type\":\"string\"}");
    if (kind != COMPONENT_SOURCE && !dead_letter)
        buffer_printf(
            out,
            ",\"inputs\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":{\"type\":\"string\"}}]}");
    if (dead_letter) {
        struct object limits = {.groups = {dead_letter_common_options}, .count = 1};
        print_properties(&limits, "", &first, out);
    }
    print_properties(&object, "", &first, out);
    buffer_printf(out, "}");
    if (!dead_letter)
        buffer_printf(out, ",\"required\":[\"type\"%s]", kind == COMPONENT_SOURCE ? "" : ",\"inputs\"");
    buffer_printf(out, "}");
}

static void print_one_of(enum component_kind kind, bool dead_letter, struct buffer *out)
{
    const struct component_type *type;
    buffer_printf(out, "{\"anyOf\":[");
    for (uint32_t i = 0; (type = catalog_type(&catalog, kind, i)); i++) {
        if (i)
            buffer_add_byte(out, ',');
        print_component(kind, type, dead_letter, out);
    }
    buffer_printf(out, "]}");
}

static int schema(const struct command *c, const void *args, const struct text_list *operands)
{
    (void)c, (void)args, (void)operands;
    struct buffer out = {0};
    buffer_printf(
        &out,
        "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"pipeline.toml\",\"type\":\"object\","
        "\"additionalProperties\":false,\"required\":[\"pipeline\",\"sources\",\"sinks\"],\"properties\":{"
        "\"pipeline\":");
    print_table(pipeline_options, &out);
    buffer_printf(&out, ",\"admin\":");
    print_table(admin_options, &out);
    buffer_printf(&out, ",\"connections\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}}");
    for (enum component_kind kind = COMPONENT_SOURCE; kind <= COMPONENT_SINK; kind++) {
        buffer_printf(&out,
                      ",\"%s\":{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[a-z0-9][a-z0-9_-]*$\"},"
                      "\"additionalProperties\":",
                      component_section_name(kind));
        print_one_of(kind, false, &out);
        buffer_add_byte(&out, '}');
    }
    buffer_printf(&out, ",\"dead_letter\":");
    print_one_of(COMPONENT_SINK, true, &out);
    buffer_printf(&out, "}}\n");
    return command_output(&out);
}

const struct command command_schema = {
    .name = "schema",
    .summary = "Print the JSON schema of pipeline.toml, for editors.",
    .usage = "",
    .run = schema,
};
