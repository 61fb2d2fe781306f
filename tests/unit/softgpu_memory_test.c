/* SPDX-License-Identifier: MIT */
/*
 * softgpu_memory_test.c - softgpu's memory through the driver's public calls: managed memory,
 * pools, sharing between processes, copies, page-locked memory, questions about pointers
 *
 * With the name of a peer as its argument the program is the other process of a test: it talks to
 * the first one through the socket at descriptor PEER_FD.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK(call)	assert_int_equal((call), CUDA_SUCCESS)
#define FAILS(r, call)	assert_int_equal((call), (r))

#define MIB		((size_t)1 << 20)

#include "softgpu_gate.h"
#define PEER_FD		3

static const char ptx[] =
	".version 7.0\n.target sm_75\n.address_size 64\n"
	".visible .global .attribute(.managed) .align 4 .u32 both = 41;\n"
	".visible .global .align 4 .u32 plain = 1;\n"
	GATE_PTX;

struct fixture {
	CUcontext ctx;
	CUmodule mod;
	struct gate gate;
	pid_t peer;
	int socket;
};

static struct fixture *open_device(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	OK(cuInit(0));
	OK(cuCtxCreate_v4(&f->ctx, NULL, 0, 0));
	OK(cuModuleLoadData(&f->mod, ptx));
	gate_init(&f->gate, f->mod);
	return f;
}

static int set_up(void **state)
{
	*state = open_device();
	return 0;
}

static void end_peer(struct fixture *f)
{
	if (!f->peer)
		return;
	kill(f->peer, SIGKILL);
	waitpid(f->peer, NULL, 0);
	close(f->socket);
	f->peer = 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	end_peer(f);
	__atomic_store_n(f->gate.flag, 1, __ATOMIC_SEQ_CST);
	OK(cuCtxDestroy_v2(f->ctx));
	free(f);
	return 0;
}

static size_t free_memory(void)
{
	size_t n;

	OK(cuMemGetInfo_v2(&n, NULL));
	return n;
}

static int nr_entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The other process. */

static void start_peer(struct fixture *f, const char *name)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	f->peer = fork();
	if (!f->peer) {
		/* dup2() onto itself would leave it close on exec. */
		if (fcntl(s[1], F_DUPFD, 20) == 20 && dup2(20, PEER_FD) == PEER_FD)
			execl("/proc/self/exe", "softgpu_memory_test", name, NULL);
		_exit(127);
	}
	assert_true(f->peer > 0);
	close(s[1]);
	f->socket = s[0];
}

/* A message, with a descriptor if fd is not -1. */
static void say(int socket, const void *data, size_t n, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (void *)data, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	assert_int_equal(sendmsg(socket, &m, MSG_NOSIGNAL), n);
}

/* The descriptor that came along, or -1. */
static int hear(int socket, void *data, size_t n)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { data, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int fd = -1;

	assert_int_equal(recvmsg(socket, &m, MSG_CMSG_CLOEXEC), n);
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void say_word(int socket, uint32_t v)
{
	say(socket, &v, sizeof(v), -1);
}

static uint32_t hear_word(int socket)
{
	uint32_t v;

	hear(socket, &v, sizeof(v));
	return v;
}

/* Managed memory. */

static void managed_memory_is_for_host_and_kernels(void **state)
{
	struct fixture *f = *state;
	size_t before = free_memory();
	unsigned int yes;
	CUdeviceptr p, host;
	CUstream s;
	int n;

	OK(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 0));
	assert_int_equal(n, 1);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 0, CU_MEM_ATTACH_GLOBAL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 64, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 64, CU_MEM_ATTACH_SINGLE));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(NULL, 64, CU_MEM_ATTACH_GLOBAL));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocManaged(&p, SIZE_MAX / 8, CU_MEM_ATTACH_GLOBAL));
	OK(cuMemAllocManaged(&p, 3 * MIB, CU_MEM_ATTACH_HOST));
	assert_int_equal(before - free_memory(), 3 * MIB);
	*(uint32_t *)p = 1;
	OK(put(&f->gate, p + 4, 2, NULL));
	OK(cuCtxSynchronize());
	assert_int_equal(((uint32_t *)p)[0] + ((uint32_t *)p)[1], 3);
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_IS_MANAGED, p + 5));
	assert_int_equal(yes, 1);
	OK(cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, p + 5));
	assert_int_equal(host, p + 5);
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuStreamAttachMemAsync(s, p, 0, CU_MEM_ATTACH_SINGLE));
	OK(cuStreamAttachMemAsync(NULL, p, 3 * MIB, CU_MEM_ATTACH_GLOBAL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(NULL, p, 0, CU_MEM_ATTACH_SINGLE));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(s, p + 64, 0, CU_MEM_ATTACH_HOST));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(s, p, 64, CU_MEM_ATTACH_HOST));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(s, p, 0, 7));
	OK(cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(s, p, 0, CU_MEM_ATTACH_HOST));
	assert_int_equal(free_memory(), before);
	OK(cuMemAlloc_v2(&p, 64));
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_IS_MANAGED, p));
	assert_int_equal(yes, 0);
}

static int range_int(CUmem_range_attribute a, CUdeviceptr p, size_t n)
{
	int v = 12345;

	OK(cuMemRangeGetAttribute(&v, sizeof(v), a, p, n));
	return v;
}

#define RANGE(a, p, n)	range_int(CU_MEM_RANGE_ATTRIBUTE_##a, p, n)

