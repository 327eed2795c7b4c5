// harness_build.c - building a network on the host alone.
#include "tests/model/harness_build.h"

#include "runtime/io/safetensors.h"

static const char *source_path(const char *path)
{
    static char full[1024];
    snprintf(full, sizeof(full), "%s/%s", DAUB_SOURCE_DIR, path);
    return full;
}

struct daub_json build_json(const char *path)
{
    struct daub_json json;
    REQUIRE_OK(daub_json_load(NULL, source_path(path), &json));
    return json;
}

struct daub_json build_json_text(const char *text)
{
    struct daub_json json;
    REQUIRE_OK(daub_json_parse(NULL, "config.json", text, strlen(text), &json));
    return json;
}

struct daub_net *build_net(void)
{
    struct daub_net *net = NULL;
    REQUIRE_OK(daub_net_create(NULL, "net", DAUB_F32, &net));
    daub_net_dump(net, "*");
    return net;
}

struct daub_tensor *build_input(struct daub_net *net, const char *name, enum daub_stage stage, uint32_t n, uint32_t h,
                                uint32_t w, uint32_t c)
{
    return daub_net_input(net, name, stage, DAUB_F32, (struct daub_shape) { n, h, w, c });
}

void build_require_shape(const struct daub_tensor *t, uint32_t n, uint32_t h, uint32_t w, uint32_t c)
{
    const struct daub_shape s = t->shape;
    if (s.n != n || s.h != h || s.w != w || s.c != c)
        TEST_FAIL("%s is [%u,%u,%u,%u], wanted [%u,%u,%u,%u]", t->name ? t->name : "the result", s.n, s.h, s.w, s.c, n,
                  h, w, c);
}

void build_finish(struct daub_net *net)
{
    if (daub_net_finish(net) != DAUB_OK)
        TEST_FAIL("%s", daub_last_error());
}

static const struct daub_tensor *find_weight(const struct daub_net *net, const char *name)
{
    for (uint32_t i = 0; i < daub_net_n_weights(net); i++)
        if (strcmp(daub_net_weight_at(net, i)->name, name) == 0)
            return daub_net_weight_at(net, i);
    return NULL;
}

void build_check_weights(const struct daub_net *net, const char *safetensors, const char *prefix)
{
    struct daub_safetensors *st = NULL;
    REQUIRE_OK(daub_safetensors_open(NULL, source_path(safetensors), &st));
    for (uint32_t i = 0; i < daub_net_n_weights(net); i++) {
        const struct daub_tensor *w = daub_net_weight_at(net, i);
        const struct daub_st_tensor *t = daub_safetensors_find(st, w->name);
        if (!t)
            TEST_FAIL("the file has no tensor %s", w->name);
        bool same = t->n_dims == w->n_dims;
        for (uint32_t j = 0; same && j < w->n_dims; j++)
            same = t->dims[j] == w->dims[j];
        if (!same)
            TEST_FAIL("%s: [%u,%u..] in the net is not [%u,%u..] in the file", w->name, w->dims[0], w->dims[1],
                      (uint32_t)t->dims[0], (uint32_t)t->dims[1]);
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < daub_safetensors_count(st); i++) {
        const char *name = daub_safetensors_at(st, i)->name;
        if (prefix && strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        if (!find_weight(net, name))
            TEST_FAIL("nothing in the net reads the file's %s", name);
        n++;
    }
    REQUIRE(n > 0);
    daub_safetensors_close(&st);
}

void build_check_points(const struct daub_net *net, const char *golden, const char *const *prefixes, uint32_t n,
                        uint32_t at_least)
{
    struct daub_safetensors *st = NULL;
    uint32_t found = 0;
    REQUIRE_OK(daub_safetensors_open(NULL, source_path(golden), &st));
    for (uint32_t i = 0; i < daub_safetensors_count(st); i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(st, i);
        bool wanted = false;
        for (uint32_t j = 0; j < n && !wanted; j++)
            wanted = strncmp(t->name, "block.", 6) == 0 && strncmp(t->name + 6, prefixes[j], strlen(prefixes[j])) == 0;
        if (!wanted)
            continue;
        const struct daub_tensor *point = daub_net_find_point(net, t->name + 6);
        if (!point)
            TEST_FAIL("the net has no point %s", t->name + 6);
        uint64_t want = 1;
        for (uint32_t j = 0; j < t->n_dims; j++)
            want *= t->dims[j];
        const uint64_t got = (uint64_t)daub_rows(point) * point->shape.c;
        if (got != want || point->shape.c != t->dims[t->n_dims == 4 ? 1 : t->n_dims - 1])
            TEST_FAIL("the point %s has %llu values in %u channels, wanted %llu", t->name + 6, (unsigned long long)got,
                      point->shape.c, (unsigned long long)want);
        found++;
    }
    REQUIRE_IN(found, at_least, 1e9);
    daub_safetensors_close(&st);
}

uint32_t build_count_ops(const struct daub_net *net, const char *op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < daub_net_n_nodes(net); i++)
        n += strcmp(daub_net_node(net, i)->op->name, op) == 0;
    return n;
}
