/* SPDX-License-Identifier: MIT */
#include "graph_node.h"

#include <stdlib.h>
#include <string.h>

#include "hostcall.h"
#include "log.h"
#include "worker.h"

#define NR_ATTRIBUTES_MAX	32u
#define MEMOPS_MAX		256u

static _Atomic uint64_t fed_bytes;	/* of all nodes */

/* ---- host nodes ---- */

static void fill(struct host_node *h)
{
	struct fed *f;

	if (h->fetch) {
		hostcall_ask(h->w, h->token, VWIRE_CALL_FETCH, CUDA_SUCCESS, h->mem, h->bytes);
		return;
	}
	pthread_mutex_lock(&h->lock);
	f = h->fed;
	if (f) {
		h->fed = f->next;
		if (!h->fed)
			h->fed_tail = &h->fed;
	}
	pthread_mutex_unlock(&h->lock);
	if (!f)
		return;			/* switched off */
	memcpy(h->mem, f->data, f->bytes < h->bytes ? f->bytes : h->bytes);
	fed_bytes -= f->bytes;
	free(f);
}

static void CUDA_CB host_run(void *arg)
{
	struct host_node *h = arg;

	if (!h->mem)
		hostcall_ask(h->w, h->token, VWIRE_CALL_FUNCTION, CUDA_SUCCESS, NULL, 0);
	else if (h->fills)
		fill(h);
	else if (!h->off)
		hostcall_store(h->w, h->token, h->mem, h->bytes);
}

static void fed_free(struct fed *f)
{
	while (f) {
		struct fed *next = f->next;

		fed_bytes -= f->bytes;
		free(f);
		f = next;
	}
}

void hosts_free(struct host_node *h)
{
	while (h) {
		struct host_node *next = h->next;

		fed_free(h->fed);
		fed_free(h->coming);
		if (h->mem)
			real.cuMemFreeHost(h->mem);
		pthread_mutex_destroy(&h->lock);
		free(h);
		h = next;
	}
}

/* bytes 0: it calls a function. */
static CUresult host_new(struct request *rq, struct host_node **list, uint32_t token, size_t bytes,
			 struct host_node **out)
{
	struct host_node *h = calloc(1, sizeof(*h));
	CUresult r;

	if (!h)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = bytes ? real.cuMemHostAlloc(&h->mem, bytes, 0) : CUDA_SUCCESS;
	if (r != CUDA_SUCCESS) {
		free(h);
		return r;
	}
	h->w = rq->w;
	h->token = token;
	h->bytes = h->room = bytes;
	h->fed_tail = &h->fed;
	pthread_mutex_init(&h->lock, NULL);
	h->next = *list;
	*list = *out = h;
	return CUDA_SUCCESS;
}

static bool feed_is_next(const struct host_node *h, const struct vwire_feed *f)
{
	uint64_t offset = le64toh(f->offset), total = le64toh(f->total), n = le64toh(f->len);

	if (!total || total > GRAPH_FED_MAX || offset > total || n > total - offset)
		return false;
	return h->coming ? h->coming->have == offset && h->coming->bytes == total : !offset;
}

bool node_feed(struct host_node *h, const struct vwire_feed *f, const void *data)
{
	uint64_t total = le64toh(f->total);
	struct fed *c;

	if (!feed_is_next(h, f))
		return false;
	if (!h->coming) {
		fed_bytes += total;
		h->coming = fed_bytes <= GRAPH_FED_MAX ? malloc(sizeof(*c) + total) : NULL;
		if (!h->coming)
			return false;
		*h->coming = (struct fed){ .bytes = total };
	}
	c = h->coming;
	memcpy(c->data + c->have, data, le64toh(f->len));
	c->have += le64toh(f->len);
	if (c->have < c->bytes)
		return true;
	h->coming = NULL;
	pthread_mutex_lock(&h->lock);
	*h->fed_tail = c;
	h->fed_tail = &c->next;
	pthread_mutex_unlock(&h->lock);
	return true;
}

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
		memcpy(&value, p + 8, sizeof(value));
		if (le32toh(id) == CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE)
			return CUDA_ERROR_NOT_SUPPORTED;
		r = real.cuGraphKernelNodeSetAttribute(node, le32toh(id), &value);
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

