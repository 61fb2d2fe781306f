/* SPDX-License-Identifier: MIT */
/*
 * module.h - modules, libraries and their kernels, as known here
 */
#ifndef VCUDA_MODULE_H
#define VCUDA_MODULE_H

#include "cubin.h"
#include "vcuda.h"

#define VCUDA_IMAGE_PIECES	64

/* A module image where the program has it; pieces: a wrapper of version 2 names several fatbins. */
struct vcuda_image {
	struct vcuda_iov pieces[VCUDA_IMAGE_PIECES];
	unsigned int nr;
	uint64_t bytes;
	uint32_t flags;			/* VWIRE_MODULE_F_RDC */
};

/*
 * Finds out what image is and how long: fatbin wrapper, fatbin, cubin, or PTX text.
 * CUDA_ERROR_INVALID_IMAGE.
 */
CUresult vcuda_image_find(const void *image, struct vcuda_image *out);
void vcuda_image_hash(const struct vcuda_image *image, uint8_t hash[16]);
/* In parts, one after the other; with the submission lock held. */
CUresult vcuda_image_send(const struct vcuda_image *image);
/*
 * The cubin that a driver takes out of the image for a device of that compute capability (90: 9.0).
 * *own: what to free, NULL where it lies in the image. false: none, or several pieces.
 */
bool vcuda_image_cubin(const struct vcuda_image *image, unsigned int sm, struct vcuda_iov *cubin,
		       void **own);
/* Such a cubin has to be unpacked first. */
bool vcuda_image_is_packed(const struct vcuda_image *image, unsigned int sm);
/*
 * PTX without an instruction that uses a named barrier (PTX ISA 9.7.13), nor a word that looks like
 * one: its kernels use none.
 */
bool vcuda_image_has_no_barriers(const struct vcuda_image *image);
/* Into memory of ours, *own, to be freed, which its pieces point to then. */
CUresult vcuda_image_keep(struct vcuda_image *image, void **own);
/* A file's contents, to be freed, with NULs behind them; n: bytes of the file. */
CUresult vcuda_image_map(const char *name, void **p, size_t *n);

struct vcuda_module;

struct vcuda_kernel {
	CUfunction handle;		/* stands for CUkernel too; 0: nobody has asked for it */
	struct vcuda_module *module;
	char *name;
	_Atomic uint32_t function;	/* the worker's number; 0: it has not heard of the kernel */
	uint32_t nr_params, param_bytes;
	const struct vcuda_param *params;
	uint32_t attribute_mask;
	int barriers;			/* that a block uses; -1: unknown */
	int attributes[VWIRE_KERNEL_ATTRIBUTES];
	uint32_t set;			/* those that the program has set */
	CUfunc_cache cache_config;
	struct vcuda_frame *frame;	/* setlaunch.c; NULL: never set */
};

/*
 * From a CUfunction or a CUkernel. CUDA_ERROR_INVALID_HANDLE, or why its library could not be
 * loaded.
 */
CUresult vcuda_kernel_get(const void *handle, struct vcuda_kernel **k);
/*
 * The same, as that context has it, and the worker knows it after the frames sent so far: function is
 * not 0.
 */
CUresult vcuda_kernel_use_in(CUcontext ctx, const void *handle, struct vcuda_kernel **k);
/* In the current context. */
CUresult vcuda_kernel_use(const void *handle, struct vcuda_kernel **k);
/* The kernel as that context has it; only what it is called and needs is known. */
CUresult vcuda_kernel_in(CUcontext ctx, struct vcuda_kernel **k);
/* As its library itself has it. */
struct vcuda_kernel *vcuda_kernel_first(struct vcuda_kernel *k);
/* The attribute, in every context that has it. */
CUresult vcuda_kernel_set(struct vcuda_kernel *k, CUfunction_attribute which, int value);
/* To the worker, which knows it. */
CUresult vcuda_kernel_send_attribute(const struct vcuda_kernel *k, unsigned int which);
/* All that the program has set. */
CUresult vcuda_kernel_set_again(const struct vcuda_kernel *k);
/*
 * As vcuda_memo(), of a question whose first argument is the kernel's number: kernels that need the
 * same have the same answer.
 */
CUresult vcuda_memo_kernel(struct vcuda_call *c, const struct vcuda_kernel *k);
/* Not 0, and the same for a kernel of the same image alone, loaded twice or not. */
uint64_t vcuda_kernel_code(const struct vcuda_kernel *k);
/*
 * Those of its module that are asked about together, VWIRE_KERNELS_ASK at most: the worker has
 * numbered them in a row.
 */
struct vcuda_kernel *vcuda_kernel_block(struct vcuda_kernel *k, unsigned int *n);
/* Before a frame that names a module: it is at the server. */
CUresult vcuda_module_use(CUmodule module);

/* It is of a library, or of a module of that context, or of a library as that one has it. */
bool vcuda_kernel_is_of(const struct vcuda_kernel *k, CUcontext ctx);

/* ---- launch.c ---- */

/* What the driver refuses at the call itself. */
CUresult vcuda_launch_check(const struct vcuda_kernel *k, const unsigned int grid[3],
			    const unsigned int block[3], unsigned int shared);
#define VCUDA_LAUNCH_ATTRIBUTES	(16 * VWIRE_ATTRIBUTE_BYTES)
/* The configuration's attributes as they travel; the rest of wire is for the caller to fill in. */
CUresult vcuda_launch_attributes(const CUlaunchConfig *c, struct vwire_launch_ex *wire,
				 uint8_t attributes[VCUDA_LAUNCH_ATTRIBUTES]);
/* The parameter block, k->param_bytes of it. */
CUresult vcuda_launch_params(const struct vcuda_kernel *k, void **params, void **extra, void *block);

#endif
