// grid.c - daub grid PROMPT --x steps=5,10,20 --y guidance=1..15/2: a picture for every pair of values, side by side on one.
//
// Every cell is checked before the first is drawn. A model is opened once for all the cells it draws, and where an axis opens several once
// before that to be checked, which reads no weights.
#include "axis.h"
#include "platform.h"
#include "sheet.h"

#include <stdlib.h>
#include <string.h>

struct grid {
    const struct cli *cli;
    struct axis x, y;
    uint64_t seed; // of all cells, but where it is an axis
    daub_device *dev;
    daub_model *model;
    struct sheet sheet;
    uint32_t drawn;
    char *parameters; // of the first cell, and the axes
};

// The options of a cell.
static bool cell_of(const struct grid *g, uint32_t column, uint32_t row, struct cli *out)
{
    *out = *g->cli;
    out->seed = g->seed;
    return (!g->x.name || cli_set(out, g->x.name, g->x.values[column])) &&
           (!g->y.name || cli_set(out, g->y.name, g->y.values[row]));
}

// ---- groups ----------------------------------------------------------------------------------------------------------

// Columns or rows that one opened model draws: one, where the axis opens another, else all.
struct span {
    uint32_t first, end;
};

static uint32_t n_spans(const struct axis *axis)
{
    return axis->opens ? axis->n : 1;
}

static struct span span_of(const struct axis *axis, uint32_t i)
{
    return axis->opens ? (struct span) { i, i + 1 } : (struct span) { 0, axis->n };
}

typedef int (*cell_fn)(struct grid *g, const struct cli *cell, uint32_t column, uint32_t row);

static int each_cell(struct grid *g, struct span columns, struct span rows, cell_fn fn)
{
    int status = EXIT_OK;
    for (uint32_t row = rows.first; status == EXIT_OK && row < rows.end; row++)
        for (uint32_t column = columns.first; status == EXIT_OK && column < columns.end; column++) {
            struct cli cell;
            status = cell_of(g, column, row, &cell) ? fn(g, &cell, column, row) : EXIT_USAGE;
        }
    return status;
}

// All cells, with the model open that each wants. One that is open already serves where there is no other.
static int each_group(struct grid *g, cell_fn fn)
{
    const uint32_t across = n_spans(&g->x), n = across * n_spans(&g->y);
    int status = EXIT_OK;
    for (uint32_t i = 0; status == EXIT_OK && i < n; i++) {
        const struct span columns = span_of(&g->x, i % across), rows = span_of(&g->y, i / across);
        struct cli cell;
        if (!cell_of(g, columns.first, rows.first, &cell))
            return EXIT_USAGE;
        if (!g->model && !cli_open(&cell, &g->dev, &g->model))
            return EXIT_FAILED;
        status = each_cell(g, columns, rows, fn);
        if (n > 1)
            cli_close(&g->dev, &g->model);
    }
    return status;
}

// ---- checking --------------------------------------------------------------------------------------------------------

static int check_values(struct grid *g, const struct cli *cell, uint32_t column, uint32_t row)
{
    (void)g;
    (void)cell; // was made, so its values are among those the options take
    (void)column;
    (void)row;
    return EXIT_OK;
}

static int check_cell(struct grid *g, const struct cli *cell, uint32_t column, uint32_t row)
{
    daub_generate_params params;
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    daub_model_info info = { .struct_size = sizeof(info) };
    (void)column;
    (void)row;
    if (cli_interrupted()) {
        cli_fail("cancelled before the first picture");
        return EXIT_CANCELLED;
    }
    if (cli_params(cell, &params) != EXIT_OK || cli_apply_style(cell, g->model, &params) != EXIT_OK)
        return EXIT_FAILED;
    if (daub_estimate(g->model, &params, &e) != DAUB_OK || daub_model_get_info(g->model, &info) != DAUB_OK)
        return cli_failed();
    if (info.text && !cell->text && !cell->prompt_embeds)
        return cli_fail("a prompt is required");
    if (!e.fits)
        return cli_no_room(&e);
    g->sheet.width = e.width > g->sheet.width ? e.width : g->sheet.width;
    g->sheet.height = e.height > g->sheet.height ? e.height : g->sheet.height;
    return EXIT_OK;
}

static bool given_beside(const struct grid *g, const struct axis *axis, const char *option)
{
    const bool sized = axis->name && strcmp(axis->name, "size") == 0 && (g->cli->width || g->cli->height);
    if (!axis->name || (!sized && !cli_given(g->cli, axis->name)))
        return false;
    cli_fail("%s is given, and is what --%s varies", strcmp(axis->name, "prompt") == 0 ? "a prompt" : axis->name,
             option);
    return true;
}

static bool is_side(const char *name)
{
    return strcmp(name, "width") == 0 || strcmp(name, "height") == 0;
}

