// SPDX-License-Identifier: MIT
/*
 * queued.c - the wait for a lease, told to whoever looks at the program
 *
 * A server without a free worker, or without enough memory, tells a client its place in the queue,
 * and again when that changes. A program that seems to hang in its first call says so: a line once
 * it has waited for SAY_MS, and one for a new place, not more often than that.
 *
 * Called by the reader of receive.c alone.
 */
#include "ring.h"
#include "vcuda.h"

#define SAY_MS	1000u
#define NS	1000000u	/* in a millisecond */

static uint32_t place, said_place;	/* 0: not queued; nothing said */
static uint64_t since, said;		/* vcuda_now_ns() */

void vcuda_queued_start(void)
{
	place = said_place = 0;
	since = said = vcuda_now_ns();
}

void vcuda_queued_at(uint32_t now_at)
{
	place = now_at;
	vcuda_queued_look();
}

void vcuda_queued_look(void)
{
	uint64_t now;

	if (!place || place == said_place)
		return;
	now = vcuda_now_ns();
	if (now - said < (uint64_t)SAY_MS * NS)
		return;
	vcuda_say("waiting for a GPU of the server: place %u in its queue, %llu s so far", place,
		  (unsigned long long)((now - since) / NS / 1000));
	said_place = place;
	said = now;
}
