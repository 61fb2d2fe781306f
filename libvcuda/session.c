// SPDX-License-Identifier: MIT
/*
 * session.c - one session for each process: opened by cuInit(), lost with its first fatal error
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "bulk.h"
#include "bulklink.h"
#include "log.h"
#include "ring.h"
#include "vcuda.h"
#include "view.h"

#define GRANULES_MAX	(16u << 20)	/* 32 TiB of 2 MiB each */

enum state {
	NEW,
	OPEN,		/* for cuDriverGetVersion(): cuInit() was not called */
	READY,
	FAILED,		/* could not be opened; cuInit() may try again */
	LOST,
	FORKED,		/* in a child of a process that called cuInit(): for good, as natively */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int state = NEW;
static _Atomic int lost;		/* CUresult of every later call */
static struct vcuda_transport transport;
static struct vcuda_lease lease;

struct vcuda_transport *vcuda_transport(void)
{
	return &transport;
}

const struct vcuda_lease *vcuda_lease(void)
{
	return &lease;
}

static bool is_greeted(int now)
{
	return now == OPEN || now == READY || now == FORKED;
}

int vcuda_driver_version(void)
{
	return is_greeted(atomic_load_explicit(&state, memory_order_acquire)) ? lease.driver_version
									       : 0;
}

void vcuda_say(const char *fmt, ...)
{
	char line[VWIRE_TEXT_MAX + 128];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line) - 1)
		n = sizeof(line) - 2;
	dprintf(STDERR_FILENO, "libvcuda: %.*s\n", n, line);
	vcuda_log_add(line, n);
}

CUresult vcuda_session_error(void)
{
	return atomic_load_explicit(&lost, memory_order_relaxed);
}

void vcuda_session_lose(CUresult r, const char *text)
{
	int none = CUDA_SUCCESS;

	if (!atomic_compare_exchange_strong(&lost, &none, r))
		return;
	atomic_store(&state, LOST);
	vcuda_say("%s", text);
	vcuda_bulk_lost();
	vcuda_receive_lost();
}

/* ---- the greeting ---- */

/* What this library cannot do for a program, whatever the device can. */
static const int absent[] = {
	CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
	CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS,
	CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES,
	CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST,
	CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM,
	CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED,
	CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED,
	CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED,
	CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED,
	CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES,
	CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED,
	CU_DEVICE_ATTRIBUTE_MEM_DECOMPRESS_ALGORITHM_MASK,
	CU_DEVICE_ATTRIBUTE_MEM_DECOMPRESS_MAXIMUM_LENGTH,
	CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS,
	CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_WAIT_VALUE_NOR,
	CU_DEVICE_ATTRIBUTE_SPARSE_CUDA_ARRAY_SUPPORTED,
	CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED,
};

