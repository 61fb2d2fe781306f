/* SPDX-License-Identifier: MIT */
/*
 * Arrays and boxes through the driver API: what goes into one by any way comes out of it by any other, what does not fit is refused with the
 * driver's code, and what a context held goes with it.
 */
#include <cuda.h>
#include <stdint.h>

#include "check.h"

#define W 12u			/* texels of 16 bytes */
#define H 10u
#define D 8u
#define TEXEL 16u
#define ROW (W * TEXEL)
#define BYTES (ROW * H * D)
#define PITCH (ROW + 64)

static CUcontext ctx;
static uint8_t in[BYTES], out[BYTES];

#define GIVES(code, call) do {							\
	CUresult got_ = (call);							\
	if (got_ != (code))							\
		fail("%s:%d: %s: %s", __FILE__, __LINE__, #call, DRV_NAME(got_));	\
} while (0)

static void fill(uint8_t *p, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
}

static CUarray make(size_t w, size_t h, size_t d, unsigned int flags)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = { .Width = w, .Height = h, .Depth = d, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 4, .Flags = flags };
	CUDA_ARRAY3D_DESCRIPTOR got;
	CUarray a;

	CHECK_DRV(cuArray3DCreate(&a, &desc));
	CHECK_DRV(cuArray3DGetDescriptor(&got, a));
	if (got.Width != w || got.Height != h || got.Depth != d || got.Flags != flags)
		fail("an array is described as another");
	return a;
}

static void same(const char *what, const void *a, const void *b, size_t n)
{
	if (memcmp(a, b, n))
		fail("%s: other bytes than were put there", what);
}

static CUDA_MEMCPY3D whole(void)
{
	return (CUDA_MEMCPY3D){ .WidthInBytes = ROW, .Height = H, .Depth = D, .srcPitch = ROW, .srcHeight = H, .dstPitch = ROW, .dstHeight = H };
}

static void host_to_array(CUarray a, const void *from)
{
	CUDA_MEMCPY3D c = whole();

	c.srcMemoryType = CU_MEMORYTYPE_HOST;
	c.srcHost = from;
	c.dstMemoryType = CU_MEMORYTYPE_ARRAY;
	c.dstArray = a;
	CHECK_DRV(cuMemcpy3D(&c));
}

static void array_to_host(void *to, CUarray a)
{
	CUDA_MEMCPY3D c = whole();

	c.srcMemoryType = CU_MEMORYTYPE_ARRAY;
	c.srcArray = a;
	c.dstMemoryType = CU_MEMORYTYPE_HOST;
	c.dstHost = to;
	memset(to, 0, BYTES);
	CHECK_DRV(cuMemcpy3D(&c));
}

/* host, array, array, rows with a pitch in device memory, host with a pitch */
static void volumes(void)
{
	CUarray a = make(W, H, D, 0), b = make(W, H, D, CUDA_ARRAY3D_SURFACE_LDST);
	static uint8_t spread[PITCH * H * D];
	CUDA_MEMCPY3D c = whole();
	CUdeviceptr dev;
	unsigned int z, y;

	fill(in, BYTES, 1);
	host_to_array(a, in);
	c.srcMemoryType = c.dstMemoryType = CU_MEMORYTYPE_ARRAY;
	c.srcArray = a;
	c.dstArray = b;
	CHECK_DRV(cuMemcpy3DAsync(&c, NULL));
	array_to_host(out, b);
	same("from array to array", in, out, BYTES);

	CHECK_DRV(cuMemAlloc(&dev, PITCH * H * D));
	CHECK_DRV(cuMemsetD8(dev, 0, PITCH * H * D));
	c.dstMemoryType = CU_MEMORYTYPE_DEVICE;
	c.dstDevice = dev;
	c.dstPitch = PITCH;
	CHECK_DRV(cuMemcpy3D(&c));
	CHECK_DRV(cuMemcpyDtoH(spread, dev, sizeof(spread)));
	for (z = 0; z < D; z++)
		for (y = 0; y < H; y++)
			same("rows with a pitch", spread + (z * H + y) * PITCH, in + (z * H + y) * ROW, ROW);
	c.srcMemoryType = CU_MEMORYTYPE_UNIFIED;
	c.srcDevice = dev;
	c.srcPitch = PITCH;
	c.dstMemoryType = CU_MEMORYTYPE_HOST;
	memset(spread, 7, sizeof(spread));
	c.dstHost = spread;
	c.dstXInBytes = 32;
	CHECK_DRV(cuMemcpy3D(&c));
	for (z = 0; z < D; z++)
		for (y = 0; y < H; y++) {
			same("spread over rows", spread + (z * H + y) * PITCH + 32, in + (z * H + y) * ROW, ROW);
			if (spread[(z * H + y) * PITCH + 31] != 7 || spread[(z * H + y) * PITCH + 32 + ROW] != 7)
				fail("bytes between the rows were written");
		}
	CHECK_DRV(cuMemFree(dev));
	CHECK_DRV(cuArrayDestroy(a));
	CHECK_DRV(cuArrayDestroy(b));
}

