/* SPDX-License-Identifier: MIT */
/*
 * event.h - events as a capture knows them: what they were recorded in
 */
#ifndef VCUDA_GRAPH_EVENT_H
#define VCUDA_GRAPH_EVENT_H

#include "capture.h"

struct event {
	struct capture *capture;
	struct frontier frontier;
};

#endif
