// SPDX-License-Identifier: MIT
// Two units of one program (nvcc -dc): PART 1 has a kernel that calls PART 2 and reads its variable.
#if PART == 1
extern __device__ int twice(int v);
extern __device__ int offset;

extern "C" __global__ void across(int *p)
{
	*p = twice(*p) + offset;
}
#else
__device__ int offset = 5;

__device__ int twice(int v)
{
	return 2 * v;
}
#endif
