#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/file/source.h"
#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/base/hash.h"
#include "pipeline/base/log.h"

enum { GONE_MAX = 256, LEFT_LIST_MAX = 64 << 20 };

/* ---- files left alone ----------------------------------------------------------------------------------------------
 */

/*
 * A file with records in the dead letters stays where it is, also in later runs, which no longer see those records. So
 * its key is written down.
 */
static char *left_path(struct file_source *fs)
{
    char *name = mem_alloc(strlen(fs->name) + sizeof(".left"));
    strcpy(stpcpy(name, fs->name), ".left");
    char *path = file_join(lane_state_dir(fs->lane), name);
    free(name);
    return path;
}

/* A line holds one key: a file's name may have line ends of its own. */
static void add_left_line(struct buffer *out, const char *key)
{
    for (; *key; key++)
        buffer_add_byte(out, *key == '\n' ? '\r' : *key);
    buffer_add_byte(out, '\n');
}

static uint64_t left_hash(const char *key)
{
    struct buffer line = {0};
    add_left_line(&line, key);
    uint64_t hash = hash64(line.data, line.len - 1, 0);
    buffer_release(&line);
    return hash;
}

static bool load_left(struct file_source *fs, struct error *err)
{
    char *path = left_path(fs);
    struct buffer text = {0};
    bool ok = access(path, F_OK) != 0 || file_read_all(path, LEFT_LIST_MAX, &text, err);
    for (size_t at = 0; at < text.len;) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end ? (size_t)(end - text.data) - at : text.len - at;
        key_set_add(&fs->left, hash64(text.data + at, len, 0));
        at += len + 1;
    }
    buffer_release(&text);
    free(path);
    return ok;
}

static bool is_left(const struct file_source *fs, const char *key)
{
    return key_set_has(&fs->left, left_hash(key));
}

/* Appends all of it, durably, or nothing. */
static bool append_to(const char *path, const struct buffer *text, struct error *err)
{
    struct stat before;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    bool ok = fstat(fd, &before) == 0 || error_errno(err, errno, "cannot look at %s", path);
    if (ok) {
        ok = file_write_all(fd, text->data, text->len, path, err) &&
             (fdatasync(fd) == 0 || error_errno(err, errno, "cannot sync %s", path));
        if (!ok && ftruncate(fd, before.st_size) != 0)
            error_wrap(err, "half a line is left");
    }
    close(fd);
    return ok;
}

/* What could not be written is tried again whenever something is done. */
static void write_left(struct file_source *fs)
{
    struct error err;
    if (fs->left_unwritten.len == 0)
        return;
    char *list = left_path(fs);
    bool ok = append_to(list, &fs->left_unwritten, &err);
    if (ok)
        buffer_clear(&fs->left_unwritten);
    else if (!fs->left_failing)
        log_error(fs->name,
                  "%s; as long as it cannot be written, a later run may take a file with dead letters for done",
                  err.text);
    fs->left_failing = !ok;
    free(list);
}

static void leave_alone(struct file_source *fs, const char *key)
{
    if (!key_set_add(&fs->left, left_hash(key)))
        return;
    add_left_line(&fs->left_unwritten, key);
    write_left(fs);
}

/* ---- moving --------------------------------------------------------------------------------------------------------
 */

/* Another filesystem: a copy under a temporary name, made durable. */
static bool copy_to(const char *from, const char *to, struct error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
    struct stat st;
    bool ok = in >= 0 && fstat(in, &st) == 0 &&
              (out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st.st_mode & 0777)) >= 0;
    while (ok) {
        ssize_t n = sendfile(out, in, NULL, 1 << 30);
        if (n == 0)
            break;
        ok = n > 0 || errno == EINTR;
    }
    if (ok) {
        struct timespec times[2] = {st.st_atim, st.st_mtim};
        ok = futimens(out, times) == 0 && fsync(out) == 0;
    }
    if (!ok)
        error_errno(err, errno, "cannot copy %s to %s", from, to);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return ok;
}

static bool rename_unless_taken(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    /* a filesystem without RENAME_NOREPLACE: a hard link does not replace either */
    return link(from, to) == 0 && unlink(from) == 0;
}

