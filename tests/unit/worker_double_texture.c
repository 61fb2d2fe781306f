/* SPDX-License-Identifier: MIT */
/*
 * worker_double_texture.c - the double's tensor maps and texture references
 */
#include <cuda.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- tensor maps: the arguments, in an order of the double's own ---- */

static CUresult put_map(CUtensorMap *out, const void *address, uint64_t meta, cuuint32_t rank,
			const cuuint64_t *dim, const cuuint64_t *strides, const cuuint32_t *steps)
{
	uint64_t *w = (uint64_t *)out;

	memset(out, 0, sizeof(*out));
	w[0] = (uintptr_t)address;
	w[1] = meta | (uint64_t)rank << 8;
	for (cuuint32_t i = 0; i < rank; i++) {
		w[2 + i] = dim[i];
		w[7 + i] = i + 1 < rank ? strides[i] : 0;
		w[11 + i] = (uint64_t)steps[i] << 32;
	}
	return (uintptr_t)address % 16 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuTensorMapEncodeTiled(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank,
				void *address, const cuuint64_t *dim, const cuuint64_t *strides,
				const cuuint32_t *box, const cuuint32_t *steps,
				CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
				CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	CUresult r = put_map(out, address,
			     type | interleave << 16 | swizzle << 24 | (uint64_t)promotion << 32 |
				     (uint64_t)fill << 40,
			     rank, dim, strides, steps);

	for (cuuint32_t i = 0; i < rank; i++)
		((uint64_t *)out)[11 + i] |= box[i];
	return r;
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank,
				 void *address, const cuuint64_t *dim, const cuuint64_t *strides,
				 const int *lower, const int *upper, cuuint32_t channels,
				 cuuint32_t pixels, const cuuint32_t *steps,
				 CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
				 CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	CUresult r = put_map(out, address,
			     type | interleave << 16 | swizzle << 24 | (uint64_t)promotion << 32 |
				     (uint64_t)fill << 40 | (uint64_t)channels << 48 |
				     (uint64_t)pixels << 56,
			     rank, dim, strides, steps);

	for (cuuint32_t i = 0; i + 2 < rank; i++)
		((uint64_t *)out)[11 + i] |= (uint16_t)lower[i] | (uint32_t)upper[i] << 16;
	return r;
}

CUresult cuTensorMapReplaceAddress(CUtensorMap *map, void *address)
{
	*(uint64_t *)map = (uintptr_t)address;
	return CUDA_SUCCESS;
}

/* ---- texture references: one, named "ref" ---- */

static struct {
	CUdeviceptr address;
	unsigned int flags;
	float bias, border[4];
} ref;

CUresult cuModuleGetTexRef(CUtexref *out, CUmodule m, const char *name)
{
	(void)m;
	*out = (CUtexref)&ref;
	return strcmp(name, "ref") ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

#define REF(r)	(void)((r) == (CUtexref)&ref || (abort(), 0))

CUresult cuTexRefSetAddress_v2(size_t *offset, CUtexref r, CUdeviceptr p, size_t n)
{
	REF(r);
	ref.address = p;
	*offset = n;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetAddress_v2(CUdeviceptr *p, CUtexref r)
{
	REF(r);
	*p = ref.address;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetFlags(CUtexref r, unsigned int flags)
{
	REF(r);
	ref.flags = flags;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetFlags(unsigned int *flags, CUtexref r)
{
	REF(r);
	*flags = ref.flags;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetMipmapLevelBias(CUtexref r, float bias)
{
	REF(r);
	ref.bias = bias;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetMipmapLevelBias(float *bias, CUtexref r)
{
	REF(r);
	*bias = ref.bias;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetBorderColor(CUtexref r, float *color)
{
	REF(r);
	memcpy(ref.border, color, sizeof(ref.border));
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetBorderColor(float *color, CUtexref r)
{
	REF(r);
	memcpy(color, ref.border, sizeof(ref.border));
	return CUDA_SUCCESS;
}
