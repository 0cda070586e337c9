#include "pipeline/codec/avro.h"
#include "pipeline/codec/format.h"

const struct format *const formats[] = {&format_json, &format_csv, &format_text, &format_raw, &format_avro, &format_cbor, &format_sparkplug, NULL};

const struct option_choice format_choices[] = {
    {"json", 0, "JSON: one object per line, an array of objects, or one document."},
    {"csv", 1, "Comma-separated values."},
    {"text", 2, "Lines of text."},
    {"raw", 3, "Whole files, objects or messages as they are."},
    {"avro", 4, "Apache Avro messages."},
    {"cbor", 5, "CBOR maps, one per message."},
    {"sparkplug", 6, "Sparkplug B payloads of MQTT, read only."},
    {.name = NULL},
};

static const struct option_choice csv_header_choices[] = {
    {"auto", CSV_HEADER_AUTO, "A header is written; one is expected unless `names` are given."},
    {"true", CSV_HEADER_YES, "The first record is a header; beside `names` it is skipped."},
    {"false", CSV_HEADER_NO, "There is no header."},
    {.name = NULL},
};

static const struct option_choice csv_encoding_choices[] = {
    {"utf-8", CSV_UTF8, "Unicode; anything that is not valid UTF-8 rejects the record."},
    {"latin1", CSV_LATIN1, "ISO 8859-1."},
    {"windows-1252", CSV_WINDOWS_1252, "Latin 1 with printable characters in place of the C1 controls."},
    {.name = NULL},
};

static const struct option_choice avro_framing_choices[] = {
    {"confluent", AVRO_CONFLUENT, "A byte 0 and the schema's id in the registry, as Kafka's clients write it."},
    {"single", AVRO_SINGLE, "Avro's single-object encoding: the schema's fingerprint; avro.schema is that schema."},
    {"none", AVRO_BARE, "Nothing: every datum is of avro.schema."},
    {.name = NULL},
};

const struct option format_options[] = {
    OPT_AS("csv.delimiter", TEXT, struct format_options, csv_delimiter, .preset = ",",
           .doc = "The byte between two fields. \"\\t\" is a tab.", .example = ";"),
    OPT_AS("csv.quote", TEXT, struct format_options, csv_quote, .preset = "\"",
           .doc = "The byte around fields that contain delimiters, quotes or line ends. Inside such a field it is "
                  "written twice.",
           .example = "'"),
    OPT_AS("csv.header", CHOICE, struct format_options, csv_header, .preset = "auto", .choices = csv_header_choices,
           .doc = "Whether the first record of every file names the members."),
    OPT_AS("csv.names", LIST, struct format_options, csv_names,
           .doc = "The members' names, in the order of the fields, for files without a header.",
           .example = "[\"device\", \"ts\", \"temp\"]"),
    OPT_AS("csv.null", TEXT, struct format_options, csv_null,
           .doc = "The unquoted text that stands for NULL, besides the empty one. A sink writes NULL as this text.",
           .example = "\\N"),
    OPT_AS("csv.encoding", CHOICE, struct format_options, csv_encoding, .preset = "utf-8",
           .choices = csv_encoding_choices, .doc = "The character set of what is read; UTF-8 is written."),
    OPT_AS("json.max_depth", INTEGER, struct format_options, json_max_depth, .preset = "128", .min = 1, .max = 1024,
           .doc = "How deeply arrays and objects may be nested; deeper records are rejected."),
    OPT_AS("avro.schema", PATH, struct format_options, avro_schema,
           .doc = "A file with an Avro schema (.avsc). Of a source it is the reader's: its types are the columns', and what was written with "
                  "another schema is resolved against it. Of a sink it is what is written; without, one is made of the columns' types.",
           .example = "\"reading.avsc\""),
    OPT_AS("avro.framing", CHOICE, struct format_options, avro_framing, .preset = "confluent", .choices = avro_framing_choices,
           .doc = "What stands before each datum."),
    OPT_AS("avro.registry.url", TEXT, struct format_options, avro_registry_url,
           .doc = "A schema registry with Confluent's interface. A source asks it for the schemas of the ids it meets; a sink registers its own.",
           .example = "\"http://registry:8081\""),
    OPT_AS("avro.registry.username", TEXT, struct format_options, avro_registry_username, .doc = "For the registry, where it asks for one."),
    OPT_AS("avro.registry.password", SECRET, struct format_options, avro_registry_password, .doc = "For the registry, where it asks for one."),
    OPT_AS("avro.subject", TEXT, struct format_options, avro_subject, .doc = "What a sink registers its schema under.", .example = "\"readings-value\""),
    OPT_AS("text.column", TEXT, struct format_options, text_column, .preset = "line",
           .doc = "The member that holds the line's text."),
    OPT_END,
};

const struct format *format_find(const char *name)
{
    for (const struct format *const *f = formats; *f; f++)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

/* ---- a source's schema --------------------------------------------------------------------------------------------
 */

struct source_owner {
    enum type_id member;
};

static int request_member(struct schema *s, const struct path *path)
{
    const struct source_owner *owner = s->owner;
    if (!s->open)
        return -1;
    return (int)schema_add(s, (struct column){
                                  .name = path->parts[path->count - 1],
                                  .type = TYPE(owner->member),
                                  .origin = COLUMN_MEMBER,
                                  .path = *path,
                              });
}

static int request_meta(struct schema *s, enum meta_field field)
{
    return (int)schema_add(s, (struct column){
                                  .name = str_of(meta_field_name(field)),
                                  .type = meta_field_type(field),
                                  .origin = COLUMN_META,
                                  .meta = field,
                              });
}

void source_schema_requests(struct schema *s, enum type_id member)
{
    struct source_owner *owner = arena_new(s->arena, struct source_owner);
    owner->member = member;
    s->owner = owner;
    s->request = request_member;
    s->request_meta = request_meta;
    s->request_raw = NULL; /* wants_raw says it all */
}

/* ---- decoding -----------------------------------------------------------------------------------------------------
 */

const char *record_fault_text(const struct batch *b, const struct record *r)
{
    switch ((enum record_fault)r->fault) {
    case RECORD_OK:
        break;
    case RECORD_TOO_LONG:
        return "the record is longer than max_record";
    case RECORD_TRUNCATED:
        return b->fault_text ? b->fault_text : "the input ends inside this record";
    case RECORD_CORRUPT:
        return b->fault_text ? b->fault_text : "the input is corrupt from here on";
    }
    return NULL;
}

bool decoder_fault(const struct decoder *d, const struct batch *b, uint32_t record, struct rejections *r)
{
    const char *why = record_fault_text(b, &b->records[record]);
    if (!why)
        return false;
    struct rejection *added = reject_record(r, record, d->component, "decode", "%s", why);
    bool too_long = b->records[record].fault == RECORD_TOO_LONG;
    memcpy(added->sqlstate, too_long ? "54000" : "22P04", sizeof(added->sqlstate));
    return true;
}

void decoder_run(const struct decoder *d, const struct batch *b, uint32_t first, uint32_t count, struct arena *arena,
                 struct slice *out, struct rejections *r)
{
    assert(count <= SLICE_ROWS);
    *out = (struct slice){.batch = b, .arena = arena};
    d->format->decode(d, b, first, count, out, r);
    for (uint32_t i = 0; i < d->schema->count; i++) {
        const struct column *c = &d->schema->columns[i];
        if (c->origin != COLUMN_META)
            continue;
        out->columns[i] = arena_array(arena, struct value, out->rows);
        slice_meta(out, c->meta, d->source_name, out->columns[i]);
    }
}
