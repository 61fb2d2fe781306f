/* SPDX-License-Identifier: MIT */
/*
 * module.h - images as they arrive, modules and libraries, and the tables that tell the client what
 * is in them
 */
#ifndef SERVER_MODULE_H
#define SERVER_MODULE_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker;
struct request;

#define MODULES_BYTES_MAX	(4ull << 30)	/* of code that a session may have loaded at once */

struct module {
	CUmodule module;
	CUlibrary library;	/* one of the two */
	struct recent_image *recent;	/* what is told the next session of it; NULL: nothing */
	void *kept;		/* code that the driver reads as long as it has the library */
	uint64_t held;		/* bytes of it */
	uint32_t first, nr;	/* function ids */
	uint32_t named;		/* the last function that the client named: function.previous */
	bool has_refs;		/* texture and surface references of it have numbers */
};

/*
 * The image that VWIRE_OP_IMAGE frames bring: memory grows with what is there, not with what is
 * promised.
 */
struct modules {
	uint8_t *image;
	uint64_t room, have, total;
	/* the image at hand was not kept: no memory, or over MODULES_BYTES_MAX */
	bool too_much;
	bool told;		/* that there was too much */
	_Atomic uint64_t held;	/* bytes of code that modules, libraries and links hold */
};

/*
 * Code that is not sent with each load, but named, must not fill the host's memory either. false: over
 * MODULES_BYTES_MAX. Executor only; what is held is let go of by any thread.
 */
bool modules_hold(struct worker *w, uint64_t bytes);
void modules_let_go(struct worker *w, uint64_t bytes);

/* A VWIRE_OP_IMAGE frame. false: malformed. */
bool modules_part(struct worker *w, struct request *rq);
/*
 * The image that has arrived, to be freed: with IMAGE_PAD zeros behind it. It must be of the size
 * that the request says.
 */
CUresult modules_take(struct worker *w, uint64_t bytes, void **image);
/* Forgets what has arrived and was not taken. */
void modules_drop(struct worker *w);

#endif /* SERVER_MODULE_H */
