#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/admin/admin.h"
#include "pipeline/base/file.h"
#include "pipeline/base/log.h"
#include "pipeline/cli/command.h"
#include "pipeline/cli/preview.h"
#include "pipeline/cli/progress.h"
#include "pipeline/engine/metrics.h"
#include "pipeline/engine/report.h"

struct run_args {
    struct config_args config;
    const char *report, *metrics_file, *log_format;
    int64_t preview;
    bool once, no_progress, quiet;
    uint32_t verbose;
};

static const struct arg run_arguments[] = {
    CONFIG_ARGS(struct run_args, config),
    ARG(INTEGER, struct run_args, preview, "preview", .value = "N", .least = 1,
        .doc = "Show the first N rows that each sink would get; write, commit and move nothing."),
    ARG(FLAG, struct run_args, once, "once", .doc = "Read what is there and end, whatever the sources' mode is."),
    ARG(TEXT, struct run_args, report, "report", .value = "FILE", .doc = "Write what happened to every record, as JSON."),
    ARG(TEXT, struct run_args, metrics_file, "metrics-file", .value = "FILE",
        .doc = "Write the metrics at the end, in Prometheus's text format."),
    ARG(TEXT, struct run_args, log_format, "log-format", .value = "human|json", .doc = "How the log on stderr looks."),
    ARG(FLAG, struct run_args, no_progress, "no-progress", .doc = "No progress line, even on a terminal."),
    ARG(COUNT, struct run_args, verbose, "verbose", .letter = 'v', .doc = "Log more."),
    ARG(FLAG, struct run_args, quiet, "quiet", .letter = 'q', .doc = "Log errors only, and no summary."),
    ARG_END,
};

struct run {
    const struct run_args *args;
    struct progress progress;
    struct admin admin;
    struct error err;
    enum outcome outcome;
    double seconds;
};

static bool tick(struct engine *e, void *arg)
{
    progress_show(&((struct run *)arg)->progress, e);
    return true;
}

static void started(struct engine *e, void *arg)
{
    admin_started(&((struct run *)arg)->admin, e);
}

static int exit_code_of(const struct engine *e, enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_FAILED:
    case OUTCOME_RESTART:
        return EXIT_FAILED;
    case OUTCOME_STOPPED:
        return EXIT_STOPPED_EARLY;
    case OUTCOME_COMPLETE:
        break;
    }
    return counter_get(&e->stats->dead_letters) ? (int)e->cfg->dead.exit : EXIT_COMPLETE;
}

static bool write_file(const char *path, struct buffer *text)
{
    struct error err;
    bool ok = file_replace(path, text->data, text->len, &err);
    buffer_release(text);
    if (!ok)
        log_error(NULL, "%s", err.text);
    return ok;
}

static bool write_report(const struct run_args *args, const struct engine *e, const struct run_result *result)
{
    struct buffer text = {0};
    if (!args->report)
        return true;
    report_json(e, result, &text);
    return write_file(args->report, &text);
}

static bool write_metrics(const struct run_args *args, const struct engine *e)
{
    struct buffer text = {0};
    if (!args->metrics_file)
        return true;
    metrics_print(e, &text);
    return write_file(args->metrics_file, &text);
}

/* The last words: the log, the summary, the report. */
static int conclude(struct engine *e, struct run *run)
{
    struct run_result result = {
        .outcome = run->outcome,
        .exit_code = run->args->preview ? EXIT_COMPLETE : exit_code_of(e, run->outcome),
        .seconds = run->seconds,
        .err = &run->err,
    };
    if (run->outcome == OUTCOME_FAILED)
        result.exit_code = EXIT_FAILED;
    progress_clear();
    if (run->err.text[0] && run->outcome == OUTCOME_FAILED)
        log_error(NULL, "%s", run->err.text);
    if (!run->args->quiet && !run->args->preview) {
        struct buffer text = {0};
        report_summary(e, &result, &text);
        fprintf(stderr, "%s", buffer_cstr(&text));
        buffer_release(&text);
    }
    bool written = write_report(run->args, e, &result);
    written = write_metrics(run->args, e) && written;
    return written ? result.exit_code : EXIT_FAILED;
}

