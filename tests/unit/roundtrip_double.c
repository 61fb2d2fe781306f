// SPDX-License-Identifier: MIT
/*
 * roundtrip_double.c - stands for the library's runtime (call.h) and the worker (run.h)
 *
 * A handle's number is its kind and its index; the client's handle and the driver's are that number
 * in two different ranges, so that a handle that got across unchanged, or as another kind, is seen.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "roundtrip.h"

#define CLIENT		0x10000000u
#define REAL		0x20000000u
#define NEW		0x80u		/* first index of handles that a call makes */
#define THREAD		0xffu		/* index of the calling thread's own stream */

const struct rt_row *rt_row;
CUstream rt_stream;
CUresult rt_result;
CUresult rt_scope_err;
const char rt_text[] = "a name";
bool rt_null;
struct rt_seen rt_seen;
unsigned int rt_failures;
bool rt_may_differ;

static void **new_dst[2];
static uint32_t new_numbers[2];
static struct {
	uint32_t number;
	void *real;
} bound[2];
static unsigned int nr_bound, nr_unbound;
static uint32_t unbound[2];

void rt_fail(const char *fmt, ...)
{
	va_list ap;

	rt_failures++;
	printf("# %s: ", rt_row ? gen_name(rt_row->id) : "table");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void rt_reset(const struct rt_row *row)
{
	rt_row = row;
	rt_result = CUDA_SUCCESS;
	rt_scope_err = CUDA_SUCCESS;
	rt_null = false;
	rt_stream = rt_client(CUDA_HANDLE_stream, 1);
	rt_seen = (struct rt_seen){ .answer = CUDA_ERROR_UNKNOWN };
	nr_bound = nr_unbound = 0;
}

/* ---- values and checks ---- */

static uint32_t number(enum cuda_handle_kind kind, unsigned int i)
{
	return kind << 8 | i;
}

uint64_t rt_value(unsigned int i)
{
	return 0x8182838485868788ull + i * 0x0101010101010101ull;
}

void *rt_struct(unsigned int i)
{
	static uint64_t bytes[16][32];
	unsigned int k;

	for (k = 0; k < 32; k++)
		bytes[i][k] = rt_value(i) ^ k;
	return bytes[i];
}

void *rt_client(enum cuda_handle_kind kind, unsigned int i)
{
	return (void *)(uintptr_t)(CLIENT + number(kind, i));
}

void *rt_real(enum cuda_handle_kind kind, unsigned int i)
{
	return (void *)(uintptr_t)(REAL + number(kind, i));
}

CUstream rt_hand_stream(void)
{
	return !rt_stream && rt_row->twin ? CU_STREAM_PER_THREAD : rt_stream;
}

CUstream rt_default_stream(void)
{
	return rt_row->twin ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY;
}

CUstream rt_real_stream(void)
{
	if (rt_stream)
		return rt_real(CUDA_HANDLE_stream, 1);
	return rt_row->twin ? rt_real(CUDA_HANDLE_stream, THREAD) : CU_STREAM_LEGACY;
}

void rt_driver(void)
{
	rt_seen.driver++;
}

void rt_hand(enum cuda_id id)
{
	rt_seen.hand++;
	rt_seen.id = id;
}

void rt_run(struct request *rq, enum cuda_id id)
{
	rt_seen.run++;
	rt_seen.run_id = id;
	run_result(rq, CUDA_SUCCESS);
}

void rt_same(const char *name, uint64_t got, uint64_t wanted)
{
	if (got != wanted && rt_may_differ)
		rt_seen.differ++;
	else if (got != wanted)
		rt_fail("%s is %#llx, not %#llx", name, (unsigned long long)got,
			(unsigned long long)wanted);
}

static uint8_t pattern(size_t at, unsigned int seed)
{
	return 0x91 + 13 * at + 31 * seed;
}

static void fill(uint8_t *p, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(i, seed);
}

static void compare(const char *name, const uint8_t *p, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == pattern(i, seed))
			continue;
		if (rt_may_differ)
			rt_seen.differ++;
		else
			rt_fail("byte %zu of %zu of %s is %#x, not %#x", i, n, name, p[i],
				pattern(i, seed));
		return;
	}
}

