#include "pipeline/engine/spool_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/spool_tail.h"
#include "pipeline/engine/state.h"

static const char magic[8] = "pipespl1";

enum { NAME_DIGITS = 20 };

char *spool_segment_path(const char *directory, uint64_t first)
{
    char name[NAME_DIGITS + 1];
    snprintf(name, sizeof(name), "%0*" PRIu64, NAME_DIGITS, first);
    return file_join(directory, name);
}

void spool_quarantine(const char *directory, uint64_t number, const char *data, size_t len)
{
    char name[64];
    struct error err;
    snprintf(name, sizeof(name), "quarantine/%0*" PRIu64, NAME_DIGITS, number);
    char *path = file_join(directory, name);
    if (access(path, F_OK) != 0 && (!file_make_parent(path, 0755, &err) || !file_replace(path, data, len, &err)))
        log_warn(NULL, "damaged bytes of a spool cannot be kept: %s", err.text);
    free(path);
}

/* ---- segments ------------------------------------------------------------------------------------------------------------ */

static uint32_t head_crc(const struct spool_segment_head *h)
{
    return crc32c(0, h, offsetof(struct spool_segment_head, crc));
}

/* Under the lock, or before anybody else knows the log. */
static struct spool_segment *add_segment(struct spool_log *l, const struct spool_segment *s)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 16;
        l->segments = mem_realloc(l->segments, l->capacity * sizeof(*l->segments));
    }
    l->segments[l->count] = *s;
    l->bytes += s->bytes;
    return &l->segments[l->count++];
}

static bool head_is_good(const struct spool_segment_head *h)
{
    return memcmp(h->magic, magic, sizeof(magic)) == 0 && h->crc == head_crc(h);
}

/*
 * A head that cannot be read costs only what it says: where the segment begins is in its name too. A file that cannot even be
 * opened says nothing about what it holds: nothing is done to it.
 */
static bool read_segment(struct spool_log *l, uint64_t first, struct error *err)
{
    struct spool_segment_head h;
    struct spool_segment s = {.first = first, .follows = first, .created_us = INT64_MIN};
    char *path = spool_segment_path(l->directory, first);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    bool ok = (fd >= 0 && fstat(fd, &st) == 0) || error_errno(err, errno, "cannot open %s", path);
    s.bytes = ok ? (uint64_t)st.st_size : 0;
    if (ok && pread(fd, &h, sizeof(h), 0) == sizeof(h) && head_is_good(&h)) {
        s.follows = h.follows <= first ? h.follows : first;
        s.created_us = h.created_us;
    } else if (ok && s.bytes >= sizeof(h)) { /* a shorter one had just been begun */
        log_error(NULL, "%s: the segment's head cannot be read", path);
    }
    if (fd >= 0)
        close(fd);
    free(path);
    if (ok)
        add_segment(l, &s);
    return ok;
}

static int by_first(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The numbers that segments are named for, sorted; the caller frees. */
static bool list_names(const char *directory, uint64_t **firsts, uint32_t *count, struct error *err)
{
    uint32_t capacity = 0;
    *firsts = NULL;
    *count = 0;
    DIR *dir = opendir(directory);
    if (!dir)
        return error_errno(err, errno, "cannot read %s", directory);
    struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (strlen(entry->d_name) != NAME_DIGITS || strspn(entry->d_name, "0123456789") != NAME_DIGITS)
            continue;
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            *firsts = mem_realloc(*firsts, capacity * sizeof(**firsts));
        }
        (*firsts)[(*count)++] = strtoull(entry->d_name, NULL, 10);
    }
    bool ok = errno == 0 || error_errno(err, errno, "cannot read %s", directory);
    closedir(dir);
    if (*count)
        qsort(*firsts, *count, sizeof(**firsts), by_first);
    return ok;
}

static bool list_segments(struct spool_log *l, struct error *err)
{
    uint64_t *firsts;
    uint32_t count;
    bool ok = list_names(l->directory, &firsts, &count, err);
    for (uint32_t i = 0; ok && i < count; i++)
        ok = read_segment(l, firsts[i], err);
    free(firsts);
    return ok;
}

/* ---- identity ------------------------------------------------------------------------------------------------------------ */

static bool id_in_head(const char *directory, uint64_t first, char id[37])
{
    struct spool_segment_head h;
    char *path = spool_segment_path(directory, first);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool found = fd >= 0 && pread(fd, &h, sizeof(h), 0) == sizeof(h) && head_is_good(&h);
    if (found)
        memcpy(id, h.id, 37);
    if (fd >= 0)
        close(fd);
    free(path);
    return found && state_is_id(id);
}

