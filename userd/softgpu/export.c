/* SPDX-License-Identifier: MIT */
/*
 * export.c - cuGetExportTable(): the runtime's private tables, of which there are none here
 *
 * Programs reach softgpu through a worker, and their own library answers these.
 */
#include "api.h"

CUresult cuGetExportTable(const void **table, const CUuuid *id)
{
	if (!table || !id)
		return CUDA_ERROR_INVALID_VALUE;
	*table = NULL;
	return CUDA_ERROR_NOT_FOUND;
}
