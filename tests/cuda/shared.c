/* SPDX-License-Identifier: MIT */
/*
 * The virtual memory calls, and memory and events that two processes share. --alone: without the
 * second process. --stranger: the second process is handed in on stdin what the first one prints,
 * and must be refused.
 */
#include <cuda.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static size_t granule;

static void expect(CUresult got, CUresult want, const char *what)
{
	if (got != want)
		fail("%s: %s, not %s", what, DRV_NAME(got), DRV_NAME(want));
}

/* With which code is for tools/gputwin.py to compare. */
static void refused(CUresult got, const char *what)
{
	if (got == CUDA_SUCCESS)
		fail("%s: not refused", what);
}

static void set(CUdeviceptr p, unsigned int v, size_t n)
{
	CHECK_DRV(cuMemsetD32(p, v, n));
}

static unsigned int get(CUdeviceptr p)
{
	unsigned int v = 0;

	CHECK_DRV(cuMemcpyDtoH(&v, p, sizeof(v)));
	return v;
}

static CUmemAllocationProp prop_of(CUmemAllocationHandleType type)
{
	return (CUmemAllocationProp){
		.type = CU_MEM_ALLOCATION_TYPE_PINNED,
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE },
		.requestedHandleTypes = type,
	};
}

static CUmemAccessDesc access_of(CUmemAccess_flags flags)
{
	return (CUmemAccessDesc){
		.location = { .type = CU_MEM_LOCATION_TYPE_DEVICE }, .flags = flags,
	};
}

static size_t free_bytes(void)
{
	size_t left, total;

	CHECK_DRV(cuCtxSynchronize());
	CHECK_DRV(cuMemGetInfo(&left, &total));
	return left;
}

