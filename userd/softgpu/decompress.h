/* SPDX-License-Identifier: MIT */
/*
 * decompress.h - payloads of fatbin entries
 */
#ifndef SOFTGPU_DECOMPRESS_H
#define SOFTGPU_DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "fatbin.h"

/*
 * Writes e->plain_size bytes to out; false when the payload is damaged or does not give exactly
 * that many.
 */
bool fatbin_decompress(const struct fatbin_entry *e, void *out);
/* One raw LZ4 block, no frame. */
bool lz4_decompress(const void *in, size_t in_size, void *out, size_t out_size);

#endif
