#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "pipeline/base/hash.h"
#include "pipeline/codec/sparkplug.h"

/* Const once it is in the table. Held by the table and by the batches that need it. */
struct sparkplug_birth {
    atomic_uint refs;
    uint64_t round; /* the last call of learn whose batch holds it; under the lock */
    struct arena arena;
    struct sparkplug_defined *by_name, *by_alias; /* sorted; of one alias, or one name, the last definition counts */
    uint32_t count, alias_count;
};

/* The last certificate of a node or device. */
struct owner {
    struct owner *next;
    uint64_t hash;
    struct str key; /* group/node[/device] */
    struct sparkplug_birth *birth;
};

struct sparkplug_births {
    pthread_mutex_t lock;
    struct arena arena; /* owners */
    struct owner **buckets;
    uint32_t capacity, count; /* capacity: a power of two */
    uint64_t round;
};

static void unref(void *object)
{
    struct sparkplug_birth *b = object;
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_release(&b->arena);
    free(b);
}

static void births_end(void *object)
{
    struct sparkplug_births *x = object;
    for (uint32_t i = 0; i < x->capacity; i++)
        for (struct owner *o = x->buckets[i]; o; o = o->next)
            unref(o->birth);
    free(x->buckets);
    arena_release(&x->arena);
    pthread_mutex_destroy(&x->lock);
}

static struct owner **buckets_new(uint32_t count)
{
    return memset(mem_alloc(count * sizeof(struct owner *)), 0, count * sizeof(struct owner *));
}

struct sparkplug_births *sparkplug_births_new(struct arena *plan)
{
    enum { FIRST_CAPACITY = 64 };
    struct sparkplug_births *x = arena_new(plan, struct sparkplug_births);
    pthread_mutex_init(&x->lock, NULL);
    x->capacity = FIRST_CAPACITY;
    x->buckets = buckets_new(FIRST_CAPACITY);
    arena_on_end(plan, births_end, x);
    return x;
}

/* ---- the table of owners ------------------------------------------------------------------------------------------------- */

static void grow(struct sparkplug_births *x)
{
    uint32_t capacity = 2 * x->capacity;
    struct owner **buckets = buckets_new(capacity);
    for (uint32_t i = 0; i < x->capacity; i++)
        for (struct owner *o = x->buckets[i], *next; o; o = next) {
            next = o->next;
            o->next = buckets[o->hash & (capacity - 1)];
            buckets[o->hash & (capacity - 1)] = o;
        }
    free(x->buckets);
    x->buckets = buckets;
    x->capacity = capacity;
}

static bool is_owner(const struct owner *o, uint64_t hash, const struct sparkplug_topic *t)
{
    return o->hash == hash && o->key.len == t->group.len + 1 + t->owner.len && memcmp(o->key.data, t->group.data, t->group.len) == 0 &&
           memcmp(o->key.data + t->group.len + 1, t->owner.data, t->owner.len) == 0 && o->key.data[t->group.len] == '/';
}

static struct owner *find(struct sparkplug_births *x, const struct sparkplug_topic *t, bool add)
{
    uint64_t hash = hash64(t->owner.data, t->owner.len, hash64(t->group.data, t->group.len, 0));
    struct owner *o = x->buckets[hash & (x->capacity - 1)];
    while (o && !is_owner(o, hash, t))
        o = o->next;
    if (o || !add)
        return o;
    if (x->count++ == x->capacity)
        grow(x);
    o = arena_new(&x->arena, struct owner);
    char *key = arena_array(&x->arena, char, t->group.len + 1 + t->owner.len);
    memcpy(key, t->group.data, t->group.len);
    key[t->group.len] = '/';
    memcpy(key + t->group.len + 1, t->owner.data, t->owner.len);
    o->hash = hash;
    o->key = (struct str){key, t->group.len + 1 + t->owner.len};
    o->next = x->buckets[hash & (x->capacity - 1)];
    x->buckets[hash & (x->capacity - 1)] = o;
    return o;
}

/* ---- certificates -------------------------------------------------------------------------------------------------------- */

