// test_time_costs.c - the cost model: conservative before it has measured anything, then right class by class, from mixtures too.
#include "runtime/vk/costs.h"

#include "tests/test.h"

enum { CLASSES = 4, SLICES = 400 };

static const char *const names[CLASSES] = { "conv3x3", "linear", "attention", "group_norm" };

// Flops and bytes a microsecond of a made-up device, the last class being bound by its bytes.
static const double flop_rates[CLASSES] = { 2.0e7, 1.2e7, 0.8e7, 1.0e9 }, byte_rate = 1.5e6;

static uint32_t next(uint32_t *x) // xorshift (Marsaglia 2003, doi:10.18637/jss.v008.i14)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

struct work {
    double flop, bytes;
};

static struct work random_work(uint32_t c, uint32_t *state)
{
    const double size = 1.0 + next(state) % 1000 * 0.01;
    return c < 3 ? (struct work) { 2e9 * size, 1e6 * size } : (struct work) { 1e7 * size, 5e7 * size };
}

static double true_us(uint32_t c, const struct work *w)
{
    return w->flop / flop_rates[c] + w->bytes / byte_rate;
}

static void converges(daub_device_kind kind, bool mixed)
{
    const struct daub_caps caps = { .kind = kind, .cpu = kind == DAUB_DEVICE_CPU };
    const struct daub_host host = { 0 };
    struct daub_costs *costs = NULL;
    uint32_t state = 12345, op[CLASSES];
    REQUIRE_OK(daub_costs_create(&host, &caps, &costs));
    for (uint32_t c = 0; c < CLASSES; c++)
        op[c] = daub_costs_class(costs, names[c]);
    REQUIRE(daub_costs_class(costs, "linear") == op[1] && op[0] != op[1]);
    const double flop_before = daub_costs_flop(costs, 1000.0);
    double worst_late = 0.0;
    for (uint32_t i = 0; i < SLICES; i++) {
        struct daub_cost list[CLASSES];
        double us = 0.0;
        uint32_t n = 0;
        for (uint32_t c = 0; c < CLASSES; c++) {
            if (!mixed ? c != i % CLASSES : next(&state) % 3 == 0)
                continue;
            const struct work w = random_work(c, &state);
            list[n++] = daub_costs_of(costs, op[c], w.flop, w.bytes);
            us += true_us(c, &w);
        }
        if (n == 0)
            continue;
        us *= 0.95 + next(&state) % 100 * 0.001; // a measurement's noise
        const double predicted = daub_costs_predict(costs, list, n);
        if (i == 0)
            REQUIRE(predicted > us); // the first slice is too short rather than too long
        if (i >= SLICES / 2)
            worst_late = fmax(worst_late, fabs(predicted / us - 1.0));
        daub_costs_learn(costs, list, n, us, false);
    }
    printf("kind %d, %s: predictions within %.1f %%; 1 ms are %.3g flop, first %.3g\n", (int)kind,
           mixed ? "mixed" : "apart", worst_late * 100.0, daub_costs_flop(costs, 1000.0), flop_before);
    REQUIRE(worst_late < (mixed ? 0.35 : 0.2));
    // The slowest of the three classes that flops bind.
    REQUIRE_IN(daub_costs_flop(costs, 1000.0), 0.5 * 0.8e7 * 1000.0, 1.5 * 0.8e7 * 1000.0);
    daub_costs_destroy(&costs);
    REQUIRE(!costs);
}

// A kernel's first run on a CPU driver compiles it, which says nothing about the next one.
static void first_runs_only_shorten(void)
{
    const struct daub_caps caps = { .kind = DAUB_DEVICE_CPU, .cpu = true };
    const struct daub_host host = { 0 };
    struct daub_costs *costs = NULL;
    REQUIRE_OK(daub_costs_create(&host, &caps, &costs));
    const struct daub_cost c = daub_costs_of(costs, daub_costs_class(costs, "linear"), 1e9, 1e6);
    const double before = daub_costs_predict(costs, &c, 1);
    daub_costs_learn(costs, &c, 1, 100.0 * before, true);
    REQUIRE(daub_costs_predict(costs, &c, 1) == before);
    daub_costs_learn(costs, &c, 1, 0.1 * before, true);
    REQUIRE(daub_costs_predict(costs, &c, 1) < before);
    daub_costs_destroy(&costs);
}

static void classes_without_end(void)
{
    static char many[2 * DAUB_COST_CLASSES][16];
    const struct daub_caps caps = { .kind = DAUB_DEVICE_DISCRETE };
    const struct daub_host host = { 0 };
    struct daub_costs *costs = NULL;
    REQUIRE_OK(daub_costs_create(&host, &caps, &costs));
    for (uint32_t i = 0; i < 2 * DAUB_COST_CLASSES; i++) {
        snprintf(many[i], sizeof(many[i]), "class %u", i);
        REQUIRE(daub_costs_class(costs, many[i]) < DAUB_COST_CLASSES);
    }
    daub_costs_destroy(&costs);
}

int main(void)
{
    const daub_device_kind kinds[] = { DAUB_DEVICE_CPU, DAUB_DEVICE_INTEGRATED, DAUB_DEVICE_DISCRETE };
    for (int i = 0; i < 3; i++) {
        converges(kinds[i], false);
        converges(kinds[i], true);
    }
    first_runs_only_shorten();
    classes_without_end();
    return 0;
}
