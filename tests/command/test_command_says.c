// test_command_says.c - what commands print: every field of --json and every number of the tables by its name and place, progress,
// verdicts, and the exit status that goes with them.
#include "tests/command/harness.h"

#include "tools/cli/cli.h"

#include <unistd.h>

#define REQUIRE_OUT(line, wanted)                 \
    do {                                          \
        const struct outcome *o_ = command(line); \
        REQUIRE_TEXT(o_->err, "");                \
        REQUIRE_TEXT(o_->out, (wanted));          \
        REQUIRE(o_->status == EXIT_OK);           \
    } while (0)

// ---- pictures --------------------------------------------------------------------------------------------------------

static void picture_as_json(void)
{
    const struct outcome *o = command(
        "'a \"red\" apple' -o a.png --seed 5 --steps 3 --guidance-rescale 0.5 --guidance-interval 0.25:0.75 "
        "--style vivid --init in.ppm --strength 0.875 --emphasis off --json --quiet");
    static const char before[] =
        "{\"path\": \"a.png\", \"prompt\": \"a \\\"red\\\" apple\", \"seed\": 5, \"width\": 2, \"height\": 1, "
        "\"steps\": 3, "
        "\"guidance\": 12.5, \"guidance_rescale\": 0.5, \"guidance_interval\": [0.25, 0.75], \"style\": \"vivid\", "
        "\"sampler\": \"heun\", \"schedule\": \"beta\", \"strength\": 0.875, \"seconds\": {\"prepare\": 0.125, "
        "\"text\": 0.250, \"encode\": 0.375, \"denoise\": 0.500, \"decode\": 0.625}, \"until\": {";
    static const char after[] = "}, \"tokens\": 51, \"tokens_cut\": 0, \"chunks\": 52, \"negative_chunks\": 53, "
                                "\"emphasis\": \"off\", \"memory\": 55000000}\n";
    double device, weights, first_step, file;
    REQUIRE(o->status == EXIT_OK && !*o->err);
    REQUIRE(strncmp(o->out, before, sizeof(before) - 1) == 0);
    REQUIRE(sscanf(o->out + sizeof(before) - 1, "\"device\": %lf, \"weights\": %lf, \"first_step\": %lf, \"file\": %lf",
                   &device, &weights, &first_step, &file) == 4);
    REQUIRE(device >= 0.0 && file >= device && file < 100.0);
    REQUIRE_IN(weights, 1000.0, 1000.0 + file + 1e-3);
    REQUIRE_NEAR(first_step - weights, 1000.0, 0.002);
    REQUIRE_TEXT(strstr(o->out, "}, \"tokens\""), after);
    o = command("x -o - --seed 5 --json --quiet"); // the picture is what goes to standard output
    REQUIRE(strncmp(o->err, "{\"path\": \"-\", \"prompt\": \"x\", \"seed\": 5, ", 40) == 0 && o->out[0] == '\x89');
    o = command("--prompt-embeds e.st -o a.ppm --seed 5 --json -q");
    REQUIRE(
        strncmp(o->out,
                "{\"path\": \"a.ppm\", \"prompt\": \"\", \"seed\": 5, \"width\": 24, \"height\": 16, \"steps\": 2, ",
                79) == 0 &&
        strstr(o->out, "\"guidance_interval\": [0, 1], \"style\": \"\", "));
}

