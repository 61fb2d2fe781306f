/* SPDX-License-Identifier: MIT */
/*
 * ipcevent.h - events that several processes record and wait for
 *
 * They share a page of counters: how often the event was recorded, and the youngest record that its
 * stream has reached. Whoever waits sleeps on a futex in that page. The page is another process's
 * to write: what it says decides how long a wait takes, and nothing else.
 */
#ifndef SOFTGPU_IPCEVENT_H
#define SOFTGPU_IPCEVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "stream.h"

struct ipc_event *ipc_event_create(void);
void ipc_event_close(struct ipc_event *e);	/* NULL: nothing */

CUresult ipc_event_record(struct ipc_event *e, struct stream *s);
/* Number of the latest record; waiting is for a number. */
uint64_t ipc_event_latest(const struct ipc_event *e);
bool ipc_event_is_done(const struct ipc_event *e);
/* Without the lock. A record of a process that is no more counts as done. */
void ipc_event_wait(const struct ipc_event *e, uint64_t nr);
/* Work of s from now on waits for the latest record. */
CUresult ipc_event_queue_wait(struct event *e, struct stream *s);

#endif
