/* SPDX-License-Identifier: MIT */
/*
 * call.h - what a generated stub is made of
 *
 * A stub encodes its arguments into a call on its stack, outside any lock, and hands it over with
 * vcuda_sync(), vcuda_async() or vcuda_memo(). The first thing that is wrong (a bad handle, a NULL,
 * no room) sets err; later steps do nothing and the hand-over returns it, without a frame.
 */
#ifndef VCUDA_CALL_H
#define VCUDA_CALL_H

#include <cuda.h>
#include <stdbool.h>
#include <stdint.h>

#include "cuda_ids.gen.h"
#include "vgpu_codec.h"
#include "vgpu_wire.h"

#define VCUDA_CALL_BYTES	1024	/* payload of a generated request */
#define VCUDA_CALL_OUTS		20

struct vcuda_out {
	void *dst;		/* the caller's memory; NULL: not wanted, skipped in the reply */
	size_t n;
	bool scalar;		/* one u64 in the reply, else length and bytes */
};

struct vcuda_call {
	enum cuda_id id;
	CUresult err;
	struct vwire_wr wr;
	const void *bulk;	/* follows buf in the frame, not copied before */
	size_t bulk_len;
	unsigned int nr_outs, nr_news;
	struct vcuda_out outs[VCUDA_CALL_OUTS];
	/* handles made and given up by this call: kept or undone with its result */
	uint64_t news[2], dels[2];
	unsigned int nr_dels;
	CUstream stream;	/* that the work is put on, where has_stream */
	bool has_stream;
	bool tells;		/* has an event that other processes wait for */
	uint64_t seq;
	uint8_t buf[VCUDA_CALL_BYTES] __attribute__((aligned(8)));
};

/*
 * Entry and exit of every exported function: state check, statistics (VGPU_STATS), trace
 * (VGPU_TRACE).
 */
struct vcuda_scope {
	enum cuda_id id;
	/* not initialised, or the session is lost; the body is not run then */
	CUresult err;
	bool trace;
	uint64_t start_ns, start_trips;
	char args[256];		/* filled when trace is set */
};
void vcuda_enter(struct vcuda_scope *s, enum cuda_id id, bool early);
void vcuda_trace_args(struct vcuda_scope *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
CUresult vcuda_leave(struct vcuda_scope *s, CUresult r);
/* One line on stderr for the function's first call, then CUDA_ERROR_NOT_SUPPORTED. */
CUresult vcuda_not_supported(enum cuda_id id);
/* The same, with the reason. */
CUresult vcuda_refuse(enum cuda_id id, const char *why);

void vcuda_begin(struct vcuda_call *c, enum cuda_id id);
void vcuda_put_u64(struct vcuda_call *c, uint64_t v);
/*
 * A live handle of that kind, as its 32-bit number; null_ok: NULL goes as 0. Wrong:
 * CUDA_ERROR_INVALID_HANDLE or what fits the kind.
 */
void vcuda_put_handle(struct vcuda_call *c, enum cuda_handle_kind kind, const void *handle,
		      bool null_ok);
/* What is said of a handle that is not live. */
CUresult vcuda_bad_handle(enum cuda_handle_kind kind, const void *handle);
/* As its bits. */
void vcuda_put_float(struct vcuda_call *c, float v);
/* An ordinal of the lease. */
void vcuda_put_device(struct vcuda_call *c, CUdevice dev);
/*
 * NULL and CU_STREAM_LEGACY go as VWIRE_STREAM_LEGACY; CU_STREAM_PER_THREAD as the calling thread's
 * own stream.
 */
void vcuda_put_stream(struct vcuda_call *c, CUstream stream);

static inline bool vcuda_is_default_stream(CUstream s)
{
	return !s || s == CU_STREAM_LEGACY || s == CU_STREAM_PER_THREAD;
}

/* NULL with n > 0 is CUDA_ERROR_INVALID_VALUE unless null_ok: then length 0 goes out. */
void vcuda_put_blob(struct vcuda_call *c, const void *p, size_t n, bool null_ok);
void vcuda_put_str(struct vcuda_call *c, const char *s);
/*
 * Out parameters, in the order of the reply. A NULL dst is CUDA_ERROR_INVALID_VALUE unless null_ok.
 */
void vcuda_want_scalar(struct vcuda_call *c, void *dst, size_t n, bool null_ok);
void vcuda_want_blob(struct vcuda_call *c, void *dst, size_t n, bool null_ok);
/* A new client-made handle: its number is encoded and *dst set when the call succeeds. */
void vcuda_put_new(struct vcuda_call *c, enum cuda_handle_kind kind, void *dst);
/* A handle that this call ends. */
void vcuda_put_del(struct vcuda_call *c, enum cuda_handle_kind kind, const void *handle);

/* What the driver says of a handle that is not live. */
CUresult vcuda_bad_handle(enum cuda_handle_kind kind, const void *handle);
/* What the driver says where there is no room for an output. */
CUresult vcuda_null_error(enum cuda_id id);
/* What an ASYNC row's arguments say by themselves, as they are encoded. */
CUresult vcuda_arguments_check(enum cuda_id id, struct vwire_rd args);
/* What the memory that they name says, of a call that is not made a graph's node. */
CUresult vcuda_ranges_check(struct vcuda_call *c);
/* An event and a stream that are not of one context, work on another context's stream. */
CUresult vcuda_contexts_check(const struct vcuda_call *c);

CUresult vcuda_sync(struct vcuda_call *c);
CUresult vcuda_async(struct vcuda_call *c);
/* As vcuda_sync(), once for each distinct encoding of the arguments; errors are not kept. */
CUresult vcuda_memo(struct vcuda_call *c);
/* The same of a question whose answer depends on key, n bytes, whatever else its arguments are. */
CUresult vcuda_memo_as(struct vcuda_call *c, const void *key, size_t n);

#endif
