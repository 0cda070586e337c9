#include "pipeline/engine/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "pipeline/engine/dead.h"
#include "pipeline/engine/unseen.h"
#include "pipeline/event/convert.h"

static const char *outcome_name(enum outcome o)
{
    switch (o) {
    case OUTCOME_COMPLETE:
        return "complete";
    case OUTCOME_STOPPED:
        return "stopped";
    case OUTCOME_FAILED:
    case OUTCOME_RESTART:
        return "failed";
    }
    return "";
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------ */

static void add_key(struct buffer *out, const char *name)
{
    buffer_add_byte(out, '"');
    json_escape(out, str_of(name));
    buffer_add(out, "\":", 2);
}

static void add_string(struct buffer *out, const char *text)
{
    buffer_add_byte(out, '"');
    json_escape(out, str_of(text));
    buffer_add_byte(out, '"');
}

struct sink_totals {
    uint64_t delivered, filtered, dead, skipped, in_flight;
};

static struct sink_totals totals_of(const struct engine *e, uint32_t sink)
{
    struct sink_totals t = {0};
    for (uint32_t i = 0; i < e->stats->source_count; i++) {
        const struct edge_stats *edge = stats_edge(e->stats, i, sink);
        t.delivered += counter_get(&edge->delivered);
        t.filtered += counter_get(&edge->filtered);
        t.dead += counter_get(&edge->dead);
        t.skipped += counter_get(&edge->skipped);
        t.in_flight += stats_in_flight(edge);
    }
    return t;
}

static void report_sources(const struct engine *e, struct buffer *out)
{
    for (uint32_t i = 0; i < e->stats->source_count; i++) {
        const struct source_stats *s = &e->stats->sources[i];
        if (i)
            buffer_add_byte(out, ',');
        add_key(out, e->cfg->components[i].name);
        buffer_printf(out, "{\"read\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"dead\":%" PRIu64 ",\"filtered\":%" PRIu64 "}",
                      counter_get(&s->read), counter_get(&s->bytes), counter_get(&s->dead), counter_get(&s->filtered));
    }
}

static void report_sinks(const struct engine *e, struct buffer *out)
{
    for (uint32_t i = 0; i < e->stats->sink_count; i++) {
        const struct sink_stats *s = &e->stats->sinks[i];
        struct sink_totals t = totals_of(e, i);
        if (i)
            buffer_add_byte(out, ',');
        add_key(out, plan_sink(e->cfg, i)->name);
        buffer_printf(out,
                      "{\"delivered\":%" PRIu64 ",\"filtered\":%" PRIu64 ",\"dead\":%" PRIu64 ",\"skipped\":%" PRIu64
                      ",\"in_flight\":%" PRIu64 ",\"rows\":%" PRIu64 ",\"retries\":%" PRIu64 ",\"commits\":%" PRIu64
                      ",\"bytes\":%" PRIu64 "}",
                      t.delivered, t.filtered, t.dead, t.skipped, t.in_flight, counter_get(&s->rows), counter_get(&s->retries),
                      counter_get(&s->commits), counter_get(&s->bytes));
    }
}

static void report_dead(const struct engine *e, struct buffer *out)
{
    const char *comma = "";
    for (uint32_t i = 0; e->dead && i < e->cfg->count; i++) {
        char reason[256];
        uint64_t count = dead_count(e->dead, i, reason);
        if (!count)
            continue;
        buffer_printf(out, "%s{\"component\":", comma);
        add_string(out, e->cfg->components[i].name);
        buffer_printf(out, ",\"count\":%" PRIu64 ",\"first_reason\":", count);
        add_string(out, reason);
        buffer_add_byte(out, '}');
        comma = ",";
    }
}

void report_json(const struct engine *e, const struct run_result *r, struct buffer *out)
{
    buffer_printf(out, "{\"report_version\":1,\"pipeline\":");
    add_string(out, e->cfg->pipeline.name);
    buffer_printf(out, ",\"instance\":");
    add_string(out, e->cfg->pipeline.instance ? e->cfg->pipeline.instance : "");
    buffer_printf(out, ",\"outcome\":\"%s\",\"exit_code\":%d,\"seconds\":%.3f,\"sources\":{", outcome_name(r->outcome), r->exit_code,
                  r->seconds);
    report_sources(e, out);
    buffer_printf(out, "},\"sinks\":{");
    report_sinks(e, out);
    buffer_printf(out, "},\"dead_letters\":[");
    report_dead(e, out);
    buffer_printf(out, "],\"error\":");
    if (r->err->text[0])
        add_string(out, r->err->text);
    else
        buffer_printf(out, "null");
    buffer_printf(out, "}\n");
}

/* ---- for people ------------------------------------------------------------------------------------------------------------ */

void print_count(struct buffer *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            buffer_add_byte(out, ',');
        buffer_add_byte(out, digits[i]);
    }
}

