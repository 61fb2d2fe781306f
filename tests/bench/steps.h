/* SPDX-License-Identifier: MIT */
/*
 * steps.h - a function whose every step goes one of eight ways, for as many steps as its argument
 * says: 32 neighbours agree on nothing
 */
#ifndef STEPS_H
#define STEPS_H

#include <stdint.h>

#ifdef __CUDACC__
#define STEPS_FN __host__ __device__ static
#else
#define STEPS_FN static
#endif

STEPS_FN uint32_t chain(uint32_t x)
{
	uint32_t steps, h = x * 2654435761u + 12345u;

	h ^= h >> 15;
	steps = 200 + (h & 511);
	for (uint32_t i = 0; i < steps; i++) {
		switch (h >> 13 & 7) {
		case 0:
			h = h * 1664525u + 1013904223u;
			break;
		case 1:
			h ^= h << 13;
			h += i;
			break;
		case 2:
			h = (h >> 7 | h << 25) + x;
			break;
		case 3:
			h -= x * i + 77u;
			break;
		case 4:
			h ^= h >> 11 ^ 0x9e3779b9u;
			h *= 5u;
			break;
		case 5:
			h = h * 3u ^ i;
			break;
		case 6:
			h += (h << 3) ^ (x >> 2);
			break;
		default:
			h = ~h + (h >> 9);
			break;
		}
	}
	return h;
}

#endif
