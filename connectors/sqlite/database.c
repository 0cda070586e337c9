/*
 * The connection: opening, running statements, and what its errors mean.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "connectors/sqlite/sqlite.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/file.h"
#include "pipeline/base/log.h"

/* ---- errors
 * ------------------------------------------------------------------------------------------------------------- */

/* sqlite.org/rescode.html. What may pass by itself is tried again: another writer, a full disk, a disk that does not
 * answer. */
static enum error_kind kind_of(int code, int why)
{
    struct error err;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT:
    case SQLITE_SCHEMA:
        return ERROR_RETRY;
    case SQLITE_CANTOPEN:
        if (why == ENOENT) /* its directory is there: no inode was left for it */
            return ERROR_RETRY;
        error_errno(&err, why, "open");
        return err.kind;
    default:
        return ERROR_STOP;
    }
}

static const char *advice(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
        return " (another process is writing to it)";
    case SQLITE_READONLY:
        return ": it can't be written. Look at the permissions of the file and of its directory";
    case SQLITE_CORRUPT:
        return ": the file is damaged. `sqlite3 FILE .recover` saves what can be saved";
    case SQLITE_NOTADB:
        return ": the file is something else, or encrypted";
    default:
        return "";
    }
}

bool sq_fail(const struct sink *s, const char *doing, struct error *err)
{
    const struct sq_sink *sq = s->state;
    int code = sqlite3_extended_errcode(sq->db), why = sqlite3_system_errno(sq->db);
    char reason[128] = "";
    bool system =
        why != 0 && ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_FULL);
    error_set(err, kind_of(code, why), "%s%s%s: %s%s%s%s", sq_options(s)->path, doing ? ": " : "", doing ? doing : "",
              sqlite3_errmsg(sq->db), system ? ": " : "", system ? strerror_r(why, reason, sizeof(reason)) : "",
              advice(code));
    return false;
}

static const char *sqlstate_of(int code)
{
    switch (code) {
    case SQLITE_CONSTRAINT_NOTNULL:
        return "23502";
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return "23503";
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return "23505";
    case SQLITE_CONSTRAINT_CHECK:
        return "23514";
    case SQLITE_CONSTRAINT_TRIGGER:
        return "P0001";
    case SQLITE_CONSTRAINT_DATATYPE:
    case SQLITE_MISMATCH:
        return "42804";
    case SQLITE_TOOBIG:
        return "54000";
    default:
        return "23000";
    }
}

bool sq_is_row_error(const struct sink *s, struct error *err)
{
    const struct sq_sink *sq = s->state;
    int code = sqlite3_extended_errcode(sq->db);
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        break;
    default:
        return false;
    }
    if (sqlite3_get_autocommit(sq->db)) /* RAISE(ROLLBACK) in a trigger: the neighbours are gone, too */
        return false;
    error_set(err, ERROR_REJECT, "table %s: %s", sq_options(s)->table, sqlite3_errmsg(sq->db));
    memcpy(err->sqlstate, sqlstate_of(code), sizeof(err->sqlstate));
    return true;
}

/* ---- statements
 * --------------------------------------------------------------------------------------------------------- */

bool sq_run(struct sink *s, const char *sql, struct error *err)
{
    const struct sq_sink *sq = s->state;
    return sqlite3_exec(sq->db, sql, NULL, NULL, NULL) == SQLITE_OK || sq_fail(s, NULL, err);
}

