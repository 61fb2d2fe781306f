/* SPDX-License-Identifier: MIT */
/*
 * softgpu_array_test.c - arrays, copies with arrays at their ends, texture and surface objects as
 * the driver API shows them
 */
#include "softgpu_calls.h"

static int set_up(void **state)
{
	CUcontext ctx;

	OK(cuInit(0));
	OK(cuCtxCreate(&ctx, NULL, 0, 0));
	*state = ctx;
	return 0;
}

static int tear_down(void **state)
{
	OK(cuCtxDestroy(*state));
	return 0;
}

static CUDA_ARRAY3D_DESCRIPTOR shape(size_t w, size_t h, size_t d, unsigned int flags)
{
	return (CUDA_ARRAY3D_DESCRIPTOR){ .Width = w, .Height = h, .Depth = d, .Flags = flags,
					  .Format = CU_AD_FORMAT_UNSIGNED_INT16, .NumChannels = 2 };
}

static size_t free_memory(void)
{
	size_t n, total;

	OK(cuMemGetInfo(&n, &total));
	return n;
}

static void extents_follow_the_table(void **state)
{
	static const struct {
		size_t w, h, d;
		unsigned int flags;
		CUresult r;
	} cases[] = {
		{ 1, 0, 0, 0, CUDA_SUCCESS },
		{ 0, 0, 0, 0, CUDA_ERROR_INVALID_VALUE },
		{ 131072, 0, 0, 0, CUDA_SUCCESS },
		{ 131073, 0, 0, 0, CUDA_ERROR_INVALID_VALUE },
		{ 32769, 0, 0, CUDA_ARRAY3D_SURFACE_LDST, CUDA_ERROR_INVALID_VALUE },
		{ 131072, 1, 0, 0, CUDA_SUCCESS },
		{ 1, 65537, 0, 0, CUDA_ERROR_INVALID_VALUE },
		{ 4, 0, 4, 0, CUDA_ERROR_INVALID_VALUE },
		{ 4, 4, 4, 0, CUDA_SUCCESS },
		{ 1, 1, 32768, 0, CUDA_SUCCESS },
		{ 1, 1, 32768, CUDA_ARRAY3D_SURFACE_LDST, CUDA_ERROR_INVALID_VALUE },
		{ 4, 0, 7, CUDA_ARRAY3D_LAYERED, CUDA_SUCCESS },
		{ 4, 4, 2049, CUDA_ARRAY3D_LAYERED, CUDA_ERROR_INVALID_VALUE },
		{ 4, 4, 0, CUDA_ARRAY3D_LAYERED, CUDA_ERROR_INVALID_VALUE },
		{ 4, 4, 6, CUDA_ARRAY3D_CUBEMAP, CUDA_SUCCESS },
		{ 4, 5, 6, CUDA_ARRAY3D_CUBEMAP, CUDA_ERROR_INVALID_VALUE },
		{ 4, 4, 5, CUDA_ARRAY3D_CUBEMAP, CUDA_ERROR_INVALID_VALUE },
		{ 4, 4, 12, CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_LAYERED, CUDA_SUCCESS },
		{ 4, 4, 13, CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_LAYERED, CUDA_ERROR_INVALID_VALUE },
		{ 4, 4, 0, CUDA_ARRAY3D_TEXTURE_GATHER, CUDA_SUCCESS },
		{ 4, 4, 4, CUDA_ARRAY3D_TEXTURE_GATHER, CUDA_ERROR_INVALID_VALUE },
		{ 4, 4, 0, CUDA_ARRAY3D_SPARSE, CUDA_ERROR_NOT_SUPPORTED },
		{ 4, 4, 0, CUDA_ARRAY3D_DEPTH_TEXTURE, CUDA_ERROR_NOT_SUPPORTED },
		{ 4, 4, 0, 0x8000, CUDA_ERROR_INVALID_VALUE },
	};
	CUarray a;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CUDA_ARRAY3D_DESCRIPTOR d = shape(cases[i].w, cases[i].h, cases[i].d,
						  cases[i].flags),
					got;
		CUresult r = cuArray3DCreate(&a, &d);

		if (r != cases[i].r)
			fail_msg("case %zu: %d where %d is right", i, r, cases[i].r);
		if (r != CUDA_SUCCESS)
			continue;
		OK(cuArray3DGetDescriptor(&got, a));
		assert_memory_equal(&got, &d, sizeof(d));
		OK(cuArrayDestroy(a));
	}
}