static void picture_as_text(void)
{
    const struct outcome *o = command("x -o a.png --seed 5 -n 2");
    REQUIRE_LINE(o->out, "a-2.png: 24x16, seed 6, 2 steps of heun, guidance 6.5; prepare 0.12 s, text 0.25 s, denoise "
                         "0.50 s, decode 0.62 s");
    REQUIRE_TEXT(
        o->err,
        "1/2 prepare    0/2  1.2 s\n1/2 text       0/2  1.2 s\n1/2 denoise    0/2  1.2 s\n1/2 denoise    1/2  1.2 s\n"
        "1/2 denoise    2/2  1.2 s\n1/2 decode     2/2  1.2 s\n1/2 done       2/2  1.2 s\n"
        "2/2 prepare    0/2  1.2 s\n2/2 text       0/2  1.2 s\n2/2 denoise    0/2  1.2 s\n2/2 denoise    1/2  1.2 s\n"
        "2/2 denoise    2/2  1.2 s\n2/2 decode     2/2  1.2 s\n2/2 done       2/2  1.2 s\n");
    o = command("x -o a.png --seed 5 --init in.ppm --strength 1 -v");
    REQUIRE_LINE(o->out, "a.png: 2x1, seed 5, 2 steps of heun, guidance 6.5; prepare 0.12 s, text 0.25 s, encode 0.38 "
                         "s, denoise 0.50 s, decode 0.62 s");
    REQUIRE_LINE(o->err, "daub: something is done");
    o = command("x -o a.png --steps 1000");
    size_t n = 0;
    for (const char *at = o->err; (at = strchr(at, '\n')) != NULL; at++)
        n++;
    REQUIRE(n == 15); // a line a tenth and a phase
    REQUIRE_OUT("x -o a.png -q", "");
    answers.n_cut = 7;
    o = command("x -o a.png");
    REQUIRE_LINE(o->err,
                 "daub: warning: the prompt is 7 tokens too long for this model's window of 51; cut from: the rest");
    REQUIRE_OUT("x -o a.png --quiet", "");
    answers.n_cut = 0;
    REQUIRE_LINE(
        command("devcies -o a.png")->err,
        "daub: drawing \"devcies\"; did you mean daub devices? (daub generate devcies says that it is a prompt)");
    REQUIRE_OUT("devcies -o a.png -q", "");
}

static void pictures_that_fail(void)
{
    answers.drawn = DAUB_ERROR_DEVICE_LOST;
    const struct outcome *o = command("x -o never.png -q");
    REQUIRE(o->status == EXIT_FAILED && strncmp(o->err, "daub: ", 6) == 0 && !*o->out &&
            access("never.png", F_OK) != 0);
    REQUIRE(command("grid x --x steps=1,2 -o never.png -q")->status == EXIT_FAILED && access("never.png", F_OK) != 0);
    answers.drawn = DAUB_ERROR_CANCELLED;
    REQUIRE(command("x -o never.png -q")->status == EXIT_CANCELLED);
    REQUIRE(command("grid x --x steps=1,2 -o never.png -q")->status == EXIT_CANCELLED &&
            access("never.png", F_OK) != 0);
    answers.drawn = DAUB_OK;
    answers.unfit = true;
    refused("grid x --x steps=1,2 -o never.png", EXIT_FAILED,
            "24x16 needs 31.0 MB of device memory; the limit is 30.0 MB");
    answers.unfit = false;
}

// ---- tables ----------------------------------------------------------------------------------------------------------

static void estimates(void)
{
    REQUIRE_OUT("estimate x --memory small --json",
                "{\"width\": 24, \"height\": 16, \"memory\": \"small\", \"peak\": 31000000, \"limit\": 33000000, "
                "\"host\": 32000000, \"bands\": 34, \"fits\": true, "
                "\"text\": {\"weights\": 1000000, \"activations\": 2000000, \"arena\": 3000000, \"staging\": 4000000, "
                "\"total\": 5000000}, "
                "\"encode\": {\"weights\": 0, \"activations\": 0, \"arena\": 0, \"staging\": 0, \"total\": 0}, "
                "\"denoise\": {\"weights\": 11000000, \"activations\": 12000000, \"arena\": 13000000, \"staging\": "
                "14000000, \"total\": 15000000}, "
                "\"decode\": {\"weights\": 21000000, \"activations\": 22000000, \"arena\": 23000000, \"staging\": "
                "24000000, \"total\": 25000000}}\n");
    REQUIRE_OUT("estimate x --init in.ppm --memory stream",
                "2x1, memory stream; MB of the device\n"
                "phase         weights  activations      arena    staging     in all\n"
                "text              1.0          2.0        3.0        4.0        5.0\n"
                "encode           41.0         42.0       43.0       44.0       45.0\n"
                "denoise          11.0         12.0       13.0       14.0       15.0\n"
                "decode           21.0         22.0       23.0       24.0       25.0\n"
                "peak 31.0 MB of the 33.0 MB that may be used; 32.0 MB of the host\n"
                "the VAE decodes in bands, at most 34 a layer\n");
    answers.unfit = true;
    REQUIRE(strstr(command("estimate x --json")->out, "\"memory\": \"resident\"") &&
            strstr(command("estimate x --json")->out, "\"fits\": false"));
    answers.unfit = false;
}

