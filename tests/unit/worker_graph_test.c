/* SPDX-License-Identifier: MIT */
/*
 * worker_graph_test.c - graphs and host functions at a vgpu-worker on softgpu, from clients that mean
 * well and from those that do not
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cuda.h>

#include "worker_client.h"

#define PAGE	(2ull << 20)
#define EXEC	5u
#define BYTES	64u
#define TOKEN	77u

static struct client client;
static uint8_t text[4096];

/* ---- what a client sends ---- */

static void put_node(struct vwire_wr *wr, uint32_t type, const void *doing, size_t n)
{
	struct vwire_graph_node head = { .type = type, .bytes = n };

	wr_bytes(wr, &head, sizeof(head));
	wr_bytes(wr, doing, n);
}

static struct vwire_graph_side here(uint32_t token)
{
	return (struct vwire_graph_side){ .type = CU_MEMORYTYPE_HOST, .ptr = token, .pitch = BYTES,
					  .height = 1 };
}

static struct vwire_graph_side there(void)
{
	return (struct vwire_graph_side){ .type = CU_MEMORYTYPE_DEVICE,
					  .ptr = client.welcome.range_base, .pitch = BYTES,
					  .height = 1 };
}

/* From the client to the device, a function, and back. */
static size_t make_text(uint32_t flags)
{
	struct vwire_wr wr = wr_init(text, sizeof(text));
	struct vwire_graph head = { .nr_nodes = 3, .nr_edges = 2 };
	struct vwire_graph_copy in = { .src = here(TOKEN), .dst = there(), .width = BYTES,
				       .height = 1, .depth = 1, .flags = flags };
	struct vwire_graph_copy out = { .src = there(), .dst = here(TOKEN + 2), .width = BYTES,
					.height = 1, .depth = 1 };
	struct vwire_graph_edge edges[] = { { .from = 0, .to = 1 }, { .from = 1, .to = 2 } };
	uint64_t token = TOKEN + 1;

	wr_bytes(&wr, &head, sizeof(head));
	put_node(&wr, CU_GRAPH_NODE_TYPE_MEMCPY, &in, sizeof(in));
	put_node(&wr, CU_GRAPH_NODE_TYPE_HOST, &token, sizeof(token));
	put_node(&wr, CU_GRAPH_NODE_TYPE_MEMCPY, &out, sizeof(out));
	wr_bytes(&wr, edges, sizeof(edges));
	return wr_len(&wr);
}

static uint64_t send_graph(size_t n, uint16_t flags)
{
	struct {
		struct vwire_image head;
		uint8_t bytes[sizeof(text)];
	} part = { .head = { .total = n, .len = n } };
	struct vwire_graph_instantiate in = { .exec = EXEC, .bytes = n };

	memcpy(part.bytes, text, n);
	if (n)
		client_send(&client, VWIRE_OP_IMAGE, 0, &part, sizeof(part.head) + ((n + 7) & ~7ull));
	return client_send(&client, CUDA_ID_cuGraphInstantiateWithParams, flags, &in, sizeof(in));
}

static uint32_t instantiate(size_t n)
{
	return client_reply(&client, send_graph(n, VWIRE_F_WAIT), NULL);
}

static void feed(uint64_t call, uint32_t node, uint64_t total, uint64_t offset, const void *p,
		 size_t n)
{
	struct {
		struct vwire_feed head;
		uint8_t bytes[BYTES];
	} f = { .head = { .call = call, .exec = EXEC, .node = node, .total = total,
			  .offset = offset, .len = n } };

	if (n)
		memcpy(f.bytes, p, n);
	client_send(&client, VWIRE_OP_FEED, 0, &f, sizeof(f.head) + n);
}

static struct vwire_call next_call(uint8_t *data)
{
	const struct vwire_frame *f;
	struct vwire_call c;

	do {
		f = client_recv(&client, 5000);
		assert_non_null(f);
	} while (f->op != VWIRE_OP_CALL);
	memcpy(&c, f + 1, sizeof(c));
	if (data)
		memcpy(data, (const uint8_t *)(f + 1) + sizeof(c), c.len);
	return c;
}

static void open_client(void)
{
	client_open(&client);
	assert_int_equal(client_reply(&client, client_map(&client, 0, PAGE, VWIRE_F_WAIT), NULL), 0);
}

static void assert_closed(void)
{
	while (!client.closed && client_recv(&client, 5000))
		;
	assert_true(client.closed);
	assert_int_equal(client.close_reason, VWIRE_REASON_PROTOCOL);
	assert_int_equal(client_end(&client), 0);
}

/* ---- tests ---- */

