/* SPDX-License-Identifier: MIT */
/*
 * CUB's device-wide algorithms against the host's, at sizes around warps, blocks and tiles.
 *
 * Compiled once for each group, CUB_SORT, CUB_SCAN, CUB_PICK: the compiler takes its time.
 */
#include <algorithm>
#include <numeric>
#include <vector>

#include <cub/cub.cuh>

#include "dump.h"
#include "random.h"

static const int sizes[] = { 0,	 1,   2,   31,	 32,   33,   127,  128,	 129,
			     255, 256, 257, 1000, 2047, 2048, 2049, 4097, 20011 };

template <typename T> static T *upload(const std::vector<T> &v)
{
	T *p;

	CHECK(cudaMalloc(&p, v.size() * sizeof(T) + 1));
	CHECK(cudaMemcpy(p, v.data(), v.size() * sizeof(T), cudaMemcpyHostToDevice));
	return p;
}

template <typename T> static T *room(size_t n)
{
	return upload(std::vector<T>(n));
}

template <typename T>
static void expect(const char *what, int n, const T *dev, const std::vector<T> &want)
{
	std::vector<T> got(want.size());

	CHECK(cudaMemcpy(got.data(), dev, got.size() * sizeof(T), cudaMemcpyDeviceToHost));
	for (size_t i = 0; i < want.size(); i++)
		if (!(got[i] == want[i]))
			fail("%s of %d: element %zu is wrong", what, n, i);
	dump(what, got.data(), got.size() * sizeof(T));
}

/* CUB's two calls: how much room, and the work. */
#define CUB(call, ...) do {						\
	size_t cub_bytes = 0;						\
	void *cub_room;							\
									\
	CHECK(call(NULL, cub_bytes, __VA_ARGS__));			\
	CHECK(cudaMalloc(&cub_room, cub_bytes + 1));			\
	CHECK(call(cub_room, cub_bytes, __VA_ARGS__));			\
	CHECK(cudaDeviceSynchronize());					\
	CHECK(cudaFree(cub_room));					\
} while (0)

template <typename T> static std::vector<T> numbers(int n, uint32_t below)
{
	std::vector<T> v(n);

	for (T &x : v)
		x = (T)(int64_t)random_below(below) - (T)(std::is_signed<T>::value ? below / 2 : 0);
	return v;
}

#ifdef CUB_SORT

template <typename T> static void sort_keys(const char *name, int n, uint32_t below)
{
	std::vector<T> v = numbers<T>(n, below);
	T *in = upload(v), *out = room<T>(n);

	CUB(cub::DeviceRadixSort::SortKeys, in, out, n);
	std::sort(v.begin(), v.end());
	expect(name, n, out, v);
	CHECK(cudaFree(in));
	CHECK(cudaFree(out));
}

static void sort_pairs(int n)
{
	std::vector<uint32_t> keys = numbers<uint32_t>(n, 1000), order(n), sorted(n);
	uint32_t *in, *out = room<uint32_t>(n), *from, *to = room<uint32_t>(n);

	std::iota(order.begin(), order.end(), 0u);
	in = upload(keys);
	from = upload(order);
	CUB(cub::DeviceRadixSort::SortPairs, in, out, from, to, n);
	std::stable_sort(order.begin(), order.end(),
			 [&](uint32_t a, uint32_t b) { return keys[a] < keys[b]; });
	for (int i = 0; i < n; i++)
		sorted[i] = keys[order[i]];
	expect("sorted keys", n, out, sorted);
	expect("their order", n, to, order);
	for (uint32_t *p : { in, out, from, to })
		CHECK(cudaFree(p));
}

static void all(int n)
{
	sort_keys<uint32_t>("sort u32", n, 0xffffffffu);
	sort_keys<float>("sort f32", n, 100000);
	sort_keys<uint8_t>("sort u8", n, 256);
	sort_pairs(n);
}

static void large(void)
{
	sort_keys<uint32_t>("sort u32", 1 << 20, 0xffffffffu);
}

#endif
#ifdef CUB_SCAN

