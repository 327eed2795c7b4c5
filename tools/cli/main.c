// main.c - the daub command.
#include "table.h"

#include <errno.h>
#include <string.h>

#if defined(__linux__)
#include <malloc.h>
#endif

// CPU drivers compile kernels on several threads, and glibc, which learns to keep what is freed, would hold some 60 MB
// for good.
static void return_freed_memory(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 128 << 10); // both glibc's first values; setting them ends the learning
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
#endif
}

static int run(int argc, char **argv)
{
    struct cli cli;
    const int status = cli_parse(argc, argv, &cli);
    if (status != EXIT_OK)
        return status;
    if (cli.version) {
        const uint32_t v = daub_version();
        printf("daub %u.%u.%u\n", v / 1000000, v / 1000 % 1000, v % 1000);
        return EXIT_OK;
    }
    if (cli.help || (argc == 1)) {
        if (cli.named)
            cli_help(cli.command, stdout);
        else
            cli_overview(stdout);
        return EXIT_OK;
    }
    for (int c = 0; c < cli_n_commands; c++)
        if (cli_commands[c].command == cli.command)
            return cli_commands[c].run(&cli);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    return_freed_memory();
    (void)cli_seconds(); // counts from here
    const int status = run(argc, argv);
    // What was printed may lie in a buffer still: a full disk is noticed here, or nowhere.
    const bool flushed = fflush(stdout) == 0;
    const char *reason = flushed ? "" : strerror(errno);
    if (status == EXIT_OK && (!flushed || ferror(stdout)))
        return cli_fail("cannot write to standard output%s%s", *reason ? ": " : "", reason);
    return status;
}
