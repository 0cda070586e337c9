#include "connectors/mqtt/module/acks.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "connectors/mqtt/codec/packet.h"
#include "pipeline/base/arena.h"

#if PIPE_MQTT_DEFERRED_ACK

enum { TCP_COMPLETE = 0, TCP_ERROR = -1, ACK_SIZE = 4, MOST_AT_ONCE = 16 << 10, COMPLETE_MS = 1000 };

/* Paho's internals, in its static library only. A connection begins with its socket; 0 and less: none. */
extern pthread_mutex_t *mqttasync_mutex;
int Socket_noPendingWrites(int socket);
int __real_MQTTPacket_send_puback(int version, int id, void *net, const char *client_id);
int __wrap_MQTTPacket_send_puback(int version, int id, void *net, const char *client_id);

/* All sources of this process. Guarded by Paho's lock. */
static struct acks *deferring;

void paho_lock(void)
{
    pthread_mutex_lock(mqttasync_mutex);
}

void paho_unlock(void)
{
    pthread_mutex_unlock(mqttasync_mutex);
}

/* Paho's receiving thread, after the message has arrived; later, where writing was blocked just then. */
int __wrap_MQTTPacket_send_puback(int version, int id, void *net, const char *client_id)
{
    for (struct acks *a = deferring; a; a = a->next)
        if (strcmp(a->client_id, client_id) == 0) {
            a->net = net;
            return TCP_COMPLETE;
        }
    return __real_MQTTPacket_send_puback(version, id, net, client_id);
}

/* What was written in part, Paho completes. */
static bool send_one(struct acks *a, uint16_t id)
{
    int socket = *(int *)a->net;
    return socket > 0 && Socket_noPendingWrites(socket) &&
           __real_MQTTPacket_send_puback(a->version, id, a->net, a->client_id) != TCP_ERROR;
}

static void sent(struct acks *a)
{
    a->behind[a->ids[a->head++ % PACKET_IDS]] = 0;
}

static void send_one_by_one(struct acks *a)
{
    while (a->net && acks_due(a) && send_one(a, a->ids[a->head % PACKET_IDS]))
        sent(a);
}

/* A packet that went out in part has to be completed before anything else is written; else the connection is of no use.
 */
static void complete(int socket, const char *rest, size_t len)
{
    while (len > 0) {
        struct pollfd fd = {.fd = socket, .events = POLLOUT};
        ssize_t n = poll(&fd, 1, COMPLETE_MS) == 1 ? send(socket, rest, len, MSG_NOSIGNAL) : -1;
        if (n < 0) {
            shutdown(socket, SHUT_RDWR);
            return;
        }
        rest += n;
        len -= (size_t)n;
    }
}

/* How many of the packets are sent. */
static size_t send_packets(int socket, const struct buffer *packets)
{
    ssize_t n = Socket_noPendingWrites(socket) ? send(socket, packets->data, packets->len, MSG_NOSIGNAL) : -1;
    if (n <= 0)
        return 0; /* it is full; or broken, which the receiving thread sees */
    size_t whole = ((size_t)n + ACK_SIZE - 1) / ACK_SIZE;
    complete(socket, packets->data + n, whole * ACK_SIZE - (size_t)n);
    return whole;
}

static void send_together(struct acks *a)
{
    uint64_t head = a->head;
    buffer_clear(&a->packets);
    for (; acks_due(a) && a->packets.len < MOST_AT_ONCE; a->head++)
        mqtt_write_ack(&a->packets, MQTT_PUBACK, a->ids[a->head % PACKET_IDS]);
    a->head = head;
    if (a->packets.len == 0)
        return;
    for (size_t n = send_packets(a->socket, &a->packets); n > 0; n--)
        sent(a);
}

void acks_send(struct acks *a)
{
    if (a->socket >= 0)
        send_together(a);
    else
        send_one_by_one(a);
}

bool acks_try_send(struct acks *a)
{
    if (pthread_mutex_trylock(mqttasync_mutex) != 0)
        return false;
    acks_send(a);
    bool all = !acks_due(a);
    pthread_mutex_unlock(mqttasync_mutex);
    return all;
}

void acks_owe(struct acks *a, uint16_t id, uint64_t behind)
{
    a->behind[id] = behind;
    a->ids[a->tail++ % PACKET_IDS] = id;
}

bool acks_reattach(struct acks *a, uint16_t id)
{
    if (!a->resumed || !a->behind[id])
        return false;
    acks_owe(a, id, a->behind[id]);
    return true;
}

void acks_init(struct acks *a, int version, const char *client_id)
{
    *a = (struct acks){
        .version = version,
        .client_id = client_id,
        .socket = -1,
        .ids = mem_zalloc(PACKET_IDS * sizeof *a->ids),
        .behind = mem_zalloc(PACKET_IDS * sizeof *a->behind),
    };
    paho_lock();
    a->next = deferring;
    deferring = a;
    paho_unlock();
}

void acks_release(struct acks *a)
{
    paho_lock();
    for (struct acks **at = &deferring; *at; at = &(*at)->next)
        if (*at == a) {
            *at = a->next;
            break;
        }
    paho_unlock();
    buffer_release(&a->packets);
    free(a->ids);
    free(a->behind);
}

#else /* Paho acknowledges by itself: nothing is ever owed */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void paho_lock(void)
{
    pthread_mutex_lock(&lock);
}

void paho_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void acks_send(struct acks *a)
{
    (void)a;
}

bool acks_try_send(struct acks *a)
{
    (void)a;
    return true;
}

void acks_owe(struct acks *a, uint16_t id, uint64_t behind)
{
    (void)a;
    (void)id;
    (void)behind;
}

bool acks_reattach(struct acks *a, uint16_t id)
{
    (void)a;
    (void)id;
    return false;
}

void acks_init(struct acks *a, int version, const char *client_id)
{
    *a = (struct acks){.version = version, .client_id = client_id, .socket = -1};
}

void acks_release(struct acks *a)
{
    (void)a;
}

#endif

void acks_settle(struct acks *a, uint64_t next)
{
    atomic_store_explicit(&a->settled, next, memory_order_release);
}

void acks_disconnected(struct acks *a)
{
    a->connected = false;
    a->socket = -1;
    a->head = a->tail;
}

void acks_connected(struct acks *a, bool session_present, int socket)
{
    a->connected = true;
    a->socket = socket;
    a->resumed = session_present;
    a->head = a->tail;
    if (!session_present && a->behind)
        memset(a->behind, 0, PACKET_IDS * sizeof *a->behind);
}

void acks_send_now(struct acks *a)
{
    paho_lock();
    acks_send(a);
    paho_unlock();
}