static void a_graph_reads_calls_and_stores(void **state)
{
	uint8_t sent[BYTES], got[BYTES];
	struct vwire_call c;

	(void)state;
	open_client();
	assert_int_equal(instantiate(make_text(0)), 0);
	for (int round = 0; round < 3; round++) {
		memset(sent, 0x11 * (round + 1), sizeof(sent));
		feed(0, 0, BYTES, 0, sent, BYTES / 2);
		feed(0, 0, BYTES, BYTES / 2, sent + BYTES / 2, BYTES / 2);
		client_u64(&client, CUDA_ID_cuGraphLaunch, 0, 2, (uint64_t)EXEC, 0ull);
		c = next_call(NULL);
		assert_int_equal(c.kind, VWIRE_CALL_FUNCTION);
		assert_int_equal(c.token, TOKEN + 1);
		feed(c.call, 0, 0, 0, NULL, 0);
		c = next_call(got);
		assert_int_equal(c.kind, VWIRE_CALL_STORE);
		assert_int_equal(c.token, TOKEN + 2);
		assert_int_equal(c.len, BYTES);
		assert_memory_equal(got, sent, BYTES);
	}
	assert_int_equal(client_end(&client), 0);
}

static void what_a_graph_reads_is_asked_for(void **state)
{
	uint8_t sent[BYTES], got[BYTES];
	struct vwire_call c;

	(void)state;
	open_client();
	memset(sent, 0x3c, sizeof(sent));
	assert_int_equal(instantiate(make_text(VWIRE_GRAPH_F_FETCH)), 0);
	client_u64(&client, CUDA_ID_cuGraphLaunch, 0, 2, (uint64_t)EXEC, 0ull);
	c = next_call(NULL);
	assert_int_equal(c.kind, VWIRE_CALL_FETCH);
	assert_int_equal(c.token, TOKEN);
	feed(c.call, 0, BYTES, 0, sent, BYTES);
	c = next_call(NULL);
	assert_int_equal(c.kind, VWIRE_CALL_FUNCTION);
	feed(c.call, 0, 0, 0, NULL, 0);
	c = next_call(got);
	assert_int_equal(c.kind, VWIRE_CALL_STORE);
	assert_memory_equal(got, sent, BYTES);
	assert_int_equal(client_end(&client), 0);
}

/* Whoever does not wait for the answer hears of what goes wrong. */
static void without_an_answer_an_error_is_told(void **state)
{
	uint8_t sent[BYTES] = { 0x77 }, got[BYTES];
	uint64_t bad;

	(void)state;
	open_client();
	bad = send_graph(make_text(0) - 8, 0);
	assert_int_equal(client_reply(&client, client_sync(&client, CUDA_ID_cuCtxSynchronize_v2, 0),
				      NULL), 0);
	assert_int_equal(client.nr_errors, 1);
	assert_int_equal(client.error.op, CUDA_ID_cuGraphInstantiateWithParams);
	assert_int_equal(client.error.seq, bad);
	assert_int_equal(client.error.result, CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(client.error.sticky, 0);
	send_graph(make_text(0), 0);
	feed(0, 0, BYTES, 0, sent, BYTES);
	client_u64(&client, CUDA_ID_cuGraphLaunch, 0, 2, (uint64_t)EXEC, 0ull);
	feed(next_call(NULL).call, 0, 0, 0, NULL, 0);
	next_call(got);
	assert_memory_equal(got, sent, BYTES);
	assert_int_equal(client.nr_errors, 1);
	assert_int_equal(client_end(&client), 0);
}

/* Cut anywhere, and with each word made extreme: refused, and the next is served. */
static void graphs_that_lie_are_refused(void **state)
{
	static const uint32_t lies[] = { 0xffffffff, 0x7fffffff, 0x80000000, 1000, 0 };
	size_t n;

	(void)state;
	open_client();
	for (size_t cut = 8; cut < make_text(0); cut += 8)
		assert_int_not_equal(instantiate(cut), 0);
	n = make_text(0);
	for (size_t at = 0; at < n; at += 4) {
		for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
			make_text(0);
			memcpy(text + at, &lies[i], 4);
			if (instantiate(n) == 0)
				client_send(&client, CUDA_ID_cuGraphExecDestroy, 0,
					    &(struct vwire_graph_exec){ .exec = EXEC },
					    sizeof(struct vwire_graph_exec));
		}
	}
	assert_int_equal(instantiate(make_text(0)), 0);
	assert_int_equal(client_end(&client), 0);
}

static void memory_that_is_not_the_clients_is_no_graphs(void **state)
{
	size_t at = sizeof(struct vwire_graph) + sizeof(struct vwire_graph_node) +
		    sizeof(struct vwire_graph_side) + offsetof(struct vwire_graph_side, ptr);
	uint64_t beyond[3];
	size_t n;

	(void)state;
	open_client();
	beyond[0] = client.welcome.range_base + client.welcome.range_bytes - 8;
	beyond[1] = client.welcome.range_base - 8;
	beyond[2] = (uintptr_t)&at;
	for (int i = 0; i < 3; i++) {
		n = make_text(0);
		memcpy(text + at, &beyond[i], 8);
		if (instantiate(n) == 0)
			fail_msg("a copy to %llx was taken", (unsigned long long)beyond[i]);
	}
	assert_int_equal(client_end(&client), 0);
}

