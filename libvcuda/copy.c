// SPDX-License-Identifier: MIT
/*
 * copy.c - copies of bytes in a row
 *
 * A copy to the device returns once its bytes are in the ring, as CUDA's does for pageable memory
 * once they are staged. A copy to the host waits; to pinned memory, in its asynchronous form, it
 * comes in before the reply of whatever waits for it. Between the two, on the device, nothing waits.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bulk.h"
#include "hostcall.h"
#include "ring.h"
#include "vcuda_graph.h"
#include "view.h"

#define PART	(4u << 20)	/* bytes of a request that has all its data on the session's connection */

/*
 * Where we know the allocation, the bytes must lie in it. What we know nothing of (a variable whose
 * address a kernel gave out) is for the device to judge.
 */
CUresult vcuda_check_device(CUdeviceptr p, size_t n)
{
	uint64_t start, size;
	CUcontext ctx;

	if (vcuda_mem_range(p, &start, &size, &ctx))
		return n <= size - (p - start) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	return vcuda_is_device(p) || !p ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* false: the driver tells at the call whether there is anything, so the call waits for its word. */
bool vcuda_is_known(CUdeviceptr p)
{
	return vcuda_arena_holds(p) || vcuda_is_device(p);
}

static CUresult begin(CUstream stream, uint32_t *number)
{
	CUresult r = vcuda_stream_number(stream, number);

	if (!r)
		r = vcuda_sticky_error();
	return !r && vcuda_has_views() ? vcuda_views_flush(stream) : r;
}

static CUresult on_device(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream);

/*
 * Host memory that the device has too: what is there now may come from before the work that the
 * stream still has to do. Managed memory is the device's.
 */
static bool is_managed(const void *p, size_t n)
{
	return n && vcuda_has_views() && vcuda_is_device((uintptr_t)p);
}

CUresult vcuda_view_settle(uint64_t p, size_t n, CUstream stream)
{
	return n && vcuda_view_overlaps(p, n) ? hand_cuStreamSynchronize(stream) : CUDA_SUCCESS;
}

/* A copy in a stream that captures is a node: its host memory is read, or written, at each launch. */
static CUresult capture(CUdeviceptr dst, bool dst_device, CUdeviceptr src, bool src_device,
			size_t n, CUstream stream, bool *capturing)
{
	CUDA_MEMCPY3D c = {
		.srcMemoryType = src_device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST,
		.dstMemoryType = dst_device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST,
		.srcDevice = src, .srcHost = (void *)(uintptr_t)src,
		.dstDevice = dst, .dstHost = (void *)(uintptr_t)dst,
		.WidthInBytes = n, .Height = 1, .Depth = 1,
	};

	*capturing = false;
	return n && vcuda_capturing() ? vcuda_capture_copy(&c, stream, capturing) : CUDA_SUCCESS;
}

/*
 * The end of a copy that the program need not wait for, as nobody could tell: but for the program
 * itself, which sees managed memory, and for another process, which has the memory too.
 */
CUresult vcuda_copy_settle(uint64_t p, size_t n, CUstream stream)
{
	return n && vcuda_is_sharing() ? hand_cuStreamSynchronize(stream)
				       : vcuda_view_settle(p, n, stream);
}

/* A wait shows it to who else has the memory: another process, or the program as managed memory. */
static void note_copy(uint64_t seq)
{
	if (vcuda_has_views() || vcuda_is_sharing())
		vcuda_note_work(seq);
	else
		vcuda_note_hidden_work(seq);
}

static CUresult to_device(CUdeviceptr dst, const void *src, size_t n, CUstream stream)
{
	struct vwire_copy_in h = { 0 };
	struct vcuda_iov iov[2] = { { &h, sizeof(h) } };
	size_t chunk = vcuda_chunk(), done, part;
	struct vcuda_wait w = { 0 };
	bool capturing, asks;
	uint32_t number;
	uint64_t seq;
	CUresult r = capture(dst, true, (uintptr_t)src, false, n, stream, &capturing);

	if (r || capturing)
		return r;
	if (is_managed(src, n))
		return on_device(dst, (uintptr_t)src, n, stream);
	r = begin(stream, &number);
	if (!r)
		r = vcuda_view_settle((uintptr_t)src, n, stream);
	if (!r && n)
		r = src ? vcuda_check_device(dst, n) : CUDA_ERROR_INVALID_VALUE;
	/* what is not pinned is read at the call, whatever a function still has to write there */
	if (!r && n && vcuda_host_may_change() && vcuda_is_pinned(src, n))
		return vcuda_hostcall_copy(dst, src, n, stream);
	/* what an earlier copy brings here is what this one takes away */
	if (!r && n && vcuda_expects(src, n))
		r = vcuda_context_wait(NULL);
	h.stream = htole32(number);
	asks = !r && n && !vcuda_is_known(dst);
	for (done = 0; !r && done < n; done += part) {
		if (!asks && vcuda_bulk_takes(n - done, false)) {
			part = n - done;
			r = vcuda_bulk_in(dst + done, (const uint8_t *)src + done, part, number,
					  &seq);
			if (!r)
				note_copy(seq);
			continue;
		}
		part = n - done < chunk ? n - done : chunk;
		h.dst = htole64(dst + done);
		h.bytes = htole64(part);
		iov[1] = (struct vcuda_iov){ (const uint8_t *)src + done, part };
		r = vcuda_submit(CUDA_ID_cuMemcpyHtoDAsync_v2, asks ? VWIRE_F_WAIT : 0, iov, 2,
				 asks ? &w : NULL, &seq);
		if (!r)
			note_copy(seq);
		if (!r && asks)
			r = vcuda_wait(&w);
		free(w.reply);
		w = (struct vcuda_wait){ 0 };
	}
	return r;
}

static CUresult to_host_begin(void *dst, CUdeviceptr src, size_t n, CUstream stream,
			      struct vwire_copy_out *h)
{
	uint32_t number;
	CUresult r = begin(stream, &number);

	if (!r && n)
		r = dst ? vcuda_check_device(src, n) : CUDA_ERROR_INVALID_VALUE;
	*h = (struct vwire_copy_out){ .src = htole64(src),
				      .bytes = htole64(n),
				      .stream = htole32(number) };
	return r;
}

static _Thread_local const struct vcuda_wait *awaited; /* of this thread's copy */

static bool has_come(void)
{
	return awaited->done;
}

/* A copy is one round trip, however many parts it has: their replies come while others are asked for. */
static CUresult wait_part(struct vcuda_wait *w, bool last)
{
	awaited = w;
	if (!last)
		vcuda_receive_until(has_come);
	return !last && w->done ? vcuda_take_error(w->result) : vcuda_wait(w);
}

/*
 * Over the session's own connection. Two parts are under way, as much as the server has memory for:
 * so it goes on with requests of other threads in between, which would else wait for all of it.
 */
static CUresult to_host_parts(uint8_t *dst, CUdeviceptr src, size_t n, uint32_t stream,
			      uint64_t *seq)
{
	struct vwire_copy_out h = { .stream = htole32(stream) };
	struct vcuda_iov iov = { &h, sizeof(h) };
	size_t asked = 0, begun = 0, ended = 0, part;
	struct vcuda_wait two[2], *w;
	CUresult r = CUDA_SUCCESS, e;

	while (begun > ended || (!r && asked < n)) {
		if (!r && asked < n && begun - ended < 2) {
			part = n - asked < PART ? n - asked : PART;
			w = &two[begun % 2];
			*w = (struct vcuda_wait){ .data = dst + asked, .data_bytes = part };
			h.src = htole64(src + asked);
			h.bytes = htole64(part);
			e = vcuda_submit(CUDA_ID_cuMemcpyDtoHAsync_v2, VWIRE_F_WAIT, &iov, 1, w, seq);
			asked += part;
			begun += !e;
		} else {
			w = &two[ended++ % 2];
			e = wait_part(w, asked == n && ended == begun);
		}
		r = r ? r : e;
	}
	return r;
}

static CUresult to_host(void *dst, CUdeviceptr src, size_t n, CUstream stream)
{
	struct vwire_copy_out h;
	uint64_t seq;
	bool capturing;
	CUresult r = capture((uintptr_t)dst, false, src, true, n, stream, &capturing);

	if (r || capturing)
		return r;
	if (is_managed(dst, n)) {
		r = on_device((uintptr_t)dst, src, n, stream);
		return r ? r : hand_cuStreamSynchronize(stream);
	}
	r = to_host_begin(dst, src, n, stream, &h);
	if (r || !n)
		return r;
	vcuda_hostcall_throttle(n);
	if (vcuda_bulk_takes(n, true))
		r = vcuda_bulk_out(dst, src, n, le32toh(h.stream), false, &seq);
	else
		r = to_host_parts(dst, src, n, le32toh(h.stream), &seq);
	if (!r)
		vcuda_stream_waited(le32toh(h.stream), seq);
	return !r && vcuda_has_views() ? vcuda_views_waited() : r;
}

/*
 * The place for the data is registered before the request is visible: the answer may be quicker
 * than this thread.
 */
CUresult vcuda_copy_expect(enum cuda_id id, const struct vcuda_iov *head, void *dst, uint64_t bytes,
			   const struct vcuda_rows *rows, uint64_t span)
{
	uint64_t seq;
	CUresult r;

	vcuda_submit_lock();
	seq = vcuda_next_seq();
	r = vcuda_expect_rows(seq, dst, bytes, rows, span);
	if (!r) {
		r = vcuda_submit_locked(id, 0, head, 1, NULL, NULL);
		if (r)
			vcuda_unexpect_data(seq);
		else
			vcuda_note_work(seq);
	}
	vcuda_submit_unlock();
	return r;
}

static CUresult to_host_async(void *dst, CUdeviceptr src, size_t n, CUstream stream)
{
	struct vwire_copy_out h;
	struct vcuda_iov iov = { &h, sizeof(h) };
	bool capturing;
	CUresult r = capture((uintptr_t)dst, false, src, true, n, stream, &capturing);
	uint64_t seq;

	if (r || capturing)
		return r;
	if (is_managed(dst, n))
		return on_device((uintptr_t)dst, src, n, stream);
	r = to_host_begin(dst, src, n, stream, &h);
	if (r || !n)
		return r;
	vcuda_hostcall_throttle(n);
	if (vcuda_bulk_takes(n, true))
		return vcuda_bulk_out(dst, src, n, le32toh(h.stream), true, &seq);
	return vcuda_copy_expect(CUDA_ID_cuMemcpyDtoHAsync_v2, &iov, dst, n,
				 &(struct vcuda_rows){ 0 }, n);
}

static CUresult on_device(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream)
{
	struct vcuda_call c;
	CUresult r;

	if (!n)
		return vcuda_need_context();
	r = vcuda_check_device(dst, n);
	if (!r)
		r = vcuda_check_device(src, n);
	if (r)
		return r;
	vcuda_begin(&c, CUDA_ID_cuMemcpyDtoDAsync_v2);
	vcuda_put_u64(&c, dst);
	vcuda_put_u64(&c, src);
	vcuda_put_u64(&c, n);
	vcuda_put_stream(&c, stream);
	c.tells = !vcuda_is_known(dst) || !vcuda_is_known(src);
	return vcuda_async(&c);
}

CUresult hand_cuMemcpyHtoD_v2(CUdeviceptr dst, const void *src, size_t n, CUstream stream)
{
	CUresult r = vcuda_capture_refuse(stream);

	if (!r)
		r = to_device(dst, src, n, stream);
	return r ? r : vcuda_copy_settle(dst, n, stream);
}

CUresult hand_cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t n, CUstream stream)
{
	return to_device(dst, src, n, stream);
}

