/*
 * The worker pool: N threads, one queue of jobs. The queue needs no bound of its own: every job holds budget. With "auto" it starts
 * with no thread and grows to the core count with the load: a thread is added when a job finds none idle.
 */
#ifndef PIPE_WORKER_H
#define PIPE_WORKER_H

#include "pipeline/engine/job.h"

struct pool;

struct pool *pool_new(uint32_t most_threads);
/* Waits for the queue to run dry and the threads to end. No submit may come after. */
void pool_free(struct pool *p);

/* An empty job from the free list, for the caller to fill and submit. Any thread. */
struct job *pool_job(struct pool *p);
/* Back to the free list. Any thread. */
void pool_spare(struct pool *p, struct job *j);
/* Any thread. The pool owns j. */
void pool_submit(struct pool *p, struct job *j);
bool pool_has_idle(struct pool *p);
uint32_t pool_threads(struct pool *p);

/* Runs `count` pieces of pure computing (compression at a roll) on the workers and waits for them. Never from a worker. */
void pool_run(struct pool *p, void (*run)(void *item, struct tools *tools), void *const *items, uint32_t count);

#endif
