// SPDX-License-Identifier: MIT
/*
 * launch.c - kernel launches: one frame, no answer
 */
#include <string.h>

#include "launchattr.h"
#include "module.h"
#include "vcuda_graph.h"
#include "view.h"

/* CUDA programming guide: kernel parameters are at most 32,764 bytes */
#define PARAM_BYTES_MAX	32768

struct launch {
	struct vwire_launch_ex wire;
	const void *params;
	size_t param_bytes;
	uint8_t attributes[VCUDA_LAUNCH_ATTRIBUTES];
	uint8_t packed[4096] __attribute__((aligned(16)));
};

static bool known(const struct vcuda_kernel *k, CUfunction_attribute which)
{
	return k->attribute_mask >> which & 1;
}

/*
 * A kernel takes fewer threads than the device where its registers, which warps get in units of
 * 256, would not suffice, or where the compiler was told so.
 */
static bool registers_suffice(unsigned int registers, uint64_t threads, const int *d)
{
	uint64_t of_warp = ((uint64_t)registers * 32 + 255) & ~255ull;

	return (threads + 31) / 32 * of_warp <=
	       (uint64_t)d[CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK];
}

/* What the driver refuses at the call itself. */
CUresult vcuda_launch_check(const struct vcuda_kernel *k, const unsigned int grid[3],
			    const unsigned int block[3], unsigned int shared)
{
	const int *d = vcuda_lease()->devices[vcuda_current_device()].attributes;
	uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
	int i;

	for (i = 0; i < 3; i++)
		if (!grid[i] || !block[i] ||
		    grid[i] > (unsigned int)d[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i] ||
		    block[i] > (unsigned int)d[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i])
			return CUDA_ERROR_INVALID_VALUE;
	if (threads > (uint64_t)d[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK] ||
	    shared > (unsigned int)d[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN])
		return CUDA_ERROR_INVALID_VALUE;
	if (known(k, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK) &&
	    threads > (uint64_t)k->attributes[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK])
		return registers_suffice(k->attributes[CU_FUNC_ATTRIBUTE_NUM_REGS], threads, d)
			       ? CUDA_ERROR_INVALID_VALUE
			       : CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	if (known(k, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) &&
	    shared > (unsigned int)k->attributes[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES])
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static CUresult clear_packed(struct launch *l, const struct vcuda_kernel *k)
{
	if (k->param_bytes > sizeof(l->packed)) {
		vcuda_say("%s: %u bytes of parameters are not supported", k->name, k->param_bytes);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	memset(l->packed, 0, k->param_bytes);
	return CUDA_SUCCESS;
}

static CUresult pack_pointers(struct launch *l, const struct vcuda_kernel *k, void **params)
{
	CUresult r = clear_packed(l, k);
	uint32_t i;

	if (r)
		return r;
	for (i = 0; i < k->nr_params; i++) {
		if (!params[i])
			return CUDA_ERROR_INVALID_VALUE;
		memcpy(l->packed + k->params[i].offset, params[i], k->params[i].size);
	}
	l->params = l->packed;
	l->param_bytes = k->param_bytes;
	return CUDA_SUCCESS;
}

/* A list of key and value that ends with CU_LAUNCH_PARAM_END. */
static CUresult take_extra(struct launch *l, void **extra)
{
	const size_t *size = NULL;

	for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
		if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
			l->params = extra[1];
		else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
			size = extra[1];
		else
			return CUDA_ERROR_INVALID_VALUE;
	}
	l->param_bytes = size ? *size : 0;
	return l->param_bytes > PARAM_BYTES_MAX || (l->param_bytes && !l->params)
		       ? CUDA_ERROR_INVALID_VALUE
		       : CUDA_SUCCESS;
}

/* What a list leaves out is 0. */
static CUresult pad_extra(struct launch *l, const struct vcuda_kernel *k)
{
	CUresult r = l->params ? clear_packed(l, k) : CUDA_ERROR_INVALID_VALUE;

	if (r)
		return r;
	memcpy(l->packed, l->params, l->param_bytes);
	l->params = l->packed;
	l->param_bytes = k->param_bytes;
	return CUDA_SUCCESS;
}

static CUresult find_params(struct launch *l, const struct vcuda_kernel *k, void **params,
			    void **extra)
{
	CUresult r;

	l->params = NULL;
	l->param_bytes = 0;
	if (params && extra)
		return CUDA_ERROR_INVALID_VALUE;
	if (extra) {
		r = take_extra(l, extra);
		if (!r && l->param_bytes < k->param_bytes)
			return pad_extra(l, k);
		/* what stands behind the last parameter is nobody's */
		l->param_bytes = k->param_bytes;
		return r;
	}
	if (!k->nr_params)
		return CUDA_SUCCESS;
	return params ? pack_pointers(l, k, params) : CUDA_ERROR_INVALID_VALUE;
}

static CUresult take_params(struct launch *l, const struct vcuda_kernel *k, void **params,
			    void **extra)
{
	CUresult r = find_params(l, k, params, extra);

	return r ? r : vcuda_host_map_params(l->params, l->param_bytes);
}

CUresult vcuda_launch_params(const struct vcuda_kernel *k, void **params, void **extra, void *block)
{
	struct launch l;
	CUresult r = take_params(&l, k, params, extra);

	if (!r && k->param_bytes)
		memcpy(block, l.params, k->param_bytes);
	return r;
}

static CUresult prepare(struct launch *l, const void *fn, const unsigned int grid[3],
			const unsigned int block[3], unsigned int shared, CUstream stream,
			void **params, void **extra)
{
	struct vwire_launch *w = &l->wire.launch;
	struct vcuda_kernel *k;
	uint32_t number;
	CUresult r = vcuda_kernel_use_in(vcuda_stream_context(stream), fn, &k);
	int i;

	if (!r)
		r = vcuda_launch_check(k, grid, block, shared);
	if (!r)
		r = vcuda_stream_number(stream, &number);
	if (!r && vcuda_several_contexts() && !vcuda_kernel_is_of(k, vcuda_stream_context(stream)))
		r = CUDA_ERROR_INVALID_HANDLE;
	if (!r)
		r = take_params(l, k, params, extra);
	if (!r)
		r = vcuda_sticky_error();
	if (!r && vcuda_has_views())
		r = vcuda_views_flush(stream);
	if (r)
		return r;
	w->function = htole32(k->function);
	w->stream = htole32(number);
	w->shared_bytes = htole32(shared);
	for (i = 0; i < 3; i++) {
		w->grid[i] = htole32(grid[i]);
		w->block[i] = htole32(block[i]);
	}
	return CUDA_SUCCESS;
}

static CUresult submit(uint16_t op, const struct vcuda_iov *iov, unsigned int n)
{
	uint64_t seq;
	CUresult r = vcuda_submit(op, 0, iov, n, NULL, &seq);

	if (!r)
		vcuda_note_work(seq);
	return r;
}

/* Becomes a node where the stream captures. */
static CUresult capture(CUfunction fn, const unsigned int grid[3], const unsigned int block[3],
			unsigned int shared, CUstream stream, void **params, void **extra,
			const CUlaunchAttribute *attrs, unsigned int nr, bool *capturing)
{
	CUgraphNodeParams p = {
		.type = CU_GRAPH_NODE_TYPE_KERNEL,
		.kernel = { .func = fn,
			    .gridDimX = grid[0], .gridDimY = grid[1], .gridDimZ = grid[2],
			    .blockDimX = block[0], .blockDimY = block[1], .blockDimZ = block[2],
			    .sharedMemBytes = shared, .kernelParams = params, .extra = extra },
	};

	return vcuda_capture_kernel(stream, &p, attrs, nr, capturing);
}

/*
 * A cooperative grid that the device cannot hold at once is refused by the call, which programs ask
 * to learn how large a grid may be. How many blocks fit is asked once for each kind of block.
 */
static CUresult check_cooperative(CUfunction fn, const unsigned int grid[3],
				  const unsigned int block[3], unsigned int shared)
{
	const int *d = vcuda_lease()->devices[vcuda_current_device()].attributes;
	uint64_t fit;
	int blocks = 0;
	CUresult r;

	if (!d[CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH])
		return CUDA_ERROR_NOT_SUPPORTED;
	r = hand_cuOccupancyMaxActiveBlocksPerMultiprocessor(
		&blocks, fn, (int)(block[0] * block[1] * block[2]), shared);
	fit = (uint64_t)blocks * d[CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT];
	if (!r && (uint64_t)grid[0] * grid[1] > fit / (grid[2] ?: 1))
		r = CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
	return r;
}

static CUresult launch(CUfunction fn, const unsigned int grid[3], const unsigned int block[3],
		       unsigned int shared, CUstream stream, void **params, void **extra,
		       uint32_t flags)
{
	static const CUlaunchAttribute cooperative = { .id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE,
						       .value = { .cooperative = 1 } };
	struct launch l;
	bool capturing;
	CUresult r;

	if (vcuda_capturing()) {
		r = capture(fn, grid, block, shared, stream, params, extra, &cooperative, !!flags,
			    &capturing);
		if (r || capturing)
			return r;
	}
	r = prepare(&l, fn, grid, block, shared, stream, params, extra);
	if (!r && flags & VWIRE_LAUNCH_F_COOPERATIVE)
		r = check_cooperative(fn, grid, block, shared);
	if (r)
		return r;
	l.wire.launch.flags = htole32(flags);
	return submit(CUDA_ID_cuLaunchKernel,
		      (struct vcuda_iov[]){ { &l.wire.launch, sizeof(l.wire.launch) },
					    { l.params, l.param_bytes } },
		      2);
}

CUresult hand_cuLaunchKernel(CUfunction fn, unsigned int gx, unsigned int gy, unsigned int gz,
			     unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			     CUstream stream, void **params, void **extra)
{
	return launch(fn, (unsigned int[]){ gx, gy, gz }, (unsigned int[]){ bx, by, bz }, shared,
		      stream, params, extra, 0);
}

CUresult hand_cuLaunchCooperativeKernel(CUfunction fn, unsigned int gx, unsigned int gy,
					unsigned int gz, unsigned int bx, unsigned int by,
					unsigned int bz, unsigned int shared, CUstream stream,
					void **params)
{
	return launch(fn, (unsigned int[]){ gx, gy, gz }, (unsigned int[]){ bx, by, bz }, shared,
		      stream, params, NULL, VWIRE_LAUNCH_F_COOPERATIVE);
}

/* ---- cuLaunchKernelEx ---- */

/* An event goes as its number, in front, where the value has it too. */
static CUresult put_event(uint8_t *p, CUevent event)
{
	uint64_t number = htole64(vcuda_handle_number(event));

	if (!vcuda_handle_get(CUDA_HANDLE_event, event))
		return CUDA_ERROR_INVALID_HANDLE;
	memcpy(p, &number, sizeof(number));
	return CUDA_SUCCESS;
}

static bool has_clusters(void)
{
	return vcuda_lease()->devices[vcuda_current_device()]
		.attributes[CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH];
}

static CUresult put_attribute(uint8_t *p, const CUlaunchAttribute *a)
{
	memset(p, 0, 8);
	memcpy(p, &(uint32_t){ htole32(a->id) }, 4);
	memcpy(p + 8, &a->value, 64);
	if (a->id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT)
		return put_event(p + 8, a->value.programmaticEvent.event);
	if (a->id == CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT)
		return put_event(p + 8, a->value.launchCompletionEvent.event);
	if (a->id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION && !has_clusters() &&
	    (a->value.clusterDim.x != 1 || a->value.clusterDim.y != 1 || a->value.clusterDim.z != 1))
		return CUDA_ERROR_NOT_SUPPORTED;
	if (launch_attribute_is_plain(a->id))
		return CUDA_SUCCESS;
	vcuda_say("cuLaunchKernelEx: launch attribute %d is not supported", a->id);
	/* the last that there is */
	return (unsigned int)a->id > CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING
		       ? CUDA_ERROR_INVALID_VALUE
		       : CUDA_ERROR_NOT_SUPPORTED;
}

/* The grid consists of whole clusters; what has no size is for the driver to judge. */
static bool cluster_fits(const CUlaunchAttribute *a, const CUlaunchConfig *c)
{
	unsigned int x = a->value.clusterDim.x, y = a->value.clusterDim.y, z = a->value.clusterDim.z;

	if (a->id != CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION || !x || !y || !z)
		return true;
	return c->gridDimX % x == 0 && c->gridDimY % y == 0 && c->gridDimZ % z == 0;
}

CUresult vcuda_launch_attributes(const CUlaunchConfig *c, struct vwire_launch_ex *wire,
				 uint8_t attributes[VCUDA_LAUNCH_ATTRIBUTES])
{
	unsigned int i;
	CUresult r = CUDA_SUCCESS;

	if (c->numAttrs > VCUDA_LAUNCH_ATTRIBUTES / VWIRE_ATTRIBUTE_BYTES || (c->numAttrs && !c->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	for (i = 0; i < c->numAttrs && !r; i++) {
		r = put_attribute(attributes + i * VWIRE_ATTRIBUTE_BYTES, &c->attrs[i]);
		if (!cluster_fits(&c->attrs[i], c))
			r = CUDA_ERROR_INVALID_CLUSTER_SIZE;
	}
	wire->nr_attributes = htole32(c->numAttrs);
	wire->cluster_sizes = 0;
	return r;
}

CUresult hand_cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction fn, void **params, void **extra,
			       CUstream dflt)
{
	CUstream stream = c && c->hStream ? c->hStream : dflt;
	struct launch l;
	bool capturing;
	CUresult r;

	if (!c || (c->numAttrs && !c->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	const unsigned int grid[3] = { c->gridDimX, c->gridDimY, c->gridDimZ };
	const unsigned int block[3] = { c->blockDimX, c->blockDimY, c->blockDimZ };

	if (vcuda_capturing()) {
		r = capture(fn, grid, block, c->sharedMemBytes, stream, params, extra, c->attrs,
			    c->numAttrs, &capturing);
		if (r || capturing)
			return r;
	}
	r = prepare(&l, fn, grid, block, c->sharedMemBytes, stream, params, extra);
	if (!r)
		r = vcuda_launch_attributes(c, &l.wire, l.attributes);
	for (unsigned int i = 0; !r && i < c->numAttrs; i++)
		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE && c->attrs[i].value.cooperative)
			r = check_cooperative(fn, grid, block, c->sharedMemBytes);
	if (r)
		return r;
	l.wire.launch.flags = 0;
	struct vcuda_iov iov[3] = {
		{ &l.wire, sizeof(l.wire) },
		{ l.attributes, c->numAttrs * VWIRE_ATTRIBUTE_BYTES },
		{ l.params, l.param_bytes },
	};
	if (c->numAttrs)
		return submit(CUDA_ID_cuLaunchKernelEx, iov, 3);
	iov[1] = iov[2];
	iov[0].n = sizeof(l.wire.launch);
	return submit(CUDA_ID_cuLaunchKernel, iov, 2);
}
