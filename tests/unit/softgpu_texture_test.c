/* SPDX-License-Identifier: MIT */
/*
 * softgpu_texture_test.c - what texture instructions do, against the formulas of the CUDA programming guide
 * ("Texture fetching"), written once more here
 */
#include "softgpu_texture_bench.h"

#include <sys/mman.h>

/* The reference. */

/* A channel as a number; integers as they are, or as fractions. */
static double channel(const struct image *g, size_t texel, unsigned int c, bool fraction)
{
	const uint8_t *p = g->texels + (texel * g->channels + c) * g->bytes;
	uint32_t u = 0;
	float f;
	double v;

	memcpy(&u, p, g->bytes);
	memcpy(&f, &u, 4);
	switch (g->format) {
	case CU_AD_FORMAT_FLOAT:
		return f;
	case CU_AD_FORMAT_HALF:
		return half_value((uint16_t)u);
	case CU_AD_FORMAT_SIGNED_INT8:
		v = (int8_t)u;
		return fraction ? fmax(v / 127, -1) : v;
	case CU_AD_FORMAT_SIGNED_INT16:
		v = (int16_t)u;
		return fraction ? fmax(v / 32767, -1) : v;
	case CU_AD_FORMAT_SIGNED_INT32:
		return (int32_t)u;
	case CU_AD_FORMAT_UNSIGNED_INT8:
		return fraction ? u / 255.0 : u;
	case CU_AD_FORMAT_UNSIGNED_INT16:
		return fraction ? u / 65535.0 : u;
	default:
		return u;
	}
}

struct how {
	const struct image *g;
	const CUDA_TEXTURE_DESC *desc;
	unsigned int dims;
	bool fraction;			/* integers are read as such */
};

