// SPDX-License-Identifier: MIT
/* Before cuInit, devices, error texts, versions and function lookup. */
#include "errors.h"

static void before(void)
{
	CUdevice dev = 0;
	CUcontext ctx;
	CUdeviceptr p;
	CUstream stream;
	CUmodule module;
	int n = 0;
	size_t size;

	BAD(cuDeviceGetCount(&n));
	BAD(cuDeviceGet(&dev, 0));
	BAD(cuDeviceGet(NULL, 0));
	BAD(cuDeviceTotalMem(&size, 0));
	BAD(cuCtxGetCurrent(&ctx));
	BAD(cuCtxSetCurrent(NULL));
	BAD(cuCtxSynchronize());
	BAD(cuMemAlloc(&p, 16));
	BAD(cuMemFree(0));
	BAD(cuStreamCreate(&stream, 0));
	BAD(cuModuleLoadData(&module, "x"));
	BAD(cuDevicePrimaryCtxRetain(&ctx, 0));
	BAD(cuDriverGetVersion(NULL));
	BAD(cuInit(1));
	BAD(cuInit(0xffffffff));
	BAD(cuInit(0));
	BAD(cuInit(0));
	BAD(cuCtxSynchronize());
	BAD(cuMemAlloc(&p, 16));
	BAD(cuMemFree(0));
	BAD(cuStreamCreate(&stream, 0));
	BAD(cuStreamSynchronize(NULL));
	BAD(cuModuleLoadData(&module, "x"));
}

static void texts(void)
{
	static const int numbers[] = { -1, 5, 99, 102, 300, 402, 703, 722, 913, 998, 1000, 1 << 30 };
	const char *text;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		text = "untouched";
		BAD(cuGetErrorName((CUresult)numbers[i], &text));
		SHOW(numbers[i]);
		SHOW(text == NULL);
		text = "untouched";
		BAD(cuGetErrorString((CUresult)numbers[i], &text));
		SHOW(text == NULL);
	}
	BAD(cuGetErrorName(CUDA_SUCCESS, NULL));
	BAD(cuGetErrorString(CUDA_SUCCESS, NULL));
}

static void devices(void)
{
	CUdevice dev = 77;
	CUuuid uuid;
	CUexecAffinityType affinity = (CUexecAffinityType)99;
	char name[64];
	int n = 0;
	size_t size;
	unsigned flags;

	NEED(cuInit(0));
	BAD(cuDeviceGetCount(NULL));
	BAD(cuDeviceGet(NULL, 0));
	BAD(cuDeviceGet(&dev, -1));
	BAD(cuDeviceGet(&dev, 4096));
	SHOW(dev);
	BAD(cuDeviceGetName(NULL, 10, 0));
	BAD(cuDeviceGetName(name, 0, 0));
	BAD(cuDeviceGetName(name, -1, 0));
	BAD(cuDeviceGetName(name, sizeof(name), -1));
	BAD(cuDeviceGetName(name, sizeof(name), 4096));
	memset(name, 'x', sizeof(name));
	BAD(cuDeviceGetName(name, 2, 0));
	SHOW(name[1]);
	BAD(cuDeviceGetUuid(NULL, 0));
	BAD(cuDeviceGetUuid(&uuid, 4096));
	BAD(cuDeviceTotalMem(NULL, 0));
	BAD(cuDeviceTotalMem(&size, -7));
	BAD(cuDeviceGetAttribute(NULL, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
	BAD(cuDeviceGetAttribute(&n, (CUdevice_attribute)0, 0));
	BAD(cuDeviceGetAttribute(&n, (CUdevice_attribute)-1, 0));
	BAD(cuDeviceGetAttribute(&n, (CUdevice_attribute)100000, 0));
	BAD(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 4096));
	BAD(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_WARP_SIZE, -1));
	BAD(cuDeviceGetByPCIBusId(&dev, "nonsense"));
	BAD(cuDeviceGetByPCIBusId(&dev, NULL));
	BAD(cuDeviceGetByPCIBusId(NULL, "0000:00:00.0"));
	BAD(cuDeviceGetPCIBusId(NULL, 13, 0));
	BAD(cuDeviceGetPCIBusId(name, 13, 4096));
	BAD(cuDeviceGetPCIBusId(name, 0, 0));
	BAD(cuDeviceCanAccessPeer(&n, 0, 4096));
	BAD(cuDeviceCanAccessPeer(NULL, 0, 0));
	BAD(cuDeviceCanAccessPeer(&n, 0, 0));
	SHOW(n);
	BAD(cuDeviceGetP2PAttribute(&n, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 0));
	BAD(cuDeviceGetP2PAttribute(&n, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 4096));
	BAD(cuDeviceGetExecAffinitySupport(&n, affinity, 0));
	BAD(cuDeviceGetExecAffinitySupport(NULL, CU_EXEC_AFFINITY_TYPE_SM_COUNT, 0));
	BAD(cuDevicePrimaryCtxGetState(0, NULL, &n));
	BAD(cuDevicePrimaryCtxGetState(0, &flags, NULL));
	BAD(cuDevicePrimaryCtxGetState(4096, &flags, &n));
	BAD(cuDevicePrimaryCtxRelease(0));
	BAD(cuDevicePrimaryCtxRelease(4096));
	BAD(cuDevicePrimaryCtxReset(4096));
	BAD(cuDevicePrimaryCtxSetFlags(0, 0xffff0000));
	BAD(cuDevicePrimaryCtxSetFlags(4096, 0));
	BAD(cuDevicePrimaryCtxRetain(NULL, 0));
}

static void lookup(void)
{
	CUdriverProcAddressQueryResult found;
	CUresult (*first)(const char *, void **, int, cuuint64_t);
	void *fn = junk;

	NEED(cuInit(0));
	BAD(cuGetProcAddress("cuNoSuchThing", &fn, 12000, 0, &found));
	SHOW(fn == NULL);
	SHOW(found);
	BAD(cuGetProcAddress("cuMemAlloc", &fn, 1000, 0, &found));
	SHOW(fn == NULL);
	SHOW(found);
	BAD(cuGetProcAddress("cuMemAlloc", NULL, 12000, 0, &found));
	BAD(cuGetProcAddress(NULL, &fn, 12000, 0, &found));
	fn = junk;
	BAD(cuGetProcAddress("", &fn, 12000, 0, &found));
	SHOW(fn == NULL);
	SHOW(found);
	BAD(cuGetProcAddress("cuMemAlloc_v2", &fn, 12000, 0, &found));
	BAD(cuGetProcAddress("cuMemAlloc", &fn, 12000, 0xff00, &found));
	BAD(cuGetProcAddress("cuMemAlloc", &fn, -1, 0, &found));
	BAD(cuGetProcAddress("cuNoSuchThing", &fn, 12000, 0, NULL));
	BAD(cuGetExportTable(NULL, NULL));
	/* its first form, which has no status */
	NEED(cuGetProcAddress("cuGetProcAddress", (void **)&first, 11030, 0, &found));
	fn = junk;
	BAD(first("cuNoSuchThing", &fn, 12000, 0));
	SHOW(fn == NULL);
	BAD(first("cuMemAlloc", &fn, 1000, 0));
	BAD(first("", &fn, 12000, 0));
	BAD(first("cuMemAlloc", NULL, 12000, 0));
}

PARTS({ "before", before }, { "texts", texts }, { "devices", devices }, { "lookup", lookup })
