#include <limits.h>
#include <stdlib.h>

#include "connectors/object/object_private.h"
#include "connectors/object/targets.h"
#include "pipeline/engine/formatted.h"
#include "pipeline/sql/sql.h"

/* What a binding compiles to. */
struct object_program {
    struct encoder *encoder;
    struct sql_template *path; /* NULL: all into one object */
};

/* partition and object_name as one template: "PARTITION/NAME". */
static bool compile_path(struct binding *b, struct object_program *p, struct error *err)
{
    const struct object_options *o = b->component->options;
    if (!o->partition && !o->object_name)
        return true;
    const char *text = arena_printf(b->arena, "%s%s%s", o->partition ? o->partition : "", o->partition ? "/" : "",
                                    o->object_name ? o->object_name : "");
    struct sql_options options = {
        .input = NULL, .source_name = b->source_name, .zone = b->zone, .component = b->component_index};
    struct sql_error problem;
    p->path = sql_compile_template(str_of(text), TEMPLATE_PATH, b->schema, &options, b->arena, &problem);
    if (p->path)
        return true;
    *err = problem.error;
    return error_wrap(err, "template \"%s\"", text);
}

/* shared: what every object begins with. Edges whose rows need different headers can't meet in one object. */
static bool share_header(struct sink *s, const struct binding *b, const struct encoder *e, struct error *err)
{
    struct buffer header = {0};
    if (e->format->encode_header)
        e->format->encode_header(e, &header);
    struct buffer *first = s->shared;
    if (!first) {
        first = s->shared = mem_alloc(sizeof(*first));
        *first = header;
        return true;
    }
    bool same = first->len == header.len && (header.len == 0 || memcmp(first->data, header.data, header.len) == 0);
    buffer_release(&header);
    return same || error_set(err, ERROR_STOP,
                             "the events of source \"" STR_FMT
                             "\" have other columns than those of the other inputs: objects in "
                             "format %s have one header; select the same columns in the same order",
                             STR_ARG(b->source_name), e->format->name);
}

bool object_bind(struct sink *s, struct binding *b, struct error *err)
{
    struct object_program *p = arena_new(b->arena, struct object_program);
    p->encoder = formatted_encoder(s, b, err);
    if (!p->encoder || !compile_path(b, p, err))
        return false;
    b->program = p;
    return share_header(s, b, p->encoder, err);
}

void object_release(struct sink *s)
{
    if (s->shared)
        buffer_release(s->shared);
    free(s->shared);
    s->shared = NULL;
}

static void encode_group(const struct object_program *p, const struct slice *in, struct target_group g,
                         struct output *out, struct rejections *r)
{
    struct piece *piece = output_piece(out, g.target);
    uint32_t rejected = r->count;
    p->encoder->format->encode(p->encoder, in, g.rows, g.count, &piece->bytes, NULL, r);
    piece->rows += g.count - (r->count - rejected);
}

/* What no file can be called would stop the commit, and its neighbours with it. The last name gets a time, a number and
 * an extension behind it. */
static const char *target_fault(struct str target)
{
    size_t start = 0;
    for (size_t i = 0; i <= target.len; i++) {
        if (i < target.len && target.data[i] != '/')
            continue;
        struct str name = {target.data + start, i - start};
        if (name.len > NAME_MAX - (i < target.len ? 0 : 100))
            return "is too long for a file's name";
        if (i < target.len && name.len == 0)
            return "has an empty directory name";
        if (str_eq(name, STR(".")) || str_eq(name, STR("..")))
            return "would lead out of its directory";
        start = i + 1;
    }
    return target.len > PATH_MAX / 2 ? "is too long for a path" : NULL;
}

static void reject_group(const struct binding *b, const struct slice *in, struct target_group g, const char *fault,
                         struct rejections *r)
{
    struct str shown = {g.target.data, g.target.len < 200 ? g.target.len : 200};
    for (uint32_t i = 0; i < g.count; i++)
        memcpy(reject_record(r, in->record[g.rows[i]], b->component_index, "encode",
                             "the object's path \"" STR_FMT "\" %s", STR_ARG(shown), fault)
                   ->sqlstate,
               "22023", 6);
}

void object_encode(const struct binding *b, const struct slice *in, const uint32_t *rows, uint32_t count,
                   struct tools *tools, struct output *out, struct rejections *r)
{
    const struct object_program *p = b->program;
    if (!p->path) {
        encode_group(p, in, (struct target_group){STR(""), rows, count}, out, r);
        return;
    }
    struct str *targets = arena_array(tools->arena, struct str, in->rows);
    memset(targets, 0, in->rows * sizeof(*targets));
    sql_eval_template(p->path, in, rows, count, targets, r);
    uint32_t n;
    struct target_group *groups = targets_group(targets, rows, count, tools->arena, &n);
    for (uint32_t i = 0; i < n; i++) {
        const char *fault = target_fault(groups[i].target);
        if (fault)
            reject_group(b, in, groups[i], fault, r);
        else
            encode_group(p, in, groups[i], out, r);
    }
}
