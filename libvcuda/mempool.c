// SPDX-License-Identifier: MIT
/*
 * mempool.c - memory pools: stream-ordered allocation, without a frame where the pool has memory
 *
 * A pool's memory consists of segments, runs of granules that are mapped once, and a segment of
 * blocks. A freed block may be used again at once by the stream that freed it, whose requests keep
 * their order; by others once all work up to the free is known to be done. A pool keeps at most as
 * much as its threshold says when the program waits for something.
 */
#include "mempool.h"

#include <stdlib.h>

#include "vcuda_graph.h"

#define UNIT	512u

struct block {
	struct block *prev, *next;	/* in its segment, by address */
	uint64_t addr, bytes;
	uint64_t size;			/* as asked for; 0: free */
	uint64_t id;
	CUcontext ctx;
	bool sync_memops;
	/* of a free block: who may use it, and since when everybody may */
	uint32_t stream;
	uint64_t seq;
};

struct segment {
	struct arena_run run;
	struct segment *next;
	struct pool *pool;
	struct block *blocks;
	uint64_t live;			/* bytes of blocks in use */
	bool small;			/* one granule, for what is at most half of one */
};

#define NO_STREAM	UINT32_MAX

/* All under the arena's lock. */
static struct pool *pools;
static struct pool *defaults[VCUDA_MAX_DEVICES];
struct pool *vcuda_pool_current[VCUDA_MAX_DEVICES];
static _Atomic bool in_use;		/* a segment exists */

/* ---- pools ---- */

struct pool *vcuda_pool_new(CUdevice dev)
{
	struct pool *p = calloc(1, sizeof(*p));
	struct vcuda_object *o;

	if (!p)
		return NULL;
	p->handle = (CUmemoryPool)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_mempool, &o);
	if (!p->handle) {
		free(p);
		return NULL;
	}
	o->p = p;
	p->dev = dev;
	p->reuse = (struct pool_reuse){ 1, 1, 1 };
	p->next = pools;
	pools = p;
	return p;
}

struct pool *vcuda_pool_of(CUmemoryPool handle)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_mempool, handle);

	return o ? o->p : NULL;
}

struct pool *vcuda_pool_default(CUdevice dev)
{
	if (!defaults[dev]) {
		defaults[dev] = vcuda_pool_new(dev);
		if (defaults[dev])
			defaults[dev]->is_default = true;
	}
	return defaults[dev];
}

static void pool_free(struct pool *p)
{
	struct pool **at;

	for (at = &pools; *at && *at != p; at = &(*at)->next)
		;
	if (*at)
		*at = p->next;
	free(p);
}

/* ---- segments and blocks ---- */

static void free_blocks(struct segment *s)
{
	struct block *b;

	while ((b = s->blocks)) {
		s->blocks = b->next;
		free(b);
	}
}

static void segment_leave(struct segment **at)
{
	struct segment *s = *at;
	struct pool *p = s->pool;

	*at = s->next;
	p->reserved -= s->run.granules * vcuda_arena_granule();
	free_blocks(s);
	vcuda_arena_leave(&s->run);
}

void vcuda_pool_trim(struct pool *p, uint64_t keep)
{
	struct segment **at = &p->segments;

	while (*at && p->reserved > keep) {
		if ((*at)->live)
			at = &(*at)->next;
		else
			segment_leave(at);
	}
}

void vcuda_pools_shrink(void)
{
	struct pool *p;

	for (p = pools; p; p = p->next)
		vcuda_pool_trim(p, 0);
}

void vcuda_pools_synchronized(void)
{
	struct pool *p;

	if (!atomic_load_explicit(&in_use, memory_order_relaxed))
		return;
	vcuda_arena_lock();
	for (p = pools; p; p = p->next)
		vcuda_pool_trim(p, p->threshold);
	vcuda_arena_unlock();
}

static bool may_use(const struct block *b, uint32_t stream)
{
	return !b->size && (b->stream == stream || vcuda_is_done(b->seq));
}

/* Two free neighbours become one if who may use either may use both. */
static bool merge_next(struct block *b)
{
	struct block *n = b->next;

	if (b->size || !n || n->size)
		return false;
	if (vcuda_is_done(b->seq))
		b->stream = n->stream;
	else if (!vcuda_is_done(n->seq) && n->stream != b->stream)
		return false;
	if (n->seq > b->seq)
		b->seq = n->seq;
	b->bytes += n->bytes;
	b->next = n->next;
	if (b->next)
		b->next->prev = b;
	free(n);
	return true;
}

