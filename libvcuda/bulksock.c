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

/*
 * Of memory whose pages the kernel cannot have (-EFAULT): they are the program's, or its handler's
 * of faults, to be asked for, which a copy of ours does.
 */
static bool send_bounced(int fd, struct iovec *iov)
{
	uint8_t bounce[BOUNCE];
	size_t n = iov->iov_len < sizeof(bounce) ? iov->iov_len : sizeof(bounce);
	struct iovec copy = { bounce, n };

	memcpy(bounce, iov->iov_base, n);
	iov->iov_base = (uint8_t *)iov->iov_base + n;
	iov->iov_len -= n;
	return !net_send(fd, &copy, 1, 0);
}

static bool send_all(int fd, struct iovec *iov, int nr)
{
	int err;

	while ((err = net_send(fd, iov, nr, 0)) == -EFAULT) {
		for (; !iov->iov_len; iov++)
			nr--;
		if (!send_bounced(fd, iov))
			return false;
	}
	return !err;
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

static bool receive_bounced(int fd, struct iovec *to)
{
	uint8_t bounce[BOUNCE];
	size_t n = to->iov_len < sizeof(bounce) ? to->iov_len : sizeof(bounce);

	if (net_receive(fd, &(struct iovec){ bounce, n }))
		return false;
	memcpy(to->iov_base, bounce, n);
	to->iov_base = (uint8_t *)to->iov_base + n;
	to->iov_len -= n;
	return true;
}

bool vcuda_bulksock_receive(struct zerocopy *z, void *p, size_t n)
{
	struct iovec to = { p, n };
	int err;

	while ((err = net_receive(z->fd, &to)) == -EFAULT)
		if (!receive_bounced(z->fd, &to))
			return false;
	return !err;
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
