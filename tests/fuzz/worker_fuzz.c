/* SPDX-License-Identifier: MIT */
/*
 * worker_fuzz.c - any frames to the worker's decoder: every row, every body, on softgpu
 *
 * An input is what a client sends after the greeting, or, when its first frame is a HELLO, that
 * too. The session's code runs in this process as in vgpu-worker; recv() and sendmsg() are the
 * linker's wraps, so there is no socket to be slow. Each session begins with an empty table of
 * handles and no memory: what the one before has left is ended by the rows that end such objects.
 *
 * What the driver does not do here as elsewhere stands in worker_driver.c.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frames.h"
#include "log.h"
#include "run.h"
#include "worker.h"
#include "worker_driver.h"

#define MEM_LIMIT	(128ull << 20)
#define ANSWER_NS	10000000ull	/* a client answers no call after that, it has gone */
#define END_S		5		/* work that is still there then is a finding */

bool frames_count = true;
const uint64_t frames_numbers[] = {
	0, 1, 2, 8, 64, 4096, 1ull << 21, 1ull << 31, 1ull << 32, ~0ull, 1ull << 63,
	MEMORY_RANGE_BASE, MEMORY_RANGE_BASE + (2ull << 20), MEMORY_RANGE_BASE + MEMORY_RANGE_MIN,
	VWIRE_STREAM_LEGACY, VWIRE_DATA_MAX, VWIRE_FRAME_MAX, GEN_BLOB_MAX,
};
const size_t frames_nr_numbers = sizeof(frames_numbers) / sizeof(frames_numbers[0]);

static struct worker *w;

/* A worker gives nothing back one by one: it exits. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

static const uint8_t *input;
static size_t left;
static uint64_t begun;

/* ---- the connection ---- */

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *h, int flags);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms);
int __real_poll(struct pollfd *p, nfds_t n, int ms);

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	size_t part = n < left ? n : left;

	(void)fd, (void)flags;
	if (part)
		memcpy(p, input, part);
	input += part;
	left -= part;
	return part;
}

/* The bytes are read, so that a sanitizer sees where they are. */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *h, int flags)
{
	static volatile uint8_t last __attribute__((unused));
	ssize_t all = 0;

	(void)fd, (void)flags;
	for (size_t i = 0; i < h->msg_iovlen; i++) {
		const uint8_t *p = h->msg_iov[i].iov_base;

		for (size_t k = 0; k < h->msg_iov[i].iov_len; k++)
			last = p[k];
		all += h->msg_iov[i].iov_len;
	}
	return all;
}

int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	if (n != 1 || !(p->events & POLLRDHUP))
		return __real_poll(p, n, ms);
	p->revents = worker_now_ns() - begun > ANSWER_NS ? POLLRDHUP : 0;
	return p->revents != 0;
}

/* ---- which rows are reached ---- */

/*
 * FUZZ_ROWS names a file for it: each row the worker has, how often it was asked for, how often the
 * request was whole, and how often the arguments were right too, so that the driver was called.
 */
static struct {
	unsigned long asked, whole, right;
} reached[VWIRE_OP_CONTROL];
static gen_dispatch_fn body;

gen_dispatch_fn __real_gen_dispatch_find(uint16_t op);
gen_dispatch_fn __wrap_gen_dispatch_find(uint16_t op);

static void counted(struct request *rq)
{
	uint16_t op = rq->op;

	reached[op].asked++;
	body(rq);
	if (!rd_end(&rq->in))
		return;
	reached[op].whole++;
	reached[op].right += rq->err == CUDA_SUCCESS;
}

gen_dispatch_fn __wrap_gen_dispatch_find(uint16_t op)
{
	body = __real_gen_dispatch_find(op);
	return body ? counted : NULL;
}

static void write_rows(void)
{
	FILE *out = fopen(getenv("FUZZ_ROWS"), "w");

	for (unsigned int op = 0; out && op < VWIRE_OP_CONTROL; op++)
		if (__real_gen_dispatch_find(op))
			fprintf(out, "%s\t%lu\t%lu\t%lu\n", gen_name(op), reached[op].asked,
				reached[op].whole, reached[op].right);
	if (out)
		fclose(out);
}

/* ---- once ---- */

static void must(CUresult r, const char *what)
{
	if (!r)
		return;
	fprintf(stderr, "worker_fuzz: %s: %d\n", what, r);
	abort();
}

