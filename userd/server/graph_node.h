/* SPDX-License-Identifier: MIT */
/*
 * graph_node.h - the nodes of a graph in the making
 */
#ifndef SERVER_GRAPH_NODE_H
#define SERVER_GRAPH_NODE_H

#include <cuda.h>
#include <stdint.h>

#include "graph.h"
#include "graph_host.h"
#include "run.h"
#include "vgpu_codec.h"
#include "vgpu_wire.h"

struct made_node {
	CUgraphNode node;
	CUgraphNodeType type;
	struct host_node *host;		/* of a function, or beside a copy */
	CUgraphNode beside;
};

/* A graph while it is built: nodes[] by number, from first on. */
struct build {
	struct request *rq;
	struct vwire_rd in;
	struct made_node *nodes;
	uint32_t nr, room;
	struct host_node *hosts;
	CUresult err;
};

/* Builds all of the text into g. */
CUresult build_graph(struct build *b, CUgraph g, unsigned int depth);
void build_free(struct build *b);
/*
 * Parameters of one node, from struct vwire_graph_node on: for cuGraphExec*NodeSetParams. *old: the host node whose
 * place another has taken.
 */
CUresult node_update(struct request *rq, CUgraphExec exec, struct made_node *n,
		     struct host_node **hosts, struct host_node **old);

#endif /* SERVER_GRAPH_NODE_H */
