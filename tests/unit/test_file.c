// test_file.c - maps, reads, atomic writes and folders, in a folder of the test's own.
// link: base
#include "runtime/base/file.h"
#include "tests/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/daub-test-XXXXXX";

static char *path_of(const char *name)
{
    char *const path = daub_path_join(NULL, dir, name);
    REQUIRE(path);
    return path;
}

static uint32_t count_entries(const char *path)
{
    uint32_t n = 0;
    DIR *const d = opendir(path);
    REQUIRE(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; // "." and ".."
}

static void require_content(const char *path, const void *want, size_t want_size)
{
    char *data = NULL;
    size_t size = 0;
    REQUIRE_OK(daub_file_read(NULL, path, SIZE_MAX, &data, &size));
    REQUIRE(size == want_size && memcmp(data, want, size) == 0 && data[size] == 0);
    daub_free(NULL, data);
}

static void writing_and_reading(void)
{
    enum { SIZE = 300000 };
    char *const path = path_of("a.bin");
    char *const bytes = malloc(SIZE);
    REQUIRE(bytes);
    for (uint32_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31 % 253);
    REQUIRE_OK(daub_file_write(NULL, path, bytes, SIZE));
    require_content(path, bytes, SIZE);
    REQUIRE_OK(daub_file_write(NULL, path, "short", 5));
    require_content(path, "short", 5);
    REQUIRE(count_entries(dir) == 1); // no temporary file stays
    REQUIRE_OK(daub_file_write(NULL, path, NULL, 0));
    require_content(path, "", 0);

    // The limit is exact.
    char *data = NULL;
    size_t size = 0;
    REQUIRE_OK(daub_file_write(NULL, path, bytes, 1000));
    REQUIRE_OK(daub_file_read(NULL, path, 1000, &data, &size));
    REQUIRE(size == 1000);
    daub_free(NULL, data);
    REQUIRE_STATUS(daub_file_read(NULL, path, 999, &data, &size), DAUB_ERROR_BAD_FILE, "longer than 999 bytes");
    // A file without a size of its own, and an endless one.
    REQUIRE_OK(daub_file_read(NULL, "/proc/self/status", 1 << 20, &data, &size));
    REQUIRE(size > 100 && strlen(data) == size);
    daub_free(NULL, data);
    REQUIRE_STATUS(daub_file_read(NULL, "/dev/zero", 1 << 20, &data, &size), DAUB_ERROR_BAD_FILE, "/dev/zero");
    REQUIRE_STATUS(daub_file_read(NULL, dir, 10, &data, &size), DAUB_ERROR_IO, "it is a folder");

    uint64_t file_size = 0;
    uint64_t mtime = 0;
    REQUIRE(daub_path_stat(path, &file_size, &mtime) && file_size == 1000);
    REQUIRE(mtime > (uint64_t)1577836800 * 1000000000u); // after 2020
    REQUIRE(!daub_path_stat("/nonexistent", &file_size, &mtime) && file_size == 1000);
    REQUIRE(unlink(path) == 0);
    free(bytes);
    daub_free(NULL, path);
}

static void maps(void)
{
    enum { SIZE = 5 * 65536 + 17 };
    char *const path = path_of("map.bin");
    unsigned char *const bytes = malloc(SIZE);
    REQUIRE(bytes);
    for (uint32_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 7 % 255);
    REQUIRE_OK(daub_file_write(NULL, path, bytes, SIZE));
    struct daub_file_map *map = NULL;
    REQUIRE_OK(daub_file_map_open(NULL, path, &map));
    REQUIRE(daub_file_map_size(map) == SIZE);
    REQUIRE(memcmp(daub_file_map_data(map), bytes, SIZE) == 0);
    // Released pages come back when they are read, whatever the range was.
    static const size_t ranges[][2] = { { 0, SIZE },           { 5, 100 },      { 4096, 8192 },
                                        { 100, 70000 },        { SIZE - 5, 5 }, { SIZE, 10 },
                                        { SIZE + 1, 1 },       { 0, SIZE_MAX }, { 70000, 0 },
                                        { SIZE_MAX, SIZE_MAX } };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        daub_file_map_release(map, ranges[i][0], ranges[i][1]);
        REQUIRE(memcmp(daub_file_map_data(map), bytes, SIZE) == 0);
    }
    // A map outlives the name and sees the bytes it was opened on.
    REQUIRE_OK(daub_file_write(NULL, path, "new", 3));
    REQUIRE(memcmp(daub_file_map_data(map), bytes, SIZE) == 0);
    daub_file_map_close(&map);
    REQUIRE(!map);
    daub_file_map_close(&map);
    daub_file_map_close(NULL);

    REQUIRE_OK(daub_file_write(NULL, path, "", 0));
    REQUIRE_STATUS(daub_file_map_open(NULL, path, &map), DAUB_ERROR_IO, "the file is empty");
    REQUIRE_STATUS(daub_file_map_open(NULL, dir, &map), DAUB_ERROR_IO, "it is a folder");
    REQUIRE_STATUS(daub_file_map_open(NULL, "/dev/null", &map), DAUB_ERROR_IO, "not a regular file");
    REQUIRE_STATUS(daub_file_map_open(NULL, "/nonexistent/x", &map), DAUB_ERROR_IO,
                   "cannot open /nonexistent/x: No such file or directory");
    REQUIRE(!map);
    REQUIRE(unlink(path) == 0);
    free(bytes);
    daub_free(NULL, path);
}

