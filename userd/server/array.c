/* SPDX-License-Identifier: MIT */
/*
 * array.c - arrays: made as the request comes by, booked against the lease's limit
 */
#include "run.h"
#include "texels.h"
#include "worker.h"

/*
 * A handle's aux: the bytes booked for it, which are even; of a level, which has none of its own,
 * the mark of the array that it is of.
 */
static uint64_t booked(const struct handle *h)
{
	return (uintptr_t)h->aux & 1 ? 0 : (uintptr_t)h->aux;
}

static uint64_t level_mark(uint32_t mipmapped)
{
	return (uint64_t)mipmapped << 1 | 1;
}

static void take_desc(const struct vwire_array *in, CUDA_ARRAY3D_DESCRIPTOR *d)
{
	*d = (CUDA_ARRAY3D_DESCRIPTOR){
		.Width = le64toh(in->width),
		.Height = le64toh(in->height),
		.Depth = le64toh(in->depth),
		.Format = le32toh(in->format),
		.NumChannels = le32toh(in->channels),
		.Flags = le32toh(in->flags),
	};
}

static CUresult make(const CUDA_ARRAY3D_DESCRIPTOR *d, uint32_t levels, bool mipmapped, void **out)
{
	if (mipmapped)
		return real.cuMipmappedArrayCreate
			       ? real.cuMipmappedArrayCreate((CUmipmappedArray *)out, d, levels)
			       : CUDA_ERROR_NOT_SUPPORTED;
	return real.cuArray3DCreate_v2 ? real.cuArray3DCreate_v2((CUarray *)out, d)
				       : CUDA_ERROR_NOT_SUPPORTED;
}

static void bind(struct request *rq, enum cuda_handle_kind kind, uint32_t number, void *array,
		 uint64_t aux)
{
	struct handle *h;

	run_bind(rq, kind, number, array);
	h = handles_find(&rq->w->handles, kind, number);
	if (h)
		h->aux = (void *)(uintptr_t)aux;
}

static void create(struct request *rq, bool mipmapped)
{
	enum cuda_handle_kind kind = mipmapped ? CUDA_HANDLE_mipmapped_array : CUDA_HANDLE_array;
	CUDA_ARRAY3D_DESCRIPTOR desc;
	struct vwire_array in;
	uint32_t levels, number;
	void *array = NULL;
	uint64_t bytes;
	CUresult r;

	rd_copy(&rq->in, &in, sizeof(in));
	number = le32toh(in.array);
	levels = le32toh(in.levels);
	if (!number || handles_find(&rq->w->handles, kind, number))
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	if (!run_args_ready(rq))
		return;
	take_desc(&in, &desc);
	if (!desc.Width || (mipmapped ? !levels || levels > TEXELS_LEVELS_MAX : levels != 0) ||
	    !texel_bytes(desc.Format, desc.NumChannels)) {
		run_result(rq, CUDA_ERROR_INVALID_VALUE);
		return;
	}
	bytes = texels_bytes(&desc, mipmapped ? levels : 1);
	r = bytes ? memory_charge(&rq->w->memory, bytes) : CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS) {
		r = make(&desc, levels, mipmapped, &array);
		if (r != CUDA_SUCCESS)
			memory_uncharge(&rq->w->memory, bytes);
	}
	if (r == CUDA_SUCCESS) {
		bind(rq, kind, number, array, bytes);
		reply_used(rq->w);
	}
	run_result(rq, r);
}

void run_cuArray3DCreate_v2(struct request *rq)
{
	create(rq, false);
}

void run_cuMipmappedArrayCreate(struct request *rq)
{
	create(rq, true);
}

void run_cuMipmappedArrayGetLevel(struct request *rq)
{
	uint32_t number = run_new(rq, CUDA_HANDLE_array);
	uint32_t whole = rd_u32(&rq->in);
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_mipmapped_array, whole);
	uint32_t level = rd_u32(&rq->in);
	CUarray out = NULL;
	CUresult r = CUDA_ERROR_NOT_SUPPORTED;

	if (!h && !rq->err)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	if (!run_args_ready(rq))
		return;
	if (real.cuMipmappedArrayGetLevel)
		r = real.cuMipmappedArrayGetLevel(&out, h->real, level);
	if (r == CUDA_SUCCESS)
		bind(rq, CUDA_HANDLE_array, number, out, level_mark(whole));
	run_result(rq, r);
}

static void destroyed(struct worker *w, struct job *job, CUresult r)
{
	/* an error of the work before it is told where that was waited for */
	if (job->array.mipmapped)
		r = real.cuMipmappedArrayDestroy(job->array.real);
	else
		r = real.cuArrayDestroy(job->array.real);
	if (r == CUDA_SUCCESS) {
		memory_uncharge(&w->memory, job->array.booked);
		reply_used(w);
	}
	if (job->is_wait)
		reply_result(w, job->op, job->seq, r, NULL, 0);
	else if (r != CUDA_SUCCESS)
		reply_error(w, r, job->op, job->seq);
}

/*
 * The driver would wait for the work that uses the array: a waiter does that, on the context's
 * queue. A mipmapped array's levels go with it.
 */
static void destroy(struct request *rq, enum cuda_handle_kind kind)
{
	uint32_t number = rd_u32(&rq->in);
	struct handle *h = handles_find(&rq->w->handles, kind, number);
	struct job *job;

	if (!h || !booked(h))
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	if (!run_args_ready(rq))
		return;
	job = wait_job(rq, destroyed);
	if (!job) {
		run_result(rq, CUDA_ERROR_OUT_OF_MEMORY);
		return;
	}
	job->array.real = h->real;
	job->array.booked = booked(h);
	job->array.mipmapped = kind == CUDA_HANDLE_mipmapped_array;
	job->is_wait = rq->flags & VWIRE_F_WAIT;
	job->is_slow = true;
	if (job->array.mipmapped)
		handles_drop(&rq->w->handles, CUDA_HANDLE_array,
			     (void *)(uintptr_t)level_mark(number));
	handles_del(&rq->w->handles, kind, number);
	wait_fence(rq->w, job);
	wait_submit(rq->w, &rq->w->wait.context, job);
}

void run_cuArrayDestroy(struct request *rq)
{
	destroy(rq, CUDA_HANDLE_array);
}

void run_cuMipmappedArrayDestroy(struct request *rq)
{
	destroy(rq, CUDA_HANDLE_mipmapped_array);
}
