#include "connectors/file/book.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/file.h"
#include "pipeline/base/hash.h"

enum { BOOK_SIZE_MAX = 256 << 20 };

static void entry_free(struct book_entry *e)
{
    free(e->key);
    free(e->path);
    free(e);
}

/* ---- on disk: a line each, LENGTH HASH INODE KEY PATH, tabs between, tabs, line ends and backslashes escaped -------
 */

static void add_escaped(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        const char *special = strchr("\t\n\\", *text);
        if (special)
            buffer_add_byte(out, '\\');
        buffer_add_byte(out, *text == '\t' ? 't' : *text == '\n' ? 'n' : *text);
    }
}

/* Up to a tab or the line's end, which *at then stands behind. */
static char *take_escaped(const char **at)
{
    struct buffer out = {0};
    const char *p = *at;
    for (; *p && *p != '\t' && *p != '\n'; p++) {
        bool escaped = *p == '\\' && p[1];
        p += escaped;
        buffer_add_byte(&out, escaped && *p == 't' ? '\t' : escaped && *p == 'n' ? '\n' : *p);
    }
    *at = *p ? p + 1 : p;
    buffer_cstr(&out);
    return out.data;
}

static const char *parse_line(struct book *b, const char *line)
{
    const char *end = strchr(line, '\n');
    struct book_entry *e = mem_zalloc(sizeof(*e));
    int n = 0;
    if (end && sscanf(line, "%" SCNu32 "\t%" SCNx64 "\t%" SCNu64 "%n", &e->length, &e->hash, &e->inode, &n) == 3 &&
        line[n] == '\t' && e->length > 0 && e->length <= BOOK_PREFIX) {
        const char *at = line + n + 1;
        e->key = take_escaped(&at);
        e->path = take_escaped(&at);
        e->next = b->first;
        b->first = e;
    } else {
        b->damaged = true;
        entry_free(e);
    }
    return end ? end + 1 : line + strlen(line);
}

bool book_open(struct book *b, const char *file, struct error *err)
{
    struct buffer text = {0};
    *b = (struct book){.file = mem_strdup(file)};
    bool ok = access(file, F_OK) != 0 || file_read_all(file, BOOK_SIZE_MAX, &text, err);
    for (const char *p = ok ? buffer_cstr(&text) : ""; *p;)
        p = parse_line(b, p);
    b->damaged |= ok && strlen(buffer_cstr(&text)) < text.len;
    buffer_release(&text);
    return ok;
}

static void print_from(const struct book_entry *e, struct buffer *out)
{
    /* the oldest first, as they are read */
    size_t count = 0;
    for (const struct book_entry *p = e; p; p = p->next)
        count++;
    const struct book_entry **all = mem_alloc(count * sizeof(const struct book_entry *));
    for (size_t i = count; i-- > 0; e = e->next)
        all[i] = e;
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "%" PRIu32 "\t%016" PRIx64 "\t%" PRIu64 "\t", all[i]->length, all[i]->hash, all[i]->inode);
        add_escaped(out, all[i]->key);
        buffer_add_byte(out, '\t');
        add_escaped(out, all[i]->path);
        buffer_add_byte(out, '\n');
    }
    free(all);
}

bool book_save(struct book *b, struct error *err)
{
    if (!b->changed)
        return true;
    struct buffer text = {0};
    print_from(b->first, &text);
    bool ok = file_replace(b->file, text.data ? text.data : "", text.len, err);
    buffer_release(&text);
    b->changed = !ok;
    return ok;
}

void book_close(struct book *b)
{
    for (struct book_entry *e = b->first, *next; e; e = next) {
        next = e->next;
        entry_free(e);
    }
    free(b->file);
    *b = (struct book){0};
}

/* ---- who is who ----------------------------------------------------------------------------------------------------
 */

bool book_matches(const struct book_entry *e, const struct book_look *look)
{
    return e->length <= look->head_len && hash64(look->head, e->length, 0) == e->hash;
}

struct book_entry *book_find(struct book *b, const struct book_look *look)
{
    struct book_entry *by_path = NULL, *by_prefix = NULL;
    for (struct book_entry *e = b->first; e; e = e->next) {
        if (e->taken || e->refused == look->inode)
            continue;
        bool same_inode = e->inode == look->inode, same_path = strcmp(e->path, look->path) == 0;
        bool whole = e->length == BOOK_PREFIX && look->head_len == BOOK_PREFIX;
        if ((!same_inode && !same_path && !whole) || !book_matches(e, look))
            continue;
        if (same_inode)
            return e;
        if (same_path && !by_path)
            by_path = e;
        if (whole && !by_prefix)
            by_prefix = e;
    }
    return by_path ? by_path : by_prefix;
}

bool book_is_copy(const struct book *b, const struct book_look *look)
{
    for (const struct book_entry *e = b->first; e; e = e->next)
        if (e->taken && e->inode != look->inode && e->length == BOOK_PREFIX && book_matches(e, look))
            return true;
    return false;
}

bool book_has_key(const struct book *b, const char *key)
{
    for (const struct book_entry *e = b->first; e; e = e->next)
        if (strcmp(e->key, key) == 0)
            return true;
    return false;
}

struct book_entry *book_add(struct book *b, const struct book_look *look, char *key)
{
    struct book_entry *e = mem_zalloc(sizeof(*e));
    e->key = key;
    e->path = mem_strdup(look->path);
    e->inode = look->inode;
    e->length = (uint32_t)look->head_len;
    e->hash = hash64(look->head, look->head_len, 0);
    e->next = b->first;
    b->first = e;
    b->changed = true;
    return e;
}

void book_update(struct book *b, struct book_entry *e, const struct book_look *look)
{
    if (strcmp(e->path, look->path) != 0) {
        free(e->path);
        e->path = mem_strdup(look->path);
        b->changed = true;
    }
    if (e->inode != look->inode) {
        e->inode = look->inode;
        b->changed = true;
    }
    if (e->length < BOOK_PREFIX && (look->head_len >= 2 * (size_t)e->length || look->head_len == BOOK_PREFIX)) {
        e->length = (uint32_t)look->head_len;
        e->hash = hash64(look->head, look->head_len, 0);
        b->changed = true;
    }
}

void book_remove(struct book *b, struct book_entry *e)
{
    for (struct book_entry **at = &b->first; *at; at = &(*at)->next) {
        if (*at == e) {
            *at = e->next;
            entry_free(e);
            b->changed = true;
            return;
        }
    }
}
