// SPDX-License-Identifier: MIT
#include "net.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "env.h"
#include "vgpu_codec.h"
#include "vgpu_wire.h"

#define KEEPALIVE_IDLE_S	15
#define KEEPALIVE_EVERY_S	5
#define KEEPALIVE_TIMES		3
#define USER_TIMEOUT_MS		20000
#define BULK_SNDBUF_KIB		1024
#define BULK_RCVBUF_KIB		1024
#define BULK_BUFFER_KIB_MAX	65536
#define BULK_NICE		0

static int copy(char *dst, const char *src, size_t n)
{
	if (n >= NET_NAME_MAX)
		return -EINVAL;
	memcpy(dst, src, n);
	dst[n] = '\0';
	return 0;
}

static int port_ok(const char *port)
{
	unsigned int v = 0;

	if (!*port)
		return -EINVAL;
	for (; *port; port++) {
		if (*port < '0' || *port > '9')
			return -EINVAL;
		v = v * 10 + (*port - '0');
		if (v > UINT16_MAX)
			return -EINVAL;
	}
	return 0;
}

int net_split(const char *name, char *host, char *port)
{
	const char *end, *colon;

	if (*name == '[') {
		end = strchr(++name, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		colon = end[1] ? end + 1 : NULL;
	} else {
		colon = strrchr(name, ':');
		/* Two colons without brackets: an IPv6 address, no port. */
		if (colon && strchr(name, ':') != colon)
			colon = NULL;
		end = colon ? colon : name + strlen(name);
	}
	if (copy(host, name, end - name))
		return -EINVAL;
	if (!colon) {
		snprintf(port, NET_NAME_MAX, "%u", VWIRE_PORT);
		return 0;
	}
	if (copy(port, colon + 1, strlen(colon + 1)))
		return -EINVAL;
	return port_ok(port);
}

static int lookup(const char *name, bool passive, struct addrinfo **list)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = (passive ? AI_PASSIVE : AI_ADDRCONFIG) | AI_NUMERICSERV,
	};
	char host[NET_NAME_MAX], port[NET_NAME_MAX];
	int err = net_split(name, host, port);

	if (err)
		return err;
	if (!passive && !*host)
		return -EINVAL;
	err = getaddrinfo(*host ? host : NULL, port, &hints, list);
	/* AI_ADDRCONFIG hides 127.0.0.1 on a machine with no other address: look again without. */
	if (err && !passive) {
		hints.ai_flags = AI_NUMERICSERV;
		err = getaddrinfo(host, port, &hints, list);
	}
	if (!err)
		return 0;
	return err == EAI_SYSTEM ? -errno : err == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
}

static void take_addr(struct net_addr *addr, const struct addrinfo *ai)
{
	memset(addr, 0, sizeof(*addr));
	memcpy(&addr->sa, ai->ai_addr, ai->ai_addrlen);
	addr->len = ai->ai_addrlen;
}

int net_resolve(const char *name, bool passive, struct net_addr *addrs, int max)
{
	struct addrinfo *list, *ai;
	int n = lookup(name, passive, &list);

	if (n < 0)
		return n;
	for (ai = list; ai && n < max; ai = ai->ai_next)
		take_addr(&addrs[n++], ai);
	freeaddrinfo(list);
	return n;
}

void net_name(const struct net_addr *addr, char *buf, size_t n)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	bool v6 = addr->sa.ss_family == AF_INET6;

	if (getnameinfo((const struct sockaddr *)&addr->sa, addr->len, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(buf, n, "?");
	else
		snprintf(buf, n, v6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int set_int(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v)) ? -errno : 0;
}

int net_options(int fd)
{
	int err = set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);

	if (!err)
		err = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	if (!err)
		err = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	if (!err)
		err = set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
	if (!err)
		err = set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_TIMES);
	if (!err)
		err = set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	return err;
}

static void set_buffer(int fd, int name, const char *env, long otherwise)
{
	long kib = env_number(env, 0, BULK_BUFFER_KIB_MAX, otherwise);

	if (kib)
		set_int(fd, SOL_SOCKET, name, kib << 10);
}

void net_bulk_options(int fd)
{
	set_buffer(fd, SO_SNDBUF, "VGPU_BULK_SNDBUF", BULK_SNDBUF_KIB);
	set_buffer(fd, SO_RCVBUF, "VGPU_BULK_RCVBUF", BULK_RCVBUF_KIB);
}

void net_bulk_thread(void)
{
	long nice = env_number("VGPU_BULK_NICE", 0, 19, BULK_NICE);

	if (nice)
		setpriority(PRIO_PROCESS, 0, nice);
}