/* The id of the kernel in a text. */
static uint32_t load_kernel(void)
{
	static const char ptx[] = ".version 8.0\n.target sm_75\n.address_size 64\n"
				  ".visible .entry nothing() { ret; }";
	struct vwire_module m;
	struct vwire_kernel k;
	struct vwire_rd rd;

	assert_int_equal(client_reply(&client, client_image(&client, ptx, sizeof(ptx), 1, 0, 0), &rd), 0);
	rd_copy(&rd, &m, sizeof(m));
	assert_int_equal(m.nr_kernels, 1);
	rd_copy(&rd, &k, sizeof(k));
	return k.function;
}

/* An event stands as a pointer in a node's attribute: the driver is never shown a client's. */
static void attributes_of_kernels_are_no_pointers(void **state)
{
	static const struct { uint32_t id, want; } all[] = {
		{ CU_LAUNCH_ATTRIBUTE_PRIORITY, CUDA_SUCCESS },
		{ CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING, CUDA_SUCCESS },
		{ CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT, CUDA_ERROR_NOT_SUPPORTED },
		{ CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT, CUDA_ERROR_NOT_SUPPORTED },
		{ CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE, CUDA_ERROR_NOT_SUPPORTED },
		{ 1000, CUDA_ERROR_NOT_SUPPORTED },
	};
	struct {
		struct vwire_launch_ex ex;
		uint32_t id, none;
		uint64_t value[8];
	} node = { .ex = { .launch = { .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } }, .nr_attributes = 1 } };
	struct vwire_graph head = { .nr_nodes = 1 };

	(void)state;
	open_client();
	node.ex.launch.function = load_kernel();
	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct vwire_wr wr = wr_init(text, sizeof(text));
		struct vwire_graph_exec exec = { .exec = EXEC };

		node.id = all[i].id;
		node.value[0] = all[i].want ? 0xdead0000dead : 0;
		wr_bytes(&wr, &head, sizeof(head));
		put_node(&wr, CU_GRAPH_NODE_TYPE_KERNEL, &node, sizeof(node));
		assert_int_equal(instantiate(wr_len(&wr)), all[i].want);
		if (!all[i].want)
			client_send(&client, CUDA_ID_cuGraphExecDestroy, 0, &exec, sizeof(exec));
	}
	assert_int_equal(client_end(&client), 0);
}

static void data_that_nothing_asked_for_closes_the_session(void **state)
{
	uint8_t bytes[BYTES] = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++) {
		open_client();
		assert_int_equal(instantiate(make_text(0)), 0);
		if (i == 0)
			feed(0, 1, BYTES, 0, bytes, BYTES);	/* a function takes none */
		else if (i == 1)
			feed(0, 99, BYTES, 0, bytes, BYTES);
		else if (i == 2)
			feed(0, 0, BYTES, 8, bytes, BYTES - 8);	/* a gap */
		else if (i == 3)
			feed(0, 0, 8, 0, bytes, BYTES);		/* more than promised */
		else
			feed(0, 0, UINT64_MAX, 0, bytes, BYTES);
		assert_closed();
	}
}

/* An answer to no call is an old one's; one of the wrong length is a lie. */
static void answers(void **state)
{
	uint8_t bytes[BYTES] = { 0 };
	struct vwire_call c;

	(void)state;
	open_client();
	feed(1234, 0, 0, 0, NULL, 0);
	assert_int_equal(instantiate(make_text(VWIRE_GRAPH_F_FETCH)), 0);
	client_u64(&client, CUDA_ID_cuGraphLaunch, 0, 2, (uint64_t)EXEC, 0ull);
	c = next_call(NULL);
	feed(c.call, 0, BYTES - 8, 0, bytes, BYTES - 8);
	assert_closed();
}

/* A client that goes while its function runs leaves nothing behind. */
static void a_client_goes_without_an_answer(void **state)
{
	struct vwire_host_func f = { .token = 3 };

	(void)state;
	open_client();
	client_send(&client, CUDA_ID_cuLaunchHostFunc, 0, &f, sizeof(f));
	client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	assert_int_equal(next_call(NULL).kind, VWIRE_CALL_FUNCTION);
	assert_int_equal(client_end(&client), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_graph_reads_calls_and_stores),
		cmocka_unit_test(what_a_graph_reads_is_asked_for),
		cmocka_unit_test(without_an_answer_an_error_is_told),
		cmocka_unit_test(graphs_that_lie_are_refused),
		cmocka_unit_test(memory_that_is_not_the_clients_is_no_graphs),
		cmocka_unit_test(attributes_of_kernels_are_no_pointers),
		cmocka_unit_test(data_that_nothing_asked_for_closes_the_session),
		cmocka_unit_test(answers),
		cmocka_unit_test(a_client_goes_without_an_answer),
	};

	setenv("WORKER_TEST_CUDA", "build/softgpu/libcuda.so.1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
