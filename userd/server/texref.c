/* SPDX-License-Identifier: MIT */
/*
 * texref.c - texture and surface references: of a module, with which their numbers go, and what
 * they read
 */
#include "run.h"
#include "worker.h"

static void find(struct request *rq, enum cuda_handle_kind kind,
		 CUresult (*get)(void **, CUmodule, const char *))
{
	uint32_t number = run_new(rq, kind);
	uint32_t module = rd_u32(&rq->in);
	const char *name = rd_str(&rq->in, GEN_BLOB_MAX);
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_module, module);
	struct module *m = h ? h->aux : NULL;
	CUresult r = CUDA_ERROR_NOT_SUPPORTED;
	void *ref = NULL;

	if (!m && !rq->err)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	if (!run_args_end(rq))
		return;
	if (get)
		r = get(&ref, m->module, name);
	if (r == CUDA_SUCCESS) {
		run_bind(rq, kind, number, ref);
		h = handles_find(&rq->w->handles, kind, number);
		if (h)
			h->aux = m;
		m->has_refs = true;
	}
	run_reply(rq, r);
}

void run_cuModuleGetTexRef(struct request *rq)
{
	find(rq, CUDA_HANDLE_texref,
	     (CUresult (*)(void **, CUmodule, const char *))real.cuModuleGetTexRef);
}

void run_cuModuleGetSurfRef(struct request *rq)
{
	find(rq, CUDA_HANDLE_surfref,
	     (CUresult (*)(void **, CUmodule, const char *))real.cuModuleGetSurfRef);
}

static void set_array(struct request *rq, enum cuda_handle_kind kind,
		      enum cuda_handle_kind array_kind,
		      CUresult (*set)(void *, void *, unsigned int))
{
	void *ref = run_handle(rq, kind, false);
	void *array = run_handle(rq, array_kind, kind == CUDA_HANDLE_texref);
	uint32_t flags = rd_u32(&rq->in);

	if (run_args_ready(rq))
		run_result(rq, set ? set(ref, array, flags) : CUDA_ERROR_NOT_SUPPORTED);
}

void run_cuTexRefSetArray(struct request *rq)
{
	set_array(rq, CUDA_HANDLE_texref, CUDA_HANDLE_array,
		  (CUresult (*)(void *, void *, unsigned int))real.cuTexRefSetArray);
}

void run_cuTexRefSetMipmappedArray(struct request *rq)
{
	set_array(rq, CUDA_HANDLE_texref, CUDA_HANDLE_mipmapped_array,
		  (CUresult (*)(void *, void *, unsigned int))real.cuTexRefSetMipmappedArray);
}

void run_cuSurfRefSetArray(struct request *rq)
{
	set_array(rq, CUDA_HANDLE_surfref, CUDA_HANDLE_array,
		  (CUresult (*)(void *, void *, unsigned int))real.cuSurfRefSetArray);
}

void run_cuTexRefSetAddress_v2(struct request *rq)
{
	CUtexref ref = run_handle(rq, CUDA_HANDLE_texref, false);
	uint64_t addr = rd_u64(&rq->in), bytes = rd_u64(&rq->in);
	size_t offset = 0;
	CUresult r;

	if (!run_args_end(rq))
		return;
	r = memory_check(&rq->w->memory, addr, bytes);
	if (r == CUDA_SUCCESS)
		r = real.cuTexRefSetAddress_v2
			    ? real.cuTexRefSetAddress_v2(&offset, ref, addr, bytes)
			    : CUDA_ERROR_NOT_SUPPORTED;
	run_out_u64(rq, offset);
	run_reply(rq, r);
}

void run_cuTexRefSetAddress2D_v3(struct request *rq)
{
	CUtexref ref = run_handle(rq, CUDA_HANDLE_texref, false);
	CUDA_ARRAY_DESCRIPTOR desc = { 0 };
	size_t bytes;
	const void *p = rd_blob(&rq->in, sizeof(desc), &bytes);
	uint64_t addr, pitch, span = 0;
	CUresult r;

	addr = rd_u64(&rq->in);
	pitch = rd_u64(&rq->in);
	if (p && bytes == sizeof(desc))
		memcpy(&desc, p, bytes);
	else
		rq->in.err = true;
	if (!run_args_ready(rq))
		return;
	r = !desc.Height || __builtin_mul_overflow(pitch, desc.Height - 1, &span)
		    ? CUDA_ERROR_INVALID_VALUE
		    : memory_check(&rq->w->memory, addr, span + 1);
	if (r == CUDA_SUCCESS)
		r = real.cuTexRefSetAddress2D_v3
			    ? real.cuTexRefSetAddress2D_v3(ref, &desc, addr, pitch)
			    : CUDA_ERROR_NOT_SUPPORTED;
	run_result(rq, r);
}
