// SPDX-License-Identifier: MIT
/*
 * standin_vgpud.c - the module as vgpud sees it: control.h and announce.h without vgpu.ko
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "announce.h"
#include "control.h"
#include "log.h"
#include "standin.h"

#define SESSIONS	1024	/* by descriptor */

struct standin {
	struct standin_setup setup;
	int32_t pid;
	uint32_t uid;
	int memory, bell;
	struct vgpu_control *control;
};

static struct standin sessions[SESSIONS];

int control_open(const char *path)
{
	(void)path;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* A session's number is the descriptor that it becomes. */
int control_attach(int control, uint64_t session, struct vgpu_session_attach *out)
{
	const struct standin *s = &sessions[session];

	(void)control;
	*out = (struct vgpu_session_attach){
		.size = sizeof(*out), .session = session, .fd = session, .sq_bytes = s->setup.sq_bytes,
		.cq_bytes = s->setup.cq_bytes, .pid = s->pid, .uid = s->uid,
	};
	return 0;
}

int control_report_device(int control, uint32_t device, uint32_t state, const char *server,
			  const struct gpu *gpu)
{
	(void)control, (void)state, (void)server, (void)gpu;
	return device ? -ENOENT : 0;
}

int control_map(const struct vgpu_session_attach *a, struct fwd_ring *ring)
{
	struct standin *s = &sessions[a->fd];

	*ring = (struct fwd_ring){ .sq_bytes = a->sq_bytes, .cq_bytes = a->cq_bytes };
	ring->control = standin_map(s->memory, VGPU_MMAP_CONTROL, a->sq_bytes, a->cq_bytes);
	ring->sq = standin_map(s->memory, VGPU_MMAP_SQ, a->sq_bytes, a->cq_bytes);
	ring->cq = standin_map(s->memory, VGPU_MMAP_CQ, a->sq_bytes, a->cq_bytes);
	s->control = ring->control;
	return ring->control && ring->sq && ring->cq ? 0 : -ENOMEM;
}

/* The function sees the end of its pipe. */
void control_unmap(const struct fwd_ring *ring)
{
	for (struct standin *s = sessions; s < sessions + SESSIONS; s++) {
		if (!s->control || s->control != ring->control)
			continue;
		s->control = NULL;
		close(s->memory);
		close(s->bell);
	}
	munmap(ring->control, standin_page());
	munmap(ring->sq, 2ul * ring->sq_bytes);
	munmap(ring->cq, 2ul * ring->cq_bytes);
}

int control_doorbell(int fd)
{
	standin_drain(fd);
	return write(sessions[fd].bell, "", 1) == 1 ? 0 : -errno;
}

int control_report_session(int fd, uint64_t mem_used)
{
	(void)fd, (void)mem_used;
	return 0;
}

/* ---- announcements ---- */

static void take(struct announce *a, int sock)
{
	struct standin_setup setup;
	struct ucred from;
	socklen_t n = sizeof(from);
	int fds[STANDIN_FDS];
	uint64_t id;

	if (!standin_transfer(sock, &setup, sizeof(setup), fds, 0) ||
	    getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &from, &n) < 0)
		return;
	id = fds[1];
	if (id >= SESSIONS)
		abort();
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	sessions[id] = (struct standin){ setup, from.pid, from.uid, fds[0], fds[2], NULL };
	send(sock, &id, sizeof(id), MSG_NOSIGNAL);
	a->fn(a, id);
}

static void announce_event(struct event *e, uint32_t events)
{
	int sock = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (sock < 0)
		return;
	take(container_of(e, struct announce, event), sock);
	close(sock);
}

int announce_open(struct announce *a, struct event_loop *loop, void (*fn)(struct announce *a, uint64_t session))
{
	struct sockaddr_un sa = standin_address(getenv(STANDIN_ENV));
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	*a = (struct announce){ .loop = loop, .fn = fn };
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 64) < 0)
		return -errno;
	return event_add(loop, &a->event, fd, EPOLLIN, announce_event);
}

void announce_close(struct announce *a)
{
	event_del(a->loop, &a->event);
	close(a->event.fd);
}
