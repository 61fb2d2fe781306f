// SPDX-License-Identifier: MIT
/*
 * kernel.c - kernel nodes and their attributes
 */
#include <stdlib.h>
#include <string.h>

#include "graph_kernel.h"
#include "graph_kind.h"
#include "init.h"
#include "module.h"
#include "wire.h"

#define NR_ATTRIBUTES	(CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING + 1)

struct kernel_action {
	const void *function;		/* as the program named it: CUfunction or CUkernel */
	uint32_t set;			/* a bit for each attribute */
	CUlaunchAttributeValue attributes[NR_ATTRIBUTES];
	size_t param_bytes;
	uint8_t *block;
	void *pointers[];		/* to the parameters in it */
};

static const void *function_of(const CUgraphNodeParams *p)
{
	return p->kernel.func ? (const void *)p->kernel.func : (const void *)p->kernel.kern;
}

static CUresult kernel_fill(struct kernel_action *a, const struct vcuda_kernel *k,
			    const CUgraphNodeParams *p)
{
	uint32_t i;

	a->function = function_of(p);
	a->param_bytes = k->param_bytes;
	a->block = (uint8_t *)(a->pointers + k->nr_params);
	for (i = 0; i < k->nr_params; i++)
		a->pointers[i] = a->block + k->params[i].offset;
	return vcuda_launch_params(k, p->kernel.kernelParams, p->kernel.extra, a->block);
}

static CUresult check_shape(const struct vcuda_kernel *k, const CUDA_KERNEL_NODE_PARAMS_v2 *n)
{
	return vcuda_launch_check(k, (unsigned int[]){ n->gridDimX, n->gridDimY, n->gridDimZ },
				  (unsigned int[]){ n->blockDimX, n->blockDimY, n->blockDimZ },
				  n->sharedMemBytes);
}

static CUresult kernel_make(struct action *a, CUgraphNodeParams *p)
{
	const CUDA_KERNEL_NODE_PARAMS_v2 *n = (const CUDA_KERNEL_NODE_PARAMS_v2 *)&p->kernel;
	struct context *ctx;
	struct vcuda_kernel *k;
	struct kernel_action *own;
	CUresult r = vcuda_kernel_get(function_of(p), &k);

	if (!r)
		r = context_of(p->kernel.ctx, &ctx);
	if (!r)
		r = check_shape(k, n);
	if (r)
		return r;
	own = calloc(1, sizeof(*own) + k->nr_params * sizeof(own->pointers[0]) + k->param_bytes);
	if (!own)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = kernel_fill(own, k, p);
	if (r) {
		free(own);
		return r;
	}
	a->data = own;
	a->params.kernel.kernelParams = k->nr_params ? own->pointers : NULL;
	a->params.kernel.extra = NULL;
	a->params.kernel.ctx = (CUcontext)(uintptr_t)ctx->obj.handle;
	return CUDA_SUCCESS;
}

static void kernel_destroy(struct action *a)
{
	free(a->data);
}

static void put_attribute(struct graph_wire *w, uint32_t id, const CUlaunchAttributeValue *v)
{
	uint64_t head = htole64(id);

	wire_bytes(w, &head, sizeof(head));
	wire_bytes(w, v, sizeof(*v));
}

static CUresult kernel_put(const struct action *a, struct graph_wire *w)
{
	const struct kernel_action *own = a->data;
	const CUDA_KERNEL_NODE_PARAMS_v2 *n = (const void *)&a->params.kernel;
	struct vwire_launch_ex ex = { .nr_attributes = htole32(__builtin_popcount(own->set)) };
	struct vcuda_kernel *k;
	CUresult r = vcuda_kernel_use_in(n->ctx, own->function, &k);

	if (r)
		return r;
	ex.launch = (struct vwire_launch){
		.function = htole32(k->function),
		.grid = { htole32(n->gridDimX), htole32(n->gridDimY), htole32(n->gridDimZ) },
		.block = { htole32(n->blockDimX), htole32(n->blockDimY), htole32(n->blockDimZ) },
		.shared_bytes = htole32(n->sharedMemBytes),
	};
	wire_bytes(w, &ex, sizeof(ex));
	for (uint32_t id = 0; id < NR_ATTRIBUTES; id++)
		if (own->set >> id & 1)
			put_attribute(w, id, &own->attributes[id]);
	wire_bytes(w, own->block, own->param_bytes);
	return CUDA_SUCCESS;
}

/* A grid that is no multiple of its clusters is for the driver to refuse. */
static bool has_clusters(const struct vcuda_kernel *k)
{
	return k->attributes[CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET] ||
	       k->attributes[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH] ||
	       k->attributes[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT] ||
	       k->attributes[CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH];
}

