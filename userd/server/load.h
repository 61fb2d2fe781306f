/* SPDX-License-Identifier: MIT */
/*
 * load.h - an image on its way into the driver: from the client or from the cache, unpacked where
 * that is quicker
 */
#ifndef SERVER_LOAD_H
#define SERVER_LOAD_H

#include <cuda.h>
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jit.h"
#include "vgpu_wire.h"

struct module;
struct request;

struct load {
	struct request *rq;
	struct vwire_module_load head;
	uint64_t bytes;
	void *image;		/* owned; NULL: only the cubin is at hand */
	const void *cubin;	/* of the image, for the device; NULL: the driver finds the code */
	size_t cubin_bytes;
	void *unpacked;		/* owned: where the cubin is, if not in the image */
	CUlibrary ready;	/* from it, loaded ahead */
	bool from_client, cubin_is_new;
	struct jit jit;
	struct module *module;
	uint8_t *table;
	size_t table_len, table_room;
};

static inline bool load_is(const struct load *l, uint32_t flag)
{
	return le32toh(l->head.flags) & flag;
}

/*
 * The image that the request names, for l->module. CUDA_ERROR_NOT_FOUND: not in the cache, the client
 * has to send it.
 */
CUresult load_take(struct load *l);
/* A cubin of n bytes that stays where it is as long as the library is there. */
CUresult load_library(CUlibrary *library, const void *cubin, size_t n);
/* Has the driver load it. */
CUresult load_image(struct load *l);
/* Into the cache what is not there: after the reply, which the client may wait for. */
void load_keep(struct load *l);

#endif /* SERVER_LOAD_H */
