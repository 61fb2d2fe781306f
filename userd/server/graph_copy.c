// SPDX-License-Identifier: MIT
#include "graph_copy.h"

#include "worker.h"

/* Of a copy, as CUDA_MEMCPY3D has each twice. */
struct side {
	CUmemorytype type;
	void *host;		/* where type is CU_MEMORYTYPE_HOST */
	CUdeviceptr ptr;	/* and here then the client's token */
	CUarray array;
	uint64_t lod, pitch, height, x, y, z;
};

struct node_copy {
	struct side src, dst;
	size_t width, height, depth;
	bool fetch;
};

/* The span of a side in device memory. */
static CUresult check_span(struct request *rq, const struct side *s, const struct node_copy *c)
{
	unsigned __int128 rows = (unsigned __int128)(s->z + c->depth - 1) * s->height + s->y +
				 c->height - 1;
	unsigned __int128 end = rows * s->pitch + s->x + c->width;
	unsigned __int128 start = ((unsigned __int128)s->z * s->height + s->y) * s->pitch + s->x;

	if (end > UINT64_MAX / 2 || start >= end)
		return CUDA_ERROR_INVALID_VALUE;
	return memory_check(&rq->w->memory, s->ptr + (uint64_t)start, (uint64_t)(end - start));
}

static CUresult take_array(struct request *rq, struct side *s)
{
	struct handle *h;

	if (s->type != CU_MEMORYTYPE_ARRAY || s->ptr > UINT32_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	h = handles_find(&rq->w->handles, CUDA_HANDLE_array, s->ptr);
	s->array = h ? h->real : NULL;
	return h ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult take_side(struct request *rq, const struct vwire_graph_side *t,
			  const struct node_copy *c, struct side *s)
{
	*s = (struct side){
		.type = le32toh(t->type),
		.ptr = le64toh(t->ptr),
		.lod = le32toh(t->lod),
		.pitch = le64toh(t->pitch),
		.height = le64toh(t->height),
		.x = le64toh(t->x),
		.y = le64toh(t->y),
		.z = le64toh(t->z),
	};
	if (s->type == CU_MEMORYTYPE_HOST)
		return CUDA_SUCCESS;
	return s->type == CU_MEMORYTYPE_DEVICE ? check_span(rq, s, c) : take_array(rq, s);
}

static CUresult take_copy(struct request *rq, struct vwire_rd *in, struct node_copy *c)
{
	struct vwire_graph_copy t;
	CUresult r;

	rd_copy(in, &t, sizeof(t));
	*c = (struct node_copy){
		.width = le64toh(t.width),
		.height = le64toh(t.height),
		.depth = le64toh(t.depth),
		.fetch = le32toh(t.flags) & VWIRE_GRAPH_F_FETCH,
	};
	if (in->err || !c->width || !c->height || !c->depth)
		return CUDA_ERROR_INVALID_VALUE;
	r = take_side(rq, &t.src, c, &c->src);
	return r == CUDA_SUCCESS ? take_side(rq, &t.dst, c, &c->dst) : r;
}

static bool copy_bytes(const struct node_copy *c, size_t *bytes)
{
	return !__builtin_mul_overflow(c->width, c->height, bytes) &&
	       !__builtin_mul_overflow(*bytes, c->depth, bytes) && *bytes <= GRAPH_FED_MAX;
}

/*
 * A host node for the host's side, which is then that node's own memory, where rows are packed;
 * none when there is none. Both sides: the client does that.
 */
static CUresult host_of_copy(struct request *rq, struct host_node **list, struct node_copy *c,
			     struct host_node **out)
{
	bool from = c->src.type == CU_MEMORYTYPE_HOST;
	bool to = c->dst.type == CU_MEMORYTYPE_HOST;
	struct side *host = from ? &c->src : &c->dst;
	size_t bytes;
	CUresult r;

	*out = NULL;
	if (!from && !to)
		return CUDA_SUCCESS;
	if ((from && to) || host->ptr > UINT32_MAX || !copy_bytes(c, &bytes))
		return CUDA_ERROR_INVALID_VALUE;
	r = host_new(rq, list, host->ptr, bytes, out);
	if (r != CUDA_SUCCESS)
		return r;
	(*out)->fills = from;
	(*out)->fetch = c->fetch;
	*host = (struct side){
		.type = CU_MEMORYTYPE_HOST,
		.host = (*out)->mem,
		.pitch = c->width,
		.height = c->height,
	};
	return CUDA_SUCCESS;
}

#define SIDE(name, s) \
	.name##MemoryType = (s).type, .name##Host = (s).host, .name##Device = (s).ptr, \
	.name##Array = (s).array, .name##LOD = (s).lod, .name##Pitch = (s).pitch, \
	.name##Height = (s).height, .name##XInBytes = (s).x, .name##Y = (s).y, .name##Z = (s).z

static CUDA_MEMCPY3D memcpy3d(const struct node_copy *c)
{
	return (CUDA_MEMCPY3D){
		SIDE(src, c->src),
		SIDE(dst, c->dst),
		.WidthInBytes = c->width,
		.Height = c->height,
		.Depth = c->depth,
	};
}

/* What the driver is told of a copy, and a host node for the host's side of it. */
static CUresult read_copy(struct request *rq, struct vwire_rd *in, struct host_node **list,
			  CUDA_MEMCPY3D *out, struct host_node **host)
{
	struct node_copy c;
	CUresult r = take_copy(rq, in, &c);

	if (r == CUDA_SUCCESS)
		r = host_of_copy(rq, list, &c, host);
	if (r == CUDA_SUCCESS)
		*out = memcpy3d(&c);
	return r;
}

CUresult copy_add(struct build *b, CUgraph g, struct vwire_rd *in, struct made_node *n,
		  CUgraphNode ends[2])
{
	CUDA_MEMCPY3D c;
	CUresult r = read_copy(b->rq, in, &b->hosts, &c, &n->host);

	if (r == CUDA_SUCCESS)
		r = real.cuGraphAddMemcpyNode(&n->node, g, NULL, 0, &c, b->rq->w->ctx);
	if (r != CUDA_SUCCESS || !n->host)
		return r;
	r = host_add(g, n->host, &n->beside);
	if (r != CUDA_SUCCESS)
		return r;
	ends[0] = n->host->fills ? n->beside : n->node;
	ends[1] = n->host->fills ? n->node : n->beside;
	return real.cuGraphAddDependencies(g, &ends[0], &ends[1], 1);
}

CUresult copy_update(struct request *rq, struct vwire_rd *in, CUgraphExec exec,
		     struct made_node *n, struct host_node **hosts)
{
	struct host_node *h;
	CUDA_MEMCPY3D c;
	CUresult r = read_copy(rq, in, hosts, &c, &h);

	if (r == CUDA_SUCCESS && (h != NULL) != (n->host != NULL))
		r = CUDA_ERROR_INVALID_VALUE;
	if (r == CUDA_SUCCESS)
		r = real.cuGraphExecMemcpyNodeSetParams(exec, n->node, &c, rq->w->ctx);
	if (r != CUDA_SUCCESS || !h)
		return r;
	h->off = n->host->off;
	r = host_set(exec, n->beside, h);
	if (r == CUDA_SUCCESS)
		n->host = h;
	return r;
}
