/* SPDX-License-Identifier: MIT */
/* bodies written by hand, the server's half; made by tools/apigen.py from cuda.def, do not edit */
#ifndef RUN_HAND_GEN_H
#define RUN_HAND_GEN_H

#include "run.h"

void run_cuStreamSynchronize(struct request *rq);
void run_cuCtxSynchronize(struct request *rq);

#endif
