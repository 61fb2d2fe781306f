/* SPDX-License-Identifier: MIT */
#include "worker_client.h"

#include <cuda.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "imagecache.h"

#define CONTROL_FD	3
#define PATIENCE_MS	10000

uint64_t client_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static void run_worker(int control, const char *cache)
{
	const char *cuda = getenv("WORKER_TEST_CUDA");
	const char *level = getenv("WORKER_TEST_LOG");
	const char *argv[] = {
		WORKER_PROGRAM,
		"--control",
		"3",
		"--cuda",
		cuda ? cuda : WORKER_DOUBLE,
		"--log-level",
		level ? level : "err",
		cache ? "--image-cache" : NULL,
		cache,
		NULL,
	};

	if (control != CONTROL_FD)
		dup2(control, CONTROL_FD);
	execv(argv[0], (char *const *)argv);
	perror(argv[0]);
	_exit(127);
}

void client_start(struct client *c, const char *cache)
{
	int pair[2];

	memset(c, 0, offsetof(struct client, frame));
	c->fd = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (!c->pid)
		run_worker(pair[1], cache);
	close(pair[1]);
	c->control = pair[0];
	c->data = malloc(CLIENT_DATA_MAX);
	assert_int_equal(recv(c->control, &c->ready, sizeof(c->ready), 0), sizeof(c->ready));
	assert_int_equal(c->ready.head.type, CONTROL_READY);
}

void client_pass(struct client *c, const void *msg, size_t n, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} u = { 0 };
	struct iovec iov = { .iov_base = (void *)msg, .iov_len = n };
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.bytes,
		.msg_controllen = sizeof(u.bytes),
	};
	struct cmsghdr *m = CMSG_FIRSTHDR(&h);

	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(m), &fd, sizeof(fd));
	assert_int_equal(sendmsg(c->control, &h, 0), n);
}

void client_lease(struct client *c, uint64_t mem_limit, uint64_t features, const char *tenant)
{
	struct control_lease l = {
		.head = { .version = CONTROL_VERSION, .type = CONTROL_LEASE },
		.id = 1,
		.mem_limit = mem_limit,
		.lease = { .magic = VWIRE_MAGIC, .version = VWIRE_VERSION, .features = features },
		.client = "test",
	};
	int pair[2];

	strcpy(l.lease.tenant, tenant);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	client_pass(c, &l, sizeof(l), pair[1]);
	close(pair[1]);
	c->fd = pair[0];
}

void client_hello(struct client *c)
{
	struct vwire_hello h = {
		.version = VWIRE_VERSION,
		.reply_max = VWIRE_FRAME_MAX,
		.table_hash = GEN_TABLE_HASH,
		.pid = getpid(),
	};
	const struct vwire_frame *f;

	client_send(c, VWIRE_OP_HELLO, 0, &h, sizeof(h));
	f = client_recv(c, PATIENCE_MS);
	assert_non_null(f);
	assert_int_equal(f->op, VWIRE_OP_WELCOME);
	memcpy(&c->welcome, f + 1, sizeof(c->welcome));
	c->welcome_len = f->size - sizeof(*f) - sizeof(c->welcome);
	assert_true(c->welcome_len <= sizeof(c->welcome_values));
	memcpy(c->welcome_values, (const uint8_t *)(f + 1) + sizeof(c->welcome), c->welcome_len);
}

void client_open(struct client *c)
{
	client_start(c, NULL);
	client_lease(c, CLIENT_MEM, 0, "default");
	client_hello(c);
}

int client_wait_exit(struct client *c)
{
	uint64_t end = client_now_ms() + PATIENCE_MS;
	int status = -1;

	while (waitpid(c->pid, &status, WNOHANG) == 0) {
		assert_true(client_now_ms() < end);
		usleep(1000);
	}
	if (c->fd >= 0)
		close(c->fd);
	close(c->control);
	free(c->data);
	return status;
}

int client_end(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	return client_wait_exit(c);
}

void client_send_raw(struct client *c, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n) {
		ssize_t part = send(c->fd, p, n, MSG_NOSIGNAL);

		if (part < 0)
			return;
		p += part;
		n -= part;
	}
}

