/* SPDX-License-Identifier: MIT */
/*
 * bulk.h - large copies, whose data goes over connections of its own
 *
 * The request comes in the session's order and all of it is put into its stream at once, cut into
 * stripes: wait for a flag, copy between a slot of pinned memory and the device, write another flag.
 * So the executor waits for no data, and what comes behind keeps its place. Stripes in slots that
 * stand side by side are copied together: what a copy costs the executor, and the device between two
 * copies, is then shared by a few. The flags that a stream waits for are written by threads here and
 * never by another stream: the driver knows nothing of such an order, and might run the two one
 * after the other.
 *
 *	to the device	a receiver fills the slot and raises "full", the stream raises "empty"
 *	to the host	the stream raises "full", a sender sends the slot and raises "empty"
 *
 * Stripes of one direction take slots in turn. The n-th one to use a slot waits for "empty" n - 1
 * and for "full" n. Each connection has a thread for either direction.
 */
#ifndef SERVER_BULK_H
#define SERVER_BULK_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "control.h"
#include "vgpu_codec.h"

struct bulk_copy;
struct request;
struct worker;

#define BULK_CONNECTIONS	8u
/*
 * Slots of VWIRE_STRIPE bytes. Few: they stay in the caches, and what has left the device and was not
 * sent yet is what the wait of another stream may have to wait for. Enough that one connection may
 * be behind the others by what net_bulk_options() lets it hold.
 */
#define BULK_SLOTS_IN		32u
#define BULK_SLOTS_OUT		16u
#define BULK_SLOTS_MAX		64u
#define BULK_TOGETHER_IN	4u	/* stripes copied at once, at most */
#define BULK_TOGETHER_OUT	2u
#define BULK_TOGETHER_MAX	8u
#define BULK_COPIES_MAX		1024u	/* unfinished ones; the executor waits with the next */

/* One direction. Stripes are numbered: number n uses slot n % nr_slots. */
struct bulk_ring {
	uint8_t *mem;
	uint32_t nr_slots;
	uint32_t together;	/* stripes copied at once, at most */
	uint32_t *full, *empty;
	uint64_t next;		/* the next stripe's number; of the executor, with the lock */
	struct bulk_copy *copies, **tail;
	unsigned int nr_copies;
	uint64_t nr_passed, nr_late;	/* stripes; those that the device was waited for with */
};

struct bulk {
	pthread_mutex_t lock;	/* all below but flags and slots */
	pthread_cond_t changed;	/* a copy has come or ended, or broken */
	pthread_cond_t work;	/* for senders */
	bool offered;
	CUdeviceptr flags;	/* in.full and the others behind it, for the device */
	bool broken;		/* a connection has ended: no data comes or goes any more */
	bool lost;		/* the context: data comes, and is thrown away */
	bool polling;		/* a sender looks for the next full slot */
	unsigned int nr_moving;	/* threads that write a slot or send from one */
	uint64_t last_in;	/* seq of the last BULK_IN */
	uint8_t token[16];
	int fds[BULK_CONNECTIONS];
	unsigned int nr_connections;
	struct bulk_ring in, out;
};

/* Pinned memory, if the driver has what it takes. 0, or -errno, logged. */
int bulk_init(struct worker *w);
/* The tagged value that offers connections. */
void bulk_offer(struct worker *w, struct vwire_wr *wr);
/* A connection that vgpu-server has passed on: takes it, or closes it. Not on the executor. */
void bulk_accept(struct worker *w, const struct control_bulk *msg, int fd);
/* VWIRE_OP_BULK_IN and VWIRE_OP_BULK_OUT, as requests of the rows that they are of. */
void bulk_in(struct request *rq);
void bulk_out(struct request *rq);
/* The session is over: no data comes or goes, and no stream waits for any. */
void bulk_stop(struct worker *w);
/* The context is lost: no copy waits for the device any more. */
void bulk_lose(struct bulk *b);
/* At the session's end: what of it was held up here, to the log. */
void bulk_log(struct worker *w);

/* ---- between bulk.c and bulkcopy.c ---- */

struct bulk_copy {
	struct bulk_copy *next;
	uint64_t seq, bytes;
	uint64_t first;		/* number of its first stripe */
	uint32_t nr, nr_begun, nr_done;	/* nr, to the host: those that are in the stream */
	uint64_t got;		/* stripes that have come, or are coming: bit for bit */
	uint64_t sent;		/* bytes */
	uint32_t nr_good;	/* stripes of it that are, or will be, copied off the device */
	bool discard;		/* nothing of it is copied */
	bool queued;		/* the executor is through with it */
};

_Static_assert(VWIRE_BULK_MAX / VWIRE_STRIPE <= 64, "a bit for each stripe");

static inline uint32_t *bulk_full(const struct bulk_ring *r, uint64_t stripe)
{
	return &r->full[stripe % r->nr_slots];
}

static inline uint32_t *bulk_empty(const struct bulk_ring *r, uint64_t stripe)
{
	return &r->empty[stripe % r->nr_slots];
}

static inline uint8_t *bulk_slot(const struct bulk_ring *r, uint64_t stripe)
{
	return r->mem + (size_t)(stripe % r->nr_slots) * VWIRE_STRIPE;
}

/* How often its slot has been used, with this stripe; wraps, as the comparisons of flags do. */
static inline uint32_t bulk_turn(const struct bulk_ring *r, uint64_t stripe)
{
	return stripe / r->nr_slots + 1;
}

static inline bool bulk_reached(const uint32_t *flag, uint32_t turn)
{
	return (int32_t)(__atomic_load_n(flag, __ATOMIC_ACQUIRE) - turn) >= 0;
}

/* With the lock: once broken, and nobody is at a slot, lets every stream go on that waits for data. */
void bulk_release(struct worker *w);
/* With the lock: frees a copy to the device that has all come and is in its stream. */
void bulk_in_end(struct bulk *b, struct bulk_copy *c);
size_t bulk_stripe_bytes(const struct bulk_copy *c, uint32_t i);

#endif /* SERVER_BULK_H */
