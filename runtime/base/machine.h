// machine.h - what a machine has beside files: memory, space on a disk, device nodes, libraries, the environment. For daub doctor.
#ifndef DAUB_BASE_MACHINE_H
#define DAUB_BASE_MACHINE_H
#include "runtime/base/host.h"

#include <stdbool.h>

// Bytes of the machine's memory, and those that programs may still take. false: not known.
bool daub_machine_memory(uint64_t *total, uint64_t *available);
// Bytes that this user may still write where the path is. false: not known.
bool daub_disk_space(const char *path, uint64_t *available);
// The folder for temporary files. Static storage, or the environment's.
const char *daub_temp_dir(void);
// Every variable of the environment.
void daub_environment(void (*each)(void *user, const char *name, size_t n, const char *value), void *user);
// Every file of a folder of device nodes whose name begins with `start`; `group` may open it, or is "" where it has no name.
void daub_device_nodes(const char *dir, const char *start,
                       void (*each)(void *user, const char *path, bool accessible, const char *group), void *user);
// Whether a shared library, a path or a name that the system finds, loads with all that it needs; `why` gets a sentence where not.
bool daub_library_loads(const char *path, char *why, size_t size);
// Between the paths of a list in the environment.
extern const char daub_path_separator;

#endif
