/*
 * When is a dropped file whole? A writer may rename it into place, may put a marker beside it, or may just stop
 * writing: then it is taken to be whole when its size and modification time have not changed for a while.
 */
#ifndef PIPE_SETTLE_H
#define PIPE_SETTLE_H

#include <stdint.h>
#include <sys/stat.h>

#include "pipeline/base/error.h"

enum settle_kind { SETTLE_QUIET, SETTLE_RENAME, SETTLE_MARKER };

struct settle {
    enum settle_kind kind;
    int64_t quiet_us;   /* SETTLE_QUIET; 0: at once */
    const char *suffix; /* SETTLE_MARKER: x.csv is whole when x.csv<suffix> is there; borrowed from the text */
};

/* "2s", "rename", "marker:.done"; NULL: quiet for `preset_us`. */
bool settle_parse(const char *text, int64_t preset_us, struct settle *out, struct error *err);

/* A file that is being waited for, as it was last seen. */
struct settle_seen {
    uint64_t size;
    int64_t mtime_ns, since_us; /* since: monotonic; when it was first seen like this */
};

/* Notes how the file looks now. */
void settle_look(struct settle_seen *seen, const struct stat *st, int64_t now_us);
/*
 * How long to wait until it has been quiet for quiet_us; 0: it has. A file whose modification time lies a minute
 * further back than that need not be watched first: only a writer's clock that is so much behind could deceive here.
 */
int64_t settle_wait_us(const struct settle_seen *seen, int64_t quiet_us, int64_t now_us, int64_t wall_us);

#endif