static void advice_is_kept_by_page(void **state)
{
	CUmemLocation dev = { .type = CU_MEM_LOCATION_TYPE_DEVICE };
	CUmemLocation host = { .type = CU_MEM_LOCATION_TYPE_HOST };
	CUmemLocation numa = { .type = CU_MEM_LOCATION_TYPE_HOST_NUMA, .id = 3 };
	int list[3];
	CUdeviceptr p;

	(void)state;
	OK(cuMemAllocManaged(&p, 8 * 4096, CU_MEM_ATTACH_GLOBAL));
	assert_int_equal(RANGE(READ_MOSTLY, p, 1), 0);
	assert_int_equal(RANGE(PREFERRED_LOCATION, p, 4096), CU_DEVICE_INVALID);
	assert_int_equal(RANGE(PREFERRED_LOCATION_TYPE, p, 4096), CU_MEM_LOCATION_TYPE_INVALID);
	OK(cuMemAdvise(p + 4096, 2 * 4096, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
	assert_int_equal(RANGE(READ_MOSTLY, p + 4096, 8192), 1);
	assert_int_equal(RANGE(READ_MOSTLY, p + 4096, 8193), 0);
	OK(cuMemAdvise(p + 2 * 4096, 1, CU_MEM_ADVISE_UNSET_READ_MOSTLY, 0));
	assert_int_equal(RANGE(READ_MOSTLY, p + 4096, 4096), 1);
	assert_int_equal(RANGE(READ_MOSTLY, p + 4096, 8192), 0);
	OK(cuMemAdvise_v2(p, 4 * 4096, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, dev));
	OK(cuMemAdvise(p + 4 * 4096, 4 * 4096, CU_MEM_ADVISE_SET_PREFERRED_LOCATION,
		       CU_DEVICE_CPU));
	assert_int_equal(RANGE(PREFERRED_LOCATION, p, 4 * 4096), 0);
	assert_int_equal(RANGE(PREFERRED_LOCATION, p + 4 * 4096, 4096), CU_DEVICE_CPU);
	assert_int_equal(RANGE(PREFERRED_LOCATION, p, 8 * 4096), CU_DEVICE_INVALID);
	OK(cuMemAdvise_v2(p, 4096, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, numa));
	assert_int_equal(RANGE(PREFERRED_LOCATION_TYPE, p, 4096), CU_MEM_LOCATION_TYPE_HOST_NUMA);
	assert_int_equal(RANGE(PREFERRED_LOCATION_ID, p, 4096), 3);
	OK(cuMemAdvise(p, 4096, CU_MEM_ADVISE_SET_ACCESSED_BY, 0));
	OK(cuMemAdvise_v2(p, 4096, CU_MEM_ADVISE_SET_ACCESSED_BY, host));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise_v2(p, 1, CU_MEM_ADVISE_SET_ACCESSED_BY, numa));
	OK(cuMemRangeGetAttribute(list, 12, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, p, 4096));
	assert_int_equal(list[0], 0);
	assert_int_equal(list[1], CU_DEVICE_CPU);
	assert_int_equal(list[2], CU_DEVICE_INVALID);
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuMemAdvise(p, 1, CU_MEM_ADVISE_SET_ACCESSED_BY, 63));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise(p, 1, 99, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemAdvise(p, 8 * 4096 + 1, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise(p, 0, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemRangeGetAttribute(list, 8, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemRangeGetAttribute(list, 6, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, p, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemRangeGetAttribute(list, 4, 77, p, 1));
	/* What lies there next knows nothing of it. */
	OK(cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemRangeGetAttribute(list, 4, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, 1));
	OK(cuMemAllocManaged(&p, 8 * 4096, CU_MEM_ATTACH_GLOBAL));
	assert_int_equal(RANGE(PREFERRED_LOCATION, p, 4096), CU_DEVICE_INVALID);
	OK(cuMemFree_v2(p));
}

static void prefetches_are_checked_and_remembered(void **state)
{
	CUmemLocation dev = { .type = CU_MEM_LOCATION_TYPE_DEVICE };
	CUmemLocation host = { .type = CU_MEM_LOCATION_TYPE_HOST };
	CUmemLocation both[] = { dev, host };
	size_t sizes[] = { 4096, 4096, 4096 }, first[] = { 0, 2 }, bad[] = { 0, 0 };
	CUdeviceptr p, q, addrs[3];
	CUstream s;

	(void)state;
	OK(cuStreamCreate(&s, 0));
	OK(cuMemAllocManaged(&p, 3 * 4096, CU_MEM_ATTACH_GLOBAL));
	OK(cuMemAlloc_v2(&q, 4096));
	for (int i = 0; i < 3; i++)
		addrs[i] = p + i * 4096;
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p, 4096), CU_DEVICE_INVALID);
	OK(cuMemPrefetchAsync(p, 4096, 0, s));
	OK(cuMemPrefetchAsync_v2(p + 4096, 8192, host, 0, NULL));
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p, 4096), 0);
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p + 4096, 8192), CU_DEVICE_CPU);
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION_TYPE, p, 8192),
			 CU_MEM_LOCATION_TYPE_INVALID);
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuMemPrefetchAsync(p, 4096, 62, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync_v2(p, 4096, dev, 1, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(q, 4096, 0, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(p, 4 * 4096, 0, s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuMemPrefetchAsync(p, 4096, 0, (CUstream)0x1234));
	OK(cuMemPrefetchBatchAsync(addrs, sizes, 3, both, first, 2, 0, s));
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p, 8192), 0);
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p + 8192, 4096), CU_DEVICE_CPU);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPrefetchBatchAsync(addrs, sizes, 3, both, bad, 2, 0, s));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPrefetchBatchAsync(addrs, sizes, 3, both, first, 2, 0, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPrefetchBatchAsync(addrs, sizes, 1, both, first, 2, 0, s));
	OK(cuMemDiscardBatchAsync(addrs, sizes, 3, 0, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemDiscardBatchAsync(addrs, sizes, 3, 1, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemDiscardBatchAsync(&q, sizes, 1, 0, s));
	OK(cuMemDiscardAndPrefetchBatchAsync(addrs, sizes, 3, both, first, 1, 0, s));
	assert_int_equal(RANGE(LAST_PREFETCH_LOCATION, p, 3 * 4096), 0);
}

static void variables_can_be_managed(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p, plain;
	unsigned int yes;
	CUlibrary lib;
	size_t size;

	OK(cuModuleGetGlobal_v2(&p, &size, f->mod, "both"));
	assert_int_equal(size, 4);
	assert_int_equal(*(uint32_t *)p, 41);
	OK(put(&f->gate, p, 42, NULL));
	OK(cuCtxSynchronize());
	assert_int_equal(*(uint32_t *)p, 42);
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_IS_MANAGED, p));
	assert_int_equal(yes, 1);
	OK(cuModuleGetGlobal_v2(&plain, &size, f->mod, "plain"));
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_IS_MANAGED, plain));
	assert_int_equal(yes, 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(p));
	OK(cuLibraryLoadData(&lib, ptx, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetManaged(&p, &size, lib, "both"));
	assert_int_equal(*(uint32_t *)p, 41);
	FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetManaged(&p, &size, lib, "plain"));
	FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetManaged(&p, &size, lib, "nothing"));
	OK(cuLibraryUnload(lib));
}

/* Pools. */

static uint64_t pool_number(CUmemoryPool pool, CUmemPool_attribute a)
{
	cuuint64_t v;

	OK(cuMemPoolGetAttribute(pool, a, &v));
	return v;
}

#define POOL(pool, a)	pool_number(pool, CU_MEMPOOL_ATTR_##a)

static CUmemPoolProps device_pool(CUmemAllocationHandleType types)
{
	return (CUmemPoolProps){
		.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
		.handleTypes = types,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
	};
}

static CUmemoryPool make_pool(CUmemAllocationHandleType types)
{
	CUmemPoolProps props = device_pool(types);
	CUmemoryPool pool;

	OK(cuMemPoolCreate(&pool, &props));
	return pool;
}