void print_bytes(struct buffer *out, uint64_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)n;
    int unit = 0;
    for (; value >= 1024 && unit < 5; unit++)
        value /= 1024;
    buffer_printf(out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void add_part(struct buffer *out, const char **separator, uint64_t n, const char *what)
{
    if (!n)
        return;
    buffer_printf(out, "%s", *separator);
    print_count(out, n);
    buffer_printf(out, " %s", what);
    *separator = ", ";
}

static int name_width(const struct engine *e)
{
    int width = 0;
    for (uint32_t i = 0; i < e->cfg->count; i++)
        if (e->cfg->components[i].kind != COMPONENT_TRANSFORM && (int)strlen(e->cfg->components[i].name) > width)
            width = (int)strlen(e->cfg->components[i].name);
    return width;
}

static void summary_source(const struct engine *e, uint32_t i, int width, struct buffer *out)
{
    const struct source_stats *s = &e->stats->sources[i];
    buffer_printf(out, "  source %-*s  ", width, e->cfg->components[i].name);
    print_count(out, counter_get(&s->read));
    buffer_printf(out, " records read (");
    print_bytes(out, counter_get(&s->bytes));
    buffer_printf(out, ")%s\n", counter_get(&s->read) ? "" : ": nothing new");
}

/* What stdin gave is gone. */
static bool is_read_again(const struct engine *e, uint32_t sink)
{
    bool again = true;
    for (uint32_t i = 0; i < e->stats->source_count; i++)
        again &= stats_in_flight(stats_edge(e->stats, i, sink)) == 0 || source_is_repeatable(&e->cfg->components[i]);
    return again;
}

static void summary_sink(const struct engine *e, uint32_t i, int width, struct buffer *out)
{
    struct sink_totals t = totals_of(e, i);
    const struct sink_stats *s = &e->stats->sinks[i];
    const char *separator = "";
    buffer_printf(out, "  sink   %-*s  ", width, plan_sink(e->cfg, i)->name);
    add_part(out, &separator, t.delivered, "delivered");
    add_part(out, &separator, t.filtered, "filtered");
    add_part(out, &separator, t.dead, "to the dead letters");
    add_part(out, &separator, t.skipped, "there before");
    add_part(out, &separator, t.in_flight, is_read_again(e, i) ? "not delivered: the next run reads them again" : "not delivered");
    if (!*separator)
        buffer_printf(out, "nothing to deliver");
    if (counter_get(&s->retries)) {
        buffer_printf(out, "; ");
        print_count(out, counter_get(&s->retries));
        buffer_printf(out, " retries");
    }
    buffer_add_byte(out, '\n');
}

static void summary_dead(const struct engine *e, struct buffer *out)
{
    bool any = false;
    for (uint32_t i = 0; e->dead && i < e->cfg->count; i++) {
        char reason[256];
        uint64_t count = dead_count(e->dead, i, reason);
        if (!count)
            continue;
        any = true;
        buffer_printf(out, "  dead letters: ");
        print_count(out, count);
        buffer_printf(out, " rejected by %s, the first because of: %s\n", e->cfg->components[i].name, reason);
    }
    if (any)
        buffer_printf(out, "  look at them with `pipe dead list %s`\n", e->cfg->path);
}

struct unseen_lines {
    const char *source;
    struct buffer *out;
};

static void summary_unseen(void *arg, const char *member, const char *nearest)
{
    const struct unseen_lines *lines = arg;
    buffer_printf(lines->out, "  no event of %s had \"%s\", which is NULL then", lines->source, member);
    if (nearest)
        buffer_printf(lines->out, ": did you mean \"%s\"?", nearest);
    buffer_add_byte(lines->out, '\n');
}

void report_summary(const struct engine *e, const struct run_result *r, struct buffer *out)
{
    int width = name_width(e);
    buffer_printf(out, "%s: %s after %.1f s\n", e->cfg->pipeline.name, outcome_name(r->outcome), r->seconds);
    for (uint32_t i = 0; i < e->stats->source_count; i++)
        summary_source(e, i, width, out);
    for (uint32_t i = 0; i < e->stats->sink_count; i++)
        summary_sink(e, i, width, out);
    summary_dead(e, out);
    for (uint32_t i = 0; e->plan && i < e->plan->route_count; i++)
        unseen_each(e->plan->routes[i].unseen, summary_unseen, &(struct unseen_lines){e->plan->routes[i].source->name, out});
}
