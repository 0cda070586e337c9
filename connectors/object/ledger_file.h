/*
 * What an object sink keeps beside its objects of sources that are this process's alone, in
 * DIR/.pipe/PIPELINE[-INSTANCE]/SINK:
 *
 *   owner      the incarnation (state_dir's UUID) whose positions these are; locked while a process uses the directory
 *   positions  the ranges that finished objects hold (journal.h)
 *   commit     the commit record (commit_record.h) of a commit under way
 *   parts/     objects that are being written
 *
 * A commit has two phases: first all parts are durable, then the record is; from that moment on the commit has
 * happened, and what is left (renames, positions) is done again by whoever finds the record. Sink thread only.
 */
#ifndef PIPE_LEDGER_FILE_H
#define PIPE_LEDGER_FILE_H

#include "connectors/object/commit_record.h"
#include "connectors/object/journal.h"

struct ledger_file {
    char *root, *directory; /* DIR, and .pipe/… in it */
    int owner;              /* open, locked */
    struct journal journal;
    bool record_found; /* a record is durable and not yet carried out */
};

/* Makes the directories, refuses another owner, carries out a record that is found, removes left-over parts, reads the
 * positions. */
bool ledger_file_open(struct ledger_file *l, const char *root, const struct identity *id, struct error *err);
void ledger_file_close(struct ledger_file *l);
/* The path of a part with this number. malloc'd. */
char *ledger_file_part(const struct ledger_file *l, uint64_t number);

/* The two phases; parts are durable already. After a failure it may be called again. */
bool ledger_file_commit(struct ledger_file *l, const struct position *positions, uint32_t position_count,
                        const struct rename_pair *renames, uint32_t rename_count, struct error *err);
/* Carries out a record that an earlier commit left behind. */
bool ledger_file_finish(struct ledger_file *l, struct error *err);

#endif
