/* SPDX-License-Identifier: MIT */
/* bodies written by hand, the library's half; made by tools/apigen.py from cuda.def, do not edit */
#ifndef HAND_GEN_H
#define HAND_GEN_H

#include <cuda.h>

CUresult hand_cuInit(unsigned int Flags);
CUresult hand_cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream stream);
CUresult hand_cuStreamSynchronize(CUstream hStream);
CUresult hand_cuCtxSynchronize(void);

#endif
