#include "pipeline/sql/lookup.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/sql/lookup_table.h"

enum { CHECK_EVERY_US = 1000000 };

/* What changes when the file does. */
struct stamp {
    int64_t seconds, nanoseconds;
    int64_t size;
    uint64_t inode, device;
};

/* lock guards `table` alone, once a slice; checking: whoever sets it looks at the file, and is the only one to touch `stamp`. */
struct lookup_file {
    struct lookup_file *next; /* of the set */
    char *path;
    const struct zone *zone;
    struct lookup_column *declared;
    uint32_t declared_count;
    const struct lookup_key **keys; /* in the order of the table's indexes */
    uint32_t key_count;
    struct arena *plan;
    pthread_mutex_t lock;
    struct lookup_table *table;
    atomic_flag checking;
    atomic_int_least64_t next_check_us;
    struct stamp stamp;
};

struct lookup {
    struct lookup_file *file;
    uint32_t index;
};

static bool read_stamp(const char *path, struct stamp *out)
{
    struct stat s;
    if (stat(path, &s) != 0)
        return false;
    *out = (struct stamp){s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_size, s.st_ino, s.st_dev};
    return true;
}

/* ---- opening -------------------------------------------------------------------------------------------------------
 */

static void file_free(void *file)
{
    struct lookup_file *f = file;
    lookup_unref(f->table);
    pthread_mutex_destroy(&f->lock);
}

static bool same_type(struct type a, struct type b)
{
    return a.id == b.id && a.precision == b.precision && a.scale == b.scale;
}

static struct lookup_file *find_file(const struct lookup_set *set, const char *path,
                                     const struct lookup_column *declared, uint32_t count, const struct zone *zone)
{
    for (struct lookup_file *f = set->first; f; f = f->next) {
        bool same = strcmp(f->path, path) == 0 && f->zone == zone && f->declared_count == count;
        for (uint32_t i = 0; same && i < count; i++)
            same = str_eq(f->declared[i].name, declared[i].name) && same_type(f->declared[i].type, declared[i].type);
        if (same)
            return f;
    }
    return NULL;
}

static struct lookup_file *open_file(struct arena *plan, const char *path, const struct lookup_column *declared,
                                     uint32_t count, const struct zone *zone, struct error *err)
{
    struct stamp stamp = {0};
    read_stamp(path, &stamp);
    struct lookup_table *table = lookup_read(path, declared, count, NULL, 0, zone, err);
    if (!table)
        return NULL;
    struct lookup_file *f = arena_new(plan, struct lookup_file);
    f->plan = plan;
    f->path = arena_strdup(plan, path);
    f->zone = zone;
    f->stamp = stamp;
    f->table = table;
    f->declared = arena_array(plan, struct lookup_column, count + 1);
    f->declared_count = count;
    if (count)
        memcpy(f->declared, declared, count * sizeof(*declared));
    pthread_mutex_init(&f->lock, NULL);
    atomic_flag_clear(&f->checking);
    atomic_init(&f->next_check_us, clock_now_us(&clock_system) + CHECK_EVERY_US);
    arena_on_end(plan, file_free, f);
    return f;
}

struct lookup *lookup_open(struct arena *plan, struct lookup_set *set, const char *path,
                           const struct lookup_column *declared, uint32_t count, const struct zone *zone,
                           struct error *err)
{
    struct lookup_file *f = find_file(set, path, declared, count, zone);
    if (!f) {
        f = open_file(plan, path, declared, count, zone, err);
        if (!f)
            return NULL;
        f->next = set->first;
        set->first = f;
    }
    struct lookup *l = arena_new(plan, struct lookup);
    l->file = f;
    return l;
}

const struct lookup_column *lookup_columns(const struct lookup *l, uint32_t *count)
{
    *count = l->file->table->column_count;
    return l->file->table->columns;
}

static bool same_key(const struct lookup_key *a, const struct lookup_key *b)
{
    bool same = a->count == b->count;
    for (uint32_t k = 0; same && k < a->count; k++)
        same = a->columns[k] == b->columns[k] && same_type(a->types[k], b->types[k]);
    return same;
}

bool lookup_set_key(struct lookup *l, const uint32_t *columns, const struct type *types, uint32_t count, struct error *err)
{
    struct lookup_file *f = l->file;
    struct lookup_key *key = arena_new(f->plan, struct lookup_key);
    memcpy(key->columns, columns, count * sizeof(*columns));
    memcpy(key->types, types, count * sizeof(*types));
    key->count = count;
    for (l->index = 0; l->index < f->key_count; l->index++)
        if (same_key(f->keys[l->index], key))
            return true;
    if (!lookup_index(f->table, key, f->zone, err))
        return false;
    const struct lookup_key **keys = arena_array(f->plan, const struct lookup_key *, f->key_count + 1);
    if (f->key_count)
        memcpy(keys, f->keys, f->key_count * sizeof(*keys));
    keys[f->key_count++] = key;
    f->keys = keys;
    return true;
}

uint32_t lookup_rows(struct lookup *l)
{
    return l->file->table->rows;
}

const char *lookup_path(const struct lookup *l)
{
    return l->file->path;
}

/* ---- using, and reading again -------------------------------------------------------------------------------------- */

static struct lookup_table *take(struct lookup_file *f)
{
    pthread_mutex_lock(&f->lock);
    struct lookup_table *t = f->table;
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&f->lock);
    return t;
}

static struct lookup_table *read_and_index(const struct lookup_file *f, const struct lookup_table *old,
                                           struct error *err)
{
    struct lookup_table *t =
        lookup_read(f->path, f->declared, f->declared_count, old->columns, old->column_count, f->zone, err);
    for (uint32_t k = 0; t && k < f->key_count; k++)
        if (!lookup_index(t, f->keys[k], f->zone, err)) {
            lookup_unref(t);
            return NULL;
        }
    return t;
}

/* The columns stay what the queries were bound to. A version that is no good is not tried again. */
static void read_again(struct lookup_file *f)
{
    struct stamp now;
    struct error err;
    if (!read_stamp(f->path, &now) || memcmp(&now, &f->stamp, sizeof(now)) == 0)
        return;
    f->stamp = now;
    struct lookup_table *old = take(f);
    struct lookup_table *t = read_and_index(f, old, &err);
    if (t) {
        pthread_mutex_lock(&f->lock);
        f->table = t;
        pthread_mutex_unlock(&f->lock);
        lookup_unref(old); /* the file's own reference */
        log_line(LOG_INFO, NULL, "%s has changed and was read again: %u rows", f->path, t->rows);
    } else {
        log_line(LOG_WARN, NULL, "%s has changed but cannot be used, what was read before stays: %s", f->path,
                 err.text);
    }
    lookup_unref(old);
}

const struct lookup_table *lookup_use(struct lookup *l, struct arena *arena)
{
    struct lookup_file *f = l->file;
    int64_t now = clock_now_us(&clock_system);
    bool due = now >= atomic_load_explicit(&f->next_check_us, memory_order_relaxed);
    if (due && !atomic_flag_test_and_set_explicit(&f->checking, memory_order_acquire)) {
        read_again(f);
        atomic_store_explicit(&f->next_check_us, clock_now_us(&clock_system) + CHECK_EVERY_US, memory_order_relaxed);
        atomic_flag_clear_explicit(&f->checking, memory_order_release);
    }
    struct lookup_table *t = take(f);
    arena_on_end(arena, lookup_unref, t);
    return t;
}

const struct value *lookup_find(const struct lookup *l, const struct lookup_table *t, const struct value *key)
{
    return lookup_search(t, l->index, key);
}
