/*
 * The session: connecting without blocking the thread for longer than connect_timeout, running statements while both
 * directions are watched (a server that dies in the middle of a COPY is only noticed by reading), and what an SQLSTATE
 * means for us.
 */
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"

/* How often a thread that waits for the server looks whether it still should. */
enum { LOOK_UP_MS = 200 };

/* ---- errors ----------------------------------------------------------------------------------------------------- */

static bool has_prefix(const char *sqlstate, const char *const *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(sqlstate, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum error_kind pg_error_kind(const char *sqlstate)
{
    /* Lost and refused connections, shutdowns, exhausted resources (a full disk), deadlocks, timeouts (also of an idle
     * transaction), a standby instead of the primary, I/O. */
    static const char *const retry[] = {"08", "53", "57", "40", "55P03", "25006", "25P03", "25P04", "58"};
    /* Data exceptions, constraints, limits that the row exceeds, check options of views, and what functions that
     * triggers call may raise: their own exceptions, those of other languages, a CASE without ELSE, a subquery with two
     * rows (also two rows with one key, which go in one after the other). */
    static const char *const reject[] = {"09", "20", "21", "22", "23", "27", "2F", "38", "44", "54", "P0"};
    /* The other classes that the server itself uses (errcodes.txt). One that is not there is a trigger's: RAISE … USING
     * ERRCODE = 'U0001'. */
    static const char *const stop[] = {
        "22P04" /* our COPY stream is malformed */, "0", "2", "3", "42", "55", "72", "F0", "HV", "XX"};
    if (!sqlstate || !*sqlstate)
        return ERROR_RETRY;
    if (has_prefix(sqlstate, stop, 1))
        return ERROR_STOP;
    if (has_prefix(sqlstate, retry, COUNT(retry)))
        return ERROR_RETRY;
    if (has_prefix(sqlstate, reject, COUNT(reject)))
        return ERROR_REJECT;
    return has_prefix(sqlstate, stop, COUNT(stop)) ? ERROR_STOP : ERROR_REJECT;
}

/* Where one SQLSTATE is given for different reasons, the server's function tells them apart, in every language. */
static enum error_kind kind_of(const PGresult *result, const char *sqlstate)
{
    static const struct {
        const char *sqlstate, *function;
        enum error_kind kind;
    } exceptions[] = {
        {"42501", "ExecWithCheckOptions", ERROR_REJECT}, /* a row-level security policy is against this row */
        /* Nothing at all can be written until old transaction numbers are vacuumed away. */
        {"54000", "GetNewTransactionId", ERROR_RETRY},
        {"54000", "GetNewMultiXactId", ERROR_RETRY},
    };
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    for (size_t i = 0; function && i < COUNT(exceptions); i++)
        if (strcmp(sqlstate, exceptions[i].sqlstate) == 0 && strcmp(function, exceptions[i].function) == 0)
            return exceptions[i].kind;
    return pg_error_kind(sqlstate);
}

/* One line: newlines and tabs of libpq's messages become spaces. */
static void flatten(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        char c = isspace((unsigned char)*from) ? ' ' : *from;
        if (c != ' ' || (to > text && to[-1] != ' '))
            *to++ = c;
    }
    while (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
}

static bool fail_with_result(struct sink *s, const PGresult *result, struct error *err)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    char whole[900];
    snprintf(whole, sizeof(whole), "%s%s%s%s%s%s", message ? message : PQresultErrorMessage(result), detail ? " (" : "",
             detail ? detail : "", detail ? ")" : "", hint ? ": " : "", hint ? hint : "");
    flatten(whole);
    error_set(err, kind_of(result, sqlstate), "table %s: %s", pg_options(s)->table, whole);
    snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", sqlstate ? sqlstate : "");
    return false;
}

bool pg_fail(struct sink *s, const PGresult *result, struct error *err)
{
    if (result && PQresultErrorField(result, PG_DIAG_SQLSTATE))
        return fail_with_result(s, result, err);
    struct pg_sink *pg = s->state;
    char whole[900];
    snprintf(whole, sizeof(whole), "%s", PQerrorMessage(pg->conn));
    flatten(whole);
    return error_set(err, ERROR_RETRY, "table %s: the connection to the server is lost: %s", pg_options(s)->table,
                     *whole ? whole : "no reason given");
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

/*
 * A failed login has its SQLSTATE in the message only, where verbosity asks for it: "… FATAL:  28P01: password
 * authentication failed … LOCATION: …".
 */
static void find_sqlstate(char *message, char sqlstate[6])
{
    sqlstate[0] = '\0';
    for (char *p = strchr(message, ':'); p; p = strchr(p + 1, ':')) {
        char *code = p + 1 + strspn(p + 1, " ");
        /* Every SQLSTATE has a digit; "FATAL" has none. */
        if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 || code[5] != ':' ||
            strcspn(code, "0123456789") >= 5)
            continue;
        memcpy(sqlstate, code, 5);
        sqlstate[5] = '\0';
        memmove(code, code + 6 + strspn(code + 6, " "), strlen(code + 6 + strspn(code + 6, " ")) + 1);
        break;
    }
    char *location = strstr(message, "LOCATION:");
    if (location)
        *location = '\0';
}

static bool fail_to_connect(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    char whole[900], sqlstate[6];
    snprintf(whole, sizeof(whole), "%s", PQerrorMessage(pg->conn));
    find_sqlstate(whole, sqlstate);
    flatten(whole);
    bool needs_password = PQconnectionNeedsPassword(pg->conn);
    enum error_kind kind = needs_password ? ERROR_STOP : pg_error_kind(sqlstate);
    error_set(err, kind == ERROR_REJECT ? ERROR_STOP : kind, "can't connect: %s", whole);
    memcpy(err->sqlstate, sqlstate, sizeof(sqlstate));
    return false;
}

/* The reason why a connection string is no good, without what it quotes: that may be part of the password. */
static bool fail_to_parse(struct error *err, char *reason)
{
    bool quoted = false;
    char *to = reason;
    for (const char *from = reason; *from; from++) {
        if (*from == '"')
            quoted = !quoted;
        if (!quoted || *from == '"')
            *to++ = *from;
    }
    *to = '\0';
    flatten(reason);
    return error_set(err, ERROR_STOP, "`url` is no connection string: %s", reason);
}

static bool check_url(const char *url, struct error *err)
{
    if (!url)
        return true;
    char *reason = NULL;
    PQconninfoOption *options = PQconninfoParse(url, &reason);
    bool good = options != NULL;
    if (!good)
        fail_to_parse(err, reason ? reason : (char[]){"out of memory"});
    PQconninfoFree(options);
    PQfreemem(reason);
    return good;
}

static int64_t connect_timeout_us(PGconn *conn)
{
    int64_t seconds = 10;
    PQconninfoOption *options = PQconninfo(conn);
    for (PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "connect_timeout") == 0 && o->val && atoi(o->val) > 0)
            seconds = atoi(o->val);
    PQconninfoFree(options);
    return seconds * 1000000;
}

