/* SPDX-License-Identifier: MIT */
/*
 * decompress.h - payloads of fatbin entries
 */
#ifndef IMAGE_DECOMPRESS_H
#define IMAGE_DECOMPRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "fatbin.h"

/*
 * Writes e->plain_size bytes to out; false when the payload is damaged or does not give exactly
 * that many.
 */
bool fatbin_decompress(const struct fatbin_entry *e, void *out);

#endif
