/* SPDX-License-Identifier: MIT */
/*
 * run.h - what a generated dispatch function is made of
 *
 * The worker reads a frame into its own memory, makes a struct request of it and calls
 * gen_dispatch[]. A generated function decodes the arguments, stops at the first that is wrong,
 * calls the real driver and ends the request exactly once, with run_result() or run_bad().
 */
#ifndef SERVER_RUN_H
#define SERVER_RUN_H

#include <cuda.h>
#include <stdbool.h>
#include <stdint.h>

#include "cuda_ids.gen.h"
#include "vgpu_codec.h"
#include "vgpu_wire.h"

struct worker;
struct queue;

#define RUN_OUT_BYTES	4096	/* payload of a generated reply */

struct request {
	struct worker *w;
	uint16_t op, flags;
	uint64_t seq;
	struct vwire_rd in;	/* the payload */
	/* a handle that does not exist: the function is not called, this is its result */
	CUresult err;
	/* reply behind struct vwire_reply; begun by gen code with run_out_*() */
	struct vwire_wr out;
	uint8_t out_buf[RUN_OUT_BYTES] __attribute__((aligned(8)));
};

/*
 * The real handle behind the client's number. null_ok: 0 gives NULL. Unknown number: sets err and
 * gives NULL.
 */
void *run_handle(struct request *rq, enum cuda_handle_kind kind, bool null_ok);
float run_float(struct request *rq);
/* The worker's device, for ordinal 0: a lease is of one. */
CUdevice run_device(struct request *rq);
/*
 * VWIRE_STREAM_LEGACY gives CU_STREAM_LEGACY; the stream is noted as having work of this request.
 */
CUstream run_stream(struct request *rq);
/* A number for a new object: must be free. run_bind() after the driver made it. */
uint32_t run_new(struct request *rq, enum cuda_handle_kind kind);
void run_bind(struct request *rq, enum cuda_handle_kind kind, uint32_t number, void *real);
/* As run_handle(), and forgets the number when the call succeeded: *number is for run_unbind(). */
void *run_del(struct request *rq, enum cuda_handle_kind kind, uint32_t *number);
void run_unbind(struct request *rq, enum cuda_handle_kind kind, uint32_t number);

/*
 * true when the arguments are complete, nothing is left over and err is clear: only then is the
 * driver called.
 */
bool run_ready(struct request *rq);
void run_out_u64(struct request *rq, uint64_t v);
void run_out_blob(struct request *rq, const void *p, size_t n);
/*
 * Ends the request: reply for SYNC and MEMO rows and for VWIRE_F_WAIT, else an error is noted for
 * VWIRE_OP_ERROR. No output is sent with an error.
 */
void run_result(struct request *rq, CUresult r);
/*
 * Ends a request that run_ready() refused: err as a result, or a malformed payload, which closes
 * the session with the row named.
 */
void run_bad(struct request *rq);
/* run_ready(); false: the request has ended so. */
bool run_args_ready(struct request *rq);

/*
 * The queue of the stream with that number, which is noted as having work; NULL with err set when
 * there is no such stream.
 */
struct queue *run_queue(struct request *rq, uint32_t number);
/* The same, where no work is put on it. */
struct queue *run_find_queue(struct request *rq, uint32_t number);
/* Ends a request that is always answered. */
void run_reply(struct request *rq, CUresult r);
/* As run_args_ready(), for rows that are always answered. */
bool run_args_end(struct request *rq);
/* Errors after which every call of the context fails the same way. */
bool run_is_sticky(CUresult r);
const char *run_error_name(CUresult r);

/*
 * Generated from cuda.def: NULL where a row never goes over the wire. HAND rows call
 * run_<symbol>(), written by hand.
 */
typedef void (*gen_dispatch_fn)(struct request *rq);
struct gen_dispatch_row {
	uint16_t id;
	gen_dispatch_fn fn;
};
/* Looks a row up by the frame's op; NULL: no such op, or one that never goes over the wire. */
gen_dispatch_fn gen_dispatch_find(uint16_t op);

#endif
