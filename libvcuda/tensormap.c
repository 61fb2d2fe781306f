// SPDX-License-Identifier: MIT
/*
 * tensormap.c - tensor maps: 128 bytes that the driver makes of a call's arguments and of nothing
 * else, so that each set of arguments is asked about once
 */
#include <string.h>

#include "vcuda.h"

#define RANK_MAX	5u

struct map {
	CUtensorMap *out;
	CUtensorMapDataType type;
	cuuint32_t rank;
	void *address;
	const cuuint64_t *dim, *strides;
	const cuuint32_t *steps;
};

/* The arrays that every kind has; strides: one less than there are dimensions. */
static CUresult begin(struct vcuda_call *c, enum cuda_id id, const struct map *m)
{
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!m->out || !m->rank || m->rank > RANK_MAX || (uintptr_t)m->out % 64)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_begin(c, id);
	vcuda_put_u64(c, m->type);
	vcuda_put_u64(c, m->rank);
	vcuda_put_u64(c, (uintptr_t)m->address);
	vcuda_put_blob(c, m->dim, m->rank * sizeof(*m->dim), false);
	vcuda_put_blob(c, m->strides, (m->rank - 1) * sizeof(*m->strides), false);
	vcuda_put_blob(c, m->steps, m->rank * sizeof(*m->steps), false);
	vcuda_want_blob(c, m->out, sizeof(*m->out), false);
	return CUDA_SUCCESS;
}

CUresult hand_cuTensorMapEncodeTiled(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank,
				     void *address, const cuuint64_t *dim,
				     const cuuint64_t *strides, const cuuint32_t *box,
				     const cuuint32_t *steps, CUtensorMapInterleave interleave,
				     CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
				     CUtensorMapFloatOOBfill fill)
{
	struct map m = { out, type, rank, address, dim, strides, steps };
	struct vcuda_call c;
	CUresult r = begin(&c, CUDA_ID_cuTensorMapEncodeTiled, &m);

	if (r)
		return r;
	vcuda_put_blob(&c, box, rank * sizeof(*box), false);
	vcuda_put_u64(&c, interleave);
	vcuda_put_u64(&c, swizzle);
	vcuda_put_u64(&c, promotion);
	vcuda_put_u64(&c, fill);
	return vcuda_memo(&c);
}

/* Corners: of the spatial dimensions, two less than there are. */
CUresult hand_cuTensorMapEncodeIm2col(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank,
				      void *address, const cuuint64_t *dim,
				      const cuuint64_t *strides, const int *lower, const int *upper,
				      cuuint32_t channels, cuuint32_t pixels,
				      const cuuint32_t *steps, CUtensorMapInterleave interleave,
				      CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
				      CUtensorMapFloatOOBfill fill)
{
	struct map m = { out, type, rank, address, dim, strides, steps };
	struct vcuda_call c;
	CUresult r = rank < 3 ? CUDA_ERROR_INVALID_VALUE
			      : begin(&c, CUDA_ID_cuTensorMapEncodeIm2col, &m);

	if (r)
		return r;
	vcuda_put_blob(&c, lower, (rank - 2) * sizeof(*lower), false);
	vcuda_put_blob(&c, upper, (rank - 2) * sizeof(*upper), false);
	vcuda_put_u64(&c, channels);
	vcuda_put_u64(&c, pixels);
	vcuda_put_u64(&c, interleave);
	vcuda_put_u64(&c, swizzle);
	vcuda_put_u64(&c, promotion);
	vcuda_put_u64(&c, fill);
	return vcuda_memo(&c);
}

CUresult hand_cuTensorMapEncodeIm2colWide(CUtensorMap *out, CUtensorMapDataType type,
					  cuuint32_t rank, void *address, const cuuint64_t *dim,
					  const cuuint64_t *strides, int lower, int upper,
					  cuuint32_t channels, cuuint32_t pixels,
					  const cuuint32_t *steps,
					  CUtensorMapInterleave interleave,
					  CUtensorMapIm2ColWideMode mode,
					  CUtensorMapSwizzle swizzle,
					  CUtensorMapL2promotion promotion,
					  CUtensorMapFloatOOBfill fill)
{
	struct map m = { out, type, rank, address, dim, strides, steps };
	struct vcuda_call c;
	CUresult r = rank < 3 ? CUDA_ERROR_INVALID_VALUE
			      : begin(&c, CUDA_ID_cuTensorMapEncodeIm2colWide, &m);

	if (r)
		return r;
	vcuda_put_u64(&c, (int64_t)lower);
	vcuda_put_u64(&c, (int64_t)upper);
	vcuda_put_u64(&c, channels);
	vcuda_put_u64(&c, pixels);
	vcuda_put_u64(&c, interleave);
	vcuda_put_u64(&c, mode);
	vcuda_put_u64(&c, swizzle);
	vcuda_put_u64(&c, promotion);
	vcuda_put_u64(&c, fill);
	return vcuda_memo(&c);
}

CUresult hand_cuTensorMapReplaceAddress(CUtensorMap *map, void *address)
{
	CUtensorMap out;
	struct vcuda_call c;
	CUresult r = vcuda_need_context();

	if (r)
		return r;
	if (!map || (uintptr_t)map % 64)
		return CUDA_ERROR_INVALID_VALUE;
	vcuda_begin(&c, CUDA_ID_cuTensorMapReplaceAddress);
	vcuda_put_blob(&c, map, sizeof(*map), false);
	vcuda_put_u64(&c, (uintptr_t)address);
	vcuda_want_blob(&c, &out, sizeof(out), false);
	r = vcuda_memo(&c);
	/* the type asks for 128 bytes, the function for 64 */
	if (!r)
		memcpy((void *)map, &out, sizeof(out));
	return r;
}
