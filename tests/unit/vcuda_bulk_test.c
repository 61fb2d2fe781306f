// SPDX-License-Identifier: MIT
/*
 * vcuda_bulk_test.c - which bulk data a program believes: stripes of copies it asked for, each once,
 * and waits that are over when all has come. Linked with libvcuda/bulk.c alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulk.h"
#include "bulklink.h"
#include "hostcall.h"
#include "ring.h"

#define STRIPE	((uint64_t)VWIRE_STRIPE)
#define ODD	1000u
#define BYTES	(2 * STRIPE + ODD)

/* ---- what bulk.c calls ---- */

_Atomic unsigned int vcuda_calls_expected;

#define NR_PARTS	4096

static uint64_t last_seq, asked_bytes, part_of[NR_PARTS];
static unsigned int nr_covered;
static uint16_t asked_flags;
static unsigned int nr_asked, nr_again;
static CUresult lost;
static void (*waits)(struct vcuda_wait *w);	/* what happens in vcuda_wait() */

void vcuda_submit_lock(void)
{
}

void vcuda_submit_unlock(void)
{
}

uint64_t vcuda_next_seq(void)
{
	return last_seq + 1;
}

CUresult vcuda_submit_locked(uint16_t op, uint16_t flags, const struct vcuda_iov *iov,
			     unsigned int n, struct vcuda_wait *w, uint64_t *seq)
{
	const struct vwire_copy_out *h = iov[0].p;

	(void)n;
	(void)seq;
	assert_int_equal(op, VWIRE_OP_BULK_OUT);
	assert_in_range(h->bytes, 1, VWIRE_BULK_MAX);
	last_seq++;
	part_of[last_seq % NR_PARTS] = h->bytes;
	nr_asked++;
	asked_bytes += h->bytes;
	asked_flags = flags;
	if (!(h->flags & VWIRE_COPY_F_PART))
		nr_covered++;
	if (w)
		w->seq = last_seq;
	return lost;
}

CUresult vcuda_submit(uint16_t op, uint16_t flags, const struct vcuda_iov *iov, unsigned int n,
		      struct vcuda_wait *w, uint64_t *seq)
{
	const struct vwire_copy_in *h = iov[0].p;

	(void)flags, (void)n, (void)w;
	assert_int_equal(op, VWIRE_OP_BULK_IN);
	assert_in_range(h->bytes, 1, VWIRE_BULK_MAX);
	assert_int_equal(h->dst, 0x1000 + asked_bytes);
	nr_asked++;
	asked_bytes += h->bytes;
	*seq = ++last_seq;
	return lost;
}

CUresult vcuda_wait(struct vcuda_wait *w)
{
	waits(w);
	return lost;
}

CUresult vcuda_session_error(void)
{
	return lost;
}

void vcuda_receive_again(void)
{
	nr_again++;
}

/* Somebody reads meanwhile: all that is under way comes. */
static void all_comes(void);

void vcuda_receive_until(bool (*over)(void))
{
	all_comes();
	assert_true(over() || lost);
}

void vcuda_note_work(uint64_t seq)
{
	assert_int_equal(seq, last_seq);
}

void vcuda_hostcall_throttle(size_t n)
{
	(void)n;
}

bool vcuda_bulk_open(bool wait)
{
	return wait;
}

/* What is sent, and of which requests: two at a time at most. */
static struct vcuda_outbound *under_way[2];
static uint64_t sent_bytes;
static unsigned int nr_sent, nr_ahead, nr_settled;

void vcuda_bulk_begin(struct vcuda_outbound *o, const uint8_t *src, size_t n, uint64_t seq)
{
	*o = (struct vcuda_outbound){ .src = src, .bytes = n, .seq = seq };
	assert_int_equal(seq, last_seq);
	assert_null(under_way[nr_sent % 2]);
	under_way[nr_sent++ % 2] = o;
	nr_ahead += under_way[nr_sent % 2] != NULL;
}

