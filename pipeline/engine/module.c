#include "pipeline/engine/module.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/buffer.h"

struct search {
    const char *name;
    struct buffer places; /* that had no such file, for the message */
    void *handle;
};

/* True when the search is over. */
static bool try_directory(struct search *s, const char *directory, size_t len, struct error *err)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%.*s/%s.so", (int)len, directory, s->name);
    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    if (access(path, F_OK) != 0) {
        buffer_printf(&s->places, "%s%.*s", s->places.len ? ", " : "", (int)len, directory);
        return false;
    }
    s->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!s->handle)
        error_set(err, ERROR_STOP, "module %s: %s", s->name, dlerror());
    return true;
}

static bool try_environment(struct search *s, struct error *err)
{
    const char *at = getenv("PIPE_MODULE_PATH");
    while (at && *at) {
        size_t len = strcspn(at, ":");
        if (len && try_directory(s, at, len, err))
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

static bool try_program(struct search *s, struct error *err)
{
    static const char *const beside[] = {"../lib/pipe", "../" PIPE_LIBDIR "/pipe"};
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return false;
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    *slash = '\0';
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        if (i > 0 && strcmp(beside[i], beside[0]) == 0)
            continue;
        char directory[PATH_MAX + 64];
        int len = snprintf(directory, sizeof directory, "%s/%s", program, beside[i]);
        if (try_directory(s, directory, (size_t)len, err))
            return true;
    }
    return false;
}

void *module_load(const char *name, const char *symbol, struct error *err)
{
    struct search s = {.name = name};
    if (!try_environment(&s, err) && !try_program(&s, err))
        error_set(err, ERROR_STOP, "module %s.so is missing: not in %s", name, buffer_cstr(&s.places));
    buffer_release(&s.places);
    if (!s.handle)
        return NULL;
    void *found = dlsym(s.handle, symbol);
    if (!found)
        error_set(err, ERROR_STOP, "module %s has no %s: it is of another version", name, symbol);
    return found;
}

static const void *load_ops(const struct component_type *type, const char *kind, struct error *err)
{
    char symbol[128];
    snprintf(symbol, sizeof symbol, "%s_%s_ops", type->name, kind);
    if (!type->module) {
        error_set(err, ERROR_STOP, "%s %s has neither functions nor a module", kind, type->name);
        return NULL;
    }
    return module_load(type->module, symbol, err);
}

const struct source_ops *source_ops_of(const struct component *c, struct error *err)
{
    const struct source_ops *chosen = c->source->choose_ops ? c->source->choose_ops(c) : NULL;
    if (chosen)
        return chosen;
    return c->source->ops ? c->source->ops : load_ops(c->type, "source", err);
}

const struct sink_ops *sink_ops_of(const struct component *c, struct error *err)
{
    return c->sink->ops ? c->sink->ops : load_ops(c->type, "sink", err);
}

bool registry_ops_of(const struct format_options *o, const struct avro_registry_ops **out, struct error *err)
{
    *out = o->avro_registry_url ? module_load("registry", "avro_registry_ops", err) : NULL;
    return *out || !o->avro_registry_url;
}
