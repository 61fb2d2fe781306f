/* SPDX-License-Identifier: MIT */
/*
 * graph.h - CUDA graphs: nodes, what they do, and what is launched
 *
 * What a node does is an action: immutable and counted, so that a node, its clones, executable
 * graphs and launches on their way share it, and setting parameters means another action. Each kind
 * of node is a row of operations (graph_kind.c).
 *
 * A graph that was instantiated is a plan. A launch holds a reference to it; whoever changes a plan
 * that a launch holds gets a copy of it first. All of this is under the driver lock, but for
 * node_kind.run().
 */
#ifndef SOFTGPU_GRAPH_H
#define SOFTGPU_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "context.h"
#include "handle.h"
#include "stream.h"

struct graph;
struct graph_node;
struct plan;
struct run;
struct action;
struct graph_wire;

struct node_kind {
	const char *name;
	/* Kernels, copies and fills can be switched off. */
	bool can_disable;
	/* May be in the body of a conditional node. */
	bool in_body;
	/* Its graph can be neither cloned, nor copied into another, nor instantiated twice. */
	bool once;
	/* Memory: nothing can be taken out of its graph, and nothing of it be switched off. */
	bool pinned;
	/* Checks a->params, which the program gave, and takes copies of what they point to. */
	CUresult (*make)(struct action *a, CUgraphNodeParams *p);
	void (*destroy)(struct action *a);
	/* What cuGraphNodeGetParams() gives, if it is not a->params. */
	CUresult (*get)(const struct action *a, CUgraphNodeParams *p);
	/* Why an executable node cannot do b instead of a. NULL: any b does. */
	CUgraphExecUpdateResult (*update)(const struct action *a, const struct action *b);
	/* At cuGraphLaunch(): what must hold, what has to be remembered. */
	CUresult (*launch)(struct action *a, struct run *run);
	/* The launch fails after all: of those in run->changes, the last first. */
	void (*undo)(struct action *a);
	/* softgpu: on the stream's thread, without the lock. NULL: nothing to do. */
	CUresult (*run)(const struct action *a, struct run *run);
	/* libvcuda: what the server makes the node of. NULL: its type is all. */
	CUresult (*put)(const struct action *a, struct graph_wire *w);
};

struct action {
	unsigned int refs;
	const struct node_kind *kind;
	CUgraphNodeParams params;
	void *data;			/* the kind's own */
};

/* NULL: no such kind of node. */
const struct node_kind *node_kind(CUgraphNodeType type);
/* Of the type p->type. What the kind writes into *p is for the caller: the address of memory. */
CUresult action_create(CUgraphNodeParams *p, struct action **out);
struct action *action_get(struct action *a);
void action_put(struct action *a);

struct edge {
	struct graph_node *node;	/* the other end */
	CUgraphEdgeData data;
};

struct edges {
	struct edge *e;
	size_t nr, max;
};

struct graph_node {
	struct object obj;
	TAILQ_ENTRY(graph_node) link;
	struct graph *graph;
	uint64_t id;			/* never used twice */
	uint64_t origin;		/* id of the node that it is a clone of, or 0 */
	size_t index;			/* scratch: place among the graph's nodes */
	struct action *action;
	struct edges in, out;
	/* Of a child graph: one; of a conditional node: the array that the program sees. */
	struct graph **bodies;
	CUgraph *body_handles;
	size_t nr_bodies;
};

struct user_object;

struct user_ref {
	SLIST_ENTRY(user_ref) link;
	struct user_object *object;
	unsigned int count;
};

SLIST_HEAD(user_refs, user_ref);

struct conditional;

struct graph {
	struct object obj;
	TAILQ_HEAD(node_list, graph_node) nodes;
	size_t nr;
	struct graph_node *owner;	/* of a child graph or body, else NULL */
	unsigned int nr_once;		/* nodes, bodies included, that forbid a second exec */
	unsigned int nr_execs;		/* alive */
	unsigned int nr_captures;	/* streams that add to it */
	struct user_refs users;
	SLIST_HEAD(, conditional) conditionals;
	bool remote;			/* libvcuda: the server has one of this handle */
};

struct graph *graph_create(void);
void graph_destroy(struct graph *g);
/* The graph that holds g, directly or not, and is held by none. */
struct graph *graph_top(struct graph *g);
CUresult graph_find(CUgraph handle, struct graph **out);
CUresult graph_copy(const struct graph *from, struct graph **out);

/* Adds a node that depends on nr others; takes the reference to action on success. */
CUresult graph_add(struct graph *g, struct action *action, const struct edge *deps, size_t nr,
		   struct graph_node **out);
CUresult node_find(CUgraphNode handle, struct graph_node **out);
/* Makes body, which belongs to nobody, n's; destroys it on error. */
CUresult node_add_body(struct graph_node *n, struct graph *body);
void node_destroy(struct graph_node *n);
/* The same from parameters, with what the kind of node brings along. */
CUresult node_create(struct graph *g, CUgraphNodeParams *p, const struct edge *deps, size_t nr,
		     struct graph_node **out);
