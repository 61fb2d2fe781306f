/* SPDX-License-Identifier: MIT */
/*
 * A module of --kernels N (default 100) kernels, of which the last is launched: every one is found by name, tells its attributes, and is its own.
 */
#include "dump.h"
#include "increment.h"

#define KERNEL_BYTES 512

static char *make_text(int n)
{
	char *text = malloc(256 + (size_t)n * KERNEL_BYTES), *p = text;
	int i;

	if (!text)
		fail("no memory");
	p += sprintf(p, ".version 7.0\n.target sm_70\n.address_size 64\n");
	for (i = 0; i < n; i++)
		p += sprintf(p, ".visible .entry k%d(.param .u64 k%d_p)\n{\n\t.reg .b64 %%rd<2>;\n\t.reg .b32 %%r<2>;\n"
				"\tld.param.u64 %%rd1, [k%d_p];\n\tmov.u32 %%r1, %d;\n\tst.global.u32 [%%rd1], %%r1;\n\tret;\n}\n",
			     i, i, i, 1000 + i);
	return text;
}

static void check_kernel(CUmodule module, int i, CUfunction *fn)
{
	const char *found;
	char name[16];
	int threads;

	sprintf(name, "k%d", i);
	CHECK_DRV(cuModuleGetFunction(fn, module, name));
	CHECK_DRV(cuFuncGetName(&found, *fn));
	if (strcmp(found, name))
		fail("%s is called %s", name, found);
	CHECK_DRV(cuFuncGetAttribute(&threads, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, *fn));
	if (threads < 32 || threads > 1024)
		fail("%s: %d threads a block", name, threads);
}

int main(int argc, char **argv)
{
	int n = only_option(argc, argv, "--kernels", 100, 1, 10000), i, value = 0;
	CUdeviceptr dev;
	CUcontext ctx;
	CUdevice device;
	CUmodule module;
	CUfunction fn;
	void *params[] = { &dev };
	char *text;

	CHECK_DRV(cuInit(0));
	CHECK_DRV(cuDeviceGet(&device, 0));
	CHECK_DRV(cuDevicePrimaryCtxRetain(&ctx, device));
	CHECK_DRV(cuCtxSetCurrent(ctx));
	text = make_text(n);
	CHECK_DRV(cuModuleLoadData(&module, text));
	free(text);
	for (i = 0; i < n; i++)
		check_kernel(module, i, &fn);
	CHECK_DRV(cuMemAlloc(&dev, sizeof(value)));
	CHECK_DRV(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	CHECK_DRV(cuMemcpyDtoH(&value, dev, sizeof(value)));
	dump("the last", &value, sizeof(value));
	if (value != 1000 + n - 1)
		fail("the last kernel wrote %d", value);
	return pass();
}
