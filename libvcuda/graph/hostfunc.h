/* SPDX-License-Identifier: MIT */
/*
 * hostfunc.h - functions of the program, which must not call the driver
 */
#ifndef VCUDA_GRAPH_HOSTFUNC_H
#define VCUDA_GRAPH_HOSTFUNC_H

#include "api.h"

void hostfunc_call(CUhostFn fn, void *arg);

#endif
