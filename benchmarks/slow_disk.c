/* Loaded before libc: every fsync and fdatasync takes LEFTFOLD_FLUSH_MS milliseconds more. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int flushed(const char *name, int file)
{
    int (*flush)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int answer = flush(file), error = errno;
    const char *milliseconds = getenv("LEFTFOLD_FLUSH_MS");
    double seconds = milliseconds ? atof(milliseconds) / 1000 : 0;
    struct timespec left = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
    errno = error;
    return answer;
}

int fsync(int file)
{
    return flushed("fsync", file);
}

int fdatasync(int file)
{
    return flushed("fdatasync", file);
}
