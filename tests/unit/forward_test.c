// SPDX-License-Identifier: MIT
/*
 * userd/common/forward.c against a function and a server played by the test, on rings of real
 * double mappings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward.h"
#include "net.h"

#define SQ_BYTES	8192u
#define CQ_BYTES	(256u << 10)

struct fixture {
	struct vgpu_control control;
	struct fwd_ring ring;
	struct fwd fwd;
	int server;		/* the other end of fwd.sock */
	unsigned int wakes, statuses;
	uint64_t mem_used;
};

static void count_wake(void *arg)
{
	((struct fixture *)arg)->wakes++;
}

static void note_status(void *arg, uint64_t mem_used)
{
	struct fixture *t = arg;

	t->statuses++;
	t->mem_used = mem_used;
}

static const struct fwd_ops test_ops = { .wake = count_wake, .status = note_status };

static uint8_t *map_twice(uint32_t n)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, 2ul * n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(fd >= 0 && p != MAP_FAILED && !ftruncate(fd, n));
	for (int i = 0; i < 2; i++)
		assert_true(mmap(p + i * n, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
				 0) != MAP_FAILED);
	close(fd);
	return p;
}

static void make(struct fixture *t, uint32_t sq_bytes, uint32_t cq_bytes)
{
	int pair[2];

	memset(t, 0, sizeof(*t));
	t->ring = (struct fwd_ring){ &t->control, map_twice(sq_bytes), map_twice(cq_bytes),
				     sq_bytes, cq_bytes };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	t->server = pair[1];
	assert_int_equal(fwd_init(&t->fwd, &t->ring, pair[0], &test_ops, t), 0);
}

static int setup(void **state)
{
	struct fixture *t = malloc(sizeof(*t));

	make(t, SQ_BYTES, CQ_BYTES);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	munmap(t->ring.sq, 2ul * t->ring.sq_bytes);
	munmap(t->ring.cq, 2ul * t->ring.cq_bytes);
	close(t->fwd.sock);
	if (t->server >= 0)
		close(t->server);
	free(t);
	return 0;
}

/* Runs until there is nothing to do; the last result. */
static int run(struct fixture *t)
{
	int r;

	do {
		r = fwd_run(&t->fwd);
	} while (r > 0);
	return r;
}

/* A frame of n bytes whose payload is made from seq, into p. */
static void make_frame(uint8_t *p, uint32_t n, uint16_t op, uint64_t seq)
{
	struct vwire_frame h = { htole32(n), htole16(op), 0, htole64(seq) };

	memcpy(p, &h, sizeof(h));
	for (uint32_t i = sizeof(h); i < n; i++)
		p[i] = seq * 31 + i;
}

static void submit(struct fixture *t, const void *p, uint32_t n)
{
	uint64_t head = t->control.sq_head.index;

	memcpy(t->ring.sq + head % t->ring.sq_bytes, p, n);
	__atomic_store_n(&t->control.sq_head.index, head + n, __ATOMIC_RELEASE);
}

/* The frame at the function's tail, taken out of the ring. */
static void expect_frame(struct fixture *t, uint32_t n, uint16_t op, uint64_t seq)
{
	uint8_t *want = malloc(n), *got;
	uint64_t tail = t->control.cq_tail.index;

	assert_true(__atomic_load_n(&t->control.cq_head.index, __ATOMIC_ACQUIRE) - tail >= n);
	make_frame(want, n, op, seq);
	got = t->ring.cq + tail % t->ring.cq_bytes;
	assert_memory_equal(got, want, n);
	__atomic_store_n(&t->control.cq_tail.index, tail + n, __ATOMIC_RELEASE);
	free(want);
}

static void server_sends(struct fixture *t, uint32_t n, uint16_t op, uint64_t seq)
{
	uint8_t *p = malloc(n);

	make_frame(p, n, op, seq);
	assert_int_equal(send(t->server, p, n, 0), n);
	free(p);
}

