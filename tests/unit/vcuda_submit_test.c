// SPDX-License-Identifier: MIT
/*
 * vcuda_submit_test.c - when the peer is woken: not while it is awake, once for each of its sleeps,
 * and never too seldom. Linked with libvcuda/submit.c alone; the rings are as libvcuda makes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hostcall.h"
#include "ring.h"

#define RING	4096u
#define FRAMES	1000u
#define THREADS	4u

static struct vcuda_transport transport;
static unsigned int nr_rung;

/* ---- what submit.c calls ---- */

_Atomic unsigned int vcuda_calls_expected;

struct vcuda_transport *vcuda_transport(void)
{
	return &transport;
}

uint32_t vcuda_transport_asleep(const struct vgpu_ring_side *peer)
{
	return __atomic_load_n(&peer->asleep, __ATOMIC_RELAXED);
}

void vcuda_transport_ring(struct vcuda_transport *t)
{
	(void)t;
	__atomic_fetch_add(&nr_rung, 1, __ATOMIC_RELEASE);
}

int vcuda_transport_sleep(struct vcuda_transport *t, bool want_data, bool want_room)
{
	(void)t, (void)want_data, (void)want_room;
	return 0;
}

CUresult vcuda_session_error(void)
{
	return CUDA_SUCCESS;
}

void vcuda_session_lose(CUresult r, const char *text)
{
	(void)r;
	fail_msg("%s", text);
}

void vcuda_drain(void)
{
}

bool vcuda_receive_ready(void)
{
	return false;
}

void vcuda_receive_sleeps(bool yes)
{
	(void)yes;
}

void vcuda_receive_peer_gone(void)
{
}

void vcuda_receive_add(struct vcuda_wait *w)
{
	(void)w;
}

void vcuda_hostcall_throttle(size_t n)
{
	(void)n;
}

void vcuda_stats_bytes(uint64_t out, uint64_t in)
{
	(void)out, (void)in;
}

/* ---- the peer ---- */

static int start(void **state)
{
	(void)state;
	transport.ring = (struct fwd_ring){ .sq_bytes = RING, .control = calloc(1, sizeof(struct vgpu_control)),
					    .sq = malloc(2 * RING) };
	vcuda_submit_start();
	nr_rung = 0;
	return transport.ring.control && transport.ring.sq ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	free(transport.ring.control);
	free(transport.ring.sq);
	return 0;
}

static struct vgpu_ring_side *peer(void)
{
	return &transport.ring.control->sq_tail;
}

/* Takes all that is there. */
static uint64_t take(void)
{
	uint64_t head = __atomic_load_n(&transport.ring.control->sq_head.index, __ATOMIC_ACQUIRE);

	__atomic_store_n(&peer()->index, head, __ATOMIC_RELEASE);
	return head;
}

static void peer_sleeps(bool yes)
{
	__atomic_store_n(&peer()->asleep, yes, __ATOMIC_RELAXED);
}

static void submit(unsigned int n)
{
	uint64_t payload = 0;
	struct vcuda_iov iov = { &payload, sizeof(payload) };

	while (n--)
		assert_int_equal(vcuda_submit(1, 0, &iov, 1, NULL, NULL), CUDA_SUCCESS);
}

static void a_peer_that_is_awake_is_not_woken(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < FRAMES; i++) {
		submit(10);
		take();
	}
	assert_int_equal(nr_rung, 0);
}

static void a_peer_that_sleeps_is_woken_once_for_all_frames_until_it_runs(void **state)
{
	(void)state;
	peer_sleeps(true);
	submit(100);
	assert_int_equal(nr_rung, 1);
}

static void each_sleep_is_ended_by_a_frame(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= FRAMES; i++) {
		peer_sleeps(true);
		submit(3);
		assert_int_equal(nr_rung, i);
		peer_sleeps(false);
		take();
		submit(1);
		take();
		assert_int_equal(nr_rung, i);
	}
}

static void a_session_begins_without_a_bell_of_the_last_one(void **state)
{
	(void)state;
	peer_sleeps(true);
	submit(1);
	memset(transport.ring.control, 0, sizeof(*transport.ring.control));
	vcuda_submit_start();
	peer_sleeps(true);
	submit(1);
	assert_int_equal(nr_rung, 2);
}

/* As fwd_sleep() does it: asleep, barrier, one more look; then nothing but the bell ends the sleep. */
static void sleep_until_rung(unsigned int heard)
{
	peer_sleeps(true);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&transport.ring.control->sq_head.index, __ATOMIC_ACQUIRE) == peer()->index)
		while (__atomic_load_n(&nr_rung, __ATOMIC_ACQUIRE) == heard)
			sched_yield();
	peer_sleeps(false);
}

static void *submit_many(void *arg)
{
	submit(FRAMES * 2);
	return arg;
}

static void no_bell_is_missed_while_threads_submit(void **state)
{
	uint64_t all = THREADS * FRAMES * 2 * (sizeof(struct vwire_frame) + 8);
	pthread_t threads[THREADS];
	unsigned int i, heard = 0;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, submit_many, NULL), 0);
	while (take() < all) {
		sleep_until_rung(heard);
		heard = __atomic_load_n(&nr_rung, __ATOMIC_ACQUIRE);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(take(), all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_peer_that_is_awake_is_not_woken, start, stop),
		cmocka_unit_test_setup_teardown(
			a_peer_that_sleeps_is_woken_once_for_all_frames_until_it_runs, start, stop),
		cmocka_unit_test_setup_teardown(each_sleep_is_ended_by_a_frame, start, stop),
		cmocka_unit_test_setup_teardown(a_session_begins_without_a_bell_of_the_last_one, start,
						stop),
		cmocka_unit_test_setup_teardown(no_bell_is_missed_while_threads_submit, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