void rt_init(void *p, size_t n, unsigned int i)
{
	fill(p, n, i + 100);
}

/* A driver may only be told of as many elements as there are. */
static bool fits(const char *name, size_t n, size_t size)
{
	if (n <= GEN_BLOB_MAX / size)
		return true;
	rt_fail("the driver takes %s for %zu elements of %zu bytes", name, n, size);
	return false;
}

void rt_in(const char *name, const void *p, size_t n, size_t size, unsigned int i, bool null)
{
	if (!p != null)
		rt_fail("%s is %p", name, p);
	else if (p && fits(name, n, size))
		compare(name, p, n * size, i + 100);
}

void rt_give(void *p, size_t n, size_t size, unsigned int i)
{
	if (fits("an output", n, size))
		fill(p, n * size, i);
}

void rt_out(const char *name, const void *p, size_t n, unsigned int i, CUresult result)
{
	compare(name, p, n, result ? i + 100 : i);
}

void rt_made(const char *name, enum cuda_handle_kind kind, void *handle, unsigned int i)
{
	uint32_t n = (uintptr_t)handle - CLIENT;

	if (rt_scope_err)
		return;
	if (!nr_bound == !rt_result)
		rt_fail("%s: the driver's result is %d and %u handles were bound", name, rt_result,
			nr_bound);
	if (rt_result)
		return;
	for (unsigned int j = 0; j < nr_bound; j++) {
		if (bound[j].number == n && n >> 8 == kind && bound[j].real == rt_real(kind, i))
			return;
	}
	rt_fail("%s: %p is not bound to what the driver made", name, handle);
}

void rt_ended(const char *name, enum cuda_handle_kind kind, unsigned int i)
{
	bool ended = false;

	if (rt_scope_err)
		return;
	for (unsigned int j = 0; j < nr_unbound; j++)
		ended |= unbound[j] == number(kind, i);
	if (ended != !rt_result)
		rt_fail("%s: the driver's result is %d and the handle was%s forgotten", name,
			rt_result, ended ? "" : " not");
}

/* ---- call.h ---- */

void vcuda_enter(struct vcuda_scope *s, enum cuda_id id, bool early)
{
	memset(s, 0, sizeof(*s));
	s->id = id;
	s->err = rt_scope_err;
	s->trace = true;
	rt_seen.entered++;
	rt_seen.scope = id;
	rt_seen.early = early;
}

void vcuda_trace_args(struct vcuda_scope *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->args, sizeof(s->args), fmt, ap);
	va_end(ap);
	if (!strchr(s->args, '='))
		rt_fail("the trace names no argument: '%s'", s->args);
}

CUresult vcuda_leave(struct vcuda_scope *s, CUresult r)
{
	if (s->id != rt_seen.scope)
		rt_fail("left as %#x", s->id);
	return r;
}

CUresult vcuda_refuse(enum cuda_id id, const char *why)
{
	rt_seen.reason = why;
	rt_seen.missing++;
	rt_seen.id = id;
	return CUDA_ERROR_NOT_SUPPORTED;
}

void vcuda_put_device(struct vcuda_call *c, CUdevice dev)
{
	vcuda_put_u64(c, dev);
}

void vcuda_put_float(struct vcuda_call *c, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	vcuda_put_u64(c, bits);
}

