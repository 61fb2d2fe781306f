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

static uint64_t last_seq, asked_bytes;
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
	nr_asked++;
	asked_bytes += h->bytes;
	asked_flags = flags;
	if (w)
		w->seq = last_seq;
	return lost;
}

CUresult vcuda_submit(uint16_t op, uint16_t flags, const struct vcuda_iov *iov, unsigned int n,
		      struct vcuda_wait *w, uint64_t *seq)
{
	(void)op, (void)flags, (void)iov, (void)n, (void)w;
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
	assert_true(over());
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

void vcuda_bulk_send(const uint8_t *src, size_t n, uint64_t seq)
{
	(void)src, (void)n, (void)seq;
}

void vcuda_bulk_link_fork(void)
{
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
	assert_false(vcuda_bulk_holds(&later));		/* nobody says that it is covered */
	assert_true(vcuda_bulk_told(seq, BYTES));
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
	uint64_t offset, len;

	for (uint64_t seq = 1; seq <= last_seq; seq++)
		for (offset = 0; vcuda_bulk_claim(seq, offset, STRIPE); offset += len) {
			len = STRIPE;
			vcuda_bulk_received(seq, len);
			if (offset + len == VWIRE_BULK_MAX)
				assert_true(vcuda_bulk_told(seq, VWIRE_BULK_MAX));
		}
}

/* Nothing is written here: only what is under way at once is looked at. */
static void what_is_under_way_is_bounded(void **state)
{
	uint64_t seq;

	(void)state;
	nr_asked = asked_bytes = 0;
	assert_int_equal(vcuda_bulk_out(dst, 0x1000, 32ull * VWIRE_BULK_MAX, 1, true, &seq), 0);
	assert_int_equal(nr_asked, 32);
	assert_int_equal(asked_bytes, 32ull * VWIRE_BULK_MAX);
	all_comes();
	assert_false(vcuda_bulk_expects(dst, 1));
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
		cmocka_unit_test(a_lost_session_claims_nothing_and_forgets_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
