/*
 * Compiling and searching.
 *
 * PCRE2 takes the first match it comes to, trying the alternatives in order; Postgres takes the longest one (or the
 * shortest, where the pattern prefers that) of those that start leftmost. Whether anything matches, and where the
 * leftmost match starts, is the same for both. Where the end may differ,
 *   1. pcre2_dfa_match, which follows all alternatives at once, finds the end that Postgres would choose;
 *   2. a second program, the same pattern with a callout at its end that turns back every match with another end,
 *      finds what the groups are in a match that ends there.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "pipeline/base/hash.h"
#include "pipeline/sql/regex.h"

enum {
    MATCH_LIMIT = 1000000,   /* steps back and forth before a text is given up */
    STACK_START = 32 * 1024, /* of the compiled patterns */
    STACK_MOST = 1024 * 1024,
    HEAP_MOST_KIB = 16 * 1024, /* where patterns are interpreted */
    DFA_WORKSPACE = 16 * 1024,
    CACHED = 64,
};

struct regex {
    pcre2_code *code;
    pcre2_code *ending; /* NULL where PCRE2 and Postgres find the same */
    bool shortest, compiled;
    uint32_t groups;
};

/* What a thread needs to search. */
struct searcher {
    pcre2_match_context *limits, *ending_limits;
    pcre2_match_data *found, *ends;
    uint32_t found_pairs;
    pcre2_jit_stack *stack;
    int *workspace;
    size_t wanted_end; /* what the callout lets pass */
    struct cached {
        struct str pattern;
        unsigned options;
        uint64_t hash;
        struct regex *regex;
        bool used; /* since the hand passed */
    } cache[CACHED];
    uint32_t hand;
};

/* ---- a thread's searcher -------------------------------------------------------------------------------------------
 */

static pthread_key_t searcher_key;
static pthread_once_t searcher_once = PTHREAD_ONCE_INIT;

static void searcher_free(void *object)
{
    struct searcher *s = object;
    for (uint32_t i = 0; i < CACHED; i++) {
        regex_free(s->cache[i].regex);
        free((char *)(uintptr_t)s->cache[i].pattern.data);
    }
    pcre2_match_context_free(s->limits);
    pcre2_match_context_free(s->ending_limits);
    pcre2_match_data_free(s->found);
    pcre2_match_data_free(s->ends);
    pcre2_jit_stack_free(s->stack);
    free(s->workspace);
    free(s);
}

/* The main thread's, which no destructor of a key sees. */
static void free_at_exit(void)
{
    void *s = pthread_getspecific(searcher_key);
    if (s)
        searcher_free(s);
    pthread_setspecific(searcher_key, NULL);
}

static void make_key(void)
{
    int failed = pthread_key_create(&searcher_key, searcher_free);
    assert(failed == 0);
    (void)failed;
    atexit(free_at_exit);
}

static int only_at_wanted_end(pcre2_callout_block *block, void *data)
{
    const struct searcher *s = data;
    return block->current_position == s->wanted_end ? 0 : 1;
}

static pcre2_match_context *new_limits(pcre2_jit_stack *stack)
{
    pcre2_match_context *m = pcre2_match_context_create(NULL);
    if (!m)
        abort();
    pcre2_set_match_limit(m, MATCH_LIMIT);
    pcre2_set_heap_limit(m, HEAP_MOST_KIB);
    pcre2_jit_stack_assign(m, NULL, stack);
    return m;
}

static struct searcher *searcher_of_thread(void)
{
    pthread_once(&searcher_once, make_key);
    struct searcher *s = pthread_getspecific(searcher_key);
    if (s)
        return s;
    s = mem_zalloc(sizeof(*s));
    s->stack = pcre2_jit_stack_create(STACK_START, STACK_MOST, NULL);
    s->limits = new_limits(s->stack);
    s->ending_limits = new_limits(s->stack);
    pcre2_set_callout(s->ending_limits, only_at_wanted_end, s);
    s->ends = pcre2_match_data_create(1, NULL);
    s->workspace = mem_alloc(DFA_WORKSPACE * sizeof(*s->workspace));
    if (!s->ends || pthread_setspecific(searcher_key, s) != 0)
        abort();
    return s;
}