/* Index in one dimension after addressing; -1: border */
static long index_of(const struct how *how, unsigned int d, long i, long n)
{
	CUaddress_mode mode = how->desc->addressMode[d];
	bool normalized = how->desc->flags & CU_TRSF_NORMALIZED_COORDINATES;

	if (!normalized && mode != CU_TR_ADDRESS_MODE_BORDER)
		mode = CU_TR_ADDRESS_MODE_CLAMP;
	if (mode == CU_TR_ADDRESS_MODE_BORDER)
		return i < 0 || i >= n ? -1 : i;
	if (mode == CU_TR_ADDRESS_MODE_WRAP)
		return ((i % n) + n) % n;
	if (mode == CU_TR_ADDRESS_MODE_MIRROR) {
		long k = ((i % (2 * n)) + 2 * n) % (2 * n);

		return k < n ? k : 2 * n - 1 - k;
	}
	return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static double texel_at(const struct how *how, const long i[3], unsigned int slice, unsigned int c)
{
	const struct image *g = how->g;
	long n[3] = { g->w, g->h, g->d }, k[3] = { 0, 0, slice };

	if (c >= g->channels)		/* a constant, outside as well */
		return c == 3;
	for (unsigned int d = 0; d < how->dims; d++) {
		k[d] = index_of(how, d, i[d], n[d]);
		if (k[d] < 0)
			return how->desc->borderColor[c];
	}
	return channel(g, ((size_t)k[2] * g->h + k[1]) * g->w + k[0], c, how->fraction);
}

static double reference(const struct how *how, const float at[3], unsigned int slice,
			unsigned int c)
{
	const unsigned int n[3] = { how->g->w, how->g->h, how->g->d };
	double weight[3] = { 0 }, sum = 0;
	long first[3] = { 0 };

	for (unsigned int d = 0; d < how->dims; d++) {
		double x = at[d];

		if (how->desc->flags & CU_TRSF_NORMALIZED_COORDINATES)
			x *= n[d];
		if (how->desc->filterMode == CU_TR_FILTER_MODE_LINEAR) {
			x -= 0.5;
			weight[d] = floor((x - floor(x)) * 256 + 0.5) / 256;
		}
		first[d] = (long)floor(x);
	}
	if (how->desc->filterMode != CU_TR_FILTER_MODE_LINEAR)
		return texel_at(how, first, slice, c);
	for (unsigned int corner = 0; corner < 1u << how->dims; corner++) {
		long i[3] = { first[0], first[1], first[2] };
		double w = 1;

		for (unsigned int d = 0; d < how->dims; d++) {
			i[d] += corner >> d & 1;
			w *= corner >> d & 1 ? weight[d] : 1 - weight[d];
		}
		sum += w * texel_at(how, i, slice, c);
	}
	return sum;
}

/* Positions between texels' edges and sides, so that one more rounding does not matter. */
static void random_points(const struct image *g, bool normalized, unsigned int n)
{
	unsigned int size[3] = { g->w, g->h, g->d };

	for (unsigned int i = 0; i < n; i++) {
		in[i].layer = number(g->d + 2);
		for (int d = 0; d < 3; d++) {
			float x = ((float)number(size[d] * 6 * 64) + 0.37f) / 64 -
				  2.0f * (float)size[d];

			in[i].at[d] = normalized ? x / (float)size[d] : x;
		}
	}
}

static void compare(const struct how *how, const char *insn, unsigned int n, bool layered)
{
	bool floats = how->fraction || how->g->format == CU_AD_FORMAT_FLOAT ||
		      how->g->format == CU_AD_FORMAT_HALF;
	bool is_signed = how->g->format >= CU_AD_FORMAT_SIGNED_INT8;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int slice = !layered		       ? 0
				     : in[i].layer < how->g->d ? in[i].layer
							       : how->g->d - 1;

		for (unsigned int c = 0; c < 4; c++) {
			double want = reference(how, in[i].at, slice, c),
			       got = floats	 ? out[i].f[c]
				     : is_signed ? (double)out[i].s[c]
						 : (double)out[i].u[c];

			if (fabs(got - want) >
			    fabs(want) * 3e-7 + 1e-5 * (floats && how->desc->filterMode))
				fail_msg("%s: format 0x%x mode %d filter %d flags %u, (%g, %g, %g) "
					 "channel %u: "
					 "%.9g is %.9g",
					 insn, how->g->format, how->desc->addressMode[0],
					 how->desc->filterMode, how->desc->flags, in[i].at[0],
					 in[i].at[1], in[i].at[2], c, got, want);
		}
	}
}

static const struct geometry {
	const char *name, *coords;
	unsigned int dims, w, h, d, flags;
} geometries[] = {
	{ "1d", "{%c1}", 1, 13, 1, 1, 0 },
	{ "2d", "{%c1, %c2}", 2, 8, 5, 1, 0 },
	{ "3d", "{%c1, %c2, %c3, %c3}", 3, 5, 4, 7, 0 },
	{ "a1d", "{%c0, %c1}", 1, 6, 1, 3, CUDA_ARRAY3D_LAYERED },
	{ "a2d", "{%c0, %c1, %c2, %c2}", 2, 7, 4, 3, CUDA_ARRAY3D_LAYERED },
};

static const CUarray_format formats[] = {
	CU_AD_FORMAT_UNSIGNED_INT8, CU_AD_FORMAT_SIGNED_INT8, CU_AD_FORMAT_UNSIGNED_INT16,
	CU_AD_FORMAT_SIGNED_INT16, CU_AD_FORMAT_UNSIGNED_INT32, CU_AD_FORMAT_SIGNED_INT32,
	CU_AD_FORMAT_HALF, CU_AD_FORMAT_FLOAT,
};