static void formats_and_channels(void **state)
{
	static const CUarray_format formats[] = {
		CU_AD_FORMAT_UNSIGNED_INT8,  CU_AD_FORMAT_UNSIGNED_INT16,
		CU_AD_FORMAT_UNSIGNED_INT32, CU_AD_FORMAT_SIGNED_INT8,
		CU_AD_FORMAT_SIGNED_INT16,   CU_AD_FORMAT_SIGNED_INT32,
		CU_AD_FORMAT_HALF,	     CU_AD_FORMAT_FLOAT,
	};
	CUDA_ARRAY_DESCRIPTOR d = { .Width = 8, .Height = 2 }, got;
	CUarray a;

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		for (unsigned int n = 0; n <= 5; n++) {
			bool good = n == 1 || n == 2 || n == 4;

			d.Format = formats[i];
			d.NumChannels = n;
			FAILS(good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE,
			      cuArrayCreate(&a, &d));
			if (!good)
				continue;
			OK(cuArrayGetDescriptor(&got, a));
			assert_memory_equal(&got, &d, sizeof(d));
			OK(cuArrayDestroy(a));
		}
	}
	d.NumChannels = 3;
	d.Format = CU_AD_FORMAT_NV12;
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuArrayCreate(&a, &d));
	d.Format = 0x77;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayCreate(&a, &d));
	d.NumChannels = 2;
	d.Format = CU_AD_FORMAT_SNORM_INT16X2;
	OK(cuArrayCreate(&a, &d));
	OK(cuArrayDestroy(a));
	d.Format = CU_AD_FORMAT_SNORM_INT16X4;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayCreate(&a, &d));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayCreate(NULL, &d));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayCreate(&a, NULL));
}

static void arrays_count_as_device_memory(void **state)
{
	CUDA_ARRAY3D_DESCRIPTOR d = shape(1024, 1024, 0, 0), huge = shape(16384, 16384, 16384, 0);
	size_t before = free_memory(), during;
	CUarray a;

	(void)state;
	OK(cuArray3DCreate(&a, &d));
	during = free_memory();
	assert_int_equal(before - during, 4 << 20);
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuArray3DCreate(&(CUarray){ 0 }, &huge));
	assert_int_equal(free_memory(), during);
	OK(cuArrayDestroy(a));
	assert_int_equal(free_memory(), before);
	/* also when the context ends without them */
	OK(cuArray3DCreate(&a, &d));
	OK(cuCtxDestroy(*state));
	OK(cuCtxCreate((CUcontext *)state, NULL, 0, 0));
	assert_int_equal(free_memory(), before);
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuArrayDestroy(a));	/* another context has its memory */
}

static void stale_handles_are_refused(void **state)
{
	CUDA_ARRAY3D_DESCRIPTOR d = shape(8, 8, 0, 0);
	CUDA_ARRAY_SPARSE_PROPERTIES sparse;
	CUDA_ARRAY_MEMORY_REQUIREMENTS req;
	char buf[4];
	CUarray a;

	(void)state;
	OK(cuArray3DCreate(&a, &d));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayGetSparseProperties(&sparse, a));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayGetMemoryRequirements(&req, a, 0));
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuArrayGetMemoryRequirements(&req, a, 77));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayGetPlane(&a, a, 0));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuMipmappedArrayDestroy((CUmipmappedArray)a));
	OK(cuArrayDestroy(a));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuArrayDestroy(a));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuArray3DGetDescriptor(&d, a));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyAtoH(buf, a, 0, 4));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuArrayDestroy(NULL));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuArrayDestroy((CUarray)(uintptr_t)0x123456789));
}

