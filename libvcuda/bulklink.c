// SPDX-License-Identifier: MIT
/*
 * bulklink.c - the bulk connections of a session, and their threads
 *
 * VGPU_BULK says how many there are, 4 unless told otherwise, 0 for none. They are opened by a
 * thread of their own when the first large copy comes, to the address that the session's goes to.
 * Through vgpud each is a pair of rings (lane.c), in direct mode a socket (bulksock.c).
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bulk.h"
#include "bulklink.h"
#include "bulksock.h"
#include "env.h"
#include "lane.h"
#include "net.h"
#include "ring.h"
#include "stripe.h"
#include "zerocopy.h"

#define LINKS	  4
#define LINKS_MAX 8
#define REASON_MS 1000 /* for the session's connection to say why */
#define SETTLE_MS 100

enum state { NONE, OFFERED, OPENING, READY };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  /* all of it */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* state */
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;	  /* for senders */
static pthread_cond_t sent = PTHREAD_COND_INITIALIZER;	  /* for threads that copy */
static _Atomic int state = NONE;
static struct vwire_bulk offer;
static struct vcuda_outbound *queue, **queue_tail = &queue; /* those that have stripes to begin */
static unsigned int nr_copying_wait;
static bool first_busy; /* a thread that copies sends over the first connection */
static bool stopping;
static int nr_links, fds[LINKS_MAX];
static struct zerocopy sockets[LINKS_MAX];
static struct vcuda_lane lane_room[LINKS_MAX], *lanes[LINKS_MAX];
static int lane_stop = -1;	/* eventfd; -1: there are none, in direct mode */
static pthread_t opener, threads[2 * LINKS_MAX];
static bool opener_runs;
static int nr_threads;

static int wanted(void)
{
	long n = env_number("VGPU_BULK", 0, LINKS_MAX, LINKS);

	return n < (long)le32toh(offer.connections) ? n : (long)le32toh(offer.connections);
}

void vcuda_bulk_offered(const void *p, size_t n, uint64_t features)
{
	const struct vcuda_transport *t = vcuda_transport();

	if (n != sizeof(offer) || !(t->direct || (features & VWIRE_FEAT_BULK && *t->path)))
		return;
	memcpy(&offer, p, sizeof(offer));
	nr_links = wanted();
	atomic_store(&state, nr_links ? OFFERED : NONE);
}

/* Signals are the program's, but for the ones that the memory it names may cause. */
static int start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t set, old;
	int err;

	sigfillset(&set);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &set, &old);
	err = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

/*
 * A connection has ended. Mostly the session has, too, and its own connection says why; nobody may
 * be reading that.
 */
static void gone(const char *text)
{
	uint64_t end = net_now() + REASON_MS;

	while (!vcuda_session_error() && net_left(end) > 0) {
		vcuda_drain();
		if (vcuda_transport_hung_up(vcuda_transport()) && !vcuda_receive_ready())
			vcuda_receive_peer_gone();
		usleep(5000);
	}
	vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, text);
}

/* ---- sending ---- */

static bool send_stripe(int link, const struct vcuda_outbound *o, uint32_t i)
{
	static const uint8_t zeros[8];
	uint64_t offset = (uint64_t)i * VWIRE_STRIPE, left = o->bytes - offset;
	size_t len = left < VWIRE_STRIPE ? left : VWIRE_STRIPE;
	struct stripe_head h = stripe_head(o->seq, offset, len);
	struct iovec iov[] = {
		{ &h, sizeof(h) },
		{ (void *)(o->src + offset), len },
		{ (void *)zeros, vwire_pad(len) - len },
	};

	vcuda_stats_bytes(sizeof(h) + vwire_pad(len), 0);
	return lane_stop >= 0 ? vcuda_lane_send(lanes[link], iov, 3)
			      : vcuda_bulksock_send(&sockets[link], iov);
}

/*
 * With the lock, which is dropped meanwhile: the next stripe of all. So stripes stand on every
 * connection in their order, and one that waits for a slot at the server never waits for one that
 * is behind it.
 */
static void send_next(int link)
{
	struct vcuda_outbound *o = queue;
	uint32_t i = o->nr_begun++;
	bool ok;

	if (o->nr_begun == o->nr) {
		queue = o->next;
		if (!queue)
			queue_tail = &queue;
	}
	pthread_mutex_unlock(&lock);
	ok = !vcuda_session_error() && send_stripe(link, o, i);
	if (!ok)
		gone("a bulk connection to the server has ended");
	pthread_mutex_lock(&lock);
	o->nr_done++;
	if (nr_copying_wait)
		pthread_cond_broadcast(&sent);
}

