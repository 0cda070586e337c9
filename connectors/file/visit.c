#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "connectors/file/source.h"
#include "pipeline/base/arena.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/log.h"

enum { ADVISE_FROM = 1 << 20 };

/* A file being read. */
struct reading {
    int fd;
    const char *path;
    const struct file_identity *id;
    uint64_t offset;
};

/* The next bytes of the file, up to the size it had when it was identified. 0: there are no more. */
static ssize_t read_more(struct reading *r, char *to, size_t room)
{
    const struct file_identity *id = r->id;
    uint64_t left = id->size - r->offset;
    size_t want = left < room ? (size_t)left : room;
    ssize_t n;
    if (id->head_len == id->size) {
        memcpy(to, id->head + r->offset, want);
        n = (ssize_t)want;
    } else {
        do
            n = want ? pread(r->fd, to, want, (off_t)r->offset) : 0;
        while (n < 0 && errno == EINTR);
    }
    if (n > 0)
        r->offset += (uint64_t)n;
    return n;
}

static enum visit read_file(struct file_source *fs, struct reading *r, struct partition *p, uint64_t at,
                            struct error *err)
{
    struct stream *s = &fs->stream;
    enum compression compression = (enum compression)fs->options->compression;
    if (compression == COMPRESSION_AUTO)
        compression = compression_detect(r->id->head, r->id->head_len);
    if (r->id->size >= ADVISE_FROM)
        posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    stream_start(s, p, compression, at);
    if (at > 0 && compression == COMPRESSION_NONE) {
        if (!file_seek(s, r->fd, r->path, at, err))
            return VISIT_FAILED;
        r->offset = at;
    }

    enum stream_status status = STREAM_ON;
    while (status == STREAM_ON && r->offset < r->id->size) {
        size_t room;
        char *to = stream_room(s, &room);
        if (!to)
            return VISIT_STOPPED;
        ssize_t n = read_more(r, to, room);
        if (n < 0) {
            error_errno(err, errno, "cannot read %s", r->path);
            return VISIT_FAILED;
        }
        if (n == 0) {
            log_warn(fs->name, "%s became shorter while it was being read", r->path);
            break;
        }
        fs->done_bytes += (uint64_t)n;
        lane_count_bytes(fs->lane, (uint64_t)n);
        lane_progress(fs->lane, fs->done_bytes, fs->counting ? 0 : fs->total_bytes);
        status = stream_took(s, (size_t)n);
    }
    if (status == STREAM_STOPPED || stream_end(s, STREAM_END) == STREAM_STOPPED)
        return VISIT_STOPPED;
    stream_linger(s);
    return VISIT_DONE;
}

static enum visit visit_open(struct file_source *fs, int fd, const char *path, struct error *err)
{
    struct file_identity id;
    if (!file_identify(fd, path, &id, err))
        return VISIT_FAILED;
    const char *relative = file_relative(fs->directory, path);
    buffer_clear(&fs->key);
    file_key_print(relative, id.hash, &fs->key);
    const char *key = buffer_cstr(&fs->key);
    if (fs->collecting)
        key_set_add(&fs->present, hash64(key, strlen(key), 0));

    struct partition *p = lane_partition(fs->lane, key);
    uint64_t at = lane_resume_at(fs->lane, p, STREAM_END);
    enum visit result = VISIT_DONE;
    if (at == UINT64_MAX) {
        fs->done_bytes += id.size;
        file_done_again(fs, path, key, &id);
    } else {
        p->file = file_name_text(relative);
        p->timestamp = mtime_to_timestamp(id.mtime_ns);
        file_done_expect(fs, p, path, &id);
        struct reading r = {.fd = fd, .path = path, .id = &id};
        result = read_file(fs, &r, p, at, err);
    }
    partition_unref(p);
    return result;
}

enum visit file_visit(struct file_source *fs, int directory, const char *name, const char *path, struct error *err)
{
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        log_info(fs->name, "%s has gone before it was read", path);
        return VISIT_DONE;
    }
    if (fd < 0) {
        error_errno(err, errno, "cannot open %s", path);
        return VISIT_FAILED;
    }
    enum visit result = visit_open(fs, fd, path, err);
    close(fd);
    return result;
}
