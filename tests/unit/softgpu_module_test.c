/* SPDX-License-Identifier: MIT */
/* softgpu_module_test.c - images and libraries that softgpu loads, and what kernels of nvcc's do there */
#include "softgpu_driver_bench.h"

#include <pthread.h>
#include <stdatomic.h>

static void bad_images_are_refused(void **state)
{
	char log[256] = "untouched";
	CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	void *values[] = { log, (void *)sizeof(log) };
	uint32_t fatbin[4] = { 0xba55ed50, 0x00100001, 1000,
			       0 }; /* claims more than it has in entries */
	uint32_t empty[4] = { 0xba55ed50, 0x00100001, 0, 0 };
	CUmodule m;

	(void)state;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuModuleLoadData(&m, NULL));
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, ""));
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, "\x01\x02\x03\x04"));
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, "looks like text \x01"));
	FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuModuleLoadData(&m, empty));
	fatbin[1] = 0x00100002;
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, fatbin));
	FAILS(CUDA_ERROR_INVALID_PTX,
	      cuModuleLoadDataEx(&m,
				 ".version 7.0\n.target sm_75\n.address_size 64\n.entry x() { "
				 "frob.u32 %r1; }\n",
				 2, options, values));
	assert_true(strlen(log) > 0 && strcmp(log, "untouched"));
	assert_int_equal((uintptr_t)values[1], strlen(log));
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, "hello, world"));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleUnload(m));
}

/* A fatbin with one stored PTX text, as nvcc --no-compress makes it. */
static void *stored_fatbin(const char *text, uint32_t arch)
{
	size_t len = strlen(text) + 1, padded = (len + 7) & ~(size_t)7;
	unsigned char *p = calloc(1, 16 + 64 + padded);
	uint64_t total = 64 + padded, flags = 0x11, payload = padded;

	memcpy(p, &(uint32_t){ 0xba55ed50 }, 4);
	memcpy(p + 4, &(uint32_t){ 0x00100001 }, 4);
	memcpy(p + 8, &total, 8);
	memcpy(p + 16, &(uint32_t){ 0x01010001 }, 4);	/* PTX */
	memcpy(p + 20, &(uint32_t){ 64 }, 4);
	memcpy(p + 24, &payload, 8);
	memcpy(p + 16 + 28, &arch, 4);
	memcpy(p + 16 + 40, &flags, 8);
	memcpy(p + 16 + 64, text, len);
	return p;
}

struct wrapper {
	uint32_t magic, version;
	const void *data;
	void **list;
};

static void wrappers_lead_to_their_fatbins(void **state)
{
	static const char caller[] =
		".version 7.0\n.target sm_75\n.address_size 64\n"
		".extern .func (.param .b32 r) twice (.param .b32 x);\n"
		".extern .global .align 4 .u32 bias;\n"
		".visible .entry k(.param .u64 pp, .param .u32 pv)\n"
		"{\n"
		"	.reg .b32 %r<5>; .reg .b64 %rd<3>;\n"
		"	ld.param.u64 %rd1, [pp]; ld.param.u32 %r1, [pv];\n"
		"	{ .param .b32 a; st.param.b32 [a], %r1; .param .b32 ret;\n"
		"	call.uni (ret), twice, (a); ld.param.b32 %r2, [ret]; }\n"
		"	mov.u64 %rd2, bias; ld.global.u32 %r3, [%rd2];\n"
		"	add.s32 %r4, %r2, %r3; st.global.u32 [%rd1], %r4;\n"
		"	ret;\n"
		"}\n";
	static const char callee[] =
		".version 7.0\n.target sm_75\n.address_size 64\n"
		".visible .global .align 4 .u32 bias = 1000;\n"
		".visible .func (.param .b32 r) twice (.param .b32 x)\n"
		"{\n"
		"	.reg .b32 %r<3>;\n"
		"	ld.param.b32 %r1, [x]; shl.b32 %r2, %r1, 1; st.param.b32 [r], %r2; ret;\n"
		"}\n";
	void *one = stored_fatbin(ptx, 75), *young = stored_fatbin(ptx, 90);
	void *list[] = { stored_fatbin(caller, 75), stored_fatbin(callee, 75), NULL };
	struct wrapper w = { 0x466243b1, 1, one, NULL };
	uint32_t v = 21;
	CUdeviceptr p;
	void *params[] = { &p, &v };
	CUfunction fn;
	CUmodule m;

	(void)state;
	OK(cuModuleLoadData(&m, &w));
	OK(cuModuleGetFunction(&fn, m, "count"));
	OK(cuModuleUnload(m));
	OK(cuModuleLoadFatBinary(&m, one));
	OK(cuModuleUnload(m));
	w.data = young;
	FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuModuleLoadData(&m, &w));
	w.version = 3;
	FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&m, &w));
	/* Two objects of nvcc -rdc=true: each text needs the other's symbols. */
	w = (struct wrapper){ 0x466243b1, 2, young, list };
	OK(cuModuleLoadData(&m, &w));
	OK(cuModuleGetFunction(&fn, m, "k"));
	OK(cuMemAlloc(&p, 4));
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	assert_int_equal(word_at(p), 1042);
	OK(cuModuleUnload(m));
	free(list[1]);
	list[1] = NULL;
	FAILS(CUDA_ERROR_INVALID_PTX, cuModuleLoadData(&m, &w));
	free(list[0]);
	free(one);
	free(young);
}

