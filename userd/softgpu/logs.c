/* SPDX-License-Identifier: MIT */
/*
 * logs.c - cuLogs*: the latest lines of the driver, and callbacks for new ones
 *
 * Lines are numbered from 0 on; an iterator is the number of the next one to read. Callbacks run
 * with the lock of this file, so that none is called after cuLogsUnregisterCallback(); they must
 * not call the driver.
 */
#include "logs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "init.h"

#define KEPT_MAX	25600	/* bytes, with a newline for each line */

static const char lost[] = "softgpu: older lines are lost\n";

struct line {
	TAILQ_ENTRY(line) link;
	CUlogIterator number;
	size_t len;		/* of text: the line and a newline */
	char text[];
};

struct CUlogsCallbackEntry_st {
	LIST_ENTRY(CUlogsCallbackEntry_st) link;
	CUlogsCallback fn;
	void *arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(lines, line) lines = TAILQ_HEAD_INITIALIZER(lines);
static LIST_HEAD(, CUlogsCallbackEntry_st) callbacks = LIST_HEAD_INITIALIZER(callbacks);
static CUlogIterator next;
static size_t kept;

static void drop_first(void)
{
	struct line *l = TAILQ_FIRST(&lines);

	TAILQ_REMOVE(&lines, l, link);
	kept -= l->len;
	free(l);
}

void logs_append(const char *text)
{
	size_t len = strlen(text) + 1;
	struct line *l = malloc(sizeof(*l) + len + 1);
	struct CUlogsCallbackEntry_st *c;
	bool inside;

	if (!l)
		return;
	snprintf(l->text, len + 1, "%s\n", text);
	l->len = len;
	pthread_mutex_lock(&lock);
	l->number = next++;
	TAILQ_INSERT_TAIL(&lines, l, link);
	kept += len;
	while (kept > KEPT_MAX && TAILQ_FIRST(&lines) != l)
		drop_first();
	inside = driver_host_function(true);
	LIST_FOREACH(c, &callbacks, link)
		c->fn(c->arg, CU_LOG_LEVEL_ERROR, l->text, len - 1);
	driver_host_function(inside);
	pthread_mutex_unlock(&lock);
}

CUresult cuLogsRegisterCallback(CUlogsCallback fn, void *arg, CUlogsCallbackHandle *out)
{
	struct CUlogsCallbackEntry_st *c;

	if (driver_in_host_function())
		return CUDA_ERROR_NOT_PERMITTED;
	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	c = malloc(sizeof(*c));
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	c->fn = fn;
	c->arg = arg;
	pthread_mutex_lock(&lock);
	LIST_INSERT_HEAD(&callbacks, c, link);
	pthread_mutex_unlock(&lock);
	if (out)
		*out = c;
	return CUDA_SUCCESS;
}

CUresult cuLogsUnregisterCallback(CUlogsCallbackHandle handle)
{
	struct CUlogsCallbackEntry_st *c;

	if (driver_in_host_function())
		return CUDA_ERROR_NOT_PERMITTED;
	pthread_mutex_lock(&lock);
	LIST_FOREACH(c, &callbacks, link)
		if (c == handle)
			break;
	if (c)
		LIST_REMOVE(c, link);
	pthread_mutex_unlock(&lock);
	free(c);
	return c ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuLogsCurrent(CUlogIterator *it, unsigned int flags)
{
	if (driver_in_host_function())
		return CUDA_ERROR_NOT_PERMITTED;
	if (!it || flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	*it = next;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

/* The first line to dump; *all: none before it is missing. */
static const struct line *start(const CUlogIterator *it, bool *all)
{
	const struct line *l = TAILQ_FIRST(&lines);

	*all = !l || l->number <= (it ? *it : 0);
	while (l && it && l->number < *it)
		l = TAILQ_NEXT(l, link);
	return l;
}

static size_t bytes_from(const struct line *l)
{
	size_t n = 0;

	for (; l; l = TAILQ_NEXT(l, link))
		n += l->len;
	return n;
}

CUresult cuLogsDumpToFile(CUlogIterator *it, const char *path, unsigned int flags)
{
	const struct line *l;
	bool all, failed;
	FILE *f;

	if (driver_in_host_function())
		return CUDA_ERROR_NOT_PERMITTED;
	if (!path || flags)
		return CUDA_ERROR_INVALID_VALUE;
	f = fopen(path, "we");
	if (!f)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	l = start(it, &all);
	if (!all)
		fputs(lost, f);
	for (; l; l = TAILQ_NEXT(l, link))
		fputs(l->text, f);
	failed = ferror(f);
	failed |= fclose(f) != 0;
	if (it && !failed)
		*it = next;
	pthread_mutex_unlock(&lock);
	return failed ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}

/* With the lock held. The latest lines that fit, and a NUL behind them. */
static CUresult dump(const CUlogIterator *it, char *buffer, size_t *size)
{
	size_t room = *size, len = 0;
	bool all;
	const struct line *l = start(it, &all);

	*size = 0;
	*buffer = 0;
	if (!l)
		return CUDA_SUCCESS;
	while (l && bytes_from(l) + (all ? 0 : sizeof(lost) - 1) >= room) {
		l = TAILQ_NEXT(l, link);
		all = false;
	}
	if (!l)
		return CUDA_ERROR_INVALID_VALUE;
	if (!all)
		len = (size_t)sprintf(buffer, "%s", lost);
	for (; l; l = TAILQ_NEXT(l, link)) {
		memcpy(buffer + len, l->text, l->len);
		len += l->len;
	}
	buffer[len] = 0;
	*size = len;
	return CUDA_SUCCESS;
}

CUresult cuLogsDumpToMemory(CUlogIterator *it, char *buffer, size_t *size, unsigned int flags)
{
	CUresult r;

	if (driver_in_host_function())
		return CUDA_ERROR_NOT_PERMITTED;
	if (!buffer || !size || !*size || flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	r = dump(it, buffer, size);
	if (r == CUDA_SUCCESS && it)
		*it = next;
	pthread_mutex_unlock(&lock);
	return r;
}
