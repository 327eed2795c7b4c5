// test_command_refusals.c - a sentence for each mistake in a --batch-file, a grid's axes or a picture's text, with the thing, the value
// and the near name or limit in it; and where from-image finds the files that a picture names.
#include "tests/command/harness.h"

#include "tools/cli/axis.h"
#include "tools/cli/table.h"

#include <sys/stat.h>
#include <unistd.h>

static void write_text(const char *path, const char *text, size_t n)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(text, 1, n, file) == n && fclose(file) == 0);
}

// ---- batches ---------------------------------------------------------------------------------------------------------

#define TEXT(text) text, sizeof(text) - 1
static const struct {
    const char *text;
    size_t n;
    const char *more, *words;
} mistakes[] = {
    { TEXT("a\n{\"prompt\": \"b\", \"stesp\": 3}\n"), "",
      "b.txt, line 2: unknown option --stesp; did you mean --steps?" },
    { TEXT("{\"prompt\": \"b\", \"ops\": true}"), "", "line 1: --ops does not go with daub generate" },
    { TEXT("{\"prompt\": \"b\", \"exact\": maybe}"), "", "column 17: a text, a number, true or false is wanted" },
    { TEXT("{\"prompt\": \"b\", \"steps\": \"x\"}"), "", "line 1: --steps wants a number, not 'x'" },
    { TEXT("{\"prompt\": \"b\", \"steps\": true}"), "", "line 1: --steps wants a number, not 'true'" },
    { TEXT("a\n\n{\"prompt\": \"b\", \"steps\": 2000}"), "", "line 3: --steps 2000 is outside 1..1000" },
    { TEXT("{\"prompt\": \"b\", \"seed\": -1}"), "", "line 1: --seed wants a whole number" },
    { TEXT("{\"prompt\": \"b\", \"size\": \"8\"}"), "", "line 1: --size wants WIDTHxHEIGHT" },
    { TEXT("{\"prompt\": [\"b\"]}"), "", "column 2: a text, a number" },
    { TEXT("{\"prompt\": null}"), "", "column 2: a text, a number" },
    { TEXT("{\"prompt\": +1}"), "", "a text, a number" },
    { TEXT("{\"prompt\": \"b\\u0000\"}"), "", "a text, a number" },
    { TEXT("{\"prompt\": \"b"), "", "a text, a number" },
    { TEXT("{\"prompt\": \"\\ud800\"}"), "", "a text, a number" },
    { TEXT("{prompt: 1}"), "", "column 2: a name in quotes is wanted" },
    { TEXT("{\"prompt\" \"b\"}"), "", "column 11: a colon is wanted" },
    { TEXT("{\"prompt\": \"b\""), "", "a comma or a closing brace is wanted" },
    { TEXT("{\"prompt\": \"b\"} x"), "", "the line goes on behind its object" },
    { TEXT("{\"seed\": 1}"), "", "line 1: it has no prompt" },
    { TEXT("a\nb\0c\n"), "", "line 2: there is a zero byte" },
    { TEXT("a\n"), "x", "line 1: it is a prompt, and the command line has one" },
    { TEXT("# nothing\n\n"), "", "b.txt has no prompt" },
    { TEXT("{\"prompt\": \"c\", \"output\": \"gone/x.png\"}"), "", "line 1: cannot write to gone/x.png: folder gone" },
    { TEXT("a\n{\"prompt\": \"c\", \"output\": \"x.gif\"}"), "", "line 2: x.gif: cannot tell the format" },
    { TEXT("{\"prompt\": \"c\", \"output\": \"x.png\"}\na\n{\"prompt\": \"d\", \"output\": \"x.png\"}"), "",
      "lines 1 and 3 both write x.png" },
    { TEXT("a\nb\n"), "-o {seed}.png", "lines 1 and 2 both write 1.png; {line} in the output's name" },
    { TEXT("a\n{\"prompt\": \"b\", \"memory\": \"tiny\"}"), "", "line 2: --memory wants" },
    { TEXT("a\n{\"prompt\": \"b\", \"init\": \"gone.png\"}"), "", "line 2: cannot open gone.png" },
};