CUresult hand_cuMemcpyDtoH_v2(void *dst, CUdeviceptr src, size_t n, CUstream stream)
{
	CUresult r = vcuda_capture_refuse(stream);

	return r ? r : to_host(dst, src, n, stream);
}

CUresult hand_cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t n, CUstream stream)
{
	return vcuda_is_pinned(dst, n) ? to_host_async(dst, src, n, stream)
				       : to_host(dst, src, n, stream);
}

CUresult hand_cuMemcpyDtoD_v2(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream)
{
	CUresult r = vcuda_capture_refuse(stream);

	if (!r)
		r = on_device(dst, src, n, stream);
	return r ? r : vcuda_copy_settle(dst, n, stream);
}

/* ---- either kind of pointer ---- */

static void *host(CUdeviceptr p)
{
	return (void *)(uintptr_t)p;
}

/* Host to host in stream order: what the stream has to do first, first. */
static CUresult host_to_host(void *dst, const void *src, size_t n, CUstream stream)
{
	bool capturing;
	CUresult r = capture((uintptr_t)dst, false, (uintptr_t)src, false, n, stream, &capturing);

	if (r || capturing)
		return r;
	r = vcuda_device_idle() ? vcuda_need_context() : hand_cuStreamSynchronize(stream);
	if (!r)
		memmove(dst, src, n);
	return r;
}

