#include "pipeline/cli/progress.h"

#include <inttypes.h>

#include "pipeline/base/log.h"
#include "pipeline/engine/report.h"

struct totals {
    uint64_t read, done_bytes, total_bytes, delivered, dead;
};

static struct totals count_totals(const struct engine *e)
{
    struct totals t = {0};
    for (uint32_t i = 0; i < e->stats->source_count; i++) {
        const struct source_stats *s = &e->stats->sources[i];
        t.read += counter_get(&s->read);
        t.done_bytes += counter_get(&s->done_bytes);
        t.total_bytes += counter_get(&s->total_bytes);
        for (uint32_t k = 0; k < e->stats->sink_count; k++)
            t.delivered += counter_get(&stats_edge(e->stats, i, k)->delivered);
    }
    t.dead = counter_get(&e->stats->dead_letters);
    return t;
}

static void add_time_left(struct buffer *line, const struct progress *p, const struct totals *t, int64_t now)
{
    double share = (double)t->done_bytes / (double)t->total_bytes;
    buffer_printf(line, ", %.0f %%", share * 100);
    if (share < 0.01 || share >= 1)
        return;
    int64_t left = (int64_t)((double)(now - p->started_us) / 1e6 * (1 - share) / share + 0.5);
    if (left >= 3600)
        buffer_printf(line, ", %" PRId64 " h %" PRId64 " min left", left / 3600, left / 60 % 60);
    else if (left >= 60)
        buffer_printf(line, ", %" PRId64 " min %" PRId64 " s left", left / 60, left % 60);
    else
        buffer_printf(line, ", %" PRId64 " s left", left);
}

static void measure_rate(struct progress *p, uint64_t read, int64_t now)
{
    if (!p->started_us)
        *p = (struct progress){.started_us = now, .last_us = now, .last_read = read};
    if (now > p->last_us) {
        double rate = (double)(read - p->last_read) * 1e6 / (double)(now - p->last_us);
        p->rate = p->rate > 0 ? p->rate * 0.8 + rate * 0.2 : rate;
    }
    p->last_us = now;
    p->last_read = read;
}

void progress_show(struct progress *p, struct engine *e)
{
    struct totals t = count_totals(e);
    int64_t now = clock_now_us(e->clock);
    measure_rate(p, t.read, now);
    struct buffer line = {0};
    buffer_printf(&line, "%s: ", e->cfg->pipeline.name);
    print_count(&line, t.read);
    buffer_printf(&line, " read, ");
    print_count(&line, t.delivered);
    buffer_printf(&line, " delivered, ");
    print_count(&line, (uint64_t)p->rate);
    buffer_printf(&line, "/s");
    if (t.total_bytes)
        add_time_left(&line, p, &t, now);
    if (t.dead) {
        buffer_printf(&line, ", ");
        print_count(&line, t.dead);
        buffer_printf(&line, " dead");
    }
    log_status(buffer_cstr(&line));
    buffer_release(&line);
}

void progress_clear(void)
{
    log_status("");
}
