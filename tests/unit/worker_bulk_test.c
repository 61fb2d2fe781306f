/* SPDX-License-Identifier: MIT */
/*
 * worker_bulk_test.c - bulk connections of a vgpu-worker, on softgpu: who may open one, stripes in
 * any order, and what closes the session
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <cuda.h>

#include "worker_client.h"

#undef cuStreamCreate

#define NR	14u	/* in any order: no more than the worker has slots, so that none waits for another */
#define BYTES	(NR * (uint64_t)VWIRE_STRIPE - 3)	/* the last stripe has an odd size */

static struct client client;
static uint8_t data[BYTES + 8], back[BYTES + 8];

struct stripe {
	struct vwire_frame frame;
	struct vwire_data data;
};

/* What the worker offers. */
static struct vwire_bulk offered(void)
{
	struct vwire_rd rd = rd_init(client.welcome_values, client.welcome_len);
	struct vwire_bulk v = { 0 };
	struct vwire_tlv t;
	const void *p;

	while (rd.end - rd.p >= (ptrdiff_t)sizeof(t)) {
		rd_copy(&rd, &t, sizeof(t));
		p = rd_bytes(&rd, t.len);
		assert_non_null(p);
		if (t.type == VWIRE_TLV_BULK) {
			assert_int_equal(t.len, sizeof(v));
			memcpy(&v, p, sizeof(v));
		}
	}
	assert_int_equal(v.magic, VWIRE_MAGIC);
	assert_in_range(v.connections, 1, 64);
	return v;
}

static bool read_all(int fd, void *p, size_t n)
{
	uint8_t *at = p;
	ssize_t got;

	for (; n; at += got, n -= got) {
		got = recv(fd, at, n, 0);
		if (got <= 0)
			return false;
	}
	return true;
}

/* Passes a connection to the worker, as vgpu-server does. -1: it was closed. */
static int bulk(const struct vwire_bulk *v)
{
	struct control_bulk msg = {
		.head = { .version = CONTROL_VERSION, .type = CONTROL_BULK },
		.bulk = *v,
		.client = "test",
	};
	struct timeval patience = { .tv_sec = 10 };
	struct vwire_frame answer;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	client_pass(&client, &msg, sizeof(msg), pair[1]);
	close(pair[1]);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!read_all(pair[0], &answer, sizeof(answer))) {
		close(pair[0]);
		return -1;
	}
	assert_int_equal(answer.op, VWIRE_OP_BULK);
	assert_int_equal(answer.size, sizeof(answer));
	return pair[0];
}

static int open_with_bulk(void)
{
	struct vwire_bulk v;
	int fd;

	client_open(&client);
	v = offered();
	fd = bulk(&v);
	assert_true(fd >= 0);
	client_map(&client, 0, 16ull << 20, 0);
	client_u64(&client, CUDA_ID_cuStreamCreate, 0, 2, 1ull, 1ull);
	for (size_t i = 0; i < BYTES; i++)
		data[i] = i * 2654435761u >> 11;
	return fd;
}

static uint64_t ask_in(uint64_t addr, uint64_t n)
{
	struct vwire_copy_in h = { .dst = addr, .bytes = n, .stream = 1 };

	return client_send(&client, VWIRE_OP_BULK_IN, 0, &h, sizeof(h));
}

static uint64_t ask_out(uint64_t addr, uint64_t n, uint16_t flags)
{
	struct vwire_copy_out h = { .src = addr, .bytes = n, .stream = 1 };

	return client_send(&client, VWIRE_OP_BULK_OUT, flags, &h, sizeof(h));
}

static size_t stripe_bytes(uint32_t i)
{
	return i + 1 < NR ? VWIRE_STRIPE : BYTES - (NR - 1) * (uint64_t)VWIRE_STRIPE;
}

static void send_all(int fd, const void *p, size_t n)
{
	const uint8_t *at = p;
	ssize_t part;

	for (; n; at += part, n -= part) {
		part = send(fd, at, n, MSG_NOSIGNAL);
		if (part < 0)
			return;		/* the worker has closed: the test looks at what it said */
	}
}

