/* SPDX-License-Identifier: MIT */
/*
 * graph_dot.c - cuGraphDebugDotPrint(): a graph in the language of Graphviz
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "graph.h"
#include "graph_kernel.h"
#include "init.h"

#define PARAMS	(CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE | CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_PARAMS)
#define HANDLES	(CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE | CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES)

/* A name in PTX has no character that would need an escape. */
static void put_kernel(FILE *f, const struct action *a, unsigned int flags)
{
	const CUgraphNodeParams *p = &a->params;
	const char *name = graph_kernel_name(a);

	if (name)
		fprintf(f, "\\n%s", name);
	if (flags & PARAMS)
		fprintf(f, "\\n<<<(%u,%u,%u), (%u,%u,%u), %u>>>", p->kernel.gridDimX,
			p->kernel.gridDimY, p->kernel.gridDimZ, p->kernel.blockDimX,
			p->kernel.blockDimY, p->kernel.blockDimZ, p->kernel.sharedMemBytes);
}

static void put_graph(FILE *f, const struct graph *g, unsigned int flags)
{
	const struct graph_node *n;

	TAILQ_FOREACH(n, &g->nodes, link) {
		fprintf(f, "\tn%llu [shape=box, label=\"%llu: %s", (unsigned long long)n->id,
			(unsigned long long)n->id, n->action->kind->name);
		if (n->action->params.type == CU_GRAPH_NODE_TYPE_KERNEL)
			put_kernel(f, n->action, flags);
		if (flags & HANDLES)
			fprintf(f, "\\nhandle 0x%llx", (unsigned long long)n->obj.handle);
		fprintf(f, "\"];\n");
		for (size_t i = 0; i < n->in.nr; i++)
			fprintf(f, "\tn%llu -> n%llu;\n",
				(unsigned long long)n->in.e[i].node->id, (unsigned long long)n->id);
		for (size_t i = 0; i < n->nr_bodies; i++) {
			fprintf(f, "\tsubgraph cluster_%llu_%zu {\n\tlabel=\"of %llu\";\n",
				(unsigned long long)n->id, i, (unsigned long long)n->id);
			put_graph(f, n->bodies[i], flags);
			fprintf(f, "\t}\n");
		}
	}
}

/* The text is made under the lock and written without it. */
CUresult cuGraphDebugDotPrint(CUgraph handle, const char *path, unsigned int flags)
{
	struct graph *g;
	char *text = NULL;
	size_t len = 0;
	FILE *f;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	f = path ? open_memstream(&text, &len) : NULL;
	if (!f)
		return path ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	r = graph_find(handle, &g);
	if (r == CUDA_SUCCESS) {
		fprintf(f, "digraph dot {\n");
		put_graph(f, g, flags);
		fprintf(f, "}\n");
	}
	driver_unlock();
	if (fclose(f) && r == CUDA_SUCCESS)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	f = r == CUDA_SUCCESS ? fopen(path, "w") : NULL;
	if (f) {
		if (fwrite(text, 1, len, f) != len)
			r = CUDA_ERROR_OPERATING_SYSTEM;
		if (fclose(f))
			r = CUDA_ERROR_OPERATING_SYSTEM;
	} else if (r == CUDA_SUCCESS) {
		r = errno == EACCES ? CUDA_ERROR_NOT_PERMITTED : CUDA_ERROR_OPERATING_SYSTEM;
	}
	free(text);
	return r;
}
