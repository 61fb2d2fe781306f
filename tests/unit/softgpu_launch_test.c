/* SPDX-License-Identifier: MIT */
/*
 * softgpu_launch_test.c - ways to launch beside cuLaunchKernel(), and what is asked before one
 */
#include "softgpu_child.h"

#define FAILS(r, call)	IS(call, r)

static const char ptx[] = PTX_HEAD
	/* p[ctaid] = a + b + f + ntid.x * ntid.y * 1000, for a grid of two dimensions */
	".visible .entry mix(.param .u64 pp, .param .u32 pa, .param .f32 pf, .param .u64 pb)\n"
	"{\n"
	"	.reg .b32 %r<12>; .reg .f32 %f<2>; .reg .b64 %rd<6>;\n"
	"	ld.param.u64 %rd1, [pp]; ld.param.u32 %r1, [pa]; ld.param.f32 %f1, [pf];\n"
	"	ld.param.u64 %rd2, [pb];\n"
	"	cvt.rzi.u32.f32 %r2, %f1; cvt.u32.u64 %r3, %rd2;\n"
	"	add.u32 %r1, %r1, %r2; add.u32 %r1, %r1, %r3;\n"
	"	mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y; mul.lo.u32 %r4, %r4, %r5;\n"
	"	mad.lo.u32 %r1, %r4, 1000, %r1;\n"
	"	mov.u32 %r6, %ctaid.x; mov.u32 %r7, %ctaid.y; mov.u32 %r8, %nctaid.x;\n"
	"	mad.lo.u32 %r6, %r7, %r8, %r6;\n"
	"	mul.wide.u32 %rd3, %r6, 4; add.u64 %rd4, %rd1, %rd3;\n"
	"	st.global.u32 [%rd4], %r1;\n"
	"	ret;\n"
	"}\n"
	/* *p = bytes of dynamic shared memory, if its last word can be written */
	".extern .shared .align 4 .b8 room[];\n"
	".visible .entry shared(.param .u64 pp)\n"
	"{\n"
	"	.reg .b32 %r<4>; .reg .b64 %rd<2>;\n"
	"	ld.param.u64 %rd1, [pp];\n"
	"	mov.u32 %r1, %dynamic_smem_size; mov.u32 %r2, room;\n"
	"	add.u32 %r2, %r2, %r1; st.shared.u32 [%r2+-4], %r1;\n"
	"	st.global.u32 [%rd1], %r1;\n"
	"	ret;\n"
	"}\n"
	".visible .entry nothing() { ret; }\n";

/* Newer than the toolkit's cuda.h. */
CUresult cuFuncGetParamCount(CUfunction f, size_t *count);
CUresult cuKernelGetParamCount(CUkernel kernel, size_t *count);

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

struct device {
	CUmodule mod;
	CUfunction mix, shared, nothing;
	CUdeviceptr p;
	CUstream s;
};

static struct device open_test(void)
{
	struct device d;

	open_device(0);
	OK(cuModuleLoadData(&d.mod, ptx));
	OK(cuModuleGetFunction(&d.mix, d.mod, "mix"));
	OK(cuModuleGetFunction(&d.shared, d.mod, "shared"));
	OK(cuModuleGetFunction(&d.nothing, d.mod, "nothing"));
	OK(cuMemAlloc(&d.p, 64));
	OK(cuMemsetD8(d.p, 0, 64));
	OK(cuCtxSynchronize());		/* d.s does not wait for it */
	OK(cuStreamCreate(&d.s, CU_STREAM_NON_BLOCKING));
	return d;
}

static uint32_t word(const struct device *d, int i)
{
	uint32_t v;

	OK(cuCtxSynchronize());
	OK(cuMemcpyDtoH(&v, d->p + 4 * i, 4));
	return v;
}

static void state_of_a_function(void)
{
	struct device d = open_test();
	uint64_t b = 300;

	/* Without a shape or parameters there is nothing to launch. */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunch(d.mix));
	OK(cuFuncSetBlockShape(d.mix, 4, 2, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunch(d.mix));
	OK(cuParamSetv(d.mix, 0, &d.p, sizeof(d.p)));
	OK(cuParamSeti(d.mix, 8, 1));
	OK(cuParamSetf(d.mix, 12, 20));
	OK(cuParamSetv(d.mix, 16, &b, sizeof(b)));
	OK(cuParamSetSize(d.mix, 20));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunch(d.mix));
	OK(cuParamSetSize(d.mix, 24));
	OK(cuLaunch(d.mix));
	IS(word(&d, 0), 8321);
	IS(word(&d, 1), 0);

	/* It stays for the next launch; a launch of another kind does not see it. */
	OK(cuParamSeti(d.mix, 8, 2));
	OK(cuLaunchGrid(d.mix, 2, 3));
	IS(word(&d, 5), 8322);
	IS(word(&d, 6), 0);
	OK(cuFuncSetBlockShape(d.mix, 1, 1, 1));
	OK(cuLaunchGridAsync(d.mix, 7, 1, d.s));
	OK(cuStreamSynchronize(d.s));
	IS(word(&d, 6), 1322);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuLaunchKernel(d.mix, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));

	OK(cuFuncSetBlockShape(d.shared, 32, 1, 1));
	OK(cuFuncSetSharedSize(d.shared, 4096));
	OK(cuParamSetv(d.shared, 0, &d.p, sizeof(d.p)));
	OK(cuParamSetSize(d.shared, 8));
	OK(cuLaunch(d.shared));
	IS(word(&d, 0), 4096);
	OK(cuFuncSetBlockShape(d.nothing, 1, 1, 1));
	OK(cuLaunch(d.nothing));
	OK(cuModuleUnload(d.mod));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunch(d.mix));
}

