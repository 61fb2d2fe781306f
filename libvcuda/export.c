// SPDX-License-Identifier: MIT
/*
 * export.c - cuGetExportTable, and what the private tables need to know of this driver
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cudart.h"
#include "vcuda.h"

_Static_assert(VCUDA_MAX_DEVICES <= CUDART_MAX_DEVICES, "a fact for each device");

CUresult hand_cuGetExportTable(const void **table, const CUuuid *id)
{
	const void *stats = vcuda_stats_table(id);

	if (!stats || !table)
		return cudart_table(table, id);
	*table = stats;
	return CUDA_SUCCESS;
}

CUresult cudart_ready(void)
{
	return vcuda_session_check();
}

CUresult cudart_primary(CUcontext *ctx, CUdevice dev)
{
	return vcuda_primary(ctx, dev);
}

CUcontext cudart_current(void)
{
	return vcuda_current();
}

uint64_t cudart_context_id(CUcontext ctx)
{
	return vcuda_context_id(ctx);
}

void cudart_facts(struct cudart_facts *f)
{
	const struct vcuda_lease *l = vcuda_lease();

	f->driver_version = l->driver_version;
	f->nr_devices = l->nr_devices;
	for (int i = 0; i < l->nr_devices; i++) {
		const int *a = l->devices[i].attributes;

		memcpy(f->devices[i].uuid, l->devices[i].uuid.bytes, 16);
		f->devices[i].domain = a[CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID];
		f->devices[i].bus = a[CU_DEVICE_ATTRIBUTE_PCI_BUS_ID];
		f->devices[i].device = a[CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID];
	}
}

void cudart_say(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vcuda_say("%s", line);
}
