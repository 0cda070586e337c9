/*
 * Publications that a broken connection leaves unsent, which Paho 1.3.12 frees twice or not at all (its issues 1194,
 * 1474 and 1621). The module is linked with these functions before its own.
 */
#include <sys/socket.h>

#if PIPE_MQTT_DEFERRED_ACK /* linked with Paho's static library */

enum { TCP_ERROR = -1, TCP_INTERRUPTED = -22 };

/* A connection begins with its socket. */
int __real_MQTTPacket_send_publish(void *publish, int dup, int qos, int retained, void *net, const char *client_id);
int __wrap_MQTTPacket_send_publish(void *publish, int dup, int qos, int retained, void *net, const char *client_id);
void __wrap_MQTTAsync_NULLPublishCommands(void *client);

/*
 * Under Paho's lock. It would free the payload of what could not be sent at once, and again with all that is under way.
 * Told that the rest is still to be written, it keeps the publication under way until it sees the closed socket.
 */
int __wrap_MQTTPacket_send_publish(void *publish, int dup, int qos, int retained, void *net, const char *client_id)
{
    int rc = __real_MQTTPacket_send_publish(publish, dup, qos, retained, net, client_id);
    if (rc != TCP_ERROR || qos == 0)
        return rc;
    shutdown(*(int *)net, SHUT_RDWR); /* whatever the error was, the receiving thread reads its end */
    return TCP_INTERRUPTED;
}

/* It forgets topic and payload of what is still queued, as if they were also under way. Without persistence they never
 * are. */
void __wrap_MQTTAsync_NULLPublishCommands(void *client)
{
    (void)client;
}

#endif
