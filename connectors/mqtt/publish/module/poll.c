/*
 * The sink's module is linked with this in place of poll, which only Paho's receiving thread calls.
 */
#include "connectors/mqtt/client/poll.h"

#if PIPE_MQTT_DEFERRED_ACK /* linked with Paho's static library */

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    return mqtt_poll(fds, count, timeout);
}

#endif
