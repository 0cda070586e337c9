#include "pipeline/codec/csv.h"

static bool one_byte(const char *text, char preset, const char *option, char *out, struct error *err)
{
    *out = preset;
    if (!text)
        return true;
    if (strcmp(text, "\\t") == 0) {
        *out = '\t';
        return true;
    }
    if (strlen(text) != 1 || (unsigned char)text[0] >= 0x80 || csv_is_break(text[0]))
        return error_set(err, ERROR_STOP, "csv.%s must be one ASCII character that is no line end, not \"%s\"", option,
                         text);
    *out = text[0];
    return true;
}

bool csv_dialect_of(const struct format_options *o, struct csv_dialect *out, struct error *err)
{
    *out = (struct csv_dialect){
        .has_null = o->csv_null != NULL,
        .null = str_of(o->csv_null),
        .encoding = (enum csv_encoding)o->csv_encoding,
    };
    if (!one_byte(o->csv_delimiter, ',', "delimiter", &out->delimiter, err) ||
        !one_byte(o->csv_quote, '"', "quote", &out->quote, err))
        return false;
    if (out->delimiter == out->quote)
        return error_set(err, ERROR_STOP, "csv.delimiter and csv.quote must differ");
    return true;
}

bool csv_expects_header(const struct format_options *o)
{
    return o->csv_header == CSV_HEADER_YES || (o->csv_header == CSV_HEADER_AUTO && o->csv_names.count == 0);
}

/* With names, all the members there are: they are the event, whoever asks for what. */
static void add_names(const struct format_options *o, struct schema *s)
{
    for (uint32_t i = 0; i < o->csv_names.count; i++) {
        struct str name = str_of(o->csv_names.items[i]);
        if (schema_visible(s, name) >= 0)
            continue;
        schema_add(s, (struct column){
                          .name = name,
                          .type = TYPE(TYPE_UNKNOWN),
                          .visible = true,
                          .origin = COLUMN_MEMBER,
                          .path = {&name, 1},
                      });
    }
}

/*
 * Declared columns alone: they are the event. Names, where nothing is declared or extra members are kept: these are.
 * Otherwise every file's header says what there is.
 */
static bool source_schema(const struct format_options *o, struct schema *s, struct error *err)
{
    struct csv_dialect dialect;
    if (!csv_dialect_of(o, &dialect, err))
        return false;
    bool declared = s->count > 0, extra = s->open || !declared;
    if (!csv_expects_header(o) && o->csv_names.count == 0 && !declared)
        return error_set(err, ERROR_STOP,
                         "csv.header is false, so the members need names: give csv.names, or declare columns");
    s->open = extra && csv_expects_header(o) && o->csv_names.count == 0;
    if (extra)
        add_names(o, s);
    source_schema_requests(s, TYPE_UNKNOWN);
    return true;
}

const struct format format_csv = {
    .name = "csv",
    .summary = "Comma-separated values (RFC 4180), with any delimiter, quote and header.",
    .extension = ".csv",
    .media_type = "text/csv",
    .frame = csv_frame,
    .prime = csv_prime,
    .save_start = csv_save_start,
    .load_start = csv_load_start,
    .source_schema = source_schema,
    .bind_decoder = csv_bind_decoder,
    .decode = csv_decode,
    .bind_encoder = csv_bind_encoder,
    .encode_header = csv_encode_header,
    .encode = csv_encode,
};
