#include "connectors/file/settle.h"

#include <stdlib.h>
#include <string.h>

#include "connectors/file/identity.h"

/* As OPTION_DURATION has it. */
static bool parse_duration(const char *text, int64_t *us)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}, {"d", 86400000000}};
    int64_t total = 0;
    if (!*text)
        return false;
    while (*text) {
        char *end;
        if (*text < '0' || *text > '9')
            return false;
        double number = strtod(text, &end);
        size_t len = strcspn(end, "0123456789"), i;
        for (i = 0; i < sizeof(units) / sizeof(*units); i++)
            if (strlen(units[i].name) == len && strncmp(units[i].name, end, len) == 0)
                break;
        if (i == sizeof(units) / sizeof(*units) || number > 1e9)
            return false;
        total += (int64_t)(number * (double)units[i].us);
        text = end + len;
    }
    *us = total;
    return true;
}

bool settle_parse(const char *text, int64_t preset_us, struct settle *out, struct error *err)
{
    *out = (struct settle){.kind = SETTLE_QUIET, .quiet_us = preset_us};
    if (!text)
        return true;
    if (strcmp(text, "rename") == 0) {
        out->kind = SETTLE_RENAME;
        return true;
    }
    if (strncmp(text, "marker:", 7) == 0) {
        out->kind = SETTLE_MARKER;
        out->suffix = text + 7;
        if (!*out->suffix || strchr(out->suffix, '/'))
            return error_set(err, ERROR_STOP,
                             "settle needs the marker's suffix: \"marker:.done\" waits for x.csv.done");
        return true;
    }
    if (strcmp(text, "0") == 0) {
        out->quiet_us = 0;
        return true;
    }
    if (!parse_duration(text, &out->quiet_us))
        return error_set(err, ERROR_STOP, "settle is a duration (\"2s\"), \"rename\" or \"marker:SUFFIX\", not \"%s\"",
                         text);
    return true;
}

void settle_look(struct settle_seen *seen, const struct stat *st, int64_t now_us)
{
    int64_t mtime_ns = stat_mtime_ns(st);
    if (seen->since_us != 0 && seen->size == (uint64_t)st->st_size && seen->mtime_ns == mtime_ns)
        return;
    *seen = (struct settle_seen){.size = (uint64_t)st->st_size, .mtime_ns = mtime_ns, .since_us = now_us};
}

int64_t settle_wait_us(const struct settle_seen *seen, int64_t quiet_us, int64_t now_us, int64_t wall_us)
{
    enum { CLOCK_MARGIN_US = 60000000 };
    int64_t age = wall_us - seen->mtime_ns / 1000;
    if (quiet_us == 0 || age >= quiet_us + CLOCK_MARGIN_US)
        return 0;
    int64_t left = seen->since_us + quiet_us - now_us;
    return left > 0 ? left : 0;
}
