/*
 * A post writes to the eventfd only when the owner sleeps and nobody has written before: one system call per sleep,
 * none while the owner is busy. `sleeping` goes false under the lock with the first post or wake, so a second one sees
 * it and stays quiet.
 */
#include "pipeline/base/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "pipeline/base/arena.h"

enum { FDS_ON_STACK = 16 };

void mailbox_init(struct mailbox *mb)
{
    *mb = (struct mailbox){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    assert(mb->event_fd >= 0);
    mb->last = &mb->first;
    pthread_mutex_init(&mb->lock, NULL);
}

void mailbox_release(struct mailbox *mb)
{
    assert(!mb->first);
    close(mb->event_fd);
    pthread_mutex_destroy(&mb->lock);
}

/* Under the lock. */
static void rouse(struct mailbox *mb)
{
    if (!mb->sleeping)
        return;
    mb->sleeping = false;
    uint64_t one = 1;
    ssize_t written = write(mb->event_fd, &one, sizeof(one));
    assert(written == sizeof(one));
    (void)written;
}

void mailbox_post(struct mailbox *mb, struct mail *m)
{
    m->next = NULL;
    pthread_mutex_lock(&mb->lock);
    *mb->last = m;
    mb->last = &m->next;
    rouse(mb);
    pthread_mutex_unlock(&mb->lock);
}

void mailbox_wake(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    mb->woken = true;
    rouse(mb);
    pthread_mutex_unlock(&mb->lock);
}

struct mail *mailbox_take(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    struct mail *all = mb->first;
    mb->first = NULL;
    mb->last = &mb->first;
    pthread_mutex_unlock(&mb->lock);
    return all;
}

/* Whether the owner may sleep; if so, others will write to event_fd from now on. */
static bool fall_asleep(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    mb->sleeping = !mb->first && !mb->woken;
    bool asleep = mb->sleeping;
    pthread_mutex_unlock(&mb->lock);
    return asleep;
}

/* `slept` and no longer `sleeping`: somebody has written, exactly once. */
static void wake_up(struct mailbox *mb, bool slept)
{
    pthread_mutex_lock(&mb->lock);
    bool written = slept && !mb->sleeping;
    mb->sleeping = false;
    mb->woken = false;
    pthread_mutex_unlock(&mb->lock);
    if (written) {
        uint64_t count;
        ssize_t got = read(mb->event_fd, &count, sizeof(count));
        assert(got == sizeof(count));
        (void)got;
    }
}

static int poll_once(struct pollfd *all, nfds_t count, int64_t timeout_us)
{
    struct timespec limit = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
    int ready = ppoll(all, count, timeout_us < 0 ? NULL : &limit, NULL);
    assert(ready >= 0 || errno == EINTR || errno == ENOMEM);
    return ready < 0 ? 0 : ready; /* a signal is a spurious wake-up: the owner looks around and waits again */
}

int mailbox_wait(struct mailbox *mb, struct pollfd *fds, nfds_t count, int64_t timeout_us)
{
    struct pollfd few[FDS_ON_STACK];
    struct pollfd *all = count + 1 <= FDS_ON_STACK ? few : mem_alloc(sizeof(*all) * (count + 1));
    for (nfds_t i = 0; i < count; i++)
        all[i] = fds[i];
    all[count] = (struct pollfd){.fd = mb->event_fd, .events = POLLIN};

    bool asleep = fall_asleep(mb);
    int ready = 0;
    if (asleep || count > 0)
        ready = poll_once(all, count + 1, asleep ? timeout_us : 0);
    wake_up(mb, asleep);

    if (ready > 0 && all[count].revents)
        ready--;
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = ready > 0 ? all[i].revents : 0;
    if (all != few)
        free(all);
    return ready;
}
