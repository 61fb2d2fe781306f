/* SPDX-License-Identifier: MIT */
/*
 * init.h - the lock over graphs and captures; the stubs have asked whether the session is there
 */
#ifndef VCUDA_GRAPH_INIT_H
#define VCUDA_GRAPH_INIT_H

#include <stdbool.h>
#include <stddef.h>

#include "api.h"
#include "context.h"

void driver_lock(void);
void driver_unlock(void);
/* false: another thread has it, and calls vcuda_graph_over() when it gives it back. */
bool driver_trylock(void);
static inline CUresult driver_ready(void)
{
	return CUDA_SUCCESS;
}
static inline CUresult driver_enter(void)
{
	driver_lock();
	return CUDA_SUCCESS;
}
void driver_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
