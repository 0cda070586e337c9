/*
 * What a run did, record by record accounted for: as JSON for machines (--report), as a few lines for people.
 */
#ifndef PIPE_REPORT_H
#define PIPE_REPORT_H

#include "pipeline/engine/engine.h"

struct run_result {
    enum outcome outcome;
    int exit_code;
    double seconds;
    const struct error *err; /* why it failed; text "" otherwise */
};

/* {"report_version":1, "pipeline", "outcome", "exit_code", "seconds", "sources":{…}, "sinks":{…}, "dead_letters":[…], "error"} */
void report_json(const struct engine *e, const struct run_result *r, struct buffer *out);
void report_summary(const struct engine *e, const struct run_result *r, struct buffer *out);

/* 1234567 → "1,234,567"; bytes → "1.2 MiB". */
void print_count(struct buffer *out, uint64_t n);
void print_bytes(struct buffer *out, uint64_t n);

#endif
