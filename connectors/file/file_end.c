#include "connectors/file/file_end.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/base/log.h"

enum { BLOCK = 64 << 10, MARK_MAX = 64 };

static void add_le(struct buffer *out, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buffer_add_byte(out, (char)(v >> 8 * i));
}

void file_end_mark(enum compression how, uint64_t offset, struct buffer *out)
{
    if (how == COMPRESSION_ZSTD) {
        add_le(out, 0x184D2A5E, 4); /* one of the sixteen magics of skippable frames */
        add_le(out, 12, 4);
        buffer_add_str(out, STR("pipe"));
        add_le(out, offset, 8);
    } else if (how == COMPRESSION_GZIP) {
        buffer_add_str(out, STR("\x1f\x8b\x08\x04\0\0\0\0\0\xff"));
        add_le(out, 12, 2); /* extra: one subfield */
        buffer_add_str(out, STR("PI"));
        add_le(out, 8, 2);
        add_le(out, offset, 8);
        add_le(out, 0x0003, 2); /* an empty last block */
        add_le(out, 0, 8);      /* CRC and length of nothing */
    }
}

/* Reads data[0, *len) from before `end`; *from is where it starts in the file. */
static bool read_before(int fd, uint64_t end, char *data, size_t most, uint64_t *from, size_t *len)
{
    *from = end > most ? end - most : 0;
    *len = (size_t)(end - *from);
    for (size_t done = 0; done < *len;) {
        ssize_t n = pread(fd, data + done, *len - done, (off_t)(*from + done));
        if (n == 0)
            errno = EIO; /* it is shorter than it was */
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool find_newline(int fd, uint64_t *end)
{
    char *block = malloc(BLOCK);
    bool ok = block != NULL;
    for (uint64_t at = *end, from; ok && *end > 0; at = from) {
        size_t len;
        ok = read_before(fd, at, block, BLOCK, &from, &len);
        const char *newline = ok ? memrchr(block, '\n', len) : NULL;
        *end = newline ? from + (uint64_t)(newline - block) + 1 : from;
        if (newline || from == 0)
            break;
    }
    free(block);
    return ok;
}

/* Is there a mark that begins at this place of the file? */
static bool is_mark(enum compression how, const char *at, size_t len, uint64_t offset, size_t *mark_len)
{
    struct buffer mark = {0};
    file_end_mark(how, offset, &mark);
    bool is = len >= mark.len && memcmp(at, mark.data, mark.len) == 0;
    *mark_len = mark.len;
    buffer_release(&mark);
    return is;
}

/* The first mark, or the beginning of it: nothing of this file was ever committed. */
static bool is_only_begun(enum compression how, const char *data, size_t len)
{
    struct buffer mark = {0};
    file_end_mark(how, 0, &mark);
    bool begun = memcmp(data, mark.data, len < mark.len ? len : mark.len) == 0;
    buffer_release(&mark);
    return begun;
}

/* Blocks overlap by the length of a mark, so that none is cut in two. */
static bool find_mark(int fd, enum compression how, uint64_t *end)
{
    char *block = malloc(BLOCK);
    bool ok = block != NULL, found = false;
    for (uint64_t at = *end, from; ok && at > 0; at = from ? from + MARK_MAX : 0) {
        size_t len, mark_len;
        ok = read_before(fd, at, block, BLOCK, &from, &len);
        char first = how == COMPRESSION_ZSTD ? 0x5E : 0x1f;
        for (size_t i = len; ok && !found && i-- > 0;)
            if (from + i > 0 && block[i] == first && is_mark(how, block + i, len - i, from + i, &mark_len)) {
                *end = from + i + mark_len;
                found = true;
            }
        if (ok && !found && from == 0 && is_only_begun(how, block, len))
            *end = 0;
        if (found || len < BLOCK)
            break;
    }
    free(block);
    return ok;
}

static bool move_away(int fd, const char *path, uint64_t from, uint64_t end, struct error *err)
{
    char *torn, *block = malloc(BLOCK);
    if (asprintf(&torn, "%s.torn", path) < 0 || !block)
        abort();
    int out = open(torn, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    bool ok = out >= 0 || error_errno(err, errno, "cannot open %s", torn);
    while (ok && from < end) {
        size_t most = end - from < BLOCK ? (size_t)(end - from) : BLOCK;
        ssize_t n = pread(fd, block, most, (off_t)from);
        ok = n > 0 ? file_write_all(out, block, (size_t)n, torn, err) : error_errno(err, n < 0 ? errno : EIO, "cannot read %s", path);
        from += n > 0 ? (uint64_t)n : 0;
    }
    ok = ok && (fdatasync(out) == 0 || error_errno(err, errno, "cannot write %s to disk", torn)) && file_sync_directory_of(torn, err);
    if (out >= 0)
        close(out);
    free(torn);
    free(block);
    return ok;
}

bool file_end_repair(int fd, const char *path, enum compression how, uint64_t *size, struct error *err)
{
    uint64_t whole = *size;
    int in = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = in >= 0 && (how == COMPRESSION_NONE ? find_newline(in, &whole) : find_mark(in, how, &whole));
    if (!ok)
        error_errno(err, errno, "cannot look at the end of %s", path);
    else if (whole < *size)
        ok = move_away(in, path, whole, *size, err) &&
             (ftruncate(fd, (off_t)whole) == 0 || error_errno(err, errno, "cannot cut the torn end of %s", path));
    if (ok && whole < *size)
        log_warn(NULL, "%s: the last %" PRIu64 " bytes, half a record of a process that was killed, were moved to %s.torn", path, *size - whole, path);
    if (in >= 0)
        close(in);
    *size = whole;
    return ok;
}
