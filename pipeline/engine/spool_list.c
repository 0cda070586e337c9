#include "pipeline/engine/spool_list.h"

#include <inttypes.h>

#include "pipeline/engine/report.h"
#include "pipeline/event/convert.h"
#include "pipeline/event/datetime.h"

/* Under the lock. */
static void list_segment(const struct spool_log *l, uint32_t i, struct buffer *out)
{
    const struct spool_segment *s = &l->segments[i];
    uint64_t end = i + 1 < l->count ? l->segments[i + 1].follows : l->next;
    char created[48] = "unreadable";
    size_t n = strlen(created);
    if (s->created_us != INT64_MIN)
        n = timestamptz_print(s->created_us, zone_utc, 'T', true, created);
    buffer_printf(out, "  segment %020" PRIu64 "  %12" PRIu64 " records  %14" PRIu64 " bytes  begun %.*s\n", s->first,
                  end > s->first ? end - s->first : 0, s->bytes, (int)n, created);
}

static void list_cursor(const struct spool_cursor *c, uint64_t first, uint64_t next, struct buffer *out)
{
    buffer_printf(out, "  sink %-20s  ", c->sink);
    if (c->settled == UINT64_MAX) {
        buffer_printf(out, "keeps its place with its data\n");
        return;
    }
    uint64_t at = c->settled > first ? c->settled : first;
    buffer_printf(out, "at %" PRIu64 ", %" PRIu64 " to go\n", c->settled, next > at ? next - at : 0);
}

void spool_list(struct spool_log *l, const char *source, const struct spool_cursor *cursors, uint32_t count, struct buffer *out)
{
    pthread_mutex_lock(&l->lock);
    uint64_t first = l->count ? l->segments[0].first : l->next;
    buffer_printf(out, "%s: records %" PRIu64 " to %" PRIu64 ", ", source, first, l->next);
    print_bytes(out, l->bytes);
    buffer_printf(out, " in %u segment%s, id %s\n", l->count, l->count == 1 ? "" : "s", l->id);
    for (uint32_t i = 0; i < l->count; i++)
        list_segment(l, i, out);
    for (uint32_t i = 0; i < count; i++)
        list_cursor(&cursors[i], first, l->next, out);
    pthread_mutex_unlock(&l->lock);
}
