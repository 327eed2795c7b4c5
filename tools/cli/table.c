// table.c - see table.h. A new command is a line here and its file; a new option is a line here and a field of struct cli. The help of a
// command says what it does in at most 26 columns, and after a semicolon or bracket the rest: daub --help shows the beginning.
#include "table.h"

#define FIELD(member) offsetof(struct cli, member)
#define DRAW (CLI_GENERATE | CLI_BENCH | CLI_ESTIMATE | CLI_GRID | CLI_FROM_IMAGE)
#define MODEL (DRAW | CLI_ENCODE)

// clang-format off
const struct option cli_options[] = {
    { 'm', "model",           "PATH",  TEXT, FIELD(model),            0, 0, CLI_OPENS | MODEL, "checkpoint: a diffusers folder or an LDM .safetensors file [the model that comes with daub]" },
    {  0,  "vae",             "PATH",  TEXT, FIELD(vae),              0, 0, CLI_OPENS | MODEL | CLI_INSPECT, "another VAE, a diffusers folder or a .safetensors file, in place of the model's [the model's]" },
    {  0,  "config-from",     "DIR",   TEXT, FIELD(config_from),      0, 0, CLI_OPENS | MODEL | CLI_INSPECT, "folder whose config.json files describe a single file" },
    {  0,  "prompt",          "TEXT",  TEXT, FIELD(prompt),           0, 0, CLI_GENERATE | CLI_FROM_IMAGE, "the prompt as an option" },
    {  0,  "negative",        "TEXT",  TEXT, FIELD(negative),         0, 0, MODEL, "what to steer away from" },
    { 'W', "width",           "N",     U32,  FIELD(width),            1, 16384, DRAW, "pixels [the model's]" },
    { 'H', "height",          "N",     U32,  FIELD(height),           1, 16384, DRAW, "pixels [the model's]" },
    {  0,  "size",            "WxH",   TEXT, FIELD(size),             0, 0, DRAW, "both at once, as in 512x768" },
    { 's', "steps",           "N",     U32,  FIELD(steps),            1, 1000, DRAW, "denoising steps, 1 to 1000 [the model's]" },
    { 'g', "guidance",        "W",     F32,  FIELD(guidance),         1, 1000, DRAW, "classifier-free guidance, 1 to 1000; 1 is off and takes half the time [the model's]" },
    {  0,  "guidance-rescale","PHI",   F32,  FIELD(guidance_rescale), 0, 1, DRAW, "0..1, against washed-out pictures at high guidance [0]" },
    {  0,  "guidance-interval","A:B",  TEXT, FIELD(guidance_interval),0, 0, DRAW, "the steps with guidance, as fractions of all of them: 0.2:0.8; the others take half the time [0:1]" },
    {  0,  "style",           "NAME",  TEXT, FIELD(style),            0, 0, DRAW & ~CLI_FROM_IMAGE, "strict, vivid or none: sets what no option says, see daub styles [none]" },
    { 'S', "seed",            "N",     TEXT, FIELD(seed_text),        0, 0, DRAW, "a number, or random [random; printed and stored in the picture]" },
    { 'n', "count",           "N",     U32,  FIELD(count),            1, 10000, CLI_GENERATE | CLI_FROM_IMAGE, "pictures, up to 10000; picture i has seed + i [1]" },
    {  0,  "sampler",         "NAME",  TEXT, FIELD(sampler),          0, 0, DRAW, "see daub samplers [the model's]" },
    {  0,  "schedule",        "NAME",  TEXT, FIELD(schedule),         0, 0, DRAW, "default, karras, exponential, beta, lu [the sampler's]" },
    {  0,  "eta",             "E",     F64,  FIELD(eta),              0, 1, DRAW, "noise of ddim, 0..1 [0]" },
    {  0,  "rng",             "NAME",  TEXT, FIELD(rng),              0, 0, DRAW, "torch-cpu, or cuda (Philox) [torch-cpu]" },
    {  0,  "clip-skip",       "N",     U32,  FIELD(clip_skip),        1, 64, MODEL, "stop the text encoder N - 1 layers early; 1 is none [1]" },
    {  0,  "emphasis",        "MODE",  TEXT, FIELD(emphasis),         0, 0, MODEL, "webui: (word:1.3), [word], BREAK, AND, prompts of any length as in A1111; off: plain text, cut at the model's window [webui]" },
    {  0,  "pad-prompts",     "WITH",  TEXT, FIELD(pad_prompts),      0, 0, MODEL, "what fills the shorter of prompt and --negative: off, nothing; empty, empty chunks; last, its last vector [off]" },
    {  0,  "prompt-embeds",   "FILE",  TEXT, FIELD(prompt_embeds),    0, 0, DRAW, "text embeddings from daub encode instead of a prompt" },
    { 'd', "device",          "WHICH", TEXT, FIELD(device),           0, 0, CLI_OPENS | MODEL | CLI_DEVICES | CLI_DOCTOR | CLI_SELFTEST, "index or part of the name, see daub devices [best]" },
    {  0,  "precision",       "TYPE",  TEXT, FIELD(precision),        0, 0, CLI_OPENS | MODEL | CLI_SELFTEST, "f16 or f32 [f16; of selftest both]" },
    {  0,  "weight-cache",    "DIR",   TEXT, FIELD(weight_cache),     0, 0, CLI_OPENS | MODEL | CLI_DOCTOR, "folder that keeps packed weights for later starts, up to 16 GB [none]" },
    {  0,  "memory",          "MODE",  TEXT, FIELD(memory),           0, 0, CLI_GENERATE | CLI_FROM_IMAGE | CLI_ESTIMATE | CLI_GRID, "resident, small: one network on the device at a time, or stream: its weights in turns [resident]" },
    {  0,  "max-memory",      "SIZE",  TEXT, FIELD(max_memory),       0, 0, CLI_OPENS | MODEL, "device memory that may be used, as in 1.2G or 900M [all that is free]" },
    {  0,  "vae-tiles",       "ROWS",  TEXT, FIELD(vae_tiles),        0, 0, DRAW, "rows of the latents that the VAE decodes at a time, auto or off [auto: all that fit in memory]" },
    { 'i', "init",            "FILE",  TEXT, FIELD(init),             0, 0, DRAW, "picture to begin with; the size is its own" },
    {  0,  "strength",        "X",     F64,  FIELD(strength),         0.001, 1, DRAW, "how much of --init is drawn anew, 0.001 to 1 [0.8; with --mask 1]" },
    {  0,  "mask",            "FILE",  TEXT, FIELD(mask),             0, 0, DRAW, "what of --init to paint: white is, black keeps its exact pixels" },
    {  0,  "preview",         "MODE",  MAYBE, FIELD(preview),         0, 0, CLI_GENERATE | CLI_FROM_IMAGE, "show the picture in the terminal while it is made: auto, kitty, iterm2, sixel or blocks" },
    {  0,  "preview-every",   "N",     U32,  FIELD(preview_every),    1, 1000, CLI_GENERATE | CLI_FROM_IMAGE, "steps from one --preview to the next [1]" },
    {  0,  "strip",           "FILE",  TEXT, FIELD(strip),            0, 0, CLI_GENERATE | CLI_FROM_IMAGE, "film strip of the latents after every step; {seed} and {n} are filled in" },
    {  0,  "show-by",         "HOW",   TEXT, FIELD(show_by),          0, 0, CLI_GENERATE | CLI_FROM_IMAGE, "how --preview and --strip see latents: linear, a pixel each, or vae [strips: vae; previews: what is fast]" },
    {  0,  "x",               "AXIS",  TEXT, FIELD(x),                0, 0, CLI_GRID, "option across: NAME=V1,V2,... or NAME=A..B/STEP, or prompt=a|b|c" },
    {  0,  "y",               "AXIS",  TEXT, FIELD(y),                0, 0, CLI_GRID, "option down, as --x" },
    {  0,  "cells",           "DIR",   TEXT, FIELD(cells),            0, 0, CLI_GRID, "also each cell's picture by itself into this folder, as ROW-COLUMN.png with its own parameters [none]" },
    {  0,  "batch-file",      "FILE",  TEXT, FIELD(batch_file),       0, 0, CLI_GENERATE, "a prompt a line, or a JSON object of options a line; - is standard input" },
    {  0,  "keep-going",      NULL,    FLAG, FIELD(keep_going),       0, 0, CLI_GENERATE, "draw the other lines of --batch-file when one fails" },
    {  0,  "exact",           NULL,    FLAG, FIELD(exact),            0, 0, CLI_FROM_IMAGE, "refuse where the picture would be another one" },
    { 'o', "output",          "FILE",  TEXT, FIELD(output),           0, 0, CLI_GENERATE | CLI_FROM_IMAGE | CLI_ENCODE | CLI_NOISE | CLI_GRID, "where to write; {seed}, {n} and {line} are filled in; - is standard output [daub-{seed}.png; grid.png, noise.png; encode wants one]" },
    {  0,  "format",          "TYPE",  TEXT, FIELD(format),           0, 0, CLI_GENERATE | CLI_FROM_IMAGE | CLI_NOISE | CLI_GRID, "png, jpg or ppm [by the file's name]" },
    {  0,  "quality",         "Q",     U32,  FIELD(quality),          1, 100, CLI_GENERATE | CLI_FROM_IMAGE | CLI_NOISE | CLI_GRID, "of a JPEG, 1 to 100 [92]" },
    {  0,  "columns",         "N",     U32,  FIELD(columns),          2, 64, CLI_NOISE | CLI_GENERATE | CLI_FROM_IMAGE, "pictures in a row of the strip, 2 to 64 [9; of --strip up to 10]" },
    {  0,  "ops",             NULL,    FLAG, FIELD(ops),              0, 0, CLI_BENCH, "time every class of operation, and count its dispatches and bytes" },
    {  0,  "start",           NULL,    FLAG, FIELD(start),            0, 0, CLI_BENCH, "time a first start without caches, and a second one" },
    {  0,  "kernels",         NULL,    FLAG, FIELD(kernels),          0, 0, CLI_BENCH, "rates of every kernel on this device, without a model" },
    {  0,  "seconds",         "T",     F64,  FIELD(seconds),          1, 3600, CLI_BENCH, "about how long --kernels may take [30]" },
    {  0,  "op",              "NAME",  TEXT, FIELD(op),               0, 0, CLI_SELFTEST | CLI_BENCH, "check, or time with --kernels, ops of that name only; * is any text, commas separate names [all]" },
    {  0,  "thorough",        NULL,    FLAG, FIELD(thorough),         0, 0, CLI_SELFTEST, "every case with every kernel, large ones too: minutes on a CPU" },
    {  0,  "list",            NULL,    FLAG, FIELD(list),             0, 0, CLI_SELFTEST, "name what would be checked" },
    {  0,  "json",            NULL,    FLAG, FIELD(json),             0, 0, CLI_ALL & ~(CLI_HELP | CLI_MAN | CLI_COMPLETIONS), "machine-readable output" },
    { 'q', "quiet",           NULL,    FLAG, FIELD(quiet),            0, 0, CLI_ALL, "errors only" },
    { 'v', "verbose",         NULL,    FLAG, FIELD(verbose),          0, 0, CLI_ALL, "say more" },
    { 'h', "help",            NULL,    FLAG, FIELD(help),             0, 0, CLI_ALL, "say what the command's options are" },
    {  0,  "version",         NULL,    FLAG, FIELD(version),          0, 0, CLI_ALL, "daub's version" },
};