static void the_prefix_goes_before_the_ring(void **state)
{
	struct fixture *t = *state;
	uint8_t buf[64];

	assert_int_equal(fwd_prefix(&t->fwd, "first---", 8), 0);
	submit(t, "second--", 8);
	assert_int_equal(run(t), 0);
	assert_int_equal(recv(t->server, buf, sizeof(buf), 0), 16);
	assert_memory_equal(buf, "first---second--", 16);
	assert_int_equal(t->control.sq_tail.index, 8);
}

static void a_prefix_that_is_too_long_is_refused(void **state)
{
	struct fixture *t = *state;
	static uint8_t big[VWIRE_CONTROL_MAX + 8];

	assert_int_equal(fwd_prefix(&t->fwd, big, sizeof(big)), -EMSGSIZE);
}

static void bytes_leave_in_order_across_the_end_of_the_ring(void **state)
{
	struct fixture *t = *state;
	uint8_t in[1000], out[1000];

	for (unsigned int round = 0; round < 50; round++) {
		for (unsigned int i = 0; i < sizeof(in); i++)
			in[i] = round * 7 + i;
		submit(t, in, sizeof(in));
		assert_int_equal(run(t), 0);
		assert_int_equal(recv(t->server, out, sizeof(out), MSG_WAITALL), sizeof(out));
		assert_memory_equal(in, out, sizeof(in));
	}
	assert_int_equal(t->control.sq_tail.index, 50000);
}

static void a_frame_is_shown_only_when_it_is_whole(void **state)
{
	struct fixture *t = *state;
	uint8_t f[240];

	make_frame(f, sizeof(f), 7, 1);
	for (unsigned int i = 0; i < sizeof(f); i++) {
		assert_int_equal(t->control.cq_head.index, 0);
		assert_int_equal(send(t->server, f + i, 1, 0), 1);
		assert_int_equal(run(t), 0);
	}
	assert_int_equal(t->control.cq_head.index, sizeof(f));
	expect_frame(t, sizeof(f), 7, 1);
}

static void frames_of_every_size_arrive(void **state)
{
	static const uint32_t sizes[] = { 16,	 24,	32,	4096,	65528,
					  65536, 65544, 131072, 200000, CQ_BYTES };
	struct fixture *t = *state;
	uint8_t *p = malloc(CQ_BYTES);

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_frame(p, sizes[i], 9, i + 1);
		for (uint32_t off = 0; off < sizes[i];) {
			ssize_t r = send(t->server, p + off, sizes[i] - off, MSG_DONTWAIT);

			off += r > 0 ? r : 0;
			assert_int_equal(run(t), 0);
		}
		expect_frame(t, sizes[i], 9, i + 1);
	}
	free(p);
}

static void a_small_frame_behind_a_large_one_is_not_lost(void **state)
{
	struct fixture *t = *state;

	for (unsigned int i = 1; i <= 20; i++) {
		server_sends(t, 80000 + 8 * i, 9, i);
		server_sends(t, 16 + 8 * i, 9, i + 100);
		assert_int_equal(run(t), 0);
		expect_frame(t, 80000 + 8 * i, 9, i);
		expect_frame(t, 16 + 8 * i, 9, i + 100);
	}
}

static void header_sizes_that_cannot_be_end_the_session(void **state)
{
	static const uint32_t bad[] = { 0,
					8,
					15,
					17,
					100,
					CQ_BYTES + 8,
					VWIRE_FRAME_MAX,
					VWIRE_FRAME_MAX + 8,
					0x80000000u,
					0xfffffff8u };
	struct fixture *t = *state;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vwire_frame h = { .size = htole32(bad[i]), .op = htole16(3) };

		t->fwd.in_off = t->fwd.in_len = 0;
		assert_int_equal(send(t->server, &h, sizeof(h), 0), sizeof(h));
		assert_int_equal(run(t), -EPROTO);
		assert_int_equal(t->control.cq_head.index, 0);
	}
}

