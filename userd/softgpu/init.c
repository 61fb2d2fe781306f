/* SPDX-License-Identifier: MIT */
#include "init.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "context.h"
#include "logs.h"
#include "settings.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t progress = PTHREAD_COND_INITIALIZER;

static bool initialised;
static bool forked;
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
	char line[512] = "softgpu: ";
	size_t len = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s\n", line);
	logs_append(line);
}

CUresult driver_ready(void)
{
	if (!__atomic_load_n(&initialised, __ATOMIC_ACQUIRE) || forked)
		return CUDA_ERROR_NOT_INITIALIZED;
	return in_host_function ? CUDA_ERROR_NOT_PERMITTED : CUDA_SUCCESS;
}

CUresult driver_enter(void)
{
	CUresult r = driver_ready();

	if (r == CUDA_SUCCESS)
		driver_lock();
	return r;
}

bool driver_host_function(bool enter)
{
	bool before = in_host_function;

	in_host_function = enter;
	return before;
}

bool driver_in_host_function(void)
{
	return in_host_function;
}

/*
 * The streams' threads do not exist in the child, and a lock may be held by one of them for ever.
 */
static void child_after_fork(void)
{
	forked = true;
}

static CUresult start(void)
{
	CUresult r = settings_read();

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
	*version = driver_version();
	return CUDA_SUCCESS;
}