void vcuda_bulk_send(struct vcuda_outbound *o)
{
	assert_ptr_equal(o, under_way[(nr_sent - 1) % 2]);
}

void vcuda_bulk_finish(struct vcuda_outbound *o)
{
	for (int i = 0; i < 2; i++)
		if (under_way[i] == o) {
			sent_bytes += o->bytes;
			under_way[i] = NULL;
		}
}

void vcuda_bulk_settle(void)
{
	assert_true(!under_way[0] && !under_way[1]);
	nr_settled++;
}

/* ---- tests ---- */

static uint8_t dst[BYTES];

static uint64_t ask(void)
{
	uint64_t seq;

	assert_int_equal(vcuda_bulk_out(dst, 0x1000, BYTES, 1, true, &seq), 0);
	assert_int_equal(seq, last_seq);
	return seq;
}

static void come(uint64_t seq, uint64_t offset, uint64_t len)
{
	assert_ptr_equal(vcuda_bulk_claim(seq, offset, len), dst + offset);
	vcuda_bulk_received(seq, len);
}

static void come_all(uint64_t seq)
{
	come(seq, 0, STRIPE);
	come(seq, STRIPE, STRIPE);
	come(seq, 2 * STRIPE, ODD);
}

static void stripes_that_lie_go_nowhere(void **state)
{
	static const struct { uint64_t offset, len; } lies[] = {
		{ 0, STRIPE - 8 }, { 0, ODD }, { 2 * STRIPE, STRIPE }, { 2 * STRIPE, ODD + 1 },
		{ 3 * STRIPE, 0 }, { 3 * STRIPE, STRIPE }, { 64 * STRIPE, STRIPE },
		{ -STRIPE, STRIPE }, { 1ull << 63, STRIPE },
	};
	uint64_t seq = ask();

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		assert_null(vcuda_bulk_claim(seq, lies[i].offset, lies[i].len));
	assert_null(vcuda_bulk_claim(seq + 1, 0, STRIPE));
	assert_null(vcuda_bulk_claim(0, 0, STRIPE));
	come(seq, STRIPE, STRIPE);
	assert_null(vcuda_bulk_claim(seq, STRIPE, STRIPE));
	come(seq, 2 * STRIPE, ODD);
	come(seq, 0, STRIPE);
	assert_true(vcuda_bulk_told(seq, BYTES));
	assert_null(vcuda_bulk_claim(seq, 0, STRIPE));	/* it is over */
}

static void a_wait_is_over_when_all_that_was_sent_is_here(void **state)
{
	struct vcuda_wait earlier = { .seq = last_seq }, later = { .seq = last_seq + 5 };
	uint64_t seq = ask();

	(void)state;
	come(seq, 0, STRIPE);
	later.told = vcuda_bulk_ends();
	assert_false(vcuda_bulk_holds(&later));		/* nobody says that it is covered */
	assert_true(vcuda_bulk_told(seq, BYTES));
	assert_false(vcuda_bulk_holds(&later));		/* as it was answered before */
	later.told = earlier.told = vcuda_bulk_ends();
	assert_true(vcuda_bulk_holds(&later));
	assert_false(vcuda_bulk_holds(&earlier));
	assert_true(vcuda_bulk_expects(dst + BYTES - 1, 1));
	assert_false(vcuda_bulk_expects(dst + BYTES, 1));
	come(seq, 2 * STRIPE, ODD);
	nr_again = 0;
	come(seq, STRIPE, STRIPE);
	assert_int_equal(nr_again, 1);
	assert_false(vcuda_bulk_holds(&later));
	assert_false(vcuda_bulk_expects(dst, BYTES));
}

