/* SPDX-License-Identifier: MIT */
/*
 * softgpu_error_test.c - faults of kernels: each has its own result, is the process's, or stays with
 * its context, and is told by the calls that tell it
 */
#include "softgpu_child.h"

#include <dlfcn.h>

#define FAILS(r, call)	IS(call, r)

static const char ptx[] =
	".version 7.0\n.target sm_75\n.address_size 64\n"
	".extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, "
	".param .b64 e);\n"
	".global .align 1 .b8 text[5] = {104, 101, 114, 101, 0};\n"
	".visible .entry none() { ret; }\n"
	".visible .entry address()\n{ .reg .b64 %d; mov.u64 %d, 16; st.global.u32 [%d], 1; ret; }\n"
	".visible .entry misaligned()\n"
	"{ .reg .b64 %d; .reg .b32 %r; mov.u64 %d, text; or.b64 %d, %d, 1; ld.global.u32 %r, [%d]; "
	"st.global.u32 [%d], %r; ret; }\n"
	".visible .entry assertion()\n"
	"{ .reg .b64 %d; mov.u64 %d, text; cvta.global.u64 %d, %d;\n"
	"  { .param .b64 a; .param .b64 b; .param .b32 c; .param .b64 d; .param .b64 e;\n"
	"  st.param.b64 [a], %d; st.param.b64 [b], %d; st.param.b32 [c], 7; st.param.b64 [d], %d;\n"
	"  st.param.b64 [e], 1; call.uni __assertfail, (a, b, c, d, e); } ret; }\n"
	".visible .entry instruction()\n{ bar.sync 16; ret; }\n"
	".visible .entry trapped()\n{ trap; ret; }\n"
	".visible .entry forever()\n{ L: bra L; }\n";

static const struct fault {
	const char *kernel;
	CUresult result;
} faults[] = {
	{ "address", CUDA_ERROR_ILLEGAL_ADDRESS },
	{ "misaligned", CUDA_ERROR_MISALIGNED_ADDRESS },
	{ "assertion", CUDA_ERROR_ASSERT },
	{ "instruction", CUDA_ERROR_ILLEGAL_INSTRUCTION },
	{ "trapped", CUDA_ERROR_LAUNCH_FAILED },
	{ "forever", CUDA_ERROR_LAUNCH_TIMEOUT },
};

struct things {
	CUmodule mod;
	CUfunction none;
	CUstream s;
	CUevent e;
	CUdeviceptr p;
	void *host;
};

static CUresult launch(CUfunction fn, CUstream s)
{
	return cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, s, NULL, NULL);
}

/* What there is in a current context before its kernel faults. */
static void make(struct things *t)
{
	OK(cuModuleLoadData(&t->mod, ptx));
	OK(cuModuleGetFunction(&t->none, t->mod, "none"));
	OK(cuStreamCreate(&t->s, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&t->e, 0));
	OK(cuMemAlloc(&t->p, 64));
	OK(cuMemHostAlloc(&t->host, 64, 0));
	OK(launch(t->none, t->s));
	OK(cuStreamSynchronize(t->s));
}

static void fault(const struct things *t, const struct fault *f)
{
	CUfunction fn;

	OK(cuModuleGetFunction(&fn, t->mod, f->kernel));
	OK(launch(fn, t->s));
	FAILS(f->result, cuStreamSynchronize(t->s));
}

static void calls_that_tell(const struct things *t, CUresult r)
{
	size_t n;
	CUdeviceptr p;
	CUfunction fn;
	CUmodule mod;
	CUstream s;
	CUevent e;
	uint32_t x = 0;
	void *host;
	int v;

	FAILS(r, cuStreamSynchronize(t->s));
	FAILS(r, cuStreamSynchronize(NULL));
	FAILS(r, cuStreamQuery(t->s));
	FAILS(r, cuCtxSynchronize());
	FAILS(r, launch(t->none, t->s));
	FAILS(r, launch(t->none, NULL));
	FAILS(r, cuMemAlloc(&p, 4));
	FAILS(r, cuMemHostAlloc(&host, 4, 0));
	FAILS(r, cuMemAllocAsync(&p, 4, t->s));
	FAILS(r, cuMemcpyHtoD(t->p, &x, 4));
	FAILS(r, cuMemcpyDtoHAsync(&x, t->p, 4, t->s));
	FAILS(r, cuMemsetD8(t->p, 0, 4));
	FAILS(r, cuMemGetInfo(&n, &n));
	FAILS(r, cuEventCreate(&e, 0));
	FAILS(r, cuEventRecord(t->e, t->s));
	FAILS(r, cuEventQuery(t->e));
	FAILS(r, cuEventSynchronize(t->e));
	FAILS(r, cuStreamCreate(&s, 0));
	FAILS(r, cuStreamWaitEvent(t->s, t->e, 0));
	FAILS(r, cuModuleLoadData(&mod, ptx));
	FAILS(r, cuModuleGetFunction(&fn, t->mod, "none"));
	FAILS(r, cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_NUM_REGS, t->none));
	FAILS(r, cuCtxGetLimit(&n, CU_LIMIT_STACK_SIZE));
}

