#include "connectors/mqtt/client/poll.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#if PIPE_MQTT_DEFERRED_ACK /* linked with Paho's static library */

enum { LOOK_MS = 10, MOST = 64 };

int __real_poll(struct pollfd *fds, nfds_t count, int timeout);

static atomic_int connecting; /* with this copy of Paho */
static pthread_once_t made = PTHREAD_ONCE_INIT;
static int alarm_fd;

static void make_alarm(void)
{
    alarm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void mqtt_poll_often(bool begins)
{
    pthread_once(&made, make_alarm);
    atomic_fetch_add(&connecting, begins ? 1 : -1);
    uint64_t one = 1;
    if (begins && write(alarm_fd, &one, sizeof one) < 0)
        return; /* it rings already */
}

int mqtt_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (timeout_ms > LOOK_MS && atomic_load(&connecting) > 0)
        timeout_ms = LOOK_MS;
    if (timeout_ms <= LOOK_MS || count >= MOST)
        return __real_poll(fds, count, timeout_ms);
    pthread_once(&made, make_alarm);
    struct pollfd all[MOST];
    memcpy(all, fds, count * sizeof *fds);
    all[count] = (struct pollfd){.fd = alarm_fd, .events = POLLIN};
    int ready = __real_poll(all, count + 1, timeout_ms);
    memcpy(fds, all, count * sizeof *fds);
    if (ready <= 0 || !all[count].revents)
        return ready;
    uint64_t rings;
    return read(alarm_fd, &rings, sizeof rings) > 0 ? ready - 1 : 0;
}

#else

void mqtt_poll_often(bool begins)
{
    (void)begins;
}

#endif
