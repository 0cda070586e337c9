#include "connectors/file/pending.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/hash.h"

static struct pending_file **place_of(const struct pending *p, const char *path, uint64_t hash)
{
    struct pending_file **at = &p->buckets[hash & (p->capacity - 1)];
    while (*at && ((*at)->hash != hash || strcmp((*at)->path, path) != 0))
        at = &(*at)->next;
    return at;
}

static void grow(struct pending *p)
{
    size_t capacity = p->capacity ? p->capacity * 2 : 32;
    struct pending_file **buckets = mem_zalloc(capacity * sizeof(struct pending_file *));
    for (size_t i = 0; i < p->capacity; i++) {
        for (struct pending_file *f = p->buckets[i], *next; f; f = next) {
            next = f->next;
            struct pending_file **at = &buckets[f->hash & (capacity - 1)];
            f->next = *at;
            *at = f;
        }
    }
    free(p->buckets);
    p->buckets = buckets;
    p->capacity = capacity;
}

struct pending_file *pending_at(struct pending *p, const char *path)
{
    if (p->count >= p->capacity)
        grow(p);
    uint64_t hash = hash64(path, strlen(path), 0);
    struct pending_file **at = place_of(p, path, hash);
    if (!*at) {
        *at = mem_zalloc(sizeof(**at));
        (*at)->path = mem_strdup(path);
        (*at)->hash = hash;
        p->count++;
    }
    return *at;
}

void pending_remove(struct pending *p, const char *path)
{
    if (p->count == 0)
        return;
    struct pending_file **at = place_of(p, path, hash64(path, strlen(path), 0)), *f = *at;
    if (!f)
        return;
    *at = f->next;
    p->count--;
    pending_file_free(f);
}

static int64_t wait_of(const struct pending_file *f, int64_t now_us, int64_t wall_us)
{
    return f->refused ? -1 : settle_wait_us(&f->seen, f->quiet_us, now_us, wall_us);
}

int64_t pending_wait_us(const struct pending *p, int64_t now_us, int64_t wall_us)
{
    int64_t least = -1;
    for (size_t i = 0; i < p->capacity; i++) {
        for (const struct pending_file *f = p->buckets[i]; f; f = f->next) {
            int64_t wait = wait_of(f, now_us, wall_us);
            if (wait >= 0 && (least < 0 || wait < least))
                least = wait;
        }
    }
    return least;
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(struct pending_file *const *)a)->path, (*(struct pending_file *const *)b)->path);
}

static struct pending_file *sorted(struct pending_file *list, size_t count)
{
    struct pending_file **files = mem_alloc(count * sizeof(struct pending_file *)), *first = NULL;
    size_t n = 0;
    for (; list; list = list->next)
        files[n++] = list;
    qsort(files, n, sizeof(struct pending_file *), by_path);
    while (n > 0) {
        files[--n]->next = first;
        first = files[n];
    }
    free(files);
    return first;
}

struct pending_file *pending_take_due(struct pending *p, int64_t now_us, int64_t wall_us)
{
    struct pending_file *due = NULL;
    size_t count = 0;
    for (size_t i = 0; i < p->capacity; i++) {
        for (struct pending_file **at = &p->buckets[i], *f; (f = *at) != NULL;) {
            if (wait_of(f, now_us, wall_us) != 0) {
                at = &f->next;
                continue;
            }
            *at = f->next;
            f->next = due;
            due = f;
            count++;
        }
    }
    p->count -= count;
    return sorted(due, count);
}

void pending_file_free(struct pending_file *f)
{
    free(f->path);
    free(f);
}

void pending_release(struct pending *p)
{
    for (size_t i = 0; i < p->capacity; i++) {
        for (struct pending_file *f = p->buckets[i], *next; f; f = next) {
            next = f->next;
            pending_file_free(f);
        }
    }
    free(p->buckets);
    *p = (struct pending){0};
}
