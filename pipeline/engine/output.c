#include "pipeline/engine/output.h"

#include <stdlib.h>

#include "pipeline/base/arena.h"
#include "pipeline/base/hash.h"
#include "pipeline/event/batch.h"

static struct piece *find_piece(struct output *o, struct str target, uint64_t hash)
{
    /* Neighbouring rows mostly go to the same target: look at the newest first. */
    for (uint32_t i = o->piece_count; i-- > 0;)
        if (o->pieces[i].target_hash == hash && str_eq(o->pieces[i].target, target))
            return &o->pieces[i];
    return NULL;
}

struct piece *output_piece(struct output *o, struct str target)
{
    uint64_t hash = hash64(target.data, target.len, 0);
    struct piece *found = find_piece(o, target, hash);
    if (found)
        return found;
    if (o->piece_count == o->piece_capacity) {
        o->piece_capacity = o->piece_capacity ? o->piece_capacity * 2 : 1;
        o->pieces = mem_realloc(o->pieces, o->piece_capacity * sizeof(*o->pieces));
    }
    struct piece *p = &o->pieces[o->piece_count++];
    char *copy = mem_alloc(target.len + 1);
    if (target.len)
        memcpy(copy, target.data, target.len);
    copy[target.len] = '\0';
    *p = (struct piece){.target = {copy, target.len}, .target_hash = hash};
    return p;
}

void piece_reserve_rows(struct piece *p, uint32_t rows)
{
    if (p->row_capacity - p->rows >= rows)
        return;
    uint32_t capacity = p->row_capacity * 2 > p->rows + rows ? p->row_capacity * 2 : p->rows + rows;
    p->row_end = mem_realloc(p->row_end, capacity * sizeof(*p->row_end));
    p->row_record = mem_realloc(p->row_record, capacity * sizeof(*p->row_record));
    p->row_capacity = capacity;
}

static void piece_release(struct piece *p)
{
    free((char *)p->target.data);
    buffer_release(&p->bytes);
    free(p->row_end);
    free(p->row_record);
    free(p->extra);
}

static bool covers_span(const struct batch *b, const struct span *s, uint32_t first, uint32_t end)
{
    if (s->count)
        return s->from < end && s->from + s->count > first;
    return s->from >= first && (s->from < end || end == b->record_count);
}

void output_cover(struct output *o, uint32_t first, uint32_t end)
{
    const struct batch *b = o->batch;
    o->first_record = first;
    o->record_count = end - first;
    uint32_t at = 0;
    while (at < b->span_count && !covers_span(b, &b->spans[at], first, end))
        at++;
    o->first_span = at;
    while (at < b->span_count && covers_span(b, &b->spans[at], first, end))
        at++;
    o->span_count = at - o->first_span;
    if (o->span_count == 0)
        return;
    const struct span *head = &b->spans[o->first_span], *tail = &b->spans[at - 1];
    o->begins = head->from < first ? batch_restart_before(b, first) : head->first;
    o->ends = tail->from + tail->count > end ? batch_restart_before(b, end) : tail->next;
}

struct span output_span(const struct output *o, uint32_t i)
{
    struct span s = o->batch->spans[o->first_span + i];
    if (i == 0)
        s.first = o->begins;
    if (i == o->span_count - 1)
        s.next = o->ends;
    return s;
}

size_t output_measure(const struct output *o)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < o->piece_count; i++) {
        const struct piece *p = &o->pieces[i];
        bytes += sizeof(*p) + p->target.len + p->bytes.capacity + p->row_capacity * 2 * sizeof(uint32_t);
    }
    return bytes;
}

void output_truncate(struct output *o, uint32_t count)
{
    while (o->piece_count > count)
        piece_release(&o->pieces[--o->piece_count]);
}

void output_trim(struct output *o)
{
    for (uint32_t i = 0; i < o->piece_count; i++) {
        struct piece *p = &o->pieces[i];
        buffer_trim(&p->bytes);
        if (p->row_capacity > p->rows + 1) {
            p->row_capacity = p->rows + 1;
            p->row_end = mem_realloc(p->row_end, p->row_capacity * sizeof(*p->row_end));
            p->row_record = mem_realloc(p->row_record, p->row_capacity * sizeof(*p->row_record));
        }
    }
}

