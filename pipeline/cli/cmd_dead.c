#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/cli/command.h"
#include "pipeline/cli/letters.h"
#include "pipeline/cli/retry.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/state.h"

struct dead_args {
    struct config_args config;
    bool all;
};

static const struct arg dead_arguments[] = {
    CONFIG_ARGS(struct dead_args, config),
    ARG(FLAG, struct dead_args, all, "all", .doc = "Every letter, instead of one."),
    ARG_END,
};

enum { ID_SHOWN = 12, REASON_SHOWN = 72 };

/* What one action works on. */
struct dead_work {
    const struct dead_args *args;
    const struct config *cfg;
    const char *wanted; /* an id or how it begins; NULL: all */
    struct letters letters;
    struct arena *arena;
};

static bool is_wanted(const struct dead_work *w, const struct letter *l)
{
    return !w->wanted || strncmp(l->id, w->wanted, strlen(w->wanted)) == 0;
}

static int failed(const struct error *err)
{
    fprintf(stderr, "pipe: %s\n", err->text);
    return EXIT_FAILED;
}

/* ---- looking -------------------------------------------------------------------------------------------------------
 */

/* At most `most` characters, in one line. */
static const char *shortened(const char *text, size_t most, struct arena *arena)
{
    size_t at = 0, characters = 0;
    for (; text[at] && text[at] != '\n' && characters <= most; at++)
        characters += (text[at + 1] & 0xc0) != 0x80;
    if (!text[at] && characters <= most)
        return text;
    while (at > 0 && (characters >= most || (text[at] & 0xc0) == 0x80))
        characters -= (text[--at] & 0xc0) != 0x80;
    return arena_printf(arena, "%.*s…", (int)at, text);
}

static int list(struct dead_work *w)
{
    struct buffer out = {0};
    if (w->letters.count)
        buffer_printf(&out, "%-*s  %-27s  %-16s  %-28s  %s\n", ID_SHOWN, "ID", "TIME", "COMPONENT", "POSITION",
                      "REASON");
    for (uint32_t i = 0; i < w->letters.count; i++) {
        const struct letter *l = &w->letters.items[i];
        buffer_printf(&out, "%-*.*s  %-27.27s  %-16s  %-28s  %s\n", ID_SHOWN, ID_SHOWN, l->id, l->time, l->component,
                      letter_text(l, DEAD_POSITION, w->arena),
                      shortened(letter_text(l, DEAD_REASON, w->arena), REASON_SHOWN, w->arena));
    }
    fprintf(stderr, "%u dead letter%s in %s\n", w->letters.count, w->letters.count == 1 ? "" : "s", w->letters.place);
    return command_output(&out);
}

static int show(struct dead_work *w)
{
    struct buffer out = {0};
    for (uint32_t i = 0; i < w->letters.count; i++) {
        const struct letter *l = &w->letters.items[i];
        if (!is_wanted(w, l))
            continue;
        if (out.len)
            buffer_add_byte(&out, '\n');
        for (int c = 0; c < DEAD_COLUMNS; c++) {
            const char *text = letter_text(l, (enum dead_column)c, w->arena);
            if (*text)
                buffer_printf(&out, "%-15s %s\n", dead_column_name((enum dead_column)c), text);
        }
    }
    return command_output(&out);
}

/* ---- changing ------------------------------------------------------------------------------------------------------
 */

static int drop(struct dead_work *w)
{
    struct error err;
    bool *gone = arena_array(w->arena, bool, w->letters.count + 1);
    uint32_t dropped = 0, newer = 0;
    for (uint32_t i = 0; i < w->letters.count; i++) {
        gone[i] = is_wanted(w, &w->letters.items[i]);
        dropped += gone[i];
    }
    if (dropped && !letters_remove(&w->letters, gone, &newer, &err))
        return failed(&err);
    fprintf(stderr, "%u dropped, %u left\n", dropped, w->letters.count - dropped + newer);
    return EXIT_COMPLETE;
}

/* ---- trying again --------------------------------------------------------------------------------------------------- */

/* Under write = "replace" the rows of a few letters would replace all the others. */
static bool refuse_replace(const struct config *cfg, struct error *err)
{
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        if (c->kind == COMPONENT_SINK && c->sink->one_commit && c->sink->one_commit(c))
            return error_set(err, ERROR_STOP, "sink %s replaces its table at every run: mend the cause and run the pipeline again", c->name);
    }
    return true;
}

/* Runs the chosen letters through the pipeline. */
static int run_letters(struct dead_work *w, struct retry *r)
{
    struct problems problems = {.arena = w->arena};
    struct error err = {0};
    int signal_fd = command_take_signals();
    struct engine_options options = {.signal_fd = signal_fd};
    struct engine *e = engine_new(retry_config(w->cfg, r, w->arena), &clock_system);
    enum outcome outcome = engine_run(e, &options, &problems, &err);
    engine_free(e);
    close(signal_fd);
    if (problems.errors) {
        command_print_problems(&problems, 0);
        return EXIT_CONFIG;
    }
    if (outcome == OUTCOME_FAILED)
        return failed(&err);
    return outcome == OUTCOME_COMPLETE ? EXIT_COMPLETE : EXIT_STOPPED_EARLY;
}

