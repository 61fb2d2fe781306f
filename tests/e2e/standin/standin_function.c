// SPDX-License-Identifier: MIT
/*
 * standin_function.c - libstandin.so, preloaded: /dev/vgpuN as a function sees it, without vgpu.ko
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "standin.h"

#define FDS	4096

/* A thread in poll(2). */
struct poller {
	struct poller *next;
	int bell;
};

static struct session {
	bool open;
	int memory, bell;	/* -1: no rings yet */
	uint32_t sq_bytes, cq_bytes;
	struct vgpu_control *control;
	struct ear *ear;
} sessions[FDS];

/* What a thread of its own hears from vgpud, for all pollers. */
struct ear {
	pthread_mutex_t lock;
	struct poller *pollers;
	bool gone;
	int fd;
};

static _Thread_local int own_bell = -1;

#define REAL(name)	((typeof(&name))dlsym(RTLD_NEXT, #name))

static struct session *of(int fd)
{
	return fd >= 0 && fd < FDS && sessions[fd].open ? &sessions[fd] : NULL;
}

static bool is_device(const char *path)
{
	return path && !strncmp(path, "/dev/vgpu", 9);
}

__attribute__((constructor)) static void start(void)
{
	signal(SIGPIPE, SIG_IGN);
}

int access(const char *path, int mode)
{
	return is_device(path) ? 0 : REAL(access)(path, mode);
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;
	int fd;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (!is_device(path))
		return REAL(open)(path, flags, mode);
	fd = REAL(open)("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && fd < FDS)
		sessions[fd] = (struct session){ .open = true, .memory = -1, .bell = -1 };
	return fd;
}

static int announce(const struct session *s, int *fds)
{
	struct sockaddr_un sa = standin_address(getenv(STANDIN_ENV));
	struct standin_setup setup = { s->sq_bytes, s->cq_bytes };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	uint64_t id;
	bool ok = sock >= 0 && !connect(sock, (struct sockaddr *)&sa, sizeof(sa)) &&
		  standin_transfer(sock, &setup, sizeof(setup), fds, 1) && recv(sock, &id, sizeof(id), 0) == sizeof(id);

	if (sock >= 0)
		REAL(close)(sock);
	return ok ? 0 : -1;
}

static void *listen_for(void *arg)
{
	struct ear *e = arg;
	char bells[4096];
	bool more;

	do {
		more = read(e->fd, bells, sizeof(bells)) > 0;
		pthread_mutex_lock(&e->lock);
		e->gone = !more;
		for (struct poller *p = e->pollers; p; p = p->next)
			eventfd_write(p->bell, 1);
		pthread_mutex_unlock(&e->lock);
	} while (more);
	return NULL;
}

/* It outlives the session: a thread may still be in poll(2). */
static struct ear *ear_new(int fd)
{
	struct ear *e = calloc(1, sizeof(*e));
	pthread_t thread;
	sigset_t all, old;

	if (!e)
		abort();
	pthread_mutex_init(&e->lock, NULL);
	e->fd = fd;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, listen_for, e))
		abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_detach(thread);
	return e;
}

static int set_up(struct session *s, struct vgpu_ring_setup *v)
{
	int there[2], back[2], err = 0;

	s->sq_bytes = v->sq_bytes = v->sq_bytes ? v->sq_bytes : VGPU_RING_DEFAULT;
	s->cq_bytes = v->cq_bytes = v->cq_bytes ? v->cq_bytes : VGPU_RING_DEFAULT;
	s->memory = memfd_create("standin", MFD_CLOEXEC);
	if (s->memory < 0 || ftruncate(s->memory, standin_page() + s->sq_bytes + s->cq_bytes) < 0 ||
	    pipe2(there, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(back, O_CLOEXEC) < 0)
		abort();
	s->control = standin_map(s->memory, VGPU_MMAP_CONTROL, s->sq_bytes, s->cq_bytes);
	s->bell = there[1];
	if (!s->control)
		abort();
	err = announce(s, (int[]){ s->memory, there[0], back[1] });
	s->ear = ear_new(back[0]);
	REAL(close)(there[0]);
	REAL(close)(back[1]);
	if (err)
		errno = EHOSTDOWN;
	return err;
}

int ioctl(int fd, unsigned long cmd, ...)
{
	struct session *s = of(fd);
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!s)
		return REAL(ioctl)(fd, cmd, arg);
	if (cmd == VGPU_RING_SETUP)
		return set_up(s, arg);
	return write(s->bell, "", 1) == 1 ? 0 : -1;
}

void *mmap(void *addr, size_t n, int prot, int flags, int fd, off_t offset)
{
	struct session *s = of(fd);
	void *p;

	if (!s || s->memory < 0)
		return REAL(mmap)(addr, n, prot, flags, fd, offset);
	p = standin_map(s->memory, offset, s->sq_bytes, s->cq_bytes);
	return p ? p : MAP_FAILED;
}

/* As function_poll() of kmod/file.c. */
static short state(const struct session *s)
{
	const volatile struct vgpu_control *c = s->control;
	uint32_t wanted = c->sq_head.asleep;
	short mask = 0;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = wanted < 1 ? 1 : wanted > s->sq_bytes ? s->sq_bytes : wanted;
	if (c->cq_head.index != c->cq_tail.index)
		mask |= POLLIN;
	if (c->sq_head.index - c->sq_tail.index <= s->sq_bytes - wanted)
		mask |= POLLOUT;
	return mask;
}

/* One of ours among others: its place is taken by an eventfd of this thread. */
static int poll_session(struct pollfd *p, nfds_t nr, nfds_t ours, int ms)
{
	const struct session *s = of(p[ours].fd);
	struct ear *e = s->ear;
	struct pollfd q[nr];
	struct poller me, **at;
	eventfd_t drop;
	bool gone;
	int r;

	if (own_bell < 0)
		own_bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	eventfd_read(own_bell, &drop);
	memcpy(q, p, sizeof(q));
	q[ours] = (struct pollfd){ .fd = own_bell, .events = POLLIN };
	pthread_mutex_lock(&e->lock);
	me = (struct poller){ e->pollers, own_bell };
	e->pollers = &me;
	gone = e->gone;
	pthread_mutex_unlock(&e->lock);
	r = REAL(poll)(q, nr, gone || state(s) & p[ours].events ? 0 : ms);
	pthread_mutex_lock(&e->lock);
	for (at = &e->pollers; *at != &me; at = &(*at)->next)
		;
	*at = me.next;
	gone = e->gone;
	pthread_mutex_unlock(&e->lock);
	if (r < 0)
		return r;
	q[ours].revents = (state(s) & p[ours].events) | (gone ? POLLHUP | POLLERR : 0);
	r = 0;
	for (nfds_t i = 0; i < nr; i++) {
		p[i].revents = q[i].revents;
		r += q[i].revents != 0;
	}
	return r;
}

/* Woken for nothing: it looks again. */
int poll(struct pollfd *p, nfds_t nr, int ms)
{
	int r;

	for (nfds_t i = 0; i < nr; i++) {
		if (!of(p[i].fd) || !sessions[p[i].fd].control)
			continue;
		do
			r = poll_session(p, nr, i, ms);
		while (!r && ms < 0);
		return r;
	}
	return REAL(poll)(p, nr, ms);
}

int close(int fd)
{
	struct session *s = of(fd);

	if (s) {
		s->open = false;
		if (s->memory >= 0) {
			REAL(close)(s->memory);
			REAL(close)(s->bell);
		}
	}
	return REAL(close)(fd);
}
