// rates.h - how fast the device runs each kind of kernel.
#ifndef DAUB_CHECK_RATES_H
#define DAUB_CHECK_RATES_H
#include "include/daub_tools.h"

// See daub_tools_kernel_rates; both structs are full copies.
daub_status daub_kernel_rates(const daub_device_params *device, const daub_tools_rates_params *params);

#endif
