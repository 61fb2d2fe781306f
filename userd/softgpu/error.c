/* SPDX-License-Identifier: MIT */
/*
 * error.c - names and descriptions of results
 */
#include "api.h"

struct row {
	CUresult code;
	const char *name, *text;
};

#define E(name, text)	{ name, #name, text }

static const struct row rows[] = {
	E(CUDA_SUCCESS, "no error"),
	E(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
	E(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
	E(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
	E(CUDA_ERROR_DEINITIALIZED, "driver shutting down"),
	E(CUDA_ERROR_PROFILER_DISABLED, "profiler disabled"),
	E(CUDA_ERROR_PROFILER_NOT_INITIALIZED, "profiler not initialized"),
	E(CUDA_ERROR_PROFILER_ALREADY_STARTED, "profiler already started"),
	E(CUDA_ERROR_PROFILER_ALREADY_STOPPED, "profiler already stopped"),
	E(CUDA_ERROR_STUB_LIBRARY, "the driver is a stub library"),
	E(CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER, "the call requires a newer driver"),
	E(CUDA_ERROR_DEVICE_UNAVAILABLE, "device is busy or unavailable"),
	E(CUDA_ERROR_NO_DEVICE, "no device"),
	E(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
	E(CUDA_ERROR_DEVICE_NOT_LICENSED, "device has no valid licence"),
	E(CUDA_ERROR_INVALID_IMAGE, "invalid kernel image"),
	E(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
	E(CUDA_ERROR_CONTEXT_ALREADY_CURRENT, "context already current"),
	E(CUDA_ERROR_MAP_FAILED, "mapping failed"),
	E(CUDA_ERROR_UNMAP_FAILED, "unmapping failed"),
	E(CUDA_ERROR_ARRAY_IS_MAPPED, "array is mapped"),
	E(CUDA_ERROR_ALREADY_MAPPED, "resource already mapped"),
	E(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image for this device"),
	E(CUDA_ERROR_ALREADY_ACQUIRED, "resource already acquired"),
	E(CUDA_ERROR_NOT_MAPPED, "resource not mapped"),
	E(CUDA_ERROR_NOT_MAPPED_AS_ARRAY, "resource not mapped as array"),
	E(CUDA_ERROR_NOT_MAPPED_AS_POINTER, "resource not mapped as pointer"),
	E(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error"),
	E(CUDA_ERROR_UNSUPPORTED_LIMIT, "limit is not supported on this device"),
	E(CUDA_ERROR_CONTEXT_ALREADY_IN_USE, "context is in use by another thread"),
	E(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, "peer access is not supported between these devices"),
	E(CUDA_ERROR_INVALID_PTX, "PTX compilation failed"),
	E(CUDA_ERROR_INVALID_GRAPHICS_CONTEXT, "invalid graphics context"),
	E(CUDA_ERROR_NVLINK_UNCORRECTABLE, "uncorrectable NVLink error"),
	E(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, "PTX compiler library not found"),
	E(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "PTX of an unsupported version"),
	E(CUDA_ERROR_JIT_COMPILATION_DISABLED, "PTX compilation is disabled"),
	E(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY,
	  "execution affinity is not supported on this device"),
	E(CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC, "device-side synchronization is not supported"),
	E(CUDA_ERROR_CONTAINED, "contained exception"),
	E(CUDA_ERROR_INVALID_SOURCE, "invalid kernel source"),
	E(CUDA_ERROR_FILE_NOT_FOUND, "file not found"),
	E(CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND, "shared object symbol not found"),
	E(CUDA_ERROR_SHARED_OBJECT_INIT_FAILED, "shared object initialization failed"),
	E(CUDA_ERROR_OPERATING_SYSTEM, "operating system call failed"),
	E(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
	E(CUDA_ERROR_ILLEGAL_STATE, "resource is in a state that does not allow this"),
	E(CUDA_ERROR_LOSSY_QUERY, "the query would lose information"),
	E(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
	E(CUDA_ERROR_NOT_READY, "device not ready"),
	E(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
	E(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
	E(CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated"),
	E(CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING, "launch with incompatible texturing mode"),
	E(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, "peer access is already enabled"),
	E(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, "peer access is not enabled"),
	E(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "the primary context is active"),
	E(CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"),
	E(CUDA_ERROR_ASSERT, "device-side assert triggered"),
	E(CUDA_ERROR_TOO_MANY_PEERS, "too many peers"),
	E(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "host memory is already registered"),
	E(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "host memory is not registered"),
	E(CUDA_ERROR_HARDWARE_STACK_ERROR, "hardware stack error"),
	E(CUDA_ERROR_ILLEGAL_INSTRUCTION, "an illegal instruction was encountered"),
	E(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"),
	E(CUDA_ERROR_INVALID_ADDRESS_SPACE, "operation not supported on this address space"),
	E(CUDA_ERROR_INVALID_PC, "invalid program counter"),
	E(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
	E(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "too many blocks in cooperative launch"),
	E(CUDA_ERROR_TENSOR_MEMORY_LEAK, "tensor memory was not freed"),
	E(CUDA_ERROR_NOT_PERMITTED, "operation not permitted"),
	E(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
	E(CUDA_ERROR_SYSTEM_NOT_READY, "system not yet initialized"),
	E(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "driver components do not match"),
	E(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, "compatibility mode is not supported here"),
	E(CUDA_ERROR_MPS_CONNECTION_FAILED, "no connection to the MPS server"),
	E(CUDA_ERROR_MPS_RPC_FAILURE, "call to the MPS server failed"),
	E(CUDA_ERROR_MPS_SERVER_NOT_READY, "the MPS server is not ready"),
	E(CUDA_ERROR_MPS_MAX_CLIENTS_REACHED, "the MPS server has no room for more clients"),
	E(CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED,
	  "the MPS server has no room for more connections"),
	E(CUDA_ERROR_MPS_CLIENT_TERMINATED, "the MPS client was terminated"),
	E(CUDA_ERROR_CDP_NOT_SUPPORTED, "dynamic parallelism is not supported"),
	E(CUDA_ERROR_CDP_VERSION_MISMATCH, "versions of dynamic parallelism do not match"),
	E(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted while a stream captures"),
	E(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture failed because of an earlier error"),
	E(CUDA_ERROR_STREAM_CAPTURE_MERGE, "operation would merge independent captures"),
	E(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the capture did not begin in this stream"),
	E(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "the capture forked and was not joined"),
	E(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "dependency crosses the border of the capture"),
	E(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "operation depends on the legacy stream's capture"),
	E(CUDA_ERROR_CAPTURED_EVENT, "event was recorded in a capturing stream"),
	E(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "the capture belongs to another thread"),
	E(CUDA_ERROR_TIMEOUT, "wait timed out"),
	E(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "the graph cannot be updated like this"),
	E(CUDA_ERROR_EXTERNAL_DEVICE, "error of an external device"),
	E(CUDA_ERROR_INVALID_CLUSTER_SIZE, "invalid cluster size"),
	E(CUDA_ERROR_FUNCTION_NOT_LOADED, "function is not loaded"),
	E(CUDA_ERROR_INVALID_RESOURCE_TYPE, "invalid resource type"),
	E(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION, "invalid resource configuration"),
	E(CUDA_ERROR_KEY_ROTATION, "key rotation is in progress"),
	E(CUDA_ERROR_UNKNOWN, "unknown error"),
};

static const struct row *find(CUresult code)
{
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == code)
			return &rows[i];
	return NULL;
}

CUresult cuGetErrorName(CUresult code, const char **name)
{
	const struct row *row = find(code);

	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	*name = row ? row->name : NULL;
	return row ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult code, const char **text)
{
	const struct row *row = find(code);

	if (!text)
		return CUDA_ERROR_INVALID_VALUE;
	*text = row ? row->text : NULL;
	return row ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
