/* SPDX-License-Identifier: MIT */
/*
 * worker_session_test.c - a vgpu-worker on the driver double, told what a good client would tell it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <cuda.h>

#include "worker_client.h"

#undef cuStreamSynchronize

#define PAGE	(2ull << 20)
#define STREAM_A	1u
#define EVENT_A	1u

static struct client client;

static uint64_t addr(uint64_t offset)
{
	return client.welcome.range_base + offset;
}

static void assert_good_end(void)
{
	assert_int_equal(client_end(&client), 0);
}

static void ready_and_welcome_describe_the_device(void **state)
{
	struct vwire_rd rd;
	struct vwire_tlv t;
	struct vwire_device d;
	struct vwire_attribute a;

	(void)state;
	client_open(&client);
	assert_string_equal(client.ready.name, "Clock");
	assert_int_equal(client.ready.total_mem, 256ull << 20);
	assert_int_equal(client.welcome.driver_version, 13000);
	assert_int_equal(client.welcome.mem_limit, CLIENT_MEM);
	assert_int_equal(client.welcome.granularity, PAGE);
	assert_true(client.welcome.range_bytes >= 64ull << 30);
	rd = rd_init(client.welcome_values, client.welcome_len);
	rd_copy(&rd, &t, sizeof(t));
	assert_int_equal(t.type, VWIRE_TLV_DEVICE);
	rd_copy(&rd, &d, sizeof(d));
	assert_string_equal(d.name, "Clock");
	assert_int_equal((int32_t)d.priority_greatest, -5);
	for (uint32_t i = 0; i < d.nr_attributes; i++) {
		rd_copy(&rd, &a, sizeof(a));
		if (a.id == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
			assert_int_equal(a.value, 9);
		else if (a.id != CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
			assert_int_equal(a.value, 1000 + a.id);
		assert_int_not_equal(a.id % 10, 9);
	}
	assert_true(rd_end(&rd));
	assert_good_end();
}

static void another_table_is_refused_with_both_named(void **state)
{
	struct vwire_hello h = {
		.version = VWIRE_VERSION,
		.reply_max = VWIRE_FRAME_MAX,
		.table_hash = 0x1234567890abcdefull,
	};
	char own[32];

	(void)state;
	client_start(&client, NULL);
	client_lease(&client, CLIENT_MEM, 0, "default");
	client_send(&client, VWIRE_OP_HELLO, 0, &h, sizeof(h));
	assert_non_null(client_recv(&client, 5000));
	assert_int_equal(client.close_reason, VWIRE_REASON_VERSION);
	assert_int_equal(client.close_result, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH);
	assert_non_null(strstr(client.close_text, "1234567890abcdef"));
	snprintf(own, sizeof(own), "%016llx", (unsigned long long)GEN_TABLE_HASH);
	assert_non_null(strstr(client.close_text, own));
	assert_good_end();
}

static void a_program_copies_computes_and_copies_back(void **state)
{
	struct {
		uint64_t p;
		uint32_t n;
		uint8_t x;
	} __attribute__((packed)) add = { .n = 1000, .x = 5 };
	uint8_t data[1000];
	uint32_t ids[3];

	(void)state;
	client_open(&client);
	for (int i = 0; i < 1000; i++)
		data[i] = i;
	client_map(&client, 0, PAGE, 0);
	client_kernels(&client, 7, VWIRE_MODULE_F_LIBRARY, ids);
	client_copy_in(&client, addr(64), data, sizeof(data), 0);
	add.p = addr(64);
	client_launch(&client, ids[1], 0, 0, &add, sizeof(add));
	assert_int_equal(client_reply(&client,
				      client_copy_out(&client, addr(64), 1000, 0, VWIRE_F_WAIT),
				      NULL),
			 0);
	assert_int_equal(client.data_bytes, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(client.data[i], (uint8_t)(i + 5));
	assert_int_equal(client.nr_errors, 0);
	assert_good_end();
}

static void a_large_copy_comes_in_pieces_and_in_order(void **state)
{
	static uint8_t data[VWIRE_DATA_MAX];
	uint64_t seq;

	(void)state;
	client_open(&client);
	client_map(&client, 0, 8 * PAGE, 0);
	for (size_t at = 0; at < CLIENT_DATA_MAX; at += sizeof(data)) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (at + i) * 2654435761u >> 24;
		client_copy_in(&client, addr(PAGE + at), data, sizeof(data), 0);
	}
	for (int round = 0; round < 4; round++) {
		seq = client_copy_out(&client, addr(PAGE), CLIENT_DATA_MAX, 0, VWIRE_F_WAIT);
		assert_int_equal(client_reply(&client, seq, NULL), 0);
		assert_int_equal(client.data_bytes, CLIENT_DATA_MAX);
		for (size_t i = 0; i < CLIENT_DATA_MAX; i++)
			if (client.data[i] != (uint8_t)(i * 2654435761u >> 24))
				fail_msg("byte %zu", i);
		memset(client.data, 0, CLIENT_DATA_MAX);
	}
	assert_good_end();
}

static void memory_is_given_within_the_limit_and_told_when_it_is_free(void **state)
{
	uint32_t ids[3];
	uint64_t seq, start;

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	client_map(&client, 0, CLIENT_MEM - PAGE, 0);
	assert_int_equal(
		client_reply(&client, client_map(&client, CLIENT_MEM, PAGE, VWIRE_F_WAIT), NULL),
		0);
	seq = client_map(&client, 2 * CLIENT_MEM, PAGE, VWIRE_F_WAIT);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_OUT_OF_MEMORY);
	start = client_now_ms();
	client_sleep(&client, ids[0], 0, 100);
	client_free(&client, CLIENT_MEM, PAGE, 0);
	seq = client_free(&client, 0, CLIENT_MEM - PAGE, 0);
	while (client.freed < seq)
		assert_non_null(client_recv(&client, 5000));
	assert_true(client_now_ms() - start >= 100);
	assert_int_equal(
		client_reply(&client, client_map(&client, 0, CLIENT_MEM, VWIRE_F_WAIT), NULL), 0);
	assert_int_equal(client.nr_errors, 0);
	assert_good_end();
}

static void two_mappings_side_by_side_are_freed_in_one(void **state)
{
	uint64_t seq;

	(void)state;
	client_open(&client);
	client_map(&client, 0, PAGE, 0);
	client_map(&client, PAGE, 2 * PAGE, 0);
	seq = client_free(&client, PAGE, PAGE, VWIRE_F_WAIT);	/* half of one */
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_VALUE);
	seq = client_free(&client, 0, 3 * PAGE, VWIRE_F_WAIT);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(client.freed, seq);
	seq = client_free(&client, 0, PAGE, VWIRE_F_WAIT);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_VALUE);
	assert_good_end();
}

