#include "connectors/object/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool sync_filesystem_of(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open %s", path);
    bool ok = syncfs(fd) == 0 || error_errno(err, errno, "cannot write the filesystem of %s to disk", path);
    close(fd);
    return ok;
}
