/*
 * Looking at a running pipeline from outside: an HTTP server ([admin] listen) and the control socket in state_dir. Both
 * read counters only, in threads of their own, and never hold up the data path.
 *
 * The HTTP library is heavy: the server is the module admin.so, loaded when it is asked for.
 */
#ifndef PIPE_ADMIN_H
#define PIPE_ADMIN_H

#include <stdatomic.h>

#include "pipeline/engine/engine.h"

/* What a server shows. NULL while the pipeline starts; the engine outlives the server. */
struct admin_view {
    _Atomic(struct engine *) engine;
};

struct http_server;

/* What the module gives. */
struct admin_ops {
    /* Listens on "ADDRESS:PORT", "[v6]:PORT" or ":PORT" (all addresses); port 0 is any. The bound one goes to the log.
     */
    struct http_server *(*start)(const char *listen, struct admin_view *view, struct error *err);
    /* Waits for the answers under way. */
    void (*stop)(struct http_server *s);
};

struct admin {
    struct admin_view view;
    const struct admin_ops *ops;
    struct http_server *http;
    struct control *control;
};

/* Before the engine runs. Nothing to do where [admin] listen is not set. A port that is in use is an error. */
bool admin_start(struct admin *a, const struct config *cfg, struct error *err);
/* The engine's parts run: /ready says so, and the control socket is made. */
void admin_started(struct admin *a, struct engine *e);
/* Before engine_free. */
void admin_stop(struct admin *a);

/* "starting", "running", "draining", "failed". Any thread. */
const char *admin_state(struct engine *e);
/* The same and the counters, as one line of JSON. Any thread. */
void admin_status(struct engine *e, struct buffer *out);

#endif
