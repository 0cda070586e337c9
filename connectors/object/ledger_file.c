#include "connectors/object/ledger_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "connectors/object/carry_out.h"
#include "pipeline/base/file.h"

static char *path_in(const struct ledger_file *l, const char *name)
{
    return file_join(l->directory, name);
}

char *ledger_file_part(const struct ledger_file *l, uint64_t number)
{
    char *path;
    if (asprintf(&path, "%s/parts/%" PRIu64, l->directory, number) < 0)
        abort();
    return path;
}

/* ---- committing
 * ----------------------------------------------------------------------------------------------------------- */

bool ledger_file_finish(struct ledger_file *l, struct error *err)
{
    if (!l->record_found)
        return true;
    char *path = path_in(l, "commit");
    struct commit_record_file f;
    bool ok = commit_record_read(&f, path, err);
    if (ok) {
        const struct commit_record *r = &f.record;
        char *parts = path_in(l, "parts");
        ok = carry_out_renames(l->root, parts, r->renames, r->rename_count, err) &&
             journal_add(&l->journal, r->ranges, r->range_count, err);
        free(parts);
        commit_record_release(&f);
    }
    if (ok && unlink(path) != 0)
        ok = error_errno(err, errno, "cannot remove %s", path);
    l->record_found = !ok;
    free(path);
    return ok;
}

bool ledger_file_commit(struct ledger_file *l, const struct position *positions, uint32_t position_count,
                        const struct rename_pair *renames, uint32_t rename_count, struct error *err)
{
    if (rename_count == 0) /* positions alone are one step */
        return journal_add(&l->journal, positions, position_count, err);
    struct buffer text = {0};
    commit_record_print(&text, &(struct commit_record){.ranges = positions,
                                                       .range_count = position_count,
                                                       .renames = renames,
                                                       .rename_count = rename_count});
    char *path = path_in(l, "commit");
    bool ok = file_replace(path, text.data, text.len, err);
    free(path);
    buffer_release(&text);
    l->record_found |= ok;
    return ok && ledger_file_finish(l, err);
}

/* ---- opening
 * --------------------------------------------------------------------------------------------------------------- */

static bool make_directories(struct ledger_file *l, const struct identity *id, struct error *err)
{
    bool instance = id->instance && *id->instance;
    if (asprintf(&l->directory, "%s/.pipe/%s%s%s/%s", l->root, id->pipeline, instance ? "-" : "",
                 instance ? id->instance : "", id->sink) < 0)
        abort();
    char *parts = path_in(l, "parts");
    bool ok = file_make_directories(parts, 0755, err);
    free(parts);
    return ok;
}

static bool write_owner(const struct ledger_file *l, const char *path, const struct identity *id, struct error *err)
{
    size_t len = strlen(id->incarnation);
    if (ftruncate(l->owner, 0) != 0 || pwrite(l->owner, id->incarnation, len, 0) != (ssize_t)len ||
        fsync(l->owner) != 0)
        return error_errno(err, errno, "cannot write %s", path);
    return file_sync_directory_of(path, err);
}

static bool compare_owner(const struct ledger_file *l, const char *path, const struct identity *id, struct error *err)
{
    char found[64];
    ssize_t n = pread(l->owner, found, sizeof(found) - 1, 0);
    if (n < 0)
        return error_errno(err, errno, "cannot read %s", path);
    found[n] = '\0';
    if (n == 0)
        return write_owner(l, path, id, err);
    return strcmp(found, id->incarnation) == 0 ||
           error_set(err, ERROR_STOP,
                     "another state_dir (%s) owns what %s has of pipeline \"%s\", instance \"%s\", sink \"%s\". A copy "
                     "of the pipeline needs an "
                     "`instance` of its own; if this state_dir replaces the other one, run `pipe state adopt`",
                     found, l->root, id->pipeline, id->instance ? id->instance : "", id->sink);
}

static bool take_ownership(struct ledger_file *l, const struct identity *id, struct error *err)
{
    char *path = path_in(l, "owner");
    bool ok = true;
    l->owner = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (l->owner < 0)
        ok = error_errno(err, errno, "cannot open %s", path);
    else if (flock(l->owner, LOCK_EX | LOCK_NB) != 0)
        ok = errno == EWOULDBLOCK
                 ? error_set(err, ERROR_STOP, "another process writes to %s for the same pipeline, instance and sink",
                             l->root)
                 : error_errno(err, errno, "cannot lock %s", path);
    ok = ok && compare_owner(l, path, id, err);
    free(path);
    return ok;
}

static bool open_journal(struct ledger_file *l, struct error *err)
{
    char *path = path_in(l, "positions");
    bool ok = journal_open(&l->journal, path, err);
    free(path);
    return ok;
}

static bool finish_found(struct ledger_file *l, struct error *err)
{
    char *record = path_in(l, "commit");
    l->record_found = access(record, F_OK) == 0;
    free(record);
    return ledger_file_finish(l, err);
}

/* Parts without a record belong to no commit: what they hold is read again. */
static bool remove_parts(const struct ledger_file *l, struct error *err)
{
    char *path = path_in(l, "parts");
    DIR *dir = opendir(path);
    bool ok = dir || error_errno(err, errno, "cannot open %s", path);
    for (struct dirent *d; ok && (d = readdir(dir));)
        if (d->d_name[0] != '.' && unlinkat(dirfd(dir), d->d_name, 0) != 0)
            ok = error_errno(err, errno, "cannot remove %s/%s", path, d->d_name);
    if (dir)
        closedir(dir);
    free(path);
    return ok;
}

bool ledger_file_open(struct ledger_file *l, const char *root, const struct identity *id, struct error *err)
{
    *l = (struct ledger_file){.root = mem_strdup(root), .owner = -1, .journal.fd = -1};
    for (size_t len = strlen(l->root); len > 1 && l->root[len - 1] == '/'; len--)
        l->root[len - 1] = '\0';
    bool ok = make_directories(l, id, err) && take_ownership(l, id, err) && open_journal(l, err) &&
              finish_found(l, err) && remove_parts(l, err);
    if (!ok)
        ledger_file_close(l);
    return ok;
}

void ledger_file_close(struct ledger_file *l)
{
    if (l->directory) {
        if (l->owner >= 0)
            close(l->owner);
        journal_close(&l->journal);
    }
    free(l->directory);
    free(l->root);
    *l = (struct ledger_file){.owner = -1, .journal.fd = -1};
}
