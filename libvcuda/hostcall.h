/* SPDX-License-Identifier: MIT */
/*
 * hostcall.h - what the server asks of the program: functions to call, memory to read and write
 *
 * Each has a slot, and the slot a number, the token. Functions are called on a thread of the
 * library's own, which is started when the first is given to the server, and which reads what comes
 * in while nobody else does.
 */
#ifndef VCUDA_HOSTCALL_H
#define VCUDA_HOSTCALL_H

#include "vcuda.h"

enum slot_kind {
	SLOT_FUNCTION,
	SLOT_CALLBACK,
	SLOT_COPY,			/* between host memory and host memory */
	SLOT_SOURCE,
	SLOT_PLACE,			/* the destination of a copy */
	SLOT_GONE,
};

struct slot {
	struct slot *next;		/* of its owner */
	struct slot *next_token;
	uint32_t token;
	enum slot_kind kind;
	uint32_t node;			/* number in its graph */
	bool once;			/* goes with its call */
	bool stale;			/* another has taken its place in the graph */
	bool off;			/* its node is switched off */
	bool fetch;			/* a source that the server asks for */
	union {
		struct { CUhostFn fn; void *data; } function;
		struct { CUstreamCallback fn; void *data; CUstream stream; } callback;
		CUDA_MEMCPY3D copy;
		struct { void (*fn)(void *arg); void *arg; } gone;
	};
};

/* A copy of *s with a token. NULL: no memory. */
struct slot *vcuda_slot_new(const struct slot *s);
void vcuda_slot_free(struct slot *s);
/*
 * Functions that the server will call, as far as is known. nr of them were put on a stream by
 * request seq; the thread is started before.
 */
CUresult vcuda_hostcall_start(void);
void vcuda_hostcall_expect(unsigned int nr);
/*
 * The server's executor waits for the device when it has too much to do, and must not while a
 * stream waits for a function: a caller that is far ahead of one waits here. bytes: of a copy.
 */
void vcuda_hostcall_throttle(size_t bytes);
/*
 * A request that brings one call. vcuda_submit() would wait, where the caller is far ahead, for the
 * very call that it has not sent yet.
 */
CUresult vcuda_hostcall_submit(enum cuda_id id, const struct vcuda_iov *iov, uint64_t *seq);
extern _Atomic unsigned int vcuda_calls_expected;

static inline bool vcuda_hostcalls(void)
{
	return atomic_load_explicit(&vcuda_calls_expected, memory_order_relaxed);
}

/* Functions, or launches of graphs that write to host memory, may be on their way. */
bool vcuda_host_may_change(void);
void vcuda_host_changes(uint64_t seq);
/* A copy of memory that a function before it in the stream may write: read when its turn comes. */
CUresult vcuda_hostcall_copy(CUdeviceptr dst, const void *src, size_t n, CUstream stream);
/* A VWIRE_OP_CALL frame; false: malformed. On the thread that reads. */
bool vcuda_hostcall_take(struct vwire_rd *rd);
/* What was expected does not come any more. */
void vcuda_hostcall_forget(void);
/* The calling thread is in a function of the program. */
bool vcuda_in_hostcall(void);
/* One piece of host memory of a copy, side by side: packed is bytes [offset, offset + n) of it. */
void vcuda_rows(const CUDA_MEMCPY3D *c, bool store, uint64_t offset, uint8_t *packed, size_t n);
size_t vcuda_copy_bytes(const CUDA_MEMCPY3D *c);

#endif
