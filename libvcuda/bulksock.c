// SPDX-License-Identifier: MIT
/*
 * bulksock.c - bytes from and to the program's pages over a bulk connection of direct mode
 *
 * Where the network's device takes data from these pages, nobody copies it (VGPU_ZEROCOPY=0: the
 * kernel does); a copy is then over when the server has acknowledged it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "bulksock.h"
#include "net.h"

#define OPEN_MS	5000
#define BOUNCE	(64u << 10)

static ssize_t send_some(int fd, struct iovec *iov, int nr)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = nr };
	uint8_t bounce[BOUNCE];
	size_t n;
	ssize_t r = sendmsg(fd, &m, MSG_NOSIGNAL);

	if (r >= 0 || errno != EFAULT)
		return r;
	/* a page that the program, or a handler of its faults, is to be asked for */
	n = iov->iov_len < sizeof(bounce) ? iov->iov_len : sizeof(bounce);
	memcpy(bounce, iov->iov_base, n);
	return send(fd, bounce, n, MSG_NOSIGNAL);
}

static bool send_all(int fd, struct iovec *iov, int nr)
{
	ssize_t n;

	while (nr) {
		n = send_some(fd, iov, nr);
		if (n < 0 && errno != EINTR)
			return false;
		for (; nr && n >= (ssize_t)iov->iov_len; iov++, nr--)
			n -= iov->iov_len;
		if (n > 0) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= n;
		}
	}
	return true;
}

/* The head is copied, as it does not stay; the data is not. */
static bool send_pages(struct zerocopy *z, struct iovec *iov)
{
	uint8_t *p = iov[1].iov_base;
	size_t left = iov[1].iov_len;
	ssize_t n = send(z->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL | MSG_MORE);

	if (n != (ssize_t)iov[0].iov_len)
		return false;
	for (; left; p += n, left -= n) {
		n = zerocopy_send(z, p, left);
		if (n < 0 && errno == EFAULT)
			break;
		if (n < 0 && errno != EINTR)
			return false;
		n = n < 0 ? 0 : n;
	}
	iov[1] = (struct iovec){ p, left };
	return !(left + iov[2].iov_len) || send_all(z->fd, iov + 1, 2);
}

bool vcuda_bulksock_send(struct zerocopy *z, struct iovec *iov)
{
	return zerocopy_is_on(z) ? send_pages(z, iov) : send_all(z->fd, iov, 3);
}

bool vcuda_bulksock_receive(struct zerocopy *z, void *p, size_t n)
{
	uint8_t bounce[BOUNCE], *at = p;
	ssize_t got;

	while (n) {
		got = recv(z->fd, at, n, MSG_WAITALL);
		if (got < 0 && errno == EFAULT) {
			got = recv(z->fd, bounce, n < sizeof(bounce) ? n : sizeof(bounce), 0);
			if (got > 0)
				memcpy(at, bounce, got);
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		n -= got;
	}
	return true;
}

int vcuda_bulksock_connected(struct zerocopy *z, int fd, const struct vwire_bulk *offer)
{
	struct {
		struct vwire_frame frame;
		struct vwire_bulk bulk;
	} ask = { .frame = { .size = htole32(sizeof(ask)), .op = htole16(VWIRE_OP_BULK) },
		  .bulk = *offer };
	struct vwire_frame answer;
	uint64_t end = net_now() + OPEN_MS;
	int err;

	ask.bulk.connections = 0;
	net_bulk_options(fd);
	err = poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, OPEN_MS) > 0
		      ? net_connected(fd)
		      : -ETIMEDOUT;
	if (!err)
		err = net_write(fd, &ask, sizeof(ask), end);
	if (!err)
		err = net_read(fd, &answer, sizeof(answer), end);
	if (!err && le16toh(answer.op) != VWIRE_OP_BULK)
		err = -ECONNREFUSED;
	if (!err && fcntl(fd, F_SETFL, 0) < 0)
		err = -errno;
	if (!err)
		zerocopy_init(z, fd, zerocopy_is_wanted());
	return err;
}