static void mask_attributes(struct vcuda_device *d)
{
	unsigned int i;

	for (i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		d->attributes[absent[i]] = 0;
}

static void take_attribute(struct vcuda_device *d, uint32_t id, uint32_t value)
{
	if (id < VCUDA_ATTRIBUTES) {
		d->attributes[id] = (int)value;
		d->has_attribute[id] = true;
	} else if (id - VWIRE_ATTRIBUTE_LIMIT < CU_LIMIT_MAX) {
		d->limits[id - VWIRE_ATTRIBUTE_LIMIT] = value;
		d->has_limit[id - VWIRE_ATTRIBUTE_LIMIT] = true;
	}
}

static bool take_device(const void *p, size_t n)
{
	struct vcuda_device *d = &lease.devices[lease.nr_devices];
	struct vwire_rd rd = rd_init(p, n);
	struct vwire_device v;
	struct vwire_attribute a;
	uint32_t i;

	if (lease.nr_devices == VCUDA_MAX_DEVICES)
		return true;
	rd_copy(&rd, &v, sizeof(v));
	memset(d, 0, sizeof(*d));
	memcpy(d->name, v.name, sizeof(d->name) - 1);
	memcpy(&d->uuid, v.uuid, sizeof(d->uuid));
	d->total_mem = le64toh(v.total_mem);
	if (lease.mem_limit < d->total_mem)
		d->total_mem = lease.mem_limit;
	d->priority_least = (int)le32toh(v.priority_least);
	d->priority_greatest = (int)le32toh(v.priority_greatest);
	for (i = 0; i < le32toh(v.nr_attributes) && !rd.err; i++) {
		rd_copy(&rd, &a, sizeof(a));
		if (!rd.err)
			take_attribute(d, le32toh(a.id), le32toh(a.value));
	}
	mask_attributes(d);
	lease.nr_devices++;
	return !rd.err;
}

static bool take_values(struct vwire_rd *rd, uint64_t features)
{
	struct vwire_tlv t;
	const void *p;

	while (!rd->err && rd->end - rd->p >= (ptrdiff_t)sizeof(t)) {
		rd_copy(rd, &t, sizeof(t));
		p = rd_bytes(rd, le32toh(t.len));
		if (!p)
			break;
		if (le16toh(t.type) == VWIRE_TLV_DEVICE) {
			if (!take_device(p, le32toh(t.len)))
				return false;
		} else if (le16toh(t.type) == VWIRE_TLV_IMAGES) {
			vcuda_images_at_server(p, le32toh(t.len) / 16);
		} else if (le16toh(t.type) == VWIRE_TLV_BULK) {
			vcuda_bulk_offered(p, le32toh(t.len), features);
		} else if (le16toh(t.flags) & VWIRE_TLV_F_REQUIRED) {
			return false;
		}
	}
	return !rd->err;
}

/* What is kept for each granule must not take all memory there is. */
static bool range_is_right(void)
{
	uint64_t granule = lease.granularity;

	return granule && !(granule & (granule - 1)) && lease.range_bytes / granule <= GRANULES_MAX &&
	       lease.range_base + lease.range_bytes >= lease.range_base;
}

static CUresult take_welcome(const struct vcuda_wait *w)
{
	struct vwire_rd rd = rd_init(w->reply, w->reply_len);
	struct vwire_welcome v;

	rd_copy(&rd, &v, sizeof(v));
	if (rd.err || le32toh(v.version) != VWIRE_VERSION ||
	    le64toh(v.table_hash) != GEN_TABLE_HASH) {
		vcuda_say("the server speaks protocol %u with table %016llx, this library %u with "
			  "table %016llx",
			  le32toh(v.version), (unsigned long long)le64toh(v.table_hash),
			  VWIRE_VERSION, (unsigned long long)GEN_TABLE_HASH);
		return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	}
	memset(&lease, 0, offsetof(struct vcuda_lease, devices));
	lease.driver_version = le32toh(v.driver_version);
	lease.mem_limit = le64toh(v.mem_limit);
	lease.range_base = le64toh(v.range_base);
	lease.range_bytes = le64toh(v.range_bytes);
	lease.granularity = le32toh(v.granularity);
	if (!take_values(&rd, le64toh(v.features)) || !lease.nr_devices || !range_is_right()) {
		vcuda_say("the server's greeting is wrong");
		return CUDA_ERROR_DEVICE_UNAVAILABLE;
	}
	return CUDA_SUCCESS;
}

static CUresult greet(void)
{
	struct vwire_hello h = {
		.version = htole32(VWIRE_VERSION),
		.reply_max = htole32(transport.ring.cq_bytes / 4 < VWIRE_FRAME_MAX
					     ? transport.ring.cq_bytes / 4
					     : VWIRE_FRAME_MAX),
		.table_hash = htole64(GEN_TABLE_HASH),
		.cuda_version = htole32(CUDA_VERSION),
		.pid = htole32(getpid()),
	};
	struct vcuda_iov iov = { &h, sizeof(h) };
	struct vcuda_wait w = { 0 };
	CUresult r;

	r = vcuda_submit(VWIRE_OP_HELLO, 0, &iov, 1, &w, NULL);
	if (!r)
		r = vcuda_wait(&w);
	if (!r)
		r = take_welcome(&w);
	free(w.reply);
	return r;
}

/* ---- opening ---- */

/* Managed memory needs the range in this process. */
static void mask_managed(void)
{
	int i;

	for (i = 0; !vcuda_arena_is_ours() && i < lease.nr_devices; i++)
		lease.devices[i].attributes[CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY] = 0;
}

static CUresult open_session(void)
{
	char why[VWIRE_TEXT_MAX];
	CUresult r;
	int err;

	atomic_store(&lost, CUDA_SUCCESS);
	err = vcuda_transport_open(&transport, why, sizeof(why));
	if (err) {
		vcuda_say("%s", why);
		return err == -ENODEV ? CUDA_ERROR_NO_DEVICE : CUDA_ERROR_DEVICE_UNAVAILABLE;
	}
	vcuda_submit_start();
	vcuda_receive_start();
	r = greet();
	if (r) {
		vcuda_transport_close(&transport);
		return r;
	}
	return CUDA_SUCCESS;
}

/*
 * The session and its rings are the parent's: none of them is used here. The descriptors are closed so
 * that the session dies with the parent. Other calls than those that need no driver are not looked at
 * any more, so most of what they share, locks too, stays as it was.
 */
static void after_fork(void)
{
	int was = atomic_load(&state);

	pthread_mutex_init(&lock, NULL);
	if (was != OPEN && was != READY && was != LOST)
		return;
	vcuda_transport_abandon(&transport);
	vcuda_bulk_link_fork();
	vcuda_views_fork();
	vcuda_log_reset();
	vcuda_stats_reset();
	atomic_store(&state, was == OPEN ? NEW : FORKED);
}

/* With the lock. */
static CUresult open_once(void)
{
	int now = atomic_load(&state);
	static bool watching;
	CUresult r;

	if (now != NEW && now != FAILED)
		return CUDA_SUCCESS;
	if (!watching)
		watching = !pthread_atfork(NULL, NULL, after_fork);
	r = open_session();
	atomic_store(&state, r ? FAILED : OPEN);
	return r;
}

CUresult vcuda_session_init(void)
{
	int open = OPEN;
	CUresult r;

	pthread_mutex_lock(&lock);
	r = open_once();
	if (atomic_load(&state) == OPEN) {
		vcuda_arena_init();
		mask_managed();
		atomic_compare_exchange_strong(&state, &open, READY);
	}
	pthread_mutex_unlock(&lock);
	return r ? r : vcuda_session_check();
}

CUresult vcuda_session_version(int *version)
{
	CUresult r;

	pthread_mutex_lock(&lock);
	r = open_once();
	pthread_mutex_unlock(&lock);
	if (!r && atomic_load(&state) == LOST)
		r = vcuda_session_error();
	if (!r)
		*version = lease.driver_version;
	return r;
}

CUresult vcuda_session_check(void)
{
	switch (atomic_load_explicit(&state, memory_order_acquire)) {
	case READY:
		return CUDA_SUCCESS;
	case LOST:
		return vcuda_session_error();
	default:
		return CUDA_ERROR_NOT_INITIALIZED;
	}
}

/*
 * The end of the process; after dlclose() the library and its session stay. What has been submitted
 * goes out. Rings and descriptors stay, since other threads may still run, and other libraries' exit
 * handlers may still call.
 */
__attribute__((destructor)) static void session_end(void)
{
	int was = atomic_load(&state);

	vcuda_stats_print();
	if (was != OPEN && was != READY && was != LOST)
		return;
	atomic_store(&lost, CUDA_ERROR_DEINITIALIZED);
	atomic_store(&state, LOST);
	vcuda_bulk_stop();
	vcuda_transport_stop(&transport);
}