/* Where the build has put nvcc's fatbins: beside this program. */
static const char *fatbins(void)
{
	static char dir[4096];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 16);

	assert_true(n > 0);
	strcpy(strrchr(dir, '/'), "/fatbins");
	return access(dir, R_OK) ? NULL : dir;
}

static void *read_file(const char *dir, const char *name)
{
	char path[4096], *data;
	long n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.fatbin", dir, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	data = malloc(n);	/* exactly: a sanitizer sees a read too far */
	assert_int_equal(fread(data, 1, n, f), n);
	fclose(f);
	return data;
}

/* What nvcc makes of softgpu_fatbin.cu with each way of compression. */
static void nvcc_fatbins_run(void **state)
{
	static const char *const modes[] = { "default", "size", "speed", "none" };
	const char *dir = fatbins();
	uint32_t in[40], out[40];
	int factor = 3, n = 40;
	CUdeviceptr p;
	void *params[] = { &p, &factor, &n };
	CUfunction fn;
	CUmodule m;
	void *image;

	(void)state;
	if (!dir)
		skip();
	for (int i = 0; i < n; i++)
		in[i] = i;
	OK(cuMemAlloc(&p, sizeof(in)));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		image = read_file(dir, modes[i]);
		OK(cuModuleLoadData(&m, image));
		free(image);
		OK(cuModuleGetFunction(&fn, m, "scale"));
		OK(cuMemcpyHtoD(p, in, sizeof(in)));
		OK(cuLaunchKernel(fn, 2, 1, 1, 32, 1, 1, 0, NULL, params, NULL));
		OK(cuMemcpyDtoH(out, p, sizeof(out)));
		for (int j = 0; j < n; j++)
			assert_int_equal(out[j], 3 * j + 100);
		OK(cuModuleUnload(m));
	}
	image = read_file(dir, "sass");
	FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuModuleLoadData(&m, image));
	free(image);
}

static CUfunction from_default_fatbin(const char *name)
{
	const char *dir = fatbins();
	CUfunction fn;
	CUmodule m;
	void *image;

	if (!dir)
		skip();
	image = read_file(dir, "default");
	OK(cuModuleLoadData(&m, image));
	free(image);
	OK(cuModuleGetFunction(&fn, m, name));
	return fn;
}

static void printf_comes_out_at_synchronisation(void **state)
{
	CUfunction fn = from_default_fatbin("hello");
	FILE *capture = tmpfile();
	int number = 42, saved;
	char text[128] = "";

	(void)state;
	fflush(stdout);
	saved = dup(1);
	dup2(fileno(capture), 1);
	OK(launch1(fn, 1, 2, NULL, &number));
	OK(cuStreamSynchronize(NULL));
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	rewind(capture);
	assert_true(fread(text, 1, sizeof(text) - 1, capture) > 0);
	fclose(capture);
	assert_string_equal(text, "hello 42 from 0\nhello 42 from 1\n");
}

