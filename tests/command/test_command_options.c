// test_command_options.c - "Each option has a test": what every option of the command becomes of the library's params, and nothing beside
// it. An option of the table that no case names fails the test, and so does a default that changes.
#include "tests/command/harness.h"

#include "tools/cli/table.h"

// A command line, the line that it must ask the library, and another one or NULL.
struct option_case {
    const char *line, *asked, *also;
};

#define DRAW "x -o a.png --seed 5"
#define DRAWN "draw prompt='x'"
#define TAIL " seed=5"

static const struct option_case drawing[] = {
    { DRAW, DRAWN TAIL, "load" },
    { DRAW, "open log=2", NULL },
    { "generate " DRAW, DRAWN TAIL, NULL },
    { "--prompt x -o a.png --seed 5", DRAWN TAIL, NULL },
    { "-o a.png --seed 5 -- --x", "draw prompt='--x' seed=5", NULL },
    { "-o a.png --seed 5 -", "draw prompt='-' seed=5", NULL },
    { "x -oa.png -S5 -s3", DRAWN " n_steps=3" TAIL, NULL },
    { DRAW " --negative 'a b'", DRAWN " negative='a b'" TAIL, NULL },
    { DRAW " --width 40", DRAWN " width=40" TAIL, NULL },
    { DRAW " -W 40 -H 48", DRAWN " width=40 height=48" TAIL, NULL },
    { DRAW " --height=48", DRAWN " height=48" TAIL, NULL },
    { DRAW " --size 40x48", DRAWN " width=40 height=48" TAIL, NULL },
    { DRAW " --steps 3", DRAWN " n_steps=3" TAIL, NULL },
    { DRAW " --guidance 2.5", DRAWN " guidance=2.5" TAIL, NULL },
    { DRAW " -g 1", DRAWN " guidance=1" TAIL, NULL },
    { DRAW " --guidance-rescale 0.25", DRAWN " rescale=0.25" TAIL, NULL },
    { DRAW " --guidance-rescale 0", DRAWN TAIL, NULL },
    { DRAW " --guidance-interval 0.25:0.75", DRAWN " start=0.25 end=0.75" TAIL, NULL },
    { DRAW " --guidance-interval 0:1", DRAWN " end=1" TAIL, NULL },
    { DRAW " --style vivid", DRAWN " guidance=12.5 rescale=0.625" TAIL, "style 'vivid'" },
    { DRAW " --style strict --guidance 2 --guidance-rescale 0", DRAWN " guidance=2" TAIL, "style 'strict'" },
    { DRAW " --style none", DRAWN TAIL, NULL },
    { "x -o a.png --seed 18446744073709551615", "draw prompt='x' seed=18446744073709551615", NULL },
    { DRAW " --sampler lcm", DRAWN TAIL " sampler='lcm'", NULL },
    { DRAW " --schedule lu", DRAWN TAIL " schedule='lu'", NULL },
    { DRAW " --eta 0.5", DRAWN TAIL " eta=0.5", NULL },
    { DRAW " --rng cuda", DRAWN TAIL " rng=2", NULL },
    { DRAW " --rng nv", DRAWN TAIL " rng=2", NULL },
    { DRAW " --rng philox", DRAWN TAIL " rng=2", NULL },
    { DRAW " --rng torch-cpu", DRAWN TAIL " rng=1", NULL },
    { DRAW " --rng cpu", DRAWN TAIL " rng=1", NULL },
    { DRAW " --clip-skip 2", DRAWN TAIL " clip_skip=2", NULL },
    { DRAW " --emphasis webui", DRAWN " emphasis=1" TAIL, NULL },
    { DRAW " --emphasis off", DRAWN " emphasis=2" TAIL, NULL },
    { DRAW " --pad-prompts off", DRAWN " padding=1" TAIL, NULL },
    { DRAW " --pad-prompts empty", DRAWN " padding=2" TAIL, NULL },
    { DRAW " --pad-prompts last", DRAWN " padding=3" TAIL, NULL },
    { "--prompt-embeds e.st -o a.png --seed 5", "draw seed=5 embeds='e.st'", NULL },
    { DRAW " --memory resident", DRAWN TAIL, NULL },
    { DRAW " --memory small", DRAWN TAIL " memory=2", NULL },
    { DRAW " --memory stream", DRAWN TAIL " memory=3", NULL },
    { DRAW " --vae-tiles 7", DRAWN TAIL " vae_rows=7", NULL },
    { DRAW " --vae-tiles 16384", DRAWN TAIL " vae_rows=16384", NULL },
    { DRAW " --vae-tiles off", DRAWN TAIL " vae_rows=4.2949673e+09", NULL },
    { DRAW " --vae-tiles auto", DRAWN TAIL, NULL },
    { DRAW " -i in.ppm", DRAWN TAIL " init=2x1x3:9", NULL },
    { DRAW " --init in.ppm --strength 0.25", DRAWN TAIL " init=2x1x3:9 strength=0.25", NULL },
    { DRAW " --init in.ppm --mask in.pgm", DRAWN TAIL " init=2x1x3:9 mask=2x1x1:8", NULL },
    { DRAW " --preview=kitty", DRAWN TAIL " preview=2:0", NULL }, // small pictures are decoded
    { DRAW " --preview=kitty --size 128x136", DRAWN " width=128 height=136" TAIL " preview=1:0", NULL },
    { DRAW " --preview=kitty --size 136x128", DRAWN " width=136 height=128" TAIL " preview=1:0", NULL },
    { DRAW " --preview=kitty --size 128x128", DRAWN " width=128 height=128" TAIL " preview=2:0", NULL },
    { DRAW " --preview=kitty --memory small", DRAWN TAIL " memory=2 preview=1:0", NULL },
    { DRAW " --preview=kitty --max-memory 1G", DRAWN TAIL " preview=1:0", NULL },
    { DRAW " --preview=sixel --preview-every 3", DRAWN TAIL " preview=2:3", NULL },
    { DRAW " --preview=blocks --show-by linear", DRAWN TAIL " preview=1:0", NULL },
    { DRAW " --preview=iterm2 --show-by vae --size 512x512", DRAWN " width=512 height=512" TAIL " preview=2:0", NULL },
    { DRAW " --model m --vae v", DRAWN TAIL, "load path='m' vae='v'" },
    { DRAW " -m m --config-from c", DRAWN TAIL, "load path='m' config='c'" },
    { DRAW " --precision f16", DRAWN TAIL, "load" },
    { DRAW " --precision f32", DRAWN TAIL, "load precision=2" },
    { DRAW " --weight-cache w", DRAWN TAIL, "load cache='w'" },
    { DRAW " --device 1", DRAWN TAIL, "open device='1' log=2" },
    { DRAW " -d pen", DRAWN TAIL, "open device='pen' log=2" },
    { DRAW " --max-memory 900", DRAWN TAIL, "open max_memory=900 log=2" },
    { DRAW " --max-memory 3k", DRAWN TAIL, "open max_memory=3000 log=2" },
    { DRAW " --max-memory 1.5M", DRAWN TAIL, "open max_memory=1500000 log=2" },
    { DRAW " --max-memory 1.2G", DRAWN TAIL, "open max_memory=1.2e+09 log=2" },
    { DRAW " --quiet", DRAWN TAIL, "open log=1" },
    { DRAW " -v", DRAWN TAIL, "open log=3" },
};