static void status_is_told_and_not_passed_on(void **state)
{
	struct fixture *t = *state;
	struct { struct vwire_frame h; struct vwire_status s; } f = {
		{ htole32(sizeof(f)), htole16(VWIRE_OP_STATUS), 0, 0 }, { htole64(12345) },
	};

	server_sends(t, 48, 5, 1);
	assert_int_equal(send(t->server, &f, 20, 0), 20);
	assert_int_equal(run(t), 0);
	assert_int_equal(t->statuses, 0);
	assert_int_equal(send(t->server, (char *)&f + 20, sizeof(f) - 20, 0), sizeof(f) - 20);
	server_sends(t, 56, 5, 2);
	assert_int_equal(run(t), 0);
	assert_int_equal(t->statuses, 1);
	assert_int_equal(t->mem_used, 12345);
	expect_frame(t, 48, 5, 1);
	expect_frame(t, 56, 5, 2);
	assert_int_equal(t->control.cq_head.index, 48 + 56);
}

static void a_status_frame_without_its_payload_ends_the_session(void **state)
{
	struct fixture *t = *state;

	server_sends(t, 16, VWIRE_OP_STATUS, 0);
	assert_int_equal(run(t), -EPROTO);
}

static void a_submission_index_that_lies_ends_the_session(void **state)
{
	struct fixture *t = *state;

	t->control.sq_head.index = SQ_BYTES + 1;
	assert_int_equal(run(t), -EPROTO);
	t->control.sq_head.index = (uint64_t)-8;
	assert_int_equal(run(t), -EPROTO);
}

static void a_completion_index_that_lies_ends_the_session(void **state)
{
	struct fixture *t = *state;

	t->control.cq_tail.index = 8;	/* before anything was there to consume */
	server_sends(t, 32, 5, 1);
	assert_int_equal(run(t), -EPROTO);
}

static void own_indices_are_never_read_back(void **state)
{
	struct fixture *t = *state;
	uint8_t buf[16];

	submit(t, "12345678", 8);
	t->control.sq_tail.index = 0xdeadbeef;
	t->control.cq_head.index = 0xdeadbeef;
	server_sends(t, 32, 5, 1);
	assert_int_equal(run(t), 0);
	assert_int_equal(recv(t->server, buf, sizeof(buf), 0), 8);
	assert_int_equal(t->control.sq_tail.index, 8);
	assert_int_equal(t->control.cq_head.index, 32);
}

static void a_full_completion_ring_stops_reading_until_there_is_room(void **state)
{
	struct fixture *t = *state;

	server_sends(t, CQ_BYTES / 2, 5, 1);
	assert_int_equal(run(t), 0);
	server_sends(t, CQ_BYTES / 2 - 8, 5, 2);
	assert_int_equal(run(t), 0);
	server_sends(t, 4096, 5, 3);
	assert_int_equal(run(t), 0);
	assert_false(fwd_want_read(&t->fwd));
	assert_true(fwd_sleep(&t->fwd));
	assert_int_equal(t->control.cq_head.asleep, 4096);	/* the bytes it waits for */
	fwd_wakeup(&t->fwd);
	assert_int_equal(t->control.cq_head.asleep, 0);

	expect_frame(t, CQ_BYTES / 2, 5, 1);
	assert_false(fwd_sleep(&t->fwd));
	assert_int_equal(t->control.cq_head.asleep, 0);
	assert_int_equal(run(t), 0);
	assert_true(fwd_want_read(&t->fwd));
	expect_frame(t, CQ_BYTES / 2 - 8, 5, 2);
	expect_frame(t, 4096, 5, 3);
}

static void the_doorbell_is_rung_only_for_a_sleeper(void **state)
{
	struct fixture *t = *state;

	server_sends(t, 32, 5, 1);
	submit(t, "12345678", 8);
	assert_int_equal(run(t), 0);
	assert_int_equal(t->wakes, 0);
	t->control.cq_tail.asleep = 1;
	server_sends(t, 32, 5, 2);
	assert_int_equal(run(t), 0);
	assert_int_equal(t->wakes, 1);
	t->control.cq_tail.asleep = 0;
	t->control.sq_head.asleep = 1;	/* sleeps for room in the submission ring */
	submit(t, "12345678", 8);
	assert_int_equal(run(t), 0);
	assert_int_equal(t->wakes, 2);
}

