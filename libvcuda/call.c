// SPDX-License-Identifier: MIT
/*
 * call.c - the steps of a generated stub: arguments in, frame out, outputs back
 */
#include <stdlib.h>
#include <string.h>

#include "vcuda_graph.h"
#include "view.h"

void vcuda_begin(struct vcuda_call *c, enum cuda_id id)
{
	c->id = id;
	c->err = CUDA_SUCCESS;
	c->wr = wr_init(c->buf, sizeof(c->buf));
	c->bulk = NULL;
	c->bulk_len = 0;
	c->nr_outs = c->nr_news = c->nr_dels = 0;
	c->has_stream = c->tells = false;
}

static void fail(struct vcuda_call *c, CUresult r)
{
	if (!c->err)
		c->err = r;
}

void vcuda_put_u64(struct vcuda_call *c, uint64_t v)
{
	wr_u64(&c->wr, v);
}

void vcuda_put_float(struct vcuda_call *c, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	vcuda_put_u64(c, bits);
}

CUresult vcuda_bad_handle(enum cuda_handle_kind kind, const void *handle)
{
	uint64_t when = vcuda_handle_orphaned(kind, handle);

	if (kind == CUDA_HANDLE_context)
		return CUDA_ERROR_INVALID_CONTEXT;
	/* natively the next context takes its memory, and it is garbage from then on */
	if (when && when == vcuda_contexts_begun())
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	/* the driver looks for their context first */
	if ((kind == CUDA_HANDLE_array || kind == CUDA_HANDLE_event) && handle &&
	    (when || !vcuda_handle_was_given(kind, handle)))
		return CUDA_ERROR_INVALID_CONTEXT;
	return CUDA_ERROR_INVALID_HANDLE;
}

/* Streams and events know their context: whether one is current is not asked. */
static bool needs_current(enum cuda_handle_kind kind, const void *handle)
{
	return !handle || (kind != CUDA_HANDLE_stream && kind != CUDA_HANDLE_event);
}

void vcuda_put_handle(struct vcuda_call *c, enum cuda_handle_kind kind, const void *handle,
		      bool null_ok)
{
	bool ok = handle ? vcuda_handle_get(kind, handle) != NULL : null_ok;

	if (!ok) {
		if (needs_current(kind, handle))
			fail(c, vcuda_need_context());
		return fail(c, vcuda_bad_handle(kind, handle));
	}
	if (kind == CUDA_HANDLE_event && handle)
		c->tells = vcuda_handle_get(kind, handle)->event.flags & CU_EVENT_INTERPROCESS;
	vcuda_put_u64(c, vcuda_handle_number(handle));
}

void vcuda_put_device(struct vcuda_call *c, CUdevice dev)
{
	if (!device_exists(dev))
		return fail(c, CUDA_ERROR_INVALID_DEVICE);
	vcuda_put_u64(c, dev);
}

void vcuda_put_stream(struct vcuda_call *c, CUstream stream)
{
	uint32_t number = 0;
	CUresult r = vcuda_stream_number(stream, &number);

	if (r)
		return fail(c, r);
	vcuda_put_u64(c, number);
	c->stream = stream;
	c->has_stream = true;
}

void vcuda_put_blob(struct vcuda_call *c, const void *p, size_t n, bool null_ok)
{
	if (!p && n && !null_ok)
		return fail(c, CUDA_ERROR_INVALID_VALUE);
	wr_blob(&c->wr, p, p ? n : 0);
}

void vcuda_put_str(struct vcuda_call *c, const char *s)
{
	if (!s)
		return fail(c, CUDA_ERROR_INVALID_VALUE);
	wr_str(&c->wr, s);
}

static void want(struct vcuda_call *c, void *dst, size_t n, bool null_ok, bool scalar)
{
	if (!dst && !null_ok)
		return fail(c, vcuda_null_error(c->id));
	if (c->nr_outs < VCUDA_CALL_OUTS)
		c->outs[c->nr_outs++] = (struct vcuda_out){ dst, n, scalar };
}

void vcuda_want_scalar(struct vcuda_call *c, void *dst, size_t n, bool null_ok)
{
	want(c, dst, n, null_ok, true);
}

void vcuda_want_blob(struct vcuda_call *c, void *dst, size_t n, bool null_ok)
{
	want(c, dst, n, null_ok, false);
}