/* Room for the offsets of so many groups. */
static pcre2_match_data *room_for(struct searcher *s, uint32_t groups)
{
    if (s->found_pairs < groups + 1) {
        pcre2_match_data_free(s->found);
        s->found_pairs = groups < 15 ? 16 : groups + 1;
        s->found = pcre2_match_data_create(s->found_pairs, NULL);
        if (!s->found)
            abort();
    }
    return s->found;
}

/* ---- compiling -----------------------------------------------------------------------------------------------------
 */

static pcre2_code *compile(struct str pattern, unsigned options, uint32_t more, struct error *err)
{
    uint32_t flags = PCRE2_UTF | PCRE2_UCP | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | more;
    if (options & REGEX_NOCASE)
        flags |= PCRE2_CASELESS;
    if (options & REGEX_LINE_ANCHORS)
        flags |= PCRE2_MULTILINE | PCRE2_ALT_CIRCUMFLEX;
    pcre2_compile_context *how = pcre2_compile_context_create(NULL);
    if (!how)
        abort();
    pcre2_set_newline(how, PCRE2_NEWLINE_LF);
    int code;
    PCRE2_SIZE at;
    pcre2_code *c = pcre2_compile((PCRE2_SPTR)(pattern.data ? pattern.data : ""), pattern.len, flags, &code, &at, how);
    pcre2_compile_context_free(how);
    if (!c) {
        char text[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
        regex_fail(err, "0A000", "this regular expression is not supported: %s", text);
    }
    return c;
}

static bool compile_both(struct regex *r, struct regex_translation *t, struct error *err)
{
    /* made possessive, a repetition would hide its shorter matches */
    uint32_t all_matches = t->ambiguous ? PCRE2_NO_AUTO_POSSESS : 0;
    r->code = compile((struct str){t->pattern.data, t->pattern.len}, t->options, all_matches, err);
    if (!r->code)
        return false;
    r->compiled = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
    if (!t->ambiguous)
        return true;
    struct buffer ending = {0};
    buffer_add_str(&ending, STR("(?:"));
    buffer_add(&ending, t->pattern.data, t->pattern.len);
    buffer_add_str(&ending, STR(")(?C1)"));
    r->ending = compile((struct str){ending.data, ending.len}, t->options, all_matches | PCRE2_ANCHORED, err);
    buffer_release(&ending);
    if (!r->ending)
        return false;
    pcre2_jit_compile(r->ending, PCRE2_JIT_COMPLETE);
    return true;
}

struct regex *regex_new(struct str pattern, unsigned options, struct error *err)
{
    struct regex_translation t;
    struct regex *r = NULL;
    if (regex_translate(pattern, options, &t, err)) {
        r = mem_zalloc(sizeof(*r));
        r->shortest = t.shortest;
        r->groups = t.groups;
        if (!compile_both(r, &t, err)) {
            regex_free(r);
            r = NULL;
        }
    }
    buffer_release(&t.pattern);
    return r;
}

void regex_free(void *regex)
{
    struct regex *r = regex;
    if (!r)
        return;
    pcre2_code_free(r->code);
    pcre2_code_free(r->ending);
    free(r);
}

uint32_t regex_groups(const struct regex *r)
{
    return r->groups;
}

/* Replacement by second chance: the hand passes over what was used since it last came by. */
const struct regex *regex_cached(struct str pattern, unsigned options, struct error *err)
{
    struct searcher *s = searcher_of_thread();
    uint64_t hash = hash64(pattern.data, pattern.len, options);
    for (uint32_t i = 0; i < CACHED; i++) {
        struct cached *c = &s->cache[i];
        if (c->regex && c->hash == hash && c->options == options && str_eq(c->pattern, pattern)) {
            c->used = true;
            return c->regex;
        }
    }
    struct regex *r = regex_new(pattern, options, err);
    if (!r)
        return NULL;
    while (s->cache[s->hand].used) {
        s->cache[s->hand].used = false;
        s->hand = (s->hand + 1) % CACHED;
    }
    struct cached *c = &s->cache[s->hand];
    s->hand = (s->hand + 1) % CACHED;
    regex_free(c->regex);
    free((char *)(uintptr_t)c->pattern.data);
    char *copy = mem_alloc(pattern.len + 1);
    if (pattern.len)
        memcpy(copy, pattern.data, pattern.len);
    *c = (struct cached){.pattern = {copy, pattern.len}, .options = options, .hash = hash, .regex = r};
    return r;
}

/* ---- searching -----------------------------------------------------------------------------------------------------
 */

static enum regex_result failed(int code, struct error *err)
{
    char text[160];
    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_JIT_STACKLIMIT || code == PCRE2_ERROR_HEAPLIMIT) {
        regex_fail(err, "2201B",
                   "regular expression failed: it tries too many ways to match this text; nested repetitions such as "
                   "(a+)+ cause this");
        return REGEX_FAILED;
    }
    pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
    regex_fail(err, "2201B", "regular expression failed: %s", text);
    return REGEX_FAILED;
}

