/* SPDX-License-Identifier: MIT */
/*
 * A process that forks before it uses CUDA: parent and child both compute, at once. Asking for the
 * driver's version is no use. With --after, it forks once more, after it used CUDA: the child is told
 * CUDA_ERROR_NOT_INITIALIZED, whatever it calls, and the parent goes on, when the child has ended too.
 */
#include <sys/wait.h>
#include <unistd.h>
#include "increment.h"

static void compute(void)
{
	open_context();
	increment(1000);
}

static void expect(CUresult r, const char *what)
{
	if (r != CUDA_ERROR_NOT_INITIALIZED)
		fail("%s: %d in a child of a process that used CUDA", what, r);
}

static void ask(void)
{
	const char *name;
	CUcontext ctx;
	CUdeviceptr p;
	int n;

	expect(cuInit(0), "cuInit");
	expect(cuDeviceGetCount(&n), "cuDeviceGetCount");
	expect(cuCtxGetCurrent(&ctx), "cuCtxGetCurrent");
	expect(cuDevicePrimaryCtxRetain(&ctx, 0), "cuDevicePrimaryCtxRetain");
	expect(cuMemAlloc(&p, 64), "cuMemAlloc");
	expect(cuCtxSynchronize(), "cuCtxSynchronize");
	expect(cuInit(0), "cuInit again");
	CHECK_DRV(cuDriverGetVersion(&n));
	CHECK_DRV(cuGetErrorName(CUDA_ERROR_NOT_INITIALIZED, &name));
}

/* exit(), for what the library does at the end of a process. */
static pid_t fork_child(void (*run)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		run();
		exit(0);
	}
	return pid;
}

static void expect_success(pid_t pid, const char *who)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail("%s ended with status 0x%x", who, status);
}

int main(int argc, char **argv)
{
	int after = argc == 2 && !strcmp(argv[1], "--after");
	pid_t child;
	int version;

	if (argc != 1 + after) {
		fprintf(stderr, "usage: %s [--after]\n", argv[0]);
		return 2;
	}
	CHECK_DRV(cuDriverGetVersion(&version));
	child = fork_child(compute);
	open_context();
	increment(2000);
	expect_success(child, "the child forked before the first use");
	if (after) {
		child = fork_child(ask);
		increment(4000);
		expect_success(child, "the child forked after the first use");
		increment(5000);
	}
	return pass();
}