static void batches(void)
{
    char line[128];
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        write_text("b.txt", mistakes[i].text, mistakes[i].n);
        snprintf(line, sizeof(line), "%s --batch-file b.txt --seed 1", mistakes[i].more);
        refused(line, EXIT_FAILED, mistakes[i].words);
    }
    static char many[2 * 100001 + 1];
    for (size_t i = 0; i < 100001; i++)
        memcpy(many + 2 * i, "a\n", 2);
    write_text("b.txt", many, sizeof(many) - 1);
    refused("--batch-file b.txt --seed 1", EXIT_FAILED, "line 100001: there are more than 100000 lines to draw");
    refused("--batch-file none.txt", EXIT_FAILED, "cannot read none.txt: No such file");
    refused("--batch-file .", EXIT_FAILED, "cannot read .: ");
    write_text("b.txt", TEXT("\xef\xbb\xbf{\"prompt\": \"a\", \"seed\": 4} \r\n  # no\r\n\t b\t\r"));
    const struct outcome *o = command("--batch-file b.txt --seed 1 -q -o p-{line}.ppm");
    REQUIRE_TEXT(o->err, "");
    REQUIRE(has_line(o->asked, "draw prompt='a' seed=4") && has_line(o->asked, "draw prompt='b' seed=1"));
}

// ---- axes ------------------------------------------------------------------------------------------------------------

static void grids(void)
{
    static const char *const lines[][2] = {
        { "x", "wants --x, --y or both" },
        { "x --x seed", "--x wants NAME=VALUES" },
        { "x --y =1", "--y wants NAME=VALUES" },
        { "x --x guidence=1,2", "unknown option --guidence; did you mean --guidance?" },
        { "x --x quality=1,2", "no picture depends on --quality" },
        { "x --x quiet=1,2", "no picture depends on --quiet" },
        { "x --x preview=kitty", "no picture depends on --preview" },
        { "x --x steps=1,,2", "--x steps has an empty value" },
        { "x --x steps=1..b", "--x steps: 1..b is no range" },
        { "x --x steps=1..5/b", "--x steps: 1..5/b is no range" },
        { "x --x steps=1..5/2x", "is no range" },
        { "x --x steps=..5", "is no range" },
        { "x --x steps=1..5/0", "the step of 1..5/0 is not above 0" },
        { "x --x steps=1..5/-1", "is not above 0" },
        { "x --x steps=1..65", "has 65 values, the limit is 64" },
        { "x --x steps=1..60,1..60", "--x steps has more than 64 values" },
        { "x --y steps=1..2/0.5", "wants a whole number, not '1.5'" },
        { "x --x steps=2,2000", "--steps 2000 is outside 1..1000" },
        { "x --x steps=2000,2", "--steps 2000 is outside 1..1000" },
        { "x --x seed=1 --y steps=2,2000", "--steps 2000 is outside 1..1000" },
        { "x --x steps=1,2 --y steps=1,2", "--x steps and --y steps vary the same" },
        { "x --x size=64x64 --y width=64", "vary the same" },
        { "x --x height=64 --y size=64x64", "vary the same" },
        { "x --steps 1 --x steps=1,2", "steps is given, and is what --x varies" },
        { "x --steps 1 --y steps=1,2", "steps is given, and is what --y varies" },
        { "x --width 8 --x size=8x8", "size is given" },
        { "x --height 8 --x size=8x8", "size is given" },
        { "x --x prompt=a|b", "a prompt is given, and is what --x varies" },
    };
    char line[256];
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(line, sizeof(line), "grid %s -o never.png", lines[i][0]);
        refused(line, EXIT_USAGE, lines[i][1]);
    }
    refused("grid --x steps=1,2 -o never.png", EXIT_FAILED, "a prompt is required");
    refused("grid x --x sampler=heun -o never.gif", EXIT_FAILED, "never.gif");
    refused("grid x --x seed=1..64 --y size=1024x1024,1024x1032 -o never.png", EXIT_FAILED,
            "is too large, the limit is 65535 a side and 268435456 pixels in all; give fewer values");
    REQUIRE(command("grid x --x seed=1..64 -o g.png -q")->status == EXIT_OK);
    REQUIRE(command("grid x --x width=8,16 --y height=8,16 -o g.png -q")->status == EXIT_OK);
}

