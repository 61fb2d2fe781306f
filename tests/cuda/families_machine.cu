/* SPDX-License-Identifier: MIT */
/*
 * families_machine.cu - calls, the device's heap and printf, clocks, and the ways for a kernel to end
 *
 *	families_machine [assert|trap]
 *
 * With a word: a kernel that ends in that way, and the error that tells it.
 */
#include <assert.h>

#include "families.h"

static uint32_t words[3 * N], got[8 * N], *dev_words, *dev_out;

__device__ __noinline__ uint32_t add3(uint32_t x, uint32_t y) { return x + y + 3; }
__device__ __noinline__ uint32_t mul5(uint32_t x, uint32_t y) { return x * y * 5; }
__device__ __noinline__ uint32_t both(uint32_t x, uint32_t y) { return x & y; }
__device__ uint32_t (*const volatile called[])(uint32_t, uint32_t) = { add3, mul5, both };

/* As deep as its argument: no compiler unrolls it. */
__device__ __noinline__ uint32_t ackermann(uint32_t m, uint32_t n)
{
	return m == 0 ? n + 1 : ackermann(m - 1, n == 0 ? 1 : ackermann(m, n - 1));
}

struct shape {
	__device__ virtual uint32_t area(uint32_t x) const = 0;
};

struct square : shape {
	__device__ uint32_t area(uint32_t x) const override { return x * x; }
};

struct strip : shape {
	__device__ uint32_t area(uint32_t x) const override { return 7 * x; }
};

__global__ void calls(const uint32_t *X, uint32_t *out)
{
	int t = threadIdx.x;
	uint32_t x = X[t], y = X[N + t];
	square s;
	strip u;
	const shape *volatile kind = x & 1 ? (const shape *)&s : &u;

	out[t] = called[x % 3](x, y);
	out[N + t] = ackermann(2, x % 4);
	out[2 * N + t] = kind->area(y);
	if (x % 8 == 7)
		return;		/* before the others */
	out[3 * N + t] = add3(x, y) + mul5(x, y);
}

static void check_calls(void)
{
	CHECK(cudaMemset(dev_out, 0, sizeof(got)));
	calls<<<1, N>>>(dev_words, dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, 4 * N * sizeof(*got), cudaMemcpyDeviceToHost));
	for (int t = 0; t < N; t++) {
		uint32_t x = words[t], y = words[N + t];
		const uint32_t want[] = {
			x % 3 == 0 ? x + y + 3 : x % 3 == 1 ? x * y * 5 : x & y, 2 * (x % 4) + 3, x & 1 ? y * y : 7 * y,
			x % 8 == 7 ? 0 : x + y + 3 + x * y * 5,
		};

		for (int i = 0; i < 4; i++)
			if (got[i * N + t] != want[i])
				fail("calls, thread %d, number %d: %#x, not %#x", t, i, got[i * N + t], want[i]);
	}
	dump("calls", got, 4 * N * sizeof(*got));
}

/* Lists that each thread makes and takes apart; NULL for what the heap has not. */
__global__ void heap(const uint32_t *X, uint32_t *out)
{
	struct node { struct node *next; uint32_t value; } *list = NULL;
	int t = threadIdx.x;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < X[t] % 8; i++) {
		struct node *n = (struct node *)malloc(sizeof(*n));

		n->next = list;
		n->value = X[t] + i;
		list = n;
	}
	while (list) {
		struct node *next = list->next;

		sum = sum * 3 + list->value;
		free(list);
		list = next;
	}
	out[t] = sum;
	if (t == 0)
		out[N] = malloc((size_t)1 << 40) == NULL;
	uint32_t *more = new uint32_t[4]();
	out[N + 1 + t] = more[t % 4];
	delete[] more;
}

static void check_heap(void)
{
	heap<<<1, N>>>(dev_words, dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, (2 * N + 1) * sizeof(*got), cudaMemcpyDeviceToHost));
	for (int t = 0; t < N; t++) {
		uint32_t sum = 0;

		for (uint32_t i = words[t] % 8; i-- > 0;)
			sum = sum * 3 + words[t] + i;
		if (got[t] != sum || got[N + 1 + t])
			fail("heap, thread %d: %#x and %u, not %#x and 0", t, got[t], got[N + 1 + t], sum);
	}
	if (got[N] != 1)
		fail("the heap has 1 TiB");
	dump("heap", got, (2 * N + 1) * sizeof(*got));
}

__global__ void clocks(uint32_t *out)
{
	int t = threadIdx.x;
	long long before = clock64();
	uint64_t ns, later;
	uint32_t ticks = clock();

	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
	__nanosleep(20);
	__threadfence();
	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(later));
	out[t] = (clock64() > before) + 2 * (later >= ns) + 4 * ((uint32_t)clock() - ticks < 1u << 31);
	if (t == 0)
		printf("printed by thread %d: %s, %.2f, %llx\n", t, "a text", 2.5, 0x123456789abcull);
}

static void check_clocks(void)
{
	clocks<<<1, N>>>(dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, N * sizeof(*got), cudaMemcpyDeviceToHost));
	for (int t = 0; t < N; t++)
		if (got[t] != 7)
			fail("clocks of thread %d: %u", t, got[t]);
	dump("clocks", got, N * sizeof(*got));
}

/* Neither happens unless asked. */
__global__ void ending(const uint32_t *X, int asked, uint32_t *out)
{
	assert(asked != 1 || X[threadIdx.x] == 0);
	if (asked == 2 && threadIdx.x == 40)
		__trap();
	out[threadIdx.x] = X[threadIdx.x];
}

static void check_ending(const char *word)
{
	int asked = !word ? 0 : !strcmp(word, "assert") ? 1 : !strcmp(word, "trap") ? 2 : -1;
	const cudaError_t want[] = { cudaSuccess, cudaErrorAssert, cudaErrorLaunchFailure };
	cudaError_t e;

	if (asked < 0)
		fail("'%s' is neither assert nor trap", word);
	ending<<<1, N>>>(dev_words, asked, dev_out);
	CHECK_LAUNCH();
	e = cudaDeviceSynchronize();
	if (e != want[asked])
		fail("the end is told as %s, not %s", cudaGetErrorName(e), cudaGetErrorName(want[asked]));
	e = cudaMemcpy(got, dev_out, N * sizeof(*got), cudaMemcpyDeviceToHost);
	if (e != want[asked])
		fail("the end is told again as %s, not %s", cudaGetErrorName(e), cudaGetErrorName(want[asked]));
	if (!asked)
		dump("ending", got, N * sizeof(*got));
}

int main(int argc, char **argv)
{
	random_bits(words, 3 * N);
	CHECK(cudaMalloc(&dev_words, sizeof(words)));
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	CHECK(cudaMemcpy(dev_words, words, sizeof(words), cudaMemcpyHostToDevice));
	if (argc < 2) {
		check_calls();
		check_heap();
		check_clocks();
	}
	check_ending(argv[1]);
	return pass();
}
