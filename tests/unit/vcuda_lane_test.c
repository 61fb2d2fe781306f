// SPDX-License-Identifier: MIT
/*
 * vcuda_lane_test.c - bytes through the rings of a bulk connection, and a vgpud that lies about them.
 * Linked with libvcuda/lane.c alone; the rings are as the library asks for them, the descriptor is
 * always ready.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lane.h"
#include "vcuda.h"

static struct vcuda_lane lane;
static struct vgpu_control *control;
static int stop;

/* ---- what lane.c calls ---- */

static uint8_t *map_twice(uint32_t n)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, 2ul * n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(fd >= 0 && p != MAP_FAILED && !ftruncate(fd, n));
	for (int i = 0; i < 2; i++)
		assert_ptr_equal(mmap(p + i * (size_t)n, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
				 p + i * (size_t)n);
	close(fd);
	return p;
}

int vcuda_transport_again(struct vcuda_transport *t, const struct vcuda_transport *of, uint32_t sq_bytes,
			  uint32_t cq_bytes, char *why, size_t n)
{
	(void)of, (void)why, (void)n;
	t->ring = (struct fwd_ring){ control, map_twice(sq_bytes), map_twice(cq_bytes), sq_bytes, cq_bytes };
	t->fd = eventfd(1, EFD_CLOEXEC);
	return 0;
}

uint32_t vcuda_transport_asleep(const struct vgpu_ring_side *peer)
{
	return __atomic_load_n(&peer->asleep, __ATOMIC_RELAXED);
}

void vcuda_transport_ring(struct vcuda_transport *t)
{
	(void)t;
}

void vcuda_transport_close(struct vcuda_transport *t)
{
	munmap(t->ring.sq, 2ul * t->ring.sq_bytes);
	munmap(t->ring.cq, 2ul * t->ring.cq_bytes);
	close(t->fd);
}

/* ---- what a test does ---- */

static const struct vwire_bulk offer = { .connections = 8, .lease = 5, .token = "sixteen letters" };

static int open_lane(void **state)
{
	char why[VWIRE_TEXT_MAX];

	(void)state;
	control = calloc(1, sizeof(*control));
	stop = eventfd(0, EFD_CLOEXEC);
	return vcuda_lane_open(&lane, NULL, stop, &offer, why, sizeof(why));
}

static int close_lane(void **state)
{
	(void)state;
	vcuda_lane_close(&lane);
	free(control);
	close(stop);
	return 0;
}

/* What vgpud has for the function. */
static void give(const void *p, size_t n)
{
	uint32_t bytes = lane.t.ring.cq_bytes;

	memcpy(lane.t.ring.cq + control->cq_head.index % bytes, p, n);
	__atomic_store_n(&control->cq_head.index, control->cq_head.index + n, __ATOMIC_RELEASE);
}

static bool sends(size_t n)
{
	static uint8_t data[3 << 20];

	return vcuda_lane_send(&lane, &(struct iovec){ data, n }, 1);
}

/* ---- tests ---- */

static void it_begins_with_the_offer(void **state)
{
	struct { struct vwire_frame f; struct vwire_bulk b; } first;

	(void)state;
	assert_int_equal(control->sq_head.index, sizeof(first));
	memcpy(&first, lane.t.ring.sq, sizeof(first));
	assert_int_equal(le16toh(first.f.op), VWIRE_OP_BULK);
	assert_int_equal(le32toh(first.f.size), sizeof(first));
	assert_int_equal(first.b.connections, 0);
	assert_int_equal(first.b.lease, offer.lease);
	assert_memory_equal(first.b.token, offer.token, sizeof(offer.token));
}

#define ECHOED	(48u << 20)

/* Bytes of one ring into the other, some at a time. */
static void *echo(void *arg)
{
	const struct fwd_ring *r = &lane.t.ring;
	uint64_t tail = control->sq_tail.index, head = 0, n, room;
	unsigned int seed = 1;

	(void)arg;
	while (head < ECHOED) {
		n = __atomic_load_n(&control->sq_head.index, __ATOMIC_ACQUIRE) - tail;
		room = r->cq_bytes - (head - __atomic_load_n(&control->cq_tail.index, __ATOMIC_ACQUIRE));
		n = n < room ? n : room;
		if (n > 70000)
			n = 1 + rand_r(&seed) % n;
		memcpy(r->cq + head % r->cq_bytes, r->sq + tail % r->sq_bytes, n);
		head += n;
		tail += n;
		__atomic_store_n(&control->cq_head.index, head, __ATOMIC_RELEASE);
		__atomic_store_n(&control->sq_tail.index, tail, __ATOMIC_RELEASE);
	}
	return NULL;
}

static uint8_t byte_of(size_t i)
{
	return i * 7 + i / 251 + (i >> 17);
}

