// SPDX-License-Identifier: MIT
/*
 * env_test.c - what is read of the environment and of a control group
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "env.h"

static void time_of_a_control_group(void **state)
{
	static const struct { const char *line; int processors; } cases[] = {
		{ "200000 100000\n", 2 }, { "50000 100000", 1 }, { "100001 100000", 2 },
		{ "max 100000\n", INT_MAX }, { "", INT_MAX }, { "100000", INT_MAX },
		{ "100000 0", INT_MAX }, { "18446744073709551615 1", INT_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(env_cpu_max(cases[i].line), cases[i].processors);
}

static void numbers_stay_within_their_bounds(void **state)
{
	static const struct { const char *text; long value; } cases[] = {
		{ "5", 5 }, { "-7", 1 }, { "99", 10 }, { "0x8", 8 }, { "", 3 }, { "5x", 3 }, { "none", 3 },
	};

	(void)state;
	unsetenv("ENV_TEST");
	assert_int_equal(env_number("ENV_TEST", 1, 10, 3), 3);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("ENV_TEST", cases[i].text, 1);
		assert_int_equal(env_number("ENV_TEST", 1, 10, 3), cases[i].value);
	}
}

static uint64_t spin(void)
{
	uint64_t most;

	return env_spin_ns(&most);
}

static uint64_t spin_most(void)
{
	uint64_t most;

	env_spin_ns(&most);
	return most;
}

static void looking_is_as_long_as_is_said(void **state)
{
	(void)state;
	setenv("VGPU_SPIN_US", "70", 1);
	assert_int_equal(spin(), 70000);
	setenv("VGPU_SPIN_US", "50000", 1);
	assert_int_equal(spin(), 20000000);
	setenv("VGPU_SPIN_US", "0", 1);
	assert_int_equal(spin(), 0);
	assert_int_equal(spin_most(), 0);
	unsetenv("VGPU_SPIN_US");
	assert_true(spin() <= 200000);
}

static void the_longest_look_is_never_less(void **state)
{
	(void)state;
	setenv("VGPU_SPIN_US", "70", 1);
	setenv("VGPU_SPIN_MOST_US", "3000", 1);
	assert_int_equal(spin_most(), 3000000);
	setenv("VGPU_SPIN_MOST_US", "50000", 1);
	assert_int_equal(spin_most(), 20000000);
	setenv("VGPU_SPIN_MOST_US", "0", 1);
	assert_int_equal(spin_most(), 70000);
	unsetenv("VGPU_SPIN_MOST_US");
	assert_true(spin_most() == 70000 || spin_most() == 5000000);
	unsetenv("VGPU_SPIN_US");
}

static void bytes_have_units(void **state)
{
	static const struct { const char *text; uint64_t value; int err; } cases[] = {
		{ "64", 64, 0 }, { "3K", 3072, 0 }, { "2g", 2ull << 30, 0 }, { "", 0, 0 },
		{ "K", 0, -EINVAL }, { "1T", 0, -EINVAL }, { "-1", 0, -EINVAL }, { "2KB", 0, -EINVAL },
		{ "99999999999999999999", 0, -EINVAL }, { "18446744073709551615K", 0, -EINVAL },
	};
	char why[80];
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("ENV_TEST", cases[i].text, 1);
		assert_int_equal(env_bytes("ENV_TEST", &v, why, sizeof(why)), cases[i].err);
		if (!cases[i].err)
			assert_int_equal(v, cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_of_a_control_group),
		cmocka_unit_test(numbers_stay_within_their_bounds),
		cmocka_unit_test(looking_is_as_long_as_is_said),
		cmocka_unit_test(the_longest_look_is_never_less),
		cmocka_unit_test(bytes_have_units),
	};

	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
