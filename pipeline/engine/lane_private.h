/*
 * What a lane is made of: for the files lane*.c and nobody else.
 */
#ifndef PIPE_LANE_PRIVATE_H
#define PIPE_LANE_PRIVATE_H

#include <pthread.h>

#include "pipeline/engine/acquire.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/gathering.h"
#include "pipeline/engine/lane_mail.h"
#include "pipeline/engine/ledger.h"
#include "pipeline/engine/resume.h"
#include "pipeline/engine/spool_lane.h"

struct lane {
    struct engine *engine;
    const struct component *component;
    const struct source_ops *ops;
    const struct route *route;
    uint32_t index;         /* among the engine's lanes */
    uint32_t number, count; /* among its source's */
    struct lane *first;     /* number 0 of its source: holds what they share */
    void *shared;
    bool source_open;
    pthread_t thread;
    bool started;
    struct mailbox mail;
    struct budget_share *share;
    struct source_stats *stats;
    _Atomic bool ended, done;
    _Atomic int64_t oldest_us;
    _Atomic uint32_t factor_percent; /* memory per raw byte, learnt by workers; in percent */
    _Atomic size_t record_bytes;     /* what a record becomes where the plan makes rows, learnt by workers; 0: not known yet */
    struct lags lags;
    atomic_bool answered;            /* a sink has, since lane_wait last looked */

    /* the thread's own */
    struct ledger ledger;
    struct gathering gathering;
    uint64_t next_number;
    uint64_t *numbers; /* per sink: of its next output */
    struct spool *spool;             /* a front's, or a reader's; NULL: neither */
    bool reader;
    _Atomic sink_mask open_sinks;    /* a reader's */
    struct lane_listener listener;   /* a reader's */
    uint32_t next_partition;
    void *state;
    const struct positions **stored; /* per sink, what it had at the start; of a shared source, what the present acquisition found */
    struct acquisition *acquisitions; /* the newest first; older ones were left unanswered */
};

/* Records per batch are 24 bytes each beside the raw bytes: with what decoding and encoding take, a fair first guess. */
enum { FIRST_FACTOR_PERCENT = 250, FRONT_FACTOR_PERCENT = 120 };

/* Does a spool stand behind it? Then its own partitions are nothing the sinks know. */
static inline bool lane_is_front(const struct lane *lane)
{
    return lane->spool && !lane->reader;
}

/* The source has to wait: no sink may wait for it in turn. */
void lane_flush(struct lane *lane);
/* What so many raw bytes will take up, by what was learnt. */
size_t lane_with_factor(const struct lane *lane, size_t bytes);
/* Those that were left unanswered; all: the present one too. */
void lane_free_acquisitions(struct lane *lane, bool all);

#endif