float run_float(struct request *rq)
{
	uint32_t bits = rd_u32(&rq->in);
	float v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

CUdevice run_device(struct request *rq)
{
	return rd_s32(&rq->in);
}

static void wrong(struct vcuda_call *c, CUresult r)
{
	if (!c->err)
		c->err = r;
}

void vcuda_begin(struct vcuda_call *c, enum cuda_id id)
{
	memset(c, 0, sizeof(*c));
	c->id = id;
	c->wr = wr_init(c->buf, sizeof(c->buf));
}

void vcuda_put_u64(struct vcuda_call *c, uint64_t v)
{
	wr_u64(&c->wr, v);
	rt_seen.content = wr_len(&c->wr);
}

void vcuda_put_handle(struct vcuda_call *c, enum cuda_handle_kind kind, const void *handle,
		      bool null_ok)
{
	uintptr_t n = (uintptr_t)handle - CLIENT;

	if (!handle && null_ok)
		n = 0;
	else if (n >> 8 != kind)
		wrong(c, CUDA_ERROR_INVALID_HANDLE);
	vcuda_put_u64(c, n);
}

void vcuda_put_stream(struct vcuda_call *c, CUstream stream)
{
	if (stream == CU_STREAM_PER_THREAD)
		stream = rt_client(CUDA_HANDLE_stream, THREAD);
	if (!stream || stream == CU_STREAM_LEGACY)
		vcuda_put_u64(c, VWIRE_STREAM_LEGACY);
	else
		vcuda_put_handle(c, CUDA_HANDLE_stream, stream, false);
}

void vcuda_put_blob(struct vcuda_call *c, const void *p, size_t n, bool null_ok)
{
	if (!p && n && !null_ok)
		wrong(c, CUDA_ERROR_INVALID_VALUE);
	wr_blob(&c->wr, p, p ? n : 0);
	n = p ? n : 0;
	rt_seen.content = wr_len(&c->wr) - vwire_pad(n) + n;
	for (size_t at = rt_seen.content; at < wr_len(&c->wr); at++)
		rt_seen.padding[at] = true;
}

void vcuda_put_str(struct vcuda_call *c, const char *s)
{
	vcuda_put_blob(c, s, strlen(s) + 1, false);
}

static void want(struct vcuda_call *c, void *dst, size_t n, bool scalar, bool null_ok)
{
	if (!dst && !null_ok)
		wrong(c, CUDA_ERROR_INVALID_VALUE);
	c->outs[c->nr_outs++] = (struct vcuda_out){ .dst = dst, .n = n, .scalar = scalar };
}

void vcuda_want_scalar(struct vcuda_call *c, void *dst, size_t n, bool null_ok)
{
	want(c, dst, n, true, null_ok);
}

void vcuda_want_blob(struct vcuda_call *c, void *dst, size_t n, bool null_ok)
{
	want(c, dst, n, false, null_ok);
}

void vcuda_put_new(struct vcuda_call *c, enum cuda_handle_kind kind, void *dst)
{
	new_numbers[c->nr_news] = number(kind, NEW + c->nr_news);
	new_dst[c->nr_news] = dst;
	vcuda_put_u64(c, new_numbers[c->nr_news++]);
}

void vcuda_put_del(struct vcuda_call *c, enum cuda_handle_kind kind, const void *handle)
{
	vcuda_put_handle(c, kind, handle, false);
	c->nr_dels++;
}

/* The reply of the last request: what the outputs make of it. */
static void take_reply(struct vcuda_call *c, const struct request *rq)
{
	struct vwire_rd rd = rd_init(rq->out_buf, rq->out.p - rq->out.start);

	for (unsigned int i = 0; i < c->nr_outs; i++) {
		size_t n = c->outs[i].n;
		uint64_t v;
		const void *p = &v;

		if (c->outs[i].scalar)
			v = rd_u64(&rd);
		else
			p = rd_blob(&rd, n, &n);
		if (n != c->outs[i].n || !p)
			rt_fail("output %u has %zu bytes, not %zu", i, n, c->outs[i].n);
		else if (c->outs[i].dst)
			memcpy(c->outs[i].dst, p, n);
	}
	if (!rd_end(&rd))
		rt_fail("the reply is not what the outputs need");
}

static struct request *last_request;

static CUresult submit(struct vcuda_call *c, bool reply)
{
	CUresult r;

	if (c->err)
		return c->err;
	if (c->wr.err || c->nr_outs > VCUDA_CALL_OUTS) {
		rt_fail("the call does not fit");
		return CUDA_ERROR_UNKNOWN;
	}
	rt_seen.id = c->id;
	rt_seen.len = wr_len(&c->wr);
	memcpy(rt_seen.payload, c->buf, rt_seen.len);
	rt_dispatch(c->id, c->buf, rt_seen.len);
	r = reply ? rt_seen.answer : CUDA_SUCCESS;
	if (!r && reply)
		take_reply(c, last_request);
	for (unsigned int i = 0; !r && i < c->nr_news; i++)
		*new_dst[i] = (void *)(uintptr_t)(CLIENT + new_numbers[i]);
	return r;
}

CUresult vcuda_sync(struct vcuda_call *c)
{
	return submit(c, true);
}

CUresult vcuda_memo(struct vcuda_call *c)
{
	return submit(c, true);
}

CUresult vcuda_async(struct vcuda_call *c)
{
	if (c->nr_outs)
		rt_fail("an ASYNC row wants outputs");
	return submit(c, false);
}

/* ---- run.h ---- */

void rt_dispatch(enum cuda_id id, const void *payload, size_t len)
{
	static struct request rq;
	gen_dispatch_fn fn = gen_dispatch_find(id);
	uint8_t *copy = malloc(len ? len : 1);	/* exactly as large, for the address sanitizer */

	memset(&rq, 0, sizeof(rq));
	memcpy(copy, payload, len);
	rq.op = id;
	rq.in = rd_init(copy, len);
	last_request = &rq;
	rt_seen.ended = rt_seen.bad = nr_bound = nr_unbound = 0;
	if (fn)
		fn(&rq);
	if (rt_seen.ended != 1)
		rt_fail("the request was ended %u times", rt_seen.ended);
	free(copy);
}

void *run_handle(struct request *rq, enum cuda_handle_kind kind, bool null_ok)
{
	uint64_t n = rd_u64(&rq->in);

	if (!n && null_ok)
		return NULL;
	if (n >> 8 == kind)
		return (void *)(uintptr_t)(REAL + n);
	rq->err = CUDA_ERROR_INVALID_HANDLE;
	return NULL;
}

CUstream run_stream(struct request *rq)
{
	CUstream s = run_handle(rq, CUDA_HANDLE_stream, true);

	return s || rq->err ? s : CU_STREAM_LEGACY;
}

uint32_t run_new(struct request *rq, enum cuda_handle_kind kind)
{
	uint64_t n = rd_u64(&rq->in);

	if (n >> 8 != kind)
		rq->in.err = true;
	return n;
}

void run_bind(struct request *rq, enum cuda_handle_kind kind, uint32_t n, void *real)
{
	(void)rq;
	if (n >> 8 != kind || nr_bound == 2)
		rt_fail("number %#x bound as kind %d", n, kind);
	else
		bound[nr_bound++] = (typeof(bound[0])){ n, real };
}

void *run_del(struct request *rq, enum cuda_handle_kind kind, uint32_t *n)
{
	void *real = run_handle(rq, kind, false);

	*n = (uintptr_t)real - REAL;
	return real;
}

void run_unbind(struct request *rq, enum cuda_handle_kind kind, uint32_t n)
{
	(void)rq;
	if (n >> 8 != kind || nr_unbound == 2)
		rt_fail("number %#x forgotten as kind %d", n, kind);
	else
		unbound[nr_unbound++] = n;
}

bool run_ready(struct request *rq)
{
	return rd_end(&rq->in) && !rq->err;
}

static struct vwire_wr *out(struct request *rq)
{
	if (!rq->out.start)
		rq->out = wr_init(rq->out_buf, sizeof(rq->out_buf));
	return &rq->out;
}

void run_out_u64(struct request *rq, uint64_t v)
{
	wr_u64(out(rq), v);
}

void run_out_blob(struct request *rq, const void *p, size_t n)
{
	wr_blob(out(rq), p, n);
}

void run_result(struct request *rq, CUresult r)
{
	rt_seen.ended++;
	rt_seen.answer = r;
	if (rq->out.err)
		rt_fail("the reply does not fit");
}

void run_bad(struct request *rq)
{
	rt_seen.ended++;
	rt_seen.bad++;
	rt_seen.answer = rq->err ? rq->err : CUDA_ERROR_UNKNOWN;
}
