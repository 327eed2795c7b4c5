// test_command_files.c - what the command writes and reads again: names and formats of pictures, their text, --batch-file,
// strips, grids, and from-image's every recorded field.
#include "tests/command/harness.h"

#include "tools/cli/table.h"

#include <unistd.h>

struct file {
    uint8_t *at;
    size_t n;
};

static struct file read_file(const char *path)
{
    struct file out = { 0 };
    FILE *file = fopen(path, "rb");
    if (!file)
        TEST_FAIL("there is no %s", path);
    REQUIRE(fseek(file, 0, SEEK_END) == 0);
    out.n = (size_t)ftell(file);
    out.at = calloc(1, out.n + 1);
    rewind(file);
    REQUIRE(out.at && fread(out.at, 1, out.n, file) == out.n);
    fclose(file);
    return out;
}

static bool same_files(const char *a, const char *b)
{
    struct file x = read_file(a), y = read_file(b);
    const bool same = x.n == y.n && memcmp(x.at, y.at, x.n) == 0;
    free(x.at);
    free(y.at);
    return same;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void is_there(const char *path)
{
    if (unlink(path) != 0)
        TEST_FAIL("there is no %s", path);
}

static void runs(const char *line)
{
    const struct outcome *o = command(line);
    if (o->status != EXIT_OK || *o->err)
        TEST_FAIL("daub %s: %d, %s", line, o->status, o->err);
}

// What a picture says of itself.
static void says(const char *path, const char *wanted)
{
    char *text = NULL;
    const daub_source source = { .path = path };
    REQUIRE_OK(daub_picture_text(&source, &text));
    REQUIRE_TEXT(text, wanted);
    daub_text_free(text);
}

// ---- names and formats -----------------------------------------------------------------------------------------------

static void names(void)
{
    static const struct {
        const char *line, *first, *second;
    } cases[] = {
        { "-n 2 -o p-{seed}.png", "p-7.png", "p-8.png" },
        { "-n 2 -o p-{n}.png", "p-1.png", "p-2.png" },
        { "-n 2 -o {n}{n}-{seed}x.ppm", "11-7x.ppm", "22-8x.ppm" },
        { "-n 2 -o p.png", "p-1.png", "p-2.png" },
        { "-n 2 -o d.d/p --format ppm", "d.d/p-1", "d.d/p-2" },
        { "-n 2 -o d.d/p.x --format ppm", "d.d/p-1.x", "d.d/p-2.x" },
        { "-n 2", "daub-7.png", "daub-8.png" },
        { "-n 2 --format jpeg", "daub-7.jpg", "daub-8.jpg" },
        { "-n 1 -o p.png", "p.png", NULL },
        { "-n 2 -o p-{n}.png --strip s-{seed}.jpg", "s-7.jpg", "s-8.jpg" },
        { "-n 2 -o p-{n}.png --strip s.png", "s-1.png", "s-2.png" },
    };
    char line[256];
    REQUIRE(system("mkdir d.d") == 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(line, sizeof(line), "x --seed 7 -q %s", cases[i].line);
        runs(line);
        is_there(cases[i].first);
        if (cases[i].second)
            is_there(cases[i].second);
    }
    for (int i = 0; i < 3; i++)
        runs("x --seed 7 -q"); // an older picture stays
    is_there("daub-7.png");
    is_there("daub-7-2.png");
    is_there("daub-7-3.png");
    runs("x --seed 7 -q -o twice.ppm");
    runs("x --seed 8 -q -o twice.ppm"); // but for a name that was given
    struct file f = read_file("twice.ppm");
    REQUIRE(f.n == 13 + 24 * 16 * 3 && memcmp(f.at, "P6\n24 16\n255\n\b\b", 15) == 0 && f.at[f.n - 1] == 8);
    free(f.at);
}

static void formats(void)
{
    static const struct {
        const char *line, *path, *magic;
    } cases[] = {
        { "-o f.png", "f.png", "\x89PNG" },
        { "-o f.PNG", "f.PNG", "\x89PNG" },
        { "-o f.jpg", "f.jpg", "\xff\xd8" },
        { "-o f.jpeg", "f.jpeg", "\xff\xd8" },
        { "-o f.JPEG", "f.JPEG", "\xff\xd8" },
        { "-o f.ppm", "f.ppm", "P6\n" },
        { "-o f.png --format jpg", "f.png", "\xff\xd8" },
        { "-o f --format jpeg", "f", "\xff\xd8" },
        { "-o f.jpg --format ppm", "f.jpg", "P6\n" },
    };
    char line[256];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(line, sizeof(line), "x --seed 7 -q %s", cases[i].line);
        runs(line);
        struct file f = read_file(cases[i].path);
        if (memcmp(f.at, cases[i].magic, strlen(cases[i].magic)) != 0)
            TEST_FAIL("daub %s: no %s", line, cases[i].magic);
        free(f.at);
        is_there(cases[i].path);
    }
    refused("x -o f.gif", EXIT_FAILED, "use .png, .jpg or .ppm");
    refused("x -o none/f.png", EXIT_FAILED, "none");
    refused("x -o d.d --format png", EXIT_FAILED, "it is a folder");
    refused("x -o f.png --strip f.png", EXIT_FAILED, "the same file");
    refused("x -o f.png --strip f.gif", EXIT_FAILED, "f.gif");
    runs("x --seed 7 -q -o q92.jpg");
    runs("x --seed 7 -q -o also92.jpg --quality 92");
    runs("x --seed 7 -q -o q20.jpg --quality 20");
    REQUIRE(same_files("q92.jpg", "also92.jpg") && !same_files("q92.jpg", "q20.jpg"));
    REQUIRE(!strstr(command("x --seed 7 -o q20.jpg --quality 20")->err, "warning"));
    const char *said = strstr(command("x --seed 7 -n 3 -o q-{n}.png --quality 20")->err,
                              "--quality 20 changes nothing");
    REQUIRE(said && !strstr(said + 1, "--quality")); // once
}

