// SPDX-License-Identifier: MIT
/*
 * fft.c - cuFFT forth and back: sizes with a kernel of their own, products of primes, a prime
 *
 * The spectrum of a single wave is known, and the way back gives what there was. cuFFT loads a PTX
 * image and asks the driver for its functions by a private table.
 */
#include <cuda_runtime.h>
#include <cufft.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define N_MAX 4096

static cufftComplex wave[N_MAX], spectrum[N_MAX], back[N_MAX];

static int fail(const char *what, int n, int code)
{
	fprintf(stderr, "fft: %s for %d points: %d\n", what, n, code);
	return 1;
}

static float distance(cufftComplex a, float x, float y)
{
	return hypotf(a.x - x, a.y - y);
}

static int transform(int n, int cycles, cufftComplex *d)
{
	size_t bytes = n * sizeof(*d);
	cufftHandle plan;
	int r;

	for (int i = 0; i < n; i++) {
		double at = 2 * M_PI * cycles * i / n;

		wave[i] = (cufftComplex){ (float)cos(at), (float)sin(at) };
	}
	if ((r = cufftPlan1d(&plan, n, CUFFT_C2C, 1)))
		return fail("cufftPlan1d", n, r);
	cudaMemcpy(d, wave, bytes, cudaMemcpyHostToDevice);
	if ((r = cufftExecC2C(plan, d, d, CUFFT_FORWARD)))
		return fail("forward", n, r);
	cudaMemcpy(spectrum, d, bytes, cudaMemcpyDeviceToHost);
	if ((r = cufftExecC2C(plan, d, d, CUFFT_INVERSE)))
		return fail("inverse", n, r);
	if ((r = cudaMemcpy(back, d, bytes, cudaMemcpyDeviceToHost)))
		return fail("copy", n, r);
	cufftDestroy(plan);
	for (int i = 0; i < n; i++) {
		if (distance(spectrum[i], i == cycles ? (float)n : 0, 0) > 1e-5f * n)
			return fail("wrong spectrum", n, i);
		if (distance(back[i], wave[i].x * n, wave[i].y * n) > 1e-5f * n)
			return fail("wrong way back", n, i);
	}
	return 0;
}

int main(void)
{
	static const int sizes[] = { 2, 64, 100, 243, 1000, 1009, N_MAX };
	cufftComplex *d;

	if (cudaMalloc((void **)&d, sizeof(wave)))
		return fail("cudaMalloc", N_MAX, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (transform(sizes[i], sizes[i] / 3, d))
			return 1;
	cudaFree(d);
	puts("PASS");
	return 0;
}
