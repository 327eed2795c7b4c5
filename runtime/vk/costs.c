// costs.c - predictions start from rates that the slowest devices of a kind reach, so that the first slices are too short rather
// than too long. Each measurement moves the factors of the classes it was made of, each by its part of the prediction: with
// mixtures that differ, as slices of a network do, factors come out class by class.
#include "runtime/vk/costs.h"

#include "runtime/base/thread.h"

#include <math.h>
#include <string.h>

struct rates { // flops and bytes a microsecond, and microseconds a dispatch
    double flop, bytes, overhead;
};

struct class_cost {
    const char *name;
    double factor;
    double flop_us, byte_us; // measured so far, uncorrected: what the class is bound by
};

struct daub_costs {
    const struct daub_host *host;
    struct rates rates;
    daub_mutex mutex; // guards what follows
    uint32_t n;
    struct class_cost classes[DAUB_COST_CLASSES];
};

// A quarter of what a core does on llvmpipe (41e9 flops a second, see ARCHITECTURE.md), the slowest integrated GPUs, and discrete
// ones of ten years ago.
static struct rates first_rates(const struct daub_caps *caps)
{
    if (caps->cpu)
        return (struct rates) { 1e4 * daub_cpu_count(), 1e3 * daub_cpu_count(), 10.0 };
    if (caps->kind == DAUB_DEVICE_DISCRETE)
        return (struct rates) { 3e6, 1e5, 5.0 };
    return (struct rates) { 3e5, 1e4, 10.0 };
}

daub_status daub_costs_create(const struct daub_host *host, const struct daub_caps *caps, struct daub_costs **out)
{
    struct daub_costs *costs = daub_alloc(host, sizeof(*costs));
    if (!costs)
        return daub_no_memory("the cost model");
    const daub_status status = daub_mutex_init(&costs->mutex);
    if (status != DAUB_OK) {
        daub_free(host, costs);
        return status;
    }
    costs->host = host;
    costs->rates = first_rates(caps);
    *out = costs;
    return DAUB_OK;
}

void daub_costs_destroy(struct daub_costs **costs)
{
    if (!*costs)
        return;
    daub_mutex_destroy(&(*costs)->mutex);
    daub_free((*costs)->host, *costs);
    *costs = NULL;
}

uint32_t daub_costs_class(struct daub_costs *costs, const char *op)
{
    daub_mutex_lock(&costs->mutex);
    uint32_t i = 0;
    while (i < costs->n && strcmp(costs->classes[i].name, op) != 0)
        i++;
    if (i == DAUB_COST_CLASSES)
        i--; // the last one is of all that came too late
    else if (i == costs->n)
        costs->classes[costs->n++] = (struct class_cost) { .name = op, .factor = 1.0 };
    daub_mutex_unlock(&costs->mutex);
    return i;
}

struct daub_cost daub_costs_of(const struct daub_costs *costs, uint32_t op, double flop, double bytes)
{
    const struct rates *r = &costs->rates;
    return (struct daub_cost) { op, flop / r->flop, r->overhead + bytes / r->bytes };
}

static double corrected(const struct daub_costs *costs, const struct daub_cost *c)
{
    return costs->classes[c->op].factor * (c->flop_us + c->byte_us);
}

static double predict(const struct daub_costs *costs, const struct daub_cost *list, uint32_t n)
{
    double us = 0.0;
    for (uint32_t i = 0; i < n; i++)
        us += corrected(costs, &list[i]);
    return us;
}

double daub_costs_predict(struct daub_costs *costs, const struct daub_cost *list, uint32_t n)
{
    daub_mutex_lock(&costs->mutex);
    const double us = predict(costs, list, n);
    daub_mutex_unlock(&costs->mutex);
    return us;
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

void daub_costs_learn(struct daub_costs *costs, const struct daub_cost *list, uint32_t n, double us, bool first_run)
{
    daub_mutex_lock(&costs->mutex);
    const double predicted = predict(costs, list, n);
    const double ratio = predicted > 0.0 ? us / predicted : 1.0;
    if (us > 0.0 && !(first_run && ratio > 1.0)) {
        double parts[DAUB_COST_CLASSES];
        for (uint32_t i = 0; i < n && i < DAUB_COST_CLASSES; i++)
            parts[i] = corrected(costs, &list[i]) / predicted;
        for (uint32_t i = 0; i < n && i < DAUB_COST_CLASSES; i++) {
            struct class_cost *c = &costs->classes[list[i].op];
            c->factor = clamp(c->factor * pow(clamp(ratio, 0.125, 8.0), 0.5 * parts[i]), 1e-4, 1e4);
            c->flop_us += list[i].flop_us;
            c->byte_us += list[i].byte_us;
        }
    }
    daub_mutex_unlock(&costs->mutex);
}

// The largest factor of the classes that are bound by the one or the other; 1 where none was measured.
static double worst(struct daub_costs *costs, bool flop)
{
    double most = 0.0;
    daub_mutex_lock(&costs->mutex);
    for (uint32_t i = 0; i < costs->n; i++) {
        const struct class_cost *c = &costs->classes[i];
        if ((c->flop_us > 0.0 || c->byte_us > 0.0) && (c->flop_us > c->byte_us) == flop && c->factor > most)
            most = c->factor;
    }
    daub_mutex_unlock(&costs->mutex);
    return most > 0.0 ? most : 1.0;
}

double daub_costs_flop(struct daub_costs *costs, double us)
{
    return us * costs->rates.flop / worst(costs, true);
}

double daub_costs_bytes(struct daub_costs *costs, double us)
{
    return us * costs->rates.bytes / worst(costs, false);
}
