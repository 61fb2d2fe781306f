// SPDX-License-Identifier: MIT
/*
 * argument.c - what is wrong with the arguments of an ASYNC row by themselves: flags that are none,
 * addresses that are not aligned
 *
 * The server's driver finds that too, but the call has returned by then and its error would come
 * at the next wait.
 */
#include "vcuda_graph.h"

CUresult vcuda_null_error(enum cuda_id id)
{
	return id == CUDA_ID_cuEventElapsedTime || id == CUDA_ID_cuEventElapsedTime_v2
		       ? CUDA_ERROR_INVALID_HANDLE
		       : CUDA_ERROR_INVALID_VALUE;
}

/* An integer argument of a call as it is encoded, from 0. */
static uint64_t argument(struct vwire_rd args, int n)
{
	while (n--)
		rd_u64(&args);
	return rd_u64(&args);
}

static bool event_flags_wrong(uint64_t flags)
{
	const uint64_t known = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING |
			       CU_EVENT_INTERPROCESS;

	return flags & ~known ||
	       (flags & CU_EVENT_INTERPROCESS && !(flags & CU_EVENT_DISABLE_TIMING));
}

/* stream, address, value, flags */
static bool write_wrong(struct vwire_rd args, unsigned int size)
{
	uint64_t at = argument(args, 1);

	return !at || at % size ||
	       argument(args, 3) & ~(uint64_t)CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER;
}

/* stream, address, value, flags */
static bool wait_wrong(struct vwire_rd args, unsigned int size)
{
	uint64_t at = argument(args, 1);

	return !at || at % size;
}

/* The attributes of streams that there are (cuda.h, CUlaunchAttributeID). */
static bool attribute_wrong(uint64_t id)
{
	return id != CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW &&
	       id != CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY &&
	       id != CU_LAUNCH_ATTRIBUTE_PRIORITY && id != CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP &&
	       id != CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN;
}

/* CU_EVENT_RECORD_EXTERNAL and CU_EVENT_WAIT_EXTERNAL are for streams that capture. */
static CUresult check_event_use(uint64_t flags)
{
	if (flags & ~(uint64_t)CU_EVENT_RECORD_EXTERNAL)
		return CUDA_ERROR_INVALID_VALUE;
	return flags && !vcuda_capturing() ? CUDA_ERROR_ILLEGAL_STATE : CUDA_SUCCESS;
}

/* address, value, count */
static bool set_wrong(struct vwire_rd args, unsigned int size)
{
	uint64_t at = argument(args, 0);

	return at % size || (!at && argument(args, 2));
}

/* address, pitch, value, width, height */
static bool set_box_wrong(struct vwire_rd args, unsigned int size)
{
	uint64_t at = argument(args, 0), pitch = argument(args, 1), width = argument(args, 3);
	uint64_t height = argument(args, 4);

	if (at % size || (!at && width && height))
		return true;
	return height > 1 && (pitch % size || width > pitch / size);
}

/* address, value, count; or address, pitch, value, width, height */
static CUresult set_range(struct vcuda_call *c, unsigned int size, bool rows)
{
	struct vwire_rd args = rd_init(c->buf, wr_len(&c->wr));
	uint64_t at = argument(args, 0);
	uint64_t width = argument(args, rows ? 3 : 2), height = rows ? argument(args, 4) : 1;

	if (!width || !height)
		return CUDA_SUCCESS;
	c->tells = !vcuda_is_known(at);
	return vcuda_check_set(at, c->stream) ?:
	       vcuda_check_rows(at, rows ? argument(args, 1) : 0, width, height, size);
}

CUresult vcuda_ranges_check(struct vcuda_call *c)
{
	switch (c->id) {
	case CUDA_ID_cuMemsetD8Async:
		return set_range(c, 1, false);
	case CUDA_ID_cuMemsetD16Async:
		return set_range(c, 2, false);
	case CUDA_ID_cuMemsetD32Async:
		return set_range(c, 4, false);
	case CUDA_ID_cuMemsetD2D8Async:
		return set_range(c, 1, true);
	case CUDA_ID_cuMemsetD2D16Async:
		return set_range(c, 2, true);
	case CUDA_ID_cuMemsetD2D32Async:
		return set_range(c, 4, true);
	default:
		return CUDA_SUCCESS;
	}
}

/* Of a stream of another context than the current one; memory is set, as on an H100. */
static bool refuses_foreign(enum cuda_id id)
{
	switch (id) {
	case CUDA_ID_cuStreamWriteValue32:
	case CUDA_ID_cuStreamWriteValue32_v2:
	case CUDA_ID_cuStreamWriteValue64:
	case CUDA_ID_cuStreamWriteValue64_v2:
		return true;
	default:
		return false;
	}
}

CUresult vcuda_contexts_check(const struct vcuda_call *c)
{
	struct vwire_rd args = rd_init(c->buf, wr_len(&c->wr));
	struct vcuda_object *o;
	CUcontext ctx;

	if (!c->has_stream)
		return CUDA_SUCCESS;
	ctx = vcuda_stream_context(c->stream);
	if (refuses_foreign(c->id) && ctx != vcuda_current())
		return CUDA_ERROR_INVALID_HANDLE;
	if (c->id != CUDA_ID_cuEventRecord && c->id != CUDA_ID_cuEventRecordWithFlags)
		return CUDA_SUCCESS;
	o = vcuda_handle_get(CUDA_HANDLE_event,
			     vcuda_handle_of(CUDA_HANDLE_event, (uint32_t)argument(args, 0)));
	return o && o->event.ctx != ctx ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

CUresult vcuda_arguments_check(enum cuda_id id, struct vwire_rd args)
{
	bool wrong = false;

	switch (id) {
	case CUDA_ID_cuEventCreate:
		wrong = event_flags_wrong(argument(args, 1));
		break;
	case CUDA_ID_cuStreamWaitEvent:
	case CUDA_ID_cuEventRecordWithFlags:
		return check_event_use(argument(args, 2));
	case CUDA_ID_cuStreamSetAttribute:
		wrong = attribute_wrong(argument(args, 1));
		break;
	case CUDA_ID_cuStreamWaitValue32:
	case CUDA_ID_cuStreamWaitValue32_v2:
		wrong = wait_wrong(args, 4);
		break;
	case CUDA_ID_cuStreamWaitValue64:
	case CUDA_ID_cuStreamWaitValue64_v2:
		wrong = wait_wrong(args, 8);
		break;
	case CUDA_ID_cuStreamWriteValue32:
	case CUDA_ID_cuStreamWriteValue32_v2:
		wrong = write_wrong(args, 4);
		break;
	case CUDA_ID_cuStreamWriteValue64:
	case CUDA_ID_cuStreamWriteValue64_v2:
		wrong = write_wrong(args, 8);
		break;
	case CUDA_ID_cuMemsetD8Async:
		wrong = set_wrong(args, 1);
		break;
	case CUDA_ID_cuMemsetD16Async:
		wrong = set_wrong(args, 2);
		break;
	case CUDA_ID_cuMemsetD32Async:
		wrong = set_wrong(args, 4);
		break;
	case CUDA_ID_cuMemsetD2D8Async:
		wrong = set_box_wrong(args, 1);
		break;
	case CUDA_ID_cuMemsetD2D16Async:
		wrong = set_box_wrong(args, 2);
		break;
	case CUDA_ID_cuMemsetD2D32Async:
		wrong = set_box_wrong(args, 4);
		break;
	default:
		break;
	}
	return wrong ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
