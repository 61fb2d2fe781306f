/* SPDX-License-Identifier: MIT */
/*
 * bulkbench.c - large copies beside plain TCP, and what a small launch waits behind one: make bulkbench
 *
 *	bulkbench [CONNECTIONS [MIB [SECONDS]]]
 *
 * Plain TCP: as many loopback connections to another process, a thread at each end of each, pieces
 * as large as a stripe. What comes is read into the same stripe of memory each time, or, as a copy
 * has to, from memory as large as the copy into memory as large as the copy. They and the copies
 * take turns, five times, to pageable and to pinned memory; medians. Then one thread copies 512 MiB again and again
 * while another launches an empty kernel and waits for it: how long that takes, in microseconds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define STRIPE		(512u << 10)
#define ROUNDS		5
#define LINKS_MAX	8
#define LATENCY_BYTES	(512ul << 20)
#define SAMPLES_MAX	200000

static const char ptx[] =
	".version 7.0\n.target sm_75\n.address_size 64\n"
	".visible .entry empty(.param .u64 p)\n{\n\tret;\n}\n";

static int links = 4;
static size_t bytes;
static double seconds;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* ---- plain TCP ---- */

struct end {
	int fd;
	uint8_t *p;
	size_t n;		/* bytes to pass */
	bool sends, stays;	/* the memory is one stripe, again and again */
};

static void *pass(void *arg)
{
	struct end *e = arg;
	size_t at, part;
	ssize_t got;

	for (at = 0; at < e->n; at += got) {
		part = STRIPE - at % STRIPE < e->n - at ? STRIPE - at % STRIPE : e->n - at;
		got = e->sends ? send(e->fd, e->p + (e->stays ? at % STRIPE : at), part, MSG_NOSIGNAL)
			       : recv(e->fd, e->p + (e->stays ? at % STRIPE : at), part, MSG_WAITALL);
		if (got <= 0)
			return e;
	}
	return NULL;
}

static bool pass_all(struct end *ends)
{
	pthread_t threads[LINKS_MAX];
	void *failed, *any = NULL;

	for (int i = 0; i < links; i++)
		if (pthread_create(&threads[i], NULL, pass, &ends[i]))
			die("pthread_create");
	for (int i = 0; i < links; i++) {
		pthread_join(threads[i], &failed);
		any = failed ? failed : any;
	}
	return !any;
}

/*
 * The peer process: everything comes, an answer goes; then everything goes, and an answer comes. In
 * turn in one stripe of memory for each connection, and in as much as there is to pass.
 */
static void peer(int *fds)
{
	struct end ends[LINKS_MAX];
	char yes = 1;

	for (int i = 0; i < links; i++)
		ends[i] = (struct end){ .fd = fds[i], .p = malloc(bytes / links), .n = bytes / links };
	for (;;) {
		for (int i = 0; i < links; i++)
			ends[i].stays = !ends[i].stays;
		for (int i = 0; i < links; i++)
			ends[i].sends = false;
		if (!pass_all(ends) || send(fds[0], &yes, 1, MSG_NOSIGNAL) != 1)
			_exit(0);
		for (int i = 0; i < links; i++)
			ends[i].sends = true;
		if (!pass_all(ends) || recv(fds[0], &yes, 1, 0) != 1)
			_exit(0);
	}
}

