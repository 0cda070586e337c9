/*
 * The module's door: opening and closing, and the table of functions that the engine finds by name.
 */
#include <stdlib.h>
#include <string.h>

#include "connectors/postgres/module/pg.h"

static enum pg_routing routing_of(const struct sink *s)
{
    const struct sink_common *common = s->component->sink_common;
    int write = pg_options(s)->write;
    bool is_dead_letters = s->component->input_count == 0; /* of no partition, over one connection */
    if (common->connections <= 1 || !common->ordered || write == POSTGRES_REPLACE || is_dead_letters)
        return PG_ROUTE_NONE;
    return write == POSTGRES_APPEND ? PG_ROUTE_PARTITION : PG_ROUTE_SHARD;
}

static struct pg_shared *make_shared(const struct sink *s)
{
    const struct sink_common *common = s->component->sink_common;
    struct pg_shared *shared = mem_zalloc(sizeof(*shared));
    pthread_mutex_init(&shared->lock, NULL);
    shared->connections = common->connections > 1 ? (uint32_t)common->connections : 1;
    shared->routing = routing_of(s);
    shared->no_positions = pg_options(s)->write == POSTGRES_REPLACE || common->exactly_once == EXACTLY_ONCE_FALSE;
    return shared;
}

static void pg_release(struct sink *s)
{
    struct pg_shared *shared = s->shared;
    if (!shared)
        return;
    pg_forget_epochs(shared);
    pthread_mutex_destroy(&shared->lock);
    arena_release(&shared->arena);
    free(shared);
    s->shared = NULL;
}

/* The first connection looks at the table, once: reconnecting changes nothing that is bound. */
static bool know_table(struct sink *s, struct error *err)
{
    struct pg_shared *shared = s->shared;
    const struct postgres_options *o = pg_options(s);
    if (shared->table_known)
        return pg_table_check(s, err);
    if (!pg_table_name(shared, o->table, err) || !pg_table_read(s, err))
        return false;
    if (!shared->table.exists && !o->create) {
        error_set(err, ERROR_STOP, "table %s does not exist in database \"%s\": create it, or set create = true",
                  o->table, PQdb(((struct pg_sink *)s->state)->conn));
        memcpy(err->sqlstate, "42P01", 6);
        return false;
    }
    shared->table_known = !shared->table.exists || pg_check_key(s, err);
    return shared->table_known;
}

static void pg_close(struct sink *s)
{
    struct pg_sink *pg = s->state;
    PQfinish(pg->conn);
    free(pg->written);
    free(pg->waiting);
    *pg = (struct pg_sink){0};
}

static bool pg_open(struct sink *s, struct error *err)
{
    if (!s->shared)
        s->shared = make_shared(s);
    if (pg_connect(s, err) && know_table(s, err))
        return true;
    pg_close(s);
    return false;
}

static bool compare(struct sink *s, struct binding *const *bindings, uint32_t count, struct error *err)
{
    const struct pg_shared *shared = s->shared;
    for (uint32_t i = 0; i < count && shared->table.exists; i++)
        if (!pg_bind(s, bindings[i], err))
            return false;
    return true;
}

static bool print_ddl(struct sink *s, struct binding *const *bindings, uint32_t count, struct buffer *ddl,
                      struct error *err)
{
    struct pg_shared names = {0};
    bool done = pg_table_name(&names, pg_options(s)->table, err);
    if (done && count) {
        done = pg_create_statement(s, bindings[0]->schema, names.table.quoted, ddl, err);
        buffer_printf(ddl, ";\n");
    }
    arena_release(&names.arena);
    return done;
}

/* The statement needs no server. */
static bool pg_probe(struct sink *s, struct binding *const *bindings, uint32_t count, struct buffer *ddl,
                     struct error *err)
{
    if (ddl)
        return print_ddl(s, bindings, count, ddl, err);
    if (!pg_open(s, err))
        return false;
    bool done = compare(s, bindings, count, err);
    pg_close(s);
    return done;
}

extern const struct sink_ops postgres_sink_ops;
const struct sink_ops postgres_sink_ops = {
    .state_size = sizeof(struct pg_sink),
    .open = pg_open,
    .close = pg_close,
    .release = pg_release,
    .load_positions = pg_load_positions,
    .store_positions = pg_store_positions,
    .acquire = pg_acquire,
    .forget_positions = pg_forget_positions,
    .bind = pg_bind,
    .encode = pg_encode,
    .write = pg_write,
    .prepare = pg_prepare,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .has = pg_has,
    .probe = pg_probe,
    .read_letters = pg_read_letters,
    .remove_letters = pg_remove_letters,
};
