#include "pipeline/event/zone.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/event/datetime.h"
#include "pipeline/event/zone_data.h"

enum { RULE_ZONES_MAX = 1000 };
enum { ZONE_NAME_MAX = 255, ZONE_FILE_MAX = 1 << 20, SECS_PER_DAY = 86400 };

static struct zone_kind utc_kind = {.offset = 0, .name = "UTC"};
static struct zone utc = {.name = "UTC", .kinds = &utc_kind, .kind_count = 1};
const struct zone *const zone_utc = &utc;

const char *zone_name(const struct zone *z)
{
    return z->name;
}

/* ---- asking a zone --------------------------------------------------------------------------------------------------
 */

static int64_t unix_seconds(int64_t us)
{
    int64_t seconds = us / USECS_PER_SEC - (us % USECS_PER_SEC < 0);
    return seconds + PG_EPOCH_SECS;
}

/* How many changes are at or before that instant. */
static uint32_t changes_until(const struct zone *z, int64_t at)
{
    uint32_t low = 0, high = z->change_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (z->changes[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int32_t offset_at(const struct zone *z, int64_t at, const char **name)
{
    uint32_t done = changes_until(z, at);
    if (done == z->change_count && z->has_rule)
        return zone_rule_offset(&z->rule, at, name);
    const struct zone_kind *kind = &z->kinds[done == 0 ? 0 : z->change_kind[done - 1]];
    if (name)
        *name = kind->name;
    return kind->offset;
}

static int64_t next_change(const struct zone *z, int64_t at)
{
    uint32_t done = changes_until(z, at);
    if (done < z->change_count)
        return z->changes[done];
    return z->has_rule ? zone_rule_next(&z->rule, at) : INT64_MAX;
}

int32_t zone_offset_at(const struct zone *z, int64_t instant_us, const char **abbreviation)
{
    if (z == &utc) {
        if (abbreviation)
            *abbreviation = utc_kind.name;
        return 0;
    }
    return offset_at(z, unix_seconds(instant_us), abbreviation);
}

/*
 * A wall time that occurs twice (the clock is put back) or never (it is put forward) is read as Postgres does: in a gap
 * by the offset before the change, in an overlap by the one after; that is standard time for both.
 */
int64_t zone_local_to_utc(const struct zone *z, int64_t local_us)
{
    if (z == &utc)
        return local_us;
    int64_t local = unix_seconds(local_us);
    int64_t change = next_change(z, local - SECS_PER_DAY);
    int32_t before = offset_at(z, local - SECS_PER_DAY, NULL);
    if (change == INT64_MAX)
        return local_us - before * USECS_PER_SEC;
    int32_t after = offset_at(z, change, NULL);
    int64_t by_before = local - before, by_after = local - after;
    int32_t offset;
    if (by_before < change && by_after < change)
        offset = before;
    else if (by_before > change && by_after >= change)
        offset = after;
    else
        offset = by_before > by_after ? before : after;
    return local_us - offset * USECS_PER_SEC;
}

/* The instant's own kind, else the nearest earlier, else the earliest later one that has the name. */
int32_t zone_abbreviation_offset(const struct zone *z, const char *abbreviation, int64_t local_us)
{
    int64_t instant = zone_local_to_utc(z, local_us);
    const char *now;
    int32_t offset = zone_offset_at(z, instant, &now);
    if (strcasecmp(now, abbreviation) == 0)
        return offset;
    uint32_t done = changes_until(z, unix_seconds(instant));
    for (uint32_t i = done; i-- > 0;) {
        const struct zone_kind *kind = &z->kinds[z->change_kind[i]];
        if (strcasecmp(kind->name, abbreviation) == 0)
            return kind->offset;
    }
    if (strcasecmp(z->kinds[0].name, abbreviation) == 0)
        return z->kinds[0].offset;
    for (uint32_t i = done; i < z->change_count; i++) {
        const struct zone_kind *kind = &z->kinds[z->change_kind[i]];
        if (strcasecmp(kind->name, abbreviation) == 0)
            return kind->offset;
    }
    return offset;
}

/* ---- finding a zone -------------------------------------------------------------------------------------------------
 */

/* The names below the zone directory, in byte order ignoring case. Read once, when a name is not found as it is
 * written. */
struct name_list {
    char **names;
    size_t count, capacity;
};

/*
 * Zones are few and are kept for ever, so those that are known are found without a lock: a zone is whole before it is
 * at the head of its bucket (release), and stays as it is for those who see it there (acquire). The lock is for who
 * adds one.
 */
enum { CACHE_BUCKETS = 256 };
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct zone *) cache[CACHE_BUCKETS];
static struct name_list known;
static bool known_is_read;
/* Names of files are as many as there are files; those that are rules come from the data too, and must not fill the
 * memory. */
static unsigned rule_count;

static const char *zone_directory(void)
{
    const char *directory = getenv("TZDIR");
    return directory && *directory ? directory : "/usr/share/zoneinfo";
}

static bool is_zone_file(const char *path)
{
    struct buffer data = {0};
    struct error ignored;
    bool good =
        file_read_all(path, ZONE_FILE_MAX, &data, &ignored) && data.len > 4 && memcmp(data.data, "TZif", 4) == 0;
    buffer_release(&data);
    return good;
}

static void add_name(struct name_list *list, const char *name)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 1024;
        list->names = mem_realloc(list->names, list->capacity * sizeof *list->names);
    }
    list->names[list->count++] = mem_strdup(name);
}

