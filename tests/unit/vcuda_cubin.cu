// SPDX-License-Identifier: MIT
/*
 * vcuda_cubin.cu - kernels whose cubin vcuda_cubin_test.c reads
 */
struct wide {
	int a[1200];		/* beyond 4 KiB of parameters, which only newer compilers write down */
	char c;
};

extern "C" __global__ void none()
{
}

extern "C" __global__ void named_barriers(int *p)
{
	asm volatile("bar.sync 2, 64;");
	*p = 1;
	asm volatile("bar.sync 6, 64;");
}

extern "C" __global__ void __launch_bounds__(256) mixed(int a, char b, double *c, short d)
{
	__shared__ int s[100];

	s[threadIdx.x % 100] = a + d;
	__syncthreads();
	c[threadIdx.x] = b + s[5];
}

#ifdef WIDE
extern "C" __global__ void large(const __grid_constant__ wide w, float2 x, int *out)
{
	*out = w.a[*out] + (int)x.y;
}
#endif

__device__ __noinline__ int square(int x)
{
	return x * x;
}

template <int N> __global__ void instance(int *p)
{
	p[threadIdx.x] = square(N + p[0]);
}

template __global__ void instance<4>(int *);
