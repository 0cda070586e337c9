/*
 * Paho asks the kernel four times for a small message: is there something, the first byte, the length, the rest. The
 * source's module is linked with functions of ours in place of recv, poll and close; on Paho's receiving thread, where
 * it reads plain sockets, what is there is read at once, 64 KiB at most, and given out from memory. On all other
 * threads, and for TLS, which has a buffer of its own and does not come here, they are the system's.
 */
#ifndef PIPE_MQTT_READAHEAD_H
#define PIPE_MQTT_READAHEAD_H

#include <stdbool.h>

/* The calling thread is Paho's receiving thread. */
void readahead_here(void);
/*
 * Any thread: one connection more, or less, is being made. Paho looks for the end of that only once a second, since it
 * waits for something to read; meanwhile it is made to look more often.
 */
void readahead_connecting(bool begins);

#endif
