#include "connectors/object/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/object/sync.h"
#include "pipeline/base/file.h"

/* A block of less compresses badly; more parts than fit the second bound flush what they have. */
enum { BLOCK_BYTES = 256 << 10, PENDING_BYTES_MAX = 8 << 20 };

static uint32_t place(const struct partition_log *log, uint64_t hash)
{
    return (uint32_t)(hash ^ (uintptr_t)log >> 4);
}

static void put_in_index(struct parts *p, uint32_t item)
{
    uint32_t i = place(p->items[item].log, p->items[item].hash);
    while (p->index[i & (p->index_size - 1)])
        i++;
    p->index[i & (p->index_size - 1)] = item + 1;
}

static void make_index(struct parts *p)
{
    free(p->index);
    p->index_size = p->capacity * 2;
    p->index = mem_zalloc((p->index_size + 1) * sizeof(*p->index));
    for (uint32_t i = 0; i < p->count; i++)
        put_in_index(p, i);
}

struct part *parts_find(struct parts *p, struct partition_log *log, struct str target, uint64_t hash)
{
    for (uint32_t i = place(log, hash); p->index_size; i++) {
        uint32_t found = p->index[i & (p->index_size - 1)];
        if (!found)
            return NULL;
        struct part *part = &p->items[found - 1];
        if (part->log == log && part->hash == hash && str_eq(part->target, target))
            return part;
    }
    return NULL;
}

struct part *parts_add(struct parts *p, struct partition_log *log, struct str target, uint64_t hash, char *path,
                       char *object)
{
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 16;
        p->items = mem_realloc(p->items, p->capacity * sizeof(*p->items));
        make_index(p);
    }
    char *copy = mem_alloc(target.len + 1);
    if (target.len)
        memcpy(copy, target.data, target.len);
    p->items[p->count] = (struct part){.log = log,
                                       .path = path,
                                       .name = strrchr(path, '/') + 1,
                                       .object = object,
                                       .target = {copy, target.len},
                                       .hash = hash};
    put_in_index(p, p->count);
    return &p->items[p->count++];
}

/* ---- flushing
 * ---------------------------------------------------------------------------------------------------------------- */

struct packing {
    struct part *part;
    enum compression how;
};

static void pack(void *item, struct tools *tools)
{
    struct packing *k = item;
    struct str data = {k->part->pending.data, k->part->pending.len};
    compressor_run(tools->compressor, k->how, 0, data, &k->part->packed);
}

/* Blocks are compressed by the workers, all at once. A block that could not be written last time is still packed. */
static void pack_all(struct parts *p, struct sink *s, enum compression how, size_t least)
{
    struct packing *packings = mem_alloc((p->count + 1) * sizeof(*packings));
    void **items = mem_alloc((p->count + 1) * sizeof(*items));
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        struct part *part = &p->items[i];
        if (part->pending.len < least || part->pending.len == 0 || part->packed.len)
            continue;
        packings[n] = (struct packing){part, how};
        items[n] = &packings[n];
        n++;
    }
    if (n)
        sink_compute(s, pack, items, n);
    for (uint32_t i = 0; i < n; i++) {
        p->pending -= packings[i].part->pending.len;
        buffer_release(&packings[i].part->pending);
    }
    free(packings);
    free(items);
}

/* Appends at the known end: what a failed attempt left behind it is overwritten or cut. A part that somebody removed is
 * not made anew: it would begin with a hole. */
