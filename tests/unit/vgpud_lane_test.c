/* SPDX-License-Identifier: MIT */
/*
 * vgpud_lane_test.c - bulk connections of vgpud without a module: who gets one, what its function and
 * its server may not do, and that its session goes on
 *
 * session.c, lane.c, mover.c, dial.c and forward.c are the daemon's; control.c and device.c are this
 * program, which is all functions and, by way of loopback, the server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "net.h"
#include "vgpud.h"
#include "vgpud_bench.h"

#define RING	(64u << 10)
#define NR	32
#define LIMIT	10000	/* milliseconds for what happens at once */

/* A descriptor of /dev/vgpu0 as its function sees it; other: vgpud's end of what stands for it. */
struct side {
	struct fwd_ring ring;
	int fd, other;
	int32_t pid;
	bool mapped;
};

static struct side sides[NR];
static struct vgpud v;
static int listener, main_server;
static struct vwire_bulk offer = { .lease = 7, .token = "sixteen letters" };

struct bulk_frame {
	struct vwire_frame head;
	struct vwire_bulk bulk;
};

/* ---- the module and the device ---- */

int control_attach(int control, uint64_t session, struct vgpu_session_attach *out)
{
	(void)control;
	*out = (struct vgpu_session_attach){
		.size = sizeof(*out), .session = session, .sq_bytes = RING, .cq_bytes = RING,
		.fd = sides[session].other, .pid = sides[session].pid,
	};
	return 0;
}

int control_map(const struct vgpu_session_attach *a, struct fwd_ring *ring)
{
	sides[a->session].mapped = true;
	*ring = sides[a->session].ring;
	return 0;
}

/* By the main thread alone, as what it gives back may be mapped again. */
void control_unmap(const struct fwd_ring *ring)
{
	for (int i = 0; i < NR; i++)
		if (sides[i].ring.control == ring->control)
			sides[i].mapped = false;
}

static int server_accept(void)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	assert_int_equal(poll(&p, 1, LIMIT), 1);
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

int device_take_spare(struct device *d)
{
	struct net_addr to = { .len = sizeof(to.sa) };
	int fd;

	(void)d;
	assert_int_equal(net_local(listener, &to), 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to.sa, to.len), 0);
	main_server = server_accept();
	return fd;
}

/* ---- what a test does ---- */

/* The loop, until something is so. */
static void run_until(bool (*so)(const void *arg), const void *arg)
{
	uint64_t end = net_now() + LIMIT;

	while (!so(arg)) {
		assert_true(net_now() < end);
		assert_int_equal(event_loop_run(&v.loop, false), 0);
		mover_run(&v.mover);
		usleep(200);
	}
}

static void run(int rounds)
{
	while (rounds--) {
		assert_int_equal(event_loop_run(&v.loop, false), 0);
		mover_run(&v.mover);
	}
}

