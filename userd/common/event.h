/* SPDX-License-Identifier: MIT */
/*
 * event.h - one epoll loop: descriptors and timers
 *
 * One thread. A handler may delete any event and clear any timer, its own included, and free what
 * holds them.
 */
#ifndef COMMON_EVENT_H
#define COMMON_EVENT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define EVENT_BATCH	64

#define container_of(p, type, member)	((type *)((char *)(p) - offsetof(type, member)))

/* A descriptor that is waited for; the fd is not closed by event_del(). */
struct event {
	int fd;
	void (*fn)(struct event *e, uint32_t events);
};

/* at: net_now() time when fn is called, once; 0: not set. */
struct event_timer {
	uint64_t at;
	void (*fn)(struct event_timer *t);
	struct event_timer *next;
};

/* The batch of the current epoll_wait(), so that a deleted event is not called any more. */
struct event_loop {
	int epfd;
	struct event_timer *timers;
	struct epoll_event batch[EVENT_BATCH];
	int nr_batch;
};

int event_loop_init(struct event_loop *l);
void event_loop_fini(struct event_loop *l);

int event_add(struct event_loop *l, struct event *e, int fd, uint32_t events,
	      void (*fn)(struct event *e, uint32_t events));
/*
 * Blocks the signals of set in this thread; fn reads them as struct signalfd_siginfo from e->fd. A
 * peer that is gone is an error of the write, never SIGPIPE.
 */
int event_add_signals(struct event_loop *l, struct event *e, const sigset_t *set,
		      void (*fn)(struct event *e, uint32_t events));
/* Harmless where it was not added. */
void event_del(struct event_loop *l, struct event *e);

void event_timer_set(struct event_loop *l, struct event_timer *t, uint64_t at,
		     void (*fn)(struct event_timer *t));
void event_timer_clear(struct event_loop *l, struct event_timer *t);

/*
 * Waits until something happens, at most until the next timer, not at all if !wait; calls the
 * handlers. 0 or -errno.
 */
int event_loop_run(struct event_loop *l, bool wait);

/* As many descriptors as the hard limit allows: a daemon has some for each session. */
void event_raise_files(void);

#endif /* COMMON_EVENT_H */
