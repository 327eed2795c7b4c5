// cli.h - the daub command: what its files share. It includes the public headers only.
#ifndef DAUB_CLI_H
#define DAUB_CLI_H
#include "daub.h"
#include "daub_parameters.h"
#include "daub_tools.h"

#include <stdarg.h>
#include <stdio.h>

enum cli_command {
    CLI_GENERATE = 1 << 0,
    CLI_DEVICES = 1 << 1,
    CLI_INSPECT = 1 << 2,
    CLI_SAMPLERS = 1 << 3,
    CLI_ENCODE = 1 << 4,
    CLI_NOISE = 1 << 5,
    CLI_BENCH = 1 << 6,
    CLI_ESTIMATE = 1 << 7,
    CLI_GRID = 1 << 8,
    CLI_SELFTEST = 1 << 9,
    CLI_FROM_IMAGE = 1 << 10,
    CLI_STYLES = 1 << 11,
    CLI_DOCTOR = 1 << 12,
    CLI_HELP = 1 << 13, // what tells about the rest counts from the end
    CLI_MAN = 1 << 14,
    CLI_COMPLETIONS = 1 << 15,
    CLI_ALL = 0xffff,    // those to come too
    CLI_OPENS = 1 << 16, // no command: an option that a device or a model is opened with
};

enum { CLI_MAX_OPTIONS = 96, CLI_QUALITY = 92 }; // that of JPEG files, if it is not said

struct cli { // every option's value; 0 and NULL mean not given
    enum cli_command command;
    bool named;       // the command was: daub generate, not daub
    const char *text; // the positional argument: prompt, model or picture
    const char *program;

    const char *model, *config_from, *device, *output, *format, *precision;
    const char *cells;
    const char *negative, *emphasis, *pad_prompts, *sampler, *schedule, *rng, *size, *seed_text, *prompt_embeds,
        *weight_cache, *memory, *max_memory, *vae_tiles, *init, *mask, *guidance_interval, *style, *vae, *preview,
        *strip, *show_by, *x, *y, *op, *prompt, *batch_file;
    uint32_t width, height, steps, count, clip_skip, quality, columns, preview_every;
    float guidance;
    float guidance_rescale; // -1: not given, as 0 may be given against a style
    double strength, eta, seconds;
    uint64_t seed;
    bool quiet, verbose, json, ops, start, kernels, thorough, list, help, version, exact, keep_going;
    const char *named_model, *named_vae, *named_init, *named_mask, *named_embeds, *named_style,
        *named_config;           // by a picture's text
    bool given[CLI_MAX_OPTIONS]; // by place in cli_options
};

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CANCELLED = 130 };

// options.c, help.c: made from the tables of table.c.
int cli_parse(int argc, char **argv, struct cli *cli); // EXIT_OK, or EXIT_USAGE after one sentence on stderr
void cli_overview(FILE *out);                          // one screen: at most 24 lines of 80 columns
void cli_help(enum cli_command command, FILE *out);    // all of a command's options, in 100 columns
// Gives an option another value, as the command line would; `value` must live as long as *cli. Name "prompt" is the text. False after
// a sentence.
bool cli_set(struct cli *cli, const char *name, const char *value);
bool cli_given(const struct cli *cli, const char *name); // of the same names
// Whether a picture depends on an option, or on the "prompt", whether that is a number, and whether another value wants another model to be
// opened. False after a sentence.
bool cli_axis(const char *name, bool *number, bool *opens);
const char *cli_command_name(enum cli_command command);
int cli_quality(const struct cli *cli); // of JPEG files
enum { CLI_MOST_NAMES = 128 };
void cli_near_command(const char *text, char *out, size_t size); // the near commands, as "a, b or c"; "" where none is

// commands
int cli_generate(const struct cli *cli);
int cli_from_image(const struct cli *cli);
int cli_devices(const struct cli *cli);
int cli_inspect(const struct cli *cli);
int cli_samplers(const struct cli *cli);
int cli_encode(const struct cli *cli);
int cli_noise(const struct cli *cli);
int cli_bench(const struct cli *cli);
int cli_bench_start(const struct cli *cli);
int cli_bench_kernels(const struct cli *cli);
int cli_estimate(const struct cli *cli);
int cli_selftest(const struct cli *cli);
int cli_styles(const struct cli *cli);
int cli_doctor(const struct cli *cli);
int cli_grid(const struct cli *cli);
int cli_help_command(const struct cli *cli);
int cli_man_command(const struct cli *cli);
int cli_completions(const struct cli *cli);

