// SPDX-License-Identifier: MIT
/*
 * vgpud_gpu_test.c - vgpud asks a server which GPU it has: what comes back, and what is no answer
 *
 * The server is a thread that says what the case wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gpu.h"
#include "vgpu_codec.h"

static struct event_loop loop;
static struct gpu_query query;
static struct net_addr address;
static int listener;

/* What the server sends; then it closes, or waits for the other side to. */
static uint8_t answer[VWIRE_CONTROL_MAX];
static size_t answer_bytes;
static bool waits;

static int result;
static struct gpu found;
static bool over;

static void done(struct gpu_query *q, int err, const struct gpu *gpu)
{
	assert_ptr_equal(q, &query);
	assert_false(over);
	assert_int_equal(!gpu, err != 0);
	over = true;
	result = err;
	if (gpu)
		found = *gpu;
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(event_loop_init(&loop), 0);
	assert_int_equal(net_resolve("127.0.0.1:0", true, &address, 1), 1);
	listener = net_listen(&address, 4);
	assert_true(listener >= 0);
	return net_local(listener, &address);
}

static int tear_down(void **state)
{
	(void)state;
	close(listener);
	event_loop_fini(&loop);
	return 0;
}

static void *serve(void *arg)
{
	struct {
		struct vwire_frame h;
		struct vwire_lease l;
	} asked;
	struct pollfd p = { .fd = listener, .events = POLLIN };
	size_t half = answer_bytes / 2;
	int fd;

	(void)arg;
	assert_int_equal(poll(&p, 1, 5000), 1);
	fd = accept(listener, NULL, NULL);
	assert_int_equal(recv(fd, &asked, sizeof(asked), MSG_WAITALL), sizeof(asked));
	assert_int_equal(le16toh(asked.h.op), VWIRE_OP_QUERY);
	assert_int_equal(le32toh(asked.l.magic), VWIRE_MAGIC);
	assert_string_equal(asked.l.tenant, "blue");
	/* in two pieces, which the header of a frame may lie across */
	assert_int_equal(send(fd, answer, half, MSG_NOSIGNAL), half);
	usleep(1000);
	assert_int_equal(send(fd, answer + half, answer_bytes - half, MSG_NOSIGNAL), answer_bytes - half);
	if (waits)
		assert_int_equal(recv(fd, &asked, 1, 0), 0);
	close(fd);
	return NULL;
}

/* The result of one question. */
static int ask(uint32_t timeout_ms)
{
	pthread_t server;

	over = false;
	memset(&found, 0, sizeof(found));
	assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
	gpu_query_start(&query, &loop, &address, 1, "blue", timeout_ms, done);
	while (!over)
		assert_int_equal(event_loop_run(&loop, true), 0);
	pthread_join(server, NULL);
	return result;
}

static void put_frame(uint16_t op, const void *payload, size_t n)
{
	struct vwire_frame h = { .size = htole32(sizeof(h) + n), .op = htole16(op) };

	memcpy(answer, &h, sizeof(h));
	memcpy(answer + sizeof(h), payload, n);
	answer_bytes = sizeof(h) + n;
}

/* Of a server with such a GPU, behind a value that is not looked at. */
static void put_info(const char *name)
{
	struct vwire_info v = { .version = htole32(VWIRE_VERSION), .nr_devices = htole32(1) };
	struct vwire_device d = { .uuid = { [0] = 0xab, [15] = 7 } };
	struct vwire_tlv other = { .type = htole16(VWIRE_TLV_DRIVER), .len = htole32(8) };
	struct vwire_tlv t = { .type = htole16(VWIRE_TLV_DEVICE), .len = htole32(sizeof(d)) };
	uint8_t payload[1024];
	struct vwire_wr w = wr_init(payload, sizeof(payload));

	memcpy(d.name, name, strnlen(name, sizeof(d.name)));
	wr_bytes(&w, &v, sizeof(v));
	wr_bytes(&w, &other, sizeof(other));
	wr_bytes(&w, (char[8]){ "580.65" }, 8);
	wr_bytes(&w, &t, sizeof(t));
	wr_bytes(&w, &d, sizeof(d));
	put_frame(VWIRE_OP_INFO, payload, wr_len(&w));
}