/* To `to`, or to.1, to.2 … where that is taken. */
static bool rename_to_free_name(const char *from, const char *to, struct error *err)
{
    char *name = mem_alloc(strlen(to) + 16);
    strcpy(name, to);
    bool ok = rename_unless_taken(from, name);
    for (unsigned i = 1; !ok && errno == EEXIST && i < 1000000; i++) {
        sprintf(name, "%s.%u", to, i);
        ok = rename_unless_taken(from, name);
    }
    if (!ok)
        error_errno(err, errno, "cannot move %s to %s", from, name);
    free(name);
    return ok;
}

static bool across_filesystems(const char *from, const char *to, struct error *err)
{
    struct buffer temporary = {0};
    buffer_printf(&temporary, "%s.%d.tmp", to, (int)getpid());
    const char *name = buffer_cstr(&temporary);
    bool ok = copy_to(from, name, err) && rename_to_free_name(name, to, err) && file_sync_directory_of(to, err);
    if (ok && unlink(from) != 0)
        ok = error_errno(err, errno, "cannot delete %s after it was copied", from);
    if (!ok)
        unlink(name);
    buffer_release(&temporary);
    return ok;
}

static bool on_one_filesystem(const char *from, const char *to)
{
    struct stat a, b;
    char *parent = mem_strdup(to);
    *strrchr(parent, '/') = '\0';
    bool same = stat(from, &a) != 0 || stat(parent, &b) != 0 || a.st_dev == b.st_dev;
    free(parent);
    return same;
}

static bool move(struct file_source *fs, const char *path, struct error *err)
{
    char *to = file_join(fs->options->done_dir, path + glob_base(fs->glob, path));
    bool ok = file_make_parent(to, 0777, err);
    if (ok)
        ok = on_one_filesystem(path, to) ? rename_to_free_name(path, to, err) && file_sync_directory_of(to, err)
                                         : across_filesystems(path, to, err);
    free(to);
    return ok;
}

/* ---- settled files -------------------------------------------------------------------------------------------------
 */

/* The positions may go once the file is gone for good: a power cut must not bring back a file that nobody remembers. */
void file_done_flush(struct file_source *fs)
{
    struct error err;
    bool safe = true;
    write_left(fs);
    for (uint32_t i = 0; i < fs->gone_count; i++) {
        const char *path = fs->gone_paths[i];
        size_t directory = (size_t)(strrchr(path, '/') - path) + 1;
        bool same = i > 0 && strncmp(path, fs->gone_paths[i - 1], directory) == 0 &&
                    !strchr(fs->gone_paths[i - 1] + directory, '/');
        if (!same && !file_sync_directory_of(path, &err)) {
            log_error(fs->name, "%s", err.text);
            safe = false;
        }
    }
    if (safe && fs->gone_count > 0)
        lane_forget(fs->lane, (const char *const *)fs->gone, fs->gone_count);
    for (uint32_t i = 0; i < fs->gone_count; i++) {
        free(fs->gone[i]);
        free(fs->gone_paths[i]);
    }
    fs->gone_count = 0;
}

static void remember_gone(struct file_source *fs, const char *path, const char *key)
{
    if (!fs->gone) {
        fs->gone = mem_alloc(GONE_MAX * sizeof(char *));
        fs->gone_paths = mem_alloc(GONE_MAX * sizeof(char *));
    }
    fs->gone[fs->gone_count] = mem_strdup(key);
    fs->gone_paths[fs->gone_count++] = mem_strdup(path);
    if (fs->gone_count == GONE_MAX)
        file_done_flush(fs);
}

static void remove_marker(struct file_source *fs, const char *path)
{
    if (fs->settle.kind != SETTLE_MARKER)
        return;
    struct buffer marker = {0};
    buffer_printf(&marker, "%s%s", path, fs->settle.suffix);
    unlink(buffer_cstr(&marker));
    buffer_release(&marker);
}