static int read_axes(struct grid *g)
{
    const struct cli *cli = g->cli;
    if (!axis_read("x", cli->x, &g->x) || !axis_read("y", cli->y, &g->y))
        return EXIT_USAGE;
    const char *x = g->x.name, *y = g->y.name;
    if (!x && !y) {
        cli_fail("daub grid wants --x, --y or both, as in --x steps=5,10,20");
        return EXIT_USAGE;
    }
    if (x && y &&
        (strcmp(x, y) == 0 || (strcmp(x, "size") == 0 && is_side(y)) || (strcmp(y, "size") == 0 && is_side(x)))) {
        cli_fail("--x %s and --y %s vary the same", x, y);
        return EXIT_USAGE;
    }
    if (given_beside(g, &g->x, "x") || given_beside(g, &g->y, "y"))
        return EXIT_USAGE;
    return each_cell(g, (struct span) { 0, g->x.n }, (struct span) { 0, g->y.n }, check_values);
}

// ---- drawing ---------------------------------------------------------------------------------------------------------

static const char hint[] = "give fewer values or smaller pictures";

static uint32_t words_lines(const struct grid *g)
{
    char label[512];
    uint32_t widest = 0;
    for (uint32_t i = 0; i < g->x.n; i++) {
        axis_label(&g->x, i, label, sizeof(label));
        const uint32_t width = sheet_words_width(&g->sheet, label);
        widest = width > widest ? width : widest;
    }
    return !g->x.name ? 0 : widest <= g->sheet.width ? 1 : 3;
}

static void make_layout(struct grid *g)
{
    struct sheet *s = &g->sheet;
    char label[512];
    s->columns = g->x.n;
    s->rows = g->y.n;
    s->gap = 4;
    s->scale = sheet_scale(s->width, s->height);
    const uint32_t lines = words_lines(g), most = 160 * s->scale;
    s->top = lines ? (lines * SHEET_LINE + 4) * s->scale : 0;
    for (uint32_t i = 0; i < g->y.n && g->y.name; i++) {
        axis_label(&g->y, i, label, sizeof(label));
        const uint32_t width = sheet_words_width(s, label) + 6 * s->scale;
        s->left = width > s->left ? width : s->left;
    }
    s->left = s->left > most ? most : s->left;
}

static void put_labels(struct grid *g)
{
    char label[512];
    for (uint32_t i = 0; i < g->x.n && g->x.name; i++) {
        axis_label(&g->x, i, label, sizeof(label));
        sheet_words(&g->sheet, sheet_head(&g->sheet, i), label);
    }
    for (uint32_t i = 0; i < g->y.n && g->y.name; i++) {
        axis_label(&g->y, i, label, sizeof(label));
        sheet_words(&g->sheet, sheet_side(&g->sheet, i), label);
    }
}

static bool note_axis(struct grid *g, const struct axis *axis, const char *letter)
{
    char key[16], values[4096];
    size_t n = 0;
    if (!axis->name)
        return true;
    values[0] = '\0';
    for (uint32_t i = 0; i < axis->n && n < sizeof(values); i++)
        n += (size_t)snprintf(values + n, sizeof(values) - n, "%s%s", i ? ", " : "", axis->values[i]);
    snprintf(key, sizeof(key), "%s Type", letter);
    if (daub_parameters_append(&g->parameters, key, axis->name) != DAUB_OK)
        return false;
    snprintf(key, sizeof(key), "%s Values", letter);
    return daub_parameters_append(&g->parameters, key, values) == DAUB_OK;
}

// A cell's parameters; NULL after a sentence.
static char *cell_text(const struct grid *g, const struct cli *cell, const daub_generate_params *params,
                       const daub_result *result, const char *format)
{
    daub_model_info info = { .struct_size = sizeof(info) };
    char model[11], parts[11], vae[11];
    if (daub_model_get_info(g->model, &info) != DAUB_OK)
        return NULL;
    const struct cli_hashes hashes = {
        .model = daub_tools_model_hash(cell->model, model) == DAUB_OK ? model : NULL,
        .parts = daub_tools_parts_hash(cell->model, parts) == DAUB_OK ? parts : NULL,
        .vae = cell->vae && daub_tools_vae_hash(cell->vae, vae) == DAUB_OK ? vae : NULL,
    };
    return metadata_text(cell, params, &info, result, &hashes, format);
}

// Those of the first cell, and A1111's keys for such a picture.
static bool note_parameters(struct grid *g, const struct cli *cell, const daub_generate_params *params,
                            const daub_result *result)
{
    g->parameters = cell_text(g, cell, params, result, "png");
    return g->parameters && daub_parameters_append(&g->parameters, "Script", "X/Y/Z plot") == DAUB_OK &&
           note_axis(g, &g->x, "X") && note_axis(g, &g->y, "Y");
}

// "DIR/2-3.png": the third of the second row. False after a sentence.
static bool cell_path(const struct grid *g, uint32_t column, uint32_t row, char *out, size_t size)
{
    const char *ending = g->cli->format ? g->cli->format : "png";
    return snprintf(out, size, "%s/%u-%u.%s", g->cli->cells, row + 1, column + 1, ending) < (int)size ||
           cli_fail("--cells: the name of a folder of %llu bytes is too long",
                    (unsigned long long)strlen(g->cli->cells)) == EXIT_OK;
}

