/* SPDX-License-Identifier: MIT */
/*
 * bulksock.h - a bulk connection of direct mode: a socket
 */
#ifndef VCUDA_BULKSOCK_H
#define VCUDA_BULKSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "vgpu_wire.h"
#include "zerocopy.h"

/* fd, which has begun to connect, is one, to which the server has agreed. 0 or -errno. */
int vcuda_bulksock_connected(struct zerocopy *z, int fd, const struct vwire_bulk *offer);
/* Three parts, which are changed: a head, memory of the program, padding. false: it has ended. */
bool vcuda_bulksock_send(struct zerocopy *z, struct iovec *iov);
/* n bytes; false: it has ended. */
bool vcuda_bulksock_receive(struct zerocopy *z, void *p, size_t n);

#endif
