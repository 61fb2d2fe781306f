/* SPDX-License-Identifier: MIT */
/*
 * graph_event.c - event record and event wait nodes
 *
 * As for cuStreamWaitEvent(), the record that a wait node waits for is the latest one at
 * cuGraphLaunch(). Of that launch's own records, others see the number of the whole launch until
 * the node has run: later than need be, but never a circle.
 */
#include <stdlib.h>

#include "event.h"
#include "graph_kind.h"
#include "init.h"

static struct event *event_of(const struct action *a)
{
	CUevent handle = a->params.type == CU_GRAPH_NODE_TYPE_EVENT_RECORD
				 ? a->params.eventRecord.event
				 : a->params.eventWait.event;

	return HANDLE_FIND(handle, HANDLE_EVENT);
}

static CUresult event_make(struct action *a, CUgraphNodeParams *p)
{
	const struct event *e = event_of(a);

	(void)p;
	if (!e)
		return CUDA_ERROR_INVALID_HANDLE;
	return e->ipc ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
}

static CUresult wait_launch(struct action *a, struct run *run)
{
	struct event *e = event_of(a);
	struct run_wait *p;

	if (!e)
		return CUDA_ERROR_INVALID_HANDLE;
	if (event_is_complete(e))
		return CUDA_SUCCESS;
	if (run->nr_waits == run->max_waits) {
		size_t n = run->max_waits ? run->max_waits * 2 : 4;

		p = realloc(run->waits, n * sizeof(*p));
		if (!p)
			return CUDA_ERROR_OUT_OF_MEMORY;
		run->waits = p;
		run->max_waits = n;
	}
	stream_get(e->stream);
	run->waits[run->nr_waits++] = (struct run_wait){ a, e->stream, e->seq };
	return CUDA_SUCCESS;
}

static CUresult wait_run(const struct action *a, struct run *run)
{
	driver_lock();
	for (size_t i = 0; i < run->nr_waits; i++)
		if (run->waits[i].action == a)
			stream_wait(run->waits[i].stream, run->waits[i].seq);
	driver_unlock();
	return CUDA_SUCCESS;
}

static CUresult record_launch(struct action *a, struct run *run)
{
	return event_of(a) ? actions_add(&run->records, a) : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult record_run(const struct action *a, struct run *run)
{
	struct event *e;

	driver_lock();
	e = event_of(a);
	if (e)
		event_happens(e, run->stream, run->work.seq);
	driver_unlock();
	return CUDA_SUCCESS;
}

void graph_events_submitted(struct run *run)
{
	for (size_t i = 0; i < run->records.nr; i++)
		event_expect(event_of(run->records.a[i]), run->stream, run->work.seq);
}

const struct node_kind node_kind_event_wait = {
	.name = "event wait",
	.make = event_make,
	.launch = wait_launch,
	.run = wait_run,
};

const struct node_kind node_kind_event_record = {
	.name = "event record",
	.make = event_make,
	.launch = record_launch,
	.run = record_run,
};