const struct command cli_commands[] = {
    { CLI_GENERATE, "generate", "PROMPT",  "draw a picture (the word generate may be left out)", false, cli_generate },
    { CLI_FROM_IMAGE, "from-image", "FILE", "draw a picture again; from what its file says, with options of yours over it", true, cli_from_image },
    { CLI_DEVICES,  "devices",  "",        "list GPUs; -v says why one is chosen", false, cli_devices },
    { CLI_INSPECT,  "inspect",  "[MODEL]", "say what a model file is; and what decided [the model that comes with daub]", false, cli_inspect },
    { CLI_SAMPLERS, "samplers", "",        "samplers and schedules", false, cli_samplers },
    { CLI_STYLES,   "styles",   "",        "what the styles set", false, cli_styles },
    { CLI_ENCODE,   "encode",   "PROMPT",  "write text embeddings; of a prompt, into -o FILE.safetensors", true, cli_encode },
    { CLI_GRID,     "grid",     "PROMPT",  "values of options compared; one labelled picture of --x across and --y down", false, cli_grid },
    { CLI_NOISE,    "noise",    "PICTURE", "film strip of adding noise; the forward process under three noise schedules", true, cli_noise },
    { CLI_BENCH,    "bench",    "[PROMPT]", "measure; seconds a phase and an operation", false, cli_bench },
    { CLI_SELFTEST, "selftest", "",        "check this device; every kernel against its reference", false, cli_selftest },
    { CLI_ESTIMATE, "estimate", "[PROMPT]", "memory a picture will take; bytes on the device, phase by phase", false, cli_estimate },
    { CLI_DOCTOR,   "doctor",   "",        "what is wrong here; drivers, devices, caches, and the command that mends it", false, cli_doctor },
    { CLI_HELP,     "help",     "[COMMAND]", "this text; or a command's options", false, cli_help_command },
    { CLI_COMPLETIONS, "completions", "SHELL", "for bash, zsh or fish; prints what completes daub's commands, options and values there", true, cli_completions },
    { CLI_MAN,      "man",      "",        "print the manual page; daub man | man -l -", false, cli_man_command },
};