static void the_gpu_has_a_name_and_a_uuid(void **state)
{
	static const uint8_t uuid[VGPU_UUID_BYTES] = { [0] = 0xab, [15] = 7 };
	char longest[VWIRE_NAME_MAX + 1];

	(void)state;
	put_info("NVIDIA H100 80GB HBM3");
	assert_int_equal(ask(5000), 0);
	assert_string_equal(found.name, "NVIDIA H100 80GB HBM3");
	assert_memory_equal(found.uuid, uuid, sizeof(uuid));
	put_info("a\nb\x7f\xc3");	/* the module takes no such name */
	assert_int_equal(ask(5000), 0);
	assert_string_equal(found.name, "a?b??");
	memset(longest, 'n', sizeof(longest));
	longest[VWIRE_NAME_MAX] = '\0';
	put_info(longest);		/* without a NUL */
	assert_int_equal(ask(5000), 0);
	assert_int_equal(strlen(found.name), VGPU_GPU_NAME_MAX - 1);
}

static void what_is_no_answer_is_an_error(void **state)
{
	static const uint32_t bad_sizes[] = { 0, 8, 20, VWIRE_CONTROL_MAX + 8, UINT32_MAX - 7 };
	struct vwire_refused r = { .reason = htole32(VWIRE_REASON_WORKER) };
	size_t whole;

	(void)state;
	put_frame(VWIRE_OP_REFUSED, &r, sizeof(r));
	assert_int_equal(ask(5000), -EAGAIN);
	r.reason = htole32(VWIRE_REASON_DRAINING);
	put_frame(VWIRE_OP_REFUSED, &r, sizeof(r));
	assert_int_equal(ask(5000), -ECONNREFUSED);
	put_frame(VWIRE_OP_REFUSED, &r, 8);
	assert_int_equal(ask(5000), -EPROTO);
	put_frame(VWIRE_OP_WELCOME, &r, sizeof(r));
	assert_int_equal(ask(5000), -EPROTO);
	put_info("");
	assert_int_equal(ask(5000), -EPROTO);
	put_info("A GPU");
	whole = answer_bytes;
	for (answer_bytes = 0; answer_bytes < whole; answer_bytes += 24)
		assert_int_equal(ask(5000), -EPIPE);
	/* of sizes that no answer has */
	for (size_t i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++) {
		struct vwire_frame h = { .size = htole32(bad_sizes[i]) };

		memcpy(answer, &h, sizeof(h));
		answer_bytes = sizeof(h);
		assert_int_equal(ask(5000), -EPROTO);
	}
}

static void a_server_that_says_nothing_is_not_waited_for(void **state)
{
	(void)state;
	answer_bytes = 0;
	waits = true;
	assert_int_equal(ask(20), -ETIMEDOUT);
	waits = false;
}

static void a_cancelled_question_has_no_answer(void **state)
{
	(void)state;
	over = false;
	gpu_query_start(&query, &loop, &address, 1, "blue", 5000, done);
	gpu_query_cancel(&query);
	assert_int_equal(event_loop_run(&loop, false), 0);
	assert_false(over);
	gpu_query_cancel(&query);
	/* nobody there: told from the loop */
	gpu_query_start(&query, &loop, NULL, 0, "blue", 5000, done);
	assert_false(over);
	while (!over)
		assert_int_equal(event_loop_run(&loop, true), 0);
	assert_int_equal(result, -EHOSTUNREACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_gpu_has_a_name_and_a_uuid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_answer_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_server_that_says_nothing_is_not_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cancelled_question_has_no_answer, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
