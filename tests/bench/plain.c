/* SPDX-License-Identifier: MIT */
/*
 * plain.c - the benchmark's work on one core, as somebody writes it who does not think of vectors
 */
#include <math.h>
#include <string.h>

#include "plain.h"
#include "steps.h"

void plain_matmul(const float *a, const float *b, float *c, int n)
{
	memset(c, 0, (size_t)n * n * sizeof(*c));
	for (int row = 0; row < n; row++)
		for (int i = 0; i < n; i++)
			for (int column = 0; column < n; column++)
				c[row * n + column] += a[row * n + i] * b[i * n + column];
}

void plain_assign(const float *points, const float *centroids, int *labels, int n, int dims, int k)
{
	for (int p = 0; p < n; p++) {
		float best = INFINITY;

		for (int c = 0; c < k; c++) {
			float sum = 0;

			for (int d = 0; d < dims; d++) {
				float diff = points[(size_t)d * n + p] - centroids[c * dims + d];

				sum += diff * diff;
			}
			if (sum < best) {
				best = sum;
				labels[p] = c;
			}
		}
	}
}

static float normal_cdf(float d)
{
	float k = 1.0f / (1.0f + 0.2316419f * fabsf(d));
	float tail = 0.39894228040143267794f * expf(-0.5f * d * d) *
		     (k * (0.31938153f + k * (-0.356563782f + k * (1.781477937f +
		      k * (-1.821255978f + k * 1.330274429f)))));

	return d > 0 ? 1.0f - tail : tail;
}

void plain_blackscholes(const float *price, const float *strike, const float *years, float *call,
			float *put, int n, float rate, float volatility)
{
	for (int i = 0; i < n; i++) {
		float root = sqrtf(years[i]);
		float d1 = (logf(price[i] / strike[i]) +
			    (rate + 0.5f * volatility * volatility) * years[i]) /
			   (volatility * root);
		float d2 = d1 - volatility * root;
		float cdf1 = normal_cdf(d1), cdf2 = normal_cdf(d2);
		float discount = expf(-rate * years[i]);

		call[i] = price[i] * cdf1 - strike[i] * discount * cdf2;
		put[i] = strike[i] * discount * (1.0f - cdf2) - price[i] * (1.0f - cdf1);
	}
}

void plain_radix_sort(uint32_t *keys, uint32_t *tmp, size_t n)
{
	for (int shift = 0; shift < 32; shift += 8) {
		size_t start[257] = { 0 };
		uint32_t *swap = keys;

		for (size_t i = 0; i < n; i++)
			start[(keys[i] >> shift & 255) + 1]++;
		for (int d = 0; d < 256; d++)
			start[d + 1] += start[d];
		for (size_t i = 0; i < n; i++)
			tmp[start[keys[i] >> shift & 255]++] = keys[i];
		keys = tmp;
		tmp = swap;
	}
}

void plain_divergent(uint32_t *out, int n)
{
	for (int i = 0; i < n; i++)
		out[i] = chain((uint32_t)i);
}