/* What else attributes ask for, the device may not have. */
bool kernel_is_sure(const struct action *a)
{
	const CUDA_KERNEL_NODE_PARAMS_v2 *n = (const void *)&a->params.kernel;
	const struct kernel_action *own = a->data;
	struct vcuda_kernel *k;

	return !vcuda_kernel_get(own->function, &k) &&
	       !(own->set & ~(1u << CU_LAUNCH_ATTRIBUTE_PRIORITY)) &&
	       k->attribute_mask == (1u << VWIRE_KERNEL_ATTRIBUTES) - 1 && !has_clusters(k) &&
	       !check_shape(k, n);
}

bool kernel_is_same(const struct action *a, const struct action *b)
{
	const struct kernel_action *old = a->data, *new = b->data;

	return old->function == new->function && old->set == new->set &&
	       !memcmp(old->attributes, new->attributes, sizeof(old->attributes));
}

static CUgraphExecUpdateResult kernel_update(const struct action *a, const struct action *b)
{
	return a->params.kernel.ctx == b->params.kernel.ctx
		       ? CU_GRAPH_EXEC_UPDATE_SUCCESS
		       : CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE;
}

const struct node_kind node_kind_kernel = {
	.name = "kernel",
	.can_disable = true,
	.in_body = true,
	.make = kernel_make,
	.destroy = kernel_destroy,
	.update = kernel_update,
	.put = kernel_put,
};

/* The order in which the server's device runs nodes is its own affair. */
int graph_kernel_priority(const struct action *a)
{
	(void)a;
	return 0;
}

const char *graph_kernel_name(const struct action *a)
{
	const struct kernel_action *own = a->data;
	struct vcuda_kernel *k;

	return vcuda_kernel_get(own->function, &k) ? NULL : k->name;
}

/* ---- attributes ---- */

/* On an action that nobody else has. A node that device code changes would need its handle. */
static CUresult set_attribute(struct action *a, CUlaunchAttributeID id,
			      const CUlaunchAttributeValue *value)
{
	struct kernel_action *own = a->data;

	if (id == CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE &&
	    value->deviceUpdatableKernelNode.deviceUpdatable) {
		driver_log("kernel nodes that the device updates are not supported");
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	own->set |= 1u << id;
	own->attributes[id] = *value;
	return CUDA_SUCCESS;
}

CUresult graph_kernel_set_attributes(struct action *a, const CUlaunchAttribute *attrs,
				     unsigned int nr)
{
	CUresult r = CUDA_SUCCESS;

	for (unsigned int i = 0; i < nr && !r; i++)
		if (graph_kernel_has_attribute(attrs[i].id))
			r = set_attribute(a, attrs[i].id, &attrs[i].value);
	return r;
}

CUresult graph_kernel_keep_attributes(const struct action *old, struct action *new)
{
	const struct kernel_action *from = old->data;
	struct kernel_action *to = new->data;

	to->set = from->set;
	memcpy(to->attributes, from->attributes, sizeof(to->attributes));
	return CUDA_SUCCESS;
}

static CUresult kernel_node(CUgraphNode handle, struct graph_node **n)
{
	CUresult r = node_find(handle, n);

	if (r)
		return r;
	return (*n)->action->kind == &node_kind_kernel ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Gives n an action of its own with the attributes of from. */
static CUresult renew(struct graph_node *n, const struct action *from)
{
	CUgraphNodeParams p = n->action->params;
	struct action *a;
	CUresult r = action_create(&p, &a);

	if (r)
		return r;
	graph_kernel_keep_attributes(from, a);
	action_put(n->action);
	n->action = a;
	return CUDA_SUCCESS;
}

CUresult cuGraphKernelNodeSetAttribute(CUgraphNode handle, CUkernelNodeAttrID id,
				       const CUkernelNodeAttrValue *value)
{
	struct graph_node *n;
	CUresult r;

	if (!value || !graph_kernel_has_attribute(id))
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	r = kernel_node(handle, &n);
	if (!r)
		r = renew(n, n->action);
	return context_leave(r ? r : set_attribute(n->action, id, value));
}

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode handle, CUkernelNodeAttrID id,
				       CUkernelNodeAttrValue *value)
{
	struct graph_node *n;
	CUresult r;

	if (!value || !graph_kernel_has_attribute(id))
		return CUDA_ERROR_INVALID_VALUE;
	driver_lock();
	r = kernel_node(handle, &n);
	if (!r)
		*value = ((const struct kernel_action *)n->action->data)->attributes[id];
	return context_leave(r);
}

CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode dst, CUgraphNode src)
{
	struct graph_node *to, *from;
	CUresult r;

	driver_lock();
	r = kernel_node(dst, &to);
	if (!r)
		r = kernel_node(src, &from);
	return context_leave(r ? r : renew(to, from->action));
}
