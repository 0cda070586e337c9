#include "pipeline/codec/avro_program.h"

/* ---- what is wanted ------------------------------------------------------------------------------------------------------ */

static struct avro_want *child_named(struct avro_want *parent, struct str name, struct arena *arena)
{
    struct avro_want **at = &parent->children;
    for (; *at; at = &(*at)->next)
        if (str_eq((*at)->name, name))
            return *at;
    *at = arena_new(arena, struct avro_want);
    (*at)->name = name;
    return *at;
}

struct avro_want *avro_wants(const struct schema *s, struct arena *arena)
{
    struct avro_want *root = arena_new(arena, struct avro_want);
    for (uint32_t c = 0; c < s->count; c++) {
        if (s->columns[c].origin != COLUMN_MEMBER)
            continue;
        struct avro_want *w = root;
        for (uint32_t i = 0; i < s->columns[c].path.count; i++)
            w = child_named(w, s->columns[c].path.parts[i], arena);
        uint32_t *columns = arena_array(arena, uint32_t, w->column_count + 1);
        if (w->column_count)
            memcpy(columns, w->columns, w->column_count * sizeof(*columns));
        columns[w->column_count++] = c;
        w->columns = columns;
    }
    return root;
}

/* ---- compiling ----------------------------------------------------------------------------------------------------------- */

struct compiler {
    struct arena *arena;
    const struct schema *schema;
    struct avro_program *program;
    struct value *presets;
};

static void compile(struct compiler *c, const struct avro_schema *writer, const struct avro_schema *reader, const struct avro_want *w, struct avro_step *out);

static void bad(struct compiler *c, struct avro_step *out, const struct avro_schema *writer, const struct avro_schema *reader, const struct avro_want *w)
{
    char from[128], to[128];
    out->kind = AVRO_STEP_BAD;
    out->why = arena_printf(c->arena, "field \"" STR_FMT "\" was written as %s, which cannot be read as %s", STR_ARG(w->name),
                            avro_schema_title(writer, from), avro_schema_title(reader, to));
}

static bool same_name(const struct avro_schema *writer, const struct avro_schema *reader)
{
    const char *dot = memrchr(writer->name.data, '.', writer->name.len), *other = memrchr(reader->name.data, '.', reader->name.len);
    struct str a = dot ? str_of(dot + 1) : writer->name, b = other ? str_of(other + 1) : reader->name;
    a.len = dot ? writer->name.len - (size_t)(dot + 1 - writer->name.data) : a.len;
    b.len = other ? reader->name.len - (size_t)(other + 1 - reader->name.data) : b.len;
    if (str_eq(a, b))
        return true;
    for (uint32_t i = 0; i < reader->alias_count; i++)
        if (str_eq(reader->aliases[i], writer->name))
            return true;
    return false;
}

/* Can what was written be read so, on its face? What lies inside is seen when it is compiled. */
static bool matches(const struct avro_schema *writer, const struct avro_schema *reader)
{
    switch (writer->kind) {
    case AVRO_KIND_NULL:
    case AVRO_KIND_BOOLEAN:
    case AVRO_KIND_DOUBLE:
    case AVRO_KIND_ARRAY:
    case AVRO_KIND_MAP:
        return reader->kind == writer->kind;
    case AVRO_KIND_INT:
        return reader->kind >= AVRO_KIND_INT && reader->kind <= AVRO_KIND_DOUBLE;
    case AVRO_KIND_LONG:
        return reader->kind >= AVRO_KIND_LONG && reader->kind <= AVRO_KIND_DOUBLE;
    case AVRO_KIND_FLOAT:
        return reader->kind == AVRO_KIND_FLOAT || reader->kind == AVRO_KIND_DOUBLE;
    case AVRO_KIND_BYTES:
    case AVRO_KIND_STRING:
        return reader->kind == AVRO_KIND_BYTES || reader->kind == AVRO_KIND_STRING;
    case AVRO_KIND_RECORD:
    case AVRO_KIND_ENUM:
        return reader->kind == writer->kind && same_name(writer, reader);
    case AVRO_KIND_FIXED:
        return reader->kind == AVRO_KIND_FIXED && reader->size == writer->size && same_name(writer, reader);
    case AVRO_KIND_UNION:
        break;
    }
    return false;
}