#define MODEL "Model hash: 0123456789, Model: paint"
static void texts(void)
{
    runs("x --seed 7 -q -o t.png");
    says("t.png",
         "x\nSteps: 2, Sampler: Heun, Schedule type: Beta, CFG scale: 6.5, Seed: 7, Size: 24x16, " MODEL ", RNG: CPU, "
         "Version: daub 0.1.0");
    runs("x --seed 7 -q -o t.jpg --quality 20");
    says("t.jpg",
         "x\nSteps: 2, Sampler: Heun, Schedule type: Beta, CFG scale: 6.5, Seed: 7, Size: 24x16, " MODEL ", RNG: CPU, "
         "JPEG quality: 20, Version: daub 0.1.0");
    runs(
        "x --seed 7 -q -o t.png --style strict --precision f32 --vae dir/v --init in.ppm --mask in.pgm --strength 0.5");
    says("t.png", "x\nSteps: 2, Sampler: Heun, Schedule type: Beta, CFG scale: 12.5, Seed: 7, Size: 2x1, " MODEL
                  ", VAE hash: abcdef9876, VAE: v, Denoising strength: 0.5, RNG: CPU, CFG rescale: 0.625, Style: "
                  "strict, Precision: f32, "
                  "Init: in.ppm, Init hash: d21dee4630, Mask: in.pgm, Mask hash: 5efac61b91, Version: daub 0.1.0");
}

// ---- again -----------------------------------------------------------------------------------------------------------

static const char all[] =
    "'a (red) cat' --negative 'a dog' --size 40x48 --steps 3 --guidance 2.5 --guidance-rescale 0.25 "
    "--guidance-interval 0.25:0.75 --sampler ddim --schedule karras --eta 0.125 --rng cuda --clip-skip 2 "
    "--emphasis off --precision f32 --vae-tiles 5 --model dir/m --vae v.st --seed 7 -q";
static const char wanted_all[] =
    "draw prompt='a (red) cat' negative='a dog' emphasis=2 width=40 height=48 n_steps=3 guidance=2.5 rescale=0.25 "
    "start=0.25 end=0.75 seed=7 rng=2 sampler='ddim' schedule='karras' eta=0.125 clip_skip=2 vae_rows=5";

