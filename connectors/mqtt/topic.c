#include "connectors/mqtt/topic.h"

#include "pipeline/event/convert.h"

enum { LONGEST = 65535 };

static const char *text_problem(struct str text)
{
    if (text.len == 0)
        return "it is empty";
    if (text.len > LONGEST)
        return "it is longer than 65535 bytes";
    if (memchr(text.data, '\0', text.len) || utf8_valid_prefix(text) != text.len)
        return "it is no valid UTF-8 text";
    return NULL;
}

static const char *levels_problem(const char *filter)
{
    for (const char *at = filter;;) {
        size_t len = strcspn(at, "/");
        if (memchr(at, '#', len) && (len != 1 || at[1] != '\0'))
            return "# is the whole of the last level, or it is no wildcard";
        if (memchr(at, '+', len) && len != 1)
            return "+ is the whole of a level, or it is no wildcard";
        if (at[len] == '\0')
            return NULL;
        at += len + 1;
    }
}

const char *mqtt_filter_problem(const char *filter)
{
    const char *wrong = text_problem(str_of(filter));
    if (wrong)
        return wrong;
    if (strncmp(filter, "$share/", 7) != 0)
        return levels_problem(filter);
    const char *group = filter + 7;
    size_t len = strcspn(group, "/");
    if (len == 0 || strcspn(group, "+#") < len || group[len] == '\0' || group[len + 1] == '\0')
        return "a shared subscription is $share/GROUP/FILTER, with a group without wildcards";
    return levels_problem(group + len + 1);
}

const char *mqtt_topic_problem(struct str topic)
{
    const char *wrong = text_problem(topic);
    if (wrong)
        return wrong;
    if (memchr(topic.data, '+', topic.len) || memchr(topic.data, '#', topic.len))
        return "a message cannot be published to a wildcard";
    return NULL;
}
