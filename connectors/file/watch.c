#include "connectors/file/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/base/log.h"

static void warn(struct watch *w, const char *what)
{
    if (w->warned)
        return;
    w->warned = true;
    log_warn(w->component, "%s (%s): new files are found by looking every 10 seconds", what, strerror(errno));
}

void watch_open(struct watch *w, const char *component, enum watch_kind kind)
{
    *w = (struct watch){.component = component, .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    w->mask = kind == WATCH_DROPS ? IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR
                                  : IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR;
    if (w->fd < 0)
        warn(w, "cannot use inotify");
}

void watch_close(struct watch *w)
{
    if (w->fd >= 0)
        close(w->fd);
    for (size_t i = 0; i < w->count; i++)
        free(w->directories[i]);
    free(w->directories);
    *w = (struct watch){.fd = -1};
}

void watch_directory(void *watch, const char *path)
{
    struct watch *w = watch;
    if (w->fd < 0)
        return;
    int wd = inotify_add_watch(w->fd, path, w->mask);
    if (wd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            warn(w, path);
        return;
    }
    if ((size_t)wd >= w->count) {
        size_t count = (size_t)wd * 2 + 8;
        w->directories = mem_realloc(w->directories, count * sizeof(char *));
        memset(w->directories + w->count, 0, (count - w->count) * sizeof(char *));
        w->count = count;
    }
    if (w->directories[wd] && strcmp(w->directories[wd], path) == 0)
        return;
    free(w->directories[wd]);
    w->directories[wd] = mem_strdup(path);
}

int watch_file(struct watch *w, const char *path)
{
    if (w->fd < 0)
        return -1;
    int wd = inotify_add_watch(w->fd, path, IN_MODIFY);
    if (wd < 0 && errno != ENOENT && errno != ENOTDIR)
        warn(w, path);
    return wd;
}

void watch_forget(struct watch *w, int descriptor)
{
    if (w->fd >= 0 && descriptor >= 0)
        inotify_rm_watch(w->fd, descriptor);
}

static void tell(struct watch *w, const struct inotify_event *e, watch_callback *event, void *arg)
{
    size_t wd = (size_t)e->wd;
    if (e->mask & IN_Q_OVERFLOW) {
        event(arg, WATCH_LOST, -1, NULL);
        return;
    }
    if (e->mask & IN_MODIFY) {
        event(arg, WATCH_MODIFIED, e->wd, NULL);
        return;
    }
    if (e->wd < 0 || wd >= w->count || !w->directories[wd])
        return;
    if (e->mask & IN_IGNORED) {
        free(w->directories[wd]);
        w->directories[wd] = NULL;
        return;
    }
    if (e->mask & IN_ISDIR || w->mask & IN_DELETE) {
        event(arg, WATCH_LOST, -1, NULL);
        return;
    }
    if (e->len == 0)
        return;
    enum watch_event what = e->mask & IN_MOVED_TO      ? WATCH_RENAMED
                            : e->mask & IN_CLOSE_WRITE ? WATCH_WRITTEN
                                                       : WATCH_CREATED;
    char *path = file_join(w->directories[wd], e->name);
    event(arg, what, e->wd, path);
    free(path);
}

void watch_read(struct watch *w, watch_callback *event, void *arg)
{
    _Alignas(struct inotify_event) char events[16384];
    while (w->fd >= 0) {
        ssize_t n = read(w->fd, events, sizeof(events));
        if (n <= 0)
            return;
        for (const char *p = events; p < events + n;) {
            const struct inotify_event *e = (const struct inotify_event *)p;
            tell(w, e, event, arg);
            p += sizeof(*e) + e->len;
        }
    }
}
