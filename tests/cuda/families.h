/* SPDX-License-Identifier: MIT */
/*
 * families.h - rows: one instruction each, in PTX for the device and in C for the host
 *
 * A function of rows is compiled for both. ROW() is the PTX on the device and the number that it
 * must give on the host, of thread t's x, y and z (%1, %2 and %3), and x of all threads, X. Each
 * device program (compute_75, 80, 90) has the rows that exist there; for others both write 0.
 */
#ifndef FAMILIES_H
#define FAMILIES_H

#include <math.h>

#include "dump.h"
#include "random.h"

#define N 64	/* threads of the one block: two warps */
#define MAX_ROWS 160

#ifdef __CUDA_ARCH__
#define PTX_ARCH (__CUDA_ARCH__ / 10)
#define ROW_AS(out_reg, in_reg, want, text) do {						\
	asm volatile(text : out_reg(r) : in_reg(x), in_reg(y), in_reg(z) : "memory");		\
	*out = r;										\
	out += N;										\
} while (0)
#else
#define PTX_ARCH families_arch
#define ROW_AS(out_reg, in_reg, want, text) do {						\
	*out = (want);										\
	out += N;										\
} while (0)
#endif

/* Of what a device program has not, the host's is left out too. */
#define SKIP_ROW() do { *out = 0; out += N; } while (0)

#define ROW(want, text) ROW_AS("=r", "r", want, text)

static int families_arch;	/* of the PTX that runs: 75, 80 or 90 */

template <class V, class R> using rows_fn = R *(int t, V x, V y, V z, const V *X, R *out);

template <class V, class R, rows_fn<V, R> *rows>
__global__ void run_rows(const V *X, R *out)
{
	int t = threadIdx.x;

	rows(t, X[t], X[N + t], X[2 * N + t], X, out + t);
}

/* Whether got is as good as want, for want correctly rounded. */
struct bound {
	const char *word;	/* of dump.h */
	double ulp, absolute;
};

static const struct bound exact = { "exact", 0, 0 };

static inline bool near(uint32_t got, uint32_t want, const struct bound *) { return got == want; }
static inline bool near(uint64_t got, uint64_t want, const struct bound *) { return got == want; }

template <class F> static bool near_float(F got, F want, const struct bound *b)
{
	F next = nextafter(fabs(want), (F)INFINITY) - fabs(want);

	if (isnan(want) || isnan(got))
		return isnan(want) && isnan(got);
	if (got == want)
		return signbit(got) == signbit(want) || b->ulp || b->absolute;
	return isfinite(want) && fabs((double)got - want) <= fmax(b->ulp * next, b->absolute);
}

static inline bool near(float got, float want, const struct bound *b) { return near_float(got, want, b); }
static inline bool near(double got, double want, const struct bound *b) { return near_float(got, want, b); }

/* The rows of three times N inputs on both sides. */
template <class V, class R, rows_fn<V, R> *rows>
static void check_rows(const char *what, const V *inputs, const struct bound *b = &exact)
{
	static R got[MAX_ROWS * N], want[MAX_ROWS * N];
	struct cudaFuncAttributes attr;
	V *dev_in;
	R *dev_out;
	int nr = 0;

	CHECK(cudaFuncGetAttributes(&attr, run_rows<V, R, rows>));
	families_arch = attr.ptxVersion;
	for (int t = 0; t < N; t++)
		nr = (rows(t, inputs[t], inputs[N + t], inputs[2 * N + t], inputs, want + t) - want) / N;
	CHECK(cudaMalloc(&dev_in, 3 * N * sizeof(V)));
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	CHECK(cudaMemcpy(dev_in, inputs, 3 * N * sizeof(V), cudaMemcpyHostToDevice));
	run_rows<V, R, rows><<<1, N>>>(dev_in, dev_out);
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, nr * N * sizeof(R), cudaMemcpyDeviceToHost));
	for (int i = 0; i < nr * N; i++)
		if (!near(got[i], want[i], b))
			fail("%s, row %d of %d, thread %d: %.17g (%#llx), not %.17g (%#llx)", what, i / N, nr,
			     i % N, (double)got[i], *(long long *)&got[i] & (~0ull >> (64 - 8 * sizeof(R))),
			     (double)want[i], *(long long *)&want[i] & (~0ull >> (64 - 8 * sizeof(R))));
	dump_as(b->word, what, got, nr * N * sizeof(R));
	CHECK(cudaFree(dev_in));
	CHECK(cudaFree(dev_out));
}

/* Numbers of every length, and the edges first. */
template <class U> static void random_bits(U *v, int n)
{
	static const U edges[] = { 0, 1, (U)~0, (U)1 << (8 * sizeof(U) - 1), ((U)1 << (8 * sizeof(U) - 1)) - 1 };
	const int nr = sizeof(edges) / sizeof(*edges);

	for (int i = 0; i < n; i++)
		v[i] = i % N < nr * nr && i < 2 * N ? edges[i < N ? i % nr : i % N / nr] :
		       (U)(random_u64() >> random_below(8 * sizeof(U))) ^ (U)-(int)random_below(2);
}

#endif
