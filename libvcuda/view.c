// SPDX-License-Identifier: MIT
/*
 * view.c - the program's memory and the device's copy of it, kept alike at launches and waits
 *
 * What goes out and what a fault fetches goes over the library's own stream (ownstream.h).
 */
#include "view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ownstream.h"
#include "watch.h"

#define GAP	256u	/* unchanged bytes that may go along between changed ones */

struct part {
	uint64_t id, bytes;		/* of the view */
};

struct vcuda_fetch {
	uint64_t work;			/* the last that the wait covers */
	uint8_t *data;
	unsigned int nr;
	struct part parts[];
};

_Atomic unsigned int vcuda_nr_views;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vcuda_view *views;	/* compared */
static uint64_t last_id;
static _Atomic uint64_t clean;		/* work up to here has been fetched */

/* ---- the set ---- */

static CUresult twin_make(struct vcuda_view *v)
{
	v->twin = mmap(NULL, v->bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (v->twin == MAP_FAILED) {
		v->twin = NULL;
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

CUresult vcuda_view_add(struct vcuda_view *v, bool device_first)
{
	CUresult r = twin_make(v);

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	r = vcuda_own_ready();
	if (!r)
		r = device_first ? vcuda_own_get(v->twin, v->dev, v->bytes)
				 : vcuda_own_zero(v->dev, v->bytes);
	if (!r) {
		if (device_first)
			memcpy(v->host, v->twin, v->bytes);
		v->id = ++last_id;
		v->next = views;
		views = v;
		atomic_fetch_add(&vcuda_nr_views, 1);
	}
	pthread_mutex_unlock(&lock);
	if (r)
		munmap(v->twin, v->bytes);
	return r;
}

CUresult vcuda_view_watch(struct vcuda_view *v)
{
	CUresult r;

	pthread_mutex_lock(&lock);
	r = vcuda_own_ready();
	if (!r)
		r = vcuda_own_zero(v->dev, v->bytes);
	if (!r)
		r = vcuda_watch_add(v);
	if (!r)
		atomic_fetch_add(&vcuda_nr_views, 1);
	pthread_mutex_unlock(&lock);
	return r;
}

void vcuda_view_del(struct vcuda_view *v)
{
	struct vcuda_view **p;

	pthread_mutex_lock(&lock);
	if (v->alias) {
		vcuda_watch_del(v);
	} else {
		for (p = &views; *p && *p != v; p = &(*p)->next)
			;
		if (*p)
			*p = v->next;
		munmap(v->twin, v->bytes);
	}
	atomic_fetch_sub(&vcuda_nr_views, 1);
	pthread_mutex_unlock(&lock);
}

static bool holds(const struct vcuda_view *v, uint64_t addr, bool device)
{
	return addr - (device ? v->dev : (uint64_t)(uintptr_t)v->host) < v->bytes;
}

bool vcuda_view_find(uint64_t addr, bool device, struct vcuda_view *out)
{
	const struct vcuda_view *v;

	if (!vcuda_has_views())
		return false;
	pthread_mutex_lock(&lock);
	for (v = views; v && !holds(v, addr, device); v = v->next)
		;
	if (!v)
		for (v = vcuda_watched(); v && !holds(v, addr, device); v = v->next)
			;
	if (v)
		*out = *v;
	pthread_mutex_unlock(&lock);
	return v != NULL;
}

static bool overlaps(const struct vcuda_view *list, uint64_t p, size_t n)
{
	const struct vcuda_view *v;
	uint64_t host;

	for (v = list; v; v = v->next) {
		host = (uintptr_t)v->host;
		if ((p < host + v->bytes && host < p + n) ||
		    (p < v->dev + v->bytes && v->dev < p + n))
			return true;
	}
	return false;
}

bool vcuda_view_overlaps(uint64_t p, size_t n)
{
	bool any;

	if (!vcuda_has_views())
		return false;
	pthread_mutex_lock(&lock);
	any = overlaps(views, p, n) || overlaps(vcuda_watched(), p, n);
	pthread_mutex_unlock(&lock);
	return any;
}

/* ---- out ---- */

/* Bytes from at on that are alike, in words where they can be. */
static uint64_t alike(const struct vcuda_view *v, uint64_t at)
{
	uint64_t i = at;

	while (i < v->bytes && i % 64)
		if (v->host[i] != v->twin[i])
			return i - at;
		else
			i++;
	while (v->bytes - i >= 64 && !memcmp(v->host + i, v->twin + i, 64))
		i += 64;
	while (i < v->bytes && v->host[i] == v->twin[i])
		i++;
	return i - at;
}

/*
 * Unchanged bytes between changed ones go along where nothing runs that could be writing them.
 */
static CUresult flush_compared(struct vcuda_view *v, bool *sent)
{
	uint64_t gap = vcuda_device_idle() ? GAP : 0, at, n, same;
	CUresult r = CUDA_SUCCESS;

	for (at = alike(v, 0); !r && at < v->bytes; at += n + same) {
		for (n = 1, same = 0; at + n < v->bytes; n += same + 1) {
			same = alike(v, at + n);
			if (same > gap || at + n + same == v->bytes)
				break;
		}
		if (at + n >= v->bytes)
			same = 0;
		/* the program may be writing: what goes out is what the twin says went out */
		memcpy(v->twin + at, v->host + at, n);
		r = vcuda_own_send(v->dev + at, v->twin + at, n);
		*sent = true;
	}
	return r;
}

/* What a capture takes does not start now; what it makes starts with cuGraphLaunch(). */
static bool is_capturing(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;

	return !hand_cuStreamIsCapturing(stream, &status) &&
	       status != CU_STREAM_CAPTURE_STATUS_NONE;
}

CUresult vcuda_views_flush(CUstream stream)
{
	struct vcuda_view *v;
	bool sent = false;
	CUresult r = CUDA_SUCCESS;

	if (!vcuda_has_views() || is_capturing(stream))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	for (v = views; !r && v; v = v->next)
		r = flush_compared(v, &sent);
	if (!r)
		r = vcuda_watch_flush(&sent);
	if (!r && sent)
		r = vcuda_own_changed();
	if (!r)
		r = vcuda_own_precede(stream);
	pthread_mutex_unlock(&lock);
	return r;
}

/* ---- in ---- */

/* What has changed on the device changes here, and nothing else does. */
static void merge(struct vcuda_view *v, const uint8_t *now)
{
	uint64_t at, end, i;

	for (at = 0; at < v->bytes; at = end) {
		end = at + 64 < v->bytes ? at + 64 : v->bytes;
		if (!memcmp(v->twin + at, now + at, end - at))
			continue;
		for (i = at; i < end; i++)
			if (now[i] != v->twin[i])
				v->host[i] = v->twin[i] = now[i];
	}
}

static bool is_fetched(void)
{
	return vcuda_last_work() <= atomic_load(&clean);
}

/* Under the lock: what there is to fetch, and room for it. */
static struct vcuda_fetch *fetch_new(uint64_t *bytes)
{
	unsigned int nr = 0;
	struct vcuda_fetch *f;
	struct vcuda_view *v;

	*bytes = 0;
	for (v = views; v; v = v->next) {
		*bytes += v->bytes;
		nr++;
	}
	f = malloc(sizeof(*f) + nr * sizeof(f->parts[0]));
	if (!f)
		return NULL;
	f->work = vcuda_last_work();
	f->nr = 0;
	f->data = *bytes ? malloc(*bytes) : NULL;
	if (*bytes && !f->data) {
		free(f);
		return NULL;
	}
	for (v = views; v; v = v->next)
		f->parts[f->nr++] = (struct part){ v->id, v->bytes };
	return f;
}

/* Requests all of it on the stream; w: a wait for the last, or NULL. */
static CUresult request(uint8_t *data, uint32_t stream, struct vcuda_wait *w)
{
	struct vwire_copy_out h = { .stream = htole32(stream) };
	struct vcuda_iov iov = { &h, sizeof(h) };
	struct vcuda_view *v;
	CUresult r = CUDA_SUCCESS;
	uint64_t seq;

	vcuda_submit_lock();
	for (v = views; !r && v; v = v->next) {
		bool last = w && !v->next;

		h.src = htole64(v->dev);
		h.bytes = htole64(v->bytes);
		seq = vcuda_next_seq();
		if (last)
			*w = (struct vcuda_wait){ .data = data, .data_bytes = v->bytes };
		else
			r = vcuda_expect_data(seq, data, v->bytes);
		if (!r)
			r = vcuda_submit_locked(CUDA_ID_cuMemcpyDtoHAsync_v2,
						last ? VWIRE_F_WAIT : 0, &iov, 1, last ? w : NULL,
						NULL);
		if (r && !last)
			vcuda_unexpect_data(seq);
		data += v->bytes;
	}
	vcuda_submit_unlock();
	return r;
}

struct vcuda_fetch *vcuda_views_fetch(CUstream stream)
{
	struct vcuda_fetch *f;
	uint32_t number;
	uint64_t bytes;

	if (!vcuda_has_views() || is_fetched() || vcuda_stream_number(stream, &number) ||
	    is_capturing(stream))
		return NULL;
	pthread_mutex_lock(&lock);
	f = fetch_new(&bytes);
	if (f && bytes && request(f->data, number, NULL))
		f->nr = 0;	/* the session is lost; so will be the wait */
	pthread_mutex_unlock(&lock);
	return f;
}

/* Under the lock. */
static void apply(const struct vcuda_fetch *f)
{
	const uint8_t *data = f->data;
	struct vcuda_view *v;
	unsigned int i;

	for (i = 0; i < f->nr; data += f->parts[i++].bytes)
		for (v = views; v; v = v->next)
			if (v->id == f->parts[i].id)
				merge(v, data);
	vcuda_watch_invalidate();
	if (vcuda_device_idle())
		atomic_store(&clean, f->work);
}

void vcuda_views_fetched(struct vcuda_fetch *f, bool ok)
{
	if (!f)
		return;
	pthread_mutex_lock(&lock);
	if (ok)
		apply(f);
	pthread_mutex_unlock(&lock);
	/* after an error data may still be on its way to where it was to go */
	if (ok)
		free(f->data);
	free(f);
}

CUresult vcuda_views_waited(void)
{
	struct vcuda_wait w;
	struct vcuda_fetch *f;
	uint64_t bytes;
	CUresult r = CUDA_SUCCESS;

	if (!vcuda_has_views() || is_fetched())
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	f = fetch_new(&bytes);
	if (!f)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	else if (bytes)
		r = request(f->data, vcuda_own_stream(), &w);
	if (!r && bytes)
		r = vcuda_own_wait(&w);
	if (!r)
		apply(f);
	pthread_mutex_unlock(&lock);
	if (f && !r)
		free(f->data);
	free(f);
	return r;
}

/* ---- faults ---- */

bool vcuda_view_fault(uint64_t addr)
{
	bool ours;

	pthread_mutex_lock(&lock);
	ours = vcuda_watch_fault(addr);
	pthread_mutex_unlock(&lock);
	return ours;
}

/* The handler of faults is inherited, and a thread of the parent's may have had the lock. */
void vcuda_views_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	vcuda_watch_fork();
}
