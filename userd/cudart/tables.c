// SPDX-License-Identifier: MIT
/*
 * tables.c - the private tables that libcudart and the CUDA libraries ask cuGetExportTable() for
 *
 * NVIDIA does not document them. A table is an array of words: its size in bytes, then functions;
 * CONTEXT_LOCAL_STORAGE alone has no size word. What each slot must do was found by watching
 * unmodified libraries run. A slot that nothing was seen to call says which one it is and returns
 * an error, so that a newer library fails with a name. Everything here is answered in the process.
 */
#include <stdlib.h>
#include <string.h>

#include "cudart.h"

typedef void (*slot_fn)(void);

static CUresult unknown_slot(const char *table, int slot)
{
	cudart_say("slot %d of private table %s is not implemented", slot, table);
	return CUDA_ERROR_NOT_SUPPORTED;
}

#define UNKNOWN(table, slot)				\
static CUresult table##_##slot(void)			\
{							\
	return unknown_slot(#table, slot);		\
}

#define FN(f) ((slot_fn)(f))

/* ---- CUDART_INTERFACE ---- */

static CUresult primary_of(CUcontext *ctx, CUdevice dev)
{
	CUresult r = cudart_ready();

	return r ? r : cudart_primary(ctx, dev);
}

UNKNOWN(cudart, 1) UNKNOWN(cudart, 3) UNKNOWN(cudart, 4) UNKNOWN(cudart, 5) UNKNOWN(cudart, 6) UNKNOWN(cudart, 7)
UNKNOWN(cudart, 8) UNKNOWN(cudart, 9) UNKNOWN(cudart, 10) UNKNOWN(cudart, 11)

/* Asked by libcudart.so.13 of CUDA 13.5 before its first context: the compilers are in the driver of the server, ready. */
static CUresult load_compilers(void)
{
	return CUDA_SUCCESS;
}

static const struct { size_t size; slot_fn fn[12]; } cudart = {
	sizeof(cudart),
	{ FN(cudart_1), FN(primary_of), FN(cudart_3), FN(cudart_4), FN(cudart_5), FN(cudart_6), FN(cudart_7), FN(cudart_8),
	  FN(cudart_9), FN(cudart_10), FN(cudart_11), FN(load_compilers) },
};

/* ---- TOOLS_RUNTIME_CALLBACK_HOOKS: flags that switch tools' callbacks on, one each API function: none ever is ---- */

#define HOOK_ENTRIES	2048
#define HOOK_SMALL	14

static uint64_t hook_flags[HOOK_ENTRIES], hook_small[HOOK_SMALL];

static void hooks_flags(void **p, size_t *n)
{
	*p = hook_flags;
	*n = HOOK_ENTRIES;
}

static void hooks_small(void **p, size_t *n)
{
	*p = hook_small;
	*n = HOOK_SMALL;
}

UNKNOWN(hooks, 1) UNKNOWN(hooks, 3) UNKNOWN(hooks, 4) UNKNOWN(hooks, 5)

static const struct { size_t size; slot_fn fn[6]; } hooks = {
	sizeof(hooks),
	{ FN(hooks_1), FN(hooks_flags), FN(hooks_3), FN(hooks_4), FN(hooks_5), FN(hooks_small) },
};

/* ---- TOOLS_TLS ---- */

static CUresult tls_current(void **out)
{
	*out = cudart_current();
	return CUDA_SUCCESS;
}

UNKNOWN(tls, 1) UNKNOWN(tls, 3)

static const struct { size_t size; slot_fn fn[3]; } tls = { sizeof(tls), { FN(tls_1), FN(tls_current), FN(tls_3) } };

/* ---- CONTEXT_LOCAL_STORAGE: no size word ---- */

static CUresult storage_get(void **value, CUcontext ctx, void *key)
{
	return value ? cudart_cls_get(value, ctx, key) : CUDA_ERROR_INVALID_VALUE;
}

static const slot_fn storage[4] = { FN(cudart_cls_put), FN(cudart_cls_del), FN(storage_get), NULL };

/* ---- CONTEXT_CHECKS ---- */

static CUresult checks_context(CUcontext ctx, uint32_t *a, void **b)
{
	(void)ctx;
	if (a)
		*a = 0;
	if (b)
		*b = NULL;
	return CUDA_SUCCESS;
}

static uint32_t checks_none(void)
{
	return 0;
}

UNKNOWN(checks, 1)

static const struct { size_t size; slot_fn fn[3]; } checks = { sizeof(checks), { FN(checks_1), FN(checks_context), FN(checks_none) } };

/* ---- INTEGRITY_CHECK ---- */

static CUresult integrity_answer(uint32_t version, uint64_t unix_time, uint8_t out[16]);

UNKNOWN(integrity, 2)

static const struct { size_t size; slot_fn fn[2]; } integrity = { sizeof(integrity), { FN(integrity_answer), FN(integrity_2) } };

static CUresult integrity_answer(uint32_t version, uint64_t unix_time, uint8_t out[16])
{
	struct cudart_facts facts = { 0 };
	CUresult r = cudart_ready();

	if (r)
		return r;
	cudart_facts(&facts);
	cudart_integrity(&facts, version, unix_time, (uintptr_t)&cudart, (uintptr_t)&integrity,
			 (uintptr_t)integrity.fn[0], out);
	return CUDA_SUCCESS;
}

/* ---- TOOLS_CONTEXT: numbers of contexts and streams, asked by cuBLAS and cuFFT ---- */

static CUresult tools_context_id(CUcontext ctx, uint64_t *id)
{
	*id = cudart_context_id(ctx);
	return CUDA_SUCCESS;
}

/* Handed back to tools_stream_number() alone. */
static CUresult tools_stream(CUcontext ctx, CUstream stream, void **out)
{
	(void)ctx;
	*out = stream ? (void *)stream : (void *)CU_STREAM_LEGACY;
	return CUDA_SUCCESS;
}

static CUresult tools_stream_number(CUcontext ctx, void *stream, uint64_t *out)
{
	(void)ctx;
	(void)stream;
	*out = 0;
	return CUDA_SUCCESS;
}

static CUresult tools_unknown(void)
{
	return unknown_slot("TOOLS_CONTEXT", -1);
}

#define TOOLS_WORDS	95

static const struct { size_t size; slot_fn fn[TOOLS_WORDS - 1]; } tools = {
	sizeof(tools),
	{
		[0 ... 2] = FN(tools_unknown),
		[3] = FN(tools_context_id),			/* slot 4; word 0 is the size */
		[4 ... 37] = FN(tools_unknown),
		[38] = FN(tools_stream_number),			/* slot 39 */
		[39 ... 49] = FN(tools_unknown),
		[50] = FN(tools_stream),			/* slot 51 */
		[51 ... TOOLS_WORDS - 2] = FN(tools_unknown),
	},
};

/* ---- TOOLS_MODULE: cuFFT asks for the functions of a module that it has loaded ---- */

/* Gives each to tell, and their number. */
static int module_functions(CUcontext ctx, CUmodule mod,
			    void (*tell)(void *arg, CUfunction f, CUmodule mod), void *arg)
{
	unsigned int nr = 0;
	CUfunction *f;

	(void)ctx;
	if (!tell || cuModuleGetFunctionCount(&nr, mod) || !nr)
		return 0;
	f = calloc(nr, sizeof(*f));
	if (!f || cuModuleEnumerateFunctions(f, nr, mod))
		nr = 0;
	for (unsigned int i = 0; i < nr; i++)
		tell(arg, f[i], mod);
	free(f);
	return (int)nr;
}

static CUresult module_unknown(void)
{
	return unknown_slot("TOOLS_MODULE", -1);
}

#define MODULE_WORDS	64

static const struct { size_t size; slot_fn fn[MODULE_WORDS - 1]; } module = {
	sizeof(module),
	{
		[0 ... 5] = FN(module_unknown),
		[6] = FN(module_functions),			/* slot 7 */
		[7 ... MODULE_WORDS - 2] = FN(module_unknown),
	},
};

/* ---- unnamed; cuBLASLt on compute capability 9.0 crashes where it is refused, and takes an empty answer ---- */

static CUresult unnamed_empty(void **p, size_t *n)
{
	*p = NULL;
	*n = 0;
	return CUDA_SUCCESS;
}

UNKNOWN(unnamed, 1) UNKNOWN(unnamed, 2) UNKNOWN(unnamed, 3)

static const struct { size_t size; slot_fn fn[4]; } unnamed = {
	sizeof(unnamed), { FN(unnamed_1), FN(unnamed_2), FN(unnamed_3), FN(unnamed_empty) },
};

static const struct {
	uint8_t id[16];
	const void *table;
} tables[] = {
	{ { 0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a, 0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d, 0xf9 }, &cudart },
	{ { 0xa0, 0x94, 0x79, 0x8c, 0x2e, 0x74, 0x2e, 0x74, 0x93, 0xf2, 0x08, 0x00, 0x20, 0x0c, 0x0a, 0x66 }, &hooks },
	{ { 0x42, 0xd8, 0x5a, 0x81, 0x23, 0xf6, 0xcb, 0x47, 0x82, 0x98, 0xf6, 0xe7, 0x8a, 0x3a, 0xec, 0xdc }, &tls },
	{ { 0xc6, 0x93, 0x33, 0x6e, 0x11, 0x21, 0xdf, 0x11, 0xa8, 0xc3, 0x68, 0xf3, 0x55, 0xd8, 0x95, 0x93 }, &storage },
	{ { 0x26, 0x3e, 0x88, 0x60, 0x7c, 0xd2, 0x61, 0x43, 0x92, 0xf6, 0xbb, 0xd5, 0x00, 0x6d, 0xfa, 0x7e }, &checks },
	{ { 0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d, 0x34, 0xba, 0x12, 0x3c, 0x66, 0xe1, 0xf2 }, &integrity },
	{ { 0x21, 0x31, 0x8c, 0x60, 0x97, 0x14, 0x32, 0x48, 0x8c, 0xa6, 0x41, 0xff, 0x73, 0x24, 0xc8, 0xf2 }, &tools },
	{ { 0x6e, 0x16, 0x3f, 0xbe, 0xb9, 0x58, 0x44, 0x4d, 0x83, 0x5c, 0xe1, 0x82, 0xaf, 0xf1, 0x99, 0x1e }, &module },
	{ { 0x17, 0x34, 0xdc, 0x26, 0x80, 0x0d, 0x47, 0x45, 0x87, 0x26, 0xc0, 0xf1, 0xe7, 0xdd, 0x8b, 0xca }, &unnamed },
};

/* Asked first of all by libcudart, and by CUPTI: refusing these is expected, so nothing is said. */
static const uint8_t refused[][16] = {
	{ 0xf8, 0xcf, 0xf9, 0x51, 0x21, 0x46, 0x8b, 0x4e, 0xb9, 0xe2, 0xfb, 0x46, 0x9e, 0x7c, 0x0d, 0xd9 },
	{ 0x69, 0xa2, 0x8e, 0x9f, 0x24, 0x49, 0x8b, 0x47, 0xb0, 0x30, 0xc5, 0xda, 0x33, 0x0e, 0xa4, 0xe9 },
};

static void say_unknown(const uint8_t *id)
{
	static _Atomic unsigned int said;

	if (atomic_fetch_add(&said, 1) < 16)
		cudart_say("private table %02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x is not known", id[0], id[1],
			  id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11], id[12], id[13], id[14], id[15]);
}

CUresult cudart_table(const void **table, const CUuuid *id)
{
	unsigned int i;

	if (!table || !id)
		return CUDA_ERROR_INVALID_VALUE;
	*table = NULL;
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (!memcmp(tables[i].id, id, 16)) {
			*table = tables[i].table;
			return CUDA_SUCCESS;
		}
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (!memcmp(refused[i], id, 16))
			return CUDA_ERROR_INVALID_VALUE;
	say_unknown((const uint8_t *)id);
	return CUDA_ERROR_INVALID_VALUE;
}
