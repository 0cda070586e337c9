#include "connectors/mqtt/module/readahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "connectors/mqtt/client/poll.h"
#include "connectors/mqtt/module/acks.h"
#include "pipeline/base/arena.h"

#if PIPE_MQTT_DEFERRED_ACK /* linked with Paho's static library */

enum { AHEAD = 64 << 10, GATHER_US = 300, CONNACK_HEAD = MQTT_CONNACK << 4 };

struct stream {
    struct stream *next;
    int fd;
    const struct receiver *to; /* NULL: every byte is Paho's */
    size_t passing;            /* of the packet that Paho is given, bytes that it has not had yet */
    bool partial;              /* a message whose end is still to come */
    bool ended;                /* nothing more comes: Paho shall see that for itself */
    size_t from, len;          /* bytes[from … len) are not given out yet */
    char bytes[AHEAD];
};

/* The list's. A stream is used and freed with Paho's lock held. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stream *all;

/*
 * Of the receiving thread. In the block that a thread has from its start: what a module adds to it is allocated at the
 * first use, also by the many threads that only call close here.
 */
#define OF_THIS_THREAD static _Thread_local __attribute__((tls_model("initial-exec")))
OF_THIS_THREAD bool here;
OF_THIS_THREAD bool polled;              /* since Paho last slept */
OF_THIS_THREAD int64_t read_us;          /* when something was last read; 0: more than there was room for */
OF_THIS_THREAD int read_fd = -1;         /* the socket that was read last since the last poll … */
OF_THIS_THREAD unsigned char first_byte; /* … and what came of it first */

ssize_t __real_recv(int fd, void *to, size_t len, int flags);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __real_close(int fd);
ssize_t __wrap_recv(int fd, void *to, size_t len, int flags);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_close(int fd);
int __real_usleep(useconds_t us);
int __wrap_usleep(useconds_t us);

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static struct stream *find(int fd)
{
    pthread_mutex_lock(&lock);
    struct stream *s = all;
    while (s && s->fd != fd)
        s = s->next;
    pthread_mutex_unlock(&lock);
    return s;
}

static struct stream *find_or_add(int fd)
{
    struct stream *s = find(fd);
    if (s)
        return s;
    s = mem_alloc(sizeof *s);
    s->fd = fd;
    s->to = NULL;
    s->passing = s->from = s->len = 0;
    s->partial = s->ended = false;
    pthread_mutex_lock(&lock);
    s->next = all;
    all = s;
    pthread_mutex_unlock(&lock);
    return s;
}

/* The CONNACK is Paho's last packet so far: behind it begins ours. */
int readahead_begin(const struct receiver *to)
{
    here = true;
    int fd = read_fd;
    read_fd = -1; /* the next one may be that of a connection over TLS, of which nothing is read here */
    if (fd < 0 || first_byte != CONNACK_HEAD)
        return -1;
    find_or_add(fd)->to = to;
    return fd;
}

/* ---- what Paho asks for --------------------------------------------------------------------------------------------
 */

static ssize_t fill(struct stream *s)
{
    if (s->from == s->len)
        s->from = s->len = 0;
    if (s->from && (s->len == AHEAD || s->from > AHEAD / 2)) {
        memmove(s->bytes, s->bytes + s->from, s->len - s->from);
        s->len -= s->from;
        s->from = 0;
    }
    ssize_t n = __real_recv(s->fd, s->bytes + s->len, AHEAD - s->len, 0);
    if (n > 0)
        s->len += (size_t)n;
    return n;
}

static ssize_t give(struct stream *s, void *to, size_t len)
{
    if (s->from == s->len) {
        if (len >= AHEAD)
            return __real_recv(s->fd, to, len, 0);
        ssize_t n = fill(s);
        if (n <= 0)
            return n;
    }
    size_t n = s->len - s->from < len ? s->len - s->from : len;
    memcpy(to, s->bytes + s->from, n);
    s->from += n;
    return (ssize_t)n;
}

/* Of a packet that it is given Paho gets all, and not a byte of the next. */
static ssize_t give_of_packet(struct stream *s, void *to, size_t len)
{
    if (s->passing == 0 && s->ended)
        return __real_recv(s->fd, to, len, 0);
    if (s->passing == 0) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t n = give(s, to, len < s->passing ? len : s->passing);
    if (n > 0)
        s->passing -= (size_t)n;
    return n;
}

static ssize_t receive(int fd, void *to, size_t len)
{
    struct stream *s = find_or_add(fd);
    return s->to ? give_of_packet(s, to, len) : give(s, to, len);
}