static void mem_used_is_told_to_daemon_and_server(void **state)
{
	struct control_used u;

	(void)state;
	client_start(&client, NULL);
	client_lease(&client, CLIENT_MEM, VWIRE_FEAT_STATUS, "default");
	client_hello(&client);
	for (int i = 0; i < 20; i++)
		client_map(&client, i * PAGE, PAGE, 0);
	while (client.status != 20 * PAGE)
		assert_non_null(client_recv(&client, 1000));
	assert_true(client.nr_status < 20);
	do
		assert_int_equal(recv(client.control, &u, sizeof(u), 0), sizeof(u));
	while (u.mem_used != 20 * PAGE);
	assert_int_equal(u.head.type, CONTROL_USED);
	client_free(&client, 0, PAGE, 0);
	while (client.status != 19 * PAGE)
		assert_non_null(client_recv(&client, 1000));
	assert_good_end();
}

static void a_fault_is_told_once_as_sticky_and_by_every_wait(void **state)
{
	uint32_t ids[3];
	uint64_t seq;

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	client_launch(&client, ids[2], 0, 0, NULL, 0);
	seq = client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_LAUNCH_FAILED);
	seq = client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_LAUNCH_FAILED);
	client_launch(&client, ids[2], 0, 0, NULL, 0);
	while (!client.nr_errors)
		assert_non_null(client_recv(&client, 1000));
	assert_int_equal(client.error.result, CUDA_ERROR_LAUNCH_FAILED);
	assert_int_equal(client.error.op, CUDA_ID_cuLaunchKernel);
	assert_int_equal(client.error.sticky, 1);
	assert_good_end();
}