/* With the lock: a stripe was sent, or the first connection is free. */
static void wait_for_others(void)
{
	nr_copying_wait++;
	pthread_cond_wait(&sent, &lock);
	nr_copying_wait--;
}

/* With the lock: until so many of its stripes are still to be begun. */
static void take_part(struct vcuda_outbound *o, uint32_t left)
{
	while (o->nr - o->nr_begun > left) {
		if (first_busy) {
			wait_for_others();
			continue;
		}
		first_busy = true;
		send_next(0);
		first_busy = false;
	}
}

void vcuda_bulk_begin(struct vcuda_outbound *o, const uint8_t *src, size_t n, uint64_t seq)
{
	*o = (struct vcuda_outbound){
		.src = src, .bytes = n, .seq = seq, .nr = (n + VWIRE_STRIPE - 1) / VWIRE_STRIPE
	};
	pthread_mutex_lock(&lock);
	*queue_tail = o;
	queue_tail = &o->next;
	if (o->nr > 1)
		pthread_cond_broadcast(&work);
	pthread_mutex_unlock(&lock);
}

void vcuda_bulk_send(struct vcuda_outbound *o)
{
	pthread_mutex_lock(&lock);
	take_part(o, o->nr / 2);
	pthread_mutex_unlock(&lock);
}

void vcuda_bulk_finish(struct vcuda_outbound *o)
{
	pthread_mutex_lock(&lock);
	take_part(o, 0);
	while (o->nr_done < o->nr)
		wait_for_others();
	pthread_mutex_unlock(&lock);
}

void vcuda_bulk_settle(void)
{
	for (int i = 0; lane_stop < 0 && i < nr_links; i++)
		while (!zerocopy_wait(&sockets[i], SETTLE_MS) && !vcuda_session_error())
			usleep(1000);
}

