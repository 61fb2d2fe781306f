/* SPDX-License-Identifier: MIT */
/*
 * wire.h - graphs as text for the server (struct vwire_graph), and what the text leaves here
 */
#ifndef VCUDA_GRAPH_WIRE_H
#define VCUDA_GRAPH_WIRE_H

#include "graph.h"
#include "hostcall.h"

struct graph_wire {
	uint8_t *p;
	size_t len, room;
	CUresult err;
	uint32_t number;		/* of the next node */
	struct slot *slots;		/* for functions and host memory, the last node's first */
	bool fetch;			/* sources are fetched when they are needed */
};

/* What a launch allocates and frees, is the program's, or no longer. */
CUresult vcuda_graph_memory(const struct graph_exec *e);

void wire_bytes(struct graph_wire *w, const void *p, size_t n);
/* The nodes of g and below, numbered from w->number on; p, if any, learns the numbers. */
void wire_graph(struct graph_wire *w, struct graph *g, struct plan *p);
/* One node's struct vwire_graph_node and what it does, without its graphs. */
void wire_action(struct graph_wire *w, const struct action *a, size_t nr_graphs);
/*
 * Host memory that the graph reads may be written by its own functions or copies: it is read when
 * its turn comes, and not at the launch.
 */
bool wire_must_fetch(const struct graph *g);
/* Makes the last node's slot; 0, with w->err set: no memory. */
uint32_t wire_slot(struct graph_wire *w, const struct slot *s);

/* ---- sure.c, kernel.c ---- */

/* The server's driver has nothing to say against it that is not known here. */
bool graph_is_sure(const struct graph *g);
bool kernel_is_sure(const struct action *a);
/* Each kernel node of p, whose nodes g's are the successors of, stays with its kernel. */
bool graph_keeps_kernels(const struct plan *p, const struct graph *g);
bool kernel_is_same(const struct action *a, const struct action *b);

#endif
