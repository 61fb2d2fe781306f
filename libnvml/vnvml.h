/* SPDX-License-Identifier: MIT */
/*
 * vnvml.h - what the files of libnvidia-ml.so.1 share
 *
 * The library takes no lease and no worker: nvmlInit() asks the server with a QUERY frame what a
 * lease would be (query.c), and so does each call that tells of memory or utilisation. Devices and
 * their properties are those of the first answer.
 */
#ifndef VNVML_H
#define VNVML_H

/* nvml.h then leaves the functions by the names that are exported. */
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vgpu_wire.h"

#define EXPORT			__attribute__((visibility("default")))
#define VNVML_MAX_DEVICES	8
#define VNVML_ATTRIBUTES	256	/* ids of CUdevice_attribute below it are kept */
#define VNVML_WAIT_MS		5000	/* an answer takes no longer, or there is none */

/* What an nvmlDevice_t points to. */
struct vnvml_device {
	char name[VWIRE_NAME_MAX];
	unsigned char uuid[16];
	bool named;			/* name and uuid are known */
	bool known;			/* false: the server is not to be reached, the rest is 0 */
	uint64_t total_mem;		/* of the GPU, bytes; UINT64_MAX: not known */
	int attributes[VNVML_ATTRIBUTES];
};

/**
 * struct vnvml_info - one answer of the server
 * @driver: version of the NVIDIA driver; empty: not known
 * @mem_limit: bytes that a lease may hold; 0: not known
 * @mem_used: bytes that all sessions of the tenant, or of /dev/vgpuN, hold now
 */
struct vnvml_info {
	int driver_version;
	char driver[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE];
	uint64_t mem_limit, mem_used;
	bool has_utilisation;
	nvmlUtilization_t utilisation;
	unsigned int nr_devices;
	struct vnvml_device devices[VNVML_MAX_DEVICES];
};

/*
 * query.c. 0, also where the module alone could be asked; or -errno and one line in why, VWIRE_TEXT_MAX bytes, within VNVML_WAIT_MS. The server
 * is the one that VGPU_SERVER names, else that of VGPU_DEVICE or the first /dev/vgpuN.
 */
int vnvml_query(struct vnvml_info *info, char *why);
/* The payload of an INFO frame. false: it is none. */
bool vnvml_take_info(struct vnvml_info *info, const void *payload, size_t n);

/* ---- where.c: where to ask, and with which limit ---- */

struct vnvml_server {
	char name[VWIRE_TEXT_MAX];
	uint64_t mem_limit;
	bool ready;			/* vgpud says that the server answers */
	bool has_used;			/* mem_used is the device's */
	uint64_t mem_used;
	bool has_gpu;			/* the two below are its GPU's */
	char gpu[VWIRE_NAME_MAX];
	unsigned char uuid[16];
};
int vnvml_find_server(struct vnvml_server *s, char *why);
/* What the module says of a device in its directory of sysfs. */
int vnvml_read_sysfs(struct vnvml_server *s, const char *directory, char *why);

/* ---- init.c ---- */

/* NVML_SUCCESS, or NVML_ERROR_UNINITIALIZED. */
nvmlReturn_t vnvml_ready(void);
/* The same, and NVML_ERROR_INVALID_ARGUMENT where it is no handle of a device. */
nvmlReturn_t vnvml_check(nvmlDevice_t device);
/* Of the answer at nvmlInit(); valid while vnvml_ready(). */
const struct vnvml_info *vnvml_info(void);
/* A new answer, into a caller's struct: NVML_ERROR_GPU_IS_LOST where there is none. */
nvmlReturn_t vnvml_ask(struct vnvml_info *info);

static inline const struct vnvml_device *vnvml_device(nvmlDevice_t device)
{
	return (const struct vnvml_device *)device;
}

/* A string for a caller's buffer: NVML_ERROR_INSUFFICIENT_SIZE where it is too short. */
nvmlReturn_t vnvml_give(const char *s, char *buf, unsigned int length);

/* ---- event.c ---- */

void vnvml_event_fork(void);

/* ---- cuda.c ---- */

/*
 * The memory that libvcuda's cuMemGetInfo says in this process. false: it has no context here, and
 * this library makes none.
 */
bool vnvml_own_memory(const struct vnvml_device *d, uint64_t *used, uint64_t *total);
/* In a forked child: a session there was is the parent's. */
void vnvml_own_fork(void);

#endif /* VNVML_H */
