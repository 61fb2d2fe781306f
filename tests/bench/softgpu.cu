// SPDX-License-Identifier: MIT
/*
 * softgpu.cu - how long softgpu takes for five kernels and an empty launch, beside the same work as
 * plain C on one core
 *
 *	softgpu [--rounds N] [--json] [CASE...]
 *
 * Each case runs N times (5) in turn with its plain version; the best of each counts. Wall and
 * processor time are both given: on a machine that does something else as well, only the second
 * says anything. Results are compared before anything is printed.
 */
#include <ctime>
#include <cmath>
#include <cstdint>
#include <vector>
#include <cub/device/device_radix_sort.cuh>
#include "../cuda/check.h"
#include "plain.h"
#include "steps.h"

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static uint32_t random_state = 1;

static uint32_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static float random_float(float lo, float hi)
{
	return lo + (hi - lo) * (random_word() >> 8) * (1.0f / (1 << 24));
}

template <typename T> struct device_array {
	T *p;
	size_t n;

	explicit device_array(size_t count) : n(count) { CHECK(cudaMalloc(&p, n * sizeof(T))); }
	explicit device_array(const std::vector<T> &from) : device_array(from.size()) { put(from); }
	~device_array() { cudaFree(p); }
	void put(const std::vector<T> &from)
	{
		CHECK(cudaMemcpy(p, from.data(), n * sizeof(T), cudaMemcpyHostToDevice));
	}
	std::vector<T> get() const
	{
		std::vector<T> to(n);

		CHECK(cudaMemcpy(to.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost));
		return to;
	}
};

struct timing {
	double wall = INFINITY, cpu = INFINITY;

	template <typename F> void measure(F work)
	{
		double w = now(CLOCK_MONOTONIC), c = now(CLOCK_PROCESS_CPUTIME_ID);

		work();
		wall = fmin(wall, now(CLOCK_MONOTONIC) - w);
		cpu = fmin(cpu, now(CLOCK_PROCESS_CPUTIME_ID) - c);
	}
};

struct result {
	timing gpu, plain;
};

static void near(const char *what, const std::vector<float> &got, const std::vector<float> &want,
		 float bound)
{
	for (size_t i = 0; i < got.size(); i++)
		if (!(fabsf(got[i] - want[i]) <= bound * fmaxf(1.0f, fabsf(want[i]))))
			fail("%s: element %zu is %g, not %g", what, i, got[i], want[i]);
}

#define N 512
#define TILE 16

__global__ void matmul_kernel(const float *a, const float *b, float *c)
{
	__shared__ float tile_a[TILE][TILE], tile_b[TILE][TILE];
	int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
	float sum = 0;

	for (int first = 0; first < N; first += TILE) {
		tile_a[threadIdx.y][threadIdx.x] = a[row * N + first + threadIdx.x];
		tile_b[threadIdx.y][threadIdx.x] = b[(first + threadIdx.y) * N + column];
		__syncthreads();
		for (int i = 0; i < TILE; i++)
			sum += tile_a[threadIdx.y][i] * tile_b[i][threadIdx.x];
		__syncthreads();
	}
	c[row * N + column] = sum;
}

static result run_matmul(int rounds)
{
	std::vector<float> a(N * N), b(N * N), want(N * N);
	result r;

	for (int i = 0; i < N * N; i++) {
		a[i] = random_float(-1, 1);
		b[i] = random_float(-1, 1);
	}
	device_array<float> da(a), db(b), dc(N * N);
	for (int i = 0; i < rounds; i++) {
		r.gpu.measure([&] {
			matmul_kernel<<<dim3(N / TILE, N / TILE), dim3(TILE, TILE)>>>(da.p, db.p,
										      dc.p);
			CHECK(cudaDeviceSynchronize());
		});
		r.plain.measure([&] { plain_matmul(a.data(), b.data(), want.data(), N); });
	}
	near("matmul", dc.get(), want, 1e-4f);
	return r;
}

#define POINTS 100000
#define DIMS 34
#define CLUSTERS 5