static void doctors(void)
{
    static const char json[] =
        "{\"healthy\": %s, \"findings\": [\n"
        "  {\"area\": \"loader\", \"health\": \"ok\", \"text\": \"Vulkan 1.3\", \"mend\": \"\"},\n"
        "  {\"area\": \"cache\", \"health\": \"%s\", \"text\": \"a \\\"folder\\\"\", \"mend\": \"mkdir it\"},\n"
        "  {\"area\": \"layers\", \"health\": \"note\", \"text\": \"none\", \"mend\": \"get some\"}\n]}\n";
    char wanted[1024];
    REQUIRE_OUT("doctor",
                "ok     loader       Vulkan 1.3\nok     cache        a \"folder\"\n                    -> mkdir it\n"
                "note   layers       none\n                    -> get some\nnothing is wrong\n");
    snprintf(wanted, sizeof(wanted), json, "true", "ok");
    REQUIRE_OUT("doctor --json", wanted);
    REQUIRE_OUT("doctor -q", "");
    answers.ill = DAUB_TOOLS_WRONG;
    snprintf(wanted, sizeof(wanted), json, "false", "wrong");
    const struct outcome *o = command("doctor --json");
    REQUIRE(o->status == EXIT_FAILED);
    REQUIRE_TEXT(o->out, wanted);
    o = command("doctor -q");
    REQUIRE(o->status == EXIT_FAILED);
    REQUIRE_TEXT(o->out, "wrong  cache        a \"folder\"\n                    -> mkdir it\n1 thing is wrong\n");
    answers.ill = DAUB_TOOLS_GOOD;
}

static void selftests(void)
{
    static const char first[] = "op            kernels by        type cases     error tolerance       ms\n"
                                "blend                           f16     3  2.50e-01   5.0e-01     1500  ok\n";
    char wanted[1024];
    snprintf(
        wanted, sizeof(wanted),
        "%ssmear         -lane             f32     1  1.25e-01   2.5e-01      500  ok\n2 of 2 checks passed in 2.0 s\n",
        first);
    REQUIRE_OUT("selftest", wanted);
    REQUIRE_OUT("selftest -q", "");
    REQUIRE_OUT("selftest --list",
                "blend                           f16   3 cases\nsmear         -lane             f32   1 case\n");
    REQUIRE_OUT("selftest --list --json",
                "{\"op\": \"blend\", \"words\": \"\", \"precision\": \"f16\", \"cases\": 3}\n"
                "{\"op\": \"smear\", \"words\": \"-lane\", \"precision\": \"f32\", \"cases\": 1}\n");
    REQUIRE(strstr(command("selftest -v")->out, "    kernels: blend_a blend_b\n"));
    answers.n_failed = 1;
    const struct outcome *o = command("selftest -q");
    REQUIRE(o->status == EXIT_FAILED && strstr(o->out, "FAIL\n    it \"smears\"\n    kernels: smear_c\n") &&
            !strstr(o->out, "blend"));
    o = command("selftest");
    REQUIRE(o->status == EXIT_FAILED);
    REQUIRE_LINE(o->out, "1 of 2 checks passed in 2.0 s");
    o = command("selftest --json");
    REQUIRE(o->status == EXIT_FAILED);
    REQUIRE_TEXT(
        o->out,
        "{\"op\": \"blend\", \"words\": \"\", \"precision\": \"f16\", \"cases\": 3, \"error\": 0.25, \"tolerance\": "
        "0.5, "
        "\"seconds\": 1.5000, \"failed\": 0, \"ok\": true, \"kernels\": \"blend_a blend_b\", \"sentence\": \"\"}\n"
        "{\"op\": \"smear\", \"words\": \"-lane\", \"precision\": \"f32\", \"cases\": 1, \"error\": null, "
        "\"tolerance\": 0.25, "
        "\"seconds\": 0.5000, \"failed\": 1, \"ok\": false, \"kernels\": \"smear_c\", \"sentence\": \"it "
        "\\\"smears\\\"\"}\n");
    answers.n_failed = 0;
}

