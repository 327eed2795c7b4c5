// show.h - what lets a person see a picture in the making: --preview and --strip. generate.c calls the show_ functions.
#ifndef DAUB_CLI_SHOW_H
#define DAUB_CLI_SHOW_H
#include "terminal.h"

// preview.c: pictures in the terminal, one place a picture, and below it the line of the progress bar, where the cursor is.
struct preview {
    enum terminal_mode mode; // TERMINAL_NONE: no previews
    bool limited;            // to ten a second
    uint32_t id;             // of the picture
    bool drawn;              // the place is there
    struct terminal_box box;
    struct terminal_size size;
    double last; // when
};

int preview_begin(struct preview *p, const struct cli *cli); // EXIT_OK, or a sentence: no terminal, or an unknown mode
void preview_next(struct preview *p);                        // another picture: below what is there
void preview_draw(struct preview *p, const daub_image *image, bool final);

// strip.c: the latents after every step, and the film strip made of them.
struct strip {
    bool on, failed; // no memory for a latent
    uint32_t n;
    struct strip_frame {
        float *latents; // at unit variance
        daub_step_info info;
    } * frames;
};

// Whether a strip of such pictures can be made at all. EXIT_OK, or EXIT_FAILED after a sentence.
int strip_check(const struct cli *cli, daub_model *model, const daub_generate_params *params);
bool strip_step(struct strip *strip, daub_step *step); // daub_generate_params.on_step
// Decodes and writes what was kept. EXIT_OK, EXIT_FAILED after a sentence, EXIT_CANCELLED: no file.
int strip_write(struct strip *strip, const struct cli *cli, daub_model *model, const daub_generate_params *params,
                const char *path, const char *parameters);
void strip_free(struct strip *strip);

struct show {
    const struct cli *cli;
    struct preview preview;
    struct strip strip;
    struct progress *progress; // of the picture that is being made
};

// Before any work. EXIT_OK, or EXIT_USAGE or EXIT_FAILED after a sentence.
int show_begin(struct show *show, const struct cli *cli);
// --strip's file of picture i, beside the picture's own: whether it can be written.
bool show_check_path(const struct cli *cli, const char *picture, uint64_t seed, uint32_t index, uint32_t count);
// Once the model is there, before the first picture.
int show_check(const struct show *show, daub_model *model, const daub_generate_params *params);
// Puts the callbacks of a picture into its params; on_progress goes to progress_update as without.
void show_attach(struct show *show, daub_model *model, daub_generate_params *params, struct progress *progress);
// The picture is there: it stays on the terminal, and the strip is written. An exit status.
int show_end(struct show *show, daub_model *model, const daub_generate_params *params, const daub_image *image,
             const char *parameters, uint64_t seed);
void show_free(struct show *show);

#endif