/* The newest segment that knows. */
static bool id_in_segments(const char *directory, char id[37])
{
    uint64_t *firsts;
    uint32_t count;
    struct error err;
    bool found = false;
    list_names(directory, &firsts, &count, &err);
    for (uint32_t i = count; !found && i-- > 0;)
        found = id_in_head(directory, firsts[i], id);
    free(firsts);
    return found;
}

/* Under another id the sinks' positions would be those of another spool, and everything delivered again. */
bool spool_log_identify(const char *directory, char id[37], struct error *err)
{
    char told[37];
    if (!file_make_directories(directory, 0755, err))
        return false;
    if (!id_in_segments(directory, told))
        return state_read_or_make_id(directory, id, err);
    char *path = file_join(directory, "id");
    bool same = access(path, F_OK) == 0 && state_read_or_make_id(directory, id, err) && strcmp(id, told) == 0;
    bool ok = same || file_replace(path, told, 36, err);
    if (ok && !same)
        log_warn(NULL, "%s was lost or damaged: it is written again as the segments have it", path);
    memcpy(id, told, 37);
    free(path);
    return ok;
}

static bool remove_segment(const struct spool_log *l, uint64_t first)
{
    char *path = spool_segment_path(l->directory, first);
    bool gone = unlink(path) == 0 || errno == ENOENT;
    if (!gone)
        log_warn(NULL, "cannot remove %s: %s", path, strerror(errno));
    free(path);
    return gone;
}

void spool_set_aside(const char *directory, uint64_t first)
{
    char name[64];
    struct error err;
    snprintf(name, sizeof(name), "quarantine/%0*" PRIu64, NAME_DIGITS, first);
    char *from = spool_segment_path(directory, first), *to = file_join(directory, name);
    if (file_make_parent(to, 0755, &err) && rename(from, to) != 0 && errno != ENOENT)
        log_warn(NULL, "cannot move %s aside: %s", from, strerror(errno));
    free(from);
    free(to);
}

/* Nobody knows how many records it had; but each takes at least an entry, so no number was used that is skipped now. */
static void give_up_last(struct spool_log *l, const struct error *why)
{
    struct spool_segment *last = &l->segments[--l->count];
    log_error(NULL, "%s; the segment %0*" PRIu64 " is put into quarantine: its records are lost", why->text, NAME_DIGITS, last->first);
    l->next = last->follows;
    l->written_next = last->first + last->bytes / sizeof(struct spool_entry);
    l->bytes -= last->bytes;
    spool_set_aside(l->directory, last->first);
}

static void take_marks(struct spool_log *l, const struct spool_tail *t)
{
    for (int i = 0; i < SPOOL_MARKS; i++)
        if (t->marks[i] > l->marks[i])
            l->marks[i] = t->marks[i];
}

/* A source hears of each batch that is durable; one that was killed before it did is interested in the last ones only. */
static void find_earlier_marks(struct spool_log *l)
{
    struct spool_tail tail;
    struct error err;
    if (l->count > 1 && spool_tail_find(l->directory, &l->segments[l->count - 2], sizeof(struct spool_segment_head), false, &tail, &err))
        take_marks(l, &tail);
}

/* The end of the last segment: how far it is whole. What lies behind is cut; where that was no cut-off frame, it is kept aside. */
static bool mend_last(struct spool_log *l, struct error *err)
{
    struct spool_segment *last = &l->segments[l->count - 1];
    if (last->bytes < sizeof(struct spool_segment_head)) { /* it had just been begun */
        l->next = last->follows;
        l->bytes -= last->bytes;
        l->count--;
        return remove_segment(l, last->first) || error_set(err, ERROR_STOP, "the spool %s cannot be mended", l->directory);
    }
    struct spool_tail tail;
    if (!spool_tail_find(l->directory, last, sizeof(struct spool_segment_head), true, &tail, err)) {
        give_up_last(l, err);
        return true;
    }
    l->next = tail.next;
    take_marks(l, &tail);
    l->cut_bytes = last->bytes - tail.bytes;
    if (!l->cut_bytes)
        return true;
    char *path = spool_segment_path(l->directory, last->first);
    bool ok = truncate(path, (off_t)tail.bytes) == 0 || error_errno(err, errno, "cannot cut the torn end off %s", path);
    free(path);
    l->bytes -= l->cut_bytes;
    last->bytes = tail.bytes;
    return ok;
}

static void init(struct spool_log *l, const char *directory)
{
    l->directory = mem_strdup(directory);
    l->fd = -1;
    pthread_mutex_init(&l->lock, NULL);
}