const struct option_group cli_groups[] = {
    { "model",     "Model" },
    { "prompt",    "Picture" },
    { "sampler",   "Sampling" },
    { "clip-skip", "Text" },
    { "device",    "Device and memory" },
    { "init",      "Pictures in" },
    { "preview",   "Seeing it" },
    { "x",         "Grid" },
    { "batch-file", "Output" },
    { "ops",       "Measuring" },
    { "json",      "General" },
};

const struct option_brief cli_briefs[] = {
    { "model",    "diffusers folder or .safetensors [one comes with daub]" },
    { "size",     "pixels, as in 512x768 [the model's]" },
    { "steps",    "denoising steps [the model's]" },
    { "guidance", "how strictly the prompt is followed [the model's]" },
    { "seed",     "the same number draws the same picture [random]" },
    { "output",   "where to write: .png, .jpg or .ppm [daub-{seed}.png]" },
    { "device",   "the GPU, by number or name [the best]" },
};

const struct option_values cli_values[] = {
    { "rng",         "torch-cpu cuda" },
    { "precision",   "f16 f32" },
    { "memory",      "resident small stream" },
    { "vae-tiles",   "auto off" },
    { "format",      "png jpg ppm" },
    { "seed",        "random" },
    { "style",       "none strict vivid" },
    { "emphasis",    "webui off" },
    { "pad-prompts", "off empty last" },
    { "preview",     "auto kitty iterm2 sixel blocks" },
    { "show-by",     "linear vae" },
    { "completions", "bash zsh fish" },
};
// clang-format on

_Static_assert(sizeof(cli_options) / sizeof(cli_options[0]) <= CLI_MAX_OPTIONS, "struct cli has room for each");
const int cli_n_options = sizeof(cli_options) / sizeof(cli_options[0]);
const int cli_n_commands = sizeof(cli_commands) / sizeof(cli_commands[0]);
const int cli_n_groups = sizeof(cli_groups) / sizeof(cli_groups[0]);
const int cli_n_briefs = sizeof(cli_briefs) / sizeof(cli_briefs[0]);
const int cli_n_values = sizeof(cli_values) / sizeof(cli_values[0]);