// Every field that is recorded comes back: none is left out, swapped or cut.
static void again(void)
{
    char line[1024];
    answers.found = true;
    snprintf(line, sizeof(line), "%s -o r.png", all);
    REQUIRE_LINE(command(line)->asked, wanted_all);
    const struct outcome *o = command("from-image r.png -o s.png -q");
    REQUIRE_TEXT(o->err, "");
    REQUIRE_LINE(o->asked, wanted_all);
    REQUIRE_LINE(o->asked, "load path='found/paint' precision=2 vae='found/v.st'");
    REQUIRE(same_files("r.png", "s.png"));
    runs("x -o d.png --seed 7 -q"); // defaults, as they were resolved
    REQUIRE_LINE(command("from-image d.png -o s.png -q")->asked,
                 "draw prompt='x' negative='' width=24 height=16 n_steps=2 guidance=6.5 seed=7 rng=1 sampler='heun' "
                 "schedule='beta'");
    REQUIRE(same_files("d.png", "s.png"));
    runs("x -o e.png --seed 7 -q --vae-tiles off --style vivid");
    o = command("from-image e.png -o s.png -q --json");
    REQUIRE(strstr(o->asked, " guidance=12.5 rescale=0.625 ") && strstr(o->asked, " vae_rows=4.2949673e+09\n") &&
            !strstr(o->asked, "style '") && strstr(o->out, "\"style\": \"vivid\""));
    REQUIRE(same_files("e.png", "s.png"));
    answers.vae_memory = 1ull << 33; // beyond 32 bits
    runs("x -o v.png --seed 7 -q");
    REQUIRE(strstr(command("from-image v.png -o s.png -q")->asked, " vae_memory=8.58993459e+09\n"));
    REQUIRE(same_files("v.png", "s.png"));
    o = command("from-image v.png -o t.png -q --vae-tiles 6");
    REQUIRE(strstr(o->asked, " vae_rows=6\n") && !strstr(o->asked, "vae_memory"));
    answers.vae_memory = 0;
    runs("x -o i.png --seed 7 -q --init in.ppm --mask in.pgm --strength 0.625");
    o = command("from-image i.png -o s.png -q");
    REQUIRE(strstr(o->asked, " init=2x1x3:9 strength=0.625 mask=2x1x1:8\n") && same_files("i.png", "s.png"));
    runs("--prompt-embeds in.ppm -o b.png --seed 7 -q");
    o = command("from-image b.png -o s.png -q");
    REQUIRE(strstr(o->asked, " embeds='in.ppm'\n") && strstr(o->asked, "draw width=") && same_files("b.png", "s.png"));
    runs("x -o j.jpg --seed 7 -q --quality 30");
    runs("from-image j.jpg -q"); // its format and its quality
    REQUIRE(same_files("j.jpg", "daub-7.jpg"));
    is_there("daub-7.jpg");
    runs("x -o n-{n}.png --seed 7 -n 2 -q");
    runs("from-image n-1.png -n 2 -o m-{n}.png -q");
    REQUIRE(same_files("n-1.png", "m-1.png") && same_files("n-2.png", "m-2.png"));
}

// Options win over what is recorded, each over its own field alone.
static void over(void)
{
    static const struct {
        const char *option, *was, *is;
    } cases[] = {
        { "--prompt b", "prompt='a (red) cat'", "prompt='b'" },
        { "--negative b", "negative='a dog'", "negative='b'" },
        { "--emphasis webui", "emphasis=2", "emphasis=1" },
        { "--width 16", "width=40", "width=16" },
        { "--height 16", "height=48", "height=16" },
        { "--size 8x16", "width=40 height=48", "width=8 height=16" },
        { "--steps 9", "n_steps=3", "n_steps=9" },
        { "--guidance 3", "guidance=2.5", "guidance=3" },
        { "--guidance-rescale 0.5", "rescale=0.25", "rescale=0.5" },
        { "--guidance-rescale 0", " rescale=0.25", "" },
        { "--guidance-interval 0:0.5", "start=0.25 end=0.75", "end=0.5" },
        { "--seed 9", "seed=7", "seed=9" },
        { "--seed 0", " seed=7", "" },
        { "--rng torch-cpu", "rng=2", "rng=1" },
        { "--sampler ddim", "", "" },
        { "--sampler dpmpp_2m", "sampler='ddim' schedule='karras'", "sampler='dpmpp_2m'" },
        { "--schedule lu", "schedule='karras'", "schedule='lu'" },
        { "--eta 0.5", "eta=0.125", "eta=0.5" },
        { "--eta 0", " eta=0.125", "" },
        { "--clip-skip 1", "clip_skip=2", "clip_skip=1" },
        { "--vae-tiles 6", "vae_rows=5", "vae_rows=6" },
        { "--vae-tiles auto", " vae_rows=5", "" },
        { "--memory small", "vae_rows=5", "memory=2 vae_rows=5" },
    };
    char line[1024], wanted[2048];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *at = strstr(wanted_all, cases[i].was);
        REQUIRE(at);
        snprintf(wanted, sizeof(wanted), "%.*s%s%s", (int)(at - wanted_all), wanted_all, cases[i].is,
                 at + strlen(cases[i].was));
        snprintf(line, sizeof(line), "from-image r.png -o s.png -q %s", cases[i].option);
        REQUIRE_LINE(command(line)->asked, wanted);
    }
    REQUIRE_LINE(command("from-image r.png -o s.png -q --precision f16 --model m --vae v")->asked,
                 "load path='m' vae='v'");
    REQUIRE(!has_line(command("from-image r.png -o s.png -q --seed random")->asked, wanted_all));
    REQUIRE(strstr(command("from-image r.png -o s.png -q --prompt-embeds e")->asked, "embeds='e'"));
    answers.found = false;
    refused("from-image r.png -o never.png", EXIT_FAILED, "give it by --model");
    const struct outcome *o = command("from-image r.png -o s.png --model m");
    REQUIRE(o->status == EXIT_OK &&
            strstr(o->err, "daub: warning: r.png was decoded by the VAE v.st, of hash abcdef9876, which is not found"));
    REQUIRE(!*command("from-image r.png -o s.png --model m -q")->err);
    refused("from-image r.png -o never.png --model m --exact", EXIT_FAILED,
            "which is not found here; give it by --vae");
    unlink("in.pgm");
    refused("from-image i.png -o never.png --model m", EXIT_FAILED, "i.png was drawn from in.pgm, of hash ");
    answers.found = true;
    write_text("in.pgm", "P5\n2 1\n255\n\t\1");
    o = command("from-image i.png -o s.png --mask in.pgm --init in.ppm");
    REQUIRE(o->status == EXIT_OK && strstr(o->err, "was drawn from another mask: in.pgm"));
    refused("from-image i.png -o never.png --mask in.pgm --exact", EXIT_FAILED, "from another mask");
}