// A cell's picture by itself, which daub from-image takes.
static bool write_cell(const struct grid *g, const struct cli *cell, const daub_generate_params *params,
                       const daub_result *result, const daub_image *image, uint32_t column, uint32_t row)
{
    char path[4096];
    const char *format;
    if (!cell_path(g, column, row, path, sizeof(path)) || !(format = picture_format(path, g->cli->format)))
        return false;
    char *text = cell_text(g, cell, params, result, format);
    const bool ok = text && picture_write(cell, path, format, image, text);
    daub_text_free(text);
    return ok;
}

static int draw_cell(struct grid *g, const struct cli *cell, uint32_t column, uint32_t row)
{
    daub_generate_params params;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    if (cli_params(cell, &params) != EXIT_OK || cli_apply_style(cell, g->model, &params) != EXIT_OK)
        return EXIT_FAILED;
    struct progress progress = {
        .quiet = g->cli->quiet,
        .terminal = platform_is_terminal(stderr),
        .index = g->drawn,
        .count = g->x.n * g->y.n,
        .last_line = -1,
    };
    params.on_progress = progress_update;
    params.user = &progress;
    const daub_status status = cli_draw(g->model, &params, &image, &result);
    progress_end(&progress);
    if (status != DAUB_OK) {
        cli_failed();
        return status == DAUB_ERROR_CANCELLED ? EXIT_CANCELLED : EXIT_FAILED;
    }
    int done = EXIT_OK;
    if (!g->parameters && !note_parameters(g, cell, &params, &result))
        done = cli_fail("no memory for the grid's parameters");
    if (done == EXIT_OK && g->cli->cells && !write_cell(g, cell, &params, &result, &image, column, row))
        done = EXIT_FAILED;
    if (done == EXIT_OK)
        sheet_place(&g->sheet, &image, column, row);
    daub_image_free(&image);
    g->drawn++;
    return done;
}

// ---- the command -----------------------------------------------------------------------------------------------------

static void json_axis(FILE *out, const char *letter, const struct axis *axis)
{
    if (!axis->name)
        return;
    fprintf(out, ", \"%s\": {\"name\": ", letter);
    cli_json_text(out, axis->name);
    fputs(", \"values\": [", out);
    for (uint32_t i = 0; i < axis->n; i++) {
        fputs(i ? ", " : "", out);
        cli_json_text(out, axis->values[i]);
    }
    fputs("]}", out);
}

static void report(const struct grid *g, const char *path)
{
    FILE *out = strcmp(path, "-") == 0 ? stderr : stdout;
    if (g->cli->json) {
        fputs("{\"path\": ", out);
        cli_json_text(out, path);
        fprintf(out, ", \"width\": %u, \"height\": %u", g->sheet.image.width, g->sheet.image.height);
        json_axis(out, "x", &g->x);
        json_axis(out, "y", &g->y);
        fprintf(out, ", \"seed\": %llu, \"seconds\": %.3f}\n", (unsigned long long)g->seed, cli_seconds());
    } else if (!g->cli->quiet) {
        fprintf(out, "%s: %ux%u, %u pictures, seed %llu, %.1f s\n", path, g->sheet.image.width, g->sheet.image.height,
                g->drawn, (unsigned long long)g->seed, cli_seconds());
    }
}

static int draw_all(struct grid *g, const char *path, const char *format)
{
    int status = each_group(g, check_cell);
    if (status != EXIT_OK)
        return status;
    make_layout(g);
    if (!sheet_create(&g->sheet, hint))
        return EXIT_FAILED;
    put_labels(g);
    status = each_group(g, draw_cell);
    if (status == EXIT_OK && !picture_write(g->cli, path, format, &g->sheet.image, g->parameters))
        status = EXIT_FAILED;
    if (status == EXIT_OK)
        report(g, path);
    return status;
}

int cli_grid(const struct cli *cli)
{
    char path[4096];
    struct grid grid = { .cli = cli, .seed = cli->seed_text ? cli->seed : cli_random_seed() };
    int status = read_axes(&grid);
    const char *format = NULL;
    if (status == EXIT_OK &&
        (!cli_make_path(cli->output ? cli->output : "grid.png", grid.seed, 0, 1, path, sizeof(path)) ||
         !(format = picture_format(path, cli->format)) || !picture_check_writable(path)))
        status = EXIT_FAILED;
    if (status == EXIT_OK)
        picture_check_quality(cli, format);
    char cell[4096];
    if (status == EXIT_OK && cli->cells &&
        (!cell_path(&grid, 0, 0, cell, sizeof(cell)) || !picture_check_writable(cell)))
        status = EXIT_FAILED;
    if (status == EXIT_OK) {
        cli_catch_interrupt();
        status = draw_all(&grid, path, format);
    }
    cli_close(&grid.dev, &grid.model);
    sheet_free(&grid.sheet);
    daub_text_free(grid.parameters);
    axis_free(&grid.x);
    axis_free(&grid.y);
    return status;
}