static void labels(void)
{
    static const char *const cases[][3] = {
        { "steps=1,2", "steps: 1", "steps: 2" },
        { "model=a/b/c.safetensors,d/", "model: c.safetensors", "model: d/" },
        { "prompt=a/b|c, d", "prompt: a/b", "prompt: c, d" },
        { "negative=a/b|c, d", "negative: a/b", "negative: c, d" },
        { "guidance=1..2/0.5", "guidance: 1", "guidance: 1.5" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct axis axis;
        char label[64];
        REQUIRE(axis_read("x", cases[i][0], &axis));
        for (uint32_t v = 0; v < 2; v++) {
            axis_label(&axis, v, label, sizeof(label));
            REQUIRE_TEXT(label, cases[i][1 + v]);
        }
        axis_free(&axis);
    }
}

// ---- pictures --------------------------------------------------------------------------------------------------------

// A PNG of one pixel that says so; without_hash and so on come by changing the text.
static void write_picture(const char *path, const char *text)
{
    uint8_t pixel[3] = { 0 };
    const daub_image image = { .width = 1, .height = 1, .channels = 3, .pixels = pixel };
    size_t n = 0;
    uint8_t *png = png_encode(&image, text, &n);
    REQUIRE(png);
    write_text(path, (const char *)png, n);
    free(png);
}

#define DAUBS(more) "a\nSteps: 2, Seed: 1, Size: 8x8, " more ", Version: daub 0.1.0"
static void other_pictures(void)
{
    static const struct {
        const char *text, *warning, *exactly;
    } cases[] = {
        { "a\nSteps: 2, Seed: 1, Size: 8x8, Model hash: 0123456789, Version: daub 9.9.9",
          "was drawn by daub 9.9.9, and this is daub 0.1.0", "and this is" },
        { DAUBS("Model hash: 0123456789, New: 1"), "asks for what daub does not do: New 1", "New 1" },
        { DAUBS("Sampler: Euler"), "names no hash of its model; it is drawn by m", "no hash" },
        { DAUBS("Model hash: 01234567"), "in an older kind, 01234567, which cannot be compared with m", "older kind" },
        { DAUBS("Model hash: 9999999999, Model: n"),
          "was drawn by the model n, of hash 9999999999; m is of hash 0123456789", "9999999999" },
        { DAUBS("Model hash: 0123456789, VAE: v, VAE hash: 9999999999"),
          "was decoded by the VAE v, of hash 9999999999, which w is not", "which w is not" },
        { DAUBS("Model hash: 0123456789, VAE hash: abcdef9876"), NULL, NULL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_picture("o.png", cases[i].text);
        const struct outcome *o = command("from-image o.png -m m --vae w -o p.png");
        if (o->status != EXIT_OK ||
            (cases[i].warning ? !strstr(o->err, cases[i].warning) : strstr(o->err, "warning") != NULL))
            TEST_FAIL("%s:\n%s", cases[i].text, o->err);
        REQUIRE(!*command("from-image o.png -m m --vae w -o p.png -q")->err);
        if (cases[i].exactly)
            refused("from-image o.png -m m --vae w -o never.png --exact", EXIT_FAILED, cases[i].exactly);
        else
            REQUIRE(command("from-image o.png -m m --vae w -o p.png -q --exact")->status == EXIT_OK);
    }
    write_picture("o.png", DAUBS("Model hash: 0123456789, Style: \"a\\\"b, c\""));
    REQUIRE(
        strstr(command("from-image o.png -m m -o p.png -q --json")->out, ", \"style\": \"a\\\"b, c\", \"sampler\": "));
    write_picture("o.png", DAUBS("Model hash: 0123456789, Denoising strength: 0.5"));
    refused("from-image o.png -m m -o never.png", EXIT_FAILED, "which it does not name; give it by --init");
    refused("from-image none.png", EXIT_FAILED, "none.png");
}

// By name as it stands, and beside the picture; only a file of that hash, and none from an absolute path.
static void files(void)
{
    static const char in[] = "P6\n1 1\n255\n\7\7\7", another[] = "P6\n1 1\n255\n\7\7\6";
    static const char text[] = DAUBS(
        "Model hash: 0123456789, Denoising strength: 0.5, Init: %s, Init hash: 69d377b7e5");
    static const struct {
        const char *named, *lies;
        bool found;
    } cases[] = {
        { "i.ppm", "i.ppm", true },
        { "i.ppm", "sub/i.ppm", true },
        { "deep/i.ppm", "deep/i.ppm", true },
        { "deep/i.ppm", "sub/i.ppm", true },
        { "deep/i.ppm", "sub/deep/i.ppm", true },
        { "i.ppm", "deep/i.ppm", false },
        { "/abs/i.ppm", "sub/i.ppm", true },
        { "/abs/i.ppm", "i.ppm", false },
    };
    char said[256];
    REQUIRE(mkdir("sub", 0700) == 0 && mkdir("sub/deep", 0700) == 0 && mkdir("deep", 0700) == 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(said, sizeof(said), text, cases[i].named);
        write_picture("sub/o.png", said);
        write_text(cases[i].lies, another, sizeof(another) - 1);
        refused("from-image sub/o.png -m m -o never.png", EXIT_FAILED,
                "of hash 69d377b7e5, which is not here as it was");
        write_text(cases[i].lies, in, sizeof(in) - 1);
        const struct outcome *o = command("from-image sub/o.png -m m -o p.png -q");
        if ((o->status == EXIT_OK) != cases[i].found)
            TEST_FAIL("%s at %s: %d %s", cases[i].named, cases[i].lies, o->status, o->err);
        REQUIRE(unlink(cases[i].lies) == 0);
    }
}

// ---- noise -----------------------------------------------------------------------------------------------------------

// Each cell is what the library's forward process makes of the picture: a row a schedule, t from the picture itself to 999.
static void noise(void)
{
    uint8_t pixels[2 * 2 * 3];
    float x0[12], xt[12];
    for (int i = 0; i < 12; i++) {
        pixels[i] = (uint8_t)(20 * i);
        x0[i] = (float)pixels[i] / 127.5f - 1.0f;
    }
    write_text("n.ppm", "P6\n2 2\n255\n", 11);
    FILE *file = fopen("n.ppm", "ab");
    REQUIRE(file && fwrite(pixels, 1, 12, file) == 12 && fclose(file) == 0);
    for (int run = 0; run < 2; run++) {
        const uint32_t columns = run ? 3 : 9;
        daub_image strip = { 0 };
        REQUIRE(command(run ? "noise n.ppm -o m.ppm --columns 3" : "noise n.ppm -o m.ppm")->status == EXIT_OK);
        REQUIRE_OK(daub_image_read("m.ppm", &strip));
        REQUIRE(strip.width == columns * 2 + (columns - 1) * 4 && strip.height == 3 * 2 + 2 * 4);
        for (uint32_t row = 0; row < 3; row++)
            for (uint32_t column = 0; column < columns; column++) {
                const int32_t t = column ? (int32_t)(999 * column / (columns - 1)) : -1;
                REQUIRE_OK(daub_add_noise((daub_noise_schedule)row, t, 0, x0, xt, 12));
                for (uint32_t i = 0; i < 12; i++) {
                    const float v = roundf((xt[i] + 1.0f) * 127.5f);
                    const uint32_t x = column * 6 + i % 6 / 3, y = row * 6 + i / 6;
                    REQUIRE_NEAR(strip.pixels[3 * (y * strip.width + x) + i % 3], v < 0 ? 0 : v > 255 ? 255 : v, 0);
                }
            }
        daub_image_free(&strip);
    }
}

int main(void)
{
    command_begin();
    batches();
    grids();
    labels();
    other_pictures();
    files();
    noise();
    command_end();
    return 0;
}