static bool finish_connecting(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    struct pg_shared *shared = s->shared;
    int64_t deadline = clock_now_us(&clock_system) + connect_timeout_us(pg->conn);
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    while (wanted != PGRES_POLLING_OK) {
        int64_t left = deadline - clock_now_us(&clock_system);
        if (left <= 0)
            atomic_fetch_add(&shared->silent_hosts, 1);
        if (left <= 0 || sink_stopping(s))
            return error_set(err, ERROR_RETRY, "can't connect to %s: no answer in time", PQhost(pg->conn));
        struct pollfd fd = {PQsocket(pg->conn), wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};
        if (poll(&fd, 1, left < LOOK_UP_MS * 1000 ? (int)(left / 1000) + 1 : LOOK_UP_MS) == 0)
            continue;
        wanted = PQconnectPoll(pg->conn);
        if (wanted == PGRES_POLLING_FAILED)
            return fail_to_connect(s, err);
    }
    return true;
}

static void take_notice(void *arg, const PGresult *result)
{
    const struct sink *s = arg;
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    log_debug(s->component->name, "server: %s", message ? message : "");
}

static bool set_session(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    /* The zone and formats decide how the server reads what is cast from text. */
    struct buffer sql = {0};
    char *zone = PQescapeLiteral(pg->conn, zone_name(s->zone), strlen(zone_name(s->zone)));
    buffer_printf(&sql,
                  "SET timezone = %s; SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres'; SET "
                  "client_min_messages = warning",
                  zone);
    PQfreemem(zone);
    bool done = pg_run(s, buffer_cstr(&sql), err);
    buffer_release(&sql);
    return done;
}

