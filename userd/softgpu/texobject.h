/* SPDX-License-Identifier: MIT */
/*
 * texobject.h - texture and surface objects on the driver's side
 */
#ifndef SOFTGPU_TEXOBJECT_H
#define SOFTGPU_TEXOBJECT_H

#include "array.h"
#include "context.h"
#include "texture.h"

struct texobject {
	struct object obj;
	LIST_ENTRY(texobject) link;	/* context.texobjects */
	struct mipmapped *array;	/* what it looks at; NULL: device memory */
	bool gone;			/* the array is */
	bool dying;			/* only for kernels that were queued ... */
	uint64_t seq;			/* ... up to this number */
	/* as given, for the calls that ask */
	CUDA_RESOURCE_DESC res;
	CUDA_TEXTURE_DESC desc;
	CUDA_RESOURCE_VIEW_DESC view;
	bool has_view;
	union {
		struct sg_texture texture;
		struct sg_surface surface;
	};
};

/* All with the lock held. */

/* A new object of ctx, whose array is set from res if res names one. */
CUresult texobject_create(struct context *ctx, enum handle_kind kind, const CUDA_RESOURCE_DESC *res,
			  struct texobject **out);
/* What looks at m finds nothing any more. */
void texobject_forget(const struct mipmapped *m);
/* As array_retire_all() and array_release_all(). */
void texobject_retire_all(struct context *ctx);
void texobject_release_all(struct context *ctx);

/* These are whole calls. */
CUresult texobject_destroy(uint64_t handle, enum handle_kind kind);
CUresult texobject_resource(uint64_t handle, enum handle_kind kind, CUDA_RESOURCE_DESC *res);

/* How many dimensions the array has, and what its slices are. */
void texobject_view(const struct mipmapped *m, struct sg_view *v);

#endif
