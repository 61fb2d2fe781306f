/* SPDX-License-Identifier: MIT */
/*
 * graph_copy.h - copies as nodes: one of the driver's, and a host node beside it for the client's memory
 */
#ifndef SERVER_GRAPH_COPY_H
#define SERVER_GRAPH_COPY_H

#include "graph_node.h"

/* Which of its two nodes others come before, and behind: ends[0] and ends[1]; NULL where it has one. */
CUresult copy_add(struct build *b, CUgraph g, struct vwire_rd *in, struct made_node *n,
		  CUgraphNode ends[2]);
CUresult copy_update(struct request *rq, struct vwire_rd *in, CUgraphExec exec,
		     struct made_node *n, struct host_node **hosts);

#endif /* SERVER_GRAPH_COPY_H */