static void mipmaps_have_levels(void **state)
{
	CUDA_ARRAY3D_DESCRIPTOR d = shape(20, 9, 0, 0), got;
	static const size_t widths[] = { 20, 10, 5, 2, 1 }, heights[] = { 9, 4, 2, 1, 1 };
	size_t before = free_memory();
	CUmipmappedArray m;
	CUarray a, again;

	(void)state;
	OK(cuMipmappedArrayCreate(&m, &d, 100));
	for (unsigned int i = 0; i < 5; i++) {
		OK(cuMipmappedArrayGetLevel(&a, m, i));
		OK(cuMipmappedArrayGetLevel(&again, m, i));
		assert_ptr_equal(a, again);
		OK(cuArray3DGetDescriptor(&got, a));
		assert_int_equal(got.Width, widths[i]);
		assert_int_equal(got.Height, heights[i]);
		assert_int_equal(got.Depth, 0);
	}
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMipmappedArrayGetLevel(&again, m, 5));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuArrayDestroy(a));	/* part of the whole */
	OK(cuMipmappedArrayDestroy(m));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuMipmappedArrayGetLevel(&a, m, 0));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuArray3DGetDescriptor(&got, a));
	assert_int_equal(free_memory(), before);
	/* depth shrinks, layers do not */
	d = shape(4, 4, 4, 0);
	OK(cuMipmappedArrayCreate(&m, &d, 2));
	OK(cuMipmappedArrayGetLevel(&a, m, 1));
	OK(cuArray3DGetDescriptor(&got, a));
	assert_int_equal(got.Depth, 2);
	OK(cuMipmappedArrayDestroy(m));
	d.Flags = CUDA_ARRAY3D_LAYERED;
	OK(cuMipmappedArrayCreate(&m, &d, 2));
	OK(cuMipmappedArrayGetLevel(&a, m, 1));
	OK(cuArray3DGetDescriptor(&got, a));
	assert_int_equal(got.Depth, 4);
	OK(cuMipmappedArrayDestroy(m));
}

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = i * 37 + (i >> 8) * 11 + 5;
}

/* A box of linear memory, by plain loops. */
static void box(uint8_t *dst, size_t dp, size_t dr, const uint8_t *src, size_t sp, size_t sr,
		size_t w, size_t h, size_t d)
{
	for (size_t z = 0; z < d; z++)
		for (size_t y = 0; y < h; y++)
			memcpy(dst + (z * dr + y) * dp, src + (z * sr + y) * sp, w);
}

static void boxes_go_from_memory_to_memory(void **state)
{
	enum { SP = 48, SR = 7, DP = 64, DR = 9, D = 5 };
	static uint8_t src[SP * SR * D], want[DP * DR * D], got[sizeof(want)];
	CUDA_MEMCPY3D p = {
		.srcMemoryType = CU_MEMORYTYPE_HOST,
		.srcHost = src,
		.srcPitch = SP,
		.srcHeight = SR,
		.srcXInBytes = 3,
		.srcY = 2,
		.srcZ = 1,
		.dstMemoryType = CU_MEMORYTYPE_DEVICE,
		.dstPitch = DP,
		.dstHeight = DR,
		.dstXInBytes = 11,
		.dstY = 4,
		.dstZ = 2,
		.WidthInBytes = 33,
		.Height = 5,
		.Depth = 3,
	};
	CUDA_MEMCPY3D_PEER peer = {
		.srcMemoryType = CU_MEMORYTYPE_HOST,
		.srcHost = src,
		.srcPitch = SP,
		.srcHeight = SR,
		.dstMemoryType = CU_MEMORYTYPE_DEVICE,
		.dstPitch = DP,
		.dstHeight = DR,
		.WidthInBytes = 33,
		.Height = 5,
		.Depth = 3,
		.dstContext = *state,
	};
	CUdeviceptr m;
	CUstream s;

	fill(src, sizeof(src));
	OK(cuMemAlloc(&m, sizeof(want)));
	p.dstDevice = peer.dstDevice = m;
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	for (int async = 0; async < 2; async++) {
		memset(want, 0, sizeof(want));
		OK(cuMemsetD8(m, 0, sizeof(want)));
		OK(cuCtxSynchronize());
		box(want + (2 * DR + 4) * DP + 11, DP, DR, src + (SR + 2) * SP + 3, SP, SR, 33, 5,
		    3);
		OK(async ? cuMemcpy3DAsync(&p, s) : cuMemcpy3D(&p));
		OK(cuStreamSynchronize(s));
		OK(cuMemcpyDtoH(got, m, sizeof(got)));
		assert_memory_equal(got, want, sizeof(want));
		box(want, DP, DR, src, SP, SR, 33, 5, 3);
		OK(async ? cuMemcpy3DPeerAsync(&peer, s) : cuMemcpy3DPeer(&peer));
		OK(cuCtxSynchronize());
		OK(cuMemcpyDtoH(got, m, sizeof(got)));
		assert_memory_equal(got, want, sizeof(want));
	}
	peer.dstContext = NULL;
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemcpy3DPeer(&peer));
	p.dstZ = 3;		/* one slice too far */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&p));
	p.dstZ = 2;
	p.dstHeight = 8;	/* 4 + 5 rows do not fit */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&p));
	p.dstHeight = SIZE_MAX / 2;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&p));
	p.dstHeight = DR;
	p.srcLOD = 1;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&p));
	p.srcLOD = 0;
	p.Depth = 0;		/* nothing to do */
	OK(cuMemcpy3D(&p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(NULL));
	OK(cuMemFree(m));
}

