#include "pipeline/event/batch.h"

#include <pthread.h>
#include <stdlib.h>

#include "pipeline/base/arena.h"

/*
 * Chunk memory comes in powers of two, so that a freed chunk fits the next batch, and is kept: a fresh megabyte from
 * the system costs 256 page faults. What is kept is bounded, since it counts for nobody's budget. In sanitizer builds
 * nothing is kept, so that a use after the last unref is seen.
 */
enum { SMALLEST_CHUNK = 4096, CHUNK_RANKS = 9 /* 4 KiB … 1 MiB */, KEPT_BYTES_MAX = 8 << 20 };

/* Which power of two holds `size` bytes; CHUNK_RANKS where none does. */
static unsigned chunk_rank(size_t size)
{
    unsigned rank = 0;
    while (rank < CHUNK_RANKS && (size_t)SMALLEST_CHUNK << rank < size)
        rank++;
    return rank;
}

/* What a request for `size` really gets: exactly that again says how a chunk is ranked. */
static size_t chunk_size(size_t size)
{
    unsigned rank = chunk_rank(size);
    return rank < CHUNK_RANKS ? (size_t)SMALLEST_CHUNK << rank : size;
}

#if defined(PIPE_ARENA_MALLOC)

static void *pool_take(unsigned rank)
{
    (void)rank;
    return NULL;
}

static bool pool_keep(void *chunk, unsigned rank)
{
    (void)chunk;
    (void)rank;
    return false;
}

#else

struct free_chunk {
    struct free_chunk *next;
};

