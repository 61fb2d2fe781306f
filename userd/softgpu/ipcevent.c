/* SPDX-License-Identifier: MIT */
#include "ipcevent.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "init.h"
#include "share.h"

#define PAGE		4096
#define LOOK_NS		50000000	/* how often a waiter looks whether the recorder lives */

struct counters {
	_Atomic uint64_t recorded, completed;
	_Atomic uint32_t change;		/* the futex */
	_Atomic int32_t recorder;		/* PID of the latest record ... */
	_Atomic uint64_t recorder_start;	/* ... and when it started */
};

struct ipc_event {
	unsigned int refs;			/* atomic: work gives its one back without the lock */
	int fd;
	struct counters *c;
};

static struct ipc_event *attach(int fd)
{
	struct ipc_event *e = calloc(1, sizeof(*e));
	void *p;

	if (!e)
		return NULL;
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		free(e);
		return NULL;
	}
	e->refs = 1;
	e->fd = fd;
	e->c = p;
	return e;
}

struct ipc_event *ipc_event_create(void)
{
	int fd = share_create(PAGE, 0);
	struct ipc_event *e = fd < 0 ? NULL : attach(fd);

	if (!e && fd >= 0)
		close(fd);
	return e;
}

void ipc_event_close(struct ipc_event *e)
{
	if (!e || __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL))
		return;
	munmap(e->c, PAGE);
	close(e->fd);
	free(e);
}

static void complete(struct counters *c, uint64_t nr)
{
	uint64_t old = c->completed;

	while (old < nr && !__atomic_compare_exchange_n(&c->completed, &old, nr, true,
							__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
	c->change++;
	syscall(SYS_futex, &c->change, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
}

uint64_t ipc_event_latest(const struct ipc_event *e)
{
	return e->c->recorded;
}

static bool recorder_lives(const struct counters *c)
{
	return share_process_start(c->recorder) == c->recorder_start;
}

static bool is_reached(const struct counters *c, uint64_t nr)
{
	return c->completed >= nr || !recorder_lives(c);
}

bool ipc_event_is_done(const struct ipc_event *e)
{
	return is_reached(e->c, e->c->recorded);
}

void ipc_event_wait(const struct ipc_event *e, uint64_t nr)
{
	static const struct timespec look = { .tv_nsec = LOOK_NS };

	for (;;) {
		uint32_t change = e->c->change;

		if (is_reached(e->c, nr))
			return;
		syscall(SYS_futex, &e->c->change, FUTEX_WAIT, change, &look, NULL, 0);
	}
}

struct ipc_work {
	struct work work;
	struct ipc_event *event;	/* a reference */
	uint64_t nr;
};

static CUresult record_run(struct work *w, struct context *ctx)
{
	(void)w;
	(void)ctx;
	return CUDA_SUCCESS;
}

/* Queued or not: somebody may be waiting for the number. */
static void record_destroy(struct work *w)
{
	struct ipc_work *i = (struct ipc_work *)w;

	complete(i->event->c, i->nr);
	ipc_event_close(i->event);
	free(i);
}

static CUresult wait_run(struct work *w, struct context *ctx)
{
	struct ipc_work *i = (struct ipc_work *)w;

	(void)ctx;
	ipc_event_wait(i->event, i->nr);
	return CUDA_SUCCESS;
}

static void wait_destroy(struct work *w)
{
	ipc_event_close(((struct ipc_work *)w)->event);
	free(w);
}

static struct ipc_work *work_create(struct ipc_event *e)
{
	struct ipc_work *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->event = e;
	__atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
	return i;
}

CUresult ipc_event_record(struct ipc_event *e, struct stream *s)
{
	struct ipc_work *i = work_create(e);

	if (!i)
		return CUDA_ERROR_OUT_OF_MEMORY;
	i->work.run = record_run;
	i->work.destroy = record_destroy;
	i->work.always = true;
	e->c->recorder = getpid();
	e->c->recorder_start = share_process_start(getpid());
	i->nr = ++e->c->recorded;
	return stream_submit(s, &i->work);
}

CUresult ipc_event_queue_wait(struct event *e, struct stream *s)
{
	struct ipc_work *i;

	if (ipc_event_is_done(e->ipc))
		return CUDA_SUCCESS;
	i = work_create(e->ipc);
	if (!i)
		return CUDA_ERROR_OUT_OF_MEMORY;
	i->work.run = wait_run;
	i->work.destroy = wait_destroy;
	i->nr = ipc_event_latest(e->ipc);
	return stream_submit(s, &i->work);
}

_Static_assert(sizeof(struct share_name) <= sizeof(CUipcEventHandle), "room");

CUresult cuIpcGetEventHandle(CUipcEventHandle *out, CUevent handle)
{
	struct share_name name;
	struct context *ctx;
	struct event *e;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	e = HANDLE_FIND(handle, HANDLE_EVENT);
	if (!out)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	if (!e || !e->ipc)
		return context_leave(CUDA_ERROR_INVALID_HANDLE);
	share_name(&name, SHARE_EVENT, e->ipc->fd);
	memset(out, 0, sizeof(*out));
	memcpy(out, &name, sizeof(name));
	return context_leave(CUDA_SUCCESS);
}

static CUresult open_event(struct context *ctx, const struct share_name *name, CUevent *out)
{
	struct event *e;
	CUresult r;
	int fd = share_open(name, SHARE_EVENT);

	if (!share_is_name(name, SHARE_EVENT))
		return CUDA_ERROR_MAP_FAILED;
	if (fd < 0)
		return CUDA_ERROR_INVALID_HANDLE;
	if (share_size(fd) != PAGE) {
		close(fd);
		return CUDA_ERROR_INVALID_HANDLE;
	}
	r = event_create(ctx, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING, &e);
	if (r != CUDA_SUCCESS) {
		close(fd);
		return r;
	}
	e->ipc = attach(fd);
	if (!e->ipc) {
		close(fd);
		event_destroy(e);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*out = HANDLE_OF(e);
	return CUDA_SUCCESS;
}

CUresult cuIpcOpenEventHandle(CUevent *out, CUipcEventHandle handle)
{
	struct share_name name;
	struct context *ctx;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	if (!out)
		return context_leave(CUDA_ERROR_INVALID_VALUE);
	memcpy(&name, &handle, sizeof(name));
	r = name.pid == getpid() ? CUDA_ERROR_INVALID_CONTEXT : open_event(ctx, &name, out);
	return context_leave(r);
}
