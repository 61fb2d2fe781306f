/* SPDX-License-Identifier: MIT */
/*
 * graph.h - graphs as the client describes them, made the driver's and instantiated
 *
 * The client has the graph; here is what runs. Copies to and from the client's memory go through
 * pinned memory of the executable graph's own, with a host node beside each that fills it, or sends
 * what is in it. Executor only, but for what host nodes do.
 */
#ifndef SERVER_GRAPH_H
#define SERVER_GRAPH_H

#include <cuda.h>
#include <stdbool.h>
#include <stdint.h>

struct vwire_feed;
struct worker;

#define GRAPH_NODES_MAX	(1u << 22)
#define GRAPH_DEPTH_MAX	32		/* of graphs in graphs */
#define GRAPH_FED_MAX	(1ull << 30)	/* bytes that wait for their nodes, of all graphs */

/* Data for a launch of a node's graph; total bytes of room. */
bool graph_feed(struct worker *w, const struct vwire_feed *f, const void *data);

#endif /* SERVER_GRAPH_H */
