/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "init.h"

#define KIB	1024
#define NO_MORE	0xffff

static const unsigned short splits_75[] = { 32, 64, NO_MORE };
static const unsigned short splits_80[] = { 0, 8, 16, 32, 64, 100, 132, 164, NO_MORE };
static const unsigned short splits_86[] = { 0, 8, 16, 32, 64, 100, NO_MORE };
static const unsigned short splits_90[] = { 0, 8, 16, 32, 64, 100, 132, 164, 196, 228, NO_MORE };

static const struct device_limits limits[] = {
	{ 75, 1024, 16, 65536, 64 * KIB, 64 * KIB, 0, 256, splits_75 },
	{ 80, 2048, 32, 65536, 164 * KIB, 163 * KIB, KIB, 128, splits_80 },
	{ 86, 1536, 16, 65536, 100 * KIB, 99 * KIB, KIB, 128, splits_86 },
	{ 89, 1536, 24, 65536, 100 * KIB, 99 * KIB, KIB, 128, splits_86 },
	{ 90, 2048, 32, 65536, 228 * KIB, 227 * KIB, KIB, 128, splits_90 },
	{ 100, 2048, 32, 65536, 228 * KIB, 227 * KIB, KIB, 128, splits_90 },
	{ 120, 1536, 24, 65536, 100 * KIB, 99 * KIB, KIB, 128, splits_86 },
};

const struct device_limits *device_limits_of(unsigned int sm)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (limits[i].sm == sm)
			return &limits[i];
	return NULL;
}

const struct device_limits *device_limits(void)
{
	return device_limits_of(driver_sm());
}

bool device_exists(CUdevice dev)
{
	return dev >= 0 && dev < driver_devices();
}

unsigned int device_multiprocessors(void)
{
	return sg_threads();
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
		*count = driver_devices();
	return r;
}

CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
	CUresult r = check(dev, name);

	if (r != CUDA_SUCCESS)
		return r;
	if (!len)
		return CUDA_ERROR_INVALID_VALUE;
	/* a negative length is a large one */
	snprintf(name, len < 0 ? INT_MAX : len, "softgpu");
	return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	CUresult r = check(dev, bytes);

	if (r == CUDA_SUCCESS)
		*bytes = driver_memory();
	return r;
}

/* The first ABI's: 32 bits, which a larger device does not fit. */
CUresult cuDeviceTotalMem(unsigned int *bytes, CUdevice dev)
{
	CUresult r = check(dev, bytes);

	if (r == CUDA_SUCCESS)
		*bytes = driver_memory() > UINT32_MAX ? UINT32_MAX : driver_memory();
	return r;
}

/* Windows' name of an adapter: nothing on Linux has one. */
CUresult cuDeviceGetLuid(char *luid, unsigned int *mask, CUdevice dev)
{
	CUresult r = check(dev, luid && mask ? luid : NULL);

	return r == CUDA_SUCCESS ? CUDA_ERROR_NOT_SUPPORTED : r;
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

static CUuuid uuid_of(int number)
{
	uint64_t machine = machine_number();
	CUuuid u;

	memcpy(u.bytes, "softgpu", 7);
	u.bytes[7] = (char)number;
	memcpy(u.bytes + 8, &machine, 8);
	return u;
}

/* As nvidia-smi writes it, and CUDA_VISIBLE_DEVICES takes it. */
void device_uuid_text(int number, char text[DEVICE_UUID_TEXT])
{
	CUuuid u = uuid_of(number);
	char *p = text + sprintf(text, "GPU");

	for (unsigned int i = 0; i < sizeof(u.bytes); i++)
		p += sprintf(p, "%s%02x", i == 0 || (i >= 4 && i <= 10 && i % 2 == 0) ? "-" : "",
			     (unsigned char)u.bytes[i]);
}

int device_pci_bus(CUdevice dev)
{
	return device_number(dev) + 1;
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	CUresult r = check(dev, uuid);

	if (r == CUDA_SUCCESS)
		*uuid = uuid_of(device_number(dev));
	return r;
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
	snprintf(id, len, "0000:%02x:00.0", (unsigned int)device_pci_bus(dev));
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
	for (int i = 0; i < driver_devices(); i++) {
		if (domain || device || function || bus != (unsigned int)device_pci_bus(i))
			continue;
		*dev = i;
		return CUDA_SUCCESS;
	}
	return CUDA_ERROR_INVALID_DEVICE;
}

/* The first ABI's: some of what cuDeviceGetAttribute() tells. */
CUresult cuDeviceGetProperties(CUdevprop *prop, CUdevice dev)
{
	CUresult r = check(dev, prop);

	if (r != CUDA_SUCCESS)
		return r;
	*prop = (CUdevprop){
		.maxThreadsPerBlock = device_attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK),
		.maxThreadsDim = { device_attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X),
				   device_attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y),
				   device_attribute(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z) },
		.maxGridSize = { device_attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X),
				 device_attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y),
				 device_attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z) },
		.sharedMemPerBlock =
			device_attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK),
		.totalConstantMemory = device_attribute(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY),
		.SIMDWidth = device_attribute(CU_DEVICE_ATTRIBUTE_WARP_SIZE),
		.memPitch = device_attribute(CU_DEVICE_ATTRIBUTE_MAX_PITCH),
		.regsPerBlock = device_attribute(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK),
		.clockRate = device_attribute(CU_DEVICE_ATTRIBUTE_CLOCK_RATE),
		.textureAlign = device_attribute(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT),
	};
	return CUDA_SUCCESS;
}

/* Contexts cannot be limited to some of the multiprocessors. */
CUresult cuDeviceGetExecAffinitySupport(int *supported, CUexecAffinityType type, CUdevice dev)
{
	CUresult r = check(dev, supported);

	(void)type;
	if (r == CUDA_SUCCESS)
		*supported = 0;
	return r;
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
