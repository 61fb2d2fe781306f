/* SPDX-License-Identifier: MIT */
/*
 * context.h - the client's contexts, which share the worker's one
 *
 * A context's streams are known by its legacy stream. The driver's stands for the first context that
 * the client uses. Every other has a stream of its own in its place, and all of its streams are
 * such that the driver's legacy stream ignores: what one legacy stream and blocking ones mean to
 * each other is done here, with events. So nothing of it costs a client with one context anything.
 *
 * All of it belongs to the executor.
 */
#ifndef SERVER_CONTEXT_H
#define SERVER_CONTEXT_H

#include <cuda.h>
#include <stdbool.h>

struct queue;
struct worker;

/*
 * The stream is of the context of that legacy stream, which is the stream itself for a new context.
 */
void context_join(struct queue *q, struct queue *legacy, bool blocking);
/* Before the stream is destroyed, and when it has been. */
void context_leave(struct queue *q);
void context_forget(struct worker *w, struct queue *q);
/* Before work is put on the stream: orders it behind what a legacy stream would wait for. */
CUresult context_order(struct worker *w, struct queue *q);

#endif /* SERVER_CONTEXT_H */