void vcuda_put_new(struct vcuda_call *c, enum cuda_handle_kind kind, void *dst)
{
	uint64_t h;

	if (!dst)
		return fail(c, CUDA_ERROR_INVALID_VALUE);
	fail(c, vcuda_need_context());
	if (c->err || c->nr_news == 2)
		return;
	h = vcuda_handle_new(kind, NULL);
	if (!h)
		return fail(c, CUDA_ERROR_OUT_OF_MEMORY);
	c->news[c->nr_news++] = h;
	*(void **)dst = (void *)(uintptr_t)h;
	vcuda_put_u64(c, (uint32_t)h);
}

void vcuda_put_del(struct vcuda_call *c, enum cuda_handle_kind kind, const void *handle)
{
	/* an end needs no context */
	if (!vcuda_handle_get(kind, handle))
		return fail(c, vcuda_bad_handle(kind, handle));
	vcuda_put_handle(c, kind, handle, false);
	if (!c->err && c->nr_dels < 2)
		c->dels[c->nr_dels++] = (uintptr_t)handle;
}

static enum cuda_handle_kind kind_of(uint64_t handle)
{
	return handle >> 32 & 0xff;
}

/* What the library keeps of an object it has made: from the arguments as encoded. */
static void made(struct vcuda_call *c, uint64_t handle)
{
	struct vwire_rd args = rd_init(c->buf, wr_len(&c->wr));

	if (kind_of(handle) == CUDA_HANDLE_stream)
		vcuda_stream_made((void *)(uintptr_t)handle, args);
	else if (kind_of(handle) == CUDA_HANDLE_event)
		vcuda_event_made((void *)(uintptr_t)handle, args);
}

/*
 * Handles made by a call that failed are taken back, those it was to end are ended when it
 * succeeded.
 */
static CUresult settle(struct vcuda_call *c, CUresult r)
{
	unsigned int i;

	for (i = 0; r && i < c->nr_news; i++)
		vcuda_handle_del(kind_of(c->news[i]), (void *)(uintptr_t)c->news[i]);
	for (i = 0; !r && i < c->nr_news; i++)
		made(c, c->news[i]);
	for (i = 0; !r && i < c->nr_dels; i++)
		vcuda_graph_forget(kind_of(c->dels[i]), (void *)(uintptr_t)c->dels[i]);
	for (i = 0; !r && i < c->nr_dels; i++)
		vcuda_handle_del(kind_of(c->dels[i]), (void *)(uintptr_t)c->dels[i]);
	return r;
}

static CUresult check(struct vcuda_call *c)
{
	if (c->wr.err)
		fail(c, CUDA_ERROR_INVALID_VALUE);
	return c->err;
}

static CUresult submit(struct vcuda_call *c, struct vcuda_wait *w)
{
	struct vcuda_iov iov[2] = { { c->buf, wr_len(&c->wr) }, { c->bulk, c->bulk_len } };

	return vcuda_submit(c->id, w ? VWIRE_F_WAIT : 0, iov, 2, w, &c->seq);
}

/* Whoever hears of it from this process must find it at the server. */
static CUresult submit_told(struct vcuda_call *c)
{
	struct vcuda_wait w = { 0 };
	CUresult r = submit(c, &w);

	if (!r)
		r = vcuda_wait(&w);
	free(w.reply);
	return r;
}

CUresult vcuda_async(struct vcuda_call *c)
{
	CUresult r = check(c);
	bool done = false;

	if (!r)
		r = vcuda_arguments_check(c->id, rd_init(c->buf, wr_len(&c->wr)));
	if (!r && vcuda_several_contexts())
		r = vcuda_contexts_check(c);
	if (!r)
		r = vcuda_sticky_error();
	if (!r && capture_ever)
		r = vcuda_capture_async(c, &done);
	if (done)
		return settle(c, r);
	if (!r)
		r = vcuda_ranges_check(c);
	if (!r && c->has_stream && vcuda_has_views())
		r = vcuda_views_flush(c->stream);
	if (!r)
		r = c->tells ? submit_told(c) : submit(c, NULL);
	if (!r && c->has_stream)
		vcuda_note_work(c->seq);
	else if (!r)
		vcuda_note_hidden_work(c->seq);
	if (!r && c->id == CUDA_ID_cuStreamSetAttribute)
		vcuda_stream_changed(c->stream, rd_init(c->buf, wr_len(&c->wr)));
	return settle(c, r);
}

