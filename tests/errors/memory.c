// SPDX-License-Identifier: MIT
/* Memory, copies, sets, pointers, host memory and IPC. */
#include "errors.h"

#define HUGE	((size_t)1 << 50)

static char bytes[4096];

static void memory(void)
{
	CUdeviceptr p = 0, base;
	size_t size;

	start();
	BAD(cuMemAlloc(NULL, 16));
	BAD(cuMemAlloc(&p, 0));
	BAD(cuMemAlloc(&p, HUGE));
	BAD(cuMemAlloc(&p, (size_t)-1));
	BAD(cuMemAllocPitch(&p, NULL, 16, 16, 4));
	BAD(cuMemAllocPitch(NULL, &size, 16, 16, 4));
	BAD(cuMemAllocPitch(&p, &size, 0, 16, 4));
	BAD(cuMemAllocPitch(&p, &size, 16, 0, 4));
	BAD(cuMemAllocPitch(&p, &size, 16, 16, 3));
	BAD(cuMemAllocPitch(&p, &size, HUGE, 16, 4));
	BAD(cuMemAllocManaged(&p, 16, 0));
	BAD(cuMemAllocManaged(&p, 16, 99));
	BAD(cuMemAllocManaged(&p, 0, CU_MEM_ATTACH_GLOBAL));
	BAD(cuMemAllocManaged(NULL, 16, CU_MEM_ATTACH_GLOBAL));
	BAD(cuMemGetInfo(NULL, &size));
	BAD(cuMemGetInfo(&size, NULL));
	BAD(cuMemFree(0));
	BAD(cuMemFree(1));
	BAD(cuMemFree((CUdeviceptr)-1));
	BAD(cuMemFree((CUdeviceptr)bytes));
	NEED(cuMemAlloc(&p, 4096));
	BAD(cuMemFree(p + 16));
	BAD(cuMemGetAddressRange(&base, &size, p + 4095));
	SHOW(p == base);
	SHOW(size);
	BAD(cuMemGetAddressRange(NULL, NULL, p));
	BAD(cuMemGetAddressRange(&base, &size, 0));
	BAD(cuMemGetAddressRange(&base, &size, 1));
	BAD(cuMemGetAddressRange(&base, &size, (CUdeviceptr)bytes));
	BAD(cuMemFree(p));
	BAD(cuMemFree(p));
	BAD(cuMemGetAddressRange(&base, &size, p));
}