static int compare_names(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const void *a, const void *b)
{
    return compare_names(((const struct sparkplug_defined *)a)->name, ((const struct sparkplug_defined *)b)->name);
}

static int by_alias(const void *a, const void *b)
{
    uint64_t x = ((const struct sparkplug_defined *)a)->alias, y = ((const struct sparkplug_defined *)b)->alias;
    return (x > y) - (x < y);
}

/* NULL: the message is malformed, which the decoder will say. */
static struct sparkplug_birth *birth_new(struct str bytes)
{
    struct arena scratch = ARENA_INIT;
    const Sparkplug__Payload *p = sparkplug_unpack(bytes, &scratch);
    struct sparkplug_birth *b = NULL;
    if (p) {
        b = memset(mem_alloc(sizeof(*b)), 0, sizeof(*b));
        atomic_init(&b->refs, 1);
        b->by_name = arena_array(&b->arena, struct sparkplug_defined, p->n_metrics);
        b->by_alias = arena_array(&b->arena, struct sparkplug_defined, p->n_metrics);
        for (size_t i = 0; i < p->n_metrics; i++) {
            const Sparkplug__Metric *m = p->metrics[i];
            if (!m->name)
                continue;
            struct sparkplug_defined d = {arena_str(&b->arena, str_of(m->name)), m->alias, m->has_alias, m->has_datatype ? m->datatype : 0};
            b->by_name[b->count++] = d;
            if (d.has_alias)
                b->by_alias[b->alias_count++] = d;
        }
        qsort(b->by_name, b->count, sizeof(*b->by_name), by_name);
        qsort(b->by_alias, b->alias_count, sizeof(*b->by_alias), by_alias);
    }
    arena_release(&scratch);
    return b;
}

const struct sparkplug_defined *sparkplug_find_alias(const struct sparkplug_birth *birth, uint64_t alias)
{
    struct sparkplug_defined key = {.alias = alias};
    return birth && birth->alias_count ? bsearch(&key, birth->by_alias, birth->alias_count, sizeof(key), by_alias) : NULL;
}

const struct sparkplug_defined *sparkplug_find_name(const struct sparkplug_birth *birth, struct str name)
{
    struct sparkplug_defined key = {.name = name};
    return birth && birth->count ? bsearch(&key, birth->by_name, birth->count, sizeof(key), by_name) : NULL;
}

/* ---- batches ------------------------------------------------------------------------------------------------------------- */

static void hold(struct sparkplug_births *x, struct batch *b, struct sparkplug_birth *birth)
{
    if (birth->round == x->round)
        return;
    birth->round = x->round;
    atomic_fetch_add_explicit(&birth->refs, 1, memory_order_relaxed);
    arena_on_end(&b->texts, unref, birth);
}

void sparkplug_births_learn(struct sparkplug_births *x, struct batch *b)
{
    const struct sparkplug_birth **births = arena_array(&b->texts, const struct sparkplug_birth *, b->record_count);
    pthread_mutex_lock(&x->lock);
    x->round++;
    for (uint32_t i = 0; i < b->record_count; i++) {
        struct sparkplug_topic t;
        births[i] = NULL;
        if (b->records[i].fault != RECORD_OK || !sparkplug_topic_parse(sparkplug_topic_of(b, i), &t))
            continue;
        if (sparkplug_is_birth(&t)) {
            struct sparkplug_birth *birth = birth_new(batch_record_bytes(b, i));
            struct owner *o = birth ? find(x, &t, true) : NULL;
            if (o) {
                unref(o->birth);
                o->birth = birth;
            }
            continue;
        }
        struct owner *o = find(x, &t, false);
        if (o) {
            hold(x, b, o->birth);
            births[i] = o->birth;
        }
    }
    pthread_mutex_unlock(&x->lock);
    b->prepared = births;
}

const struct sparkplug_birth *sparkplug_birth_of(const struct batch *b, uint32_t record)
{
    const struct sparkplug_birth *const *births = b->prepared;
    return births ? births[record] : NULL;
}
