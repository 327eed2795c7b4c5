// harness.c - see harness.h: one command line run in this process.
#include "tests/command/asked.h"

#include <dirent.h>
#include <ftw.h>
#include <unistd.h>

int daub_main(int argc, char **argv);

static char folder[] = "/tmp/daub-command-XXXXXX";
static struct outcome outcome;

void command_begin(void)
{
    unsetenv("DAUB_DEBUG");
    REQUIRE(mkdtemp(folder) && chdir(folder) == 0);
    answers = (struct answers) { 0 };
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static void forget(void)
{
    free(outcome.out);
    free(outcome.err);
    outcome = (struct outcome) { 0 };
}

void command_end(void)
{
    forget();
    REQUIRE(chdir("/") == 0 && nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static char *text_of(FILE *file)
{
    const long n = ftell(file);
    char *text = calloc(1, (size_t)n + 1);
    REQUIRE(n >= 0 && text);
    rewind(file);
    REQUIRE(fread(text, 1, (size_t)n, file) == (size_t)n);
    fclose(file);
    return text;
}

// One stream into a file, or back.
static int redirect(FILE *stream, int to)
{
    fflush(stream);
    const int before = dup(fileno(stream));
    REQUIRE(before >= 0 && dup2(to, fileno(stream)) >= 0);
    return before;
}

const struct outcome *command(const char *line)
{
    enum { MOST = 64 };
    char words[4096], *argv[MOST] = { (char[]) { "daub" } };
    int argc = 1;
    REQUIRE(strlen(line) < sizeof(words));
    memcpy(words, line, strlen(line) + 1);
    for (char *at = words; *at;) {
        at += strspn(at, " ");
        const bool quoted = *at == '\'';
        at += quoted;
        if (!*at)
            break;
        REQUIRE(argc + 1 < MOST);
        argv[argc++] = at;
        at += strcspn(at, quoted ? "'" : " ");
        if (*at)
            *at++ = '\0';
    }
    forget();
    asked[0] = '\0';
    FILE *out = tmpfile(), *err = tmpfile();
    REQUIRE(out && err);
    const int before_out = redirect(stdout, fileno(out)), before_err = redirect(stderr, fileno(err));
    outcome.status = daub_main(argc, argv);
    close(redirect(stdout, before_out));
    close(redirect(stderr, before_err));
    close(before_out);
    close(before_err);
    outcome.out = (fseek(out, 0, SEEK_END), text_of(out));
    outcome.err = (fseek(err, 0, SEEK_END), text_of(err));
    outcome.asked = asked;
    return &outcome;
}

bool has_line(const char *lines, const char *line)
{
    const size_t n = strlen(line);
    for (const char *at = lines; (at = strstr(at, line)) != NULL; at++)
        if ((at == lines || at[-1] == '\n') && (at[n] == '\n' || at[n] == '\0'))
            return true;
    return false;
}

static int count_files(void)
{
    DIR *dir = opendir(".");
    int n = 0;
    REQUIRE(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

void refused(const char *line, int status, const char *words)
{
    const int before = count_files();
    const struct outcome *o = command(line);
    const char *end = strchr(o->err, '\n');
    if (o->status != status || *o->out || strncmp(o->err, "daub: ", 6) != 0 || !end || end[1] || !strstr(o->err, words))
        TEST_FAIL("daub %s: status %d, wanted %d with \"%s\":\n%s%s", line, o->status, status, words, o->err, o->out);
    if (count_files() != before)
        TEST_FAIL("daub %s left a file", line);
}
