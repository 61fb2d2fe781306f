/* SPDX-License-Identifier: MIT */
/*
 * bulk.c - bulk connections of a worker: who may open one, and its receiver and its sender
 */
#include "bulk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "net.h"
#include "run.h"
#include "stripe.h"
#include "worker.h"

#define NAP_NS	   20000 /* between two looks at a flag that the device raises */
#define NAP_MAX_NS 500000
#define SPINS	   8u	/* looks before the first nap, where there are processors to spare */
#define SPIN_NS	   2000
#define LOOK_NAPS  16u	/* naps until the context is asked whether it lives */
#define SLACK_NS   1000 /* of these threads' timers */
#define CLOSE_MS                                                                                   \
	1000 /* for the session's connection to end by itself, or a client to read why it was closed */
#define SCRATCH (64u << 10)

struct link {
	struct worker *w;
	int fd;
};

/* ---- the end ---- */

/* Of flags that this process writes; never lowers one. */
static void raise_flag(uint32_t *flag, uint32_t turn)
{
	uint32_t old = __atomic_load_n(flag, __ATOMIC_RELAXED);

	while ((int32_t)(turn - old) > 0 &&
	       !__atomic_compare_exchange_n(flag, &old, turn, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
}

void bulk_release(struct worker *w)
{
	struct bulk *b = &w->bulk;

	if (!b->offered || !b->broken || b->nr_moving)
		return;
	for (uint32_t i = 0; i < b->in.nr_slots; i++)
		raise_flag(&b->in.full[i], bulk_turn(&b->in, b->in.next) + 1);
	for (uint32_t i = 0; i < b->out.nr_slots; i++)
		raise_flag(&b->out.empty[i], bulk_turn(&b->out, b->out.next) + 1);
}

void bulk_log(struct worker *w)
{
	struct bulk *b = &w->bulk;

	pthread_mutex_lock(&b->lock);
	if (b->nr_connections)
		log_debug("lease %llu: %llu stripes in, %llu of them late for want of a slot; "
			  "%llu out, %llu late for want of data",
			  (unsigned long long)w->lease.id, (unsigned long long)b->in.nr_passed,
			  (unsigned long long)b->in.nr_late, (unsigned long long)b->out.nr_passed,
			  (unsigned long long)b->out.nr_late);
	pthread_mutex_unlock(&b->lock);
}

static void sleep_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	nanosleep(&t, NULL);
}

/* false: it was broken before. No copy waits for data once the threads have left their slots. */
static bool break_off(struct worker *w)
{
	struct bulk *b = &w->bulk;
	bool first;

	/* what is raised now is no data: nobody may be told that a copy, or what uses it, is done */
	reply_mute(w);
	pthread_mutex_lock(&b->lock);
	first = !b->broken;
	b->broken = true;
	for (unsigned int i = 0; i < b->nr_connections; i++)
		shutdown(b->fds[i], SHUT_RDWR);
	bulk_release(w);
	pthread_cond_broadcast(&b->changed);
	pthread_cond_broadcast(&b->work);
	pthread_mutex_unlock(&b->lock);
	return first;
}

void bulk_stop(struct worker *w)
{
	break_off(w);
}

/* A client that is told so closes the session's connection, which is what the executor waits for. */
static void close_session(struct worker *w, CUresult r, uint32_t reason, const char *text)
{
	worker_close(w, r, reason, "bulk connection: %s", text);
	sleep_ns(CLOSE_MS * 1000000ull);
	shutdown(w->fd, SHUT_RDWR);
}

static void violation(struct worker *w, const char *text)
{
	if (break_off(w))
		close_session(w, CUDA_ERROR_UNKNOWN, VWIRE_REASON_PROTOCOL, text);
}

/* Mostly the whole client is gone, and the executor hears of it, too. */
static void gone(struct worker *w)
{
	if (!break_off(w))
		return;
	sleep_ns(CLOSE_MS * 1000000ull);
	close_session(w, CUDA_ERROR_DEVICE_UNAVAILABLE, VWIRE_REASON_LOST, "it has ended");
}

/* ---- flags that the device raises ---- */

void bulk_lose(struct bulk *b)
{
	pthread_mutex_lock(&b->lock);
	b->lost = true;
	pthread_cond_broadcast(&b->changed);
	pthread_cond_broadcast(&b->work);
	pthread_mutex_unlock(&b->lock);
}

static void look_for_loss(struct worker *w)
{
	if (w->lost || run_is_sticky(real.cuStreamQuery(CU_STREAM_LEGACY)))
		bulk_lose(&w->bulk);
}

static void spin_ns(uint64_t ns)
{
	uint64_t end = worker_now_ns() + ns;

	while (worker_now_ns() < end)
		__builtin_ia32_pause();
}

/* Between two looks. Most flags are raised sooner than a sleep and its end take. */
static uint64_t nap(struct worker *w, unsigned int *naps, uint64_t ns)
{
	if (++*naps <= SPINS && worker_poll()->least) {
		spin_ns(SPIN_NS);
		return ns;
	}
	sleep_ns(ns);
	if (*naps % LOOK_NAPS == 0)
		look_for_loss(w);
	return ns + ns / 8 < NAP_MAX_NS ? ns + ns / 8 : NAP_MAX_NS;
}

static bool given_up(struct bulk *b)
{
	bool yes;

	pthread_mutex_lock(&b->lock);
	yes = b->lost || b->broken;
	pthread_mutex_unlock(&b->lock);
	return yes;
}

/* false: the device will not raise it any more. */
static bool wait_flag(struct worker *w, const uint32_t *flag, uint32_t turn)
{
	unsigned int naps = 0;
	uint64_t ns = NAP_NS;

	while (!bulk_reached(flag, turn)) {
		if (given_up(&w->bulk))
			return false;
		ns = nap(w, &naps, ns);
	}
	return true;
}

/* ---- to the device ---- */

/* false: the connection is gone. */
static bool receive(int fd, void *p, size_t n)
{
	return !net_receive(fd, &(struct iovec){ p, n });
}

static bool throw_away(int fd, size_t n)
{
	uint8_t scratch[SCRATCH];
	size_t part;

	for (; n; n -= part) {
		part = n < sizeof(scratch) ? n : sizeof(scratch);
		if (!receive(fd, scratch, part))
			return false;
	}
	return true;
}

/*
 * The copy that a stripe is of; its request may be on its way yet. NULL: there is none, or it has
 * that stripe already, or a connection has ended.
 */
static struct bulk_copy *claim(struct bulk *b, const struct stripe_head *h)
{
	uint64_t seq = le64toh(h->frame.seq), i = le64toh(h->data.offset) / VWIRE_STRIPE;
	struct bulk_copy *c;

	pthread_mutex_lock(&b->lock);
	while (seq > b->last_in && !b->broken)
		pthread_cond_wait(&b->changed, &b->lock);
	for (c = b->broken ? NULL : b->in.copies; c && c->seq != seq; c = c->next)
		;
	if (c && (i >= c->nr || c->got >> i & 1 || le64toh(h->data.len) != bulk_stripe_bytes(c, i)))
		c = NULL;
	if (c) {
		c->got |= 1ull << i;
		b->nr_moving++;
	}
	pthread_mutex_unlock(&b->lock);
	return c;
}

/* ok: the stripe has come. */
static void claim_end(struct worker *w, struct bulk_copy *c, bool ok, bool late)
{
	struct bulk *b = &w->bulk;

	pthread_mutex_lock(&b->lock);
	if (ok) {
		b->in.nr_passed++;
		b->in.nr_late += late;
		c->nr_done++;
		bulk_in_end(b, c);
	}
	b->nr_moving--;
	bulk_release(w);
	pthread_mutex_unlock(&b->lock);
}

static bool receive_stripe(struct link *l)
{
	struct bulk *b = &l->w->bulk;
	struct bulk_copy *c;
	struct stripe_head h;
	uint64_t n;
	size_t len;
	bool ok, late;

	if (!receive(l->fd, &h, sizeof(h)))
		return false;
	if (!stripe_head_is_right(&h)) {
		violation(l->w, "a frame that is no stripe");
		return false;
	}
	c = claim(b, &h);
	if (!c) {
		violation(l->w, "a stripe of no copy, or one that had come");
		return false;
	}
	len = le64toh(h.data.len);
	n = c->first + le64toh(h.data.offset) / VWIRE_STRIPE;
	late = !c->discard && !bulk_reached(bulk_empty(&b->in, n), bulk_turn(&b->in, n) - 1);
	if (c->discard || !wait_flag(l->w, bulk_empty(&b->in, n), bulk_turn(&b->in, n) - 1)) {
		ok = throw_away(l->fd, len);
	} else {
		ok = receive(l->fd, bulk_slot(&b->in, n), len);
		if (ok)
			raise_flag(bulk_full(&b->in, n), bulk_turn(&b->in, n));
	}
	ok = ok && throw_away(l->fd, vwire_pad(len) - len);
	claim_end(l->w, c, ok, late);
	return ok;
}

/* A thread of a connection. */
static void enter(struct worker *w)
{
	real.cuCtxSetCurrent(w->ctx);
	prctl(PR_SET_TIMERSLACK, SLACK_NS);
	net_bulk_thread();
}

/* ---- to the host ---- */

static bool send_stripe(struct link *l, const struct bulk_copy *c, uint32_t i)
{
	static const uint8_t zeros[8];
	size_t len = bulk_stripe_bytes(c, i);
	struct stripe_head h = stripe_head(c->seq, (uint64_t)i * VWIRE_STRIPE, len);
	struct iovec iov[] = {
		{ &h, sizeof(h) },
		{ bulk_slot(&l->w->bulk.out, c->first + i), len },
		{ (void *)zeros, vwire_pad(len) - len },
	};

	return !net_send(l->fd, iov, 3, 0);
}

/* With the lock: the first copy whose next stripe is in its slot; *any: there is one to wait for. */
static struct bulk_copy *pick(struct bulk *b, bool *any)
{
	struct bulk_copy *c;
	uint64_t n;

	*any = false;
	for (c = b->broken ? NULL : b->out.copies; c; c = c->next) {
		if (c->nr_begun == c->nr)
			continue;
		*any = true;
		n = c->first + c->nr_begun;
		if (b->lost || bulk_reached(bulk_full(&b->out, n), bulk_turn(&b->out, n)))
			return c;
	}
	return NULL;
}

/* With the lock, which is dropped: one of the senders looks, the others sleep. */
static struct bulk_copy *next_full(struct worker *w, uint32_t *stripe)
{
	struct bulk *b = &w->bulk;
	unsigned int naps = 0;
	uint64_t ns = NAP_NS;
	struct bulk_copy *c;
	bool any, late = false;

	while (!(c = pick(b, &any))) {
		if (b->broken)
			return NULL;
		if (!any || b->polling) {
			pthread_cond_wait(&b->work, &b->lock);
			naps = 0;
			ns = NAP_NS;
			continue;
		}
		late = true;
		b->polling = true;
		pthread_mutex_unlock(&b->lock);
		ns = nap(w, &naps, ns);
		pthread_mutex_lock(&b->lock);
		b->polling = false;
	}
	*stripe = c->nr_begun++;
	b->out.nr_passed++;
	b->out.nr_late += late;
	pthread_cond_signal(&b->work);
	return c;
}

static void *sender(void *arg)
{
	struct link *l = arg;
	struct bulk *b = &l->w->bulk;
	struct bulk_copy *c;
	uint64_t n;
	uint32_t i;
	bool sends, ok = true;

	enter(l->w);
	pthread_mutex_lock(&b->lock);
	while (ok && (c = next_full(l->w, &i))) {
		n = c->first + i;
		sends = i < c->nr_good && !b->lost;
		b->nr_moving++;
		pthread_mutex_unlock(&b->lock);
		if (sends)
			ok = send_stripe(l, c, i);
		raise_flag(bulk_empty(&b->out, n), bulk_turn(&b->out, n));
		pthread_mutex_lock(&b->lock);
		b->nr_moving--;
		bulk_release(l->w);
		if (sends && ok)
			c->sent += bulk_stripe_bytes(c, i);
		c->nr_done++;
		if (c->nr_done == c->nr || b->broken)
			pthread_cond_broadcast(&b->changed);
	}
	pthread_mutex_unlock(&b->lock);
	gone(l->w);
	return NULL;
}

/* ---- who may ---- */

static bool start(struct link *l, void *(*run)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, l))
		return false;
	pthread_detach(thread);
	return true;
}

