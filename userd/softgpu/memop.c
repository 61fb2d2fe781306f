/* SPDX-License-Identifier: MIT */
/*
 * memop.c - cuStreamWaitValue*, cuStreamWriteValue*, cuStreamBatchMemOp, and batch nodes
 */
#include "context.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture.h"
#include "graph_kind.h"
#include "init.h"
#include "memory.h"

#define OPS_MAX		256
#define SLEEP_NS_MAX	1000000
#define WAIT_TYPES	3u		/* CU_STREAM_WAIT_VALUE_GEQ ... NOR */

static unsigned int size_of(const CUstreamBatchMemOpParams *op)
{
	switch (op->operation) {
	case CU_STREAM_MEM_OP_WAIT_VALUE_32:
	case CU_STREAM_MEM_OP_WRITE_VALUE_32:
		return 4;
	case CU_STREAM_MEM_OP_WAIT_VALUE_64:
	case CU_STREAM_MEM_OP_WRITE_VALUE_64:
		return 8;
	default:
		return 0;
	}
}

static bool is_wait(const CUstreamBatchMemOpParams *op)
{
	return op->operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 ||
	       op->operation == CU_STREAM_MEM_OP_WAIT_VALUE_64;
}

static CUresult check(const CUstreamBatchMemOpParams *op)
{
	unsigned int size = size_of(op), flags = op->waitValue.flags;
	CUdeviceptr addr = op->waitValue.address;

	if (op->operation == CU_STREAM_MEM_OP_BARRIER)
		return op->memoryBarrier.flags <= CU_STREAM_MEMORY_BARRIER_TYPE_GPU
			       ? CUDA_SUCCESS
			       : CUDA_ERROR_INVALID_VALUE;
	if (op->operation == CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!size || addr % size || !mem_holds(addr, size))
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_wait(op))
		return flags <= CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER ? CUDA_SUCCESS
									 : CUDA_ERROR_INVALID_VALUE;
	if (flags & CU_STREAM_WAIT_VALUE_FLUSH)
		return CUDA_ERROR_NOT_SUPPORTED;
	return flags <= WAIT_TYPES ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* What each operation must be like. */
static CUresult memop_check(const CUstreamBatchMemOpParams *ops, unsigned int nr,
			    unsigned int flags)
{
	CUresult r = CUDA_SUCCESS;

	if (flags || nr > OPS_MAX || (nr && !ops))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < nr && r == CUDA_SUCCESS; i++)
		r = check(&ops[i]);
	return r;
}

/* Waits with wrap-around: GEQ is a signed difference. */
static bool holds(const CUstreamBatchMemOpParams *op)
{
	const void *p = (const void *)(uintptr_t)op->waitValue.address;
	bool wide = size_of(op) == 8;
	uint64_t value = wide ? op->waitValue.value64 : op->waitValue.value;
	uint64_t have = wide ? __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE)
			     : __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);

	switch (op->waitValue.flags) {
	case CU_STREAM_WAIT_VALUE_EQ:
		return have == value;
	case CU_STREAM_WAIT_VALUE_AND:
		return have & value;
	case CU_STREAM_WAIT_VALUE_NOR:
		return wide ? ~(have | value) != 0 : (uint32_t)~(have | value) != 0;
	default:
		return wide ? (int64_t)(have - value) >= 0 : (int32_t)(have - value) >= 0;
	}
}

static bool is_live(const CUstreamBatchMemOpParams *op)
{
	uint64_t lo, hi;

	return sg_mem_find(op->waitValue.address, &lo, &hi) &&
	       hi - op->waitValue.address >= size_of(op);
}

static CUresult wait_value(const CUstreamBatchMemOpParams *op, struct context *ctx)
{
	struct timespec ts = { 0, 1000 };

	/* Anybody may write it, the program's own threads as well: there is nothing to sleep on. */
	while (!holds(op)) {
		if (ctx->error != CUDA_SUCCESS || ctx->closing)
			return CUDA_SUCCESS;
		nanosleep(&ts, NULL);
		if (ts.tv_nsec < SLEEP_NS_MAX)
			ts.tv_nsec += ts.tv_nsec / 2;
	}
	return CUDA_SUCCESS;
}

static void write_value(const CUstreamBatchMemOpParams *op)
{
	void *p = (void *)(uintptr_t)op->writeValue.address;

	if (size_of(op) == 8)
		__atomic_store_n((uint64_t *)p, op->writeValue.value64, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint32_t *)p, op->writeValue.value, __ATOMIC_RELEASE);
}

/* Without the lock. Waits end when ctx is in error or going away, too. */
static CUresult memop_run(const CUstreamBatchMemOpParams *ops, unsigned int nr, struct context *ctx)
{
	CUresult r = CUDA_SUCCESS;

	for (unsigned int i = 0; i < nr && r == CUDA_SUCCESS; i++) {
		if (!size_of(&ops[i]))
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
		else if (!is_live(&ops[i]))
			r = CUDA_ERROR_ILLEGAL_ADDRESS;
		else if (is_wait(&ops[i]))
			r = wait_value(&ops[i], ctx);
		else
			write_value(&ops[i]);
	}
	return r;
}

struct memop_work {
	struct work work;
	unsigned int nr;
	CUstreamBatchMemOpParams ops[];
};

static CUresult work_run(struct work *w, struct context *ctx)
{
	struct memop_work *m = (struct memop_work *)w;

	return memop_run(m->ops, m->nr, ctx);
}

