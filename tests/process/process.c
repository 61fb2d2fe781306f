/* SPDX-License-Identifier: MIT */
/*
 * process.c - libcuda.so.1 opened by hand: closed and opened again, called when the process ends, and
 * left while threads are in it. The argument names the case; tests/e2e/process_test.py runs them.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cuda/check.h"
#include "late.h"

static struct late_calls cu;
static char **paths;			/* of plugins */

static void *must_find(void *lib, const char *name)
{
	void *fn = dlsym(lib, name);

	if (!fn)
		fail("no %s", name);
	return fn;
}

static void *load(void)
{
	void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		fail("%s", dlerror());
#define FIND(fn, symbol) cu.fn = must_find(lib, symbol)
	LATE_CALLS(FIND);
	return lib;
}

#define OK(call) do {								\
	CUresult ok_result = (call);						\
	if (ok_result)								\
		fail("%s:%d: %s: %d", __FILE__, __LINE__, #call, ok_result);	\
} while (0)

/* Leaves a context, a stream and memory behind: what a program that closes the library forgot. */
static void use(unsigned char value)
{
	unsigned char back[256];
	CUcontext ctx;
	CUdeviceptr p;
	CUstream s;

	OK(cu.init(0));
	OK(cu.retain(&ctx, 0));
	OK(cu.set_current(ctx));
	OK(cu.stream_create(&s, CU_STREAM_NON_BLOCKING));
	OK(cu.alloc(&p, sizeof(back)));
	OK(cu.memset8(p, value, sizeof(back), s));
	OK(cu.stream_synchronize(s));
	OK(cu.copy_out(back, p, sizeof(back)));
	for (unsigned int i = 0; i < sizeof(back); i++)
		if (back[i] != value)
			fail("byte %u is %u, not %u", i, back[i], value);
}

static void *use_in_thread(void *value)
{
	use((uintptr_t)value);
	return NULL;
}

static void in_thread(unsigned char value)
{
	pthread_t t;

	if (pthread_create(&t, NULL, use_in_thread, (void *)(uintptr_t)value) || pthread_join(t, NULL))
		fail("no thread");
}

/* Threads that used the library are gone before it is, and others end after it. */
static void reopen(void)
{
	for (int i = 1; i < 5; i++) {
		void *lib = load();

		use(i);
		in_thread(i + 100);
		if (dlclose(lib))
			fail("dlclose: %s", dlerror());
	}
}

static int stage;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* Has a stream of its own, which is ended when the thread is: when the library has been closed. */
static void *use_own_stream(void *unused)
{
	CUdeviceptr p;

	use(7);
	OK(cu.alloc(&p, 64));
	OK(cu.memset8_ptsz(p, 1, 64, NULL));
	pthread_mutex_lock(&lock);
	stage = 1;
	pthread_cond_broadcast(&changed);
	while (stage < 2)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return unused;
}

static void thread_outlives(void)
{
	void *lib = load();
	pthread_t t;

	pthread_mutex_lock(&lock);
	if (pthread_create(&t, NULL, use_own_stream, NULL))
		fail("no thread");
	while (stage < 1)
		pthread_cond_wait(&changed, &lock);
	if (dlclose(lib))
		fail("dlclose: %s", dlerror());
	stage = 2;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	if (pthread_join(t, NULL))
		fail("join");
	load();
	use(8);
}

/* After a handler was registered by pthread_atfork() from code that is gone. */
static void fork_after_close(void)
{
	void *lib = load();
	int status;
	pid_t pid;

	use(1);
	dlclose(lib);
	pid = fork();
	if (!pid) {
		load();
		exit(cu.init(0) != CUDA_ERROR_NOT_INITIALIZED);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fail("the child ended with status 0x%x", status);
	load();
	use(2);
}

static void *busy(void *unused)
{
	CUcontext ctx;
	CUdeviceptr p;

	(void)unused;
	if (cu.retain(&ctx, 0) || cu.set_current(ctx) || cu.alloc(&p, 1 << 20))
		fail("a thread cannot begin");
	for (;;)
		if (cu.memset8(p, 1, 1 << 20, NULL) || cu.synchronize())
			pause();		/* the process ends */
	return NULL;
}

static void exit_beside_threads(void)
{
	pthread_t t;

	load();
	use(3);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&t, NULL, busy, NULL))
			fail("no thread");
	usleep(50000);
}

/* Whatever lock a thread of the parent has, the child needs none. */
static void fork_beside_threads(void)
{
	int status;
	pid_t pid;

	exit_beside_threads();
	for (int i = 0; i < 50; i++) {
		pid = fork();
		if (!pid)
			exit(cu.init(0) != CUDA_ERROR_NOT_INITIALIZED ||
			     cu.synchronize() != CUDA_ERROR_NOT_INITIALIZED);
		if (waitpid(pid, &status, 0) != pid || status)
			fail("child %d ended with status 0x%x", i, status);
	}
}

static void registered_first(void)
{
	CUdeviceptr p;
	CUresult r = cu.alloc(&p, 64);

	printf("atexit: %d\n", r);
	fflush(stdout);
}