static void all(int n)
{
	std::vector<int> v = numbers<int>(n, 2000), want(n);
	std::vector<long long> wide(v.begin(), v.end());
	int *in = upload(v), *out = room<int>(n), *one = room<int>(1);
	int *keys, *runs = room<int>(n), *sums = room<int>(n);
	long long *in8 = upload(wide), *out8 = room<long long>(n);

	CUB(cub::DeviceScan::InclusiveSum, in, out, n);
	std::partial_sum(v.begin(), v.end(), want.begin());
	expect("inclusive sum", n, out, want);
	CUB(cub::DeviceScan::ExclusiveSum, in8, out8, n);
	for (long long &x : wide)
		x = &x == wide.data() ? 0 : want[&x - wide.data() - 1];
	expect("exclusive sum", n, out8, wide);
	CUB(cub::DeviceReduce::Sum, in, one, n);
	expect("sum", n, one, std::vector<int>{ std::accumulate(v.begin(), v.end(), 0) });
	if (n) {
		CUB(cub::DeviceReduce::Max, in, one, n);
		expect("maximum", n, one, std::vector<int>{ *std::max_element(v.begin(), v.end()) });
	}

	/* keys in runs of 1 to 40 */
	std::vector<int> k(n), k_want, s_want;
	for (int i = 0, left = 0, key = 0; i < n; i++, left--) {
		if (!left) {
			left = 1 + random_below(40);
			key++;
			k_want.push_back(key);
			s_want.push_back(0);
		}
		k[i] = key;
		s_want.back() += v[i];
	}
	keys = upload(k);
	CUB(cub::DeviceReduce::ReduceByKey, keys, runs, in, sums, one, cuda::std::plus<int>(), n);
	expect("runs", n, one, std::vector<int>{ (int)k_want.size() });
	expect("keys of runs", n, runs, k_want);
	expect("sums of runs", n, sums, s_want);
	for (void *p : { (void *)in, (void *)out, (void *)one, (void *)keys, (void *)runs,
			 (void *)sums, (void *)in8, (void *)out8 })
		CHECK(cudaFree(p));
}

static void large(void)
{
	all(1 << 18);
}

#endif
#ifdef CUB_PICK

struct is_even {
	__host__ __device__ bool operator()(int x) const { return x % 2 == 0; }
};

static void histogram(int n)
{
	std::vector<int> v = numbers<int>(n, 600), want(64);
	int *in = upload(v), *out = room<int>(64);

	for (int x : v)
		if (x >= -256 && x < 256)
			want[(x + 256) / 8]++;
	CUB(cub::DeviceHistogram::HistogramEven, in, out, 65, -256, 256, n);
	expect("histogram", n, out, want);
	CHECK(cudaFree(in));
	CHECK(cudaFree(out));
}

static void segments(int n)
{
	std::vector<int> v = numbers<int>(n, 2000), ends{ 0 }, want;
	int *in = upload(v), *dev_ends, *out;

	while (ends.back() < n)
		ends.push_back(std::min<int>(n, ends.back() + random_below(300)));
	dev_ends = upload(ends);
	out = room<int>(std::max<size_t>(n, ends.size()));
	for (size_t i = 1; i < ends.size(); i++)
		want.push_back(std::accumulate(&v[0] + ends[i - 1], &v[0] + ends[i], 0));
	CUB(cub::DeviceSegmentedReduce::Sum, in, out, (int)want.size(), dev_ends, dev_ends + 1);
	expect("sums of segments", n, out, want);
	CUB(cub::DeviceSegmentedSort::SortKeys, in, out, n, (int)want.size(), dev_ends, dev_ends + 1);
	for (size_t i = 1; i < ends.size(); i++)
		std::sort(&v[0] + ends[i - 1], &v[0] + ends[i]);
	expect("sorted segments", n, out, v);
	CHECK(cudaFree(in));
	CHECK(cudaFree(dev_ends));
	CHECK(cudaFree(out));
}

static void all(int n)
{
	std::vector<int> v = numbers<int>(n, 6), want = v;
	int *in = upload(v), *out = room<int>(n), *nr = room<int>(1);

	want.erase(std::unique(want.begin(), want.end()), want.end());
	CUB(cub::DeviceSelect::Unique, in, out, nr, n);
	expect("number of unique", n, nr, std::vector<int>{ (int)want.size() });
	expect("unique", n, out, want);

	want.clear();
	std::copy_if(v.begin(), v.end(), std::back_inserter(want), is_even());
	CUB(cub::DeviceSelect::If, in, out, nr, n, is_even());
	expect("number selected", n, nr, std::vector<int>{ (int)want.size() });
	expect("selected", n, out, want);

	/* the rest comes behind, last first */
	for (int i = n; i-- > 0;)
		if (!is_even()(v[i]))
			want.push_back(v[i]);
	CUB(cub::DevicePartition::If, in, out, nr, n, is_even());
	expect("partition", n, out, want);
	CHECK(cudaFree(in));
	CHECK(cudaFree(out));
	CHECK(cudaFree(nr));
	histogram(n);
	if (n)
		segments(n);
}

static void large(void)
{
	all(1 << 17);
}

#endif

int main(void)
{
	for (int n : sizes)
		all(n);
	large();
	return pass();
}
