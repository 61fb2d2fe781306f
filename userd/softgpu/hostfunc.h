/* SPDX-License-Identifier: MIT */
/*
 * hostfunc.h - the program's functions in streams and graphs
 */
#ifndef SOFTGPU_HOSTFUNC_H
#define SOFTGPU_HOSTFUNC_H

#include "api.h"

/* On a stream's thread, without the lock. */
void hostfunc_call(CUhostFn fn, void *arg);

#endif
