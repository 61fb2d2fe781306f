/* SPDX-License-Identifier: MIT */
/*
 * vgpud_ends.h - what is around vgpud, for vgpud_test.c: the server, vgpud as a process, and the
 * function
 */
#ifndef TESTS_VGPUD_ENDS_H
#define TESTS_VGPUD_ENDS_H

#include <arpa/inet.h>
#include <dirent.h>
#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../kselftest/session.h"
#include "vgpu_wire.h"

#define LOG_FILE	"/tmp/vgpud.log"
#define RING		65536u

static pid_t daemon_pid;
static int listener;
static uint16_t port;

/* ---- the server ---- */

static inline void server_listen(uint16_t want)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(want),
	};
	socklen_t n = sizeof(sa);
	int one = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	CHECK(!bind(listener, (struct sockaddr *)&sa, sizeof(sa)));
	CHECK(!listen(listener, 64));
	CHECK(!getsockname(listener, (struct sockaddr *)&sa, &n));
	port = ntohs(sa.sin_port);
}

static int kept = -1;	/* a spare that answer_first_query() came across */

static inline int server_accept(void)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int fd = kept;

	kept = -1;
	if (fd >= 0)
		return fd;
	if (poll(&p, 1, 10000) != 1)
		FAIL("nobody connects");
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static inline void read_all(int fd, void *buf, size_t n)
{
	ssize_t r = recv(fd, buf, n, MSG_WAITALL);

	if (r != (ssize_t)n)
		FAIL("read %zd of %zu bytes", r, n);
}

/* False: something else comes there. */
static inline bool answer_query(int fd)
{
	struct { struct vwire_frame h; struct vwire_lease l; } asked;
	struct {
		struct vwire_frame h;
		struct vwire_info info;
		struct vwire_tlv tlv;
		struct vwire_device device;
	} said = {
		{ htole32(sizeof(said)), htole16(VWIRE_OP_INFO), 0, 0 },
		{ .version = htole32(VWIRE_VERSION), .nr_devices = htole32(1) },
		{ .type = htole16(VWIRE_TLV_DEVICE), .len = htole32(sizeof(said.device)) },
		{ .name = "A GPU", .uuid = { [15] = 7 } },
	};

	CHECK(recv(fd, &asked, sizeof(asked.h), MSG_PEEK) == sizeof(asked.h));
	if (le16toh(asked.h.op) != VWIRE_OP_QUERY)
		return false;
	read_all(fd, &asked, sizeof(asked));
	CHECK(!strcmp(asked.l.tenant, "blue"));
	CHECK_EQ(send(fd, &said, sizeof(said), MSG_NOSIGNAL), sizeof(said));
	close(fd);
	return true;
}

/* vgpud asks as soon as the first spare is there. */
static inline void answer_first_query(void)
{
	int spare = server_accept();

	CHECK(answer_query(server_accept()));
	kept = spare;
}

/*
 * The connection of the next session: the first on which something comes. Those that stay silent
 * are spares, kept for later; vgpud may hold one more than the one of the session that we wait for.
 */
