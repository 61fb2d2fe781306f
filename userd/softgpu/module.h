/* SPDX-License-Identifier: MIT */
/*
 * module.h - modules, their functions, libraries and their kernels
 *
 * A library belongs to no context: it keeps the texts, and each context that uses it gets a module
 * of its own.
 */
#ifndef SOFTGPU_MODULE_H
#define SOFTGPU_MODULE_H

#include <sys/queue.h>

#include "context.h"
#include "engine.h"
#include "image.h"

struct library;

/* What a program can set for a function, or for a kernel in all contexts. */
struct function_settings {
	int max_dynamic_shared;		/* bytes; -1: not set */
	int carveout;			/* per cent; -1: not set */
};

#define FUNCTION_SETTINGS_NONE	((struct function_settings){ -1, -1 })

struct function {
	struct object obj;		/* a handle from the first time that somebody asks */
	struct module *module;
	struct sg_kernel *code;
	const struct kernel *kernel;	/* of a library's module, else NULL */
	struct function_settings set;
	struct legacy *legacy;		/* launch_legacy.h; NULL: never asked for */
};

struct module {
	struct object obj;
	LIST_ENTRY(module) link;	/* ctx->modules */
	LIST_ENTRY(module) library_link;
	struct context *ctx;
	struct library *library;	/* NULL: loaded as a module */
	struct sg_module *code;
	struct function *functions;	/* one for each of the code's kernels, in its order */
	size_t nr;
	bool going;			/* being unloaded: no new work uses it */
};

struct kernel {
	struct object obj;
	struct library *library;
	size_t index;			/* in each of the library's modules */
	char *name;
	struct function_settings set;
};

struct library {
	struct object obj;
	struct image image;
	CUresult error;			/* of the image: told when its code is needed */
	/* linked, but no context has it; with managed variables, that none will have */
	struct sg_module *spare;
	struct kernel *kernels;
	size_t nr;
	LIST_HEAD(, module) modules;
};

/* All with the lock held. Takes code over on success. */
CUresult module_create(struct context *ctx, struct sg_module *code, struct library *lib,
		       struct module **out);
/*
 * Before its end: no new work finds its functions and variables, and module_empty() waits for what
 * there is, in all contexts: a kernel may be in another's graph, and a variable in another's copies.
 * As context_drain_all().
 */
void module_retire(struct module *m);
CUresult module_empty(struct module *m);
/* Nothing may be running in it. */
void module_destroy(struct module *m);
/* Gives f its handle. */
CUresult function_handle(struct function *f, CUfunction *out);

/* What is wrong with a library shows when its code is needed. */
bool module_loads_lazily(void);
/* The library's module in ctx, made now if need be. */
CUresult library_module(struct library *lib, struct context *ctx, struct module **out);

/* NULL: there is none, or its module or context is going. */
struct function *function_by_handle(const void *handle);
/* A function of ctx by its handle, or that of a kernel, which CUDA takes in its place. */
CUresult function_find(struct context *ctx, CUfunction handle, struct function **out);
/* A function or a kernel of any context. */
bool function_exists(CUfunction handle);
/* In its own context, a kernel in the current one; with the lock taken, but after an error. */
CUresult function_enter(CUfunction handle, struct function **f);
/* What holds for a launch of f: its own settings, those of its kernel, the defaults. */
unsigned int function_max_dynamic_shared(const struct function *f);
int function_carveout(const struct function *f);

#endif
