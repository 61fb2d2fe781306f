// SPDX-License-Identifier: MIT
/*
 * procaddr.c - cuGetProcAddress: the exported variant of a name that a version of CUDA means
 *
 * gen_procaddr[] is sorted by name, then by since. The answer is the newest variant that is not
 * newer than the version asked for; a twin for the per-thread default stream where one was asked
 * for and exists. What is newer than the server's driver does not exist, once that is known: names
 * are asked for before cuInit() too, and to ask for one must not take a lease. Who got such a
 * function so is told at the call.
 */
#include <string.h>

#include "procaddr.gen.h"
#include "vcuda.h"

static size_t first_row(const char *name)
{
	size_t lo = 0, hi = gen_procaddr_count, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(gen_procaddr[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool has_rows(const char *name)
{
	size_t i = first_row(name);

	return i < gen_procaddr_count && !strcmp(gen_procaddr[i].name, name);
}

/* The row, NULL for none; *known: the name exists in some version that the server's driver has. */
static const struct gen_procaddr *choose(const char *name, int version, bool per_thread,
					 bool *known)
{
	const struct gen_procaddr *p, *plain = NULL, *twin = NULL;
	int newest = vcuda_driver_version();
	size_t i = first_row(name);

	for (; i < gen_procaddr_count && !strcmp(gen_procaddr[i].name, name); i++) {
		p = &gen_procaddr[i];
		if (newest && p->since > newest)
			continue;
		*known = true;
		if (p->since > version)
			continue;
		if (p->per_thread)
			twin = !twin || p->since >= twin->since ? p : twin;
		else
			plain = !plain || p->since >= plain->since ? p : plain;
	}
	return per_thread && twin ? twin : plain;
}

/*
 * No functions of the table, and libcudart does not need them: OpenGL's, EGL's and VDPAU's, the
 * empty name, which is its first question, and what 12.2 asks for by a symbol's name.
 */
static bool is_expected(const char *name)
{
	return !*name || strstr(name, "GL") || strstr(name, "Egl") || strstr(name, "VDPAU") ||
	       !strcmp(name, "cuGraphInstantiateWithParams_ptsz");
}

/* A newer library than the table, most likely: what it wanted is named once. */
static void say_unknown(const char *name)
{
	static _Atomic uint8_t said[128];
	uint32_t h = 2166136261u;
	const char *p;

	for (p = name; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	h = (h ^ h >> 16) % (8 * sizeof(said));
	if (!is_expected(name) &&
	    !(atomic_fetch_or(&said[h / 8], 1 << h % 8) & 1 << h % 8))
		vcuda_say("%.64s is not known here: a function of a newer CUDA?", name);
}

int vcuda_since(const char *symbol)
{
	size_t i = 0;

	while (i < gen_procaddr_count && strcmp(gen_procaddr[i].symbol, symbol))
		i++;
	return i < gen_procaddr_count ? gen_procaddr[i].since : 0;
}

CUresult hand_cuGetProcAddress_v2(const char *name, void **pfn, int version, cuuint64_t flags,
				  CUdriverProcAddressQueryResult *status)
{
	const struct gen_procaddr *p;
	bool known = false;

	if (!name || !pfn)
		return CUDA_ERROR_INVALID_VALUE;
	*pfn = NULL;
	if (flags & ~(cuuint64_t)(CU_GET_PROC_ADDRESS_LEGACY_STREAM |
				  CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM))
		return CUDA_ERROR_INVALID_VALUE;
	p = choose(name, version, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, &known);
	if (status)
		*status = p	  ? CU_GET_PROC_ADDRESS_SUCCESS
			  : known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
				  : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	if (p)
		*pfn = p->fn;
	else if (!known && !has_rows(name))
		say_unknown(name);
	/* as the driver, which tells the rest by *pfn and *status */
	return CUDA_SUCCESS;
}

/* Without a status the result has to tell; *pfn is as it was where there is nothing. */
CUresult hand_cuGetProcAddress(const char *name, void **pfn, int version, cuuint64_t flags)
{
	void *fn = NULL;
	CUresult r = hand_cuGetProcAddress_v2(name, pfn ? &fn : NULL, version, flags, NULL);

	if (fn)
		*pfn = fn;
	return !r && !fn ? CUDA_ERROR_NOT_FOUND : r;
}
