/*
 * Time zones by IANA name, from the system's zone database (TZif, RFC 8536: /usr/share/zoneinfo), never the machine's
 * own zone. "UTC" needs no file. Zones are shared, const and live until the program ends. Any thread.
 */
#ifndef PIPE_ZONE_H
#define PIPE_ZONE_H

#include <stdint.h>

#include "pipeline/base/error.h"
#include "pipeline/base/str.h"

struct zone;

extern const struct zone *const zone_utc;

/* The same name gives the same pointer. ERROR_STOP for an unknown name, with the nearest known one. */
const struct zone *zone_find(struct str name, struct error *err);
/* As zone_find for names that are data (in a timestamp's text): NULL for an unknown one. Case does not matter. */
const struct zone *zone_lookup(struct str name);
const char *zone_name(const struct zone *z);
/* Seconds east of UTC in force at that instant (µs since 2000-01-01 UTC); `abbreviation` may be NULL. */
int32_t zone_offset_at(const struct zone *z, int64_t instant_us, const char **abbreviation);
/* A local time (µs since 2000-01-01 00:00 on the wall) as an instant. In a gap or an overlap: as Postgres decides, the
 * standard-time reading. */
int64_t zone_local_to_utc(const struct zone *z, int64_t local_us);
/* The offset that the zone means by an abbreviation ("MSK") around that local time; the offset in force where it never
 * had the name. */
int32_t zone_abbreviation_offset(const struct zone *z, const char *abbreviation, int64_t local_us);

/* What an abbreviation means anywhere ("EST", "CEST"; Postgres's default set): a fixed offset, or `zone` where it has
 * changed over time. */
struct zone_abbreviation {
    const char *name; /* lower case */
    int32_t offset;   /* seconds east of UTC */
    bool daylight;
    const char *zone; /* NULL: fixed */
};
/* `name` in lower case; NULL: none. */
const struct zone_abbreviation *zone_abbreviation_find(const char *name);

#endif
