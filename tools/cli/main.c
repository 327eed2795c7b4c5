// main.c - the daub command.
#include "cli.h"

int main(int argc, char **argv)
{
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
    if (cli.man) {
        cli_man(stdout);
        return EXIT_OK;
    }
    if (cli.help || (argc == 1)) {
        cli_help(&cli, stdout);
        return EXIT_OK;
    }
    switch (cli.command) {
    case CLI_GENERATE:
        return cli_generate(&cli);
    case CLI_DEVICES:
        return cli_devices(&cli);
    case CLI_INSPECT:
        return cli_inspect(&cli);
    case CLI_SAMPLERS:
        return cli_samplers(&cli);
    case CLI_ENCODE:
        return cli_encode(&cli);
    case CLI_NOISE:
        return cli_noise(&cli);
    case CLI_BENCH:
        return cli_bench(&cli);
    case CLI_ALL:
        break;
    }
    return EXIT_USAGE;
}
