/* SPDX-License-Identifier: MIT */
/*
 * d = a * b + c on tensor cores, through nvcuda::wmma: one warp a tile of d, every shape and layout
 * of half and int8; and, from compute capability 8.0 on, of bfloat16, tf32 and double.
 *
 * The numbers are small and whole: exact in every type, whatever the order of the sum.
 */
#include <mma.h>

#include "dump.h"

using namespace nvcuda;

/* Frag: element type of the fragments of a and b; Mem: of those matrices in memory; Acc: of c and d. */
template <class F, class M, class A, int From> struct numbers {
	using Frag = F;
	using Mem = M;
	using Acc = A;
	static constexpr int from = From;	/* the compute capability that has them */
};

/* What mma.h has for 8.0 and later only. */
struct tf32_of_float {};

template <class F> struct fragment_of {
	using type = F;
};

template <class Fragment> __device__ void round_elements(Fragment &)
{
}

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
template <> struct fragment_of<tf32_of_float> {
	using type = wmma::precision::tf32;
};

/* Memory has more bits of each number than the fragment counts. */
template <class Use, class Rows>
__device__ void round_elements(wmma::fragment<Use, 16, 16, 8, wmma::precision::tf32, Rows> &f)
{
	for (int i = 0; i < f.num_elements; i++)
		f.x[i] = wmma::__float_to_tf32(f.x[i]);
}
#endif

using half_float = numbers<half, half, float, 75>;
using half_half = numbers<half, half, half, 75>;
using int8 = numbers<signed char, signed char, int, 75>;
using uint8 = numbers<unsigned char, unsigned char, int, 75>;
using bfloat16 = numbers<__nv_bfloat16, __nv_bfloat16, float, 80>;
using tf32 = numbers<tf32_of_float, float, float, 80>;
using fp64 = numbers<double, double, double, 80>;

template <int Rows, int Cols, int Depth> struct tile {
	static constexpr int m = Rows, n = Cols, k = Depth;
};

template <class T, class S, class RowsA, class RowsB>
__device__ void multiply_tile(const typename T::Mem *a, const typename T::Mem *b, const typename T::Acc *c,
			      typename T::Acc *d, int size, bool through_shared)
{
	using Frag = typename fragment_of<typename T::Frag>::type;
	__shared__ __align__(32) typename T::Mem part[S::m * S::k];
	wmma::fragment<wmma::matrix_a, S::m, S::n, S::k, Frag, RowsA> fa;
	wmma::fragment<wmma::matrix_b, S::m, S::n, S::k, Frag, RowsB> fb;
	wmma::fragment<wmma::accumulator, S::m, S::n, S::k, typename T::Acc> sum;
	bool a_rows = std::is_same<RowsA, wmma::row_major>::value, b_rows = std::is_same<RowsB, wmma::row_major>::value;
	int row = blockIdx.y * S::m, col = blockIdx.x * S::n, lead = a_rows ? S::k : S::m;

	wmma::load_matrix_sync(sum, c + row * size + col, size, wmma::mem_row_major);
	for (int k = 0; k < size; k += S::k) {
		const typename T::Mem *from = a + (a_rows ? row * size + k : k * size + row);

		if (through_shared) {
			__syncwarp();
			for (int i = threadIdx.x; i < S::m * S::k; i += 32)
				part[i] = from[i / lead * size + i % lead];
			__syncwarp();
			wmma::load_matrix_sync(fa, part, lead);
		} else {
			wmma::load_matrix_sync(fa, from, size);
		}
		wmma::load_matrix_sync(fb, b + (b_rows ? k * size + col : col * size + k), size);
		round_elements(fa);
		round_elements(fb);
		wmma::mma_sync(sum, fa, fb, sum);
	}
	wmma::store_matrix_sync(d + row * size + col, sum, size, wmma::mem_row_major);
}

template <class T, class S, class RowsA, class RowsB>
__global__ void multiply(const typename T::Mem *a, const typename T::Mem *b, const typename T::Acc *c,
			 typename T::Acc *d, int size, bool through_shared)
{
#ifdef __CUDA_ARCH__
	if constexpr (__CUDA_ARCH__ >= T::from * 10)
		multiply_tile<T, S, RowsA, RowsB>(a, b, c, d, size, through_shared);
#endif
}