/* Of a reader's union the first branch that fits. NULL: none. */
static const struct avro_schema *reader_branch(const struct avro_schema *writer, const struct avro_schema *reader)
{
    if (reader->kind != AVRO_KIND_UNION)
        return matches(writer, reader) ? reader : NULL;
    for (uint32_t i = 0; i < reader->count; i++)
        if (reader->parts[i]->kind == writer->kind && matches(writer, reader->parts[i]))
            return reader->parts[i];
    for (uint32_t i = 0; i < reader->count; i++)
        if (matches(writer, reader->parts[i]))
            return reader->parts[i];
    return NULL;
}

/* The writer's bytes under the reader's meaning: int and long, bytes and string are written alike; the logical type is the reader's. */
static const struct avro_schema *seen_by_reader(struct compiler *c, const struct avro_schema *writer, const struct avro_schema *reader)
{
    bool alike = writer->kind == reader->kind || (writer->kind == AVRO_KIND_INT && reader->kind == AVRO_KIND_LONG) ||
                 (writer->kind <= AVRO_KIND_STRING && writer->kind >= AVRO_KIND_BYTES && reader->kind >= AVRO_KIND_BYTES);
    if (!alike || writer->kind >= AVRO_KIND_RECORD)
        return writer;
    struct avro_schema *s = arena_new(c->arena, struct avro_schema);
    *s = *writer;
    s->kind = reader->kind;
    s->logical = reader->logical;
    s->precision = reader->precision;
    s->scale = reader->scale;
    return s;
}

static void compile_value(struct compiler *c, const struct avro_schema *writer, const struct avro_schema *reader, const struct avro_want *w,
                          struct avro_step *out)
{
    *out = (struct avro_step){.kind = AVRO_STEP_VALUE, .schema = writer, .columns = w->columns, .column_count = w->column_count};
    out->to = c->schema->columns[w->columns[0]].type;
    if (reader) {
        const struct avro_schema *branch = reader_branch(writer, reader);
        if (!branch) {
            bad(c, out, writer, reader, w);
            return;
        }
        out->schema = seen_by_reader(c, writer, branch);
        out->reader = branch;
    }
    out->from = avro_schema_type(out->schema);
    if (out->to.id == TYPE_JSON)
        out->conversion = AVRO_AS_JSON;
    else if (out->reader && out->reader->kind == AVRO_KIND_ENUM)
        out->conversion = AVRO_SYMBOL;
    else if (writer->kind == AVRO_KIND_NULL || (out->from.id == out->to.id && out->to.precision < 0) || (reader && out->from.id == out->to.id))
        out->conversion = AVRO_AS_IT_IS;
    else
        out->conversion = AVRO_CAST;
}

static bool is_called(const struct avro_field *writer, struct str name, const struct avro_field *reader)
{
    if (str_eq(writer->name, name))
        return true;
    for (uint32_t i = 0; reader && i < reader->alias_count; i++)
        if (str_eq(reader->aliases[i], writer->name))
            return true;
    return false;
}

static const struct avro_schema *as_record(const struct avro_schema *reader)
{
    const struct avro_schema *s = reader ? avro_schema_unwrap(reader, NULL) : NULL;
    return s && s->kind == AVRO_KIND_RECORD ? s : NULL;
}

/* Wanted, but not written: the reader's default, if there is one. */
static void preset(struct compiler *c, const struct avro_field *f, const struct avro_want *w)
{
    struct value v = value_null();
    if (f && f->preset.len) {
        struct buffer datum = {0};
        /* A union's default is one of its first branch. */
        bool good = avro_write_json(f->schema, f->preset, &datum);
        struct str copy = arena_str(c->arena, (struct str){datum.data, datum.len});
        struct avro_reader r = avro_reader_of(copy);
        good = good && avro_read_value(&r, f->schema, c->arena, &v);
        buffer_release(&datum);
        if (!good)
            c->program->error = arena_printf(c->arena, "the default of field \"" STR_FMT "\" does not fit its type", STR_ARG(f->name));
    } else if (f) {
        c->program->error = arena_printf(c->arena, "field \"" STR_FMT "\" is not in the writer's schema, and has no default in the reader's", STR_ARG(f->name));
    }
    for (uint32_t i = 0; i < w->column_count; i++)
        c->presets[w->columns[i]] = v;
}

