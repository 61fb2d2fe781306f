/* SPDX-License-Identifier: MIT */
/*
 * export.c - cuGetExportTable(), and what the private tables need to know of this driver
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "context.h"
#include "cudart.h"
#include "device.h"
#include "init.h"
#include "settings.h"

CUresult cuGetExportTable(const void **table, const CUuuid *id)
{
	return cudart_table(table, id);
}

CUresult cudart_ready(void)
{
	return driver_ready();
}

CUresult cudart_primary(CUcontext *ctx, CUdevice dev)
{
	if (!ctx)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_exists(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	*ctx = HANDLE_OF(context_primary(dev));
	return CUDA_SUCCESS;
}

CUcontext cudart_current(void)
{
	return context_current();
}

uint64_t cudart_context_id(CUcontext ctx)
{
	return (uintptr_t)ctx;
}

static uint32_t pci(CUdevice_attribute attribute, CUdevice dev)
{
	int v = 0;

	cuDeviceGetAttribute(&v, attribute, dev);
	return v;
}

void cudart_facts(struct cudart_facts *f)
{
	f->driver_version = driver_version();
	cuDeviceGetCount(&f->nr_devices);
	for (int i = 0; i < f->nr_devices; i++) {
		CUuuid uuid;

		cuDeviceGetUuid_v2(&uuid, i);
		memcpy(f->devices[i].uuid, uuid.bytes, sizeof(uuid.bytes));
		f->devices[i].domain = pci(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, i);
		f->devices[i].bus = pci(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, i);
		f->devices[i].device = pci(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, i);
	}
}

/* The lock is held on success only. */
static CUresult enter(CUcontext handle, struct context **ctx)
{
	CUresult r = driver_enter();

	if (r != CUDA_SUCCESS)
		return r;
	*ctx = context_by_handle(handle ? handle : context_current());
	return *ctx ? CUDA_SUCCESS : context_leave(CUDA_ERROR_INVALID_CONTEXT);
}

CUresult cudart_cls_get(void **value, CUcontext handle, void *key)
{
	struct context *ctx;
	CUresult r = enter(handle, &ctx);

	return r == CUDA_SUCCESS ? context_leave(cls_get(&ctx->cls, key, value)) : r;
}

CUresult cudart_cls_put(CUcontext handle, void *key, void *value, cls_dtor dtor)
{
	struct context *ctx;
	CUresult r = enter(handle, &ctx);

	return r == CUDA_SUCCESS ? context_leave(cls_put(&ctx->cls, key, value, dtor)) : r;
}

CUresult cudart_cls_del(CUcontext handle, void *key)
{
	struct context *ctx;
	CUresult r = enter(handle, &ctx);

	return r == CUDA_SUCCESS ? context_leave(cls_del(&ctx->cls, key)) : r;
}

void cudart_say(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	driver_log("%s", line);
}
