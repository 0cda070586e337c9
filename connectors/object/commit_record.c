#include "connectors/object/commit_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/object/journal.h"
#include "pipeline/base/file.h"

/* ---- writing ---------------------------------------------------------------------------------------------------- */

void commit_record_print(struct buffer *out, const struct commit_record *r)
{
    if (r->epoch) {
        buffer_printf(out, "epoch\t%" PRId64, r->epoch);
        field_add(out, r->owner);
        buffer_add_byte(out, '\n');
    }
    for (uint32_t i = 0; i < r->range_count; i++) {
        buffer_printf(out, "range\t%" PRIu64 "\t%" PRIu64, r->ranges[i].range.first, r->ranges[i].range.next);
        field_add(out, r->ranges[i].source);
        field_add(out, r->ranges[i].partition);
        buffer_add_byte(out, '\n');
    }
    for (uint32_t i = 0; i < r->rename_count; i++) {
        buffer_printf(out, "object");
        field_add(out, r->renames[i].part);
        field_add(out, r->renames[i].object);
        buffer_add_byte(out, '\n');
    }
    buffer_printf(out, "end\n");
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* Is it the last one? */
static bool read_line(struct commit_record_file *f, char *line)
{
    char *fields[5];
    int n = field_split(line, fields, 5);
    struct commit_record *r = &f->record;
    if (n == 5 && strcmp(fields[0], "range") == 0)
        f->ranges[r->range_count++] = (struct position){
            fields[3], fields[4], SHARD_ALL, {strtoull(fields[1], NULL, 10), strtoull(fields[2], NULL, 10)}};
    else if (n == 3 && strcmp(fields[0], "object") == 0)
        f->renames[r->rename_count++] = (struct rename_pair){fields[1], fields[2]};
    else if (n == 3 && strcmp(fields[0], "epoch") == 0)
        r->epoch = strtoll(fields[1], NULL, 10), r->owner = fields[2];
    return strcmp(fields[0], "end") == 0;
}

bool commit_record_read(struct commit_record_file *f, const char *path, struct error *err)
{
    *f = (struct commit_record_file){0};
    if (!file_read_all(path, SIZE_MAX >> 1, &f->text, err)) {
        buffer_release(&f->text);
        return false;
    }
    buffer_add_byte(&f->text, '\0');
    size_t lines = 0;
    for (size_t i = 0; i < f->text.len; i++)
        lines += f->text.data[i] == '\n';
    f->record.ranges = f->ranges = mem_alloc((lines + 1) * sizeof(*f->ranges));
    f->record.renames = f->renames = mem_alloc((lines + 1) * sizeof(*f->renames));
    bool whole = false;
    char *line = f->text.data;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        whole = read_line(f, line);
    }
    if (whole)
        return true;
    commit_record_release(f);
    return error_set(err, ERROR_STOP, "%s is damaged: look which of the objects it names are there, and remove it",
                     path);
}

void commit_record_release(struct commit_record_file *f)
{
    buffer_release(&f->text);
    free(f->ranges);
    free(f->renames);
    *f = (struct commit_record_file){0};
}