static void connect_peer(int *fds)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), theirs[LINKS_MAX], one = 1;
	socklen_t n = sizeof(a);

	if (listener < 0 || bind(listener, (struct sockaddr *)&a, n) || listen(listener, LINKS_MAX) ||
	    getsockname(listener, (struct sockaddr *)&a, &n))
		die("listen");
	for (int i = 0; i < links; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fds[i], (struct sockaddr *)&a, n))
			die("connect");
		theirs[i] = accept(listener, NULL, NULL);
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(theirs[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	if (!fork()) {
		for (int i = 0; i < links; i++)
			close(fds[i]);
		peer(theirs);
	}
	for (int i = 0; i < links; i++)
		close(theirs[i]);
	close(listener);
}

/* GB/s up and down. */
static void plain(int *fds, uint8_t *mem, double *up, double *down)
{
	struct end ends[LINKS_MAX];
	double start = now();
	char yes = 1;

	for (int i = 0; i < links; i++)
		ends[i] = (struct end){ .fd = fds[i], .p = mem + bytes / links * i,
					.n = bytes / links, .sends = true };
	if (!pass_all(ends) || recv(fds[0], &yes, 1, 0) != 1)
		die("plain TCP, up");
	*up = bytes / (now() - start) / 1e9;
	start = now();
	for (int i = 0; i < links; i++)
		ends[i].sends = false;
	if (!pass_all(ends))
		die("plain TCP, down");
	*down = bytes / (now() - start) / 1e9;
	if (send(fds[0], &yes, 1, MSG_NOSIGNAL) != 1)
		die("plain TCP");
}

/* ---- copies ---- */

static CUcontext ctx;

static void copies(CUdeviceptr dev, uint8_t *mem, double *up, double *down)
{
	double start = now();

	CHECK(cuMemcpyHtoD(dev, mem, bytes));
	CHECK(cuCtxSynchronize());
	*up = bytes / (now() - start) / 1e9;
	start = now();
	CHECK(cuMemcpyDtoH(mem, dev, bytes));
	*down = bytes / (now() - start) / 1e9;
}

static void pinned_copies(CUdeviceptr dev, uint8_t *mem, double *up, double *down)
{
	double start = now();

	CHECK(cuMemcpyHtoDAsync(dev, mem, bytes, CU_STREAM_LEGACY));
	CHECK(cuCtxSynchronize());
	*up = bytes / (now() - start) / 1e9;
	start = now();
	CHECK(cuMemcpyDtoHAsync(mem, dev, bytes, CU_STREAM_LEGACY));
	CHECK(cuCtxSynchronize());
	*down = bytes / (now() - start) / 1e9;
}

struct way {
	CUdeviceptr dev;
	uint8_t *mem;
	CUstream stream;
	bool up;
};

static void *one_way(void *arg)
{
	struct way *w = arg;

	CHECK(cuCtxSetCurrent(ctx));
	if (w->up)
		CHECK(cuMemcpyHtoDAsync(w->dev, w->mem, bytes, w->stream));
	else
		CHECK(cuMemcpyDtoHAsync(w->mem, w->dev, bytes, w->stream));
	CHECK(cuStreamSynchronize(w->stream));
	return NULL;
}

/* Both ways at once: GB/s of both together. */
static double both(struct way *ways)
{
	double start = now();
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, one_way, &ways[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 2 * bytes / (now() - start) / 1e9;
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(double), by_value);
	return v[ROUNDS / 2];
}

static void print_way(const char *what, double *v)
{
	double plain = median(v), copies = median(v + ROUNDS), pinned = median(v + 2 * ROUNDS);
	double memory = median(v + 3 * ROUNDS);

	printf("%s\tplain %.2f GB/s\tcopies %.2f GB/s\tratio %.2f\tpinned %.2f GB/s\tratio %.2f\t"
	       "plain, memory to memory %.2f GB/s\tratio %.2f\n",
	       what, plain, copies, copies / plain, pinned, pinned / plain, memory, copies / memory);
}

static void bandwidth(CUdeviceptr dev, uint8_t *mem, uint8_t *pinned)
{
	struct way ways[2] = { { dev, mem, NULL, true }, { dev + bytes, mem + bytes, NULL, false } };
	double up[4][ROUNDS], down[4][ROUNDS], two[ROUNDS], x, y;
	int fds[LINKS_MAX];

	for (int i = 0; i < 2; i++)
		CHECK(cuStreamCreate(&ways[i].stream, CU_STREAM_NON_BLOCKING));
	connect_peer(fds);
	plain(fds, mem, &x, &y);
	plain(fds, mem, &x, &y);
	copies(dev, mem, &x, &y);
	copies(dev + bytes, mem + bytes, &x, &y);
	for (int i = 0; i < ROUNDS; i++) {
		plain(fds, mem, &up[0][i], &down[0][i]);
		plain(fds, mem, &up[3][i], &down[3][i]);
		copies(dev, mem, &up[1][i], &down[1][i]);
		pinned_copies(dev, pinned, &up[2][i], &down[2][i]);
		two[i] = both(ways);
	}
	for (int i = 0; i < 2; i++)
		CHECK(cuStreamDestroy(ways[i].stream));
	print_way("to the device", up[0]);
	print_way("to the host", down[0]);
	printf("both at once\tcopies %.2f GB/s\n", median(two));
	for (int i = 0; i < links; i++)
		close(fds[i]);
}

/* ---- launches beside copies ---- */

static _Atomic bool enough;

struct copier {
	CUdeviceptr dev;
	uint8_t *mem;
	int kind;		/* 0: none */
};

static const char *const kinds[] = { "alone", "to the device", "to the host", "to pinned memory" };

static void *copier(void *arg)
{
	struct copier *c = arg;
	CUstream s;

	CHECK(cuCtxSetCurrent(ctx));
	CHECK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	while (c->kind && !enough) {
		if (c->kind == 1)
			CHECK(cuMemcpyHtoDAsync(c->dev, c->mem, LATENCY_BYTES, s));
		else
			CHECK(cuMemcpyDtoHAsync(c->mem, c->dev, LATENCY_BYTES, s));
		CHECK(cuStreamSynchronize(s));
	}
	CHECK(cuStreamDestroy(s));
	return NULL;
}

static void latency(CUfunction f, struct copier c)
{
	static double samples[SAMPLES_MAX];
	unsigned int n = 0;
	double start = now(), t;
	pthread_t thread;
	CUdeviceptr p = 0;
	void *params[] = { &p };
	CUstream s;

	enough = false;
	CHECK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	pthread_create(&thread, NULL, copier, &c);
	while (now() - start < seconds && n < SAMPLES_MAX) {
		t = now();
		CHECK(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, s, params, NULL));
		CHECK(cuStreamSynchronize(s));
		samples[n++] = (now() - t) * 1e6;
		usleep(200);
	}
	enough = true;
	pthread_join(thread, NULL);
	CHECK(cuStreamDestroy(s));
	qsort(samples, n, sizeof(double), by_value);
	printf("a launch, %s\tp50 %.0f us\tp90 %.0f us\tp99 %.0f us\n", kinds[c.kind],
	       samples[n / 2], samples[n * 9 / 10], samples[n * 99 / 100]);
}

