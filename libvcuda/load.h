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
	/* of a module; of a library: where there are several, the first that used it; NULL: none has */
	_Atomic(CUcontext) ctx;
	struct vcuda_module *instances;	/* of a library, in other contexts: instance.c */
	struct vcuda_module *of;	/* it is an instance of that library */
	bool managed;			/* the program has asked for a managed variable */
	const void *preserved;		/* the program keeps the image here; NULL: it may be gone */
	_Atomic bool listed, sent;
	/* the kernels are from a cubin, or as those of the same image were, which the server has listed */
	bool read_here;
	bool no_barriers;		/* the kernels are from PTX that has none */
	CUresult failed;		/* why a preserved image could not be loaded */
	/* not preserved: in kept, to be freed; of a module that is sent, it is gone */
	struct vcuda_image image;
	void *kept;
	uint64_t image_bytes;
	uint8_t hash[16];		/* of the image, once is_hashed */
	bool is_hashed;
	uint64_t code;			/* part of the image's hash, where the server listed it */
	unsigned int nr_kernels;
	struct vcuda_kernel *kernels;
	void *params;			/* what kernels point into */
};

/* ---- module.c, for lookup.c and kernel.c ---- */

/* Of the list of modules, and while one is on its way. */
extern pthread_mutex_t vcuda_module_lock;
/* A library that waits for its first look-up is listed. */
CUresult vcuda_module_ensure(struct vcuda_module *m);
/* A module or a library whose kernels are known. */
CUresult vcuda_module_listed(enum cuda_handle_kind kind, const void *handle, struct vcuda_module **m);
/* A listed one, as that context has it. */
CUresult vcuda_module_in(struct vcuda_module **m, CUcontext ctx);
/* A listed one is at the server. */
CUresult vcuda_module_sent(struct vcuda_module *m);
/* The module that a library is in a context. */
CUresult vcuda_module_alias(CUmodule *out, struct vcuda_module *m);

/* ---- module.c, for load.c and instance.c: with the lock held ---- */

/* Of one that is sent. */
CUresult vcuda_module_send_unload(struct vcuda_module *m);

/* ---- kernel.c, for lookup.c ---- */

CUresult vcuda_kernel_out(struct vcuda_kernel *k, CUfunction *out);

/* ---- load.c: all of these with the list's lock held ---- */

/* Of the image, which lasts for the call only. The log and the time go where j says. */
CUresult vcuda_module_list(struct vcuda_module *m, struct vcuda_image *image, struct vcuda_jit *j);
/* With all attributes of its kernels. */
bool vcuda_module_is_whole(const struct vcuda_module *m);
/* A listed module. */
CUresult vcuda_module_send(struct vcuda_module *m);
/* The worker hears of it. The module is sent. */
CUresult vcuda_kernel_name(struct vcuda_kernel *k);
/* NULL: no memory. */
CUfunction vcuda_kernel_handle(struct vcuda_kernel *k);

/* ---- instance.c: with the lock held as well ---- */

/* A listed library as that context has it; NULL: no memory. */
struct vcuda_module *vcuda_instance(struct vcuda_module *m, CUcontext ctx);
/* They go, in that context, or all for NULL. true: there were some. */
bool vcuda_instances_drop(struct vcuda_module *m, CUcontext ctx);

/* ---- table.c: answers of the server, by the hash of the image; with the lock held as well ---- */

struct vcuda_table;

/* NULL: too large, or no memory. Freed with free() where it is not kept. */
struct vcuda_table *vcuda_table_new(const uint8_t hash[16], const void *p, size_t n);
/* Takes t over; NULL: nothing. */
void vcuda_table_keep(struct vcuda_table *t);
/* To be freed. NULL: none of that hash. */
uint8_t *vcuda_table_copy(const uint8_t hash[16], size_t *n);

#endif /* VCUDA_LOAD_H */
