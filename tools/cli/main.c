// main.c - the daub command.
#include "table.h"

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

int main(int argc, char **argv)
{
    return_freed_memory();
    struct cli cli;
    (void)cli_seconds(); // counts from here
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
