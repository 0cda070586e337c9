#include <stdlib.h>

#include "connectors/mqtt/listen/hub.h"
#include "pipeline/base/arena.h"
#include "pipeline/base/hash.h"

/* ---- the table
 * ------------------------------------------------------------------------------------------------------------- */

struct mqtt_session *mqtt_session_find(const struct mqtt_sessions *all, struct str client_id)
{
    uint64_t hash = hash64(client_id.data, client_id.len, 0);
    struct mqtt_session *s = all->buckets[hash % SESSION_BUCKETS];
    while (s && (s->hash != hash || !str_eq(str_of(s->client_id), client_id)))
        s = s->next;
    return s;
}

struct mqtt_session *mqtt_session_add(struct mqtt_sessions *all, struct str client_id)
{
    struct mqtt_session *s = mem_zalloc(sizeof(*s));
    s->refs = 1;
    s->client_id = mem_zalloc(client_id.len + 1);
    memcpy(s->client_id, client_id.data, client_id.len);
    s->hash = hash64(client_id.data, client_id.len, 0);
    struct mqtt_session **bucket = &all->buckets[s->hash % SESSION_BUCKETS];
    s->next = *bucket;
    *bucket = s;
    all->count++;
    return s;
}

void mqtt_session_unref(struct mqtt_session *s)
{
    if (--s->refs)
        return;
    free(s->unreleased);
    free(s->ring);
    free(s->client_id);
    free(s);
}

void mqtt_session_end(struct mqtt_sessions *all, struct mqtt_session *s)
{
    struct mqtt_session **link = &all->buckets[s->hash % SESSION_BUCKETS];
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    all->count--;
    if (s->journal)
        mqtt_journal_add(s->journal, &(struct mqtt_entry){.kind = ENTRY_END, .client = str_of(s->client_id)});
    s->journal = NULL;
    s->ended = true;
    s->guest = NULL;
    mqtt_session_unref(s);
}

int64_t mqtt_sessions_expire(struct mqtt_sessions *all, int64_t now_us)
{
    int64_t soonest = INT64_MAX;
    for (uint32_t i = 0; i < SESSION_BUCKETS; i++)
        for (struct mqtt_session *s = all->buckets[i], *next; s; s = next) {
            next = s->next;
            if (s->guest)
                continue;
            if (s->expires_at_us <= now_us)
                mqtt_session_end(all, s);
            else if (s->expires_at_us < soonest)
                soonest = s->expires_at_us;
        }
    return soonest;
}

void mqtt_sessions_release(struct mqtt_sessions *all)
{
    for (uint32_t i = 0; i < SESSION_BUCKETS; i++)
        while (all->buckets[i]) {
            all->buckets[i]->journal = NULL; /* it lives on there */
            mqtt_session_end(all, all->buckets[i]);
        }
}

/* ---- messages under way
 * ---------------------------------------------------------------------------------------------------- */

static struct mqtt_pending *pending_at(const struct mqtt_session *s, uint32_t at)
{
    return &s->ring[at & (s->capacity - 1)];
}

static void grow_ring(struct mqtt_session *s)
{
    uint32_t capacity = s->capacity ? s->capacity * 2 : 16;
    struct mqtt_pending *ring = mem_alloc(capacity * sizeof(*ring));
    for (uint32_t i = s->first; i != s->last; i++)
        ring[i & (capacity - 1)] = *pending_at(s, i);
    free(s->ring);
    s->ring = ring;
    s->capacity = capacity;
}

bool mqtt_session_waits_for(const struct mqtt_session *s, uint16_t id)
{
    return s->unreleased && s->unreleased[id / 64] >> id % 64 & 1;
}

void mqtt_session_wait_for(struct mqtt_session *s, uint16_t id)
{
    if (!s->unreleased)
        s->unreleased = mem_zalloc(65536 / 8);
    s->unreleased[id / 64] |= UINT64_C(1) << id % 64;
}

static void note(const struct mqtt_session *s, enum mqtt_entry_kind kind, uint16_t id, uint64_t number)
{
    if (s->journal)
        mqtt_journal_add(
            s->journal,
            &(struct mqtt_entry){.kind = (uint8_t)kind, .id = id, .number = number, .client = str_of(s->client_id)});
}

void mqtt_session_push(struct mqtt_session *s, uint16_t id, uint8_t qos, uint64_t position)
{
    if (s->last - s->first == s->capacity)
        grow_ring(s);
    *pending_at(s, s->last++) = (struct mqtt_pending){.id = id, .qos = qos, .position = position};
    if (qos != 2)
        return;
    mqtt_session_wait_for(s, id);
    note(s, ENTRY_TAKEN, id, position);
}

void mqtt_session_keep(struct mqtt_session *s, struct mqtt_journal *journal, int64_t expiry_us)
{
    bool was_kept = s->journal != NULL, changes = s->expiry_us != expiry_us;
    s->expiry_us = expiry_us;
    s->journal = journal;
    if (expiry_us && (!was_kept || changes))
        note(s, ENTRY_SESSION, 0, (uint64_t)expiry_us / 1000000);
    if (expiry_us)
        return;
    if (was_kept)
        note(s, ENTRY_END, 0, 0);
    s->journal = NULL;
}

void mqtt_session_forget(struct mqtt_session *s, uint16_t id)
{
    note(s, ENTRY_RELEASED, id, 0);
    s->unreleased[id / 64] &= ~(UINT64_C(1) << id % 64);
    s->unreleased_count -= s->unreleased_count > 0;
}

