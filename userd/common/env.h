/* SPDX-License-Identifier: MIT */
/* env.h - values that the libraries of a function, and workers, take from their environment */
#ifndef COMMON_ENV_H
#define COMMON_ENV_H

#include <stddef.h>
#include <stdint.h>

/*
 * A number of bytes, with K, M or G behind it if need be; 0 where the variable is not set. -EINVAL
 * and one line in why: it is none.
 */
int env_bytes(const char *name, uint64_t *v, char *why, size_t n);

/*
 * A number, that or the nearest of least to most; otherwise where the variable is not set, or is no
 * number.
 */
long env_number(const char *name, long least, long most, long otherwise);

/*
 * Processors' worth of time, rounded up, that a line of a control group's cpu.max allows ("200000
 * 100000": two); INT_MAX where it sets no limit, or is none.
 */
int env_cpu_max(const char *line);

/*
 * How long a thread looks for what it waits for before it sleeps, in nanoseconds: VGPU_SPIN_US. By
 * default as long as a wake-up may take where there are processors to spare, and not at all where
 * others would have to wait for this one: 200 us with eight or more, 50 with four or more, else 0. Those
 * count that the process may run on, and not more than its control group has the time of.
 *
 * most: as long where recent waits took that long, VGPU_SPIN_MOST_US. By default 5000 us with eight
 * processors or more, unless VGPU_SPIN_US is 0; else, and at least, what is returned.
 */
uint64_t env_spin_ns(uint64_t *most);

#endif /* COMMON_ENV_H */
