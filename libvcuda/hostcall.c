// SPDX-License-Identifier: MIT
/*
 * hostcall.c - functions of the program, called when the server's streams come to them
 *
 * The server holds the stream until the function has returned. Nobody may be waiting for replies
 * meanwhile, so the thread that calls the functions reads what comes in as long as some are
 * expected. It never waits for the server, and what it sends needs no room to be made for.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "graph/hostfunc.h"
#include "hostcall.h"
#include "ring.h"
#include "vcuda_graph.h"

#define BUCKETS		256
/* A native driver's queue is as long: who is further ahead of a function waits for it there too. */
#define AHEAD_CALLS	512
#define AHEAD_BYTES	(4u << 20)

struct pending {
	struct pending *next;
	uint64_t call;
	uint32_t token;
	CUresult result;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;	/* all of the following */
static struct slot *slots[BUCKETS];
static uint32_t last_token;
static struct pending *first, **last = &first;
static bool started;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;		/* what is expected, or first, has changed */
_Atomic unsigned int vcuda_calls_expected;
static _Atomic bool waiting;		/* first is not NULL */
static _Atomic uint64_t stored;			/* the last launch that stores here */
static unsigned int ahead_calls;
static size_t ahead_bytes;
static __thread bool inside, own_thread;

/* ---- slots ---- */

struct slot *vcuda_slot_new(const struct slot *s)
{
	struct slot *new = malloc(sizeof(*new));

	if (!new)
		return NULL;
	*new = *s;
	pthread_mutex_lock(&lock);
	do
		new->token = ++last_token;
	while (!new->token);
	new->next_token = slots[new->token % BUCKETS];
	slots[new->token % BUCKETS] = new;
	pthread_mutex_unlock(&lock);
	return new;
}

static struct slot **find(uint32_t token)
{
	struct slot **p = &slots[token % BUCKETS];

