/*
 * The log of a partition that processes share (Kafka's): who has it, and what finished objects hold of it. It is in the
 * sink's directory, so that whoever takes the partition over finds it there, on whatever machine:
 *
 *   DIR/.pipe/PIPELINE/SINK/shared/SOURCE/PARTITION/
 *     00000000000000000041   an entry: a commit record with an epoch
 *     parts/41-7             an object that is being written in epoch 41
 *
 * Entries are numbered; the highest one counts. A process that knows the last entry makes the next one with link(2),
 * which fails where there is one: of two processes one has the next word, and the other learns that it has not.
 *
 *   claim    takes the partition over: carries out what the last entry says (its maker may have died before it could),
 *            then adds one with the same ranges, whose number is the new epoch, and removes the parts of earlier epochs.
 *   commit   adds an entry with the ranges and renames of what this epoch has written. With it the commit has happened.
 *            Finishing it carries it out.
 *
 * So a commit is whole or not there, and one of a process that has lost the partition cannot be added: the claim has
 * its number. Old entries are removed, all but the newest LOG_KEPT; a process that slept through so many finds a number
 * free that is no longer the next one, and sees higher ones when it has linked: it has lost as well, and its entry is
 * never looked at.
 *
 * Needs a filesystem with hard links. Sink thread only.
 */
#ifndef PIPE_OBJECT_PARTITION_LOG_H
#define PIPE_OBJECT_PARTITION_LOG_H

#include "connectors/object/commit_record.h"

enum { LOG_KEPT = 64 };

struct partition_log {
    struct partition_log *next; /* the sink's list */
    char *root, *directory, *parts;
    char *source, *key;
    const char *owner;           /* this process's state_dir; borrowed */
    int64_t epoch;               /* 0: the partition is not ours, or no longer */
    int64_t last;                /* the number of our last entry */
    bool unfinished;             /* that one is there, and may not be carried out */
    bool held;                   /* the sink's: it has something to commit */
    struct positions *positions; /* what it says */
};

struct partition_log *partition_log_new(const char *root, const struct identity *id, const char *source,
                                        const char *key);
void partition_log_free(struct partition_log *l);

/* Ours from now on, with `positions` final: whoever had it can add nothing. */
bool partition_log_claim(struct partition_log *l, struct error *err);
/* Has nobody taken it over, as far as can be seen? Otherwise epoch is 0 from now on. */
bool partition_log_is_ours(struct partition_log *l);
/*
 * Parts are durable already. true: the entry is there, the parts belong to it, and partition_log_finish is to be called
 * until it succeeds. false: nothing has happened; where epoch is 0 now, another process has the partition.
 */
bool partition_log_commit(struct partition_log *l, const struct position *ranges, uint32_t range_count,
                          const struct rename_pair *renames, uint32_t rename_count, struct error *err);
/* Carries out the last entry, if that is not done. false with epoch 0: another process has taken over, which did it. */
bool partition_log_finish(struct partition_log *l, struct error *err);
/* The absolute path of a part with this number, in the present epoch. malloc'd. */
char *partition_log_part(const struct partition_log *l, uint64_t number);

#endif
