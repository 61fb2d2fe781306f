/* SPDX-License-Identifier: MIT */
/*
 * worker_wait_test.c - what a vgpu-worker answers when: waits for streams, events and contexts, and
 * the data of copies before them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <cuda.h>

#include "worker_client.h"

#undef cuStreamCreate
#undef cuStreamSynchronize
#undef cuStreamQuery
#undef cuStreamWaitEvent
#undef cuEventRecord

#define PAGE	(2ull << 20)
#define STREAM_A	1u
#define STREAM_B	2u
#define EVENT_A	1u
#define NR_MANY	20

static struct client client;

static void assert_good_end(void)
{
	assert_int_equal(client_end(&client), 0);
}

static void a_wait_for_one_stream_does_not_delay_another(void **state)
{
	const struct vwire_frame *f;
	uint64_t a, b, start;
	uint32_t ids[3];

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	client_stream(&client, STREAM_A);
	client_stream(&client, STREAM_B);
	start = client_now_ms();
	client_sleep(&client, ids[0], STREAM_A, 400);
	client_sleep(&client, ids[0], STREAM_B, 20);
	a = client_sync(&client, CUDA_ID_cuStreamSynchronize, STREAM_A);
	b = client_sync(&client, CUDA_ID_cuStreamSynchronize, STREAM_B);
	f = client_recv(&client, 5000);
	assert_int_equal(f->seq, b);
	assert_true(client_now_ms() - start < 350);
	assert_int_equal(client_reply(&client, a, NULL), 0);
	assert_true(client_now_ms() - start >= 400);
	assert_good_end();
}

static uint32_t stream_of(const uint64_t *seqs, uint64_t seq)
{
	uint32_t i = 0;

	while (i < NR_MANY && seqs[i] != seq)
		i++;
	assert_true(i < NR_MANY);
	return i;
}

/* Later streams end sooner. The first is the last by far: then nobody's delay changes that. */
static void waits_of_many_streams_end_each_at_its_time(void **state)
{
	uint64_t seqs[NR_MANY], ends[NR_MANY], ms;
	uint32_t ids[3], which;

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	for (uint32_t i = 0; i < NR_MANY; i++)
		client_stream(&client, i + 1);
	for (uint32_t i = 0; i < NR_MANY; i++) {
		ms = 100 + (NR_MANY - i) * 30 + (i ? 0 : 600);
		ends[i] = client_now_ms() + ms;
		client_sleep(&client, ids[0], i + 1, ms);
		seqs[i] = client_sync(&client, CUDA_ID_cuStreamSynchronize, i + 1);
	}
	for (uint32_t i = 0; i < NR_MANY; i++) {
		which = stream_of(seqs, client_recv(&client, 5000)->seq);
		assert_true(client_now_ms() >= ends[which]);
		assert_int_equal(which == 0, i == NR_MANY - 1);
	}
	assert_good_end();
}

static void a_context_wait_covers_every_stream(void **state)
{
	uint64_t start, seq;
	uint32_t ids[3];

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	client_stream(&client, STREAM_A);
	start = client_now_ms();
	client_sleep(&client, ids[0], STREAM_A, 150);
	/* Destroyed, but its work is not. */
	client_u64(&client, CUDA_ID_cuStreamDestroy_v2, 0, 1, (uint64_t)STREAM_A);
	seq = client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_true(client_now_ms() - start >= 150);
	assert_int_equal(client.nr_errors, 0);
	assert_good_end();
}

/* A stream of a context that is not the first: of the one whose legacy stream that is. */
static void make_stream_of(uint32_t legacy, uint32_t number, unsigned int flags)
{
	client_u64(&client, CUDA_ID_cuStreamCreate, 0, 2, (uint64_t)number,
		   (uint64_t)legacy << 32 | flags);
}

static void assert_next(uint64_t seq)
{
	const struct vwire_frame *f = client_recv(&client, 5000);

	assert_non_null(f);
	assert_int_equal(f->seq, seq);
}

enum { LEGACY_B = 21, BLOCKING_B, FREE_B };

