/* SPDX-License-Identifier: MIT */
/*
 * softgpu_texture_bench.h - kernels of one instruction, between loads of its operands and a store of its
 * results; images, and arrays that are copies of them
 */
#ifndef SOFTGPU_TEXTURE_BENCH_H
#define SOFTGPU_TEXTURE_BENCH_H

#include "softgpu_calls.h"

#include <math.h>

#define MAX_POINTS	512

/* What a thread reads: %c0 to %c15, which are .b32; %q0 and %q1 are the last four as .b64. */
union operands {
	struct {
		uint32_t layer;
		float at[3];
		float lod, dx[3], dy[3];
		int32_t offset[3];
		uint32_t data[2];
	};
	int32_t s[16];
	uint32_t u[16];
	uint64_t q[8];
};

union result {
	float f[4];
	uint32_t u[4];
	int32_t s[4];
};

struct fixture {
	CUcontext ctx;
	CUdeviceptr in, out;
};

static union operands in[MAX_POINTS];
static union result out[MAX_POINTS];

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	OK(cuInit(0));
	OK(cuCtxCreate(&f->ctx, NULL, 0, 0));
	OK(cuMemAlloc(&f->in, sizeof(in)));
	OK(cuMemAlloc(&f->out, sizeof(out)));
	memset(in, 0, sizeof(in));
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	OK(cuCtxDestroy(f->ctx));
	free(f);
	return 0;
}

static const char head[] =
	".version 7.0\n.target sm_75\n.address_size 64\n"
	".visible .entry k(.param .u64 pt, .param .u64 pi, .param .u64 po)\n{\n"
	".reg .b32 %c<16>, %d<4>, %i; .reg .b16 %h<4>; .reg .b64 %t, %a, %o, %q<2>; .reg .pred "
	"%p;\n"
	"ld.param.u64 %t, [pt]; ld.param.u64 %a, [pi]; ld.param.u64 %o, [po];\n"
	"mov.u32 %i, %tid.x; mad.wide.u32 %a, %i, 64, %a; mad.wide.u32 %o, %i, 16, %o;\n"
	"mov.u32 %d0, 0; mov.u32 %d1, 0; mov.u32 %d2, 0; mov.u32 %d3, 0;\n"
	"ld.global.v4.b32 {%c0, %c1, %c2, %c3}, [%a];\n"
	"ld.global.v4.b32 {%c4, %c5, %c6, %c7}, [%a+16];\n"
	"ld.global.v4.b32 {%c8, %c9, %c10, %c11}, [%a+32];\n"
	"ld.global.v4.b32 {%c12, %c13, %c14, %c15}, [%a+48];\n"
	"ld.global.v2.b64 {%q0, %q1}, [%a+48];\n";
static const char tail[] = "\nst.global.v4.b32 [%o], {%d0, %d1, %d2, %d3};\nret;\n}\n";

static inline CUresult load(const char *insn, CUmodule *m)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s%s%s", head, insn, tail);
	return cuModuleLoadData(m, text);
}

static inline CUresult try_run(struct fixture *f, const char *insn, uint64_t object, unsigned int n)
{
	void *params[] = { &object, &f->in, &f->out };
	CUfunction fn;
	CUmodule m;
	CUresult r = load(insn, &m);

	if (r != CUDA_SUCCESS)
		fail_msg("%s: %d", insn, r);
	OK(cuModuleGetFunction(&fn, m, "k"));
	OK(cuMemcpyHtoD(f->in, in, sizeof(in)));
	OK(cuLaunchKernel(fn, 1, 1, 1, n, 1, 1, 0, NULL, params, NULL));
	r = cuCtxSynchronize();
	if (r == CUDA_SUCCESS) {
		OK(cuMemcpyDtoH(out, f->out, sizeof(out)));
		OK(cuModuleUnload(m));
	}
	return r;
}

