// SPDX-License-Identifier: MIT
/*
 * memory.c - what changes while programs run: memory, processes, utilisation
 */
#include <stdlib.h>
#include <unistd.h>

#include "vnvml.h"

#define NO_INSTANCE	0xffffffffu	/* not of MIG */

/* ---- memory ---- */

/* Of this process' session where it has one, else of all that the tenant has. */
static nvmlReturn_t read_memory(nvmlDevice_t device, uint64_t *used, uint64_t *total)
{
	const struct vnvml_device *d = vnvml_device(device);
	struct vnvml_info *now;
	nvmlReturn_t r = vnvml_check(device);

	if (r || vnvml_own_memory(d, used, total))
		return r;
	now = calloc(1, sizeof(*now));
	if (!now)
		return NVML_ERROR_MEMORY;
	r = vnvml_ask(now);
	if (!r && !now->mem_limit)
		r = NVML_ERROR_NOT_SUPPORTED;
	*total = now->mem_limit < d->total_mem ? now->mem_limit : d->total_mem;
	*used = now->mem_used < *total ? now->mem_used : *total;
	free(now);
	return r;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	uint64_t used = 0, total = 0;
	nvmlReturn_t r = vnvml_check(device);

	if (!r && !memory)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (!r)
		r = read_memory(device, &used, &total);
	if (!r)
		*memory = (nvmlMemory_t){ .total = total, .free = total - used, .used = used };
	return r;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	uint64_t used = 0, total = 0;
	nvmlReturn_t r = vnvml_check(device);

	if (!r && !memory)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (!r && memory->version != nvmlMemory_v2)
		r = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (!r)
		r = read_memory(device, &used, &total);
	if (!r)
		*memory = (nvmlMemory_v2_t){
			.version = nvmlMemory_v2,
			.total = total,
			.free = total - used,
			.used = used,
		};
	return r;
}

/* ---- utilisation ---- */

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
	struct vnvml_info *now;
	nvmlReturn_t r = vnvml_check(device);

	if (r)
		return r;
	if (!rates)
		return NVML_ERROR_INVALID_ARGUMENT;
	now = calloc(1, sizeof(*now));
	r = now ? vnvml_ask(now) : NVML_ERROR_MEMORY;
	if (!r && !now->has_utilisation)
		r = NVML_ERROR_NOT_SUPPORTED;
	if (!r)
		*rates = now->utilisation;
	free(now);
	return r;
}

/* ---- processes: this one. Others of the tenant may be on other machines ---- */

/* How many there are, after the protocol of a count that goes in and out. */
static nvmlReturn_t room(unsigned int *count, const void *list, unsigned int there)
{
	unsigned int had = *count;

	*count = there;
	if (had < there)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	return there && !list ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

static nvmlReturn_t own(nvmlDevice_t device, unsigned int *count, const void *list, uint64_t *used)
{
	nvmlReturn_t r = vnvml_check(device);
	uint64_t total;

	if (r)
		return r;
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	return room(count, list, vnvml_own_memory(vnvml_device(device), used, &total));
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *count,
							 nvmlProcessInfo_v1_t *infos)
{
	uint64_t used;
	nvmlReturn_t r = own(device, count, infos, &used);

	if (!r && *count)
		*infos = (nvmlProcessInfo_v1_t){ .pid = getpid(), .usedGpuMemory = used };
	return r;
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device,
							    unsigned int *count,
							    nvmlProcessInfo_t *infos)
{
	uint64_t used;
	nvmlReturn_t r = own(device, count, infos, &used);

	if (!r && *count)
		*infos = (nvmlProcessInfo_t){
			.pid = getpid(),
			.usedGpuMemory = used,
			.gpuInstanceId = NO_INSTANCE,
			.computeInstanceId = NO_INSTANCE,
		};
	return r;
}

EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device,
							    unsigned int *count,
							    nvmlProcessInfo_v2_t *infos)
{
	return nvmlDeviceGetComputeRunningProcesses_v3(device, count, infos);
}

/* Nobody draws and nobody shares by MPS. */
static nvmlReturn_t nobody(nvmlDevice_t device, unsigned int *count)
{
	nvmlReturn_t r = vnvml_check(device);

	if (r)
		return r;
	return count ? room(count, NULL, 0) : NVML_ERROR_INVALID_ARGUMENT;
}

#define NOBODY(name, type)							\
	EXPORT nvmlReturn_t name(nvmlDevice_t device, unsigned int *count, type *infos) \
	{									\
		(void)infos;							\
		return nobody(device, count);					\
	}

NOBODY(nvmlDeviceGetGraphicsRunningProcesses, nvmlProcessInfo_v1_t)
NOBODY(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlProcessInfo_v2_t)
NOBODY(nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlProcessInfo_t)
NOBODY(nvmlDeviceGetMPSComputeRunningProcesses, nvmlProcessInfo_v1_t)
NOBODY(nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlProcessInfo_v2_t)
NOBODY(nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlProcessInfo_t)
