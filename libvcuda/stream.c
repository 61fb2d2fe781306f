// SPDX-License-Identifier: MIT
/*
 * stream.c - streams and events: what is known of them here, per-thread default streams
 *
 * A per-thread default stream is an ordinary blocking stream, made when a thread first uses it in a
 * context and destroyed with either.
 */
#include <stdlib.h>

#include "vcuda.h"

static _Atomic bool nonblocking;
static _Atomic uint64_t last_id = 2;	/* 1 and 2: the legacy and the per-thread stream */

/* The calling thread's default stream in a context. */
struct own {
	struct own *next;
	CUcontext ctx;
	CUstream stream;
};
static __thread struct own *owns;
static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static int clamp_priority(int priority)
{
	const struct vcuda_device *d = &vcuda_lease()->devices[vcuda_current_device()];

	return priority < d->priority_greatest ? d->priority_greatest
	       : priority > d->priority_least  ? d->priority_least
					       : priority;
}

/* Called with the arguments of the call as they are encoded: number, flags, priority. */
void vcuda_stream_made(void *handle, struct vwire_rd args)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_stream, handle);

	rd_u64(&args);
	o->stream.ctx = vcuda_current();
	o->stream.flags = (uint32_t)rd_u64(&args);
	o->stream.priority = clamp_priority((int)rd_u64(&args));
	o->stream.id = ++last_id;
	if (o->stream.flags & CU_STREAM_NON_BLOCKING)
		atomic_store(&nonblocking, true);
}

void vcuda_stream_changed(CUstream stream, struct vwire_rd args)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_stream, stream);
	const CUstreamAttrValue *v;
	uint64_t attribute;
	size_t n;

	rd_u64(&args);
	attribute = rd_u64(&args);
	v = rd_blob(&args, sizeof(*v), &n);
	if (o && v && n == sizeof(*v) && attribute == CU_STREAM_ATTRIBUTE_PRIORITY)
		o->stream.priority = clamp_priority(v->priority);
}

bool vcuda_legacy_covers(void)
{
	return !atomic_load_explicit(&nonblocking, memory_order_relaxed);
}

bool vcuda_has_nonblocking(void)
{
	return !vcuda_legacy_covers() || vcuda_several_contexts();
}

/* The upper half of the flags names the context, by its legacy stream. */
static CUresult begin_create(struct vcuda_call *c, enum cuda_id id, CUstream *stream,
			     unsigned int flags)
{
	uint32_t legacy = 0;
	CUresult r = vcuda_legacy_number(NULL, &legacy);

	if (r)
		return r;
	if (flags & ~CU_STREAM_NON_BLOCKING)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_begin(c, id);
	vcuda_put_new(c, CUDA_HANDLE_stream, stream);
	vcuda_put_u64(c, (uint64_t)legacy << 32 | flags);
	return CUDA_SUCCESS;
}

static CUresult create(CUstream *stream, unsigned int flags)
{
	struct vcuda_call c;
	CUresult r = begin_create(&c, CUDA_ID_cuStreamCreate, stream, flags);

	return r ? r : vcuda_async(&c);
}

CUresult hand_cuStreamCreate(CUstream *stream, unsigned int flags)
{
	return create(stream, flags);
}

CUresult hand_cuStreamCreateWithPriority(CUstream *stream, unsigned int flags, int priority)
{
	struct vcuda_call c;
	CUresult r = begin_create(&c, CUDA_ID_cuStreamCreateWithPriority, stream, flags);

	if (r)
		return r;
	vcuda_put_u64(&c, priority);
	return vcuda_async(&c);
}

static CUresult destroy(CUstream stream)
{
	struct vcuda_call c;

	vcuda_begin(&c, CUDA_ID_cuStreamDestroy_v2);
	vcuda_put_del(&c, CUDA_HANDLE_stream, stream);
	return vcuda_async(&c);
}

static void thread_ends(void *list)
{
	bool ready = !vcuda_session_check();
	struct own *o, *next;

	for (o = list; o; o = next) {
		next = o->next;
		if (ready && vcuda_handle_get(CUDA_HANDLE_stream, o->stream))
			destroy(o->stream);
		free(o);
	}
	owns = NULL;
}

static void make_key(void)
{
	pthread_key_create(&own_key, thread_ends);
}

/* NULL: the thread has used none in its current context. */
static struct own *find_own(void)
{
	CUcontext ctx = vcuda_current();
	struct own *o;

	for (o = owns; o && o->ctx != ctx; o = o->next)
		;
	return o;
}

static CUresult own_stream(CUstream *stream)
{
	struct own *o = find_own();
	CUresult r;

	if (o && vcuda_handle_get(CUDA_HANDLE_stream, o->stream)) {
		*stream = o->stream;
		return CUDA_SUCCESS;
	}
	r = create(stream, CU_STREAM_DEFAULT);
	if (r)
		return r;
	if (!o) {
		o = malloc(sizeof(*o));
		if (!o) {
			destroy(*stream);
			return CUDA_ERROR_OUT_OF_MEMORY;
		}
		o->ctx = vcuda_current();
		o->next = owns;
		owns = o;
		pthread_once(&own_once, make_key);
		pthread_setspecific(own_key, owns);
	}
	o->stream = *stream;
	return CUDA_SUCCESS;
}

static bool is_legacy(CUstream s)
{
	return !s || s == CU_STREAM_LEGACY;
}

CUresult vcuda_stream_number(CUstream stream, uint32_t *number)
{
	CUresult r;

	if (is_legacy(stream))
		return vcuda_legacy_number(NULL, number);
	if (stream == CU_STREAM_PER_THREAD) {
		r = own_stream(&stream);
		if (r)
			return r;
	}
	if (!vcuda_handle_get(CUDA_HANDLE_stream, stream))
		return vcuda_bad_handle(CUDA_HANDLE_stream, stream);
	*number = vcuda_handle_number(stream);
	return vcuda_sticky_error();
}

