/* SPDX-License-Identifier: MIT */
/*
 * api.h - what userd/graph takes for the driver's own names: there a call is cuGraphCreate(), here
 * its body is hand_cuGraphCreate(), and the generated stub calls that
 */
#ifndef VCUDA_GRAPH_API_H
#define VCUDA_GRAPH_API_H

#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>

#include "hand.gen.h"
#include "handnames.gen.h"
/*
 * There is more to these: see hand_cuGraphInstantiateWithParams(), hand_cuGraphLaunch() and
 * hand_cuStreamIsCapturing().
 */
#undef cuGraphInstantiateWithParams
#undef cuGraphLaunch
#undef cuStreamIsCapturing
#define cuGraphInstantiateWithParams vcuda_graph_instantiate
#define cuGraphLaunch vcuda_graph_launch
#define cuStreamIsCapturing vcuda_graph_is_capturing
/* Nor is its way to say a line another one. */
#define driver_log vcuda_say
CUresult vcuda_graph_is_capturing(CUstream stream, CUstreamCaptureStatus *status);
CUresult vcuda_graph_launch(CUgraphExec exec, CUstream stream);
CUresult vcuda_graph_instantiate(CUgraphExec *out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *p);

#endif