/* Lists as libpq has them: "a,b,c". NULL: as the url and the environment say. */
struct hosts {
    char *host, *hostaddr, *port;
};

static PGconn *start_with(const struct sink *s, const struct hosts *hosts)
{
    char name[64];
    snprintf(name, sizeof(name), "pipe %s", s->component->config->pipeline.name);
    const char *url = pg_options(s)->url;
    /* What the url says comes later and wins, but for the encoding. A peer that vanished is noticed in a minute. */
    const char *const keywords[] = {"fallback_application_name",
                                    "keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    "tcp_user_timeout",
                                    "dbname",
                                    "client_encoding",
                                    "host",
                                    "hostaddr",
                                    "port",
                                    NULL};
    const char *const values[] = {
        name, "30", "10", "3", "60000", url ? url : "", "UTF8", hosts->host, hosts->hostaddr, hosts->port, NULL};
    return PQconnectStartParams(keywords, values, 1);
}

/* "a,b,c" from its entry number `first` on, all around: "b,c,a". */
static char *turn_list(const char *list, unsigned first)
{
    unsigned count = 1;
    for (const char *p = list; *p; p++)
        count += *p == ',';
    const char *start = list;
    for (unsigned i = 0; i < first % count; i++)
        start = strchr(start, ',') + 1;
    struct buffer turned = {0};
    buffer_printf(&turned, "%s", start);
    if (start != list)
        buffer_printf(&turned, ",%.*s", (int)(start - list - 1), list);
    char *copy = mem_strdup(buffer_cstr(&turned));
    buffer_release(&turned);
    return copy;
}

static struct hosts turn_hosts(PGconn *conn, unsigned first)
{
    struct hosts turned = {0};
    PQconninfoOption *options = PQconninfo(conn);
    for (const PQconninfoOption *o = options; o && o->keyword; o++) {
        char **list = strcmp(o->keyword, "host") == 0       ? &turned.host
                      : strcmp(o->keyword, "hostaddr") == 0 ? &turned.hostaddr
                      : strcmp(o->keyword, "port") == 0     ? &turned.port
                                                            : NULL;
        if (list && o->val)
            *list = turn_list(o->val, first);
    }
    PQconninfoFree(options);
    return turned;
}

/* libpq goes on to the next of several hosts where one refuses, but not (when it does not block) where one is silent: a
 * machine without power. So the next try begins behind it. */
static PGconn *start(const struct sink *s)
{
    struct pg_shared *shared = s->shared;
    unsigned silent = atomic_load(&shared->silent_hosts);
    PGconn *conn = start_with(s, &(struct hosts){0});
    if (!conn || silent == 0)
        return conn;
    struct hosts turned = turn_hosts(conn, silent);
    if ((turned.host && strchr(turned.host, ',')) || (turned.hostaddr && strchr(turned.hostaddr, ','))) {
        PQfinish(conn);
        conn = start_with(s, &turned);
    }
    free(turned.host);
    free(turned.hostaddr);
    free(turned.port);
    return conn;
}

