// SPDX-License-Identifier: MIT
/*
 * export.c - nvmlInternalGetExportTable: the private table without which nvidia-smi does not start
 *
 * NVIDIA does not document it. As those of cuGetExportTable(), it is its size in bytes, then functions,
 * which nvidia-smi asks for what the public ones do not tell. None of that reaches a client, and
 * nvidia-smi takes NVML_ERROR_NOT_SUPPORTED for an answer.
 */
#include <string.h>

#include "vnvml.h"

#define WORDS	1024	/* nvidia-smi 535 calls slot 232 */

typedef nvmlReturn_t (*slot_fn)(void);

static nvmlReturn_t not_supported(void)
{
	return NVML_ERROR_NOT_SUPPORTED;
}

static const struct {
	size_t size;
	slot_fn fn[WORDS - 1];
} table = { sizeof(table), { [0 ... WORDS - 2] = not_supported } };

/* nvml.h does not have it. Asked before nvmlInit() too. */
EXPORT nvmlReturn_t nvmlInternalGetExportTable(const void **out, const unsigned char *id);

EXPORT nvmlReturn_t nvmlInternalGetExportTable(const void **out, const unsigned char *id)
{
	static const unsigned char known[16] = { 0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e,
						 0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4 };

	if (!out || !id)
		return NVML_ERROR_INVALID_ARGUMENT;
	*out = memcmp(id, known, sizeof(known)) ? NULL : &table;
	return *out ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}