static void open_two_contexts(uint32_t ids[3])
{
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	make_stream_of(LEGACY_B, LEGACY_B, 0);
	make_stream_of(LEGACY_B, BLOCKING_B, 0);
	make_stream_of(LEGACY_B, FREE_B, CU_STREAM_NON_BLOCKING);
}

/* Behind the work of busy comes waiting, and nothing else: no free stream, no other context's. */
static void assert_waits_alone(uint32_t function, uint32_t busy, uint32_t waiting)
{
	uint64_t last, free_one, others;

	client_sleep(&client, function, busy, 200);
	last = client_sync(&client, CUDA_ID_cuStreamSynchronize, waiting);
	free_one = client_sync(&client, CUDA_ID_cuStreamSynchronize, FREE_B);
	others = client_sync(&client, CUDA_ID_cuStreamSynchronize, VWIRE_STREAM_LEGACY);
	assert_next(free_one);
	assert_next(others);
	assert_next(last);
}

static void a_contexts_legacy_stream_waits_for_its_blocking_ones_alone(void **state)
{
	uint64_t legacy, free_one;
	uint32_t ids[3];

	(void)state;
	open_two_contexts(ids);
	assert_waits_alone(ids[0], BLOCKING_B, LEGACY_B);
	assert_waits_alone(ids[0], LEGACY_B, BLOCKING_B);
	/* A stream that goes leaves its work behind. */
	client_sleep(&client, ids[0], BLOCKING_B, 200);
	client_u64(&client, CUDA_ID_cuStreamDestroy_v2, 0, 1, (uint64_t)BLOCKING_B);
	legacy = client_sync(&client, CUDA_ID_cuStreamSynchronize, LEGACY_B);
	free_one = client_sync(&client, CUDA_ID_cuStreamSynchronize, FREE_B);
	assert_next(free_one);
	assert_next(legacy);
	assert_int_equal(client.nr_errors, 0);
	assert_good_end();
}

static void a_context_waits_for_its_own_streams(void **state)
{
	uint64_t here, there, all, first;
	uint32_t ids[3];

	(void)state;
	open_two_contexts(ids);
	client_stream(&client, STREAM_A);
	client_sleep(&client, ids[0], FREE_B, 200);
	here = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, LEGACY_B);
	there = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, VWIRE_STREAM_LEGACY);
	assert_next(there);
	assert_next(here);
	client_sleep(&client, ids[0], STREAM_A, 200);
	there = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, VWIRE_STREAM_LEGACY);
	here = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, LEGACY_B);
	assert_next(here);
	assert_next(there);
	/* What a stream has left that is gone, and all contexts at once. */
	client_sleep(&client, ids[0], FREE_B, 200);
	client_u64(&client, CUDA_ID_cuStreamDestroy_v2, 0, 1, (uint64_t)FREE_B);
	here = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, LEGACY_B);
	all = client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	there = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, VWIRE_STREAM_LEGACY);
	assert_next(there);
	/* These two at one time, in either order. */
	first = client_recv(&client, 5000)->seq;
	assert_true(first == here || first == all);
	assert_next(first == here ? all : here);
	assert_int_equal(client.nr_errors, 0);
	assert_good_end();
}

static void a_context_that_is_none_is_refused(void **state)
{
	uint64_t seq;
	uint32_t ids[3];

	(void)state;
	open_two_contexts(ids);
	make_stream_of(77, 78, 0);
	make_stream_of(BLOCKING_B, 79, 0);		/* a stream, but no legacy one */
	seq = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, BLOCKING_B);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_CONTEXT);
	seq = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, 77);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(client.nr_errors, 2);
	/* Streams of a context whose legacy stream has gone are streams still. */
	client_u64(&client, CUDA_ID_cuStreamDestroy_v2, 0, 1, (uint64_t)LEGACY_B);
	client_sleep(&client, ids[0], BLOCKING_B, 50);
	seq = client_sync(&client, CUDA_ID_cuStreamSynchronize, BLOCKING_B);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	seq = client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, LEGACY_B);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_CONTEXT);
	assert_good_end();
}

/*
 * A's copy, then an event on A, then B waits for the event: whoever waits for B has waited for the
 * copy. It is large, so that its data is still on the way when B's event has come.
 */
