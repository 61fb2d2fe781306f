// SPDX-License-Identifier: MIT
/*
 * stats.c - entry and exit of every exported function: state check, VGPU_STATS, VGPU_TRACE
 *
 * VGPU_STATS=1 prints one line on stderr when the process ends: calls, round trips, bytes to and
 * from the server, seconds waited. VGPU_TRACE=file appends one line a call: seconds since the
 * first, thread, name(arguments) = result, microseconds. Without either a call costs one
 * predictable branch.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hostcall.h"
#include "vcuda.h"
#include "vcuda_graph.h"

static bool counting;
static int trace_fd = -1;
static uint64_t trace_start;
static _Atomic uint64_t calls, round_trips, bytes_out, bytes_in, waited_ns;
static _Atomic uint8_t said[0x10000 / 8];	/* functions that were refused once, by id */

uint64_t vcuda_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

__attribute__((constructor)) static void stats_init(void)
{
	const char *s = getenv("VGPU_STATS");
	const char *file = getenv("VGPU_TRACE");

	counting = s && *s && strcmp(s, "0");
	if (file && *file) {
		trace_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (trace_fd < 0)
			vcuda_say("VGPU_TRACE: cannot write %s", file);
	}
	trace_start = vcuda_now_ns();
}

void vcuda_stats_round_trip(uint64_t waited)
{
	atomic_fetch_add_explicit(&round_trips, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&waited_ns, waited, memory_order_relaxed);
}

void vcuda_stats_bytes(uint64_t out, uint64_t in)
{
	if (out)
		atomic_fetch_add_explicit(&bytes_out, out, memory_order_relaxed);
	if (in)
		atomic_fetch_add_explicit(&bytes_in, in, memory_order_relaxed);
}

void vcuda_stats_reset(void)
{
	calls = round_trips = bytes_out = bytes_in = waited_ns = 0;
}

void vcuda_stats_print(void)
{
	if (!counting)
		return;
	counting = false;
	dprintf(STDERR_FILENO,
		"vgpu: calls=%llu round_trips=%llu bytes_out=%llu bytes_in=%llu waited=%.6f\n",
		(unsigned long long)calls, (unsigned long long)round_trips,
		(unsigned long long)bytes_out, (unsigned long long)bytes_in, waited_ns / 1e9);
}

void vcuda_enter(struct vcuda_scope *s, enum cuda_id id, bool early)
{
	s->id = id;
	s->err = early ? CUDA_SUCCESS : vcuda_session_check();
	if (vcuda_hostcalls() && vcuda_in_hostcall() && !early)
		s->err = CUDA_ERROR_NOT_PERMITTED;
	if (vcuda_capturing() && !s->err)
		s->err = vcuda_capture_check(id);
	s->trace = trace_fd >= 0;
	if (counting)
		atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	if (s->trace) {
		s->args[0] = 0;
		s->start_ns = vcuda_now_ns();
	}
}

void vcuda_trace_args(struct vcuda_scope *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->args, sizeof(s->args), fmt, ap);
	va_end(ap);
}

CUresult vcuda_leave(struct vcuda_scope *s, CUresult r)
{
	char line[512];
	uint64_t now;
	int n;

	if (!s->trace)
		return r;
	now = vcuda_now_ns();
	n = snprintf(line, sizeof(line), "%.6f %d %s(%s) = %d %.1f us\n",
		     (s->start_ns - trace_start) / 1e9, gettid(), gen_name(s->id), s->args, r,
		     (now - s->start_ns) / 1e3);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (write(trace_fd, line, n) != n)
		trace_fd = -1;
	return r;
}

CUresult vcuda_refuse(enum cuda_id id, const char *why)
{
	uint8_t bit = 1 << id % 8;

	if (!(atomic_fetch_or(&said[(uint16_t)id / 8], bit) & bit))
		vcuda_say("%s is not supported%s%s", gen_name(id), why ? ": " : "",
			  why ? why : "");
	return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult vcuda_not_supported(enum cuda_id id)
{
	return vcuda_refuse(id, NULL);
}