static CUresult take_outs(struct vcuda_call *c, const uint8_t *p, size_t n)
{
	struct vwire_rd rd = rd_init(p, n);
	const void *src;
	unsigned int i;
	uint64_t v;
	size_t len;

	for (i = 0; i < c->nr_outs; i++) {
		if (c->outs[i].scalar) {
			v = rd_u64(&rd);
			src = &v;
			len = c->outs[i].n;
		} else {
			src = rd_blob(&rd, c->outs[i].n, &len);
		}
		if (!rd.err && c->outs[i].dst && len)
			memcpy(c->outs[i].dst, src, len);
	}
	if (rd_end(&rd))
		return CUDA_SUCCESS;
	vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, "a reply that does not fit its request");
	return CUDA_ERROR_DEVICE_UNAVAILABLE;
}

static CUresult exchange(struct vcuda_call *c, struct vcuda_wait *w)
{
	CUresult r = check(c);

	if (!r && capture_ever)
		r = vcuda_capture_sync(c);
	if (!r)
		r = submit(c, w);
	if (!r)
		r = vcuda_wait(w);
	if (!r)
		r = take_outs(c, w->reply, w->reply_len);
	return settle(c, r);
}

CUresult vcuda_sync(struct vcuda_call *c)
{
	struct vcuda_wait w = { 0 };
	CUresult r = exchange(c, &w);

	free(w.reply);
	return r;
}

/* ---- answers that cannot change, by the bytes of the question ---- */

#define MEMO_BUCKETS	256
#define MEMO_MAX	4096	/* answers kept; a program that asks more asks again */

struct memo {
	struct memo *next;
	enum cuda_id id;
	size_t key_len, reply_len;
	uint8_t bytes[];	/* key, reply */
};

static pthread_mutex_t memo_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memo *memos[MEMO_BUCKETS];
static unsigned int nr_memos;

static struct memo **memo_bucket(enum cuda_id id, const uint8_t *args, size_t n)
{
	uint32_t h = 2166136261u ^ id;
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ args[i]) * 16777619u;
	return &memos[h % MEMO_BUCKETS];
}

static struct memo *memo_find(enum cuda_id id, const void *key, size_t n)
{
	struct memo *m;

	for (m = *memo_bucket(id, key, n); m; m = m->next)
		if (m->id == id && m->key_len == n && !memcmp(m->bytes, key, n))
			break;
	return m;
}

static void memo_keep(enum cuda_id id, const void *key, size_t n, const uint8_t *reply,
		      size_t reply_len)
{
	struct memo **b = memo_bucket(id, key, n);
	struct memo *m = nr_memos < MEMO_MAX ? malloc(sizeof(*m) + n + reply_len) : NULL;

	if (!m)
		return;
	m->id = id;
	m->key_len = n;
	m->reply_len = reply_len;
	memcpy(m->bytes, key, n);
	if (reply_len)
		memcpy(m->bytes + n, reply, reply_len);
	m->next = *b;
	*b = m;
	nr_memos++;
}

void vcuda_memo_forget(void)
{
	struct memo *m;
	unsigned int i;

	pthread_mutex_lock(&memo_lock);
	for (i = 0; i < MEMO_BUCKETS; i++)
		while ((m = memos[i])) {
			memos[i] = m->next;
			free(m);
		}
	nr_memos = 0;
	pthread_mutex_unlock(&memo_lock);
}

CUresult vcuda_memo_as(struct vcuda_call *c, const void *key, size_t n)
{
	struct vcuda_wait w = { 0 };
	struct memo *m;
	CUresult r = check(c);

	if (r)
		return r;
	pthread_mutex_lock(&memo_lock);
	m = memo_find(c->id, key, n);
	if (m)
		r = take_outs(c, m->bytes + m->key_len, m->reply_len);
	pthread_mutex_unlock(&memo_lock);
	if (m)
		return r;
	r = exchange(c, &w);
	if (!r) {
		pthread_mutex_lock(&memo_lock);
		if (!memo_find(c->id, key, n))
			memo_keep(c->id, key, n, w.reply, w.reply_len);
		pthread_mutex_unlock(&memo_lock);
	}
	free(w.reply);
	return r;
}

CUresult vcuda_memo(struct vcuda_call *c)
{
	return vcuda_memo_as(c, c->buf, wr_len(&c->wr));
}