static void blocks_of_a_cooperative_grid_meet(void **state)
{
	enum { BLOCKS = 16 };
	CUfunction fn = from_default_fatbin("neighbours");
	CUlaunchAttribute attr = { .id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE };
	CUlaunchConfig config = {
		.gridDimX = BLOCKS, .gridDimY = 1, .gridDimZ = 1,
		.blockDimX = 64, .blockDimY = 1, .blockDimZ = 1,
		.attrs = &attr, .numAttrs = 1,
	};
	CUdeviceptr in, out;
	void *params[] = { &in, &out };
	int n[BLOCKS], supported;

	(void)state;
	OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 0));
	if (!supported)
		skip();
	OK(cuMemAlloc(&in, sizeof(n)));
	OK(cuMemAlloc(&out, sizeof(n)));
	attr.value.cooperative = 1;
	for (int form = 0; form < 2; form++) {
		OK(cuMemsetD8(out, 0, sizeof(n)));
		if (form)
			OK(cuLaunchKernelEx(&config, fn, params, NULL));
		else
			OK(cuLaunchCooperativeKernel(fn, BLOCKS, 1, 1, 64, 1, 1, 0, NULL, params));
		OK(cuMemcpyDtoH(n, out, sizeof(n)));
		for (int i = 0; i < BLOCKS; i++)
			assert_int_equal(n[i], (i + 1) % BLOCKS + 1);
	}
	attr = (CUlaunchAttribute){ .id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
				    .value.clusterDim = { 2, 1, 1 } };
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuLaunchKernelEx(&config, fn, params, NULL));
}

static void traps_and_assertions_have_their_own_errors(void **state)
{
	static const CUresult want[] = {
		CUDA_SUCCESS, CUDA_ERROR_LAUNCH_FAILED, CUDA_ERROR_ASSERT,
	};
	struct fixture *f = *state;
	CUcontext ctx;

	from_default_fatbin("fail");	/* or skip, before there is another context */
	for (int how = 0; how < 3; how++) {
		OK(cuCtxCreate(&ctx, NULL, 0, 0));
		OK(launch1(from_default_fatbin("fail"), 1, 1, NULL, &how));
		FAILS(want[how], cuCtxSynchronize());
		OK(cuCtxDestroy(ctx));
	}
	OK(cuCtxSetCurrent(f->ctx));
	OK(cuCtxSynchronize());
}

static void libraries_give_each_context_its_module(void **state)
{
	struct fixture *f = *state;
	CUlibrary lib;
	CUkernel k, all[8];
	CUmodule m1, m2;
	CUdeviceptr g1, g2;
	CUcontext other;
	CUfunction fn;
	const char *name;
	unsigned int nr;
	uint32_t v = 10;
	size_t off, n;
	int a;

	OK(cuLibraryLoadData(&lib, ptx, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetKernelCount(&nr, lib));
	assert_int_equal(nr, 5);
	OK(cuLibraryEnumerateKernels(all, 8, lib));
	OK(cuKernelGetName(&name, all[0]));
	OK(cuLibraryGetKernel(&k, lib, "bump"));
	FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetKernel(&k, lib, "nonesuch"));
	OK(cuKernelGetParamInfo(k, 0, &off, &n));
	assert_int_equal(n, 4);
	OK(cuKernelGetAttribute(&a, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, k, 0));
	assert_int_equal(a, 64);
	OK(cuLibraryGetModule(&m1, lib));
	OK(cuLibraryGetGlobal(&g1, NULL, lib, "counter"));
	/* A kernel in place of a function. */
	OK(launch1((CUfunction)k, 1, 1, NULL, &v));
	assert_int_equal(word_at(g1), 17);
	OK(cuKernelGetFunction(&fn, k));
	OK(launch1(fn, 1, 1, NULL, &v));
	assert_int_equal(word_at(g1), 27);
	OK(cuFuncGetAttribute(&a, CU_FUNC_ATTRIBUTE_NUM_REGS, (CUfunction)k));
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&a, (CUfunction)k, 64, 0));
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(cuLibraryGetModule(&m2, lib));
	assert_true(m1 != m2);
	OK(cuLibraryGetGlobal(&g2, NULL, lib, "counter"));
	assert_int_equal(word_at(g2), 7);
	OK(launch1((CUfunction)k, 1, 1, NULL, &v));
	assert_int_equal(word_at(g2), 17);
	/* A function belongs to its context. */
	FAILS(CUDA_ERROR_INVALID_HANDLE, launch1(fn, 1, 1, NULL, &v));
	FAILS(CUDA_ERROR_INVALID_HANDLE, launch1(f->gate.count, 1, 1, NULL, &v));
	OK(cuCtxDestroy(other));
	OK(launch1((CUfunction)k, 1, 1, NULL, &v));
	OK(cuLibraryUnload(lib));
	FAILS(CUDA_ERROR_INVALID_HANDLE, launch1((CUfunction)k, 1, 1, NULL, &v));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuLibraryUnload(lib));
}