	while (*p && (*p)->token != token)
		p = &(*p)->next_token;
	return p;
}

void vcuda_slot_free(struct slot *s)
{
	struct slot **p;

	pthread_mutex_lock(&lock);
	p = find(s->token);
	if (*p == s)
		*p = s->next_token;
	pthread_mutex_unlock(&lock);
	free(s);
}

/* A copy of the slot, so that its owner may free it; what is called once goes. */
static bool take(uint32_t token, struct slot *out)
{
	struct slot **p, *s;

	pthread_mutex_lock(&lock);
	p = find(token);
	s = *p;
	if (s) {
		*out = *s;
		if (s->once)
			*p = s->next_token;
	}
	pthread_mutex_unlock(&lock);
	if (s && out->once)
		free(s);
	return s != NULL;
}

/* ---- host memory of copies ---- */

size_t vcuda_copy_bytes(const CUDA_MEMCPY3D *c)
{
	return c->WidthInBytes * c->Height * c->Depth;
}

static uint8_t *row(const CUDA_MEMCPY3D *c, bool dst, size_t n)
{
	size_t y = n % c->Height, z = n / c->Height;

	if (dst)
		return (uint8_t *)c->dstHost + c->dstXInBytes +
		       ((c->dstZ + z) * c->dstHeight + c->dstY + y) * c->dstPitch;
	return (uint8_t *)c->srcHost + c->srcXInBytes +
	       ((c->srcZ + z) * c->srcHeight + c->srcY + y) * c->srcPitch;
}

void vcuda_rows(const CUDA_MEMCPY3D *c, bool store, uint64_t offset, uint8_t *packed, size_t n)
{
	while (n) {
		size_t at = offset % c->WidthInBytes, part = c->WidthInBytes - at;
		uint8_t *p = row(c, store, offset / c->WidthInBytes) + at;

		if (part > n)
			part = n;
		if (store)
			memcpy(p, packed, part);
		else
			memcpy(packed, p, part);
		packed += part;
		offset += part;
		n -= part;
	}
}

static void copy_here(const CUDA_MEMCPY3D *c)
{
	size_t i;

	for (i = 0; i < c->Height * c->Depth; i++)
		memmove(row(c, true, i), row(c, false, i), c->WidthInBytes);
}

/* ---- what is expected ---- */

bool vcuda_in_hostcall(void)
{
	return inside;
}

void hostfunc_call(CUhostFn fn, void *arg)
{
	bool before = inside;

	inside = true;
	fn(arg);
	inside = before;
}

bool vcuda_host_may_change(void)
{
	return vcuda_hostcalls() || !vcuda_is_done(stored);
}

void vcuda_host_changes(uint64_t seq)
{
	stored = seq;
}

void vcuda_hostcall_expect(unsigned int nr)
{
	if (!nr)
		return;
	pthread_mutex_lock(&lock);
	if (!vcuda_calls_expected)
		ahead_calls = ahead_bytes = 0;
	vcuda_calls_expected += nr;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
}

static void none_left(void)
{
	vcuda_calls_expected = 0;
	ahead_calls = ahead_bytes = 0;
	pthread_cond_broadcast(&cond);
}

void vcuda_hostcall_forget(void)
{
	pthread_mutex_lock(&lock);
	none_left();
	pthread_mutex_unlock(&lock);
}

static void over(void)
{
	pthread_mutex_lock(&lock);
	if (vcuda_calls_expected && !--vcuda_calls_expected)
		none_left();
	pthread_mutex_unlock(&lock);
	vcuda_receive_wake();
}

static bool settled(void)
{
	return !vcuda_hostcalls() || vcuda_sticky_error();
}

/* All functions that are expected have been called, or never will be. */
static void settle(void)
{
	if (vcuda_hostcalls() && !own_thread)
		vcuda_receive_until(settled);
}

void vcuda_hostcall_throttle(size_t bytes)
{
	bool far;

	if (!vcuda_hostcalls() || own_thread)
		return;
	pthread_mutex_lock(&lock);
	ahead_bytes += bytes;
	far = ++ahead_calls > AHEAD_CALLS || ahead_bytes > AHEAD_BYTES;
	pthread_mutex_unlock(&lock);
	if (far)
		settle();
}

CUresult vcuda_hostcall_submit(enum cuda_id id, const struct vcuda_iov *iov, uint64_t *seq)
{
	CUresult r;

	vcuda_hostcall_throttle(0);
	vcuda_submit_lock();
	vcuda_hostcall_expect(1);
	r = vcuda_submit_locked(id, 0, iov, 1, NULL, seq);
	vcuda_submit_unlock();
	return r;
}

/* ---- calls ---- */

static void store(uint32_t token, uint64_t offset, const uint8_t *p, size_t n, bool *ok)
{
	struct slot *s;
	size_t bytes;

	pthread_mutex_lock(&lock);
	s = *find(token);
	bytes = s && s->kind == SLOT_PLACE ? vcuda_copy_bytes(&s->copy) : 0;
	*ok = bytes && offset <= bytes && n <= bytes - offset;
	if (*ok && !s->off)
		vcuda_rows(&s->copy, true, offset, (uint8_t *)p, n);
	pthread_mutex_unlock(&lock);
}

bool vcuda_hostcall_take(struct vwire_rd *rd)
{
	struct vwire_call head;
	struct pending *p;
	const uint8_t *data;
	bool ok = true;

	rd_copy(rd, &head, sizeof(head));
	data = rd_bytes(rd, le32toh(head.len));
	if (rd->err)
		return false;
	if (le32toh(head.kind) == VWIRE_CALL_STORE) {
		store(le32toh(head.token), le64toh(head.offset), data, le32toh(head.len), &ok);
		return ok;
	}
	p = malloc(sizeof(*p));
	if (!p)
		return false;
	*p = (struct pending){ .call = le64toh(head.call), .token = le32toh(head.token),
			       .result = le32toh(head.result) };
	pthread_mutex_lock(&lock);
	*last = p;
	last = &p->next;
	atomic_store(&waiting, true);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	return true;
}

static void answer(uint64_t call, const CUDA_MEMCPY3D *source)
{
	size_t total = source ? vcuda_copy_bytes(source) : 0, chunk = vcuda_chunk(), done = 0, part;
	struct vwire_feed head = { .call = htole64(call), .total = htole64(total) };
	struct vcuda_iov iov[2] = { { &head, sizeof(head) } };
	uint8_t *buf = total ? malloc(chunk < total ? chunk : total) : NULL;

	if (total && !buf) {
		vcuda_session_lose(CUDA_ERROR_OUT_OF_MEMORY, "no memory for a copy");
		return;
	}
	do {
		part = total - done < chunk ? total - done : chunk;
		if (part)
			vcuda_rows(source, false, done, buf, part);
		head.offset = htole64(done);
		head.len = htole64(part);
		iov[1] = (struct vcuda_iov){ buf, part };
		done += part;
	} while (!vcuda_submit(VWIRE_OP_FEED, 0, iov, 2, NULL, NULL) && done < total);
	free(buf);
}

static void run(const struct slot *s, CUresult result)
{
	switch (s->kind) {
	case SLOT_FUNCTION:
		hostfunc_call(s->function.fn, s->function.data);
		break;
	case SLOT_CALLBACK:
		inside = true;
		s->callback.fn(s->callback.stream, result, s->callback.data);
		inside = false;
		break;
	case SLOT_COPY:
		if (!s->off)
			copy_here(&s->copy);
		break;
	case SLOT_GONE:
		s->gone.fn(s->gone.arg);
		break;
	default:
		break;
	}
}

/* An answer to a call that names nothing here: the stream must not stand still for it. */
static void serve(const struct pending *p)
{
	struct slot s;
	bool known = take(p->token, &s);

	if (known)
		run(&s, p->result);
	if (p->call)
		answer(p->call, known && s.kind == SLOT_SOURCE ? &s.copy : NULL);
	over();
}

static struct pending *next_pending(void)
{
	struct pending *p;

