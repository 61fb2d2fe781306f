/* SPDX-License-Identifier: MIT */
/*
 * worker_cache_test.c - the image cache of vgpu-worker, and what of it is loaded ahead
 */
#include <setjmp.h>
#include <stdarg.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "handles.h"
#include "imagecache.h"
#include "run.h"
#include "worker.h"

/* ---- cache ---- */

static void tenants_get_folders_with_plain_names(void **state)
{
	char out[64];

	(void)state;
	imagecache_folder("team-A_7", out);
	assert_string_equal(out, "team-A_7");
	imagecache_folder("../x", out);
	assert_string_equal(out, "%2e%2e%2fx");
}

static void the_cache_gives_back_only_what_was_put(void **state)
{
	char dir[] = "/tmp/worker_cache_XXXXXX", command[128];
	uint8_t hash[16], list[IMAGECACHE_LIST_MAX][IMAGECACHE_HASH];
	struct imagecache c;
	char *p;
	size_t n;
	int root;

	(void)state;
	assert_non_null(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY);
	imagecache_open(&c, root, "t", 90);
	imagecache_hash("hello", 5, hash);
	assert_null(imagecache_get(&c, hash, 5, 8));
	imagecache_put(&c, hash, "hello", 5);
	p = imagecache_get(&c, hash, 5, 8);
	assert_memory_equal(p, "hello\0\0\0\0\0\0\0", 13);
	free(p);
	assert_int_equal(imagecache_list(&c, list), 1);
	assert_memory_equal(list[0], hash, 16);
	/* A cubin is of an image, and not told. */
	imagecache_put_cubin(&c, hash, "cubin", 5);
	assert_null(imagecache_get_cubin(&(struct imagecache){ .dir = c.dir, .sm = 80 }, hash, 8, &n));
	p = imagecache_get_cubin(&c, hash, 8, &n);
	assert_int_equal(n, 5);
	assert_memory_equal(p, "cubin\0\0\0\0\0\0\0", 13);
	free(p);
	assert_int_equal(imagecache_list(&c, list), 1);
	snprintf(command, sizeof(command), "for f in %s/t/*-90; do truncate -s 3 $f; done", dir);
	assert_int_equal(system(command), 0);
	assert_null(imagecache_get_cubin(&c, hash, 8, &n));
	/* One whose image is gone goes when it is old. */
	snprintf(command, sizeof(command),
		 "cd %s/t && for f in *; do touch -d '1 hour ago' $f-90 ${f%%?}-90; done", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(imagecache_list(&c, list), 1);
	snprintf(command, sizeof(command), "[ $(ls %s/t | wc -l) = 2 ]", dir);
	assert_int_equal(system(command), 0);
	/* A file that says another thing than its name is removed. */
	snprintf(command, sizeof(command), "for f in %s/t/*; do printf jello > $f; done", dir);
	assert_int_equal(system(command), 0);
	assert_null(imagecache_get(&c, hash, 5, 8));
	assert_int_equal(imagecache_list(&c, list), 0);
	/* A session adds no more than so much. */
	c.added = IMAGECACHE_SESSION_MAX - 4097;
	imagecache_put(&c, hash, "hello", 5);
	imagecache_put_cubin(&c, hash, "cubin", 5);
	assert_int_equal(imagecache_list(&c, list), 1);
	assert_null(imagecache_get_cubin(&c, hash, 8, &n));
	close(c.dir);
	close(root);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* What a session was told of is there as long as it is, however full the folder has become. */
static void a_full_cache_keeps_what_others_were_told_of(void **state)
{
	char dir[] = "/tmp/worker_cache_XXXXXX", command[128];
	uint8_t hash[16], list[IMAGECACHE_LIST_MAX][IMAGECACHE_HASH];
	struct imagecache a, b, c;
	int root;

	(void)state;
	assert_non_null(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY);
	imagecache_open(&a, root, "t", 90);
	imagecache_open(&b, root, "t", 90);
	for (unsigned int i = 0; i <= IMAGECACHE_LIST_MAX; i++) {
		imagecache_hash(&i, sizeof(i), hash);
		imagecache_put(&a, hash, &i, sizeof(i));
	}
	assert_int_equal(imagecache_list(&a, list), IMAGECACHE_LIST_MAX);
	assert_true(a.full);
	close(b.dir);
	imagecache_open(&c, root, "t", 90);
	assert_int_equal(imagecache_list(&c, list), IMAGECACHE_LIST_MAX);
	assert_true(c.full);
	close(a.dir);
	assert_int_equal(imagecache_list(&c, list), IMAGECACHE_LIST_MAX);
	snprintf(command, sizeof(command), "[ $(ls %s/t | wc -l) = %u ]", dir, IMAGECACHE_LIST_MAX);
	assert_int_equal(system(command), 0);
	close(c.dir);
	close(root);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* Who may write there may lock it, too, and not let go. */
static void a_folder_that_another_keeps_locked_is_done_without(void **state)
{
	char dir[] = "/tmp/worker_cache_XXXXXX", command[128];
	uint8_t hash[16], list[IMAGECACHE_LIST_MAX][IMAGECACHE_HASH];
	struct imagecache a, b;
	int root, other;

	(void)state;
	assert_non_null(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY);
	imagecache_open(&a, root, "t", 90);
	imagecache_hash("hello", 5, hash);
	imagecache_put(&a, hash, "hello", 5);
	close(a.dir);
	other = openat(root, "t", O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(other, LOCK_EX), 0);
	alarm(20);
	imagecache_open(&b, root, "t", 90);
	alarm(0);
	assert_int_equal(b.dir, -1);
	assert_int_equal(imagecache_list(&b, list), 0);
	assert_null(imagecache_get(&b, hash, 5, 8));
	imagecache_put(&b, hash, "hello", 5);
	close(other);
	imagecache_open(&b, root, "t", 90);
	assert_int_equal(imagecache_list(&b, list), 1);
	close(b.dir);
	close(root);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* ---- what the last sessions used ---- */

static char folder[] = "/tmp/worker_recent_XXXXXX";

/* A worker of its own each time: its threads stay until the process ends, and nothing of it is freed. */
static int open_folder(void **state)
{
	static struct worker workers[7];
	static unsigned int nr;
	struct worker *w = &workers[nr++];
	int root;

	assert_true(nr <= sizeof(workers) / sizeof(*workers));
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	root = open(folder, O_RDONLY | O_DIRECTORY);
	imagecache_open(&w->cache, root, "t", 90);
	close(root);
	realcuda_load(&real, dlopen(WORKER_DOUBLE, RTLD_NOW));
	*state = w;
	return 0;
}

static int close_folder(void **state)
{
	struct worker *w = *state;
	char command[64];

	close(w->cache.dir);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void hash_number(unsigned int n, uint8_t hash[IMAGECACHE_HASH])
{
	imagecache_hash(&n, sizeof(n), hash);
}

static void what_was_used_is_told_the_next_session(void **state)
{
	struct worker *w = *state;
	struct recent a = { 0 }, b;
	uint8_t hash[IMAGECACHE_HASH];
	char name[32];

	recent_read(&b, &w->cache);
	assert_int_equal(b.nr, 0);
	for (unsigned int i = 0; i < RECENT_IMAGES + 2; i++) {
		struct recent_image *image;

		hash_number(i, hash);
		image = recent_add(&a, hash);
		assert_int_equal(image != NULL, i < RECENT_IMAGES);
		if (!image)
			continue;
		assert_ptr_equal(recent_add(&a, hash), image);
		recent_add_kernel(image, "two\nlines");
		recent_add_kernel(image, "");
		for (unsigned int k = 0; k < i; k++) {
			snprintf(name, sizeof(name), "kernel%u", k / 2);
			recent_add_kernel(image, name);
		}
	}
	assert_true(recent_write(&a, &w->cache));
	recent_read(&b, &w->cache);
	assert_int_equal(b.nr, RECENT_IMAGES);
	for (unsigned int i = 0; i < RECENT_IMAGES; i++) {
		assert_memory_equal(b.images[i].hash, a.images[i].hash, IMAGECACHE_HASH);
		assert_int_equal(b.images[i].nr_kernels,
				 (i + 1) / 2 < RECENT_KERNELS ? (i + 1) / 2 : RECENT_KERNELS);
	}
	assert_string_equal(b.images[5].kernels[2], "kernel2");
	recent_free(&a);
	/* The new before the old, each once. */
	recent_add(&a, b.images[7].hash);
	recent_append(&a, &b);
	assert_int_equal(a.nr, RECENT_IMAGES);
	assert_int_equal(a.images[0].nr_kernels, 0);
	assert_memory_equal(a.images[1].hash, b.images[0].hash, IMAGECACHE_HASH);
	assert_string_equal(a.images[6].kernels[2], "kernel2");
	recent_free(&a);
	recent_free(&b);
}

static void a_list_of_anything_is_read(void **state)
{
	static const char text[] = "\tno image\n\n0123\n0123456789abcdef0123456789abcdef\n\tgood\n\t\n"
				   "0123456789abcdef0123456789abcdeF\n\tstill the first's";
	struct worker *w = *state;
	struct recent r;
	char *big = malloc(2 * RECENT_BYTES);

	assert_true(imagecache_replace(&w->cache, IMAGECACHE_RECENT, text, sizeof(text)));
	recent_read(&r, &w->cache);
	assert_int_equal(r.nr, 1);
	assert_int_equal(r.images[0].nr_kernels, 2);
	assert_string_equal(r.images[0].kernels[1], "still the first's");
	recent_free(&r);
	memset(big, '\n', 2 * RECENT_BYTES);
	memcpy(big, "0123456789abcdef0123456789abcdef", 2 * IMAGECACHE_HASH);
	assert_true(imagecache_replace(&w->cache, IMAGECACHE_RECENT, big, RECENT_BYTES));
	recent_read(&r, &w->cache);
	assert_int_equal(r.nr, 1);
	assert_true(imagecache_replace(&w->cache, IMAGECACHE_RECENT, big, 2 * RECENT_BYTES));
	recent_read(&r, &w->cache);
	assert_int_equal(r.nr, 0);
	free(big);
}

/* However long names are, there is a list. */
static void long_names_leave_room_for_others(void **state)
{
	static char name[RECENT_NAME + 2];
	uint8_t hash[IMAGECACHE_HASH];
	struct recent a = { 0 }, b;
	struct worker *w = *state;

	for (unsigned int i = 0; i < RECENT_IMAGES; i++) {
		hash_number(i, hash);
		for (unsigned int k = 0; k < RECENT_KERNELS; k++) {
			memset(name, 'a' + k, sizeof(name) - 1);
			recent_add_kernel(recent_add(&a, hash), name);
			name[sizeof(name) - 2] = '\0';
			recent_add_kernel(recent_add(&a, hash), name);
		}
	}
	assert_int_equal(strlen(a.images[0].kernels[0]), RECENT_NAME);
	assert_true(recent_write(&a, &w->cache));
	recent_read(&b, &w->cache);
	assert_int_equal(b.nr, 2);
	assert_int_equal(b.images[1].nr_kernels, RECENT_KERNELS);
	recent_free(&a);
	recent_free(&b);
}

/* What is in the folder is from other workers of the tenant: none may hold this one up. */
static void pipes_in_the_folder_are_not_opened(void **state)
{
	uint8_t hash[IMAGECACHE_HASH];
	struct worker *w = *state;
	char name[IMAGECACHE_NAME], cubin[IMAGECACHE_NAME + 3];
	struct recent r;
	size_t n;

	hash_number(0, hash);
	imagecache_name(hash, name);
	assert_int_equal(mkfifoat(w->cache.dir, name, 0600), 0);
	snprintf(cubin, sizeof(cubin), "%s-90", name);
	assert_int_equal(mkfifoat(w->cache.dir, cubin, 0600), 0);
	assert_int_equal(mkfifoat(w->cache.dir, IMAGECACHE_RECENT, 0600), 0);
	alarm(20);
	assert_null(imagecache_get(&w->cache, hash, 5, 8));
	assert_null(imagecache_get_cubin(&w->cache, hash, 8, &n));
	recent_read(&r, &w->cache);
	alarm(0);
	assert_int_equal(r.nr, 0);
}

/* 0: a cubin that the double takes, 1: one that it refuses, 2: none is there. */
static void libraries_are_there_before_they_are_asked_for(void **state)
{
	Elf64_Ehdr elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB } };
	struct worker *w = *state;
	struct preload *p = &w->preload;
	CUlibrary library = NULL;
	uint8_t hash[IMAGECACHE_HASH];
	struct recent r = { 0 };
	void *kept = NULL;

	for (unsigned int i = 0; i < 3; i++) {
		hash_number(i, hash);
		recent_add_kernel(recent_add(&r, hash), "add");
		elf.e_flags = i;
		if (i < 2)
			imagecache_put_cubin(&w->cache, hash, &elf, sizeof(elf));
	}
	assert_true(recent_write(&r, &w->cache));
	recent_free(&r);
	preload_start(w);
	assert_int_equal(pthread_join(p->thread, NULL), 0);
	for (unsigned int i = 0; i < 4; i++) {
		hash_number(i, hash);
		assert_int_equal(preload_take(w, hash, &library, &kept), i == 0);
		assert_false(preload_take(w, hash, &library, &kept));
	}
	assert_non_null(library);
	elf.e_flags = 0;
	assert_memory_equal(kept, &elf, sizeof(elf));
	free(kept);
	/* Used: what the session loaded, and what was there. */
	hash_number(9, hash);
	recent_add(&p->used, hash);
	preload_save(w);
	recent_read(&r, &w->cache);
	assert_int_equal(r.nr, 4);
	assert_memory_equal(r.images[0].hash, hash, sizeof(hash));
	recent_free(&r);
	recent_free(&p->used);
	recent_free(&p->last);
}

static struct preload *slow;
static unsigned int nr_slow;
static _Atomic bool is_loading;

/* Takes until nothing is to be loaded any more. */
static CUresult CUDAAPI load_slowly(CUlibrary *library, const void *code, CUjit_option *jit, void **values,
				    unsigned int nr_jit, CUlibraryOption *options, void **option_values,
				    unsigned int nr_options)
{
	bool pending = true;

	(void)code, (void)jit, (void)values, (void)nr_jit, (void)options, (void)option_values;
	(void)nr_options;
	is_loading = true;
	nr_slow++;
	while (pending) {
		pthread_mutex_lock(&slow->lock);
		pending = slow->items[1].state == PRELOAD_PENDING;
		pthread_mutex_unlock(&slow->lock);
		usleep(1000);
	}
	usleep(20000);
	*library = NULL;
	is_loading = false;
	return CUDA_ERROR_INVALID_IMAGE;
}

static void nothing_is_loaded_once_the_session_is_over(void **state)
{
	Elf64_Ehdr elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB } };
	struct worker *w = *state;
	uint8_t hash[IMAGECACHE_HASH];
	struct recent r = { 0 };

	for (unsigned int i = 0; i < 2; i++) {
		hash_number(i, hash);
		recent_add(&r, hash);
		imagecache_put_cubin(&w->cache, hash, &elf, sizeof(elf));
	}
	assert_true(recent_write(&r, &w->cache));
	slow = &w->preload;
	real.cuLibraryLoadData = load_slowly;
	alarm(20);
	preload_start(w);
	while (!is_loading)
		usleep(1000);
	preload_stop(w);
	alarm(0);
	assert_false(is_loading);
	assert_int_equal(pthread_join(w->preload.thread, NULL), 0);
	assert_int_equal(nr_slow, 1);
	recent_free(&w->preload.last);
}

/* ---- how much of it there may be ---- */

static const char named[] = "// a text by its name";

static CUresult load_cached(struct worker *w, const uint8_t hash[IMAGECACHE_HASH], uint32_t module)
{
	struct vwire_module_load head = {
		.module = module, .bytes = sizeof(named),
		.flags = VWIRE_MODULE_F_CACHED | VWIRE_MODULE_F_LISTED,
	};
	struct request rq = { .w = w, .op = CUDA_ID_cuModuleLoadData, .seq = module };

	memcpy(head.hash, hash, IMAGECACHE_HASH);
	rq.in = rd_init(&head, sizeof(head));
	gen_dispatch_find(rq.op)(&rq);
	return handles_find(&w->handles, CUDA_HANDLE_module, module) ? CUDA_SUCCESS
								     : CUDA_ERROR_OUT_OF_MEMORY;
}

/* What costs the client a name, not the image, counts like any other, as long as it is loaded. */
static void code_that_is_named_has_a_limit(void **state)
{
	struct worker *w = *state;
	struct request rq = { .w = w, .op = CUDA_ID_cuModuleUnload };
	uint8_t hash[IMAGECACHE_HASH];
	uint64_t number = 1;

	imagecache_hash(named, sizeof(named), hash);
	imagecache_put(&w->cache, hash, named, sizeof(named));
	assert_int_equal(handles_init(&w->handles, 1), 0);
	assert_int_equal(reply_init(w), 0);
	assert_int_equal(wait_init(w), 0);
	assert_int_equal(real.cuInit(0), 0);
	w->modules.held = MODULES_BYTES_MAX - 2 * sizeof(named) - 1;
	for (uint32_t i = 1; i <= 2; i++)
		assert_int_equal(load_cached(w, hash, i), CUDA_SUCCESS);
	assert_int_equal(load_cached(w, hash, 3), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(w->modules.held, MODULES_BYTES_MAX - 1);
	rq.in = rd_init(&number, sizeof(number));
	gen_dispatch_find(rq.op)(&rq);
	alarm(20);
	while (w->modules.held != MODULES_BYTES_MAX - 1 - sizeof(named))
		usleep(1000);
	alarm(0);
	assert_int_equal(load_cached(w, hash, 3), CUDA_SUCCESS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tenants_get_folders_with_plain_names),
		cmocka_unit_test(the_cache_gives_back_only_what_was_put),
		cmocka_unit_test(a_full_cache_keeps_what_others_were_told_of),
		cmocka_unit_test(a_folder_that_another_keeps_locked_is_done_without),
		cmocka_unit_test_setup_teardown(what_was_used_is_told_the_next_session, open_folder,
						close_folder),
		cmocka_unit_test_setup_teardown(a_list_of_anything_is_read, open_folder, close_folder),
		cmocka_unit_test_setup_teardown(long_names_leave_room_for_others, open_folder, close_folder),
		cmocka_unit_test_setup_teardown(pipes_in_the_folder_are_not_opened, open_folder,
						close_folder),
		cmocka_unit_test_setup_teardown(libraries_are_there_before_they_are_asked_for,
						open_folder, close_folder),
		cmocka_unit_test_setup_teardown(nothing_is_loaded_once_the_session_is_over, open_folder,
						close_folder),
		cmocka_unit_test_setup_teardown(code_that_is_named_has_a_limit, open_folder, close_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
