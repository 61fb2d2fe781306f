/* SPDX-License-Identifier: MIT */
/*
 * softgpu_calls.h - calls of the driver in a test, and what they are to answer
 *
 * Each case has a fixture: the file has set_up() and tear_down().
 */
#ifndef SOFTGPU_CALLS_H
#define SOFTGPU_CALLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK(call)	assert_int_equal((call), CUDA_SUCCESS)
#define FAILS(r, call)	assert_int_equal((call), (r))
#define CASE(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#define MIB		((size_t)1 << 20)

#endif
