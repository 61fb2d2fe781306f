/* SPDX-License-Identifier: MIT */
/*
 * atomicity.c - which atomic operations reach the host's and other devices' memory
 *
 * All memory is the process's, and the executors use the processor's atomic operations on it: what
 * a kernel can do to its own device's memory it can do to any.
 */
#include "device.h"
#include "init.h"

#define INTEGER	(CU_ATOMIC_CAPABILITY_SIGNED | CU_ATOMIC_CAPABILITY_UNSIGNED)
#define BOTH	(CU_ATOMIC_CAPABILITY_SCALAR_32 | CU_ATOMIC_CAPABILITY_SCALAR_64)
#define RED	CU_ATOMIC_CAPABILITY_REDUCTION

/* PTX ISA 9.7.13.5, "atom" and "red"; 0: PTX has no such instruction */
static const unsigned int capabilities_of[CU_ATOMIC_OPERATION_MAX] = {
	[CU_ATOMIC_OPERATION_INTEGER_ADD] = INTEGER | RED | BOTH,
	[CU_ATOMIC_OPERATION_INTEGER_MIN] = INTEGER | RED | BOTH,
	[CU_ATOMIC_OPERATION_INTEGER_MAX] = INTEGER | RED | BOTH,
	[CU_ATOMIC_OPERATION_INTEGER_INCREMENT] = CU_ATOMIC_CAPABILITY_UNSIGNED | RED |
						  CU_ATOMIC_CAPABILITY_SCALAR_32,
	[CU_ATOMIC_OPERATION_INTEGER_DECREMENT] = CU_ATOMIC_CAPABILITY_UNSIGNED | RED |
						  CU_ATOMIC_CAPABILITY_SCALAR_32,
	[CU_ATOMIC_OPERATION_AND] = INTEGER | RED | BOTH,
	[CU_ATOMIC_OPERATION_OR] = INTEGER | RED | BOTH,
	[CU_ATOMIC_OPERATION_XOR] = INTEGER | RED | BOTH,
	[CU_ATOMIC_OPERATION_EXCHANGE] = INTEGER | BOTH,
	[CU_ATOMIC_OPERATION_CAS] = INTEGER | BOTH,
	[CU_ATOMIC_OPERATION_FLOAT_ADD] = CU_ATOMIC_CAPABILITY_SIGNED | RED | BOTH,
};

static CUresult answer(unsigned int *capabilities, const CUatomicOperation *operations,
		       unsigned int count)
{
	if (!capabilities || !operations || !count)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++)
		if ((unsigned int)operations[i] >= CU_ATOMIC_OPERATION_MAX)
			return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++)
		capabilities[i] = capabilities_of[operations[i]];
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetHostAtomicCapabilities(unsigned int *capabilities,
					   const CUatomicOperation *operations, unsigned int count,
					   CUdevice dev)
{
	CUresult r = driver_ready();

	if (r == CUDA_SUCCESS && !device_exists(dev))
		r = CUDA_ERROR_INVALID_DEVICE;
	return r == CUDA_SUCCESS ? answer(capabilities, operations, count) : r;
}

CUresult cuDeviceGetP2PAtomicCapabilities(unsigned int *capabilities,
					  const CUatomicOperation *operations, unsigned int count,
					  CUdevice from, CUdevice to)
{
	CUresult r = driver_ready();

	if (r == CUDA_SUCCESS && (!device_exists(from) || !device_exists(to) || from == to))
		r = CUDA_ERROR_INVALID_DEVICE;
	return r == CUDA_SUCCESS ? answer(capabilities, operations, count) : r;
}