void output_free_pieces(struct output *o)
{
    output_truncate(o, 0);
    free(o->pieces);
    o->pieces = NULL;
    o->piece_capacity = 0;
}

void output_free(struct output *o)
{
    if (!o)
        return;
    output_free_pieces(o);
    for (uint32_t i = 0; i < o->rejection_count; i++)
        free(o->rejections[i].text);
    free(o->rejections);
    free(o->letters);
    batch_unref(o->batch);
    free(o);
}

/* Rejections are rare and short: spinning is enough. */
static void lock_rejections(struct output *o)
{
    while (atomic_flag_test_and_set_explicit(&o->rejecting, memory_order_acquire))
        ;
}

static void unlock_rejections(struct output *o)
{
    atomic_flag_clear_explicit(&o->rejecting, memory_order_release);
}

static bool is_rejected(const struct output *o, uint32_t record)
{
    for (uint32_t i = 0; i < o->rejection_count; i++)
        if (o->rejections[i].record == record)
            return true;
    return false;
}

bool output_is_rejected(struct output *o, uint32_t record)
{
    if (o->rejection_count == 0)
        return false;
    lock_rejections(o);
    bool rejected = is_rejected(o, record);
    unlock_rejections(o);
    return rejected;
}

static void add_rejection(struct output *o, uint32_t connection, uint32_t record, const struct error *why)
{
    if (o->rejection_count == o->rejection_capacity) {
        o->rejection_capacity = o->rejection_capacity ? o->rejection_capacity * 2 : 4;
        o->rejections = mem_realloc(o->rejections, o->rejection_capacity * sizeof(*o->rejections));
    }
    struct sink_rejection *r = &o->rejections[o->rejection_count++];
    *r = (struct sink_rejection){.record = record, .connection = connection, .text = mem_strdup(why->text)};
    memcpy(r->sqlstate, why->sqlstate, sizeof(r->sqlstate));
}

void output_reject_by(struct output *o, uint32_t connection, uint32_t record, const struct error *why)
{
    lock_rejections(o);
    if (!is_rejected(o, record))
        add_rejection(o, connection, record, why);
    unlock_rejections(o);
}

void output_reject(struct output *o, uint32_t record, const struct error *why)
{
    output_reject_by(o, 0, record, why);
}

void output_forgive(struct output *o, uint32_t connection)
{
    lock_rejections(o);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < o->rejection_count; i++) {
        if (o->rejections[i].connection == connection)
            free(o->rejections[i].text);
        else
            o->rejections[kept++] = o->rejections[i];
    }
    o->rejection_count = kept;
    unlock_rejections(o);
}

uint32_t output_rejections_of(struct output *o, uint32_t connection, struct sink_rejection **out)
{
    *out = NULL;
    if (o->rejection_count == 0)
        return 0;
    lock_rejections(o);
    uint32_t count = 0;
    *out = mem_alloc(o->rejection_count * sizeof(**out));
    for (uint32_t i = 0; i < o->rejection_count; i++)
        if (o->rejections[i].connection == connection)
            (*out)[count++] = o->rejections[i];
    unlock_rejections(o);
    return count;
}

static bool has_letter(const struct output *o, uint32_t record)
{
    for (uint32_t i = 0; i < o->letter_count; i++)
        if (o->letters[i] == record)
            return true;
    return false;
}

bool output_take_letter(struct output *o, uint32_t record)
{
    lock_rejections(o);
    bool needed = !has_letter(o, record);
    if (needed && o->letter_count == o->letter_capacity) {
        o->letter_capacity = o->letter_capacity ? o->letter_capacity * 2 : 4;
        o->letters = mem_realloc(o->letters, o->letter_capacity * sizeof(*o->letters));
    }
    if (needed)
        o->letters[o->letter_count++] = record;
    unlock_rejections(o);
    return needed;
}