int main(int argc, char **argv)
{
	size_t most;
	CUdeviceptr dev;
	uint8_t *mem, *pinned;
	CUmodule m;
	CUfunction f;

	links = argc > 1 ? atoi(argv[1]) : 4;
	bytes = (argc > 2 ? strtoul(argv[2], NULL, 10) : 256) << 20;
	seconds = argc > 3 ? atof(argv[3]) : 3;
	if (links < 1 || links > LINKS_MAX || !bytes) {
		fputs("usage: bulkbench [CONNECTIONS [MIB [SECONDS]]]\n", stderr);
		return 2;
	}
	bytes -= bytes % (links * (size_t)STRIPE);
	most = 2 * bytes > LATENCY_BYTES ? 2 * bytes : LATENCY_BYTES;
	mem = malloc(most);
	if (!mem)
		die("malloc");
	memset(mem, 1, most);
	CHECK(cuInit(0));
	CHECK(cuDevicePrimaryCtxRetain(&ctx, 0));
	CHECK(cuCtxSetCurrent(ctx));
	CHECK(cuMemAlloc(&dev, most));
	CHECK(cuModuleLoadData(&m, ptx));
	CHECK(cuModuleGetFunction(&f, m, "empty"));
	CHECK(cuMemHostAlloc((void **)&pinned, most, 0));
	bandwidth(dev, mem, pinned);
	for (int kind = 0; seconds > 0 && kind < 4; kind++)
		latency(f, (struct copier){ dev, kind == 3 ? pinned : mem, kind });
	CHECK(cuMemFree(dev));
	while (wait(NULL) > 0)
		;
	return 0;
}
