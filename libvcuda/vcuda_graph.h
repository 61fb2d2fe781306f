/* SPDX-License-Identifier: MIT */
/*
 * vcuda_graph.h - graphs and captures for the rest of the library
 *
 * Graphs are the library's own: userd/graph has nodes, edges, captures and user objects, as in
 * softgpu, and libvcuda/graph what is different here. The server sees a graph when it is
 * instantiated, and again when one takes its place; nothing in between costs a message.
 */
#ifndef VCUDA_GRAPH_H
#define VCUDA_GRAPH_H

#include <stdatomic.h>

#include "vcuda.h"

struct event;
struct object;

/* Streams capture now; some stream did. Read without the lock: a thread sees its own captures. */
extern _Atomic unsigned int capture_count;
extern _Atomic bool capture_ever;

static inline bool vcuda_capturing(void)
{
	return atomic_load_explicit(&capture_count, memory_order_relaxed);
}

/* Allocations of graphs. true: the address is of one, and *r what freeing it comes to. */
extern _Atomic unsigned int vcuda_graph_allocs;
bool vcuda_graph_free(CUdeviceptr addr, CUresult *r);
CUresult vcuda_capture_alloc(CUstream stream, size_t size, CUdeviceptr *out, bool *capturing);
CUresult vcuda_capture_free(CUstream stream, CUdeviceptr addr, bool *capturing);

/* The record that captures keep of an event; NULL: no such event, or no memory. */
struct event *vcuda_graph_event(CUevent event);
void vcuda_graph_conditional(struct object *obj, uint64_t handle);
/* The server has a graph of that number, which is not needed any more. */
void vcuda_graph_gone(uint32_t number);
/* Frees what executables have left that are destroyed and whose launches are over. Without the lock. */
void vcuda_graph_over(void);
void vcuda_graph_forget(enum cuda_handle_kind kind, const void *handle);

/*
 * A call that is encoded and would go to the server: *done when a capture has taken it, or an
 * error.
 */
CUresult vcuda_capture_async(struct vcuda_call *c, bool *done);
/* The same for one that has a reply: a stream that captures is not to be asked. */
CUresult vcuda_capture_sync(struct vcuda_call *c);
/* A call that may do harm while some stream captures, by its row. */
CUresult vcuda_capture_check(enum cuda_id id);

/*
 * Work that is not put together as a struct vcuda_call. *capturing: it was made a node, or could
 * not be.
 */
CUresult vcuda_capture_node(CUstream stream, CUgraphNodeParams *p, bool *capturing);
CUresult vcuda_capture_kernel(CUstream stream, CUgraphNodeParams *p, const CUlaunchAttribute *attrs,
			      unsigned int nr, bool *capturing);
CUresult vcuda_capture_copy(const CUDA_MEMCPY3D *c, CUstream stream, bool *capturing);
/* Calls that cannot be a node. */
CUresult vcuda_capture_refuse(CUstream stream);
/* The same for waits, which also other captures may forbid. */
CUresult vcuda_capture_refuse_wait(CUstream stream);
/* A wait for all of the current context. */
CUresult vcuda_capture_refuse_context(void);

#endif
