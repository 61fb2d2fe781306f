/* SPDX-License-Identifier: MIT */
#include "preload.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "load.h"
#include "log.h"
#include "run.h"
#include "worker.h"

static bool load(struct worker *w, const struct recent_image *i, CUlibrary *library, void **kept,
		 size_t *n)
{
	*kept = imagecache_get_cubin(&w->cache, i->hash, IMAGE_PAD, n);
	if (*kept && load_library(library, *kept, *n) == CUDA_SUCCESS)
		return true;
	free(*kept);
	return false;
}

/* The driver brings the code of a kernel to the device when it is first asked for it. */
static void load_kernels(const struct recent_image *i, CUlibrary library)
{
	CUfunction f;
	CUkernel k;

	for (unsigned int n = 0; n < i->nr_kernels; n++)
		if (real.cuLibraryGetKernel(&k, library, i->kernels[n]) == CUDA_SUCCESS &&
		    real.cuKernelGetFunction)
			real.cuKernelGetFunction(&f, k);
}

static bool begin(struct preload *p, unsigned int i)
{
	bool ours;

	pthread_mutex_lock(&p->lock);
	ours = p->items[i].state == PRELOAD_PENDING;
	if (ours)
		p->items[i].state = PRELOAD_LOADING;
	pthread_mutex_unlock(&p->lock);
	return ours;
}

static void end(struct preload *p, unsigned int i, enum preload_state state)
{
	pthread_mutex_lock(&p->lock);
	p->items[i].state = state;
	pthread_cond_broadcast(&p->loaded);
	pthread_mutex_unlock(&p->lock);
}

static void *load_all(void *arg)
{
	struct worker *w = arg;
	struct preload *p = &w->preload;
	uint64_t bytes = 0;
	size_t n;

	real.cuCtxSetCurrent(w->ctx);
	for (unsigned int i = 0; i < p->last.nr && bytes < PRELOAD_BYTES_MAX; i++) {
		const struct recent_image *image = &p->last.images[i];

		if (!begin(p, i))
			continue;
		if (!load(w, image, &p->items[i].library, &p->items[i].kept, &n)) {
			end(p, i, PRELOAD_GONE);
			continue;
		}
		load_kernels(image, p->items[i].library);
		end(p, i, PRELOAD_READY);
		bytes += n;
	}
	return NULL;
}

void preload_start(struct worker *w)
{
	struct preload *p = &w->preload;

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->loaded, NULL);
	recent_read(&p->last, &w->cache);
	if (p->last.nr && pthread_create(&p->thread, NULL, load_all, w))
		p->last.nr = 0;
}

bool preload_take(struct worker *w, const uint8_t hash[IMAGECACHE_HASH], CUlibrary *library,
		  void **kept)
{
	struct preload *p = &w->preload;
	bool ready = false;
	unsigned int i;

	for (i = 0; i < p->last.nr && memcmp(p->last.images[i].hash, hash, IMAGECACHE_HASH); i++)
		;
	if (i == p->last.nr)
		return false;
	pthread_mutex_lock(&p->lock);
	while (p->items[i].state == PRELOAD_LOADING)
		pthread_cond_wait(&p->loaded, &p->lock);
	if (p->items[i].state == PRELOAD_READY) {
		*library = p->items[i].library;
		*kept = p->items[i].kept;
		ready = true;
	}
	p->items[i].state = PRELOAD_GONE;	/* also one that the thread has not come to */
	pthread_mutex_unlock(&p->lock);
	return ready;
}

void preload_stop(struct worker *w)
{
	struct preload *p = &w->preload;

	pthread_mutex_lock(&p->lock);
	for (unsigned int i = p->last.nr; i--;) {
		if (p->items[i].state == PRELOAD_PENDING)
			p->items[i].state = PRELOAD_GONE;
		while (p->items[i].state == PRELOAD_LOADING)
			pthread_cond_wait(&p->loaded, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
}

void preload_save(struct worker *w)
{
	struct preload *p = &w->preload;

	if (!p->used.nr)
		return;
	recent_append(&p->used, &p->last);
	if (!recent_write(&p->used, &w->cache))
		log_debug("image cache: no list of what was used");
}
