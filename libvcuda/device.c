// SPDX-License-Identifier: MIT
/*
 * device.c - devices, answered from the server's greeting
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "vcuda.h"

CUresult hand_cuInit(unsigned int flags)
{
	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	return vcuda_session_init();
}

/* Callable before cuInit(), and asked by libcudart before it: so this opens the session. */
CUresult hand_cuDriverGetVersion(int *version)
{
	return version ? vcuda_session_version(version) : CUDA_ERROR_INVALID_VALUE;
}

static const struct vcuda_device *device(CUdevice dev)
{
	const struct vcuda_lease *l = vcuda_lease();

	return dev >= 0 && dev < l->nr_devices ? &l->devices[dev] : NULL;
}

CUresult hand_cuDeviceGet(CUdevice *dev, int ordinal)
{
	if (!dev)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device(ordinal))
		return CUDA_ERROR_INVALID_DEVICE;
	*dev = ordinal;
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceGetCount(int *count)
{
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	*count = vcuda_lease()->nr_devices;
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceGetName(char *name, int len, CUdevice dev)
{
	const struct vcuda_device *d = device(dev);

	if (!name || !len)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	/* the driver takes a negative length for a large one */
	snprintf(name, len < 0 ? INT_MAX : len, "%s", d->name);
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	const struct vcuda_device *d = device(dev);

	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	*bytes = d->total_mem;
	return CUDA_SUCCESS;
}

/* The first form has 32-bit sizes. */
CUresult hand_cuDeviceTotalMem(unsigned int *bytes, CUdevice dev)
{
	size_t n;
	CUresult r = bytes ? hand_cuDeviceTotalMem_v2(&n, dev) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*bytes = n > UINT32_MAX ? UINT32_MAX : n;
	return r;
}

CUresult hand_cuDeviceGetAttribute(int *value, CUdevice_attribute attrib, CUdevice dev)
{
	const struct vcuda_device *d = device(dev);

	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	if ((unsigned int)attrib >= VCUDA_ATTRIBUTES || !d->has_attribute[attrib])
		return CUDA_ERROR_INVALID_VALUE;
	*value = d->attributes[attrib];
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev)
{
	const struct vcuda_device *d = device(dev);

	if (!uuid)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	*uuid = d->uuid;
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceGetUuid(CUuuid *uuid, CUdevice dev)
{
	return hand_cuDeviceGetUuid_v2(uuid, dev);
}

static void pci_name(const struct vcuda_device *d, char *buf, size_t n)
{
	const int *a = d->attributes;

	snprintf(buf, n, "%04X:%02X:%02X.0", a[CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID],
		 a[CU_DEVICE_ATTRIBUTE_PCI_BUS_ID], a[CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID]);
}

CUresult hand_cuDeviceGetPCIBusId(char *id, int len, CUdevice dev)
{
	const struct vcuda_device *d = device(dev);

	if (!id || len <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	pci_name(d, id, len);
	return CUDA_SUCCESS;
}

/* domain:bus:device.function, or without function, or bus:device.function; hexadecimal. */
CUresult hand_cuDeviceGetByPCIBusId(CUdevice *dev, const char *id)
{
	unsigned int domain, bus, slot, fn = 0;
	const int *a;
	int i;

	if (!dev || !id)
		return CUDA_ERROR_INVALID_VALUE;
	if (sscanf(id, "%x:%x:%x.%x", &domain, &bus, &slot, &fn) < 3) {
		domain = 0;
		if (sscanf(id, "%x:%x.%x", &bus, &slot, &fn) < 2)
			return CUDA_ERROR_INVALID_VALUE;
	}
	for (i = 0; i < vcuda_lease()->nr_devices; i++) {
		a = device(i)->attributes;
		if (a[CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID] == (int)domain &&
		    a[CU_DEVICE_ATTRIBUTE_PCI_BUS_ID] == (int)bus &&
		    a[CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID] == (int)slot && !fn) {
			*dev = i;
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_INVALID_DEVICE;
}

CUresult hand_cuDeviceComputeCapability(int *major, int *minor, CUdevice dev)
{
	const struct vcuda_device *d = device(dev);

	if (!major || !minor)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	*major = d->attributes[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR];
	*minor = d->attributes[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR];
	return CUDA_SUCCESS;
}

/* The form of CUDA 2, from the attributes that took its place. */
CUresult hand_cuDeviceGetProperties(CUdevprop *p, CUdevice dev)
{
	const struct vcuda_device *d = device(dev);
	const int *a;
	int i;

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	a = d->attributes;
	*p = (CUdevprop){
		.maxThreadsPerBlock = a[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK],
		.sharedMemPerBlock = a[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK],
		.totalConstantMemory = a[CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY],
		.SIMDWidth = a[CU_DEVICE_ATTRIBUTE_WARP_SIZE],
		.memPitch = a[CU_DEVICE_ATTRIBUTE_MAX_PITCH],
		.regsPerBlock = a[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK],
		.clockRate = a[CU_DEVICE_ATTRIBUTE_CLOCK_RATE],
		.textureAlign = a[CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT],
	};
	for (i = 0; i < 3; i++) {
		p->maxThreadsDim[i] = a[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i];
		p->maxGridSize[i] = a[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i];
	}
	return CUDA_SUCCESS;
}

/* A share of the multiprocessors is what MPS gives, which no lease has; nor is any other type. */
CUresult hand_cuDeviceGetExecAffinitySupport(int *supported, CUexecAffinityType type, CUdevice dev)
{
	(void)type;
	if (!supported)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*supported = 0;
	return CUDA_SUCCESS;
}

/* No other device writes into this one's memory: GPU_DIRECT_RDMA_SUPPORTED is 0. */
CUresult hand_cuFlushGPUDirectRDMAWrites(CUflushGPUDirectRDMAWritesTarget target,
					 CUflushGPUDirectRDMAWritesScope scope)
{
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (target != CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TARGET_CURRENT_CTX ||
	    (scope != CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_OWNER &&
	     scope != CU_FLUSH_GPU_DIRECT_RDMA_WRITES_TO_ALL_DEVICES))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_ERROR_NOT_SUPPORTED;
}

/* ---- peers: devices of a lease do not reach each other's memory, nor the program's ---- */

static CUresult no_atomics(unsigned int *capabilities, const CUatomicOperation *operations,
			   unsigned int n)
{
	unsigned int i;

	if (!capabilities || !operations || !n)
		return CUDA_ERROR_INVALID_VALUE;
	for (i = 0; i < n; i++)
		if ((unsigned int)operations[i] >= CU_ATOMIC_OPERATION_MAX)
			return CUDA_ERROR_INVALID_VALUE;
	memset(capabilities, 0, n * sizeof(*capabilities));
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceGetHostAtomicCapabilities(unsigned int *capabilities,
						const CUatomicOperation *operations,
						unsigned int n, CUdevice dev)
{
	return device(dev) ? no_atomics(capabilities, operations, n) : CUDA_ERROR_INVALID_DEVICE;
}

CUresult hand_cuDeviceGetP2PAtomicCapabilities(unsigned int *capabilities,
					       const CUatomicOperation *operations,
					       unsigned int n, CUdevice src, CUdevice dst)
{
	if (!device(src) || !device(dst) || src == dst)
		return CUDA_ERROR_INVALID_DEVICE;
	return no_atomics(capabilities, operations, n);
}

CUresult hand_cuDeviceCanAccessPeer(int *can, CUdevice dev, CUdevice peer)
{
	if (!can)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device(dev) || !device(peer))
		return CUDA_ERROR_INVALID_DEVICE;
	*can = 0;
	return CUDA_SUCCESS;
}

CUresult hand_cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attrib, CUdevice src,
				      CUdevice dst)
{
	if (!value || (unsigned int)attrib < CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK ||
	    (unsigned int)attrib > CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device(src) || !device(dst) || src == dst)
		return CUDA_ERROR_INVALID_DEVICE;
	*value = 0;
	return CUDA_SUCCESS;
}

static CUresult live_context(CUcontext peer)
{
	CUresult r = vcuda_need_context();

	return !r && !vcuda_context_ok(peer) ? vcuda_bad_context(peer) : r;
}

CUresult hand_cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags)
{
	CUresult r = flags ? CUDA_ERROR_INVALID_VALUE : live_context(peer);

	return r ? r : CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
}

CUresult hand_cuCtxDisablePeerAccess(CUcontext peer)
{
	CUresult r = live_context(peer);

	return r ? r : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}
