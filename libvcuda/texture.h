/* SPDX-License-Identifier: MIT */
/* texture.h - texture and surface objects */
#ifndef VCUDA_TEXTURE_H
#define VCUDA_TEXTURE_H

#include "vcuda.h"

void vcuda_context_destroy_textures(CUcontext ctx);

/* ---- texref.c ---- */

/* References of a module that goes. */
void vcuda_texrefs_forget(CUmodule module);

#endif
