/*
 * Reading on in the middle of an uncompressed file: what its format must know of its start, and the number of the line.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/file/source.h"
#include "pipeline/base/arena.h"

enum {
    COUNT_LINES_UP_TO = 64 << 20, /* beyond, knowing the line is not worth the reading */
    PIECE = 256 << 10,
};

static ssize_t read_piece(int fd, char *to, size_t len, uint64_t offset)
{
    ssize_t n;
    do
        n = pread(fd, to, len, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

/* The number of the line that starts at `at`; 0: unknown. */
static uint32_t line_at(int fd, uint64_t at)
{
    if (at > COUNT_LINES_UP_TO)
        return 0;
    char *piece = mem_alloc(PIECE);
    uint32_t line = 1;
    for (uint64_t offset = 0; offset < at;) {
        ssize_t n = read_piece(fd, piece, at - offset < PIECE ? (size_t)(at - offset) : PIECE, offset);
        if (n <= 0) {
            line = 0;
            break;
        }
        for (ssize_t i = 0; i < n; i++)
            line += piece[i] == '\n';
        offset += (uint64_t)n;
    }
    free(piece);
    return line;
}

bool file_seek(struct stream *s, int fd, const char *path, uint64_t at, struct error *err)
{
    uint32_t line = line_at(fd, at);
    struct buffer head = {0};
    bool ready = false, ok = true;
    while (ok && !ready) {
        ssize_t n = read_piece(fd, buffer_reserve(&head, PIECE), PIECE, head.len);
        if (n < 0)
            ok = error_errno(err, errno, "cannot read %s", path);
        else
            head.len += (size_t)n;
        ready = ok && (stream_seek(s, at, line, head.data, head.len, n == 0) || n == 0);
    }
    buffer_release(&head);
    return ok;
}
