/*
 * Finding CSV's few special bytes, 64 at a time: bit i of mask j stands for data[64 * j + i]. Up to 63 bytes behind the
 * last block that is wanted are read too (BATCH_PADDING) and their bits are rubbish for the caller to drop.
 */
#ifndef PIPE_CSV_SCAN_H
#define PIPE_CSV_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csv_scanner {
    const char *name;
    bool (*usable)(void); /* on this machine */
    /* Where records may begin or end: LF, CR, the quote. */
    void (*breaks)(const char *data, size_t blocks, char quote, uint64_t *masks);
    /*
     * The inside of records. plain: delimiters. special: bytes for which a record needs a closer look (the quote), or
     * which a JSON string would escape: quote, backslash, controls. A delimiter is never special.
     */
    void (*fields)(const char *data, size_t blocks, char delimiter, char quote, uint64_t *plain, uint64_t *special);
};

/* Best first; the last one works everywhere. */
extern const struct csv_scanner csv_scanners[];
extern const unsigned csv_scanner_count;

const struct csv_scanner *csv_scanner_best(void);

#endif