static void merge_all(struct segment *s)
{
	struct block *b = s->blocks;

	while (b)
		if (!merge_next(b))
			b = b->next;
}

static bool split(struct block *b, uint64_t bytes)
{
	struct block *rest;

	if (b->bytes == bytes)
		return true;
	rest = calloc(1, sizeof(*rest));
	if (!rest)
		return false;
	rest->addr = b->addr + bytes;
	rest->bytes = b->bytes - bytes;
	rest->stream = b->stream;
	rest->seq = b->seq;
	rest->prev = b;
	rest->next = b->next;
	if (rest->next)
		rest->next->prev = rest;
	b->next = rest;
	b->bytes = bytes;
	return true;
}

static struct block *find_block(struct pool *p, uint64_t bytes, bool small, uint32_t stream)
{
	struct block *b, *best = NULL;
	struct segment *s;

	for (s = p->segments; s; s = s->next) {
		if (s->small != small || s->run.granules * vcuda_arena_granule() - s->live < bytes)
			continue;
		for (b = s->blocks; b; b = b->next)
			if (b->bytes >= bytes && (!best || b->bytes < best->bytes) &&
			    may_use(b, stream))
				best = b;
		if (best && small)
			break;
	}
	return best;
}

static CUresult segment_new(struct pool *p, uint64_t bytes, bool small)
{
	uint64_t n = vcuda_arena_granules(bytes);
	struct segment *s = calloc(1, sizeof(*s));
	struct block *b = calloc(1, sizeof(*b));
	CUresult r = s && b ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;

	if (!r && p->max_size && n * vcuda_arena_granule() > p->max_size - p->reserved)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (!r)
		r = vcuda_arena_map(&s->run, ARENA_POOL, n);
	if (r) {
		free(s);
		free(b);
		return r;
	}
	b->addr = s->run.addr;
	b->bytes = n * vcuda_arena_granule();
	b->stream = NO_STREAM;
	s->pool = p;
	s->small = small;
	s->blocks = b;
	s->next = p->segments;
	p->segments = s;
	p->reserved += b->bytes;
	if (p->reserved > p->reserved_high)
		p->reserved_high = p->reserved;
	atomic_store(&in_use, true);
	return CUDA_SUCCESS;
}

static struct segment *segment_of(const struct block *b)
{
	return (struct segment *)vcuda_arena_at(b->addr);
}

static CUresult pool_alloc(struct pool *p, size_t size, uint32_t stream, uint64_t *out)
{
	uint64_t bytes = (size + UNIT - 1) / UNIT * UNIT;
	bool small = bytes <= vcuda_arena_granule() / 2;
	struct segment *s;
	struct block *b;
	CUresult r;

	if (bytes < size)
		return CUDA_ERROR_OUT_OF_MEMORY;
	vcuda_arena_reap();
	b = find_block(p, bytes, small, stream);
	if (!b) {
		for (s = p->segments; s; s = s->next)
			merge_all(s);
		b = find_block(p, bytes, small, stream);
	}
	if (!b) {
		r = segment_new(p, bytes, small);
		if (r)
			return r;
		b = p->segments->blocks;
	}
	if (!split(b, bytes))
		return CUDA_ERROR_OUT_OF_MEMORY;
	b->size = size;
	b->id = vcuda_memory_id();
	b->ctx = vcuda_current();
	b->sync_memops = false;
	b->stream = stream;
	segment_of(b)->live += bytes;
	p->used += bytes;
	if (p->used > p->used_high)
		p->used_high = p->used;
	*out = b->addr;
	return CUDA_SUCCESS;
}

static void fence_done(struct arena_pending *p)
{
	free(p);
}

/*
 * Without a stream nobody may use the block before the device has come so far. The worker is asked
 * to say when where the stream that allocates is likely to be another than the one that frees.
 */
static void block_free(struct segment *s, struct block *b, uint32_t stream)
{
	bool foreign = b->stream != stream;
	struct arena_pending *fence;
	struct pool *p = s->pool;

	b->size = 0;
	b->stream = stream;
	b->seq = vcuda_device_idle() ? 0 : vcuda_last_work();
	s->live -= b->bytes;
	p->used -= b->bytes;
	if (foreign && b->seq) {
		fence = malloc(sizeof(*fence));
		if (fence) {
			fence->done = fence_done;
			if (vcuda_arena_after(fence))
				free(fence);
		}
	}
	if (b->prev && merge_next(b->prev))
		return;
	merge_next(b);
}

