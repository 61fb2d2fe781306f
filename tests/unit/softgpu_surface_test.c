/* SPDX-License-Identifier: MIT */
/*
 * softgpu_surface_test.c - what surface instructions do; objects of textures and surfaces, and what is none
 */
#include "softgpu_texture_bench.h"

static void wild_coordinates_do_no_harm(void **state)
{
	static const float wild[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f, -0.0f, 1 };
	struct image g = { .format = CU_AD_FORMAT_FLOAT,
			   .channels = 1,
			   .w = 4,
			   .h = 4,
			   .d = 6,
			   .dims = 2,
			   .flags = CUDA_ARRAY3D_CUBEMAP };
	CUDA_TEXTURE_DESC desc = { .filterMode = CU_TR_FILTER_MODE_LINEAR };
	static const char *const insns[] = {
		"tex.1d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1}];",
		"tex.a2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c0, %c1, %c2, %c3}];",
		"tex.3d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}];",
		"tex.acube.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c0, %c1, %c2, %c3}];",
		"tex.level.cube.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}], %c1;",
		"tex.grad.3d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}], "
		"{%c1, %c2, %c3, %c3}, {%c3, %c2, %c1, %c1};",
		"tld4.r.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];",
		"tex.3d.v4.f32.s32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}], {%c1, %c2, "
		"%c3, %c3};",
	};

	make_array(&g);
	for (int i = 0; i < 512; i++) {
		in[i].layer = i % 3 ? (uint32_t)-i : (uint32_t)i;
		for (int d = 0; d < 3; d++)
			in[i].at[d] = wild[i >> 3 * d & 7];
	}
	for (int mode = 0; mode < 4; mode++)
		for (int rest = 0; rest < 4; rest++)
			for (size_t i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
				CUtexObject t;

				desc.addressMode[0] = desc.addressMode[1] = desc.addressMode[2] =
					mode;
				desc.flags = (rest & 1 ? CU_TRSF_NORMALIZED_COORDINATES : 0) |
					     (rest & 2 ? CU_TRSF_SEAMLESS_CUBEMAP : 0);
				t = texture_of(g.array, &desc);
				run(*state, insns[i], t, 512);
				OK(cuTexObjectDestroy(t));
			}
	OK(cuArrayDestroy(g.array));
}

static void objects_describe_themselves(void **state)
{
	struct image g = { .format = CU_AD_FORMAT_HALF,
			   .channels = 2,
			   .w = 9,
			   .h = 7,
			   .d = 5,
			   .dims = 3,
			   .flags = CUDA_ARRAY3D_SURFACE_LDST };
	CUDA_TEXTURE_DESC desc = { .flags = CU_TRSF_NORMALIZED_COORDINATES };
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_ARRAY };
	CUtexObject t;
	CUsurfObject s;

	make_array(&g);
	t = texture_of(g.array, &desc);
	res.res.array.hArray = g.array;
	OK(cuSurfObjectCreate(&s, &res));
	run(*state, "txq.width.b32 %d0, [%t]; txq.height.b32 %d1, [%t]; txq.depth.b32 %d2, [%t]; "
	    "txq.channel_data_type.b32 %d3, [%t];", t, 1);
	assert_int_equal(out[0].u[0], 9);
	assert_int_equal(out[0].u[1], 7);
	assert_int_equal(out[0].u[2], 5);
	assert_int_equal(out[0].u[3], 0x10dd);
	run(*state, "txq.channel_order.b32 %d0, [%t]; txq.normalized_coords.b32 %d1, [%t]; "
	    "txq.array_size.b32 %d2, [%t]; istypep.texref %p, %t; selp.u32 %d3, 1, 0, %p;", t, 1);
	assert_int_equal(out[0].u[0], 0x10b2);
	assert_int_equal(out[0].u[1], 1);
	assert_int_equal(out[0].u[2], 0);
	assert_int_equal(out[0].u[3], 1);
	run(*state, "suq.width.b32 %d0, [%t]; suq.height.b32 %d1, [%t]; suq.depth.b32 %d2, [%t]; "
	    "istypep.surfref %p, %t; selp.u32 %d3, 1, 0, %p;", s, 1);
	assert_int_equal(out[0].u[0], 9);
	assert_int_equal(out[0].u[1], 7);
	assert_int_equal(out[0].u[2], 5);
	assert_int_equal(out[0].u[3], 1);
	run(*state, "istypep.texref %p, %t; selp.u32 %d0, 1, 0, %p; "
	    "istypep.samplerref %p, %t; selp.u32 %d1, 1, 0, %p;", s, 1);
	assert_int_equal(out[0].u[0], 0);
	assert_int_equal(out[0].u[1], 0);
	OK(cuArrayDestroy(g.array));
}

