// harness_inject.h - lets one host allocation, file operation or Vulkan call of daub's fail, and counts what daub holds.
//
// Allocations and file operations are those of the objects that are linked into the test (ld's --wrap, see CMakeLists.txt), and cJSON's by
// its hooks: the driver's and the loader's own are left alone. Vulkan calls go through a table that dlsym's replacement hands to daub in
// the loader's place. Nothing in the library knows of this.
#ifndef DAUB_TESTS_HARNESS_INJECT_H
#define DAUB_TESTS_HARNESS_INJECT_H
#include <stdbool.h>
#include <stdint.h>

enum inject_kind { INJECT_NONE, INJECT_ALLOC, INJECT_FILE, INJECT_VULKAN, INJECT_SUBMIT, INJECT_WAIT, INJECT_KINDS };

// Once, before the first use of daub.
void inject_begin(void);
// From here on call number `nth` (from 1; 0: none) of the kind fails, and only that one or, if it lasts, all that follow until inject_mend.
// INJECT_SUBMIT and INJECT_WAIT lose the device: all that is asked of its queue afterwards fails as well.
void inject_arm(enum inject_kind kind, uint64_t nth, bool lasts);
void inject_mend(void);
// Until here. The calls of the armed kind since.
uint64_t inject_disarm(void);
const char *inject_fired(void); // the name of the call that failed, or NULL

// Dispatches do nothing and pipelines are not made: the host's part of the work alone, thousands of times.
void inject_skip_dispatches(bool skip);

// What was taken and not given back: allocations, open files, maps, folders, threads, Vulkan objects by their names. True if anything
// differs from `before`; what differs is printed.
enum { INJECT_HELD = 64 };
struct inject_held {
    int64_t n[INJECT_HELD];
};
void inject_held(struct inject_held *out);
bool inject_leaks(const struct inject_held *before);

// For the wrappers.
bool inject_fails(enum inject_kind kind, const char *name);
bool inject_lost(void);
bool inject_skips(void);
void inject_count(int what, int by);
void *inject_vulkan_get(void *get); // the loader's vkGetInstanceProcAddr; gives ours
const char *inject_vulkan_name(int what);
enum { HELD_MEMORY, HELD_FILES, HELD_MAPS, HELD_FOLDERS, HELD_THREADS, HELD_VULKAN };

#endif
