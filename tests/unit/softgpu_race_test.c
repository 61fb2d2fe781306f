/* SPDX-License-Identifier: MIT */
/*
 * softgpu_race_test.c - SOFTGPU_CHECK=race: what is told of racy kernels, and nothing of right ones;
 * and the errors of kernels that never end
 */
#include <fcntl.h>

#include "softgpu_child.h"

/* Every kernel: (.param .u64 p); t is tid.x, c is ctaid.x, a the shared address of s[t], g = p. */
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 p)\n{\n" \
	".reg .pred q;\n.reg .b32 t, c, a, v, u, x;\n.reg .b64 g, h;\n.shared .align 4 .b8 s[2048];\n" \
	"mov.u32 t, %tid.x;\nmov.u32 c, %ctaid.x;\nmov.u32 a, s;\nshl.b32 x, t, 2;\nadd.u32 a, a, x;\n" \
	"ld.param.u64 g, [p];\ncvta.to.global.u64 g, g;\n" body "\nret;\n}\n"

/* s[t] = t; between; v = s[t ^ other] */
#define EXCHANGE(other, between) "st.shared.u32 [a], t;\n" between "xor.b32 x, t, " other ";\nshl.b32 x, x, 2;\n" \
	"mov.u32 u, s;\nadd.u32 u, u, x;\nld.shared.u32 v, [u];\n"
/* block 0 writes p[1] and raises p[0]; others wait for it and read */
#define FLAG(publish, wait) "setp.ne.u32 q, c, 0;\n@q bra W;\nst.global.u32 [g+4], 7;\n" publish "ret;\nW:\n" wait \
	"setp.eq.u32 q, v, 0;\n@q bra W;\n"
#define TILE(between) "mov.u32 v, 0;\nL:\nand.b32 u, v, 1;\nshl.b32 u, u, 10;\nadd.u32 u, u, a;\nst.shared.u32 [u], v;\n" \
	between "xor.b32 x, t, 32;\nsub.u32 x, x, t;\nshl.b32 x, x, 2;\nadd.u32 u, u, x;\nld.shared.u32 x, [u];\n" \
	"add.u32 v, v, 1;\nsetp.lt.u32 q, v, 4;\n@q bra L;\n"

static const char ptx[] = PTX_HEAD ".file 1 \"tile.cu\"\n"
	KERNEL("exchange", ".loc 1 10 1\n" EXCHANGE("32", ".loc 1 11 1\n"))
	KERNEL("exchange_bar", EXCHANGE("32", "bar.sync 0;\n"))
	KERNEL("no_lines", EXCHANGE("32", ""))
	KERNEL("warp", EXCHANGE("1", ""))
	KERNEL("warp_volatile", "st.volatile.shared.u32 [a], t;\nxor.b32 x, a, 4;\nld.volatile.shared.u32 v, [x];\n")
	KERNEL("warp_sync", EXCHANGE("1", "bar.warp.sync -1;\n"))
	KERNEL("warp_sync_far", EXCHANGE("32", "bar.warp.sync -1;\n"))
	KERNEL("tile", TILE("bar.sync 0;\n"))
	KERNEL("tile_open", TILE(""))
	KERNEL("named", EXCHANGE("32", "bar.sync 1, 64;\n"))
	KERNEL("histogram", "ld.global.u32 v, [g];\nadd.u32 v, v, 1;\nst.global.u32 [g], v;\n")
	KERNEL("histogram_atom", "red.global.add.u32 [g], 1;\n")
	KERNEL("atom_and_plain", "red.global.add.u32 [g], 1;\nld.global.u32 v, [g];\n")
	KERNEL("same", "st.global.u32 [g], 5;\n")
	KERNEL("different", "st.global.u32 [g], t;\n")
	KERNEL("bytes", "cvt.u64.u32 h, t;\nadd.u64 h, h, g;\nst.global.u8 [h], t;\n")
	KERNEL("flag", FLAG("st.release.gpu.global.u32 [g], 1;\n", "ld.acquire.gpu.global.u32 v, [g];\n")
	       "ld.global.u32 v, [g+4];\n")
	KERNEL("flag_fence", FLAG("membar.gl;\nred.global.add.u32 [g], 1;\n", "ld.volatile.global.u32 v, [g];\n")
	       "membar.gl;\nld.global.u32 v, [g+4];\n")
	KERNEL("flag_bare", FLAG("st.volatile.global.u32 [g], 1;\n", "ld.volatile.global.u32 v, [g];\n")
	       "ld.global.u32 v, [g+4];\n")
	KERNEL("forever", "L:\nbra L;\n")
	KERNEL("stuck", "setp.lt.u32 q, t, 32;\n@q bra B;\nbar.sync 1;\nret;\nB:\nbar.sync 2;\n")
	KERNEL("shared_bounds", "st.shared.u32 [a+4096], t;\n")
	".visible .entry local_bounds(.param .u64 p)\n{\n.local .align 4 .b8 d[16];\n.reg .b64 h;\n"
	"mov.u64 h, d;\nst.local.u32 [h+1048576], 1;\nret;\n}\n";