/* Nothing goes out before that it is taken. */
static bool welcome(struct link *l)
{
	struct vwire_frame yes = { .size = htole32(sizeof(yes)), .op = htole16(VWIRE_OP_BULK) };

	return send(l->fd, &yes, sizeof(yes), MSG_NOSIGNAL) == sizeof(yes) && start(l, sender);
}

static void *receiver(void *arg)
{
	struct link *l = arg;

	enter(l->w);
	if (welcome(l))
		while (receive_stripe(l))
			;
	gone(l->w);
	return NULL;
}

/* The number of the connection is taken first: from then on it counts. */
static bool admit(struct worker *w, const struct vwire_bulk *v, int fd)
{
	struct bulk *b = &w->bulk;
	bool ok;

	pthread_mutex_lock(&b->lock);
	ok = b->offered && !b->broken && b->nr_connections < BULK_CONNECTIONS &&
	     le64toh(v->lease) == w->lease.id && !memcmp(v->token, b->token, sizeof(v->token));
	if (ok)
		b->fds[b->nr_connections++] = fd;
	pthread_mutex_unlock(&b->lock);
	return ok;
}

/* The last that was admitted. */
static void dismiss(struct bulk *b)
{
	pthread_mutex_lock(&b->lock);
	b->nr_connections--;
	pthread_mutex_unlock(&b->lock);
}

/* Its own thread answers: this one would hear of the server's end meanwhile. */
void bulk_accept(struct worker *w, const struct control_bulk *msg, int fd)
{
	struct link *l = malloc(sizeof(*l));

	if (l && admit(w, &msg->bulk, fd)) {
		*l = (struct link){ .w = w, .fd = fd };
		net_options(fd); /* fails on what is not TCP, which is as well */
		net_bulk_options(fd);
		if (start(l, receiver))
			return;
		dismiss(&w->bulk);
	}
	log_warn("lease %llu, %.79s: bulk connection refused: wrong token, too many, or no thread for it",
		 (unsigned long long)w->lease.id, msg->client);
	close(fd);
	free(l);
}