uint64_t client_send(struct client *c, uint16_t op, uint16_t flags, const void *payload, size_t n)
{
	struct vwire_frame f = {
		.size = sizeof(f) + vwire_pad(n), .op = op, .flags = flags, .seq = ++c->seq,
	};
	static const uint8_t zeros[8];

	client_send_raw(c, &f, sizeof(f));
	client_send_raw(c, payload, n);
	client_send_raw(c, zeros, vwire_pad(n) - n);
	return c->seq;
}

static bool read_all(int fd, void *p, size_t n, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t *at = p;

	while (n) {
		ssize_t part;

		if (poll(&pfd, 1, ms) <= 0)
			return false;
		part = recv(fd, at, n, 0);
		if (part <= 0)
			return false;
		at += part;
		n -= part;
	}
	return true;
}

static void note_data(struct client *c, const struct vwire_frame *f, const void *p)
{
	struct vwire_data d;

	memcpy(&d, p, sizeof(d));
	if (c->data_seq != f->seq)
		c->data_bytes = 0;
	assert_true(d.len <= f->size - sizeof(*f) - sizeof(d));
	assert_int_equal(d.offset, c->data_bytes);
	assert_true(d.offset + d.len <= CLIENT_DATA_MAX);
	memcpy(c->data + d.offset, (const uint8_t *)p + sizeof(d), d.len);
	c->data_seq = f->seq;
	c->data_bytes += d.len;
}

static void note_closed(struct client *c, const void *p)
{
	struct vwire_refused r;

	memcpy(&r, p, sizeof(r));
	c->closed = true;
	c->close_result = r.result;
	c->close_reason = r.reason;
	assert_true(r.text_len < VWIRE_TEXT_MAX);
	memcpy(c->close_text, (const uint8_t *)p + sizeof(r), r.text_len);
	c->close_text[r.text_len] = 0;
}

static void note(struct client *c, const struct vwire_frame *f)
{
	const void *p = f + 1;
	struct vwire_freed freed;

	switch (f->op) {
	case VWIRE_OP_DATA:
		note_data(c, f, p);
		break;
	case VWIRE_OP_ERROR:
		memcpy(&c->error, p, sizeof(c->error));
		c->nr_errors++;
		break;
	case VWIRE_OP_FREED:
		memcpy(&freed, p, sizeof(freed));
		assert_true(freed.seq > c->freed);
		c->freed = freed.seq;
		break;
	case VWIRE_OP_STATUS:
		memcpy(&c->status, p, sizeof(c->status));
		c->nr_status++;
		break;
	case VWIRE_OP_REFUSED:
	case VWIRE_OP_CLOSED:
		note_closed(c, p);
		break;
	}
}

const struct vwire_frame *client_recv(struct client *c, int ms)
{
	struct vwire_frame *f = (struct vwire_frame *)c->frame;

	if (!read_all(c->fd, f, sizeof(*f), ms))
		return NULL;
	assert_true(f->size >= sizeof(*f) && f->size <= VWIRE_FRAME_MAX && f->size % 8 == 0);
	assert_false(c->closed);
	if (!read_all(c->fd, f + 1, f->size - sizeof(*f), PATIENCE_MS))
		return NULL;
	note(c, f);
	return f;
}

uint32_t client_reply(struct client *c, uint64_t seq, struct vwire_rd *payload)
{
	const struct vwire_frame *f;
	struct vwire_rd rd;
	struct vwire_reply r;

	do {
		f = client_recv(c, PATIENCE_MS);
		if (!f)
			fail_msg("no reply to %llu; closed: %s", (unsigned long long)seq,
				 c->close_text);
	} while (!(f->flags & VWIRE_F_REPLY) || f->seq != seq);
	rd = rd_init(f + 1, f->size - sizeof(*f));
	rd_copy(&rd, &r, sizeof(r));
	assert_false(rd.err);
	if (payload)
		*payload = rd;
	return r.result;
}

uint64_t client_map(struct client *c, uint64_t offset, uint64_t size, uint16_t flags)
{
	struct vwire_map m = { .addr = c->welcome.range_base + offset, .size = size };

	return client_send(c, CUDA_ID_cuMemAlloc_v2, flags, &m, sizeof(m));
}

uint64_t client_free(struct client *c, uint64_t offset, uint64_t size, uint16_t flags)
{
	struct vwire_free f = {
		.addr = c->welcome.range_base + offset, .size = size, .flags = VWIRE_FREE_F_UNMAP,
	};

	return client_send(c, CUDA_ID_cuMemFree_v2, flags, &f, sizeof(f));
}