static const struct option_case others[] = {
    { "devices -d 1", "list device='1' log=0", NULL },
    { "inspect m --vae v --config-from c", "inspect path='m' config='c' vae='v'", NULL },
    { "inspect m --vae v --config-from c --json", "inspect path='m' config='c' vae='v'", NULL },
    { "encode x -o e.st --negative n --clip-skip 2 --emphasis off",
      "to 'e.st' encode prompt='x' negative='n' emphasis=2 clip_skip=2", "load" },
    { "estimate x --memory small --size 40x48 --vae-tiles 3",
      "estimate prompt='x' width=40 height=48 memory=2 vae_rows=3", NULL },
    { "estimate x --style vivid", "estimate prompt='x' guidance=12.5 rescale=0.625", "style 'vivid'" },
    { "bench", "bench rows=0  prompt='a red apple'", NULL },
    { "bench x --ops --steps 3 --style vivid", "bench rows=1  prompt='x' n_steps=3 guidance=12.5 rescale=0.625", NULL },
    { "bench --prompt-embeds e.st", "bench rows=0  embeds='e.st'", NULL },
    { "bench --kernels", "rates precision=0 ops='' seconds=0", "rates log=2" },
    { "bench --kernels --seconds 7 --op conv*,gemm --precision f32 -d 1",
      "rates precision=2 ops='conv*,gemm' seconds=7", "rates device='1' log=2" },
    { "selftest", "selftest precision=0 ops='' thorough=0 list=0", "selftest log=2" },
    { "selftest --thorough --op gemm --precision f16 --device 1", "selftest precision=1 ops='gemm' thorough=1 list=0",
      "selftest device='1' log=2" },
    { "selftest --list --precision f32", "selftest precision=2 ops='' thorough=0 list=1", NULL },
    { "selftest --precision both", "selftest precision=0 ops='' thorough=0 list=0", NULL },
    { "doctor", "doctor cache=''", "doctor log=1" },
    { "doctor --weight-cache w -d 1", "doctor cache='w'", "doctor device='1' log=1" },
    { "grid x --seed 5 --x steps=2,3 --y guidance=4 -o g.png", "draw prompt='x' n_steps=3 guidance=4 seed=5",
      "draw prompt='x' n_steps=2 guidance=4 seed=5" },
    { "grid x --seed 5 --x size=16x24,24x16 -o g.png", "draw prompt='x' width=24 height=16 seed=5",
      "draw prompt='x' width=16 height=24 seed=5" },
    { "grid x --x seed=1,2 -o g.png", "draw prompt='x' seed=2", "draw prompt='x' seed=1" },
    { "grid x --seed 5 --x style=none,vivid -o g.png", "draw prompt='x' guidance=12.5 rescale=0.625 seed=5",
      "draw prompt='x' seed=5" },
    { "grid --seed 5 --x 'prompt=a, b|c' -o g.png", "draw prompt='a, b' seed=5", "draw prompt='c' seed=5" },
    { "grid --seed 5 --x 'sampler=heun|dpmpp_2m, karras' --prompt-embeds e -o g.png",
      "draw seed=5 sampler='dpmpp_2m, karras' embeds='e'", "draw seed=5 sampler='heun' embeds='e'" },
    { "grid x --seed 5 --x model=m,n --precision f32 -o g.png", "load path='n' precision=2",
      "load path='m' precision=2" },
    { "grid x --seed 5 --y clip-skip=1,2 --memory small -o g.png", "draw prompt='x' seed=5 clip_skip=2 memory=2",
      NULL },
};