/* PUBACK or PUBREC. After a PUBREC the identifier is waited for. */
static void acknowledge(struct mqtt_session *s, const struct mqtt_pending *p)
{
    mqtt_write_ack(&s->guest->out, p->qos == 2 ? MQTT_PUBREC : MQTT_PUBACK, p->id);
    s->unreleased_count += p->qos == 2;
}

/* The oldest `count` messages under way are safe. */
static void settle(struct mqtt_session *s, uint32_t count)
{
    bool keep = !s->guest || s->resending;
    if (s->guest)
        buffer_reserve(&s->guest->out, (size_t)count * 4);
    for (; count; count--, s->settled++) {
        struct mqtt_pending *p = pending_at(s, s->settled);
        if (s->guest && !(p->flags & PENDING_OLD)) {
            acknowledge(s, p);
            p->flags = PENDING_ACKNOWLEDGED;
        }
    }
    if (!keep)
        s->first = s->settled;
}

/* ---- a client that is back
 * ------------------------------------------------------------------------------------------------- */

void mqtt_session_resume(struct mqtt_session *s)
{
    uint32_t to = s->settled; /* what is acknowledged goes; the rest moves up to what is under way */
    for (uint32_t i = s->settled; i-- != s->first;)
        if (!(pending_at(s, i)->flags & PENDING_ACKNOWLEDGED))
            *pending_at(s, --to) = *pending_at(s, i);
    s->first = to;
    for (uint32_t i = s->first; i != s->last; i++)
        pending_at(s, i)->flags = PENDING_OLD;
    s->resending = s->first != s->last;
    s->resent_at = s->first;
}

/*
 * A message that is new: whatever the client has not sent again by now, it never will (4.4). What is still under way of
 * that is delivered, and acknowledged to nobody.
 */
static void resending_is_over(struct mqtt_session *s)
{
    s->resending = false;
    s->first = s->settled;
}

/* Where the client's repetition is in the ring; clients repeat in the order of sending. */
static bool find_again(struct mqtt_session *s, uint16_t id, uint32_t *at)
{
    for (uint32_t i = s->resent_at; i != s->last; i++)
        if (pending_at(s, i)->id == id && pending_at(s, i)->flags & PENDING_OLD) {
            *at = i;
            return true;
        }
    return false;
}

bool mqtt_session_knows(struct mqtt_session *s, const struct mqtt_publish *p)
{
    if (!p->dup) {
        /* New for certain: what is sent again says so (3.3.1-1). A client that has lost its state may use an identifier
         * that we still wait for. */
        if (s->resending)
            resending_is_over(s);
        if (mqtt_session_waits_for(s, p->id))
            mqtt_session_forget(s, p->id);
        return false;
    }
    uint32_t at;
    if (s->resending && find_again(s, p->id, &at)) {
        struct mqtt_pending *again = pending_at(s, at);
        s->resent_at = at + 1;
        again->flags = 0;
        if (at - s->first < s->settled - s->first) {
            acknowledge(s, again);
            again->flags = PENDING_ACKNOWLEDGED;
        }
        return true;
    }
    if (p->qos != 2 || !mqtt_session_waits_for(s, p->id))
        return false;
    for (uint32_t i = s->settled; i != s->last; i++)
        if (pending_at(s, i)->id == p->id && pending_at(s, i)->qos == 2)
            return true; /* under way: its PUBREC comes when it is safe */
    mqtt_write_ack(&s->guest->out, MQTT_PUBREC, p->id);
    return true;
}

enum mqtt_reason mqtt_session_release(struct mqtt_session *s, uint16_t id)
{
    if (!mqtt_session_waits_for(s, id))
        return MQTT_UNKNOWN_ID;
    for (uint32_t i = s->settled; i != s->last; i++)
        if (pending_at(s, i)->id == id && pending_at(s, i)->qos == 2)
            return MQTT_PROTOCOL_ERROR;
    mqtt_session_forget(s, id);
    return MQTT_SUCCESS;
}

/* ---- receipts
 * -------------------------------------------------------------------------------------------------------------- */

void mqtt_receipts_add(struct mqtt_receipts *r, struct mqtt_session *s, uint64_t end, uint32_t count)
{
    if (r->last - r->first == r->capacity) {
        uint32_t capacity = r->capacity ? r->capacity * 2 : 64;
        struct mqtt_receipt *ring = mem_alloc(capacity * sizeof(*ring));
        for (uint32_t i = r->first; i != r->last; i++)
            ring[i & (capacity - 1)] = r->ring[i & (r->capacity - 1)];
        free(r->ring);
        r->ring = ring;
        r->capacity = capacity;
    }
    s->refs++;
    r->ring[r->last++ & (r->capacity - 1)] = (struct mqtt_receipt){s, end, count};
}

void mqtt_receipts_settle(struct mqtt_receipts *r, uint64_t next, struct mqtt_guest **dirty)
{
    while (r->first != r->last) {
        struct mqtt_receipt *receipt = &r->ring[r->first & (r->capacity - 1)];
        if (receipt->end > next)
            return;
        struct mqtt_session *s = receipt->session;
        if (!s->ended)
            settle(s, receipt->count);
        if (s->guest && !s->guest->dirty) {
            s->guest->dirty = true;
            s->guest->next_dirty = *dirty;
            *dirty = s->guest;
        }
        mqtt_session_unref(s);
        r->first++;
    }
}

void mqtt_receipts_release(struct mqtt_receipts *r)
{
    for (; r->first != r->last; r->first++)
        mqtt_session_unref(r->ring[r->first & (r->capacity - 1)].session);
    free(r->ring);
    *r = (struct mqtt_receipts){0};
}