/* One object, all that can be asked of it. */
static void sweep_modes(struct fixture *f, const struct geometry *geo, struct image *g,
			bool fraction)
{
	bool floats = fraction || g->format == CU_AD_FORMAT_HALF || g->format == CU_AD_FORMAT_FLOAT;
	char insn[160];

	snprintf(insn, sizeof(insn), "tex.%s.v4.%s.f32 {%%d0, %%d1, %%d2, %%d3}, [%%t, %s];",
		 geo->name,
		 floats					 ? "f32"
		 : g->format >= CU_AD_FORMAT_SIGNED_INT8 ? "s32"
							 : "u32",
		 geo->coords);
	for (int mode = 0; mode < 4; mode++) {
		for (int rest = 0; rest < (floats ? 4 : 2); rest++) {
			CUDA_TEXTURE_DESC desc = {
				.addressMode = { mode, (mode + 1) % 4, (mode + 2) % 4 },
				.filterMode = rest >> 1,
				.flags = (rest & 1 ? CU_TRSF_NORMALIZED_COORDINATES : 0) |
					 (fraction ? 0 : CU_TRSF_READ_AS_INTEGER),
				.borderColor = { 3, 4, 5, 6 },
			};
			struct how how = { g, &desc, geo->dims, fraction };
			CUtexObject t = texture_of(g->array, &desc);

			random_points(g, rest & 1, 96);
			run(f, insn, t, 96);
			compare(&how, insn, 96, geo->flags);
			OK(cuTexObjectDestroy(t));
		}
	}
}

static void every_geometry_mode_filter_and_format(void **state)
{
	static const unsigned int channels[] = { 1, 2, 4 };
	struct image g;

	seed = 1;
	for (size_t k = 0; k < sizeof(geometries) / sizeof(geometries[0]); k++) {
		const struct geometry *geo = &geometries[k];

		for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
			g = (struct image){ .format = formats[i],
					    .channels = channels[(i + k) % 3],
					    .w = geo->w,
					    .h = geo->h,
					    .d = geo->d,
					    .dims = geo->dims,
					    .flags = geo->flags };
			make_array(&g);
			sweep_modes(*state, geo, &g, false);
			if (g.bytes < 4 && g.format != CU_AD_FORMAT_HALF)
				sweep_modes(*state, geo, &g, true);
			OK(cuArrayDestroy(g.array));
		}
	}
}

/* Formats that are fractions by themselves: texels and stores. */
static void normalised_formats(void **state)
{
	static const struct { CUarray_format format; unsigned int bits, channels; bool is_signed;
	} cases[] = {
		{ CU_AD_FORMAT_UNORM_INT8X1, 8, 1, false },
		{ CU_AD_FORMAT_UNORM_INT8X4, 8, 4, false },
		{ CU_AD_FORMAT_UNORM_INT16X2, 16, 2, false },
		{ CU_AD_FORMAT_SNORM_INT8X2, 8, 2, true },
		{ CU_AD_FORMAT_SNORM_INT16X4, 16, 4, true },
	};
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_READ_AS_INTEGER };	/* says nothing to them */
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_ARRAY };
	static const float in_range[4] = { 0.5f, 1, 0.25f, 0 };

	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		CUDA_ARRAY3D_DESCRIPTOR d = { .Width = 8,
					      .Format = cases[k].format,
					      .NumChannels = cases[k].channels,
					      .Flags = CUDA_ARRAY3D_SURFACE_LDST };
		uint32_t most = (1u << (cases[k].bits - cases[k].is_signed)) - 1;
		CUtexObject t;
		CUsurfObject s;

		OK(cuArray3DCreate(&res.res.array.hArray, &d));
		OK(cuSurfObjectCreate(&s, &res));
		t = texture_of(res.res.array.hArray, &desc);
		memset(in, 0, sizeof(in));
		for (int i = 0; i < 8; i++) {
			in[i].s[1] = i;
			for (int c = 0; c < 4; c++) {
				float v = i == 0   ? -9
					  : i == 1 ? 9
					  : i == 2 ? NAN
					  : i == 3 ? -0.5f
						   : in_range[(i + c) % 4];

				memcpy(&in[i].u[12 + c], &v, 4);
			}
		}
		run(*state, "sust.p.1d.v4.b32.trap [%t, {%c1}], {%c12, %c13, %c14, %c15};", s, 8);
		for (int i = 0; i < 8; i++)
			in[i].at[0] = (float)i;
		run(*state, "tex.1d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1}];", t, 8);
		for (int i = 0; i < 8; i++)
			for (unsigned int c = 0; c < 4; c++) {
				double low = cases[k].is_signed ? -1 : 0, v;
				float given;

				memcpy(&given, &in[i].u[12 + c], 4);
				v = given == given ? fmin(fmax(given, low), 1) : 0;
				v = c < cases[k].channels ? rint(v * most) / most : c == 3;
				if (fabs(out[i].f[c] - v) > 1e-6)
					fail_msg("format 0x%x texel %d channel %u: %g is %g",
						 cases[k].format, i, c, out[i].f[c], v);
			}
		OK(cuArrayDestroy(res.res.array.hArray));
	}
}

