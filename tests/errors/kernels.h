/* SPDX-License-Identifier: MIT */
/* Kernels that do nothing, and one for each way in which a kernel can fail. */
#ifndef KERNELS_H
#define KERNELS_H

static const char kernels_ptx[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .global .align 4 .u32 number = 3;\n"
	".visible .entry nothing()\n{\n\tret;\n}\n"
	".visible .entry two(.param .u64 two_p, .param .u32 two_n)\n{\n\tret;\n}\n"
	".visible .entry narrow() .maxntid 64, 1, 1\n{\n\tret;\n}\n"
	".visible .entry store(.param .u64 store_p)\n{\n"
	"\t.reg .b64 %rd<2>;\n\t.reg .b32 %r<2>;\n"
	"\tld.param.u64 %rd1, [store_p];\n\tmov.u32 %r1, 7;\n"
	"\tst.global.u32 [%rd1], %r1;\n\tret;\n}\n"
	".visible .entry stop()\n{\n\ttrap;\n}\n";

#endif
