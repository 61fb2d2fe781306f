// SPDX-License-Identifier: MIT
/*
 * poll(2) and doorbells: what each side is told, that no wake-up is lost, and that lies in the
 * indices change nothing.
 */
#include <pthread.h>
#include <sys/epoll.h>

#include "frames.h"

TEST(an_idle_session_is_writable_and_not_readable)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	CHECK_EQ(poll_events(pair.function.fd, 0), POLLOUT | POLLWRNORM);
	CHECK_EQ(poll_events(pair.daemon.fd, 0), POLLOUT | POLLWRNORM);
}

TEST(poll_before_ring_setup_is_an_error_not_a_hang)
{
	CHECK_EQ(poll_events(function_open(), 1000), POLLERR);
}

TEST(a_moved_head_makes_the_peer_readable)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	store_index(&pair.function.control->sq_head, 8);
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & (POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
	CHECK_EQ(poll_events(pair.function.fd, 0) & POLLIN, 0);
	store_index(&pair.daemon.control->sq_tail, 8);
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLIN, 0);

	store_index(&pair.daemon.control->cq_head, 16);
	CHECK_EQ(poll_events(pair.function.fd, 0) & (POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
	store_index(&pair.function.control->cq_tail, 16);
	CHECK_EQ(poll_events(pair.function.fd, 0) & POLLIN, 0);
}

TEST(a_full_ring_is_not_writable)
{
	struct pair pair;

	pair_open(&pair, PAGE, 2 * PAGE);
	store_index(&pair.function.control->sq_head, PAGE);
	CHECK_EQ(poll_events(pair.function.fd, 0) & POLLOUT, 0);
	store_index(&pair.daemon.control->sq_tail, 1);
	CHECK_EQ(poll_events(pair.function.fd, 0) & POLLOUT, POLLOUT);
	store_index(&pair.daemon.control->cq_head, 2 * PAGE - 1);
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLOUT, POLLOUT);
	store_index(&pair.daemon.control->cq_head, 2 * PAGE);
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLOUT, 0);
}

TEST(a_sleeping_producer_is_woken_when_there_is_the_room_it_asked_for)
{
	struct vgpu_control *control;
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	control = pair.function.control;
	store_index(&control->sq_head, PAGE);
	control->sq_head.asleep = 1000;
	store_index(&control->sq_tail, 999);
	CHECK_EQ(poll_events(pair.function.fd, 0) & POLLOUT, 0);
	store_index(&control->sq_tail, 1000);
	CHECK_EQ(poll_events(pair.function.fd, 0) & POLLOUT, POLLOUT);

	store_index(&control->cq_head, PAGE);
	control->cq_head.asleep = PAGE;
	store_index(&control->cq_tail, PAGE - 1);
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLOUT, 0);
	store_index(&control->cq_tail, PAGE);
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLOUT, POLLOUT);
	/* More than the ring is the whole ring, and a tail beyond the head is no room. */
	control->cq_head.asleep = UINT32_MAX;
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLOUT, POLLOUT);
	store_index(&control->cq_tail, PAGE + 1);
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLOUT, 0);
}

struct sleeper {
	int fd;
	short events;
	int got;
	double woken;
	pthread_t thread;
};

static void *sleep_in_poll(void *arg)
{
	struct sleeper *s = arg;

	s->got = poll_for(s->fd, s->events, PATIENCE_MS);
	s->woken = now();
	return NULL;
}

static void sleeper_start(struct sleeper *s, int fd, short events)
{
	s->fd = fd;
	s->events = events;
	CHECK(!pthread_create(&s->thread, NULL, sleep_in_poll, s));
	usleep(100000);
}

/* Something is in the ring that index is of, and to is told by a bell of from's. */
static void expect_woken(struct vgpu_ring_side *index, const struct side *to,
			 const struct side *from)
{
	struct sleeper s;
	double rang;

	sleeper_start(&s, to->fd, POLLIN);
	store_index(index, 64);
	rang = now();
	CHECK(!doorbell(from->fd));
	pthread_join(s.thread, NULL);
	CHECK_EQ(s.got, POLLIN);
	CHECK(s.woken - rang < prompt());
}

TEST(a_doorbell_wakes_the_daemon_from_poll)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	expect_woken(&pair.function.control->sq_head, &pair.daemon, &pair.function);
}

TEST(a_doorbell_wakes_the_function_from_poll)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	expect_woken(&pair.daemon.control->cq_head, &pair.function, &pair.daemon);
}

TEST(a_doorbell_without_anything_in_the_ring_does_not_end_a_poll)
{
	struct pair pair;
	double start;

	pair_open(&pair, PAGE, PAGE);
	CHECK(!doorbell(pair.function.fd));
	start = now();
	CHECK_EQ(poll_for(pair.daemon.fd, POLLIN, 200), 0);
	CHECK(now() - start > 0.15);
}

TEST(epoll_edge_triggered_sees_each_doorbell)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0), i;
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, pair.daemon.fd, &event));
	CHECK_EQ(epoll_wait(ep, &event, 1, 0), 0);
	for (i = 1; i <= 10; i++) {
		store_index(&pair.function.control->sq_head, i);
		CHECK(!doorbell(pair.function.fd));
		CHECK_EQ(epoll_wait(ep, &event, 1, 1000), 1);
		CHECK_EQ(epoll_wait(ep, &event, 1, 0), 0);
	}
}