/* Some of the layers, and the same bits as another format. */
static void views_choose_layers_and_format(void **state)
{
	struct image g = { .format = CU_AD_FORMAT_FLOAT,
			   .channels = 1,
			   .w = 4,
			   .h = 2,
			   .d = 5,
			   .dims = 2,
			   .flags = CUDA_ARRAY3D_LAYERED };
	CUDA_RESOURCE_VIEW_DESC view = { .format = CU_RES_VIEW_FORMAT_UINT_2X16,
					 .width = 4,
					 .height = 2,
					 .depth = 5,
					 .firstLayer = 1,
					 .lastLayer = 3 };
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_READ_AS_INTEGER };
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_ARRAY };
	CUtexObject t;

	make_array(&g);
	res.res.array.hArray = g.array;
	OK(cuTexObjectCreate(&t, &res, &desc, &view));
	for (uint32_t i = 0; i < 5; i++) {
		in[i].layer = i;
		in[i].at[0] = 2.5f;
		in[i].at[1] = 1.5f;
	}
	run(*state, "tex.a2d.v4.u32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c0, %c1, %c2, %c2}]; "
	    "txq.array_size.b32 %d2, [%t];", t, 5);
	for (int i = 0; i < 5; i++) {
		const uint16_t *want =
			(const uint16_t *)g.texels + 2 * ((i < 2 ? 1 + i : 3) * 8 + 6);

		assert_int_equal(out[i].u[0], want[0]);
		assert_int_equal(out[i].u[1], want[1]);
		assert_int_equal(out[i].u[2], 3);
	}
	OK(cuTexObjectDestroy(t));
	view.lastLayer = 5;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, &view));
	view.lastLayer = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, &view));
	view.lastLayer = 3;
	view.width = 5;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, &view));
	OK(cuArrayDestroy(g.array));
}

static void linear_memory_is_fetched_by_index(void **state)
{
	struct fixture *f = *state;
	struct image g = {
		.format = CU_AD_FORMAT_SIGNED_INT16, .channels = 2, .w = 100, .h = 1, .d = 1
	};
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_READ_AS_INTEGER };
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_LINEAR };
	CUdeviceptr p;
	CUtexObject t;
	void *host;

	fill(&g);
	OK(cuMemAlloc(&p, 400));
	OK(cuMemcpyHtoD(p, g.texels, 400));
	res.res.linear.devPtr = p;
	res.res.linear.format = g.format;
	res.res.linear.numChannels = 2;
	res.res.linear.sizeInBytes = 400;
	OK(cuTexObjectCreate(&t, &res, &desc, NULL));
	for (int i = 0; i < 128; i++)
		in[i].s[1] = i - 10;
	run(f, "tex.1d.v4.s32.s32 {%d0, %d1, %d2, %d3}, [%t, {%c1}];", t, 128);
	for (int i = 0; i < 128; i++) {
		bool inside = i >= 10 && i < 110;

		assert_int_equal(out[i].s[0], inside ? channel(&g, i - 10, 0, false) : 0);
		assert_int_equal(out[i].s[1], inside ? channel(&g, i - 10, 1, false) : 0);
	}
	OK(cuTexObjectDestroy(t));
	/* memory that kernels may only read */
	host = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(host != MAP_FAILED);
	memcpy(host, g.texels, 400);
	OK(cuMemHostRegister(host, 4096,
			     CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY));
	OK(cuMemHostGetDevicePointer(&res.res.linear.devPtr, host, 0));
	OK(cuTexObjectCreate(&t, &res, &desc, NULL));
	run(f, "tex.1d.v4.s32.s32 {%d0, %d1, %d2, %d3}, [%t, {%c1}];", t, 128);
	assert_int_equal(out[20].s[1], channel(&g, 10, 1, false));
	OK(cuTexObjectDestroy(t));
	OK(cuMemHostUnregister(host));
	munmap(host, 4096);
	/* and device memory as any other */
	res.res.linear.devPtr = p;
	OK(cuTexObjectCreate(&t, &res, &desc, NULL));
	OK(cuMemFree(p));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS,
	      try_run(f, "tex.1d.v4.s32.s32 {%d0, %d1, %d2, %d3}, [%t, {%c1}];", t, 1));
}