static void bad_values(void)
{
	struct device d = open_test();
	CUfunction none = (CUfunction)0x77;

	FAILS(CUDA_ERROR_INVALID_HANDLE, cuFuncSetBlockShape(none, 1, 1, 1));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuFuncSetSharedSize(none, 1));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuParamSetSize(none, 1));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuParamSeti(none, 0, 1));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunchGrid(NULL, 1, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncSetBlockShape(d.mix, 0, 1, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncSetBlockShape(d.mix, 1, -1, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetSize(d.mix, 32765));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSeti(d.mix, -4, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSeti(d.mix, 32761, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSeti(d.mix, 0x7fffffff, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetv(d.mix, 0, NULL, 4));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetv(d.mix, 4, &d, 0xfffffffe));
	OK(cuFuncSetBlockShape(d.nothing, 2048, 1, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunch(d.nothing));
	OK(cuFuncSetBlockShape(d.nothing, 32, 1, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchGrid(d.nothing, 0, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchGrid(d.nothing, 1, -1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchGrid(d.nothing, 1, 65536));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunchGridAsync(d.nothing, 1, 1, (CUstream)0x77));
	/* Textures that belong to a module are not supported. */
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuParamSetTexRef(d.mix, -1, NULL));
}

static void on_several_devices(void)
{
	struct device d = open_test();
	uint32_t a = 1;
	float f = 2;
	uint64_t b = 3;
	void *params[] = { &d.p, &a, &f, &b };
	CUDA_LAUNCH_PARAMS p[2] = { { d.mix, 1, 1, 1, 1, 1, 1, 0, d.s, params } };

	OK(cuLaunchCooperativeKernelMultiDevice(p, 1, 0));
	OK(cuStreamSynchronize(d.s));
	IS(word(&d, 0), 1006);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchCooperativeKernelMultiDevice(NULL, 1, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchCooperativeKernelMultiDevice(p, 0, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchCooperativeKernelMultiDevice(p, 1, 4));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchCooperativeKernelMultiDevice(p, 3, 0));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuLaunchCooperativeKernelMultiDevice(p, 2, 0));
	p[0].hStream = NULL;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchCooperativeKernelMultiDevice(p, 1, 0));
	p[0].hStream = CU_STREAM_PER_THREAD;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchCooperativeKernelMultiDevice(p, 1, 0));
	p[0].hStream = d.s;
	p[0].gridDimX = 1 << 20;
	FAILS(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
	      cuLaunchCooperativeKernelMultiDevice(p, 1, 0));
}

static void counts(void)
{
	struct device d = open_test();
	CUlibrary lib;
	CUkernel k;
	void *fn;
	size_t n;

	OK(cuFuncGetParamCount(d.mix, &n));
	IS(n, 4);
	OK(cuFuncGetParamCount(d.nothing, &n));
	IS(n, 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncGetParamCount(d.mix, NULL));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuFuncGetParamCount((CUfunction)0x77, &n));
	OK(cuLibraryLoadData(&lib, ptx, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetKernel(&k, lib, "mix"));
	OK(cuKernelGetParamCount(k, &n));
	IS(n, 4);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuKernelGetParamCount(k, NULL));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuKernelGetParamCount((CUkernel)0x77, &n));
	FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetUnifiedFunction(&fn, lib, "mix"));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLibraryGetUnifiedFunction(&fn, lib, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLibraryGetUnifiedFunction(NULL, lib, "mix"));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuLibraryGetUnifiedFunction(&fn, (CUlibrary)0x77, "mix"));
}

static void clusters(void)
{
	struct device d = open_test();
	CUlaunchAttribute a = { .id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
				.value.clusterDim = { 1, 1, 1 } };
	CUlaunchConfig c = { 4, 1, 1, 128, 1, 1, 0, NULL, &a, 1 };
	int n, blocks, sms;

	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, d.mix, 128, 0));
	OK(cuDeviceGetAttribute(&sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0));
	OK(cuOccupancyMaxPotentialClusterSize(&n, d.mix, &c));
	IS(n, 1);
	OK(cuOccupancyMaxActiveClusters(&n, d.mix, &c));
	IS(n, blocks * sms);
	a.value.clusterDim.x = 2;
	FAILS(CUDA_ERROR_INVALID_CLUSTER_SIZE, cuOccupancyMaxActiveClusters(&n, d.mix, &c));
	c.numAttrs = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuOccupancyMaxActiveClusters(&n, d.mix, &c));
	OK(cuOccupancyMaxPotentialClusterSize(&n, d.mix, &c));
	c.numAttrs = 1;
	c.blockDimX = 2000;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuOccupancyMaxPotentialClusterSize(&n, d.mix, &c));
	c.blockDimX = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuOccupancyMaxActiveClusters(&n, d.mix, &c));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuOccupancyMaxPotentialClusterSize(&n, d.mix, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuOccupancyMaxPotentialClusterSize(NULL, d.mix, &c));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuOccupancyMaxPotentialClusterSize(&n, NULL, &c));
}

#define TEST(name, fn, env)	static void name(void **state) { (void)state; IN_CHILD(fn, env); }
TEST(a_function_keeps_shape_and_parameters, state_of_a_function, "SOFTGPU_DEVICES=1")
TEST(bad_values_are_refused, bad_values, "SOFTGPU_DEVICES=1")
TEST(a_cooperative_grid_runs_on_one_device, on_several_devices, "SOFTGPU_DEVICES=2")
TEST(parameters_are_counted, counts, "SOFTGPU_DEVICES=1")
TEST(a_cluster_is_one_block, clusters, "SOFTGPU_DEVICES=1")

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_keeps_shape_and_parameters),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(a_cooperative_grid_runs_on_one_device),
		cmocka_unit_test(parameters_are_counted),
		cmocka_unit_test(a_cluster_is_one_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