static struct block *block_at(const struct segment *s, uint64_t addr)
{
	struct block *b;

	for (b = s->blocks; b && addr - b->addr >= b->bytes; b = b->next)
		;
	return b;
}

bool vcuda_pool_find(struct arena_run *r, uint64_t addr, struct vcuda_range *out)
{
	struct segment *s = (struct segment *)r;
	struct block *b = s->pool ? block_at(s, addr) : NULL;

	if (!b || addr - b->addr >= b->size)
		return false;
	out->start = b->addr;
	out->size = b->size;
	out->id = b->id;
	out->ctx = b->ctx;
	out->pool = s->pool->handle;
	out->sync_memops = &b->sync_memops;
	return true;
}

/* A pool that was destroyed, and whose last block has gone, goes. */
void vcuda_pool_settle(struct pool *p)
{
	if (!p->destroyed)
		return;
	vcuda_pool_trim(p, 0);
	if (!p->segments)
		pool_free(p);
}

CUresult vcuda_pool_free(struct arena_run *r, uint64_t addr)
{
	struct segment *s = (struct segment *)r;
	struct block *b = block_at(s, addr);
	struct pool *p = s->pool;

	block_free(s, b, NO_STREAM);
	vcuda_pool_settle(p);
	return CUDA_SUCCESS;
}

static void segment_context(struct segment *s, CUcontext ctx)
{
	struct block *b;
	bool again;

	do {
		again = false;
		for (b = s->blocks; b && !again; b = b->next)
			if (b->size && b->ctx == ctx) {
				block_free(s, b, NO_STREAM);
				again = true;
			}
	} while (again);
}

void vcuda_pools_context(CUcontext ctx)
{
	struct pool *p, *next;
	struct segment *s;

	for (p = pools; p; p = next) {
		next = p->next;
		for (s = p->segments; s; s = s->next)
			segment_context(s, ctx);
		vcuda_pool_trim(p, 0);
		vcuda_pool_settle(p);
	}
}

/* ---- allocation ---- */

static CUresult allocate(CUdeviceptr *out, size_t size, CUmemoryPool handle, bool named,
			 CUstream stream)
{
	CUdevice dev = vcuda_current_device();
	uint64_t addr = 0;
	struct pool *p;
	uint32_t number;
	bool capturing;
	CUresult r = vcuda_capture_alloc(stream, size, out, &capturing);

	if (r || capturing)
		return r;
	r = vcuda_stream_own_number(stream, &number);
	if (!r)
		r = out ? vcuda_sticky_error() : CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	vcuda_arena_lock();
	p = named ? vcuda_pool_of(handle) : vcuda_pool_current[dev];
	if (!named && !p)
		p = vcuda_pool_default(dev);
	/* no bytes are no memory, which is no mistake */
	if (p)
		r = size ? pool_alloc(p, size, number, &addr) : CUDA_SUCCESS;
	else
		r = named ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_OUT_OF_MEMORY;
	vcuda_arena_unlock();
	if (!r)
		*out = addr;
	return r;
}

CUresult hand_cuMemAllocAsync(CUdeviceptr *out, size_t size, CUstream stream)
{
	return allocate(out, size, NULL, false, stream);
}

CUresult hand_cuMemAllocFromPoolAsync(CUdeviceptr *out, size_t size, CUmemoryPool pool,
				      CUstream stream)
{
	return allocate(out, size, pool, true, stream);
}

CUresult hand_cuMemFreeAsync(CUdeviceptr ptr, CUstream stream)
{
	struct segment *s;
	struct block *b;
	uint32_t number;
	bool capturing;
	CUresult r = vcuda_capture_free(stream, ptr, &capturing);

	if (r || capturing)
		return r;
	r = vcuda_stream_number(stream, &number);
	if (r)
		return r;
	if (vcuda_arena_kind(ptr) != ARENA_POOL)
		return ptr ? hand_cuMemFree_v2(ptr) : vcuda_sticky_error();
	vcuda_arena_lock();
	s = (struct segment *)vcuda_arena_at(ptr);
	b = s && s->run.kind == ARENA_POOL && s->pool ? block_at(s, ptr) : NULL;
	if (b && b->size && b->addr == ptr) {
		struct pool *p = s->pool;

		block_free(s, b, number);
		vcuda_pool_settle(p);
	} else {
		r = CUDA_ERROR_INVALID_VALUE;
	}
	vcuda_arena_unlock();
	return r ? r : vcuda_sticky_error();
}