static void send_head(int fd, uint64_t seq, uint32_t i)
{
	size_t n = stripe_bytes(i);
	struct stripe s = {
		{ .size = sizeof(s) + vwire_pad(n), .op = VWIRE_OP_DATA, .seq = seq },
		{ .offset = i * (uint64_t)VWIRE_STRIPE, .len = n },
	};

	send_all(fd, &s, sizeof(s));
}

static void send_body(int fd, uint32_t i)
{
	send_all(fd, data + i * (uint64_t)VWIRE_STRIPE, vwire_pad(stripe_bytes(i)));
}

static void send_stripe(int fd, uint64_t seq, uint32_t i)
{
	send_head(fd, seq, i);
	send_body(fd, i);
}

/* Stripes of one copy to the host into back[]; returns their bytes. */
static uint64_t receive_stripes(int fd, uint64_t seq, uint64_t want)
{
	struct stripe s;
	uint8_t padding[8];
	uint64_t got = 0;

	while (got < want) {
		assert_true(read_all(fd, &s, sizeof(s)));
		assert_int_equal(s.frame.op, VWIRE_OP_DATA);
		assert_int_equal(s.frame.seq, seq);
		assert_int_equal(s.data.offset % VWIRE_STRIPE, 0);
		assert_int_equal(s.data.len, stripe_bytes(s.data.offset / VWIRE_STRIPE));
		assert_true(read_all(fd, back + s.data.offset, s.data.len));
		assert_true(read_all(fd, padding, vwire_pad(s.data.len) - s.data.len));
		got += s.data.len;
	}
	return got;
}

static uint64_t told(uint64_t seq)
{
	const struct vwire_frame *f;
	struct vwire_bulk_done v;

	do {
		f = client_recv(&client, 10000);
		assert_non_null(f);
	} while (f->op != VWIRE_OP_BULK_DONE);
	assert_int_equal(f->seq, seq);
	memcpy(&v, f + 1, sizeof(v));
	return v.bytes;
}

static void closed_with(const char *what)
{
	while (!client.closed)
		assert_non_null(client_recv(&client, 10000));
	assert_int_equal(client.close_reason, VWIRE_REASON_PROTOCOL);
	if (!strstr(client.close_text, what))
		fail_msg("closed with: %s", client.close_text);
	assert_int_equal(client_end(&client), 0);
}

/* The last stripe first, which begins ahead of the request; what is behind them in the stream has them all. */
static void stripes_come_in_any_order(void **state)
{
	int fd = open_with_bulk();
	uint64_t addr = client.welcome.range_base, seq;

	(void)state;
	send_head(fd, client.seq + 1, NR - 1);
	seq = ask_in(addr, BYTES);
	send_body(fd, NR - 1);
	for (uint32_t i = 0; i < NR - 1; i += 2)
		send_stripe(fd, seq, i);
	for (uint32_t i = 1; i < NR - 1; i += 2)
		send_stripe(fd, seq, i);
	seq = ask_out(addr, BYTES, VWIRE_F_WAIT);
	receive_stripes(fd, seq, BYTES);
	assert_int_equal(told(seq), BYTES);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_memory_equal(back, data, BYTES);
	assert_int_equal(client.nr_errors, 0);
	close(fd);
	assert_int_equal(client_end(&client), 0);
}

/* More than all slots, and slots taken up where the copy before has left off. */
static void copies_one_behind_the_other_share_the_slots(void **state)
{
	int fd = open_with_bulk();
	uint64_t addr = client.welcome.range_base, seq;

	(void)state;
	for (int i = 0; i < 5; i++) {
		data[BYTES / 2] = i;
		seq = ask_in(addr, BYTES);
		for (uint32_t j = 0; j < NR; j++)
			send_stripe(fd, seq, j);
	}
	for (int i = 0; i < 3; i++) {
		memset(back, 0, BYTES);
		seq = ask_out(addr, BYTES, 0);
		receive_stripes(fd, seq, BYTES);
		assert_int_equal(told(seq), BYTES);
		assert_memory_equal(back, data, BYTES);
	}
	assert_int_equal(client.nr_errors, 0);
	close(fd);
	assert_int_equal(client_end(&client), 0);
}

