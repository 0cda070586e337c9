/*
 * The listening side of the MQTT source: devices connect to us and publish; nobody subscribes.
 *
 * Each lane has a hub, an event loop over its connections (guests). All hubs accept from one socket; after its CONNECT a guest moves to the hub that its client id
 * hashes to, so that a session and all that knows of it belong to one thread.
 *
 *   1. Packets are read straight into the batch that is being filled, and payloads are records in place.
 *   2. A guest's messages with QoS 1 and 2 are acknowledged in the order of receipt, and only when the lane has settled them (mqtt_receipts).
 *   3. Guests that end are buried by the loop, between events: whatever holds a pointer within one round may look at it.
 *   4. While the lane waits for memory nothing is read; what a guest has sent meanwhile keeps it alive.
 */
#ifndef PIPE_MQTT_HUB_H
#define PIPE_MQTT_HUB_H

#include <pthread.h>

#include "connectors/mqtt/listen/journal.h"
#include "connectors/mqtt/codec/packet.h"
#include "connectors/mqtt/listen/passwords.h"
#include "connectors/mqtt/listen/tls.h"
#include "connectors/mqtt/mqtt.h"
#include "pipeline/engine/lane.h"

struct mqtt_hub;
struct mqtt_guest;
struct mqtt_session;

enum { MQTT_ALIASES = 64, MQTT_OVERHEAD = 64 << 10 /* what a packet may have beside its payload */ };

/* Guests on their way to a hub. */
struct mqtt_post {
    pthread_mutex_t lock;
    struct mqtt_guest *first;
    int event_fd;
};

/* A journal of the last run. */
struct mqtt_old_journal {
    uint32_t lane;
    struct buffer bytes;
};

/* What the hubs of a source share. Const but for posts, connections and the log's. */
struct mqtt_listener {
    const struct component *component;
    const struct mqtt_source_options *options;
    const char *state_dir;
    int fd;
    uint32_t lanes;
    uint32_t packet_max;
    struct mqtt_post *posts; /* per lane */
    const struct mqtt_tls_ops *tls; /* NULL: plain */
    void *tls_server;
    struct mqtt_passwords passwords; /* of users_file */
    const struct mqtt_password_ops *password_ops; /* NULL: there is none */
    atomic_uint connections;
    struct mqtt_old_journal *old; /* const while hubs run */
    uint32_t old_count;
    atomic_uint hubs_that_remember; /* have taken from `old` what is theirs, and written it down */
    _Atomic int64_t next_log_us;
    atomic_uint unlogged;
};

/* ---- intake: from bytes to batches ----------------------------------------------------------------------------------------- */

struct mqtt_intake {
    struct lane *lane;
    const struct source_common *common;
    const struct format *format;
    struct partition *partition;
    struct partition *scratch; /* for cutting: the other one is read by workers */
    uint64_t next;          /* the position of the next message */
    struct mqtt_journal *journal; /* goes before a batch */
    bool failed;            /* the journal cannot be written: nothing is taken any more */
    struct error err;
    struct batch *batch;    /* NULL: none is being filled */
    uint64_t serial;        /* of this batch, for texts that are put into it once */
    size_t chunk, limit;
    uint32_t meta_capacity; /* of the batch's meta arrays */
    uint32_t usual_records; /* in a batch, and some more */
    int64_t opened_us;
};

void mqtt_intake_init(struct mqtt_intake *in, struct lane *lane, uint32_t number, struct mqtt_journal *journal);
/* Before the first message, once `next` is what it shall be. */
void mqtt_intake_begin(struct mqtt_intake *in);
void mqtt_intake_release(struct mqtt_intake *in);
/* A batch with room for at least `need` bytes, and for the records that can be in them; *room is how many there are. NULL: stop reading. */
char *mqtt_intake_room(struct mqtt_intake *in, size_t need, size_t *room);
/* A message whose payload lies in the batch. topic and client: texts that live as long as the batch. */
void mqtt_intake_add(struct mqtt_intake *in, const struct mqtt_publish *p, struct str topic, struct str client);
struct str mqtt_intake_text(struct mqtt_intake *in, struct str s); /* a copy that lives as long as the batch */
void mqtt_intake_emit(struct mqtt_intake *in, bool more);
static inline bool mqtt_intake_holds(const struct mqtt_intake *in)
{
    return in->batch && in->batch->span_count && in->batch->spans[0].next != in->batch->spans[0].first;
}

/* ---- sessions and receipts ------------------------------------------------------------------------------------------------- */

/* A message that is not acknowledged yet. */
struct mqtt_pending {
    uint64_t position; /* behind it */
    uint16_t id;
    uint8_t qos;
    uint8_t flags; /* PENDING_* */
};
enum {
    PENDING_OLD = 1,          /* of an earlier connection, and not sent again on this one: not to be acknowledged */
    PENDING_ACKNOWLEDGED = 2, /* and only still here because something before it is not */
};