TEST(attaching_is_seen_in_the_state_word)
{
	struct side function, daemon;
	int control = control_open();
	uint64_t session;

	function_setup(&function, PAGE, PAGE, &session);
	CHECK_EQ(function.control->state, VGPU_STATE_WAITING);
	daemon_attach(&daemon, control, session);
	CHECK_EQ(function.control->state, VGPU_STATE_ATTACHED);
	CHECK_EQ(daemon.control->state, VGPU_STATE_ATTACHED);
	side_close(&daemon);
	CHECK_EQ(function.control->state, VGPU_STATE_GONE);
}

TEST(indices_that_lie_do_not_disturb_poll)
{
	static const uint64_t lies[] = {
		0, 1, 63, PAGE, PAGE + 1, 1ull << 31, 1ull << 32, 1ull << 63, -1ull,
		-(uint64_t)PAGE, 0x5555555555555555ull,
	};
	const int nr = sizeof(lies) / sizeof(lies[0]);
	struct vgpu_control *control;
	struct pair pair;
	int a, b, c, function, daemon;

	pair_open(&pair, PAGE, PAGE);
	control = pair.function.control;
	for (a = 0; a < nr; a++) {
		for (b = 0; b < nr; b++) {
			store_index(&control->sq_head, lies[a]);
			store_index(&control->sq_tail, lies[b]);
			for (c = 0; c < nr; c++) {
				store_index(&control->cq_head, lies[b]);
				store_index(&control->cq_tail, lies[c]);
				daemon = poll_events(pair.daemon.fd, 0);
				function = poll_events(pair.function.fd, 0);
				CHECK_EQ(!(daemon & POLLIN), lies[a] == lies[b]);
				CHECK_EQ(!(function & POLLIN), lies[b] == lies[c]);
			}
			CHECK_EQ(!(function & POLLOUT), lies[a] - lies[b] >= PAGE);
		}
	}
	/* The state word is a hint: who writes over it deceives nobody but itself. */
	control->state = VGPU_STATE_GONE;
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLHUP, 0);
	CHECK(!doorbell(pair.daemon.fd));
}

struct runner {
	struct end end;
	uint64_t nr;
};

static void *send_all(void *arg)
{
	struct runner *r = arg;
	uint64_t i;

	for (i = 0; i < r->nr; i++)
		if (!put(&r->end, i))
			FAIL("the peer has gone");
	return NULL;
}

static void *receive_all(void *arg)
{
	struct runner *r = arg;
	uint64_t i, number;

	for (i = 0; i < r->nr; i++) {
		if (!take(&r->end, &number))
			FAIL("the peer has gone");
		if (number != i)
			FAIL("frame %llu came in the place of %llu", (unsigned long long)number,
			     (unsigned long long)i);
	}
	return NULL;
}

TEST(no_frame_and_no_wake_up_is_lost_between_two_threads_in_both_directions)
{
	const uint64_t nr = frames(200000);
	struct runner r[4];
	pthread_t threads[4];
	struct pair pair;
	int i;

	/* Rings of one page are full after 64 frames: both ends sleep often. */
	pair_open(&pair, PAGE, PAGE);
	r[0].end = function_sends(&pair.function);
	r[1].end = daemon_receives(&pair.daemon);
	r[2].end = daemon_sends(&pair.daemon);
	r[3].end = function_receives(&pair.function);
	for (i = 0; i < 4; i++) {
		r[i].nr = nr;
		CHECK(!pthread_create(&threads[i], NULL, i % 2 ? receive_all : send_all, &r[i]));
	}
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 4; i++)
		fprintf(stderr, "# end %d: %llu frames, %llu sleeps, %llu doorbells\n", i,
			(unsigned long long)nr, (unsigned long long)r[i].end.sleeps,
			(unsigned long long)r[i].end.bells);
	CHECK(r[0].end.sleeps + r[1].end.sleeps > 0);
}

TEST(every_round_trip_between_two_processes_comes_back)
{
	const uint64_t nr = frames(20000);
	struct end in, out;
	struct pair pair;
	uint64_t i, number;
	double start;
	int status;
	pid_t pid;

	pair_open(&pair, PAGE, PAGE);
	pid = fork();
	if (!pid) {
		struct side daemon;

		/* Mappings are not inherited, the descriptor is. */
		side_map(&daemon, pair.daemon.fd, PAGE, PAGE);
		in = daemon_receives(&daemon);
		out = daemon_sends(&daemon);
		for (i = 0; i < nr; i++)
			if (!take(&in, &number) || !put(&out, number + 1))
				FAIL("the function has gone");
		_exit(0);
	}
	out = function_sends(&pair.function);
	in = function_receives(&pair.function);
	start = now();
	for (i = 0; i < nr; i++) {
		CHECK(put(&out, i));
		CHECK(take(&in, &number));
		CHECK_EQ(number, i + 1);
	}
	fprintf(stderr, "# %llu round trips, %.1f us each, %llu sleeps\n", (unsigned long long)nr,
		(now() - start) / nr * 1e6, (unsigned long long)in.sleeps);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
}
