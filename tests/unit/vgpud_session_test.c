/* SPDX-License-Identifier: MIT */
/*
 * vgpud_session_test.c - vgpud's sessions without a module: one whose function or server breaks the
 * rules is closed, the function and the log are told why, and another goes on
 *
 * session.c and forward.c are the daemon's; control.c and device.c are this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "vgpud.h"
#include "vgpud_bench.h"

#define RING	8192u
#define OP	0x0101

/* A session as its function and its server see it. */
struct side {
	struct fwd_ring ring;
	bool open;
	int server;
};

static struct side sides[2], *next;
static struct vgpud v;
static char log_path[] = "/tmp/vgpud_session_test-XXXXXX";

/* ---- the module and the devices ---- */

int control_attach(int control, uint64_t session, struct vgpu_session_attach *out)
{
	(void)control;
	*out = (struct vgpu_session_attach){
		.size = sizeof(*out), .session = session, .sq_bytes = RING, .cq_bytes = RING,
		.fd = eventfd(0, EFD_CLOEXEC),
	};
	next = &sides[session];
	return 0;
}

int control_map(const struct vgpu_session_attach *a, struct fwd_ring *ring)
{
	struct side *s = &sides[a->session];

	s->ring = (struct fwd_ring){ calloc(1, sizeof(*s->ring.control)), map_twice(RING), map_twice(RING),
				     RING, RING };
	s->open = true;
	*ring = s->ring;
	return 0;
}

/* The function still has its mappings. */
void control_unmap(const struct fwd_ring *ring)
{
	for (int i = 0; i < 2; i++)
		if (sides[i].ring.control == ring->control)
			sides[i].open = false;
}

int device_take_spare(struct device *d)
{
	int pair[2];

	(void)d;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	next->server = pair[1];
	return pair[0];
}

/* ---- what a test does ---- */

static struct session *session_of(unsigned int i)
{
	struct session *s;

	TAILQ_FOREACH(s, &v.sessions, link)
		if (s->id == i)
			return s;
	return NULL;
}

static void run(void)
{
	struct session *s;

	TAILQ_FOREACH(s, &v.sessions, link)
		s->pump.ring.fn(&s->pump.ring, EPOLLIN);
	while (!TAILQ_EMPTY(&v.mover.busy))
		mover_run(&v.mover);
}

static void submit(struct side *s, const void *p, uint32_t n)
{
	struct vgpu_control *c = s->ring.control;

	memcpy(s->ring.sq + c->sq_head.index % RING, p, n);
	c->sq_head.index += n;
}

static struct vwire_frame frame(uint32_t size, uint64_t seq)
{
	return (struct vwire_frame){ htole32(size), htole16(OP), 0, htole64(seq) };
}

static void goes_on(struct side *s)
{
	static uint64_t seq;
	struct vwire_frame f = frame(sizeof(f), ++seq), got;
	struct vgpu_control *c = s->ring.control;

	submit(s, &f, sizeof(f));
	run();
	assert_int_equal(recv(s->server, &got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(&got, &f, sizeof(f));
	assert_int_equal(send(s->server, &f, sizeof(f), 0), sizeof(f));
	run();
	assert_int_equal(c->cq_head.index - c->cq_tail.index, sizeof(f));
	assert_memory_equal(s->ring.cq + c->cq_tail.index % RING, &f, sizeof(f));
	c->cq_tail.index = c->cq_head.index;
	assert_true(s->open);
}

/* For breaking the protocol: a line, and a frame for the function where there is room. */
static void is_closed(struct side *s, unsigned int i, bool told)
{
	struct vgpu_control *c = s->ring.control;
	char line[256], all[8192] = "", end;
	struct vwire_frame f;
	FILE *log = fopen(log_path, "r");

	assert_non_null(log);
	assert_true(fread(all, 1, sizeof(all) - 1, log) > 0);
	fclose(log);
	snprintf(line, sizeof(line), "session %u: a ring index or a frame header that cannot be", i);
	assert_non_null(strstr(all, line));
	assert_false(s->open);
	assert_null(session_of(i));
	assert_int_equal(recv(s->server, &end, 1, 0), 0);
	if (!told)
		return;
	memcpy(&f, s->ring.cq + c->cq_tail.index % RING, sizeof(f));
	assert_int_equal(le16toh(f.op), VWIRE_OP_CLOSED);
}

static void read_lease(struct side *s)
{
	uint8_t lease[VWIRE_CONTROL_MAX];

	run();
	assert_true(recv(s->server, lease, sizeof(lease), 0) > (ssize_t)sizeof(struct vwire_frame));
}

static int set_up(void **state)
{
	int fd = open(log_path, O_RDWR | O_TRUNC | O_CLOEXEC);

	(void)state;
	log_set_fd(fd);
	for (unsigned int i = 0; i < 2; i++)
		session_announced(&v, i);
	for (unsigned int i = 0; i < 2; i++)
		read_lease(&sides[i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sessions_close(&v, VWIRE_REASON_DRAINING, "the end");
	for (int i = 0; i < 2; i++) {
		munmap(sides[i].ring.sq, 2ul * RING);
		munmap(sides[i].ring.cq, 2ul * RING);
		free(sides[i].ring.control);
		close(sides[i].server);
	}
	return 0;
}

static void a_function_whose_submission_index_lies(void **state)
{
	(void)state;
	sides[0].ring.control->sq_head.index = 1ull << 40;
	run();
	is_closed(&sides[0], 0, true);
	goes_on(&sides[1]);
}

static void a_function_whose_completion_index_lies(void **state)
{
	struct vwire_frame f = frame(sizeof(f), 1);

	(void)state;
	sides[0].ring.control->cq_tail.index = 1ull << 40;
	assert_int_equal(send(sides[0].server, &f, sizeof(f), 0), sizeof(f));
	run();
	is_closed(&sides[0], 0, false);
	goes_on(&sides[1]);
}

static void a_server_whose_frame_has_a_wrong_size(void **state)
{
	static const uint32_t sizes[] = { 0, 8, 17, VWIRE_FRAME_MAX + 8, UINT32_MAX };
	struct vwire_frame f;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		f = frame(sizes[i], 1);
		assert_int_equal(send(sides[0].server, &f, sizeof(f), 0), sizeof(f));
		run();
		is_closed(&sides[0], 0, true);
		goes_on(&sides[1]);
		tear_down(state);
		set_up(state);
	}
}

static void both_go_on(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		goes_on(&sides[i % 2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_go_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_function_whose_submission_index_lies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_function_whose_completion_index_lies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_whose_frame_has_a_wrong_size, set_up, tear_down),
	};
	int failed, fd = mkstemp(log_path);

	if (fd < 0 || event_loop_init(&v.loop))
		return 1;
	log_init("vgpud");
	TAILQ_INIT(&v.sessions);
	mover_init(&v.mover, &v.loop, &v.look);
	v.nr_devices = 1;
	v.devices[0].vgpud = &v;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	close(fd);
	unlink(log_path);
	return failed;
}