	pthread_mutex_lock(&lock);
	p = first;
	if (p) {
		first = p->next;
		if (!first)
			last = &first;
		atomic_store(&waiting, first != NULL);
	}
	pthread_mutex_unlock(&lock);
	return p;
}

static bool has_work(void)
{
	return atomic_load(&waiting) || !vcuda_hostcalls();
}

static void *caller(void *arg)
{
	struct pending *p;

	(void)arg;
	own_thread = true;
	while (!vcuda_session_error()) {
		p = next_pending();
		if (p) {
			serve(p);
			free(p);
			continue;
		}
		pthread_mutex_lock(&lock);
		while (!vcuda_calls_expected && !first)
			pthread_cond_wait(&cond, &lock);
		pthread_mutex_unlock(&lock);
		vcuda_receive_until(has_work);
	}
	return NULL;
}

CUresult vcuda_hostcall_start(void)
{
	sigset_t all, old;
	pthread_t thread;
	CUresult r = CUDA_SUCCESS;

	pthread_mutex_lock(&lock);
	if (!started) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		if (pthread_create(&thread, NULL, caller, NULL))
			r = CUDA_ERROR_OUT_OF_MEMORY;
		else
			pthread_detach(thread);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		started = !r;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* ---- in streams ---- */

static CUresult launch(CUstream stream, const struct slot *s, uint32_t flags, CUdeviceptr dst)
{
	struct vwire_host_func head = {
		.flags = htole32(flags), .dst = htole64(dst),
		.bytes = htole64(s->kind == SLOT_SOURCE ? vcuda_copy_bytes(&s->copy) : 0),
	};
	struct vcuda_iov iov = { &head, sizeof(head) };
	struct slot *own;
	uint32_t number;
	uint64_t seq;
	CUresult r = vcuda_stream_number(stream, &number);

	if (!r)
		r = vcuda_hostcall_start();
	if (r)
		return r;
	own = vcuda_slot_new(s);
	if (!own)
		return CUDA_ERROR_OUT_OF_MEMORY;
	head.stream = htole32(number);
	head.token = htole32(own->token);
	r = vcuda_hostcall_submit(CUDA_ID_cuLaunchHostFunc, &iov, &seq);
	if (r)
		vcuda_slot_free(own);
	else
		vcuda_note_work(seq);
	return r;
}

CUresult hand_cuLaunchHostFunc(CUstream stream, CUhostFn fn, void *data)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_HOST,
				.host = { .fn = fn, .userData = data } };
	bool capturing;
	CUresult r;

	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_capture_node(stream, &p, &capturing);
	if (!r && !capturing)
		r = vcuda_sticky_error();
	if (r || capturing)
		return r;
	return launch(stream, &(struct slot){ .kind = SLOT_FUNCTION, .once = true,
					      .function = { fn, data } }, 0, 0);
}

/* syncMode says how a thread of the driver waits, which is the server's here. */
CUresult hand_cuLaunchHostFunc_v2(CUstream stream, CUhostFn fn, void *data, unsigned int mode)
{
	return mode > 1 ? CUDA_ERROR_INVALID_VALUE
					    : hand_cuLaunchHostFunc(stream, fn, data);
}

CUresult hand_cuStreamAddCallback(CUstream stream, CUstreamCallback fn, void *data,
				  unsigned int flags)
{
	CUresult r;

	if (!fn || flags)
		return CUDA_ERROR_INVALID_VALUE;
	/* A callback wants the stream's error, which a graph has no place for. */
	r = vcuda_capture_refuse(stream);
	if (r)
		return r;
	return launch(stream, &(struct slot){ .kind = SLOT_CALLBACK, .once = true,
					      .callback = { fn, data, stream } },
		      VWIRE_HOST_F_CALLBACK, 0);
}

CUresult vcuda_hostcall_copy(CUdeviceptr dst, const void *src, size_t n, CUstream stream)
{
	return launch(stream, &(struct slot){ .kind = SLOT_SOURCE, .once = true,
					      .copy = { .srcHost = src, .WidthInBytes = n,
							.srcPitch = n, .srcHeight = 1,
							.Height = 1, .Depth = 1 } },
		      VWIRE_HOST_F_FETCH, dst);
}
