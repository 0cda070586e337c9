/*
 * pipe COMMAND …: finds the command in the table, reads its arguments, runs it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/cli/command.h"

static int run(const struct command *c, int argc, char **argv)
{
    static const struct arg none[] = {ARG_END};
    const struct arg *args = c->args ? c->args : none;
    void *into = mem_zalloc(c->args_size + 1);
    struct text_list operands;
    struct error err;
    int code;
    if (!args_parse(args, into, argc, argv, &operands, &err))
        code = usage_error(c, "%s", err.text);
    else if (operands.count > c->most_operands)
        code = usage_error(c, "\"%s\" is one argument too many", operands.items[c->most_operands]);
    else
        code = c->run(c, into, &operands);
    args_release(args, into, &operands);
    free(into);
    return code;
}

static int unknown_command(const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (const struct command *const *c = commands; *c && count < 64; c++)
        names[count++] = (*c)->name;
    const char *nearest = str_nearest(name, names, count);
    if (nearest)
        return usage_error(NULL, "there is no command \"%s\"; did you mean \"%s\"?", name, nearest);
    return usage_error(NULL, "there is no command \"%s\"", name);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* A standard stream that is closed (`>&-`) would have its number given to the next file opened, into which records
 * would then be written. What takes its place fails at every use. */
static void fill_closed_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
    fill_closed_streams();
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("pipe " PIPE_VERSION);
        return EXIT_COMPLETE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct command *c = command_find(name);
    if (!c)
        return unknown_command(name);
    if (asks_for_help(argc, argv))
        return run(command_find("help"), 1, (char *[]){(char *)c->name, NULL});
    return run(c, argc > 2 ? argc - 2 : 0, argv + (argc > 2 ? 2 : argc));
}