static void make_context(void)
{
	must(real.cuDevicePrimaryCtxRetain(&w->ctx, 0), "a context");
	must(real.cuCtxSetCurrent(w->ctx), "a context");
	memset(&w->copy, 0, sizeof(w->copy));
	must(copy_init(w), "memory for copies");
}

static void start(void)
{
	const char *path = getenv("FUZZ_CUDA");
	void *lib = dlopen(path ? path : FUZZ_CUDA, RTLD_NOW | RTLD_LOCAL);

	if (!lib) {
		fprintf(stderr, "worker_fuzz: %s\n", dlerror());
		exit(1);
	}
	setenv("SOFTGPU_STEP_LIMIT", "100000", 1);
	setenv("SOFTGPU_FAULTS", "context", 1);		/* new_context() ends them */
	log_init("worker_fuzz");
	log_set_level(getenv("FUZZ_LOG") ? log_level_parse(getenv("FUZZ_LOG")) : LOG_LEVEL_ERR);
	w = calloc(1, sizeof(*w));
	realcuda_load(&real, lib);
	worker_driver();
	must(real.cuInit(0), "cuInit");
	must(real.cuDeviceGetCount(&w->device.nr_devices), "devices");
	make_context();
	must(device_read(&w->device, 0), "the device");
	must(memory_init(&w->memory, 0, le64toh(w->device.head.total_mem)), "the range");
	must(wait_init(w), "waits");
	w->fd = w->control = -1;
	w->cache.dir = -1;
	w->memory.limit = w->lease.mem_limit = MEM_LIMIT;
	w->out.wants_status = true;
	strcpy(w->lease.lease.tenant, "fuzz");
	strcpy(w->lease.client, "fuzz");
	must(reply_init(w), "replies");
	if (getenv("FUZZ_ROWS"))
		atexit(write_rows);
}

/* ---- the input at hand ---- */

#define LAST_BYTES	(1u << 20)

/*
 * softgpu's threads take no signals, so nobody reports a crash there: then build/fuzz/worker/last
 * has the input, behind its length.
 */
