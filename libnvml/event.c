// SPDX-License-Identifier: MIT
/*
 * event.c - sets of events: no event of the GPU reaches a client, so a set stays empty
 */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "vnvml.h"

/* What an nvmlEventSet_t points to. */
struct set {
	struct set *next;
};

static struct set *sets;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void vnvml_event_fork(void)
{
	pthread_mutex_init(&lock, NULL);
}

EXPORT nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
	nvmlReturn_t r = vnvml_ready();
	struct set *s;

	if (r)
		return r;
	if (!set)
		return NVML_ERROR_INVALID_ARGUMENT;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NVML_ERROR_MEMORY;
	pthread_mutex_lock(&lock);
	s->next = sets;
	sets = s;
	pthread_mutex_unlock(&lock);
	*set = (nvmlEventSet_t)s;
	return NVML_SUCCESS;
}

/* The link that points to it; NULL: there is no such set. Under the lock. */
static struct set **find(nvmlEventSet_t set)
{
	struct set **at = &sets;

	while (*at && *at != (struct set *)set)
		at = &(*at)->next;
	return *at ? at : NULL;
}

EXPORT nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
	nvmlReturn_t r = vnvml_ready();
	struct set **at, *s = NULL;

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	at = find(set);
	if (at) {
		s = *at;
		*at = s->next;
	}
	pthread_mutex_unlock(&lock);
	free(s);
	return s ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

/* Nothing can be registered, so nothing comes. */
EXPORT nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data,
					unsigned int timeout_ms)
{
	nvmlReturn_t r = vnvml_ready();
	bool known;

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	known = find(set);
	pthread_mutex_unlock(&lock);
	if (!known || !data)
		return NVML_ERROR_INVALID_ARGUMENT;
	poll(NULL, 0, timeout_ms > INT32_MAX ? -1 : (int)timeout_ms);
	return NVML_ERROR_TIMEOUT;
}

EXPORT nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *data,
				     unsigned int timeout_ms)
{
	return nvmlEventSetWait_v2(set, data, timeout_ms);
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
	nvmlReturn_t r = vnvml_check(device);

	if (!r && !types)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (!r)
		*types = nvmlEventTypeNone;
	return r;
}
