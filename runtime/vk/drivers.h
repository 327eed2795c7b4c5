// drivers.h - the files that a Vulkan loader reads: which drivers there are before any is asked, and what is wrong with their files.
#ifndef DAUB_VK_DRIVERS_H
#define DAUB_VK_DRIVERS_H
#include "runtime/base/host.h"

#include <stdbool.h>

struct daub_driver_file {
    const char *path;    // of the manifest, a JSON file
    const char *library; // that it names, as it is loaded; "" where it names none
    const char *problem; // a sentence without a dot; NULL: it loads
    bool foreign;        // of another architecture: no fault, and the loader passes it over
};

// Every manifest, in the loader's order of search. `given`: the variable of the environment that replaces the system's folders, or NULL;
// what it names and is not there is a problem too. Returns how many manifests there were.
uint32_t daub_driver_files(const struct daub_host *host, const char **given,
                           void (*each)(void *user, const struct daub_driver_file *file), void *user);

// Whether there is a loader (NO_DEVICE otherwise), and the layer that DAUB_DEBUG=validate wants.
daub_status daub_loader_look(const struct daub_host *host, uint32_t *version, bool *validation);

#endif
