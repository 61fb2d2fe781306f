/* SPDX-License-Identifier: MIT */
/* Thrust's algorithms against the host's, at sizes around warps, blocks and tiles. */
#include <algorithm>
#include <iterator>
#include <numeric>
#include <vector>

#include <thrust/copy.h>
#include <thrust/device_vector.h>
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

static void order(const host &v)
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

static void sets(host v, host w)
{
	host want;

	std::sort(v.begin(), v.end());
	std::sort(w.begin(), w.end());
	device a(v.begin(), v.end()), b(w.begin(), w.end()), out(v.size() + w.size());

	out.erase(thrust::set_intersection(a.begin(), a.end(), b.begin(), b.end(), out.begin()), out.end());
	std::set_intersection(v.begin(), v.end(), w.begin(), w.end(), std::back_inserter(want));
	expect("intersection", out, want);
}

int main(void)
{
	for (int n : { 0, 1, 2, 31, 32, 33, 127, 128, 129, 1023, 1024, 1025, 4097, 100003 }) {
		host v = numbers(n, 1000);

		order(v);
		sums(v);
		parts(v);
		sets(v, numbers(n / 2, 1000));
	}
	return pass();
}