static void rows_with_a_pitch(void **state)
{
	struct image g = {
		.format = CU_AD_FORMAT_FLOAT, .channels = 1, .w = 19, .h = 6, .d = 1, .dims = 2
	};
	CUDA_TEXTURE_DESC desc = { .addressMode = { CU_TR_ADDRESS_MODE_BORDER,
						    CU_TR_ADDRESS_MODE_CLAMP },
				   .filterMode = CU_TR_FILTER_MODE_LINEAR };
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_PITCH2D };
	struct how how = { &g, &desc, 2, false };
	static const char insn[] = "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];";
	CUdeviceptr p;
	CUtexObject t;
	size_t pitch;

	fill(&g);
	OK(cuMemAllocPitch(&p, &pitch, 76, 6, 4));
	for (int y = 0; y < 6; y++)
		OK(cuMemcpyHtoD(p + y * pitch, g.texels + y * 76, 76));
	res.res.pitch2D.devPtr = p;
	res.res.pitch2D.format = CU_AD_FORMAT_FLOAT;
	res.res.pitch2D.numChannels = 1;
	res.res.pitch2D.width = 19;
	res.res.pitch2D.height = 6;
	res.res.pitch2D.pitchInBytes = pitch;
	OK(cuTexObjectCreate(&t, &res, &desc, NULL));
	random_points(&g, false, 256);
	run(*state, insn, t, 256);
	compare(&how, insn, 256, false);
	OK(cuTexObjectDestroy(t));
}

/* Integer coordinates, offsets and halves. */
static void other_operands(void **state)
{
	struct image g = {
		.format = CU_AD_FORMAT_FLOAT, .channels = 4, .w = 9, .h = 7, .d = 1, .dims = 2
	};
	CUDA_TEXTURE_DESC desc = { .addressMode = { CU_TR_ADDRESS_MODE_CLAMP,
						    CU_TR_ADDRESS_MODE_CLAMP } };
	struct how how = { &g, &desc, 2, false };
	CUtexObject t;

	make_array(&g);
	t = texture_of(g.array, &desc);
	for (int i = 0; i < 64; i++) {
		in[i].s[1] = i % 11 - 1;
		in[i].s[2] = i / 11;
	}
	run(*state, "tex.2d.v4.f32.s32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];", t, 64);
	for (int i = 0; i < 64; i++)
		assert_true(out[i].f[1] ==
			    texel_at(&how, (long[]){ in[i].s[1], in[i].s[2], 0 }, 0, 1));
	random_points(&g, false, 64);
	for (int i = 0; i < 64; i++) {
		in[i].offset[0] = i % 16 - 8;
		in[i].offset[1] = i / 4 % 16 - 8;
	}
	run(*state, "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}], {%c11, %c12};", t,
	    64);
	for (int i = 0; i < 64; i++) {
		long at[3] = { (long)floorf(in[i].at[0]) + in[i].offset[0],
			       (long)floorf(in[i].at[1]) + in[i].offset[1] };

		assert_true(out[i].f[2] == texel_at(&how, at, 0, 2));
	}
	/* destinations that are coordinates; two halves to a register */
	run(*state,
	    "tex.2d.v2.f16x2.f32 {%c2, %c1}, [%t, {%c1, %c2}]; mov.b32 %d0, %c2; mov.b32 %d1, %c1;",
	    t, 64);
	for (int i = 0; i < 64; i++)
		for (int c = 0; c < 4; c++) {
			double want = reference(&how, in[i].at, 0, c);

			assert_true(half_value(out[i].u[c / 2] >> 16 * (c % 2)) == want);
		}
	run(*state,
	    "tex.2d.v4.f16.f32 {%h0, %h1, %h2, %h3}, [%t, {%c1, %c2}]; mov.b32 %d0, {%h3, %h0};", t,
	    8);
	assert_true(half_value(out[5].u[0] >> 16) == reference(&how, in[5].at, 0, 0));
	assert_true(half_value((uint16_t)out[5].u[0]) == reference(&how, in[5].at, 0, 3));
	OK(cuTexObjectDestroy(t));
	OK(cuArrayDestroy(g.array));
}