// ---- batches ---------------------------------------------------------------------------------------------------------

static void batches(void)
{
    write_text(
        "b.txt",
        "# a comment\n one \r\n\n{\"prompt\": \"t\\u00e9\", \"steps\": 4, \"guidance_rescale\": 0.5, \"clip-skip\": 2, "
        "\"seed\": 9, \"negative\": \"n\", \"size\": \"8x16\", \"count\": 2, \"guidance_interval\": \"0:0.5\"}\n"
        "{\"prompt\": \"u\", \"style\": \"vivid\", \"format\": \"jpg\", \"output\": \"own\", \"quality\": 50}\n");
    const struct outcome *o = command("--batch-file b.txt --seed 5 --steps 3 -o b-{line}-{n}.ppm --json -q");
    REQUIRE_TEXT(o->err, "");
    REQUIRE_LINE(o->asked, "draw prompt='one' n_steps=3 seed=5");
    const char line[] =
        "draw prompt='t\xc3\xa9' negative='n' width=8 height=16 n_steps=4 rescale=0.5 end=0.5 seed=%d clip_skip=2";
    char wanted[256];
    for (int seed = 9; seed <= 10; seed++) {
        snprintf(wanted, sizeof(wanted), line, seed);
        REQUIRE_LINE(o->asked, wanted);
    }
    REQUIRE_LINE(o->asked, "draw prompt='u' n_steps=3 guidance=12.5 rescale=0.625 seed=5");
    REQUIRE(strstr(o->out, "{\"path\": \"b-2-1.ppm\", \"prompt\": \"one\", \"line\": 2, \"seed\": 5,") == o->out);
    REQUIRE(strstr(o->out, "{\"path\": \"own\", \"prompt\": \"u\", \"line\": 5,") &&
            strstr(o->out, "\"line\": 4, \"seed\": 10,"));
    is_there("b-2-1.ppm");
    is_there("b-4-1.ppm");
    is_there("b-4-2.ppm");
    struct file own = read_file("own");
    REQUIRE(own.at[0] == 0xff);
    free(own.at);
    runs("--batch-file b.txt --seed 5 -o p.png -q"); // nothing in the name tells the lines apart
    is_there("p-2.png");
    is_there("p-4-1.png");
    write_text("one.txt", "one\n");
    runs("--batch-file one.txt --seed 5 -o p.png -q");
    is_there("p.png");
    runs("--batch-file one.txt --seed 5 -o {line}{line}.png -q");
    is_there("11.png");
    static const char *const whole[] = { "model",      "config_from",   "device",     "precision",  "weight-cache",
                                         "max_memory", "vae",           "preview",    "show_by",    "strip",
                                         "columns",    "preview_every", "batch_file", "keep_going", "json",
                                         "quiet",      "verbose",       "help",       "version" };
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        snprintf(wanted, sizeof(wanted), "{\"prompt\": \"x\", \"%s\": 1}\n", whole[i]);
        write_text("w.txt", wanted);
        refused("--batch-file w.txt", EXIT_FAILED, "w.txt, line 1: --");
        refused("--batch-file w.txt", EXIT_FAILED, "is of the whole run");
    }
    write_text("f.txt", "{\"prompt\": \"a\", \"output\": \"f1.png\"}\n{\"prompt\": \"b\", \"output\": \"/dev/full\", "
                        "\"format\": \"png\"}\n"
                        "{\"prompt\": \"c\", \"output\": \"f3.png\"}\n");
    o = command("--batch-file f.txt -q");
    REQUIRE(o->status == EXIT_FAILED && strstr(o->err, "f.txt, line 2: cannot write /dev/full") &&
            access("f3.png", F_OK) != 0);
    o = command("--batch-file f.txt -q --keep-going");
    REQUIRE(o->status == EXIT_FAILED && strstr(o->err, "line 2: cannot write"));
    is_there("f3.png");
    answers.unfit = true;
    write_text("f.txt", "a\nb\n");
    refused("--batch-file f.txt -o f-{line}.png", EXIT_FAILED, "f.txt, line 1: 24x16 needs 31.0 MB");
    answers.unfit = false;
    REQUIRE(access("f-1.png", F_OK) != 0);
}

