// SPDX-License-Identifier: MIT
/*
 * ownstream.c - a stream of the library's own, which waits for no other, and its event, for which
 * streams that start work wait once after each change
 */
#include "ownstream.h"

static uint64_t stream, event;		/* handles; 0: not made */
static uint64_t epoch;			/* changes sent so far */
static uint64_t legacy_epoch;		/* of them, those that the legacy stream waits for */

static CUresult send(enum cuda_id id, const uint64_t *args, unsigned int n)
{
	uint64_t wire[4];
	struct vcuda_iov iov = { wire, n * sizeof(*wire) };
	unsigned int i;

	for (i = 0; i < n; i++)
		wire[i] = htole64(args[i]);
	return vcuda_submit(id, 0, &iov, 1, NULL, NULL);
}

/* Not made as the program's are: it must not count as one that the legacy stream ignores. */
CUresult vcuda_own_ready(void)
{
	CUresult r = CUDA_SUCCESS;

	if (stream && event)
		return CUDA_SUCCESS;
	stream = vcuda_handle_new(CUDA_HANDLE_stream, NULL);
	event = vcuda_handle_new(CUDA_HANDLE_event, NULL);
	if (!stream || !event)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = send(CUDA_ID_cuStreamCreate,
		 (uint64_t[]){ (uint32_t)stream, CU_STREAM_NON_BLOCKING }, 2);
	if (!r)
		r = send(CUDA_ID_cuEventCreate,
			 (uint64_t[]){ (uint32_t)event, CU_EVENT_DISABLE_TIMING }, 2);
	return r;
}

uint32_t vcuda_own_stream(void)
{
	return stream;
}

CUresult vcuda_own_send(uint64_t dst, const uint8_t *src, uint64_t n)
{
	struct vwire_copy_in h = { .stream = htole32((uint32_t)stream) };
	struct vcuda_iov iov[2] = { { &h, sizeof(h) } };
	uint64_t chunk = vcuda_chunk(), done, part;
	CUresult r = CUDA_SUCCESS;

	for (done = 0; !r && done < n; done += part) {
		part = n - done < chunk ? n - done : chunk;
		h.dst = htole64(dst + done);
		h.bytes = htole64(part);
		iov[1] = (struct vcuda_iov){ src + done, part };
		r = vcuda_submit(CUDA_ID_cuMemcpyHtoDAsync_v2, 0, iov, 2, NULL, NULL);
	}
	return r;
}

CUresult vcuda_own_wait(struct vcuda_wait *w)
{
	CUresult r = vcuda_wait(w);

	if (r && w->done && !w->result) {
		vcuda_async_error(r, false);
		return CUDA_SUCCESS;
	}
	return r;
}

CUresult vcuda_own_get(uint8_t *dst, uint64_t src, uint64_t n)
{
	struct vwire_copy_out h = {
		.src = htole64(src), .bytes = htole64(n),
		.stream = htole32((uint32_t)stream),
	};
	struct vcuda_iov iov = { &h, sizeof(h) };
	struct vcuda_wait w = { .data = dst, .data_bytes = n };
	CUresult r = vcuda_submit(CUDA_ID_cuMemcpyDtoHAsync_v2, VWIRE_F_WAIT, &iov, 1, &w, NULL);

	return r ? r : vcuda_own_wait(&w);
}

CUresult vcuda_own_changed(void)
{
	epoch++;
	return send(CUDA_ID_cuEventRecord,
		    (uint64_t[]){ (uint32_t)event, (uint32_t)stream }, 2);
}

CUresult vcuda_own_zero(uint64_t dst, uint64_t n)
{
	CUresult r = send(CUDA_ID_cuMemsetD8Async, (uint64_t[]){ dst, 0, n, (uint32_t)stream }, 4);

	return r ? r : vcuda_own_changed();
}

CUresult vcuda_own_precede(CUstream other)
{
	struct vcuda_object *o;
	uint64_t *seen = &legacy_epoch;
	uint32_t number;
	CUresult r;

	if (!epoch)
		return CUDA_SUCCESS;
	r = vcuda_stream_number(other, &number);
	if (r)
		return r;
	if (number != VWIRE_STREAM_LEGACY) {
		o = vcuda_stream_object(other);
		seen = o ? &o->stream.view_epoch : NULL;
	}
	if (seen && *seen == epoch)
		return CUDA_SUCCESS;
	r = send(CUDA_ID_cuStreamWaitEvent, (uint64_t[]){ number, (uint32_t)event, 0 }, 3);
	if (!r && seen)
		*seen = epoch;
	return r;
}