static void four_texels_are_gathered(void **state)
{
	struct image g = { .format = CU_AD_FORMAT_UNSIGNED_INT16,
			   .channels = 2,
			   .w = 9,
			   .h = 7,
			   .d = 1,
			   .dims = 2 };
	CUDA_TEXTURE_DESC desc = { .addressMode = { CU_TR_ADDRESS_MODE_CLAMP,
						    CU_TR_ADDRESS_MODE_CLAMP },
				   .flags = CU_TRSF_READ_AS_INTEGER };
	struct how how = { &g, &desc, 2, false };
	static const int order[4][2] = { { 0, 1 }, { 1, 1 }, { 1, 0 }, { 0, 0 } };
	CUtexObject t;

	make_array(&g);
	t = texture_of(g.array, &desc);
	random_points(&g, false, 64);
	run(*state, "tld4.g.2d.v4.u32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];", t, 64);
	for (int i = 0; i < 64; i++)
		for (int c = 0; c < 4; c++) {
			long at[3] = { (long)floor(in[i].at[0] - 0.5) + order[c][0],
				       (long)floor(in[i].at[1] - 0.5) + order[c][1] };

			assert_int_equal(out[i].u[c], texel_at(&how, at, 0, 1));
		}
	OK(cuTexObjectDestroy(t));
	OK(cuArrayDestroy(g.array));
}

static void srgb_is_decoded(void **state)
{
	struct image g = { .format = CU_AD_FORMAT_UNSIGNED_INT8,
			   .channels = 4,
			   .w = 64,
			   .h = 1,
			   .d = 1,
			   .dims = 1 };
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_SRGB };
	CUtexObject t;

	make_array(&g);
	for (int i = 0; i < 256; i++)
		g.texels[i] = (uint8_t)i;
	copy(&g, g.array, false);
	t = texture_of(g.array, &desc);
	for (int i = 0; i < 64; i++)
		in[i].at[0] = (float)i + 0.5f;
	run(*state, "tex.1d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1}];", t, 64);
	for (int i = 0; i < 256; i++) {
		double v = i / 255.0,
		       want = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);

		assert_true(fabs(out[i / 4].f[i % 4] - (i % 4 == 3 ? v : want)) <
			    1e-6); /* alpha is not */
	}
	OK(cuTexObjectDestroy(t));
	OK(cuArrayDestroy(g.array));
}

