#include "pipeline/admin/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "pipeline/admin/admin.h"
#include "pipeline/engine/metrics.h"
#include "pipeline/engine/spool.h"

struct control {
    struct engine *engine;
    pthread_t thread;
    int directory, listener, stop;
    bool bound, started;
};

static const char socket_name[] = "control.sock";

enum { ACCEPT_PAUSE_MS = 100 }; /* out of descriptors: the client stays in the queue */

/* ---- one client ----------------------------------------------------------------------------------------------------
 */

static bool read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    while (len < size - 1) {
        ssize_t n = recv(fd, line + len, size - 1 - len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        len += (size_t)n;
        char *end = memchr(line, '\n', len);
        if (end) {
            *end = '\0';
            return true;
        }
    }
    return false;
}

static void send_all(int fd, const struct buffer *text)
{
    for (size_t sent = 0; sent < text->len;) {
        ssize_t n = send(fd, text->data + sent, text->len - sent, MSG_NOSIGNAL);
        if (n <= 0 && errno != EINTR)
            return;
        sent += n > 0 ? (size_t)n : 0;
    }
}

static void describe_spools(const struct engine *e, struct buffer *out)
{
    for (uint32_t i = 0; i < e->stats->source_count; i++)
        if (e->spools[i])
            spool_describe(e->spools[i], out);
}

static void serve(struct control *c, int fd)
{
    struct timeval limit = {.tv_sec = 2};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    char line[64];
    if (!read_line(fd, line, sizeof(line)))
        return;
    struct buffer answer = {0};
    if (strcmp(line, "status") == 0)
        admin_status(c->engine, &answer);
    else if (strcmp(line, "metrics") == 0)
        metrics_print(c->engine, &answer);
    else if (strcmp(line, "spool") == 0)
        describe_spools(c->engine, &answer);
    else
        buffer_printf(&answer, "{\"error\":\"unknown command; known: status, metrics, spool\"}\n");
    send_all(fd, &answer);
    buffer_release(&answer);
}

static void *control_main(void *arg)
{
    struct control *c = arg;
    struct pollfd fds[] = {{.fd = c->stop, .events = POLLIN}, {.fd = c->listener, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[0].revents)
            return NULL;
        int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            poll(fds, 1, ACCEPT_PAUSE_MS);
            continue;
        }
        serve(c, fd);
        close(fd);
    }
}

/* ---- start and stop ------------------------------------------------------------------------------------------------
 */

/* Through the directory's descriptor: a socket's own path may have 107 bytes only. What a killed process left goes. */
static bool listen_in(struct control *c, const char *state_dir, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    c->directory = open(state_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    c->stop = eventfd(0, EFD_CLOEXEC);
    if (c->directory < 0 || c->listener < 0 || c->stop < 0)
        return error_errno(err, errno, "cannot make %s/%s", state_dir, socket_name);
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", c->directory, socket_name);
    unlinkat(c->directory, socket_name, 0);
    /* The descriptor's mode is what the file gets: there is no moment at which others may connect. */
    c->bound = fchmod(c->listener, 0600) == 0 && bind(c->listener, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (!c->bound || listen(c->listener, 16) != 0)
        return error_errno(err, errno, "cannot listen on %s/%s", state_dir, socket_name);
    return true;
}

struct control *control_start(const char *state_dir, struct engine *e, struct error *err)
{
    struct control *c = mem_zalloc(sizeof(*c));
    *c = (struct control){.engine = e, .directory = -1, .listener = -1, .stop = -1};
    if (listen_in(c, state_dir, err)) {
        c->started = pthread_create(&c->thread, NULL, control_main, c) == 0;
        if (c->started)
            return c;
        error_set(err, ERROR_STOP, "cannot start a thread");
    }
    control_stop(c);
    return NULL;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void control_stop(struct control *c)
{
    if (!c)
        return;
    if (c->started) {
        eventfd_write(c->stop, 1);
        pthread_join(c->thread, NULL);
    }
    if (c->bound)
        unlinkat(c->directory, socket_name, 0);
    close_fd(c->listener);
    close_fd(c->stop);
    close_fd(c->directory);
    free(c);
}
