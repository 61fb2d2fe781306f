/* SPDX-License-Identifier: MIT */
#include "decompress.h"

#include <limits.h>
#include <lz4.h>
#include <string.h>
#include <zstd.h>

/* One raw block, no frame. */
static bool lz4_decompress(const struct fatbin_entry *e, void *out)
{
	if (e->size > INT_MAX || e->plain_size > INT_MAX)
		return false;
	return LZ4_decompress_safe(e->data, out, e->size, e->plain_size) == (int)e->plain_size;
}

bool fatbin_decompress(const struct fatbin_entry *e, void *out)
{
	switch (e->codec) {
	case FATBIN_STORED:
		memcpy(out, e->data, e->size);
		return true;
	case FATBIN_LZ4:
		return lz4_decompress(e, out);
	case FATBIN_ZSTD:
		return ZSTD_decompress(out, e->plain_size, e->data, e->size) == e->plain_size;
	case FATBIN_UNKNOWN:
		break;
	}
	return false;
}
