/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "init.h"
#include "memory.h"
#include "share.h"

#define POOL_ALIGN	((size_t)4096)

static LIST_HEAD(, pool) pools = LIST_HEAD_INITIALIZER(pools);
static size_t nr_free;			/* blocks, of all pools */

struct pool *pool_create(const CUmemPoolProps *props, int fd)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	if (handle_create(&p->obj, HANDLE_POOL)) {
		free(p);
		return NULL;
	}
	p->props = *props;
	p->fd = fd;
	p->fd_size = fd ? share_size(fd) : 0;
	p->reuse = (struct pool_reuse){ 1, 1, 1 };
	p->peers = 1u << props->location.id;
	LIST_INIT(&p->blocks);
	LIST_INSERT_HEAD(&pools, p, link);
	return p;
}

static void pool_put(struct pool *p)
{
	if (!p->destroyed || !LIST_EMPTY(&p->blocks))
		return;
	LIST_REMOVE(p, link);
	if (p->fd)
		close(p->fd);
	free(p);
}

void pool_destroy(struct pool *p)
{
	struct pool *q;

	LIST_FOREACH(q, &pools, link)
		if (q->current == p)
			q->current = NULL;
	handle_retire(&p->obj);
	p->destroyed = true;
	pool_trim(p, 0);
}

struct pool *pool_default(CUdevice dev)
{
	CUmemPoolProps props = {
		.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE, .id = dev },
	};
	struct pool *p;

	LIST_FOREACH(p, &pools, link)
		if (p->is_default && p->props.location.id == dev)
			return p;
	p = pool_create(&props, 0);
	if (p)
		p->is_default = true;
	return p;
}

struct pool *pool_find(CUmemoryPool handle)
{
	return HANDLE_FIND(handle, HANDLE_POOL);
}

struct block *pool_block_at(uint64_t addr)
{
	struct pool *p;
	struct block *b;

	LIST_FOREACH(p, &pools, link)
		LIST_FOREACH(b, &p->blocks, link)
			if (addr >= b->addr && addr - b->addr < b->bytes && b->state != BLOCK_FREE)
				return b;
	return NULL;
}

static void block_forget_stream(struct block *b)
{
	if (b->stream)
		stream_put(b->stream);
	b->stream = NULL;
}

/* Its pages go back to where they came from. */
static void block_release(struct block *b)
{
	struct pool *p = b->pool;

	nr_free--;
	munmap((void *)(uintptr_t)b->addr, b->bytes);
	if (!p->imported) {
		if (p->fd)
			fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, b->offset,
				  b->bytes);
		mem_uncharge(p->props.location.id, b->bytes);
	}
	p->reserved -= b->bytes;
	block_forget_stream(b);
	LIST_REMOVE(b, link);
	free(b);
}

void pool_trim(struct pool *p, size_t keep)
{
	struct block *b, *next;

	for (b = LIST_FIRST(&p->blocks); b; b = next) {
		next = LIST_NEXT(b, link);
		if (p->reserved > keep && p->reserved - b->bytes >= keep &&
		    b->state == BLOCK_FREE && context_all_passed(b->seq))
			block_release(b);
	}
	pool_put(p);
}

void pool_synchronized(void)
{
	struct pool *p, *next;

	for (p = nr_free ? LIST_FIRST(&pools) : NULL; p; p = next) {
		next = LIST_NEXT(p, link);
		pool_trim(p, p->destroyed ? 0 : p->threshold);
	}
}

void pool_set_access(struct pool *p, uint32_t devices)
{
	const struct block *b;

	p->peers = devices;
	LIST_FOREACH(b, &p->blocks, link)
		if (b->state != BLOCK_FREE)
			mem_set_access(b->addr, devices, 0);
}

/* The block is no longer live memory; what still runs may be using it by mistake. */
static void block_hide(struct block *b)
{
	mem_remove(b->addr, MEM_POOL);
	b->pool->used -= b->size;
	b->state = BLOCK_FREE;
	b->seq = stream_now();
	b->pending = NULL;
	nr_free++;
	if (b->pool->imported || b->pool->destroyed)
		pool_trim(b->pool, 0);
}

static CUresult block_show(struct block *b, size_t size, struct context *ctx)
{
	struct mem_range r = {
		.lo = b->addr, .size = size, .bytes = b->bytes, .kind = MEM_POOL,
		.device = b->pool->props.location.id, .access = b->pool->peers,
	};
	struct pool *p = b->pool;

	if (!mem_add(&r))
		return CUDA_ERROR_OUT_OF_MEMORY;
	b->state = BLOCK_LIVE;
	b->size = size;
	b->ctx = ctx;
	block_forget_stream(b);
	p->used += size;
	if (p->used > p->used_high)
		p->used_high = p->used;
	return CUDA_SUCCESS;
}

