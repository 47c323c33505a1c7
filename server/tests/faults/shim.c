/*
 * A library that simulates a slow, full or broken disk and a jumping clock, and records all writes. It is preloaded into
 * a server (LD_PRELOAD, 64-bit Linux). The test changes its settings while the server runs.
 *
 *   REALTIME_SHIM_DATA     the directory whose files are affected; all others pass unchanged
 *   REALTIME_SHIM_CONTROL  a file with a `struct control`, mapped by both sides
 *   REALTIME_SHIM_RECORD   the file to which operations are appended; without it nothing is recorded
 *
 * The library replaces the libc functions with which the server and its SQLite write files and read the clock. Each
 * function calls the kernel directly. So no symbol has to be looked up, and nothing calls back into this file. A record
 * is a `struct record`, the path and the data. One lock covers an operation and its record, so records are in the order
 * of the operations. SQLite's `-shm` file is created anew at each start and is not recorded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Shared with shim.rs, which has the offsets of the fields. */
struct control {
    _Atomic uint32_t sync_delay_us; /* delay before each fsync */
    _Atomic uint32_t sync_errno;    /* each fsync fails with this error and does nothing; 0: none */
    _Atomic uint32_t write_errno;   /* the same for each call that writes to or resizes a file */
    _Atomic uint32_t write_delay_us; /* delay before each write */
    _Atomic int64_t clock_offset_s; /* added to the time of day */
    _Atomic uint64_t syncs_begun;
    _Atomic uint64_t syncs_done; /* successful syncs only */
    _Atomic int64_t space_left;  /* bytes by which the files may grow, if `space_errno` is set; deleting adds to it */
    _Atomic uint32_t space_errno; /* growth beyond that fails with this error; 0: no limit */
};

struct record {
    uint32_t kind;
    uint32_t path_bytes;
    uint64_t offset; /* offset in the file; for a truncation the new length; for a sync its number */
    uint64_t data_bytes;
};

enum { WRITTEN = 1, TRUNCATED = 2, SYNC_BEGUN = 3, SYNC_DONE = 4, CREATED = 5, UNLINKED = 6, RENAMED = 7 };

static struct control no_effects;
static struct control *control = &no_effects;
static const char *data;
static size_t data_bytes;
static int record_fd = -1;
static pthread_mutex_t record_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void set_up(void) {
    const char *path = getenv("REALTIME_SHIM_CONTROL");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED)
            control = mapped;
        close(fd);
    }
    path = getenv("REALTIME_SHIM_RECORD");
    if (path)
        record_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    data = getenv("REALTIME_SHIM_DATA");
    data_bytes = data ? strlen(data) : 0;
}

static int is_below_data(const char *path) {
    return data && strncmp(path, data, data_bytes) == 0 && (path[data_bytes] == '/' || path[data_bytes] == 0);
}

/* Writes the path of an open file; returns 0 if it is not below the data directory. */
static int path_of(int fd, char path[4096]) {
    char link[32];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = data ? readlink(link, path, 4095) : -1;
    errno = saved;
    path[length > 0 ? length : 0] = 0;
    return length > 0 && is_below_data(path);
}

static int ends_with(const char *path, const char *end) {
    size_t length = strlen(path), end_length = strlen(end);
    return length >= end_length && strcmp(path + length - end_length, end) == 0;
}

static int is_recorded(const char *path) {
    return record_fd >= 0 && !ends_with(path, "-shm") && !ends_with(path, "/store.reserve") &&
           !ends_with(path, "/store.probe");
}

static off_t length_of(int fd) {
    off_t before = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR), length = (off_t)syscall(SYS_lseek, fd, 0, SEEK_END);
    syscall(SYS_lseek, fd, before, SEEK_SET);
    return length;
}

/* Takes the space by which a file grows to `end`. Returns 0, with errno set, if there is not enough. */
static int takes_space(int fd, off_t end) {
    int error = (int)control->space_errno;
    off_t growth = error ? end - length_of(fd) : 0;
    if (growth <= 0)
        return 1;
    if (atomic_fetch_sub(&control->space_left, growth) >= growth)
        return 1;
    atomic_fetch_add(&control->space_left, growth);
    errno = error;
    return 0;
}

/* Appends a record. Aborts on failure, because the test needs a complete record. */
static void append(uint32_t kind, const char *path, uint64_t offset, const void *bytes, uint64_t length) {
    struct record head = {kind, (uint32_t)strlen(path), offset, length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path_bytes}, {(void *)bytes, length}};
    ssize_t whole = (ssize_t)(sizeof head + head.path_bytes + length);
    int saved = errno;
    if (syscall(SYS_writev, record_fd, parts, 3) != whole)
        abort();
    errno = saved;
}

