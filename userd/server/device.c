/* SPDX-License-Identifier: MIT */
#include "device.h"

#include <errno.h>

#include "log.h"
#include "run.h"
#include "worker.h"

static uint32_t read_attributes(struct device *d)
{
	int value, major = 0, minor = 0;
	uint32_t nr = 0;

	real.cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, d->dev);
	real.cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, d->dev);
	d->sm = major * 10 + minor;

	for (int id = 1; id < CU_DEVICE_ATTRIBUTE_MAX; id++) {
		if (real.cuDeviceGetAttribute(&value, id, d->dev) != CUDA_SUCCESS)
			continue;
		d->attributes[nr].id = htole32(id);
		d->attributes[nr++].value = htole32(value);
	}
	return nr;
}

/* Those of the worker's context, which is new. One that does not fit is not told. */
static uint32_t read_limits(struct vwire_attribute *out)
{
	uint32_t nr = 0;
	size_t value;

	for (int limit = 0; real.cuCtxGetLimit && limit < CU_LIMIT_MAX; limit++) {
		if (real.cuCtxGetLimit(&value, limit) != CUDA_SUCCESS || value > UINT32_MAX)
			continue;
		out[nr].id = htole32(VWIRE_ATTRIBUTE_LIMIT + limit);
		out[nr++].value = htole32(value);
	}
	return nr;
}

static CUresult read_name_and_memory(struct device *d)
{
	size_t total = 0, free_mem = 0;
	CUuuid uuid;
	CUresult r = real.cuDeviceGetName(d->head.name, sizeof(d->head.name), d->dev);

	if (r == CUDA_SUCCESS)
		r = real.cuDeviceTotalMem_v2(&total, d->dev);
	if (r == CUDA_SUCCESS)
		r = real.cuMemGetInfo_v2(&free_mem, &total);
	if (r == CUDA_SUCCESS)
		r = real.cuDeviceGetUuid_v2(&uuid, d->dev);
	if (r != CUDA_SUCCESS)
		return r;
	d->head.name[sizeof(d->head.name) - 1] = 0;
	memcpy(d->head.uuid, uuid.bytes, sizeof(d->head.uuid));
	d->head.total_mem = htole64(total);
	d->free_mem = free_mem;
	return r;
}

int device_read(struct device *d, CUdevice dev)
{
	int least = 0, greatest = 0;
	uint32_t nr;
	CUresult r;

	d->dev = dev;
	r = read_name_and_memory(d);
	if (r == CUDA_SUCCESS)
		r = real.cuDriverGetVersion(&d->driver_version);
	if (r == CUDA_SUCCESS)
		r = real.cuCtxGetStreamPriorityRange(&least, &greatest);
	if (r != CUDA_SUCCESS) {
		log_err("cannot read the device: %s", run_error_name(r));
		return -ENODEV;
	}
	d->head.priority_least = htole32(least);
	d->head.priority_greatest = htole32(greatest);
	nr = read_attributes(d);
	nr += read_limits(d->attributes + nr);
	d->head.nr_attributes = htole32(nr);
	return 0;
}

void device_put(const struct device *d, struct vwire_wr *wr)
{
	size_t n = le32toh(d->head.nr_attributes) * sizeof(d->attributes[0]);
	struct vwire_tlv tlv = {
		.type = htole16(VWIRE_TLV_DEVICE), .len = htole32(sizeof(d->head) + n),
	};

	wr_bytes(wr, &tlv, sizeof(tlv));
	wr_bytes(wr, &d->head, sizeof(d->head));
	wr_bytes(wr, d->attributes, n);
}
