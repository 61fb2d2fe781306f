/* SPDX-License-Identifier: MIT */
/*
 * worker_double.h - between the files of the driver double
 */
#ifndef TESTS_WORKER_DOUBLE_H
#define TESTS_WORKER_DOUBLE_H

#include <cuda.h>
#include <stdbool.h>
#include <stdint.h>

/* What a kernel has done to the context: every later call returns it. */
extern CUresult double_poison;

/* Of every module. */
extern unsigned char double_variable[64];

uint64_t double_now_ms(void);
/*
 * The time when what is put on s now can start; the legacy stream and blocking ones wait for each
 * other.
 */
uint64_t *double_start_of(CUstream s);
bool double_is_mapped(CUdeviceptr p, size_t n);

#endif