bool pg_connect(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    if (!check_url(pg_options(s)->url, err))
        return false;
    pg->conn = start(s);
    if (!pg->conn)
        return error_set(err, ERROR_RETRY, "can't connect: out of memory");
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    if (PQstatus(pg->conn) == CONNECTION_BAD)
        return fail_to_connect(s, err);
    if (!finish_connecting(s, err))
        return false;
    PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
    PQsetNoticeReceiver(pg->conn, take_notice, s);
    if (PQsetnonblocking(pg->conn, 1) != 0)
        return pg_fail(s, NULL, err);
    return set_session(s, err);
}

/* ---- statements ------------------------------------------------------------------------------------------------- */

static bool wait_for(struct sink *s, short events, struct error *err)
{
    struct pg_sink *pg = s->state;
    struct pollfd fd = {PQsocket(pg->conn), events, 0};
    while (poll(&fd, 1, LOOK_UP_MS) == 0)
        if (sink_stopping(s))
            return error_set(err, ERROR_RETRY, "table %s: stopped while the server was busy", pg_options(s)->table);
    if ((fd.revents & ~POLLOUT) && !PQconsumeInput(pg->conn))
        return pg_fail(s, NULL, err);
    return true;
}

bool pg_flush(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    for (;;) {
        int left = PQflush(pg->conn);
        if (left == 0)
            return true;
        if (left < 0)
            return pg_fail(s, NULL, err);
        if (!wait_for(s, POLLIN | POLLOUT, err))
            return false;
    }
}

PGresult *pg_next_result(struct sink *s, bool *ok, struct error *err)
{
    struct pg_sink *pg = s->state;
    *ok = pg_flush(s, err);
    while (*ok && PQisBusy(pg->conn))
        *ok = wait_for(s, POLLIN, err);
    return *ok ? PQgetResult(pg->conn) : NULL;
}

static bool is_failure(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE || status == PGRES_NONFATAL_ERROR;
}

PGresult *pg_collect(struct sink *s, struct error *err)
{
    struct pg_sink *pg = s->state;
    PGresult *last = NULL;
    bool ok, failed = false;
    for (PGresult *result; (result = pg_next_result(s, &ok, err));) {
        if (is_failure(result) && !failed)
            failed = !pg_fail(s, result, err);
        PQclear(last);
        last = result;
        if (PQstatus(pg->conn) == CONNECTION_BAD)
            break;
    }
    if (ok && !failed && last)
        return last;
    if (ok && !failed)
        pg_fail(s, NULL, err);
    PQclear(last);
    return NULL;
}

bool pg_run(struct sink *s, const char *sql, struct error *err)
{
    struct pg_sink *pg = s->state;
    if (!PQsendQuery(pg->conn, sql))
        return pg_fail(s, NULL, err);
    PGresult *result = pg_collect(s, err);
    PQclear(result);
    return result != NULL;
}

PGresult *pg_query(struct sink *s, const char *sql, int count, const char *const *values, struct error *err)
{
    struct pg_sink *pg = s->state;
    if (!PQsendQueryParams(pg->conn, sql, count, NULL, values, NULL, NULL, 0)) {
        pg_fail(s, NULL, err);
        return NULL;
    }
    return pg_collect(s, err);
}

/* ---- text for statements ---------------------------------------------------------------------------------------- */

void pg_array_open(struct buffer *b)
{
    buffer_clear(b);
    buffer_add_byte(b, '{');
}

void pg_array_add(struct buffer *b, const char *text)
{
    if (b->len > 1)
        buffer_add_byte(b, ',');
    buffer_add_byte(b, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buffer_add_byte(b, '\\');
        buffer_add_byte(b, *text);
    }
    buffer_add_byte(b, '"');
}

const char *pg_array_close(struct buffer *b)
{
    buffer_add_byte(b, '}');
    return buffer_cstr(b);
}

const char *pg_quote(struct arena *a, const char *name)
{
    char *out = arena_alloc(a, 2 * strlen(name) + 3), *to = out;
    *to++ = '"';
    for (; *name; name++) {
        if (*name == '"')
            *to++ = '"';
        *to++ = *name;
    }
    *to++ = '"';
    *to = '\0';
    return out;
}