static void sleep_is_refused_while_there_is_work(void **state)
{
	struct fixture *t = *state;

	assert_true(fwd_sleep(&t->fwd));
	assert_int_equal(t->control.sq_tail.asleep, 1);
	fwd_wakeup(&t->fwd);
	submit(t, "12345678", 8);
	assert_false(fwd_sleep(&t->fwd));
	assert_int_equal(t->control.sq_tail.asleep, 0);
}

static void a_socket_that_takes_no_more_is_waited_for(void **state)
{
	struct fixture *t = *state;
	uint8_t chunk[4096] = { 0 };
	int n;

	for (n = 0; n < 10000 && !fwd_want_write(&t->fwd); n++) {
		if (t->control.sq_head.index - t->control.sq_tail.index <= SQ_BYTES - sizeof(chunk))
			submit(t, chunk, sizeof(chunk));
		assert_int_equal(run(t), 0);
	}
	assert_true(fwd_want_write(&t->fwd));
	assert_true(fwd_sleep(&t->fwd));
	fwd_wakeup(&t->fwd);
	while (recv(t->server, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(run(t), 0);
	assert_false(fwd_want_write(&t->fwd));
	assert_int_equal(t->control.sq_tail.index, t->control.sq_head.index);
}

static void the_servers_last_words_are_read_though_it_has_gone(void **state)
{
	struct fixture *t = *state;

	submit(t, "12345678", 8);
	server_sends(t, 32, VWIRE_OP_REFUSED, 0);
	close(t->server);
	t->server = -1;
	assert_int_equal(run(t), -ECONNRESET);
	expect_frame(t, 32, VWIRE_OP_REFUSED, 0);
}

static void close_leaves_a_closed_frame(void **state)
{
	struct fixture *t = *state;
	struct vwire_frame h;
	struct vwire_refused c;
	uint8_t f[100];

	/* A frame that stays incomplete gives way to it. */
	make_frame(f, 96, 5, 1);
	assert_int_equal(send(t->server, f, 40, 0), 40);
	assert_int_equal(run(t), 0);
	t->control.cq_tail.asleep = 1;
	assert_int_equal(fwd_close(&t->fwd, 46, VWIRE_REASON_LOST, "gone"), 0);
	assert_int_equal(t->wakes, 1);
	memcpy(&h, t->ring.cq, sizeof(h));
	memcpy(&c, t->ring.cq + sizeof(h), sizeof(c));
	assert_int_equal(le32toh(h.size), 40);
	assert_int_equal(t->control.cq_head.index, 40);
	assert_int_equal(le16toh(h.op), VWIRE_OP_CLOSED);
	assert_int_equal(le32toh(c.result), 46);
	assert_int_equal(le32toh(c.reason), VWIRE_REASON_LOST);
	assert_int_equal(le32toh(c.text_len), 4);
	assert_memory_equal(t->ring.cq + sizeof(h) + sizeof(c), "gone\0\0\0\0", 8);
}

static void close_needs_room(void **state)
{
	struct fixture *t = *state;

	server_sends(t, CQ_BYTES / 2, 5, 1);
	assert_int_equal(run(t), 0);
	server_sends(t, CQ_BYTES / 2 - 8, 5, 1);
	assert_int_equal(run(t), 0);
	assert_int_equal(fwd_close(&t->fwd, 46, VWIRE_REASON_LOST, "gone"), -ENOSPC);
}

static void ring_sizes_that_are_none_are_refused(void **state)
{
	struct fixture *t = *state;
	static const uint32_t bad[] = { 0, 2048, 4097, 12288, VGPU_RING_MAX * 2 };
	struct fwd f;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fwd_ring ring = t->ring;

		ring.sq_bytes = bad[i];
		assert_int_equal(fwd_init(&f, &ring, t->fwd.sock, &test_ops, t), -EINVAL);
		ring = t->ring;
		ring.cq_bytes = bad[i];
		assert_int_equal(fwd_init(&f, &ring, t->fwd.sock, &test_ops, t), -EINVAL);
	}
}

/*
 * Soak: a function and an echoing server in threads of their own, both sides sleeping in poll(2)
 * with real doorbells. A lost wake-up is a poll that times out.
 */
#define SOAK_FRAMES	20000
#define SOAK_TIMEOUT_MS	10000

struct soak {
	struct fixture t;
	int function_bell, daemon_bell;
	bool done;
};

static void ring_bell(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		abort();
}

static void wait_bell(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t v;

	if (poll(&p, 1, SOAK_TIMEOUT_MS) != 1 || read(fd, &v, sizeof(v)) < 0) {
		fprintf(stderr, "soak: lost wake-up\n");
		abort();
	}
}

static void soak_wake(void *arg)
{
	ring_bell(((struct soak *)arg)->function_bell);
}

static const struct fwd_ops soak_ops = { .wake = soak_wake };

static void *soak_server(void *arg)
{
	struct soak *s = arg;
	uint8_t buf[10000];
	ssize_t r;

	while ((r = recv(s->t.server, buf, sizeof(buf), 0)) > 0)
		if (send(s->t.server, buf, r, MSG_NOSIGNAL) != r)
			abort();
	return NULL;
}

static void *soak_daemon(void *arg)
{
	struct soak *s = arg;
	struct fwd *f = &s->t.fwd;
	uint64_t v;
	int r;

	while (!__atomic_load_n(&s->done, __ATOMIC_ACQUIRE)) {
		while ((r = fwd_run(f)) > 0)
			;
		assert_int_equal(r, 0);
		if (!fwd_sleep(f))
			continue;
		struct pollfd p[2] = {
			{ .fd = f->sock,
			  .events = (fwd_want_read(f) ? POLLIN : 0) |
				    (fwd_want_write(f) ? POLLOUT : 0) },
			{ .fd = s->daemon_bell, .events = POLLIN },
		};

		if (poll(p, 2, SOAK_TIMEOUT_MS) < 1)
			abort();
		if (p[1].revents && read(s->daemon_bell, &v, sizeof(v)) < 0)
			abort();
		fwd_wakeup(f);
	}
	return NULL;
}

/* The size of frame i, the same for who sends and who checks. */
static uint32_t soak_size(uint64_t i)
{
	uint32_t x = i * 2654435761u;

	return 16 + 8 * ((x >> 8) % (i % 50 ? 40 : 900));
}

/* Moves our index, then rings if the daemon sleeps. */
static void soak_publish(struct soak *s, struct vgpu_ring_side *own, uint64_t v,
			 struct vgpu_ring_side *peer)
{
	__atomic_store_n(&own->index, v, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&peer->asleep, __ATOMIC_RELAXED))
		ring_bell(s->daemon_bell);
}

