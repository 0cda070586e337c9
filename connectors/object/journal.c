#include "connectors/object/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/base/hash.h"

/* Below this many lines history is not worth cleaning up. */
enum { HISTORY = 4096 };

/* ---- lines
 * ---------------------------------------------------------------------------------------------------------------- */

void field_add(struct buffer *out, const char *text)
{
    buffer_add_byte(out, '\t');
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == '%')
            buffer_printf(out, "%%%02X", (unsigned char)*text);
        else
            buffer_add_byte(out, *text);
}

static void decode_field(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        unsigned byte;
        if (*from == '%' && sscanf(from + 1, "%2X", &byte) == 1) {
            *to = (char)byte;
            from += 3;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

int field_split(char *line, char **fields, int most)
{
    int n = 0;
    for (char *next = line; next && n < most; n++) {
        fields[n] = next;
        next = strchr(next, '\t');
        if (next)
            *next++ = '\0';
        decode_field(fields[n]);
    }
    return n;
}

/* "CRC \t first \t next \t source \t partition"; a forgotten partition has "-" for its numbers. */
static void add_line(struct buffer *out, const struct position *p, bool forget)
{
    size_t start = out->len;
    buffer_add(out, "00000000\t", 9);
    if (forget)
        buffer_printf(out, "-\t-");
    else
        buffer_printf(out, "%" PRIu64 "\t%" PRIu64, p->range.first, p->range.next);
    field_add(out, p->source);
    field_add(out, p->partition);
    char crc[9];
    snprintf(crc, sizeof(crc), "%08" PRIx32, crc32c(0, out->data + start + 9, out->len - start - 9));
    memcpy(out->data + start, crc, 8);
    buffer_add_byte(out, '\n');
}

static void add_range_line(void *arg, const struct position *p)
{
    add_line(arg, p, false);
}

static bool read_line(struct journal *j, char *line, size_t len)
{
    char *fields[5];
    if (len < 10 || strtoul(line, NULL, 16) != crc32c(0, line + 9, len - 9) || field_split(line, fields, 5) != 5)
        return false;
    if (*fields[1] == '-')
        positions_remove(j->positions, fields[3], fields[4]);
    else
        positions_add(j->positions, fields[3], fields[4], SHARD_ALL,
                      (struct range){strtoull(fields[1], NULL, 10), strtoull(fields[2], NULL, 10)});
    return true;
}

/* ---- opening
 * ---------------------------------------------------------------------------------------------------------------- */

/* Up to the first line that is not whole. */
static bool read_lines(struct journal *j, struct error *err)
{
    struct buffer text = {0};
    bool ok = file_read_all(j->path, SIZE_MAX >> 1, &text, err);
    buffer_add_byte(&text, '\0');
    char *line = text.data;
    for (char *end; ok && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (!read_line(j, line, (size_t)(end - line)))
            break;
        j->lines++;
    }
    j->size = (uint64_t)(line - text.data);
    buffer_release(&text);
    return ok;
}

static bool open_file(struct journal *j, struct error *err)
{
    j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    return j->fd >= 0 || error_errno(err, errno, "cannot open %s", j->path);
}

bool journal_open(struct journal *j, const char *path, struct error *err)
{
    *j = (struct journal){.path = mem_strdup(path), .fd = -1, .positions = positions_new()};
    if (!open_file(j, err) || !read_lines(j, err) || !file_sync_directory_of(path, err))
        return false;
    return ftruncate(j->fd, (off_t)j->size) == 0 || error_errno(err, errno, "cannot write %s", path);
}

void journal_close(struct journal *j)
{
    if (j->path && j->fd >= 0)
        close(j->fd);
    free(j->path);
    positions_free(j->positions);
    *j = (struct journal){.fd = -1};
}

/* ---- writing
 * ---------------------------------------------------------------------------------------------------------------- */

/* A failed attempt is overwritten by the next. */
static bool append(struct journal *j, struct buffer *lines, struct error *err)
{
    if (j->fd < 0 && !open_file(j, err))
        return false;
    for (size_t done = 0; done < lines->len;) {
        ssize_t n = pwrite(j->fd, lines->data + done, lines->len - done, (off_t)(j->size + done));
        if (n < 0 && errno != EINTR)
            return error_errno(err, errno, "cannot write %s", j->path);
        done += n > 0 ? (size_t)n : 0;
    }
    if (fdatasync(j->fd) != 0)
        return error_errno(err, errno, "cannot write %s to disk", j->path);
    j->size += lines->len;
    return true;
}

/* A file that cannot be written anew now is tried again after the next line. */
static void tidy(struct journal *j, uint32_t new_lines)
{
    j->lines += new_lines;
    if (j->lines <= HISTORY + 2 * positions_count(j->positions))
        return;
    struct buffer text = {0};
    struct error later;
    positions_each(j->positions, add_range_line, &text);
    if (file_replace(j->path, text.data, text.len, &later)) {
        close(j->fd);
        j->fd = -1;
        j->size = text.len;
        j->lines = positions_count(j->positions);
    }
    buffer_release(&text);
}

bool journal_add(struct journal *j, const struct position *positions, uint32_t count, struct error *err)
{
    struct buffer lines = {0};
    for (uint32_t i = 0; i < count; i++)
        add_line(&lines, &positions[i], false);
    bool ok = count == 0 || append(j, &lines, err);
    buffer_release(&lines);
    if (!ok)
        return false;
    for (uint32_t i = 0; i < count; i++)
        positions_add(j->positions, positions[i].source, positions[i].partition, SHARD_ALL, positions[i].range);
    tidy(j, count);
    return true;
}

bool journal_forget(struct journal *j, const char *source, const char *const *keys, uint32_t count, struct error *err)
{
    struct buffer lines = {0};
    for (uint32_t i = 0; i < count; i++)
        add_line(&lines, &(struct position){.source = source, .partition = keys[i]}, true);
    bool ok = count == 0 || append(j, &lines, err);
    buffer_release(&lines);
    if (!ok)
        return false;
    for (uint32_t i = 0; i < count; i++)
        positions_remove(j->positions, source, keys[i]);
    tidy(j, count);
    return true;
}
