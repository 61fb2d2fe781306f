/* SPDX-License-Identifier: MIT */
/*
 * worker_parts_test.c - handle table, memory arithmetic, images and bulk connections of a worker,
 * one by one
 */
#include <setjmp.h>
#include <stdarg.h>
#include <dlfcn.h>
#include <elf.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "handles.h"
#include "image.h"
#include "run.h"
#include "worker.h"

#define PAGE	(2ull << 20)

/* ---- handles ---- */

static void handles_keep_kind_and_number_apart(void **state)
{
	struct handles h;
	int a, b;

	(void)state;
	assert_int_equal(handles_init(&h, 1), 0);
	assert_non_null(handles_add(&h, 1, 7, &a));
	assert_non_null(handles_add(&h, 2, 7, &b));
	assert_null(handles_add(&h, 1, 7, &b));
	assert_null(handles_add(&h, 1, 0, &a));
	assert_ptr_equal(handles_find(&h, 1, 7)->real, &a);
	assert_ptr_equal(handles_find(&h, 2, 7)->real, &b);
	assert_null(handles_find(&h, 3, 7));
	assert_true(handles_del(&h, 1, 7));
	assert_false(handles_del(&h, 1, 7));
	assert_null(handles_find(&h, 1, 7));
	assert_ptr_equal(handles_find(&h, 2, 7)->real, &b);
	handles_fini(&h);
}

/* Against a plain array, over enough additions and removals for every gap to have been closed. */
static void handles_agree_with_an_array(void **state)
{
	static void *array[4096];
	struct handles h;
	uint32_t x = 1, nr = 0;

	(void)state;
	assert_int_equal(handles_init(&h, 99), 0);
	for (int i = 0; i < 200000; i++) {
		uint32_t n;

		x = x * 1664525u + 1013904223u;
		n = 1 + (x >> 16) % 4095;
		if (array[n]) {
			assert_true(handles_del(&h, 5, n));
			array[n] = NULL;
			nr--;
		} else {
			assert_non_null(handles_add(&h, 5, n, &array[n]));
			array[n] = &array[n];
			nr++;
		}
		assert_int_equal(h.nr, nr);
	}
	for (uint32_t n = 1; n < 4096; n++)
		assert_int_equal(!!handles_find(&h, 5, n), !!array[n]);
	handles_fini(&h);
}

static void handles_have_a_limit(void **state)
{
	struct handles h;

	(void)state;
	assert_int_equal(handles_init(&h, 3), 0);
	for (uint32_t n = 1; n <= HANDLES_MAX; n++)
		if (!handles_add(&h, 1, n, &h))
			fail_msg("%u", n);
	assert_null(handles_add(&h, 1, HANDLES_MAX + 1, &h));
	assert_true(handles_del(&h, 1, 1));
	assert_non_null(handles_add(&h, 1, HANDLES_MAX + 1, &h));
	handles_fini(&h);
}

/* ---- memory ---- */

static int open_double(void **state)
{
	struct memory *m = calloc(1, sizeof(*m));
	void *lib = dlopen(WORKER_DOUBLE, RTLD_NOW);

	if (!lib)
		fail_msg("%s", dlerror());
	realcuda_load(&real, lib);
	if (memory_init(m, 0, 256ull << 20))
		return -1;
	m->limit = 16 * PAGE;
	*state = m;
	return 0;
}

static int close_double(void **state)
{
	struct memory *m = *state;

	munmap((void *)m->base, m->bytes);
	free(m->pages);
	free(m);
	return 0;
}

static void mappings_lie_on_pages_inside_the_range(void **state)
{
	struct memory *m = *state;
	uint64_t end = m->base + m->bytes;

	assert_int_equal(m->base, MEMORY_RANGE_BASE);
	assert_int_equal(memory_map(m, m->base, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, m->base + 1, PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, m->base, PAGE + 1), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, m->base - PAGE, PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, end, PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, end - PAGE, 2 * PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, m->base, -PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, -PAGE, 2 * PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, end - PAGE, PAGE), CUDA_SUCCESS);
	assert_int_equal(m->used, PAGE);
	assert_int_equal(memory_unmap(m, end - PAGE, PAGE), CUDA_SUCCESS);
	assert_int_equal(m->used, 0);
}