/* ---- copies ---- */

static CUresult take_side(struct request *rq, const struct vwire_graph_side *s, CUmemorytype *type,
			  CUdeviceptr *ptr, CUarray *array)
{
	struct handle *h;

	*type = le32toh(s->type);
	*ptr = le64toh(s->ptr);
	if (*type == CU_MEMORYTYPE_HOST)
		return CUDA_SUCCESS;
	if (*type == CU_MEMORYTYPE_DEVICE)
		return memory_check(&rq->w->memory, *ptr, 1);
	if (*type != CU_MEMORYTYPE_ARRAY || *ptr > UINT32_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	h = handles_find(&rq->w->handles, CUDA_HANDLE_array, *ptr);
	*array = h ? h->real : NULL;
	return h ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

/* The span of a side in device memory. */
static CUresult check_span(struct request *rq, CUdeviceptr base, uint64_t pitch, uint64_t height,
			   uint64_t x, uint64_t y, uint64_t z, const CUDA_MEMCPY3D *c)
{
	unsigned __int128 rows = (unsigned __int128)(z + c->Depth - 1) * height + y + c->Height - 1;
	unsigned __int128 end = rows * pitch + x + c->WidthInBytes;
	unsigned __int128 start = ((unsigned __int128)z * height + y) * pitch + x;

	if (end > UINT64_MAX / 2 || start >= end)
		return CUDA_ERROR_INVALID_VALUE;
	return memory_check(&rq->w->memory, base + (uint64_t)start, (uint64_t)(end - start));
}

static CUresult take_copy(struct request *rq, struct vwire_rd *in, CUDA_MEMCPY3D *c, bool *fetch)
{
	struct vwire_graph_copy t;
	CUresult r;

	rd_copy(in, &t, sizeof(t));
	memset(c, 0, sizeof(*c));
	c->WidthInBytes = le64toh(t.width);
	c->Height = le64toh(t.height);
	c->Depth = le64toh(t.depth);
	*fetch = le32toh(t.flags) & VWIRE_GRAPH_F_FETCH;
	if (in->err || !c->WidthInBytes || !c->Height || !c->Depth)
		return CUDA_ERROR_INVALID_VALUE;
	r = take_side(rq, &t.src, &c->srcMemoryType, &c->srcDevice, &c->srcArray);
	if (r == CUDA_SUCCESS)
		r = take_side(rq, &t.dst, &c->dstMemoryType, &c->dstDevice, &c->dstArray);
	c->srcLOD = le32toh(t.src.lod);
	c->srcPitch = le64toh(t.src.pitch);
	c->srcHeight = le64toh(t.src.height);
	c->srcXInBytes = le64toh(t.src.x);
	c->srcY = le64toh(t.src.y);
	c->srcZ = le64toh(t.src.z);
	c->dstLOD = le32toh(t.dst.lod);
	c->dstPitch = le64toh(t.dst.pitch);
	c->dstHeight = le64toh(t.dst.height);
	c->dstXInBytes = le64toh(t.dst.x);
	c->dstY = le64toh(t.dst.y);
	c->dstZ = le64toh(t.dst.z);
	if (r == CUDA_SUCCESS && c->srcMemoryType == CU_MEMORYTYPE_DEVICE)
		r = check_span(rq, c->srcDevice, c->srcPitch, c->srcHeight, c->srcXInBytes, c->srcY,
			       c->srcZ, c);
	if (r == CUDA_SUCCESS && c->dstMemoryType == CU_MEMORYTYPE_DEVICE)
		r = check_span(rq, c->dstDevice, c->dstPitch, c->dstHeight, c->dstXInBytes, c->dstY,
			       c->dstZ, c);
	return r;
}

/* The host's side is the node's own memory, in which rows are packed. */
static void use_memory(CUDA_MEMCPY3D *c, struct host_node *h)
{
	if (h->fills) {
		c->srcHost = h->mem;
		c->srcPitch = c->WidthInBytes;
		c->srcHeight = c->Height;
		c->srcXInBytes = c->srcY = c->srcZ = 0;
	} else {
		c->dstHost = h->mem;
		c->dstPitch = c->WidthInBytes;
		c->dstHeight = c->Height;
		c->dstXInBytes = c->dstY = c->dstZ = 0;
	}
}

static bool copy_bytes(const CUDA_MEMCPY3D *c, size_t *bytes)
{
	return !__builtin_mul_overflow(c->WidthInBytes, c->Height, bytes) &&
	       !__builtin_mul_overflow(*bytes, c->Depth, bytes) && *bytes <= GRAPH_FED_MAX;
}

/* A host node for the host's side; none when there is none. Both sides: the client does that. */
static CUresult host_of_copy(struct request *rq, struct host_node **list, CUDA_MEMCPY3D *c,
			     bool fetch, struct host_node **out)
{
	bool from = c->srcMemoryType == CU_MEMORYTYPE_HOST;
	bool to = c->dstMemoryType == CU_MEMORYTYPE_HOST;
	uint64_t token = from ? c->srcDevice : c->dstDevice;
	size_t bytes;
	CUresult r;

	*out = NULL;
	if (!from && !to)
		return CUDA_SUCCESS;
	if ((from && to) || token > UINT32_MAX || !copy_bytes(c, &bytes))
		return CUDA_ERROR_INVALID_VALUE;
	r = host_new(rq, list, token, bytes, out);
	if (r != CUDA_SUCCESS)
		return r;
	(*out)->fills = from;
	(*out)->fetch = fetch;
	use_memory(c, *out);
	return CUDA_SUCCESS;
}

static CUresult add_host(CUgraph g, struct host_node *h, CUgraphNode *node)
{
	CUDA_HOST_NODE_PARAMS p = { .fn = host_run, .userData = h };

	return real.cuGraphAddHostNode(node, g, NULL, 0, &p);
}

/* Which of its two nodes others come before, and behind: ends[0] and ends[1]. */
static CUresult add_copy(struct build *b, CUgraph g, struct vwire_rd *in, struct made_node *n,
			 CUgraphNode ends[2])
{
	CUDA_MEMCPY3D c;
	bool fetch;
	CUresult r = take_copy(b->rq, in, &c, &fetch);

	if (r == CUDA_SUCCESS)
		r = host_of_copy(b->rq, &b->hosts, &c, fetch, &n->host);
	if (r == CUDA_SUCCESS)
		r = real.cuGraphAddMemcpyNode(&n->node, g, NULL, 0, &c, b->rq->w->ctx);
	if (r != CUDA_SUCCESS || !n->host)
		return r;
	r = add_host(g, n->host, &n->beside);
	if (r != CUDA_SUCCESS)
		return r;
	ends[0] = n->host->fills ? n->beside : n->node;
	ends[1] = n->host->fills ? n->node : n->beside;
	return real.cuGraphAddDependencies(g, &ends[0], &ends[1], 1);
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

	return r == CUDA_SUCCESS ? add_host(g, n->host, &n->node) : r;
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
		return add_copy(b, g, in, n, ends);
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

static CUresult set_host(CUgraphExec exec, CUgraphNode node, struct host_node *h)
{
	CUDA_HOST_NODE_PARAMS p = { .fn = host_run, .userData = h };

	return real.cuGraphExecHostNodeSetParams(exec, node, &p);
}

static CUresult update_copy(struct request *rq, struct vwire_rd *in, CUgraphExec exec,
			    struct made_node *n, struct host_node **hosts)
{
	struct host_node *h;
	CUDA_MEMCPY3D c;
	bool fetch;
	CUresult r = take_copy(rq, in, &c, &fetch);

	if (r == CUDA_SUCCESS)
		r = host_of_copy(rq, hosts, &c, fetch, &h);
	if (r == CUDA_SUCCESS && (h != NULL) != (n->host != NULL))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = real.cuGraphExecMemcpyNodeSetParams(exec, n->node, &c, rq->w->ctx);
	if (r != CUDA_SUCCESS || !h)
		return r;
	h->off = n->host->off;
	r = set_host(exec, n->beside, h);
	if (r == CUDA_SUCCESS)
		n->host = h;
	return r;
}

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
		r = set_host(exec, n->node, h);
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
		return update_copy(rq, in, exec, n, hosts);
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