/* A reservation that grows, as PyTorch's expandable segments do. */
static void growing(void)
{
	CUmemAllocationProp prop = prop_of(CU_MEM_HANDLE_TYPE_NONE);
	CUmemAccessDesc rw = access_of(CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
	CUmemGenericAllocationHandle h[4], same;
	size_t before = free_bytes(), size, start;
	CUdeviceptr p, base;

	CHECK_DRV(cuMemAddressReserve(&p, 8 * granule, 0, 0, 0));
	for (int i = 0; i < 4; i++) {
		CHECK_DRV(cuMemCreate(&h[i], granule, &prop, 0));
		CHECK_DRV(cuMemMap(p + i * granule, granule, 0, h[i], 0));
		CHECK_DRV(cuMemSetAccess(p + i * granule, granule, &rw, 1));
		set(p + i * granule, i + 1, granule / 4);
	}
	if (before - free_bytes() != 4 * granule)
		fail("%zu bytes for four granules", before - free_bytes());
	/* across the borders */
	set(p + granule - 8, 77, 4);
	if (get(p + granule - 8) != 77 || get(p + granule + 4) != 77 || get(p + granule + 8) != 2)
		fail("%u, %u, %u around a border", get(p + granule - 8), get(p + granule + 4),
		     get(p + granule + 8));
	CHECK_DRV(cuMemGetAddressRange(&base, &size, p + 3 * granule + 5));
	start = base - p;
	if (start > 3 * granule || start + size < 4 * granule)
		fail("an address range of %zu bytes at %zu", size, start);
	CHECK_DRV(cuMemRetainAllocationHandle(&same, (void *)(uintptr_t)(p + granule)));
	if (same != h[1])
		fail("another handle than the memory was made with");
	CHECK_DRV(cuMemRelease(same));
	/* a piece in the middle goes, and comes to stand elsewhere */
	CHECK_DRV(cuMemUnmap(p + granule, granule));
	CHECK_DRV(cuMemMap(p + 6 * granule, granule, 0, h[1], 0));
	CHECK_DRV(cuMemSetAccess(p + 6 * granule, granule, &rw, 1));
	if (get(p + 6 * granule + 8) != 2)
		fail("memory that was mapped anew has %u", get(p + 6 * granule + 8));
	refused(cuMemcpyDtoH(&size, p + granule, 4), "what is unmapped");
	expect(cuMemAddressFree(p, 8 * granule), CUDA_ERROR_INVALID_VALUE, "with mappings");
	/* without its handle memory lives as long as it is mapped */
	for (int i = 0; i < 4; i++)
		CHECK_DRV(cuMemRelease(h[i]));
	expect(cuMemRelease(h[0]), CUDA_ERROR_INVALID_VALUE, "released twice");
	if (get(p + 2 * granule) != 3)
		fail("memory without a handle has %u", get(p + 2 * granule));
	CHECK_DRV(cuMemUnmap(p, granule));
	CHECK_DRV(cuMemUnmap(p + 2 * granule, 2 * granule));
	CHECK_DRV(cuMemUnmap(p + 6 * granule, granule));
	CHECK_DRV(cuMemAddressFree(p, 8 * granule));
	if (free_bytes() != before)
		fail("%zu bytes did not come back", before - free_bytes());
}

static void wrong_calls(void)
{
	CUmemAllocationProp prop = prop_of(CU_MEM_HANDLE_TYPE_NONE), bad = prop;
	CUmemAccessDesc rw = access_of(CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
	CUmemGenericAllocationHandle h;
	unsigned long long flags;
	size_t left, total;
	CUdeviceptr p;

	expect(cuMemAddressReserve(&p, granule + 1, 0, 0, 0), CUDA_ERROR_INVALID_VALUE, "a size");
	expect(cuMemCreate(&h, granule - 1, &prop, 0), CUDA_ERROR_INVALID_VALUE, "a size");
	bad.location.id = 77;
	refused(cuMemCreate(&h, granule, &bad, 0), "a device");
	CHECK_DRV(cuMemGetInfo(&left, &total));
	total = (total / granule + 1) * granule;
	expect(cuMemCreate(&h, total, &prop, 0), CUDA_ERROR_OUT_OF_MEMORY, "more than there is");
	CHECK_DRV(cuMemAddressReserve(&p, 4 * granule, 0, 0, 0));
	CHECK_DRV(cuMemCreate(&h, granule, &prop, 0));
	expect(cuMemMap(p, 2 * granule, 0, h, 0), CUDA_ERROR_NOT_SUPPORTED, "more than it has");
	refused(cuMemMap(p + 1, granule, 0, h, 0), "an odd address");
	refused(cuMemMap(p + 4 * granule, granule, 0, h, 0), "outside");
	expect(cuMemSetAccess(p, granule, &rw, 1), CUDA_ERROR_INVALID_VALUE, "nothing there");
	CHECK_DRV(cuMemMap(p, granule, 0, h, 0));
	expect(cuMemMap(p, granule, 0, h, 0), CUDA_ERROR_INVALID_VALUE, "taken");
	CHECK_DRV(cuMemGetAccess(&flags, &rw.location, p));
	if (flags != CU_MEM_ACCESS_FLAGS_PROT_NONE)
		fail("access of %llu before any was given", flags);
	expect(cuMemFree(p), CUDA_ERROR_INVALID_VALUE, "cuMemFree of a mapping");
	CHECK_DRV(cuMemUnmap(p, granule));
	CHECK_DRV(cuMemRelease(h));
	CHECK_DRV(cuMemAddressFree(p, 4 * granule));
	expect(cuMemAddressFree(p, 4 * granule), CUDA_ERROR_INVALID_VALUE, "freed twice");
}

/* ---- two processes ---- */

struct message {
	CUipcMemHandle small, large;
	CUipcEventHandle event;
};

static void send_message(int to, const struct message *m, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct iovec iov = { (void *)m, sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.bytes,
			    .msg_controllen = sizeof(c.bytes) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&h);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	if (sendmsg(to, &h, 0) != sizeof(*m))
		fail("cannot send");
}

static int take_message(int from, struct message *m)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c;
	struct iovec iov = { m, sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.bytes,
			    .msg_controllen = sizeof(c.bytes) };
	int fd;

	if (recvmsg(from, &h, 0) != sizeof(*m) || !CMSG_FIRSTHDR(&h))
		exit(1);	/* the first process has said why */
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(fd));
	return fd;
}