static void mappings_do_not_overlap_and_keep_the_limit(void **state)
{
	struct memory *m = *state;

	assert_int_equal(memory_map(m, m->base + 2 * PAGE, 2 * PAGE), CUDA_SUCCESS);
	assert_int_equal(memory_map(m, m->base + PAGE, 2 * PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, m->base + 3 * PAGE, PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, m->base, 8 * PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_map(m, m->base + 4 * PAGE, 15 * PAGE), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(memory_map(m, m->base + 4 * PAGE, 14 * PAGE), CUDA_SUCCESS);
	assert_int_equal(memory_map(m, m->base, PAGE), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(m->used, 16 * PAGE);
	assert_int_equal(memory_unmap(m, m->base + 2 * PAGE, 3 * PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_unmap(m, m->base + 3 * PAGE, PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_unmap(m, m->base + PAGE, 3 * PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(m->used, 16 * PAGE);
	assert_int_equal(memory_unmap(m, m->base + 2 * PAGE, 16 * PAGE), CUDA_SUCCESS);
	assert_int_equal(m->used, 0);
	assert_int_equal(m->peak, 16 * PAGE);
}

static void what_the_device_refuses_is_not_booked(void **state)
{
	struct memory *m = *state;

	m->limit = 1ull << 40;
	assert_int_equal(memory_map(m, m->base, 512ull << 20), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(m->used, 0);
	assert_int_equal(memory_map(m, m->base, PAGE), CUDA_SUCCESS);
	assert_int_equal(memory_unmap(m, m->base, PAGE), CUDA_SUCCESS);
	m->limit = 16 * PAGE;
}

static void copies_reach_device_memory_only(void **state)
{
	struct memory *m = *state;
	int own;

	assert_int_equal(memory_check(m, m->base, PAGE), CUDA_SUCCESS);
	assert_int_equal(memory_check(m, (uint64_t)(uintptr_t)&own, 4), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_check(m, m->base + m->bytes - 4, 8), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(memory_check(m, m->base, UINT64_MAX), CUDA_ERROR_INVALID_VALUE);
}

/* ---- images ---- */

struct image_case {
	uint8_t bytes[2048];
	size_t n;
};

static void put_u32(struct image_case *c, size_t at, uint32_t v)
{
	memcpy(c->bytes + at, &v, sizeof(v));
}

static void put_u64(struct image_case *c, size_t at, uint64_t v)
{
	memcpy(c->bytes + at, &v, sizeof(v));
}

static size_t add_elf(uint8_t *p)
{
	Elf64_Ehdr e = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
		.e_shoff = 80,
		.e_shnum = 2,
		.e_shentsize = 64,
	};
	Elf64_Shdr s[2] = { { .sh_type = SHT_NULL },
			    { .sh_type = SHT_PROGBITS, .sh_offset = 64, .sh_size = 16 } };

	memcpy(p, &e, sizeof(e));
	memcpy(p + 80, s, sizeof(s));
	return 80 + sizeof(s);
}

/* A fatbin with a text and an ELF. Offsets: 16 first entry, 88 second. */
static void add_fatbin(struct image_case *c)
{
	size_t start = c->n, elf;

	put_u32(c, start, 0xba55ed50);
	put_u32(c, start + 4, 0x00100001);
	put_u32(c, start + 16, 0x01010001);
	put_u32(c, start + 20, 64);
	put_u64(c, start + 24, 8);
	memcpy(c->bytes + start + 80, "// text", 8);
	put_u32(c, start + 88, 0x01010002);
	put_u32(c, start + 92, 64);
	elf = add_elf(c->bytes + start + 88 + 64);
	put_u64(c, start + 96, elf);
	put_u64(c, start + 8, 72 + 64 + elf);
	c->n = start + 16 + 72 + 64 + elf;
}

/*
 * A copy that ends where its memory ends, but for the pad, so that a sanitizer sees what is read
 * beyond.
 */
static bool opens(const struct image_case *c, size_t n, bool rdc)
{
	uint8_t *p = malloc(n + IMAGE_PAD);
	struct image_source s;
	bool ok;

	memcpy(p, c->bytes, n);
	memset(p + n, 0, IMAGE_PAD);
	ok = image_open(&s, p, n, rdc);
	image_close(&s);
	free(p);
	return ok;
}

static void a_fatbin_is_taken_whole_or_not_at_all(void **state)
{
	struct image_case c = { .n = 0 };

	(void)state;
	add_fatbin(&c);
	assert_true(opens(&c, c.n, false));
	for (size_t n = 0; n < c.n; n++)
		assert_false(opens(&c, n, false));
	/* More than the fatbin says. */
	assert_false(opens(&c, c.n + 64, false));
	/* More than its entries. */
	put_u64(&c, 8, c.n - 16 + 8);
	assert_false(opens(&c, c.n + 8, false));
}

static void lengths_in_a_fatbin_are_checked(void **state)
{
	static const size_t words[] = {
		8, 24, 96, 20, 92, 88 + 64 + 40, 88 + 64 + 80 + 64 + 24, 88 + 64 + 80 + 64 + 32
	};
	static const uint64_t lies[] = { UINT64_MAX, 1ull << 63, 1ull << 32, 4096, 0xffffffff };
	struct image_case c;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (size_t lie = 0; lie < sizeof(lies) / sizeof(lies[0]); lie++) {
			c = (struct image_case){ .n = 0 };
			add_fatbin(&c);
			if (words[i] == 20 || words[i] == 92)
				put_u32(&c, words[i], lies[lie] | 1);
			else
				put_u64(&c, words[i], lies[lie]);
			if (opens(&c, c.n, false))
				fail_msg("word at %zu, lie %zu", words[i], lie);
		}
	}
}

static void several_fatbins_become_a_list(void **state)
{
	struct image_case c = { .n = 0 };
	struct image_source s;
	size_t first;

	(void)state;
	add_fatbin(&c);
	first = c.n;
	add_fatbin(&c);
	add_fatbin(&c);
	assert_true(image_open(&s, c.bytes, c.n, true));
	assert_ptr_equal(s.code, &s.wrapper);
	assert_int_equal(s.wrapper.magic, 0x466243b1);
	assert_int_equal(s.wrapper.version, 2);
	assert_ptr_equal(s.wrapper.data, c.bytes);
	assert_ptr_equal(s.fatbins[0], c.bytes + first);
	assert_ptr_equal(s.fatbins[1], c.bytes + 2 * first);
	assert_null(s.fatbins[2]);
	image_close(&s);
	assert_false(opens(&c, c.n, false));
	for (size_t n = first + 1; n < c.n; n++)
		assert_int_equal(opens(&c, n, true), n % first == 0);
	assert_true(image_open(&s, c.bytes, first, true));
	assert_ptr_equal(s.code, c.bytes);
	image_close(&s);
}

static void an_elf_is_taken_whole_or_not_at_all(void **state)
{
	struct image_case c = { .n = 0 };

	(void)state;
	c.n = add_elf(c.bytes);
	assert_true(opens(&c, c.n, false));
	for (size_t n = 0; n < c.n; n++)
		assert_false(opens(&c, n, false));
	put_u64(&c, 40, UINT64_MAX - 63);
	assert_false(opens(&c, c.n, false));
}

/* ---- bulk connections ---- */

static _Atomic pthread_t control_thread;
static _Atomic bool control_slept;

/* In the worker's place: a thread that gives a session up waits here for good. */
int nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)t, (void)left;
	if (!control_thread)
		return syscall(SYS_nanosleep, t, left);
	if (pthread_equal(pthread_self(), control_thread)) {
		control_slept = true;
		return 0;
	}
	for (;;)
		pause();
}

/* What its client has left is ended by another thread, after a while: control hears of the server's end. */
static void the_control_thread_does_not_wait_for_a_client_that_has_left(void **state)
{
	static struct worker worker;	/* its threads stay until the process ends */
	struct worker *w = &worker;
	struct control_bulk msg = { .client = "test" };
	bool broken = false;
	int pair[2];

	(void)state;
	realcuda_load(&real, dlopen(WORKER_DOUBLE, RTLD_NOW));
	w->bulk.offered = true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[0]);
	control_thread = pthread_self();
	alarm(20);
	bulk_accept(w, &msg, pair[1]);
	assert_false(control_slept);
	while (!broken) {
		pthread_mutex_lock(&w->bulk.lock);
		broken = w->bulk.broken;
		pthread_mutex_unlock(&w->bulk.lock);
		sched_yield();
	}
	alarm(0);
	control_thread = 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_keep_kind_and_number_apart),
		cmocka_unit_test(handles_agree_with_an_array),
		cmocka_unit_test(handles_have_a_limit),
		cmocka_unit_test_setup_teardown(mappings_lie_on_pages_inside_the_range, open_double,
						close_double),
		cmocka_unit_test_setup_teardown(mappings_do_not_overlap_and_keep_the_limit,
						open_double, close_double),
		cmocka_unit_test_setup_teardown(what_the_device_refuses_is_not_booked, open_double,
						close_double),
		cmocka_unit_test_setup_teardown(copies_reach_device_memory_only, open_double,
						close_double),
		cmocka_unit_test(a_fatbin_is_taken_whole_or_not_at_all),
		cmocka_unit_test(lengths_in_a_fatbin_are_checked),
		cmocka_unit_test(several_fatbins_become_a_list),
		cmocka_unit_test(an_elf_is_taken_whole_or_not_at_all),
		cmocka_unit_test(the_control_thread_does_not_wait_for_a_client_that_has_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
