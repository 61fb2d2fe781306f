/* SPDX-License-Identifier: MIT */
/*
 * graph_kernel.c - kernel nodes and their attributes
 */
#include <stdlib.h>

#include "graph_kernel.h"
#include "graph_kind.h"
#include "init.h"
#include "launch.h"

#define NR_ATTRIBUTES	(CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING + 1)

struct kernel_action {
	CUfunction function;		/* never a CUkernel */
	CUcontext ctx;
	struct geometry geometry;
	struct launch *launch;
	uint32_t set;			/* a bit for each attribute */
	CUlaunchAttributeValue attributes[NR_ATTRIBUTES];
	void *pointers[];		/* to the arguments, in launch->params */
};

static CUresult find_function(const CUgraphNodeParams *p, struct context **ctx,
			      struct function **f)
{
	void *handle = p->kernel.func ? (void *)p->kernel.func : (void *)p->kernel.kern;
	struct function *own = function_by_handle(handle);
	CUresult r = CUDA_SUCCESS;

	/* A function knows its context; a kernel takes the one that is named, or current. */
	if (own && !p->kernel.ctx)
		*ctx = own->module->ctx;
	else
		r = context_of(p->kernel.ctx, ctx);
	return r == CUDA_SUCCESS ? function_find(*ctx, handle, f) : r;
}

static CUresult kernel_make(struct action *a, CUgraphNodeParams *p)
{
	const struct sg_kernel_info *info;
	struct context *ctx;
	struct function *f;
	struct kernel_action *k;
	CUresult r = find_function(p, &ctx, &f);

	if (r != CUDA_SUCCESS)
		return r;
	info = sg_kernel_info(f->code);
	k = calloc(1, sizeof(*k) + info->nr_params * sizeof(k->pointers[0]));
	if (!k)
		return CUDA_ERROR_OUT_OF_MEMORY;
	k->ctx = HANDLE_OF(ctx);
	k->geometry = (struct geometry){
		{ p->kernel.gridDimX, p->kernel.gridDimY, p->kernel.gridDimZ },
		{ p->kernel.blockDimX, p->kernel.blockDimY, p->kernel.blockDimZ },
		p->kernel.sharedMemBytes,
		false,
		LAUNCH_INHERIT,
	};
	r = function_handle(f, &k->function);
	if (r == CUDA_SUCCESS)
		r = launch_check(f, &k->geometry);
	if (r == CUDA_SUCCESS)
		r = launch_create(f, &k->geometry, p->kernel.kernelParams, p->kernel.extra,
				  &k->launch);
	if (r != CUDA_SUCCESS) {
		free(k);
		return r;
	}
	for (uint32_t i = 0; i < info->nr_params; i++)
		k->pointers[i] = k->launch->params + info->params[i].offset;
	a->data = k;
	a->params.kernel.kernelParams = info->nr_params ? k->pointers : NULL;
	a->params.kernel.extra = NULL;
	a->params.kernel.ctx = k->ctx;
	return CUDA_SUCCESS;
}

static void kernel_destroy(struct action *a)
{
	struct kernel_action *k = a->data;

	free(k->launch);
	free(k);
}

