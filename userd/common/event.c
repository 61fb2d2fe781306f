// SPDX-License-Identifier: MIT
#include "event.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net.h"

int event_loop_init(struct event_loop *l)
{
	memset(l, 0, sizeof(*l));
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	return l->epfd < 0 ? -errno : 0;
}

void event_loop_fini(struct event_loop *l)
{
	close(l->epfd);
}

int event_add(struct event_loop *l, struct event *e, int fd, uint32_t events,
	      void (*fn)(struct event *e, uint32_t events))
{
	struct epoll_event ev = { .events = events, .data.ptr = e };

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	e->fd = fd;
	e->fn = fn;
	return 0;
}

void event_del(struct event_loop *l, struct event *e)
{
	if (!e->fn)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, e->fd, NULL);
	e->fn = NULL;
	for (int i = 0; i < l->nr_batch; i++)
		if (l->batch[i].data.ptr == e)
			l->batch[i].data.ptr = NULL;
}

void event_timer_clear(struct event_loop *l, struct event_timer *t)
{
	struct event_timer **p;

	if (!t->at)
		return;
	for (p = &l->timers; *p && *p != t; p = &(*p)->next)
		;
	if (*p)
		*p = t->next;
	t->at = 0;
}

void event_timer_set(struct event_loop *l, struct event_timer *t, uint64_t at,
		     void (*fn)(struct event_timer *t))
{
	struct event_timer **p;

	event_timer_clear(l, t);
	for (p = &l->timers; *p && (*p)->at <= at; p = &(*p)->next)
		;
	t->at = at;
	t->fn = fn;
	t->next = *p;
	*p = t;
}

static void run_timers(struct event_loop *l)
{
	uint64_t now = l->timers ? net_now() : 0;
	struct event_timer *t;

	while (l->timers && l->timers->at <= now) {
		t = l->timers;
		event_timer_clear(l, t);
		t->fn(t);
	}
}

int event_loop_run(struct event_loop *l, bool wait)
{
	int timeout = !wait ? 0 : l->timers ? net_left(l->timers->at) : -1;
	int n = epoll_wait(l->epfd, l->batch, EVENT_BATCH, timeout);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	l->nr_batch = n;
	for (int i = 0; i < n; i++) {
		struct event *e = l->batch[i].data.ptr;

		if (e)
			e->fn(e, l->batch[i].events);
	}
	l->nr_batch = 0;
	run_timers(l);
	return 0;
}

int event_add_signals(struct event_loop *l, struct event *e, const sigset_t *set,
		      void (*fn)(struct event *e, uint32_t events))
{
	int fd, err;

	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = event_add(l, e, fd, EPOLLIN, fn);
	if (err)
		close(fd);
	return err;
}

void event_raise_files(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}