/* Sleeps until *side is no longer seen. */
static void soak_sleep(struct soak *s, struct vgpu_ring_side *own, struct vgpu_ring_side *side,
		       uint64_t seen)
{
	__atomic_store_n(&own->asleep, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (__atomic_load_n(&side->index, __ATOMIC_ACQUIRE) == seen)
		wait_bell(s->function_bell);
	__atomic_store_n(&own->asleep, 0, __ATOMIC_RELAXED);
}

static void soak_submit(struct soak *s, uint64_t i)
{
	struct vgpu_control *c = &s->t.control;
	uint64_t head = c->sq_head.index, tail;
	uint32_t n = soak_size(i);

	tail = __atomic_load_n(&c->sq_tail.index, __ATOMIC_ACQUIRE);
	while (head + n - tail > SQ_BYTES) {
		soak_sleep(s, &c->sq_head, &c->sq_tail, tail);
		tail = __atomic_load_n(&c->sq_tail.index, __ATOMIC_ACQUIRE);
	}
	make_frame(s->t.ring.sq + head % SQ_BYTES, n, 5, i);
	soak_publish(s, &c->sq_head, head + n, &c->sq_tail);
}

static void soak_complete(struct soak *s, uint64_t i)
{
	struct vgpu_control *c = &s->t.control;
	uint64_t tail = c->cq_tail.index;

	if (__atomic_load_n(&c->cq_head.index, __ATOMIC_ACQUIRE) == tail)
		soak_sleep(s, &c->cq_tail, &c->cq_head, tail);
	expect_frame(&s->t, soak_size(i), 5, i);
	soak_publish(s, &c->cq_tail, tail + soak_size(i), &c->cq_head);
}

static void no_wake_up_is_lost_between_threads(void **state)
{
	struct soak *s = malloc(sizeof(*s));
	pthread_t server, daemon;
	uint64_t sent = 1, got = 1;

	(void)state;
	make(&s->t, SQ_BYTES, SQ_BYTES);
	s->t.fwd.ops = &soak_ops;
	s->t.fwd.arg = s;
	s->done = false;
	s->function_bell = eventfd(0, EFD_CLOEXEC);
	s->daemon_bell = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(pthread_create(&server, NULL, soak_server, s), 0);
	assert_int_equal(pthread_create(&daemon, NULL, soak_daemon, s), 0);
	/* Up to 40 frames on their way, from time to time none, so that everybody gets to sleep. */
	while (got <= SOAK_FRAMES) {
		while (sent <= SOAK_FRAMES && sent - got < (got % 100 ? got % 40 + 1 : 1))
			soak_submit(s, sent++);
		soak_complete(s, got++);
	}
	__atomic_store_n(&s->done, true, __ATOMIC_RELEASE);
	ring_bell(s->daemon_bell);
	pthread_join(daemon, NULL);
	shutdown(s->t.server, SHUT_RDWR);
	pthread_join(server, NULL);
	close(s->t.server);
	close(s->t.fwd.sock);
	close(s->function_bell);
	close(s->daemon_bell);
	munmap(s->t.ring.sq, 2ul * SQ_BYTES);
	munmap(s->t.ring.cq, 2ul * SQ_BYTES);
	free(s);
}

/* ---- before anything is moved; and bytes that stay while they are sent ---- */

static void what_is_peeked_at_is_asked_for_and_can_be_skipped(void **state)
{
	struct fixture *t = *state;
	uint8_t frame[64], got[64];

	make_frame(frame, sizeof(frame), 7, 1);
	assert_int_equal(fwd_peek(&t->fwd, got, 64), 0);
	assert_int_equal(t->control.sq_tail.asleep, 1);
	submit(t, frame, 60);
	assert_int_equal(fwd_peek(&t->fwd, got, 64), 0);
	submit(t, frame + 60, 4);
	assert_int_equal(fwd_peek(&t->fwd, got, 64), 1);
	assert_int_equal(t->control.sq_tail.asleep, 0);
	assert_memory_equal(got, frame, 64);
	fwd_skip(&t->fwd, 64);
	assert_int_equal(t->control.sq_tail.index, 64);
	submit(t, frame, 16);
	assert_int_equal(run(t), 0);
	assert_int_equal(recv(t->server, got, sizeof(got), MSG_DONTWAIT), 16);
	t->control.sq_head.index = 1ull << 40;
	assert_int_equal(fwd_peek(&t->fwd, got, 64), -EPROTO);
}

#define LARGE	(1u << 20)

/* The kernel says when it is through with them; over loopback it copies after all, and says that. */
static void room_comes_back_when_the_kernel_is_through(void **state)
{
	static uint8_t data[LARGE / 2], got[LARGE / 2];
	struct net_addr addr = { 0 };
	struct zerocopy z;
	struct fixture t;
	char name[NET_NAME_MAX];
	int listener;
	uint64_t end;
	size_t n;

	(void)state;
	make(&t, LARGE, CQ_BYTES);
	close(t.server);
	close(t.fwd.sock);
	assert_int_equal(net_resolve("127.0.0.1:0", true, &addr, 1), 1);
	listener = net_listen(&addr, 1);
	assert_int_equal(net_local(listener, &addr), 0);
	net_name(&addr, name, sizeof(name));
	assert_int_equal(fwd_init(&t.fwd, &t.ring, net_connect(name, 5000), &test_ops, &t), 0);
	t.server = accept(listener, NULL, NULL);
	close(listener);
	zerocopy_init(&z, t.fwd.sock, true);
	fwd_zerocopy(&t.fwd, &z);
	for (int i = 0; i < 8; i++) {
		for (n = 0; n < sizeof(data); n++)
			data[n] = n * 7 + n / 256 + i;
		submit(&t, data, sizeof(data));
		for (n = 0; n < sizeof(got);) {
			ssize_t r;

			assert_true(fwd_run(&t.fwd) >= 0);
			r = recv(t.server, got + n, sizeof(got) - n, MSG_DONTWAIT);
			n += r > 0 ? r : 0;
			/* never more than was taken, and nothing twice */
			assert_true(t.control.sq_tail.index <= t.fwd.sq_sent);
		}
		assert_memory_equal(got, data, sizeof(got));
		for (end = net_now() + 5000; t.control.sq_tail.index != t.control.sq_head.index;) {
			assert_true(net_now() < end);
			assert_true(fwd_run(&t.fwd) >= 0);
		}
		assert_int_equal(t.fwd.nr_flights, 0);
	}
	if (z.sent)
		assert_int_equal(zerocopy_through(&z), z.sent);
	/* an index that goes back behind what was sent */
	t.control.sq_head.index -= 8;
	assert_int_equal(fwd_run(&t.fwd), -EPROTO);
	munmap(t.ring.sq, 2ul * LARGE);
	munmap(t.ring.cq, 2ul * CQ_BYTES);
	close(t.fwd.sock);
	close(t.server);
}

/* What is copied behind bytes that stay has its room with them, in the order of the ring. */
static void room_comes_back_in_order(void **state)
{
	struct sock_extended_err e = { .ee_origin = SO_EE_ORIGIN_ZEROCOPY, .ee_info = 1, .ee_data = 1 };
	struct fixture *t = *state;
	struct zerocopy z;

	zerocopy_init(&z, t->fwd.sock, false);
	fwd_zerocopy(&t->fwd, &z);
	t->control.sq_head.index = t->fwd.sq_sent = 300;
	z.sent = 2;
	t->fwd.flights[0] = (struct fwd_flight){ 1, 100 };
	t->fwd.flights[1] = (struct fwd_flight){ 2, 300 };
	t->fwd.nr_flights = 2;
	submit(t, "copied--", 8);
	assert_int_equal(run(t), 0);
	assert_int_equal(t->control.sq_tail.index, 0);
	zerocopy_told(&z, &e);
	assert_int_equal(run(t), 0);
	assert_int_equal(t->control.sq_tail.index, 0);
	e.ee_info = e.ee_data = 0;
	zerocopy_told(&z, &e);
	assert_int_equal(run(t), 0);
	assert_int_equal(t->control.sq_tail.index, 308);
	t->control.sq_head.index = 400;		/* as usual again */
	assert_int_equal(run(t), 0);
	assert_int_equal(t->control.sq_tail.index, 400);
}

#define CASE(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_prefix_goes_before_the_ring),
		CASE(a_prefix_that_is_too_long_is_refused),
		CASE(bytes_leave_in_order_across_the_end_of_the_ring),
		CASE(a_frame_is_shown_only_when_it_is_whole),
		CASE(frames_of_every_size_arrive),
		CASE(a_small_frame_behind_a_large_one_is_not_lost),
		CASE(header_sizes_that_cannot_be_end_the_session),
		CASE(status_is_told_and_not_passed_on),
		CASE(a_status_frame_without_its_payload_ends_the_session),
		CASE(a_submission_index_that_lies_ends_the_session),
		CASE(a_completion_index_that_lies_ends_the_session),
		CASE(own_indices_are_never_read_back),
		CASE(a_full_completion_ring_stops_reading_until_there_is_room),
		CASE(the_doorbell_is_rung_only_for_a_sleeper),
		CASE(sleep_is_refused_while_there_is_work),
		CASE(a_socket_that_takes_no_more_is_waited_for),
		CASE(the_servers_last_words_are_read_though_it_has_gone),
		CASE(close_leaves_a_closed_frame),
		CASE(close_needs_room),
		CASE(ring_sizes_that_are_none_are_refused),
		CASE(what_is_peeked_at_is_asked_for_and_can_be_skipped),
		CASE(room_comes_back_in_order),
		cmocka_unit_test(room_comes_back_when_the_kernel_is_through),
		cmocka_unit_test(no_wake_up_is_lost_between_threads),
	};

	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
