/* SPDX-License-Identifier: MIT */
/*
 * jit.h - options that a client sets for the JIT or for the linker, and room for their logs
 */
#ifndef SERVER_JIT_H
#define SERVER_JIT_H

#include <cuda.h>
#include <stddef.h>
#include <stdint.h>

struct request;

#define JIT_OPTIONS_MAX	32u	/* that a client may set */

struct jit {
	CUjit_option options[JIT_OPTIONS_MAX + 4];
	void *values[JIT_OPTIONS_MAX + 4];
	unsigned int nr;
	char *error, *info;	/* logs; NULL: not wanted */
	size_t error_room, info_room;
};

/* nr options from the request; one whose value is no number sets rq->err, too many rq->in.err. */
void jit_take(struct jit *j, struct request *rq, uint32_t nr);
/* Adds logs of that many bytes at most; 0: not wanted. */
CUresult jit_logs(struct jit *j, size_t error_room, size_t info_room);
void jit_fini(struct jit *j);

#endif /* SERVER_JIT_H */