static void copies(void)
{
	CUdeviceptr p;
	CUDA_MEMCPY2D box = { 0 };
	CUDA_MEMCPY3D box3 = { 0 };

	start();
	NEED(cuMemAlloc(&p, 1 << 20));
	BAD(cuMemcpyHtoD(0, bytes, 16));
	BAD(cuMemcpyHtoD(0, bytes, 0));
	BAD(cuMemcpyHtoD(1, bytes, 16));
	BAD(cuMemcpyHtoD(p, NULL, 16));
	BAD(cuMemcpyHtoD(p, bytes, 0));
	BAD(cuMemcpyHtoD(p + (1 << 20) - 8, bytes, 16));
	BAD(cuMemcpyDtoH(bytes, 0, 16));
	BAD(cuMemcpyDtoH(bytes, (CUdeviceptr)-16, 16));
	BAD(cuMemcpyDtoH(NULL, p, 16));
	BAD(cuMemcpyDtoH(bytes, p + (1 << 20) - 8, 16));
	BAD(cuMemcpyDtoD(p, 0, 16));
	BAD(cuMemcpyDtoD(0, p, 16));
	BAD(cuMemcpyDtoD(p, p + (1 << 20) - 8, 16));
	BAD(cuMemcpy(p, 0, 16));
	BAD(cuMemcpy(0, p, 16));
	BAD(cuMemcpyHtoDAsync(0, bytes, 16, NULL));
	BAD(cuMemcpyDtoHAsync(NULL, p, 16, NULL));
	BAD(cuMemcpyHtoD((CUdeviceptr)bytes, bytes + 64, 16));
	BAD(cuMemcpyDtoH(bytes, (CUdeviceptr)bytes + 64, 16));
	BAD(cuMemcpyDtoD(p, (CUdeviceptr)bytes, 16));
	BAD(cuMemcpyHtoDAsync((CUdeviceptr)bytes, bytes + 64, 16, NULL));
	BAD(cuMemcpy((CUdeviceptr)bytes, (CUdeviceptr)bytes + 64, 16));
	BAD(cuMemcpyPeer(p, NULL, p, NULL, 16));
	BAD(cuMemcpyPeer(p, (CUcontext)0x99, p, NULL, 16));
	BAD(cuMemcpy2D(NULL));
	BAD(cuMemcpy2D(&box));
	box.srcMemoryType = CU_MEMORYTYPE_HOST;
	box.dstMemoryType = CU_MEMORYTYPE_DEVICE;
	box.srcHost = bytes;
	box.dstDevice = p;
	box.WidthInBytes = 64;
	box.Height = 4;
	box.srcPitch = 64;
	box.dstPitch = 64;
	BAD(cuMemcpy2D(&box));
	box.srcPitch = 32;
	BAD(cuMemcpy2D(&box));
	box.srcPitch = 64;
	box.dstPitch = 8;
	BAD(cuMemcpy2D(&box));
	box.dstPitch = 64;
	box.dstDevice = 0;
	BAD(cuMemcpy2D(&box));
	box.dstDevice = p;
	box.Height = 1 << 20;
	box.srcHost = NULL;
	BAD(cuMemcpy2D(&box));
	box.dstMemoryType = (CUmemorytype)77;
	BAD(cuMemcpy2D(&box));
	box.dstMemoryType = CU_MEMORYTYPE_ARRAY;
	box.Height = 4;
	box.srcHost = bytes;
	BAD(cuMemcpy2D(&box));
	BAD(cuMemcpy2DAsync(NULL, NULL));
	BAD(cuMemcpy3D(NULL));
	BAD(cuMemcpy3D(&box3));
	box3.srcMemoryType = CU_MEMORYTYPE_HOST;
	box3.dstMemoryType = CU_MEMORYTYPE_DEVICE;
	box3.srcHost = bytes;
	box3.dstDevice = p;
	box3.WidthInBytes = 64;
	box3.Height = 4;
	box3.Depth = 2;
	box3.srcPitch = 8;
	BAD(cuMemcpy3D(&box3));
	BAD(cuCtxSynchronize());
}

static void sets(void)
{
	CUdeviceptr p;

	start();
	NEED(cuMemAlloc(&p, 4096));
	BAD(cuMemsetD8(0, 1, 16));
	BAD(cuMemsetD8(p, 1, 0));
	BAD(cuMemsetD8(p, 1, 8192));
	BAD(cuMemsetD16(p + 1, 1, 4));
	BAD(cuMemsetD32(p + 2, 1, 4));
	BAD(cuMemsetD8((CUdeviceptr)bytes, 1, 16));
	BAD(cuMemsetD2D8(p, 4, 1, 8, 4));
	BAD(cuMemsetD2D8(p, 64, 1, 0, 4));
	BAD(cuMemsetD2D32(p, 64, 1, 16, 4096));
	BAD(cuMemsetD2D32(p, 66, 1, 16, 4));
	BAD(cuMemsetD8Async(0, 1, 16, NULL));
	BAD(cuMemsetD8Async(1, 1, 16, NULL));
	BAD(cuMemsetD8Async((CUdeviceptr)bytes, 1, 16, NULL));
	BAD(cuMemsetD8Async(p, 1, 8192, NULL));
	BAD(cuMemsetD2D8Async(p, 64, 1, 32, 4096, NULL));
	BAD(cuMemsetD32Async(p + 2, 1, 4, NULL));
	BAD(cuCtxSynchronize());
}

