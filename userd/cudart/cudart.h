/* SPDX-License-Identifier: MIT */
/*
 * cudart.h - what the CUDA runtime and NVIDIA's libraries ask of a driver in private
 *
 * Compiled into libvcuda and into softgpu. Below are first what is served, then what the driver
 * around it has to tell.
 */
#ifndef CUDART_H
#define CUDART_H

#include <cuda.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUDART_MAX_DEVICES	16

typedef void (*cls_dtor)(CUcontext ctx, void *key, void *value);

/* ---- tables.c ---- */

/* All of cuGetExportTable(). */
CUresult cudart_table(const void **table, const CUuuid *id);

/* ---- integrity.c ---- */

/* What the answer is made of, as the public calls give it. */
struct cudart_facts {
	int driver_version;
	int nr_devices;
	struct {
		uint8_t uuid[16];
		uint32_t domain, bus, device;
	} devices[CUDART_MAX_DEVICES];
};

void cudart_integrity(const struct cudart_facts *facts, uint32_t version, uint64_t unix_time,
		      uint64_t cudart_table, uint64_t integrity_table, uint64_t fn,
		      uint8_t out[16]);
void cudart_hmac_md2(const uint8_t key[16], const void *msg, size_t n, uint8_t out[16]);

/* ---- cls.c: values that a context keeps by key ("context local storage") ---- */

struct cls;

/* Zeroed: empty. */
struct cls_list {
	_Atomic(struct cls *) first;
};

/* Takes no lock. INVALID_HANDLE: no such key. */
CUresult cls_get(struct cls_list *l, void *key, void **value);
/* The caller keeps other changes of the list out. */
CUresult cls_put(struct cls_list *l, void *key, void *value, cls_dtor dtor);
CUresult cls_del(struct cls_list *l, void *key);
/* The context dies: each value's destructor runs, without a lock, since it calls back. */
void cls_destroy(struct cls_list *l, CUcontext ctx);
/* Nobody looks any more. */
void cls_free(struct cls_list *l);

/* ---- the driver's part ---- */

/* CUDA_SUCCESS when the driver is initialised and works. */
CUresult cudart_ready(void);
/* Primary context of a device without activating it. */
CUresult cudart_primary(CUcontext *ctx, CUdevice dev);
/* The calling thread's current context, NULL for none. */
CUcontext cudart_current(void);
/* Never 0 for a live context. */
uint64_t cudart_context_id(CUcontext ctx);
/* Called when cudart_ready(). */
void cudart_facts(struct cudart_facts *facts);
/* ctx NULL: the current one; INVALID_CONTEXT: there is none. */
CUresult cudart_cls_get(void **value, CUcontext ctx, void *key);
CUresult cudart_cls_put(CUcontext ctx, void *key, void *value, cls_dtor dtor);
CUresult cudart_cls_del(CUcontext ctx, void *key);
/* One line on stderr. */
void cudart_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