/* cuGraphAddNode() after its checks. */
CUresult node_add(CUgraphNode *out, CUgraph graph, const CUgraphNode *deps,
		  const CUgraphEdgeData *data, size_t nr, CUgraphNodeParams *p);
/* Handles to edges, checked: all of g, none twice. The caller frees *out. */
CUresult graph_edges(struct graph *g, const CUgraphNode *nodes, const CUgraphEdgeData *data,
		     size_t nr, struct edge **out);
CUresult edges_add(struct edges *e, const struct edge *edge);

/* Executable graphs. */
struct plan_node {
	uint64_t origin;		/* id of the graph's node */
	uint32_t number;		/* libvcuda: the node's place in what went to the server */
	struct action *action;
	bool enabled;
	size_t *deps, nr_deps;		/* indices, in ascending order */
	struct plan **bodies;
	size_t nr_bodies;
};

struct plan {
	unsigned int refs;
	struct plan_node *nodes;	/* in the graph's order */
	size_t *order;			/* in which they run */
	size_t nr;
	struct user_refs users;
};

struct graph_exec {
	struct object obj;
	cuuint64_t flags;
	struct plan *plan;
	struct graph *graph;		/* NULL: destroyed since */
	LIST_ENTRY(graph_exec) link;
	void *remote;			/* libvcuda: what it keeps of the server's */
	/* softgpu: launches of one executable graph run one after the other. */
	struct stream *last;		/* a reference, or NULL */
	uint64_t last_seq;
};

/* INVALID_VALUE: a cycle through *error. by_priority: kernels that are ready go by theirs. */
CUresult plan_create(struct graph *g, bool by_priority, struct plan **out,
		     struct graph_node **error);
/* A graph that does the same. */
CUresult plan_graph(const struct plan *p, struct graph **out);
void plan_put(struct plan *p);
/* A plan of which the caller has the only reference. NULL: no memory. */
struct plan *plan_own(struct plan **p);
/* The node with this origin, in bodies too. */
struct plan_node *plan_find(struct plan *p, uint64_t origin);
CUresult exec_find(CUgraphExec handle, struct graph_exec **out);
/*
 * What softgpu (graph_run.c) and libvcuda (graph_exec_wire.c) do about executable graphs. An error
 * leaves everything as it was.
 */
CUresult exec_open(struct graph_exec *e, struct graph *g, CUDA_GRAPH_INSTANTIATE_PARAMS *p);
void exec_close(struct graph_exec *e);
CUresult exec_launch(struct graph_exec *e, struct context *ctx, struct stream *s);
/* Before pn, or all of p as g is, gets other actions. */
CUresult exec_renew(struct graph_exec *e, const struct plan_node *pn, struct action *a);
CUresult exec_renew_all(struct graph_exec *e, struct plan *p, struct graph *g,
			CUgraphExecUpdateResultInfo *info);
CUresult exec_enable(struct graph_exec *e, const struct plan_node *pn, bool enabled);
void exec_forget_graph(struct graph *g);

struct actions {
	struct action **a;
	size_t nr, max;
};

CUresult actions_add(struct actions *v, struct action *a);

/* A launch of a plan. */
struct run_wait {
	const struct action *action;
	struct stream *stream;		/* a reference */
	uint64_t seq;
};

struct run {
	struct work work;
	struct context *ctx;
	struct plan *plan;
	struct stream *stream;		/* a reference */
	cuuint64_t flags;
	struct run_wait *waits;
	size_t nr_waits, max_waits;
	struct actions records;		/* event record nodes */
	struct actions changes;		/* memory nodes, to be undone if the launch fails */
};

/* The launch has its number: its event record nodes are pending from here on. */
void graph_events_submitted(struct run *run);

/* User objects (userobject.c). */
CUresult users_copy(struct user_refs *to, const struct user_refs *from);
void users_drop(struct user_refs *refs);
/* Calls the destructors that are due. The lock must not be held. */
void users_flush(void);

/* Conditional handles (graph_cond.c). */
void conditionals_drop(struct graph *g);
/* Gives a handle that device code can use. */
CUresult conditional_open(struct graph *g, struct object *obj, unsigned int initial,
			  unsigned int flags);
/* Whether each has its node. */
bool conditionals_used(const struct graph *g);
/* At the start of a launch, with the lock held. */
void conditional_begin(const struct action *a);
/* Which of the bodies runs; none of them if there are fewer. again: then ask once more. */
size_t conditional_choose(const struct action *a, bool *again);
/* struct sg_launch's set_conditional: false when there is no such handle. */
bool conditional_set(uint64_t handle, uint32_t value);

#endif