static void what_is_told_must_fit_what_was_asked_and_has_come(void **state)
{
	uint64_t seq = ask();

	(void)state;
	assert_false(vcuda_bulk_told(seq + 1, BYTES));
	assert_false(vcuda_bulk_told(seq, BYTES + 1));
	come(seq, 0, STRIPE);
	assert_false(vcuda_bulk_told(seq, STRIPE - 1));
	assert_true(vcuda_bulk_told(seq, STRIPE));	/* a copy that failed behind that */
	assert_false(vcuda_bulk_told(seq, STRIPE));
	seq = ask();
	assert_true(vcuda_bulk_told(seq, BYTES));
	assert_false(vcuda_bulk_told(seq, BYTES));
	come_all(seq);
	assert_false(vcuda_bulk_expects(dst, BYTES));
}

static void data_comes_and_is_told(struct vcuda_wait *w)
{
	struct vcuda_wait other = { .seq = w->seq + 1 };

	assert_int_equal(asked_flags, VWIRE_F_WAIT);
	assert_true(vcuda_bulk_told(w->seq, BYTES));
	other.told = vcuda_bulk_ends();
	assert_true(vcuda_bulk_holds(w));
	assert_false(vcuda_bulk_holds(&other));		/* it is of one wait alone */
	come_all(w->seq);
	assert_false(vcuda_bulk_holds(w));
}

static void a_copy_that_waits_holds_up_nobody_else(void **state)
{
	uint64_t seq;

	(void)state;
	waits = data_comes_and_is_told;
	assert_int_equal(vcuda_bulk_out(dst, 0x1000, BYTES, 1, false, &seq), 0);
}

static void all_comes(void)
{
	uint64_t offset, all;

	for (uint64_t seq = 1; seq <= last_seq; seq++) {
		all = part_of[seq % NR_PARTS];
		for (offset = 0; vcuda_bulk_claim(seq, offset, STRIPE); offset += STRIPE) {
			vcuda_bulk_received(seq, STRIPE);
			if (offset + STRIPE == all)
				assert_true(vcuda_bulk_told(seq, all));
		}
	}
}

#define LARGE	(512ull << 20)

/* Nothing is written here: only what is under way at once is looked at. */
static void what_is_under_way_is_bounded(void **state)
{
	uint64_t seq;

	(void)state;
	nr_asked = asked_bytes = nr_covered = 0;
	assert_int_equal(vcuda_bulk_out(dst, 0x1000, LARGE, 1, true, &seq), 0);
	assert_int_equal(asked_bytes, LARGE);
	assert_in_range(nr_asked, LARGE / VWIRE_BULK_MAX, LARGE / STRIPE / 8);
	assert_int_equal(nr_covered, 1);	/* other streams' waits look at the last part alone */
	all_comes();
	assert_false(vcuda_bulk_expects(dst, 1));
}

/* A wait that is answered in the middle of a copy is not held up by its parts; one behind its end is, by all. */
static void parts_hold_a_wait_once_the_last_is_told(void **state)
{
	const uint64_t bytes = VWIRE_BULK_MAX / 4 + STRIPE;	/* two parts */
	struct vcuda_wait w;
	uint64_t last;

	(void)state;
	nr_asked = 0;
	assert_int_equal(vcuda_bulk_out(dst, 0x1000, bytes, 1, true, &last), 0);
	assert_int_equal(nr_asked, 2);
	assert_true(vcuda_bulk_told(last - 1, part_of[(last - 1) % NR_PARTS]));
	w = (struct vcuda_wait){ .seq = last + 1, .told = vcuda_bulk_ends() };
	assert_false(vcuda_bulk_holds(&w));
	assert_true(vcuda_bulk_told(last, STRIPE));
	assert_false(vcuda_bulk_holds(&w));
	w.told = vcuda_bulk_ends();
	assert_true(vcuda_bulk_holds(&w));
	assert_non_null(vcuda_bulk_claim(last, 0, STRIPE));
	vcuda_bulk_received(last, STRIPE);
	assert_true(vcuda_bulk_holds(&w));
	for (uint64_t at = 0; vcuda_bulk_claim(last - 1, at, STRIPE); at += STRIPE)
		vcuda_bulk_received(last - 1, STRIPE);
	assert_false(vcuda_bulk_holds(&w));
}

