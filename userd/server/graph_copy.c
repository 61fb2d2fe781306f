// SPDX-License-Identifier: MIT
#include "graph_copy.h"

#include <string.h>

#include "worker.h"

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

CUresult copy_add(struct build *b, CUgraph g, struct vwire_rd *in, struct made_node *n,
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
	r = host_set(exec, n->beside, h);
	if (r == CUDA_SUCCESS)
		n->host = h;
	return r;
}
