#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/file/tail.h"
#include "pipeline/base/arena.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/log.h"

enum { TURN_BYTES = 4 << 20 }; /* then it is another file's turn */

/* How far an entry's file has been read, in this run; a copy takes it over. */
struct follow_state {
    struct partition *partition;
    uint64_t at; /* where this run starts */
    bool primed; /* framer is valid */
    struct framer framer;
};

void follow_state_free(struct book_entry *e)
{
    struct follow_state *state = e->state;
    if (state)
        partition_unref(state->partition);
    free(state);
    e->state = NULL;
}

static uint64_t position_of(const struct follow_state *state)
{
    return state->primed ? state->framer.position : state->at;
}

/* ---- descriptors ---------------------------------------------------------------------------------------------------
 */

void follow_close(struct tail *t, struct followed *f)
{
    if (f->fd < 0)
        return;
    close(f->fd);
    f->fd = -1;
    t->open_count--;
}

/* The file that has been quiet for the longest can be opened again by its name when it is written to. */
static void close_quietest(struct tail *t)
{
    struct followed *quietest = NULL;
    for (size_t i = 0; i < t->capacity; i++)
        for (struct followed *f = t->buckets[i]; f; f = f->next)
            if (f->fd >= 0 && !f->gone && !f->marked && (!quietest || f->read_us < quietest->read_us))
                quietest = f;
    if (quietest)
        follow_close(t, quietest);
}

/* False: the file at that path is another one now, or none. */
static bool open_file(struct tail *t, struct followed *f)
{
    if (f->fd >= 0)
        return true;
    if (t->open_count >= t->open_max)
        close_quietest(t);
    struct stat st;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        if (errno != ENOENT)
            log_error(t->fs->name, "cannot open %s: %s", f->path, strerror(errno));
        return false;
    }
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_ino != f->inode || (uint64_t)st.st_dev != f->device) {
        close(fd);
        return false;
    }
    f->fd = fd;
    t->open_count++;
    return true;
}