// Options that become nothing of the library's params: the tests of this folder, and for cells e2e/from_image, that are about them.
static const char *const elsewhere[] = { "count", "strip",   "x",      "y",       "batch-file", "keep-going", "cells",
                                         "exact", "output",  "format", "quality", "columns",    "start",      "json",
                                         "quiet", "verbose", "help",   "version", "seed" };

static void check(const struct option_case *c)
{
    const struct outcome *o = command(c->line);
    if (o->status != EXIT_OK)
        TEST_FAIL("daub %s: %d, %s", c->line, o->status, o->err);
    if (!has_line(o->asked, c->asked) || (c->also && !has_line(o->asked, c->also)))
        TEST_FAIL("daub %s asked\n%swanted\n%s\n%s", c->line, o->asked, c->asked, c->also ? c->also : "");
}

static bool names(const char *line, const struct option *o)
{
    char word[64];
    snprintf(word, sizeof(word), "--%s", o->name);
    const char *at = strstr(line, word);
    return at && strchr(" =", at[strlen(word)]);
}

static void every_option_has_a_case(void)
{
    for (int i = 0; i < cli_n_options; i++) {
        bool found = false;
        for (size_t c = 0; c < sizeof(drawing) / sizeof(drawing[0]); c++)
            found |= names(drawing[c].line, &cli_options[i]);
        for (size_t c = 0; c < sizeof(others) / sizeof(others[0]); c++)
            found |= names(others[c].line, &cli_options[i]);
        for (size_t c = 0; c < sizeof(elsewhere) / sizeof(elsewhere[0]); c++)
            found |= strcmp(elsewhere[c], cli_options[i].name) == 0;
        if (!found)
            TEST_FAIL("no case is of --%s", cli_options[i].name);
    }
}

// A random seed is another one each time, has 32 bits, and is the picture's.
static void random_seeds(void)
{
    unsigned long long seeds[2];
    for (int i = 0; i < 2; i++) {
        const struct outcome *o = command(i ? "x -o a.png --seed random --json" : "x -o a.png --json");
        const char *at = strstr(o->out, "\"seed\": ");
        char line[64];
        REQUIRE(at && sscanf(at, "\"seed\": %llu", &seeds[i]) == 1 && seeds[i] <= UINT32_MAX);
        snprintf(line, sizeof(line), "draw prompt='x' seed=%llu", seeds[i]);
        REQUIRE_LINE(o->asked, line);
    }
    REQUIRE(seeds[0] != seeds[1]);
}

