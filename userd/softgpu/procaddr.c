/* SPDX-License-Identifier: MIT */
/*
 * procaddr.c - cuGetProcAddress(): entry points by base name and version
 *
 * A base name and a version name one ABI: the youngest that is not younger than the version asked
 * for and not younger than this driver. The table is generated: gen_procaddr[], sorted by name. Of
 * a name that is not there cuGetProcAddress_v2() gives NULL, its status, and success, as a GPU's
 * driver does.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "procaddr.gen.h"
#include "settings.h"

static int compare(const void *name, const void *row)
{
	return strcmp(name, ((const struct gen_procaddr *)row)->name);
}

static bool is_better(const struct gen_procaddr *r, const struct gen_procaddr *best)
{
	if (!best || r->per_thread != best->per_thread)
		return !best || r->per_thread;
	return r->since > best->since;
}

/* NULL: none that is old enough. *known: the name has rows that the driver has. */
static const struct gen_procaddr *lookup(const char *name, int version, bool per_thread,
					 bool *known)
{
	const struct gen_procaddr *end = gen_procaddr + gen_procaddr_count, *best = NULL, *r;

	r = bsearch(name, gen_procaddr, gen_procaddr_count, sizeof(*r), compare);
	*known = false;
	while (r && r > gen_procaddr && !strcmp(r[-1].name, name))
		r--;
	for (; r && r < end && !strcmp(r->name, name); r++) {
		if (r->since > driver_version())
			continue;
		*known = true;
		if (r->fn && r->since <= version && (per_thread || !r->per_thread) &&
		    is_better(r, best))
			best = r;
	}
	return best;
}

CUresult cuGetProcAddress_v2(const char *symbol, void **entry, int version, cuuint64_t flags,
			     CUdriverProcAddressQueryResult *status)
{
	const cuuint64_t per_thread = CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
	const struct gen_procaddr *r;
	bool known;

	if (!symbol || !entry || (flags & ~(CU_GET_PROC_ADDRESS_LEGACY_STREAM | per_thread)))
		return CUDA_ERROR_INVALID_VALUE;
	r = lookup(symbol, version, flags & per_thread, &known);
	*entry = r ? (void *)r->fn : NULL;
	if (status)
		*status = r ? CU_GET_PROC_ADDRESS_SUCCESS :
			  known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT :
			  CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	return CUDA_SUCCESS;
}

/* Without a status the result has to tell; *entry is as it was where there is nothing. */
CUresult cuGetProcAddress(const char *symbol, void **entry, int version, cuuint64_t flags)
{
	void *fn = NULL;
	CUresult r = cuGetProcAddress_v2(symbol, entry ? &fn : NULL, version, flags, NULL);

	if (r == CUDA_SUCCESS && fn)
		*entry = fn;
	return r == CUDA_SUCCESS && !fn ? CUDA_ERROR_NOT_FOUND : r;
}
