#include "connectors/std/stdout.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/engine/formatted.h"

struct stdout_sink {
    bool begun;
};

/* Nobody may be reading: a second signal must not have to wait for them. PIPE_BUF bytes never block where poll says so
 * (POSIX, write). */
static bool put(const struct sink *s, const struct buffer *b, struct error *err)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    for (size_t done = 0; done < b->len;) {
        if (sink_stopping(s))
            return error_set(err, ERROR_STOP, "stopped before everything was written to standard output");
        if (poll(&out, 1, 100) <= 0)
            continue;
        size_t left = b->len - done;
        if (!file_write_all(STDOUT_FILENO, b->data + done, left < PIPE_BUF ? left : PIPE_BUF, "standard output", err)) {
            err->kind = ERROR_STOP; /* there is no other standard output to try */
            return false;
        }
        done += left < PIPE_BUF ? left : PIPE_BUF;
    }
    return true;
}

static bool stdout_write(struct sink *s, struct output *o, struct error *err)
{
    struct stdout_sink *state = s->state;
    if (!state->begun && !put(s, s->shared, err))
        return false;
    state->begun = true;
    for (uint32_t i = 0; i < o->piece_count; i++)
        if (!put(s, &o->pieces[i].bytes, err))
            return false;
    return true;
}

static const struct sink_ops stdout_ops = {
    .state_size = sizeof(struct stdout_sink),
    .bind = formatted_bind_with_header,
    .release = formatted_release_header,
    .encode = formatted_encode,
    .write = stdout_write,
};

static const struct option stdout_options[] = {OPT_END};

const struct sink_type stdout_sink_type = {
    .base = {.name = "stdout",
             .summary = "Write encoded events to standard output.",
             .doc = "For shells and for looking at things: data goes to standard output, the log to standard error. "
                    "What has been written "
                    "counts as delivered; a reader that goes away (`head`) stops the run.",
             .example = "format = \"json\"\n",
             .options = stdout_options,
             .has_format = true},
    .ops = &stdout_ops,
};