__global__ void assign_kernel(const float *points, const float *centroids, int *labels, int n)
{
	int p = blockIdx.x * blockDim.x + threadIdx.x, label = 0;
	float best = INFINITY;

	if (p >= n)
		return;
	for (int c = 0; c < CLUSTERS; c++) {
		float sum = 0;

		for (int d = 0; d < DIMS; d++) {
			float diff = points[(size_t)d * n + p] - centroids[c * DIMS + d];

			sum += diff * diff;
		}
		if (sum < best) {
			best = sum;
			label = c;
		}
	}
	labels[p] = label;
}

static result run_assign(int rounds)
{
	std::vector<float> points((size_t)POINTS * DIMS), centroids(CLUSTERS * DIMS);
	std::vector<int> want(POINTS);
	size_t differ = 0;
	result r;

	for (float &f : points)
		f = random_float(0, 10);
	for (float &f : centroids)
		f = random_float(0, 10);
	device_array<float> dp(points), dc(centroids);
	device_array<int> dl(POINTS);
	for (int i = 0; i < rounds; i++) {
		r.gpu.measure([&] {
			assign_kernel<<<(POINTS + 255) / 256, 256>>>(dp.p, dc.p, dl.p, POINTS);
			CHECK(cudaDeviceSynchronize());
		});
		r.plain.measure([&] {
			plain_assign(points.data(), centroids.data(), want.data(), POINTS, DIMS,
				     CLUSTERS);
		});
	}
	std::vector<int> got = dl.get();
	for (size_t i = 0; i < POINTS; i++)
		differ += got[i] != want[i];
	/* sums that nvcc contracts to fma may tip a near tie */
	if (differ > POINTS / 1000)
		fail("k-means: %zu labels differ", differ);
	return r;
}

#define OPTIONS (1 << 20)
#define RATE 0.02f
#define VOLATILITY 0.3f

__device__ static float normal_cdf(float d)
{
	float k = 1.0f / (1.0f + 0.2316419f * fabsf(d));
	float tail = 0.39894228040143267794f * expf(-0.5f * d * d) *
		     (k * (0.31938153f +
			   k * (-0.356563782f +
				k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f)))));

	return d > 0 ? 1.0f - tail : tail;
}

__global__ void blackscholes_kernel(const float *price, const float *strike, const float *years,
				    float *call, float *put, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i >= n)
		return;
	float root = sqrtf(years[i]);
	float d1 =
		(logf(price[i] / strike[i]) + (RATE + 0.5f * VOLATILITY * VOLATILITY) * years[i]) /
		(VOLATILITY * root);
	float d2 = d1 - VOLATILITY * root;
	float cdf1 = normal_cdf(d1), cdf2 = normal_cdf(d2), discount = expf(-RATE * years[i]);

	call[i] = price[i] * cdf1 - strike[i] * discount * cdf2;
	put[i] = strike[i] * discount * (1.0f - cdf2) - price[i] * (1.0f - cdf1);
}

static result run_blackscholes(int rounds)
{
	std::vector<float> price(OPTIONS), strike(OPTIONS), years(OPTIONS), call(OPTIONS),
		put(OPTIONS);
	result r;

	for (int i = 0; i < OPTIONS; i++) {
		price[i] = random_float(5, 30);
		strike[i] = random_float(1, 100);
		years[i] = random_float(0.25f, 10);
	}
	device_array<float> dprice(price), dstrike(strike), dyears(years), dcall(OPTIONS),
		dput(OPTIONS);
	for (int i = 0; i < rounds; i++) {
		r.gpu.measure([&] {
			blackscholes_kernel<<<OPTIONS / 256, 256>>>(dprice.p, dstrike.p, dyears.p,
								    dcall.p, dput.p, OPTIONS);
			CHECK(cudaDeviceSynchronize());
		});
		r.plain.measure([&] {
			plain_blackscholes(price.data(), strike.data(), years.data(), call.data(),
					   put.data(), OPTIONS, RATE, VOLATILITY);
		});
	}
	near("call", dcall.get(), call, 1e-4f);
	near("put", dput.get(), put, 1e-4f);
	return r;
}

#define KEYS 1000000

