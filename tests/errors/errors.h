/* SPDX-License-Identifier: MIT */
/*
 * What the programs of tests/errors share. BAD(call) makes a call that is wrong, or that tells what
 * an earlier one left, and prints a line: the call as it is written and its result. Lines have no
 * addresses and no times, so that tools/gputwin.py can compare what two drivers say.
 *
 * A driver may crash or hang on such a call. Each part of a program runs in a child; where it dies
 * the line ends in "crashed", and another child goes on with the next call, having made those
 * before the fatal one again in silence.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include <cuda.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS_MAX	512	/* of one part */
#define CALL_LIMIT_S	20

/* Of a part, in memory that its children share. */
struct progress {
	int at;			/* the call that is being made */
	int told;		/* calls that have their line */
	char call[512];
	bool fatal[CALLS_MAX];
};

static struct progress *progress;
static int calls;		/* of this child */

/* False: the call has killed a child before. */
static inline bool step(const char *text)
{
	if (calls + 1 >= CALLS_MAX)
		exit(4);
	progress->at = ++calls;
	snprintf(progress->call, sizeof(progress->call), "%s", text);
	alarm(CALL_LIMIT_S);
	return !progress->fatal[calls];
}

static inline const char *result_name(CUresult result)
{
	const char *name = NULL;

	return cuGetErrorName(result, &name) || !name ? "an unknown CUresult" : name;
}

static inline CUresult tell(CUresult result)
{
	alarm(0);
	if (calls > progress->told) {
		printf("%s: %s\n", progress->call, result_name(result));
		fflush(stdout);
		progress->told = calls;
	}
	return result;
}

#define BAD(call)	(step(#call) ? tell(call) : CUDA_ERROR_UNKNOWN)

/* A call that must succeed for the rest to mean anything. */
#define NEED(call) do {								\
	CUresult need = (call);							\
	if (need) {								\
		printf("%s: %s\n", #call, result_name(need));			\
		exit(3);							\
	}									\
} while (0)

/* A value that the last call gave. */
#define SHOW(value) do {							\
	if (calls > shown) {							\
		printf("\t%s = %lld\n", #value, (long long)(value));		\
		fflush(stdout);							\
	}									\
} while (0)

static int shown;		/* calls that earlier children told */

/* What no handle points to: memory that is there and holds nothing. */
static char junk[8192] __attribute__((unused));
#define JUNK(type)	((type)(void *)junk)

struct part {
	const char *name;
	void (*run)(void);
};

static inline void run_part(const struct part *part)
{
	int status;

	printf("# %s\n", part->name);
	memset(progress, 0, sizeof(*progress));
	for (;;) {
		pid_t child;

		fflush(stdout);
		child = fork();
		if (!child) {
			shown = progress->told;
			part->run();
			fflush(stdout);
			_exit(0);
		}
		waitpid(child, &status, 0);
		if (WIFEXITED(status))
			break;
		/* Between two calls, or in one that did no harm before: not what is asked here. */
		if (progress->fatal[progress->at] || progress->at <= progress->told) {
			printf("killed by signal %d after %s\n", WTERMSIG(status), progress->call);
			exit(5);
		}
		printf("%s: %s\n", progress->call,
		       WTERMSIG(status) == SIGALRM ? "hung" : "crashed");
		progress->fatal[progress->at] = true;
		progress->told = progress->at;
	}
	if (WEXITSTATUS(status)) {
		printf("%s ended with %d\n", part->name, WEXITSTATUS(status));
		exit(WEXITSTATUS(status));
	}
}

static inline int run_parts(const struct part *parts, int count)
{
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		return 6;
	for (int i = 0; i < count; i++)
		run_part(&parts[i]);
	return 0;
}

#define PARTS(...)								\
	int main(void)								\
	{									\
		static const struct part parts[] = { __VA_ARGS__ };		\
										\
		return run_parts(parts, sizeof(parts) / sizeof(parts[0]));	\
	}

static inline CUcontext start(void)
{
	CUcontext ctx;

	NEED(cuInit(0));
	NEED(cuDevicePrimaryCtxRetain(&ctx, 0));
	NEED(cuCtxSetCurrent(ctx));
	return ctx;
}

#endif
