/*
 * One connection of a sink: a thread that writes outputs in order, commits them in groups, retries, and settles. Private to the runner.
 */
#ifndef PIPE_CONN_H
#define PIPE_CONN_H

#include <pthread.h>

#include "pipeline/base/error.h"
#include "pipeline/engine/runner.h"

/* One connection's share of an output: all of it where there is one connection. */
struct share {
    struct mail mail;
    struct share *next;
    struct output *output;
};

struct shares {
    struct share *first, *last;
    uint32_t count;
};

struct conn {
    struct runner *runner;
    struct sink sink;
    pthread_t thread;
    bool started;
    struct mailbox mail;
    _Atomic uint64_t *flush_upto;   /* per lane: batches below are being waited for */
    _Atomic uint64_t *release_upto; /* the same, for sinks that roll */

    /* the thread's own */
    struct shares todo, held; /* to be written; written and not yet committed */
    uint64_t held_rows, held_bytes;
    int64_t held_since_us;
    int64_t retry_since_us, retry_wait_us; /* 0: all is well */
    bool commit_failed;                    /* since then: only a commit shows that all is well */
    bool open;
};

void conn_init(struct conn *c, struct runner *r, uint32_t number);
void conn_release(struct conn *c);
void *conn_main(void *conn);
/* After its thread has ended: what workers sent it while everything stopped at once goes home unsettled. */
void conn_give_up_rest(struct conn *c);

#endif
