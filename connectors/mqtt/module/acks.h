/*
 * Deferred acknowledgement of QoS 1 messages. Paho sends a PUBACK as soon as it has handed over a message; the module
 * is linked so that this call comes to us, and does nothing. What is owed is kept here and sent when the engine has
 * settled it, in the order of receipt (MQTT-4.6.0-2): to a plain socket as many as are due at once, else with Paho's
 * own function.
 *
 * A message that came over a connection that is lost cannot be acknowledged any more: the broker sends it again, with
 * the same packet id and DUP, when the session is resumed. While its acknowledgement was never sent the id cannot mean
 * another message, so it is not delivered twice but owed again. Once sent, nobody knows whether the broker has seen it:
 * then it counts as a new message.
 *
 * Everything but `settled` is guarded by Paho's own lock, which its threads hold when they call us.
 */
#ifndef PIPE_MQTT_ACKS_H
#define PIPE_MQTT_ACKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pipeline/base/buffer.h"

enum { PACKET_IDS = 65536 };

struct acks {
    _Atomic uint64_t settled; /* positions below are delivered by every sink */
    int version;              /* of MQTT */
    const char *client_id;    /* whose PUBACKs are deferred; borrowed */
    int socket;               /* where they are written together; -1: one by one, over … */
    void *net;                /* … Paho's connection; NULL until the first message */
    struct buffer packets;
    struct acks *next; /* of all that defer */
    bool connected, resumed;
    uint64_t head, tail; /* owed on this connection, in order of receipt: ids[head … tail) */
    uint16_t *ids;       /* a ring of PACKET_IDS */
    uint64_t *behind;    /* by packet id: position behind the message, while it is unacknowledged; 0: it isn't */
};

void acks_init(struct acks *a, int version, const char *client_id);
void acks_release(struct acks *a);

/* The lane: everything below is delivered. */
void acks_settle(struct acks *a, uint64_t next);

/* ---- Paho's lock is held -------------------------------------------------------------------------------------------
 */

/* Before another connection is made: none of the old acknowledgements may go over it. */
void acks_disconnected(struct acks *a);
/* socket: a plain one, until acks_disconnected; or -1. */
void acks_connected(struct acks *a, bool session_present, int socket);
/* A message came with DUP: true if we have it, and its acknowledgement is owed (again). */
bool acks_reattach(struct acks *a, uint16_t id);
void acks_owe(struct acks *a, uint16_t id, uint64_t behind);
static inline uint64_t acks_owed(const struct acks *a)
{
    return a->tail - a->head;
}
static inline bool acks_due(const struct acks *a)
{
    return a->connected && a->head != a->tail &&
           a->behind[a->ids[a->head % PACKET_IDS]] <= atomic_load_explicit(&a->settled, memory_order_acquire);
}
/* Sends what is due, as far as the connection takes it. */
void acks_send(struct acks *a);

/* ---- any other thread ----------------------------------------------------------------------------------------------
 */

/* As acks_send, if Paho is not busy. false: something may still be due, try again soon. */
bool acks_try_send(struct acks *a);
/* As acks_send; waits for Paho. */
void acks_send_now(struct acks *a);
void paho_lock(void);
void paho_unlock(void);

#endif
