#include "connectors/mqtt/module/readahead.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "pipeline/base/arena.h"

#if PIPE_MQTT_DEFERRED_ACK /* linked with Paho's static library */

enum { AHEAD = 64 << 10, LOOK_MS = 10 };

struct ahead {
    struct ahead *next;
    int fd;
    size_t from, len; /* bytes[from … len) are not given out yet */
    char bytes[AHEAD];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ahead *all;
static _Thread_local bool here;
static atomic_int connecting;

ssize_t __real_recv(int fd, void *to, size_t len, int flags);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __real_close(int fd);
ssize_t __wrap_recv(int fd, void *to, size_t len, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_close(int fd);

void readahead_here(void)
{
    here = true;
}

void readahead_connecting(bool begins)
{
    atomic_fetch_add_explicit(&connecting, begins ? 1 : -1, memory_order_relaxed);
}

static struct ahead *find(int fd)
{
    struct ahead *a = all;
    while (a && a->fd != fd)
        a = a->next;
    return a;
}

static struct ahead *find_or_add(int fd)
{
    struct ahead *a = find(fd);
    if (a)
        return a;
    a = mem_alloc(sizeof *a);
    a->fd = fd;
    a->from = a->len = 0;
    a->next = all;
    all = a;
    return a;
}

static size_t give(struct ahead *a, void *to, size_t len)
{
    size_t n = a->len - a->from < len ? a->len - a->from : len;
    memcpy(to, a->bytes + a->from, n);
    a->from += n;
    return n;
}

static ssize_t receive(int fd, void *to, size_t len)
{
    struct ahead *a = find_or_add(fd);
    if (a->from == a->len) {
        if (len >= AHEAD)
            return __real_recv(fd, to, len, 0);
        ssize_t n = __real_recv(fd, a->bytes, AHEAD, 0);
        if (n <= 0)
            return n;
        a->from = 0;
        a->len = (size_t)n;
    }
    return (ssize_t)give(a, to, len);
}

ssize_t __wrap_recv(int fd, void *to, size_t len, int flags)
{
    if (!here || flags)
        return __real_recv(fd, to, len, flags);
    pthread_mutex_lock(&lock);
    ssize_t n = receive(fd, to, len);
    pthread_mutex_unlock(&lock);
    return n;
}

/* How many of the sockets have something in memory; the others wait for the next time. */
static int ready_ahead(struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    pthread_mutex_lock(&lock);
    for (nfds_t i = 0; i < count; i++) {
        struct ahead *a = fds[i].events & POLLIN ? find(fds[i].fd) : NULL;
        fds[i].revents = a && a->from < a->len ? POLLIN : 0;
        ready += fds[i].revents != 0;
    }
    pthread_mutex_unlock(&lock);
    return ready;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    int ready = here ? ready_ahead(fds, count) : 0;
    if (here && timeout > LOOK_MS && atomic_load_explicit(&connecting, memory_order_relaxed) > 0)
        timeout = LOOK_MS;
    return ready ? ready : __real_poll(fds, count, timeout);
}

int __wrap_close(int fd)
{
    pthread_mutex_lock(&lock);
    for (struct ahead **at = &all; *at; at = &(*at)->next)
        if ((*at)->fd == fd) {
            struct ahead *gone = *at;
            *at = gone->next;
            free(gone);
            break;
        }
    pthread_mutex_unlock(&lock);
    return __real_close(fd);
}

#else

void readahead_here(void)
{
}

void readahead_connecting(bool begins)
{
    (void)begins;
}

#endif