static CUsurfObject surface_of(struct image *g)
{
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_ARRAY };
	CUsurfObject s;

	g->flags |= CUDA_ARRAY3D_SURFACE_LDST;
	make_array(g);
	res.res.array.hArray = g->array;
	OK(cuSurfObjectCreate(&s, &res));
	return s;
}

static void surfaces_are_read_and_written(void **state)
{
	static const struct {
		const char *geom, *coords;
		unsigned int dims, w, h, d, flags;
	} shapes[] = {
		{ "1d", "{%c1}", 1, 16, 1, 1, 0 },
		{ "2d", "{%c1, %c2}", 2, 4, 4, 1, 0 },
		{ "3d", "{%c1, %c2, %c3, %c3}", 3, 4, 2, 2, 0 },
		{ "a1d", "{%c3, %c1}", 1, 4, 1, 4, CUDA_ARRAY3D_LAYERED },
		{ "a2d", "{%c3, %c1, %c2, %c2}", 2, 4, 2, 2, CUDA_ARRAY3D_LAYERED },
	};
	static const struct { const char *type, *regs; unsigned int bytes;
	} types[] = {
		{ "b8", "{%h0}", 1 },
		{ "b16", "{%h0}", 2 },
		{ "b32", "{%c12}", 4 },
		{ "b64", "{%q0}", 8 },
		{ "v2.b8", "{%h0, %h1}", 2 },
		{ "v2.b32", "{%c12, %c13}", 8 },
		{ "v4.b16", "{%h0, %h1, %h2, %h3}", 8 },
		{ "v4.b32", "{%c12, %c13, %c14, %c15}", 16 },
		{ "v2.b64", "{%q0, %q1}", 16 },
	};
	char insn[600], put[160], get[160];

	seed = 5;
	for (size_t k = 0; k < sizeof(shapes) / sizeof(shapes[0]); k++) {
		struct image g = { .format = CU_AD_FORMAT_UNSIGNED_INT32,
				   .channels = 4,
				   .w = shapes[k].w,
				   .h = shapes[k].h,
				   .d = shapes[k].d,
				   .dims = shapes[k].dims,
				   .flags = shapes[k].flags },
			     got;
		CUsurfObject s = surface_of(&g);

		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
			unsigned int n = 256 / types[i].bytes, row = g.w * 16 / types[i].bytes;

			/* a permutation of all places; what is read goes to the result */
			for (unsigned int p = 0; p < n; p++) {
				unsigned int at = p * 7 % n;

				in[p].s[1] = (int)(at % row * types[i].bytes);
				in[p].s[2] = (int)(at / row % g.h);
				in[p].s[3] = (int)(at / row / g.h);
			}
			snprintf(get, sizeof(get), "suld.b.%s.%s.trap %s, [%%t, %s];",
				 shapes[k].geom, types[i].type, types[i].regs, shapes[k].coords);
			snprintf(put, sizeof(put), "sust.b.%s.%s.trap [%%t, %s], %s;",
				 shapes[k].geom, types[i].type, shapes[k].coords, types[i].regs);
			/* complement every bit through registers */
			snprintf(
				insn, sizeof(insn),
				"%s not.b16 %%h0, %%h0; not.b16 %%h1, %%h1; "
				"not.b16 %%h2, %%h2; not.b16 %%h3, %%h3; not.b32 %%c12, %%c12; "
				"not.b32 %%c13, %%c13; not.b32 %%c14, %%c14; not.b32 %%c15, %%c15; "
				"not.b64 %%q0, %%q0; not.b64 %%q1, %%q1; %s",
				get, put);
			run(*state, insn, s, n);
			got = g;
			copy(&got, g.array, true);
			for (int b = 0; b < 256; b++)
				g.texels[b] ^= 0xff;
			if (memcmp(got.texels, g.texels, 256))
				fail_msg("%s / %s", get, put);
		}
		OK(cuSurfObjectDestroy(s));
		OK(cuArrayDestroy(g.array));
	}
}

