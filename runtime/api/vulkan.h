// vulkan.h - what a job asks of vulkan.c: the host's memory of daub_generate_params.vulkan.
#ifndef DAUB_API_VULKAN_H
#define DAUB_API_VULKAN_H
#include "runtime/pipeline/pipeline.h"

// A request with what params->vulkan gives it. *io is NULL where there is none; otherwise the request's picture is in it, so it
// must outlive the request. Errors: as daub_request_create, and INVALID_ARG for what the host gave.
daub_status daub_job_request(const struct daub_engine *engine, const daub_generate_params *params,
                             struct daub_request **request, struct daub_io **io);
// When the job's turn has come: what the host gave to read.
daub_status daub_job_read_inputs(const struct daub_engine *engine, struct daub_io *io, struct daub_request *request);
// A request of the same memory, for which nothing is made on the device; without a prompt too.
daub_status daub_request_for_estimate(const struct daub_engine *engine, const daub_generate_params *params,
                                      struct daub_request **out);

#endif
