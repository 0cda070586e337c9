/*
 * Where messages wait between Paho's receiving thread, which puts each into the open batch, and the source's lane,
 * which takes the batch and leaves an empty one. A message is copied once, under a lock that is rarely contended; the
 * lane is woken only when it sleeps.
 *
 * Within a batch's bytes each message is topic, properties (JSON), payload.
 */
#ifndef PIPE_MQTT_INTAKE_H
#define PIPE_MQTT_INTAKE_H

#include <pthread.h>

#include "pipeline/base/buffer.h"
#include "pipeline/engine/lane.h"

struct intake {
    const struct source_common *common;
    const struct clock *clock;
    struct partition *partition; /* borrowed */
    int event_fd;                /* readable when the lane has to look */

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t changed;
    enum {
        LANE_AWAKE,
        LANE_WAITS_FOR_MORE,
        LANE_WAITS_FOR_ANY
    } lane;                            /* MORE: it knows of some, and lets them gather */
    bool closed;                       /* nothing is taken any more */
    struct batch *open;                /* NULL: the lane has none to give */
    size_t limit;                      /* how much of it was drawn from the budget */
    int64_t opened_us;                 /* when its first message came */
    size_t wanted;                     /* the receiver waits for a batch with this much room; 0: it doesn't */
    uint64_t next;                     /* position of the next record */
    struct value *topics, *properties; /* of the open batch's records */
    uint8_t *delivery;
    uint32_t meta_capacity;
    bool has_properties;
};

struct message {
    struct str topic, payload, properties; /* properties: JSON; empty: none */
    uint8_t qos;
    bool retained;
};

void intake_init(struct intake *in, struct lane *lane, struct partition *p);
void intake_release(struct intake *in, struct lane *lane);

/* ---- the receiver --------------------------------------------------------------------------------------------------
 */

enum intake_answer { INTAKE_TAKEN, INTAKE_CLOSED, INTAKE_FULL };

/*
 * Adds a message; *next is the position behind its last record. Where there is no room it waits, calling `meanwhile`
 * now and then, until patience_us are over: INTAKE_FULL.
 */
enum intake_answer intake_put(struct intake *in, const struct message *m, int64_t patience_us,
                              void (*meanwhile)(void *arg), void *arg, uint64_t *next);
/* Waits until the lane has done something, or for a moment. */
void intake_pause(struct intake *in);
/* Any thread: the lane shall not sleep on. */
void intake_wake(struct intake *in);

/* ---- the lane ------------------------------------------------------------------------------------------------------
 */

void intake_close(struct intake *in, bool closed);
/* Something is settled: there may be room. */
void intake_settled(struct intake *in);
/* The position of the next record. */
uint64_t intake_next(struct intake *in);
/* What there is. The receiver rings from here on, until the lane has slept. */
struct intake_state {
    bool has_batch; /* an open batch, in which there are: */
    size_t bytes;
    uint32_t records;
    int64_t waiting_us; /* since the first of them came */
    size_t wanted;      /* the receiver waits for a batch with this much room; 0: it doesn't */
};
struct intake_state intake_look(struct intake *in);
/* Puts a batch in place of the open one, which comes back, ready for lane_emit, or NULL where there was none. */
struct batch *intake_swap(struct intake *in, struct batch *fresh, size_t limit);
/* Waits in lane_wait until the receiver or intake_wake rings, or timeout_us (-1: none) is over. */
void intake_sleep(struct intake *in, struct lane *lane, int64_t timeout_us);

#endif
