/* SPDX-License-Identifier: MIT */
/*
 * softgpu_share_test.c - memory, events and pools that processes share on softgpu
 *
 * With the name of a peer as its argument the program is the other process of a test: it talks to
 * the first one through the socket at descriptor PEER_FD.
 */
#include "softgpu_memory_bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PEER_FD		3

static void end_peer(struct fixture *f)
{
	if (!f->peer)
		return;
	kill(f->peer, SIGKILL);
	waitpid(f->peer, NULL, 0);
	close(f->socket);
	f->peer = 0;
}

static int peer_tear_down(void **state)
{
	end_peer(*state);
	return tear_down(state);
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

static void start_peer(struct fixture *f, const char *name)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
	f->peer = fork();
	if (!f->peer) {
		/* dup2() onto itself would leave it close on exec. */
		if (fcntl(s[1], F_DUPFD, 20) == 20 && dup2(20, PEER_FD) == PEER_FD)
			execl("/proc/self/exe", "softgpu_share_test", name, NULL);
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

#define PEERS(name)	cmocka_unit_test_setup_teardown(name, set_up, peer_tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PEERS(memory_is_shared_until_both_let_go),
		PEERS(garbage_handles_are_refused),
		PEERS(events_cross_processes),
		PEERS(physical_memory_is_shared_by_descriptor),
		PEERS(dangerous_descriptors_are_refused),
		PEERS(pools_are_shared_by_descriptor),
	};

	setenv("SOFTGPU_FAULTS", "context", 1);	/* there are several */
	alarm(120);	/* a peer that fails leaves us waiting */
	if (argc == 2)
		return run_peer(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
