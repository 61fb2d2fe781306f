/* SPDX-License-Identifier: MIT */
/*
 * code.h - the code in a fatbin that a driver takes for a device
 */
#ifndef IMAGE_CODE_H
#define IMAGE_CODE_H

#include <stdbool.h>
#include <stddef.h>

#include "fatbin.h"

/*
 * The cubin that a driver takes for a device of that compute capability (90: 9.0). false: the fatbin
 * has none that runs there, and it may have PTX; or it is damaged.
 */
bool code_find(const void *fatbin, size_t n, unsigned int sm, struct fatbin_entry *e);
/*
 * The plain contents with pad zero bytes behind them, in fresh memory, for free(). NULL: damaged, or
 * no memory.
 */
void *code_unpack(const struct fatbin_entry *e, size_t pad);
/* malloc(), in huge pages where that spares thousands of page faults. */
void *code_alloc(size_t n);

#endif