static CUgraphExecUpdateResult kernel_update(const struct action *a, const struct action *b)
{
	const struct kernel_action *old = a->data, *new = b->data;

	if (old->ctx != new->ctx)
		return CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE;
	if (old->geometry.cooperative != new->geometry.cooperative)
		return CU_GRAPH_EXEC_UPDATE_ERROR_ATTRIBUTES_CHANGED;
	return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

/* Its module may have been unloaded since the node was made. */
static CUresult kernel_launch(struct action *a, struct run *run)
{
	const struct kernel_action *k = a->data;

	(void)run;
	return function_by_handle(k->function) ? launch_begin(k->launch)
							 : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult kernel_run(const struct action *a, struct run *run)
{
	const struct kernel_action *k = a->data;
	int priority = k->launch->l.priority;

	if (priority == LAUNCH_INHERIT ||
	    !(run->flags & CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY))
		priority = run->stream->priority;
	return launch_grid(k->launch, priority);
}

const struct node_kind node_kind_kernel = {
	.name = "kernel",
	.can_disable = true,
	.in_body = true,
	.make = kernel_make,
	.destroy = kernel_destroy,
	.update = kernel_update,
	.launch = kernel_launch,
	.run = kernel_run,
};

int graph_kernel_priority(const struct action *a)
{
	const struct kernel_action *k = a->data;

	return k->geometry.priority == LAUNCH_INHERIT ? 0 : k->geometry.priority;
}

const char *graph_kernel_name(const struct action *a)
{
	const struct kernel_action *k = a->data;
	const struct function *f = function_by_handle(k->function);

	return f ? sg_kernel_info(f->code)->name : NULL;
}

/* On an action that nobody else has. */
static CUresult set_attribute(struct action *a, const CUlaunchAttribute *attr)
{
	struct kernel_action *k = a->data;
	struct geometry g = k->geometry;
	CUresult r = launch_attribute(attr, &g);

	if (r == CUDA_SUCCESS)
		r = launch_check(function_by_handle(k->function), &g);
	if (r != CUDA_SUCCESS)
		return r;
	k->geometry = g;
	k->launch->l.cooperative = g.cooperative;
	k->launch->l.priority = g.priority;
	k->set |= 1u << attr->id;
	k->attributes[attr->id] = attr->value;
	return CUDA_SUCCESS;
}

static CUresult copy_attributes(const struct action *from, struct action *to)
{
	const struct kernel_action *k = from->data;
	CUresult r = CUDA_SUCCESS;

	for (int id = 0; id < NR_ATTRIBUTES && r == CUDA_SUCCESS; id++) {
		CUlaunchAttribute attr = { .id = id, .value = k->attributes[id] };

		if (k->set >> id & 1)
			r = set_attribute(to, &attr);
	}
	return r;
}

CUresult graph_kernel_set_attributes(struct action *a, const CUlaunchAttribute *attrs,
				     unsigned int nr)
{
	CUresult r = CUDA_SUCCESS;

	for (unsigned int i = 0; i < nr && r == CUDA_SUCCESS; i++)
		if (graph_kernel_has_attribute(attrs[i].id))
			r = set_attribute(a, &attrs[i]);
	return r;
}

CUresult graph_kernel_keep_attributes(const struct action *old, struct action *new)
{
	return copy_attributes(old, new);
}

static CUresult kernel_node(CUgraphNode handle, struct graph_node **n)
{
	CUresult r = node_find(handle, n);

	if (r != CUDA_SUCCESS)
		return r;
	return (*n)->action->kind == &node_kind_kernel ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Gives n the parameters that it has, with the attributes of from and then this one. */
static CUresult change_attributes(struct graph_node *n, const struct action *from,
				  const CUlaunchAttribute *attr)
{
	CUgraphNodeParams p = n->action->params;
	struct action *a;
	CUresult r = action_create(&p, &a);

	if (r != CUDA_SUCCESS)
		return r;
	r = copy_attributes(from, a);
	if (r == CUDA_SUCCESS && attr)
		r = set_attribute(a, attr);
	if (r != CUDA_SUCCESS) {
		action_put(a);
		return r;
	}
	action_put(n->action);
	n->action = a;
	return CUDA_SUCCESS;
}

CUresult cuGraphKernelNodeSetAttribute(CUgraphNode handle, CUkernelNodeAttrID id,
				       const CUkernelNodeAttrValue *value)
{
	CUlaunchAttribute attr = { .id = id };
	struct graph_node *n;
	CUresult r = driver_ready();

	if (r != CUDA_SUCCESS)
		return r;
	if (!value || !graph_kernel_has_attribute(id))
		return CUDA_ERROR_INVALID_VALUE;
	attr.value = *value;
	driver_lock();
	r = kernel_node(handle, &n);
	if (r == CUDA_SUCCESS)
		r = change_attributes(n, n->action, &attr);
	return context_leave(r);
}

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode handle, CUkernelNodeAttrID id,
				       CUkernelNodeAttrValue *value)
{
	const struct kernel_action *k;
	struct graph_node *n;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = kernel_node(handle, &n);
	if (r != CUDA_SUCCESS || !value || !graph_kernel_has_attribute(id))
		return context_leave(r != CUDA_SUCCESS ? r : CUDA_ERROR_INVALID_VALUE);
	k = n->action->data;
	*value = k->attributes[id];	/* zero is the default of each */
	return context_leave(CUDA_SUCCESS);
}

CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode dst, CUgraphNode src)
{
	struct graph_node *to, *from;
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	r = kernel_node(dst, &to);
	if (r == CUDA_SUCCESS)
		r = kernel_node(src, &from);
	if (r == CUDA_SUCCESS)
		r = change_attributes(to, from->action, NULL);
	return context_leave(r);
}
