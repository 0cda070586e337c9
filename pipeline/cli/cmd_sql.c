#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/log.h"
#include "pipeline/cli/command.h"
#include "pipeline/cli/rows.h"
#include "pipeline/cli/sql_config.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/unseen.h"
#include "pipeline/sql/sql.h"

struct sql_args {
    const char *from, *to, *delimiter, *null, *timezone, *names;
    struct text_list types, sets;
    int64_t rejected;
    bool no_header;
};

enum { REJECTED_SHOWN = 5 };

static const struct arg sql_arguments[] = {
    ARG(TEXT, struct sql_args, from, "from", .value = "FORMAT", .doc = "What is read: json, csv, tsv or text (default: by the file's name, else json)."),
    ARG(TEXT, struct sql_args, to, "to", .value = "FORMAT",
        .doc = "What is written: json, csv, tsv or table (default: table on a terminal, csv for csv, else json)."),
    ARG(LIST, struct sql_args, types, "type", .value = "NAME=TYPE", .doc = "Type of a member, converted when read; may be repeated."),
    ARG(TEXT, struct sql_args, names, "names", .value = "A,B,C", .doc = "Names of the CSV input's columns: it has no header line."),
    ARG(FLAG, struct sql_args, no_header, "no-header", .doc = "Write CSV without a header line."),
    ARG(TEXT, struct sql_args, delimiter, "delimiter", .value = "C", .doc = "The character between two fields of CSV, read and written."),
    ARG(TEXT, struct sql_args, null, "null", .value = "TEXT", .doc = "The text that stands for NULL in CSV and tables."),
    ARG(INTEGER, struct sql_args, rejected, "rejected", .value = "N", .doc = "Show the first N rejected records (default 5)."),
    ARG(TEXT, struct sql_args, timezone, "timezone", .value = "ZONE", .doc = "Time zone of the query (default UTC)."),
    ARG(LIST, struct sql_args, sets, "set", .value = "A.B=C",
        .doc = "Set an option of the pipeline behind it, as in --set sources.input.max_record=16MiB."),
    ARG_END,
};

enum layout { OUTPUT_JSON, OUTPUT_CSV, OUTPUT_TABLE };

struct session {
    const struct command *command;
    const struct sql_args *args;
    struct arena *arena;
    struct sql_pipeline pipeline;
    struct sql_input inputs[3]; /* one per format */
    struct sql_outline outline;
    bool guessed; /* no --from, and no name to tell the format by */
    enum layout output;
    struct rows rows;
    struct rejected rejected;
};

/* ---- what is read ------------------------------------------------------------------------------------------------ */

static bool ends_with(struct str name, const char *end)
{
    size_t n = strlen(end);
    return name.len > n && str_eq_nocase((struct str){name.data + name.len - n, n}, (struct str){end, n});
}

static struct str without_compression(struct str name)
{
    static const char *const endings[] = {".gz", ".zst", ".zstd"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(name, endings[i]))
            return (struct str){name.data, name.len - strlen(endings[i])};
    return name;
}

struct file_format {
    const char *name; /* of --from, and of files */
    enum sql_format format;
    const char *delimiter;
};
static const struct file_format file_formats[] = {
    {"json", SQL_JSON, NULL}, {"ndjson", SQL_JSON, NULL}, {"jsonl", SQL_JSON, NULL}, {"csv", SQL_CSV, NULL},
    {"tsv", SQL_CSV, "\t"},   {"text", SQL_TEXT, NULL},   {"txt", SQL_TEXT, NULL},   {"log", SQL_TEXT, NULL},
};
enum { FILE_FORMATS = sizeof(file_formats) / sizeof(*file_formats) };

static const struct file_format *format_named(const char *name)
{
    for (size_t i = 0; i < FILE_FORMATS; i++)
        if (strcmp(file_formats[i].name, name) == 0)
            return &file_formats[i];
    return NULL;
}

