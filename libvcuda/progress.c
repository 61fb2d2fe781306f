// SPDX-License-Identifier: MIT
/*
 * progress.c - what the device has done, as far as that is known here, and errors that have no call of their own
 */
#include "vcuda.h"

static _Atomic uint64_t freed_seq;
static _Atomic uint64_t work_seq, shown_seq, idle_seq;
static _Atomic int pending_error, sticky_error;

void vcuda_keep_error(CUresult r)
{
	int none = CUDA_SUCCESS;

	atomic_compare_exchange_strong(&sticky_error, &none, r);
}

void vcuda_async_error(CUresult r, bool sticky)
{
	int none = CUDA_SUCCESS;

	atomic_compare_exchange_strong(&pending_error, &none, r);
	if (sticky)
		vcuda_keep_error(r);
}

CUresult vcuda_sticky_error(void)
{
	return atomic_load_explicit(&sticky_error, memory_order_relaxed);
}

CUresult vcuda_take_error(CUresult r)
{
	CUresult pending = atomic_exchange(&pending_error, CUDA_SUCCESS);
	CUresult sticky = vcuda_sticky_error();

	if (pending)
		return pending;
	return sticky ? sticky : r;
}

/* ---- what the device has done ---- */

static void raise_to(_Atomic uint64_t *v, uint64_t to)
{
	uint64_t old = atomic_load(v);

	while (old < to && !atomic_compare_exchange_weak(v, &old, to))
		;
}

void vcuda_note_work(uint64_t seq)
{
	raise_to(&work_seq, seq);
	raise_to(&shown_seq, seq);
}

void vcuda_note_hidden_work(uint64_t seq)
{
	raise_to(&work_seq, seq);
}

bool vcuda_wait_shows(void)
{
	return atomic_load(&shown_seq) > atomic_load(&idle_seq);
}

void vcuda_note_idle(uint64_t seq)
{
	raise_to(&idle_seq, seq);
}

bool vcuda_device_idle(void)
{
	return atomic_load(&work_seq) <= atomic_load(&idle_seq);
}

void vcuda_note_freed(uint64_t seq)
{
	raise_to(&freed_seq, seq);
}

uint64_t vcuda_freed(void)
{
	return atomic_load(&freed_seq);
}

bool vcuda_is_done(uint64_t seq)
{
	return atomic_load(&freed_seq) >= seq || atomic_load(&idle_seq) >= seq;
}

uint64_t vcuda_last_work(void)
{
	return atomic_load(&work_seq);
}
