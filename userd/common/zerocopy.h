/* SPDX-License-Identifier: MIT */
/*
 * zerocopy.h - MSG_ZEROCOPY on a TCP socket, for as long as it saves a copy
 *
 * The kernel sends from the caller's pages and says later when it is through with them. Over
 * loopback, and where the device cannot gather, it copies after all and says that, too: then sending
 * goes on as usual. Functions may be called by several threads, but one sends at a time.
 */
#ifndef COMMON_ZEROCOPY_H
#define COMMON_ZEROCOPY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include <linux/errqueue.h>	/* wants struct timespec */

#define ZEROCOPY_MIN	(64u << 10)	/* bytes; to pin the pages of less costs more than to copy it */

/**
 * struct zerocopy - of one socket
 * @sent: sends that the kernel has not copied, modulo 2^32
 * @done: those that it is through with
 * @through: so many of the first it is through with; it may be with later ones before
 * @early: those behind @through, bit for bit
 */
struct zerocopy {
	int fd;
	pthread_mutex_t lock;
	bool on;
	uint32_t sent, done, through;
	uint64_t early;
};

/* wanted: false, sends as usual. */
void zerocopy_init(struct zerocopy *z, int fd, bool wanted);
/* The environment has nothing against it: VGPU_ZEROCOPY=0. */
bool zerocopy_is_wanted(void);
/* It is worth it, as far as is known. */
bool zerocopy_is_on(struct zerocopy *z);
/*
 * As send(2) does, of n bytes at most. They stay as they are until zerocopy_wait() has returned
 * true.
 */
ssize_t zerocopy_send(struct zerocopy *z, const void *p, size_t n);
/*
 * How many of the sends that were not copied, from the first on, need their pages no more; modulo
 * 2^32. For who has no more than 64 under way.
 */
uint32_t zerocopy_through(struct zerocopy *z);
/* Until the kernel needs nothing any more of what was sent so far. false: ms have passed, or the connection has ended. */
bool zerocopy_wait(struct zerocopy *z, int ms);

/* What the kernel tells; for zerocopy.c and its test. */
void zerocopy_told(struct zerocopy *z, const struct sock_extended_err *e);

#endif /* COMMON_ZEROCOPY_H */
