/*
 * Messages to one thread from any thread, unbounded: what bounds them is the byte budget and the number of batches in flight.
 * A message is a struct with a struct mail in it; it belongs to the mailbox from post until it is taken.
 */
#ifndef PIPE_MAILBOX_H
#define PIPE_MAILBOX_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct mail {
    struct mail *next;
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, **last;
    int event_fd;   /* readable while the receiver sleeps and there is mail */
    bool sleeping;
    bool woken;     /* mailbox_wake since the last take or wait */
};

void mailbox_init(struct mailbox *mb);
void mailbox_release(struct mailbox *mb); /* must be empty */

/* Any thread. Never waits. */
void mailbox_post(struct mailbox *mb, struct mail *m);
/* Any thread: the next (or present) wait returns at once, with or without mail. */
void mailbox_wake(struct mailbox *mb);

/* The owner: everything there is, in order of posting, as a NULL-ended list; NULL if empty. Never waits. */
struct mail *mailbox_take(struct mailbox *mb);

/*
 * The owner: sleeps until there is mail, a wake, one of `fds` is ready, or `timeout_us` has passed (-1: for ever, 0: only looks).
 * fds may be NULL; their revents are filled in. Returns poll's count of ready fds (0 also for mail, wake and timeout).
 */
int mailbox_wait(struct mailbox *mb, struct pollfd *fds, nfds_t count, int64_t timeout_us);

#endif