static void boxes_go_through_arrays(void **state)
{
	enum { W = 12, H = 6, D = 4, TEXEL = 4, ROW = W * TEXEL };
	static uint8_t src[ROW * H * D], got[sizeof(src)], want[sizeof(src)];
	static const unsigned int flags[] = { 0, CUDA_ARRAY3D_LAYERED };
	CUarray a, b;

	(void)state;
	fill(src, sizeof(src));
	for (int i = 0; i < 2; i++) {
		CUDA_ARRAY3D_DESCRIPTOR d = shape(W, H, D, flags[i]);
		CUDA_MEMCPY3D in = {
			.srcMemoryType = CU_MEMORYTYPE_HOST,
			.srcHost = src,
			.srcPitch = ROW,
			.srcHeight = H,
			.dstMemoryType = CU_MEMORYTYPE_ARRAY,
			.WidthInBytes = ROW,
			.Height = H,
			.Depth = D,
		};
		CUDA_MEMCPY3D across = {
			.srcMemoryType = CU_MEMORYTYPE_ARRAY,
			.dstMemoryType = CU_MEMORYTYPE_ARRAY,
			.srcXInBytes = 8,
			.srcY = 1,
			.srcZ = 2,
			.dstXInBytes = 4,
			.dstY = 2,
			.dstZ = 0,
			.WidthInBytes = 20,
			.Height = 3,
			.Depth = 2,
		};
		CUDA_MEMCPY3D out = {
			.srcMemoryType = CU_MEMORYTYPE_ARRAY, .dstMemoryType = CU_MEMORYTYPE_HOST,
			.dstHost = got, .dstPitch = ROW, .dstHeight = H,
			.WidthInBytes = ROW, .Height = H, .Depth = D,
		};

		OK(cuArray3DCreate(&a, &d));
		OK(cuArray3DCreate(&b, &d));
		in.dstArray = across.srcArray = a;
		across.dstArray = out.srcArray = b;
		OK(cuMemcpy3D(&in));
		OK(cuMemcpy3D(&across));
		OK(cuMemcpy3D(&out));
		memset(want, 0, sizeof(want));
		box(want + 2 * ROW + 4, ROW, H, src + (2 * H + 1) * ROW + 8, ROW, H, 20, 3, 2);
		assert_memory_equal(got, want, sizeof(want));
		across.WidthInBytes = 19;	/* need not be whole texels */
		OK(cuMemcpy3D(&across));
		across.WidthInBytes = 20;
		across.srcZ = 3;
		FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&across));
		across.srcZ = 0;
		across.dstXInBytes = 32;
		FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&across));
		OK(cuArrayDestroy(a));
		FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3D(&in));
		OK(cuArrayDestroy(b));
	}
}