/* One engine from start to end. */
static int run_once(const struct config *cfg, struct run *run, int signal_fd, struct problems *problems)
{
    bool show = !run->args->no_progress && !run->args->quiet && !run->args->preview && isatty(STDERR_FILENO);
    struct engine_options options = {
        .signal_fd = signal_fd,
        .tick = show ? tick : NULL,
        .tick_arg = run,
        .tick_interval_us = show ? 200000 : 0,
        .started = started,
    };
    if (!run->args->preview && !admin_start(&run->admin, cfg, &run->err)) {
        log_error(NULL, "%s", run->err.text);
        run->outcome = OUTCOME_FAILED;
        return EXIT_FAILED;
    }
    struct engine *e = engine_new(cfg, &clock_system);
    e->without_state = run->args->preview > 0;
    int64_t start = clock_now_us(&clock_system);
    uint32_t shown = problems->count;
    run->outcome = engine_run(e, &options, problems, &run->err);
    run->seconds = (double)(clock_now_us(&clock_system) - start) / 1e6;
    int code = EXIT_CONFIG;
    if (problems->errors)
        command_print_problems(problems, shown);
    else
        code = conclude(e, run);
    admin_stop(&run->admin);
    engine_free(e);
    return code;
}

/* --once: components with a mode that stays are run in the one that ends. The names are only known once the file is read. */
static bool add_once(struct run_args *args, const struct config *cfg, struct arena *arena)
{
    bool any = false;
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (c->kind != COMPONENT_SOURCE || c->source->finite(c))
            continue;
        for (const struct option *o = c->type->options; o->name; o++)
            if (strcmp(o->name, "mode") == 0) {
                uint32_t n = args->config.sets.count;
                const char **sets = arena_array(arena, const char *, n + 1);
                if (n)
                    memcpy(sets, args->config.sets.items, n * sizeof(*sets));
                sets[n] = arena_printf(arena, "sources.%s.mode=batch", c->name);
                args->config.sets.items = sets;
                args->config.sets.count = n + 1;
                any = true;
            }
    }
    return any;
}

static int run_config(const struct run_args *given, const struct text_list *operands, struct arena *arena)
{
    struct run_args args = *given;
    struct problems problems = {.arena = arena};
    int signal_fd = command_take_signals(); /* first: whoever stops it while it starts gets an exit code, too */
    const struct config *cfg = command_load(&args.config, operands, arena, &problems);
    if (cfg && args.once && add_once(&args, cfg, arena)) {
        problems = (struct problems){.arena = arena};
        cfg = command_load(&args.config, operands, arena, &problems);
    }
    struct run run = {.args = &args};
    int code = EXIT_CONFIG, restarts = 0;
    if (cfg && args.preview)
        cfg = preview_config(cfg, args.preview, arena);
    if (cfg)
        do {
            code = run_once(cfg, &run, signal_fd, &problems);
        } while (run.outcome == OUTCOME_RESTART && restarts++ < 10);
    close(signal_fd);
    return code;
}

static int run(const struct command *c, const void *given, const struct text_list *operands)
{
    const struct run_args *args = given;
    enum log_format format = LOG_HUMAN;
    if (args->log_format && strcmp(args->log_format, "json") == 0)
        format = LOG_JSON;
    else if (args->log_format && strcmp(args->log_format, "human") != 0)
        return usage_error(c, "--log-format is human or json, not \"%s\"", args->log_format);
    log_setup(args->quiet ? LOG_ERROR : args->verbose ? LOG_DEBUG : LOG_INFO, format);
    struct arena arena = ARENA_INIT;
    int code = run_config(args, operands, &arena);
    arena_release(&arena);
    return code;
}

const struct command command_run = {
    .name = "run",
    .summary = "Run a pipeline.",
    .usage = "[FILE] [OPTION …]",
    .doc = "Runs until every source has ended, or until SIGINT or SIGTERM, which drain it; a second signal stops at once and loses nothing.\n"
           "Exit codes: 0 complete · 1 failed · 2 usage · 3 complete, with dead letters · 75 a batch was stopped before its end · 78 configuration.",
    .args = run_arguments,
    .args_size = sizeof(struct run_args),
    .most_operands = 1,
    .run = run,
};