static void compile_record(struct compiler *c, const struct avro_schema *writer, const struct avro_schema *reader, const struct avro_want *w,
                           struct avro_step *out)
{
    const struct avro_schema *record = as_record(reader);
    *out = (struct avro_step){.kind = AVRO_STEP_RECORD, .schema = writer, .columns = w->columns, .column_count = w->column_count, .count = writer->count,
                              .from = TYPE(TYPE_JSONB), .parts = arena_array(c->arena, struct avro_step, writer->count)};
    if (w->column_count)
        out->to = c->schema->columns[w->columns[0]].type;
    for (uint32_t i = 0; i < writer->count; i++)
        out->parts[i] = (struct avro_step){.kind = AVRO_STEP_SKIP, .schema = writer->fields[i].schema};
    for (const struct avro_want *child = w->children; child; child = child->next) {
        const struct avro_field *f = record ? avro_field_named(record, child->name) : NULL;
        bool written = false;
        for (uint32_t i = 0; i < writer->count && !written; i++)
            if (is_called(&writer->fields[i], child->name, f)) {
                compile(c, writer->fields[i].schema, f ? f->schema : NULL, child, &out->parts[i]);
                written = true;
            }
        if (!written)
            preset(c, f, child);
    }
}

static void compile_map(struct compiler *c, const struct avro_schema *writer, const struct avro_schema *reader, const struct avro_want *w,
                        struct avro_step *out)
{
    const struct avro_schema *map = reader ? avro_schema_unwrap(reader, NULL) : NULL;
    uint32_t n = 0;
    for (const struct avro_want *child = w->children; child; child = child->next)
        n++;
    *out = (struct avro_step){.kind = AVRO_STEP_MAP, .schema = writer, .columns = w->columns, .column_count = w->column_count, .count = n, .from = TYPE(TYPE_JSONB),
                              .parts = arena_array(c->arena, struct avro_step, n), .names = arena_array(c->arena, struct str, n)};
    if (w->column_count)
        out->to = c->schema->columns[w->columns[0]].type;
    n = 0;
    for (const struct avro_want *child = w->children; child; child = child->next, n++) {
        out->names[n] = child->name;
        compile(c, writer->parts[0], map && map->kind == AVRO_KIND_MAP ? map->parts[0] : NULL, child, &out->parts[n]);
    }
}

static void compile(struct compiler *c, const struct avro_schema *writer, const struct avro_schema *reader, const struct avro_want *w, struct avro_step *out)
{
    if (writer->kind == AVRO_KIND_UNION) {
        *out = (struct avro_step){.kind = AVRO_STEP_UNION, .schema = writer, .count = writer->count, .parts = arena_array(c->arena, struct avro_step, writer->count)};
        for (uint32_t i = 0; i < writer->count; i++)
            compile(c, writer->parts[i], reader, w, &out->parts[i]);
    } else if (w->children && writer->kind == AVRO_KIND_RECORD) {
        compile_record(c, writer, reader, w, out);
    } else if (w->children && writer->kind == AVRO_KIND_MAP) {
        compile_map(c, writer, reader, w, out);
    } else if (w->column_count) {
        compile_value(c, writer, reader, w, out);
    } else {
        *out = (struct avro_step){.kind = AVRO_STEP_SKIP, .schema = writer};
    }
}

void avro_program_new(const struct avro_schema *writer, const struct avro_schema *reader, const struct schema *s, const struct avro_want *wants,
                      struct arena *arena, struct avro_program *out)
{
    struct compiler c = {.arena = arena, .schema = s, .program = out, .presets = arena_array(arena, struct value, s->count + 1)};
    memset(c.presets, 0, (s->count + 1) * sizeof(struct value));
    *out = (struct avro_program){.writer = writer, .presets = c.presets};
    char title[128];
    if (writer->kind != AVRO_KIND_RECORD)
        out->error = arena_printf(arena, "not an event: a record is expected, not %s", avro_schema_title(writer, title));
    else
        compile_record(&c, writer, reader, wants, &out->root);
    for (uint32_t i = 0; !out->error && i < out->root.count; i++)
        if (out->root.parts[i].kind == AVRO_STEP_BAD)
            out->error = out->root.parts[i].why;
}