static bool append(struct part *part, const struct buffer *data, struct error *err)
{
    int fd = open(part->path, O_WRONLY | (part->size ? 0 : O_CREAT) | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", part->path);
    size_t done = 0;
    bool ok = true;
    while (ok && done < data->len) {
        ssize_t n = pwrite(fd, data->data + done, data->len - done, (off_t)(part->size + done));
        if (n < 0 && errno != EINTR)
            ok = error_errno(err, errno, "cannot write %s", part->path);
        done += n > 0 ? (size_t)n : 0;
    }
    if (!ok && ftruncate(fd, (off_t)part->size) != 0)
        error_wrap(err, "and cannot cut it");
    close(fd);
    if (ok)
        part->size += data->len;
    return ok;
}

static bool flush_part(struct parts *p, struct part *part, enum compression how, size_t least, struct error *err)
{
    if (how != COMPRESSION_NONE) {
        if (part->packed.len == 0)
            return true;
        bool ok = append(part, &part->packed, err);
        if (ok)
            buffer_release(&part->packed);
        return ok;
    }
    if (part->pending.len < least || part->pending.len == 0)
        return true;
    if (!append(part, &part->pending, err))
        return false;
    p->pending -= part->pending.len;
    buffer_release(&part->pending);
    return true;
}

bool parts_flush(struct parts *p, struct sink *s, enum compression how, bool everything, struct error *err)
{
    size_t least = everything || p->pending > PENDING_BYTES_MAX ? 0 : BLOCK_BYTES;
    if (how != COMPRESSION_NONE)
        pack_all(p, s, how, least);
    for (uint32_t i = 0; i < p->count; i++)
        if (!flush_part(p, &p->items[i], how, least, err))
            return false;
    /* A block packed by an attempt that failed went out first; what came after it is a block of its own. */
    if (everything && p->pending)
        return parts_flush(p, s, how, true, err);
    return true;
}

static bool sync_part(const struct part *part, struct error *err)
{
    int fd = open(part->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", part->path);
    bool ok = fsync(fd) == 0 || error_errno(err, errno, "cannot write %s to disk", part->path);
    close(fd);
    return ok;
}

/* Each log has a directory of its own. */
static bool is_first_of_its_directory(const struct parts *p, uint32_t part)
{
    for (uint32_t i = 0; i < part; i++)
        if (p->items[i].log == p->items[part].log)
            return false;
    return true;
}

static bool sync_parts(const struct parts *p, struct error *err)
{
    if (p->count > SYNC_SINGLY)
        return sync_filesystem_of(p->items[0].path, err);
    for (uint32_t i = 0; i < p->count; i++)
        if (!sync_part(&p->items[i], err) ||
            (is_first_of_its_directory(p, i) && !file_sync_directory_of(p->items[i].path, err)))
            return false;
    return true;
}

/* After a failure the next fsync would succeed, whether the data is on the disk or not, and it is not in memory any
 * more: only a restart, which reads it again, makes good for it. */
bool parts_sync(struct parts *p, struct error *err)
{
    if (sync_parts(p, err))
        return true;
    err->kind = ERROR_STOP;
    return error_wrap(err, "what was written may not be on the disk; the next run writes it again");
}

/* ---- ends ------------------------------------------------------------------------------------------------------- */

uint32_t parts_renames(const struct parts *p, const struct partition_log *log, struct rename_pair **renames)
{
    uint32_t n = 0;
    *renames = mem_alloc((p->count + 1) * sizeof(**renames));
    for (uint32_t i = 0; i < p->count; i++)
        if (p->items[i].log == log)
            (*renames)[n++] = (struct rename_pair){p->items[i].name, p->items[i].object};
    return n;
}

static void free_part(struct parts *p, struct part *part)
{
    p->pending -= part->pending.len;
    free(part->path);
    free(part->object);
    free((char *)part->target.data);
    buffer_release(&part->pending);
    buffer_release(&part->packed);
}

void parts_drop(struct parts *p, const struct partition_log *log, bool discard)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->items[i].log != log) {
            p->items[kept++] = p->items[i];
            continue;
        }
        if (discard)
            unlink(p->items[i].path); /* what stays is removed when the partition is claimed */
        free_part(p, &p->items[i]);
    }
    if (kept == p->count)
        return;
    p->count = kept;
    make_index(p);
}

void parts_clear(struct parts *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        free_part(p, &p->items[i]);
    free(p->items);
    free(p->index);
    *p = (struct parts){0};
}