static void read_names(struct name_list *list, const char *directory, const char *prefix, int depth)
{
    DIR *dir = opendir(directory);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.' ||
            (depth == 0 && (strcmp(entry->d_name, "posix") == 0 || strcmp(entry->d_name, "right") == 0)))
            continue;
        char *path = file_join(directory, entry->d_name);
        char *name = *prefix ? file_join(prefix, entry->d_name) : mem_strdup(entry->d_name);
        struct stat info;
        if (stat(path, &info) == 0) {
            if (S_ISDIR(info.st_mode) && depth < 4)
                read_names(list, path, name, depth + 1);
            else if (S_ISREG(info.st_mode) && is_zone_file(path))
                add_name(list, name);
        }
        free(name);
        free(path);
    }
    closedir(dir);
}

static int compare_names(const void *x, const void *y)
{
    return strcasecmp(*(char *const *)x, *(char *const *)y);
}

static const struct name_list *known_names(void)
{
    if (!known_is_read) {
        read_names(&known, zone_directory(), "", 0);
        if (known.count > 0)
            qsort(known.names, known.count, sizeof *known.names, compare_names);
        known_is_read = true;
    }
    return &known;
}

static const char *known_spelling(const char *name)
{
    const struct name_list *list = known_names();
    if (list->count == 0)
        return NULL;
    char **found = bsearch(&name, list->names, list->count, sizeof *list->names, compare_names);
    return found ? *found : NULL;
}

/* FNV-1a, of a name in any case. */
static _Atomic(struct zone *) *cache_bucket(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ ((unsigned char)*name | 32u)) * 16777619u;
    return &cache[(hash ^ hash >> 16) % CACHE_BUCKETS];
}

static struct zone *cache_find(const char *name)
{
    for (struct zone *z = atomic_load_explicit(cache_bucket(name), memory_order_acquire); z; z = z->next) {
        if (strcasecmp(z->name, name) == 0)
            return z;
    }
    return NULL;
}

static struct zone *zone_new(struct zone found, const char *name)
{
    struct zone *z = mem_alloc(sizeof *z);
    *z = found;
    z->name = mem_strdup(name);
    return z;
}

/* Whoever finds it may change it no more. */
static struct zone *cache_add(struct zone *z)
{
    _Atomic(struct zone *) *bucket = cache_bucket(z->name);
    z->next = atomic_load_explicit(bucket, memory_order_relaxed);
    atomic_store_explicit(bucket, z, memory_order_release);
    return z;
}

static void zone_release(struct zone *z)
{
    free(z->changes);
    free(z->change_kind);
    free(z->kinds);
    free(z->names);
}

