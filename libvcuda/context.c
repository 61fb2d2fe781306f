// SPDX-License-Identifier: MIT
/*
 * context.c - contexts, which never leave the process
 *
 * A lease has one context on each device, made before the function came. The primary context and
 * those that the program creates all stand for it: each has its own place in the threads' stacks,
 * its own local storage and its own objects, which go with it; the address space and the legacy
 * stream are shared. A context that a kernel has poisoned stays so for all of them, until the
 * process ends.
 */
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cudart.h"
#include "texture.h"
#include "vcuda.h"

#define STACK_MAX	64

struct context {
	CUcontext handle;
	CUdevice dev;
	bool primary;
	unsigned int flags, refs;	/* refs: of a primary context */
	unsigned int api_version;
	uint64_t id;
	struct cls_list cls;
};

/* creation, reference counts, cls changes */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct context *primaries[VCUDA_MAX_DEVICES];
static uint64_t last_id;

static __thread CUcontext stack[STACK_MAX];
static __thread int depth;

static struct context *get(CUcontext ctx)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_context, ctx);

	return o ? o->p : NULL;
}

static struct context *new_context(CUdevice dev, unsigned int flags, bool primary)
{
	struct context *c = calloc(1, sizeof(*c));
	struct vcuda_object *o;

	if (!c)
		return NULL;
	c->handle = (CUcontext)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_context, &o);
	if (!c->handle) {
		free(c);
		return NULL;
	}
	c->dev = dev;
	c->flags = flags;
	c->primary = primary;
	c->api_version = 3020;
	c->id = ++last_id;
	o->p = c;
	return c;
}

static bool device_ok(CUdevice dev)
{
	return dev >= 0 && dev < vcuda_lease()->nr_devices;
}

/* ---- values by key ---- */