static unsigned int nr_under_way_at_wait;

static void the_rest_comes(struct vcuda_wait *w)
{
	nr_under_way_at_wait = 0;
	for (uint64_t seq = 1; seq <= last_seq; seq++)
		nr_under_way_at_wait += vcuda_bulk_told(seq, part_of[seq % NR_PARTS]);
	assert_true(vcuda_bulk_holds(w));
	for (uint64_t seq = 1; seq <= last_seq; seq++)
		for (uint64_t at = 0; vcuda_bulk_claim(seq, at, STRIPE); at += STRIPE)
			vcuda_bulk_received(seq, STRIPE);
	assert_false(vcuda_bulk_holds(w));
}

/* It asks for a few parts and for the next when one has come, so that the server has no more to do at once. */
static void a_copy_that_waits_asks_as_the_data_comes(void **state)
{
	uint64_t seq;

	(void)state;
	nr_asked = asked_bytes = 0;
	waits = the_rest_comes;
	assert_int_equal(vcuda_bulk_out(dst, 0x1000, LARGE, 1, false, &seq), 0);
	assert_int_equal(asked_bytes, LARGE);
	assert_in_range(nr_under_way_at_wait, 1, 4);
	assert_int_equal(asked_flags, VWIRE_F_WAIT);
	assert_false(vcuda_bulk_expects(dst, LARGE));
}

/* The second half of one is sent while the next is asked for; no more than two at once. */
static void a_copy_to_the_device_is_asked_for_ahead_of_its_data(void **state)
{
	uint64_t seq;

	(void)state;
	nr_asked = asked_bytes = sent_bytes = nr_sent = nr_ahead = nr_settled = 0;
	assert_int_equal(vcuda_bulk_in(0x1000, dst, LARGE + 1, 1, &seq), 0);
	assert_int_equal(seq, last_seq);
	assert_int_equal(asked_bytes, LARGE + 1);
	assert_int_equal(sent_bytes, LARGE + 1);
	assert_int_equal(nr_ahead, nr_sent - 1);
	assert_int_equal(nr_settled, 1);
	assert_null(under_way[0]);
	assert_null(under_way[1]);
	nr_asked = asked_bytes = sent_bytes = 0;
	lost = CUDA_ERROR_DEVICE_UNAVAILABLE;
	assert_int_equal(vcuda_bulk_in(0x1000, dst, LARGE, 1, &seq), lost);
	assert_int_equal(nr_asked, 1);
	assert_int_equal(sent_bytes, 0);
	lost = CUDA_SUCCESS;
}

static void a_lost_session_claims_nothing_and_forgets_all(void **state)
{
	uint64_t seq = ask();

	(void)state;
	lost = CUDA_ERROR_DEVICE_UNAVAILABLE;
	assert_null(vcuda_bulk_claim(seq, 0, STRIPE));
	assert_int_not_equal(vcuda_bulk_out(dst, 0x1000, BYTES, 1, true, &seq), 0);
	vcuda_bulk_quiesce();
	assert_false(vcuda_bulk_expects(dst, BYTES));
	lost = CUDA_SUCCESS;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stripes_that_lie_go_nowhere),
		cmocka_unit_test(a_wait_is_over_when_all_that_was_sent_is_here),
		cmocka_unit_test(what_is_told_must_fit_what_was_asked_and_has_come),
		cmocka_unit_test(a_copy_that_waits_holds_up_nobody_else),
		cmocka_unit_test(what_is_under_way_is_bounded),
		cmocka_unit_test(parts_hold_a_wait_once_the_last_is_told),
		cmocka_unit_test(a_copy_that_waits_asks_as_the_data_comes),
		cmocka_unit_test(a_copy_to_the_device_is_asked_for_ahead_of_its_data),
		cmocka_unit_test(a_lost_session_claims_nothing_and_forgets_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