bool spool_log_look(struct spool_log *l, const char *directory, struct error *err)
{
    init(l, directory);
    struct spool_tail tail;
    if (!list_segments(l, err))
        return false;
    if (!l->count)
        return true;
    struct spool_segment *last = &l->segments[l->count - 1];
    if (last->bytes < sizeof(struct spool_segment_head)) {
        l->next = last->follows;
        return true;
    }
    if (!spool_tail_find(directory, last, sizeof(struct spool_segment_head), false, &tail, err))
        return false;
    l->next = tail.next;
    l->cut_bytes = last->bytes - tail.bytes;
    last->bytes = tail.bytes;
    return true;
}

bool spool_log_open(struct spool_log *l, const char *directory, uint64_t segment_size, uint64_t used, struct error *err)
{
    init(l, directory);
    l->segment_size = segment_size;
    if (!spool_log_identify(directory, l->id, err) || !list_segments(l, err))
        return false;
    find_earlier_marks(l);
    if (l->count && !mend_last(l, err))
        return false;
    /* The end of the last segment was lost, but a sink has seen what was there: those numbers are not used again. */
    uint64_t past = l->next > l->written_next ? l->next : l->written_next;
    l->written_next = past > used ? past : used;
    struct spool_segment *last = l->count ? &l->segments[l->count - 1] : NULL;
    if (!last || l->written_next != l->next || last->bytes >= segment_size || last->created_us == INT64_MIN)
        return true;
    char *path = spool_segment_path(directory, last->first);
    l->fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = l->fd >= 0 || error_errno(err, errno, "cannot open %s", path);
    /* What a killed process wrote may be in memory only; it counts as durable from here on. */
    if (ok && fdatasync(l->fd) != 0)
        ok = error_errno(err, errno, "cannot sync %s", path);
    free(path);
    l->written = last->bytes;
    return ok;
}

void spool_log_close(struct spool_log *l)
{
    if (l->fd >= 0)
        close(l->fd);
    pthread_mutex_destroy(&l->lock);
    free(l->segments);
    free(l->directory);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static bool begin_segment(struct spool_log *l, int64_t now_us, struct error *err)
{
    struct spool_segment_head h = {.first = l->written_next, .follows = l->next, .created_us = now_us};
    memcpy(h.magic, magic, sizeof(magic));
    memcpy(h.id, l->id, sizeof(l->id));
    h.crc = head_crc(&h);
    char *path = spool_segment_path(l->directory, h.first);
    /* One of this name can only be what an attempt left that was taken back. */
    l->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool ok = l->fd >= 0 || error_errno(err, errno, "cannot make %s", path);
    ok = ok && file_write_all(l->fd, &h, sizeof(h), path, err) &&
         (fdatasync(l->fd) == 0 || error_errno(err, errno, "cannot sync %s", path)) && file_sync_directory_of(path, err);
    if (!ok && l->fd >= 0) {
        close(l->fd);
        l->fd = -1;
        unlink(path);
    }
    free(path);
    if (!ok)
        return false;
    l->written = sizeof(h);
    pthread_mutex_lock(&l->lock);
    if (l->count && l->segments[l->count - 1].first == h.first) /* it had no records */
        l->bytes -= l->segments[--l->count].bytes;
    add_segment(l, &(struct spool_segment){.first = h.first, .follows = h.follows, .bytes = sizeof(h), .created_us = now_us});
    pthread_mutex_unlock(&l->lock);
    return true;
}

enum { MOST_PARTS = 1024 }; /* IOV_MAX */

static bool write_parts(struct spool_log *l, struct iovec *parts, int count, struct error *err)
{
    while (count > 0) {
        if (parts->iov_len == 0) {
            parts++;
            count--;
            continue;
        }
        ssize_t n = pwritev(l->fd, parts, count, (off_t)l->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "cannot write the spool %s", l->directory);
        l->written += (uint64_t)n;
        for (; count > 0 && (size_t)n >= parts->iov_len; count--)
            n -= (ssize_t)parts++->iov_len;
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + n;
            parts->iov_len -= (size_t)n;
        }
    }
    return true;
}

bool spool_log_write(struct spool_log *l, struct spool_frame *frames, int64_t now_us, struct error *err)
{
    struct iovec parts[MOST_PARTS];
    int count = 0;
    for (struct spool_frame *f = frames; f; f = f->next) {
        if (!f->bytes)
            continue;
        if (l->fd < 0 && !begin_segment(l, now_us, err))
            return false;
        l->unsynced = true;
        l->written_next = spool_frame_number(f, l->written_next);
        spool_frame_parts(f, parts + count);
        count += SPOOL_FRAME_PARTS;
        if (count + SPOOL_FRAME_PARTS > MOST_PARTS) {
            if (!write_parts(l, parts, count, err))
                return false;
            count = 0;
        }
    }
    return write_parts(l, parts, count, err);
}

