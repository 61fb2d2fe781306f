// SPDX-License-Identifier: MIT
/*
 * halt_poll_test.c - how long is looked follows what waits take
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "halt_poll.h"

#define US	1000

static int set_up(void **state)
{
	static struct halt_poll h;

	setenv("VGPU_SPIN_US", "200", 1);
	setenv("VGPU_SPIN_MOST_US", "5000", 1);
	halt_poll_init(&h);
	*state = &h;
	return 0;
}

static void note(struct halt_poll *h, int times, uint64_t took)
{
	while (times--)
		halt_poll_note(h, took);
}

static void starts_with_the_least(void **state)
{
	assert_int_equal(halt_poll_ns(*state), 200 * US);
}

static void one_longer_wait_is_enough_to_find_the_next(void **state)
{
	struct halt_poll *h = *state;

	note(h, 1, 2000 * US);
	assert_int_equal(halt_poll_ns(h), 2500 * US);
	note(h, 1, 4900 * US);
	assert_int_equal(halt_poll_ns(h), 5000 * US);
}

static void short_waits_say_nothing_of_long_ones(void **state)
{
	struct halt_poll *h = *state;

	note(h, 1, 2000 * US);
	note(h, 1000, 20 * US);
	assert_int_equal(halt_poll_ns(h), 2500 * US);
}

static void waits_that_outlast_all_looking_end_it(void **state)
{
	struct halt_poll *h = *state;

	note(h, 1, 2000 * US);
	note(h, 1, 1000000 * US);
	assert_true(halt_poll_ns(h) < 1500 * US);
	note(h, 40, 1000000 * US);
	assert_int_equal(halt_poll_ns(h), 200 * US);
}

static void it_falls_to_what_waits_take_now(void **state)
{
	struct halt_poll *h = *state;

	note(h, 1, 4000 * US);
	note(h, 100, 1000 * US);
	assert_in_range(halt_poll_ns(h), 1250 * US, 1300 * US);
}

static void one_thread_at_a_time_looks_long(void **state)
{
	struct halt_poll *h = *state;
	uint64_t one, other;

	note(h, 1, 2000 * US);
	one = halt_poll_enter(h);
	other = halt_poll_enter(h);
	assert_int_equal(one, 2500 * US);
	assert_int_equal(other, 200 * US);
	halt_poll_leave(h, other);
	assert_int_equal(halt_poll_enter(h), 200 * US);
	halt_poll_leave(h, one);
	assert_int_equal(halt_poll_enter(h), 2500 * US);
}

static void other_bounds_keep_what_they_allow(void **state)
{
	struct halt_poll *h = *state;

	note(h, 1, 2000 * US);
	halt_poll_bounds(h, 30 * US, 4000 * US);
	assert_int_equal(halt_poll_ns(h), 2500 * US);
	halt_poll_bounds(h, 30 * US, 1000 * US);
	assert_int_equal(halt_poll_ns(h), 1000 * US);
	halt_poll_bounds(h, 1500 * US, 0);
	assert_int_equal(halt_poll_ns(h), 1500 * US);
	halt_poll_bounds(h, 0, 0);
	assert_int_equal(halt_poll_ns(h), 0);
}

static void without_a_look_it_stays_so(void **state)
{
	struct halt_poll h;

	(void)state;
	setenv("VGPU_SPIN_US", "0", 1);
	setenv("VGPU_SPIN_MOST_US", "0", 1);
	halt_poll_init(&h);
	note(&h, 10, 2000 * US);
	assert_int_equal(halt_poll_ns(&h), 0);
	assert_int_equal(halt_poll_enter(&h), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(starts_with_the_least, set_up),
		cmocka_unit_test_setup(one_longer_wait_is_enough_to_find_the_next, set_up),
		cmocka_unit_test_setup(short_waits_say_nothing_of_long_ones, set_up),
		cmocka_unit_test_setup(waits_that_outlast_all_looking_end_it, set_up),
		cmocka_unit_test_setup(it_falls_to_what_waits_take_now, set_up),
		cmocka_unit_test_setup(one_thread_at_a_time_looks_long, set_up),
		cmocka_unit_test_setup(other_bounds_keep_what_they_allow, set_up),
		cmocka_unit_test(without_a_look_it_stays_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
