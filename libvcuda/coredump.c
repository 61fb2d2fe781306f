// SPDX-License-Identifier: MIT
/*
 * coredump.c - settings of the core dumps that a GPU's exception could leave
 *
 * The GPU's state is the server's, which writes no dump of it. What turns dumps on is refused; what
 * says how they would be is kept and given back.
 */
#include <stdlib.h>
#include <string.h>

#include "vcuda.h"

#define PATH_BYTES	1024	/* as the driver has it */

struct settings {
	bool lightweight, trigger_host;
	int flags;
	char file[PATH_BYTES], pipe[PATH_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* one for all contexts: none of them will ever dump */
static struct settings now = { .trigger_host = true };
static bool never;

static void *place(CUcoredumpSettings which, size_t *n)
{
	*n = sizeof(bool);
	switch (which) {
	case CU_COREDUMP_ENABLE_ON_EXCEPTION:
	case CU_COREDUMP_ENABLE_USER_TRIGGER:
		return &never;
	case CU_COREDUMP_TRIGGER_HOST:
		return &now.trigger_host;
	case CU_COREDUMP_LIGHTWEIGHT:
		return &now.lightweight;
	case CU_COREDUMP_FILE:
		*n = PATH_BYTES;
		return now.file;
	case CU_COREDUMP_PIPE:
		*n = PATH_BYTES;
		return now.pipe;
	case CU_COREDUMP_GENERATION_FLAGS:
		*n = sizeof(now.flags);
		return &now.flags;
	default:
		return NULL;
	}
}

static bool is_path(CUcoredumpSettings which)
{
	return which == CU_COREDUMP_FILE || which == CU_COREDUMP_PIPE;
}

CUresult hand_cuCoredumpGetAttributeGlobal(CUcoredumpSettings which, void *value, size_t *size)
{
	size_t n;
	void *p = place(which, &n);

	if (!p || !size)
		return CUDA_ERROR_INVALID_VALUE;
	if (value && *size < n)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	if (value)
		memcpy(value, p, n);
	pthread_mutex_unlock(&lock);
	*size = n;
	return CUDA_SUCCESS;
}

CUresult hand_cuCoredumpSetAttributeGlobal(CUcoredumpSettings which, void *value, size_t *size)
{
	size_t n;
	void *p = place(which, &n);
	CUresult r = CUDA_SUCCESS;
	bool on;

	if (!p || !value || !size || *size > n || (*size < n && !is_path(which)))
		return CUDA_ERROR_INVALID_VALUE;
	if (p == &never) {
		memcpy(&on, value, sizeof(on));
		return on ? vcuda_refuse(CUDA_ID_cuCoredumpSetAttributeGlobal,
					 "core dumps of the GPU would be written on the server")
			  : CUDA_SUCCESS;
	}
	pthread_mutex_lock(&lock);
	if (is_path(which) && strnlen(value, *size) >= PATH_BYTES) {
		r = CUDA_ERROR_INVALID_VALUE;
	} else {
		memset(p, 0, n);
		memcpy(p, value, *size);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuCoredumpGetAttribute(CUcoredumpSettings which, void *value, size_t *size)
{
	CUresult r = vcuda_need_context();

	return r ? r : hand_cuCoredumpGetAttributeGlobal(which, value, size);
}

CUresult hand_cuCoredumpSetAttribute(CUcoredumpSettings which, void *value, size_t *size)
{
	CUresult r = vcuda_need_context();

	return r ? r : hand_cuCoredumpSetAttributeGlobal(which, value, size);
}
