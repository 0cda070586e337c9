#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/mqtt/listen/hub.h"
#include "pipeline/base/file.h"

enum { JOURNAL_MAX = 1 << 30, LANES_EVER = 64 };

/* Of as many lanes as there ever were: their number may have changed. */
bool mqtt_listener_read_journals(struct mqtt_listener *l, struct error *err)
{
    l->old = mem_zalloc(LANES_EVER * sizeof(*l->old));
    for (uint32_t i = 0; i < LANES_EVER; i++) {
        char *path = mqtt_journal_path(l->state_dir, l->component->name, i);
        struct mqtt_old_journal *old = &l->old[l->old_count];
        bool is_there = access(path, F_OK) == 0, ok = !is_there || file_read_all(path, JOURNAL_MAX, &old->bytes, err);
        free(path);
        if (!ok)
            return false;
        old->lane = i;
        l->old_count += is_there;
    }
    return true;
}

/* Up to where the messages of the lane that wrote it are there. */
static uint64_t safe_before(struct mqtt_hub *hub, const struct mqtt_old_journal *old)
{
    uint64_t mark;
    if (!lane_spooled_mark(hub->lane, old->lane, &mark)) {
        char key[32];
        snprintf(key, sizeof(key), "listen-%u", old->lane);
        struct partition *p = lane_partition(hub->lane, key);
        uint64_t settled = lane_settled(hub->lane, p);
        partition_unref(p);
        return settled;
    }
    struct mqtt_entry e;
    for (size_t at = 0, n; (n = mqtt_entry_read(old->bytes.data + at, old->bytes.len - at, &e)); at += n)
        if (e.kind == ENTRY_SETTLED && e.number > mark)
            mark = e.number;
    return mark;
}

static void apply(struct mqtt_hub *hub, const struct mqtt_entry *e, uint64_t safe)
{
    struct mqtt_session *s = mqtt_session_find(&hub->sessions, e->client);
    switch ((enum mqtt_entry_kind)e->kind) {
    case ENTRY_SESSION:
        if (!s)
            s = mqtt_session_add(&hub->sessions, e->client);
        s->expiry_us = (int64_t)e->number * 1000000;
        s->expires_at_us = hub->now_us + s->expiry_us;
        return;
    case ENTRY_END:
        if (s)
            mqtt_session_end(&hub->sessions, s);
        return;
    case ENTRY_TAKEN:
        if (s && e->number <= safe)
            mqtt_session_wait_for(s, e->id);
        return;
    case ENTRY_RELEASED:
        if (s && mqtt_session_waits_for(s, e->id))
            mqtt_session_forget(s, e->id);
        return;
    case ENTRY_SETTLED:
        return;
    }
}

static void remember(struct mqtt_hub *hub, const struct mqtt_old_journal *old)
{
    uint64_t safe = safe_before(hub, old);
    struct mqtt_entry e;
    for (size_t at = 0, n; (n = mqtt_entry_read(old->bytes.data + at, old->bytes.len - at, &e)); at += n) {
        if (old->lane == hub->number && (e.kind == ENTRY_TAKEN || e.kind == ENTRY_SETTLED) &&
            e.number > hub->intake.next)
            hub->intake.next = e.number; /* used before: never again */
        if (e.client.len && mqtt_hub_of(hub->listener, e.client) == hub->number)
            apply(hub, &e, safe);
    }
}

/* The position behind a message that is under way; 0: it is safe. */
static uint64_t position_of(const struct mqtt_session *s, uint16_t id)
{
    for (uint32_t i = s->settled; i != s->last; i++) {
        const struct mqtt_pending *p = &s->ring[i & (s->capacity - 1)];
        if (p->id == id && p->qos == 2)
            return p->position;
    }
    return 0;
}

static void write_session(struct buffer *out, const struct mqtt_session *s)
{
    struct str client = str_of(s->client_id);
    mqtt_entry_write(
        out, &(struct mqtt_entry){.kind = ENTRY_SESSION, .number = (uint64_t)s->expiry_us / 1000000, .client = client});
    for (uint32_t id = 0; s->unreleased && id < 65536; id++) {
        if (!mqtt_session_waits_for(s, (uint16_t)id))
            continue;
        mqtt_entry_write(out, &(struct mqtt_entry){.kind = ENTRY_TAKEN,
                                                   .id = (uint16_t)id,
                                                   .number = position_of(s, (uint16_t)id),
                                                   .client = client});
    }
}

bool mqtt_hub_renew_journal(struct mqtt_hub *hub, struct error *err)
{
    struct buffer entries = {0};
    for (uint32_t i = 0; i < SESSION_BUCKETS; i++)
        for (const struct mqtt_session *s = hub->sessions.buckets[i]; s; s = s->next)
            if (s->expiry_us)
                write_session(&entries, s);
    bool ok = mqtt_journal_renew(&hub->journal, &entries, err);
    buffer_release(&entries);
    return ok;
}

/* The last hub that has written down what is its: journals of lanes that are no more can go. */
static void drop_foreign_journals(const struct mqtt_listener *l)
{
    for (uint32_t i = 0; i < l->old_count; i++) {
        if (l->old[i].lane < l->lanes)
            continue;
        char *path = mqtt_journal_path(l->state_dir, l->component->name, l->old[i].lane);
        unlink(path);
        free(path);
    }
}

bool mqtt_hub_remember(struct mqtt_hub *hub, struct error *err)
{
    struct mqtt_listener *l = hub->listener;
    uint64_t mark;
    if (lane_spooled_mark(hub->lane, hub->number, &mark) && mark > hub->intake.next)
        hub->intake.next = mark;
    for (uint32_t i = 0; i < l->old_count; i++)
        remember(hub, &l->old[i]);
    if (l->old_count && !mqtt_hub_renew_journal(hub, err))
        return false;
    for (uint32_t i = 0; i < SESSION_BUCKETS; i++)
        for (struct mqtt_session *s = hub->sessions.buckets[i]; s; s = s->next) {
            s->journal = &hub->journal;
            if (s->expires_at_us < hub->check_at_us)
                hub->check_at_us = s->expires_at_us;
        }
    if (atomic_fetch_add(&l->hubs_that_remember, 1) + 1 == l->lanes)
        drop_foreign_journals(l);
    return true;
}
