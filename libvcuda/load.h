/* SPDX-License-Identifier: MIT */
/*
 * load.h - modules on their way to the server
 *
 * A module is listed once its kernels are known here, and sent once the server has it. The kernels
 * of a cubin are read here, so it is sent when something of it is used, without a wait; what else
 * there is (PTX, linked code) is sent at once, and the table comes back. The same code once more is
 * listed as it was the first time, and treated like a cubin.
 */
#ifndef VCUDA_LOAD_H
#define VCUDA_LOAD_H

#include "jit.h"
#include "module.h"

struct vcuda_module {
	struct vcuda_module *next;
	uint64_t handle;		/* CUmodule or CUlibrary */
	CUmodule alias;			/* cuLibraryGetModule() of a library */
	bool library;
	CUcontext ctx;			/* of a module; a library is of no context */
	const void *preserved;		/* the program keeps the image here; NULL: it may be gone */
	_Atomic bool listed, sent;
	/* the kernels are from a cubin, or as those of the same image were, which the server has listed */
	bool read_here;
	bool no_barriers;		/* the kernels are from PTX that has none */
	CUresult failed;		/* why a preserved image could not be loaded */
	struct vcuda_image image;	/* not sent yet and not preserved: in kept, to be freed */
	void *kept;
	uint64_t image_bytes;
	uint64_t code;			/* part of the image's hash, where the server listed it */
	unsigned int nr_kernels;
	struct vcuda_kernel *kernels;
	void *params;			/* what kernels point into */
};

/* All of these with the list's lock held. */

/* Of the image, which lasts for the call only. The log and the time go where j says. */
CUresult vcuda_module_list(struct vcuda_module *m, struct vcuda_image *image, struct vcuda_jit *j);
/* A listed module. */
CUresult vcuda_module_send(struct vcuda_module *m);
/* Of one that is sent. */
CUresult vcuda_module_send_unload(struct vcuda_module *m);
/* The worker hears of it. The module is sent. */
CUresult vcuda_kernel_name(struct vcuda_kernel *k);
/* NULL: no memory. */
CUfunction vcuda_kernel_handle(struct vcuda_kernel *k);

/* ---- table.c: answers of the server, by the hash of the image; with the lock held as well ---- */

struct vcuda_table;

/* NULL: too large, or no memory. Freed with free() where it is not kept. */
struct vcuda_table *vcuda_table_new(const uint8_t hash[16], const void *p, size_t n);
/* Takes t over; NULL: nothing. */
void vcuda_table_keep(struct vcuda_table *t);
/* To be freed. NULL: none of that hash. */
uint8_t *vcuda_table_copy(const uint8_t hash[16], size_t *n);

#endif /* VCUDA_LOAD_H */
