#include "pipeline/engine/sql_option.h"

#include "pipeline/engine/config.h"

struct sql_options sql_options_of(const struct step *step)
{
    const struct component *c = step->component;
    const char *input = c->input_count == 1 ? c->config->components[c->inputs[0].component].name : NULL;
    const uint64_t row_bytes = 256; /* half of the memory is what the rows of one record may take */
    return (struct sql_options){.input = input,
                                .source_name = step->source_name,
                                .zone = step->zone,
                                .lookups = step->lookups,
                                .component = step->component_index,
                                .directory = c->config->directory,
                                .most_rows = (uint64_t)c->config->pipeline.memory / 2 / row_bytes};
}

static uint32_t count_characters(struct str s)
{
    uint32_t count = 0;
    for (size_t i = 0; i < s.len; i++)
        count += ((unsigned char)s.data[i] & 0xc0) != 0x80;
    return count;
}

static bool has_many_sources(const struct config *cfg)
{
    uint32_t sources = 0;
    for (uint32_t i = 0; i < cfg->count; i++)
        sources += cfg->components[i].kind == COMPONENT_SOURCE;
    return sources > 1;
}

void report_sql_error(const struct step *step, const char *option, struct str text, const struct sql_error *err,
                      struct problems *p)
{
    const struct component *c = step->component;
    struct place place = config_place_in(c, option, err->offset);
    struct problem *problem;
    if (has_many_sources(c->config))
        problem = problem_add(p, place, "%s (for events of source \"" STR_FMT "\")", err->error.text,
                              STR_ARG(step->source_name));
    else
        problem = problem_add(p, place, "%s", err->error.text);

    size_t from = err->offset < text.len ? err->offset : text.len;
    size_t length = err->length < text.len - from ? err->length : text.len - from;
    uint32_t characters = count_characters((struct str){text.data + from, length});
    problem->length = characters ? characters : 1;
    if (err->hint[0])
        problem->hint = arena_strdup(p->arena, err->hint);
}