static void pools_keep_and_release_memory(void **state)
{
	cuuint64_t threshold = 4 * MIB, zero = 0, one = 1;
	CUmemoryPool pool = make_pool(CU_MEM_HANDLE_TYPE_NONE);
	size_t before = free_memory();
	CUdeviceptr p, q;
	CUstream s;

	(void)state;
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuMemAllocFromPoolAsync(&p, 2 * MIB, pool, s));
	OK(cuMemAllocFromPoolAsync(&q, MIB - 100, pool, s));
	assert_int_equal(POOL(pool, USED_MEM_CURRENT), 3 * MIB - 100);
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), 3 * MIB);
	assert_int_equal(before - free_memory(), 3 * MIB);
	OK(cuMemFreeAsync(p, s));
	assert_int_equal(POOL(pool, USED_MEM_CURRENT), MIB - 100);
	assert_int_equal(POOL(pool, USED_MEM_HIGH), 3 * MIB - 100);
	assert_int_equal(before - free_memory(), 3 * MIB);
	OK(cuStreamSynchronize(s));
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), MIB);
	assert_int_equal(POOL(pool, RESERVED_MEM_HIGH), 3 * MIB);
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
	OK(cuMemAllocFromPoolAsync(&p, 2 * MIB, pool, s));
	OK(cuMemFreeAsync(p, s));
	OK(cuMemFreeAsync(q, s));
	OK(cuStreamSynchronize(s));
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), 3 * MIB);
	OK(cuMemPoolTrimTo(pool, MIB));
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), MIB);
	OK(cuMemPoolTrimTo(pool, 0));
	assert_int_equal(POOL(pool, RESERVED_MEM_CURRENT), 0);
	assert_int_equal(free_memory(), before);
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH, &zero));
	assert_int_equal(POOL(pool, RESERVED_MEM_HIGH), 0);
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &one));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &zero));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolGetAttribute(pool, 0, &one));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolGetAttribute(pool, 9, &one));
	OK(cuMemPoolDestroy(pool));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolTrimTo(pool, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(pool));
}

static void freed_memory_is_used_again(void **state)
{
	struct fixture *f = *state;
	CUmemoryPool pool = make_pool(CU_MEM_HANDLE_TYPE_NONE);
	int no = 0, yes;
	CUdeviceptr p, q;
	CUstream a, b;

	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	/* In the same stream, before it has even got to the free. */
	OK(cuMemAllocFromPoolAsync(&p, 4096, pool, a));
	close_gate(&f->gate, a);
	OK(put(&f->gate, p, 1, a));
	OK(cuMemFreeAsync(p, a));
	OK(cuMemAllocFromPoolAsync(&q, 4096, pool, a));
	assert_int_equal(p, q);
	OK(put(&f->gate, q, 2, a));
	/* Another stream must wait for the first one to have the memory. */
	OK(cuMemFreeAsync(q, a));
	OK(cuMemAllocFromPoolAsync(&p, 4096, pool, b));
	assert_int_equal(p, q);
	OK(put(&f->gate, p, 3, b));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(b));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(b));
	assert_int_equal(word_at(p), 3);
	OK(cuMemFreeAsync(p, b));
	/* Without leave to wait, it gets memory of its own. */
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, &no));
	OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &no));
	OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &yes));
	assert_int_equal(yes, 0);
	OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES, &yes));
	assert_int_equal(yes, 1);
	OK(cuMemAllocFromPoolAsync(&q, 4096, pool, a));
	assert_int_not_equal(p, q);
	OK(cuMemAllocFromPoolAsync(&q, 4096, pool, b));
	assert_int_equal(p, q);
	OK(cuCtxSynchronize());
	OK(cuMemPoolDestroy(pool));
}

static void use_after_free_in_stream_order_is_illegal(void **state)
{
	struct fixture *f = *state;
	CUmemoryPool pool;
	CUdeviceptr p;
	CUstream s;

	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuDeviceGetMemPool(&pool, 0));
	OK(cuMemAllocAsync(&p, 64, s));
	close_gate(&f->gate, s);
	OK(put(&f->gate, p, 1, s));
	OK(cuMemFreeAsync(p, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(p, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoDAsync_v2(p, &p, 8, s));
	OK(put(&f->gate, p, 2, s));
	open_gate(&f->gate);
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
}

static void devices_have_pools(void **state)
{
	CUmemLocation dev = { .type = CU_MEM_LOCATION_TYPE_DEVICE };
	CUmemLocation nowhere = { .type = CU_MEM_LOCATION_TYPE_NONE };
	CUmemAccessDesc access = { dev, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUmemPoolProps props = device_pool(CU_MEM_HANDLE_TYPE_NONE);
	CUmemoryPool def, pool, now, of;
	CUmemAccess_flags flags;
	CUdeviceptr p;

	(void)state;
	OK(cuDeviceGetDefaultMemPool(&def, 0));
	OK(cuMemGetDefaultMemPool(&now, &dev, CU_MEM_ALLOCATION_TYPE_PINNED));
	assert_ptr_equal(now, def);
	FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetDefaultMemPool(&now, 61));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemGetDefaultMemPool(&now, &nowhere, CU_MEM_ALLOCATION_TYPE_PINNED));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(def));
	pool = make_pool(CU_MEM_HANDLE_TYPE_NONE);
	OK(cuDeviceSetMemPool(0, pool));
	OK(cuMemGetMemPool(&now, &dev, CU_MEM_ALLOCATION_TYPE_PINNED));
	assert_ptr_equal(now, pool);
	OK(cuMemAllocAsync(&p, 100, NULL));
	OK(cuPointerGetAttribute(&of, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, p + 99));
	assert_ptr_equal(of, pool);
	/* A pool lasts as long as its memory, but is nobody's current one any more. */
	OK(cuMemPoolDestroy(pool));
	OK(cuDeviceGetMemPool(&now, 0));
	assert_ptr_equal(now, def);
	assert_int_equal(word_at(p), 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceSetMemPool(0, pool));
	OK(cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(&flags, p, 4));
	OK(cuMemPoolGetAccess(&flags, def, &dev));
	assert_int_equal(flags, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
	OK(cuMemPoolSetAccess(def, &access, 1));
	access.flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolSetAccess(def, &access, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolSetAccess(def, NULL, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolGetAccess(&flags, def, &nowhere));
	props.reserved[3] = 1;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolCreate(&pool, &props));
	props = device_pool(CU_MEM_HANDLE_TYPE_FABRIC);
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemPoolCreate(&pool, &props));
	props = device_pool(0);
	props.allocType = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolCreate(&pool, &props));
	props = device_pool(0);
	props.location.id = 61;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolCreate(&pool, &props));
}