/* False without an error: there is no such file. */
static bool load_file(const char *name, struct zone *out, bool *exists, struct error *err)
{
    char *path = file_join(zone_directory(), name);
    struct buffer data = {0};
    struct stat info;
    bool good = false;
    *exists = stat(path, &info) == 0 && S_ISREG(info.st_mode);
    if (*exists && file_read_all(path, ZONE_FILE_MAX, &data, err)) {
        const char *why;
        good = zone_file_parse((struct str){data.data, data.len}, out, &why);
        if (!good) {
            zone_release(out);
            error_set(err, ERROR_STOP, "time zone file %s: %s", path, why);
        }
    }
    buffer_release(&data);
    free(path);
    return good;
}

static bool name_is_safe(const char *name)
{
    return name[0] != '\0' && name[0] != '/' && name[0] != '.' && !strstr(name, "..");
}

/* "UTC+3", "EST5EDT4,M3.2.0,M11.1.0", even ".5": POSIX rules are zones too, as in Postgres. A ":" would name a file. */
static struct zone *zone_from_rule(const char *name)
{
    char upper[ZONE_NAME_MAX + 1];
    size_t len = strlen(name);
    for (size_t i = 0; i <= len; i++)
        upper[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 32) : name[i];
    struct zone z = {.has_rule = true};
    if (rule_count == RULE_ZONES_MAX || name[0] == ':' || !zone_rule_parse((struct str){upper, len}, &z.rule))
        return NULL;
    rule_count++;
    struct zone *added = zone_new(z, upper);
    added->kinds = mem_alloc(sizeof *added->kinds);
    added->kind_count = 1;
    added->kinds[0] = (struct zone_kind){.offset = added->rule.offset, .name = added->rule.name};
    return cache_add(added);
}

static const struct zone *find_locked(const char *name, struct error *err)
{
    struct zone *z = cache_find(name); /* another may have added it meanwhile */
    if (z)
        return z;
    struct zone found = {0};
    bool exists;
    if (!name_is_safe(name))
        return zone_from_rule(name);
    if (load_file(name, &found, &exists, err))
        return cache_add(zone_new(found, name));
    if (exists)
        return NULL;
    const char *spelling = known_spelling(name);
    if (spelling)
        return load_file(spelling, &found, &exists, err) ? cache_add(zone_new(found, spelling)) : NULL;
    return zone_from_rule(name);
}

/* Fills err only where the zone's file is there and bad; then err->text is not empty. */
static const struct zone *lookup(struct str name, struct error *err)
{
    err->text[0] = '\0';
    if (str_eq_nocase(name, STR("UTC")))
        return &utc;
    char text[ZONE_NAME_MAX + 1];
    if (name.len > ZONE_NAME_MAX || memchr(name.data, '\0', name.len))
        return NULL;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    const struct zone *z = cache_find(text);
    if (z)
        return z;
    pthread_mutex_lock(&cache_lock);
    z = find_locked(text, err);
    pthread_mutex_unlock(&cache_lock);
    return z;
}

const struct zone *zone_lookup(struct str name)
{
    struct error ignored;
    return lookup(name, &ignored);
}

const struct zone *zone_find(struct str name, struct error *err)
{
    const struct zone *z = lookup(name, err);
    if (z || err->text[0])
        return z;
    char text[64];
    size_t len = name.len < sizeof text - 1 ? name.len : sizeof text - 1;
    memcpy(text, name.data, len);
    text[len] = '\0';
    pthread_mutex_lock(&cache_lock);
    const struct name_list *list = known_names();
    const char *nearest = str_nearest(text, (const char *const *)list->names, list->count);
    pthread_mutex_unlock(&cache_lock);
    if (nearest)
        error_set(err, ERROR_STOP, "unknown time zone \"%s\", did you mean \"%s\"?", text, nearest);
    else
        error_set(err, ERROR_STOP,
                  "unknown time zone \"%s\"; give a name of the IANA database, such as \"Europe/Oslo\"", text);
    return NULL;
}