/* A part of a volume, asynchronously, to pinned memory; several at once. */
static void parts(void)
{
	CUarray a = make(W, H, D, 0);
	CUDA_MEMCPY3D c = { .srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = a, .srcXInBytes = 2 * TEXEL, .srcY = 3, .srcZ = 1,
			    .dstMemoryType = CU_MEMORYTYPE_HOST, .dstPitch = 4 * TEXEL, .dstHeight = 2, .WidthInBytes = 4 * TEXEL, .Height = 2,
			    .Depth = 5 };
	CUDA_MEMCPY3D_BATCH_OP op[2] = { { .extent = { 4, 2, 5 }, .srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM } };
	CUDA_MEMCPY3D_PEER peer = { .srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = a, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = a,
				    .dstY = 5, .WidthInBytes = ROW, .Height = 1, .Depth = 1 };
	CUstream stream;
	uint8_t *pinned, *p;
	unsigned int z, y;

	fill(in, BYTES, 2);
	host_to_array(a, in);
	/* a copy from pageable memory may still be under way, and the stream does not wait for the legacy one */
	CHECK_DRV(cuCtxSynchronize());
	CHECK_DRV(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CHECK_DRV(cuMemAllocHost((void **)&pinned, 2 * 40 * TEXEL));
	c.dstHost = pinned;
	CHECK_DRV(cuMemcpy3DAsync(&c, stream));
	op[0].src.type = CU_MEMCPY_OPERAND_TYPE_ARRAY;
	op[0].src.op.array.array = a;
	op[0].src.op.array.offset = (CUoffset3D){ 2, 3, 1 };
	op[0].dst.type = CU_MEMCPY_OPERAND_TYPE_POINTER;
	op[0].dst.op.ptr.ptr = (uintptr_t)(pinned + 40 * TEXEL);
	op[1] = op[0];
	CHECK_DRV(cuMemcpy3DBatchAsync_v2(2, op, 0, stream));
	CHECK_DRV(cuStreamSynchronize(stream));
	for (int i = 0; i < 2; i++)
		for (z = 0, p = pinned + i * 40 * TEXEL; z < 5; z++)
			for (y = 0; y < 2; y++, p += 4 * TEXEL)
				same("a part", p, in + ((z + 1) * H + y + 3) * ROW + 2 * TEXEL, 4 * TEXEL);
	op[1].extent.width = W;
	GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DBatchAsync_v2(2, op, 0, stream));
	GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DBatchAsync_v2(1, op, 0, NULL));
	CHECK_DRV(cuMemcpy3DPeer(&peer));
	array_to_host(out, a);
	same("a row within its array", out + 5 * ROW, in, ROW);
	CHECK_DRV(cuMemFreeHost(pinned));
	CHECK_DRV(cuStreamDestroy(stream));
	CHECK_DRV(cuArrayDestroy(a));
}