static void an_async_error_names_its_request(void **state)
{
	uint64_t seq;

	(void)state;
	client_open(&client);
	seq = client_map(&client, 123, PAGE, 0);
	while (!client.nr_errors)
		assert_non_null(client_recv(&client, 1000));
	assert_int_equal(client.error.result, CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(client.error.seq, seq);
	assert_int_equal(client.error.sticky, 0);
	/* Neither is a copy into the worker's own memory. */
	client_copy_in(&client, (uint64_t)(uintptr_t)&client, "x", 1, 0);
	while (client.nr_errors < 2)
		assert_non_null(client_recv(&client, 1000));
	assert_int_equal(client.error.result, CUDA_ERROR_INVALID_VALUE);
	assert_good_end();
}

static void functions_answer_for_attributes_occupancy_and_globals(void **state)
{
	struct {
		uint64_t module, is_library, len;
		char name[16];
	} global = { .module = 9, .is_library = 1, .len = 9, .name = "variable" };
	uint32_t ids[3], library[3];
	struct vwire_attributes attributes;
	struct vwire_rd rd;
	uint64_t seq, variable;

	(void)state;
	client_open(&client);
	client_kernels(&client, 9, 0, ids);
	client_kernels(&client, 9, VWIRE_MODULE_F_LIBRARY, library); /* a number of another kind */
	assert_int_not_equal(ids[0], library[0]);
	seq = client_u64(&client, CUDA_ID_cuFuncGetAttribute, VWIRE_F_WAIT, 1,
			 2ull << 32 | library[1]);
	assert_int_equal(client_reply(&client, seq, &rd), 0);
	for (int k = 0; k < 2; k++) {
		rd_copy(&rd, &attributes, sizeof(attributes));
		assert_int_equal(attributes.mask, 0x7fff);
		for (int i = 0; i < 15; i++)
			assert_int_equal((int)attributes.attributes[i], i == 3 ? -7 : 100 + i);
	}
	assert_true(rd_end(&rd));
	seq = client_u64(&client, CUDA_ID_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags,
			 VWIRE_F_WAIT, 4, (uint64_t)ids[0], 256ull, 0ull, 1ull);
	assert_int_equal(client_reply(&client, seq, &rd), 0);
	assert_int_equal(rd_u64(&rd), 9);
	seq = client_u64(&client, CUDA_ID_cuOccupancyAvailableDynamicSMemPerBlock, VWIRE_F_WAIT, 3,
			 (uint64_t)ids[0], 3ull, 64ull);
	assert_int_equal(client_reply(&client, seq, &rd), 0);
	assert_int_equal(rd_u64(&rd), 3064);
	client_u64(&client, CUDA_ID_cuFuncSetAttribute, 0, 3, (uint64_t)ids[0], 8ull, 4096ull);
	client_u64(&client, CUDA_ID_cuFuncSetCacheConfig, 0, 2, (uint64_t)library[0], 1ull);
	seq = client_send(&client, CUDA_ID_cuModuleGetGlobal_v2, VWIRE_F_WAIT, &global,
			  sizeof(global));
	assert_int_equal(client_reply(&client, seq, &rd), 0);
	variable = rd_u64(&rd);
	assert_int_equal(rd_u64(&rd), 64);
	client_copy_in(&client, variable, "0123456789", 10, 0);
	seq = client_copy_out(&client, variable, 10, 0, VWIRE_F_WAIT);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_memory_equal(client.data, "0123456789", 10);
	assert_int_equal(client.nr_errors, 0);
	assert_good_end();
}

static void functions_of_an_unloaded_module_are_gone(void **state)
{
	uint32_t ids[3], again[3];
	uint64_t seq;

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	assert_int_equal(
		client_reply(&client, client_sync(&client, CUDA_ID_cuModuleUnload, 1), NULL), 0);
	seq = client_launch(&client, ids[2], 0, VWIRE_F_WAIT, NULL, 0);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_HANDLE);
	client_kernels(&client, 1, 0, again);
	assert_true(again[0] > ids[2]);
	assert_good_end();
}

