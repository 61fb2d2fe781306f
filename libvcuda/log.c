// SPDX-License-Identifier: MIT
/*
 * log.c - the last lines that the library has said, as cuLogs*() give them
 *
 * An iterator is the number of a line, counted from the first that was ever said. Lines that have
 * been overwritten are told of by one line in their place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "vcuda.h"

#define NR_LINES	100u
#define LINE_BYTES	256
#define CALLBACKS_MAX	16
#define LOST		"earlier messages are lost\n"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char lines[NR_LINES][LINE_BYTES];
static unsigned int nr_said;
static struct CUlogsCallbackEntry_st {
	CUlogsCallback fn;
	void *data;
} callbacks[CALLBACKS_MAX];

void vcuda_log_reset(void)
{
	pthread_mutex_init(&lock, NULL);
}

/* Callbacks run without the lock: they may call in here. */
void vcuda_log_add(const char *line, int n)
{
	struct CUlogsCallbackEntry_st called[CALLBACKS_MAX];
	char text[LINE_BYTES];
	int i;

	n = snprintf(text, sizeof(text), "%.*s", n, line);
	if (n >= LINE_BYTES)
		n = LINE_BYTES - 1;
	pthread_mutex_lock(&lock);
	memcpy(lines[nr_said++ % NR_LINES], text, n + 1);
	memcpy(called, callbacks, sizeof(called));
	pthread_mutex_unlock(&lock);
	for (i = 0; i < CALLBACKS_MAX; i++)
		if (called[i].fn)
			called[i].fn(called[i].data, CU_LOG_LEVEL_ERROR, text, n);
}

CUresult hand_cuLogsRegisterCallback(CUlogsCallback fn, void *data, CUlogsCallbackHandle *out)
{
	CUresult r = CUDA_ERROR_OUT_OF_MEMORY;
	int i;

	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	for (i = 0; r && i < CALLBACKS_MAX; i++) {
		if (callbacks[i].fn)
			continue;
		callbacks[i] = (struct CUlogsCallbackEntry_st){ fn, data };
		if (out)
			*out = &callbacks[i];
		r = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuLogsUnregisterCallback(CUlogsCallbackHandle handle)
{
	CUresult r = CUDA_ERROR_INVALID_VALUE;
	int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < CALLBACKS_MAX; i++) {
		if (handle != &callbacks[i] || !handle->fn)
			continue;
		*handle = (struct CUlogsCallbackEntry_st){ 0 };
		r = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuLogsCurrent(CUlogIterator *out, unsigned int flags)
{
	if (!out || flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	*out = nr_said;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

/* ---- what was said since; under lock ---- */

static unsigned int oldest(void)
{
	return nr_said > NR_LINES ? nr_said - NR_LINES : 0;
}

/* Bytes of the lines from first on, with newlines. */
static size_t length(unsigned int first)
{
	size_t n = 0;

	for (; first != nr_said; first++)
		n += strlen(lines[first % NR_LINES]) + 1;
	return n;
}

/* Moves *first on to where the lines fit into room; *lost: some had to be left out. */
static void fit(unsigned int *first, size_t room, bool *lost)
{
	if (*first < oldest()) {
		*first = oldest();
		*lost = true;
	}
	while (*first != nr_said && length(*first) + (*lost ? strlen(LOST) : 0) > room) {
		++*first;
		*lost = true;
	}
}

static char *put(char *p, unsigned int first, bool lost)
{
	if (lost)
		p = stpcpy(p, LOST);
	for (; first != nr_said; first++) {
		p = stpcpy(p, lines[first % NR_LINES]);
		*p++ = '\n';
	}
	*p = 0;
	return p;
}

static CUresult dump(CUlogIterator *it, char *buf, size_t *size)
{
	unsigned int first = it ? *it : 0;
	bool lost = false;

	if (first > nr_said)
		return CUDA_ERROR_INVALID_VALUE;
	if (first == nr_said) {
		*buf = 0;
		*size = 0;
		return CUDA_SUCCESS;
	}
	fit(&first, *size - 1, &lost);
	if (first == nr_said) {
		*size = 0;
		return CUDA_ERROR_INVALID_VALUE;
	}
	*size = put(buf, first, lost) - buf;
	if (it)
		*it = nr_said;
	return CUDA_SUCCESS;
}

CUresult hand_cuLogsDumpToMemory(CUlogIterator *it, char *buf, size_t *size, unsigned int flags)
{
	CUresult r;

	if (!buf || !size || !*size || flags)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	r = dump(it, buf, size);
	pthread_mutex_unlock(&lock);
	return r;
}

CUresult hand_cuLogsDumpToFile(CUlogIterator *it, const char *path, unsigned int flags)
{
	char buf[NR_LINES * (LINE_BYTES + 1) + sizeof(LOST)];
	size_t n = sizeof(buf);
	CUresult r = path && !flags ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	CUlogIterator at = it ? *it : 0;
	FILE *f;

	if (!r)
		r = hand_cuLogsDumpToMemory(&at, buf, &n, 0);
	if (r)
		return r;
	f = fopen(path, "we");
	if (!f)
		return CUDA_ERROR_INVALID_VALUE;
	if (fwrite(buf, 1, n, f) != n)
		r = CUDA_ERROR_OPERATING_SYSTEM;
	if (fclose(f))
		r = CUDA_ERROR_OPERATING_SYSTEM;
	if (!r && it)
		*it = at;
	return r;
}
