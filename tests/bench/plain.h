/* SPDX-License-Identifier: MIT */
/* The work of the benchmark's kernels as plain C, for one core: what softgpu is compared with. */
#ifndef PLAIN_H
#define PLAIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* c = a b, n x n, rows first. */
void plain_matmul(const float *a, const float *b, float *c, int n);

/*
 * The nearest of k centroids for each of n points with dims features; features are stored dimension
 * first.
 */
void plain_assign(const float *points, const float *centroids, int *labels, int n, int dims, int k);

/* European options: price of a call and of a put. */
void plain_blackscholes(const float *price, const float *strike, const float *years, float *call,
			float *put, int n, float rate, float volatility);

/* Sorts n keys; tmp has room for n. */
void plain_radix_sort(uint32_t *keys, uint32_t *tmp, size_t n);

/*
 * n chains of 200 to 711 steps, each step one of eight operations, chosen by the chain's own bits.
 */
void plain_divergent(uint32_t *out, int n);

#ifdef __cplusplus
}
#endif

#endif