/* Level l of a mipmapped array is filled with 10 * l. */
static void levels_are_chosen_and_mixed(void **state)
{
	static const struct { float lod, bias, min, max; bool linear; float want;
	} cases[] = {
		{ 0, 0, 0, 9, false, 0 },     { 0.4f, 0, 0, 9, false, 0 },
		{ 0.6f, 0, 0, 9, false, 10 }, { 1.75f, 0, 0, 9, true, 17.5f },
		{ 100, 0, 0, 9, true, 30 },   { -5, 0, 0, 9, true, 0 },
		{ 1, 0.5f, 0, 9, true, 15 },  { 0, 0, 1.25f, 9, true, 12.5f },
		{ 3, 0, 0, 2.5f, true, 25 },  { NAN, 0, 0, 9, true, 0 },
	};
	CUDA_ARRAY3D_DESCRIPTOR d = {
		.Width = 8, .Height = 8, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1
	};
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY };
	CUDA_RESOURCE_VIEW_DESC view = {
		.width = 8, .height = 8, .firstMipmapLevel = 1, .lastMipmapLevel = 2
	};
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_NORMALIZED_COORDINATES };
	CUmipmappedArray m;
	CUtexObject t;
	float texels[64];
	CUarray a;

	OK(cuMipmappedArrayCreate(&m, &d, 4));
	for (unsigned int l = 0; l < 4; l++) {
		CUDA_MEMCPY2D c = { .srcMemoryType = CU_MEMORYTYPE_HOST,
				    .srcHost = texels,
				    .dstMemoryType = CU_MEMORYTYPE_ARRAY,
				    .WidthInBytes = 4 * (8 >> l),
				    .Height = 8 >> l };

		for (int i = 0; i < 64; i++)
			texels[i] = 10 * (float)l;
		OK(cuMipmappedArrayGetLevel(&a, m, l));
		c.dstArray = a;
		OK(cuMemcpy2D(&c));
	}
	res.res.mipmap.hMipmappedArray = m;
	in[0].at[0] = in[0].at[1] = 0.3f;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		desc.mipmapFilterMode = cases[i].linear;
		desc.mipmapLevelBias = cases[i].bias;
		desc.minMipmapLevelClamp = cases[i].min;
		desc.maxMipmapLevelClamp = cases[i].max;
		OK(cuTexObjectCreate(&t, &res, &desc, NULL));
		in[0].lod = cases[i].lod;
		run(*state, "tex.level.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}], %c4;",
		    t, 1);
		if (out[0].f[0] != cases[i].want)
			fail_msg("case %zu: %g is not %g", i, out[0].f[0], cases[i].want);
		OK(cuTexObjectDestroy(t));
	}
	desc = (CUDA_TEXTURE_DESC){ .flags = CU_TRSF_NORMALIZED_COORDINATES,
				    .maxMipmapLevelClamp = 9,
				    .mipmapFilterMode = CU_TR_FILTER_MODE_LINEAR,
				    .maxAnisotropy = 16 };
	OK(cuTexObjectCreate(&t, &res, &desc, NULL));
	/* 4 texels a step in x, less in y: level 2 */
	in[0].dx[0] = 0.5f;
	in[0].dy[1] = 0.25f;
	run(*state,
	    "tex.grad.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}], {%c5, %c6}, {%c8, "
	    "%c9};",
	    t, 1);
	assert_true(out[0].f[0] == 20);
	run(*state, "tex.base.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];", t, 1);
	assert_true(out[0].f[0] == 0);
	run(*state, "txq.num_mipmap_levels.b32 %d0, [%t]; mov.u32 %d1, 2; "
	    "txq.level.width.b32 %d2, [%t], %d1; txq.level.height.b32 %d1, [%t], 7;", t, 1);
	assert_int_equal(out[0].u[0], 4);
	assert_int_equal(out[0].u[2], 2);
	assert_int_equal(out[0].u[1], 0);
	OK(cuTexObjectDestroy(t));
	/* a view of the two levels in the middle */
	OK(cuTexObjectCreate(&t, &res, &desc, &view));
	in[0].lod = 5;
	run(*state, "tex.level.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}], %c4; "
	    "tex.2d.v4.f32.f32 {_, %d1, %d2, %d3}, [%t, {%c1, %c2}];", t, 1);
	assert_true(out[0].f[0] == 20);
	OK(cuTexObjectDestroy(t));
	desc.flags = 0;			/* mipmaps need normalised coordinates */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &res, &desc, NULL));
	OK(cuMipmappedArrayDestroy(m));
}

