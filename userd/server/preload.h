/* SPDX-License-Identifier: MIT */
/*
 * preload.h - libraries that the tenant's last sessions used, loaded before this one asks for them
 *
 * A program's first step waits for the driver to load code, some 200 ms of it with PyTorch. The worker
 * has the images, and knows from the last sessions which ones and which kernels are wanted; a thread
 * loads them while the client is still on its way. What nobody asks for stays loaded until the worker
 * exits.
 */
#ifndef SERVER_PRELOAD_H
#define SERVER_PRELOAD_H

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "recent.h"

struct worker;

#define PRELOAD_BYTES_MAX	(256ull << 20)	/* of code */

enum preload_state { PRELOAD_PENDING, PRELOAD_LOADING, PRELOAD_READY, PRELOAD_GONE };

struct preload {
	pthread_mutex_t lock;	/* state and library */
	pthread_cond_t loaded;
	pthread_t thread;
	struct recent last;	/* of earlier sessions */
	struct {
		enum preload_state state;
		CUlibrary library;
		void *kept;	/* its code */
	} items[RECENT_IMAGES];	/* of last.images */
	struct recent used;	/* in this session; executor only */
};

/* Reads the list and starts the thread, if there is anything to do. Nothing of it is an error. */
void preload_start(struct worker *w);
/* The library of that image, loaded, and its code: both the caller's then. Waits if it is being loaded. */
bool preload_take(struct worker *w, const uint8_t hash[IMAGECACHE_HASH], CUlibrary *library,
		  void **kept);
/* Nothing more is loaded: waits for what is being. */
void preload_stop(struct worker *w);
/* Leaves the list to the next session. */
void preload_save(struct worker *w);

#endif /* SERVER_PRELOAD_H */
