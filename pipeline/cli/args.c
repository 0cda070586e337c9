#include "pipeline/cli/args.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "pipeline/base/arena.h"

enum { MOST_ARGS = 64 };

static void list_add(struct text_list *list, const char *text)
{
    list->items = mem_realloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = text;
}

static const struct arg *find(const struct arg *args, struct str name)
{
    for (; args->name; args++)
        if (str_eq(str_of(args->name), name))
            return args;
    return NULL;
}

static const struct arg *find_letter(const struct arg *args, char letter)
{
    for (; args->name; args++)
        if (args->letter == letter)
            return args;
    return NULL;
}

static bool takes_value(const struct arg *arg)
{
    return arg->kind != ARG_FLAG && arg->kind != ARG_COUNT;
}

static bool store(const struct arg *arg, void *into, const char *value, struct error *err)
{
    void *to = (char *)into + arg->offset;
    switch (arg->kind) {
    case ARG_FLAG:
        *(bool *)to = true;
        return true;
    case ARG_COUNT:
        ++*(uint32_t *)to;
        return true;
    case ARG_TEXT:
        *(const char **)to = value;
        return true;
    case ARG_LIST:
        list_add(to, value);
        return true;
    case ARG_INTEGER:
        break;
    }
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end || errno || number < 0)
        return error_set(err, ERROR_STOP, "--%s takes a whole number, not \"%s\"", arg->name, value);
    if (number < arg->least)
        return error_set(err, ERROR_STOP, "--%s must be at least %" PRId64 ", not %lld", arg->name, arg->least, number);
    *(int64_t *)to = number;
    return true;
}

static bool unknown(const struct arg *args, struct str name, struct error *err)
{
    const char *names[MOST_ARGS];
    char text[64];
    size_t count = 0, len = name.len < sizeof text ? name.len : sizeof text - 1;
    for (const struct arg *a = args; a->name && count < MOST_ARGS; a++)
        names[count++] = a->name;
    memcpy(text, name.data, len);
    text[len] = '\0';
    const char *nearest = str_nearest(text, names, count);
    if (nearest)
        return error_set(err, ERROR_STOP, "unknown option --%s; did you mean --%s?", text, nearest);
    return error_set(err, ERROR_STOP, "unknown option --%s", text);
}

/* --name, --name=value, --name value. Returns how many of argv it took, 0 for an error. */
static int parse_long(const struct arg *args, void *into, int argc, char **argv, struct error *err)
{
    const char *text = argv[0] + 2, *equals = strchr(text, '=');
    struct str name = {text, equals ? (size_t)(equals - text) : strlen(text)};
    const struct arg *arg = find(args, name);
    if (!arg)
        return unknown(args, name, err);
    if (!takes_value(arg)) {
        if (equals)
            return error_set(err, ERROR_STOP, "--%s takes no value", arg->name);
        return store(arg, into, NULL, err);
    }
    if (equals)
        return store(arg, into, equals + 1, err);
    if (argc < 2)
        return error_set(err, ERROR_STOP, "--%s needs a value: %s", arg->name, arg->value);
    return store(arg, into, argv[1], err) ? 2 : 0;
}

/* -v, -vq, -nVALUE, -n VALUE. */
static int parse_letters(const struct arg *args, void *into, int argc, char **argv, struct error *err)
{
    for (const char *c = argv[0] + 1; *c; c++) {
        const struct arg *arg = find_letter(args, *c);
        if (!arg)
            return error_set(err, ERROR_STOP, "unknown option -%c", *c);
        if (!takes_value(arg)) {
            store(arg, into, NULL, err);
            continue;
        }
        if (c[1])
            return store(arg, into, c + 1, err);
        if (argc < 2)
            return error_set(err, ERROR_STOP, "-%c needs a value: %s", *c, arg->value);
        return store(arg, into, argv[1], err) ? 2 : 0;
    }
    return 1;
}

bool args_parse(const struct arg *args, void *into, int argc, char **argv, struct text_list *rest, struct error *err)
{
    *rest = (struct text_list){0};
    for (int i = 0; i < argc;) {
        if (strcmp(argv[i], "--") == 0) {
            for (i++; i < argc; i++)
                list_add(rest, argv[i]);
            return true;
        }
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            list_add(rest, argv[i++]);
            continue;
        }
        int taken = argv[i][1] == '-' ? parse_long(args, into, argc - i, argv + i, err)
                                      : parse_letters(args, into, argc - i, argv + i, err);
        if (!taken)
            return false;
        i += taken;
    }
    return true;
}

void args_release(const struct arg *args, void *into, struct text_list *rest)
{
    for (; args->name; args++)
        if (args->kind == ARG_LIST)
            free(((struct text_list *)(void *)((char *)into + args->offset))->items);
    free(rest->items);
}

void args_help(const struct arg *args, struct buffer *out)
{
    for (; args->name; args++) {
        struct buffer left = {0};
        if (args->letter)
            buffer_printf(&left, "-%c, ", args->letter);
        buffer_printf(&left, "--%s", args->name);
        if (args->value)
            buffer_printf(&left, " %s", args->value);
        buffer_printf(out, "  %-26s %s\n", buffer_cstr(&left), args->doc);
        buffer_release(&left);
    }
}