static void start(void)
{
	CUmemAllocationProp prop = prop_of(CU_MEM_HANDLE_TYPE_NONE);
	CUcontext ctx;

	CHECK_DRV(cuInit(0));
	CHECK_DRV(cuDevicePrimaryCtxRetain(&ctx, 0));
	CHECK_DRV(cuCtxSetCurrent(ctx));
	CHECK_DRV(cuMemGetAllocationGranularity(&granule, &prop,
						CU_MEM_ALLOC_GRANULARITY_MINIMUM));
}

/* The second process: finds what the first one wrote, and leaves something behind. */
static int guest(int first)
{
	CUmemAccessDesc rw = access_of(CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
	CUmemGenericAllocationHandle h;
	CUdeviceptr small, large, again, p;
	struct message m;
	CUevent event;
	int fd = take_message(first, &m);

	start();
	CHECK_DRV(cuIpcOpenMemHandle(&small, m.small, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	CHECK_DRV(cuIpcOpenMemHandle(&large, m.large, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	CHECK_DRV(cuIpcOpenMemHandle(&again, m.large, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	if (again != large)
		fail("the same memory at two addresses");
	CHECK_DRV(cuIpcCloseMemHandle(again));
	CHECK_DRV(cuIpcOpenEventHandle(&event, m.event));
	CHECK_DRV(cuStreamWaitEvent(NULL, event, 0));
	if (get(small) != 11 || get(large + (8 << 20)) != 22)
		fail("the second process finds %u and %u", get(small), get(large + (8 << 20)));
	set(large, 33, 1 << 20);
	refused(cuMemFree(large), "cuMemFree of another's memory");
	CHECK_DRV(cuMemImportFromShareableHandle(&h, (void *)(intptr_t)fd,
						 CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
	CHECK_DRV(cuMemAddressReserve(&p, granule, 0, 0, 0));
	CHECK_DRV(cuMemMap(p, granule, 0, h, 0));
	CHECK_DRV(cuMemSetAccess(p, granule, &rw, 1));
	if (get(p) != 44)
		fail("the second process finds %u", get(p));
	set(p, 55, 1);
	CHECK_DRV(cuCtxSynchronize());
	CHECK_DRV(cuIpcCloseMemHandle(small));
	CHECK_DRV(cuIpcCloseMemHandle(large));
	refused(cuIpcCloseMemHandle(large), "closed twice");
	CHECK_DRV(cuMemUnmap(p, granule));
	CHECK_DRV(cuMemRelease(h));
	CHECK_DRV(cuMemAddressFree(p, granule));
	CHECK_DRV(cuEventDestroy(event));
	/* what is freed is shared no more */
	if (write(first, "", 1) != 1 || read(first, &fd, 1) != 1)
		fail("the first process is gone");
	refused(cuIpcOpenMemHandle(&large, m.large, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS),
		"memory that was freed");
	memset(&m.small, 0x5a, sizeof(m.small));
	refused(cuIpcOpenMemHandle(&large, m.small, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS), "garbage");
	return 0;
}

struct shared {
	CUdeviceptr small, large, p;
	CUmemGenericAllocationHandle h;
	CUevent event;
	int fd;
	struct message m;
};

static void share(struct shared *s)
{
	CUmemAllocationProp prop = prop_of(CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
	CUmemAccessDesc rw = access_of(CU_MEM_ACCESS_FLAGS_PROT_READWRITE);

	CHECK_DRV(cuMemAlloc(&s->small, 100));
	CHECK_DRV(cuMemAlloc(&s->large, 10 << 20));
	set(s->small, 11, 25);
	CHECK_DRV(cuMemCreate(&s->h, granule, &prop, 0));
	CHECK_DRV(cuMemAddressReserve(&s->p, granule, 0, 0, 0));
	CHECK_DRV(cuMemMap(s->p, granule, 0, s->h, 0));
	CHECK_DRV(cuMemSetAccess(s->p, granule, &rw, 1));
	set(s->p, 44, 1);
	CHECK_DRV(cuMemExportToShareableHandle(&s->fd, s->h,
					       CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
	CHECK_DRV(cuEventCreate(&s->event, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
	CHECK_DRV(cuIpcGetMemHandle(&s->m.small, s->small));
	CHECK_DRV(cuIpcGetMemHandle(&s->m.large, s->large + 100));
	CHECK_DRV(cuIpcGetEventHandle(&s->m.event, s->event));
	CHECK_DRV(cuMemsetD32Async(s->large, 22, (10 << 20) / 4, NULL));
	CHECK_DRV(cuEventRecord(s->event, NULL));
}

static void host_guest(int second, pid_t pid)
{
	CUmemGenericAllocationHandle h;
	struct shared s;
	CUevent plain;
	CUdeviceptr p;
	int status;
	char done;

	share(&s);
	send_message(second, &s.m, s.fd);
	if (read(second, &done, 1) != 1)
		fail("the second process is gone");
	if (get(s.large) != 33 || get(s.p) != 55)
		fail("the second process left %u and %u", get(s.large), get(s.p));
	CHECK_DRV(cuMemFree(s.large));
	CHECK_DRV(cuMemFree(s.small));
	CHECK_DRV(cuCtxSynchronize());
	if (write(second, "", 1) != 1 || waitpid(pid, &status, 0) != pid || status)
		fail("the second process failed");
	/* not with oneself, not what cannot be shared */
	CHECK_DRV(cuMemAlloc(&p, 100));
	CHECK_DRV(cuIpcGetMemHandle(&s.m.small, p));
	if (cuIpcOpenMemHandle(&p, s.m.small, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) == CUDA_SUCCESS)
		fail("a process has opened its own memory");
	refused(cuIpcGetMemHandle(&s.m.small, s.p), "a mapping");
	CHECK_DRV(cuEventCreate(&plain, CU_EVENT_DISABLE_TIMING));
	if (cuIpcGetEventHandle(&s.m.event, plain) == CUDA_SUCCESS)
		fail("an event that is not for other processes");
	refused(cuMemImportFromShareableHandle(&h, (void *)(intptr_t)0,
					       CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
		"a descriptor of nothing");
	CHECK_DRV(cuMemUnmap(s.p, granule));
	CHECK_DRV(cuMemRelease(s.h));
	CHECK_DRV(cuMemAddressFree(s.p, granule));
}

/* Says on stdout what it shares, and waits. */
static int offer(void)
{
	struct shared s;

	start();
	share(&s);
	fwrite(&s.m, sizeof(s.m), 1, stdout);
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

static int stranger(void)
{
	struct message m;
	CUdeviceptr p;
	CUevent event;

	if (fread(&m, sizeof(m), 1, stdin) != 1)
		fail("nothing on stdin");
	start();
	expect(cuIpcOpenMemHandle(&p, m.small, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS),
	       CUDA_ERROR_INVALID_HANDLE, "another tenant's memory");
	expect(cuIpcOpenEventHandle(&event, m.event), CUDA_ERROR_INVALID_HANDLE,
	       "another tenant's event");
	return pass();
}

int main(int argc, char **argv)
{
	bool alone = argc > 1 && !strcmp(argv[1], "--alone");
	int ends[2];
	pid_t pid;

	if (argc > 1 && !strcmp(argv[1], "--offer"))
		return offer();
	if (argc > 1 && !strcmp(argv[1], "--stranger"))
		return stranger();
	if (!alone) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
			fail("no sockets");
		pid = fork();
		if (!pid) {
			close(ends[0]);
			return guest(ends[1]);
		}
		close(ends[1]);
	}
	start();
	growing();
	wrong_calls();
	if (!alone)
		host_guest(ends[0], pid);
	return pass();
}
