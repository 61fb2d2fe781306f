/* SPDX-License-Identifier: MIT */
/* The smallest whole use of the driver API: a PTX module that adds 1 to each element. */
#ifndef INCREMENT_H
#define INCREMENT_H

#include <cuda.h>
#include "check.h"

static const char increment_ptx[] =
	".version 7.0\n"
	".target sm_70\n"
	".address_size 64\n"
	"\n"
	".visible .entry increment(\n"
	"	.param .u64 increment_data)\n"
	"{\n"
	"	.reg .b32 %r<3>;\n"
	"	.reg .b64 %rd<3>;\n"
	"\n"
	"	ld.param.u64 %rd1, [increment_data];\n"
	"	cvta.to.global.u64 %rd1, %rd1;\n"
	"	mov.u32 %r1, %tid.x;\n"
	"	mul.wide.u32 %rd2, %r1, 4;\n"
	"	add.s64 %rd1, %rd1, %rd2;\n"
	"	ld.global.u32 %r2, [%rd1];\n"
	"	add.u32 %r2, %r2, 1;\n"
	"	st.global.u32 [%rd1], %r2;\n"
	"	ret;\n"
	"}\n";

/* In the current context. */
static inline void increment(unsigned first)
{
	unsigned data[256];
	CUmodule module;
	CUfunction function;
	CUdeviceptr dev_data;
	void *params[] = { &dev_data };

	for (unsigned i = 0; i < 256; i++)
		data[i] = first + i * i;
	CHECK_DRV(cuModuleLoadData(&module, increment_ptx));
	CHECK_DRV(cuModuleGetFunction(&function, module, "increment"));
	CHECK_DRV(cuMemAlloc(&dev_data, sizeof(data)));
	CHECK_DRV(cuMemcpyHtoD(dev_data, data, sizeof(data)));
	CHECK_DRV(cuLaunchKernel(function, 1, 1, 1, 256, 1, 1, 0, NULL, params, NULL));
	CHECK_DRV(cuMemcpyDtoH(data, dev_data, sizeof(data)));
	for (unsigned i = 0; i < 256; i++)
		if (data[i] != first + i * i + 1)
			fail("element %u is %u, not %u", i, data[i], first + i * i + 1);
	CHECK_DRV(cuMemFree(dev_data));
	CHECK_DRV(cuModuleUnload(module));
}

static inline void open_context(void)
{
	CUdevice device;
	CUcontext context;

	CHECK_DRV(cuInit(0));
	CHECK_DRV(cuDeviceGet(&device, 0));
	CHECK_DRV(cuDevicePrimaryCtxRetain(&context, device));
	CHECK_DRV(cuCtxSetCurrent(context));
}

#endif
