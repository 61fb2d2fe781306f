/* SPDX-License-Identifier: MIT */
/*
 * net.h - TCP between clients and servers: addresses, connections, whole reads and writes, the
 * LEASE frame
 *
 * Used by the daemons and by libvcuda: libc only, nothing is printed. Functions return 0 or a
 * descriptor, or -errno; a name that does not resolve is -EHOSTUNREACH, an address that is none
 * -EINVAL.
 */
#ifndef COMMON_NET_H
#define COMMON_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define NET_NAME_MAX	256	/* host:port, NUL included */

struct net_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/*
 * "host:port", "host", "[v6]:port", ":port" into host and port; the port is VWIRE_PORT where none
 * is given, the host empty. Both buffers have NET_NAME_MAX bytes.
 */
int net_split(const char *name, char *host, char *port);

/*
 * Resolves to at most max addresses, best first: how many, or -errno. passive: for listening, an
 * empty host is every address. May wait for a name server.
 */
int net_resolve(const char *name, bool passive, struct net_addr *addrs, int max);

/* "1.2.3.4:5", "[::1]:5" */
void net_name(const struct net_addr *addr, char *buf, size_t n);

/*
 * Begins to connect: the socket, non-blocking. net_connected() tells how it ended, once it is
 * writable.
 */
int net_connect_start(const struct net_addr *addr);
int net_connected(int fd);

/*
 * Connects to name, trying each of its addresses; waits timeout_ms at most in all. The socket is
 * non-blocking.
 */
int net_connect(const char *name, int timeout_ms);

/* A listening socket, non-blocking; addr may have port 0, net_local() says which it got. */
int net_listen(const struct net_addr *addr, int backlog);
int net_local(int fd, struct net_addr *addr);

/*
 * What every connection gets: no Nagle delay, and a peer that is gone without a word is noticed:
 * keepalive after 15 s of silence, every 5 s, three times; unacknowledged data after 20 s.
 */
int net_options(int fd);

/*
 * What connections for the data of large copies get beside that: small buffers. Stripes are used in
 * turn; a connection that has many of them on its way is ahead of the others, and they are out of the
 * caches when they are read. VGPU_BULK_SNDBUF and VGPU_BULK_RCVBUF: KiB of SO_SNDBUF and SO_RCVBUF,
 * 0: as the system has them.
 */
void net_bulk_options(int fd);
/* The calling thread only moves such data: VGPU_BULK_NICE, 0 to 19, is its nice value. */
void net_bulk_thread(void);

/*
 * Milliseconds of CLOCK_MONOTONIC, and what is left until such a time (0 when it is over; -1:
 * deadline 0, never).
 */
uint64_t net_now(void);
int net_left(uint64_t deadline);

/*
 * All n bytes or an error: -ETIMEDOUT at the deadline (0: none), -ECONNRESET at the end of the
 * stream.
 */
int net_read(int fd, void *buf, size_t n, uint64_t deadline);
int net_write(int fd, const void *buf, size_t n, uint64_t deadline);

/*
 * All nr parts, and all of to, as long as it takes: 0 or -errno, -ECONNRESET at the end of the
 * stream. The parts are moved past what is done; so after -EAGAIN (flags: MSG_DONTWAIT), or after
 * -EFAULT, one can go on.
 */
int net_send(int fd, struct iovec *iov, int nr, int flags);
int net_receive(int fd, struct iovec *to);

/*
 * A VWIRE_OP_LEASE frame into buf: its length, or -EINVAL where the tenant's name is too long,
 * -EMSGSIZE where buf is too small. tenant may be NULL.
 */
int net_lease_frame(void *buf, size_t n, uint64_t features, uint64_t mem_limit, uint32_t wait_ms,
		    const char *tenant);

#endif /* COMMON_NET_H */