// generate.c
// As daub_generate_with_result, but Ctrl-C ends it inside a step.
daub_status cli_draw(daub_model *model, const daub_generate_params *params, daub_image *image, daub_result *result);
uint64_t cli_random_seed(void);
// Fills {seed} and {n} into the pattern. With more than one picture and neither, "-1", "-2", ... go before the extension. False after
// a sentence.
bool cli_make_path(const char *pattern, uint64_t seed, uint32_t index, uint32_t count, char *out, size_t size);

// common.c
int cli_fail(const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 1, 2)))
#endif
    ;                 // "daub: sentence" on stderr; returns EXIT_FAILED
int cli_failed(void); // the same with daub_last_error()
void cli_warn(const struct cli *cli, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ; // "daub: warning: sentence", not with --quiet
void cli_about(const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 1, 2)))
#endif
    ; // what the sentences that follow are about stands in front of them; "": nothing
void cli_complain(const char *fmt, va_list args);            // "daub: sentence" on stderr, on one line
void cli_print_line(FILE *out, const char *text, size_t n);  // at most n bytes, control characters as spaces
double cli_seconds(void);                                    // since its first call, which is main's
double cli_opened(void);                                     // when cli_open had the device
daub_device_params cli_device_params(const struct cli *cli); // device and log; not max_memory
bool cli_open(const struct cli *cli, daub_device **dev, daub_model **model); // says what failed
void cli_close(daub_device **dev, daub_model **model);
int cli_no_room(const daub_memory_estimate *need); // a sentence with both numbers; returns EXIT_FAILED
int cli_params(const struct cli *cli,
               daub_generate_params *out); // prompt, sizes, names, pictures (until cli_close); not the seed
// What --style sets, into what cli_params made and no option says. EXIT_FAILED after a sentence.
int cli_apply_style(const struct cli *cli, const daub_model *model, daub_generate_params *params);
// "--what wants a, b or c, not 'value'", with the near name where there is one; returns EXIT_FAILED. names ends with NULL.
int cli_fail_name(const char *what, const char *const *names, const char *value);
void cli_json_text(FILE *out, const char *text); // quoted and escaped
void cli_json_path(const char *path);            // all that a command says which wrote one file
bool cli_interrupted(void);                      // Ctrl-C came
void cli_catch_interrupt(void);                  // the first asks to stop, the second kills
void cli_hold_interrupt(bool hold);              // puts Ctrl-C off while a file is written

// bench_ops.c
void bench_print_ops(const daub_tools_op_cost *rows, uint32_t n);
void bench_print_load(const daub_tools_load *load);
void bench_json_ops(const daub_tools_op_cost *rows, uint32_t n, const daub_tools_load *load); // members of an object

// progress.c
struct progress {
    bool quiet, terminal;
    uint32_t index, count; // picture i of n
    int last_line;         // phase and tenth printed last, on what is no terminal
};
bool progress_update(void *progress, const daub_progress *p); // daub_generate_params.on_progress
void progress_end(struct progress *progress);

struct cli_hashes {
    const char *model, *parts, *vae; // NULL: not known, or of none
};
// metadata.c: A1111's "parameters" text, for daub_text_free; NULL after a sentence.
char *metadata_text(const struct cli *cli, const daub_generate_params *params, const daub_model_info *model,
                    const daub_result *result, const struct cli_hashes *hashes, const char *format);
bool cli_file_hash(const char *path, char out[11]); // false: no path, no plain file, or it cannot be read

// picture.c: encodes by format ("png", "jpg", "ppm") and writes; the file is replaced whole or not at all; "-" is standard output.
const char *picture_format(const char *path, const char *format);      // NULL after a sentence
bool picture_check_writable(const char *path);                         // false after a sentence
void picture_check_quality(const struct cli *cli, const char *format); // warns of a --quality that nothing reads
// A JPEG that cannot hold its parameters is written without, and a warning says so.
bool picture_write(const struct cli *cli, const char *path, const char *format, const daub_image *image,
                   const char *parameters);
// png.c: inserts the text chunk. All return malloc'd bytes or NULL.
uint8_t *png_encode(const daub_image *image, const char *parameters, size_t *size);
// *left_out: 0, or the bytes in UTF-16 of parameters that are more than JPEG_MOST_TEXT and are not in it.
enum { JPEG_MOST_TEXT = 0xffff - 61 }; // what a segment has beside the EXIF directories; an even number
uint8_t *jpeg_encode(const daub_image *image, int quality, const char *parameters, size_t *size, size_t *left_out);
// The next code point of UTF-8; '?' for a byte that is none, which names of files may have.
uint32_t text_next_code(const uint8_t **text);
uint8_t *ppm_encode(const daub_image *image, size_t *size);

#endif
