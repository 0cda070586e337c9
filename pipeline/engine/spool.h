/*
 * The spool of one source (`ack = "spooled"`): its lanes' batches go to disk, and are settled for the source as soon as they are durable; a lane of the spool's own
 * (spool_lane.c) reads them from there for the sinks.
 *
 *     lane_emit → spool_put → the spool's thread: one write and one fdatasync for all that came meanwhile → home to the lane, which calls `settled`
 *
 *   1. Nothing goes home before it is durable. A disk that is full or broken is tried again; meanwhile nothing is acknowledged, and the source comes to wait for memory.
 *   2. Nothing is thrown away to make room: at spool.max_size the writing waits until all sinks have passed a segment.
 *   3. A sink that is behind holds up no other: each has its own place in the spool.
 */
#ifndef PIPE_SPOOL_H
#define PIPE_SPOOL_H

#include "pipeline/engine/plan.h"
#include "pipeline/engine/spool_log.h"

struct engine;
struct lane;
struct spool;

/* STATE_DIR/spool/SOURCE; malloc'd. */
char *spool_directory(const char *state_dir, const char *source);
/* The partition that positions in it are positions of: "spool-UUID". */
enum { SPOOL_KEY_SIZE = 48 };
void spool_key(const char id[37], char key[SPOOL_KEY_SIZE]);

/*
 * Opens the files and starts the thread. sinks: that read from it; used: the highest number that one of them has stored; fronts: lanes of the source that put; reader: the
 * lane to be woken when there is something new.
 */
struct spool *spool_start(struct engine *e, const struct component *source, sink_mask sinks, uint64_t used, uint32_t fronts, struct lane *reader,
                          struct error *err);
/* Ends the thread; what was not durable is freed unacknowledged. NULL: nothing. */
void spool_stop(struct spool *s);
void spool_free(struct spool *s);

/* A lane of the source, with a batch it has emitted. It comes home as the mail of a struct spool_frame (lane_post_receipt). */
void spool_put(struct spool *s, struct batch *b);
/* A lane of the source: everything I sent has come home or been given up, and no more will come. */
void spool_front_ended(struct spool *s);
/* All lanes have ended: nothing will be added. */
bool spool_is_final(struct spool *s);

struct spool_log *spool_files(struct spool *s);
/* The reader: a sink has settled all before `number`. Segments that all have passed go. */
void spool_settled(struct spool *s, uint32_t sink, uint64_t number);
/* What `pipe spool ls` shows: segments, sizes, where each sink is. Any thread. */
void spool_describe(struct spool *s, struct buffer *out);

#endif