/*
 * What is kept of a client beyond its connection: messages under way, in the order of receipt (a ring: [first, settled) are safe but not acknowledged, since the
 * client was away; [settled, last) are under way), and the identifiers of QoS 2 messages until they are released.
 */
struct mqtt_session {
    uint32_t refs; /* the table, receipts, guests */
    char *client_id;
    uint64_t hash;
    struct mqtt_session *next;    /* in the table */
    struct mqtt_guest *guest;     /* NULL: the client is away */
    bool ended;                   /* no longer in the table: its messages are not acknowledged to anybody */
    bool resending;               /* the client may be repeating what it has no acknowledgement for */
    struct mqtt_journal *journal; /* NULL: it does not outlive the process */
    int64_t expiry_us;            /* how long it outlives a connection; 0: not at all */
    int64_t expires_at_us;        /* while the client is away */
    struct mqtt_pending *ring;
    uint32_t capacity;            /* a power of two */
    uint32_t first, settled, last; /* counted on; & (capacity - 1) is the place */
    uint32_t resent_at;           /* where to look for what is sent again */
    uint64_t *unreleased;         /* 65,536 bits: QoS 2 identifiers between PUBLISH and PUBREL; NULL: none yet */
    uint32_t unreleased_count;
};

enum { SESSION_BUCKETS = 4096 };

struct mqtt_sessions {
    struct mqtt_session *buckets[SESSION_BUCKETS];
    uint32_t count;
};

struct mqtt_session *mqtt_session_find(const struct mqtt_sessions *all, struct str client_id);
/* A new one; the table holds it. */
struct mqtt_session *mqtt_session_add(struct mqtt_sessions *all, struct str client_id);
/* Takes it out of the table; receipts may still hold it. */
void mqtt_session_end(struct mqtt_sessions *all, struct mqtt_session *s);
void mqtt_session_unref(struct mqtt_session *s);
/* Ends those that are away for longer than they want; returns when the next one will be (INT64_MAX: never). */
int64_t mqtt_sessions_expire(struct mqtt_sessions *all, int64_t now_us);
void mqtt_sessions_release(struct mqtt_sessions *all);

/* The client is back (resumed), and may send again what is in the ring. */
void mqtt_session_resume(struct mqtt_session *s);
/* position: behind the message. */
void mqtt_session_push(struct mqtt_session *s, uint16_t id, uint8_t qos, uint64_t position);
/* QoS 2 identifiers that wait for their PUBREL. */
bool mqtt_session_waits_for(const struct mqtt_session *s, uint16_t id);
void mqtt_session_wait_for(struct mqtt_session *s, uint16_t id);
void mqtt_session_forget(struct mqtt_session *s, uint16_t id);
/* From now on, or no longer, it is written down. */
void mqtt_session_keep(struct mqtt_session *s, struct mqtt_journal *journal, int64_t expiry_us);
static inline uint32_t mqtt_session_in_flight(const struct mqtt_session *s)
{
    return s->last - s->first + s->unreleased_count;
}
/* A publish of QoS 1 or 2 that is there already: nothing is to be delivered. Acknowledges it if it is safe. */
bool mqtt_session_knows(struct mqtt_session *s, const struct mqtt_publish *p);
/* PUBREL. MQTT_PROTOCOL_ERROR: it comes before our PUBREC. */
enum mqtt_reason mqtt_session_release(struct mqtt_session *s, uint16_t id);

/* The lane's messages that are to be acknowledged, in the order of receipt: `count` of the session's, all before position `end`. */
struct mqtt_receipt {
    struct mqtt_session *session; /* a reference */
    uint64_t end;
    uint32_t count;
};
struct mqtt_receipts {
    struct mqtt_receipt *ring;
    uint32_t capacity, first, last;
};
void mqtt_receipts_add(struct mqtt_receipts *r, struct mqtt_session *s, uint64_t end, uint32_t count);
/* Everything before `next` is safe: acknowledgements are written to the guests that are there, which are linked into *dirty. */
void mqtt_receipts_settle(struct mqtt_receipts *r, uint64_t next, struct mqtt_guest **dirty);
void mqtt_receipts_release(struct mqtt_receipts *r);

/* ---- guests ---------------------------------------------------------------------------------------------------------------- */

struct mqtt_alias {
    char *text;
    uint32_t len;
    uint64_t serial; /* of the batch that has it */
    struct str in_batch;
};

struct mqtt_will {
    bool is_there;
    struct buffer bytes; /* topic, then payload, then properties */
    size_t topic_len, payload_len;
    bool retain;
    uint8_t qos;
};