static void lines(void)
{
	CUDA_ARRAY_DESCRIPTOR desc = { .Width = 1000, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 1 };
	CUarray a, b;
	CUdeviceptr dev;

	fill(in, 1000, 3);
	CHECK_DRV(cuArrayCreate(&a, &desc));
	CHECK_DRV(cuArrayCreate(&b, &desc));
	CHECK_DRV(cuMemAlloc(&dev, 1000));
	CHECK_DRV(cuMemcpyHtoA(a, 0, in, 600));
	CHECK_DRV(cuMemcpyHtoAAsync(a, 600, in + 600, 400, NULL));
	CHECK_DRV(cuMemcpyAtoA(b, 100, a, 0, 900));
	CHECK_DRV(cuMemcpyAtoD(dev, b, 100, 900));
	CHECK_DRV(cuMemcpyDtoA(b, 0, dev, 900));
	CHECK_DRV(cuMemcpyAtoH(out, b, 0, 500));
	CHECK_DRV(cuMemcpyAtoHAsync(out + 500, b, 500, 400, NULL));
	CHECK_DRV(cuCtxSynchronize());
	same("lines", in, out, 900);
	GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpyAtoH(out, b, 600, 401));
	GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpyAtoH(out, b, SIZE_MAX, 2));
	CHECK_DRV(cuMemFree(dev));
	CHECK_DRV(cuArrayDestroy(a));
	CHECK_DRV(cuArrayDestroy(b));
}

/* Copies of a stream that captures are a graph's. */
static void captured(void)
{
	CUarray a = make(W, H, D, 0);
	CUDA_MEMCPY3D up = whole(), down = whole();
	CUgraphExec exec;
	CUstream stream;
	CUgraph graph;
	uint8_t *pinned;

	CHECK_DRV(cuMemAllocHost((void **)&pinned, 2 * BYTES));
	CHECK_DRV(cuStreamCreate(&stream, 0));
	up.srcMemoryType = down.dstMemoryType = CU_MEMORYTYPE_HOST;
	up.dstMemoryType = down.srcMemoryType = CU_MEMORYTYPE_ARRAY;
	up.srcHost = pinned;
	up.dstArray = down.srcArray = a;
	down.dstHost = pinned + BYTES;
	CHECK_DRV(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	CHECK_DRV(cuMemcpy3DAsync(&up, stream));
	CHECK_DRV(cuMemcpy3DAsync(&down, stream));
	CHECK_DRV(cuStreamEndCapture(stream, &graph));
	CHECK_DRV(cuGraphInstantiate(&exec, graph, 0));
	for (int i = 0; i < 2; i++) {
		fill(pinned, BYTES, 6 + i);
		CHECK_DRV(cuGraphLaunch(exec, stream));
		CHECK_DRV(cuStreamSynchronize(stream));
		same("a captured copy", pinned, pinned + BYTES, BYTES);
	}
	CHECK_DRV(cuGraphExecDestroy(exec));
	CHECK_DRV(cuGraphDestroy(graph));
	CHECK_DRV(cuStreamDestroy(stream));
	CHECK_DRV(cuMemFreeHost(pinned));
	CHECK_DRV(cuArrayDestroy(a));
}

/* More than a frame's worth, in rows that are not. */
static void large(void)
{
	enum { WIDE = 3000, ROWS = 700 };
	uint8_t *from = malloc(WIDE * ROWS), *to = malloc((WIDE + 5) * ROWS);
	CUDA_MEMCPY2D c = { .srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = from, .srcPitch = WIDE, .dstMemoryType = CU_MEMORYTYPE_DEVICE,
			    .WidthInBytes = WIDE, .Height = ROWS };
	size_t pitch;
	int y;

	if (!from || !to)
		fail("no memory");
	fill(from, WIDE * ROWS, 4);
	CHECK_DRV(cuMemAllocPitch(&c.dstDevice, &pitch, WIDE, ROWS, 4));
	c.dstPitch = pitch;
	CHECK_DRV(cuMemcpy2D(&c));
	c.srcMemoryType = CU_MEMORYTYPE_DEVICE;
	c.srcDevice = c.dstDevice;
	c.srcPitch = pitch;
	c.dstMemoryType = CU_MEMORYTYPE_HOST;
	c.dstHost = to;
	c.dstPitch = WIDE + 5;
	CHECK_DRV(cuMemcpy2DUnaligned(&c));
	for (y = 0; y < ROWS; y++)
		same("a large one", to + y * (WIDE + 5), from + y * WIDE, WIDE);
	CHECK_DRV(cuMemFree(c.srcDevice));
	free(from);
	free(to);
}

static void levels(void)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = { .Width = 16, .Height = 8, .Format = CU_AD_FORMAT_HALF, .NumChannels = 2 }, got;
	CUmipmappedArray m;
	CUarray a, b;

	CHECK_DRV(cuMipmappedArrayCreate(&m, &desc, 3));
	CHECK_DRV(cuMipmappedArrayGetLevel(&a, m, 2));
	CHECK_DRV(cuMipmappedArrayGetLevel(&b, m, 2));
	CHECK_DRV(cuArray3DGetDescriptor(&got, a));
	if (a != b || got.Width != 4 || got.Height != 2)
		fail("a level of another size, or another each time");
	GIVES(CUDA_ERROR_INVALID_VALUE, cuMipmappedArrayGetLevel(&a, m, 3));
	CHECK_DRV(cuMemcpyHtoA(b, 0, in, 16));
	CHECK_DRV(cuMemcpyAtoH(out, b, 0, 16));
	same("a level", in, out, 16);
	CHECK_DRV(cuMipmappedArrayDestroy(m));
}