static result run_sort(int rounds)
{
	std::vector<uint32_t> keys(KEYS), want, tmp(KEYS);
	size_t bytes = 0;
	result r;

	for (uint32_t &k : keys)
		k = random_word();
	device_array<uint32_t> in(keys), out(KEYS);
	CHECK(cub::DeviceRadixSort::SortKeys(nullptr, bytes, in.p, out.p, KEYS));
	device_array<char> scratch(bytes);
	for (int i = 0; i < rounds; i++) {
		r.gpu.measure([&] {
			CHECK(cub::DeviceRadixSort::SortKeys(scratch.p, bytes, in.p, out.p, KEYS));
			CHECK(cudaDeviceSynchronize());
		});
		want = keys;
		r.plain.measure([&] { plain_radix_sort(want.data(), tmp.data(), KEYS); });
	}
	if (out.get() != want)
		fail("radix sort: not sorted");
	return r;
}

#define CHAINS 100000

__global__ void divergent_kernel(uint32_t *out, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		out[i] = chain((uint32_t)i);
}

static result run_divergent(int rounds)
{
	std::vector<uint32_t> want(CHAINS);
	device_array<uint32_t> out(CHAINS);
	result r;

	for (int i = 0; i < rounds; i++) {
		r.gpu.measure([&] {
			divergent_kernel<<<(CHAINS + 127) / 128, 128>>>(out.p, CHAINS);
			CHECK(cudaDeviceSynchronize());
		});
		r.plain.measure([&] { plain_divergent(want.data(), CHAINS); });
	}
	if (out.get() != want)
		fail("divergent: wrong values");
	return r;
}

#define LAUNCHES 1000

__global__ void empty_kernel(void)
{
}

/* One warp that does nothing, waited for each time; there is nothing plain to set beside it. */
static result run_launch(int rounds)
{
	result r;

	for (int i = 0; i < rounds; i++)
		r.gpu.measure([] {
			for (int n = 0; n < LAUNCHES; n++) {
				empty_kernel<<<1, 32>>>();
				CHECK(cudaDeviceSynchronize());
			}
		});
	r.gpu.wall /= LAUNCHES;
	r.gpu.cpu /= LAUNCHES;
	r.plain.wall = r.plain.cpu = 0;
	return r;
}

static const struct {
	const char *name;
	result (*run)(int rounds);
} cases[] = {
	{ "matmul", run_matmul }, { "kmeans", run_assign }, { "blackscholes", run_blackscholes },
	{ "radixsort", run_sort }, { "divergent", run_divergent }, { "launch", run_launch },
};

static bool wanted(const char *name, int argc, char **argv, int first)
{
	for (int i = first; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return first == argc;
}

static void print(const char *name, const result &r, bool json, bool *comma)
{
	if (json)
		printf("%s\n  {\"case\": \"%s\", \"wall_s\": %.9f, \"cpu_s\": %.9f, \"plain_s\": "
		       "%.9f}",
		       *comma ? "," : "[", name, r.gpu.wall, r.gpu.cpu, r.plain.cpu);
	else if (r.plain.cpu)
		printf("%-14s %10.3f %10.3f %10.3f %8.1f %8.1f\n", name, r.gpu.wall * 1e3,
		       r.gpu.cpu * 1e3, r.plain.cpu * 1e3, r.gpu.wall / r.plain.cpu,
		       r.gpu.cpu / r.plain.cpu);
	else
		printf("%-14s %10.4f %10.4f\n", name, r.gpu.wall * 1e3, r.gpu.cpu * 1e3);
	*comma = true;
}

int main(int argc, char **argv)
{
	bool json = false, comma = false;
	int rounds = 5, first = 1;

	for (; first < argc && argv[first][0] == '-'; first++) {
		if (!strcmp(argv[first], "--json"))
			json = true;
		else if (!strcmp(argv[first], "--rounds") && first + 1 < argc &&
			 atoi(argv[first + 1]) > 0)
			rounds = atoi(argv[++first]);
		else
			return fprintf(stderr, "usage: %s [--rounds N] [--json] [CASE...]\n",
				       argv[0]),
			       2;
	}
	CHECK(cudaFree(0));
	if (!json)
		printf("%-14s %10s %10s %10s %8s %8s\n", "case", "wall ms", "cpu ms", "plain ms",
		       "wall/", "cpu/");
	for (const auto &c : cases)
		if (wanted(c.name, argc, argv, first))
			print(c.name, c.run(rounds), json, &comma);
	if (json)
		printf("%s\n", comma ? "\n]" : "[]");
	return 0;
}