static void failed_writes_leave_nothing(void)
{
    char *const path = path_of("keep.txt");
    static char big[100000];
    REQUIRE_OK(daub_file_write(NULL, path, "old", 3));
    // The disk is "full" after 10 kB.
    const struct rlimit full = { .rlim_cur = 10000, .rlim_max = RLIM_INFINITY };
    struct rlimit before;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &(struct rlimit) { .rlim_cur = full.rlim_cur, .rlim_max = before.rlim_max }) == 0);
    REQUIRE_STATUS(daub_file_write(NULL, path, big, sizeof(big)), DAUB_ERROR_IO, "keep.txt: File too large");
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    require_content(path, "old", 3);
    REQUIRE(count_entries(dir) == 1);

    REQUIRE_STATUS(daub_file_write(NULL, dir, "x", 1), DAUB_ERROR_IO, "it is a folder");
    REQUIRE_STATUS(daub_file_write(NULL, "/nonexistent/x", "x", 1), DAUB_ERROR_IO,
                   "cannot write /nonexistent/x: No such file or directory");
    REQUIRE_STATUS(daub_file_write(NULL, "", "x", 1), DAUB_ERROR_IO, "cannot write");
    REQUIRE_STATUS(daub_file_write(NULL, "/dev/full", "x", 1), DAUB_ERROR_IO, "No space left on device");
    REQUIRE(unlink(path) == 0);
    daub_free(NULL, path);
}

static void what_a_write_keeps(void)
{
    // A link stays a link, the file's mode stays, a device is written into and not replaced.
    char *const path = path_of("real.txt");
    char *const link_path = path_of("link.txt");
    struct stat info;
    REQUIRE_OK(daub_file_write(NULL, path, "1", 1));
    const mode_t mask = umask(0);
    umask(mask);
    REQUIRE(stat(path, &info) == 0 && (info.st_mode & 0777) == (0666 & ~mask));
    REQUIRE(chmod(path, 0640) == 0 && symlink("real.txt", link_path) == 0);
    REQUIRE_OK(daub_file_write(NULL, link_path, "2", 1));
    require_content(path, "2", 1);
    REQUIRE(lstat(link_path, &info) == 0 && S_ISLNK(info.st_mode));
    REQUIRE(stat(path, &info) == 0 && (info.st_mode & 0777) == 0640);
    REQUIRE_OK(daub_file_write(NULL, "/dev/null", "3", 1));
    REQUIRE(stat("/dev/null", &info) == 0 && S_ISCHR(info.st_mode));
    REQUIRE(unlink(path) == 0 && unlink(link_path) == 0);
    daub_free(NULL, path);
    daub_free(NULL, link_path);

    // The longest name there can be: the temporary one is no longer.
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    char *const longest = path_of(name);
    REQUIRE_OK(daub_file_write(NULL, longest, "4", 1));
    REQUIRE_OK(daub_file_write(NULL, longest, "5", 1));
    require_content(longest, "5", 1);
    REQUIRE(unlink(longest) == 0);
    daub_free(NULL, longest);

    // A name without a folder is one in the current folder.
    char *const cwd = realpath(".", NULL);
    REQUIRE(cwd && chdir(dir) == 0);
    REQUIRE_OK(daub_file_write(NULL, "plain", "6", 1));
    require_content("plain", "6", 1);
    REQUIRE(unlink("plain") == 0 && chdir(cwd) == 0);
    free(cwd);
}

