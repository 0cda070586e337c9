#include "pipeline/engine/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pipeline/engine/lane_mail.h"

/* Label values: backslash, quote and newline are escaped. Names of components have none, but file names may come here one day. */
static void add_label(struct buffer *out, const char *name, const char *value)
{
    buffer_printf(out, ",%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            buffer_add_byte(out, '\\');
        if (*value == '\n')
            buffer_printf(out, "\\n");
        else
            buffer_add_byte(out, *value);
    }
    buffer_add_byte(out, '"');
}

struct printer {
    const struct engine *engine;
    struct buffer *out;
};

static void head(struct printer *p, const char *name, const char *type, const char *help)
{
    buffer_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Starts a line: name and the labels that all have; the caller adds its own and then the value. */
static void line(struct printer *p, const char *name)
{
    const struct pipeline_options *o = &p->engine->cfg->pipeline;
    buffer_printf(p->out, "%s{pipeline=\"%s\"", name, o->name);
    if (o->instance && *o->instance)
        add_label(p->out, "instance_name", o->instance);
}

static void value(struct printer *p, double v)
{
    buffer_printf(p->out, "} %.17g\n", v);
}

static void count(struct printer *p, uint64_t v)
{
    buffer_printf(p->out, "} %" PRIu64 "\n", v);
}

static const char *source_name(const struct printer *p, uint32_t i)
{
    return p->engine->cfg->components[i].name;
}

static const char *sink_name(const struct printer *p, uint32_t i)
{
    return plan_sink(p->engine->cfg, i)->name;
}

/* ---- sources ---------------------------------------------------------------------------------------------------------------- */

static void print_sources(struct printer *p)
{
    const struct stats *s = p->engine->stats;
    head(p, "pipe_read_records_total", "counter", "Records read by a source.");
    for (uint32_t i = 0; i < s->source_count; i++) {
        line(p, "pipe_read_records_total");
        add_label(p->out, "source", source_name(p, i));
        count(p, counter_get(&s->sources[i].read));
    }
    head(p, "pipe_read_bytes_total", "counter", "Bytes read by a source, as they are stored or sent.");
    for (uint32_t i = 0; i < s->source_count; i++) {
        line(p, "pipe_read_bytes_total");
        add_label(p->out, "source", source_name(p, i));
        count(p, counter_get(&s->sources[i].bytes));
    }
    head(p, "pipe_refused_connections_total", "counter", "Connections that a listening source turned away or closed for what the client sent.");
    for (uint32_t i = 0; i < s->source_count; i++) {
        line(p, "pipe_refused_connections_total");
        add_label(p->out, "source", source_name(p, i));
        count(p, counter_get(&s->sources[i].refused));
    }
    static const char *const blockers[] = {"memory", "sinks"};
    head(p, "pipe_source_wait_seconds_total", "counter", "Time that a source could not read because it waited.");
    for (uint32_t i = 0; i < s->source_count; i++)
        for (int b = 0; b < 2; b++) {
            line(p, "pipe_source_wait_seconds_total");
            add_label(p->out, "source", source_name(p, i));
            add_label(p->out, "blocked_by", blockers[b]);
            value(p, (double)counter_get(&s->sources[i].waited_us[b]) / 1e6);
        }
    head(p, "pipe_source_oldest_unacked_timestamp_seconds", "gauge",
         "When the oldest record that is not settled was read; 0: none.");
    for (uint32_t i = 0; i < s->source_count; i++) {
        line(p, "pipe_source_oldest_unacked_timestamp_seconds");
        add_label(p->out, "source", source_name(p, i));
        value(p, (double)engine_oldest_unacked_us(p->engine, i) / 1e6);
    }
}

struct lag_printer {
    struct printer *p;
    const char *source;
};

static void print_lag(void *arg, const char *partition, uint64_t records)
{
    const struct lag_printer *l = arg;
    line(l->p, "pipe_source_lag_records");
    add_label(l->p->out, "source", l->source);
    add_label(l->p->out, "partition", partition);
    count(l->p, records);
}

static void print_lags(struct printer *p)
{
    const struct engine *e = p->engine;
    head(p, "pipe_source_lag_records", "gauge", "Records that a partition of a source has and that are not settled, as far as the source knows without asking.");
    for (uint32_t i = 0; i < e->lane_count; i++)
        lane_each_lag(e->lanes[i], print_lag, &(struct lag_printer){p, source_name(p, lane_source_index(e->lanes[i]))});
}

static bool is_spooled(const struct printer *p, uint32_t source)
{
    return p->engine->spools && p->engine->spools[source];
}

struct spool_metric {
    const char *name, *type, *help;
    size_t offset; /* of a counter in struct source_stats */
};

static const struct spool_metric spool_metrics[] = {
    {"pipe_spooled_records_total", "counter", "Records that became durable in a source's spool: the source was told that they are safe.",
     offsetof(struct source_stats, spooled)},
    {"pipe_spool_bytes", "gauge", "Bytes of a source's spool on disk.", offsetof(struct source_stats, spool_bytes)},
    {"pipe_spool_records", "gauge", "Records in a source's spool that not all sinks have settled.",
     offsetof(struct source_stats, spool_records)},
};

static void print_spools(struct printer *p)
{
    const struct stats *s = p->engine->stats;
    for (size_t m = 0; m < sizeof(spool_metrics) / sizeof(spool_metrics[0]); m++) {
        head(p, spool_metrics[m].name, spool_metrics[m].type, spool_metrics[m].help);
        for (uint32_t i = 0; i < s->source_count; i++) {
            if (!is_spooled(p, i))
                continue;
            line(p, spool_metrics[m].name);
            add_label(p->out, "source", source_name(p, i));
            count(p, counter_get((const counter *)((const char *)&s->sources[i] + spool_metrics[m].offset)));
        }
    }
}

/* ---- source and sink -------------------------------------------------------------------------------------------------------- */

struct edge_metric {
    const char *name, *type, *help;
    uint64_t (*read)(const struct edge_stats *e);
};

static uint64_t read_delivered(const struct edge_stats *e)
{
    return counter_get(&e->delivered);
}
static uint64_t read_filtered(const struct edge_stats *e)
{
    return counter_get(&e->filtered);
}
static uint64_t read_skipped(const struct edge_stats *e)
{
    return counter_get(&e->skipped);
}

static const struct edge_metric edge_metrics[] = {
    {"pipe_delivered_records_total", "counter", "Records of a source of which a sink has at least one row durable.", read_delivered},
    {"pipe_filtered_records_total", "counter", "Records of a source that left nothing for a sink.", read_filtered},
    {"pipe_skipped_records_total", "counter", "Records of a source that were read again for another sink: this one had them.",
     read_skipped},
    {"pipe_in_flight_records", "gauge", "Records of a source that were read and not yet settled by a sink.", stats_in_flight},
};

static bool reaches(const struct printer *p, uint32_t source, uint32_t sink)
{
    return p->engine->plan && p->engine->plan->routes[source].reaches & (sink_mask)1 << sink;
}

static void print_edges(struct printer *p)
{
    const struct stats *s = p->engine->stats;
    for (size_t m = 0; m < sizeof(edge_metrics) / sizeof(edge_metrics[0]); m++) {
        head(p, edge_metrics[m].name, edge_metrics[m].type, edge_metrics[m].help);
        for (uint32_t i = 0; i < s->source_count; i++)
            for (uint32_t k = 0; k < s->sink_count; k++) {
                if (!reaches(p, i, k))
                    continue;
                line(p, edge_metrics[m].name);
                add_label(p->out, "source", source_name(p, i));
                add_label(p->out, "sink", sink_name(p, k));
                count(p, edge_metrics[m].read(stats_edge(s, i, k)));
            }
    }
    head(p, "pipe_dead_records_total", "counter", "Records of a source that a component rejected, per sink that did not get them.");
    for (uint32_t i = 0; i < s->source_count; i++)
        for (uint32_t k = 0; k < s->sink_count; k++)
            for (uint32_t c = 0; c < s->cfg->count && reaches(p, i, k); c++) {
                uint64_t dead = counter_get(stats_dead(s, i, k, c));
                if (!dead)
                    continue;
                line(p, "pipe_dead_records_total");
                add_label(p->out, "source", source_name(p, i));
                add_label(p->out, "sink", sink_name(p, k));
                add_label(p->out, "component", s->cfg->components[c].name);
                count(p, dead);
            }
}

/* ---- sinks ------------------------------------------------------------------------------------------------------------------ */

static void print_commits(struct printer *p, uint32_t sink)
{
    const struct sink_stats *s = &p->engine->stats->sinks[sink];
    uint64_t seen = 0;
    for (int b = 0; b < COMMIT_BUCKETS; b++) {
        char bound[32] = "+Inf";
        seen += counter_get(&s->commit_buckets[b]);
        if (!isinf(commit_bucket_seconds[b]))
            snprintf(bound, sizeof(bound), "%g", commit_bucket_seconds[b]);
        line(p, "pipe_sink_commit_duration_seconds_bucket");
        add_label(p->out, "sink", sink_name(p, sink));
        add_label(p->out, "le", bound);
        count(p, seen);
    }
    line(p, "pipe_sink_commit_duration_seconds_sum");
    add_label(p->out, "sink", sink_name(p, sink));
    value(p, (double)counter_get(&s->commit_us) / 1e6);
    line(p, "pipe_sink_commit_duration_seconds_count");
    add_label(p->out, "sink", sink_name(p, sink));
    count(p, seen);
}

static void print_sinks(struct printer *p)
{
    const struct stats *s = p->engine->stats;
    head(p, "pipe_sink_commit_duration_seconds", "histogram", "How long commits of a sink take.");
    for (uint32_t i = 0; i < s->sink_count; i++)
        print_commits(p, i);
    head(p, "pipe_sink_retries_total", "counter", "Attempts of a sink after a failure.");
    for (uint32_t i = 0; i < s->sink_count; i++) {
        line(p, "pipe_sink_retries_total");
        add_label(p->out, "sink", sink_name(p, i));
        add_label(p->out, "class", "retry");
        count(p, counter_get(&s->sinks[i].retries));
    }
}

/* ---- the process ------------------------------------------------------------------------------------------------------------ */

static void gauge(struct printer *p, const char *name, const char *help, double v)
{
    head(p, name, "gauge", help);
    line(p, name);
    value(p, v);
}

static double open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = -3; /* ".", ".." and the directory itself */
    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static double resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void print_process(struct printer *p)
{
    const struct engine *e = p->engine;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (e->budget) {
        gauge(p, "pipe_memory_used_bytes", "Bytes in flight, of the budget.", (double)budget_used(e->budget));
        gauge(p, "pipe_memory_limit_bytes", "The budget: [pipeline] memory.", (double)budget_limit(e->budget));
    }
    gauge(p, "pipe_last_success_timestamp_seconds", "When a run was last complete; 0: not in this process.",
          (double)atomic_load(&e->stats->last_success_wall_us) / 1e6);
    head(p, "pipe_build_info", "gauge", "The version, as a label.");
    line(p, "pipe_build_info");
    add_label(p->out, "version", PIPE_VERSION);
    count(p, 1);
    head(p, "process_cpu_seconds_total", "counter", "User and system CPU time.");
    line(p, "process_cpu_seconds_total");
    value(p, (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    gauge(p, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
    gauge(p, "process_open_fds", "Open file descriptors.", open_descriptors());
    gauge(p, "process_start_time_seconds", "When the run started.", (double)e->stats->started_wall_us / 1e6);
}

void metrics_print(const struct engine *e, struct buffer *out)
{
    struct printer p = {e, out};
    print_sources(&p);
    print_lags(&p);
    print_spools(&p);
    print_edges(&p);
    print_sinks(&p);
    print_process(&p);
}
