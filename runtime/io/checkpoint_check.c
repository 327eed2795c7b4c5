// checkpoint_check.c - is every tensor there that a network wants, in its shape, and is every tensor wanted that is
// there? All answers in one sentence, because a wrong file is wrong in many places at once.
#include "runtime/io/checkpoint_private.h"

#include <stdio.h>
#include <string.h>

enum {
    MAX_SHOWN = 12,  // names a kind
    LIST_SIZE = 560, // bytes a kind: three of them and a path make a sentence (DAUB_SENTENCE_MAX)
};

struct list {
    char text[LIST_SIZE];
    size_t n;
    uint32_t count, shown;
};

static void add(struct list *list, const char *fmt, ...) DAUB_PRINTF(2, 3);
static void add(struct list *list, const char *fmt, ...)
{
    list->count++;
    if (list->shown == MAX_SHOWN || list->shown + 1 < list->count) // one that did not fit ends the list
        return;
    char entry[LIST_SIZE];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(entry, sizeof(entry), fmt, args);
    va_end(args);
    const char *comma = list->shown ? ", " : "";
    if (n < 0 || list->n + (size_t)n + 3 > sizeof(list->text))
        return;
    list->n += (size_t)snprintf(list->text + list->n, sizeof(list->text) - list->n, "%s%s", comma, entry);
    list->shown++;
}

struct shape_text {
    char text[96];
};

static struct shape_text shape(const uint64_t *dims, uint32_t n)
{
    struct shape_text s;
    size_t at = (size_t)snprintf(s.text, sizeof(s.text), "[");
    for (uint32_t i = 0; i < n && at + 24 < sizeof(s.text); i++)
        at += (size_t)snprintf(s.text + at, sizeof(s.text) - at, i ? ",%llu" : "%llu", (unsigned long long)dims[i]);
    snprintf(s.text + at, sizeof(s.text) - at, "]");
    return s;
}

static struct shape_text wanted_shape(const struct daub_wanted *w)
{
    uint64_t dims[4] = { 0 };
    for (uint32_t i = 0; i < w->n_dims; i++)
        dims[i] = w->dims[i];
    return shape(dims, w->n_dims);
}

// The number behind `mark` in a name ("layers.11." gives 11), or -1.
static int layer_number(const char *name, const char *mark)
{
    const char *at = strstr(name, mark);
    unsigned number;
    return at && sscanf(at + strlen(mark), "%4u.", &number) == 1 ? (int)number : -1;
}

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

// What published files carry and no network reads: buffers, the other half of CLIP, the training loss of a VAE, and the
// last layer of an OpenCLIP text model, whose features are taken one layer earlier. `n_layers`: text layers that are
// wanted.
static bool excused(enum daub_component c, const char *name, int n_layers)
{
    static const char *const endings[] = {
        "position_ids", "logit_scale", "text_projection", "text_projection.weight", "attn_mask", "num_updates", "decay"
    };
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        if (ends_with(name, endings[i]))
            return true;
    static const char *const parts[] = { "model_ema.", "vision_model.", "visual_projection.", "model.visual." };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strstr(name, parts[i]))
            return true;
    if (c == DAUB_VAE)
        return strncmp(name, "loss.", 5) == 0 || strstr(name, "first_stage_model.loss.") != NULL;
    return c == DAUB_TEXT && n_layers > 0 &&
           (layer_number(name, "encoder.layers.") == n_layers ||
            layer_number(name, "transformer.resblocks.") == n_layers);
}

static void add_unused(struct list *list, const struct daub_ckpt_file *file, enum daub_component c, const char *prefix,
                       int n_layers)
{
    for (uint32_t i = 0; i < daub_safetensors_count(file->st); i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(file->st, i);
        if (strncmp(t->name, prefix, strlen(prefix)) == 0 && !excused(c, t->name, n_layers) &&
            !atomic_load_explicit(&file->used[i], memory_order_relaxed))
            add(list, "%s %s", t->name, shape(t->dims, t->n_dims).text);
    }
}

// "2 tensors are missing: a, b and 3 more", with a semicolon before it where something stands already.
static size_t put_list(char *text, size_t size, size_t at, const struct list *list, const char *one, const char *many)
{
    if (list->count == 0)
        return at;
    char more[32] = "";
    if (list->count > list->shown)
        snprintf(more, sizeof(more), " and %u more", list->count - list->shown);
    const int n = snprintf(text + at, size - at, "%s%u %s: %s%s", at ? "; " : "", list->count,
                           list->count == 1 ? one : many, list->text, more);
    return at + (size_t)n;
}

// But for trailing ones: a matrix is stored as a 1x1 convolution in some files.
static bool same_shape(const struct daub_view *view, const struct daub_wanted *w)
{
    bool same = true;
    for (uint32_t i = 0; i < 4; i++)
        same = same && (i < view->n_dims ? view->dims[i] : 1) == (i < w->n_dims ? w->dims[i] : 1);
    return same;
}

daub_status daub_checkpoint_check(struct daub_checkpoint *ckpt, enum daub_component c, const struct daub_wanted *wanted,
                                  uint32_t n)
{
    struct list missing = { .n = 0 }, misshapen = { .n = 0 }, unused = { .n = 0 };
    int n_layers = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct daub_view view;
        if (!daub_checkpoint_find(ckpt, c, wanted[i].name, &view))
            add(&missing, "%s %s", wanted[i].name, wanted_shape(&wanted[i]).text);
        else if (!same_shape(&view, &wanted[i]))
            add(&misshapen, "%s is %s, wanted %s", wanted[i].name, shape(view.dims, view.n_dims).text,
                wanted_shape(&wanted[i]).text);
        const int layer = layer_number(wanted[i].name, "encoder.layers.");
        if (layer + 1 > n_layers)
            n_layers = layer + 1;
    }
    const struct daub_checkpoint *const part = daub_ckpt_of(ckpt, c);
    if (part->single.st)
        add_unused(&unused, &part->single, c, daub_checkpoint_prefix(part, c), n_layers);
    for (uint32_t i = 0; i < part->parts[c].n_files; i++)
        add_unused(&unused, &part->parts[c].files[i], c, "", n_layers);

    char text[3 * (LIST_SIZE + 96)];
    size_t at = put_list(text, sizeof(text), 0, &missing, "tensor is missing", "tensors are missing");
    at = put_list(text, sizeof(text), at, &misshapen, "tensor has the wrong shape", "tensors have the wrong shape");
    at = put_list(text, sizeof(text), at, &unused, "tensor is not used", "tensors are not used");
    if (at == 0)
        return DAUB_OK;
    return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s: %s", part->path, daub_component_name(c), text);
}