static void note_input(const uint8_t *data, size_t size)
{
#ifndef FUZZ_MAIN
	static uint64_t *last;
	int fd;

	if (!last) {
		fd = open("last", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0 || ftruncate(fd, LAST_BYTES))
			return;
		last = mmap(NULL, LAST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (last == MAP_FAILED || size > LAST_BYTES - sizeof(*last))
		return;
	*last = size;
	memcpy(last + 1, data, size);
#else
	(void)data, (void)size;
#endif
}

/* ---- the end of a session ---- */

static void wait_for_jobs(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += END_S;
	pthread_mutex_lock(&w->wait.lock);
	while (w->wait.nr_jobs) {
		w->wait.nr_ended_waiters++;
		if (pthread_cond_timedwait(&w->wait.ended, &w->wait.lock, &end) == ETIMEDOUT) {
			fprintf(stderr, "worker_fuzz: %u jobs do not end\n", w->wait.nr_jobs);
			abort();
		}
		w->wait.nr_ended_waiters--;
	}
	pthread_mutex_unlock(&w->wait.lock);
}

static const struct {
	uint16_t kind, op;
	uint16_t bytes;		/* of the payload: the number and zeros */
} ends[] = {
	{ CUDA_HANDLE_graph_exec, CUDA_ID_cuGraphExecDestroy, sizeof(struct vwire_graph_exec) },
	{ CUDA_HANDLE_graph, CUDA_ID_cuGraphDestroy, 8 },
	{ CUDA_HANDLE_texture, CUDA_ID_cuTexObjectDestroy, 8 },
	{ CUDA_HANDLE_surface, CUDA_ID_cuSurfObjectDestroy, 8 },
	{ CUDA_HANDLE_link, CUDA_ID_cuLinkDestroy, 8 },
	{ CUDA_HANDLE_module, CUDA_ID_cuModuleUnload, 8 },
	{ CUDA_HANDLE_library, CUDA_ID_cuLibraryUnload, 8 },
	{ CUDA_HANDLE_mipmapped_array, CUDA_ID_cuMipmappedArrayDestroy, 8 },
	{ CUDA_HANDLE_array, CUDA_ID_cuArrayDestroy, 8 },
	{ CUDA_HANDLE_allocation, CUDA_ID_cuMemRelease, 8 },
	{ CUDA_HANDLE_texref, CUDA_ID_cuTexRefDestroy, 8 },
	{ CUDA_HANDLE_event, CUDA_ID_cuEventDestroy_v2, 8 },
	{ CUDA_HANDLE_stream, CUDA_ID_cuStreamDestroy_v2, 8 },
};

static void end_object(uint16_t op, size_t bytes, uint32_t number)
{
	uint64_t payload[4] = { number };
	static struct request rq;
	gen_dispatch_fn fn = __real_gen_dispatch_find(op);

	rq = (struct request){ .w = w, .op = op, .seq = ++w->last_seq };
	rq.in = rd_init(payload, bytes);
	fn(&rq);
}

/* The table moves when one goes. */
static void end_kind(uint16_t kind, uint16_t op, size_t bytes)
{
	for (uint32_t i = 0; i <= w->handles.mask; i++) {
		struct handle *h = &w->handles.slots[i];
		uint32_t number = h->number, nr = w->handles.nr;

		if (!number || h->kind != kind)
			continue;
		end_object(op, bytes, number);
		if (w->handles.nr < nr)
			i = -1;
	}
}

static void end_memory(void)
{
	struct memory *m = &w->memory;

	for (uint64_t i = 0; i < m->bytes / m->granularity; i++) {
		struct mapping *at = m->pages[i];

		if (at && at->physical)
			memory_unmap_physical(m, at->addr, at->size);
		else if (at)
			memory_unmap(m, at->addr, at->size);
	}
}

/* A kernel has broken the context. Only the primary one's reset mends that. */
static void new_context(void)
{
	if (!real.cuDevicePrimaryCtxReset_v2)
		return;
	w->wait.marks = w->wait.orphans = NULL;
	must(real.cuDevicePrimaryCtxReset_v2(0), "the reset");
	make_context();
}

static void end_functions(struct function_list *f)
{
	for (uint32_t i = 0; i < f->nr; i++)
		free(f->list[i].params);
	free(f->list);
}

static void end_session(void)
{
	wait_for_jobs();
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		end_kind(ends[i].kind, ends[i].op, ends[i].bytes);
	wait_for_jobs();
	modules_drop(w);
	end_memory();
	handles_fini(&w->handles);
	end_functions(&w->functions.given);
	end_functions(&w->functions.named);
	free(w->functions.pointers);
	w->functions = (struct functions){ 0 };
	if (w->lost || real.cuCtxSynchronize())
		new_context();
	w->lost = 0;
}

/* ---- a session ---- */

static void begin_session(void)
{
	must(handles_init(&w->handles, 1), "handles");
	hostcall_init(w);
	w->modules = (struct modules){ 0 };
	w->wait.legacy.busy = false;
	w->closing = false;
	w->out.last = false;
	w->out.dead = false;
	w->out.len = w->out.head = 0;
	w->reply_max = 0;
	w->last_seq = w->freed_untold = 0;
	w->memory.used = w->memory.peak = 0;
}

struct greeting {
	struct vwire_frame frame;
	struct vwire_hello hello;
};

static bool has_greeting(const uint8_t *data, size_t size)
{
	struct vwire_frame f;

	if (size < sizeof(f))
		return false;
	memcpy(&f, data, sizeof(f));
	return le16toh(f.op) == VWIRE_OP_HELLO;
}

static void serve(const uint8_t *data, size_t size)
{
	input = data;
	left = size;
	begun = worker_now_ns();
	worker_serve(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct greeting g = {
		.frame = { .size = htole32(sizeof(g)), .op = htole16(VWIRE_OP_HELLO) },
		.hello = { .version = htole32(VWIRE_VERSION), .reply_max = htole32(VWIRE_FRAME_MAX),
			   .table_hash = htole64(GEN_TABLE_HASH) },
	};
	uint8_t *all;

	if (!w)
		start();
	note_input(data, size);
	begin_session();
	if (has_greeting(data, size)) {
		serve(data, size);
	} else if ((all = malloc(sizeof(g) + size))) {
		memcpy(all, &g, sizeof(g));
		if (size)
			memcpy(all + sizeof(g), data, size);
		serve(all, sizeof(g) + size);
		free(all);
	}
	end_session();
	return 0;
}