/* Texel (x, y) of face f of cube k is 100 * k + 10 * f + (x + 2 * y) / 10 */
static void cubes_have_faces(void **state)
{
	static const struct { float d[3]; int face; float s, t; } cases[] = {
		{ { 1, 0.2f, -0.6f }, 0, 0.8f, 0.4f }, { { -2, 0.2f, 1.2f }, 1, 0.8f, 0.45f },
		{ { 0.6f, 1, 0.4f }, 2, 0.8f, 0.7f }, { { 0.6f, -1, 0.4f }, 3, 0.8f, 0.3f },
		{ { 0.6f, 0.4f, 1 }, 4, 0.8f, 0.3f }, { { 0.6f, 0.4f, -1 }, 5, 0.2f, 0.3f },
	};
	struct image g = { .format = CU_AD_FORMAT_FLOAT,
			   .channels = 1,
			   .w = 2,
			   .h = 2,
			   .d = 12,
			   .dims = 2,
			   .flags = CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP };
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_NORMALIZED_COORDINATES };
	float *texels = (float *)g.texels;
	CUtexObject t;

	make_array(&g);
	for (int i = 0; i < 48; i++)
		texels[i] = (float)(i / 24 * 100 + i / 4 % 6 * 10) + (float)(i % 4) / 10;
	copy(&g, g.array, false);
	t = texture_of(g.array, &desc);
	for (int i = 0; i < 12; i++) {
		memcpy(in[i].at, cases[i % 6].d, sizeof(in[i].at));
		in[i].layer = i < 6 ? 0 : i < 9 ? 1 : 99;
	}
	run(*state, "tex.acube.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c0, %c1, %c2, %c3}];", t,
	    12);
	for (int i = 0; i < 12; i++) {
		int face = cases[i % 6].face, x = cases[i % 6].s >= 0.5f,
		    y = cases[i % 6].t >= 0.5f;

		assert_true(out[i].f[0] == texels[i / 6 * 24 + face * 4 + y * 2 + x]);
	}
	run(*state, "tex.cube.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}];", t, 6);
	assert_true(out[5].f[0] == texels[20]);
	OK(cuTexObjectDestroy(t));
	/* the middle between +x and +z, where both faces count half; without it only one does */
	desc.filterMode = CU_TR_FILTER_MODE_LINEAR;
	desc.flags |= CU_TRSF_SEAMLESS_CUBEMAP;
	t = texture_of(g.array, &desc);
	in[0].at[0] = in[0].at[2] = 1;
	in[0].at[1] = 0;
	run(*state, "tex.cube.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}];", t, 1);
	assert_true(fabsf(out[0].f[0] - (texels[0] + texels[2] + texels[17] + texels[19]) / 4) <
		    1e-5f);
	OK(cuTexObjectDestroy(t));
	desc.flags &= ~CU_TRSF_SEAMLESS_CUBEMAP;
	t = texture_of(g.array, &desc);
	run(*state, "tex.cube.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}];", t, 1);
	assert_true(fabsf(out[0].f[0] - (texels[17] + texels[19]) / 2) < 1e-5f);
	OK(cuTexObjectDestroy(t));
	OK(cuArrayDestroy(g.array));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_geometry_mode_filter_and_format),
		CASE(normalised_formats),
		CASE(views_choose_layers_and_format),
		CASE(linear_memory_is_fetched_by_index),
		CASE(rows_with_a_pitch),
		CASE(other_operands),
		CASE(four_texels_are_gathered),
		CASE(srgb_is_decoded),
		CASE(levels_are_chosen_and_mixed),
		CASE(cubes_have_faces),
	};

	setenv("SOFTGPU_FAULTS", "context", 1);	/* there are several */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
