/*
 * What outlives the process of a hub's sessions: STATE_DIR/mqtt/SOURCE.LANE, appended to and now and then written anew.
 *
 * It makes QoS 2 exactly once over a crash. TAKEN (client, identifier, position behind the message) is durable before the message can be; a message is there
 * after a restart if that position is not behind what the lane finds durable then. So a repetition of what is there is known, and of what is not, is new. RELEASED is durable before
 * PUBCOMP goes out: an identifier that is used again is never taken for its old message.
 */
#ifndef PIPE_MQTT_JOURNAL_H
#define PIPE_MQTT_JOURNAL_H

#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"

enum mqtt_entry_kind { ENTRY_SESSION = 1, ENTRY_END, ENTRY_TAKEN, ENTRY_RELEASED, ENTRY_SETTLED };

struct mqtt_entry {
    uint8_t kind;
    uint16_t id;        /* TAKEN, RELEASED */
    uint64_t number;    /* SESSION: seconds it outlives a connection; TAKEN: the position behind the message, 0: it is safe; SETTLED: all before is safe */
    struct str client;  /* all but SETTLED */
};

void mqtt_entry_write(struct buffer *out, const struct mqtt_entry *e);
/* The entry at the start of data: its bytes. 0: none, or a damaged one: the end. */
size_t mqtt_entry_read(const char *data, size_t len, struct mqtt_entry *e);

struct mqtt_journal {
    char *path;
    int fd; /* -1: not opened yet */
    struct buffer waiting; /* not written yet */
    uint64_t bytes;        /* of the file */
    uint64_t live_bytes;   /* when it was last written anew */
    bool is_needed;        /* something in `waiting` must be durable before the next batch goes out */
    bool holds_answers;    /* and before the next packet does */
};

/* STATE_DIR/mqtt/SOURCE.LANE; malloc'd. */
char *mqtt_journal_path(const char *state_dir, const char *source, uint32_t lane);
/* Replaces the file by these entries, and opens it. */
bool mqtt_journal_renew(struct mqtt_journal *j, const struct buffer *entries, struct error *err);
static inline bool mqtt_journal_is_long(const struct mqtt_journal *j)
{
    return j->bytes > (1 << 20) && j->bytes > 4 * j->live_bytes;
}
/* What kinds are needed, and for what, is known here; mqtt_journal_sync comes before what depends on it. */
void mqtt_journal_add(struct mqtt_journal *j, const struct mqtt_entry *e);
/* Everything added is durable, if anything of it is needed. */
bool mqtt_journal_sync(struct mqtt_journal *j, struct error *err);
void mqtt_journal_close(struct mqtt_journal *j);

#endif
