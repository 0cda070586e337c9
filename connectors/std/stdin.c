/*
 * The source `stdin`. It reads what is there whenever there is something; a batch leaves at once when nothing more is
 * and a worker waits, else when it is full or has waited for `linger`.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "connectors/std/sources.h"
#include "pipeline/base/clock.h"
#include "pipeline/engine/stream.h"

enum { FIRST_CHUNK = 64 << 10, PIPE_SIZE = 1 << 20 };

struct stdin_options {
    int compression;
};

static const struct option options[] = {
    OPT(CHOICE, struct stdin_options, compression, .preset = "auto", .choices = source_compression_choices,
        .doc = "How the input is compressed; `auto` finds it out from its first bytes."),
    OPT_END,
};

enum wait { WAIT_READY, WAIT_AGAIN, WAIT_STOPPED };

/* Nothing is there to be read just now. */
static enum wait wait_for_input(struct stream *s, struct pollfd *fd)
{
    struct lane *lane = s->lane;
    int64_t left = s->common->linger - (clock_now_us(lane_clock(lane)) - s->opened_us);
    if (stream_holds(s) && !lane_worker_idle(lane) && left > 0) {
        lane_wait(lane, fd, 1, left);
    } else {
        stream_flush(s, false);
        lane_wait(lane, fd, 1, -1);
    }
    if (lane_stopping(lane))
        return WAIT_STOPPED;
    return fd->revents ? WAIT_READY : WAIT_AGAIN;
}

static enum wait input_ready(struct stream *s)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&fd, 1, 0) > 0)
        return WAIT_READY;
    return wait_for_input(s, &fd);
}

static bool read_all(struct stream *s, struct error *err)
{
    enum stream_status status = STREAM_ON;
    while (status == STREAM_ON) {
        enum wait wait = input_ready(s);
        if (wait == WAIT_STOPPED)
            return true;
        if (wait == WAIT_AGAIN)
            continue;
        size_t room;
        char *to = stream_room(s, &room);
        if (!to)
            return true;
        ssize_t n = read(STDIN_FILENO, to, room);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return error_errno(err, errno, "cannot read stdin");
        if (n == 0)
            break;
        lane_count_bytes(s->lane, (uint64_t)n);
        status = stream_took(s, (size_t)n);
        stream_linger(s);
    }
    if (status != STREAM_STOPPED && stream_end(s, STREAM_OPEN) != STREAM_STOPPED)
        stream_flush(s, false);
    return true;
}

static bool run(struct lane *lane, struct error *err)
{
    const struct stdin_options *o = lane_component(lane)->options;
    struct stream s;
    fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_SIZE); /* fewer, larger reads, where it is a pipe and the limits allow */
    stream_init(&s, lane, FIRST_CHUNK);
    struct partition *p = lane_partition_of_this_run(lane, "stdin");
    stream_start(&s, p, (enum compression)o->compression, 0);
    bool ok = read_all(&s, err);
    stream_release(&s);
    partition_unref(p);
    return ok;
}

static bool is_finite(const struct component *c)
{
    (void)c;
    return true;
}

static bool is_rewindable(const struct component *c)
{
    (void)c;
    return false;
}

static const struct source_ops ops = {.run = run};

const struct source_type stdin_source_type = {
    .base =
        {
            .name = "stdin",
            .summary = "Reads standard input to its end.",
            .doc = "What was read and is not yet delivered is lost with the process: standard input cannot be read "
                   "twice. Records leave as soon as "
                   "they are there.",
            .example = "format = \"json\"\n",
            .options = options,
            .options_size = sizeof(struct stdin_options),
            .has_format = true,
        },
    .finite = is_finite,
    .rewindable = is_rewindable,
    .ops = &ops,
};