static void folders(void)
{
    char *const deep = path_of("x/y//z/");
    REQUIRE_OK(daub_make_dirs(deep));
    REQUIRE_OK(daub_make_dirs(deep)); // again
    REQUIRE_OK(daub_make_dirs("/"));
    REQUIRE(daub_path_is_dir(deep) && !daub_path_is_file(deep));
    char *const file = path_of("x/f");
    REQUIRE_OK(daub_file_write(NULL, file, "f", 1));
    REQUIRE(daub_path_is_file(file) && !daub_path_is_dir(file));
    REQUIRE(!daub_path_is_file("/nonexistent") && !daub_path_is_dir("/nonexistent"));
    char *const under_file = path_of("x/f/g");
    REQUIRE_STATUS(daub_make_dirs(under_file), DAUB_ERROR_IO, "x/f: Not a directory");
    REQUIRE_STATUS(daub_make_dirs(""), DAUB_ERROR_IO, "cannot make the folder");
    static const char *const made[] = { "x/y/z", "x/y", "x/f", "x" };
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        char *const path = path_of(made[i]);
        REQUIRE(remove(path) == 0);
        daub_free(NULL, path);
    }
    daub_free(NULL, deep);
    daub_free(NULL, file);
    daub_free(NULL, under_file);
}

static void require_path(char *got, const char *want)
{
    REQUIRE_TEXT(got, want);
    daub_free(NULL, got);
}

static void names(void)
{
    require_path(daub_path_join(NULL, "a", "b"), "a/b");
    require_path(daub_path_join(NULL, "a/", "b"), "a/b");
    require_path(daub_path_join(NULL, "/", "b"), "/b");
    require_path(daub_path_join(NULL, "", "b"), "b");

    setenv("XDG_CACHE_HOME", "/var/xdg", 1);
    setenv("HOME", "/home/somebody", 1);
    require_path(daub_cache_dir(NULL), "/var/xdg/daub");
    setenv("XDG_CACHE_HOME", "relative", 1); // to be ignored
    require_path(daub_cache_dir(NULL), "/home/somebody/.cache/daub");
    unsetenv("XDG_CACHE_HOME");
    require_path(daub_cache_dir(NULL), "/home/somebody/.cache/daub");
    unsetenv("HOME");
    REQUIRE(!daub_cache_dir(NULL));
}

// Started by name alone from elsewhere, as a shell does, the program still finds its folder.
static void own_folder(void)
{
    char want[PATH_MAX];
    REQUIRE(realpath(DAUB_BIN_DIR, want));
    require_path(daub_self_dir(NULL), want);
#if !defined(DAUB_EMULATED) // the shell runs on the machine below, which cannot run this program
    FILE *const pipe = popen("cd / && PATH=\"" DAUB_BIN_DIR ":$PATH\" test_file --self", "r");
    REQUIRE(pipe);
    char line[PATH_MAX] = "";
    REQUIRE(fgets(line, sizeof(line), pipe));
    REQUIRE(pclose(pipe) == 0);
    REQUIRE_TEXT(line, want);
#endif
}

// An allocator that grants `allowed` more blocks.
struct listed {
    int n;
    uint64_t size;
};

static void count_listed(void *user, const char *name, uint64_t size, uint64_t mtime_ns)
{
    struct listed *const listed = user;
    REQUIRE(name[0] && mtime_ns > 0);
    listed->n++;
    listed->size += size;
}

