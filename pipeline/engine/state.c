#include "pipeline/engine/state.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pipeline/base/file.h"
#include "pipeline/base/hash.h"

struct sink_positions {
    struct sink_positions *next;
    char *sink;
    struct positions *positions;
};

struct state {
    char *directory, *journal_path;
    char id[37];
    int lock_fd, journal_fd;
    pthread_mutex_t lock; /* journal_fd, buffer, sinks */
    struct buffer line;
    bool torn; /* the last append may have left half a line */
    bool damaged;
    struct sink_positions *sinks;
};

/* ---- lock and identity ------------------------------------------------------------------------------------------- */

enum { LOCK_TRIES = 100, LOCK_PAUSE_MS = 20 };

/* A command that looks at the directory (`pipe spool ls`) has it for a moment: a pipeline that starts right then waits
 * for it. */
static bool lock_soon(int fd)
{
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
    }
    return true;
}

static bool take_lock(struct state *s, struct error *err)
{
    char *path = file_join(s->directory, "lock");
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    bool ok = s->lock_fd >= 0 || error_errno(err, errno, "cannot open %s", path);
    free(path);
    if (!ok)
        return false;
    char pid[32] = "";
    if (!lock_soon(s->lock_fd)) {
        ssize_t n = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        return error_set(err, ERROR_STOP,
                         "state_dir %s is in use by process %s: one pipeline, one process (give a second one its own "
                         "name, instance or state_dir)",
                         s->directory, *pid ? pid : "unknown");
    }
    int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, pid, (size_t)n, 0) != n)
        return error_errno(err, errno, "cannot write %s/lock", s->directory);
    return true;
}