/* Requests of others are answered while one copy has no data yet; its own stream waits. */
static void a_copy_without_data_holds_up_its_stream_alone(void **state)
{
	int fd = open_with_bulk();
	uint64_t addr = client.welcome.range_base, seq, query;

	(void)state;
	client_u64(&client, CUDA_ID_cuStreamCreate, 0, 2, 2ull, 1ull);
	seq = ask_in(addr, BYTES);
	assert_int_equal(client_reply(&client, client_sync(&client, CUDA_ID_cuStreamSynchronize, 2), NULL),
			 0);
	query = client_sync(&client, CUDA_ID_cuStreamQuery, 1);
	assert_int_equal(client_reply(&client, query, NULL), CUDA_ERROR_NOT_READY);
	for (uint32_t i = 0; i < NR; i++)
		send_stripe(fd, seq, i);
	assert_int_equal(client_reply(&client, client_sync(&client, CUDA_ID_cuStreamSynchronize, 1), NULL),
			 0);
	close(fd);
	assert_int_equal(client_end(&client), 0);
}

/* The data of a copy that cannot be made is taken all the same, and the next copy is whole. */
static void a_wrong_address_is_the_copys_error_alone(void **state)
{
	int fd = open_with_bulk();
	uint64_t addr = client.welcome.range_base, seq;

	(void)state;
	seq = ask_in(0x10000, BYTES);
	for (uint32_t i = 0; i < NR; i++)
		send_stripe(fd, seq, i);
	seq = ask_in(addr + (32ull << 20), BYTES);	/* in the range, and nothing is mapped */
	for (uint32_t i = 0; i < NR; i++)
		send_stripe(fd, seq, i);
	seq = ask_out(addr + (32ull << 20), BYTES, VWIRE_F_WAIT);
	assert_int_equal(told(seq), 0);
	assert_int_not_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(client.nr_errors, 2);
	seq = ask_in(addr, BYTES);
	for (uint32_t i = 0; i < NR; i++)
		send_stripe(fd, seq, i);
	seq = ask_out(addr, BYTES, 0);
	receive_stripes(fd, seq, BYTES);
	assert_int_equal(client_reply(&client, client_sync(&client, CUDA_ID_cuStreamSynchronize, 1), NULL),
			 0);
	assert_memory_equal(back, data, BYTES);
	close(fd);
	assert_int_equal(client_end(&client), 0);
}

static void a_connection_without_the_token_is_closed(void **state)
{
	struct vwire_bulk right, wrong;
	int fds[64], nr = 0;

	(void)state;
	client_open(&client);
	right = wrong = offered();
	wrong.token[15] ^= 1;
	assert_int_equal(bulk(&wrong), -1);
	wrong = right;
	wrong.lease++;
	assert_int_equal(bulk(&wrong), -1);
	while (nr < 64 && (fds[nr] = bulk(&right)) >= 0)
		nr++;
	assert_int_equal(nr, right.connections);
	assert_int_equal(client_reply(&client, client_sync(&client, CUDA_ID_cuStreamSynchronize, 0), NULL),
			 0);
	while (nr)
		close(fds[--nr]);
	assert_int_equal(client_end(&client), 0);
}

static void lie(struct stripe s)
{
	int fd = open_with_bulk();

	s.frame.seq = ask_in(client.welcome.range_base, BYTES) + s.frame.seq;
	if (s.frame.seq > client.seq)
		ask_in(client.welcome.range_base, 1);	/* so that the number has been */
	send_all(fd, &s, sizeof(s));
	closed_with("bulk connection: ");
	close(fd);
}

#define STRIPE(op_, size_, seq_, offset_, len_)					\
	((struct stripe){ { .op = op_, .size = size_, .seq = seq_ }, { offset_, len_ } })