uint64_t client_copy_in(struct client *c, uint64_t addr, const void *data, size_t n,
			uint32_t stream)
{
	static uint8_t buf[sizeof(struct vwire_copy_in) + VWIRE_DATA_MAX];
	struct vwire_copy_in h = { .dst = addr, .bytes = n, .stream = stream };

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), data, n);
	return client_send(c, CUDA_ID_cuMemcpyHtoDAsync_v2, 0, buf, sizeof(h) + n);
}

uint64_t client_copy_out(struct client *c, uint64_t addr, uint64_t n, uint32_t stream,
			 uint16_t flags)
{
	struct vwire_copy_out h = { .src = addr, .bytes = n, .stream = stream };

	return client_send(c, CUDA_ID_cuMemcpyDtoHAsync_v2, flags, &h, sizeof(h));
}

uint64_t client_u64(struct client *c, uint16_t op, uint16_t flags, int nr, ...)
{
	uint64_t values[8];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < nr; i++)
		values[i] = va_arg(ap, uint64_t);
	va_end(ap);
	return client_send(c, op, flags, values, nr * sizeof(values[0]));
}

uint64_t client_image(struct client *c, const void *image, size_t n, uint32_t module,
		      uint32_t flags, uint32_t log_bytes)
{
	struct vwire_module_load l = {
		.module = module, .flags = flags, .bytes = n, .log_bytes = log_bytes,
	};
	struct {
		struct vwire_image head;
		uint8_t bytes[1024];
	} part;

	imagecache_hash(image, n, l.hash);
	for (size_t at = 0; !(flags & VWIRE_MODULE_F_CACHED) && at < n; at += part.head.len) {
		size_t len = n - at < sizeof(part.bytes) ? n - at : sizeof(part.bytes);

		part.head = (struct vwire_image){ .total = n, .offset = at, .len = len };
		memcpy(part.bytes, (const uint8_t *)image + at, len);
		client_send(c, VWIRE_OP_IMAGE, 0, &part, sizeof(part.head) + len);
	}
	return client_send(c, CUDA_ID_cuModuleLoadData, flags & VWIRE_MODULE_F_LISTED ? 0 : VWIRE_F_WAIT,
			   &l, sizeof(l));
}

void client_kernels(struct client *c, uint32_t module, uint32_t flags, uint32_t ids[3])
{
	static const char text[] = "// kernels of the double";
	uint64_t seq = client_image(c, text, sizeof(text), module, flags, 0);
	struct vwire_module m;
	struct vwire_kernel k;
	struct vwire_rd rd;

	assert_int_equal(client_reply(c, seq, &rd), 0);
	rd_copy(&rd, &m, sizeof(m));
	assert_int_equal(m.nr_kernels, 3);
	for (int i = 0; i < 3; i++) {
		rd_copy(&rd, &k, sizeof(k));
		rd_bytes(&rd, k.nr_params * sizeof(struct vwire_param));
		rd_bytes(&rd, k.name_len);
		assert_false(rd.err);
		ids[i] = k.function;
	}
	assert_true(rd_end(&rd));
}

uint64_t client_launch(struct client *c, uint32_t function, uint32_t stream, uint16_t flags,
		       const void *params, size_t n)
{
	struct {
		struct vwire_launch l;
		uint8_t params[64];
	} m = { .l = { .function = function,
		       .stream = stream,
		       .grid = { 1, 1, 1 },
		       .block = { 32, 1, 1 } } };

	if (n)
		memcpy(m.params, params, n);
	return client_send(c, CUDA_ID_cuLaunchKernel, flags, &m, sizeof(m.l) + n);
}

void client_stream(struct client *c, uint32_t number)
{
	client_u64(c, CUDA_ID_cuStreamCreate, 0, 2, (uint64_t)number,
		   (uint64_t)CU_STREAM_NON_BLOCKING);
}

void client_sleep(struct client *c, uint32_t function, uint32_t stream, uint64_t ms)
{
	client_launch(c, function, stream, 0, &ms, sizeof(ms));
}

uint64_t client_sync(struct client *c, uint16_t op, uint32_t handle)
{
	return client_u64(c, op, VWIRE_F_WAIT, 1, (uint64_t)handle);
}