static void *send_all(void *arg)
{
	static const uint8_t zeros[8];
	static uint8_t data[(1 << 20) + 8];
	size_t done, n;

	for (done = 0; done < ECHOED; done += n) {
		n = sizeof(data) < ECHOED - done ? sizeof(data) : ECHOED - done;
		for (size_t i = 0; i < n; i++)
			data[i] = byte_of(done + i);
		if (!vcuda_lane_send(&lane, (struct iovec[]){ { data, 32 }, { data + 32, n - 32 }, { (void *)zeros, 0 } }, 3))
			return NULL;
	}
	return arg;
}

static void what_is_sent_comes_back(void **state)
{
	static uint8_t data[300001];
	pthread_t one, two;
	size_t done, n;
	void *ok;

	(void)state;
	control->sq_tail.index = control->sq_head.index;
	assert_int_equal(pthread_create(&one, NULL, echo, NULL), 0);
	assert_int_equal(pthread_create(&two, NULL, send_all, &lane), 0);
	for (done = 0; done < ECHOED; done += n) {
		n = sizeof(data) < ECHOED - done ? sizeof(data) : ECHOED - done;
		assert_true(vcuda_lane_receive(&lane, data, n));
		for (size_t i = 0; i < n; i++)
			if (data[i] != byte_of(done + i))
				fail_msg("byte %zu", done + i);
	}
	pthread_join(one, NULL);
	pthread_join(two, &ok);
	assert_non_null(ok);
}

static void indices_that_lie_end_it(void **state)
{
	static const uint64_t lies[] = { 1, 1ull << 20, 1ull << 40, 1ull << 63 };
	uint8_t buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		control->sq_tail.index = lane.sq_head + lies[i];	/* more than was sent */
		assert_false(sends(64));
		control->sq_tail.index = lane.sq_head;
		control->cq_head.index = lane.cq_tail + lane.t.ring.cq_bytes + lies[i];
		assert_false(vcuda_lane_receive(&lane, buf, sizeof(buf)));
		control->cq_head.index = lane.cq_tail - lies[i];
		assert_false(vcuda_lane_receive(&lane, buf, sizeof(buf)));
		control->cq_head.index = lane.cq_tail;
	}
	assert_true(sends(64));
}

static void nobody_sleeps_once_it_is_stopped(void **state)
{
	uint8_t buf[64];

	(void)state;
	eventfd_write(stop, 1);
	assert_false(vcuda_lane_receive(&lane, buf, sizeof(buf)));
	assert_false(sends(3 << 20));			/* there is no room for that */
	assert_int_equal(control->cq_tail.asleep, 0);
	assert_int_equal(control->sq_head.asleep, 0);
	give("what is there", 13);
	assert_true(vcuda_lane_receive(&lane, buf, 13));
}

static void an_answer_says_yes_or_why_not(void **state)
{
	static const struct {
		uint16_t op;
		uint32_t size, text_len;
		const char *why;	/* NULL: yes */
	} answers[] = {
		{ VWIRE_OP_BULK, 16, 0, NULL },
		{ VWIRE_OP_CLOSED, 40, 4, "full" },
		{ VWIRE_OP_REFUSED, 40, 4, "full" },
		{ VWIRE_OP_CLOSED, 40, 1u << 31, "full...." },
		{ VWIRE_OP_CLOSED, 36, UINT32_MAX, "full" },
		{ VWIRE_OP_CLOSED, 24, 4, "vgpud refuses" },
		{ VWIRE_OP_CLOSED, 0, 4, "vgpud refuses" },
		{ VWIRE_OP_DATA, 40, 4, "vgpud refuses" },
	};
	struct { struct vwire_frame f; struct vwire_refused v; char text[8]; } a = { .text = "full...." };
	char why[VWIRE_TEXT_MAX];

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		a.f = (struct vwire_frame){ htole32(answers[i].size), htole16(answers[i].op), 0, 0 };
		a.v.text_len = htole32(answers[i].text_len);
		give(&a, sizeof(a));
		assert_int_equal(!vcuda_lane_connected(&lane, why, sizeof(why)), !answers[i].why);
		if (answers[i].why)
			assert_string_equal(why, answers[i].why);
		close_lane(state);
		assert_int_equal(open_lane(state), 0);
	}
	/* of a text that is longer than there is room for, as much as fits */
	a.f = (struct vwire_frame){ htole32(40), htole16(VWIRE_OP_CLOSED), 0, 0 };
	a.v.text_len = htole32(8);
	give(&a, sizeof(a));
	memset(why, 'x', sizeof(why));
	assert_int_not_equal(vcuda_lane_connected(&lane, why, 5), 0);
	assert_string_equal(why, "full");
	assert_int_equal(why[5], 'x');
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, open_lane, close_lane)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(it_begins_with_the_offer),
		TEST(what_is_sent_comes_back),
		TEST(indices_that_lie_end_it),
		TEST(nobody_sleeps_once_it_is_stopped),
		TEST(an_answer_says_yes_or_why_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