static void refusals(void)
{
	CUDA_ARRAY3D_DESCRIPTOR bad = { .Width = 16, .Height = 8, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 3 };
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_LINEAR };
	CUDA_TEXTURE_DESC tex = { .maxAnisotropy = 1 };
	CUDA_MEMCPY3D c = whole();
	CUarray a = make(W, H, D, 0), none;
	CUtexObject t;

	GIVES(CUDA_ERROR_INVALID_VALUE, cuArray3DCreate(&none, &bad));
	bad.NumChannels = 4;
	bad.Width = (size_t)1 << 40;
	GIVES(CUDA_ERROR_INVALID_VALUE, cuArray3DCreate(&none, &bad));
	GIVES(CUDA_ERROR_INVALID_VALUE, cuArray3DCreate(NULL, &bad));
	c.srcMemoryType = CU_MEMORYTYPE_HOST;
	c.srcHost = in;
	c.dstMemoryType = CU_MEMORYTYPE_ARRAY;
	c.dstArray = a;
	c.dstZ = 1;
	GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&c));
	GIVES(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &tex, NULL));
	CHECK_DRV(cuTexObjectDestroy(12345));
	CHECK_DRV(cuArrayDestroy(a));
}

/* What of it a program may still ask is in tests/errors. */
static void a_context_takes_its_objects_along(void)
{
	CUcontext other, now;
	CUdevice device;
	CUstream stream;
	CUevent event;

	CHECK_DRV(cuCtxGetDevice(&device));
	CHECK_DRV(cuCtxCreate(&other, NULL, 0, device));
	make(W, H, 0, 0);
	CHECK_DRV(cuStreamCreate(&stream, 0));
	CHECK_DRV(cuEventCreate(&event, 0));
	GIVES(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, cuCtxEnablePeerAccess(other, 0));
	CHECK_DRV(cuCtxDestroy(other));
	CHECK_DRV(cuCtxSetCurrent(ctx));
	CHECK_DRV(cuCtxGetCurrent(&now));
	if (now != ctx)
		fail("another context is current");
}

int main(void)
{
	CUdevice device;

	CHECK_DRV(cuInit(0));
	CHECK_DRV(cuDeviceGet(&device, 0));
	CHECK_DRV(cuDevicePrimaryCtxRetain(&ctx, device));
	CHECK_DRV(cuCtxSetCurrent(ctx));
	volumes();
	parts();
	lines();
	captured();
	large();
	levels();
	refusals();
	a_context_takes_its_objects_along();
	return pass();
}