static void pointers(void)
{
	CUdeviceptr p;
	CUpointer_attribute attributes[] = { CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
					     CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL };
	unsigned type = 9, on = 1;
	int ordinal = 9;
	void *values[] = { &type, &ordinal };

	start();
	NEED(cuMemAlloc(&p, 4096));
	BAD(cuPointerGetAttribute(NULL, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p));
	BAD(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 0));
	BAD(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)bytes));
	BAD(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p + 4095));
	SHOW(type);
	BAD(cuPointerGetAttribute(&type, (CUpointer_attribute)0, p));
	BAD(cuPointerGetAttribute(&type, (CUpointer_attribute)999, p));
	BAD(cuPointerGetAttributes(2, attributes, values, 0));
	SHOW(type);
	SHOW(ordinal);
	BAD(cuPointerGetAttributes(0, attributes, values, p));
	BAD(cuPointerGetAttributes(2, NULL, values, p));
	BAD(cuPointerGetAttributes(2, attributes, NULL, p));
	BAD(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p));
	BAD(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p));
	BAD(cuPointerSetAttribute(NULL, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p));
	BAD(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, 0));
	NEED(cuMemFree(p));
	BAD(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p));
}

static void host(void)
{
	CUdeviceptr p;
	void *h = NULL;
	unsigned flags;

	start();
	BAD(cuMemHostAlloc(NULL, 16, 0));
	BAD(cuMemHostAlloc(&h, 0, 0));
	SHOW(h == NULL);
	BAD(cuMemAllocHost(&h, 0));
	SHOW(h == NULL);
	BAD(cuMemHostAlloc(&h, 16, 0xff00));
	BAD(cuMemAllocHost(NULL, 16));
	BAD(cuMemFreeHost(NULL));
	BAD(cuMemFreeHost(bytes));
	BAD(cuMemFreeHost((void *)1));
	NEED(cuMemHostAlloc(&h, 64, 0));
	BAD(cuMemHostGetDevicePointer(NULL, h, 0));
	BAD(cuMemHostGetDevicePointer(&p, h, 1));
	BAD(cuMemHostGetDevicePointer(&p, NULL, 0));
	BAD(cuMemHostGetDevicePointer(&p, bytes, 0));
	BAD(cuMemHostGetFlags(NULL, h));
	BAD(cuMemHostGetFlags(&flags, bytes));
	BAD(cuMemHostRegister(h, 64, 0));
	BAD(cuMemHostRegister(NULL, 64, 0));
	NEED(cuMemAlloc(&p, 64));
	BAD(cuMemHostRegister((void *)p, 64, 0));
	BAD(cuMemHostRegister(bytes, 0, 0));
	BAD(cuMemHostRegister(bytes, 64, 0xff00));
	BAD(cuMemHostUnregister(bytes));
	BAD(cuMemHostUnregister(NULL));
	NEED(cuMemHostRegister(bytes, sizeof(bytes), 0));
	BAD(cuMemHostRegister(bytes, sizeof(bytes), 0));
	BAD(cuMemFreeHost(bytes));
	BAD(cuMemHostUnregister(bytes + 64));
	BAD(cuMemHostUnregister(bytes));
	BAD(cuMemHostUnregister(bytes));
	BAD(cuMemFreeHost(h));
	BAD(cuMemFreeHost(h));
}

static void ipc(void)
{
	CUdeviceptr p, q;
	CUevent event;
	CUipcMemHandle mem = { { 0 } };
	CUipcEventHandle remote = { { 0 } };

	start();
	NEED(cuMemAlloc(&p, 4096));
	NEED(cuEventCreate(&event, 0));
	BAD(cuIpcGetMemHandle(NULL, p));
	BAD(cuIpcGetMemHandle(&mem, 0));
	BAD(cuIpcGetMemHandle(&mem, (CUdeviceptr)bytes));
	NEED(cuIpcGetMemHandle(&mem, p));
	BAD(cuIpcOpenMemHandle(&q, mem, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	memset(&mem, 0, sizeof(mem));
	BAD(cuIpcOpenMemHandle(&p, mem, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	BAD(cuIpcOpenMemHandle(&p, mem, 0));
	BAD(cuIpcCloseMemHandle(0));
	BAD(cuIpcGetEventHandle(NULL, event));
	BAD(cuIpcGetEventHandle(&remote, event));
	BAD(cuIpcOpenEventHandle(NULL, remote));
	BAD(cuIpcOpenEventHandle(&event, remote));
}

PARTS({ "memory", memory }, { "copies", copies }, { "sets", sets }, { "pointers", pointers },
      { "host", host }, { "ipc", ipc })
