/* SPDX-License-Identifier: MIT */
#include "init.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"

#define MEMORY_DEFAULT	(4ull << 30)
#define MEMORY_MIN	(16ull << 20)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;

static bool initialised;
static bool forked;
static unsigned int sm = 75;
static size_t memory = MEMORY_DEFAULT;
static __thread bool in_host_function;

void driver_lock(void)
{
	pthread_mutex_lock(&lock);
}

void driver_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

pthread_mutex_t *driver_mutex(void)
{
	return &lock;
}

void driver_wait(void)
{
	pthread_cond_wait(&progress, &lock);
}

void driver_wake(void)
{
	pthread_cond_broadcast(&progress);
}

void driver_log(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "softgpu: %s\n", line);
}

CUresult driver_ready(void)
{
	if (!__atomic_load_n(&initialised, __ATOMIC_ACQUIRE) || forked)
		return CUDA_ERROR_NOT_INITIALIZED;
	return in_host_function ? CUDA_ERROR_NOT_PERMITTED : CUDA_SUCCESS;
}

void driver_host_function(bool enter)
{
	in_host_function = enter;
}

unsigned int driver_sm(void)
{
	return sm;
}

size_t driver_memory(void)
{
	return memory;
}

/*
 * The streams' threads do not exist in the child, and a lock may be held by one of them for ever.
 */
static void child_after_fork(void)
{
	forked = true;
}

static bool parse_bytes(const char *s, size_t *out)
{
	unsigned long long n;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno || end == s || *s == '-')
		return false;
	switch (*end) {
	case 'G': case 'g': shift += 10; /* fall through */
	case 'M': case 'm': shift += 10; /* fall through */
	case 'K': case 'k': shift += 10; end++;
	}
	if (*end || n > SIZE_MAX >> shift >> 1)
		return false;
	*out = n << shift;
	return true;
}

static CUresult read_settings(void)
{
	const char *s = getenv("SOFTGPU_SM");

	if (s && *s) {
		if (strcmp(s, "75") && strcmp(s, "80") && strcmp(s, "90")) {
			driver_log("SOFTGPU_SM=%.20s: not 75, 80 or 90", s);
			return CUDA_ERROR_NO_DEVICE;
		}
		sm = atoi(s);
	}
	s = getenv("SOFTGPU_MEMORY");
	if (s && *s && (!parse_bytes(s, &memory) || memory < MEMORY_MIN)) {
		driver_log("SOFTGPU_MEMORY=%.40s: not a size of at least 16M", s);
		return CUDA_ERROR_NO_DEVICE;
	}
	return CUDA_SUCCESS;
}

static CUresult start(void)
{
	CUresult r = read_settings();

	if (r == CUDA_SUCCESS)
		r = context_init();
	if (r != CUDA_SUCCESS)
		return r;
	pthread_atfork(NULL, NULL, child_after_fork);
	__atomic_store_n(&initialised, true, __ATOMIC_RELEASE);
	return CUDA_SUCCESS;
}

CUresult cuInit(unsigned int flags)
{
	CUresult r = CUDA_SUCCESS;

	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (forked)
		return CUDA_ERROR_NOT_INITIALIZED;
	driver_lock();
	if (!initialised)
		r = start();
	driver_unlock();
	return r;
}

CUresult cuDriverGetVersion(int *version)
{
	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	*version = SOFTGPU_DRIVER_VERSION;
	return CUDA_SUCCESS;
}