static void pools_end_at_their_size_and_with_the_context(void **state)
{
	CUmemPoolProps props = device_pool(CU_MEM_HANDLE_TYPE_NONE);
	size_t before = free_memory(), total;
	CUdeviceptr p, q;
	CUmemoryPool pool;
	CUcontext ctx;
	CUstream s;

	(void)state;
	props.maxSize = 2 * MIB;
	OK(cuMemPoolCreate(&pool, &props));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocFromPoolAsync(&p, 3 * MIB, pool, s));
	p = 1;
	OK(cuMemAllocFromPoolAsync(&p, 0, pool, s));
	assert_int_equal(p, 0);
	OK(cuMemFreeAsync(p, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocFromPoolAsync(&p, 1, NULL, s));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocFromPoolAsync(NULL, 1, pool, s));
	OK(cuMemAllocFromPoolAsync(&p, 2 * MIB, pool, s));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocFromPoolAsync(&q, 1, pool, s));
	/* What was freed makes room for another size, without being asked. */
	OK(cuMemFreeAsync(p, s));
	OK(cuMemAllocFromPoolAsync(&q, MIB / 2, pool, s));
	OK(cuMemFreeAsync(q, s));
	OK(cuMemPoolDestroy(pool));
	OK(cuCtxSynchronize());
	assert_int_equal(free_memory(), before);
	OK(cuMemGetInfo_v2(NULL, &total));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&p, total + 4096, s));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&p, SIZE_MAX, s));
	OK(cuCtxCreate_v4(&ctx, NULL, 0, 0));
	OK(cuMemAllocAsync(&p, MIB, NULL));
	OK(cuCtxDestroy_v2(ctx));
	assert_int_equal(free_memory(), before);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(p, s));
}

/* Sharing between processes. */

struct shared_memory {
	CUipcMemHandle handle;
	size_t offset;
};

/* Exports memory with 7 at offset 8192, waits for a word, says what lies at 0. */
static void memory_peer(struct fixture *f, int socket)
{
	CUdeviceptr p;
	CUipcMemHandle h, again;

	OK(cuMemAlloc_v2(&p, 3 * 4096 + 100));
	OK(put(&f->gate, p + 8192, 7, NULL));
	OK(cuIpcGetMemHandle(&h, p));
	OK(cuIpcGetMemHandle(&again, p + 5000));
	assert_memory_equal(&h, &again, sizeof(h));
	FAILS(CUDA_ERROR_INVALID_CONTEXT,
	      cuIpcOpenMemHandle_v2(&p, h, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	say(socket, &h, sizeof(h), -1);
	hear_word(socket);
	say_word(socket, word_at(p));
	OK(cuMemFree_v2(p));
	say_word(socket, 0);
	hear_word(socket);
}

static void memory_is_shared_until_both_let_go(void **state)
{
	struct fixture *f = *state;
	size_t before = free_memory(), size;
	CUdeviceptr p, q, base;
	CUipcMemHandle h, bad;
	unsigned int flags = CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS;
	int files = nr_entries("/proc/self/fd"), shm = nr_entries("/dev/shm");

	start_peer(f, "memory");
	hear(f->socket, &h, sizeof(h));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcOpenMemHandle_v2(&p, h, 0));
	OK(cuIpcOpenMemHandle_v2(&p, h, flags));
	OK(cuIpcOpenMemHandle_v2(&q, h, flags));
	assert_int_equal(p, q);
	OK(cuMemGetAddressRange_v2(&base, &size, p + 100));
	assert_int_equal(base, p);
	assert_int_equal(size, 3 * 4096 + 100);
	assert_int_equal(word_at(p + 8192), 7);
	OK(put(&f->gate, p, 99, NULL));
	OK(cuCtxSynchronize());
	assert_int_equal(free_memory(), before);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&bad, p));
	say_word(f->socket, 0);
	assert_int_equal(hear_word(f->socket), 99);
	hear_word(f->socket);
	/* Freed there, and then the process killed: here it is still memory. */
	assert_int_equal(word_at(p + 8192), 7);
	end_peer(f);
	OK(put(&f->gate, p + 3 * 4096, 5, NULL));
	assert_int_equal(word_at(p + 3 * 4096), 5);
	OK(cuIpcCloseMemHandle(q));
	assert_int_equal(word_at(p + 8192), 7);
	OK(cuIpcCloseMemHandle(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcCloseMemHandle(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(&size, p, 8));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuIpcOpenMemHandle_v2(&p, h, flags));
	assert_int_equal(nr_entries("/proc/self/fd"), files);
	assert_int_equal(nr_entries("/dev/shm"), shm);
}

static void garbage_handles_are_refused(void **state)
{
	struct fixture *f = *state;
	unsigned int flags = CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS;
	CUipcEventHandle eh;
	CUipcMemHandle h, good;
	CUdeviceptr p;
	CUevent e;

	memset(&h, 0, sizeof(h));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcOpenMemHandle_v2(&p, h, flags));
	memset(&h, 0xa5, sizeof(h));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcOpenMemHandle_v2(&p, h, flags));
	memset(&eh, 0xff, sizeof(eh));
	FAILS(CUDA_ERROR_MAP_FAILED, cuIpcOpenEventHandle(&e, eh));
	/* Any byte of what counts changed: another process, file, size ... */
	start_peer(f, "memory");
	hear(f->socket, &good, sizeof(good));
	for (size_t i = 0; i < 48; i++) {
		h = good;
		h.reserved[i] ^= 0x40;
		if (cuIpcOpenMemHandle_v2(&p, h, flags) == CUDA_SUCCESS) {
			/* Only the size as asked for may differ, within the pages. */
			assert_true(i >= 40);
			OK(cuIpcCloseMemHandle(p));
		}
	}
	memcpy(&eh, &good, sizeof(eh));
	FAILS(CUDA_ERROR_MAP_FAILED, cuIpcOpenEventHandle(&e, eh));
	OK(cuMemAllocManaged(&p, 64, CU_MEM_ATTACH_GLOBAL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&h, p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&h, 0x1000));
	OK(cuMemAllocAsync(&p, 64, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&h, p));
}

/* Records the event behind a gate, opens it when told, records again and keeps the gate closed. */
static void event_peer(struct fixture *f, int socket)
{
	CUipcEventHandle h;
	CUstream s;
	CUevent e;

	FAILS(CUDA_ERROR_INVALID_VALUE, cuEventCreate(&e, CU_EVENT_INTERPROCESS));
	OK(cuEventCreate(&e, CU_EVENT_DISABLE_TIMING));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuIpcGetEventHandle(&h, e));
	OK(cuEventCreate(&e, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuIpcGetEventHandle(&h, e));
	OK(cuEventQuery(e));
	close_gate(&f->gate, s);
	OK(cuEventRecord(e, s));
	FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(e));
	say(socket, &h, sizeof(h), -1);
	hear_word(socket);
	open_gate(&f->gate);
	OK(cuEventSynchronize(e));
	hear_word(socket);
	close_gate(&f->gate, s);
	OK(cuEventRecord(e, s));
	say_word(socket, 0);
	hear_word(socket);
}

