/* SPDX-License-Identifier: MIT */
/*
 * vmm.c - the virtual memory calls of a program, inside the lease's range
 */
#include <stdlib.h>

#include "run.h"
#include "share.h"
#include "worker.h"

static struct physical *find(struct request *rq, uint32_t number)
{
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_allocation, number);

	if (!h && !rq->err)
		rq->err = CUDA_ERROR_INVALID_VALUE;
	return h ? h->aux : NULL;
}

/* Charged already. */
static CUresult bind(struct worker *w, uint32_t number, CUmemGenericAllocationHandle handle,
		     uint64_t size)
{
	struct physical *p = malloc(sizeof(*p));
	struct handle *h = p ? handles_add(&w->handles, CUDA_HANDLE_allocation, number, p) : NULL;

	if (!h) {
		free(p);
		return p ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_OUT_OF_MEMORY;
	}
	*p = (struct physical){ .real = handle, .size = size, .refs = 1 };
	h->aux = p;
	return CUDA_SUCCESS;
}

CUresult vmm_take(struct worker *w, uint32_t number, CUmemGenericAllocationHandle handle,
		  uint64_t size, CUresult r)
{
	if (r == CUDA_SUCCESS) {
		r = bind(w, number, handle, size);
		if (r != CUDA_SUCCESS)
			real.cuMemRelease(handle);
	}
	if (r != CUDA_SUCCESS)
		memory_uncharge(&w->memory, size);
	return r;
}

static CUresult create(struct worker *w, uint32_t number, uint64_t size)
{
	CUmemAllocationProp prop = memory_prop(&w->memory);
	CUmemGenericAllocationHandle handle = 0;
	CUresult r = size && size % w->memory.granularity == 0 ? memory_charge(&w->memory, size)
							       : CUDA_ERROR_INVALID_VALUE;

	if (r != CUDA_SUCCESS)
		return r;
	r = real.cuMemCreate(&handle, size, &prop, 0);
	return vmm_take(w, number, handle, size, r);
}

void run_cuMemCreate(struct request *rq)
{
	struct vwire_allocation a;
	CUresult r;

	rd_copy(&rq->in, &a, sizeof(a));
	if (!run_args_ready(rq))
		return;
	r = create(rq->w, le32toh(a.number), le64toh(a.size));
	if (r == CUDA_SUCCESS)
		reply_used(rq->w);
	run_result(rq, r);
}

void run_cuMemRelease(struct request *rq)
{
	uint32_t number = rd_u32(&rq->in);
	struct physical *p = find(rq, number);
	CUresult r;

	if (!run_args_ready(rq))
		return;
	share_released(number);
	r = real.cuMemRelease(p->real);
	handles_del(&rq->w->handles, CUDA_HANDLE_allocation, number);
	memory_put_physical(&rq->w->memory, p);
	reply_used(rq->w);
	run_result(rq, r);
}

void run_cuMemMap(struct request *rq)
{
	struct vwire_mem_map in;
	struct physical *p;

	rd_copy(&rq->in, &in, sizeof(in));
	p = find(rq, le32toh(in.number));
	if (run_args_ready(rq))
		run_result(rq, memory_map_physical(&rq->w->memory, le64toh(in.addr),
						   le64toh(in.size), p));
}

/* The program has waited for what used the memory, or takes what comes. */
void run_cuMemUnmap(struct request *rq)
{
	struct vwire_map in;
	CUresult r;

	rd_copy(&rq->in, &in, sizeof(in));
	if (!run_args_ready(rq))
		return;
	r = memory_unmap_physical(&rq->w->memory, le64toh(in.addr), le64toh(in.size));
	if (r == CUDA_SUCCESS)
		reply_used(rq->w);
	run_result(rq, r);
}

void run_cuMemSetAccess(struct request *rq)
{
	struct memory *m = &rq->w->memory;
	CUmemAccessDesc access = { .location = memory_prop(m).location };
	struct vwire_mem_access in;
	CUresult r = CUDA_ERROR_INVALID_VALUE;

	rd_copy(&rq->in, &in, sizeof(in));
	if (!run_args_ready(rq))
		return;
	access.flags = le32toh(in.flags);
	if (memory_is_physical(m, le64toh(in.addr), le64toh(in.size)))
		r = real.cuMemSetAccess(le64toh(in.addr), le64toh(in.size), &access, 1);
	run_result(rq, r);
}