static void launch_attributes_reach_the_driver(void **state)
{
	struct {
		struct vwire_launch_ex ex;
		struct {
			uint32_t id, zero;
			uint64_t value[8];
		} attributes[2];
		uint64_t ms;
	} m = {
		.ex = { .launch = { .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } }, .nr_attributes = 2 },
		.attributes = {
			{ .id = CU_LAUNCH_ATTRIBUTE_PRIORITY, .value = { 1 } },
			{ .id = CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT, .value = { EVENT_A } },
		},
		.ms = 5,
	};
	uint32_t ids[3];
	uint64_t seq;

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	client_u64(&client, CUDA_ID_cuEventCreate, 0, 2, (uint64_t)EVENT_A, 0ull);
	m.ex.launch.function = ids[0];
	seq = client_send(&client, CUDA_ID_cuLaunchKernelEx, VWIRE_F_WAIT, &m, sizeof(m));
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	m.attributes[1].value[0] = 77;
	seq = client_send(&client, CUDA_ID_cuLaunchKernelEx, VWIRE_F_WAIT, &m, sizeof(m));
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_HANDLE);
	m.attributes[1].id = CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE;
	seq = client_send(&client, CUDA_ID_cuLaunchKernelEx, VWIRE_F_WAIT, &m, sizeof(m));
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_NOT_SUPPORTED);
	assert_good_end();
}

struct clusters_question {
	struct vwire_launch_ex ex;
	struct {
		uint32_t id, zero, x, y, z, rest[13];
	} attribute;
};

static uint32_t ask_clusters(const struct clusters_question *q, struct vwire_rd *rd)
{
	return client_reply(&client, client_send(&client, CUDA_ID_cuOccupancyMaxActiveClusters,
						 VWIRE_F_WAIT, q, sizeof(*q)), rd);
}

static void clusters_of_several_sizes_are_one_question(void **state)
{
	struct clusters_question q = {
		.ex = { .launch = { .grid = { 0, 1, 1 }, .block = { 128, 1, 1 } },
			.nr_attributes = 1, .cluster_sizes = VWIRE_CLUSTER_SIZES },
		.attribute = { .id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, .y = 1, .z = 1 },
	};
	const struct vwire_clusters *c;
	struct vwire_rd rd;
	uint32_t ids[3];
	size_t n;

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	q.ex.launch.function = ids[0];
	assert_int_equal(ask_clusters(&q, &rd), 0);
	c = rd_blob(&rd, 1024, &n);
	assert_true(c && rd_end(&rd) && n == VWIRE_CLUSTER_SIZES * sizeof(*c));
	for (uint32_t x = 1; x <= VWIRE_CLUSTER_SIZES; x++) {
		assert_int_equal(c[x - 1].result, x == 29 ? CUDA_ERROR_OUT_OF_MEMORY : 0);
		assert_int_equal(c[x - 1].clusters, x > 16 ? 0 : 132 / x);
	}
	/* a grid that is not as large as the cluster stays as it is */
	q.ex.launch.grid[0] = 6;
	q.ex.cluster_sizes = 4;
	assert_int_equal(ask_clusters(&q, &rd), 0);
	c = rd_blob(&rd, 1024, &n);
	assert_true(c && n == 4 * sizeof(*c));
	assert_int_equal(c[2].clusters, 44);
	assert_int_equal(c[3].result, CUDA_ERROR_INVALID_CLUSTER_SIZE);
	q.ex.cluster_sizes = 0;
	q.attribute.x = 3;
	assert_int_equal(ask_clusters(&q, &rd), 0);
	assert_int_equal(rd_u64(&rd), 44);
	assert_true(rd_end(&rd));
	assert_good_end();
}