static uint64_t index_of(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* The byte makes epoll look; the module's doorbell does. */
static void submit(struct side *s, const void *p, uint32_t n)
{
	struct vgpu_control *c = s->ring.control;

	memcpy(s->ring.sq + c->sq_head.index % RING, p, n);
	__atomic_store_n(&c->sq_head.index, c->sq_head.index + n, __ATOMIC_RELEASE);
	assert_int_equal(send(s->fd, "", 1, 0), 1);
}

static struct side *opens(unsigned int i, int32_t pid)
{
	struct side *s = &sides[i];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	*s = (struct side){ { calloc(1, sizeof(*s->ring.control)), map_twice(RING), map_twice(RING), RING, RING },
			    pair[0], pair[1], pid, false };
	session_announced(&v, i);
	return s;
}

static struct bulk_frame ask(void)
{
	return (struct bulk_frame){ { htole32(sizeof(struct bulk_frame)), htole16(VWIRE_OP_BULK), 0, 0 }, offer };
}

static void read_all(int fd, void *p, size_t n)
{
	struct timeval t = { .tv_sec = LIMIT / 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	assert_int_equal(recv(fd, p, n, MSG_WAITALL), n);
}

static bool is_closed(const void *arg)
{
	return !((const struct side *)arg)->mapped;
}

static bool has_frame(const void *arg)
{
	const struct vgpu_control *c = ((const struct side *)arg)->ring.control;

	return index_of(&c->cq_head.index) != c->cq_tail.index;
}

static bool has_lanes(const void *arg)
{
	const struct lane *l = TAILQ_FIRST(&v.lanes.all);

	return (l != NULL) == *(const bool *)arg;
}

/* The next frame for the function. */
static struct vwire_frame frame_of(struct side *s)
{
	struct vgpu_control *c = s->ring.control;
	struct vwire_frame f;

	run_until(has_frame, s);
	memcpy(&f, s->ring.cq + c->cq_tail.index % RING, sizeof(f));
	__atomic_store_n(&c->cq_tail.index, c->cq_tail.index + le32toh(f.size), __ATOMIC_RELEASE);
	return f;
}

static void is_refused(struct side *s)
{
	assert_int_equal(le16toh(frame_of(s).op), VWIRE_OP_CLOSED);
	run_until(is_closed, s);
}

static bool comes(const void *arg)
{
	struct pollfd p = { .fd = *(const int *)arg, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* A lane with its server's end, past the greeting. */
static struct side *lane(unsigned int i, int *server)
{
	struct side *s = opens(i, 1);
	struct bulk_frame f = ask(), got;

	submit(s, &f, sizeof(f));
	run_until(comes, &listener);
	*server = server_accept();
	run_until(comes, server);
	read_all(*server, &got, sizeof(got));
	assert_memory_equal(&got, &f, sizeof(f));
	f.head.size = htole32(sizeof(f.head));
	assert_int_equal(send(*server, &f.head, sizeof(f.head), 0), sizeof(f.head));
	assert_int_equal(le16toh(frame_of(s).op), VWIRE_OP_BULK);
	return s;
}

/* The session is as it was. */
static void goes_on(struct side *s)
{
	struct vwire_frame f = { htole32(sizeof(f)), htole16(0x101), 0, htole64(1) }, got;

	submit(s, &f, sizeof(f));
	run_until(comes, &main_server);
	read_all(main_server, &got, sizeof(got));
	assert_memory_equal(&got, &f, sizeof(f));
	assert_int_equal(send(main_server, &f, sizeof(f), 0), sizeof(f));
	assert_int_equal(le16toh(frame_of(s).op), 0x101);
}

static int set_up(void **state)
{
	struct { struct vwire_frame h; struct vwire_lease l; } lease;

	(void)state;
	assert_int_equal(lanes_init(&v.lanes, &v), 0);
	opens(0, 1);
	run_until(comes, &main_server);
	read_all(main_server, &lease, sizeof(lease));
	assert_true(le64toh(lease.l.features) & VWIRE_FEAT_BULK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sessions_close(&v, VWIRE_REASON_DRAINING, "the end");
	lanes_fini(&v.lanes);
	for (struct side *s = sides; s < sides + NR; s++) {
		if (!s->ring.sq)
			continue;
		assert_false(s->mapped);
		munmap(s->ring.sq, 2ul * RING);
		munmap(s->ring.cq, 2ul * RING);
		free(s->ring.control);
		close(s->fd);
		*s = (struct side){ 0 };
	}
	if (main_server >= 0)
		close(main_server);
	while (comes(&listener))
		close(server_accept());
	return 0;
}

/* ---- who gets one ---- */

static void bytes_go_both_ways(void **state)
{
	static uint8_t out[RING / 2], in[RING / 2];
	struct vwire_frame *f = (struct vwire_frame *)out;
	int server;
	struct side *s = lane(1, &server);

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 256;
	*f = (struct vwire_frame){ htole32(sizeof(out)), htole16(VWIRE_OP_DATA), 0, 0 };
	for (int i = 0; i < 50; i++) {
		submit(s, out, sizeof(out));
		read_all(server, in, sizeof(in));
		assert_memory_equal(in, out, sizeof(in));
		assert_int_equal(send(server, in, sizeof(in), 0), sizeof(in));
		memset(in, 0, sizeof(in));
		run_until(has_frame, s);
		memcpy(in, s->ring.cq + s->ring.control->cq_tail.index % RING, sizeof(in));
		assert_memory_equal(in, out, sizeof(in));
		frame_of(s);
		send(s->fd, "", 1, 0);		/* there is room again */
	}
	goes_on(&sides[0]);
	close(server);
	is_refused(s);
}

/* Of a process that has no session here, whatever token it has. */
static void another_process_gets_none(void **state)
{
	struct bulk_frame f = ask();
	struct side *s = opens(1, 2);
	struct { struct vwire_frame h; struct vwire_lease l; } lease;
	int first = 0;

	(void)state;
	/* its first session is one, and its frame stands behind LEASE */
	submit(s, &f, sizeof(f));
	first = main_server;
	run_until(comes, &first);
	read_all(first, &lease, sizeof(lease));
	assert_int_equal(le16toh(lease.h.op), VWIRE_OP_LEASE);
	close(first);
	is_refused(s);
}

static void a_session_has_no_more_than_eight(void **state)
{
	int servers[LANES_MAX];
	struct bulk_frame f = ask();
	struct side *s;

	(void)state;
	for (unsigned int i = 0; i < LANES_MAX; i++)
		lane(1 + i, &servers[i]);
	s = opens(1 + LANES_MAX, 1);
	submit(s, &f, sizeof(f));
	is_refused(s);
	close(servers[3]);
	is_refused(&sides[4]);
	lane(2 + LANES_MAX, &servers[3]);
	goes_on(&sides[0]);
	for (unsigned int i = 0; i < LANES_MAX; i++)
		close(servers[i]);
}

/* What stands in its ring by the time that vgpud has connected is not what was checked. */
static void the_frame_that_was_checked_is_sent(void **state)
{
	struct bulk_frame f = ask(), got;
	struct side *s = opens(1, 1);
	int server;

	(void)state;
	submit(s, &f, sizeof(f));
	while (!TAILQ_FIRST(&v.lanes.all))
		run(1);
	memset(s->ring.sq, 0xee, sizeof(f));
	((struct vwire_frame *)s->ring.sq)->op = htole16(VWIRE_OP_LEASE);
	run_until(comes, &listener);
	server = server_accept();
	run_until(comes, &server);
	read_all(server, &got, sizeof(got));
	assert_memory_equal(&got, &f, sizeof(f));
	close(server);
}

static void a_further_session_is_one_when_it_says_so(void **state)
{
	struct vwire_frame hello = { htole32(sizeof(hello)), htole16(VWIRE_OP_HELLO), 0, htole64(1) };
	struct { struct vwire_frame h; struct vwire_lease l; } lease;
	int first = main_server;
	struct side *s = opens(1, 1);

	(void)state;
	run(20);
	assert_int_equal(main_server, first);		/* it is not known what it is */
	submit(s, &hello, 8);
	run(20);
	assert_int_equal(main_server, first);
	submit(s, (uint8_t *)&hello + 8, sizeof(hello) - 8);
	while (main_server == first)
		run(1);
	run_until(comes, &main_server);
	read_all(main_server, &lease, sizeof(lease));
	assert_int_equal(le16toh(lease.h.op), VWIRE_OP_LEASE);
	read_all(main_server, &hello, sizeof(hello));
	assert_int_equal(le16toh(hello.op), VWIRE_OP_HELLO);
	close(first);
}

static void frames_that_are_none_get_none(void **state)
{
	struct bulk_frame f;
	struct side *s;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		f = ask();
		if (i == 0)
			f.head.size = htole32(sizeof(f) + 8);
		else if (i == 1)
			f.head.size = htole32(sizeof(f.head));
		else if (i == 2)
			f.head.flags = htole16(1);
		else
			f.bulk.magic = 0;
		s = opens(1 + i, 1);
		submit(s, &f, sizeof(f));
		is_refused(s);
	}
	s = opens(5, 1);
	s->ring.control->sq_head.index = 1ull << 40;
	assert_int_equal(send(s->fd, "", 1, 0), 1);
	is_refused(s);
	assert_null(TAILQ_FIRST(&v.lanes.all));
	goes_on(&sides[0]);
}

/* ---- what it may not do ---- */

static void a_lying_index_ends_the_lane_alone(void **state)
{
	struct vwire_frame f = { htole32(sizeof(f)), htole16(VWIRE_OP_DATA), 0, 0 };
	int server[2];
	struct side *a = lane(1, &server[0]), *b = lane(2, &server[1]);

	(void)state;
	__atomic_store_n(&a->ring.control->sq_head.index, 1ull << 40, __ATOMIC_RELEASE);
	assert_int_equal(send(a->fd, "", 1, 0), 1);
	is_refused(a);
	__atomic_store_n(&b->ring.control->cq_tail.index, 1ull << 40, __ATOMIC_RELEASE);
	assert_int_equal(send(server[1], &f, sizeof(f), 0), sizeof(f));
	run_until(is_closed, b);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(recv(server[i], &f, 1, 0), 0);
		close(server[i]);
	}
	goes_on(&sides[0]);
}

static void a_wrong_header_ends_the_lane_alone(void **state)
{
	static const uint32_t sizes[] = { 0, 8, 17, RING + 8, VWIRE_FRAME_MAX + 8, UINT32_MAX };
	struct vwire_frame f = { .op = htole16(VWIRE_OP_DATA) };
	struct side *s;
	int server;

	(void)state;
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		s = lane(1 + i, &server);
		f.size = htole32(sizes[i]);
		assert_int_equal(send(server, &f, sizeof(f), 0), sizeof(f));
		is_refused(s);
		close(server);
	}
	goes_on(&sides[0]);
}

/* ---- the end ---- */

/* Of a function that takes nothing, no more comes than its ring has room for; the connection holds the rest. */
static void nothing_is_kept_for_a_function_that_does_not_read(void **state)
{
	static const bool none;
	static uint8_t frame[RING / 4];
	struct vwire_frame *f = (struct vwire_frame *)frame;
	int server, sent = 0, bytes = 1 << 16;
	struct side *s = lane(1, &server);
	struct pollfd p = { .fd = server, .events = POLLOUT };

	(void)state;
	*f = (struct vwire_frame){ htole32(sizeof(frame)), htole16(VWIRE_OP_DATA), 0, 0 };
	setsockopt(server, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	while (poll(&p, 1, 300) == 1) {
		ssize_t n = send(server, frame, sizeof(frame), MSG_DONTWAIT);

		if (n < 0)
			break;
		sent += n;
		assert_true(sent < 64 << 20);	/* of the kernel's buffers, at most */
		if (n < (ssize_t)sizeof(frame))
			break;
	}
	assert_true(index_of(&s->ring.control->cq_head.index) - s->ring.control->cq_tail.index <= RING);
	goes_on(&sides[0]);
	/* Its lane ends with the session all the same. */
	close(main_server);
	main_server = -1;
	run_until(has_lanes, &none);
	assert_true(is_closed(s));
	close(server);
}

static void the_session_takes_its_lanes_with_it(void **state)
{
	static const bool none;
	int server[2];
	struct side *a = lane(1, &server[0]), *b = lane(2, &server[1]);
	struct bulk_frame f = ask();
	struct side *dials = opens(3, 1);

	(void)state;
	submit(dials, &f, sizeof(f));
	close(main_server);
	main_server = -1;
	run_until(is_closed, &sides[0]);
	run_until(has_lanes, &none);
	assert_true(is_closed(a) && is_closed(b) && is_closed(dials));
	assert_int_equal(recv(server[0], &f, 1, 0), 0);
	close(server[0]);
	close(server[1]);
}

static void a_function_that_closes_ends_the_connection(void **state)
{
	static const bool none;
	struct vwire_frame f;
	int server;
	struct side *s = lane(1, &server);

	(void)state;
	close(s->fd);
	s->fd = -1;
	run_until(has_lanes, &none);
	assert_int_equal(recv(server, &f, 1, 0), 0);
	close(server);
	goes_on(&sides[0]);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bytes_go_both_ways),
		TEST(another_process_gets_none),
		TEST(a_session_has_no_more_than_eight),
		TEST(the_frame_that_was_checked_is_sent),
		TEST(a_further_session_is_one_when_it_says_so),
		TEST(frames_that_are_none_get_none),
		TEST(a_lying_index_ends_the_lane_alone),
		TEST(a_wrong_header_ends_the_lane_alone),
		TEST(nothing_is_kept_for_a_function_that_does_not_read),
		TEST(the_session_takes_its_lanes_with_it),
		TEST(a_function_that_closes_ends_the_connection),
	};
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct net_addr to = { .len = sizeof(any) };

	memcpy(&to.sa, &any, sizeof(any));
	listener = net_listen(&to, 16);
	if (listener < 0 || event_loop_init(&v.loop))
		return 1;
	offer.magic = htole32(VWIRE_MAGIC);
	log_init("vgpud");
	log_set_level(getenv("TEST_LOG") ? LOG_LEVEL_DEBUG : -1);
	TAILQ_INIT(&v.sessions);
	mover_init(&v.mover, &v.loop, &v.look);
	v.conf.bulk_threads = 2;
	v.conf.connect_timeout = LIMIT;
	v.nr_devices = 1;
	v.devices[0].vgpud = &v;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