static const struct file_format *format_of_file(struct session *s, const char *path)
{
    if (s->args->from)
        return format_named(s->args->from);
    struct str name = without_compression(str_of(path));
    for (size_t i = 0; i < FILE_FORMATS; i++)
        if (ends_with(name, arena_printf(s->arena, ".%s", file_formats[i].name)))
            return &file_formats[i];
    s->guessed = true;
    return &file_formats[0];
}

static struct sql_input *input_of(struct session *s, const struct file_format *f)
{
    const char *delimiter = s->args->delimiter ? s->args->delimiter : f->delimiter;
    for (uint32_t i = 0; i < s->pipeline.input_count; i++)
        if (s->inputs[i].format == f->format)
            return &s->inputs[i];
    s->inputs[s->pipeline.input_count] = (struct sql_input){.format = f->format, .delimiter = delimiter};
    return &s->inputs[s->pipeline.input_count++];
}

static int cannot_read(const char *path, const char *why)
{
    fprintf(stderr, "pipe: cannot read %s: %s\n", path, why);
    return EXIT_FAILED;
}

/* What cannot be read twice (a fifo, a <(command) of the shell) is read as standard input. */
static int take_as_stdin(struct session *s, const char *path, uint32_t count)
{
    if (count > 1)
        return usage_error(s->command, "%s is no regular file, and can only be read alone; use cat to put several together", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
        return cannot_read(path, strerror(errno));
    close(fd);
    input_of(s, format_of_file(s, path));
    return EXIT_COMPLETE;
}

static int add_file(struct session *s, const char *path, uint32_t count)
{
    struct stat st;
    if (strcmp(path, "-") == 0) {
        if (count > 1)
            return usage_error(s->command, "- (standard input) can only be read alone; use cat to put several together");
        input_of(s, format_of_file(s, path));
        return EXIT_COMPLETE;
    }
    if (stat(path, &st) < 0 || (S_ISREG(st.st_mode) && access(path, R_OK) < 0))
        return cannot_read(path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return cannot_read(path, "it is a directory");
    if (!S_ISREG(st.st_mode))
        return take_as_stdin(s, path, count);
    struct sql_input *in = input_of(s, format_of_file(s, path));
    if (!in->paths.items)
        in->paths.items = arena_array(s->arena, const char *, count);
    in->paths.items[in->paths.count++] = path;
    return EXIT_COMPLETE;
}

static int choose_inputs(struct session *s, const struct text_list *operands)
{
    uint32_t files = operands->count - 1;
    s->pipeline.inputs = s->inputs;
    if (files == 0 && !s->outline.has_from)
        return EXIT_COMPLETE;
    if (files == 0) {
        if (isatty(STDIN_FILENO))
            return usage_error(s->command, "nothing to read: name files, or send data to standard input");
        input_of(s, format_of_file(s, "-"));
        return EXIT_COMPLETE;
    }
    int code = EXIT_COMPLETE;
    for (uint32_t i = 1; i <= files && code == EXIT_COMPLETE; i++)
        code = add_file(s, operands->items[i], files);
    return code;
}

/* ---- what is written --------------------------------------------------------------------------------------------- */

static int choose_output(struct session *s)
{
    const struct sql_args *a = s->args;
    bool from_csv = s->pipeline.input_count && s->inputs[0].format == SQL_CSV;
    const char *to = a->to ? a->to : isatty(STDOUT_FILENO) ? "table" : from_csv ? "csv" : "json";
    bool tsv = strcmp(to, "tsv") == 0;
    if (!tsv && strcmp(to, "json") != 0 && strcmp(to, "csv") != 0 && strcmp(to, "table") != 0)
        return usage_error(s->command, "--to is json, csv, tsv or table, not \"%s\"", to);
    s->output = strcmp(to, "table") == 0 ? OUTPUT_TABLE : strcmp(to, "json") == 0 ? OUTPUT_JSON : OUTPUT_CSV;
    s->pipeline.to = s->output == OUTPUT_CSV ? SQL_CSV : SQL_JSON;
    s->pipeline.to_delimiter = a->delimiter ? a->delimiter : tsv ? "\t" : from_csv ? s->inputs[0].delimiter : NULL;
    return EXIT_COMPLETE;
}

static void split_names(struct session *s, const char *names)
{
    char *copy = arena_strdup(s->arena, names), *rest;
    struct text_list *list = &s->pipeline.names;
    list->items = arena_array(s->arena, const char *, strlen(names) + 1);
    for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        list->items[list->count++] = name;
}

static int check_args(struct session *s)
{
    const struct sql_args *a = s->args;
    if (a->from && !format_named(a->from))
        return usage_error(s->command, "--from is json, csv, tsv or text, not \"%s\"", a->from);
    for (uint32_t i = 0; i < a->types.count; i++)
        if (!strchr(a->types.items[i], '='))
            return usage_error(s->command, "--type takes NAME=TYPE, as in --type temp=numeric");
    if (a->names)
        split_names(s, a->names);
    s->pipeline.timezone = a->timezone;
    s->pipeline.types = a->types;
    s->pipeline.sets = a->sets;
    s->pipeline.null = a->null;
    s->pipeline.no_header = a->no_header;
    return EXIT_COMPLETE;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void replace_sink(struct component *c, const struct config *cfg, const struct sink_type *type, void *options)
{
    c->config = cfg;
    c->sink = type;
    c->options = options;
}

/* Rejected records are shown, not stored; rows that are no plain JSON or CSV are laid out. */
static const struct config *with_own_sinks(struct session *s, const struct config *cfg)
{
    struct config *copy = arena_new(s->arena, struct config);
    *copy = *cfg;
    copy->components = arena_array(s->arena, struct component, cfg->count);
    memcpy(copy->components, cfg->components, cfg->count * sizeof(struct component));
    copy->dead_letter = arena_new(s->arena, struct component);
    *copy->dead_letter = *cfg->dead_letter;
    replace_sink(copy->dead_letter, copy, &rejected_sink_type, &s->rejected);
    if (s->output == OUTPUT_JSON || (s->output == OUTPUT_CSV && !s->outline.has_star))
        return copy;
    rows_init(&s->rows, s->output == OUTPUT_TABLE ? ROWS_TABLE : ROWS_CSV);
    s->rows.header = !s->args->no_header;
    s->rows.null = s->args->null ? s->args->null : "";
    s->rows.delimiter = s->pipeline.to_delimiter ? s->pipeline.to_delimiter[0] : ',';
    for (uint32_t i = 0; i < copy->count; i++)
        if (copy->components[i].kind == COMPONENT_SINK) {
            struct sink_common *common = arena_new(s->arena, struct sink_common);
            *common = *copy->components[i].sink_common;
            common->format = 0; /* what open events come as: formats[0] is json */
            copy->components[i].sink_common = common;
            replace_sink(&copy->components[i], copy, &rows_sink_type, &s->rows);
        }
    return copy;
}

static void print_rejected(struct session *s, uint64_t read)
{
    struct rejected *r = &s->rejected;
    if (r->count == 0)
        return;
    fprintf(stderr, "%s", buffer_cstr(&r->text));
    if (r->count > r->most)
        fprintf(stderr, "… and %" PRIu64 " more\n", r->count - r->most);
    fprintf(stderr, "pipe sql: %" PRIu64 " of %" PRIu64 " records rejected\n", r->count, read);
    if (s->guessed && !r->other && r->count == read)
        fprintf(stderr, "    the input was taken for json; --from csv or --from text reads it as that\n");
}

static uint64_t records_read(const struct engine *e)
{
    uint64_t read = 0;
    for (uint32_t i = 0; i < e->stats->source_count; i++)
        read += counter_get(&e->stats->sources[i].read);
    return read;
}

static void print_unseen(void *arg, const char *member, const char *nearest)
{
    (void)arg;
    bool near = nearest != NULL;
    fprintf(stderr, "pipe sql: no record had \"%s\", which is NULL then%s%s%s\n", member, near ? ": did you mean \"" : "", near ? nearest : "", near ? "\"?" : "");
}

static int conclude(struct session *s, const struct engine *e, enum outcome outcome, struct error *err)
{
    uint64_t read = records_read(e);
    bool written = !s->rows.null || rows_finish(&s->rows, outcome == OUTCOME_FAILED ? &(struct error){0} : err);
    print_rejected(s, read);
    for (uint32_t i = 0; e->plan && i < e->plan->route_count; i++)
        unseen_each(e->plan->routes[i].unseen, print_unseen, NULL);
    if (outcome == OUTCOME_FAILED || outcome == OUTCOME_RESTART || !written) {
        fprintf(stderr, "pipe sql: %s\n", err->text);
        return EXIT_FAILED;
    }
    if (outcome == OUTCOME_STOPPED)
        return EXIT_STOPPED_EARLY;
    return s->rejected.count ? EXIT_DEAD_LETTERS : EXIT_COMPLETE;
}

static int run_session(struct session *s)
{
    struct problems problems = {0};
    const struct config *cfg = sql_config_load(&s->pipeline, s->arena, &problems);
    if (!cfg)
        return EXIT_CONFIG;
    cfg = with_own_sinks(s, cfg);
    struct engine_options options = {.signal_fd = command_take_signals()};
    signal(SIGPIPE, SIG_DFL); /* `| head` ends it without a word, as any filter */
    struct engine *e = engine_new(cfg, &clock_system);
    e->without_state = true;
    uint32_t shown = problems.count;
    struct error err;
    enum outcome outcome = engine_run(e, &options, &problems, &err);
    int code = EXIT_CONFIG;
    if (problems.errors)
        sql_config_print(&s->pipeline, &problems, shown);
    else
        code = conclude(s, e, outcome, &err);
    engine_free(e);
    close(options.signal_fd);
    return code;
}

static int sql(const struct command *c, const void *args, const struct text_list *operands)
{
    if (operands->count == 0)
        return usage_error(c, "which query?");
    log_setup(LOG_WARN, LOG_HUMAN);
    struct arena arena = ARENA_INIT;
    struct session s = {.command = c, .args = args, .arena = &arena};
    s.pipeline.query = str_of(operands->items[0]);
    s.rejected.most = s.args->rejected ? (uint64_t)s.args->rejected : REJECTED_SHOWN;
    s.outline = sql_outline(s.pipeline.query);
    int code = check_args(&s);
    if (code == EXIT_COMPLETE)
        code = choose_inputs(&s, operands);
    if (code == EXIT_COMPLETE)
        code = choose_output(&s);
    if (code == EXIT_COMPLETE)
        code = run_session(&s);
    rows_release(&s.rows);
    rejected_release(&s.rejected);
    arena_release(&arena);
    return code;
}

const struct command command_sql = {
    .name = "sql",
    .summary = "Run a query over files or standard input, and write the rows.",
    .usage = "'SELECT …' [FILE…] [OPTION …]",
    .doc = "Reads the files (gzip and zstd included), or standard input. A query without FROM gives one row. Records that cannot be read or whose\n"
           "expression fails are left out, and shown on stderr.\n"
           "  pipe sql \"SELECT device, round(temp) AS t FROM input WHERE status <> 'ok'\" data.ndjson\n"
           "  pipe sql 'SELECT * FROM input WHERE temp::numeric > 30' --from csv < data.csv\n"
           "Exit codes: 0 complete · 1 failed · 2 usage · 3 complete, with records rejected · 75 stopped before its end · 78 the query is wrong.",
    .args = sql_arguments,
    .args_size = sizeof(struct sql_args),
    .most_operands = UINT32_MAX,
    .run = sql,
};
