// costs.h - how long recorded work is going to take. A dispatch's cost by its flops and bytes at rates that a slow device of its
// kind reaches, times a factor for its class of op, which what was measured corrects. No Vulkan in here.
#ifndef DAUB_VK_COSTS_H
#define DAUB_VK_COSTS_H
#include "runtime/base/host.h"
#include "runtime/vk/caps.h"

enum { DAUB_COST_CLASSES = 48 };

struct daub_costs; // of a device; thread safe

struct daub_cost { // of some work of one class, uncorrected
    uint32_t op;   // as daub_costs_class numbers them
    double flop_us, byte_us;
};

daub_status daub_costs_create(const struct daub_host *host, const struct daub_caps *caps, struct daub_costs **out);
void daub_costs_destroy(struct daub_costs **costs);

// The number of a class, by its name in static storage.
uint32_t daub_costs_class(struct daub_costs *costs, const char *op);
struct daub_cost daub_costs_of(const struct daub_costs *costs, uint32_t op, double flop, double bytes);
// Microseconds of all of them together, corrected.
double daub_costs_predict(struct daub_costs *costs, const struct daub_cost *list, uint32_t n);
// They took so long. May have compiled kernels too (first run on a CPU driver): then it only counts where it was short.
void daub_costs_learn(struct daub_costs *costs, const struct daub_cost *list, uint32_t n, double us, bool first_run);

// What a dispatch of any class seen so far does in so many microseconds at least.
double daub_costs_flop(struct daub_costs *costs, double us);
double daub_costs_bytes(struct daub_costs *costs, double us);

#endif
