// SPDX-License-Identifier: MIT
/*
 * cuda.c - the session that this process has with libvcuda, if it has one: its numbers are exact, the
 * server's may be a tenth of a second old
 *
 * The library is asked only where the program has loaded it. Without cuInit() its calls answer
 * CUDA_ERROR_NOT_INITIALIZED and open no session.
 */
#include <cuda.h>
#include <dlfcn.h>
#include <string.h>

#include "vnvml.h"

static bool forked;

struct cuda {
	CUresult (*get_uuid)(CUuuid *uuid, CUdevice dev);
	CUresult (*get_current)(CUcontext *ctx);
	CUresult (*get_info)(size_t *free_bytes, size_t *total);
	CUresult (*get_device)(CUdevice *dev);
	CUresult (*primary_state)(CUdevice dev, unsigned int *flags, int *active);
	CUresult (*primary_retain)(CUcontext *ctx, CUdevice dev);
	CUresult (*primary_release)(CUdevice dev);
	CUresult (*push)(CUcontext ctx);
	CUresult (*pop)(CUcontext *ctx);
};

static bool look_up(void *so, struct cuda *c)
{
	const struct {
		void **fn;
		const char *name;
	} names[] = {
		{ (void **)&c->get_uuid, "cuDeviceGetUuid" },
		{ (void **)&c->get_current, "cuCtxGetCurrent" },
		{ (void **)&c->get_info, "cuMemGetInfo_v2" },
		{ (void **)&c->get_device, "cuCtxGetDevice" },
		{ (void **)&c->primary_state, "cuDevicePrimaryCtxGetState" },
		{ (void **)&c->primary_retain, "cuDevicePrimaryCtxRetain" },
		{ (void **)&c->primary_release, "cuDevicePrimaryCtxRelease_v2" },
		{ (void **)&c->push, "cuCtxPushCurrent_v2" },
		{ (void **)&c->pop, "cuCtxPopCurrent_v2" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!(*names[i].fn = dlsym(so, names[i].name)))
			return false;
	return true;
}

static bool is_device(const struct cuda *c, CUdevice dev, const struct vnvml_device *d)
{
	CUuuid uuid;

	if (!d->known)		/* the only one there is */
		return true;
	return !c->get_uuid(&uuid, dev) && !memcmp(uuid.bytes, d->uuid, sizeof(d->uuid));
}

/* In the thread's context, else in the primary one, where that is alive. */
static bool memory_of(const struct cuda *c, const struct vnvml_device *d, size_t *left, size_t *all)
{
	unsigned int flags;
	CUcontext ctx;
	CUdevice dev;
	bool got;
	int active;

	if (c->get_current(&ctx))
		return false;
	if (ctx && !c->get_device(&dev) && is_device(c, dev, d))
		return !c->get_info(left, all);
	for (dev = 0; !c->primary_state(dev, &flags, &active); dev++) {
		if (!active || !is_device(c, dev, d) || c->primary_retain(&ctx, dev))
			continue;
		got = !c->push(ctx);
		if (got) {
			got = !c->get_info(left, all);
			c->pop(&ctx);
		}
		c->primary_release(dev);
		return got;
	}
	return false;
}

bool vnvml_own_memory(const struct vnvml_device *d, uint64_t *used, uint64_t *total)
{
	void *so = forked ? NULL : dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
	size_t left = 0, all = 0;
	struct cuda c;
	bool got;

	if (!so)
		return false;
	got = look_up(so, &c) && memory_of(&c, d, &left, &all);
	dlclose(so);
	*used = all - left;
	*total = all;
	return got;
}

void vnvml_own_fork(void)
{
	forked = true;
}