static void lists(void)
{
    REQUIRE_OUT("devices", "* 0  Painter (discrete, 8.1 GB)\n  1  Pencil (cpu, 1.2 GB)\n");
    REQUIRE_OUT(
        "devices -v",
        "* 0  Painter (discrete, 8.1 GB)\n     driver brush 1.0, Vulkan 1.3\n     it paints\n"
        "  1  Pencil (cpu, 1.2 GB)\n     driver lead 2B, Vulkan 1.0\n     it is \"slow\"\n\nin use:\nas text\n");
    REQUIRE_OUT(
        "devices --json",
        "[\n  {\"index\": 0, \"name\": \"Painter\", \"driver\": \"brush 1.0\", \"kind\": \"discrete\", \"memory\": "
        "8100000000, "
        "\"usable\": true, \"chosen\": true, \"reason\": \"it paints\"},\n"
        "  {\"index\": 1, \"name\": \"Pencil\", \"driver\": \"lead 2B\", \"kind\": \"cpu\", \"memory\": 1200000000, "
        "\"usable\": false, \"chosen\": false, \"reason\": \"it is \\\"slow\\\"\"}\n]\n");
    REQUIRE_OUT("inspect m", "as text\n");
    REQUIRE_OUT("inspect m --vae v --json",
                "{\"path\": \"folder/paint\", \"vae\": \"v\", \"family\": \"sd9\", \"text\": true, \"width\": 24, "
                "\"height\": 16, "
                "\"steps\": 21, \"guidance\": 6.5, \"sampler\": \"heun\", \"schedule\": \"beta\", \"max_tokens\": 75, "
                "\"parameters\": 123, \"evidence\": \"it \\\"says\\\" so\"}\n");
    REQUIRE_OUT("encode x -o e.st", "e.st\n");
    REQUIRE_OUT("encode x -o e.st --json", "{\"path\": \"e.st\"}\n");
    REQUIRE_OUT("encode x -o e.st -q", "");
    REQUIRE_OUT("noise in.ppm -o n.ppm", "n.ppm: rows scaled-linear, linear, cosine; t from 0 to 999\n");
    REQUIRE_OUT("noise in.ppm -o n.ppm --json", "{\"path\": \"n.ppm\"}\n");
    REQUIRE_OUT("noise in.ppm -o n.ppm --quiet", "");
    const struct outcome *o = command("samplers -v");
    REQUIRE(strstr(o->out, "also: ") && !strstr(command("samplers")->out, "also: "));
    o = command("bench --json");
    REQUIRE_TEXT(
        o->out,
        "{\"width\": 24, \"height\": 16, \"steps\": 2, \"model_calls\": 53, \"sampler\": \"heun\", \"prepare\": "
        "0.1250, "
        "\"text\": 0.2500, \"denoise\": 0.5000, \"first_step\": 0.1000, \"decode\": 0.6250, \"arena\": 54000000, "
        "\"memory\": 55000000, \"load\": {\"steps\": 0, \"processors\": 0, \"wall\": 0.000000, \"cpu\": 0.000000, "
        "\"host\": 0.000000}, \"ops\": []}\n");
    REQUIRE_OUT("bench", "24x16, 2 steps of heun, 53 model calls\nprepare    0.125 s\ntext       0.250 s\n"
                         "denoise    0.500 s (first step 0.100 s, then 0.008 s a call)\ndecode     0.625 s\n"
                         "arena       54.0 MB\nmemory      55.0 MB at the peak\n");
}

