// SPDX-License-Identifier: MIT
#include "zerocopy.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool zerocopy_is_wanted(void)
{
	const char *env = getenv("VGPU_ZEROCOPY");

	return !env || *env != '0';
}

void zerocopy_init(struct zerocopy *z, int fd, bool wanted)
{
	int one = 1;

	*z = (struct zerocopy){ .fd = fd };
	pthread_mutex_init(&z->lock, NULL);
	z->on = wanted && !setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
}

static void land(struct zerocopy *z, uint32_t first, uint32_t last)
{
	for (uint32_t n = first - z->through; n <= last - z->through && n < 64; n++)
		z->early |= 1ull << n;
	for (; z->early & 1; z->early >>= 1)
		z->through++;
}

void zerocopy_told(struct zerocopy *z, const struct sock_extended_err *e)
{
	if (e->ee_origin != SO_EE_ORIGIN_ZEROCOPY || e->ee_errno)
		return;
	z->done += e->ee_data - e->ee_info + 1;
	land(z, e->ee_info, e->ee_data);
	if (e->ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
		z->on = false;
}

/* With the lock: all that the kernel has told so far. */
static void listen_to(struct zerocopy *z)
{
	char control[128];
	struct sock_extended_err e;
	struct cmsghdr *c;

	while (z->done != z->sent) {
		struct msghdr m = { .msg_control = control, .msg_controllen = sizeof(control) };

		if (recvmsg(z->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_len < CMSG_LEN(sizeof(e)))
				continue;
			memcpy(&e, CMSG_DATA(c), sizeof(e));
			zerocopy_told(z, &e);
		}
	}
}

/* What is known now. */
struct known {
	bool on;
	uint32_t sent, done, through;
};

static struct known look(struct zerocopy *z)
{
	struct known k;

	pthread_mutex_lock(&z->lock);
	listen_to(z);
	k = (struct known){ z->on, z->sent, z->done, z->through };
	pthread_mutex_unlock(&z->lock);
	return k;
}

bool zerocopy_is_on(struct zerocopy *z)
{
	return look(z).on;
}

uint32_t zerocopy_through(struct zerocopy *z)
{
	return look(z).through;
}

/* ENOBUFS: no more pages can be pinned, or too much is under way; those are copied. */
ssize_t zerocopy_send(struct zerocopy *z, const void *p, size_t n)
{
	ssize_t r;

	if (n < ZEROCOPY_MIN || !zerocopy_is_on(z))
		return send(z->fd, p, n, MSG_NOSIGNAL);
	/* it may be told of before send() returns here, and listen_to() goes by what was sent */
	pthread_mutex_lock(&z->lock);
	z->sent++;
	pthread_mutex_unlock(&z->lock);
	r = send(z->fd, p, n, MSG_NOSIGNAL | MSG_ZEROCOPY);
	if (r > 0)
		return r;
	pthread_mutex_lock(&z->lock);
	z->sent--;
	pthread_mutex_unlock(&z->lock);
	return r < 0 && errno == ENOBUFS ? send(z->fd, p, n, MSG_NOSIGNAL) : r;
}

static bool is_done(struct zerocopy *z, uint32_t sent)
{
	struct known k = look(z);

	return (int32_t)(k.done - sent) >= 0 || k.done == k.sent;
}

bool zerocopy_wait(struct zerocopy *z, int ms)
{
	struct pollfd p = { .fd = z->fd };	/* POLLERR needs no asking */
	uint32_t sent;

	pthread_mutex_lock(&z->lock);
	sent = z->sent;
	pthread_mutex_unlock(&z->lock);
	while (!is_done(z, sent))
		if (poll(&p, 1, ms) <= 0 || p.revents & POLLHUP)
			return is_done(z, sent);
	return true;
}
