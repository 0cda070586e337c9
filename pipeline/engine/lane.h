/*
 * A lane: one of a source's threads (most sources have one), its batch numbers, its partitions and its ledger. Partitions of different lanes have different
 * keys; batches of different lanes have no order among each other. These are the calls a source makes, from that thread only. Waiting calls also take
 * in verdicts, move positions and call source_ops.settled.
 *
 *     struct batch *b = lane_draw(lane, 1 << 20);          waits for memory; NULL: stop reading
 *     struct span *s = batch_add_span(b, partition, first);
 *     … read into b->bytes, frame …
 *     lane_emit(lane, b);                                  b is the engine's now
 */
#ifndef PIPE_LANE_H
#define PIPE_LANE_H

#include <poll.h>

#include "pipeline/engine/config.h"
#include "pipeline/engine/lag.h"
#include "pipeline/engine/position.h"

const struct component *lane_component(const struct lane *lane); /* options, source_common */
const struct clock *lane_clock(const struct lane *lane);
uint32_t lane_number(const struct lane *lane); /* among the lanes of its source, from 0 */
uint32_t lane_count(const struct lane *lane);  /* how many its source has */
void *lane_shared(const struct lane *lane);    /* what source_ops.open made for all of them */
/* Nothing is kept of this run (`--preview`): what it reads must not be acknowledged to anybody. */
bool lane_is_trial(const struct lane *lane);
void *lane_state(struct lane *lane); /* this lane's own; see lane_set_state */
void lane_set_state(struct lane *lane, void *state);
const char *lane_state_dir(const struct lane *lane);

/* An empty batch with room for `bytes`, drawn from the budget. Waits; before it sleeps it sends a flush mark. NULL: drain or stop was asked for. */
struct batch *lane_draw(struct lane *lane, size_t bytes);
/* How many records a batch should have at most: few where each becomes so much that more of them would not fit into memory. Where the plan makes
 * no rows there is no such limit. */
uint32_t lane_most_records(const struct lane *lane);
/* As lane_draw, for a source that has something to look after while it waits for memory: NULL also when one of the fds is ready or `timeout_us` is over; then call again. */
struct batch *lane_draw_or(struct lane *lane, size_t bytes, struct pollfd *fds, nfds_t count, int64_t timeout_us);
/* What grows beside a drawn batch's bytes while it is filled, its records' meta say, is taken out of the budget. Never waits. */
void lane_charge(struct lane *lane, struct batch *b, size_t bytes);
/* Takes room out of the budget that a library fills on its own, for as long as the lane lives. */
void lane_reserve(struct lane *lane, size_t bytes);
/* Seals and hands on; its unused room goes back to the budget. A batch with neither records nor moving spans is dropped. b->more says whether the source goes on
 * at once. */
void lane_emit(struct lane *lane, struct batch *b);
/* Gives a drawn batch back unused. */
void lane_discard(struct lane *lane, struct batch *b);

/*
 * Sleeps until an fd is ready (revents are set), timeout_us is over (-1: none) or the pipeline stops; serves the ledger meanwhile. Before sleeping it sends a flush mark
 * when the source has to wait (nothing more to read). Returns poll's count of ready fds.
 */
int lane_wait(struct lane *lane, struct pollfd *fds, nfds_t count, int64_t timeout_us);
/* Takes in verdicts without waiting. */
void lane_serve(struct lane *lane);
bool lane_stopping(const struct lane *lane);
/* A second signal, or the drain's limit: nothing is waited for any more, in source_ops.close neither. */
bool lane_stopping_now(const struct lane *lane);
/* Is there a worker with nothing to do? Then a batch need not linger. */
bool lane_worker_idle(const struct lane *lane);

/*
 * A new partition with what is stored about it attached: partition_new, plus the sinks' ranges. The caller holds the reference. `end` of a finished partition is told by
 * lane_partition_ends.
 */