static inline int server_session(void)
{
	static struct pollfd p[16];
	static unsigned int n;
	int fd;

	p[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	n += !n;
	if (kept >= 0 && n < 16)
		p[n++] = (struct pollfd){ .fd = server_accept(), .events = POLLIN };
	for (;;) {
		if (poll(p, n, 10000) < 1)
			FAIL("no session comes");
		for (unsigned int i = 1; i < n; i++) {
			if (!p[i].revents)
				continue;
			fd = p[i].fd;
			p[i] = p[--n];
			if (recv(fd, &(char){ 0 }, 1, MSG_PEEK) <= 0)
				close(fd);
			else if (!answer_query(fd))
				return fd;
			break;
		}
		if (p[0].revents && n < 16)
			p[n++] = (struct pollfd){ .fd = server_accept(), .events = POLLIN };
	}
}

struct lease_frame {
	struct vwire_frame h;
	struct vwire_lease l;
};

static inline void read_lease(int fd, struct lease_frame *f)
{
	read_all(fd, f, sizeof(*f));
	CHECK_EQ(le32toh(f->h.size), sizeof(*f));
	CHECK_EQ(le16toh(f->h.op), VWIRE_OP_LEASE);
	CHECK_EQ(le32toh(f->l.magic), VWIRE_MAGIC);
}

/* Sends back whatever comes until the end. */
static inline void *echo(void *arg)
{
	static __thread uint8_t buf[65536];
	int fd = (long)arg;
	ssize_t r;

	while ((r = recv(fd, buf, sizeof(buf), 0)) > 0)
		if (send(fd, buf, r, MSG_NOSIGNAL) != r)
			break;
	close(fd);
	return NULL;
}

/* ---- vgpud ---- */

static inline void daemon_spawn(const char *more)
{
	char server[64];

	unlink(LOG_FILE);
	snprintf(server, sizeof(server), "--server=127.0.0.1:%u", port);
	daemon_pid = fork();
	if (!daemon_pid) {
		int fd = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND, 0666);

		dup2(fd, 2);
		execl("/bin/vgpud", "vgpud", port ? server : "--server=", "--tenant=blue",
		      "--log-level=debug", "--probe-interval=100ms", more, NULL);
		_exit(127);
	}
}

static inline void dump_log(void)
{
	char line[512];
	FILE *f = fopen(LOG_FILE, "r");

	while (f && fgets(line, sizeof(line), f))
		printf("# %s", line);
	if (f)
		fclose(f);
}

static inline void wait_attribute(const char *name, const char *want)
{
	double end = now() + 10;

	while (strcmp(attribute(name), want) && now() < end)
		usleep(5000);
	if (strcmp(attribute(name), want)) {
		dump_log();
		FAIL("%s is \"%s\", should become \"%s\"", name, attribute(name), want);
	}
}

/* The one of the case before may still be dying. */
static inline void daemon_start(const char *more)
{
	wait_attribute("state", "offline");
	daemon_spawn(more);
}

static inline int daemon_wait(void)
{
	int status = -1;

	for (double end = now() + 10; now() < end; usleep(5000))
		if (waitpid(daemon_pid, &status, WNOHANG) == daemon_pid)
			return status;
	FAIL("vgpud does not exit");
}

static inline unsigned int daemon_fds(void)
{
	char path[64];
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", daemon_pid);
	d = opendir(path);
	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

/* utime + stime in ticks, and voluntary switches: 0 of either means that it slept. */
static inline unsigned long daemon_cpu(void)
{
	unsigned long u = 0, s = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", daemon_pid);
	f = fopen(path, "r");
	CHECK(f && fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u,
			  &s) == 2);
	fclose(f);
	return u + s;
}

static inline long status_number(const char *key)
{
	char path[64], line[256];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", daemon_pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			v = strtol(line + strlen(key) + 1, NULL, strncmp(key, "Cap", 3) ? 10 : 16);
	if (f)
		fclose(f);
	return v;
}

/* ---- the function ---- */

static inline void submit(struct side *s, const void *p, uint32_t n)
{
	uint64_t head = s->control->sq_head.index;

	for (double end = now() + 20; head + n - load_index(&s->control->sq_tail) > s->sq_bytes;) {
		if (now() > end)
			FAIL("the submission ring stays full");
		__atomic_store_n(&s->control->sq_head.asleep, 1, __ATOMIC_SEQ_CST);
		poll_for(s->fd, POLLOUT, 100);
		__atomic_store_n(&s->control->sq_head.asleep, 0, __ATOMIC_SEQ_CST);
	}
	memcpy(s->sq + head % s->sq_bytes, p, n);
	store_index(&s->control->sq_head, head + n);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&s->control->sq_tail.asleep, __ATOMIC_RELAXED))
		doorbell(s->fd);
}

