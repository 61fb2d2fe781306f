// SPDX-License-Identifier: MIT
#include "mover.h"

#include <errno.h>
#include <time.h>

#define NO_SPIN_TIMES	8

void mover_init(struct mover *m, struct event_loop *loop, const struct mover_look *look)
{
	m->loop = loop;
	m->look = look;
	TAILQ_INIT(&m->busy);
}

static void set_busy(struct pump *p, bool busy)
{
	if (p->busy == busy)
		return;
	p->busy = busy;
	if (busy)
		TAILQ_INSERT_TAIL(&p->mover->busy, p, busy_link);
	else
		TAILQ_REMOVE(&p->mover->busy, p, busy_link);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* There was something to move until now. */
static void start_looking(struct pump *p, uint64_t now)
{
	const struct mover_look *look = p->mover->look;

	halt_poll_bounds(&p->poll, look->us * 1000ull, look->most_us * 1000ull);
	p->idle_ns = now;
	p->look_ns = halt_poll_ns(&p->poll);
	if (p->look_ns <= p->poll.least && p->no_spin) {
		p->no_spin--;
		p->look_ns = 0;
	}
}

/*
 * A short look for more work saves the two system calls of a doorbell and its poll, when work comes
 * that soon. When it did not, the next few times are not spent on it. Where a function waits longer
 * than that for its answers, the look is as long as its waits were.
 */
static bool spin(struct pump *p)
{
	uint64_t now = now_ns(), looked;

	if (!p->idle_ns)
		start_looking(p, now);
	looked = now - p->idle_ns;
	if (looked < p->look_ns) {
		halt_poll_pause(&p->poll, looked);
		return true;
	}
	if (p->look_ns && p->look_ns <= p->poll.least)
		p->no_spin = NO_SPIN_TIMES;
	p->look_ns = 0;
	return false;
}

static void moved(struct pump *p)
{
	if (p->idle_ns)
		halt_poll_note(&p->poll, now_ns() - p->idle_ns);
	p->idle_ns = 0;
}

static void run(struct pump *p)
{
	int r = fwd_run(&p->fwd);

	if (r < 0)
		p->over(p, r);
	else if (r > 0)
		moved(p);
	else if (!spin(p) && fwd_sleep(&p->fwd))
		set_busy(p, false);
}

void mover_run(struct mover *m)
{
	struct pump *p, *next;

	for (p = TAILQ_FIRST(&m->busy); p; p = next) {
		next = TAILQ_NEXT(p, busy_link);
		run(p);
	}
}

static void wake_up(struct pump *p)
{
	if (p->busy)
		return;
	fwd_wakeup(&p->fwd);
	set_busy(p, true);
}

static void ring_event(struct event *e, uint32_t events)
{
	struct pump *p = container_of(e, struct pump, ring);

	if (events & EPOLLHUP)
		p->over(p, -ESHUTDOWN);
	else if (p->running)
		wake_up(p);
	else
		p->told(p);
}

/* Its end is met by fwd_run(), behind what was sent before it, but for one that is abrupt. */
static void sock_event(struct event *e, uint32_t events)
{
	struct pump *p = container_of(e, struct pump, sock);

	if (events & EPOLLHUP && p->abrupt)
		p->over(p, -ECONNRESET);
	else
		wake_up(p);
}

/*
 * Edge-triggered: a session that waits for room in one direction is not woken over and over by the
 * other, and what is waited for need not be told to epoll each time. fwd_run() always goes on until
 * there is nothing left.
 */
int pump_open(struct pump *p, struct mover *m, int ring_fd)
{
	p->mover = m;
	return event_add(m->loop, &p->ring, ring_fd, EPOLLIN | EPOLLOUT | EPOLLET, ring_event);
}

int pump_start(struct pump *p, int sock)
{
	int err = event_add(p->mover->loop, &p->sock, sock,
			    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, sock_event);

	if (err)
		return err;
	p->running = true;
	set_busy(p, true);
	return 0;
}

void pump_stop(struct pump *p)
{
	set_busy(p, false);
	event_del(p->mover->loop, &p->ring);
	event_del(p->mover->loop, &p->sock);
	p->running = false;
}
