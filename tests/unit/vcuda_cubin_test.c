// SPDX-License-Identifier: MIT
/*
 * vcuda_cubin_test.c - what libvcuda reads in a cubin of nvcc, and that it reads nothing that is not
 * there: every length of one, and bytes changed
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cuda.h>

#include "cubin.h"

#ifndef CUBINS
#error "CUBINS: the folder of vcuda_cubin.cu's cubins"
#endif

struct file {
	uint8_t *p;
	size_t n;
};

static struct file read_file(const char *name)
{
	struct file f = { .p = malloc(1 << 20) };
	FILE *in = fopen(name, "rb");

	assert_non_null(in);
	f.n = fread(f.p, 1, 1 << 20, in);
	fclose(in);
	assert_in_range(f.n, 1000, (1 << 20) - 1);
	return f;
}

static const struct cubin_kernel *find(const struct cubin *c, const char *name)
{
	for (uint32_t i = 0; i < c->nr_kernels; i++)
		if (!strcmp(c->kernels[i].name, name))
			return &c->kernels[i];
	return NULL;
}

static void check_params(const struct cubin *c, const char *name, const struct vcuda_param *want,
			 uint32_t n)
{
	const struct cubin_kernel *k = find(c, name);

	assert_non_null(k);
	assert_int_equal(k->nr_params, n);
	assert_true(k->first_param + n <= c->nr_params);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(c->params[k->first_param + i].offset, want[i].offset);
		assert_int_equal(c->params[k->first_param + i].size, want[i].size);
	}
}

/* Static shared memory as the program declared it, and limits that come of it and of __launch_bounds__. */
static void check_attributes(const struct cubin *c, unsigned int sm)
{
	int v[CUBIN_ATTRIBUTES];

	cubin_attributes(c, find(c, "mixed"), v);
	assert_int_equal(v[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK], 256);
	assert_int_equal(v[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES], 400);
	assert_int_equal(v[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES], 49152 - 400);
	assert_int_equal(v[CU_FUNC_ATTRIBUTE_BINARY_VERSION], sm);
	assert_int_equal(v[CU_FUNC_ATTRIBUTE_PTX_VERSION], sm);
	assert_int_equal(v[CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT], -1);
	cubin_attributes(c, find(c, "none"), v);
	assert_int_equal(v[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK], 1024);
	assert_int_equal(v[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES], 0);
}

/* 9.0, 80 registers: 25 warps could have them, but they go to warps in fours. */
static void registers_bound_the_threads_of_a_block(void **state)
{
	static const struct {
		uint32_t registers;
		int threads;
	} cases[] = { { 32, 1024 }, { 64, 1024 }, { 65, 896 }, { 80, 768 }, { 128, 512 }, { 255, 256 } };
	struct cubin c = { .arch = 90 };
	int v[CUBIN_ATTRIBUTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cubin_attributes(&c, &(struct cubin_kernel){ .registers = cases[i].registers }, v);
		assert_int_equal(v[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK], cases[i].threads);
	}
}

static void check_file(const char *name, unsigned int sm, bool wide)
{
	static const struct vcuda_param mixed[] = { { 0, 4 }, { 4, 1 }, { 8, 8 }, { 16, 2 } };
	static const struct vcuda_param large[] = { { 0, 4804 }, { 4808, 8 }, { 4816, 8 } };
	static const struct vcuda_param instance[] = { { 0, 8 } };
	struct file f = read_file(name);
	const struct cubin_kernel *k;
	struct cubin c;

	assert_true(cubin_read(&c, f.p, f.n, sm));
	assert_int_equal(c.nr_kernels, wide ? 5 : 4);
	check_params(&c, "none", NULL, 0);
	check_params(&c, "mixed", mixed, 4);
	check_params(&c, "_Z8instanceILi4EEvPi", instance, 1);
	if (wide)
		check_params(&c, "large", large, 3);
	check_attributes(&c, sm);
	k = find(&c, "mixed");
	assert_int_equal(k->max_threads, 256);
	/* 9.0 keeps a KiB of a block's for itself */
	assert_int_equal(k->shared_bytes, wide ? 1424 : 400);
	assert_in_range(k->registers, 4, 255);
	assert_int_equal(find(&c, "none")->max_threads, 0);
	assert_int_equal(find(&c, "none")->barriers, 0);
	assert_int_equal(find(&c, "named_barriers")->barriers, 7);
	cubin_free(&c);
	free(f.p);
}

static void reads_what_nvcc_writes(void **state)
{
	(void)state;
	check_file(CUBINS "/75.cubin", 75, false);
	check_file(CUBINS "/90.cubin", 90, true);
}

static void refuses_code_of_another_device(void **state)
{
	struct file f = read_file(CUBINS "/75.cubin");
	struct cubin c;

	(void)state;
	assert_true(cubin_read(&c, f.p, f.n, 76));	/* code for 7.5 runs on a later 7.x */
	cubin_free(&c);
	assert_false(cubin_read(&c, f.p, f.n, 70));
	assert_false(cubin_read(&c, f.p, f.n, 90));
	free(f.p);
}

/* In memory that ends where it ends, so that a sanitizer sees one byte too many. */
static bool try(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct cubin c;
	bool ok;

	memcpy(copy, p, n);
	ok = cubin_read(&c, copy, n, 75);
	if (ok)
		cubin_free(&c);
	free(copy);
	return ok;
}

static void refuses_a_part_of_one(void **state)
{
	struct file f = read_file(CUBINS "/75.cubin");
	size_t whole = 0;

	(void)state;
	/* program headers, which nothing here needs, may be its end */
	for (size_t n = 0; n < f.n; n++)
		whole += try(f.p, n);
	assert_in_range(whole, 0, 1024);
	free(f.p);
}

static void survives_changed_bytes(void **state)
{
	struct file f = read_file(CUBINS "/75.cubin");
	uint32_t seed = 1;

	(void)state;
	for (unsigned int round = 0; round < 20000; round++) {
		uint8_t old[4];
		size_t at;

		seed = seed * 1664525u + 1013904223u;
		at = (seed >> 8) % (f.n - sizeof(old));
		memcpy(old, f.p + at, sizeof(old));
		seed = seed * 1664525u + 1013904223u;
		if (round & 1)
			f.p[at] = seed >> 16;
		else
			memset(f.p + at, seed & 0x10000 ? 0xff : 0x7f, sizeof(old));
		try(f.p, f.n);
		memcpy(f.p + at, old, sizeof(old));
	}
	free(f.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_nvcc_writes),
		cmocka_unit_test(registers_bound_the_threads_of_a_block),
		cmocka_unit_test(refuses_code_of_another_device),
		cmocka_unit_test(refuses_a_part_of_one),
		cmocka_unit_test(survives_changed_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
