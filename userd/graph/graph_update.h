/* SPDX-License-Identifier: MIT */
/*
 * graph_update.h - parameters of nodes, whatever their kind
 */
#ifndef SOFTGPU_GRAPH_UPDATE_H
#define SOFTGPU_GRAPH_UPDATE_H

#include "graph.h"

CUresult node_set_params(CUgraphNode node, CUgraphNodeParams *p);
/* INVALID_VALUE: the node is of another type. */
CUresult node_get_params(CUgraphNode node, CUgraphNodeType type, CUgraphNodeParams *p);
CUresult exec_set_params(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams *p);
CUresult exec_set_child(CUgraphExec exec, CUgraphNode node, CUgraph child);

#endif
