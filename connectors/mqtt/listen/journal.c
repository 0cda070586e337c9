#include "connectors/mqtt/listen/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/base/hash.h"

/* ---- entries
 * --------------------------------------------------------------------------------------------------------------- */

struct head {
    uint32_t crc; /* of what follows, the client id included */
    uint8_t kind, unused;
    uint16_t id;
    uint16_t client_len;
    uint16_t unused_too[3];
    uint64_t number;
};
static_assert(sizeof(struct head) == 24, "stored");

void mqtt_entry_write(struct buffer *out, const struct mqtt_entry *e)
{
    struct head h = {.kind = e->kind, .id = e->id, .client_len = (uint16_t)e->client.len, .number = e->number};
    h.crc = crc32c(crc32c(0, &h.kind, sizeof(h) - offsetof(struct head, kind)), e->client.data, e->client.len);
    buffer_add(out, &h, sizeof(h));
    buffer_add_str(out, e->client);
}

size_t mqtt_entry_read(const char *data, size_t len, struct mqtt_entry *e)
{
    struct head h;
    if (len < sizeof(h))
        return 0;
    memcpy(&h, data, sizeof(h));
    if (len - sizeof(h) < h.client_len)
        return 0;
    uint32_t crc = crc32c(crc32c(0, &h.kind, sizeof(h) - offsetof(struct head, kind)), data + sizeof(h), h.client_len);
    if (crc != h.crc)
        return 0;
    *e =
        (struct mqtt_entry){.kind = h.kind, .id = h.id, .number = h.number, .client = {data + sizeof(h), h.client_len}};
    return sizeof(h) + h.client_len;
}

/* ---- the file
 * -------------------------------------------------------------------------------------------------------------- */

char *mqtt_journal_path(const char *state_dir, const char *source, uint32_t lane)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/mqtt/%s.%u", state_dir, source, lane);
    char *copy = mem_strdup(buffer_cstr(&path));
    buffer_release(&path);
    return copy;
}

bool mqtt_journal_renew(struct mqtt_journal *j, const struct buffer *entries, struct error *err)
{
    if (!file_make_parent(j->path, 0755, err) || !file_replace(j->path, entries->data, entries->len, err))
        return false;
    int fd = open(j->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", j->path);
    if (j->fd >= 0)
        close(j->fd);
    j->fd = fd;
    j->bytes = j->live_bytes = entries->len;
    buffer_clear(&j->waiting);
    j->is_needed = j->holds_answers = false;
    return true;
}

void mqtt_journal_add(struct mqtt_journal *j, const struct mqtt_entry *e)
{
    mqtt_entry_write(&j->waiting, e);
    j->is_needed |= e->kind != ENTRY_END;
    j->holds_answers |= e->kind == ENTRY_SESSION || e->kind == ENTRY_RELEASED;
}

static bool open_journal(struct mqtt_journal *j, struct error *err)
{
    if (j->fd >= 0)
        return true;
    if (!file_make_parent(j->path, 0755, err))
        return false;
    j->fd = open(j->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (j->fd < 0)
        return error_errno(err, errno, "cannot make %s", j->path);
    return file_sync_directory_of(j->path, err);
}

bool mqtt_journal_sync(struct mqtt_journal *j, struct error *err)
{
    if (!j->is_needed)
        return true;
    if (!open_journal(j, err) || !file_write_all(j->fd, j->waiting.data, j->waiting.len, j->path, err))
        return false;
    j->bytes += j->waiting.len;
    buffer_clear(&j->waiting);
    if (fdatasync(j->fd) != 0)
        return error_errno(err, errno, "cannot sync %s", j->path);
    j->is_needed = j->holds_answers = false;
    return true;
}

void mqtt_journal_close(struct mqtt_journal *j)
{
    if (j->fd >= 0 && j->waiting.len) {
        ssize_t n = write(j->fd, j->waiting.data, j->waiting.len); /* nothing depends on it */
        (void)n;
    }
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
    buffer_release(&j->waiting);
    free(j->path);
    j->path = NULL;
}