/* Handlers run while the library is still there; a library's destructor, after its own. */
static void calls_at_the_end(void)
{
	void (*remember)(const struct late_calls *);
	void *late;

	atexit(registered_first);
	load();
	use(4);
	/* whole: a sanitizer's dlopen() does not look where this program says */
	late = dlopen(LATE, RTLD_NOW);
	if (!late)
		fail("%s", dlerror());
	remember = must_find(late, "late_remember");
	remember(&cu);
}

/* exec() leaves the session of the process to its end; exit() in a child that used nothing, the parent's. */
static void fork_and_exec(void)
{
	int status;
	pid_t pid;

	load();
	use(5);
	for (int way = 0; way < 2; way++) {
		pid = fork();
		if (!pid && way)
			exit(0);
		if (!pid) {
			execl("/proc/self/exe", "process", "reopen", NULL);
			_exit(127);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			fail("child %d ended with status 0x%x", way, status);
		use(6 + way);
	}
}

/* A child is told that it has no driver, and a host function that it may not call it. */
static void call_and_fork(void *arg)
{
	int *status = arg;
	pid_t pid;

	if (cu.synchronize() != CUDA_ERROR_NOT_PERMITTED)
		return;
	pid = fork();
	if (!pid)
		_exit(cu.synchronize() != CUDA_ERROR_NOT_INITIALIZED ||
		      cu.init(0) != CUDA_ERROR_NOT_INITIALIZED);
	waitpid(pid, status, 0);
}

static void fork_in_host_function(void)
{
	int status = -1;
	CUstream s;

	load();
	use(6);
	OK(cu.stream_create(&s, CU_STREAM_NON_BLOCKING));
	OK(cu.launch_host_func(s, call_and_fork, &status));
	OK(cu.stream_synchronize(s));
	if (status)
		fail("the child ended with status 0x%x", status);
}

/* A server that has a context for each request, for days. */
static size_t after_contexts(int nr)
{
	CUcontext ctx;
	struct mallinfo2 m;

	while (nr--) {
		OK(cu.ctx_create(&ctx, NULL, 0, 0));
		OK(cu.ctx_destroy(ctx));
	}
	m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

static void contexts_come_and_go(void)
{
	size_t before, after;

	mallopt(M_ARENA_MAX, 1);
	load();
	use(7);
	before = after_contexts(200);
	after = after_contexts(2000);
	if (after > before + 2000 * sizeof(void *))
		fail("%zu bytes are in use after 2000 more, %zu before", after, before);
}

struct plugin {
	void *lib;
	int *(*alloc)(int n);
	int (*add)(int *p, int n, int v);
	int (*take)(int *out, int *p, int n);
	int (*version)(void);
};

static void open_plugin(struct plugin *p, const char *path)
{
	p->lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!p->lib)
		fail("%s", dlerror());
	p->alloc = must_find(p->lib, "plugin_alloc");
	p->add = must_find(p->lib, "plugin_add");
	p->take = must_find(p->lib, "plugin_take");
	p->version = must_find(p->lib, "plugin_version");
}

#define NR_NUMBERS	32

/* Each of nr adds to memory that p[owner] has, in one context. */
static void add_all(struct plugin *p, int nr, int owner)
{
	int out[NR_NUMBERS], *dev = p[owner].alloc(NR_NUMBERS), r = dev ? 0 : -1;

	for (int k = 0; k < nr && !r; k++)
		r = p[k].add(dev, NR_NUMBERS, 10 * k);
	if (!r)
		r = p[owner].take(out, dev, NR_NUMBERS);
	if (r)
		fail("%s: error %d", paths[owner], r);
	for (int k = 0; k < NR_NUMBERS; k++)
		if (out[k] != 5 * nr * (nr - 1) + nr)
			fail("%s: [%d] is %d", paths[owner], k, out[k]);
}

/* All are opened and closed, thrice. */
static void plugins(void)
{
	struct plugin p[8];
	int nr;

	for (int round = 0; round < 3; round++) {
		for (nr = 0; nr < 8 && paths[nr]; nr++)
			open_plugin(&p[nr], paths[nr]);
		for (int i = 0; i < nr; i++) {
			add_all(p, nr, i);
			if (!round)
				printf("runtime %d\n", p[i].version());
		}
		while (nr)
			if (dlclose(p[--nr].lib))
				fail("dlclose: %s", dlerror());
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{ "reopen", reopen },
		{ "thread_outlives", thread_outlives },
		{ "fork_after_close", fork_after_close },
		{ "plugins", plugins },
		{ "exit_beside_threads", exit_beside_threads },
		{ "fork_beside_threads", fork_beside_threads },
		{ "calls_at_the_end", calls_at_the_end },
		{ "fork_and_exec", fork_and_exec },
		{ "contexts_come_and_go", contexts_come_and_go },
		{ "fork_in_host_function", fork_in_host_function },
	};

	for (unsigned int i = 0; argc >= 2 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!strcmp(argv[1], cases[i].name)) {
			paths = argv + 2;
			cases[i].run();
			return pass();
		}
	fprintf(stderr, "usage: %s CASE [PLUGIN...]\n", argv[0]);
	return 2;
}
