/* SPDX-License-Identifier: MIT */
#include "graph_node.h"

#include <stdlib.h>
#include <string.h>

#include "graph_copy.h"
#include "hostcall.h"
#include "launchattr.h"
#include "worker.h"

#define NR_ATTRIBUTES_MAX	32u
#define MEMOPS_MAX		256u

/* ---- kernels ---- */

/* With everything that is in the text, and the attributes beside it. */
struct kernel {
	CUDA_KERNEL_NODE_PARAMS params;
	uint32_t nr_attributes;
	const uint8_t *attributes;
};

static CUresult take_kernel(struct request *rq, struct vwire_rd *in, struct kernel *k)
{
	struct functions *f = &rq->w->functions;
	struct vwire_launch_ex ex;
	const struct vwire_launch *l = &ex.launch;
	struct function *fn;
	const uint8_t *block;

	rd_copy(in, &ex, sizeof(ex));
	k->nr_attributes = le32toh(ex.nr_attributes);
	if (k->nr_attributes > NR_ATTRIBUTES_MAX)
		in->err = true;
	k->attributes = rd_bytes(in, in->err ? 0 : k->nr_attributes * VWIRE_ATTRIBUTE_BYTES);
	fn = functions_find(f, le32toh(l->function));
	if (!fn)
		return CUDA_ERROR_INVALID_HANDLE;
	block = rd_bytes(in, fn->param_bytes);
	for (uint32_t i = 0; block && i < fn->nr_params; i++)
		f->pointers[i] = (void *)(block + fn->params[i].offset);
	k->params = (CUDA_KERNEL_NODE_PARAMS){
		.gridDimX = le32toh(l->grid[0]), .gridDimY = le32toh(l->grid[1]),
		.gridDimZ = le32toh(l->grid[2]), .blockDimX = le32toh(l->block[0]),
		.blockDimY = le32toh(l->block[1]), .blockDimZ = le32toh(l->block[2]),
		.sharedMemBytes = le32toh(l->shared_bytes),
		.kernelParams = fn->nr_params ? f->pointers : NULL,
	};
	if (fn->is_kernel)
		k->params.kern = (CUkernel)fn->fn;
	else
		k->params.func = fn->fn;
	return in->err ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static CUresult set_attributes(const struct kernel *k, CUgraphNode node)
{
	CUresult r = CUDA_SUCCESS;

	for (uint32_t i = 0; i < k->nr_attributes && r == CUDA_SUCCESS; i++) {
		const uint8_t *p = k->attributes + i * VWIRE_ATTRIBUTE_BYTES;
		CUkernelNodeAttrValue value;
		uint32_t id;

		memcpy(&id, p, sizeof(id));
		id = le32toh(id);
		memcpy(&value, p + 8, sizeof(value));
		/* events and device nodes are pointers, which no client may give */
		if (!launch_attribute_is_plain(id) &&
		    id != CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING)
			return CUDA_ERROR_NOT_SUPPORTED;
		r = real.cuGraphKernelNodeSetAttribute(node, id, &value);
	}
	return r;
}

static CUresult add_kernel(struct build *b, CUgraph g, struct vwire_rd *in, struct made_node *n)
{
	struct kernel k;
	CUresult r = take_kernel(b->rq, in, &k);

	if (r == CUDA_SUCCESS)
		r = real.cuGraphAddKernelNode_v2(&n->node, g, NULL, 0, &k.params);
	return r == CUDA_SUCCESS ? set_attributes(&k, n->node) : r;
}

/* ---- the other kinds ---- */

static CUresult take_memset(struct request *rq, struct vwire_rd *in, CUDA_MEMSET_NODE_PARAMS *m)
{
	struct vwire_graph_memset t;
	unsigned __int128 bytes;

	rd_copy(in, &t, sizeof(t));
	*m = (CUDA_MEMSET_NODE_PARAMS){
		.dst = le64toh(t.dst), .pitch = le64toh(t.pitch), .value = le32toh(t.value),
		.elementSize = le32toh(t.element_size), .width = le64toh(t.width),
		.height = le64toh(t.height),
	};
	bytes = (unsigned __int128)m->pitch * (m->height ? m->height - 1 : 0) +
		(unsigned __int128)m->width * m->elementSize;
	if (in->err || bytes > UINT64_MAX / 2)
		return CUDA_ERROR_INVALID_VALUE;
	return memory_check(&rq->w->memory, m->dst, bytes);
}

static CUresult take_event(struct request *rq, struct vwire_rd *in, CUevent *event)
{
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_event, rd_u32(in));

	*event = h ? h->real : NULL;
	return h && !in->err ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult take_memops(struct request *rq, struct vwire_rd *in,
			    CUDA_BATCH_MEM_OP_NODE_PARAMS *p, CUstreamBatchMemOpParams *ops)
{
	size_t n = in->end - in->p;

	if (!n || n % sizeof(*ops) || n / sizeof(*ops) > MEMOPS_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	rd_copy(in, ops, n);
	*p = (CUDA_BATCH_MEM_OP_NODE_PARAMS){
		.ctx = rq->w->ctx, .count = n / sizeof(*ops), .paramArray = ops,
	};
	return hostcall_check_ops(rq->w, ops, p->count);
}

static CUresult add_memset(struct build *b, CUgraph g, struct vwire_rd *in, CUgraphNode *node)
{
	CUDA_MEMSET_NODE_PARAMS m;
	CUresult r = take_memset(b->rq, in, &m);

	return r == CUDA_SUCCESS ? real.cuGraphAddMemsetNode(node, g, NULL, 0, &m, b->rq->w->ctx)
				 : r;
}

static CUresult add_function(struct build *b, CUgraph g, struct vwire_rd *in, struct made_node *n)
{
	CUresult r = host_new(b->rq, &b->hosts, rd_u32(in), 0, &n->host);

	return r == CUDA_SUCCESS ? host_add(g, n->host, &n->node) : r;
}

static CUresult add_event(struct build *b, CUgraph g, struct vwire_rd *in, struct made_node *n)
{
	CUevent event;
	CUresult r = take_event(b->rq, in, &event);

	if (r != CUDA_SUCCESS)
		return r;
	if (n->type == CU_GRAPH_NODE_TYPE_EVENT_RECORD)
		return real.cuGraphAddEventRecordNode(&n->node, g, NULL, 0, event);
	return real.cuGraphAddEventWaitNode(&n->node, g, NULL, 0, event);
}

static CUresult add_memops(struct build *b, CUgraph g, struct vwire_rd *in, CUgraphNode *node)
{
	CUstreamBatchMemOpParams ops[MEMOPS_MAX];
	CUDA_BATCH_MEM_OP_NODE_PARAMS p;
	CUresult r = take_memops(b->rq, in, &p, ops);

	if (r == CUDA_SUCCESS)
		r = real.cuGraphAddBatchMemOpNode
			    ? real.cuGraphAddBatchMemOpNode(node, g, NULL, 0, &p)
			    : CUDA_ERROR_NOT_SUPPORTED;
	return r;
}

/* The child is empty, and built where it is: its nodes are then those that can be updated. */
static CUresult add_child(struct build *b, CUgraph g, CUgraphNode *node, unsigned int depth)
{
	CUgraph child;
	CUresult r = real.cuGraphCreate(&child, 0);

	if (r != CUDA_SUCCESS)
		return r;
	r = real.cuGraphAddChildGraphNode(node, g, NULL, 0, child);
	real.cuGraphDestroy(child);
	if (r == CUDA_SUCCESS)
		r = real.cuGraphChildGraphNodeGetGraph(*node, &child);
	return r == CUDA_SUCCESS ? build_graph(b, child, depth + 1) : r;
}

static CUresult add_conditional(struct build *b, CUgraph g, struct vwire_rd *in, CUgraphNode *node,
				uint32_t nr_graphs, unsigned int depth)
{
	CUgraphNodeParams p = { .type = CU_GRAPH_NODE_TYPE_CONDITIONAL };
	struct vwire_graph_cond t;
	CUresult r;

	rd_copy(in, &t, sizeof(t));
	p.conditional.handle = le64toh(t.handle);
	p.conditional.type = le32toh(t.type);
	p.conditional.size = le32toh(t.size);
	p.conditional.ctx = b->rq->w->ctx;
	if (in->err || p.conditional.size != nr_graphs)
		return CUDA_ERROR_INVALID_VALUE;
	if (!real.cuGraphAddNode_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	r = real.cuGraphAddNode_v2(node, g, NULL, NULL, 0, &p);
	for (uint32_t i = 0; i < nr_graphs && r == CUDA_SUCCESS; i++)
		r = build_graph(b, p.conditional.phGraph_out[i], depth + 1);
	return r;
}

/* ---- a graph ---- */

static CUresult add(struct build *b, CUgraph g, struct made_node *n, struct vwire_rd *in,
		    uint32_t nr_graphs, CUgraphNode ends[2], unsigned int depth)
{
	switch (n->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		return add_kernel(b, g, in, n);
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		return copy_add(b, g, in, n, ends);
	case CU_GRAPH_NODE_TYPE_MEMSET:
		return add_memset(b, g, in, &n->node);
	case CU_GRAPH_NODE_TYPE_HOST:
		return add_function(b, g, in, n);
	case CU_GRAPH_NODE_TYPE_EMPTY:
		return real.cuGraphAddEmptyNode(&n->node, g, NULL, 0);
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
		return add_event(b, g, in, n);
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		return add_memops(b, g, in, &n->node);
	case CU_GRAPH_NODE_TYPE_GRAPH:
		return nr_graphs == 1 ? add_child(b, g, &n->node, depth) : CUDA_ERROR_INVALID_VALUE;
	case CU_GRAPH_NODE_TYPE_CONDITIONAL:
		return add_conditional(b, g, in, &n->node, nr_graphs, depth);
	default:
		return CUDA_ERROR_NOT_SUPPORTED;
	}
}

static struct made_node *next_node(struct build *b)
{
	if (b->nr == b->room) {
		uint32_t room = b->room ? b->room * 2 : 64;
		struct made_node *p = room <= GRAPH_NODES_MAX
					      ? realloc(b->nodes, room * sizeof(*p))
					      : NULL;

		if (!p)
			return NULL;
		b->nodes = p;
		b->room = room;
	}
	b->nodes[b->nr] = (struct made_node){ 0 };
	return &b->nodes[b->nr++];
}

/* The list of nodes moves when graphs in this one add to it: n is a copy until it is whole. */
static CUresult build_node(struct build *b, CUgraph g, CUgraphNode ends[2], unsigned int depth)
{
	struct vwire_graph_node head;
	struct made_node n = { 0 };
	uint32_t number = b->nr;
	struct vwire_rd in;
	const void *doing;
	CUresult r;

	rd_copy(&b->in, &head, sizeof(head));
	doing = rd_bytes(&b->in, le32toh(head.bytes));
	if (!doing || !next_node(b))
		return doing ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
	in = rd_init(doing, le32toh(head.bytes));
	n.type = le32toh(head.type);
	ends[0] = ends[1] = NULL;
	r = add(b, g, &n, &in, le32toh(head.nr_graphs), ends, depth);
	b->nodes[number] = n;
	if (!ends[0])
		ends[0] = ends[1] = n.node;
	return r == CUDA_SUCCESS && !rd_end(&in) ? CUDA_ERROR_INVALID_VALUE : r;
}

struct edges {
	CUgraphNode *from, *to;
	CUgraphEdgeData *data;
	bool has_data;
};

static CUresult take_edges(struct build *b, struct edges *e, CUgraphNode (*ends)[2],
			   uint32_t nr_nodes, uint32_t nr)
{
	static const CUgraphEdgeData none;

	for (uint32_t i = 0; i < nr; i++) {
		struct vwire_graph_edge t;

		rd_copy(&b->in, &t, sizeof(t));
		if (b->in.err || le32toh(t.from) >= nr_nodes || le32toh(t.to) >= nr_nodes)
			return CUDA_ERROR_INVALID_VALUE;
		e->from[i] = ends[le32toh(t.from)][1];
		e->to[i] = ends[le32toh(t.to)][0];
		e->data[i] = (CUgraphEdgeData){ .from_port = t.from_port, .to_port = t.to_port,
						.type = t.type };
		e->has_data |= memcmp(&e->data[i], &none, sizeof(none)) != 0;
	}
	return CUDA_SUCCESS;
}

static CUresult build_edges(struct build *b, CUgraph g, CUgraphNode (*ends)[2], uint32_t nr_nodes,
			    uint32_t nr)
{
	struct edges e = {
		.from = calloc(nr + 1, sizeof(CUgraphNode)), .to = calloc(nr + 1, sizeof(CUgraphNode)),
		.data = calloc(nr + 1, sizeof(CUgraphEdgeData)),
	};
	CUresult r = e.from && e.to && e.data ? take_edges(b, &e, ends, nr_nodes, nr)
					      : CUDA_ERROR_OUT_OF_MEMORY;

	if (r == CUDA_SUCCESS && nr && e.has_data)
		r = real.cuGraphAddDependencies_v2
			    ? real.cuGraphAddDependencies_v2(g, e.from, e.to, e.data, nr)
			    : CUDA_ERROR_NOT_SUPPORTED;
	else if (r == CUDA_SUCCESS && nr)
		r = real.cuGraphAddDependencies(g, e.from, e.to, nr);
	free(e.from);
	free(e.to);
	free(e.data);
	return r;
}

CUresult build_graph(struct build *b, CUgraph g, unsigned int depth)
{
	size_t left = b->in.end - b->in.p;
	CUgraphNode (*ends)[2];
	struct vwire_graph head;
	uint32_t nr, nr_edges;
	CUresult r = CUDA_SUCCESS;

	rd_copy(&b->in, &head, sizeof(head));
	nr = le32toh(head.nr_nodes);
	nr_edges = le32toh(head.nr_edges);
	if (b->in.err || depth > GRAPH_DEPTH_MAX || nr > left / sizeof(struct vwire_graph_node) ||
	    nr_edges > left / sizeof(struct vwire_graph_edge))
		return CUDA_ERROR_INVALID_VALUE;
	ends = calloc((size_t)nr + 1, sizeof(*ends));
	if (!ends)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (uint32_t i = 0; i < nr && r == CUDA_SUCCESS; i++)
		r = build_node(b, g, ends[i], depth);
	if (r == CUDA_SUCCESS)
		r = build_edges(b, g, ends, nr, nr_edges);
	free(ends);
	return r;
}

void build_free(struct build *b)
{
	free(b->nodes);
	hosts_free(b->hosts);
}

/* ---- other parameters for a node ---- */

static CUresult update_event(struct request *rq, struct vwire_rd *in, CUgraphExec exec,
			     const struct made_node *n)
{
	CUevent event;
	CUresult r = take_event(rq, in, &event);

	if (r != CUDA_SUCCESS)
		return r;
	if (n->type == CU_GRAPH_NODE_TYPE_EVENT_RECORD)
		return real.cuGraphExecEventRecordNodeSetEvent(exec, n->node, event);
	return real.cuGraphExecEventWaitNodeSetEvent(exec, n->node, event);
}

static CUresult update_function(struct request *rq, struct vwire_rd *in, CUgraphExec exec,
				struct made_node *n, struct host_node **hosts)
{
	struct host_node *h;
	CUresult r = host_new(rq, hosts, rd_u32(in), 0, &h);

	if (r == CUDA_SUCCESS)
		r = host_set(exec, n->node, h);
	if (r == CUDA_SUCCESS)
		n->host = h;
	return r;
}

static CUresult update(struct request *rq, struct vwire_rd *in, CUgraphExec exec,
		       struct made_node *n, struct host_node **hosts)
{
	CUstreamBatchMemOpParams ops[MEMOPS_MAX];
	CUDA_BATCH_MEM_OP_NODE_PARAMS batch;
	CUDA_MEMSET_NODE_PARAMS m;
	struct kernel k;
	CUresult r;

	switch (n->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL:
		r = take_kernel(rq, in, &k);
		return r ? r : real.cuGraphExecKernelNodeSetParams_v2(exec, n->node, &k.params);
	case CU_GRAPH_NODE_TYPE_MEMCPY:
		return copy_update(rq, in, exec, n, hosts);
	case CU_GRAPH_NODE_TYPE_MEMSET:
		r = take_memset(rq, in, &m);
		return r ? r : real.cuGraphExecMemsetNodeSetParams(exec, n->node, &m, rq->w->ctx);
	case CU_GRAPH_NODE_TYPE_HOST:
		return update_function(rq, in, exec, n, hosts);
	case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
	case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
		return update_event(rq, in, exec, n);
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		r = take_memops(rq, in, &batch, ops);
		return r ? r : real.cuGraphExecBatchMemOpNodeSetParams(exec, n->node, &batch);
	default:
		return CUDA_ERROR_NOT_SUPPORTED;
	}
}

CUresult node_update(struct request *rq, CUgraphExec exec, struct made_node *n,
		     struct host_node **hosts, struct host_node **old)
{
	struct host_node *before = n->host;
	struct vwire_graph_node head;
	const void *doing;
	struct vwire_rd in;
	CUresult r;

	*old = NULL;
	rd_copy(&rq->in, &head, sizeof(head));
	doing = rd_bytes(&rq->in, le32toh(head.bytes));
	if (!rd_end(&rq->in))
		return CUDA_ERROR_INVALID_VALUE;
	if (le32toh(head.type) != n->type)
		return CUDA_ERROR_INVALID_VALUE;
	in = rd_init(doing, le32toh(head.bytes));
	r = update(rq, &in, exec, n, hosts);
	*old = n->host != before ? before : NULL;
	return r;
}