CUcontext vcuda_stream_context(CUstream stream)
{
	struct vcuda_object *o = NULL;

	if (!is_legacy(stream) && stream != CU_STREAM_PER_THREAD)
		o = vcuda_handle_get(CUDA_HANDLE_stream, stream);
	return o ? o->stream.ctx : vcuda_current();
}

CUresult vcuda_stream_own_number(CUstream stream, uint32_t *number)
{
	CUresult r = vcuda_need_context();

	if (!r)
		r = vcuda_stream_number(stream, number);
	return !r && vcuda_stream_context(stream) != vcuda_current() ? CUDA_ERROR_INVALID_HANDLE : r;
}

struct vcuda_object *vcuda_stream_object(CUstream stream)
{
	uint32_t number;
	struct own *o;

	if (stream == CU_STREAM_PER_THREAD) {
		o = find_own();
		stream = o ? o->stream : NULL;
	} else if (is_legacy(stream)) {
		if (vcuda_legacy_number(NULL, &number) || number == VWIRE_STREAM_LEGACY)
			return NULL;
		stream = vcuda_handle_of(CUDA_HANDLE_stream, number);
	}
	return vcuda_handle_get(CUDA_HANDLE_stream, stream);
}

static void destroy_of(void *handle, struct vcuda_object *o, void *ctx)
{
	if (o->stream.ctx != ctx)
		return;
	destroy(handle);
	vcuda_handle_orphan(CUDA_HANDLE_stream, handle, vcuda_contexts_begun());
}

static void destroy_event_of(void *handle, struct vcuda_object *o, void *ctx)
{
	struct vcuda_call c;

	if (o->event.ctx != ctx)
		return;
	vcuda_begin(&c, CUDA_ID_cuEventDestroy_v2);
	vcuda_put_del(&c, CUDA_HANDLE_event, handle);
	vcuda_async(&c);
	vcuda_handle_orphan(CUDA_HANDLE_event, handle, vcuda_contexts_begun());
}

void vcuda_context_destroy_streams(CUcontext ctx)
{
	vcuda_handle_each(CUDA_HANDLE_event, destroy_event_of, ctx);
	vcuda_handle_each(CUDA_HANDLE_stream, destroy_of, ctx);
}

CUresult hand_cuStreamDestroy(CUstream stream)
{
	return destroy(stream);
}

/* ---- questions ---- */

/* The object of a created stream; *o NULL and success for a default stream. */
static CUresult lookup(CUstream s, struct vcuda_object **o)
{
	*o = vcuda_is_default_stream(s) ? NULL : vcuda_handle_get(CUDA_HANDLE_stream, s);
	if (!*o && !vcuda_is_default_stream(s))
		return vcuda_bad_handle(CUDA_HANDLE_stream, s);
	return *o ? vcuda_sticky_error() : vcuda_need_context();
}

CUresult hand_cuStreamGetPriority(CUstream s, int *priority)
{
	struct vcuda_object *o;
	CUresult r = priority ? lookup(s, &o) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*priority = o ? o->stream.priority : 0;
	return r;
}

CUresult hand_cuStreamGetFlags(CUstream s, unsigned int *flags)
{
	struct vcuda_object *o;
	CUresult r = flags ? lookup(s, &o) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*flags = o ? o->stream.flags : CU_STREAM_DEFAULT;
	return r;
}

CUresult hand_cuStreamGetId(CUstream s, unsigned long long *id)
{
	struct vcuda_object *o;
	CUresult r = id ? lookup(s, &o) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*id = o ? o->stream.id : s == CU_STREAM_PER_THREAD ? 2 : 1;
	return r;
}

CUresult hand_cuStreamGetCtx(CUstream s, CUcontext *ctx)
{
	struct vcuda_object *o;
	CUresult r = ctx ? lookup(s, &o) : CUDA_ERROR_INVALID_VALUE;

	if (!r)
		*ctx = o ? o->stream.ctx : vcuda_current();
	return r;
}

CUresult hand_cuStreamGetDevice(CUstream s, CUdevice *dev)
{
	CUcontext ctx;
	CUresult r = dev ? hand_cuStreamGetCtx(s, &ctx) : CUDA_ERROR_INVALID_VALUE;

	return r ? r : hand_cuCtxGetDevice_v2(dev, ctx);
}

CUresult hand_cuStreamGetCtx_v2(CUstream s, CUcontext *ctx, CUgreenCtx *green)
{
	CUresult r = hand_cuStreamGetCtx(s, ctx);

	/* green contexts cannot be made, so no stream is of one */
	if (!r && green)
		*green = NULL;
	return r;
}

/* ---- events ---- */

void vcuda_event_made(void *handle, struct vwire_rd args)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_event, handle);

	rd_u64(&args);
	o->event.ctx = vcuda_current();
	o->event.flags = rd_u64(&args);
}

CUresult hand_cuEventDestroy(CUevent event)
{
	struct vcuda_call c;

	vcuda_begin(&c, CUDA_ID_cuEventDestroy_v2);
	vcuda_put_del(&c, CUDA_HANDLE_event, event);
	return vcuda_async(&c);
}

/*
 * No profiler can be attached to a program here: starting and stopping one has, as natively without
 * one, no effect.
 */
CUresult hand_cuProfilerStart(void)
{
	return vcuda_need_context();
}

CUresult hand_cuProfilerStop(void)
{
	return vcuda_need_context();
}
