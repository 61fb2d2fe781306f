/* SPDX-License-Identifier: MIT */
/*
 * reply.h - frames to the client
 *
 * A thread that may wait (waiters, with data) takes its turn and sends straight from its memory.
 * The executor never waits for a client that does not read, or the two could wait for each other:
 * what the socket does not take at once goes into the backlog, which the writer thread sends. Only
 * a client that leaves a whole backlog unread stops the executor, until TCP_USER_TIMEOUT ends the
 * connection.
 */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;

#define REPLY_BACKLOG	(4u << 20)
/* between two STATUS frames that nothing else is sent with */
#define REPLY_STATUS_NS	20000000ull
#define REPLY_USED_NS	100000000ull	/* between two CONTROL_USED */

struct output {
	pthread_mutex_t lock;
	pthread_cond_t turn;	/* !sending, or room in the backlog */
	pthread_cond_t kick;	/* for the writer */
	bool sending;		/* a thread sends without the lock */
	bool dead;		/* the connection is gone */
	bool mute;		/* nothing but that is given any more */
	bool last;		/* CLOSED or REFUSED has been given */
	bool error_waits;	/* an ERROR is in the backlog */
	bool wants_status;
	bool used_dirty;	/* the writer has the new figure to tell, or is about to */
	uint64_t status_sent, used_sent;
	uint64_t status_at, used_at;	/* when */
	uint8_t *backlog;
	size_t head, len;
};

int reply_init(struct worker *w);
/* A frame of the op with the payload; wait: the caller may wait for the client. */
void reply_frame(struct worker *w, uint16_t op, uint16_t flags, uint64_t seq, const void *payload,
		 size_t n);
/* struct vwire_reply and the payload. */
void reply_result(struct worker *w, uint16_t op, uint64_t seq, CUresult r, const void *payload,
		  size_t n);
/* The same in two parts, of which the first is a multiple of 8 bytes. */
void reply_parts(struct worker *w, uint16_t op, const void *p1, size_t n1, const void *p2, size_t n2);
/* As many frames as it takes; aux goes to vwire_reply.reserved. */
void reply_table(struct worker *w, uint16_t op, uint64_t seq, CUresult r, uint32_t aux,
		 const void *payload, size_t n);
/* Waiter threads only: may wait for the client. */
void reply_data(struct worker *w, uint64_t seq, uint64_t offset, const void *data, size_t n);
void reply_error(struct worker *w, CUresult r, uint16_t op, uint64_t seq);
void reply_freed(struct worker *w, uint64_t seq);
/* mem_used has changed. */
void reply_used(struct worker *w);
/* REFUSED or CLOSED: the last frame. */
void reply_last(struct worker *w, uint16_t op, CUresult r, uint32_t reason, const char *text);
/* Nothing goes out from here on but reply_last(): what is answered may not be so. */
void reply_mute(struct worker *w);
/* Nothing waits to be sent. */
bool reply_is_idle(struct worker *w);
/* Waits for the backlog to be sent, ms at most. */
void reply_drain(struct worker *w, int ms);

#endif /* SERVER_REPLY_H */
