/* SPDX-License-Identifier: MIT */
/*
 * softgpu_child.h - a driver reads its environment once, so each case here runs in a child of its own
 */
#ifndef SOFTGPU_CHILD_H
#define SOFTGPU_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <cuda.h>

/* In the child. */
#define IS(call, want)							\
	do {								\
		long got_ = (long)(call), want_ = (long)(want);		\
		if (got_ != want_) {					\
			fprintf(stderr, "%s:%d: %s: %ld, not %ld\n",	\
				__FILE__, __LINE__, #call, got_, want_);\
			_exit(1);					\
		}							\
	} while (0)
#define OK(call)	IS(call, CUDA_SUCCESS)
#define TRUE(what)	IS(!!(what), 1)

/* env: NAME=VALUE words, or NULL. */
static inline void in_child(void (*fn)(void), const char *const *env)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		for (; env && *env; env++)
			putenv((char *)*env);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define IN_CHILD(fn, ...) in_child(fn, (const char *const[]){ __VA_ARGS__, NULL })

/* A context on dev, current. */
static inline CUcontext open_device(int dev)
{
	CUcontext ctx;

	OK(cuInit(0));
	OK(cuDevicePrimaryCtxRetain(&ctx, dev));
	OK(cuCtxSetCurrent(ctx));
	return ctx;
}

#define PTX_HEAD	".version 7.5\n.target sm_75\n.address_size 64\n"

#endif