static void events_cross_processes(void **state)
{
	struct fixture *f = *state;
	CUipcEventHandle h;
	CUdeviceptr p;
	CUstream s;
	CUevent e;
	float ms;

	start_peer(f, "event");
	hear(f->socket, &h, sizeof(h));
	OK(cuIpcOpenEventHandle(&e, h));
	FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(e));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&ms, e, e));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuMemAlloc_v2(&p, 4));
	OK(cuMemsetD32Async(p, 0, 1, s));
	OK(cuStreamWaitEvent(s, e, 0));
	OK(put(&f->gate, p, 4, s));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(s));
	say_word(f->socket, 0);
	OK(cuEventSynchronize(e));
	OK(cuStreamSynchronize(s));
	assert_int_equal(word_at(p), 4);
	OK(cuEventQuery(e));
	/* A record of a process that dies is over. */
	say_word(f->socket, 0);
	hear_word(f->socket);
	FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(e));
	OK(cuStreamWaitEvent(s, e, 0));
	end_peer(f);
	OK(cuEventSynchronize(e));
	OK(cuStreamSynchronize(s));
	/* And this process can record it. */
	OK(cuEventRecord(e, s));
	OK(cuEventSynchronize(e));
	OK(cuEventDestroy_v2(e));
}

static CUmemAllocationProp shareable(void)
{
	return (CUmemAllocationProp){
		.type = CU_MEM_ALLOCATION_TYPE_PINNED,
		.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
	};
}

static CUdeviceptr map_physical(CUmemGenericAllocationHandle h, size_t size)
{
	CUmemAccessDesc access = {
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
		.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
	};
	CUdeviceptr p;

	OK(cuMemAddressReserve(&p, size, 0, 0, 0));
	OK(cuMemMap(p, size, 0, h, 0));
	OK(cuMemSetAccess(p, size, &access, 1));
	return p;
}