static struct {
    pthread_mutex_t lock;
    struct free_chunk *free[CHUNK_RANKS];
    size_t kept_bytes;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *pool_take(unsigned rank)
{
    if (rank == CHUNK_RANKS)
        return NULL;
    pthread_mutex_lock(&pool.lock);
    struct free_chunk *chunk = pool.free[rank];
    if (chunk) {
        pool.free[rank] = chunk->next;
        pool.kept_bytes -= (size_t)SMALLEST_CHUNK << rank;
    }
    pthread_mutex_unlock(&pool.lock);
    return chunk;
}

static bool pool_keep(void *chunk, unsigned rank)
{
    if (rank == CHUNK_RANKS)
        return false;
    size_t size = (size_t)SMALLEST_CHUNK << rank;
    pthread_mutex_lock(&pool.lock);
    bool keep = pool.kept_bytes + size <= KEPT_BYTES_MAX;
    if (keep) {
        struct free_chunk *freed = chunk;
        freed->next = pool.free[rank];
        pool.free[rank] = freed;
        pool.kept_bytes += size;
    }
    pthread_mutex_unlock(&pool.lock);
    return keep;
}

#endif

/* `size` as chunk_size gave it; BATCH_PADDING more bytes are readable. */
static void *chunk_alloc(size_t size)
{
    void *chunk = pool_take(chunk_rank(size));
    return chunk ? chunk : mem_alloc(size + BATCH_PADDING);
}

static void chunk_free(void *chunk, size_t size)
{
    if (chunk && !pool_keep(chunk, chunk_rank(size)))
        free(chunk);
}

struct partition *partition_new(const char *key)
{
    struct partition *p = mem_zalloc(sizeof(*p));
    atomic_init(&p->refs, 1);
    p->key = mem_strdup(key);
    p->number = -1;
    p->timestamp = INT64_MIN;
    return p;
}

struct partition *partition_ref(struct partition *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void partition_unref(struct partition *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (p->format_state_free)
        p->format_state_free(p->format_state);
    free((char *)p->head.data);
    free((char *)p->key);
    free((char *)p->origin);
    free((char *)p->file);
    free((char *)p->topic);
    free(p->resume);
    free(p);
}

struct batch *batch_new(size_t capacity)
{
    struct batch *b = mem_zalloc(sizeof(*b));
    atomic_init(&b->refs, 1);
    b->capacity = chunk_size(capacity);
    b->bytes = chunk_alloc(b->capacity);
    return b;
}

struct batch *batch_ref(struct batch *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

static size_t records_size(uint32_t capacity)
{
    return chunk_size(capacity * sizeof(struct record));
}

static void free_bytes(struct batch *b)
{
    free(b->meta.key);
    free(b->meta.timestamp);
    free(b->meta.headers);
    free(b->meta.properties);
    free(b->meta.topic);
    free(b->meta.delivery);
    b->meta = (struct record_meta){0};
    arena_release(&b->texts);
    chunk_free(b->records, records_size(b->record_capacity));
    chunk_free(b->bytes, b->capacity);
    b->records = NULL;
    b->bytes = NULL;
}

void batch_hold_bytes(struct batch *b)
{
    atomic_fetch_add_explicit(&b->byte_refs, 1, memory_order_relaxed);
}

bool batch_drop_bytes(struct batch *b)
{
    if (atomic_fetch_sub_explicit(&b->byte_refs, 1, memory_order_acq_rel) != 1)
        return false;
    free_bytes(b);
    return true;
}

void batch_unref(struct batch *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < b->span_count; i++)
        partition_unref(b->spans[i].partition);
    free(b->spans);
    free_bytes(b);
    if (b->fault_text_owned)
        free((char *)b->fault_text);
    free(b);
}

void batch_reserve(struct batch *b, size_t capacity)
{
    if (capacity <= b->capacity)
        return;
    size_t size = chunk_size(capacity);
    char *bytes = chunk_alloc(size);
    memcpy(bytes, b->bytes, b->len);
    chunk_free(b->bytes, b->capacity);
    b->bytes = bytes;
    b->capacity = size;
}

static void follow(struct value *values, uint32_t count, const char *old, size_t len, char *bytes)
{
    for (uint32_t i = 0; values && i < count; i++) {
        bool borrows = values[i].kind == VALUE_TEXT || values[i].kind == VALUE_BYTES || values[i].kind == VALUE_JSON;
        if (borrows && values[i].ptr >= old && values[i].ptr < old + len)
            values[i].ptr = bytes + (values[i].ptr - old);
    }
}

static void shrink_values(struct value **values, uint32_t count)
{
    if (*values)
        *values = mem_realloc(*values, (count + 1) * sizeof(**values));
}

static void shrink_meta(struct record_meta *m, uint32_t count)
{
    shrink_values(&m->key, count);
    shrink_values(&m->timestamp, count);
    shrink_values(&m->headers, count);
    shrink_values(&m->properties, count);
    shrink_values(&m->topic, count);
    if (m->delivery)
        m->delivery = mem_realloc(m->delivery, count + 1);
}

void batch_shrink(struct batch *b)
{
    shrink_meta(&b->meta, b->record_count);
    size_t size = chunk_size(b->len);
    if (size * 4 > b->capacity)
        return;
    char *bytes = chunk_alloc(size);
    memcpy(bytes, b->bytes, b->len);
    follow(b->meta.key, b->record_count, b->bytes, b->len, bytes);
    follow(b->meta.topic, b->record_count, b->bytes, b->len, bytes);
    follow(b->meta.headers, b->record_count, b->bytes, b->len, bytes);
    follow(b->meta.properties, b->record_count, b->bytes, b->len, bytes);
    chunk_free(b->bytes, b->capacity);
    b->bytes = bytes;
    b->capacity = size;
}

size_t batch_memory(const struct batch *b)
{
    const struct record_meta *m = &b->meta;
    size_t values =
        (m->key != NULL) + (m->timestamp != NULL) + (m->headers != NULL) + (m->properties != NULL) + (m->topic != NULL);
    return sizeof(*b) + b->capacity + BATCH_PADDING + b->record_capacity * sizeof(struct record) +
           b->span_capacity * sizeof(struct span) + b->record_count * values * sizeof(struct value) +
           arena_bytes(&b->texts);
}

/* The first array is one small chunk; then they double. */
static void grow_records(struct batch *b)
{
    size_t size = chunk_size(b->record_capacity ? b->record_capacity * sizeof(struct record) * 2 : SMALLEST_CHUNK);
    struct record *records = chunk_alloc(size);
    if (b->record_count)
        memcpy(records, b->records, b->record_count * sizeof(*records));
    chunk_free(b->records, records_size(b->record_capacity));
    b->records = records;
    b->record_capacity = (uint32_t)(size / sizeof(*records));
}

uint64_t batch_restart_before(const struct batch *b, uint32_t record)
{
    const struct record *r = &b->records[record];
    if (!r->element)
        return r->position;
    uint32_t at = r->offset;
    while (at > 0 && b->bytes[at - 1] != ',' && b->bytes[at - 1] != '[')
        at--;
    return r->position - (r->offset - at) - 1;
}

struct record *batch_add_record(struct batch *b)
{
    if (b->record_count == b->record_capacity)
        grow_records(b);
    struct record *r = &b->records[b->record_count++];
    *r = (struct record){0};
    return r;
}

struct span *batch_add_span(struct batch *b, struct partition *p, uint64_t first)
{
    assert(b->span_count < BATCH_MAX_SPANS);
    if (b->span_count == b->span_capacity) {
        b->span_capacity = b->span_capacity ? b->span_capacity * 2 : 4;
        b->spans = mem_realloc(b->spans, b->span_capacity * sizeof(*b->spans));
    }
    struct span *s = &b->spans[b->span_count++];
    *s = (struct span){.partition = partition_ref(p), .first = first, .next = first, .from = b->record_count};
    return s;
}
