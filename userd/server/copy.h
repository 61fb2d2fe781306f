/* SPDX-License-Identifier: MIT */
/*
 * copy.h - data between client and device, through pinned memory
 */
#ifndef SERVER_COPY_H
#define SERVER_COPY_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;
struct request;
struct worker;

#define COPY_SLOT	(256u << 10)	/* VWIRE_DATA_MAX */
#define COPY_SMALL	(4u << 10)
#define COPY_IN_SLOTS	64u
#define COPY_OUT_SLOTS	48u
#define COPY_OUT_SMALL	1024u
/* The driver copies so much pageable memory aside before it returns; more goes through slots. */
#define COPY_INLINE	(32u << 10)

/* To the device. The executor's alone. */
struct copy_in_slot {
	void *mem;
	CUevent event;		/* the copy out of it is done */
};

/* To the host: the executor takes a slot, a waiter gives it back. */
struct copy_pool {
	void **free;
	uint32_t nr_free, nr;
	uint8_t *start;
	size_t slot_bytes;
};

struct copy {
	struct copy_in_slot in[COPY_IN_SLOTS];
	/* slots are used in turn; all before in_done are known to be free */
	uint64_t in_next;
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct copy_pool small, large;
};

/* What is copied where; begun by a caller that knows. */
struct copy_out {
	CUresult (*begin)(struct copy_out *c, void *slot, CUstream stream);
	uint64_t offset;	/* of the whole, as the client counts */
	size_t bytes;		/* COPY_SLOT at most */
	bool last;
};

/* A piece of what the client gets. */
CUresult copy_out_piece(struct request *rq, struct queue *q, struct copy_out *c);
/* In the place of the last piece, when there is nothing to copy or the copy has failed. */
void copy_out_end(struct request *rq, struct queue *q, CUresult err);
/* Bytes of a piece at most. */
size_t copy_out_max(struct worker *w);
/*
 * Memory for data on its way to the device, until the work that is on the stream when
 * copy_in_begun() is called is done.
 */
struct copy_in_slot *copy_in_take(struct worker *w);
CUresult copy_in_begun(struct copy_in_slot *s, CUstream stream);

/* Allocates the pinned memory; the context is current. */
int copy_init(struct worker *w);

#endif /* SERVER_COPY_H */
