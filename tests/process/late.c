/* SPDX-License-Identifier: MIT */
/* liblate.so: loaded after libcuda.so.1 and without a need of it, so its destructor runs after. */
#include "late.h"

#include <stdio.h>

static struct late_calls cu;

void late_remember(const struct late_calls *calls)
{
	cu = *calls;
}

__attribute__((destructor)) static void late(void)
{
	unsigned char byte;
	CUdeviceptr p = 0;
	CUcontext ctx;
	CUstream s;

	if (!cu.init)
		return;
	printf("late: %d %d %d %d %d %d %d\n", cu.init(0), cu.retain(&ctx, 0), cu.alloc(&p, 64),
	       cu.stream_create(&s, 0), cu.memset8(0x1000, 0, 1, NULL), cu.copy_out(&byte, 0x1000, 1),
	       cu.synchronize());
	fflush(stdout);
}
