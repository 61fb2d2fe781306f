// SPDX-License-Identifier: MIT
/* userd/common/net.c: addresses, connections on the loopback, deadlines, the LEASE frame. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net.h"
#include "vgpu_wire.h"

static void names_are_split(void **state)
{
	static const struct { const char *name, *host, *port; } good[] = {
		{ "gpu1:9000", "gpu1", "9000" },	{ "gpu1", "gpu1", "7867" },
		{ "10.0.0.1:1", "10.0.0.1", "1" },	{ "[::1]:65535", "::1", "65535" },
		{ "[fe80::1]", "fe80::1", "7867" },	{ "fe80::1", "fe80::1", "7867" },
		{ ":80", "", "80" },
	};
	static const char *const bad[] = { "a:", "a:b", "a:70000", "[::1", "[::1]x", "a:-1", "a: 1",
					   "a:4294967297" };
	char host[NET_NAME_MAX], port[NET_NAME_MAX], longname[400];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(net_split(good[i].name, host, port), 0);
		assert_string_equal(host, good[i].host);
		assert_string_equal(port, good[i].port);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(net_split(bad[i], host, port), -EINVAL);
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	assert_int_equal(net_split(longname, host, port), -EINVAL);
}

/* A listener on a free port of the loopback; its name. */
static int listener(const char *host, char *name)
{
	struct net_addr addr;
	int fd;

	assert_int_equal(net_resolve(host, true, &addr, 1), 1);
	fd = net_listen(&addr, 1);
	if (fd < 0)
		return fd;
	assert_int_equal(net_local(fd, &addr), 0);
	net_name(&addr, name, NET_NAME_MAX);
	return fd;
}

static int get_int(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	assert_int_equal(getsockopt(fd, level, name, &v, &n), 0);
	return v;
}

static void a_connection_gets_its_options(void **state)
{
	char name[NET_NAME_MAX];
	int l = listener("127.0.0.1:0", name), fd;

	(void)state;
	assert_true(l >= 0);
	fd = net_connect(name, 1000);
	assert_true(fd >= 0);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(get_int(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPINTVL), 5);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 20000);
	close(fd);
	close(l);
}

static void ipv6_connects_too(void **state)
{
	char name[NET_NAME_MAX];
	int l = listener("[::1]:0", name), fd;

	(void)state;
	if (l == -EADDRNOTAVAIL || l == -EAFNOSUPPORT)
		skip();
	assert_true(l >= 0);
	fd = net_connect(name, 1000);
	assert_true(fd >= 0);
	close(fd);
	close(l);
}

static void nobody_there_is_refused_at_once(void **state)
{
	char name[NET_NAME_MAX];
	int l = listener("127.0.0.1:0", name);

	(void)state;
	close(l);
	assert_int_equal(net_connect(name, 1000), -ECONNREFUSED);
	assert_int_equal(net_connect("no-such-host.invalid:1", 1000), -EHOSTUNREACH);
	assert_int_equal(net_connect(":80", 1000), -EINVAL);
	assert_int_equal(net_connect("x:port", 1000), -EINVAL);
}

/* A listener whose backlog is full drops what else comes: nobody answers. */
static void connecting_gives_up_at_the_time(void **state)
{
	char name[NET_NAME_MAX];
	int l = listener("127.0.0.1:0", name), held[8];
	uint64_t start;
	int fd = 0;

	(void)state;
	for (int i = 0; i < 8; i++)
		held[i] = net_connect(name, 100);
	start = net_now();
	fd = net_connect(name, 200);
	assert_int_equal(fd, -ETIMEDOUT);
	assert_in_range(net_now() - start, 190, 1000);
	for (int i = 0; i < 8; i++)
		if (held[i] >= 0)
			close(held[i]);
	close(l);
}

static void reads_are_whole_or_fail_in_time(void **state)
{
	int pair[2];
	char buf[8];
	uint64_t start = net_now();

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(net_write(pair[0], "abcd", 4, 0), 0);
	assert_int_equal(net_read(pair[1], buf, 4, 0), 0);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(net_write(pair[0], "efg", 3, 0), 0);
	assert_int_equal(net_read(pair[1], buf, 4, net_now() + 100), -ETIMEDOUT);
	assert_in_range(net_now() - start, 95, 1000);
	close(pair[0]);
	assert_int_equal(net_read(pair[1], buf, 1, 0), -ECONNRESET);
	assert_int_equal(net_write(pair[1], buf, 1, 0), -EPIPE);
	close(pair[1]);
}