static void delay(uint32_t microseconds) {
    struct timespec left = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
    while (microseconds && nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static int fails(uint32_t error) {
    if (error)
        errno = (int)error;
    return error != 0;
}

/* Writes at `offset`, or at the file's own offset if it is -1. */
static ssize_t put(int fd, const void *bytes, size_t length, off_t offset) {
    char path[4096];
    int affected = path_of(fd, path);
    if (affected)
        delay(control->write_delay_us);
    if (affected && fails(control->write_errno))
        return -1;
    off_t start = offset >= 0 || !affected ? offset : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    if (affected && !takes_space(fd, start + (off_t)length))
        return -1;
    int recorded = affected && is_recorded(path);
    if (recorded)
        pthread_mutex_lock(&record_lock);
    off_t place = offset >= 0 || !recorded ? offset : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t written = offset >= 0 ? syscall(SYS_pwrite64, fd, bytes, length, offset) : syscall(SYS_write, fd, bytes, length);
    if (recorded) {
        if (written > 0)
            append(WRITTEN, path, (uint64_t)place, bytes, (uint64_t)written);
        pthread_mutex_unlock(&record_lock);
    }
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) { return put(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return put(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) { return put(fd, bytes, length, offset); }

int ftruncate(int fd, off_t length) {
    char path[4096];
    int affected = path_of(fd, path);
    if (affected && fails(control->write_errno))
        return -1;
    if (affected && !takes_space(fd, length))
        return -1;
    off_t freed = affected && control->space_errno ? length_of(fd) - length : 0;
    if (freed > 0)
        atomic_fetch_add(&control->space_left, freed);
    int recorded = affected && is_recorded(path);
    if (recorded)
        pthread_mutex_lock(&record_lock);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    if (recorded) {
        if (done == 0)
            append(TRUNCATED, path, (uint64_t)length, "", 0);
        pthread_mutex_unlock(&record_lock);
    }
    return done;
}
int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int posix_fallocate(int fd, off_t offset, off_t length) {
    char path[4096];
    int affected = path_of(fd, path);
    if (affected && control->write_errno)
        return (int)control->write_errno;
    if (affected && !takes_space(fd, offset + length))
        return errno;
    return syscall(SYS_fallocate, fd, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }

static int sync_with(long call, int fd) {
    char path[4096];
    if (!path_of(fd, path))
        return (int)syscall(call, fd);
    uint64_t number = atomic_fetch_add(&control->syncs_begun, 1) + 1;
    if (record_fd >= 0) {
        pthread_mutex_lock(&record_lock);
        append(SYNC_BEGUN, path, number, "", 0);
        pthread_mutex_unlock(&record_lock);
    }
    delay(control->sync_delay_us);
    if (fails(control->sync_errno))
        return -1;
    int done = (int)syscall(call, fd);
    if (done == 0) {
        if (record_fd >= 0)
            pthread_mutex_lock(&record_lock);
        if (record_fd >= 0)
            append(SYNC_DONE, path, number, "", 0);
        atomic_fetch_add(&control->syncs_done, 1);
        if (record_fd >= 0)
            pthread_mutex_unlock(&record_lock);
    }
    return done;
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

static int open_at(int directory, const char *path, int flags, mode_t mode) {
    int recorded = (flags & O_CREAT) && is_below_data(path) && is_recorded(path);
    if (recorded)
        pthread_mutex_lock(&record_lock);
    int is_new = recorded && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
    int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (recorded) {
        if (fd >= 0 && is_new)
            append(CREATED, path, 0, "", 0);
        else if (fd >= 0 && (flags & O_TRUNC))
            append(TRUNCATED, path, 0, "", 0);
        pthread_mutex_unlock(&record_lock);
    }
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;                                         \
        va_end(list);                                                                                                  \
        return open_at(AT_FDCWD, path, flags, mode);                                                                   \
    }
OPEN(open)
OPEN(open64)

static off_t length_at(const char *path) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    off_t length = fd >= 0 ? length_of(fd) : 0;
    if (fd >= 0)
        close(fd);
    return length;
}

int unlink(const char *path) {
    off_t freed = control->space_errno && is_below_data(path) ? length_at(path) : 0;
    int recorded = is_below_data(path) && is_recorded(path);
    if (recorded)
        pthread_mutex_lock(&record_lock);
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (done == 0)
        atomic_fetch_add(&control->space_left, freed);
    if (recorded) {
        if (done == 0)
            append(UNLINKED, path, 0, "", 0);
        pthread_mutex_unlock(&record_lock);
    }
    return done;
}

int rename(const char *from, const char *to) {
    int recorded = is_below_data(from) && is_recorded(from);
    if (recorded)
        pthread_mutex_lock(&record_lock);
    int done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (recorded) {
        if (done == 0)
            append(RENAMED, from, 0, to, strlen(to));
        pthread_mutex_unlock(&record_lock);
    }
    return done;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += control->clock_offset_s;
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int done = (int)syscall(SYS_gettimeofday, now, zone);
    if (done == 0)
        now->tv_sec += control->clock_offset_s;
    return done;
}

time_t time(time_t *into) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (into)
        *into = now.tv_sec;
    return now.tv_sec;
}