static void rectangles_go_through_arrays(void **state)
{
	enum { W = 10, H = 5, TEXEL = 4, ROW = W * TEXEL };
	CUDA_ARRAY3D_DESCRIPTOR d = shape(W, H, 0, 0);
	uint8_t src[ROW * H], got[ROW * H] = { 0 }, want[ROW * H] = { 0 };
	CUDA_MEMCPY2D in = {
		.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = src, .srcPitch = ROW,
		.dstMemoryType = CU_MEMORYTYPE_ARRAY, .WidthInBytes = ROW, .Height = H,
	}, out = {
		.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcXInBytes = 8, .srcY = 2,
		.dstMemoryType = CU_MEMORYTYPE_UNIFIED, .dstDevice = (uintptr_t)got, .dstPitch = ROW,
		.WidthInBytes = 12, .Height = 3,
	};
	CUarray a;

	(void)state;
	fill(src, sizeof(src));
	OK(cuArray3DCreate(&a, &d));
	in.dstArray = out.srcArray = a;
	OK(cuMemcpy2DUnaligned(&in));
	OK(cuMemcpy2DAsync(&out, CU_STREAM_PER_THREAD));
	OK(cuCtxSynchronize());
	box(want, ROW, 0, src + 2 * ROW + 8, ROW, 0, 12, 3, 1);
	assert_memory_equal(got, want, sizeof(want));
	out.Height = 4;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D(&out));
	OK(cuArrayDestroy(a));
}

static void lines_go_through_arrays(void **state)
{
	enum { N = 64 };
	CUDA_ARRAY3D_DESCRIPTOR d = shape(N, 0, 0, 0);
	uint8_t src[N * 4], got[N * 4];
	CUdeviceptr m;
	CUarray a, b;
	CUstream s;

	(void)state;
	fill(src, sizeof(src));
	OK(cuArray3DCreate(&a, &d));
	OK(cuArray3DCreate(&b, &d));
	OK(cuMemAlloc(&m, sizeof(src)));
	OK(cuStreamCreate(&s, 0));
	OK(cuMemcpyHtoD(m, src, sizeof(src)));
	OK(cuMemcpyDtoA(a, 16, m + 16, sizeof(src) - 16));
	OK(cuMemcpyHtoA(a, 0, src, 16));
	OK(cuMemcpyAtoA(b, 0, a, 0, sizeof(src)));
	OK(cuMemsetD8(m, 0, sizeof(src)));
	OK(cuMemcpyAtoD(m, b, 0, sizeof(src)));
	OK(cuMemcpyDtoH(got, m, sizeof(got)));
	assert_memory_equal(got, src, sizeof(src));
	OK(cuMemcpyHtoAAsync(a, 4, src, 8, s));
	OK(cuMemcpyAtoHAsync(got, a, 4, 8, s));
	OK(cuStreamSynchronize(s));
	assert_memory_equal(got, src, 8);
	memset(got, 0, sizeof(got));
	OK(cuMemcpyAtoH(got, b, 8, sizeof(got) - 8));
	assert_memory_equal(got, src + 8, sizeof(src) - 8);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyAtoH(got, b, 8, sizeof(got)));
	OK(cuMemcpyAtoH(got, b, 10, 4));	/* not at a texel */
	assert_memory_equal(got, src + 10, 4);
	OK(cuArrayDestroy(a));
	OK(cuArrayDestroy(b));
}

static void textures_are_checked_when_made(void **state)
{
	CUDA_ARRAY3D_DESCRIPTOR d = shape(16, 8, 0, 0);
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_ARRAY }, got_res;
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_READ_AS_INTEGER }, got_desc;
	CUDA_RESOURCE_VIEW_DESC view = { .format = CU_RES_VIEW_FORMAT_UINT_1X32,
					 .width = 16,
					 .height = 8 },
				got_view;
	CUtexObject t;
	CUarray a;

	(void)state;
	OK(cuArray3DCreate(&a, &d));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, NULL));
	res.res.array.hArray = a;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, NULL, &desc, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, NULL, NULL));
	desc.filterMode = CU_TR_FILTER_MODE_LINEAR;	/* of integers */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, NULL));
	desc.filterMode = CU_TR_FILTER_MODE_POINT;
	desc.flags |= 0x1000;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, NULL));
	desc.flags = CU_TRSF_READ_AS_INTEGER;
	OK(cuTexObjectCreate(&t, &res, &desc, &view));
	OK(cuTexObjectGetResourceDesc(&got_res, t));
	assert_ptr_equal(got_res.res.array.hArray, a);
	OK(cuTexObjectGetTextureDesc(&got_desc, t));
	assert_memory_equal(&got_desc, &desc, sizeof(desc));
	OK(cuTexObjectGetResourceViewDesc(&got_view, t));
	assert_memory_equal(&got_view, &view, sizeof(view));
	/* what is none of a kind ends without a word, and ends nothing */
	OK(cuSurfObjectDestroy(t));
	OK(cuTexObjectGetResourceDesc(&got_res, t));
	OK(cuTexObjectDestroy(t));
	OK(cuTexObjectDestroy(t));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectGetTextureDesc(&got_desc, t));
	view.format = CU_RES_VIEW_FORMAT_UINT_1X16;	/* another size */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, &view));
	view.format = CU_RES_VIEW_FORMAT_UNSIGNED_BC1;
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuTexObjectCreate(&t, &res, &desc, &view));
	view.format = CU_RES_VIEW_FORMAT_NONE;
	view.lastMipmapLevel = 1;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, &view));
	view.lastMipmapLevel = 0;
	view.lastLayer = 1;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, &view));
	OK(cuArrayDestroy(a));
}