static void physical_peer(struct fixture *f, int socket)
{
	CUmemAllocationProp prop = shareable();
	CUmemGenericAllocationHandle h;
	CUdeviceptr p;
	int fd;

	OK(cuMemCreate(&h, 2 * MIB, &prop, 0));
	p = map_physical(h, 2 * MIB);
	OK(put(&f->gate, p + MIB, 21, NULL));
	OK(cuCtxSynchronize());
	OK(cuMemExportToShareableHandle(&fd, h, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
	say(socket, &fd, sizeof(fd), fd);
	close(fd);
	hear_word(socket);
	say_word(socket, word_at(p));
	hear_word(socket);
}

#define IMPORT(h, fd) \
	cuMemImportFromShareableHandle(h, (void *)(intptr_t)(fd), \
				       CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)

static void physical_memory_is_shared_by_descriptor(void **state)
{
	struct fixture *f = *state;
	CUmemGenericAllocationHandle h, own;
	CUmemAllocationProp prop, plain = shareable();
	size_t before = free_memory();
	unsigned long long types;
	CUdeviceptr p;
	int fd, dummy;

	start_peer(f, "physical");
	fd = hear(f->socket, &dummy, sizeof(dummy));
	assert_true(fd >= 0);
	OK(IMPORT(&h, fd));
	close(fd);
	assert_int_equal(free_memory(), before);
	OK(cuMemGetAllocationPropertiesFromHandle(&prop, h));
	assert_int_equal(prop.type, CU_MEM_ALLOCATION_TYPE_PINNED);
	p = map_physical(h, 2 * MIB);
	OK(cuPointerGetAttribute(&types, CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES, p));
	assert_int_equal(types, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
	assert_int_equal(word_at(p + MIB), 21);
	OK(put(&f->gate, p, 22, NULL));
	OK(cuCtxSynchronize());
	say_word(f->socket, 0);
	assert_int_equal(hear_word(f->socket), 22);
	end_peer(f);
	assert_int_equal(word_at(p + MIB), 21);
	OK(cuMemUnmap(p, 2 * MIB));
	OK(cuMemAddressFree(p, 2 * MIB));
	OK(cuMemRelease(h));
	plain.requestedHandleTypes = 0;
	OK(cuMemCreate(&own, 2 * MIB, &plain, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemExportToShareableHandle(&fd, own, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
	OK(cuMemRelease(own));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemExportToShareableHandle(&fd, own, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
}

/* Files that a hostile peer may send: none of them could be mapped without risk. */
static void dangerous_descriptors_are_refused(void **state)
{
	CUmemGenericAllocationHandle h;
	CUmemoryPool pool;
	int fds[5];

	(void)state;
	fds[0] = -1;
	fds[1] = open("/dev/zero", O_RDWR);
	fds[2] = memfd_create("unsealed", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fds[2], 2 * MIB), 0);
	fds[3] = memfd_create("odd size", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fds[3], 4097), 0);
	assert_int_equal(fcntl(fds[3], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	fds[4] = memfd_create("cannot be written", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fds[4], 2 * MIB), 0);
	assert_int_equal(fcntl(fds[4], F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	for (int i = 0; i < 5; i++) {
		FAILS(CUDA_ERROR_INVALID_VALUE, IMPORT(&h, fds[i]));
		if (i != 3)
			FAILS(CUDA_ERROR_INVALID_VALUE,
			      cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)fds[i],
					CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static void pool_peer(struct fixture *f, int socket)
{
	CUmemoryPool pool = make_pool(CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
	CUmemPoolPtrExportData data;
	CUdeviceptr p, q;
	int fd;

	OK(cuMemPoolExportToShareableHandle(&fd, pool, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
					    0));
	OK(cuMemAllocFromPoolAsync(&p, 5000, pool, NULL));
	OK(cuMemAllocFromPoolAsync(&q, 100, pool, NULL));
	OK(put(&f->gate, q, 31, NULL));
	OK(cuCtxSynchronize());
	OK(cuMemPoolExportPointer(&data, q));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolExportPointer(&data, q + 4));
	say(socket, &data, sizeof(data), fd);
	hear_word(socket);
	say_word(socket, word_at(q + 4));
	hear_word(socket);
}

static void pools_are_shared_by_descriptor(void **state)
{
	struct fixture *f = *state;
	CUmemoryPool pool, own = make_pool(CU_MEM_HANDLE_TYPE_NONE);
	CUmemPoolPtrExportData data, bad;
	size_t before = free_memory();
	CUdeviceptr p, q;
	int fd;

	start_peer(f, "pool");
	fd = hear(f->socket, &data, sizeof(data));
	OK(cuMemPoolImportFromShareableHandle(&pool, (void *)(intptr_t)fd,
					      CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
	close(fd);
	OK(cuMemPoolImportPointer(&p, pool, &data));
	assert_int_equal(free_memory(), before);
	assert_int_equal(word_at(p), 31);
	OK(put(&f->gate, p + 4, 32, NULL));
	OK(cuCtxSynchronize());
	say_word(f->socket, 0);
	assert_int_equal(hear_word(f->socket), 32);
	for (size_t i = 0; i < 40; i++) {
		bad = data;
		bad.reserved[i] ^= 0x55;
		if (cuMemPoolImportPointer(&q, pool, &bad) == CUDA_SUCCESS)
			OK(cuMemFree_v2(q));
	}
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolImportPointer(&q, own, &data));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocFromPoolAsync(&q, 64, pool, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceSetMemPool(0, pool));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemPoolExportToShareableHandle(&fd, own, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
					       0));
	end_peer(f);
	assert_int_equal(word_at(p), 31);
	OK(cuMemFreeAsync(p, NULL));
	OK(cuCtxSynchronize());
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(&fd, p, 4));
	OK(cuMemPoolDestroy(pool));
}

/* Copies. */

static void batches_of_copies_are_checked_as_a_whole(void **state)
{
	struct fixture *f = *state;
	CUmemcpyAttributes attrs[2] = {
		{ .srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL },
		{ .srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM },
	};
	size_t sizes[] = { 4, 4, 4 }, first[] = { 0, 1 }, fail = 77, nr;
	CUdeviceptr p, dsts[3], srcs[3];
	uint32_t a = 1, b = 2, *pinned;
	CUstream s;

	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuMemHostAlloc((void **)&pinned, 4096, 0));
	OK(cuMemAlloc_v2(&p, 64));
	OK(cuMemsetD8_v2(p, 0, 64));
	OK(cuCtxSynchronize());
	pinned[0] = 3;
	for (int i = 0; i < 3; i++)
		dsts[i] = p + 4 * i;
	srcs[0] = (CUdeviceptr)(uintptr_t)&pinned[0];
	srcs[1] = (CUdeviceptr)(uintptr_t)&a;
	srcs[2] = (CUdeviceptr)(uintptr_t)&b;
	dsts[2] = p + 63;
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemcpyBatchAsync(dsts, srcs, sizes, 3, attrs, first, 2, &fail, s));
	assert_int_equal(fail, 2);
	dsts[2] = p + 8;
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemcpyBatchAsync(dsts, srcs, sizes, 3, attrs, first, 2, &fail, NULL));
	assert_int_equal(fail, SIZE_MAX);
	for (nr = 0; nr < 3; nr++)
		assert_int_equal(word_at(p + 4 * nr), 0);
	close_gate(&f->gate, s);
	OK(cuMemcpyBatchAsync_v2(dsts, srcs, sizes, 3, attrs, first, 2, s));
	/* The first was read during the call, the others are read when the stream gets there. */
	pinned[0] = 4;
	a = 10;
	open_gate(&f->gate);
	OK(cuStreamSynchronize(s));
	assert_int_equal(word_at(p), 3);
	assert_int_equal(word_at(p + 4), 10);
	assert_int_equal(word_at(p + 8), 2);
	first[0] = 1;
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemcpyBatchAsync_v2(dsts, srcs, sizes, 3, attrs, first, 2, s));
	first[0] = 0;
	attrs[1].srcAccessOrder = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuMemcpyBatchAsync_v2(dsts, srcs, sizes, 3, attrs, first, 2, s));
}

static CUmemcpy3DOperand pointer_operand(const void *p, size_t row, size_t rows)
{
	CUmemcpy3DOperand o = { .type = CU_MEMCPY_OPERAND_TYPE_POINTER };

	o.op.ptr.ptr = (CUdeviceptr)(uintptr_t)p;
	o.op.ptr.rowLength = row;
	o.op.ptr.layerHeight = rows;
	return o;
}

static void batches_of_boxes_reach_pointers_and_arrays(void **state)
{
	CUDA_ARRAY_DESCRIPTOR desc = { .Width = 4, .Height = 3, .Format = CU_AD_FORMAT_UNSIGNED_INT16,
				       .NumChannels = 2 };
	CUDA_MEMCPY3D_BATCH_OP ops[2] = { 0 };
	CUDA_MEMCPY2D back = { .srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcY = 1,
			       .dstMemoryType = CU_MEMORYTYPE_HOST, .WidthInBytes = 16,
			       .Height = 1 };
	uint32_t in[2][3][5], out[12];
	size_t fail;
	CUarray array;
	CUdeviceptr p;
	CUstream s;

	(void)state;
	for (int i = 0; i < 30; i++)
		in[i / 15][i / 5 % 3][i % 5] = i;
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuMemAlloc_v2(&p, 48));
	OK(cuArrayCreate_v2(&array, &desc));
	back.srcArray = array;
	back.dstHost = out;
	ops[0].src = pointer_operand(in[1], 5, 3);
	ops[0].dst.type = CU_MEMCPY_OPERAND_TYPE_ARRAY;
	ops[0].dst.op.array.array = array;
	ops[0].extent = (CUextent3D){ 4, 3, 1 };
	ops[1].src = pointer_operand(in, 20, 3);
	ops[1].dst = pointer_operand((void *)p, 0, 0);
	ops[1].extent = (CUextent3D){ 8, 2, 2 };
	ops[0].srcAccessOrder = ops[1].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_ANY;
	OK(cuMemcpy3DBatchAsync_v2(2, ops, 0, s));
	OK(cuStreamSynchronize(s));
	OK(cuMemcpyDtoH_v2(out, p, 32));
	for (int i = 0; i < 8; i++)
		assert_int_equal(out[i], in[i / 4][i / 2 % 2][i % 2]);
	OK(cuMemcpy2D_v2(&back));
	assert_int_equal(out[0], in[1][1][0]);
	assert_int_equal(out[3], in[1][1][3]);
	ops[1].extent.width = 21;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DBatchAsync(2, ops, &fail, 0, s));
	assert_int_equal(fail, 1);
	ops[0].extent.depth = 0;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DBatchAsync(2, ops, &fail, 0, s));
	assert_int_equal(fail, 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy3DBatchAsync(2, ops, &fail, 1, s));
	assert_int_equal(fail, SIZE_MAX);
	OK(cuArrayDestroy(array));
}

static void copies_between_contexts(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p, q;
	CUcontext other;

	OK(cuMemAlloc_v2(&p, 64));
	OK(cuMemsetD32_v2(p, 5, 16));
	OK(cuCtxCreate_v4(&other, NULL, 0, 0));
	OK(cuMemAlloc_v2(&q, 64));
	OK(cuMemcpyPeer(q, other, p, f->ctx, 64));
	assert_int_equal(word_at(q + 60), 5);
	OK(cuMemcpyPeerAsync(p, f->ctx, q, other, 32, NULL));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyPeer(q, other, p, f->ctx, 65));
	OK(cuMemcpyPeer(q, NULL, p, f->ctx, 4));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemcpyPeer(q, (CUcontext)0x77, p, f->ctx, 4));
	OK(cuCtxDestroy_v2(other));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemcpyPeer(q, other, p, f->ctx, 4));
}

/* Opens the gate in a while. */
static void *open_later(void *gate)
{
	usleep(30000);
	open_gate(gate);
	return NULL;
}

static bool gate_is_open(struct fixture *f)
{
	return __atomic_load_n(f->gate.flag, __ATOMIC_SEQ_CST) == 1;
}

