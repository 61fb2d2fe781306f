/* SPDX-License-Identifier: MIT */
#include "jit.h"

#include <stdbool.h>
#include <stdlib.h>

#include "module.h"
#include "run.h"

/* Options whose value is a number. The others are pointers, or made here, or outputs. */
static bool is_plain_option(uint32_t option)
{
	switch (option) {
	case CU_JIT_MAX_REGISTERS:
	case CU_JIT_THREADS_PER_BLOCK:
	case CU_JIT_OPTIMIZATION_LEVEL:
	case CU_JIT_TARGET_FROM_CUCONTEXT:
	case CU_JIT_TARGET:
	case CU_JIT_FALLBACK_STRATEGY:
	case CU_JIT_GENERATE_DEBUG_INFO:
	case CU_JIT_LOG_VERBOSE:
	case CU_JIT_GENERATE_LINE_INFO:
	case CU_JIT_CACHE_MODE:
	case CU_JIT_FAST_COMPILE:
	case CU_JIT_POSITION_INDEPENDENT_CODE:
	case CU_JIT_MIN_CTA_PER_SM:
	case CU_JIT_MAX_THREADS_PER_BLOCK:
	case CU_JIT_OVERRIDE_DIRECTIVE_VALUES:
		return true;
	default:
		return false;
	}
}

static void add_option(struct jit *j, CUjit_option option, void *value)
{
	j->options[j->nr] = option;
	j->values[j->nr++] = value;
}

void jit_take(struct jit *j, struct request *rq, uint32_t nr)
{
	if (nr > JIT_OPTIONS_MAX) {
		rq->in.err = true;
		return;
	}
	while (nr--) {
		struct vwire_jit_option o;

		rd_copy(&rq->in, &o, sizeof(o));
		if (!is_plain_option(le32toh(o.option)) && !rq->err)
			rq->err = CUDA_ERROR_NOT_SUPPORTED;
		add_option(j, le32toh(o.option), (void *)(uintptr_t)le64toh(o.value));
	}
}

static char *log_new(size_t *room)
{
	if (*room > VWIRE_LOG_MAX)
		*room = VWIRE_LOG_MAX;
	return calloc(1, *room);
}

/* The driver writes back the size of what it has put into a log. */
CUresult jit_logs(struct jit *j, size_t error_room, size_t info_room)
{
	j->error_room = error_room;
	j->info_room = info_room;
	if (error_room) {
		j->error = log_new(&j->error_room);
		add_option(j, CU_JIT_ERROR_LOG_BUFFER, j->error);
		add_option(j, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, (void *)j->error_room);
	}
	if (info_room) {
		j->info = log_new(&j->info_room);
		add_option(j, CU_JIT_INFO_LOG_BUFFER, j->info);
		add_option(j, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, (void *)j->info_room);
	}
	return (error_room && !j->error) || (info_room && !j->info) ? CUDA_ERROR_OUT_OF_MEMORY
								    : CUDA_SUCCESS;
}

void jit_fini(struct jit *j)
{
	free(j->error);
	free(j->info);
}