struct pool_free {
	struct work work;
	struct block *block;	/* NULL: it was allocated again, or is gone */
};

static CUresult free_run(struct work *w, struct context *ctx)
{
	struct pool_free *f = (struct pool_free *)w;

	(void)ctx;
	driver_lock();
	if (f->block)
		block_hide(f->block);
	f->block = NULL;
	driver_unlock();
	return CUDA_SUCCESS;
}

/* With a block still: it was never queued. */
static void free_destroy(struct work *w)
{
	struct block *b = ((struct pool_free *)w)->block;

	if (b) {
		b->state = BLOCK_LIVE;
		b->pending = NULL;
		block_forget_stream(b);
		mem_revive(b->addr, MEM_POOL);
	}
	free(w);
}

static CUresult free_later(struct block *b, struct stream *s)
{
	struct pool_free *f = calloc(1, sizeof(*f));
	CUresult r;

	if (!f) {
		mem_revive(b->addr, MEM_POOL);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	f->work.run = free_run;
	f->work.destroy = free_destroy;
	f->work.always = true;
	f->block = b;
	b->state = BLOCK_FREEING;
	b->pending = f;
	b->stream = s;
	stream_get(s);
	r = stream_submit(s, &f->work);
	if (r == CUDA_SUCCESS)
		b->seq = f->work.seq;
	return r;
}

CUresult pool_free(uint64_t addr, struct stream *s)
{
	struct block *b = pool_block_at(addr);

	if (!b || b->addr != addr || !mem_retire(addr, MEM_POOL))
		return CUDA_ERROR_INVALID_VALUE;
	if (!stream_is_idle(s))
		return free_later(b, s);
	b->stream = s;
	stream_get(s);
	block_hide(b);
	return CUDA_SUCCESS;
}

CUresult pool_free_now(uint64_t addr, struct context *ctx)
{
	struct block *b = pool_block_at(addr);
	CUresult r;

	if (!b || b->addr != addr || !mem_retire(addr, MEM_POOL))
		return CUDA_ERROR_INVALID_VALUE;
	r = context_drain_all(ctx);
	b = pool_block_at(addr);	/* the wait dropped the lock */
	if (b)
		block_hide(b);
	pool_synchronized();
	return r;
}

static CUresult wait_run(struct work *w, struct context *ctx)
{
	(void)w;
	(void)ctx;
	return CUDA_SUCCESS;
}

/* Makes later work of s wait for the free of b. */
static bool depend(struct stream *s, const struct block *b)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return false;
	w->run = wait_run;
	w->always = true;
	w->after = b->stream;
	w->after_seq = b->seq;
	stream_get(b->stream);
	return stream_submit(s, w) == CUDA_SUCCESS;
}

/*
 * A free that its stream has not reached is taken back when the same size is asked for again: what
 * is queued before and after uses the block one after the other.
 */
static struct block *take_freeing(struct pool *p, struct stream *s, size_t size)
{
	struct block *b;

	LIST_FOREACH(b, &p->blocks, link) {
		if (b->state != BLOCK_FREEING || b->size != size)
			continue;
		if (b->stream != s && (!p->reuse.internal || !depend(s, b)))
			continue;
		b->pending->block = NULL;
		b->pending = NULL;
		b->state = BLOCK_LIVE;
		b->ctx = s->ctx;
		block_forget_stream(b);
		mem_revive(b->addr, MEM_POOL);
		return b;
	}
	return NULL;
}

/* The smallest that fits and wastes no more than it serves. */
static struct block *find_free(struct pool *p, struct stream *s, size_t size)
{
	struct block *b, *best = NULL;

	LIST_FOREACH(b, &p->blocks, link) {
		if (b->state != BLOCK_FREE || b->bytes < size ||
		    b->bytes - size > size + POOL_ALIGN)
			continue;
		if (b->stream && b->stream != s && !p->reuse.opportunistic)
			continue;
		if (!best || b->bytes < best->bytes)
			best = b;
	}
	return best;
}

/* The first gap of the memfd that bytes fit into; fd_size: none. */
static size_t find_gap(const struct pool *p, size_t bytes)
{
	const struct block *b;
	size_t at = 0;
	bool moved;

	do {
		moved = false;
		LIST_FOREACH(b, &p->blocks, link) {
			if (at < b->offset + b->bytes && b->offset < at + bytes) {
				at = b->offset + b->bytes;
				moved = true;
			}
		}
	} while (moved);
	return at <= p->fd_size && bytes <= p->fd_size - at ? at : p->fd_size;
}

