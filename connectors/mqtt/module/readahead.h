/*
 * What Paho reads of plain sockets. For a small message it asks the kernel four times (is there something, the first
 * byte, the length, the rest), allocates six times, and walks its lists of clients: ten times what the message costs
 * us.
 *
 * So the source's module is linked with functions of ours in place of recv, poll, usleep and close. On Paho's receiving
 * thread what is there is read at once, 64 KiB at most. Messages are handed to the source where they lie, and Paho
 * never sees them; the other packets, and a message larger than that, it is given from memory. On all other threads
 * they are the system's functions. What comes over TLS or WebSocket is Paho's as ever.
 */
#ifndef PIPE_MQTT_READAHEAD_H
#define PIPE_MQTT_READAHEAD_H

#include <stdbool.h>

#include "connectors/mqtt/codec/packet.h"

/* Whose messages are handed over; called on Paho's receiving thread or another of its own, its lock held. */
struct receiver {
    /* A whole PUBLISH; it is borrowed. false: Paho shall have it. */
    bool (*publish)(void *arg, const struct mqtt_frame *frame);
    /* Of what came, that was all. */
    void (*paused)(void *arg);
    /* The socket is about to be closed. */
    void (*closed)(void *arg);
    void *arg;
};

/*
 * In Paho's callback for a successful connection, on its receiving thread: from here on the connection's messages go to
 * the receiver, which lives until `closed`. The socket, for writing; -1 where it is no plain one, and messages come by
 * Paho.
 */
int readahead_begin(const struct receiver *to);

#endif
