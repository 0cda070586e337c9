/*
 * How Paho's receiving thread waits. It sees that a connection has come about only when it has nothing to read for a
 * second, and does not even know of one that is made while it waits. The modules are linked so that its poll comes
 * here: it is woken when a connection begins, and looks often until there is none in the making.
 */
#ifndef PIPE_MQTT_POLL_H
#define PIPE_MQTT_POLL_H

#include <poll.h>
#include <stdbool.h>

/* As poll(2). */
int mqtt_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
/* Any thread: one connection more, or less, is in the making (or one client is about to end). */
void mqtt_poll_often(bool begins);

#endif