/* A random UUID (RFC 9562, version 4). */
static bool make_id(char out[37], struct error *err)
{
    unsigned char b[16];
    if (getrandom(b, sizeof(b), 0) != sizeof(b))
        return error_errno(err, errno, "no random bytes for an identity");
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    char *to = out;
    for (int i = 0; i < 16; i++)
        to += sprintf(to, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
    return true;
}

bool state_is_id(const char *text)
{
    for (int i = 0; i < 36; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    return text[36] == '\0';
}

enum { ID_FILE_MAX = 1 << 20 };

static bool read_id(const char *path, char id[37], struct error *err)
{
    struct buffer text = {0};
    bool ok = file_read_all(path, ID_FILE_MAX, &text, err);
    while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    if (ok && (text.len != 36 || !state_is_id(buffer_cstr(&text))))
        ok = error_set(err, ERROR_STOP,
                       "%s is damaged: it should hold a UUID. Restore it, or remove it and adopt the stored "
                       "positions with `pipe state adopt`",
                       path);
    if (ok)
        memcpy(id, buffer_cstr(&text), 37);
    buffer_release(&text);
    return ok;
}

bool state_read_or_make_id(const char *directory, char id[37], struct error *err)
{
    char *path = file_join(directory, "id");
    bool there = access(path, F_OK) == 0 || errno != ENOENT;
    bool ok = there ? read_id(path, id, err) : make_id(id, err) && file_replace(path, id, 36, err);
    free(path);
    return ok;
}

/* ---- the journal ---------------------------------------------------------------------------------------------------
 */

/*
 * A line that says: what was missing before here is made good, or nothing was. `broken` is a line like any other that
 * was not written by us: it keeps the damage in mind where the journal is written anew.
 */
static const char whole[] = "pipe positions 1", broken[] = "damaged";

static struct positions *positions_for(struct state *s, const char *sink)
{
    struct sink_positions **link = &s->sinks;
    for (; *link; link = &(*link)->next)
        if (strcmp((*link)->sink, sink) == 0)
            return (*link)->positions;
    struct sink_positions *added = mem_zalloc(sizeof(*added));
    *added = (struct sink_positions){.sink = mem_strdup(sink), .positions = positions_new()};
    *link = added;
    return added->positions;
}

/* CRC TAB sink TAB source TAB first TAB next TAB partition; "-" "-" for first and next: forgotten. Keys have no control
 * characters: percent-encoded. */
static void add_line(struct buffer *out, const char *sink, const struct position *p, bool forget)
{
    size_t start = out->len;
    buffer_add(out, "00000000\t", 9);
    if (forget)
        buffer_printf(out, "%s\t%s\t-\t-\t", sink, p->source);
    else
        buffer_printf(out, "%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t", sink, p->source, p->range.first, p->range.next);
    for (const char *c = p->partition; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == '%')
            buffer_printf(out, "%%%02X", (unsigned char)*c);
        else
            buffer_add_byte(out, *c);
    char crc[9];
    snprintf(crc, sizeof(crc), "%08" PRIx32, crc32c(0, out->data + start + 9, out->len - start - 9));
    memcpy(out->data + start, crc, 8);
    buffer_add_byte(out, '\n');
}

static void decode_key(char *key)
{
    char *to = key;
    for (const char *from = key; *from; to++) {
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

/* false: this is no line that was written. */
static bool read_line(struct state *s, char *line)
{
    size_t len = strlen(line);
    if (len < 10 || strtoul(line, NULL, 16) != crc32c(0, line + 9, len - 9))
        return false;
    char *fields[5], *rest = line + 9;
    for (int i = 0; i < 4; i++) {
        fields[i] = rest;
        rest = strchr(rest, '\t');
        if (!rest)
            return false;
        *rest++ = '\0';
    }
    fields[4] = rest;
    decode_key(fields[4]);
    struct positions *p = positions_for(s, fields[0]);
    if (*fields[2] == '-')
        positions_remove(p, fields[1], fields[4]);
    else
        positions_add(p, fields[1], fields[4], SHARD_ALL,
                      (struct range){strtoull(fields[2], NULL, 10), strtoull(fields[3], NULL, 10)});
    return true;
}

/* A line that is torn or damaged is passed over. */
static bool read_journal(struct state *s, struct buffer *text, struct error *err)
{
    if (access(s->journal_path, F_OK) == 0 && !file_read_all(s->journal_path, (size_t)1 << 40, text, err))
        return false;
    bool torn = text->len == 0 || text->data[text->len - 1] != '\n';
    s->damaged = torn;
    struct buffer line = {0};
    const char *at = text->data, *last = at + text->len;
    for (const char *end; at < last && (end = memchr(at, '\n', (size_t)(last - at))); at = end + 1) {
        buffer_clear(&line);
        buffer_add(&line, at, (size_t)(end - at));
        if (strcmp(buffer_cstr(&line), whole) == 0)
            s->damaged = torn;
        else
            s->damaged |= !read_line(s, line.data);
    }
    buffer_release(&line);
    return true;
}

struct line_writer {
    struct buffer *out;
    const char *sink;
};

static void write_position(void *arg, const struct position *p)
{
    const struct line_writer *w = arg;
    add_line(w->out, w->sink, p, false);
}

static bool open_journal(struct state *s, int flags, struct error *err)
{
    if (s->journal_fd >= 0)
        close(s->journal_fd);
    s->journal_fd = open(s->journal_path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0644);
    return s->journal_fd >= 0 || error_errno(err, errno, "cannot open %s", s->journal_path);
}

/* The journal as it would be had every range been written once; left alone where it is so already (`now`; or NULL):
 * each write to the disk delays the start. */
static bool compact(struct state *s, const struct buffer *now, struct error *err)
{
    struct buffer text = {0};
    buffer_printf(&text, "%s\n", s->damaged ? broken : whole);
    for (const struct sink_positions *sp = s->sinks; sp; sp = sp->next)
        positions_each(sp->positions, write_position, &(struct line_writer){&text, sp->sink});
    bool same = now && s->journal_fd >= 0 && text.len == now->len && memcmp(text.data, now->data, text.len) == 0;
    bool ok = same || (file_replace(s->journal_path, text.data, text.len, err) && open_journal(s, 0, err));
    buffer_release(&text);
    return ok;
}

static void start_lines(struct state *s)
{
    buffer_clear(&s->line);
    if (s->torn)
        buffer_add_byte(&s->line, '\n'); /* what is half there must not swallow what comes */
}

/* All of it, or nothing: half of it on a disk that was full would be taken for damage. */
static bool append_line_buffer(struct state *s, struct error *err)
{
    struct stat before;
    if (s->line.len == 0)
        return true;
    if (fstat(s->journal_fd, &before) != 0)
        return error_errno(err, errno, "cannot look at %s", s->journal_path);
    if (file_write_all(s->journal_fd, s->line.data, s->line.len, s->journal_path, err)) {
        s->torn = false;
        return true;
    }
    s->torn |= ftruncate(s->journal_fd, before.st_size) != 0;
    return false;
}

static bool begin_journal(struct state *s, struct error *err)
{
    struct stat st;
    if (!open_journal(s, O_CREAT, err))
        return false;
    bool begun = fstat(s->journal_fd, &st) == 0 && st.st_size > 0;
    buffer_clear(&s->line);
    buffer_printf(&s->line, "%s\n", whole);
    return begun || append_line_buffer(s, err);
}

/* A new directory gets its journal first: making the id puts both names on the disk. */
static bool read_or_make(struct state *s, struct error *err)
{
    struct buffer journal = {0};
    char *id = file_join(s->directory, "id");
    bool made = access(id, F_OK) != 0, there = access(s->journal_path, F_OK) == 0;
    bool ok = (made ? begin_journal(s, err) : !there || open_journal(s, 0, err)) &&
              state_read_or_make_id(s->directory, s->id, err) && read_journal(s, &journal, err) &&
              compact(s, &journal, err);
    free(id);
    buffer_release(&journal);
    return ok;
}

/* ---- open and close ------------------------------------------------------------------------------------------------
 */

struct state *state_open(const char *directory, struct error *err)
{
    struct state *s = mem_zalloc(sizeof(*s));
    s->directory = mem_strdup(directory);
    s->journal_path = file_join(directory, "positions");
    s->lock_fd = s->journal_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    if (file_make_directories(directory, 0755, err) && take_lock(s, err) && read_or_make(s, err))
        return s;
    state_close(s);
    error_wrap(err, "state_dir");
    return NULL;
}

void state_close(struct state *s)
{
    if (!s)
        return;
    if (s->journal_fd >= 0)
        close(s->journal_fd);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    for (struct sink_positions *sp = s->sinks, *next; sp; sp = next) {
        next = sp->next;
        free(sp->sink);
        positions_free(sp->positions);
        free(sp);
    }
    buffer_release(&s->line);
    pthread_mutex_destroy(&s->lock);
    free(s->directory);
    free(s->journal_path);
    free(s);
}

const char *state_directory(const struct state *s)
{
    return s->directory;
}

const char *state_id(const struct state *s)
{
    return s->id;
}

const struct positions *state_positions(const struct state *s, const char *sink)
{
    for (const struct sink_positions *sp = s->sinks; sp; sp = sp->next)
        if (strcmp(sp->sink, sink) == 0)
            return sp->positions;
    return NULL;
}

void state_each_sink(const struct state *s, void (*each)(void *arg, const char *sink, const struct positions *p),
                     void *arg)
{
    for (const struct sink_positions *sp = s->sinks; sp; sp = sp->next)
        each(arg, sp->sink, sp->positions);
}

bool state_append(struct state *s, const char *sink, const struct position *positions, uint32_t count,
                  struct error *err)
{
    pthread_mutex_lock(&s->lock);
    start_lines(s);
    for (uint32_t i = 0; i < count; i++)
        add_line(&s->line, sink, &positions[i], false);
    bool ok = append_line_buffer(s, err);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

bool state_is_damaged(const struct state *s)
{
    return s->damaged;
}

bool state_made_good(struct state *s, struct error *err)
{
    pthread_mutex_lock(&s->lock);
    start_lines(s);
    buffer_printf(&s->line, "%s\n", whole);
    bool ok = append_line_buffer(s, err);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

bool state_sync(struct state *s, struct error *err)
{
    return fdatasync(s->journal_fd) == 0 || error_errno(err, errno, "cannot write %s to disk", s->journal_path);
}

bool state_append_all(struct state *s, const char *sink, const struct positions *p, struct error *err)
{
    pthread_mutex_lock(&s->lock);
    start_lines(s);
    positions_each(p, write_position, &(struct line_writer){&s->line, sink});
    bool ok = append_line_buffer(s, err);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

bool state_forget(struct state *s, const char *sink, const char *source, const char *const *keys, uint32_t count,
                  struct error *err)
{
    pthread_mutex_lock(&s->lock);
    start_lines(s);
    for (uint32_t i = 0; i < count; i++)
        add_line(&s->line, sink, &(struct position){.source = source, .partition = keys[i]}, true);
    bool ok = append_line_buffer(s, err);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* The position of no partition says that the sink was started: without it, it would be new, and start where others are.
 */
static void keep_mark(void *arg, const struct position *p)
{
    if (*p->partition == '\0')
        positions_add(arg, p->source, p->partition, p->shard, p->range);
}

bool state_reset(struct state *s, const char *sink, struct error *err)
{
    for (struct sink_positions *sp = s->sinks; sp; sp = sp->next)
        if (*sink == '\0' || strcmp(sp->sink, sink) == 0) {
            struct positions *before = sp->positions;
            sp->positions = positions_new();
            positions_each(before, keep_mark, sp->positions);
            positions_free(before);
        }
    return compact(s, NULL, err);
}
