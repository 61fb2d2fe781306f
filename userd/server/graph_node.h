/* SPDX-License-Identifier: MIT */
/*
 * graph_node.h - the nodes of a graph in the making
 */
#ifndef SERVER_GRAPH_NODE_H
#define SERVER_GRAPH_NODE_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph.h"
#include "run.h"
#include "vgpu_codec.h"
#include "vgpu_wire.h"

/* What was fed for one launch. */
struct fed {
	struct fed *next;
	size_t bytes, have;
	uint8_t data[];
};

/* What a host node of the worker's does; one that fills or sends has the memory for it. */
struct host_node {
	struct host_node *next;		/* of the executable graph */
	struct worker *w;
	uint32_t token;
	void *mem;			/* pinned; NULL: it calls a function */
	size_t bytes, room;
	bool fills;			/* else it sends */
	bool fetch;			/* asks for what it fills; else it takes what was fed */
	bool off;			/* its copy is switched off */
	pthread_mutex_t lock;		/* fed */
	struct fed *fed, **fed_tail;
	struct fed *coming;		/* executor: not complete yet */
};

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
void hosts_free(struct host_node *h);
/* false: not what comes next. */
bool node_feed(struct host_node *h, const struct vwire_feed *f, const void *data);
/*
 * Parameters of one node, from struct vwire_graph_node on: for cuGraphExec*NodeSetParams. *old: the host node whose
 * place another has taken.
 */
CUresult node_update(struct request *rq, CUgraphExec exec, struct made_node *n,
		     struct host_node **hosts, struct host_node **old);

#endif /* SERVER_GRAPH_NODE_H */
