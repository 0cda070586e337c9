#include "pipeline/cli/command.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/cli/catalog.h"

int usage_error(const struct command *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("pipe: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    if (c)
        fprintf(stderr, "usage: pipe %s %s (pipe help %s says more)\n", c->name, c->usage, c->name);
    else
        fputs("usage: pipe COMMAND … (pipe help lists them)\n", stderr);
    return EXIT_USAGE;
}

void command_print_problems(const struct problems *problems, uint32_t from)
{
    const char *no_colour = getenv("NO_COLOR");
    bool colour = isatty(STDERR_FILENO) && !(no_colour && *no_colour);
    struct problems shown = *problems;
    shown.items += from;
    shown.count -= from;
    struct buffer text = {0};
    problems_print(&shown, colour, &text);
    fputs(buffer_cstr(&text), stderr);
    buffer_release(&text);
}

const struct config *command_load(const struct config_args *args, const struct text_list *operands, struct arena *arena,
                                  struct problems *problems)
{
    const struct config_sources from = {
        .path = operands->count ? operands->items[0] : "pipeline.toml",
        .sets = args->sets.items,
        .set_count = args->sets.count,
        .env_file = args->env_file,
    };
    problems->arena = arena;
    const struct config *cfg = config_load(&from, &catalog, arena, problems);
    command_print_problems(problems, 0);
    return cfg;
}

int command_output(struct buffer *text)
{
    struct error err;
    bool good = file_write_all(STDOUT_FILENO, text->data, text->len, "stdout", &err);
    if (!good)
        fprintf(stderr, "pipe: %s\n", err.text);
    buffer_release(text);
    return good ? EXIT_COMPLETE : EXIT_FAILED;
}

int command_take_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
