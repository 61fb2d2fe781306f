/* SPDX-License-Identifier: MIT */
/*
 * container.h - the "cubin" that cuLinkComplete() gives: linked texts in an ELF file
 *
 * To everybody else it is a cubin whose size can be told like that of any other: an ELF header with
 * a mark of softgpu's in its padding, two section headers, and the texts as the second section.
 */
#ifndef SOFTGPU_CONTAINER_H
#define SOFTGPU_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

#include "engine.h"

/* NULL: no memory. The caller frees it. */
void *container_create(const struct sg_ptx *texts, size_t nr, size_t *size);
bool container_is(const void *elf, size_t avail);
/*
 * The i-th text of a container, which has to stay there meanwhile. 1: *text is it; 0: there are no
 * more; -1: the container is damaged.
 */
int container_text(const void *elf, size_t avail, size_t i, struct sg_ptx *text);

#endif