/* async: the bytes may arrive after the return, which CUDA allows for pinned memory alone. */
CUresult vcuda_copy_run(CUdeviceptr dst, bool dst_device, CUdeviceptr src, bool src_device,
			size_t n, CUstream stream, bool async)
{
	if (!n)
		return vcuda_need_context();
	if (!dst || !src)
		return CUDA_ERROR_INVALID_VALUE;
	if (dst_device && src_device)
		return on_device(dst, src, n, stream);
	if (dst_device)
		return to_device(dst, host(src), n, stream);
	if (src_device)
		return async ? to_host_async(host(dst), src, n, stream)
			     : to_host(host(dst), src, n, stream);
	return host_to_host(host(dst), host(src), n, stream);
}

CUresult hand_cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream)
{
	CUresult r = vcuda_capture_refuse(stream);

	if (!r)
		r = vcuda_copy_run(dst, vcuda_is_device(dst), src, vcuda_is_device(src), n, stream,
				   false);
	return r ? r : vcuda_copy_settle(dst, n, stream);
}

CUresult hand_cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream stream)
{
	return vcuda_copy_run(dst, vcuda_is_device(dst), src, vcuda_is_device(src), n, stream,
			      vcuda_is_pinned(host(dst), n));
}

CUresult vcuda_copy_check(CUdeviceptr dst, CUdeviceptr src, size_t n)
{
	CUresult r = dst && src && n ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;

	if (!r && vcuda_is_device(dst))
		r = vcuda_check_device(dst, n);
	if (!r && vcuda_is_device(src))
		r = vcuda_check_device(src, n);
	return r;
}
