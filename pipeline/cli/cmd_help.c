#include <stdio.h>

#include "pipeline/cli/command.h"

static int help(const struct command *self, const void *args, const struct text_list *operands)
{
    (void)args;
    struct buffer out = {0};
    if (operands->count == 0) {
        buffer_printf(&out,
                      "pipe %s moves events from sources through SQL to sinks, and loses none.\n\n"
                      "usage: pipe COMMAND …\n\n",
                      PIPE_VERSION);
        for (const struct command *const *c = commands; *c; c++)
            buffer_printf(&out, "  %-10s %s\n", (*c)->name, (*c)->summary);
        buffer_printf(&out,
                      "\npipe help COMMAND says more. A first pipeline: pipe new file,sql,sqlite > pipeline.toml\n");
        return command_output(&out);
    }
    const struct command *c = command_find(operands->items[0]);
    if (!c)
        return usage_error(self, "there is no command \"%s\"", operands->items[0]);
    buffer_printf(&out, "%s\n\nusage: pipe %s %s\n", c->summary, c->name, c->usage);
    if (c->doc)
        buffer_printf(&out, "\n%s\n", c->doc);
    if (c->args && c->args->name) {
        buffer_printf(&out, "\n");
        args_help(c->args, &out);
    }
    return command_output(&out);
}

const struct command command_help = {
    .name = "help",
    .summary = "Show the commands, or one of them.",
    .usage = "[COMMAND]",
    .most_operands = 1,
    .run = help,
};