// ---- sheets ----------------------------------------------------------------------------------------------------------

static daub_image picture(const char *path)
{
    daub_image out = { 0 };
    REQUIRE_OK(daub_image_read(path, &out));
    REQUIRE(out.channels == 3);
    return out;
}

static const uint8_t *pixel(const daub_image *image, uint32_t x, uint32_t y)
{
    return image->pixels + 3 * ((size_t)y * image->width + x);
}

// A latent a cell, at unit variance: what the sampler keeps as x0 + 3 noise is divided by the root of 10.
static void strips(void)
{
    for (int scaled = 0; scaled <= 1; scaled++) {
        runs(scaled ? "x --seed 1 --steps 12 --sampler ddim -q -o s.png --strip t.ppm"
                    : "x --seed 1 --steps 12 -q -o s.png --strip t.ppm");
        daub_image strip = picture("t.ppm");
        REQUIRE(strip.width == 6 * 24 + 5 * 4 && strip.height == 2 * (16 + 3 * 12 + 2) + 4);
        for (uint32_t i = 0; i < 12; i++)
            for (uint32_t x = 0; x < 24; x += 23)
                REQUIRE(pixel(&strip, i % 6 * 28 + x, i / 6 * 58)[2] ==
                        (scaled ? 10 * (i + 1) : lrint(10.0 * (i + 1) / sqrt(10.0))));
        REQUIRE(pixel(&strip, 24, 0)[0] == 255 && pixel(&strip, 0, 16 + 1)[0] == 255); // the gap, the foot
        daub_image_free(&strip);
    }
    runs("x --seed 1 --steps 12 -q -o s.png --strip t.ppm --columns 4 --show-by linear");
    daub_image strip = picture("t.ppm");
    REQUIRE(strip.width == 4 * 3 + 3 * 4 && strip.height == 3 * (2 + 3 * 12 + 2) + 2 * 4);
    daub_image_free(&strip);
    runs("x --seed 1 --steps 2 -q -o s.png --strip t.ppm --columns 4"); // no more columns than latents
    strip = picture("t.ppm");
    REQUIRE(strip.width == 2 * 24 + 4);
    daub_image_free(&strip);
    runs("x --seed 1 -q -o s.png --strip t.png");
    says("t.png",
         "x\nSteps: 2, Sampler: Heun, Schedule type: Beta, CFG scale: 6.5, Seed: 1, Size: 24x16, " MODEL ", RNG: CPU, "
         "Version: daub 0.1.0");
    REQUIRE_LINE(command("x --seed 1 -o s.png --strip t.png")->err, "t.png: the latents after 2 steps");
    answers.no_preview_map = true;
    refused("x --seed 1 -o never.png --strip t.png --show-by linear", EXIT_FAILED, "--show-by linear: no linear map");
    answers.no_preview_map = false;
    refused("x --steps 1000 --size 1024x1024 -o never.png --strip t.png", EXIT_FAILED,
            "1000 of 1024x1024 is too large");
}

