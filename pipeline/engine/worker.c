#include "pipeline/engine/worker.h"

#include <pthread.h>
#include <stdlib.h>

/* Pieces of computing that a sink waits for. On the stack of pool_run. */
struct errand {
    struct errand *next;
    void (*run)(void *item, struct tools *tools);
    void *item;
    uint32_t *open; /* of the caller; under the pool's lock */
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work, errands_done;
    struct job *first, **last;
    struct errand *errands;
    struct job *spare;
    pthread_t *threads;
    uint32_t thread_count, most, idle;
    bool closing;
};

struct pool *pool_new(uint32_t most_threads)
{
    struct pool *p = mem_zalloc(sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->errands_done, NULL);
    p->last = &p->first;
    p->most = most_threads;
    p->threads = mem_zalloc(most_threads * sizeof(*p->threads));
    return p;
}

struct job *pool_job(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    struct job *j = p->spare;
    if (j)
        p->spare = j->next;
    pthread_mutex_unlock(&p->lock);
    return j ? j : mem_zalloc(sizeof(*j));
}

void pool_spare(struct pool *p, struct job *j)
{
    pthread_mutex_lock(&p->lock);
    j->next = p->spare;
    p->spare = j;
    pthread_mutex_unlock(&p->lock);
}

static void run_errand(struct pool *p, struct tools *tools)
{
    struct errand *e = p->errands;
    p->errands = e->next;
    pthread_mutex_unlock(&p->lock);
    e->run(e->item, tools);
    pthread_mutex_lock(&p->lock);
    if (--*e->open == 0)
        pthread_cond_broadcast(&p->errands_done);
}

/* Under the lock. */
static void run_job(struct pool *p, struct tools *tools, struct arena *arena)
{
    struct job *j = p->first;
    p->first = j->next;
    if (!p->first)
        p->last = &p->first;
    pthread_mutex_unlock(&p->lock);
    bool done = job_run(j, tools, arena);
    pthread_mutex_lock(&p->lock);
    if (done) {
        j->next = p->spare;
        p->spare = j;
    }
}

static void *worker_main(void *arg)
{
    struct pool *p = arg;
    struct tools tools = {.compressor = compressor_new()};
    struct arena arena = ARENA_INIT;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        if (p->errands) {
            run_errand(p, &tools);
        } else if (p->first) {
            run_job(p, &tools, &arena);
        } else if (p->closing) {
            break;
        } else {
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
        }
    }
    pthread_mutex_unlock(&p->lock);
    compressor_free(tools.compressor);
    arena_release(&arena);
    return NULL;
}

/* Under the lock, with something new in the queue. */
static void wake_or_add(struct pool *p)
{
    if (p->idle == 0 && p->thread_count < p->most &&
        pthread_create(&p->threads[p->thread_count], NULL, worker_main, p) == 0)
        p->thread_count++;
    pthread_cond_signal(&p->work);
}

void pool_submit(struct pool *p, struct job *j)
{
    pthread_mutex_lock(&p->lock);
    j->next = NULL;
    *p->last = j;
    p->last = &j->next;
    wake_or_add(p);
    pthread_mutex_unlock(&p->lock);
}

void pool_run(struct pool *p, void (*run)(void *item, struct tools *tools), void *const *items, uint32_t count)
{
    struct errand *errands = mem_alloc((count + 1) * sizeof(*errands));
    uint32_t open = count;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < count; i++) {
        errands[i] = (struct errand){.next = p->errands, .run = run, .item = items[i], .open = &open};
        p->errands = &errands[i];
        wake_or_add(p);
    }
    while (open)
        pthread_cond_wait(&p->errands_done, &p->lock);
    pthread_mutex_unlock(&p->lock);
    free(errands);
}

bool pool_has_idle(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool idle = p->idle > 0 || (p->thread_count < p->most && !p->first);
    pthread_mutex_unlock(&p->lock);
    return idle;
}

uint32_t pool_threads(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    uint32_t count = p->thread_count;
    pthread_mutex_unlock(&p->lock);
    return count;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
    for (struct job *j = p->spare, *next; j; j = next) {
        next = j->next;
        free(j);
    }
    free(p->threads);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->errands_done);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
