// SPDX-License-Identifier: MIT
/*
 * transport.c - the rings of a session, mapped from /dev/vgpuN or made here
 *
 * In direct mode the rings are anonymous memory of this process and a thread of it does what vgpud
 * does, with the same code (forward.c). All else in the library is the same for both.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vgpu.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "env.h"
#include "net.h"
#include "transport.h"
#include "vcuda.h"
#include "vgpu_wire.h"

#define CONNECT_MS	5000
#define SLEEP_MS	1000	/* a waiter looks whether the session was lost by another thread */
#define RING_BYTES	VGPU_RING_DEFAULT

static void *map_at(int fd, uint64_t offset, size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

static void unmap_rings(struct fwd_ring *r)
{
	if (r->control)
		munmap(r->control, sysconf(_SC_PAGESIZE));
	if (r->sq)
		munmap(r->sq, 2ull * r->sq_bytes);
	if (r->cq)
		munmap(r->cq, 2ull * r->cq_bytes);
	memset(r, 0, sizeof(*r));
}

/* ---- /dev/vgpuN ---- */

static int map_device(struct vcuda_transport *t, const struct vgpu_ring_setup *s)
{
	struct fwd_ring *r = &t->ring;

	r->sq_bytes = s->sq_bytes;
	r->cq_bytes = s->cq_bytes;
	r->control = map_at(t->fd, VGPU_MMAP_CONTROL, sysconf(_SC_PAGESIZE));
	r->sq = map_at(t->fd, VGPU_MMAP_SQ, 2ull * s->sq_bytes);
	r->cq = map_at(t->fd, VGPU_MMAP_CQ, 2ull * s->cq_bytes);
	return r->control && r->sq && r->cq ? 0 : -ENOMEM;
}

/* s: the rings that are wanted; 0: as large as the module makes them. */
static int set_up(struct vcuda_transport *t, const char *path, struct vgpu_ring_setup s, char *why,
		  size_t n)
{
	int err;

	s.size = sizeof(s);
	t->fd = open(path, O_RDWR | O_CLOEXEC);
	if (t->fd < 0) {
		err = errno;
		snprintf(why, n, "%s: %s", path, strerror(err));
		return -err;
	}
	if (ioctl(t->fd, VGPU_RING_SETUP, &s) < 0) {
		err = errno;
		snprintf(why, n, "%s: %s", path,
			 err == EHOSTDOWN ? "vgpud is not running" : strerror(err));
	} else {
		t->mem_limit = s.mem_limit;
		err = -map_device(t, &s);
		if (err)
			snprintf(why, n, "%s: cannot map the rings: %s", path, strerror(err));
	}
	if (err) {
		unmap_rings(&t->ring);
		close(t->fd);
		t->fd = -1;
	}
	return -err;
}

static int open_device(struct vcuda_transport *t, const char *path, char *why, size_t n)
{
	int err = set_up(t, path, (struct vgpu_ring_setup){ 0 }, why, n);

	if (err)
		return err;
	t->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (strlen(path) < sizeof(t->path))
		strcpy(t->path, path);
	return 0;
}

static int open_first_device(struct vcuda_transport *t, char *why, size_t n)
{
	const char *path = getenv("VGPU_DEVICE");
	char name[32];
	int i;

	if (path && *path)
		return open_device(t, path, why, n);
	for (i = 0; i < VGPU_MAX_DEVICES; i++) {
		snprintf(name, sizeof(name), "/dev/vgpu%d", i);
		if (!access(name, F_OK))
			return open_device(t, name, why, n);
	}
	snprintf(why, n, "no /dev/vgpuN, and VGPU_SERVER is not set");
	return -ENODEV;
}

/* ---- direct mode ---- */

/* Shared memory shown twice in a row; not inherited over fork(), as the module's rings are not. */
static uint8_t *map_twice(int fd, size_t offset, size_t n)
{
	uint8_t *p =
		mmap(NULL, 2 * n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int i;

	if (p == MAP_FAILED)
		return NULL;
	for (i = 0; i < 2; i++)
		if (mmap(p + i * n, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 offset) == MAP_FAILED)
			goto unmap;
	madvise(p, 2 * n, MADV_DONTFORK);
	return p;
unmap:
	munmap(p, 2 * n);
	return NULL;
}

static int make_rings(struct fwd_ring *r)
{
	long page = sysconf(_SC_PAGESIZE);
	int fd = memfd_create("vgpu-rings", MFD_CLOEXEC);
	int err = -ENOMEM;

	if (fd < 0)
		return -errno;
	r->sq_bytes = r->cq_bytes = RING_BYTES;
	if (!ftruncate(fd, page + 2 * RING_BYTES)) {
		r->control = map_at(fd, 0, page);
		r->sq = map_twice(fd, page, RING_BYTES);
		r->cq = map_twice(fd, page + RING_BYTES, RING_BYTES);
		if (r->control && r->sq && r->cq)
			err = 0;
	}
	close(fd);
	if (err)
		unmap_rings(r);
	else
		madvise(r->control, page, MADV_DONTFORK);
	return err;
}

static void eventfd_add(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return;	/* EAGAIN: it is full, so whoever reads it is awake */
}

static void eventfd_clear(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return;	/* EAGAIN: nothing was there */
}

/* Behind the barrier that follows the store of an index, as is the look at asleep that led here. */
static void wake_function(void *arg)
{
	struct vcuda_transport *t = arg;

	eventfd_add(t->fd);
	if (vcuda_transport_asleep(&t->ring.control->sq_head))
		eventfd_add(t->room);
}

static void wait_for_work(struct vcuda_transport *t)
{
	struct pollfd p[2] = { { .fd = t->kick, .events = POLLIN }, { .fd = t->sock } };

	if (!fwd_sleep(&t->fwd))
		return;
	if (fwd_want_read(&t->fwd))
		p[1].events |= POLLIN;
	if (fwd_want_write(&t->fwd))
		p[1].events |= POLLOUT;
	poll(p, 2, -1);
	fwd_wakeup(&t->fwd);
	if (p[0].revents)
		eventfd_clear(t->kick);
}

/*
 * Sleeping and being woken costs more than a short answer takes: after work, look on for a while;
 * where somebody waits, for as long as waits take.
 */
static uint64_t patience(struct vcuda_transport *t)
{
	return atomic_load_explicit(&t->nr_waiting, memory_order_relaxed) ? halt_poll_ns(&t->poll) :
									    t->poll.least;
}

static void *forward(void *arg)
{
	struct vcuda_transport *t = arg;
	uint64_t busy = vcuda_now_ns(), idle;
	char text[128];
	int n;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		n = fwd_run(&t->fwd);
		if (n < 0) {
			snprintf(text, sizeof(text), "connection to the server lost: %s",
				 strerror(-n));
			fwd_close(&t->fwd, 46 /* CUDA_ERROR_DEVICE_UNAVAILABLE */,
				  VWIRE_REASON_LOST, text);
			break;
		}
		idle = n ? 0 : vcuda_now_ns() - busy;
		if (!n && idle < patience(t)) {
			halt_poll_pause(&t->poll, idle);
			continue;
		}
		if (!n)
			wait_for_work(t);
		busy = vcuda_now_ns();
	}
	atomic_store(&t->gone, 1);
	eventfd_add(t->fd);
	eventfd_add(t->room);
	return NULL;
}

/* The program's signals are the program's: none is delivered to this thread. */
static int start_thread(struct vcuda_transport *t)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&t->thread, NULL, forward, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

static int send_lease(struct vcuda_transport *t, char *why, size_t n)
{
	uint8_t buf[VWIRE_CONTROL_MAX];
	uint64_t mem_limit, wait_ms;
	int len = env_bytes("VGPU_MEM_LIMIT", &mem_limit, why, n);

	if (!len)
		len = env_bytes("VGPU_QUEUE_WAIT_MS", &wait_ms, why, n);
	if (!len)
		len = net_lease_frame(buf, sizeof(buf), 0, mem_limit,
				      wait_ms < UINT32_MAX ? wait_ms : UINT32_MAX,
				      getenv("VGPU_TENANT"));
	return len < 0 ? len : fwd_prefix(&t->fwd, buf, len);
}

static int open_direct(struct vcuda_transport *t, const char *server, char *why, size_t n)
{
	static const struct fwd_ops ops = { .wake = wake_function };
	int err;

	t->direct = true;
	t->sock = net_connect(server, CONNECT_MS);
	if (t->sock < 0) {
		err = t->sock;
		snprintf(why, n, "server %s: %s", server, strerror(-err));
		return err;
	}
	t->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->room = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = t->fd < 0 || t->kick < 0 || t->room < 0 ? -errno : make_rings(&t->ring);
	if (!err)
		err = fwd_init(&t->fwd, &t->ring, t->sock, &ops, t);
	*why = 0;
	if (!err)
		err = send_lease(t, why, n);
	if (!err)
		err = start_thread(t);
	if (err) {
		if (!*why)
			snprintf(why, n, "server %s: %s", server, strerror(-err));
		vcuda_transport_abandon(t);
	}
	return err;
}

/* ---- both ---- */

int vcuda_transport_open(struct vcuda_transport *t, char *why, size_t why_len)
{
	const char *server = getenv("VGPU_SERVER");

	memset(t, 0, sizeof(*t));
	t->fd = t->sock = t->kick = t->room = t->nudge = -1;
	halt_poll_init(&t->poll);
	if (server && *server)
		return open_direct(t, server, why, why_len);
	return open_first_device(t, why, why_len);
}

int vcuda_transport_again(struct vcuda_transport *t, const struct vcuda_transport *of,
			  uint32_t sq_bytes, uint32_t cq_bytes, char *why, size_t n)
{
	struct vgpu_ring_setup s = { .sq_bytes = sq_bytes, .cq_bytes = cq_bytes };

	memset(t, 0, offsetof(struct vcuda_transport, fwd));
	t->fd = t->sock = t->kick = t->room = t->nudge = -1;
	return set_up(t, of->path, s, why, n);
}

uint32_t vcuda_transport_asleep(const struct vgpu_ring_side *peer)
{
	return __atomic_load_n(&peer->asleep, __ATOMIC_RELAXED);
}

void vcuda_transport_ring(struct vcuda_transport *t)
{
	struct vgpu_doorbell d = { .size = sizeof(d) };

	vcuda_stats_wake();
	if (t->direct)
		eventfd_add(t->kick);
	else
		ioctl(t->fd, VGPU_DOORBELL, &d);	/* EPIPE shows as POLLHUP */
}

int vcuda_transport_sleep(struct vcuda_transport *t, bool want_data, bool want_room)
{
	struct pollfd p[2] = { { .fd = t->fd, .events = POLLIN },
			       { .fd = want_room ? -1 : t->nudge, .events = POLLIN } };

	if (t->direct) {
		if (atomic_load(&t->gone))
			return -EPIPE;
		if (want_room)
			p[0].fd = t->room;
		poll(p, 1, SLEEP_MS);
		eventfd_clear(p[0].fd);
		return 0;
	}
	p[0].events = (want_data ? POLLIN : 0) | (want_room ? POLLOUT : 0);
	if (poll(p, 2, SLEEP_MS) <= 0)
		return 0;
	if (p[1].revents)
		eventfd_clear(t->nudge);
	return p[0].revents & (POLLHUP | POLLERR | POLLNVAL) && !(p[0].revents & POLLIN) ? -EPIPE
											  : 0;
}

bool vcuda_transport_hung_up(const struct vcuda_transport *t)
{
	struct pollfd p = { .fd = t->direct ? -1 : t->fd };

	return poll(&p, 1, 0) > 0;
}

void vcuda_transport_wake(struct vcuda_transport *t)
{
	if (t->direct && t->fd >= 0)
		eventfd_add(t->fd);
	else if (t->nudge >= 0)
		eventfd_add(t->nudge);
}

void vcuda_transport_abandon(struct vcuda_transport *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->sock >= 0)
		close(t->sock);
	if (t->kick >= 0)
		close(t->kick);
	if (t->room >= 0)
		close(t->room);
	if (t->nudge >= 0)
		close(t->nudge);
	t->fd = t->sock = t->kick = t->room = t->nudge = -1;
}

/* The thread alone has the socket. vgpud sees the end of the process. */
void vcuda_transport_stop(struct vcuda_transport *t)
{
	if (!t->direct || t->sock < 0)
		return;
	__atomic_store_n(&t->stop, 1, __ATOMIC_RELEASE);
	eventfd_add(t->kick);
	pthread_join(t->thread, NULL);
	close(t->sock);
	t->sock = -1;
}

void vcuda_transport_close(struct vcuda_transport *t)
{
	vcuda_transport_stop(t);
	vcuda_transport_abandon(t);
	unmap_rings(&t->ring);
}
