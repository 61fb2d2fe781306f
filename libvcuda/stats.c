// SPDX-License-Identifier: MIT
/*
 * stats.c - entry and exit of every exported function: state check, VGPU_STATS, VGPU_TRACE
 *
 * VGPU_STATS=1 prints one line on stderr when the process ends: calls, round trips, bytes to and
 * from the server, seconds waited, times the peer was woken. VGPU_TRACE=file appends one line a
 * call: seconds since the first, thread, name(arguments) = result, round trips, microseconds.
 * Without either a call costs one predictable branch. vgpu_stats.h has the counters for programs.
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
#include "vgpu_stats.h"

static bool counting, printing;
static int trace_fd = -1;
static uint64_t trace_start;
static _Atomic uint64_t calls, round_trips, bytes_out, bytes_in, waited_ns, wakes;
static _Thread_local uint64_t own_trips;	/* of the calling thread */
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

	printing = s && *s && strcmp(s, "0");
	if (file && *file) {
		trace_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (trace_fd < 0)
			vcuda_say("VGPU_TRACE: cannot write %s", file);
	}
	counting = printing || trace_fd >= 0;
	trace_start = vcuda_now_ns();
}

void vcuda_stats_round_trip(uint64_t waited)
{
	atomic_fetch_add_explicit(&round_trips, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&waited_ns, waited, memory_order_relaxed);
	own_trips++;
}

void vcuda_stats_wake(void)
{
	atomic_fetch_add_explicit(&wakes, 1, memory_order_relaxed);
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
	calls = round_trips = bytes_out = bytes_in = waited_ns = wakes = 0;
}

static struct vgpu_stats stats_now(void)
{
	return (struct vgpu_stats){ .calls = calls,
				    .round_trips = round_trips,
				    .bytes_out = bytes_out,
				    .bytes_in = bytes_in,
				    .waited_ns = waited_ns,
				    .wakes = wakes };
}

static size_t stats_read(struct vgpu_stats *to, size_t n)
{
	struct vgpu_stats now = stats_now();

	n = n < sizeof(now) ? n : sizeof(now);
	memcpy(to, &now, n);
	return n;
}

const void *vcuda_stats_table(const CUuuid *id)
{
	static const struct vgpu_stats_table table = { sizeof(table), stats_read };
	static const uint8_t own[] = VGPU_STATS_ID;

	return id && !memcmp(id, own, sizeof(own)) ? &table : NULL;
}

void vcuda_stats_print(void)
{
	struct vgpu_stats s = stats_now();

	if (!printing)
		return;
	printing = false;
	dprintf(STDERR_FILENO,
		"vgpu: calls=%llu round_trips=%llu bytes_out=%llu bytes_in=%llu waited=%.6f wakes=%llu\n",
		(unsigned long long)s.calls, (unsigned long long)s.round_trips,
		(unsigned long long)s.bytes_out, (unsigned long long)s.bytes_in,
		s.waited_ns / 1e9, (unsigned long long)s.wakes);
}

void vcuda_enter(struct vcuda_scope *s, enum cuda_id id, bool early)
{
	s->id = id;
	s->err = early ? CUDA_SUCCESS : vcuda_session_check();
	if (!s->err && vcuda_hostcalls() && vcuda_in_hostcall() && !early)
		s->err = CUDA_ERROR_NOT_PERMITTED;
	if (vcuda_capturing() && !s->err)
		s->err = vcuda_capture_check(id);
	s->trace = trace_fd >= 0;
	if (counting)
		atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	if (s->trace) {
		s->args[0] = 0;
		s->start_trips = own_trips;
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

	if (r == CUDA_ERROR_NOT_SUPPORTED)
		vcuda_tell_newer(s->id);
	if (!s->trace)
		return r;
	now = vcuda_now_ns();
	n = snprintf(line, sizeof(line), "%.6f %d %s(%s) = %d trips=%llu %.1f us\n",
		     (s->start_ns - trace_start) / 1e9, gettid(), gen_name(s->id), s->args, r,
		     (unsigned long long)(own_trips - s->start_trips), (now - s->start_ns) / 1e3);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (write(trace_fd, line, n) != n)
		trace_fd = -1;
	return r;
}

static bool first_time(enum cuda_id id)
{
	uint8_t bit = 1 << id % 8;

	return !(atomic_fetch_or(&said[(uint16_t)id / 8], bit) & bit);
}

void vcuda_tell_newer(enum cuda_id id)
{
	const char *name = gen_name(id);
	int since = name ? vcuda_since(name) : 0, has = vcuda_driver_version();

	if (has && since > has && first_time(id))
		vcuda_say("%s is of CUDA %d.%d, the server's driver of %d.%d", name,
			  since / 1000, since % 1000 / 10, has / 1000, has % 1000 / 10);
}

CUresult vcuda_refuse(enum cuda_id id, const char *why)
{
	if (first_time(id))
		vcuda_say("%s is not supported%s%s", gen_name(id), why ? ": " : "",
			  why ? why : "");
	return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult vcuda_not_supported(enum cuda_id id)
{
	return vcuda_refuse(id, NULL);
}
