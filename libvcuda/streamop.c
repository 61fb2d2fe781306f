// SPDX-License-Identifier: MIT
/*
 * streamop.c - batches of memory operations in streams
 */
#include "vcuda.h"
#include "vcuda_graph.h"

#define OPS_MAX		256		/* of a batch, as the driver has it */

CUresult hand_cuStreamBatchMemOp_v2(CUstream stream, unsigned int count,
				    CUstreamBatchMemOpParams *ops, unsigned int flags)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
				.memOp = { .ctx = vcuda_current(), .count = count,
					   .paramArray = ops, .flags = flags } };
	uint64_t head[2];
	struct vcuda_iov iov[2] = { { head, sizeof(head) }, { ops, count * sizeof(*ops) } };
	uint32_t number;
	uint64_t seq;
	bool capturing;
	CUresult r;

	if (flags || count > OPS_MAX || (count && !ops))
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_capture_node(stream, &p, &capturing);
	if (r || capturing)
		return r;
	r = vcuda_stream_own_number(stream, &number);
	if (!r)
		r = vcuda_sticky_error();
	if (r || !count)
		return r;
	head[0] = htole64(number);
	head[1] = htole64(count);
	r = vcuda_submit(CUDA_ID_cuStreamBatchMemOp_v2, 0, iov, 2, NULL, &seq);
	if (!r)
		vcuda_note_work(seq);
	return r;
}

CUresult hand_cuStreamBatchMemOp(CUstream stream, unsigned int count,
				 CUstreamBatchMemOpParams *ops, unsigned int flags)
{
	return hand_cuStreamBatchMemOp_v2(stream, count, ops, flags);
}