struct mqtt_guest {
    struct mqtt_hub *hub;
    int fd; /* -1: ended, to be buried */
    void *tls; /* NULL: plain */
    char address[64];
    struct mqtt_guest *next, **link;  /* the hub's list */
    struct mqtt_guest *next_dirty, *next_again, *next_held;
    bool dirty, again;
    bool held; /* what it is answered waits for the journal */
    struct mqtt_session *session; /* a reference; NULL before CONNECT */
    bool v5, full; /* full: its window is exhausted */
    uint32_t interest; /* epoll's */
    int64_t since_us; /* it is here, and may take connect_timeout for its CONNECT, however it comes */
    int64_t active_us, keepalive_us;
    struct buffer in;  /* the beginning of a packet */
    uint32_t in_wants; /* its size, once known */
    struct buffer out;
    size_t out_from;
    struct mqtt_alias *aliases; /* MQTT_ALIASES; NULL: none yet */
    uint32_t alias_bytes;
    uint64_t key_serial; /* of the batch that has the client id */
    struct str key;
    struct mqtt_will will;
};

/* A connection that was accepted just now. */
struct mqtt_guest *mqtt_guest_new(int fd, const char *address, int64_t now_us);
void mqtt_guest_free(struct mqtt_guest *g);
/* Into the hub's loop; takes what it brings along. */
void mqtt_guest_enter(struct mqtt_hub *hub, struct mqtt_guest *g);
/* There is something to be read. */
void mqtt_guest_read(struct mqtt_guest *g);
/* Sends what is in out, as far as it goes. */
void mqtt_guest_flush(struct mqtt_guest *g);
/* The end of the connection, without further words. leaves_well: it said DISCONNECT, its will is void. */
void mqtt_guest_end(struct mqtt_guest *g, bool leaves_well);
/* The end with a reason, which version 5 is told; logged and counted. */
void mqtt_guest_refuse(struct mqtt_guest *g, struct mqtt_fault fault);
/* Reading goes on, or is held back, as window and output demand. */
void mqtt_guest_balance(struct mqtt_guest *g);
/* Until when something has to be heard of it. */
int64_t mqtt_guest_deadline(const struct mqtt_guest *g);

/* What a whole packet asks for (serve.c); the first is a CONNECT. */
void mqtt_serve(struct mqtt_guest *g, const struct mqtt_frame *f);
/* A PUBLISH, whose bytes lie in the batch. Returns whether it has to be acknowledged later. */
bool mqtt_serve_publish(struct mqtt_guest *g, const struct mqtt_frame *f);
/* Publishes its will, if it has one. */
void mqtt_serve_will(struct mqtt_guest *g);
/* The hub a CONNECT belongs to; its own where it will be refused. */
uint32_t mqtt_serve_destination(const struct mqtt_guest *g, const struct mqtt_frame *f);

/* ---- the hub --------------------------------------------------------------------------------------------------------------- */

struct mqtt_hub {
    struct lane *lane;
    struct mqtt_listener *listener;
    const struct mqtt_source_options *options;
    uint32_t number;
    int epoll_fd;
    struct mqtt_intake intake;
    struct mqtt_sessions sessions;
    struct mqtt_receipts receipts;
    struct mqtt_guest *guests, *dirty, *again, *held, *graves;
    struct mqtt_journal journal;
    bool unconfirmed; /* QoS 2 messages have been taken since the journal last said what is safe */
    int64_t now_us;
    int64_t check_at_us; /* when somebody's deadline may be over */
    int64_t accept_at_us; /* no descriptors were left: accept again then; 0: accepting */
};

/* Moves a guest, with what it has sent so far, to another hub. */
void mqtt_hub_pass_on(struct mqtt_hub *hub, struct mqtt_guest *g, uint32_t destination);
/* Logged at most once a second, and counted. */
void mqtt_hub_complain(struct mqtt_hub *hub, const struct mqtt_guest *g, const char *why);

/* The journal is written, and whoever waited for it hears his answers. */
void mqtt_hub_sync(struct mqtt_hub *hub);
uint32_t mqtt_hub_of(const struct mqtt_listener *l, struct str client_id);

/* What was known when the last run ended: sessions that belong to this hub, and what of their messages is there (remember.c). */
bool mqtt_listener_read_journals(struct mqtt_listener *l, struct error *err);
bool mqtt_hub_remember(struct mqtt_hub *hub, struct error *err);
/* The journal anew, with what is still true. */
bool mqtt_hub_renew_journal(struct mqtt_hub *hub, struct error *err);

extern const struct source_ops mqtt_listen_ops;
uint32_t mqtt_listen_lanes(const struct component *c);
void mqtt_listen_check(const struct component *c, const struct mqtt_source_options *o, struct problems *p);

#endif