sqlite3_stmt *sq_prepare(struct sink *s, const char *sql, struct error *err)
{
    const struct sq_sink *sq = s->state;
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v3(sq->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
        sq_fail(s, NULL, err);
    return stmt;
}

bool sq_begin(struct sink *s, struct error *err)
{
    struct sq_sink *sq = s->state;
    if (sq->in_transaction)
        return true;
    sq->emptied = false;
    sq->in_transaction = sq_run(s, "BEGIN IMMEDIATE", err); /* so that nothing fails for want of a lock later */
    return sq->in_transaction;
}

void sq_rollback(struct sink *s)
{
    struct sq_sink *sq = s->state;
    if (sq->db && !sqlite3_get_autocommit(sq->db))
        sqlite3_exec(sq->db, "ROLLBACK", NULL, NULL, NULL);
    sq->in_transaction = false;
}

void sq_quote(struct buffer *out, const char *name)
{
    buffer_add_byte(out, '"');
    for (; *name; name++) {
        if (*name == '"')
            buffer_add_byte(out, '"');
        buffer_add_byte(out, *name);
    }
    buffer_add_byte(out, '"');
}

/* ---- opening
 * -------------------------------------------------------------------------------------------------------------- */

static int keep_text(void *arg, int columns, char **values, char **names)
{
    (void)names;
    char *to = arg;
    snprintf(to, 16, "%s", columns > 0 && values[0] ? values[0] : "");
    return 0;
}

/* Another process writes: true to try again. As sqlite3_busy_timeout, but a second signal need not wait for it. */
static int wait_for_lock(void *arg, int tries)
{
    enum { FIRST_MS = 1, MOST_MS = 50 };
    struct sink *s = arg;
    struct sq_sink *sq = s->state;
    int64_t now = clock_now_us(&clock_system);
    if (tries == 0)
        sq->busy_since_us = now;
    if (sink_stopping(s) || now - sq->busy_since_us >= sq_options(s)->busy_timeout)
        return 0;
    long ms = tries < MOST_MS ? FIRST_MS + tries : MOST_MS;
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
    return 1;
}

/*
 * A commit has to survive a power failure: synchronous = FULL syncs the write-ahead log at each. Filesystems without
 * shared memory can't have such a log; the rollback journal they fall back to is as safe, and slower.
 */
static bool set_up(struct sink *s, struct error *err)
{
    struct sq_sink *sq = s->state;
    char mode[16] = "";
    sqlite3_extended_result_codes(sq->db, 1);
    sqlite3_busy_handler(sq->db, wait_for_lock, s);
    if (sqlite3_exec(sq->db, "PRAGMA journal_mode = WAL", keep_text, mode, NULL) != SQLITE_OK)
        return sq_fail(s, NULL, err);
    if (strcmp(mode, "wal") != 0)
        log_debug(s->component->name, "%s: no write-ahead log here: journal_mode is %s", sq_options(s)->path, mode);
    return sq_run(s,
                  "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192; "
                  "PRAGMA wal_autocheckpoint = 4096",
                  err);
}

bool sq_is_in_place(const struct sink *s, struct error *err)
{
    const struct sq_shared *shared = s->shared;
    struct stat st;
    if (stat(sq_options(s)->path, &st) == 0 && st.st_dev == shared->device && st.st_ino == shared->inode)
        return true;
    return error_set(err, ERROR_STOP,
                     "%s was removed or replaced while the pipeline was writing to it, and what is written now would "
                     "be lost: start the pipeline again",
                     sq_options(s)->path);
}

static bool know_file(struct sink *s, struct error *err)
{
    struct sq_shared *shared = s->shared;
    struct stat st;
    if (stat(sq_options(s)->path, &st) != 0)
        return error_errno(err, errno, "cannot look at %s", sq_options(s)->path);
    shared->file_known = true;
    shared->device = st.st_dev;
    shared->inode = st.st_ino;
    return true;
}

bool sq_connect(struct sink *s, struct error *err)
{
    struct sq_sink *sq = s->state;
    const struct sq_shared *shared = s->shared;
    const char *path = sq_options(s)->path;
    if (shared->file_known ? !sq_is_in_place(s, err) : !file_make_parent(path, 0755, err))
        return false;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &sq->db, flags, NULL) != SQLITE_OK)
        sq_fail(s, NULL, err);
    else if (set_up(s, err) && (shared->file_known || know_file(s, err)))
        return true;
    sq_disconnect(s);
    return false;
}

void sq_disconnect(struct sink *s)
{
    struct sq_sink *sq = s->state;
    for (uint32_t i = 0; i < SQ_MOST_LAYOUTS; i++) {
        sqlite3_finalize(sq->inserts[i]);
        sq->inserts[i] = NULL;
    }
    sqlite3_close(sq->db);
    sq->db = NULL;
    sq->in_transaction = false;
}
