// SPDX-License-Identifier: MIT
/*
 * watch.c - large managed memory: pages whose protection tells who has touched them
 *
 * Memory is watched in blocks. A fresh block may be read and written; which of its pages the
 * program has touched, the file behind it knows. A clean one may be read; a write makes it dirty,
 * and the next launch sends it. What the device may have changed may not be touched at all: the
 * fault fetches it, and more of what follows, the further the program has read on.
 *
 * A system call that is given such memory does not fault but fails with EFAULT: see
 * Documentation/architecture.rst.
 */
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ownstream.h"

#define BLOCK		(64u << 10)
#define AHEAD_MAX	64u		/* blocks */

enum { FRESH, DIRTY, CLEAN, DEVICE };

static const int protection[] = {
	[FRESH] = PROT_READ | PROT_WRITE,
	[DIRTY] = PROT_READ | PROT_WRITE,
	[CLEAN] = PROT_READ,
	[DEVICE] = PROT_NONE,
};

static struct vcuda_view *watched;
static struct sigaction others;		/* who handled faults before */
static bool installed;

struct vcuda_view *vcuda_watched(void)
{
	return watched;
}

static uint64_t nr_blocks(const struct vcuda_view *v)
{
	return (v->bytes + BLOCK - 1) / BLOCK;
}

/* ---- faults ---- */

static void pass_on(int sig, siginfo_t *info, void *context)
{
	if (others.sa_flags & SA_SIGINFO) {
		others.sa_sigaction(sig, info, context);
	} else if (others.sa_handler == SIG_DFL || others.sa_handler == SIG_IGN) {
		/* the fault comes again, and then ends the process as it would have */
		signal(sig, SIG_DFL);
	} else {
		others.sa_handler(sig);
	}
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	int err = errno;

	if (info->si_code <= 0 || !vcuda_view_fault((uintptr_t)info->si_addr))
		pass_on(sig, info, context);
	errno = err;
}

/* A program that has put its own handler in place since is put behind ours again. */
static void handler_install(void)
{
	struct sigaction now, ours = { .sa_sigaction = on_fault,
				       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	sigemptyset(&ours.sa_mask);
	sigaction(SIGSEGV, NULL, &now);
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_fault)
		return;
	others = now;
	sigaction(SIGSEGV, &ours, NULL);
	installed = true;
}

/* ---- blocks ---- */

/* n blocks from i on; protection is in whole pages. */
static void set(struct vcuda_view *v, uint64_t i, uint64_t n, uint8_t state)
{
	uint64_t end = (i + n) * BLOCK < v->bytes ? (i + n) * BLOCK : v->bytes;

	if (protection[state] != protection[FRESH])
		handler_install();
	mprotect(v->host + i * BLOCK, end - i * BLOCK, protection[state]);
	memset(v->blocks + i, state, n);
}

/* Blocks from i on that are in the same state. */
static uint64_t run(const struct vcuda_view *v, uint64_t i)
{
	uint64_t n = 1, nr = nr_blocks(v);

	while (i + n < nr && v->blocks[i + n] == v->blocks[i])
		n++;
	return n;
}

CUresult vcuda_watch_add(struct vcuda_view *v)
{
	int flags = MAP_SHARED | MAP_FIXED;

	v->blocks = calloc(nr_blocks(v), 1);
	v->fd = memfd_create("managed", MFD_CLOEXEC);
	if (!v->blocks || v->fd < 0 || ftruncate(v->fd, v->bytes))
		goto failed;
	v->alias = mmap(NULL, v->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->alias == MAP_FAILED)
		goto failed;
	if (mmap(v->host, v->bytes, PROT_READ | PROT_WRITE, flags, v->fd, 0) != v->host) {
		munmap(v->alias, v->bytes);
		goto failed;
	}
	madvise(v->host, v->bytes, MADV_DONTFORK);
	madvise(v->alias, v->bytes, MADV_DONTFORK);
	v->next = watched;
	watched = v;
	return CUDA_SUCCESS;
failed:
	if (v->fd >= 0)
		close(v->fd);
	free(v->blocks);
	v->alias = NULL;
	return CUDA_ERROR_OUT_OF_MEMORY;
}