static void written_in_pieces(void)
{
    char *const path = daub_path_join(NULL, dir, "pieces");
    struct daub_file_writer *writer = NULL;
    REQUIRE_OK(daub_file_writer_open(NULL, path, &writer));
    REQUIRE_OK(daub_file_writer_add(writer, "one ", 4));
    REQUIRE(!daub_path_is_file(path)); // under another name until it is whole
    REQUIRE_OK(daub_file_writer_add(writer, "two", 3));
    REQUIRE_OK(daub_file_writer_close(&writer, true));
    REQUIRE(!writer);
    char *data = NULL;
    size_t size = 0;
    REQUIRE_OK(daub_file_read(NULL, path, 100, &data, &size));
    REQUIRE(size == 7 && strcmp(data, "one two") == 0);
    daub_free(NULL, data);

    REQUIRE_OK(daub_file_writer_open(NULL, path, &writer));
    REQUIRE_OK(daub_file_writer_add(writer, "gone", 4));
    REQUIRE_OK(daub_file_writer_close(&writer, false));
    struct listed listed = { 0 };
    daub_dir_list(dir, count_listed, &listed);
    REQUIRE(listed.n == 1 && listed.size == 7);
    struct daub_file_map *map = NULL;
    uint64_t mtime = 0, bytes = 0;
    REQUIRE_OK(daub_file_map_open(NULL, path, &map));
    REQUIRE(daub_path_stat(path, &bytes, &mtime) && mtime == daub_file_map_mtime(map));
    daub_file_map_close(&map);
    const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    REQUIRE(utimensat(AT_FDCWD, path, old, 0) == 0);
    REQUIRE(daub_path_stat(path, &bytes, &mtime) && mtime == UINT64_C(1000000000000));
    daub_file_touch(path);
    REQUIRE(daub_path_stat(path, &bytes, &mtime) && mtime > UINT64_C(1000000000000));
    REQUIRE(daub_file_remove(path) && !daub_file_remove(path));
    daub_dir_list(path, count_listed, &listed); // no folder: nothing
    REQUIRE(listed.n == 1);
    char *const nowhere = daub_path_join(NULL, dir, "none/file");
    REQUIRE_STATUS(daub_file_writer_open(NULL, nowhere, &writer), DAUB_ERROR_IO, "none/file");
    REQUIRE(!writer);
    daub_free(NULL, nowhere);
    daub_free(NULL, path);
}

struct counting {
    size_t live, allowed;
};

static void *counting_alloc(void *user, size_t size)
{
    struct counting *const c = user;
    if (c->allowed == 0)
        return NULL;
    c->allowed--;
    c->live++;
    return malloc(size);
}

static void counting_free(void *user, void *ptr)
{
    struct counting *const c = user;
    c->live--;
    free(ptr);
}

static void no_memory(void)
{
    struct counting c = { 0 };
    const struct daub_host host = { .allocator = { .alloc = counting_alloc, .free = counting_free, .user = &c } };
    char *data = NULL;
    size_t size = 0;
    struct daub_file_map *map = NULL;
    REQUIRE_STATUS(daub_file_map_open(&host, "/proc/self/exe", &map), DAUB_ERROR_NO_HOST_MEMORY, "a file's mapping");
    REQUIRE(!daub_path_join(&host, "a", "b") && !daub_self_dir(&host));
    // Growing for a file of unknown size fails at the first block, or at the second.
    for (size_t allowed = 0; allowed < 3; allowed++) {
        c.allowed = allowed;
        REQUIRE_STATUS(daub_file_read(&host, "/dev/zero", 1 << 20, &data, &size), DAUB_ERROR_NO_HOST_MEMORY,
                       "a file's bytes");
        REQUIRE(c.live == 0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--self") == 0) {
        char *const self = daub_self_dir(NULL);
        fputs(self ? self : "", stdout);
        daub_free(NULL, self);
        return 0;
    }
    REQUIRE(mkdtemp(dir));
    writing_and_reading();
    maps();
    failed_writes_leave_nothing();
    what_a_write_keeps();
    folders();
    own_folder();
    written_in_pieces();
    names();
    no_memory();
    REQUIRE(count_entries(dir) == 0);
    REQUIRE(rmdir(dir) == 0);
    return 0;
}