static void wrong_values(void)
{
    static const char *const lines[][2] = {
        { "--steps", "--steps wants a value: N" },
        { "--steps ' 3'", "wants a number" },
        { "--steps 1e400", "wants a number" },
        { "--guidance inf", "wants a number" },
        { "--guidance nan", "wants a number" },
        { "--guidance 0.9", "outside 1..1000" },
        { "--guidance 1001", "outside 1..1000" },
        { "--guidance-rescale 1.1", "outside 0..1" },
        { "--guidance-rescale -0.1", "outside 0..1" },
        { "--steps 1001", "outside 1..1000" },
        { "--width 16385", "outside 1..16384" },
        { "--height 0", "outside 1..16384" },
        { "--count 0", "outside 1..10000" },
        { "--count 10001", "outside 1..10000" },
        { "--eta 1.5", "outside 0..1" },
        { "--clip-skip 0", "outside 1..64" },
        { "--clip-skip 65", "outside 1..64" },
        { "--strength 0", "outside 0.001..1" },
        { "--strength 1.01", "outside 0.001..1" },
        { "--quality 101", "outside 1..100" },
        { "--quality 0", "outside 1..100" },
        { "--columns 1", "outside 2..64" },
        { "--columns 65", "outside 2..64" },
        { "--preview-every 1001", "outside 1..1000" },
        { "--preview-every 0", "outside 1..1000" },
        { "--quiet=1", "takes no value" },
        { "-Q", "unknown option -Q" },
        { "--size 16385x8", "outside 1..16384" },
        { "--size 8x16385", "outside 1..16384" },
        { "--size 0x8", "outside 1..16384" },
        { "--size 8x8x", "wants WIDTHxHEIGHT" },
        { "--size 8x8 --width 8", "not both" },
        { "--size 8x8 --height 8", "not both" },
        { "--seed 18446744073709551616", "--seed wants a whole number" },
        { "--seed +1", "--seed wants a whole number" },
        { "--seed 1x", "--seed wants a whole number" },
        { "--prompt y", "one or the other" },
        { "--preview-every 2", "goes with --preview" },
        { "--columns 3", "goes with --strip" },
        { "--show-by vae", "goes with --preview or --strip" },
        { "--preview=kitty --show-by eye", "wants linear or vae" },
        { "--preview=gif", "wants auto, kitty" },
        { "--op gemm", "does not go with daub generate" },
    };
    char line[256];
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(line, sizeof(line), "x -o a.png %s", lines[i][0]);
        refused(line, EXIT_USAGE, lines[i][1]);
    }
    static const char *const commands[][2] = {
        { "devices x", "takes no argument" },
        { "samplers x", "takes no argument" },
        { "styles x", "takes no argument" },
        { "doctor x", "takes no argument" },
        { "man x", "takes no argument" },
        { "encode", "wants a PROMPT" },
        { "noise", "wants a PICTURE" },
        { "from-image", "wants a FILE" },
        { "completions", "wants a SHELL" },
        { "completions csh", "not for 'csh'" },
        { "bench --seconds 0.5", "outside 1..3600" },
        { "bench --seconds 3601", "outside 1..3600" },
        { "estimate --strip s.png", "does not go with daub estimate" },
        { "inspect a b", "more than one file" },
        { "help a b", "more than one command" },
        { "from-image a --style vivid", "does not go with" },
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        refused(commands[i][0], EXIT_USAGE, commands[i][1]);
}

static void wrong_words(void)
{
    static const char *const lines[][2] = {
        { "--memory tiny", "--memory wants resident, small or stream" },
        { "--rng dice", "--rng wants torch-cpu or cuda" },
        { "--precision f8", "--precision wants f16 or f32" },
        { "--format gif", "--format wants png, jpg or ppm" },
        { "--emphasis on", "--emphasis wants webui or off, not 'on'" },
        { "--emphasis web", "did you mean webui?" },
        { "--style bold", "unknown style" },
        { "--max-memory 0", "--max-memory wants bytes" },
        { "--max-memory 1T", "--max-memory wants bytes" },
        { "--max-memory 1Gi", "--max-memory wants bytes" },
        { "--vae-tiles 16385", "--vae-tiles wants" },
        { "--vae-tiles 0", "--vae-tiles wants" },
        { "--guidance-interval 0:1.01", "--guidance-interval wants" },
        { "--keep-going", "is for the lines of --batch-file" },
        { "--batch-file b --strip s.png", "--strip is of one prompt's" },
    };
    char line[256];
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(line, sizeof(line), "x -o a.png %s", lines[i][0]);
        refused(line, EXIT_FAILED, lines[i][1]);
    }
    refused("selftest --precision f8", EXIT_FAILED, "f16, f32 or both");
    refused("bench --kernels --precision both", EXIT_FAILED, "f16 or f32");
    refused("encode x", EXIT_FAILED, "wants -o FILE.safetensors");
}

int main(void)
{
    command_begin();
    FILE *in = fopen("in.ppm", "wb"), *mask = fopen("in.pgm", "wb");
    REQUIRE(in && mask && fwrite("P6\n2 1\n255\n\t\1\2\3\4\5", 1, 17, in) == 17);
    REQUIRE(fwrite("P5\n2 1\n255\n\b\1", 1, 13, mask) == 13 && fclose(in) == 0 && fclose(mask) == 0);
    every_option_has_a_case();
    for (size_t i = 0; i < sizeof(drawing) / sizeof(drawing[0]); i++)
        check(&drawing[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        check(&others[i]);
    random_seeds();
    wrong_values();
    wrong_words();
    command_end();
    return 0;
}
