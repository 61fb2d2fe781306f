// SPDX-License-Identifier: MIT
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int control_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

int control_attach(int control, uint64_t session, struct vgpu_session_attach *out)
{
	*out = (struct vgpu_session_attach){ .size = sizeof(*out), .session = session, .fd = -1 };
	return call(control, VGPU_SESSION_ATTACH, out);
}

int control_report_device(int control, uint32_t device, uint32_t state, const char *server,
			  const struct gpu *gpu)
{
	struct vgpu_device_report r = { .size = sizeof(r), .device = device, .state = state };
	int err;

	snprintf((char *)r.server, sizeof(r.server), "%s", server);
	memcpy(r.name, gpu->name, sizeof(r.name));
	memcpy(r.uuid, gpu->uuid, sizeof(r.uuid));
	err = call(control, VGPU_DEVICE_REPORT, &r);
	if (err != -E2BIG)
		return err;
	r.size = offsetof(struct vgpu_device_report, name);
	return call(control, VGPU_DEVICE_REPORT, &r);
}

int control_doorbell(int session_fd)
{
	struct vgpu_doorbell d = { .size = sizeof(d) };

	return call(session_fd, VGPU_DOORBELL, &d);
}

int control_report_session(int session_fd, uint64_t mem_used)
{
	struct vgpu_session_report r = { .size = sizeof(r), .mem_used = mem_used };

	return call(session_fd, VGPU_SESSION_REPORT, &r);
}

static size_t page_bytes(void)
{
	return sysconf(_SC_PAGESIZE);
}

static void *map(int fd, size_t n, off_t offset)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

int control_map(const struct vgpu_session_attach *a, struct fwd_ring *ring)
{
	int err;

	*ring = (struct fwd_ring){ .sq_bytes = a->sq_bytes, .cq_bytes = a->cq_bytes };
	ring->control = map(a->fd, page_bytes(), VGPU_MMAP_CONTROL);
	if (ring->control)
		ring->sq = map(a->fd, 2ul * a->sq_bytes, VGPU_MMAP_SQ);
	if (ring->sq)
		ring->cq = map(a->fd, 2ul * a->cq_bytes, VGPU_MMAP_CQ);
	if (ring->cq)
		return 0;
	err = -errno;
	control_unmap(ring);
	return err;
}

void control_unmap(const struct fwd_ring *ring)
{
	if (ring->cq)
		munmap(ring->cq, 2ul * ring->cq_bytes);
	if (ring->sq)
		munmap(ring->sq, 2ul * ring->sq_bytes);
	if (ring->control)
		munmap(ring->control, page_bytes());
}
