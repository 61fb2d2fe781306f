/* SPDX-License-Identifier: MIT */
/* env.h - values that the libraries of a function take from the environment */
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

#endif /* COMMON_ENV_H */