static void *map_pages(const struct pool *p, size_t offset, size_t bytes)
{
	int flags = p->fd ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, p->fd ? p->fd : -1, offset);

	return at == MAP_FAILED ? NULL : at;
}

static struct block *block_create(struct pool *p, size_t offset, size_t bytes)
{
	struct block *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->addr = (uintptr_t)map_pages(p, offset, bytes);
	if (!b->addr) {
		free(b);
		return NULL;
	}
	b->pool = p;
	b->bytes = bytes;
	b->offset = offset;
	b->state = BLOCK_FREE;
	nr_free++;
	LIST_INSERT_HEAD(&p->blocks, b, link);
	p->reserved += bytes;
	if (p->reserved > p->reserved_high)
		p->reserved_high = p->reserved;
	return b;
}

static struct block *grow(struct pool *p, size_t size)
{
	size_t bytes = (size + POOL_ALIGN - 1) & ~(POOL_ALIGN - 1);
	size_t offset = p->fd ? find_gap(p, bytes) : 0;
	struct block *b;

	if (p->props.maxSize && (bytes > p->props.maxSize ||
				 p->reserved > p->props.maxSize - bytes))
		return NULL;
	if ((p->fd && offset == p->fd_size) || !mem_charge(p->props.location.id, bytes))
		return NULL;
	b = block_create(p, offset, bytes);
	if (!b)
		mem_uncharge(p->props.location.id, bytes);
	return b;
}

static void trim_everything(void)
{
	struct pool *p, *next;

	for (p = LIST_FIRST(&pools); p; p = next) {
		next = LIST_NEXT(p, link);
		pool_trim(p, 0);
	}
}

static bool somebody_frees(void)
{
	const struct pool *p;
	const struct block *b;

	LIST_FOREACH(p, &pools, link)
		LIST_FOREACH(b, &p->blocks, link)
			if (b->state != BLOCK_LIVE)
				return true;
	return false;
}

/* When there is no memory left, what is freed already, and then what will be, has to serve. */
static struct block *grow_hard(struct pool *p, struct stream *s, size_t size)
{
	struct context *ctx = s->ctx;
	CUmemoryPool handle = HANDLE_OF(p);
	struct block *b = grow(p, size);

	if (b)
		return b;
	trim_everything();
	b = grow(p, size);
	if (b || !somebody_frees())
		return b;
	stream_get(s);
	context_drain_all(ctx);
	trim_everything();
	if (s->ctx && !s->closing && pool_find(handle) == p)
		b = grow(p, size);
	stream_put(s);
	return b;
}

CUresult pool_alloc(struct pool *p, struct stream *s, size_t size, uint64_t *addr)
{
	struct block *b;
	CUresult r;

	if (!size || p->imported)
		return CUDA_ERROR_INVALID_VALUE;
	if (size > SIZE_MAX / 4)
		return CUDA_ERROR_OUT_OF_MEMORY;
	b = take_freeing(p, s, size);
	if (b) {
		*addr = b->addr;
		return CUDA_SUCCESS;
	}
	b = find_free(p, s, size);
	if (!b)
		b = grow_hard(p, s, size);
	if (!b)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = block_show(b, size, s->ctx);
	if (r != CUDA_SUCCESS)
		return r;
	nr_free--;
	*addr = b->addr;
	return CUDA_SUCCESS;
}

CUresult pool_map(struct pool *p, struct context *ctx, size_t offset, size_t bytes, size_t size,
		  uint64_t *addr)
{
	struct block *b = block_create(p, offset, bytes);
	CUresult r;

	if (!b)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*addr = b->addr;
	r = block_show(b, size, ctx);
	if (r == CUDA_SUCCESS)
		nr_free--;
	else
		block_release(b);
	return r;
}

static struct block *block_of(const struct context *ctx)
{
	const struct pool *p;
	struct block *b;

	LIST_FOREACH(p, &pools, link)
		LIST_FOREACH(b, &p->blocks, link)
			if (b->state != BLOCK_FREE && b->ctx == ctx)
				return b;
	return NULL;
}

void pool_release_context(struct context *ctx)
{
	struct block *b;

	while ((b = block_of(ctx))) {
		if (b->pending)
			b->pending->block = NULL;
		block_hide(b);
	}
	pool_synchronized();
}