static void *sender(void *arg)
{
	int link = (int)(intptr_t)arg;

	net_bulk_thread();
	pthread_mutex_lock(&lock);
	while (!stopping) {
		if (queue)
			send_next(link);
		else
			pthread_cond_wait(&work, &lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* ---- receiving ---- */

static bool receive(int link, void *p, size_t n)
{
	return lane_stop >= 0 ? vcuda_lane_receive(lanes[link], p, n)
			      : vcuda_bulksock_receive(&sockets[link], p, n);
}

static bool receive_stripe(int link)
{
	struct stripe_head h;
	uint8_t padding[8], *dst = NULL;
	uint64_t seq, len;
	bool ok;

	/* vgpud says so where it has ended there */
	if (!receive(link, &h, sizeof(h)) || le16toh(h.frame.op) == VWIRE_OP_CLOSED) {
		gone("a bulk connection to the server has ended");
		return false;
	}
	seq = le64toh(h.frame.seq);
	len = le64toh(h.data.len);
	if (stripe_head_is_right(&h))
		dst = vcuda_bulk_claim(seq, le64toh(h.data.offset), len);
	if (!dst) {
		vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE,
				   "bulk data for no copy of this program");
		return false;
	}
	ok = receive(link, dst, len) && receive(link, padding, vwire_pad(len) - len);
	if (ok)
		vcuda_stats_bytes(0, sizeof(h) + vwire_pad(len));
	vcuda_bulk_received(seq, ok ? len : 0);
	if (!ok)
		gone("a bulk connection to the server has ended");
	return ok;
}

static void *receiver(void *arg)
{
	int link = (int)(intptr_t)arg;

	net_bulk_thread();
	while (receive_stripe(link))
		;
	return NULL;
}

/* ---- opening and closing ---- */

/* Known to vcuda_bulk_stop() from the start, which may be in a hurry. */
static bool keep(int i, int fd)
{
	bool ok;

	pthread_mutex_lock(&lock);
	ok = !stopping;
	if (ok)
		fds[i] = fd;
	pthread_mutex_unlock(&lock);
	if (!ok)
		close(fd);
	return ok;
}

/* With the lock. unmap: nobody uses its rings. */
static void close_link(int i, bool unmap)
{
	if (fds[i] >= 0 && lane_stop >= 0 && unmap)
		vcuda_lane_close(lanes[i]);
	else if (fds[i] >= 0)
		close(fds[i]);
	fds[i] = -1;
}

/* With fewer it goes, too. The last takes the place of one that could not be had. */
static void do_without(int i)
{
	pthread_mutex_lock(&lock);
	close_link(i, true);
	nr_links--;
	fds[i] = fds[nr_links];
	lanes[i] = lanes[nr_links];
	fds[nr_links] = -1;
	pthread_mutex_unlock(&lock);
}

/* All are asked for, then waited for: a round trip for all of them. */
static int connect_lanes(char *why, size_t n)
{
	int i, err = 0, stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (stop < 0)
		return -errno;
	pthread_mutex_lock(&lock);
	lane_stop = stop;
	pthread_mutex_unlock(&lock);
	for (i = 0; !err && i < nr_links; i++) {
		lanes[i] = &lane_room[i];
		err = vcuda_lane_open(lanes[i], vcuda_transport(), stop, &offer, why, n);
		if (!err && !keep(i, lanes[i]->t.fd))
			err = -ECANCELED;
	}
	while (err && i <= nr_links)
		do_without(nr_links - 1);
	for (i = 0; i < nr_links;) {
		err = vcuda_lane_connected(lanes[i], why, n);
		if (err)
			do_without(i);
		else
			i++;
	}
	return err;
}

static int connect_sockets(void)
{
	struct net_addr to = { .len = sizeof(to.sa) };
	int i, fd, err = 0;

	if (getpeername(vcuda_transport()->sock, (struct sockaddr *)&to.sa, &to.len) < 0)
		return -errno;
	for (i = 0; !err && i < nr_links; i++) {
		fd = net_connect_start(&to);
		if (fd < 0)
			err = fd;
		else if (!keep(i, fd))
			err = -ECANCELED;
		else
			err = vcuda_bulksock_connected(&sockets[i], fd, &offer);
	}
	while (err && i <= nr_links)
		do_without(nr_links - 1);
	return err;
}

static int start_threads(void)
{
	int i, err = 0;

	for (i = 0; !err && i < nr_links; i++) {
		err = start(&threads[nr_threads], receiver, (void *)(intptr_t)i);
		nr_threads += !err;
	}
	for (i = 1; !err && i < nr_links; i++) {
		err = start(&threads[nr_threads], sender, (void *)(intptr_t)i);
		nr_threads += !err;
	}
	return err;
}

/* With the lock. unmap: nobody uses their rings. */
static void close_links(bool unmap)
{
	for (int i = 0; i < nr_links; i++)
		close_link(i, unmap);
	if (lane_stop >= 0)
		close(lane_stop);
	lane_stop = -1;
}

static void *open_links(void *arg)
{
	char why[VWIRE_TEXT_MAX] = "";
	int err;

	(void)arg;
	for (int i = 0; i < nr_links; i++)
		fds[i] = -1;
	err = vcuda_transport()->direct ? connect_sockets() : connect_lanes(why, sizeof(why));
	err = nr_links && fds[0] >= 0 ? 0 : err;
	pthread_mutex_lock(&lock);
	if (!err && !stopping)
		err = start_threads();
	if (err && !nr_threads)
		close_links(true);
	if (err && !stopping && !vcuda_session_error())
		vcuda_say("no bulk connections: %s; large copies go as small ones do",
			  *why ? why : strerror(-err));
	atomic_store(&state, err || stopping ? NONE : READY);
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return NULL;
}

bool vcuda_bulk_open(bool wait)
{
	int was = atomic_load_explicit(&state, memory_order_acquire);

	if (was == READY || was == NONE)
		return was == READY;
	pthread_mutex_lock(&lock);
	if (atomic_load(&state) == OFFERED && !stopping) {
		opener_runs = !start(&opener, open_links, NULL);
		atomic_store(&state, opener_runs ? OPENING : NONE);
	}
	while (wait && atomic_load(&state) == OPENING)
		pthread_cond_wait(&changed, &lock);
	was = atomic_load(&state);
	pthread_mutex_unlock(&lock);
	return was == READY;
}

void vcuda_bulk_lost(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; atomic_load(&state) >= OPENING && i < nr_links; i++)
		if (fds[i] >= 0)
			shutdown(fds[i], SHUT_RDWR);
	if (lane_stop >= 0)
		eventfd_write(lane_stop, 1);
	pthread_mutex_unlock(&lock);
}

void vcuda_bulk_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&work);
	pthread_mutex_unlock(&lock);
	vcuda_bulk_lost();
	if (opener_runs)
		pthread_join(opener, NULL);
	vcuda_bulk_lost();
	for (int i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	opener_runs = false;
	nr_threads = 0;
}

void vcuda_bulk_link_fork(void)
{
	if (atomic_load(&state) >= OPENING)
		close_links(false);
}