// Every sampler and schedule that the library has, in its words.
static void samplers_and_styles(void)
{
    char line[1024];
    const char *const text = strdup(command("samplers --json")->out);
    REQUIRE(text && strncmp(text, "{\"samplers\": [\n", 15) == 0);
    for (uint32_t i = 0; i < daub_sampler_count(); i++) {
        daub_sampler_info s = { .struct_size = sizeof(s) };
        REQUIRE_OK(daub_sampler_get_info(i, &s));
        snprintf(line, sizeof(line),
                 "  {\"name\": \"%s\", \"label\": \"%s\", \"aliases\": \"%s\", \"order\": %u, \"stochastic\": %s}",
                 s.name, s.label, s.aliases, s.order, s.stochastic ? "true" : "false");
        REQUIRE(strstr(text, line));
        snprintf(line, sizeof(line), "%-13s %s", s.name, s.description);
        REQUIRE_LINE(command("samplers")->out, line);
    }
    free((void *)(uintptr_t)text);
    char names[256] = "\n], \"schedules\": [";
    for (uint32_t i = 0; i < daub_schedule_count(); i++) {
        daub_schedule_info s = { .struct_size = sizeof(s) };
        REQUIRE_OK(daub_schedule_get_info(i, &s));
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s\"%s\"", i ? ", " : "", s.name);
        snprintf(line, sizeof(line), "%-13s %s", s.name, s.description);
        REQUIRE_LINE(command("samplers")->out, line);
    }
    strcat(names, "]}\n");
    REQUIRE_TEXT(strstr(command("samplers --json")->out, "\n], \"schedules\""), names);
    REQUIRE_LINE(command("styles")->out, "         --guidance: 1 + 1.6 x (the model's - 1), --guidance-rescale 0.3");
    REQUIRE_LINE(
        command("styles")->out,
        "         --guidance: 1 + 2.3 x (the model's - 1), --guidance-rescale 0.7, --steps: the model's x 1.2, "
        "--sampler dpmpp_2m, --schedule karras");
    const char *json = command("styles --json")->out;
    REQUIRE(strstr(
        json,
        "\"guidance_factor\": 1.6, \"guidance_rescale\": 0.3, \"guidance_interval\": [0, 1], \"steps_factor\": 1, "
        "\"sampler\": null, \"schedule\": null}"));
    REQUIRE(strstr(
        json,
        "\"guidance_factor\": 2.3, \"guidance_rescale\": 0.7, \"guidance_interval\": [0, 1], \"steps_factor\": 1.2, "
        "\"sampler\": \"dpmpp_2m\", \"schedule\": \"karras\"}"));
}

static void helps(void)
{
    char version[64];
    snprintf(version, sizeof(version), "daub %d.%d.%d\n", DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH);
    REQUIRE_OUT("--version", version);
    REQUIRE_OUT("devices --version", version);
    REQUIRE(strstr(command("noise -h")->out, "--columns N"));
    refused("help inspct", EXIT_USAGE, "there is no command inspct; did you mean inspect?");
    refused("help xyzzyxyzzy", EXIT_USAGE, "daub help lists them");
    refused("inspct m", EXIT_USAGE, "did you mean daub inspect?"); // two words
}

static void interrupted(void)
{
    answers.interrupts = true; // from here on: the command remembers
    const struct outcome *o = command("x -o never.png -q");
    REQUIRE(o->status == EXIT_CANCELLED && access("never.png", F_OK) != 0);
    REQUIRE(command("encode x -o e.st -q")->status == EXIT_CANCELLED);
    REQUIRE(command("grid x --x steps=1,2 -o never.png -q")->status == EXIT_CANCELLED &&
            access("never.png", F_OK) != 0);
}

int main(void)
{
    command_begin();
    FILE *in = fopen("in.ppm", "wb");
    REQUIRE(in && fwrite("P6\n2 1\n255\n\t\1\2\3\4\5", 1, 17, in) == 17 && fclose(in) == 0);
    picture_as_json();
    picture_as_text();
    pictures_that_fail();
    estimates();
    doctors();
    selftests();
    lists();
    samplers_and_styles();
    helps();
    interrupted();
    command_end();
    return 0;
}