static void grids(void)
{
    runs("grid x --x seed=1,20,30 --y steps=1..3/2 -q -o g.ppm");
    daub_image grid = picture("g.ppm");
    const uint32_t left = grid.width - (3 * 24 + 2 * 4), top = grid.height - (2 * 16 + 4);
    REQUIRE(left > 20 && left < 160 && top >= 3 * 12 && top < 50);
    for (uint32_t row = 0; row < 2; row++)
        for (uint32_t column = 0; column < 3; column++)
            for (uint32_t x = 0; x < 24; x += 23)
                REQUIRE(pixel(&grid, left + column * 28 + x, top + row * 20)[1] == (column == 0   ? 1
                                                                                    : column == 1 ? 20
                                                                                                  : 30));
    daub_image_free(&grid);
    struct outcome const *o = command("grid x --x seed=3,4 --y 'sampler=heun,dpmpp_2m karras' -q -o g.png --json");
    REQUIRE(
        strstr(o->out, "{\"path\": \"g.png\", \"width\": ") == o->out &&
        strstr(o->out,
               ", \"x\": {\"name\": \"seed\", \"values\": [\"3\", \"4\"]}, \"y\": {\"name\": \"sampler\", \"values\": "
               "[\"heun\", \"dpmpp_2m karras\"]}, \"seed\": "));
    says("g.png",
         "x\nSteps: 2, Sampler: Heun, Schedule type: Beta, CFG scale: 6.5, Seed: 3, Size: 24x16, " MODEL
         ", RNG: CPU, Version: daub 0.1.0, Script: X/Y/Z plot, X Type: seed, X Values: \"3, 4\", Y Type: sampler, "
         "Y Values: \"heun, dpmpp_2m karras\"");
    REQUIRE(strstr(command("grid x --seed 3 --x steps=1,2 -o g.png")->out, "g.png: 52x"));
    REQUIRE(strstr(command("grid x --seed 3 --x steps=1,2 -o g.png")->out, ", 2 pictures, seed 3, "));
    static const struct {
        const char *axis, *values; // of what is drawn, in order
    } ranges[] = {
        { "steps=1..4", "1 2 3 4 " },
        { "steps=4..1", "4 3 2 1 " },
        { "steps=1..10/4", "1 5 9 " },
        { "guidance=1..2/0.25", "1 1.25 1.5 1.75 2 " },
        { "eta=0..0.3/0.1", "0 0.1 0.2 0.3 " },
        { "steps=1,3..5,9", "1 3 4 5 9 " },
        { "steps=1|2", "1 2 " },
        { "--steps=7,8", "7 8 " },
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        char line[128], got[256] = "", name[64], *values;
        snprintf(line, sizeof(line), "grid x --seed 3 --x '%s' -q --json -o g.ppm", ranges[i].axis);
        o = command(line);
        values = strstr(o->out, "\"values\": [");
        if (o->status != EXIT_OK || !values)
            TEST_FAIL("daub %s: %s", line, o->err);
        values += 11;
        for (int n; sscanf(values, "\"%63[^\"]\"%n", name, &n) == 1; values += strspn(values, ", ")) {
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ", name);
            values += n;
        }
        REQUIRE_TEXT(got, ranges[i].values);
    }
}

static void previews(void)
{
    static const struct {
        const char *line;
        size_t n;
    } cases[] = {
        { "--preview=kitty --preview-every 1", 5 }, // four steps and the picture
        { "--preview=kitty --preview-every 2", 3 },
        { "--preview=kitty --preview-every 3", 3 },
        { "--preview=kitty", 2 }, // at most ten a second
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[128];
        snprintf(line, sizeof(line), "x --seed 1 --steps 4 -q -o s.png %s", cases[i].line);
        const struct outcome *o = command(line);
        size_t n = 0;
        for (const char *at = o->err; (at = strstr(at, "\033_Ga=T,f=100")) != NULL; at++)
            n++;
        if (o->status != EXIT_OK || n != cases[i].n)
            TEST_FAIL("daub %s: %zu pictures, wanted %zu", line, n, cases[i].n);
    }
}

int main(void)
{
    command_begin();
    write_text("in.ppm", "P6\n2 1\n255\n\t\1\2\3\4\5");
    write_text("in.pgm", "P5\n2 1\n255\n\b\1");
    names();
    formats();
    texts();
    again();
    over();
    batches();
    strips();
    grids();
    previews();
    command_end();
    return 0;
}
