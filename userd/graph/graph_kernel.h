/* SPDX-License-Identifier: MIT */
/*
 * graph_kernel.h - attributes of kernel nodes
 */
#ifndef SOFTGPU_GRAPH_KERNEL_H
#define SOFTGPU_GRAPH_KERNEL_H

#include "graph.h"

bool graph_kernel_has_attribute(CUlaunchAttributeID id);
/* Of a launch that is captured: those that a node can have. On an action that nobody else has. */
CUresult graph_kernel_set_attributes(struct action *a, const CUlaunchAttribute *attrs,
				     unsigned int nr);
/* New parameters leave the attributes as they are. On a new action that nobody else has. */
CUresult graph_kernel_keep_attributes(const struct action *old, struct action *new);
int graph_kernel_priority(const struct action *a);
/* NULL: its module has gone. */
const char *graph_kernel_name(const struct action *a);

#endif