static void textures_on_linear_memory_are_checked(void **state)
{
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_READ_AS_INTEGER };
	CUDA_RESOURCE_DESC res = {
		.resType = CU_RESOURCE_TYPE_LINEAR,
		.res.linear = { .format = CU_AD_FORMAT_FLOAT,
				.numChannels = 4,
				.sizeInBytes = 4096 },
	};
	CUDA_RESOURCE_DESC pitch = {
		.resType = CU_RESOURCE_TYPE_PITCH2D,
		.res.pitch2D = { .format = CU_AD_FORMAT_HALF,
				 .numChannels = 2,
				 .width = 30,
				 .height = 32,
				 .pitchInBytes = 128 },
	};
	CUtexObject t;
	CUdeviceptr m;
	size_t n;

	(void)state;
	OK(cuMemAlloc(&m, 4096));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, NULL));
	res.res.linear.devPtr = m + 16;		/* not aligned */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, NULL));
	res.res.linear.devPtr = m;
	OK(cuTexObjectCreate(&t, &res, &desc, NULL));
	OK(cuTexObjectDestroy(t));
	res.res.linear.sizeInBytes = 4096 + 16;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, NULL));
	pitch.res.pitch2D.devPtr = m;
	OK(cuTexObjectCreate(&t, &pitch, &desc, NULL));
	OK(cuTexObjectDestroy(t));
	pitch.res.pitch2D.pitchInBytes = 136;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &pitch, &desc, NULL));
	pitch.res.pitch2D.pitchInBytes = 128;
	pitch.res.pitch2D.height = 33;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &pitch, &desc, NULL));
	OK(cuDeviceGetTexture1DLinearMaxWidth(&n, CU_AD_FORMAT_FLOAT, 4, 0));
	assert_true(n >= 1 << 27);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuDeviceGetTexture1DLinearMaxWidth(&n, CU_AD_FORMAT_FLOAT, 3, 0));
	OK(cuMemFree(m));
}

static void surfaces_need_their_flag(void **state)
{
	CUDA_ARRAY3D_DESCRIPTOR d = shape(16, 8, 0, 0);
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_ARRAY }, got;
	CUsurfObject s;
	CUarray a;

	(void)state;
	OK(cuArray3DCreate(&a, &d));
	res.res.array.hArray = a;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuSurfObjectCreate(&s, &res));
	OK(cuArrayDestroy(a));
	d.Flags = CUDA_ARRAY3D_SURFACE_LDST;
	OK(cuArray3DCreate(&a, &d));
	res.res.array.hArray = a;
	OK(cuSurfObjectCreate(&s, &res));
	OK(cuSurfObjectGetResourceDesc(&got, s));
	assert_ptr_equal(got.res.array.hArray, a);
	OK(cuSurfObjectDestroy(s));
	OK(cuSurfObjectDestroy(s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuSurfObjectGetResourceDesc(&got, s));
	OK(cuArrayDestroy(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(extents_follow_the_table),
		CASE(formats_and_channels),
		CASE(arrays_count_as_device_memory),
		CASE(stale_handles_are_refused),
		CASE(mipmaps_have_levels),
		CASE(boxes_go_from_memory_to_memory),
		CASE(boxes_go_through_arrays),
		CASE(rectangles_go_through_arrays),
		CASE(lines_go_through_arrays),
		CASE(textures_are_checked_when_made),
		CASE(textures_on_linear_memory_are_checked),
		CASE(surfaces_need_their_flag),
	};

	setenv("SOFTGPU_MEMORY", "256M", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