bool spool_log_sync(struct spool_log *l, struct error *err)
{
    if (!l->unsynced)
        return true;
    if (fdatasync(l->fd) != 0) {
        error_errno(err, errno, "cannot sync the spool %s", l->directory);
        close(l->fd);
        l->fd = -1;
        return false;
    }
    l->unsynced = false;
    pthread_mutex_lock(&l->lock);
    struct spool_segment *last = &l->segments[l->count - 1];
    l->bytes += l->written - last->bytes;
    last->bytes = l->written;
    l->next = l->written_next;
    pthread_mutex_unlock(&l->lock);
    return true;
}

void spool_log_take_back(struct spool_log *l)
{
    if (!l->unsynced)
        return;
    l->unsynced = false;
    const struct spool_segment *last = &l->segments[l->count - 1];
    l->written_next = l->next > last->first ? l->next : last->first;
    l->written = last->bytes;
    if (l->fd >= 0 && ftruncate(l->fd, (off_t)last->bytes) != 0)
        spool_log_roll(l);
}

void spool_log_roll(struct spool_log *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

/* Under the lock: where the records of segment i end. */
static uint64_t end_of(const struct spool_log *l, uint32_t i)
{
    return i + 1 < l->count ? l->segments[i + 1].follows : l->next;
}

bool spool_log_drop(struct spool_log *l, uint64_t number)
{
    uint32_t dropped = 0;
    pthread_mutex_lock(&l->lock);
    while (dropped + 1 < l->count && end_of(l, dropped) <= number && remove_segment(l, l->segments[dropped].first))
        l->bytes -= l->segments[dropped++].bytes;
    if (dropped) { /* none of those read is left: the last one always stays, for where the numbers go on */
        memmove(l->segments, l->segments + dropped, (l->count - dropped) * sizeof(*l->segments));
        l->count -= dropped;
    }
    pthread_mutex_unlock(&l->lock);
    return dropped > 0;
}

bool spool_log_can_drop(struct spool_log *l, uint64_t number)
{
    pthread_mutex_lock(&l->lock);
    bool can = l->count > 1 && end_of(l, 0) <= number;
    pthread_mutex_unlock(&l->lock);
    return can;
}

void spool_log_empty(struct spool_log *l)
{
    spool_log_roll(l);
    pthread_mutex_lock(&l->lock);
    while (l->count && remove_segment(l, l->segments[l->count - 1].first))
        l->bytes -= l->segments[--l->count].bytes;
    pthread_mutex_unlock(&l->lock);
}

uint64_t spool_log_next(struct spool_log *l)
{
    pthread_mutex_lock(&l->lock);
    uint64_t next = l->next;
    pthread_mutex_unlock(&l->lock);
    return next;
}

uint64_t spool_log_bytes(struct spool_log *l)
{
    pthread_mutex_lock(&l->lock);
    uint64_t bytes = l->bytes;
    pthread_mutex_unlock(&l->lock);
    return bytes;
}

uint64_t spool_log_first(struct spool_log *l)
{
    pthread_mutex_lock(&l->lock);
    uint64_t first = l->count ? l->segments[0].first : l->next;
    pthread_mutex_unlock(&l->lock);
    return first;
}

uint64_t spool_log_count(struct spool_log *l, uint64_t number)
{
    uint64_t count = 0;
    pthread_mutex_lock(&l->lock);
    for (uint32_t i = 0; i < l->count; i++) {
        uint64_t from = l->segments[i].first > number ? l->segments[i].first : number;
        count += end_of(l, i) > from ? end_of(l, i) - from : 0;
    }
    pthread_mutex_unlock(&l->lock);
    return count;
}

/* Under the lock: the last segment that begins at or before `number`; 0 if none does. */
static uint32_t segment_of(const struct spool_log *l, uint64_t number)
{
    uint32_t low = 0, high = l->count;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (l->segments[middle].first <= number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool spool_log_locate(struct spool_log *l, uint64_t number, struct spool_extent *out)
{
    pthread_mutex_lock(&l->lock);
    uint32_t i = l->count ? segment_of(l, number) : 0;
    while (i < l->count && number >= end_of(l, i))
        i++;
    bool found = i < l->count;
    if (found)
        *out = (struct spool_extent){.segment = l->segments[i].first,
                                     .from = number > l->segments[i].first ? number : l->segments[i].first,
                                     .end = end_of(l, i),
                                     .bytes = l->segments[i].bytes,
                                     .last = i + 1 == l->count};
    pthread_mutex_unlock(&l->lock);
    return found;
}