static void calls_that_never_tell(CUcontext ctx)
{
	CUdriverProcAddressQueryResult q;
	unsigned int flags;
	CUcontext was;
	CUdevice dev;
	const char *s;
	char name[64];
	size_t n;
	void *fn;
	int v;

	OK(cuInit(0));
	OK(cuDriverGetVersion(&v));
	OK(cuDeviceGetCount(&v));
	OK(cuDeviceGet(&dev, 0));
	OK(cuDeviceGetName(name, sizeof(name), 0));
	OK(cuDeviceTotalMem(&n, 0));
	OK(cuDeviceGetAttribute(&v, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
	OK(cuDevicePrimaryCtxGetState(0, &flags, &v));
	OK(cuGetErrorName(CUDA_ERROR_ASSERT, &s));
	OK(cuGetErrorString(CUDA_ERROR_ASSERT, &s));
	OK(cuGetProcAddress("cuInit", &fn, 12000, 0, &q));
	OK(cuCtxGetDevice(&dev));
	OK(cuCtxGetApiVersion(ctx, &flags));
	OK(cuCtxPopCurrent(&was));
	TRUE(was == ctx);
	OK(cuCtxPushCurrent(ctx));
	OK(cuCtxSetCurrent(ctx));
	OK(cuCtxGetCurrent(&was));
	TRUE(was == ctx);
}

/* As drivers do: what is destroyed is gone, and the fault is told all the same. */
static void calls_that_end_things(const struct things *t, CUresult r)
{
	FAILS(r, cuMemFree(t->p));
	FAILS(r, cuMemFreeHost(t->host));
	FAILS(r, cuModuleUnload(t->mod));
	FAILS(r, cuEventDestroy(t->e));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventDestroy(t->e));
	FAILS(r, cuStreamDestroy(t->s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamDestroy(t->s));
}

static const struct fault *the_fault;

/* It is the process's: another context tells it, and there will be no other. */
static void whole_process(void)
{
	struct things t, other;
	CUcontext good, bad, none;
	CUresult r = the_fault->result;

	OK(cuInit(0));
	OK(cuDevicePrimaryCtxRetain(&good, 0));
	OK(cuCtxSetCurrent(good));
	make(&other);
	OK(cuCtxCreate(&bad, NULL, 0, 0));
	make(&t);
	fault(&t, the_fault);
	calls_that_tell(&t, r);
	calls_that_never_tell(bad);
	calls_that_tell(&t, r);
	OK(cuCtxPushCurrent(good));
	calls_that_tell(&other, r);
	calls_that_never_tell(good);
	OK(cuCtxPopCurrent(NULL));
	calls_that_end_things(&t, r);
	FAILS(r, cuCtxCreate(&none, NULL, 0, 0));
	OK(cuCtxDestroy(bad));
	OK(cuCtxGetCurrent(&none));
	TRUE(none == good);
	FAILS(r, cuCtxSynchronize());
	OK(cuDevicePrimaryCtxReset(0));
	FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxSynchronize());
	FAILS(r, cuDevicePrimaryCtxRetain(&none, 0));
	FAILS(r, cuCtxCreate(&none, NULL, 0, 0));
	OK(cuDevicePrimaryCtxRelease(0));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease(0));
}

static void each_fault_has_its_result_and_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		the_fault = &faults[i];
		IN_CHILD(whole_process, "SOFTGPU_STEP_LIMIT=100000");
	}
}

static void one_context(void)
{
	struct things t, other;
	CUcontext good, bad;

	OK(cuInit(0));
	OK(cuCtxCreate(&good, NULL, 0, 0));
	make(&other);
	OK(cuCtxCreate(&bad, NULL, 0, 0));
	make(&t);
	fault(&t, &faults[0]);
	calls_that_tell(&t, faults[0].result);
	/* Nobody else's. */
	OK(cuCtxPushCurrent(good));
	OK(launch(other.none, other.s));
	OK(cuStreamSynchronize(other.s));
	OK(cuCtxPopCurrent(NULL));
	OK(cuCtxDestroy(bad));
	OK(cuCtxSynchronize());
}

