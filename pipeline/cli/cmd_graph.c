/*
 * The pipeline as a drawing: a tree for a terminal, or DOT (graphviz.org).
 */
#include <stdio.h>

#include "pipeline/cli/catalog.h"
#include "pipeline/cli/command.h"

struct graph_args {
    struct config_args config;
    bool dot;
};

static const struct arg graph_args[] = {
    ARG(FLAG, struct graph_args, dot, "dot",
        .doc = "As DOT, for graphviz: pipe graph --dot | dot -Tsvg > pipeline.svg"),
    CONFIG_ARGS(struct graph_args, config),
    ARG_END,
};

/* ---- text -------------------------------------------------------------------------------------------------------- */

struct tree {
    const struct config *cfg;
    struct buffer *out;
    struct buffer prefix; /* what stands left of the present level */
};

/* What stands behind the dot in "level.hot"; "" for the only output. */
static const char *output_of(const struct input *in)
{
    const char *dot = strchr(in->text, '.');
    return dot ? dot + 1 : "";
}

static const struct input *next_reader(const struct config *cfg, uint32_t component, uint32_t *reader, uint32_t *input)
{
    for (; *reader < cfg->count; ++*reader, *input = 0)
        for (const struct component *c = &cfg->components[*reader]; *input < c->input_count; ++*input)
            if (c->inputs[*input].component == component)
                return &c->inputs[*input];
    return NULL;
}

static void print_readers(struct tree *t, uint32_t component)
{
    uint32_t reader = 0, input = 0;
    const struct input *in = next_reader(t->cfg, component, &reader, &input);
    while (in) {
        const struct component *c = &t->cfg->components[reader];
        const char *output = output_of(in);
        input++;
        in = next_reader(t->cfg, component, &reader, &input);
        buffer_printf(t->out, "%s%s %s%s%s (%s)\n", buffer_cstr(&t->prefix), in ? "├─" : "└─", output,
                      *output ? " → " : "", c->name, c->type->name);
        size_t before = t->prefix.len;
        buffer_printf(&t->prefix, in ? "│  " : "   ");
        print_readers(t, c->index);
        t->prefix.len = before;
    }
}

static void print_text(const struct config *cfg, struct buffer *out)
{
    struct tree t = {.cfg = cfg, .out = out};
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (c->kind != COMPONENT_SOURCE)
            continue;
        buffer_printf(out, "%s (%s)\n", c->name, c->type->name);
        print_readers(&t, c->index);
    }
    buffer_release(&t.prefix);
}

/* ---- DOT --------------------------------------------------------------------------------------------------------- */

static void print_dot(const struct config *cfg, struct buffer *out)
{
    static const char *const shapes[] = {"cds", "box", "cylinder"};
    buffer_printf(out, "digraph \"%s\" {\n    rankdir=LR;\n    node [fontname=\"sans-serif\"];\n", cfg->pipeline.name);
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        buffer_printf(out, "    \"%s\" [shape=%s, label=\"%s\\n%s\"];\n", c->name, shapes[c->kind], c->name,
                      c->type->name);
    }
    for (uint32_t i = 0; i < cfg->count; i++)
        for (uint32_t k = 0; k < cfg->components[i].input_count; k++) {
            const struct input *in = &cfg->components[i].inputs[k];
            buffer_printf(out, "    \"%s\" -> \"%s\"", cfg->components[in->component].name, cfg->components[i].name);
            if (*output_of(in))
                buffer_printf(out, " [label=\"%s\"%s]", output_of(in),
                              in->output == INPUT_REJECTED ? ", style=dashed" : "");
            buffer_printf(out, ";\n");
        }
    buffer_printf(out, "}\n");
}

static int graph(const struct command *c, const void *args, const struct text_list *operands)
{
    (void)c;
    const struct graph_args *a = args;
    struct arena arena = ARENA_INIT;
    struct problems problems = {0};
    struct buffer out = {0};
    const struct config *cfg = command_load(&a->config, operands, &arena, &problems);
    int code = EXIT_CONFIG;
    if (cfg) {
        if (a->dot)
            print_dot(cfg, &out);
        else
            print_text(cfg, &out);
        code = command_output(&out);
    }
    arena_release(&arena);
    return code;
}

const struct command command_graph = {
    .name = "graph",
    .summary = "Draw a pipeline.",
    .usage = "[--dot] [FILE]",
    .args = graph_args,
    .args_size = sizeof(struct graph_args),
    .most_operands = 1,
    .run = graph,
};
