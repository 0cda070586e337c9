#include "pipeline/event/zone_data.h"

#include "pipeline/base/arena.h"

/* The counts of one header, in the file's order. */
struct tzif_header {
    char version;
    uint32_t utc_flags, wall_flags, leaps, changes, kinds, name_bytes;
};

enum { HEADER_SIZE = 44, KIND_SIZE = 6 };

static uint32_t read_be32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}

static int64_t read_be64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return (int64_t)__builtin_bswap64(v);
}

static bool read_header(struct str data, struct tzif_header *h)
{
    if (data.len < HEADER_SIZE || memcmp(data.data, "TZif", 4) != 0)
        return false;
    const char *p = data.data + 20;
    *h = (struct tzif_header){
        .version = data.data[4],
        .utc_flags = read_be32(p),
        .wall_flags = read_be32(p + 4),
        .leaps = read_be32(p + 8),
        .changes = read_be32(p + 12),
        .kinds = read_be32(p + 16),
        .name_bytes = read_be32(p + 20),
    };
    /* no real zone comes near; keeps the sums below from overflowing */
    const uint32_t most = 1 << 20;
    return h->utc_flags < most && h->wall_flags < most && h->leaps < most && h->changes < most && h->kinds < 256 &&
           h->name_bytes < most;
}

static size_t body_size(const struct tzif_header *h, size_t time_size)
{
    return h->changes * (time_size + 1) + h->kinds * KIND_SIZE + h->name_bytes + h->leaps * (time_size + 4) +
           h->wall_flags + h->utc_flags;
}

static struct str skip(struct str s, size_t bytes)
{
    return (struct str){s.data + bytes, s.len - bytes};
}

static bool read_changes(const char *p, const struct tzif_header *h, struct zone *z)
{
    z->change_count = h->changes;
    z->changes = mem_alloc((h->changes + 1) * sizeof *z->changes);
    z->change_kind = mem_alloc(h->changes + 1);
    for (uint32_t i = 0; i < h->changes; i++) {
        z->changes[i] = read_be64(p + 8 * i);
        z->change_kind[i] = (uint8_t)p[8 * h->changes + i];
        if (z->change_kind[i] >= h->kinds || (i > 0 && z->changes[i] <= z->changes[i - 1]))
            return false;
    }
    return true;
}

static bool read_kinds(const char *p, const struct tzif_header *h, struct zone *z)
{
    char *names = mem_alloc(h->name_bytes + 1);
    memcpy(names, p + h->kinds * KIND_SIZE, h->name_bytes);
    names[h->name_bytes] = '\0';
    z->kind_count = h->kinds;
    z->kinds = mem_alloc((h->kinds + 1) * sizeof *z->kinds);
    z->names = names;
    for (uint32_t i = 0; i < h->kinds; i++) {
        const char *kind = p + i * KIND_SIZE;
        uint8_t name = (uint8_t)kind[5];
        z->kinds[i] = (struct zone_kind){.offset = (int32_t)read_be32(kind), .name = names + name};
        if (name >= h->name_bytes || z->kinds[i].offset <= -86400 * 7 || z->kinds[i].offset >= 86400 * 7)
            return false;
    }
    return true;
}

/* "\nTZ string\n"; an empty string says nothing about the future. */
static bool read_footer(struct str data, struct zone *z)
{
    if (data.len < 2 || data.data[0] != '\n')
        return false;
    const char *end = memchr(data.data + 1, '\n', data.len - 1);
    if (!end)
        return false;
    struct str text = {data.data + 1, (size_t)(end - data.data - 1)};
    z->has_rule = text.len > 0;
    return text.len == 0 || zone_rule_parse(text, &z->rule);
}

bool zone_file_parse(struct str data, struct zone *out, const char **why)
{
    struct tzif_header h;
    *why = "not a TZif file of version 2 or later";
    if (!read_header(data, &h) || h.version < '2' || data.len - HEADER_SIZE < body_size(&h, 4))
        return false;
    data = skip(data, HEADER_SIZE + body_size(&h, 4));
    *why = "cut short";
    if (!read_header(data, &h) || data.len - HEADER_SIZE < body_size(&h, 8))
        return false;
    *why = "counts leap seconds, which timestamps do not";
    if (h.leaps > 0)
        return false;
    *why = "damaged";
    const char *body = data.data + HEADER_SIZE;
    return h.kinds > 0 && read_changes(body, &h, out) && read_kinds(body + 9 * (size_t)h.changes, &h, out) &&
           read_footer(skip(data, HEADER_SIZE + body_size(&h, 8)), out);
}
