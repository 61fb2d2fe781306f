/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init.h"

static const struct device_limits limits[] = {
	{ 75, 1024, 16, 65536, 65536, 65536, 0 },
	{ 80, 2048, 32, 65536, 167936, 166912, 1024 },
	{ 90, 2048, 32, 65536, 233472, 232448, 1024 },
};

const struct device_limits *device_limits(void)
{
	const struct device_limits *l = limits;

	while (l->sm != driver_sm())
		l++;
	return l;
}

/* As many as the engine has threads: the cores that this process may use, or SOFTGPU_THREADS. */
unsigned int device_multiprocessors(void)
{
	const char *s = getenv("SOFTGPU_THREADS");
	int n = s ? atoi(s) : 0;
	cpu_set_t set;

	if (n > 0 && n <= 1024)
		return n;
	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return CPU_COUNT(&set);
}

static CUresult check(CUdevice dev, const void *out)
{
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	return device_exists(dev) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGet(CUdevice *dev, int ordinal)
{
	CUresult r = check(ordinal, dev);

	if (r == CUDA_SUCCESS)
		*dev = ordinal;
	return r;
}

CUresult cuDeviceGetCount(int *count)
{
	CUresult r = check(0, count);

	if (r == CUDA_SUCCESS)
		*count = 1;
	return r;
}

CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
	CUresult r = check(dev, name);

	if (r != CUDA_SUCCESS)
		return r;
	if (len <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	snprintf(name, len, "softgpu");
	return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	CUresult r = check(dev, bytes);

	if (r == CUDA_SUCCESS)
		*bytes = driver_memory();
	return r;
}

static uint64_t fnv1a(const char *s, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	while (n--)
		h = (h ^ (unsigned char)*s++) * 0x100000001b3;
	return h;
}

/* The same for every process of a machine, different between machines. */
static uint64_t machine_number(void)
{
	char id[128];
	size_t n = 0;
	FILE *f = fopen("/etc/machine-id", "re");

	if (f) {
		n = fread(id, 1, sizeof(id), f);
		fclose(f);
	}
	if (!n && !gethostname(id, sizeof(id)))
		n = strnlen(id, sizeof(id));
	return fnv1a(id, n);
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	CUresult r = check(dev, uuid);
	uint64_t machine;

	if (r != CUDA_SUCCESS)
		return r;
	machine = machine_number();
	memcpy(uuid->bytes, "softgpu", 8);
	memcpy(uuid->bytes + 8, &machine, 8);
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice dev)
{
	return cuDeviceGetUuid_v2(uuid, dev);
}

CUresult cuDeviceGetPCIBusId(char *id, int len, CUdevice dev)
{
	CUresult r = check(dev, id);

	if (r != CUDA_SUCCESS)
		return r;
	if (len <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	snprintf(id, len, "0000:00:00.0");
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetByPCIBusId(CUdevice *dev, const char *id)
{
	unsigned int domain, bus, device, function = 0;
	CUresult r = check(0, dev);

	if (r != CUDA_SUCCESS)
		return r;
	if (!id)
		return CUDA_ERROR_INVALID_VALUE;
	if (sscanf(id, "%x:%x:%x.%x", &domain, &bus, &device, &function) < 3) {
		domain = 0;
		if (sscanf(id, "%x:%x.%x", &bus, &device, &function) < 2)
			return CUDA_ERROR_INVALID_VALUE;
	}
	if (domain || bus || device || function)
		return CUDA_ERROR_INVALID_DEVICE;
	*dev = 0;
	return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice dev)
{
	CUresult r = check(dev, major && minor ? major : NULL);

	if (r != CUDA_SUCCESS)
		return r;
	*major = driver_sm() / 10;
	*minor = driver_sm() % 10;
	return CUDA_SUCCESS;
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice dev, CUdevice peer)
{
	CUresult r = check(dev, can);

	if (r != CUDA_SUCCESS)
		return r;
	if (!device_exists(peer))
		return CUDA_ERROR_INVALID_DEVICE;
	*can = 0;
	return CUDA_SUCCESS;
}