static void a_write_nobody_reads_gives_up(void **state)
{
	static char big[1 << 20];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(net_write(pair[0], big, sizeof(big), net_now() + 50), -ETIMEDOUT);
	close(pair[0]);
	close(pair[1]);
}

/* All that has come, to *got of to. */
static void drain(int fd, uint8_t *to, size_t *got, size_t room)
{
	ssize_t n;

	while ((n = recv(fd, to + *got, room - *got, MSG_DONTWAIT)) > 0)
		*got += n;
}

static void parts_are_sent_to_the_last_byte(void **state)
{
	static uint8_t out[1 << 20], in[sizeof(out)];
	struct iovec iov[] = { { out, 10 }, { out, 0 }, { out + 10, sizeof(out) - 13 }, { out + sizeof(out) - 3, 3 } };
	unsigned int stops = 0;
	size_t got = 0;
	int s[2], err;

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = i ^ i >> 8;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	while ((err = net_send(s[0], iov, 4, MSG_DONTWAIT)) == -EAGAIN) {
		drain(s[1], in, &got, sizeof(in));
		stops++;
	}
	assert_int_equal(err, 0);
	drain(s[1], in, &got, sizeof(in));
	assert_true(stops > 0);
	assert_int_equal(got, sizeof(in));
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(net_send(s[0], iov, 4, 0), 0);		/* nothing is left of them */
	close(s[1]);
	assert_int_equal(net_send(s[0], &(struct iovec){ out, 1 }, 1, 0), -EPIPE);
	close(s[0]);
}

static void a_page_that_cannot_be_had_stops_no_stream(void **state)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), in[7];
	struct iovec iov[] = { { "abc", 3 }, { page, 4 } }, to = { page, 3 };
	int s[2];

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	assert_int_equal(net_send(s[0], iov, 2, 0), -EFAULT);
	assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
	memcpy(page, "defg", 4);
	assert_int_equal(net_send(s[0], iov, 2, 0), 0);
	assert_int_equal(net_receive(s[1], &(struct iovec){ in, 7 }), 0);
	assert_memory_equal(in, "abcdefg", 7);

	assert_int_equal(mprotect(page, 4096, PROT_NONE), 0);
	assert_int_equal(net_send(s[0], &(struct iovec){ "xyz", 3 }, 1, 0), 0);
	assert_int_equal(net_receive(s[1], &to), -EFAULT);
	close(s[0]);
	assert_int_equal(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(net_receive(s[1], &to), 0);
	assert_memory_equal(page, "xyz", 3);
	assert_int_equal(net_receive(s[1], &(struct iovec){ in, 1 }), -ECONNRESET);
	close(s[1]);
	munmap(page, 4096);
}

static void the_lease_frame_is_as_the_wire_says(void **state)
{
	struct { struct vwire_frame h; struct vwire_lease l; } f;
	char name[VWIRE_NAME_MAX + 1];

	(void)state;
	assert_int_equal(
		net_lease_frame(&f, sizeof(f), VWIRE_FEAT_STATUS, 5ull << 30, 1500, "blue"),
		sizeof(f));
	assert_int_equal(le32toh(f.h.size), sizeof(f));
	assert_int_equal(le16toh(f.h.op), VWIRE_OP_LEASE);
	assert_int_equal(le32toh(f.l.magic), VWIRE_MAGIC);
	assert_int_equal(le16toh(f.l.version), VWIRE_VERSION);
	assert_int_equal(le64toh(f.l.features), VWIRE_FEAT_STATUS);
	assert_int_equal(le64toh(f.l.mem_limit), 5ull << 30);
	assert_int_equal(le32toh(f.l.wait_ms), 1500);
	assert_string_equal(f.l.tenant, "blue");
	memset(name, 'x', VWIRE_NAME_MAX);
	name[VWIRE_NAME_MAX] = '\0';
	assert_int_equal(net_lease_frame(&f, sizeof(f), 0, 0, 0, name), -EINVAL);
	assert_int_equal(net_lease_frame(&f, sizeof(f) - 8, 0, 0, 0, NULL), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_split),
		cmocka_unit_test(a_connection_gets_its_options),
		cmocka_unit_test(ipv6_connects_too),
		cmocka_unit_test(nobody_there_is_refused_at_once),
		cmocka_unit_test(connecting_gives_up_at_the_time),
		cmocka_unit_test(reads_are_whole_or_fail_in_time),
		cmocka_unit_test(a_write_nobody_reads_gives_up),
		cmocka_unit_test(parts_are_sent_to_the_last_byte),
		cmocka_unit_test(a_page_that_cannot_be_had_stops_no_stream),
		cmocka_unit_test(the_lease_frame_is_as_the_wire_says),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
