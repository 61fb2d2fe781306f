// SPDX-License-Identifier: MIT
/*
 * jit.c - options of the JIT and of the linker: the plain ones travel, the logs are filled here
 */
#include <string.h>

#include "jit.h"

static bool is_plain(CUjit_option o)
{
	return o == CU_JIT_MAX_REGISTERS || o == CU_JIT_OPTIMIZATION_LEVEL ||
	       o == CU_JIT_TARGET_FROM_CUCONTEXT || o == CU_JIT_TARGET ||
	       o == CU_JIT_FALLBACK_STRATEGY || o == CU_JIT_GENERATE_DEBUG_INFO ||
	       o == CU_JIT_LOG_VERBOSE || o == CU_JIT_GENERATE_LINE_INFO || o == CU_JIT_CACHE_MODE;
}

CUresult vcuda_jit_take(struct vcuda_jit *j, unsigned int n, const CUjit_option *options,
			     void **values)
{
	unsigned int i;

	memset(j, 0, sizeof(*j));
	if (n && (!options || !values))
		return CUDA_ERROR_INVALID_VALUE;
	for (i = 0; i < n; i++) {
		switch (options[i]) {
		case CU_JIT_INFO_LOG_BUFFER:
			j->info_log = values[i];
			break;
		case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
			j->info_bytes = (uintptr_t)values[i];
			j->info_size_out = &values[i];
			break;
		case CU_JIT_ERROR_LOG_BUFFER:
			j->error_log = values[i];
			break;
		case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
			j->error_bytes = (uintptr_t)values[i];
			j->error_size_out = &values[i];
			break;
		case CU_JIT_WALL_TIME:
			j->wall_time = &values[i];
			break;
		default:
			if ((unsigned int)options[i] >= CU_JIT_NUM_OPTIONS)
				return CUDA_ERROR_INVALID_VALUE;
			if (!is_plain(options[i]) || j->nr == CU_JIT_NUM_OPTIONS) {
				vcuda_say("JIT option %d is not supported", options[i]);
				return CUDA_ERROR_NOT_SUPPORTED;
			}
			j->options[j->nr++] =
				(struct vwire_jit_option){ htole32(options[i]), 0,
							   htole64((uintptr_t)values[i]) };
		}
	}
	return CUDA_SUCCESS;
}

/* As much of a log as there is room for, with a NUL. */
static void give_log(char *to, size_t room, void **size_out, struct vcuda_iov log)
{
	if (to && room) {
		if (log.n > room - 1)
			log.n = room - 1;
		if (log.n)
			memcpy(to, log.p, log.n);
		to[log.n] = 0;
	}
	if (size_out)
		*size_out = (void *)(uintptr_t)(to && log.n ? log.n + 1 : 0);
}

void vcuda_jit_give(struct vcuda_jit *j, struct vcuda_iov error, struct vcuda_iov info, uint64_t ns)
{
	float ms = ns / 1e6;

	give_log(j->error_log, j->error_bytes, j->error_size_out, error);
	give_log(j->info_log, j->info_bytes, j->info_size_out, info);
	if (j->wall_time)
		memcpy(j->wall_time, &ms, sizeof(ms));
}
