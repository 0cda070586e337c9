#include "connectors/mqtt/module/acks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/base/arena.h"

#if PIPE_MQTT_DEFERRED_ACK

enum { TCP_COMPLETE = 0, TCP_ERROR = -1 };

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

void acks_send(struct acks *a)
{
    while (a->net && acks_due(a)) {
        uint16_t id = a->ids[a->head % PACKET_IDS];
        if (!send_one(a, id))
            return;
        a->behind[id] = 0;
        a->head++;
    }
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
    *a = (struct acks){.version = version, .client_id = client_id};
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
    a->head = a->tail;
}

void acks_connected(struct acks *a, bool session_present)
{
    a->connected = true;
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
