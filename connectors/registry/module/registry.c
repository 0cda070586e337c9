/*
 * A client of schema registries: Confluent's REST interface ("Schema Registry API Reference"), over libcurl. One connection, kept alive.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/base/arena.h"
#include "pipeline/codec/avro_registry.h"
#include "pipeline/codec/format.h"
#include "pipeline/codec/json.h"

enum { CONNECT_SECONDS = 5, ANSWER_SECONDS = 10, ANSWER_MAX = 16 << 20 };

struct avro_registry {
    CURL *curl;
    const char *url;
    struct curl_slist *headers;
    struct buffer answer;
    struct arena arena; /* of one call */
    char trouble[CURL_ERROR_SIZE];
};

/* ---- one call ------------------------------------------------------------------------------------------------------------ */

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
    struct avro_registry *r = arg;
    if (r->answer.len + size * count > ANSWER_MAX)
        return 0;
    buffer_add(&r->answer, data, size * count);
    return size * count;
}

static struct str member(struct avro_registry *r, const char *name)
{
    struct json_members m;
    struct str key, value, found = STR("");
    bool escaped;
    size_t offset;
    const char *why;
    struct str text = {r->answer.data, r->answer.len};
    if (json_validate(text, 64, &offset, &why) && json_object_open(&m, text))
        while (json_object_next(&m, &key, &escaped, &value))
            if (str_eq(key, str_of(name)))
                found = value;
    return found;
}

static bool text_member(struct avro_registry *r, const char *name, struct str *out)
{
    struct error err;
    struct str json = member(r, name);
    struct value v = json.len ? json_to_value(json) : value_null();
    if (v.kind != VALUE_TEXT || !value_unescape(&r->arena, &v, &err))
        return false;
    *out = value_str(v);
    return true;
}

/* The registry's own words, where it has any. */
static bool refuse(struct avro_registry *r, enum error_kind kind, long status, const char *what, struct error *err)
{
    struct str message = STR("");
    text_member(r, "message", &message);
    return error_set(err, kind, "schema registry %s: %s: HTTP status %ld%s" STR_FMT, r->url, what, status, message.len ? ": " : "", STR_ARG(message));
}

/*
 * Does a registry say so of what was asked for (40403: no such schema)? A proxy, or a server at another path, has other words: they
 * mean that the registry is away, and nothing for the messages.
 */
static bool is_not_there(struct avro_registry *r)
{
    struct str code = member(r, "error_code");
    return code.len == 5 && memcmp(code.data, "404", 3) == 0;
}

static bool is_strange(struct avro_registry *r, const char *what, const char *missing, struct error *err)
{
    return error_set(err, ERROR_RETRY, "schema registry %s: %s: the answer has no %s", r->url, what, missing);
}

/* body NULL: GET, else POST. Answers with another status than 200 are errors. */
static bool call(struct avro_registry *r, const char *path, const struct buffer *body, const char *what, struct error *err)
{
    char *url;
    if (asprintf(&url, "%s%s%s", r->url, r->url[strlen(r->url) - 1] == '/' ? "" : "/", path) < 0)
        abort();
    r->answer.len = 0;
    arena_reset(&r->arena);
    r->trouble[0] = '\0';
    curl_easy_setopt(r->curl, CURLOPT_URL, url);
    curl_easy_setopt(r->curl, CURLOPT_HTTPGET, 1L);
    if (body) {
        curl_easy_setopt(r->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, body->data);
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    }
    CURLcode done = curl_easy_perform(r->curl);
    free(url);
    if (done != CURLE_OK) {
        bool hopeless = done == CURLE_URL_MALFORMAT || done == CURLE_UNSUPPORTED_PROTOCOL;
        return error_set(err, hopeless ? ERROR_STOP : ERROR_RETRY, "schema registry %s: %s", r->url, r->trouble[0] ? r->trouble : curl_easy_strerror(done));
    }
    long status = 0;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return true;
    if (status == 404 && is_not_there(r))
        return refuse(r, body ? ERROR_STOP : ERROR_REJECT, status, what, err);
    bool later = status == 404 || status == 408 || status == 429 || status >= 500;
    return refuse(r, later ? ERROR_RETRY : ERROR_STOP, status, what, err);
}

/* ---- the interface ------------------------------------------------------------------------------------------------------- */

static void registry_close(struct avro_registry *r)
{
    if (!r)
        return;
    curl_slist_free_all(r->headers);
    curl_easy_cleanup(r->curl);
    buffer_release(&r->answer);
    arena_release(&r->arena);
    free(r);
}

static struct avro_registry *registry_open(const struct format_options *o, struct error *err)
{
    struct avro_registry *r = mem_zalloc(sizeof(*r));
    r->url = o->avro_registry_url;
    r->curl = curl_easy_init();
    r->headers = curl_slist_append(NULL, "Accept: application/vnd.schemaregistry.v1+json, application/json");
    if (r->headers)
        curl_slist_append(r->headers, "Content-Type: application/vnd.schemaregistry.v1+json");
    if (!r->curl || !r->headers || *r->url == '\0') {
        error_set(err, ERROR_STOP, "schema registry: no URL");
        registry_close(r);
        return NULL;
    }
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(r->curl, CURLOPT_TIMEOUT, (long)ANSWER_SECONDS);
    curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, r->trouble);
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, r);
    if (o->avro_registry_username) {
        curl_easy_setopt(r->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(r->curl, CURLOPT_USERNAME, o->avro_registry_username);
        curl_easy_setopt(r->curl, CURLOPT_PASSWORD, o->avro_registry_password ? o->avro_registry_password : "");
    }
    return r;
}

static bool registry_fetch(struct avro_registry *r, uint32_t id, struct buffer *schema, struct error *err)
{
    char path[64], what[64];
    struct str text, type;
    if (id > INT32_MAX) /* a registry takes it for another path */
        return error_set(err, ERROR_REJECT, "%u is no id of a schema registry", id);
    snprintf(path, sizeof(path), "schemas/ids/%u", id);
    snprintf(what, sizeof(what), "schema id %u", id);
    if (!call(r, path, NULL, what, err))
        return false;
    if (text_member(r, "schemaType", &type) && !str_eq(type, STR("AVRO")))
        return error_set(err, ERROR_REJECT, "schema registry %s: %s is not Avro but " STR_FMT, r->url, what, STR_ARG(type));
    if (!text_member(r, "schema", &text))
        return is_strange(r, what, "schema", err);
    buffer_add_str(schema, text);
    return true;
}

static bool registry_enrol(struct avro_registry *r, const char *subject, struct str schema, uint32_t *id, struct error *err)
{
    char *name = curl_easy_escape(r->curl, subject, 0), *path, *what;
    struct buffer body = {0};
    if (!name || asprintf(&path, "subjects/%s/versions", name) < 0 || asprintf(&what, "registering subject %s", subject) < 0)
        abort();
    curl_free(name);
    buffer_add_str(&body, STR("{\"schema\":\""));
    json_escape(&body, schema);
    buffer_add_str(&body, STR("\"}"));
    bool ok = call(r, path, &body, what, err);
    struct str number = ok ? member(r, "id") : STR("");
    *id = number.len ? (uint32_t)strtoul(number.data, NULL, 10) : 0;
    if (ok && *id == 0)
        ok = is_strange(r, what, "id", err);
    buffer_release(&body);
    free(path);
    free(what);
    return ok;
}

extern const struct avro_registry_ops avro_registry_ops;
const struct avro_registry_ops avro_registry_ops = {
    .open = registry_open,
    .close = registry_close,
    .fetch = registry_fetch,
    .enrol = registry_enrol,
};