static void a_peer_copy_waits_for_both_contexts(void **state)
{
	struct fixture *f = *state;
	CUDA_MEMCPY3D_PEER box = { .srcMemoryType = CU_MEMORYTYPE_DEVICE, .dstMemoryType = CU_MEMORYTYPE_DEVICE,
				   .WidthInBytes = 4, .Height = 1, .Depth = 1, .srcContext = f->ctx };
	CUcontext other;
	CUstream s;
	pthread_t t;

	OK(cuMemAlloc_v2(&box.srcDevice, 64));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuCtxCreate_v4(&other, NULL, 0, 0));
	box.dstContext = other;
	OK(cuMemAlloc_v2(&box.dstDevice, 64));
	OK(cuCtxPushCurrent_v2(f->ctx));
	close_gate(&f->gate, s);
	OK(put(&f->gate, box.srcDevice, 11, s));
	OK(cuCtxPopCurrent_v2(NULL));
	pthread_create(&t, NULL, open_later, &f->gate);
	OK(cuMemcpy3DPeer(&box));
	assert_true(gate_is_open(f));
	assert_int_equal(word_at(box.dstDevice), 11);
	pthread_join(t, NULL);
	OK(cuCtxDestroy_v2(other));
}

static void calls_wait_when_the_host_could_tell(void **state)
{
	struct fixture *f = *state;
	unsigned int yes = 1;
	CUdeviceptr p, pinned, managed;
	pthread_t t;

	OK(cuMemAlloc_v2(&p, 4096));
	OK(cuMemAllocManaged(&managed, 4096, CU_MEM_ATTACH_GLOBAL));
	OK(cuMemHostAlloc((void **)&pinned, 4096, 0));
	close_gate(&f->gate, NULL);
	OK(cuMemsetD8_v2(p, 1, 4096));
	OK(cuMemcpyDtoD_v2(p, p + 2048, 16));
	assert_false(gate_is_open(f));
	pthread_create(&t, NULL, open_later, &f->gate);
	OK(cuMemsetD32_v2(managed, 7, 1024));
	assert_true(gate_is_open(f));
	assert_int_equal(((uint32_t *)managed)[1023], 7);
	pthread_join(t, NULL);
	close_gate(&f->gate, NULL);
	pthread_create(&t, NULL, open_later, &f->gate);
	OK(cuMemcpyDtoD_v2(pinned, managed, 4096));
	assert_int_equal(((uint32_t *)pinned)[1023], 7);
	assert_true(gate_is_open(f));
	pthread_join(t, NULL);
	OK(cuPointerSetAttribute(&yes, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p));
	yes = 0;
	OK(cuPointerGetAttribute(&yes, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p + 9));
	assert_int_equal(yes, 1);
	close_gate(&f->gate, NULL);
	pthread_create(&t, NULL, open_later, &f->gate);
	OK(cuMemsetD8_v2(p, 1, 4096));
	assert_true(gate_is_open(f));
	pthread_join(t, NULL);
}

/* Page-locked memory. */

static void registered_memory_must_be_there(void **state)
{
	struct fixture *f = *state;
	char *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CUdeviceptr q, dev;
	unsigned int flags;

	OK(cuMemAlloc_v2(&q, 4096));
	assert_int_equal(mprotect(p + 2 * 4096, 4096, PROT_NONE), 0);
	assert_int_equal(mprotect(p + 3 * 4096, 4096, PROT_READ), 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p, 3 * 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p + 3 * 4096, 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(NULL, 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2((void *)4096, 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p, 0, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p, SIZE_MAX, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(p, 64, 0x100));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2((void *)q, 64, 0));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemHostRegister_v2(p, 64, CU_MEMHOSTREGISTER_IOMEMORY));
	OK(cuMemHostRegister_v2(p + 12, 5000, CU_MEMHOSTREGISTER_DEVICEMAP));
	FAILS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(p + 5000, 100, 0));
	FAILS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(p, 4096, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2(f->gate.flag, 64, 0));
	OK(cuMemHostRegister(p + 5012, 64, 0));
	OK(cuMemHostGetDevicePointer_v2(&dev, p + 16, 0));
	OK(put(&f->gate, dev, 0x01020304, NULL));
	OK(cuCtxSynchronize());
	assert_int_equal(p[16], 4);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostGetFlags(&flags, p + 16));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostGetDevicePointer_v2(&dev, p, 0));
	FAILS(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(p + 12));
	/* Work that is queued may still use it. */
	close_gate(&f->gate, NULL);
	OK(put(&f->gate, dev, 9, NULL));
	open_gate(&f->gate);
	OK(cuMemHostUnregister(p + 12));
	assert_int_equal(p[16], 9);
	OK(cuMemHostUnregister(p + 5012));
	munmap(p, 4 * 4096);
}

static void read_only_memory_is_only_read(void **state)
{
	struct fixture *f = *state;
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CUdeviceptr at = (CUdeviceptr)(uintptr_t)p, q;
	void *params[] = { &at };
	unsigned int flags;

	OK(cuMemAlloc_v2(&q, 64));
	OK(cuMemHostRegister_v2(p, 4096, CU_MEMHOSTREGISTER_READ_ONLY));
	OK(cuPointerGetAttribute(&flags, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS, at));
	assert_int_equal(flags, CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READ);
	OK(cuMemcpyHtoD_v2(q, p, 64));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(p, q, 64));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(at, 1, 4));
	/* A load, in a kernel that ends as soon as it sees another page. */
	mprotect(p, 4096, PROT_READ | PROT_WRITE);
	p[0] = 1;
	mprotect(p, 4096, PROT_READ);
	OK(cuLaunchKernel(f->gate.wait, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	OK(cuCtxSynchronize());
	OK(put(&f->gate, at, 1, NULL));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	munmap(p, 4096);
}

static void mappings_can_be_read_only(void **state)
{
	struct fixture *f = *state;
	CUmemAllocationProp prop = shareable();
	CUmemAccessDesc read = {
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
		.flags = CU_MEM_ACCESS_FLAGS_PROT_READ,
	};
	CUmemGenericAllocationHandle h;
	unsigned long long flags;
	CUdeviceptr p;

	OK(cuMemCreate(&h, 2 * MIB, &prop, 0));
	p = map_physical(h, 2 * MIB);
	OK(cuMemRelease(h));
	OK(put(&f->gate, p, 6, NULL));
	OK(cuMemSetAccess(p, 2 * MIB, &read, 1));
	OK(cuMemGetAccess(&flags, &read.location, p));
	assert_int_equal(flags, CU_MEM_ACCESS_FLAGS_PROT_READ);
	assert_int_equal(word_at(p), 6);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(p, &flags, 8));
	read.flags = 2;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemSetAccess(p, 2 * MIB, &read, 1));
	read.flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	OK(cuMemSetAccess(p, 2 * MIB, &read, 1));
	OK(cuMemcpyHtoD_v2(p, &flags, 8));
	OK(cuMemUnmap(p, 2 * MIB));
	OK(cuMemAddressFree(p, 2 * MIB));
}

struct writer {
	CUcontext ctx;
	CUdeviceptr at;
	atomic_bool stop;
	atomic_uint nr_written;
};

