// SPDX-License-Identifier: MIT
/*
 * launch_threads.c - launches a second when several threads launch at once, each on a stream of its own
 *
 *	launch_threads [BURST [ROUNDS [THREADS...]]]
 *
 * In each round the threads start together, each launches an empty kernel BURST times (1000) and then
 * waits; only the launching is timed. A line for each number of threads (1, 2, 4, 8), medians of ROUNDS
 * (20): launches a second in all, nanoseconds of wall clock and of the thread's processor for one
 * launch, and, through DGSF, system calls that woke the peer in a thousand launches.
 */
#include <cuda.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vgpu_stats.h"

#define THREADS_MAX	64
#define ROUNDS_MAX	1000

static const char ptx[] = ".version 7.0\n.target sm_52\n.address_size 64\n.visible .entry empty()\n{\n\tret;\n}\n";

static struct worker {
	pthread_t thread;
	CUstream stream;
	double start, end, cpu;		/* seconds, of one round */
} workers[THREADS_MAX];

static unsigned int burst = 1000, rounds = 20, nr_threads;
static pthread_barrier_t barrier;
static CUcontext context;
static CUfunction kernel;

static void check(CUresult r, const char *what)
{
	if (!r)
		return;
	fprintf(stderr, "launch_threads: %s returned %d\n", what, r);
	exit(1);
}

#define CHECK(call) check(call, #call)

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static uint64_t wakes(void)
{
	static const uint8_t id[16] = VGPU_STATS_ID;
	const struct vgpu_stats_table *table = NULL;
	struct vgpu_stats s = { 0 };

	if (!cuGetExportTable((const void **)&table, (const CUuuid *)id) && table)
		table->read(&s, sizeof(s));
	return s.wakes;
}

static void launch(struct worker *w)
{
	double cpu = now(CLOCK_THREAD_CPUTIME_ID);

	w->start = now(CLOCK_MONOTONIC);
	for (unsigned int i = 0; i < burst; i++)
		CHECK(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, w->stream, NULL, NULL));
	w->end = now(CLOCK_MONOTONIC);
	w->cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
}

static void *run(void *arg)
{
	struct worker *w = arg;

	CHECK(cuCtxSetCurrent(context));
	CHECK(cuStreamCreate(&w->stream, CU_STREAM_NON_BLOCKING));
	for (unsigned int i = 0; i < rounds; i++) {
		pthread_barrier_wait(&barrier);
		launch(w);
		CHECK(cuStreamSynchronize(w->stream));
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);	/* the numbers have been read */
	}
	CHECK(cuStreamDestroy(w->stream));
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, rounds, sizeof(*v), compare);
	return v[rounds / 2];
}

/* Of all threads: from the first launch to the last, and processor time for one launch. */
static void read_round(double *seconds, double *cpu)
{
	double start = workers[0].start, end = 0;

	*cpu = 0;
	for (unsigned int i = 0; i < nr_threads; i++) {
		start = workers[i].start < start ? workers[i].start : start;
		end = workers[i].end > end ? workers[i].end : end;
		*cpu += workers[i].cpu / nr_threads / burst;
	}
	*seconds = end - start;
}

static void measure(void)
{
	static double seconds[ROUNDS_MAX], cpu[ROUNDS_MAX];
	uint64_t woken = wakes();
	double all, wall;
	unsigned int i;

	pthread_barrier_init(&barrier, NULL, nr_threads + 1);
	for (i = 0; i < nr_threads; i++)
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]))
			check(CUDA_ERROR_OUT_OF_MEMORY, "pthread_create");
	for (i = 0; i < rounds; i++) {
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		read_round(&seconds[i], &cpu[i]);
		pthread_barrier_wait(&barrier);
	}
	for (i = 0; i < nr_threads; i++)
		pthread_join(workers[i].thread, NULL);
	all = (double)nr_threads * burst;
	wall = median(seconds);
	printf("%7u %12.0f %10.0f %10.0f %8.2f\n", nr_threads, all / wall, wall / burst * 1e9, median(cpu) * 1e9,
	       (wakes() - woken) * 1000 / (all * rounds));
	fflush(stdout);
	pthread_barrier_destroy(&barrier);
}

static unsigned int number(const char *s, unsigned int max)
{
	unsigned long n = strtoul(s, NULL, 10);

	if (!n || n > max) {
		fprintf(stderr, "launch_threads: a number from 1 to %u, not \"%s\"\n", max, s);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static const unsigned int usual[] = { 1, 2, 4, 8 };
	CUmodule module;
	CUdevice dev;

	if (argc > 1)
		burst = number(argv[1], 1000000);
	if (argc > 2)
		rounds = number(argv[2], ROUNDS_MAX);
	CHECK(cuInit(0));
	CHECK(cuDeviceGet(&dev, 0));
	CHECK(cuDevicePrimaryCtxRetain(&context, dev));
	CHECK(cuCtxSetCurrent(context));
	CHECK(cuModuleLoadData(&module, ptx));
	CHECK(cuModuleGetFunction(&kernel, module, "empty"));
	printf("threads   launches/s  ns (wall)   ns (cpu)  wakes/1000\n");
	for (int i = 0; i < (argc > 3 ? argc - 3 : 4); i++) {
		nr_threads = argc > 3 ? number(argv[i + 3], THREADS_MAX) : usual[i];
		measure();
	}
	CHECK(cuDevicePrimaryCtxRelease(dev));
	return 0;
}