static char said[16384];
static CUdeviceptr memory;

/* Runs a kernel; what is written to stderr meanwhile is in said. */
static CUresult run(const char *name, unsigned int blocks, unsigned int threads)
{
	FILE *file = tmpfile();
	int old = dup(2);
	CUfunction f;
	CUmodule m;
	CUresult r;
	void *params[] = { &memory };
	size_t n;

	TRUE(file);
	open_device(0);
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&f, m, name));
	OK(cuMemAlloc(&memory, 4096));
	OK(cuMemsetD8(memory, 0, 4096));
	fflush(stderr);
	dup2(fileno(file), 2);
	OK(cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, 0, NULL, params, NULL));
	r = cuCtxSynchronize();
	fflush(stderr);
	dup2(old, 2);
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	said[n] = 0;
	fclose(file);
	close(old);
	return r;
}

static const char *kernel;
static const char *const *words;
static unsigned int blocks, threads;
static CUresult result;

static void says(void)
{
	IS(run(kernel, blocks, threads), result);
	for (const char *const *w = words; *w; w++) {
		if (strstr(said, *w))
			continue;
		fprintf(stderr, "%s: no '%s' in: %s\n", kernel, *w, said);
		_exit(1);
	}
	if (words[0])
		return;
	if (said[0])
		fprintf(stderr, "%s: said: %s\n", kernel, said);
	IS(said[0], 0);
}

#define SAYS_AS(env, r, name, b, t, ...) do { \
	kernel = (name); \
	blocks = (b); \
	threads = (t); \
	result = (r); \
	words = (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL }; \
	IN_CHILD(says, env); \
} while (0)
#define SAYS(...)	SAYS_AS("SOFTGPU_CHECK=race", CUDA_SUCCESS, __VA_ARGS__)

static void barriers_order_a_block(void **state)
{
	(void)state;
	SAYS("exchange", 1, 64, "race in kernel exchange on shared 0x", "write at tile.cu:10 by thread (",
	     "read at tile.cu:11 by thread (", "of block (0,0,0)", "kernel exchange: ", "between 1 pair of places");
	SAYS("no_lines", 1, 64, "at PTX line ");
	SAYS("exchange_bar", 2, 64);
	SAYS("named", 2, 64);
	SAYS("tile", 2, 64);
	SAYS("tile_open", 2, 64, "race in kernel tile_open on shared");
}

static void lanes_need_a_warp_barrier(void **state)
{
	(void)state;
	SAYS("warp", 1, 32, "race in kernel warp on shared");
	SAYS("warp_volatile", 1, 32, "race in kernel warp_volatile on shared");
	SAYS("warp_sync", 2, 64);
	SAYS("warp_sync_far", 1, 64, "race in kernel warp_sync_far on shared");
}