static ssize_t read_at(int fd, char *to, size_t len, uint64_t offset)
{
    ssize_t n;
    do
        n = pread(fd, to, len, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n;
}

/* ---- who is it -----------------------------------------------------------------------------------------------------
 */

static char *unused_key(struct tail *t, const struct book_look *look)
{
    uint64_t hash = hash64(look->head, look->head_len, look->inode);
    struct buffer key = {0};
    do {
        buffer_clear(&key);
        file_key_print(file_relative(t->fs->directory, look->path), hash, &key);
        hash = hash64(&hash, sizeof(hash), 0);
    } while (book_has_key(&t->book, key.data) || lane_knows(t->fs->lane, key.data));
    return key.data;
}

/* False: its position lies beyond the file's end, so it is a file that only begins alike. */
static bool adopt(struct tail *t, struct followed *f, struct book_entry *e, uint64_t size)
{
    struct follow_state *state = e->state;
    if (!state) {
        e->state = state = mem_zalloc(sizeof(*state));
        state->partition = lane_partition(t->fs->lane, e->key);
        state->partition->file = file_name_text(file_relative(t->fs->directory, f->path));
        state->at = lane_settled(t->fs->lane, state->partition);
        if (state->at == UINT64_MAX)
            state->at = 0;
    }
    if (position_of(state) > size)
        return false;
    e->taken = true;
    f->entry = e;
    return true;
}

static void identify(struct tail *t, struct followed *f, const struct book_look *look, uint64_t size)
{
    if (compression_detect(look->head, look->head_len) != COMPRESSION_NONE) {
        log_info(t->fs->name, "%s is compressed, so it is not followed", f->path);
        f->unreadable = true;
        return;
    }
    for (struct book_entry *e; (e = book_find(&t->book, look)) != NULL;) {
        if (adopt(t, f, e, size))
            return;
        e->refused = look->inode;
    }
    if (!book_is_copy(&t->book, look))
        adopt(t, f, book_add(&t->book, look, unused_key(t, look)), size);
}

/* Its beginning has changed, or it is shorter than what was read: another content under the same inode. */
static void cut_off(struct tail *t, struct followed *f)
{
    if (f->entry) {
        log_info(t->fs->name, "%s was cut off or rewritten: it is read from its beginning", f->path);
        f->entry->taken = false;
        f->entry->refused = f->inode;
    }
    f->entry = NULL;
    f->unreadable = false;
    t->scan_again = true; /* the copy that was made of it may go on from here */
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

static bool resume(struct tail *t, struct followed *f, struct follow_state *state, struct error *err)
{
    struct stream *s = &t->fs->stream;
    if (state->primed) {
        stream_continue(s, state->partition, &state->framer);
        return true;
    }
    stream_start(s, state->partition, COMPRESSION_NONE, state->at);
    return state->at == 0 || file_seek(s, f->fd, f->path, state->at, err);
}

static enum follow read_bytes(struct tail *t, struct followed *f, struct follow_state *state, struct error *err)
{
    struct stream *s = &t->fs->stream;
    if (!resume(t, f, state, err))
        return FOLLOW_FAILED;
    enum stream_status status = STREAM_ON;
    bool failed = false;
    uint64_t offset = s->framer.position, end = f->size;
    bool more = end - offset > TURN_BYTES;
    if (more)
        end = offset + TURN_BYTES;
    while (status == STREAM_ON && offset < end) {
        size_t room;
        char *to = stream_room(s, &room);
        if (!to)
            return FOLLOW_STOPPED;
        ssize_t n = read_at(f->fd, to, end - offset < room ? (size_t)(end - offset) : room, offset);
        failed = n < 0;
        if (failed)
            error_errno(err, errno, "cannot read %s", f->path);
        if (n <= 0)
            break;
        offset += (uint64_t)n;
        lane_count_bytes(t->fs->lane, (uint64_t)n);
        f->read_us = tail_now_us(t);
        status = stream_took(s, (size_t)n);
    }
    if (status == STREAM_STOPPED)
        return FOLLOW_STOPPED;
    if (status == STREAM_OVER || (f->ending && !more && !failed)) {
        f->unreadable = true;
        return stream_end(s, STREAM_OPEN) == STREAM_STOPPED ? FOLLOW_STOPPED : FOLLOW_ALL;
    }
    state->framer = s->framer;
    state->primed = s->primed;
    stream_pause(s);
    return failed ? FOLLOW_FAILED : more ? FOLLOW_MORE : FOLLOW_ALL;
}

enum follow follow_read(struct tail *t, struct followed *f, struct error *err)
{
    struct stat st;
    char head[BOOK_PREFIX];
    if (!open_file(t, f)) {
        f->gone = f->ending = true;
        return FOLLOW_ALL;
    }
    ssize_t head_len = fstat(f->fd, &st) == 0 ? read_at(f->fd, head, sizeof(head), 0) : -1;
    if (head_len < 0) {
        error_errno(err, errno, "cannot read %s", f->path);
        return FOLLOW_FAILED;
    }
    bool shorter = f->size != UINT64_MAX && (uint64_t)st.st_size < f->size;
    struct book_look look = {.path = f->path, .inode = f->inode, .head = head, .head_len = (size_t)head_len};
    f->size = (uint64_t)st.st_size;
    if (f->entry ? position_of(f->entry->state) > f->size || !book_matches(f->entry, &look) : shorter)
        cut_off(t, f);
    if (head_len == 0 || f->unreadable)
        return FOLLOW_ALL;
    if (!f->entry)
        identify(t, f, &look, f->size);
    if (!f->entry)
        return FOLLOW_ALL;
    book_update(&t->book, f->entry, &look);
    if (!book_save(&t->book, err))
        return FOLLOW_FAILED;
    return read_bytes(t, f, f->entry->state, err);
}
