/* SPDX-License-Identifier: MIT */
/*
 * roundtrip.h - what a generated round trip is made of
 *
 *   call_<symbol>()    calls the exported stub with values that are all different
 *   the double         (roundtrip_double.c) stands for the library and the worker: it takes the
 *                      encoded arguments and gives them to the generated dispatch function
 *   fake_<symbol>()    stands for the driver: checks each argument, fills each output
 *   call_<symbol>()    checks the outputs
 *
 * Of rows whose body is written by hand it is hand_<symbol>() that checks.
 */
#ifndef ROUNDTRIP_H
#define ROUNDTRIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"
#include "run.h"

#define RT_LENGTH	5	/* value of a parameter that is another's length */

struct rt_row {
	enum cuda_id id, base;
	bool twin, wire;
	bool stream;		/* has a CUstream, which may be NULL */
	bool early;
	bool null;		/* generated, and some parameters may be NULL */
	CUresult (*call)(void);
	void **slot;		/* in struct realcuda; NULL: the body is written by hand */
	void *fake;
};
extern const struct rt_row rt_rows[];
extern const size_t rt_nr_rows;

/* What the next call uses, and what it gives. */
extern const struct rt_row *rt_row;
extern CUstream rt_stream;
extern CUresult rt_result;	/* the fake driver's answer */
extern CUresult rt_scope_err;	/* what vcuda_enter() finds wrong */
extern const char rt_text[];
extern bool rt_null;		/* what may be NULL is NULL */

/* What the last call did. */
struct rt_seen {
	unsigned int driver, hand, run, bad, ended, entered, missing;
	enum cuda_id scope, id, run_id;
	bool early;
	const char *reason;	/* why it was refused */
	CUresult answer;	/* of run_result() */
	uint8_t payload[VCUDA_CALL_BYTES];
	size_t len;
	bool padding[VCUDA_CALL_BYTES];
	size_t content;		/* len without the padding at the very end, which may be missing */
	unsigned int differ;	/* arguments that were not as sent, while rt_may_differ */
};
extern struct rt_seen rt_seen;
extern unsigned int rt_failures;
extern bool rt_may_differ;

void rt_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void rt_reset(const struct rt_row *row);
/* Gives a payload to the dispatch function of a row, in memory of exactly its size. */
void rt_dispatch(enum cuda_id id, const void *payload, size_t len);

/* Used by the generated code; i is the parameter's place. */
uint64_t rt_value(unsigned int i);
void *rt_struct(unsigned int i);	/* bytes of one that is passed by value */
void *rt_client(enum cuda_handle_kind kind, unsigned int i);
void *rt_real(enum cuda_handle_kind kind, unsigned int i);
CUstream rt_real_stream(void);
CUstream rt_hand_stream(void);
CUstream rt_default_stream(void);
void rt_driver(void);
void rt_hand(enum cuda_id id);
void rt_run(struct request *rq, enum cuda_id id);
void rt_same(const char *name, uint64_t got, uint64_t wanted);
/* Bytes before the call, for rt_in() in the driver; bytes that the driver gives, for rt_out(). */
void rt_init(void *p, size_t n, unsigned int i);
void rt_in(const char *name, const void *p, size_t n, size_t size, unsigned int i, bool null);
void rt_give(void *p, size_t n, size_t size, unsigned int i);
void rt_out(const char *name, const void *p, size_t n, unsigned int i, CUresult result);
/* A handle that the call made, or ended: only if the driver's call succeeded. */
void rt_made(const char *name, enum cuda_handle_kind kind, void *handle, unsigned int i);
void rt_ended(const char *name, enum cuda_handle_kind kind, unsigned int i);

#endif