static inline void run(struct fixture *f, const char *insn, uint64_t object, unsigned int n)
{
	CUresult r = try_run(f, insn, object, n);

	if (r != CUDA_SUCCESS)
		fail_msg("%s: %d", insn, r);
}

/* The same numbers every time. */
static uint32_t seed;

static inline uint32_t number(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* An image on the host: the reference reads it, the array gets a copy. */
struct image {
	CUarray_format format;
	unsigned int channels, bytes;	/* of a channel */
	unsigned int w, h, d;		/* d: depth, layers or faces; never 0 */
	unsigned int dims;
	unsigned int flags;
	uint8_t texels[1 << 16];
	CUarray array;
};

static inline unsigned int bytes_of(CUarray_format f)
{
	switch (f) {
	case CU_AD_FORMAT_UNSIGNED_INT8:
	case CU_AD_FORMAT_SIGNED_INT8:
		return 1;
	case CU_AD_FORMAT_UNSIGNED_INT16:
	case CU_AD_FORMAT_SIGNED_INT16:
	case CU_AD_FORMAT_HALF:
		return 2;
	default:
		return 4;
	}
}

static inline float random_float(void)
{
	return (float)((int)number(2001) - 1000) / 8.0f;
}

/* A half with few bits, and what it is. */
static inline uint16_t random_half(void)
{
	return (uint16_t)(number(2) << 15 | (number(20) + 5) << 10 | number(1024));
}

static inline void fill(struct image *g)
{
	size_t n = (size_t)g->w * g->h * g->d * g->channels;

	g->bytes = bytes_of(g->format);
	assert_true(n * g->bytes <= sizeof(g->texels));
	for (size_t i = 0; i < n; i++) {
		float f = random_float();
		uint16_t h = random_half();
		uint32_t u = number(1 << 24) << 8 | number(256);

		if (g->format == CU_AD_FORMAT_FLOAT)
			memcpy(g->texels + i * 4, &f, 4);
		else if (g->format == CU_AD_FORMAT_HALF)
			memcpy(g->texels + i * 2, &h, 2);
		else
			memcpy(g->texels + i * g->bytes, &u, g->bytes);
	}
}

static inline void copy(struct image *g, CUarray a, bool out_of_array)
{
	CUDA_MEMCPY3D host = {
		.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = g->texels, .srcHeight = g->h,
		.srcPitch = (size_t)g->w * g->bytes * g->channels, .dstMemoryType = CU_MEMORYTYPE_ARRAY,
		.dstArray = a, .WidthInBytes = (size_t)g->w * g->bytes * g->channels, .Height = g->h,
		.Depth = g->d,
	}, back = {
		.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = a, .dstMemoryType = CU_MEMORYTYPE_HOST,
		.dstHost = g->texels, .dstHeight = g->h, .dstPitch = host.srcPitch,
		.WidthInBytes = host.WidthInBytes, .Height = g->h, .Depth = g->d,
	};

	OK(cuMemcpy3D(out_of_array ? &back : &host));
}

static inline void make_array(struct image *g)
{
	CUDA_ARRAY3D_DESCRIPTOR d = {
		.Width = g->w,
		.Height = g->dims > 1 ? g->h : 0,
		.Format = g->format,
		.NumChannels = g->channels,
		.Flags = g->flags,
		.Depth = g->dims > 2 || g->flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)
				 ? g->d
				 : 0,
	};

	fill(g);
	OK(cuArray3DCreate(&g->array, &d));
	copy(g, g->array, false);
}

static inline CUtexObject texture_of(CUarray a, const CUDA_TEXTURE_DESC *desc)
{
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = a };
	CUtexObject t;

	OK(cuTexObjectCreate(&t, &res, desc, NULL));
	return t;
}

static inline double half_value(uint16_t h)
{
	int e = h >> 10 & 31;
	double m = e ? 1024 + (h & 1023) : h & 1023;

	return (h & 0x8000 ? -1 : 1) * ldexp(m, (e ? e : 1) - 25);
}

#endif
