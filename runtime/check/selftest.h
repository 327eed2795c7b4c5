// selftest.h - all checks on one device, with every kind of kernel that it can run.
#ifndef DAUB_CHECK_SELFTEST_H
#define DAUB_CHECK_SELFTEST_H
#include "include/daub_tools.h"

// See daub_tools_selftest; both structs are full copies.
daub_status daub_selftest(const daub_device_params *device, const daub_tools_selftest_params *params,
                          uint32_t *n_failed);

#endif
