/* SPDX-License-Identifier: MIT */
/*
 * tensormap.c - cuTensorMap*: arguments in, the driver's 128 bytes out
 */
#include "run.h"
#include "worker.h"

#define RANK_MAX	5u

/* What every kind begins with. Arrays are copied: the payload may end with the last of them. */
struct map {
	CUtensorMap out;
	CUtensorMapDataType type;
	cuuint32_t rank;
	void *address;
	cuuint64_t dim[RANK_MAX], strides[RANK_MAX];
	cuuint32_t steps[RANK_MAX];
};

/* n elements exactly. */
static void take_array(struct request *rq, void *to, uint32_t n, size_t size)
{
	size_t bytes;
	const void *p = rd_blob(&rq->in, RANK_MAX * sizeof(uint64_t), &bytes);

	if (p && n <= RANK_MAX && bytes == n * size)
		memcpy(to, p, bytes);
	else
		rq->in.err = true;
}

static void take_map(struct request *rq, struct map *m)
{
	memset(m, 0, sizeof(*m));
	m->type = rd_u32(&rq->in);
	m->rank = rd_u32(&rq->in);
	m->address = (void *)(uintptr_t)rd_u64(&rq->in);
	if (!m->rank || m->rank > RANK_MAX) {
		rq->in.err = true;
		return;
	}
	take_array(rq, m->dim, m->rank, sizeof(m->dim[0]));
	take_array(rq, m->strides, m->rank - 1, sizeof(m->strides[0]));
	take_array(rq, m->steps, m->rank, sizeof(m->steps[0]));
}

static void give(struct request *rq, CUresult r, const CUtensorMap *map)
{
	run_out_blob(rq, map, sizeof(*map));
	run_reply(rq, r);
}

void run_cuTensorMapEncodeTiled(struct request *rq)
{
	cuuint32_t box[RANK_MAX] = { 0 }, options[4];
	struct map m;

	take_map(rq, &m);
	take_array(rq, box, m.rank, sizeof(box[0]));
	for (int i = 0; i < 4; i++)
		options[i] = rd_u32(&rq->in);
	if (!run_args_end(rq))
		return;
	give(rq, real.cuTensorMapEncodeTiled
			 ? real.cuTensorMapEncodeTiled(&m.out, m.type, m.rank, m.address, m.dim,
						       m.strides, box, m.steps, options[0],
						       options[1], options[2], options[3])
			 : CUDA_ERROR_NOT_SUPPORTED, &m.out);
}

void run_cuTensorMapEncodeIm2col(struct request *rq)
{
	int lower[RANK_MAX] = { 0 }, upper[RANK_MAX] = { 0 };
	cuuint32_t options[6];
	struct map m;

	take_map(rq, &m);
	if (m.rank < 3)
		rq->in.err = true;
	take_array(rq, lower, m.rank - 2, sizeof(lower[0]));
	take_array(rq, upper, m.rank - 2, sizeof(upper[0]));
	for (int i = 0; i < 6; i++)
		options[i] = rd_u32(&rq->in);
	if (!run_args_end(rq))
		return;
	give(rq, real.cuTensorMapEncodeIm2col
			 ? real.cuTensorMapEncodeIm2col(&m.out, m.type, m.rank, m.address, m.dim,
							m.strides, lower, upper, options[0],
							options[1], m.steps, options[2],
							options[3], options[4], options[5])
			 : CUDA_ERROR_NOT_SUPPORTED, &m.out);
}

void run_cuTensorMapEncodeIm2colWide(struct request *rq)
{
	cuuint32_t options[7];
	int lower, upper;
	struct map m;

	take_map(rq, &m);
	lower = rd_s32(&rq->in);
	upper = rd_s32(&rq->in);
	for (int i = 0; i < 7; i++)
		options[i] = rd_u32(&rq->in);
	if (!run_args_end(rq))
		return;
	give(rq, real.cuTensorMapEncodeIm2colWide
			 ? real.cuTensorMapEncodeIm2colWide(&m.out, m.type, m.rank, m.address,
							    m.dim, m.strides, lower, upper,
							    options[0], options[1], m.steps,
							    options[2], options[3], options[4],
							    options[5], options[6])
			 : CUDA_ERROR_NOT_SUPPORTED, &m.out);
}

void run_cuTensorMapReplaceAddress(struct request *rq)
{
	CUtensorMap map = { 0 };
	size_t bytes;
	const void *p = rd_blob(&rq->in, sizeof(map), &bytes);
	void *address = (void *)(uintptr_t)rd_u64(&rq->in);

	if (p && bytes == sizeof(map))
		memcpy(&map, p, bytes);
	else
		rq->in.err = true;
	if (!run_args_end(rq))
		return;
	give(rq, real.cuTensorMapReplaceAddress ? real.cuTensorMapReplaceAddress(&map, address)
						: CUDA_ERROR_NOT_SUPPORTED, &map);
}