/* What it may not write is refused; what it may is queued, and runs while the access changes. */
static void *keep_writing(void *arg)
{
	struct writer *w = arg;

	if (cuCtxSetCurrent(w->ctx))
		return NULL;
	while (!w->stop) {
		w->nr_written += !cuMemsetD8Async(w->at, 1, MIB / 2, NULL);
		if (w->nr_written % 32 == 0)
			cuStreamSynchronize(NULL);
	}
	return NULL;
}

static void access_changes_while_another_thread_writes(void **state)
{
	struct fixture *f = *state;
	CUmemAllocationProp prop = shareable();
	CUmemAccessDesc access = { .location = { .type = CU_MEM_LOCATION_TYPE_DEVICE } };
	static const int flags[] = { CU_MEM_ACCESS_FLAGS_PROT_NONE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE,
				     CU_MEM_ACCESS_FLAGS_PROT_READ, CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
	CUmemGenericAllocationHandle h;
	struct writer w = { .ctx = f->ctx };
	pthread_t t;

	OK(cuMemCreate(&h, 2 * MIB, &prop, 0));
	w.at = map_physical(h, 2 * MIB);
	OK(cuMemRelease(h));
	assert_int_equal(pthread_create(&t, NULL, keep_writing, &w), 0);
	for (unsigned int i = 0; i < 400 || w.nr_written < 400; i++) {
		access.flags = flags[i % 4];
		OK(cuMemSetAccess(w.at, 2 * MIB, &access, 1));
	}
	w.stop = true;
	pthread_join(t, NULL);
	OK(cuCtxSynchronize());
	OK(cuMemUnmap(w.at, 2 * MIB));
	OK(cuMemAddressFree(w.at, 2 * MIB));
}

/* Questions. */

static void every_question_has_an_answer(void **state)
{
	struct fixture *f = *state;
	CUpointer_attribute attrs[CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE];
	uint64_t values[CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE + 1];
	void *data[CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE];
	CUdeviceptr p, garbage[] = { 0, 1, 0x1234567, (CUdeviceptr)(uintptr_t)&p, ~0ull };
	int nr = 0;

	for (int a = 1; a <= CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE; a++) {
		if (a == CU_POINTER_ATTRIBUTE_P2P_TOKENS)
			continue;
		attrs[nr] = a;
		data[nr++] = &values[a];
	}
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		memset(values, 0, sizeof(values));
		values[CU_POINTER_ATTRIBUTE_CONTEXT] = ~0ull;
		OK(cuPointerGetAttributes(nr, attrs, data, garbage[i]));
		assert_int_equal(values[CU_POINTER_ATTRIBUTE_CONTEXT], 0);
		assert_int_equal((int)values[CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL],
				 CU_DEVICE_INVALID);
		assert_int_equal(values[CU_POINTER_ATTRIBUTE_MAPPED], 0);
		for (int a = 0; a < nr; a++)
			FAILS(CUDA_ERROR_INVALID_VALUE,
			      cuPointerGetAttribute(&values[0], attrs[a], garbage[i]));
	}
	OK(cuMemAlloc_v2(&p, 1000));
	memset(values, 0, sizeof(values));
	OK(cuPointerGetAttributes(nr, attrs, data, p + 10));
	assert_ptr_equal(values[CU_POINTER_ATTRIBUTE_CONTEXT], f->ctx);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_MEMORY_TYPE], CU_MEMORYTYPE_DEVICE);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_DEVICE_POINTER], p + 10);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_RANGE_START_ADDR], p);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_RANGE_SIZE], 1000);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_MAPPED], 1);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE], 1);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE], 0);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL], 0);
	assert_true(values[CU_POINTER_ATTRIBUTE_BUFFER_ID] != 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(values, 999, p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(NULL, 2, p));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuPointerGetAttribute(values, CU_POINTER_ATTRIBUTE_HOST_POINTER, p));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerSetAttribute(&nr, 2, p));
	FAILS(CUDA_ERROR_INVALID_VALUE,
	      cuPointerSetAttribute(&nr, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, 0x1000));
	/* Reserved addresses are a range, too, of which some may be mapped. */
	OK(cuMemAddressReserve(&p, 4 * MIB, 0, 0, 0));
	OK(cuPointerGetAttributes(nr, attrs, data, p + 3 * MIB));
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_RANGE_START_ADDR], p);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_RANGE_SIZE], 4 * MIB);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_MAPPED], 0);
	assert_int_equal(values[CU_POINTER_ATTRIBUTE_ACCESS_FLAGS], 0);
	OK(cuMemAddressFree(p, 4 * MIB));
}

static void what_is_not_there_says_so(void **state)
{
	unsigned long long handle;
	CUdeviceptr p;

	(void)state;
	OK(cuMemAlloc_v2(&p, 4096));
	FAILS(CUDA_ERROR_NOT_SUPPORTED,
	      cuMemGetHandleForAddressRange(&handle, p, 4096, CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD,
					    0));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemMapArrayAsync(NULL, 0, NULL));
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMulticastCreate(&handle, NULL));
}

static const struct peer {
	const char *name;
	void (*run)(struct fixture *f, int socket);
} peers[] = {
	{ "memory", memory_peer },
	{ "event", event_peer },
	{ "physical", physical_peer },
	{ "pool", pool_peer },
};

static int run_peer(const char *name)
{
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
		if (!strcmp(name, peers[i].name))
			peers[i].run(open_device(), PEER_FD);
	return 0;
}

#define CASE(name)	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(managed_memory_is_for_host_and_kernels),
		CASE(advice_is_kept_by_page),
		CASE(prefetches_are_checked_and_remembered),
		CASE(variables_can_be_managed),
		CASE(pools_keep_and_release_memory),
		CASE(freed_memory_is_used_again),
		CASE(use_after_free_in_stream_order_is_illegal),
		CASE(devices_have_pools),
		CASE(pools_end_at_their_size_and_with_the_context),
		CASE(memory_is_shared_until_both_let_go),
		CASE(garbage_handles_are_refused),
		CASE(events_cross_processes),
		CASE(physical_memory_is_shared_by_descriptor),
		CASE(dangerous_descriptors_are_refused),
		CASE(pools_are_shared_by_descriptor),
		CASE(batches_of_copies_are_checked_as_a_whole),
		CASE(batches_of_boxes_reach_pointers_and_arrays),
		CASE(copies_between_contexts),
		CASE(a_peer_copy_waits_for_both_contexts),
		CASE(calls_wait_when_the_host_could_tell),
		CASE(registered_memory_must_be_there),
		CASE(read_only_memory_is_only_read),
		CASE(mappings_can_be_read_only),
		CASE(access_changes_while_another_thread_writes),
		CASE(every_question_has_an_answer),
		CASE(what_is_not_there_says_so),
	};

	setenv("SOFTGPU_FAULTS", "context", 1);	/* there are several */
	alarm(120);	/* a peer that fails leaves us waiting */
	if (argc == 2)
		return run_peer(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