ssize_t __wrap_recv(int fd, void *to, size_t len, int flags)
{
    ssize_t n = here && !flags ? receive(fd, to, len) : __real_recv(fd, to, len, flags);
    if (n > 0 && read_fd != fd) {
        read_fd = fd;
        first_byte = *(unsigned char *)to;
    }
    return n;
}

/* ---- what is there -------------------------------------------------------------------------------------------------
 */

/* What the packet at the front is to us. false: its end, or even its size, is still to come. */
static bool see_packet(struct stream *s)
{
    struct mqtt_frame frame = {0};
    enum mqtt_frame_status status = mqtt_frame(s->bytes + s->from, s->len - s->from, &frame);
    bool ours = frame.type == MQTT_PUBLISH && frame.size <= AHEAD;
    if (status == MQTT_FRAME_BAD)
        s->passing = SIZE_MAX; /* Paho closes the connection */
    else if (status == MQTT_FRAME_MORE || (status == MQTT_FRAME_HEAD && ours))
        return false;
    else if (ours && s->to->publish(s->to->arg, &frame))
        s->from += frame.size;
    else
        s->passing = frame.size;
    return true;
}

/* Hands over the messages at the front. true: something else is there, for Paho. */
static bool hand_over(struct stream *s)
{
    s->partial = false;
    while (s->passing == 0 && s->from < s->len && !s->partial)
        s->partial = !see_packet(s);
    s->to->paused(s->to->arg);
    return s->passing > 0;
}

/* In memory. true: Paho is to look. */
static bool look_ahead(struct stream *s)
{
    if (s->from == s->len || s->partial)
        return false;
    return !s->to || s->passing > 0 || hand_over(s);
}

/* Reads once, so that others have their turn. true: Paho is to look. */
static bool read_on(struct stream *s)
{
    if (s->passing > 0 || s->ended)
        return true;
    ssize_t n = fill(s);
    read_us = s->len < AHEAD ? now_us() : 0;
    if (n > 0)
        return hand_over(s);
    s->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
    return s->ended;
}

/* Where one message follows another, each would cost a switch to this thread, and the broker as much: the next are let
 * come together. */
static void gather(void)
{
    if (now_us() - read_us < GATHER_US)
        nanosleep(&(struct timespec){.tv_nsec = GATHER_US * 1000}, NULL);
}

/* How many of the sockets have something in memory for Paho; the others wait for the next time. */
static int ready_ahead(struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    paho_lock();
    for (nfds_t i = 0; i < count; i++) {
        struct stream *s = fds[i].events & POLLIN ? find(fds[i].fd) : NULL;
        fds[i].revents = s && look_ahead(s) ? POLLIN : 0;
        ready += fds[i].revents != 0;
    }
    paho_unlock();
    return ready;
}

/* Takes from the sockets that are ready what is ours. How many are still ready, for Paho. */
static int take(struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    paho_lock();
    for (nfds_t i = 0; i < count; i++) {
        struct stream *s = fds[i].revents ? find(fds[i].fd) : NULL;
        if (s && s->to && !read_on(s))
            fds[i].revents = 0;
        ready += fds[i].revents != 0;
    }
    paho_unlock();
    return ready;
}

static int poll_for_input(struct pollfd *fds, nfds_t count, int timeout)
{
    int ready = ready_ahead(fds, count);
    if (ready)
        return ready;
    ready = mqtt_poll(fds, count, timeout);
    polled = true;
    if (ready <= 0)
        return ready;
    gather();
    return take(fds, count);
}

/* Paho polls for writing apart, with a lock of its own held. */
static bool is_for_input(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++)
        if (fds[i].events & POLLIN)
            return true;
    return false;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    read_fd = -1;
    if (!is_for_input(fds, count))
        return __real_poll(fds, count, timeout);
    return here ? poll_for_input(fds, count, timeout) : mqtt_poll(fds, count, timeout);
}

/* With nothing for it, Paho sleeps for a tenth of a second: in case it has no socket to poll. */
int __wrap_usleep(useconds_t us)
{
    if (!polled)
        return __real_usleep(us);
    polled = false;
    return 0;
}

/* Paho's lock is held. */
int __wrap_close(int fd)
{
    struct stream *gone = NULL;
    if (read_fd == fd)
        read_fd = -1;
    pthread_mutex_lock(&lock);
    for (struct stream **at = &all; *at && !gone; at = &(*at)->next)
        if ((*at)->fd == fd) {
            gone = *at;
            *at = gone->next;
            break;
        }
    pthread_mutex_unlock(&lock);
    if (gone && gone->to)
        gone->to->closed(gone->to->arg);
    free(gone);
    return __real_close(fd);
}

#else

int readahead_begin(const struct receiver *to)
{
    (void)to;
    return -1;
}

#endif