static void a_fault_can_be_its_context_s_alone(void **state)
{
	(void)state;
	IN_CHILD(one_context, "SOFTGPU_FAULTS=context");
}

static void first_fault(void)
{
	struct things t;
	CUcontext ctx;
	CUfunction fn;

	OK(cuInit(0));
	OK(cuCtxCreate(&ctx, NULL, 0, 0));
	make(&t);
	OK(cuModuleGetFunction(&fn, t.mod, "address"));
	fault(&t, &faults[4]);
	FAILS(CUDA_ERROR_LAUNCH_FAILED, launch(fn, t.s));
	FAILS(CUDA_ERROR_LAUNCH_FAILED, cuCtxSynchronize());
	OK(cuCtxDestroy(ctx));
	FAILS(CUDA_ERROR_LAUNCH_FAILED, cuCtxCreate(&ctx, NULL, 0, 0));
}

static void the_first_fault_counts(void **state)
{
	(void)state;
	IN_CHILD(first_fault, "SOFTGPU_FAULTS=process");
}

static void reset(void)
{
	struct things t;
	CUcontext ctx = open_device(0);

	for (int i = 0; i < 2; i++) {
		make(&t);
		fault(&t, &faults[i]);
		FAILS(faults[i].result, cuCtxSynchronize());
		OK(cuDevicePrimaryCtxReset(0));
		FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxSynchronize());
		OK(cuDevicePrimaryCtxRetain(&ctx, 0));
		OK(cuCtxSynchronize());
	}
	make(&t);
	OK(launch(t.none, NULL));
	OK(cuCtxSynchronize());
	for (int i = 0; i < 3; i++)
		OK(cuDevicePrimaryCtxRelease(0));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease(0));
}

static void resetting_a_primary_context_can_heal_it(void **state)
{
	(void)state;
	IN_CHILD(reset, "SOFTGPU_FAULTS=context");
}

/* Every enumerator of CUresult, by cuda.h's own text. */
static void names(void)
{
	FILE *f = fopen(CUDA_H, "re");
	char line[512], name[128];
	const char *s, *text;
	unsigned int found = 0;
	int code;

	TRUE(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %127[A-Z0-9_] = %d", name, &code) != 2 ||
		    (strncmp(name, "CUDA_ERROR_", 11) && strcmp(name, "CUDA_SUCCESS")))
			continue;
		OK(cuGetErrorName(code, &s));
		TRUE(!strcmp(s, name));
		OK(cuGetErrorString(code, &text));
		TRUE(text);
		TRUE(text[0] && strcmp(text, name));
		found++;
	}
	fclose(f);
	TRUE(found > 90);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGetErrorName(12345, &s));
	TRUE(!s);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGetErrorString(-1, &s));
	TRUE(!s);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGetErrorName(CUDA_SUCCESS, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuGetErrorString(CUDA_SUCCESS, NULL));
}

static void every_result_has_a_name_and_a_text(void **state)
{
	(void)state;
	IN_CHILD(names, NULL);
}

/* The runtime has texts of its own, but for two results that only the driver knows. */
static void texts(void)
{
	void *runtime = dlopen(CUDART, RTLD_NOW);
	const char *(*theirs)(int) = runtime ? dlsym(runtime, "cudaGetErrorString") : NULL;
	const char *unknown, *text;
	unsigned int found = 0;

	TRUE(theirs);
	unknown = theirs(-1);
	for (int code = 0; code < 1000; code++) {
		if (cuGetErrorString(code, &text) || !strcmp(theirs(code), unknown))
			continue;
		TRUE(!strcmp(text, theirs(code)));
		found++;
	}
	TRUE(found > 90);
}

static void texts_are_the_runtime_s(void **state)
{
	(void)state;
	if (access(CUDART, R_OK))
		skip();
	IN_CHILD(texts, NULL);
}

static void luids(void)
{
	unsigned int mask;
	char luid[8];

	OK(cuInit(0));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuDeviceGetLuid(luid, &mask, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetLuid(NULL, &mask, 0));
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetLuid(luid, &mask, 99));
}

static void linux_devices_have_no_luid(void **state)
{
	(void)state;
	IN_CHILD(luids, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_result_has_a_name_and_a_text),
		cmocka_unit_test(texts_are_the_runtime_s),
		cmocka_unit_test(linux_devices_have_no_luid),
		cmocka_unit_test(each_fault_has_its_result_and_stays),
		cmocka_unit_test(the_first_fault_counts),
		cmocka_unit_test(a_fault_can_be_its_context_s_alone),
		cmocka_unit_test(resetting_a_primary_context_can_heal_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