static CUresult queue(const CUstreamBatchMemOpParams *ops, unsigned int nr, struct stream *s)
{
	struct memop_work *w = calloc(1, sizeof(*w) + nr * sizeof(*ops));

	if (!w)
		return CUDA_ERROR_OUT_OF_MEMORY;
	w->work.run = work_run;
	w->nr = nr;
	memcpy(w->ops, ops, nr * sizeof(*ops));
	return stream_submit(s, &w->work);
}

static CUresult capture(CUstreamBatchMemOpParams *ops, unsigned int nr, struct stream *s)
{
	CUgraphNodeParams p = {
		.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
		.memOp = { .ctx = HANDLE_OF(s->ctx), .count = nr, .paramArray = ops },
	};

	return capture_node(s, &p);
}

CUresult cuStreamBatchMemOp_v2(CUstream handle, unsigned int nr, CUstreamBatchMemOpParams *ops,
			       unsigned int flags)
{
	bool capturing = false;
	struct context *ctx;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r != CUDA_SUCCESS)
		return r;
	r = stream_find_own(ctx, handle, &s);
	if (r == CUDA_SUCCESS)
		r = memop_check(ops, nr, flags);
	if (r == CUDA_SUCCESS)
		r = capture_enter(s, &capturing);
	if (r == CUDA_SUCCESS && nr)
		r = capturing ? capture(ops, nr, s) : queue(ops, nr, s);
	return context_leave(r);
}

CUresult cuStreamBatchMemOp(CUstream s, unsigned int nr, CUstreamBatchMemOpParams *ops,
			    unsigned int flags)
{
	return cuStreamBatchMemOp_v2(s, nr, ops, flags);
}

/* One operation of each size and kind, in both versions, with the twins. */
#define ONE(op, Op, OP, member, bits, field) \
	CUresult cuStream##Op##Value##bits##_v2(CUstream s, CUdeviceptr addr, cuuint##bits##_t value, \
						unsigned int flags) \
	{ \
		CUstreamBatchMemOpParams p = { .member = { CU_STREAM_MEM_OP_##OP##_VALUE_##bits, addr, \
							   { .field = value }, flags, 0 } }; \
\
		return cuStreamBatchMemOp_v2(s, 1, &p, 0); \
	} \
	CUresult cuStream##Op##Value##bits(CUstream s, CUdeviceptr addr, cuuint##bits##_t value, \
					   unsigned int flags) \
	{ \
		return cuStream##Op##Value##bits##_v2(s, addr, value, flags); \
	} \
	CUresult cuStream##Op##Value##bits##_v2_ptsz(CUstream s, CUdeviceptr addr, \
						     cuuint##bits##_t value, unsigned int flags) \
	{ \
		return cuStream##Op##Value##bits##_v2(stream_ptsz(s), addr, value, \
						      flags); \
	} \
	CUresult cuStream##Op##Value##bits##_ptsz(CUstream s, CUdeviceptr addr, \
						  cuuint##bits##_t value, unsigned int flags) \
	{ \
		return cuStream##Op##Value##bits##_v2_ptsz(s, addr, value, flags); \
	}

ONE(wait, Wait, WAIT, waitValue, 32, value)
ONE(wait, Wait, WAIT, waitValue, 64, value64)
ONE(write, Write, WRITE, writeValue, 32, value)
ONE(write, Write, WRITE, writeValue, 64, value64)

CUresult cuStreamBatchMemOp_v2_ptsz(CUstream s, unsigned int nr, CUstreamBatchMemOpParams *ops,
				    unsigned int flags)
{
	return cuStreamBatchMemOp_v2(stream_ptsz(s), nr, ops, flags);
}

CUresult cuStreamBatchMemOp_ptsz(CUstream s, unsigned int nr, CUstreamBatchMemOpParams *ops,
				 unsigned int flags)
{
	return cuStreamBatchMemOp_v2_ptsz(s, nr, ops, flags);
}

static CUresult node_make(struct action *a, CUgraphNodeParams *p)
{
	CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 *m = &a->params.memOp;
	struct context *ctx;
	CUresult r = context_of(m->ctx, &ctx);

	if (r == CUDA_SUCCESS)
		r = m->count ? memop_check(p->memOp.paramArray, m->count, m->flags)
			     : CUDA_ERROR_INVALID_VALUE;
	if (r != CUDA_SUCCESS)
		return r;
	a->data = malloc(m->count * sizeof(*m->paramArray));
	if (!a->data)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(a->data, p->memOp.paramArray, m->count * sizeof(*m->paramArray));
	m->paramArray = a->data;
	m->ctx = HANDLE_OF(ctx);
	return CUDA_SUCCESS;
}

static void node_free(struct action *a)
{
	free(a->data);
}

/* The operations stay; what they are given may change. */
static CUgraphExecUpdateResult node_update(const struct action *a, const struct action *b)
{
	const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2 *old = &a->params.memOp, *new = &b->params.memOp;

	if (old->count != new->count || old->ctx != new->ctx)
		return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
	for (unsigned int i = 0; i < old->count; i++)
		if (old->paramArray[i].operation != new->paramArray[i].operation)
			return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
	return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

static CUresult node_run(const struct action *a, struct run *run)
{
	return memop_run(a->params.memOp.paramArray, a->params.memOp.count, run->ctx);
}

const struct node_kind node_kind_memop = {
	.name = "batch memory operation",
	.make = node_make,
	.destroy = node_free,
	.update = node_update,
	.run = node_run,
};