/* The addresses stay taken, and may not be touched. */
void vcuda_watch_del(struct vcuda_view *v)
{
	struct vcuda_view **p;

	for (p = &watched; *p && *p != v; p = &(*p)->next)
		;
	if (*p)
		*p = v->next;
	mmap(v->host, v->bytes, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	munmap(v->alias, v->bytes);
	close(v->fd);
	free(v->blocks);
}

/* ---- out ---- */

/* What of [at, end) the program has ever touched. */
static CUresult send_touched(struct vcuda_view *v, off_t at, off_t end)
{
	CUresult r = CUDA_SUCCESS;
	off_t hole;

	while (!r && at < end) {
		at = lseek(v->fd, at, SEEK_DATA);
		if (at < 0 || at >= end)
			break;
		hole = lseek(v->fd, at, SEEK_HOLE);
		if (hole < 0 || hole > end)
			hole = end;
		r = vcuda_own_send(v->dev + at, v->alias + at, hole - at);
		at = hole;
	}
	return r;
}

static CUresult flush(struct vcuda_view *v, bool *sent)
{
	uint64_t i, n, end;
	CUresult r = CUDA_SUCCESS;

	for (i = 0; !r && i < nr_blocks(v); i += n) {
		n = run(v, i);
		if (v->blocks[i] != FRESH && v->blocks[i] != DIRTY)
			continue;
		end = (i + n) * BLOCK < v->bytes ? (i + n) * BLOCK : v->bytes;
		/* first closed to writers, then read */
		set(v, i, n, CLEAN);
		r = send_touched(v, i * BLOCK, end);
		*sent = true;
	}
	return r;
}

CUresult vcuda_watch_flush(bool *sent)
{
	struct vcuda_view *v;
	CUresult r = CUDA_SUCCESS;

	for (v = watched; !r && v; v = v->next)
		r = flush(v, sent);
	return r;
}

/* ---- in ---- */

void vcuda_watch_invalidate(void)
{
	struct vcuda_view *v;
	uint64_t i, n;

	for (v = watched; v; v = v->next)
		for (i = 0; i < nr_blocks(v); i += n) {
			n = run(v, i);
			if (v->blocks[i] == CLEAN)
				set(v, i, n, DEVICE);
		}
}

static uint64_t window(struct vcuda_view *v, uint64_t i)
{
	uint64_t n = run(v, i);

	v->ahead = v->expect == i && v->ahead ? v->ahead * 2 : 1;
	if (v->ahead > AHEAD_MAX)
		v->ahead = AHEAD_MAX;
	return n < v->ahead ? n : v->ahead;
}

/*
 * Without a session there is nobody to ask: the program goes on with what it has, and the next call
 * says what has happened.
 */
static void fetch(struct vcuda_view *v, uint64_t i)
{
	uint64_t n = window(v, i), at = i * BLOCK;
	uint64_t end = (i + n) * BLOCK < v->bytes ? (i + n) * BLOCK : v->bytes;

	if (vcuda_own_get(v->alias + at, v->dev + at, end - at))
		set(v, i, n, FRESH);
	else
		set(v, i, n, CLEAN);
	v->expect = i + n;
}

bool vcuda_watch_fault(uint64_t addr)
{
	struct vcuda_view *v;
	uint64_t i;

	for (v = watched; v && addr - (uintptr_t)v->host >= v->bytes; v = v->next)
		;
	if (!v)
		return false;
	i = (addr - (uintptr_t)v->host) / BLOCK;
	if (v->blocks[i] == DEVICE)
		fetch(v, i);
	else if (v->blocks[i] == CLEAN)
		set(v, i, 1, DIRTY);
	/* else another thread was quicker */
	return true;
}

void vcuda_watch_fork(void)
{
	watched = NULL;
}