static void the_edge_of_a_surface(void **state)
{
	struct image g = { .format = CU_AD_FORMAT_UNSIGNED_INT32,
			   .channels = 1,
			   .w = 4,
			   .h = 4,
			   .d = 1,
			   .dims = 2 },
		     got;
	CUsurfObject s = surface_of(&g);
	static const int at[][2] = {
		{ -4, 1 }, { 16, 1 }, { 4, -1 }, { 4, 4 }, { INT32_MIN, INT32_MAX - 3 }, { 8, 2 }
	};
	static const int clamped[] = { 4, 7, 1, 13, 12, 10 };	/* texel */

	for (int i = 0; i < 6; i++) {
		in[i].s[1] = at[i][0];
		in[i].s[2] = at[i][1];
		in[i].u[12] = 1000 + (uint32_t)i;
	}
	run(*state,
	    "suld.b.2d.b32.clamp {%d0}, [%t, {%c1, %c2}]; suld.b.2d.b32.zero {%d1}, [%t, {%c1, "
	    "%c2}];",
	    s, 6);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(out[i].u[0], ((uint32_t *)g.texels)[clamped[i]]);
		assert_int_equal(out[i].u[1], i == 5 ? ((uint32_t *)g.texels)[10] : 0);
	}
	run(*state, "sust.b.2d.b32.zero [%t, {%c1, %c2}], {%c12};", s, 6);
	got = g;
	((uint32_t *)g.texels)[10] = 1005;
	copy(&got, g.array, true);
	assert_memory_equal(got.texels, g.texels, 64);
	run(*state, "sust.b.2d.b32.clamp [%t, {%c1, %c2}], {%c12};", s, 6);
	for (int i = 0; i < 6; i++)
		((uint32_t *)g.texels)[clamped[i]] = 1000 + (uint32_t)i;
	copy(&got, g.array, true);
	assert_memory_equal(got.texels, g.texels, 64);
	FAILS(CUDA_ERROR_LAUNCH_FAILED,
	      try_run(*state, "suld.b.2d.b32.trap {%d0}, [%t, {%c1, %c2}];", s, 1));
}

static void surfaces_convert_formatted_stores(void **state)
{
	struct image g = {
		.format = CU_AD_FORMAT_SIGNED_INT8, .channels = 4, .w = 4, .h = 1, .d = 1, .dims = 1
	};
	CUsurfObject s = surface_of(&g);
	static const int8_t want[] = { 127, -128, 5, -5 };
	struct image h = {
		.format = CU_AD_FORMAT_HALF, .channels = 2, .w = 4, .h = 1, .d = 1, .dims = 1
	};

	in[0].s[1] = 2;
	in[0].s[12] = 1000;
	in[0].s[13] = -1000;
	in[0].s[14] = 5;
	in[0].s[15] = -5;
	run(*state, "sust.p.1d.v4.b32.trap [%t, {%c1}], {%c12, %c13, %c14, %c15};", s, 1);
	copy(&g, g.array, true);
	assert_memory_equal(g.texels + 8, want, 4);
	OK(cuArrayDestroy(g.array));
	s = surface_of(&h);
	in[0].s[12] = 0x3fc00000;	/* 1.5 */
	in[0].s[13] = 0x7f800000;
	run(*state, "sust.p.1d.v2.b32.trap [%t, {%c1}], {%c12, %c13};", s, 1);
	copy(&h, h.array, true);
	assert_int_equal(((uint16_t *)h.texels)[4], 0x3e00);
	assert_int_equal(((uint16_t *)h.texels)[5], 0x7c00);
	OK(cuArrayDestroy(h.array));
}

static void reductions_on_surfaces(void **state)
{
	static const struct { const char *op; uint32_t start; uint32_t want;
	} cases[] = {
		{ "b.add.2d.u32", 10, 10 + 96 * 97 / 2 },
		{ "b.min.2d.s32", 0xffffffff, 0xffffffff },
		{ "b.min.2d.u32", 0xffffffff, 1 },
		{ "b.max.2d.s32", 0xffffffff, 96 },
		{ "b.max.2d.u32", 0xffffffff, 0xffffffff },
		{ "b.and.2d.b32", 7, 0 },
		{ "b.or.2d.b32", 0x100, 0x17f },
		{ "p.add.2d.b32", 1, 1 + 96 * 97 / 2 },
		{ "p.min.2d.b32", 0xffffffff, 1 },
	};
	struct image g = { .format = CU_AD_FORMAT_UNSIGNED_INT32,
			   .channels = 1,
			   .w = 4,
			   .h = 4,
			   .d = 1,
			   .dims = 2 };
	CUsurfObject s = surface_of(&g);
	char insn[100];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool bytes = cases[i].op[0] == 'b';

		((uint32_t *)g.texels)[9] = cases[i].start;
		copy(&g, g.array, false);
		for (uint32_t k = 0; k < 96; k++) {
			in[k].u[12] = k + 1;
			in[k].s[1] = bytes ? 4 : 1;
			in[k].s[2] = 2;
		}
		snprintf(insn, sizeof(insn), "sured.%s.trap [%%t, {%%c1, %%c2}], %%c12;",
			 cases[i].op);
		run(*state, insn, s, 96);
		copy(&g, g.array, true);
		if (((uint32_t *)g.texels)[9] != cases[i].want)
			fail_msg("%s: %u is not %u", insn, ((uint32_t *)g.texels)[9],
				 cases[i].want);
	}
	OK(cuArrayDestroy(g.array));
}

