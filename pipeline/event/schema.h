/*
 * What is known, when the plan is made, about the events that come along one edge of the graph, and which columns their slices
 * carry. A schema grows while the plan is bound: a consumer asks for a name and gets the index of the column that will hold it
 * (projection pushdown: a path nobody asks for is never decoded). After plan_finish it is const.
 *
 * Two sorts of events:
 *   closed: exactly the visible columns, in order (SELECT a, b; a source with declared columns).
 *   open:   a JSON object with members nobody listed. Its text is in slice.raw where `wants_raw` was set; visible columns
 *           replace members of their name in place, or come behind them; hidden names (EXCLUDE) are left out.
 */
#ifndef PIPE_SCHEMA_H
#define PIPE_SCHEMA_H

#include "pipeline/base/arena.h"
#include "pipeline/event/type.h"

enum meta_field {
    META_SOURCE, META_INPUT, META_FILE, META_LINE, META_TOPIC, META_PARTITION, META_OFFSET,
    META_KEY, META_TIMESTAMP, META_HEADERS, META_PROPERTIES, META_QOS, META_RETAIN, META_COUNT,
};
/* "source", "input", …; -1 for no such name */
int meta_field_find(struct str name);
const char *meta_field_name(enum meta_field f);
struct type meta_field_type(enum meta_field f);

/* A member of an event: parts "loc", "lat". Owned by the schema's arena. */
struct path {
    struct str *parts;
    uint32_t count;
};

enum column_origin {
    COLUMN_MEMBER,  /* decoded from the record at `path` */
    COLUMN_META,    /* meta.* of the record */
    COLUMN_DERIVED, /* made, or passed on, by the step that owns this schema */
};

struct column {
    struct str name; /* the output name */
    struct type type;
    bool visible;    /* part of the event; false: carried for a consumer that asked for it */
    enum column_origin origin;
    struct path path;     /* COLUMN_MEMBER */
    enum meta_field meta; /* COLUMN_META */
    bool declared;        /* from [sources.x.columns]: converted to `type` when decoded */
};

struct schema {
    struct arena *arena; /* the plan's */
    struct column *columns;
    uint32_t count, capacity;
    bool open;
    bool wants_raw;     /* somebody needs the whole event: slices carry raw[] */
    struct str *hidden; /* open: member names taken away */
    uint32_t hidden_count;
    /*
     * How the owner finds a path that is not among the columns yet: adds a column (passing the request up) and returns its index;
     * -1 where the event certainly has no such member. NULL: nothing beyond the columns (closed).
     */
    int (*request)(struct schema *s, const struct path *path);
    int (*request_meta)(struct schema *s, enum meta_field field);
    void (*request_raw)(struct schema *s);
    void *owner;
};

/* Appends a column and returns its index. */
uint32_t schema_add(struct schema *s, struct column c);
/* The visible column of that name, or -1. The last of equals wins. */
int schema_visible(const struct schema *s, struct str name);
/*
 * The column that holds the path, adding it where the owner can; -1: certainly no such member. A path into a visible column of type json
 * or jsonb is added as a member of it by the owner.
 */
int schema_find(struct schema *s, const struct path *path);
int schema_meta(struct schema *s, enum meta_field field);
/* Asks that slices carry the whole event (open schemas). */
void schema_want_raw(struct schema *s);
/* The visible names, for "did you mean": fills at most `most`, returns how many there are. NUL-terminated, arena-owned. */
uint32_t schema_names(const struct schema *s, const char **names, uint32_t most);

struct path path_copy(struct arena *a, const struct path *p);
bool path_eq(const struct path *a, const struct path *b);
/* "loc.lat" → parts at dots. For names written in configuration; SQL has its own quoting. */
struct path path_parse(struct arena *a, struct str text);

#endif