static void data_comes_before_the_reply_of_a_wait_in_another_stream(void **state)
{
	uint64_t out, wait;
	uint32_t ids[3];

	(void)state;
	client_open(&client);
	client_map(&client, 0, 4 * PAGE, 0);
	client_kernels(&client, 1, 0, ids);
	client_stream(&client, STREAM_A);
	client_stream(&client, STREAM_B);
	client_u64(&client, CUDA_ID_cuEventCreate, 0, 2, (uint64_t)EVENT_A, 0ull);
	for (int round = 0; round < 10; round++) {
		client_sleep(&client, ids[0], STREAM_A, 30);
		out = client_copy_out(&client, client.welcome.range_base, CLIENT_DATA_MAX,
				      STREAM_A, 0);
		client_u64(&client, CUDA_ID_cuEventRecord, 0, 2, (uint64_t)EVENT_A,
			   (uint64_t)STREAM_A);
		client_u64(&client, CUDA_ID_cuStreamWaitEvent, 0, 3, (uint64_t)STREAM_B,
			   (uint64_t)EVENT_A, 0ull);
		wait = client_sync(&client, CUDA_ID_cuStreamSynchronize, STREAM_B);
		assert_int_equal(client_reply(&client, wait, NULL), 0);
		assert_int_equal(client.data_seq, out);
		assert_int_equal(client.data_bytes, CLIENT_DATA_MAX);
	}
	assert_int_equal(client.nr_errors, 0);
	assert_good_end();
}

/* Nobody reads meanwhile, so the data cannot all be gone when the stream is asked for. */
static void data_comes_before_a_query_says_that_the_copy_is_done(void **state)
{
	uint64_t out, query;

	(void)state;
	client_open(&client);
	client_map(&client, 0, 4 * PAGE, 0);
	client_stream(&client, STREAM_A);
	out = client_copy_out(&client, client.welcome.range_base, CLIENT_DATA_MAX, STREAM_A, 0);
	query = client_sync(&client, CUDA_ID_cuStreamQuery, STREAM_A);
	usleep(100000);
	assert_int_equal(client_reply(&client, query, NULL), 0);
	assert_int_equal(client.data_seq, out);
	assert_int_equal(client.data_bytes, CLIENT_DATA_MAX);
	assert_good_end();
}

static void an_event_wait_and_a_query_tell_when_the_event_has_come(void **state)
{
	uint32_t ids[3];
	uint64_t seq;

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	client_stream(&client, STREAM_A);
	client_u64(&client, CUDA_ID_cuEventCreate, 0, 2, (uint64_t)EVENT_A, 0ull);
	client_sleep(&client, ids[0], STREAM_A, 150);
	client_u64(&client, CUDA_ID_cuEventRecord, 0, 2, (uint64_t)EVENT_A, (uint64_t)STREAM_A);
	/* Behind the event, and no business of those who wait for it. */
	client_sleep(&client, ids[0], STREAM_A, 2000);
	seq = client_sync(&client, CUDA_ID_cuEventQuery, EVENT_A);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_NOT_READY);
	seq = client_sync(&client, CUDA_ID_cuStreamQuery, STREAM_A);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_NOT_READY);
	seq = client_sync(&client, CUDA_ID_cuEventSynchronize, EVENT_A);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	seq = client_sync(&client, CUDA_ID_cuEventQuery, EVENT_A);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	seq = client_sync(&client, CUDA_ID_cuStreamQuery, STREAM_A);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_NOT_READY);
	assert_good_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_for_one_stream_does_not_delay_another),
		cmocka_unit_test(waits_of_many_streams_end_each_at_its_time),
		cmocka_unit_test(a_context_wait_covers_every_stream),
		cmocka_unit_test(a_contexts_legacy_stream_waits_for_its_blocking_ones_alone),
		cmocka_unit_test(a_context_waits_for_its_own_streams),
		cmocka_unit_test(a_context_that_is_none_is_refused),
		cmocka_unit_test(data_comes_before_the_reply_of_a_wait_in_another_stream),
		cmocka_unit_test(data_comes_before_a_query_says_that_the_copy_is_done),
		cmocka_unit_test(an_event_wait_and_a_query_tell_when_the_event_has_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
