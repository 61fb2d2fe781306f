/* SPDX-License-Identifier: MIT */
/*
 * standin.h - between the two halves of what stands in for vgpu.ko, where none can be loaded
 *
 *	program, libvcuda, libstandin.so  --VGPU_STANDIN, a socket-->  vgpud with standin_vgpud.c
 *
 * A session is shared memory and two pipes, which are the doorbells and each end's sign that the
 * other has gone. libstandin.so has calls for /dev/vgpuN take that for the device; the other half
 * is linked into a vgpud in the place of control.c and announce.c. poll(2) says what kmod/file.c
 * says; nothing is charged, limited or shown in sysfs.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "linux/vgpu.h"

#define STANDIN_ENV	"VGPU_STANDIN"
#define STANDIN_FDS	3	/* memory; the pipe that the daemon reads; the one that it writes */

/* From the function; the pid is the socket's. */
struct standin_setup {
	uint32_t sq_bytes, cq_bytes;
};

static inline size_t standin_page(void)
{
	return sysconf(_SC_PAGESIZE);
}

static inline void *standin_map_twice(int fd, size_t offset, size_t n)
{
	uint8_t *p = mmap(NULL, 2 * n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; p != MAP_FAILED && i < 2; i++)
		if (mmap(p + i * n, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED)
			return NULL;
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, 2 * n, MADV_DONTFORK);
	return p;
}

/* A part of the memory, as mmap(2) of a session descriptor shows it. */
static inline void *standin_map(int fd, uint64_t offset, uint32_t sq_bytes, uint32_t cq_bytes)
{
	void *p;

	if (offset == VGPU_MMAP_SQ)
		return standin_map_twice(fd, standin_page(), sq_bytes);
	if (offset == VGPU_MMAP_CQ)
		return standin_map_twice(fd, standin_page() + sq_bytes, cq_bytes);
	p = mmap(NULL, standin_page(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, standin_page(), MADV_DONTFORK);
	return p;
}

/* One message with descriptors. false: errno says. */
static inline int standin_transfer(int sock, void *p, size_t n, int *fds, int sends)
{
	char control[CMSG_SPACE(STANDIN_FDS * sizeof(int))] = { 0 };
	struct iovec iov = { p, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t r;

	if (sends) {
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(STANDIN_FDS * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(c), fds, STANDIN_FDS * sizeof(int));
		return sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)n;
	}
	r = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	c = CMSG_FIRSTHDR(&m);
	if (r != (ssize_t)n || !c || c->cmsg_len != CMSG_LEN(STANDIN_FDS * sizeof(int)))
		return 0;
	memcpy(fds, CMSG_DATA(c), STANDIN_FDS * sizeof(int));
	return 1;
}

static inline struct sockaddr_un standin_address(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	return sa;
}

static inline void standin_drain(int fd)
{
	char drop[4096];

	while (read(fd, drop, sizeof(drop)) == sizeof(drop))
		;
}

#endif
