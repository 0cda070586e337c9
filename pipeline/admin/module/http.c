/*
 * The HTTP server: libmicrohttpd with one thread of its own.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/admin/admin.h"
#include "pipeline/admin/module/page.h"
#include "pipeline/base/log.h"
#include "pipeline/engine/metrics.h"

extern const struct admin_ops admin_ops; /* found by name */

struct http_server {
    struct MHD_Daemon *daemon;
    struct admin_view *view;
};

/* ---- pages ---------------------------------------------------------------------------------------------------------
 */

static unsigned show_page(struct engine *e, struct buffer *out)
{
    (void)e;
    buffer_add_str(out, str_of(dashboard_page));
    return MHD_HTTP_OK;
}

static unsigned show_metrics(struct engine *e, struct buffer *out)
{
    if (e) {
        metrics_print(e, out);
        return MHD_HTTP_OK;
    }
    buffer_printf(out, "starting\n");
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned show_status(struct engine *e, struct buffer *out)
{
    if (e)
        admin_status(e, out);
    else
        buffer_printf(out, "{\"state\":\"starting\"}\n");
    return MHD_HTTP_OK;
}

/* Alive: a pipeline that waits for a server is. */
static unsigned show_health(struct engine *e, struct buffer *out)
{
    const char *state = admin_state(e);
    buffer_printf(out, "%s\n", state);
    return strcmp(state, "failed") == 0 ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

/* All sinks are open, and sources read. */
static unsigned show_ready(struct engine *e, struct buffer *out)
{
    const char *state = admin_state(e);
    buffer_printf(out, "%s\n", state);
    return strcmp(state, "running") == 0 ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static const struct page {
    const char *path, *media_type;
    unsigned (*show)(struct engine *e, struct buffer *out); /* returns the HTTP status */
} pages[] = {
    {"/", "text/html; charset=utf-8", show_page},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", show_metrics},
    {"/status", "application/json", show_status},
    {"/health", "text/plain; charset=utf-8", show_health},
    {"/ready", "text/plain; charset=utf-8", show_ready},
};

static const struct page *page_find(const char *path)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
        if (strcmp(path, pages[i].path) == 0)
            return &pages[i];
    return NULL;
}

/* ---- requests ------------------------------------------------------------------------------------------------------
 */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *media_type,
                              struct buffer *text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(text->len, text->data, MHD_RESPMEM_MUST_COPY);
    buffer_release(text);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, media_type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return queued;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **seen)
{
    struct http_server *s = arg;
    struct buffer text = {0};
    (void)version;
    (void)upload;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        if (*seen && *upload_size) { /* a body is read to its end and dropped */
            *upload_size = 0;
            return MHD_YES;
        }
        bool first = !*seen;
        *seen = s; /* only that it is not NULL */
        if (first)
            return MHD_YES;
        buffer_printf(&text, "only GET and HEAD\n");
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", &text);
    }
    const struct page *page = page_find(path);
    if (page) {
        unsigned status = page->show(atomic_load(&s->view->engine), &text);
        return answer(connection, status, page->media_type, &text);
    }
    buffer_printf(&text, "not found; there are /metrics, /health, /ready, /status and /\n");
    return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain; charset=utf-8", &text);
}

/* ---- start and stop ------------------------------------------------------------------------------------------------
 */

/* "ADDRESS:PORT" → its two parts. */
static bool split_listen(const char *listen, char address[256], const char **port, struct error *err)
{
    const char *colon = strrchr(listen, ':');
    size_t len = colon ? (size_t)(colon - listen) : 0;
    bool bracketed = len >= 2 && listen[0] == '[' && listen[len - 1] == ']';
    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 5 ||
        len > 255)
        return error_set(err, ERROR_STOP, "listen = \"%s\" is no ADDRESS:PORT, as in \"127.0.0.1:9790\"", listen);
    snprintf(address, 256, "%.*s", (int)(bracketed ? len - 2 : len), bracketed ? listen + 1 : listen);
    *port = colon + 1;
    return true;
}

static int bind_address(const struct addrinfo *a, const char *text, struct error *err)
{
    int on = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd >= 0 && bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 64) == 0)
        return fd;
    error_errno(err, errno, "cannot listen on %s", text);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_listener(const char *text, struct error *err)
{
    char address[256];
    const char *port = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    if (!split_listen(text, address, &port, err))
        return -1;
    int failed = getaddrinfo(*address ? address : NULL, port, &hints, &found);
    if (failed) {
        error_set(err, ERROR_STOP, "listen = \"%s\": %s", text, gai_strerror(failed));
        return -1;
    }
    int fd = bind_address(found, text, err);
    freeaddrinfo(found);
    return fd;
}

static void log_address(int fd)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    char host[128], port[16];
    if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0 &&
        getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        log_info(NULL, bound.ss_family == AF_INET6 ? "admin: http://[%s]:%s/" : "admin: http://%s:%s/", host, port);
}

static struct http_server *http_start(const char *listen_on, struct admin_view *view, struct error *err)
{
    int fd = open_listener(listen_on, err);
    if (fd < 0)
        return NULL;
    struct http_server *s = mem_zalloc(sizeof(*s));
    s->view = view;
    s->daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, handle, s, MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_CONNECTION_LIMIT, 64u, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384, MHD_OPTION_END);
    if (s->daemon) {
        log_address(fd);
        return s;
    }
    error_set(err, ERROR_STOP, "cannot start the HTTP server on %s", listen_on);
    close(fd);
    free(s);
    return NULL;
}

static void http_stop(struct http_server *s)
{
    MHD_stop_daemon(s->daemon); /* closes the socket */
    free(s);
}

const struct admin_ops admin_ops = {.start = http_start, .stop = http_stop};
