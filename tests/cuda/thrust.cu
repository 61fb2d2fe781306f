/* SPDX-License-Identifier: MIT */
/*
 * thrust.cu - Thrust's algorithms against the host's, at sizes around warps, blocks and tiles
 *
 * Three programs, as the compiler is slow: THRUST_ORDER, THRUST_SUMS or THRUST_SETS is defined.
 */
#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <vector>

#include <thrust/copy.h>
#include <thrust/device_vector.h>
#include <thrust/iterator/constant_iterator.h>
#include <thrust/partition.h>
#include <thrust/reduce.h>
#include <thrust/scan.h>
#include <thrust/set_operations.h>
#include <thrust/sort.h>
#include <thrust/transform_reduce.h>
#include <thrust/unique.h>

#include "dump.h"
#include "random.h"

using device = thrust::device_vector<int>;
using host = std::vector<int>;

struct is_odd {
	__host__ __device__ bool operator()(int x) const { return x & 1; }
};

struct square {
	__host__ __device__ int operator()(int x) const { return x * x; }
};

static host numbers(int n, int below)
{
	host v(n);

	for (int &x : v)
		x = random_below(below);
	return v;
}

static void expect(const char *what, const device &dev, const host &want)
{
	host got(dev.size());

	thrust::copy(dev.begin(), dev.end(), got.begin());
	if (got != want)
		fail("%s of %zu is wrong", what, want.size());
	dump(what, got.data(), got.size() * sizeof(int));
}

#ifdef THRUST_ORDER
static void check(const host &v)
{
	device keys(v.begin(), v.end()), places(v.size());
	host sorted = v, where(v.size());

	std::iota(where.begin(), where.end(), 0);
	thrust::copy(where.begin(), where.end(), places.begin());
	thrust::stable_sort_by_key(keys.begin(), keys.end(), places.begin());
	std::stable_sort(where.begin(), where.end(), [&](int a, int b) { return v[a] < v[b]; });
	std::sort(sorted.begin(), sorted.end());
	expect("sorted keys", keys, sorted);
	expect("their places", places, where);
	keys.erase(thrust::unique(keys.begin(), keys.end()), keys.end());
	sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
	expect("unique", keys, sorted);
}

#endif

#ifdef THRUST_SUMS
static void sums(const host &v)
{
	device in(v.begin(), v.end()), out(v.size());
	host want(v.size());
	int squares = 0;

	thrust::inclusive_scan(in.begin(), in.end(), out.begin());
	std::partial_sum(v.begin(), v.end(), want.begin());
	expect("inclusive scan", out, want);
	for (size_t i = 0; i < v.size(); i++) {
		want[i] -= v[i];
		squares += v[i] * v[i];
	}
	thrust::exclusive_scan(in.begin(), in.end(), out.begin());
	expect("exclusive scan", out, want);
	expect("sums", device{ thrust::reduce(in.begin(), in.end()),
			       thrust::transform_reduce(in.begin(), in.end(), square(), 0, thrust::plus<int>()) },
	       host{ std::accumulate(v.begin(), v.end(), 0), squares });
}

static void parts(const host &v)
{
	device in(v.begin(), v.end()), out(v.size());
	host want;

	out.erase(thrust::copy_if(in.begin(), in.end(), out.begin(), is_odd()), out.end());
	std::copy_if(v.begin(), v.end(), std::back_inserter(want), is_odd());
	expect("copied if odd", out, want);
	want = v;
	std::stable_partition(want.begin(), want.end(), is_odd());
	thrust::stable_partition(in.begin(), in.end(), is_odd());
	expect("partition", in, want);
}

static void check(const host &v)
{
	sums(v);
	parts(v);
}
#endif

#ifdef THRUST_SETS
#define SET(name)									\
	do {										\
		host want;								\
		device out(v.size() + w.size());					\
											\
		out.erase(thrust::set_##name(a.begin(), a.end(), b.begin(), b.end(),	\
					     out.begin()), out.end());			\
		std::set_##name(v.begin(), v.end(), w.begin(), w.end(),			\
				std::back_inserter(want));				\
		expect(#name, out, want);						\
	} while (0)

static void sets(host v, host w)
{
	std::sort(v.begin(), v.end());
	std::sort(w.begin(), w.end());
	device a(v.begin(), v.end()), b(w.begin(), w.end());

	SET(intersection);
	SET(union);
	SET(difference);
	SET(symmetric_difference);
}

/* Sorted, and each run's ones summed. */
static void histogram(const host &v)
{
	device in(v.begin(), v.end()), keys(v.size()), counts(v.size());
	std::map<int, int> bins;
	host which, many;

	thrust::sort(in.begin(), in.end());
	auto end = thrust::reduce_by_key(in.begin(), in.end(), thrust::make_constant_iterator(1),
					 keys.begin(), counts.begin());
	keys.erase(end.first, keys.end());
	counts.erase(end.second, counts.end());
	for (int x : v)
		bins[x]++;
	for (const auto &bin : bins) {
		which.push_back(bin.first);
		many.push_back(bin.second);
	}
	expect("bins", keys, which);
	expect("their counts", counts, many);
}

static void check(const host &v)
{
	sets(v, numbers(v.size() / 2, 1000));
	histogram(v);
}
#endif

int main(void)
{
	for (int n : { 0, 1, 2, 31, 32, 33, 127, 128, 129, 1023, 1024, 1025, 4097, 100003 })
		check(numbers(n, 1000));
	return pass();
}