static int run(const struct regex *r, struct searcher *s, struct str text, size_t from)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.data ? text.data : "");
    if (r->compiled)
        return pcre2_jit_match(r->code, subject, text.len, from, 0, s->found, s->limits);
    return pcre2_match(r->code, subject, text.len, from, PCRE2_NO_UTF_CHECK, s->found, s->limits);
}

enum regex_result regex_test(const struct regex *r, struct str text, struct error *err)
{
    struct searcher *s = searcher_of_thread();
    room_for(s, 0);
    int code = run(r, s, text, 0);
    return code >= 0 ? REGEX_YES : code == PCRE2_ERROR_NOMATCH ? REGEX_NO : failed(code, err);
}

/* The end that Postgres chooses for a match that starts there. Where PCRE2 cannot say, its own choice stays. */
static size_t preferred_end(const struct regex *r, struct searcher *s, struct str text, size_t start, size_t end)
{
    if (end == (r->shortest ? start : text.len))
        return end;
    uint32_t flags = PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK | (r->shortest ? PCRE2_DFA_SHORTEST : 0);
    int code = pcre2_dfa_match(r->code, (PCRE2_SPTR)text.data, text.len, start, flags, s->ends, s->limits, s->workspace,
                               DFA_WORKSPACE);
    return code >= 0 ? pcre2_get_ovector_pointer(s->ends)[1] : end;
}

enum regex_result regex_search(const struct regex *r, struct str text, size_t from, const size_t **found,
                               struct error *err)
{
    struct searcher *s = searcher_of_thread();
    size_t *offsets = pcre2_get_ovector_pointer(room_for(s, r->groups));
    *found = offsets;
    int code = run(r, s, text, from);
    if (code < 0)
        return code == PCRE2_ERROR_NOMATCH ? REGEX_NO : failed(code, err);
    if (r->ending) {
        size_t start = offsets[0], end = offsets[1];
        s->wanted_end = preferred_end(r, s, text, start, end);
        if (s->wanted_end != end) {
            code = pcre2_match(r->ending, (PCRE2_SPTR)text.data, text.len, start, PCRE2_NO_UTF_CHECK, s->found,
                               s->ending_limits);
            if (code < 0)
                return failed(code, err);
        }
    }
    for (uint32_t i = code ? (uint32_t)code : s->found_pairs; i <= r->groups; i++)
        offsets[2 * i] = offsets[2 * i + 1] = SIZE_MAX;
    return REGEX_YES;
}
