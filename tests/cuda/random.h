/* SPDX-License-Identifier: MIT */
/* The same numbers on every machine: xorshift64* (Vigna 2016). */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

static uint64_t random_state = 0x9e3779b97f4a7c15ull;

static inline uint64_t random_u64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t random_below(uint32_t n)
{
	return (random_u64() >> 32) * n >> 32;
}

#endif