static CUresult cls_context(CUcontext ctx, struct context **c)
{
	if (!ctx)
		ctx = vcuda_current();
	*c = ctx ? get(ctx) : NULL;
	return *c ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cudart_cls_get(void **value, CUcontext ctx, void *key)
{
	struct context *c;
	CUresult r = cls_context(ctx, &c);

	return r ? r : cls_get(&c->cls, key, value);
}

CUresult cudart_cls_put(CUcontext ctx, void *key, void *value, cls_dtor dtor)
{
	struct context *c;
	CUresult r = cls_context(ctx, &c);

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	r = cls_put(&c->cls, key, value, dtor);
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult cudart_cls_del(CUcontext ctx, void *key)
{
	struct context *c;
	CUresult r = cls_context(ctx, &c);

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	r = cls_del(&c->cls, key);
	pthread_mutex_unlock(&lock);
	return r;
}

/* What lived in a context goes with it. */
static void empty(struct context *c)
{
	cls_destroy(&c->cls, c->handle);
	vcuda_context_destroy_streams(c->handle);
	vcuda_context_destroy_textures(c->handle);
	vcuda_context_destroy_arrays(c->handle);
	vcuda_context_unload(c->handle);
	vcuda_context_free_memory(c->handle);
}

/* ---- primary contexts ---- */

CUresult vcuda_primary(CUcontext *ctx, CUdevice dev)
{
	CUresult r = CUDA_SUCCESS;

	if (!ctx)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_ok(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&lock);
	if (!primaries[dev])
		primaries[dev] = new_context(dev, 0, true);
	if (primaries[dev])
		*ctx = primaries[dev]->handle;
	else
		r = CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuDevicePrimaryCtxRetain(CUcontext *ctx, CUdevice dev)
{
	CUresult r = vcuda_primary(ctx, dev);

	if (!r) {
		pthread_mutex_lock(&lock);
		primaries[dev]->refs++;
		pthread_mutex_unlock(&lock);
	}
	return r;
}

CUresult hand_cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	struct context *c;
	bool last = false;

	if (!device_ok(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&lock);
	c = primaries[dev];
	if (c && c->refs)
		last = !--c->refs;
	else
		c = NULL;
	pthread_mutex_unlock(&lock);
	if (last)
		empty(c);
	return c ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult hand_cuDevicePrimaryCtxRelease(CUdevice dev)
{
	return hand_cuDevicePrimaryCtxRelease_v2(dev);
}

CUresult hand_cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
	if (!device_ok(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if (primaries[dev])
		empty(primaries[dev]);
	return CUDA_SUCCESS;
}

CUresult hand_cuDevicePrimaryCtxReset(CUdevice dev)
{
	return hand_cuDevicePrimaryCtxReset_v2(dev);
}

CUresult hand_cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
	CUcontext ctx;
	CUresult r = vcuda_primary(&ctx, dev);

	if (!r && flags & ~CU_CTX_FLAGS_MASK)
		r = CUDA_ERROR_INVALID_VALUE;
	if (!r)
		primaries[dev]->flags = flags;
	return r;
}

CUresult hand_cuDevicePrimaryCtxSetFlags(CUdevice dev, unsigned int flags)
{
	return hand_cuDevicePrimaryCtxSetFlags_v2(dev, flags);
}

CUresult hand_cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active)
{
	if (!flags || !active)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_ok(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*flags = primaries[dev] ? primaries[dev]->flags : 0;
	*active = primaries[dev] && primaries[dev]->refs;
	return CUDA_SUCCESS;
}

/* ---- the thread's stack ---- */

CUcontext vcuda_current(void)
{
	return depth ? stack[depth - 1] : NULL;
}

CUresult vcuda_need_context(void)
{
	return depth && get(stack[depth - 1]) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUdevice vcuda_current_device(void)
{
	struct context *c = depth ? get(stack[depth - 1]) : NULL;

	return c ? c->dev : 0;
}

bool vcuda_context_ok(CUcontext ctx)
{
	return get(ctx) != NULL;
}

uint64_t vcuda_context_id(CUcontext ctx)
{
	struct context *c = get(ctx);

	return c ? c->id : 0;
}

CUresult hand_cuCtxPushCurrent_v2(CUcontext ctx)
{
	if (!get(ctx))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (depth == STACK_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	stack[depth++] = ctx;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxPushCurrent(CUcontext ctx)
{
	return hand_cuCtxPushCurrent_v2(ctx);
}

CUresult hand_cuCtxPopCurrent_v2(CUcontext *ctx)
{
	if (!depth)
		return CUDA_ERROR_INVALID_CONTEXT;
	depth--;
	if (ctx)
		*ctx = stack[depth];
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxPopCurrent(CUcontext *ctx)
{
	return hand_cuCtxPopCurrent_v2(ctx);
}

/* NULL pops the top; otherwise the top is replaced. */
CUresult hand_cuCtxSetCurrent(CUcontext ctx)
{
	if (ctx && !get(ctx))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!ctx) {
		if (depth)
			depth--;
		return CUDA_SUCCESS;
	}
	if (!depth)
		depth = 1;
	stack[depth - 1] = ctx;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxGetCurrent(CUcontext *ctx)
{
	if (!ctx)
		return CUDA_ERROR_INVALID_VALUE;
	*ctx = vcuda_current();
	return CUDA_SUCCESS;
}

/* ---- created contexts ---- */

static CUresult create(CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	struct context *c;
	CUresult r;

	if (!ctx ||
	    flags & ~(CU_CTX_FLAGS_MASK | CU_CTX_COREDUMP_ENABLE | CU_CTX_USER_COREDUMP_ENABLE))
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_ok(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&lock);
	c = new_context(dev, flags, false);
	pthread_mutex_unlock(&lock);
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = hand_cuCtxPushCurrent_v2(c->handle);
	if (!r)
		*ctx = c->handle;
	return r;
}

CUresult hand_cuCtxCreate(CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	return create(ctx, flags, dev);
}

CUresult hand_cuCtxCreate_v2(CUcontext *ctx, unsigned int flags, CUdevice dev)
{
	return create(ctx, flags, dev);
}

/* Execution affinity (a share of the multiprocessors) is not kept. */
CUresult hand_cuCtxCreate_v3(CUcontext *ctx, CUexecAffinityParam *params, int nr,
			     unsigned int flags, CUdevice dev)
{
	if (params || nr)
		return vcuda_not_supported(CUDA_ID_cuCtxCreate_v3);
	return create(ctx, flags, dev);
}

CUresult hand_cuCtxCreate_v4(CUcontext *ctx, CUctxCreateParams *params, unsigned int flags,
			     CUdevice dev)
{
	if (params && (params->numExecAffinityParams || params->cigParams))
		return vcuda_not_supported(CUDA_ID_cuCtxCreate_v4);
	return create(ctx, flags, dev);
}

CUresult hand_cuCtxDestroy_v2(CUcontext ctx)
{
	struct context *c = get(ctx);

	if (!c || c->primary)
		return CUDA_ERROR_INVALID_CONTEXT;
	empty(c);
	if (vcuda_current() == ctx)
		depth--;
	/* struct context stays: another thread may be looking at it */
	vcuda_handle_del(CUDA_HANDLE_context, ctx);
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxDestroy(CUcontext ctx)
{
	return hand_cuCtxDestroy_v2(ctx);
}

CUresult hand_cuCtxAttach(CUcontext *ctx, unsigned int flags)
{
	if (!ctx || flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (vcuda_need_context())
		return CUDA_ERROR_INVALID_CONTEXT;
	*ctx = vcuda_current();
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxDetach(CUcontext ctx)
{
	return get(ctx) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

/* ---- questions ---- */

CUresult hand_cuCtxGetDevice_v2(CUdevice *dev, CUcontext ctx)
{
	struct context *c = get(ctx ? ctx : vcuda_current());

	if (!dev)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	*dev = c->dev;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxGetDevice(CUdevice *dev)
{
	return hand_cuCtxGetDevice_v2(dev, NULL);
}

CUresult hand_cuCtxGetFlags(unsigned int *flags)
{
	struct context *c = get(vcuda_current());

	if (!flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	*flags = c->flags;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxSetFlags(unsigned int flags)
{
	struct context *c = get(vcuda_current());

	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (flags & ~CU_CTX_FLAGS_MASK)
		return CUDA_ERROR_INVALID_VALUE;
	c->flags = flags;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxGetId(CUcontext ctx, unsigned long long *id)
{
	struct context *c = get(ctx ? ctx : vcuda_current());

	if (!id)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	*id = c->id;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
	struct context *c = get(ctx ? ctx : vcuda_current());

	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	*version = c->api_version;
	return CUDA_SUCCESS;
}

CUresult hand_cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
	const struct vcuda_device *d = &vcuda_lease()->devices[vcuda_current_device()];
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (least)
		*least = d->priority_least;
	if (greatest)
		*greatest = d->priority_greatest;
	return CUDA_SUCCESS;
}

/*
 * Preferences that devices of compute capability 7.0 and later only take note of: PREFER_NONE,
 * four-byte banks.
 */
CUresult hand_cuCtxGetCacheConfig(CUfunc_cache *config)
{
	if (!config)
		return CUDA_ERROR_INVALID_VALUE;
	*config = CU_FUNC_CACHE_PREFER_NONE;
	return vcuda_need_context();
}

CUresult hand_cuCtxSetCacheConfig(CUfunc_cache config)
{
	if ((unsigned int)config > CU_FUNC_CACHE_PREFER_EQUAL)
		return CUDA_ERROR_INVALID_VALUE;
	return vcuda_need_context();
}

CUresult hand_cuCtxGetSharedMemConfig(CUsharedconfig *config)
{
	if (!config)
		return CUDA_ERROR_INVALID_VALUE;
	*config = CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;
	return vcuda_need_context();
}

CUresult hand_cuCtxSetSharedMemConfig(CUsharedconfig config)
{
	if ((unsigned int)config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE)
		return CUDA_ERROR_INVALID_VALUE;
	return vcuda_need_context();
}

/* What cuCtxGetLimit() was told before is not so any more. */
CUresult hand_cuCtxSetLimit(CUlimit limit, size_t value)
{
	struct vcuda_call c;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	vcuda_begin(&c, CUDA_ID_cuCtxSetLimit);
	vcuda_put_u64(&c, limit);
	vcuda_put_u64(&c, value);
	r = vcuda_sync(&c);
	vcuda_memo_forget();
	return r;
}

/* All of them, as no context is made with fewer. */
CUresult hand_cuCtxGetExecAffinity(CUexecAffinityParam *p, CUexecAffinityType type)
{
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!p || (unsigned int)type >= CU_EXEC_AFFINITY_TYPE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	*p = (CUexecAffinityParam){
		.type = type,
		.param.smCount.val = vcuda_lease()->devices[vcuda_current_device()]
					     .attributes[CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT],
	};
	return CUDA_SUCCESS;
}

/* The event is of the work of all contexts of the device: never less than was asked for. */
static CUresult with_event(enum cuda_id id, CUcontext ctx, CUevent event)
{
	struct vcuda_call c;

	if (!get(ctx ? ctx : vcuda_current()))
		return CUDA_ERROR_INVALID_CONTEXT;
	vcuda_begin(&c, id);
	vcuda_put_handle(&c, CUDA_HANDLE_event, event, false);
	return vcuda_async(&c);
}

CUresult hand_cuCtxRecordEvent(CUcontext ctx, CUevent event)
{
	return with_event(CUDA_ID_cuCtxRecordEvent, ctx, event);
}

CUresult hand_cuCtxWaitEvent(CUcontext ctx, CUevent event)
{
	return with_event(CUDA_ID_cuCtxWaitEvent, ctx, event);
}

/*
 * Handles and what libraries keep by key stay: libcudart in the child goes on with the context it
 * had. What it held on the device is the parent's.
 */
void vcuda_context_reset(void)
{
	pthread_mutex_init(&lock, NULL);
}
