/* SPDX-License-Identifier: MIT */
/*
 * texture.c - texture and surface objects: the client's number for each, and the driver's value,
 * which is what kernels get
 */
#include "run.h"
#include "worker.h"

static void *array_of(struct request *rq, enum cuda_handle_kind kind, const void *number)
{
	uintptr_t n = (uintptr_t)number;
	struct handle *h = n <= UINT32_MAX ? handles_find(&rq->w->handles, kind, n) : NULL;

	if (!h && !rq->err)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	return h ? h->real : NULL;
}

/* What a kernel will read must be the device's: the driver would take the worker's own memory. */
static void check_memory(struct request *rq, uint64_t addr, uint64_t bytes)
{
	CUresult r = memory_check(&rq->w->memory, addr, bytes);

	if (!rq->err)
		rq->err = r;
}

/* An array stands as its number. Members that the type does not have are cleared. */
static void take_resource(struct request *rq, CUDA_RESOURCE_DESC *out)
{
	CUDA_RESOURCE_DESC in = { 0 };
	size_t bytes;
	const void *p = rd_blob(&rq->in, sizeof(in), &bytes);
	uint64_t n = 0;

	if (!p || bytes != sizeof(in)) {
		rq->in.err = true;
		return;
	}
	memcpy(&in, p, sizeof(in));
	*out = (CUDA_RESOURCE_DESC){ .resType = in.resType, .flags = in.flags };
	switch (in.resType) {
	case CU_RESOURCE_TYPE_ARRAY:
		out->res.array.hArray = array_of(rq, CUDA_HANDLE_array, in.res.array.hArray);
		break;
	case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
		out->res.mipmap.hMipmappedArray =
			array_of(rq, CUDA_HANDLE_mipmapped_array, in.res.mipmap.hMipmappedArray);
		break;
	case CU_RESOURCE_TYPE_LINEAR:
		out->res.linear = in.res.linear;
		check_memory(rq, in.res.linear.devPtr, in.res.linear.sizeInBytes);
		break;
	case CU_RESOURCE_TYPE_PITCH2D:
		out->res.pitch2D = in.res.pitch2D;
		if ((!in.res.pitch2D.height ||
		     __builtin_mul_overflow(in.res.pitch2D.pitchInBytes, in.res.pitch2D.height - 1,
					    &n)) && !rq->err)
			rq->err = CUDA_ERROR_INVALID_VALUE;
		check_memory(rq, in.res.pitch2D.devPtr, n + 1);
		break;
	default:
		if (!rq->err)
			rq->err = CUDA_ERROR_INVALID_VALUE;
	}
}

/* false: left out. */
static bool take_struct(struct request *rq, void *to, size_t n, bool may_lack)
{
	size_t bytes;
	const void *p = rd_blob(&rq->in, n, &bytes);

	if (p && !bytes && may_lack)
		return false;
	if (p && bytes == n)
		memcpy(to, p, n);
	else
		rq->in.err = true;
	return true;
}

static void made(struct request *rq, enum cuda_handle_kind kind, uint32_t number,
		 unsigned long long value, CUresult r)
{
	if (r == CUDA_SUCCESS)
		run_bind(rq, kind, number, (void *)(uintptr_t)value);
	run_out_u64(rq, value);
	run_reply(rq, r);
}

void run_cuTexObjectCreate(struct request *rq)
{
	uint32_t number = run_new(rq, CUDA_HANDLE_texture);
	CUDA_RESOURCE_DESC res = { 0 };
	CUDA_TEXTURE_DESC desc = { 0 };
	CUDA_RESOURCE_VIEW_DESC view = { 0 };
	CUresult r = CUDA_ERROR_NOT_SUPPORTED;
	CUtexObject value = 0;
	bool has_view;

	take_resource(rq, &res);
	take_struct(rq, &desc, sizeof(desc), false);
	has_view = take_struct(rq, &view, sizeof(view), true);
	if (!run_args_end(rq))
		return;
	if (real.cuTexObjectCreate)
		r = real.cuTexObjectCreate(&value, &res, &desc, has_view ? &view : NULL);
	made(rq, CUDA_HANDLE_texture, number, value, r);
}

void run_cuSurfObjectCreate(struct request *rq)
{
	uint32_t number = run_new(rq, CUDA_HANDLE_surface);
	CUDA_RESOURCE_DESC res = { 0 };
	CUresult r = CUDA_ERROR_NOT_SUPPORTED;
	CUsurfObject value = 0;

	take_resource(rq, &res);
	if (!run_args_end(rq))
		return;
	if (real.cuSurfObjectCreate)
		r = real.cuSurfObjectCreate(&value, &res);
	made(rq, CUDA_HANDLE_surface, number, value, r);
}

static void destroy(struct request *rq, enum cuda_handle_kind kind,
		    CUresult (*end)(unsigned long long))
{
	uint32_t number;
	void *value = run_del(rq, kind, &number);
	CUresult r;

	if (!run_args_ready(rq))
		return;
	r = end ? end((uintptr_t)value) : CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS)
		run_unbind(rq, kind, number);
	run_result(rq, r);
}

void run_cuTexObjectDestroy(struct request *rq)
{
	destroy(rq, CUDA_HANDLE_texture, real.cuTexObjectDestroy);
}

void run_cuSurfObjectDestroy(struct request *rq)
{
	destroy(rq, CUDA_HANDLE_surface, real.cuSurfObjectDestroy);
}