/* Everything of this file is committed. Is it still the file that was read? Then it goes. false: it could not. */
static bool let_go(struct file_source *fs, const char *path, const char *key, uint64_t size, int64_t mtime_ns,
                   bool again)
{
    struct stat st;
    struct error err;
    if (stat(path, &st) != 0 || (uint64_t)st.st_size != size || stat_mtime_ns(&st) != mtime_ns)
        return true;
    bool ok = true;
    switch ((enum file_on_done)fs->options->on_done) {
    case ON_DONE_KEEP:
        return true;
    case ON_DONE_DELETE:
        ok = unlink(path) == 0 || error_errno(&err, errno, "cannot delete %s", path);
        break;
    case ON_DONE_MOVE:
        ok = move(fs, path, &err);
        break;
    }
    if (ok) {
        remove_marker(fs, path);
        remember_gone(fs, path, key);
    } else if (!again) {
        log_error(fs->name, "%s", err.text);
    }
    return ok;
}

static void enter(struct leaving *l, struct leaving **list)
{
    l->next = *list;
    l->at = list;
    if (l->next)
        l->next->at = &l->next;
    *list = l;
}

static void leave(struct leaving *l)
{
    *l->at = l->next;
    if (l->next)
        l->next->at = l->at;
}

void file_done_expect(struct file_source *fs, struct partition *p, const char *path, const struct file_identity *id)
{
    if (fs->options->on_done == ON_DONE_KEEP)
        return;
    struct leaving *l = mem_alloc(sizeof(*l));
    *l = (struct leaving){
        .path = mem_strdup(path), .key = mem_strdup(p->key), .size = id->size, .mtime_ns = id->mtime_ns};
    enter(l, &fs->leaving);
    p->source_state = l;
}

static void leaving_free(struct leaving *l)
{
    free(l->path);
    free(l->key);
    free(l);
}

void file_done_settled(struct lane *lane, struct partition *p, uint64_t next)
{
    struct file_source *fs = lane_state(lane);
    struct leaving *l = p->source_state;
    if (!l)
        return;
    /* at once, for the rest may only be read in another run */
    if (lane_partition_has_dead(lane, p))
        leave_alone(fs, l->key);
    if (next < STREAM_END)
        return;
    p->source_state = NULL;
    leave(l);
    bool stays = is_left(fs, l->key);
    if (stays)
        log_warn(fs->name, "%s stays where it is: records of it are in the dead letters", l->path);
    if (stays || let_go(fs, l->path, l->key, l->size, l->mtime_ns, false))
        leaving_free(l);
    else
        enter(l, &fs->stuck);
    if (fs->ended && !fs->leaving)
        file_done_flush(fs);
}

void file_done_again(struct file_source *fs, const char *path, const char *key, const struct file_identity *id)
{
    if (fs->options->on_done != ON_DONE_KEEP && !is_left(fs, key))
        let_go(fs, path, key, id->size, id->mtime_ns, false);
}

void file_done_retry(struct file_source *fs)
{
    for (struct leaving *l = fs->stuck, *next; l; l = next) {
        next = l->next;
        if (let_go(fs, l->path, l->key, l->size, l->mtime_ns, true)) {
            leave(l);
            leaving_free(l);
        }
    }
}

bool file_is_done_dir(const struct file_source *fs, const char *path)
{
    const char *dir = fs->options->done_dir;
    size_t len = dir ? strlen(dir) : 0;
    return len > 0 && strncmp(path, dir, len) == 0 && (dir[len - 1] == '/' || path[len] == '/');
}

bool file_done_open(struct file_source *fs, struct error *err)
{
    if (fs->options->on_done == ON_DONE_KEEP)
        return true;
    const char *dir = fs->options->done_dir;
    if (fs->options->on_done == ON_DONE_MOVE) {
        if (!file_make_directories(dir, 0777, err))
            return error_wrap(err, "done_dir");
        if (access(dir, W_OK | X_OK) != 0)
            return error_errno(err, errno, "done_dir: cannot write to %s", dir);
    }
    return load_left(fs, err);
}

static void free_all(struct leaving *l)
{
    for (struct leaving *next; l; l = next) {
        next = l->next;
        leaving_free(l);
    }
}

void file_done_close(struct file_source *fs)
{
    free_all(fs->leaving);
    free_all(fs->stuck);
    for (uint32_t i = 0; i < fs->gone_count; i++) {
        free(fs->gone[i]);
        free(fs->gone_paths[i]);
    }
    free(fs->gone);
    free(fs->gone_paths);
    key_set_release(&fs->left);
    buffer_release(&fs->left_unwritten);
}