static void a_client_that_does_not_read_gets_everything_later(void **state)
{
	static uint64_t seqs[20000];
	uint8_t data[4096] = { 1 };

	(void)state;
	client_open(&client);
	client_map(&client, 0, PAGE, 0);
	client_copy_in(&client, addr(0), data, sizeof(data), 0);
	for (int i = 0; i < 20000; i++)
		seqs[i] = i % 100 ? client_sync(&client, CUDA_ID_cuStreamSynchronize, 0)
				  : client_copy_out(&client, addr(0), sizeof(data), 0,
						    VWIRE_F_WAIT);
	for (int i = 0; i < 20000; i++)
		assert_int_equal(client_reply(&client, seqs[i], NULL), 0);
	assert_good_end();
}

static void a_worker_ends_with_its_server_and_with_its_client(void **state)
{
	struct control_ended e;
	uint32_t ids[3];

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	client_sleep(&client, ids[0], 0, 5000);
	client_sync(&client, CUDA_ID_cuStreamSynchronize, 0);
	close(client.fd);
	client.fd = -1;
	do
		assert_true(recv(client.control, &e, sizeof(e), 0) > 0);
	while (e.head.type != CONTROL_ENDED);
	assert_int_equal(e.reason, CONTROL_END_CLIENT);
	assert_int_equal(client_wait_exit(&client), 0);

	client_open(&client);
	shutdown(client.control, SHUT_RDWR);
	assert_int_equal(client_wait_exit(&client), 0);

	client_start(&client, NULL);
	shutdown(client.control, SHUT_RDWR);
	assert_int_equal(client_wait_exit(&client), 0);
}

static unsigned long ticks(pid_t pid)
{
	unsigned long user, sys;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				&user, &sys),
			 2);
	fclose(f);
	return user + sys;
}

static void an_idle_worker_uses_no_processor(void **state)
{
	unsigned long before;

	(void)state;
	client_open(&client);
	client_map(&client, 0, PAGE, 0);
	client_free(&client, 0, PAGE, 0);
	assert_int_equal(
		client_reply(&client, client_sync(&client, CUDA_ID_cuStreamSynchronize, 0), NULL),
		0);
	usleep(300000);
	before = ticks(client.pid);
	usleep(1000000);
	assert_int_equal(ticks(client.pid), before);
	assert_good_end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready_and_welcome_describe_the_device),
		cmocka_unit_test(another_table_is_refused_with_both_named),
		cmocka_unit_test(a_program_copies_computes_and_copies_back),
		cmocka_unit_test(a_large_copy_comes_in_pieces_and_in_order),
		cmocka_unit_test(memory_is_given_within_the_limit_and_told_when_it_is_free),
		cmocka_unit_test(two_mappings_side_by_side_are_freed_in_one),
		cmocka_unit_test(mem_used_is_told_to_daemon_and_server),
		cmocka_unit_test(a_fault_is_told_once_as_sticky_and_by_every_wait),
		cmocka_unit_test(an_async_error_names_its_request),
		cmocka_unit_test(functions_answer_for_attributes_occupancy_and_globals),
		cmocka_unit_test(functions_of_an_unloaded_module_are_gone),
		cmocka_unit_test(launch_attributes_reach_the_driver),
		cmocka_unit_test(clusters_of_several_sizes_are_one_question),
		cmocka_unit_test(a_client_that_does_not_read_gets_everything_later),
		cmocka_unit_test(a_worker_ends_with_its_server_and_with_its_client),
		cmocka_unit_test(an_idle_worker_uses_no_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