#define SIZE(n)		(sizeof(struct stripe) + (n))

static void stripes_that_lie_close_the_session(void **state)
{
	const uint32_t n = VWIRE_STRIPE;

	(void)state;
	lie(STRIPE(VWIRE_OP_DATA + 1, SIZE(n), 0, 0, n));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(n) + 8, 0, 0, n));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(n + 8), 0, 0, n + 8));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(0), 0, 0, 0));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(n), 0, 8, n));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(8), 0, 0, 8));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(n), 0, (uint64_t)NR * n, n));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(n), 0, -(uint64_t)n, n));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(n), 1, n, n));
	lie(STRIPE(VWIRE_OP_DATA, SIZE(n), -1, 0, n));
}

static void a_stripe_that_comes_twice_closes_the_session(void **state)
{
	int fd = open_with_bulk();
	uint64_t seq = ask_in(client.welcome.range_base, BYTES);

	(void)state;
	send_stripe(fd, seq, 3);
	send_stripe(fd, seq, 3);
	closed_with("bulk connection: ");
	close(fd);
}

static void a_copy_of_no_bytes_or_too_many_is_malformed(void **state)
{
	static const uint64_t sizes[] = { 0, VWIRE_BULK_MAX + 1ull, -1ull };
	int fd;

	(void)state;
	for (int i = 0; i < 6; i++) {
		fd = open_with_bulk();
		if (i < 3)
			ask_in(client.welcome.range_base, sizes[i]);
		else
			ask_out(client.welcome.range_base, sizes[i - 3], VWIRE_F_WAIT);
		closed_with("malformed");
		close(fd);
	}
}

static void a_copy_without_a_connection_is_malformed(void **state)
{
	(void)state;
	client_open(&client);
	ask_in(client.welcome.range_base, BYTES);
	closed_with("malformed");
}

/* A client that closes one of its connections, in the middle of a copy that a wait is behind. */
static void a_connection_that_ends_early_ends_the_session(void **state)
{
	int fd = open_with_bulk();
	uint64_t seq = ask_in(client.welcome.range_base, BYTES);
	const struct vwire_frame *f;

	(void)state;
	send_stripe(fd, seq, 0);
	client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	close(fd);
	/* the stream goes on, and nobody is told that it has come to an end */
	while (!client.closed) {
		f = client_recv(&client, 10000);
		assert_non_null(f);
		assert_int_not_equal(le16toh(f->op), CUDA_ID_cuCtxSynchronize);
	}
	assert_int_equal(client.close_reason, VWIRE_REASON_LOST);
	assert_int_equal(client_end(&client), 0);
}

/* And one that leaves altogether: the worker ends although a stream waits for data. */
static void a_client_that_leaves_in_the_middle_leaves_nothing_behind(void **state)
{
	int fd = open_with_bulk();

	(void)state;
	ask_in(client.welcome.range_base, BYTES);
	ask_out(client.welcome.range_base, BYTES, VWIRE_F_WAIT);
	close(fd);
	assert_int_equal(client_end(&client), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stripes_come_in_any_order),
		cmocka_unit_test(copies_one_behind_the_other_share_the_slots),
		cmocka_unit_test(a_copy_without_data_holds_up_its_stream_alone),
		cmocka_unit_test(a_wrong_address_is_the_copys_error_alone),
		cmocka_unit_test(a_connection_without_the_token_is_closed),
		cmocka_unit_test(stripes_that_lie_close_the_session),
		cmocka_unit_test(a_stripe_that_comes_twice_closes_the_session),
		cmocka_unit_test(a_copy_of_no_bytes_or_too_many_is_malformed),
		cmocka_unit_test(a_copy_without_a_connection_is_malformed),
		cmocka_unit_test(a_connection_that_ends_early_ends_the_session),
		cmocka_unit_test(a_client_that_leaves_in_the_middle_leaves_nothing_behind),
	};

	setenv("WORKER_TEST_CUDA", "build/softgpu/libcuda.so.1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