constexpr int SIZE = 64;

/* Between -4 and 4, or 0 and 8; sums stay below 2048, where half has the last whole number. */
static int number(int i, int step, bool is_signed)
{
	return i * step % 9 - (is_signed ? 4 : 0);
}

template <class X> static double value(X x)
{
	return (double)(float)x;
}

template <class T, class S, class RowsA, class RowsB> static void check(const char *name)
{
	static typename T::Mem a[SIZE * SIZE], b[SIZE * SIZE];
	static typename T::Acc c[SIZE * SIZE], d[SIZE * SIZE];
	bool is_signed = !std::is_same<typename T::Mem, unsigned char>::value;
	bool a_rows = std::is_same<RowsA, wmma::row_major>::value, b_rows = std::is_same<RowsB, wmma::row_major>::value;
	typename T::Mem *dev_a, *dev_b;
	typename T::Acc *dev_c, *dev_d;

	for (int i = 0; i < SIZE * SIZE; i++) {
		a[i] = (typename T::Mem)(float)number(i, 7, is_signed);
		b[i] = (typename T::Mem)(float)number(i, 5, is_signed);
		c[i] = (typename T::Acc)(float)number(i, 4, true);
	}
	CHECK(cudaMalloc(&dev_a, sizeof(a)));
	CHECK(cudaMalloc(&dev_b, sizeof(b)));
	CHECK(cudaMalloc(&dev_c, sizeof(c)));
	CHECK(cudaMalloc(&dev_d, sizeof(d)));
	CHECK(cudaMemcpy(dev_a, a, sizeof(a), cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_b, b, sizeof(b), cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(dev_c, c, sizeof(c), cudaMemcpyHostToDevice));
	for (int shared = 0; shared < 2; shared++) {
		multiply<T, S, RowsA, RowsB><<<dim3(SIZE / S::n, SIZE / S::m), 32>>>(dev_a, dev_b, dev_c, dev_d, SIZE, shared);
		CHECK_LAUNCH();
		CHECK(cudaMemcpy(d, dev_d, sizeof(d), cudaMemcpyDeviceToHost));
		for (int i = 0; i < SIZE; i++)
			for (int j = 0; j < SIZE; j++) {
				double sum = value(c[i * SIZE + j]);

				for (int k = 0; k < SIZE; k++)
					sum += value(a[a_rows ? i * SIZE + k : k * SIZE + i]) *
					       value(b[b_rows ? k * SIZE + j : j * SIZE + k]);
				if (value(d[i * SIZE + j]) != sum)
					fail("%s m%dn%dk%d: d[%d][%d] is %g, not %g", name, S::m, S::n, S::k, i, j,
					     value(d[i * SIZE + j]), sum);
			}
		dump(name, d, sizeof(d));
	}
	CHECK(cudaFree(dev_a));
	CHECK(cudaFree(dev_b));
	CHECK(cudaFree(dev_c));
	CHECK(cudaFree(dev_d));
}

template <class T, class S> static void layouts(const char *name)
{
	check<T, S, wmma::row_major, wmma::row_major>(name);
	check<T, S, wmma::row_major, wmma::col_major>(name);
	check<T, S, wmma::col_major, wmma::row_major>(name);
	check<T, S, wmma::col_major, wmma::col_major>(name);
}

template <class T> static void shapes(const char *name)
{
	layouts<T, tile<16, 16, 16>>(name);
	layouts<T, tile<32, 8, 16>>(name);
	layouts<T, tile<8, 32, 16>>(name);
}

int main(void)
{
	cudaDeviceProp prop;

	CHECK(cudaGetDeviceProperties(&prop, 0));
	shapes<half_float>("half, sums in float");
	shapes<half_half>("half");
	shapes<int8>("signed char");
	shapes<uint8>("unsigned char");
	if (prop.major >= 8) {
		shapes<bfloat16>("bfloat16");
		layouts<tf32, tile<16, 16, 8>>("tf32");
		layouts<fp64, tile<8, 8, 4>>("double");
	} else {
		printf("skipped: bfloat16, tf32 and double need compute capability 8.0, this is %d.%d\n", prop.major, prop.minor);
	}
	return pass();
}
