/* SPDX-License-Identifier: MIT */
/*
 * object.h - the fatbins inside a host object file, or a library of them
 */
#ifndef SOFTGPU_OBJECT_H
#define SOFTGPU_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

/* Called for each fatbin, of which avail bytes may be read; false ends the walk. */
typedef bool (*object_fn)(void *arg, const void *fatbin, size_t avail);

/*
 * An ELF object of nvcc's, an ar archive of such objects or of fatbins, or a fatbin itself. False:
 * it is none, or a damaged one, or fn said so.
 */
bool object_each(const void *data, size_t size, object_fn fn, void *arg);

#endif
