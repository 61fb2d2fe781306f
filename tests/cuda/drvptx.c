/* SPDX-License-Identifier: MIT */
/* The driver API alone: PTX text, its global, and both ways to hand over a kernel's parameters. */
#include <cuda.h>
#include "dump.h"

#define N 1000

static const char ptx[] =
	".version 7.0\n"
	".target sm_70\n"
	".address_size 64\n"
	"\n"
	".visible .global .align 4 .u32 factor = 3;\n"
	"\n"
	"/* out[i] = in[i] * factor + offset */\n"
	".visible .entry scale(\n"
	"	.param .u64 scale_out,\n"
	"	.param .u64 scale_in,\n"
	"	.param .u32 scale_n,\n"
	"	.param .u32 scale_offset)\n"
	"{\n"
	"	.reg .pred %p<2>;\n"
	"	.reg .b32 %r<8>;\n"
	"	.reg .b64 %rd<6>;\n"
	"\n"
	"	mov.u32 %r1, %ctaid.x;\n"
	"	mov.u32 %r2, %ntid.x;\n"
	"	mov.u32 %r3, %tid.x;\n"
	"	mad.lo.u32 %r1, %r1, %r2, %r3;\n"
	"	ld.param.u32 %r4, [scale_n];\n"
	"	setp.ge.u32 %p1, %r1, %r4;\n"
	"	@%p1 bra $done;\n"
	"	ld.param.u64 %rd1, [scale_out];\n"
	"	ld.param.u64 %rd2, [scale_in];\n"
	"	cvta.to.global.u64 %rd1, %rd1;\n"
	"	cvta.to.global.u64 %rd2, %rd2;\n"
	"	mul.wide.u32 %rd3, %r1, 4;\n"
	"	add.s64 %rd4, %rd2, %rd3;\n"
	"	add.s64 %rd5, %rd1, %rd3;\n"
	"	ld.global.u32 %r5, [%rd4];\n"
	"	ld.global.u32 %r6, [factor];\n"
	"	ld.param.u32 %r7, [scale_offset];\n"
	"	mad.lo.u32 %r5, %r5, %r6, %r7;\n"
	"	st.global.u32 [%rd5], %r5;\n"
	"$done:\n"
	"	ret;\n"
	"}\n";

static CUdeviceptr dev_in, dev_out;

static void verify(unsigned factor, unsigned offset)
{
	unsigned out[N];

	CHECK_DRV(cuMemcpyDtoH(out, dev_out, sizeof(out)));
	dump("scaled", out, sizeof(out));
	for (unsigned i = 0; i < N; i++)
		if (out[i] != i * i * factor + offset)
			fail("element %u is %u, not %u", i, out[i], i * i * factor + offset);
}

static void launch_with_pointers(CUfunction scale, unsigned offset)
{
	unsigned n = N;
	void *params[] = { &dev_out, &dev_in, &n, &offset };

	CHECK_DRV(cuLaunchKernel(scale, (N + 127) / 128, 1, 1, 128, 1, 1, 0, NULL, params, NULL));
}

static void launch_with_buffer(CUfunction scale, unsigned offset)
{
	struct {
		CUdeviceptr out, in;
		unsigned n, offset;
	} params = { dev_out, dev_in, N, offset };
	size_t size = sizeof(params);
	void *extra[] = {
		CU_LAUNCH_PARAM_BUFFER_POINTER, &params,
		CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
		CU_LAUNCH_PARAM_END,
	};

	CHECK_DRV(cuLaunchKernel(scale, (N + 63) / 64, 1, 1, 64, 1, 1, 0, NULL, NULL, extra));
}

int main(void)
{
	unsigned in[N], factor = 0;
	size_t factor_size = 0;
	CUdevice device;
	CUcontext context;
	CUmodule module;
	CUfunction scale, missing;
	CUdeviceptr dev_factor;
	CUresult result;

	CHECK_DRV(cuInit(0));
	CHECK_DRV(cuDeviceGet(&device, 0));
	CHECK_DRV(cuDevicePrimaryCtxRetain(&context, device));
	CHECK_DRV(cuCtxSetCurrent(context));
	CHECK_DRV(cuModuleLoadData(&module, ptx));
	CHECK_DRV(cuModuleGetFunction(&scale, module, "scale"));
	result = cuModuleGetFunction(&missing, module, "scales");
	if (result != CUDA_ERROR_NOT_FOUND)
		fail("a kernel that is not there: %s", DRV_NAME(result));
	CHECK_DRV(cuModuleGetGlobal(&dev_factor, &factor_size, module, "factor"));
	if (factor_size != sizeof(factor))
		fail("the global has %zu bytes", factor_size);

	for (unsigned i = 0; i < N; i++)
		in[i] = i * i;
	CHECK_DRV(cuMemAlloc(&dev_in, sizeof(in)));
	CHECK_DRV(cuMemAlloc(&dev_out, sizeof(in)));
	CHECK_DRV(cuMemcpyHtoD(dev_in, in, sizeof(in)));

	CHECK_DRV(cuMemcpyDtoH(&factor, dev_factor, sizeof(factor)));
	if (factor != 3)
		fail("the global starts as %u, not 3", factor);
	launch_with_pointers(scale, 7);
	verify(3, 7);

	factor = 1000003;
	CHECK_DRV(cuMemcpyHtoD(dev_factor, &factor, sizeof(factor)));
	launch_with_buffer(scale, 11);
	verify(1000003, 11);

	CHECK_DRV(cuMemFree(dev_in));
	CHECK_DRV(cuMemFree(dev_out));
	CHECK_DRV(cuModuleUnload(module));
	CHECK_DRV(cuDevicePrimaryCtxRelease(device));
	return pass();
}