/* Takes out the letters that are settled; one that died again has been written since, under the same id, and stays. */
static bool drop_settled(const struct dead_work *w, const struct retry *r, uint32_t *again, struct error *err)
{
    struct state *state = state_open(w->cfg->pipeline.state_dir, err);
    bool ok = state && letters_remove(&w->letters, r->settled, again, err);
    state_close(state);
    return ok;
}

static int retry(struct dead_work *w)
{
    struct error err;
    uint32_t n = w->letters.count, chosen = 0, settled = 0, refused = 0, again = 0;
    if (!refuse_replace(w->cfg, &err))
        return failed(&err);
    bool *choice = arena_array(w->arena, bool, n + 1);
    struct retry r = {.letters = &w->letters, .chosen = choice, .settled = mem_zalloc(n + 1), .refused = mem_zalloc((n + 1) * sizeof(char *))};
    for (uint32_t i = 0; i < n; i++)
        chosen += choice[i] = is_wanted(w, &w->letters.items[i]);
    int code = chosen ? run_letters(w, &r) : EXIT_COMPLETE;
    for (uint32_t i = 0; i < n; i++)
        settled += r.settled[i];
    if (settled && !drop_settled(w, &r, &again, &err))
        code = failed(&err);
    for (uint32_t i = 0; i < n; i++)
        if (r.refused[i]) {
            fprintf(stderr, "%.*s cannot be tried again: %s\n", ID_SHOWN, w->letters.items[i].id, r.refused[i]);
            free((char *)r.refused[i]);
            refused++;
        }
    if (code == EXIT_COMPLETE || code == EXIT_STOPPED_EARLY)
        fprintf(stderr, "%u of %u tried again: %u are through, %u dead again\n", settled, chosen, settled - (again < settled ? again : settled), again);
    free(r.settled);
    free(r.refused);
    return code == EXIT_COMPLETE && (again || refused) ? EXIT_DEAD_LETTERS : code;
}

static const struct action {
    const char *name;
    bool selects; /* takes an ID, or --all */
    bool changes; /* only while no pipeline runs */
    int (*run)(struct dead_work *w);
} actions[] = {
    {"list", false, false, list},
    {"show", true, false, show},
    {"retry", true, false, retry}, /* the engine takes the state_dir itself */
    {"drop", true, true, drop},
};

static const struct action *action_find(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

/* An id that fits none or several letters is an error before anything is done. */
static bool is_one(const struct dead_work *w, struct error *err)
{
    uint32_t at, found = w->wanted ? letters_find(&w->letters, w->wanted, &at) : 1;
    if (found == 1)
        return true;
    if (found == 0)
        return error_set(err, ERROR_STOP, "there is no dead letter %s in %s", w->wanted, w->letters.place);
    return error_set(err, ERROR_STOP, "%u dead letters begin with %s: give more of the id", found, w->wanted);
}

static int act(const struct action *a, struct dead_work *w)
{
    struct error err;
    struct state *state = NULL;
    if (a->changes && !(state = state_open(w->cfg->pipeline.state_dir, &err)))
        return failed(&err);
    int code;
    if (letters_read(w->cfg, w->arena, &w->letters, &err) && is_one(w, &err))
        code = a->run(w);
    else
        code = failed(&err);
    state_close(state);
    return code;
}

static int dead(const struct command *c, const void *given, const struct text_list *operands)
{
    const struct dead_args *args = given;
    const struct action *a = operands->count ? action_find(operands->items[0]) : NULL;
    if (!a)
        return usage_error(c, "dead takes one of list, show, retry, drop");
    bool needs_id = a->selects && !args->all;
    uint32_t rest = operands->count - 1;
    if (needs_id && (rest == 0 || !*operands->items[rest])) /* "" would be how every id begins */
        return usage_error(c, "dead %s takes an ID, or --all", a->name);
    if (rest > (needs_id ? 2 : 1))
        return usage_error(c, "dead %s takes %s", a->name, needs_id ? "a file and an ID" : "a file");
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    struct text_list file = {&operands->items[1], rest - (needs_id ? 1 : 0)};
    struct dead_work w = {
        .args = args, .wanted = needs_id ? operands->items[operands->count - 1] : NULL, .arena = &arena};
    w.cfg = command_load(&args->config, &file, &arena, &problems);
    int code = w.cfg ? act(a, &w) : EXIT_CONFIG;
    arena_release(&arena);
    return code;
}

const struct command command_dead = {
    .name = "dead",
    .summary = "Look at the dead letters, try them again, drop them.",
    .usage = "list|show|retry|drop [FILE] [ID|--all]",
    .doc = "Works on the dead letters of a pipeline: an NDJSON file (by default dead-letters.ndjson in its state_dir), or the table "
           "of a [dead_letter] of type sqlite or postgres, in which it sees those of its own pipeline only. An ID may be cut short.\n"
           "retry decodes each record again and runs it through the pipeline as it is configured now, but only to the sinks below the "
           "component that had failed; what gets through is taken out, what dies again stays.\n"
           "list and show also work while the pipeline runs.",
    .args = dead_arguments,
    .args_size = sizeof(struct dead_args),
    .most_operands = 3,
    .run = dead,
};
