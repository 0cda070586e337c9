/*
 * What the codec needs of a schema registry (Confluent's REST interface, which Apicurio, Karapace and Redpanda have too). The client is a module, since it stands on libcurl;
 * the engine hands it to decoders and encoders whose format options name a registry.
 */
#ifndef PIPE_AVRO_REGISTRY_H
#define PIPE_AVRO_REGISTRY_H

#include "pipeline/base/buffer.h"
#include "pipeline/base/error.h"

struct format_options;
struct avro_registry;

/* One thread at a time per client. Both wait for the server's answer, ten seconds at most. */
struct avro_registry_ops {
    struct avro_registry *(*open)(const struct format_options *o, struct error *err); /* no connection yet */
    void (*close)(struct avro_registry *r);
    /* The schema's JSON text, appended. ERROR_RETRY: cannot be reached now; ERROR_REJECT: there is no such id; ERROR_STOP: access is refused. */
    bool (*fetch)(struct avro_registry *r, uint32_t id, struct buffer *schema, struct error *err);
    /* Registers under the subject, or finds it there. ERROR_STOP with the registry's own words where it is not compatible. */
    bool (*enrol)(struct avro_registry *r, const char *subject, struct str schema, uint32_t *id, struct error *err);
};

#endif
