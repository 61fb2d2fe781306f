/* SPDX-License-Identifier: MIT */
/*
 * graph_host.h - host nodes of the worker's: they call the client, or are the host's side of a copy
 */
#ifndef SERVER_GRAPH_HOST_H
#define SERVER_GRAPH_HOST_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run.h"
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

/* One more in *list. bytes 0: it calls a function. */
CUresult host_new(struct request *rq, struct host_node **list, uint32_t token, size_t bytes,
		  struct host_node **out);
/* A node of a graph that runs it. */
CUresult host_add(CUgraph g, struct host_node *h, CUgraphNode *node);
/* In the place of the one that node has run. */
CUresult host_set(CUgraphExec exec, CUgraphNode node, struct host_node *h);
/* false: not what comes next. */
bool host_feed(struct host_node *h, const struct vwire_feed *f, const void *data);
void hosts_free(struct host_node *h);

#endif /* SERVER_GRAPH_HOST_H */