static void atomics_race_with_plain_accesses_only(void **state)
{
	(void)state;
	SAYS("histogram", 1, 32, "race in kernel histogram on global");
	SAYS("histogram", 2, 1, "race in kernel histogram on global", "of block (1,0,0)", "of block (0,0,0)");
	SAYS("histogram_atom", 4, 64);
	SAYS("atom_and_plain", 2, 1, "atomic at PTX line", "read at PTX line");
}

static void writes_of_one_value_are_none(void **state)
{
	(void)state;
	SAYS("same", 4, 64);
	SAYS("different", 1, 32, "race in kernel different on global");
	SAYS("different", 1, 1);
	SAYS("bytes", 1, 64);
}

static void a_flag_orders_blocks_with_release_and_acquire(void **state)
{
	(void)state;
	SAYS("flag", 3, 1);
	SAYS("flag_fence", 3, 1);
	SAYS("flag_bare", 3, 1, "race in kernel flag_bare on global");
}

static void fatal_fails_the_launch(void **state)
{
	(void)state;
	SAYS_AS("SOFTGPU_CHECK=race,fatal", CUDA_ERROR_LAUNCH_FAILED, "exchange", 1, 64, "race in kernel", "fatal");
	SAYS_AS("SOFTGPU_CHECK=race,fatal", CUDA_SUCCESS, "exchange_bar", 1, 64);
	SAYS_AS("SOFTGPU_CHECK=", CUDA_SUCCESS, "exchange", 1, 64);
}

static void refused(void)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, 2);
	IS(cuInit(0), CUDA_ERROR_NO_DEVICE);
}

static void words_that_mean_nothing_are_refused(void **state)
{
	(void)state;
	IN_CHILD(refused, "SOFTGPU_CHECK=races");
	IN_CHILD(refused, "SOFTGPU_CHECK=race,");
	IN_CHILD(refused, "SOFTGPU_CHECK=fatal");
	IN_CHILD(refused, "SOFTGPU_STEP_LIMIT=0");
	IN_CHILD(refused, "SOFTGPU_STEP_LIMIT=many");
}

static void what_cannot_end_is_a_timeout(void **state)
{
	(void)state;
	SAYS_AS("SOFTGPU_STEP_LIMIT=100000", CUDA_ERROR_LAUNCH_TIMEOUT, "forever", 1, 32,
		"softgpu: kernel forever: the step limit of 100000 instructions is reached");
	SAYS_AS("SOFTGPU_CHECK=", CUDA_ERROR_LAUNCH_TIMEOUT, "stuck", 1, 64,
		"softgpu: kernel stuck: barrier ", "cannot complete: 32 of 64 threads have come");
}

static void shared_and_local_memory_have_bounds(void **state)
{
	(void)state;
	SAYS_AS("SOFTGPU_CHECK=", CUDA_ERROR_ILLEGAL_ADDRESS, "shared_bounds", 1, 1,
		"softgpu: kernel shared_bounds: illegal shared access of 4 bytes");
	SAYS_AS("SOFTGPU_CHECK=race", CUDA_ERROR_ILLEGAL_ADDRESS, "local_bounds", 1, 1,
		"softgpu: kernel local_bounds: illegal local access of 4 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(barriers_order_a_block),
		cmocka_unit_test(lanes_need_a_warp_barrier),
		cmocka_unit_test(atomics_race_with_plain_accesses_only),
		cmocka_unit_test(writes_of_one_value_are_none),
		cmocka_unit_test(a_flag_orders_blocks_with_release_and_acquire),
		cmocka_unit_test(fatal_fails_the_launch),
		cmocka_unit_test(words_that_mean_nothing_are_refused),
		cmocka_unit_test(what_cannot_end_is_a_timeout),
		cmocka_unit_test(shared_and_local_memory_have_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
