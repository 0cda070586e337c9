/*
 * What the engine's other parts need of a lane.
 */
#ifndef PIPE_LANE_MAIL_H
#define PIPE_LANE_MAIL_H

#include "pipeline/engine/lane.h"
#include "pipeline/engine/output.h"
#include "pipeline/engine/plan.h"

struct engine;
struct route;
struct spool;
struct spool_frame;

/* Lane `number` of the `count` that the source has; `index` among all lanes of the engine, where those of one source are neighbours. Number 0 is made first. */
struct lane *lane_new(struct engine *e, const struct component *source, uint32_t index, uint32_t number, uint32_t count, struct error *err);
/*
 * With a spool. A front is a lane of the source whose batches go to the spool instead of to the sinks; it is set before lane_start. The reader is one more lane of the source,
 * with functions of the engine's own, which hands the spool's batches on to whichever sinks are to get them, and hears of each verdict.
 */
struct lane *lane_new_reader(struct engine *e, const struct component *source, uint32_t index, uint32_t number);
bool lane_is_reader(const struct lane *lane);
void lane_set_spool(struct lane *lane, struct spool *s);
struct spool *lane_spool(const struct lane *lane);
/* Any thread: a batch is durable in the spool; the frame is the lane's now. */
void lane_post_receipt(struct lane *lane, struct spool_frame *f);
/* The source was told of fewer records than it handed on. After the lane is done. */
bool lane_gave_up(const struct lane *lane);

/* Any thread: the sinks that have not answered for everything yet. */
sink_mask lane_open_sinks(const struct lane *lane);

/* The reader's calls. lane_hand_on: as lane_emit, for these sinks only, which know its output by the next of their own numbers. */
struct engine *lane_engine(const struct lane *lane);
sink_mask lane_reaches(const struct lane *lane);
uint64_t lane_next_number(const struct lane *lane, uint32_t sink);
void lane_hand_on(struct lane *lane, struct batch *b, sink_mask sinks);
/* Sends a flush mark, sleeps until there is a verdict or a wake, and serves. */
void lane_sleep(struct lane *lane);
/* What a batch of so many raw bytes will take in all. */
size_t lane_memory_of(const struct lane *lane, size_t bytes);
/* `arg` hears of every output that comes home, before it is freed; open: of which sinks there are some that have not. */
struct lane_listener {
    void (*answered)(void *arg, const struct output *o);
    sink_mask (*open)(void *arg);
    int64_t (*oldest_us)(void *arg);
    void *arg;
};
void lane_listen(struct lane *lane, const struct lane_listener *listener);

/* source_ops.open and release, for all lanes of a source: called for each, done for number 0. */
bool lane_open_source(struct lane *lane, struct error *err);
void lane_release_source(struct lane *lane);
/* Thread: runs the source, waits until everything is settled or given up, then wakes engine.mail. */
bool lane_start(struct lane *lane, const struct route *route);
bool lane_is_done(const struct lane *lane);
void lane_join(struct lane *lane);
void lane_free(struct lane *lane);

uint32_t lane_index(const struct lane *lane);
uint32_t lane_source_index(const struct lane *lane); /* of its source: in stats, and in the plan's routes */
/* When the oldest record that is not settled was read (wall time); 0: none. Any thread. */
int64_t lane_oldest_us(const struct lane *lane);
/* The partitions whose lag is known. Any thread. */
void lane_each_lag(struct lane *lane, void (*each)(void *arg, const char *partition, uint64_t records), void *arg);
/* The source will emit nothing more. Any thread. */
bool lane_has_ended(const struct lane *lane);
/* Any thread: the output comes home, o->settled says how. */
void lane_post_verdict(struct lane *lane, struct output *o);
void lane_wake(struct lane *lane);
/* Any thread: a sink has answered an acquisition. */
void lane_answered(struct lane *lane);
struct budget_share *lane_share(const struct lane *lane);
/* How many bytes of memory a batch of `len` raw bytes took in all: what later draws reckon with. */
void lane_learn(struct lane *lane, size_t len, size_t total);
/* The same of records, for plans that make rows. */
void lane_learn_records(struct lane *lane, uint32_t records, size_t made);
/* What one batch, or part of one, should become at most (job.h); what so many records are likely to become where the
 * plan makes rows, as far as one part goes. Any thread. */
size_t lane_part(const struct lane *lane);
size_t lane_rows_memory(const struct lane *lane, size_t records);

#endif
