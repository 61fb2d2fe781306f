/* SPDX-License-Identifier: MIT */
/*
 * What the programs share. A failed call or a wrong result says why on stdout, where a test runner
 * looks, and ends the program with status 1. One that reaches pass() has checked what it computed.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 1, 2), noreturn))
static inline void fail(const char *format, ...)
{
	va_list args;

	printf("FAIL: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(1);
}

static inline int pass(void)
{
	printf("PASS\n");
	return 0;
}

/* A call of the runtime API that must succeed. */
#define CHECK(call) do {							\
	cudaError_t check_error = (call);					\
	if (check_error != cudaSuccess)						\
		fail("%s:%d: %s: %s", __FILE__, __LINE__, #call,		\
		     cudaGetErrorName(check_error));				\
} while (0)

/* A launch has no result of its own: CUDA C++ Programming Guide, "Error Checking". */
#define CHECK_LAUNCH() CHECK(cudaGetLastError())

/* cuGetErrorName() leaves NULL for a number that it does not know. */
#define DRV_NAME(result) __extension__ ({					\
	const char *drv_name = NULL;						\
	cuGetErrorName(result, &drv_name);					\
	drv_name ? drv_name : "an unknown CUresult";				\
})

/* A call of the driver API that must succeed. */
#define CHECK_DRV(call) do {							\
	CUresult check_result = (call);						\
	if (check_result != CUDA_SUCCESS)					\
		fail("%s:%d: %s: %s", __FILE__, __LINE__, #call,		\
		     DRV_NAME(check_result));					\
} while (0)

/* The value of the one option that a program has; anything else on the command line is refused. */
static inline long only_option(int argc, char **argv, const char *name, long fallback,
			       long min, long max)
{
	char *end = NULL;
	long value = fallback;

	if (argc == 1)
		return fallback;
	if (argc == 3 && !strcmp(argv[1], name))
		value = strtol(argv[2], &end, 10);
	if (!end || end == argv[2] || *end || value < min || value > max) {
		fprintf(stderr, "usage: %s [%s %ld..%ld]\n", argv[0], name, min, max);
		exit(2);
	}
	return value;
}

#endif
