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

#include "dump.h"

#define N_MAX 4096

static cufftComplex wave[N_MAX], spectrum[N_MAX], back[N_MAX];

static int wrong(const char *what, int n, int code)
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
	char bound[32];
	int r;

	for (int i = 0; i < n; i++) {
		double at = 2 * M_PI * cycles * i / n;

		wave[i] = (cufftComplex){ (float)cos(at), (float)sin(at) };
	}
	if ((r = cufftPlan1d(&plan, n, CUFFT_C2C, 1)))
		return wrong("cufftPlan1d", n, r);
	cudaMemcpy(d, wave, bytes, cudaMemcpyHostToDevice);
	if ((r = cufftExecC2C(plan, d, d, CUFFT_FORWARD)))
		return wrong("forward", n, r);
	cudaMemcpy(spectrum, d, bytes, cudaMemcpyDeviceToHost);
	if ((r = cufftExecC2C(plan, d, d, CUFFT_INVERSE)))
		return wrong("inverse", n, r);
	if ((r = cudaMemcpy(back, d, bytes, cudaMemcpyDeviceToHost)))
		return wrong("copy", n, r);
	cufftDestroy(plan);
	/* cuFFT promises no order of its sums: what the checks below allow, and of two devices twice that */
	snprintf(bound, sizeof(bound), "f32:abs:%g", 2e-5 * n);
	dump_as(bound, "spectrum", spectrum, bytes);
	dump_as(bound, "way back", back, bytes);
	for (int i = 0; i < n; i++) {
		if (distance(spectrum[i], i == cycles ? (float)n : 0, 0) > 1e-5f * n)
			return wrong("wrong spectrum", n, i);
		if (distance(back[i], wave[i].x * n, wave[i].y * n) > 1e-5f * n)
			return wrong("wrong way back", n, i);
	}
	return 0;
}

int main(void)
{
	static const int sizes[] = { 2, 64, 100, 243, 1000, 1009, N_MAX };
	cufftComplex *d;

	if (cudaMalloc((void **)&d, sizeof(wave)))
		return wrong("cudaMalloc", N_MAX, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (transform(sizes[i], sizes[i] / 3, d))
			return 1;
	cudaFree(d);
	puts("PASS");
	return 0;
}