/* Late enough that what should wait for it has begun to. */
static void CUDA_CB set_flags(void *flags)
{
	usleep(20000);
	for (int i = 0; i < 32; i++)
		__atomic_store_n((uint32_t *)flags + 16 * i, 1, __ATOMIC_SEQ_CST);
}

static const char fetch[] = "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];";

static void renew(struct fixture *f)
{
	OK(cuCtxDestroy(f->ctx));
	OK(cuCtxCreate(&f->ctx, NULL, 0, 0));
	OK(cuMemAlloc(&f->in, sizeof(in)));
	OK(cuMemAlloc(&f->out, sizeof(out)));
}

/* Garbage, destroyed objects, surfaces as textures, destroyed arrays: an error of the launch. */
static void handles_that_are_none(void **state)
{
	CUDA_TEXTURE_DESC desc = { 0 };
	struct image g;
	uint64_t handle;

	for (int how = 0; how < 6; how++) {
		g = (struct image){ .format = CU_AD_FORMAT_FLOAT,
				    .channels = 1,
				    .w = 4,
				    .h = 4,
				    .d = 1,
				    .dims = 2 };
		handle = surface_of(&g);
		if (how == 0)
			handle = 0;
		else if (how == 1)
			handle = 0xdeadbeefdeadbeef;
		else if (how != 2)
			handle = texture_of(g.array, &desc);
		if (how == 3)
			OK(cuTexObjectDestroy(handle));
		else if (how == 4)
			OK(cuArrayDestroy(g.array));
		else if (how == 5)
			renew(*state);
		FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, try_run(*state, fetch, handle, 32));
		FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
		renew(*state);
	}
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS,
	      try_run(*state, "sust.b.2d.b32.zero [%t, {%c1, %c2}], {%c12};", 77, 32));
	renew(*state);
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, try_run(*state, "txq.width.b32 %d0, [%t];", 77, 32));
	renew(*state);
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, try_run(*state, "suq.width.b32 %d0, [%t];", 77, 32));
	renew(*state);
}

/* A launch that returned is one that finds its objects, whatever happens to them afterwards. */
static void kernels_find_what_is_then_destroyed(void **state)
{
	struct image g = {
		.format = CU_AD_FORMAT_FLOAT, .channels = 1, .w = 4, .h = 4, .d = 1, .dims = 2
	};
	struct fixture *f = *state;
	CUDA_TEXTURE_DESC desc = { 0 };
	CUtexObject t;
	uint32_t *flag;
	CUfunction fn;
	CUmodule m;

	make_array(&g);
	t = texture_of(g.array, &desc);
	/* every thread waits for its flag, which a host function of another stream sets */
	OK(load("L: ld.volatile.global.u32 %c0, [%a]; setp.eq.u32 %p, %c0, 0; @%p bra L;"
		"tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];", &m));
	OK(cuModuleGetFunction(&fn, m, "k"));
	OK(cuMemHostAlloc((void **)&flag, 4096, 0));
	for (int how = 0; how < 2; how++) {
		CUdeviceptr p = (uintptr_t)flag;
		void *params[] = { &t, &p, &f->out };
		CUstream a, b;

		memset(flag, 0, 4096);
		OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
		OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
		OK(cuLaunchKernel(fn, 1, 1, 1, 32, 1, 1, 0, a, params, NULL));
		if (!how)		/* does not wait: nothing ends the kernel yet */
			OK(cuTexObjectDestroy(t));
		OK(cuLaunchHostFunc(b, set_flags, flag));
		if (how)
			OK(cuArrayDestroy(g.array));
		OK(cuCtxSynchronize());
		OK(cuMemcpyDtoH(out, f->out, 16));
		assert_true(out[0].f[0] == *(float *)g.texels);
		if (!how)
			FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectGetTextureDesc(&desc, t));
		if (!how)
			t = texture_of(g.array, &desc);
	}
}

