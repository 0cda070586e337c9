/*
 * Where the whole part of an output file ends. A process that was killed may have left half a record, or half a compressed frame, which would spoil what is appended
 * behind it. Such a torn end is moved to PATH.torn: it may be somebody else's.
 */
#ifndef PIPE_FILE_END_H
#define PIPE_FILE_END_H

#include "pipeline/codec/compress.h"

/*
 * What a commit of a compressed file ends with: a frame that decompresses to nothing and says where it stands, so that the last one that is whole is found from
 * the end. zstd: a skippable frame (RFC 8878, 3.1.2); gzip: an empty member with an extra field (RFC 1952, 2.3.1.1).
 */
void file_end_mark(enum compression how, uint64_t offset, struct buffer *out);

/*
 * Cuts a torn end off the regular file `path`, open for writing at fd. *size: how long the file is; set to what is left. Plain files end with their last newline; compressed ones with
 * their last mark. One without any mark was not written here, and is left alone.
 */
bool file_end_repair(int fd, const char *path, enum compression how, uint64_t *size, struct error *err);

#endif