/* The next frame, copied out; false: the ring is empty and hung up. */
static inline bool complete(struct side *s, void *buf, uint32_t max)
{
	uint64_t tail = s->control->cq_tail.index;
	double end = now() + 20;
	struct vwire_frame h;
	int events = 0;

	while (load_index(&s->control->cq_head) == tail) {
		if (events & POLLHUP)
			return false;
		if (now() > end) {
			dump_log();
			FAIL("no frame comes");
		}
		__atomic_store_n(&s->control->cq_tail.asleep, 1, __ATOMIC_SEQ_CST);
		events = poll_for(s->fd, POLLIN, 10000);
		__atomic_store_n(&s->control->cq_tail.asleep, 0, __ATOMIC_SEQ_CST);
	}
	memcpy(&h, s->cq + tail % s->cq_bytes, sizeof(h));
	CHECK(h.size >= 16 && h.size <= max);
	memcpy(buf, s->cq + tail % s->cq_bytes, h.size);
	store_index(&s->control->cq_tail, tail + h.size);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&s->control->cq_head.asleep, __ATOMIC_RELAXED))
		doorbell(s->fd);
	return true;
}

/* Frame n of a stream: its size and its bytes follow from n. */
static inline uint32_t make_frame(uint8_t *buf, uint64_t n)
{
	uint32_t size = 16 + 8 * ((n * 2654435761u >> 7) % (n % 16 ? 60 : 4000));
	struct vwire_frame h = { htole32(size), htole16(7), 0, htole64(n) };

	memcpy(buf, &h, sizeof(h));
	for (uint32_t i = sizeof(h); i < size; i++)
		buf[i] = n * 13 + i;
	return size;
}

static inline void expect_closed(struct side *s, uint32_t reason, const char *text)
{
	uint8_t buf[4096];
	struct vwire_frame h;
	struct vwire_refused c;

	do {
		if (!complete(s, buf, sizeof(buf)))
			FAIL("hung up without VWIRE_OP_CLOSED");
		memcpy(&h, buf, sizeof(h));
	} while (le16toh(h.op) != VWIRE_OP_CLOSED);
	memcpy(&c, buf + sizeof(h), sizeof(c));
	buf[sizeof(h) + sizeof(c) + le32toh(c.text_len)] = '\0';
	CHECK_EQ(le32toh(c.result), 46);
	CHECK_EQ(le32toh(c.reason), reason);
	if (!strstr((char *)buf + 32, text))
		FAIL("\"%s\" does not say \"%s\"", buf + 32, text);
	if (complete(s, buf, sizeof(buf)))
		FAIL("a frame after VWIRE_OP_CLOSED");
}

static inline void echo_frames(struct side *s, uint64_t first, uint64_t last)
{
	static __thread uint8_t want[65536], got[65536];
	uint64_t in = first;

	for (uint64_t out = first; out <= last; out++) {
		submit(s, want, make_frame(want, out));
		/* Some are left on their way, not more than fit. */
		while (in <= out && (out == last || out - in >= 3)) {
			uint32_t n = make_frame(want, in);

			if (!complete(s, got, sizeof(got)))
				FAIL("hung up at frame %llu", (unsigned long long)in);
			if (memcmp(want, got, n))
				FAIL("frame %llu is another", (unsigned long long)in);
			in++;
		}
	}
}

static inline void start_all(const char *more)
{
	server_listen(0);
	daemon_start(more);
	wait_attribute("state", "ready");
	answer_first_query();
	wait_attribute("name", "A GPU");
	CHECK_ATTRIBUTE("uuid", "00000000-0000-0000-0000-000000000007");
}

/* The first session, on the spare connection: the server's end. */
static inline int start_session(struct side *s)
{
	struct lease_frame lease;
	uint64_t id;
	int fd;

	start_all(NULL);
	fd = server_accept();
	function_setup(s, RING, RING, &id);
	read_lease(fd, &lease);
	return fd;
}

/*
 * A session with an echoing server. One of many of a process: its first frame says that it is no
 * bulk connection.
 */
static inline int open_echo(struct side *s, pthread_t *thread)
{
	struct vwire_frame first = { htole32(sizeof(first)), htole16(7), 0, 0 };
	struct lease_frame lease;
	uint64_t id;
	int fd;

	function_setup(s, RING, RING, &id);
	submit(s, &first, sizeof(first));
	fd = server_session();
	read_lease(fd, &lease);
	read_all(fd, &first, sizeof(first));
	CHECK(!pthread_create(thread, NULL, echo, (void *)(long)fd));
	return fd;
}

#endif