static void surfaces_want_alignment(void **state)
{
	struct image g = {
		.format = CU_AD_FORMAT_FLOAT, .channels = 1, .w = 4, .h = 4, .d = 1, .dims = 2
	};
	CUsurfObject s = surface_of(&g);

	in[0].s[1] = 2;
	FAILS(CUDA_ERROR_MISALIGNED_ADDRESS,
	      try_run(*state, "suld.b.2d.b32.trap {%d0}, [%t, {%c1, %c2}];", s, 1));
}

static void what_is_refused_is_named(void **state)
{
	static const struct { const char *insn, *says;
	} cases[] = {
		{ "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}|%p, [%t, {%c1, %c2}];",
		  "residency predicate" },
		{ "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, %a, {%c1, %c2}];", "sampler" },
		{ "tex.2dms.v4.f32.s32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}];",
		  "tex.2dms" },
		{ "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}], %c4;",
		  "depth to compare" },
		{ "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1}];", "2 coordinates" },
		{ "tex.2d.v4.f32.f32 {%d0, %d1, %d2}, [%t, {%c1, %c2}];", "vector of 4" },
		{ "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t];", "coordinates" },
		{ "tex.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%c0, {%c1, %c2}];", "64 bits" },
		{ "tex.cube.v4.f32.s32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2, %c3, %c3}];",
		  "tex.cube" },
		{ "tex.2d.v4.f64.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];", "tex.2d.v4.f64" },
		{ "tex.2d {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];", "tex.2d" },
		{ "tex;", "tex" },
		{ "tld4.x.2d.v4.f32.f32 {%d0, %d1, %d2, %d3}, [%t, {%c1, %c2}];", "tld4.x" },
		{ "txq.colour.b32 %d0, [%t];", "txq.colour" },
		{ "suq.filter_mode.b32 %d0, [%t];", "suq.filter_mode" },
		{ "suld.b.2d.b32 {%d0}, [%t, {%c1, %c2}];", "suld.b.2d.b32" },
		{ "suld.p.2d.b32.trap {%d0}, [%t, {%c1, %c2}];", "suld.p" },
		{ "sust.b.2d.f32.trap [%t, {%c1, %c2}], {%c12};", "sust.b.2d.f32" },
		{ "sust.b.2d.v4.b64.trap [%t, {%c1, %c2}], {%q0, %q0, %q0, %q0};",
		  "sust.b.2d.v4.b64" },
		{ "sured.b.xor.2d.u32.trap [%t, {%c1, %c2}], %c12;", "sured.b.xor" },
		{ "sured.b.and.2d.u32.trap [%t, {%c1, %c2}], %c12;", "sured.b.and" },
		{ "ld.global.u32 %d0, [%t, {%c1}];", "address in brackets" },
	};
	char text[4096], log[512];
	CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	CUmodule m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *values[] = { log, (void *)sizeof(log) };

		memset(log, 0, sizeof(log));
		snprintf(text, sizeof(text), "%s%s%s", head, cases[i].insn, tail);
		if (cuModuleLoadDataEx(&m, text, 2, options, values) == CUDA_SUCCESS ||
		    !strstr(log, cases[i].says))
			fail_msg("%s: '%s'", cases[i].insn, log);
	}
	memset(log, 0, sizeof(log));
	assert_int_not_equal(cuModuleLoadDataEx(&m,
	      ".version 7.0\n.target sm_75\n.address_size 64\n.global .texref t;\n", 2, options,
	      (void *[]){ log, (void *)sizeof(log) }), CUDA_SUCCESS);
	assert_non_null(strstr(log, "texref"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(wild_coordinates_do_no_harm),
		CASE(objects_describe_themselves),
		CASE(surfaces_are_read_and_written),
		CASE(the_edge_of_a_surface),
		CASE(surfaces_convert_formatted_stores),
		CASE(reductions_on_surfaces),
		CASE(handles_that_are_none),
		CASE(kernels_find_what_is_then_destroyed),
		CASE(surfaces_want_alignment),
		CASE(what_is_refused_is_named),
	};

	setenv("SOFTGPU_FAULTS", "context", 1);	/* there are several */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