int net_connect_start(const struct net_addr *addr)
{
	int fd, err;

	fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = net_options(fd);
	if (!err && connect(fd, (const struct sockaddr *)&addr->sa, addr->len) < 0 &&
	    errno != EINPROGRESS)
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int net_connected(int fd)
{
	int err = 0;
	socklen_t n = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
		return -errno;
	return -err;
}

/* Waits until fd is ready or the deadline has come. */
static int wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	int r;

	do {
		r = poll(&p, 1, net_left(deadline));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

static int connect_one(const struct addrinfo *ai, uint64_t deadline)
{
	struct net_addr addr;
	int fd, err;

	take_addr(&addr, ai);
	fd = net_connect_start(&addr);
	if (fd < 0)
		return fd;
	err = wait_for(fd, POLLOUT, deadline);
	if (!err)
		err = net_connected(fd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int net_connect(const char *name, int timeout_ms)
{
	uint64_t deadline = net_now() + timeout_ms;
	struct addrinfo *list, *ai;
	int fd = lookup(name, false, &list);

	if (fd < 0)
		return fd;
	fd = -EHOSTUNREACH;
	for (ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = connect_one(ai, deadline);
	freeaddrinfo(list);
	return fd;
}

int net_listen(const struct net_addr *addr, int backlog)
{
	int fd, err;

	fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!err && bind(fd, (const struct sockaddr *)&addr->sa, addr->len) < 0)
		err = -errno;
	if (!err && listen(fd, backlog) < 0)
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int net_local(int fd, struct net_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->len = sizeof(addr->sa);
	return getsockname(fd, (struct sockaddr *)&addr->sa, &addr->len) ? -errno : 0;
}

uint64_t net_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int net_left(uint64_t deadline)
{
	uint64_t now = net_now();

	if (!deadline)
		return -1;
	if (now >= deadline)
		return 0;
	return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}

/* After a transfer of r bytes: 0 to go on, or the error that ends it. */
static int step(int fd, ssize_t r, short events, uint64_t deadline)
{
	if (r > 0 || (r < 0 && errno == EINTR))
		return 0;
	if (r < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	return r ? wait_for(fd, events, deadline) : -ECONNRESET;
}

/* events: POLLIN reads, POLLOUT writes. */
static int transfer(int fd, uint8_t *p, size_t n, short events, uint64_t deadline)
{
	ssize_t r;
	int err;

	while (n) {
		r = events == POLLIN ? recv(fd, p, n, MSG_DONTWAIT)
				     : send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		err = step(fd, r, events, deadline);
		if (err)
			return err;
		if (r > 0) {
			p += r;
			n -= r;
		}
	}
	return 0;
}

int net_read(int fd, void *buf, size_t n, uint64_t deadline)
{
	return transfer(fd, buf, n, POLLIN, deadline);
}

int net_write(int fd, const void *buf, size_t n, uint64_t deadline)
{
	return transfer(fd, (void *)buf, n, POLLOUT, deadline);
}

/* Past n bytes, which are done. */
static void advance(struct iovec *iov, size_t n)
{
	iov->iov_base = (uint8_t *)iov->iov_base + n;
	iov->iov_len -= n;
}

int net_send(int fd, struct iovec *iov, int nr, int flags)
{
	ssize_t n;

	for (;;) {
		for (; nr && !iov->iov_len; iov++)
			nr--;
		if (!nr)
			return 0;
		n = sendmsg(fd, &(struct msghdr){ .msg_iov = iov, .msg_iovlen = nr },
			    MSG_NOSIGNAL | flags);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; n > 0; i++) {
			size_t part = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

			advance(&iov[i], part);
			n -= part;
		}
	}
}

int net_receive(int fd, struct iovec *to)
{
	ssize_t n;

	while (to->iov_len) {
		n = recv(fd, to->iov_base, to->iov_len, MSG_WAITALL);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			return -ECONNRESET;
		if (n > 0)
			advance(to, n);
	}
	return 0;
}

int net_lease_frame(void *buf, size_t n, uint64_t features, uint64_t mem_limit, uint32_t wait_ms,
		    const char *tenant)
{
	struct vwire_frame h = {
		.size = htole32(sizeof(h) + sizeof(struct vwire_lease)),
		.op = htole16(VWIRE_OP_LEASE),
	};
	struct vwire_lease lease = {
		.magic = htole32(VWIRE_MAGIC),
		.version = htole16(VWIRE_VERSION),
		.version_min = htole16(VWIRE_VERSION_MIN),
		.features = htole64(features),
		.mem_limit = htole64(mem_limit),
		.wait_ms = htole32(wait_ms),
	};
	struct vwire_wr w = wr_init(buf, n);

	if (tenant && strlen(tenant) >= sizeof(lease.tenant))
		return -EINVAL;
	if (tenant)
		memcpy(lease.tenant, tenant, strlen(tenant));
	wr_bytes(&w, &h, sizeof(h));
	wr_bytes(&w, &lease, sizeof(lease));
	return w.err ? -EMSGSIZE : (int)wr_len(&w);
}
