/*
 * Any bytes as a pipeline.toml: loading ends, every problem can be shown, and every place in a text is inside the file.
 */
#include <assert.h>
#include <stdlib.h>

#include "tests/unit/engine/config_catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_places(const struct config *cfg, struct str text)
{
    uint32_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    for (uint32_t i = 0; i < cfg->count; i++) {
        const struct component *c = &cfg->components[i];
        for (size_t offset = 0; offset < 64; offset += 7) {
            assert(config_place_in(c, "query", offset).line <= lines);
            assert(config_place_in(c, "path", offset).line <= lines);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct problems problems = {.arena = &arena};
    struct str text = {(const char *)data, size};
    struct config_sources from = {.path = "fuzz.toml", .text = {size ? (const char *)data : "", size}};
    const struct config *cfg = config_load(&from, &test_catalog, &arena, &problems);
    assert((cfg != NULL) == (problems.errors == 0));
    struct buffer out = {0};
    problems_print(&problems, size & 1, &out);
    if (cfg)
        look_at_places(cfg, text);
    buffer_release(&out);
    arena_release(&arena);
    return 0;
}