struct unload {
	CUlibrary lib;
	CUkernel k;
	CUgraphExec exec;	/* of k, in the context that was current */
	CUfunction fn;		/* k there */
	pthread_t thread;
	CUresult r;
	_Atomic bool over;
};

static void *unload_library(void *arg)
{
	struct unload *u = arg;

	u->r = cuLibraryUnload(u->lib);
	u->over = true;
	return NULL;
}

static void load_with_graph(struct unload *u, const char *kernel, void **params)
{
	CUDA_KERNEL_NODE_PARAMS p = { .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1,
				      .blockDimY = 1, .blockDimZ = 1, .kernelParams = params };
	CUgraphNode node;
	CUgraph graph;

	OK(cuLibraryLoadData(&u->lib, ptx, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetKernel(&u->k, u->lib, kernel));
	OK(cuKernelGetFunction(&u->fn, u->k));
	p.func = u->fn;
	OK(cuGraphCreate(&graph, 0));
	OK(cuGraphAddKernelNode(&node, graph, NULL, 0, &p));
	OK(cuGraphInstantiateWithFlags(&u->exec, graph, 0));
	OK(cuGraphDestroy(graph));
}

/* Until it waits for what is queued. */
static void begin_unload(struct unload *u)
{
	const char *name;

	u->over = false;
	assert_int_equal(pthread_create(&u->thread, NULL, unload_library, u), 0);
	while (cuKernelGetName(&name, u->k) == CUDA_SUCCESS)
		pause_ms(1);
}

static void end_unload(struct unload *u)
{
	pthread_join(u->thread, NULL);
	OK(u->r);
	OK(cuGraphExecDestroy(u->exec));
}

static void a_library_that_is_being_unloaded_takes_no_new_work(void **state)
{
	struct fixture *f = *state;
	uint32_t v = 10;
	void *params[] = { &v };
	struct unload u;
	CUdeviceptr g;
	CUstream s;

	load_with_graph(&u, "bump", params);
	OK(cuLibraryGetGlobal(&g, NULL, u.lib, "counter"));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuGraphLaunch(u.exec, s));
	close_gate(&f->gate, s);
	begin_unload(&u);
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuGraphLaunch(u.exec, s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, launch1(u.fn, 1, 1, s, &v));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD32Async(g, 0, 1, s));
	open_gate(&f->gate);
	end_unload(&u);
	OK(cuStreamSynchronize(s));
}

static void a_library_outlives_its_kernels_in_another_contexts_streams(void **state)
{
	struct fixture *f = *state;
	uint32_t v = 5;
	CUdeviceptr p;
	void *params[] = { &p, &v };
	struct unload u;
	CUcontext other;
	CUstream s;

	OK(cuMemAlloc(&p, 4));
	load_with_graph(&u, "put", params);
	__atomic_store_n(f->gate.flag, 0, __ATOMIC_SEQ_CST);
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuStreamWaitValue32(s, (CUdeviceptr)(uintptr_t)f->gate.flag, 1, CU_STREAM_WAIT_VALUE_EQ));
	OK(cuGraphLaunch(u.exec, s));
	begin_unload(&u);
	pause_ms(20);
	assert_false(u.over);
	open_gate(&f->gate);
	end_unload(&u);
	OK(cuStreamSynchronize(s));
	assert_int_equal(word_at(p), 5);
	OK(cuCtxDestroy(other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(bad_images_are_refused),
		CASE(wrappers_lead_to_their_fatbins),
		CASE(nvcc_fatbins_run),
		CASE(printf_comes_out_at_synchronisation),
		CASE(blocks_of_a_cooperative_grid_meet),
		CASE(traps_and_assertions_have_their_own_errors),
		CASE(libraries_give_each_context_its_module),
		CASE(a_library_that_is_being_unloaded_takes_no_new_work),
		CASE(a_library_outlives_its_kernels_in_another_contexts_streams),
	};

	set_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
