/*
 * Reads the configuration and binds the plan, and opens nothing, unless it is told to connect.
 */
#include <stdio.h>

#include "pipeline/cli/command.h"
#include "pipeline/cli/probe.h"

struct check_args {
    struct config_args config;
    bool connect, ddl;
};

static const struct arg check_args[] = {
    ARG(FLAG, struct check_args, connect, "connect", .doc = "Log in everywhere as well, and compare columns."),
    ARG(FLAG, struct check_args, ddl, "ddl", .doc = "Print the statements that create = true would run, instead."),
    CONFIG_ARGS(struct check_args, config),
    ARG_END,
};

static void print_summary(const struct config *cfg, const char *file, struct buffer *out)
{
    static const char *const names[] = {"source", "transform", "sink"};
    uint32_t counts[3] = {0};
    for (uint32_t i = 0; i < cfg->count; i++)
        counts[cfg->components[i].kind]++;
    buffer_printf(out, "%s is fine: ", file);
    const char *comma = "";
    for (uint32_t kind = 0; kind < 3; kind++)
        if (counts[kind]) {
            buffer_printf(out, "%s%u %s%s", comma, counts[kind], names[kind], counts[kind] == 1 ? "" : "s");
            comma = ", ";
        }
    buffer_add_byte(out, '\n');
}

/* Compiles everything that needs no server: queries, conditions, templates, column types. */
static const struct plan *bind(const struct config *cfg, struct arena *arena, struct problems *problems)
{
    uint32_t before = problems->count;
    struct error err = {0};
    const struct plan *plan = plan_new(cfg, NULL, ~(sink_mask)0, false, arena, problems, &err);
    if (!plan && err.text[0])
        problem_add(problems, (struct place){0}, "%s", err.text);
    command_print_problems(problems, before);
    return plan;
}

static int answer(const struct check_args *a, const struct config *cfg, const struct plan *plan, const char *file)
{
    struct buffer out = {0};
    bool good = true;
    if (a->ddl)
        good = probe_ddl(plan, &out);
    else
        print_summary(cfg, file, &out);
    if (a->connect)
        good &= probe_connect(plan, &out);
    int code = command_output(&out);
    return good ? code : EXIT_FAILED;
}

static int check(const struct command *c, const void *args, const struct text_list *operands)
{
    (void)c;
    struct arena arena = ARENA_INIT;
    struct problems problems = {0};
    const struct check_args *a = args;
    const struct config *cfg = command_load(&a->config, operands, &arena, &problems);
    const struct plan *plan = cfg ? bind(cfg, &arena, &problems) : NULL;
    int code = plan ? answer(a, cfg, plan, problems.file) : EXIT_CONFIG;
    arena_release(&arena);
    return code;
}

const struct command command_check = {
    .name = "check",
    .summary = "Check a pipeline without opening anything.",
    .usage = "[--connect] [--ddl] [FILE]",
    .doc = "FILE is ./pipeline.toml where it is left out. All problems are reported at once; the exit code is 78 where "
           "there are errors.",
    .args = check_args,
    .args_size = sizeof(struct check_args),
    .most_operands = 1,
    .run = check,
};
