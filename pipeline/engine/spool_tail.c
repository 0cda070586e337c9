#include "pipeline/engine/spool_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/arena.h"

enum { WINDOW = 64 << 10, KEPT = 1 << 20 };

struct window {
    int fd;
    char data[WINDOW];
    uint64_t offset;
    size_t len;
};

/* `len` bytes at `offset`, or NULL with errno: 0 where the file ends before. */
static const char *look(struct window *w, uint64_t offset, size_t len)
{
    if (offset >= w->offset && offset + len <= w->offset + w->len)
        return w->data + (offset - w->offset);
    ssize_t n = pread(w->fd, w->data, sizeof(w->data), (off_t)offset);
    if (n < 0) {
        w->len = 0;
        return NULL;
    }
    w->offset = offset;
    w->len = (size_t)n;
    errno = 0;
    return w->len >= len ? w->data : NULL;
}

static size_t frame_bytes(const struct spool_head *h)
{
    return sizeof(*h) + (size_t)h->index_bytes + h->meta_bytes + h->body_bytes;
}

/* The next good head at or behind `offset`; UINT64_MAX: there is none, or errno says why nobody knows. */
static uint64_t find_head(struct window *w, uint64_t offset, uint64_t end)
{
    const uint32_t wanted = SPOOL_FRAME_MAGIC;
    struct spool_head h;
    errno = 0;
    for (; offset < end && end - offset >= sizeof(h); offset++) {
        const char *at = look(w, offset, sizeof(h));
        if (!at)
            return UINT64_MAX;
        if (memcmp(at, &wanted, sizeof(wanted)) == 0 && spool_head_parse(at, &h) && offset + frame_bytes(&h) <= end)
            return offset;
    }
    return UINT64_MAX;
}

static void keep_aside(const char *directory, struct window *w, uint64_t number, uint64_t offset, uint64_t end)
{
    size_t len = end - offset < KEPT ? (size_t)(end - offset) : KEPT;
    char *bytes = mem_alloc(len);
    ssize_t n = pread(w->fd, bytes, len, (off_t)offset);
    if (n > 0)
        spool_quarantine(directory, number, bytes, (size_t)n);
    free(bytes);
}

static bool walk(const char *directory, struct window *w, uint64_t end, bool keep, struct spool_tail *t, struct error *err)
{
    struct spool_head h;
    for (uint64_t offset = t->bytes; offset < end;) {
        const char *at = look(w, offset, sizeof(h));
        if (!at && errno)
            return error_errno(err, errno, "cannot read the spool %s", directory);
        if (at && spool_head_parse(at, &h) && h.first >= t->next) {
            offset += frame_bytes(&h);
            if (offset > end)
                break;
            t->next = h.first + h.records;
            if (h.front < SPOOL_MARKS && h.mark > t->marks[h.front])
                t->marks[h.front] = h.mark;
            t->bytes = offset;
            continue;
        }
        uint64_t good = at ? find_head(w, offset + 1, end) : UINT64_MAX;
        if (good == UINT64_MAX && errno)
            return error_errno(err, errno, "cannot read the spool %s", directory);
        if (good == UINT64_MAX) {
            if (at && keep)
                keep_aside(directory, w, t->next, offset, end);
            break;
        }
        offset = good;
    }
    return true;
}

bool spool_tail_find(const char *directory, const struct spool_segment *s, size_t from, bool keep, struct spool_tail *out, struct error *err)
{
    *out = (struct spool_tail){.bytes = from, .next = s->first};
    char *path = spool_segment_path(directory, s->first);
    struct window *w = mem_alloc(sizeof(*w));
    w->len = 0;
    w->fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = w->fd >= 0 ? walk(directory, w, s->bytes, keep, out, err) : error_errno(err, errno, "cannot open %s", path);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
    free(path);
    return ok;
}

/* In one segment, or UINT64_MAX. */
static uint64_t find_time_in(const struct spool_log *l, const struct spool_segment *s, int64_t us)
{
    char *path = spool_segment_path(l->directory, s->first);
    struct window *w = mem_alloc(sizeof(*w));
    w->len = 0;
    w->fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t found = UINT64_MAX;
    struct spool_head h;
    for (uint64_t offset = sizeof(struct spool_segment_head); w->fd >= 0 && offset < s->bytes && s->bytes - offset >= sizeof(h);) {
        const char *at = look(w, offset, sizeof(h));
        if (at && !spool_head_parse(at, &h)) {
            offset = find_head(w, offset + 1, s->bytes);
            continue;
        }
        if (!at || h.appended_us >= us) {
            found = at ? h.first : found;
            break;
        }
        offset += frame_bytes(&h);
    }
    if (w->fd >= 0)
        close(w->fd);
    free(w);
    free(path);
    return found;
}

uint64_t spool_find_time(struct spool_log *l, int64_t us)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (i + 1 < l->count && l->segments[i + 1].created_us < us)
            continue;
        uint64_t found = find_time_in(l, &l->segments[i], us);
        if (found != UINT64_MAX)
            return found;
    }
    return l->next;
}