struct partition *lane_partition(struct lane *lane, const char *key);
/*
 * A partition for a stream that exists only once: its key is this run's alone, so that a later run's first bytes are
 * not taken for those that sinks have already. What is stored of earlier runs is forgotten. The caller holds the
 * reference.
 */
struct partition *lane_partition_of_this_run(struct lane *lane, const char *name);
/* Where to start reading: the lowest position that some sink still needs. UINT64_MAX: all sinks have all of it, up to a stored end at or behind `end`. */
uint64_t lane_resume_at(struct lane *lane, const struct partition *p, uint64_t end);
/* The lowest stored position of a partition over the sinks, or 0 where one has none. */
uint64_t lane_settled(const struct lane *lane, const struct partition *p);
/* The sinks that a component (index in the config) leads to from this source; for batch.only. */
uint64_t lane_sinks_below(const struct lane *lane, uint32_t component);
/* Where the highest stored position over the sinks ends: from there on a source that numbers its own records may go on. 0: nothing is stored. */
uint64_t lane_reached(const struct lane *lane, const struct partition *p);
/*
 * The source's batches are spooled: *mark is the highest batch.mark of its lane `number` that was found on disk when the run began (0: none among the last ones). false:
 * they are not, and lane_settled says what is safe.
 */
bool lane_spooled_mark(const struct lane *lane, uint32_t number, uint64_t *mark);
/* Is anything at all stored about a key (by any sink)? For tail mode's identities. */
bool lane_knows(struct lane *lane, const char *key);
/* Keys that are stored for this source, each once. */
void lane_stored_keys(struct lane *lane, void (*each)(void *arg, const char *key, uint64_t lowest), void *arg);
/* The partition has left its source for good: stored positions may go. */
void lane_forget(struct lane *lane, const char *const *keys, uint32_t count);
/* Is a record of the partition in the dead letters since the start of this run? on_done leaves such files alone. */
bool lane_partition_has_dead(const struct lane *lane, const struct partition *p);

/*
 * Shared sources (source_type.shared). Before a partition is read, the sinks that keep positions take it over, which fences the process that had it:
 *
 *     lane_acquire(lane, keys, count);                     never waits; one at a time
 *     while (!lane_acquired(lane)) lane_wait(lane, …);     which also returns when a sink has answered
 *     p = lane_partition(lane, key);                       for each key
 */
void lane_acquire(struct lane *lane, const char *const *keys, uint32_t count);
bool lane_acquired(struct lane *lane);
/* Where to read on: the lowest position over the sinks. One that has none stored begins at `fallback`, or with backfill = true at `beginning`. */
uint64_t lane_resume_or(const struct lane *lane, const struct partition *p, uint64_t fallback, uint64_t beginning);
/* Does a sink commit the positions of this source to its own system (sink_type.commits_for)? Then the source does not. */
bool lane_sink_commits(const struct lane *lane);
/* Does a sink want every run to read all there is (write = "replace")? */
bool lane_reads_all(const struct lane *lane);
/* Sinks commit what they hold, rolling ones too: partitions are about to be given back. Does not wait. */
void lane_release(struct lane *lane);
/* The partition is another process's: what is in flight of it is dropped, as far as it is not committed yet. */
void lane_lose(struct lane *lane, struct partition *p);

/*
 * For `pipe_source_lag_records`, of a source whose system says how far a partition goes: from begin to end the partition is among those shown. Set it with lag_set where it is known
 * without asking anybody.
 */
struct lag *lane_begin_lag(struct lane *lane, struct partition *p);
void lane_end_lag(struct lane *lane, struct lag *lag);

/* For the progress line: how many bytes there are to read, as far as known, and how many were. */
void lane_progress(struct lane *lane, uint64_t done_bytes, uint64_t total_bytes);
/* A source-side count of raw bytes read (before decompression), for metrics. */
void lane_count_bytes(struct lane *lane, uint64_t bytes);
/* A listening source has turned a client away, or closed its connection for what it sent. */
void lane_count_refused(struct lane *lane);

#endif
