#include "connectors/file/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/hash.h"
#include "pipeline/event/convert.h"

enum { HASH_DIGITS = 16 };

int64_t stat_mtime_ns(const struct stat *st)
{
    return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

int64_t mtime_to_timestamp(int64_t mtime_ns)
{
    int64_t us = mtime_ns / 1000;
    if (mtime_ns % 1000 < 0)
        us--;
    return us - INT64_C(946684800000000);
}

/* As many bytes as there are, up to len. */
static ssize_t read_at(int fd, char *to, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, to + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

bool file_identify(int fd, const char *path, struct file_identity *out, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return error_errno(err, errno, "cannot look at %s", path);
    out->size = (uint64_t)st.st_size;
    out->mtime_ns = stat_mtime_ns(&st);
    bool small = out->size <= sizeof(out->head);
    ssize_t n = read_at(fd, out->head, small ? (size_t)out->size : IDENTITY_EDGE, 0);
    if (n < 0)
        return error_errno(err, errno, "cannot read %s", path);
    out->head_len = (size_t)n;

    char tail[IDENTITY_EDGE];
    const char *last = tail;
    size_t first_len = out->head_len < IDENTITY_EDGE ? out->head_len : IDENTITY_EDGE, last_len;
    if (small) {
        last = out->head + (out->head_len - first_len);
        last_len = first_len;
    } else {
        n = read_at(fd, tail, sizeof(tail), out->size - sizeof(tail));
        if (n < 0)
            return error_errno(err, errno, "cannot read %s", path);
        last_len = (size_t)n;
    }
    uint64_t facts[2] = {out->size, (uint64_t)out->mtime_ns};
    out->hash = hash64(facts, sizeof(facts), 0);
    out->hash = hash64(out->head, first_len, out->hash);
    out->hash = hash64(last, last_len, out->hash);
    return true;
}

static void print_name(const char *name, struct buffer *out)
{
    for (struct str rest = str_of(name); rest.len > 0;) {
        size_t valid = utf8_valid_prefix(rest);
        buffer_add(out, rest.data, valid);
        if (valid < rest.len)
            buffer_printf(out, "%%%02X", (unsigned char)rest.data[valid++]);
        rest = (struct str){rest.data + valid, rest.len - valid};
    }
}

char *file_name_text(const char *name)
{
    struct buffer text = {0};
    print_name(name, &text);
    buffer_cstr(&text);
    return text.data;
}

void file_name_restore(char *text)
{
    char *to = text;
    for (unsigned byte; *text; *to++ = (char)byte) {
        if (text[0] == '%' && strchr("89ABCDEF", text[1]) && text[1] && sscanf(text + 1, "%2X", &byte) == 1 &&
            byte >= 0x80)
            text += 3;
        else
            byte = (unsigned char)*text++;
    }
    *to = '\0';
}

void file_key_print(const char *relative, uint64_t hash, struct buffer *out)
{
    static const char digits[] = "0123456789abcdef";
    char text[HASH_DIGITS + 1] = "#";
    for (int i = 0; i < HASH_DIGITS; i++)
        text[1 + i] = digits[hash >> (60 - 4 * i) & 15];
    print_name(relative, out);
    buffer_add(out, text, sizeof(text));
    buffer_cstr(out);
}

bool file_key_parse(const char *key, size_t *path_len, uint64_t *hash)
{
    size_t len = strlen(key);
    if (len <= HASH_DIGITS + 1 || key[len - HASH_DIGITS - 1] != '#')
        return false;
    char *end;
    *path_len = len - HASH_DIGITS - 1;
    *hash = strtoull(key + *path_len + 1, &end, 16);
    return *end == '\0';
}

const char *file_relative(const char *directory, const char *path)
{
    size_t len = strlen(directory);
    while (len > 1 && directory[len - 1] == '/')
        len--;
    if (strncmp(path, directory, len) != 0)
        return path;
    if (len == 1)
        return path[1] ? path + 1 : path;
    return path[len] == '/' && path[len + 1] ? path + len + 1 : path;
}
