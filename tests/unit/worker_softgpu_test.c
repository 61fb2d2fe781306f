/* SPDX-License-Identifier: MIT */
/*
 * worker_softgpu_test.c - a vgpu-worker on softgpu: PTX text from a client is compiled, launched
 * and right
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <cuda.h>

#include "worker_client.h"

#undef cuStreamCreate

#define PAGE	(2ull << 20)
#define N	1000u

static const char ptx[] = ".version 7.0\n"
			  ".target sm_70\n"
			  ".address_size 64\n"
			  ".visible .entry scale(.param .u64 scale_param_0, .param .u32 "
			  "scale_param_1, .param .f32 scale_param_2)\n"
			  "{\n"
			  "	.reg .pred %p<2>;\n"
			  "	.reg .b32 %r<6>;\n"
			  "	.reg .f32 %f<4>;\n"
			  "	.reg .b64 %rd<5>;\n"
			  "	ld.param.u64 %rd1, [scale_param_0];\n"
			  "	ld.param.u32 %r1, [scale_param_1];\n"
			  "	ld.param.f32 %f1, [scale_param_2];\n"
			  "	mov.u32 %r2, %ctaid.x;\n"
			  "	mov.u32 %r3, %ntid.x;\n"
			  "	mov.u32 %r4, %tid.x;\n"
			  "	mad.lo.s32 %r5, %r2, %r3, %r4;\n"
			  "	setp.ge.u32 %p1, %r5, %r1;\n"
			  "	@%p1 bra DONE;\n"
			  "	cvta.to.global.u64 %rd2, %rd1;\n"
			  "	mul.wide.u32 %rd3, %r5, 4;\n"
			  "	add.s64 %rd4, %rd2, %rd3;\n"
			  "	ld.global.f32 %f2, [%rd4];\n"
			  "	mul.f32 %f3, %f2, %f1;\n"
			  "	st.global.f32 [%rd4], %f3;\n"
			  "DONE:\n"
			  "	ret;\n"
			  "}\n";

static struct client client;

/* The id of the only kernel; checks what the table says of it. */
static uint32_t load(uint32_t flags)
{
	static const struct vwire_param want[] = { { 0, 8 }, { 8, 4 }, { 12, 4 } };
	uint64_t seq = client_image(&client, ptx, sizeof(ptx), 1, flags, 0);
	struct vwire_module m;
	struct vwire_kernel k;
	struct vwire_param p;
	struct vwire_rd rd;

	assert_int_equal(client_reply(&client, seq, &rd), 0);
	rd_copy(&rd, &m, sizeof(m));
	assert_int_equal(m.nr_kernels, 1);
	rd_copy(&rd, &k, sizeof(k));
	assert_int_equal(k.nr_params, 3);
	for (int i = 0; i < 3; i++) {
		rd_copy(&rd, &p, sizeof(p));
		assert_memory_equal(&p, &want[i], sizeof(p));
	}
	assert_int_equal(k.name_len, 5);
	assert_memory_equal(rd_bytes(&rd, 5), "scale", 5);
	assert_true(rd_end(&rd));
	return k.function;
}

static uint64_t name(uint32_t function, uint32_t flags, uint32_t nr_params, uint32_t param_bytes,
		     uint16_t frame_flags)
{
	struct {
		struct vwire_function f;
		char name[8];
	} m = { { function, 1, flags, nr_params, param_bytes, 5 }, "scale" };

	return client_send(&client, CUDA_ID_cuModuleGetFunction, frame_flags, &m, sizeof(m));
}

/* The same, of a client that knows its kernels: nothing comes back. */
static uint32_t load_listed(uint32_t flags)
{
	client_image(&client, ptx, sizeof(ptx), 1, flags, 0);
	name(VWIRE_FUNCTION_NAMED, flags & VWIRE_MODULE_F_LIBRARY, 3, 16, 0);
	return VWIRE_FUNCTION_NAMED;
}

static void scale(uint32_t flags)
{
	struct {
		struct vwire_launch l;
		uint64_t p;
		uint32_t n;
		float x;
	} m = { .l = { .grid = { 8, 1, 1 }, .block = { 128, 1, 1 }, .stream = 1 },
		.n = N,
		.x = 2.5f };
	float data[N];
	uint64_t seq;

	client_open(&client);
	for (uint32_t i = 0; i < N; i++)
		data[i] = i;
	client_map(&client, 0, PAGE, 0);
	client_u64(&client, CUDA_ID_cuStreamCreate, 0, 2, 1ull, 1ull);
	m.l.function = flags & VWIRE_MODULE_F_LISTED ? load_listed(flags) : load(flags);
	m.p = client.welcome.range_base;
	client_copy_in(&client, m.p, data, sizeof(data), 1);
	client_send(&client, CUDA_ID_cuLaunchKernel, 0, &m, sizeof(m));
	client_copy_out(&client, m.p, sizeof(data), 1, 0);
	seq = client_sync(&client, CUDA_ID_cuStreamSynchronize, 1);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(client.data_bytes, sizeof(data));
	for (uint32_t i = 0; i < N; i++)
		assert_true(((float *)client.data)[i] == i * 2.5f);
	seq = client_free(&client, 0, PAGE, VWIRE_F_WAIT);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(client.freed, seq);
	assert_int_equal(client.nr_errors, 0);
	assert_int_equal(client_end(&client), 0);
}

static void a_module_of_ptx_text_runs(void **state)
{
	(void)state;
	scale(0);
}

static void a_library_of_ptx_text_runs(void **state)
{
	(void)state;
	scale(VWIRE_MODULE_F_LIBRARY);
}

static void a_module_whose_kernels_the_client_names_runs(void **state)
{
	(void)state;
	scale(VWIRE_MODULE_F_LISTED);
	scale(VWIRE_MODULE_F_LISTED | VWIRE_MODULE_F_LIBRARY);
}

static uint32_t launch_named(uint32_t function)
{
	struct {
		struct vwire_launch l;
		uint8_t params[16];
	} m = { .l = { .function = function, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } } };

	return client_reply(&client,
			    client_send(&client, CUDA_ID_cuLaunchKernel, VWIRE_F_WAIT, &m, sizeof(m)),
			    NULL);
}

/* What a name stands for is the driver's to say; the session goes on. */
static void a_kernel_that_a_client_names_wrongly_is_none(void **state)
{
	(void)state;
	client_open(&client);
	client_map(&client, 0, PAGE, 0);
	client_image(&client, ptx, sizeof(ptx), 1, VWIRE_MODULE_F_LISTED, 0);
	assert_int_equal(client_reply(&client, name(VWIRE_FUNCTION_NAMED, 0, 3, 24, VWIRE_F_WAIT), NULL),
			 CUDA_ERROR_INVALID_IMAGE);
	assert_int_equal(client_reply(&client, name(VWIRE_FUNCTION_NAMED + 1, 0, 2, 16, VWIRE_F_WAIT),
				      NULL), CUDA_ERROR_INVALID_IMAGE);
	/* of a library that there is not; out of turn; given by the worker */
	assert_int_equal(client_reply(&client, name(VWIRE_FUNCTION_NAMED + 2, VWIRE_MODULE_F_LIBRARY, 3,
						    16, VWIRE_F_WAIT), NULL), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(client_reply(&client, name(VWIRE_FUNCTION_NAMED + 9, 0, 3, 16, VWIRE_F_WAIT),
				      NULL), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(client_reply(&client, name(1, 0, 3, 16, VWIRE_F_WAIT), NULL),
			 CUDA_ERROR_OUT_OF_MEMORY);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(launch_named(VWIRE_FUNCTION_NAMED + i), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(client_reply(&client, name(VWIRE_FUNCTION_NAMED + 3, 0, 3, 16, VWIRE_F_WAIT),
				      NULL), CUDA_SUCCESS);
	/* gone with its module */
	client_u64(&client, CUDA_ID_cuModuleUnload, 0, 1, 1ull);
	assert_int_equal(launch_named(VWIRE_FUNCTION_NAMED + 3), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(client_end(&client), 0);
}

/* Told by the first thing that waits, as any error of a frame without a reply. */
static void a_listed_image_that_is_none_is_an_error_later(void **state)
{
	static const char text[] = "no image";

	(void)state;
	client_open(&client);
	client_image(&client, text, sizeof(text), 1, VWIRE_MODULE_F_LISTED, 0);
	assert_int_equal(client_reply(&client, name(VWIRE_FUNCTION_NAMED, 0, 3, 16, VWIRE_F_WAIT), NULL),
			 CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(client.nr_errors, 1);
	assert_int_equal(client_end(&client), 0);
}

/* An address that nothing is mapped at. */
static void a_kernel_that_faults_loses_the_context(void **state)
{
	struct {
		struct vwire_launch l;
		uint64_t p;
		uint32_t n;
		float x;
	} m = { .l = { .grid = { 1, 1, 1 }, .block = { 32, 1, 1 } }, .n = N };
	uint64_t seq;

	(void)state;
	client_open(&client);
	m.l.function = load(0);
	m.p = client.welcome.range_base + 64 * PAGE;
	client_send(&client, CUDA_ID_cuLaunchKernel, 0, &m, sizeof(m));
	seq = client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_ILLEGAL_ADDRESS);
	seq = client_map(&client, 0, PAGE, VWIRE_F_WAIT);
	client_reply(&client, seq, NULL);
	seq = client_copy_out(&client, client.welcome.range_base, 4, 0, VWIRE_F_WAIT);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_ILLEGAL_ADDRESS);
	assert_int_equal(client_end(&client), 0);
}

static uint64_t create(uint32_t number, uint64_t size)
{
	struct vwire_allocation a = { .number = number, .size = size };

	return client_send(&client, CUDA_ID_cuMemCreate, VWIRE_F_WAIT, &a, sizeof(a));
}

static uint32_t map_memory(uint64_t offset, uint64_t size, uint32_t number)
{
	struct vwire_mem_map m = { .addr = client.welcome.range_base + offset, .size = size,
				   .number = number };

	return client_reply(&client,
			    client_send(&client, CUDA_ID_cuMemMap, VWIRE_F_WAIT, &m, sizeof(m)), NULL);
}

static uint32_t unmap_memory(uint64_t offset, uint64_t size)
{
	struct vwire_map m = { .addr = client.welcome.range_base + offset, .size = size };

	return client_reply(&client,
			    client_send(&client, CUDA_ID_cuMemUnmap, VWIRE_F_WAIT, &m, sizeof(m)),
			    NULL);
}

static uint32_t allow(uint64_t offset, uint64_t size)
{
	struct vwire_mem_access a = { .addr = client.welcome.range_base + offset, .size = size,
				      .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE };

	return client_reply(&client,
			    client_send(&client, CUDA_ID_cuMemSetAccess, VWIRE_F_WAIT, &a, sizeof(a)),
			    NULL);
}

/* A client may place, map and unmap as it likes, inside its range and its limit. */
static void memory_of_a_client_stays_in_its_range_and_limit(void **state)
{
	uint64_t seq;

	(void)state;
	client_open(&client);
	assert_int_equal(client_reply(&client, create(1, CLIENT_MEM - PAGE), NULL), 0);
	assert_int_equal(client_reply(&client, create(1, PAGE), NULL), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(client_reply(&client, create(2, 2 * PAGE), NULL), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(client_reply(&client, create(2, PAGE + 1), NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(client_reply(&client, create(2, 0), NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(client_reply(&client, create(2, PAGE), NULL), 0);
	assert_int_equal(map_memory(-PAGE, PAGE, 2), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(map_memory(client.welcome.range_bytes, PAGE, 2), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(map_memory(0, 2 * PAGE, 2), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(map_memory(0, PAGE, 3), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(map_memory(0, PAGE, 2), 0);
	assert_int_equal(map_memory(0, PAGE, 1), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(allow(0, 2 * PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(allow(0, PAGE), 0);
	/* neither kind of memory is taken away as the other */
	assert_int_equal(client_reply(&client, client_free(&client, 0, PAGE, VWIRE_F_WAIT), NULL),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(client_reply(&client, client_map(&client, PAGE, PAGE, VWIRE_F_WAIT), NULL),
			 CUDA_ERROR_OUT_OF_MEMORY);
	/* released and mapped it counts; unmapped it does not */
	seq = client_u64(&client, CUDA_ID_cuMemRelease, VWIRE_F_WAIT, 1, 2ull);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	seq = client_u64(&client, CUDA_ID_cuMemRelease, VWIRE_F_WAIT, 1, 2ull);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(client_reply(&client, create(4, PAGE), NULL), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(unmap_memory(0, PAGE), 0);
	assert_int_equal(client_reply(&client, client_map(&client, PAGE, PAGE, VWIRE_F_WAIT), NULL), 0);
	assert_int_equal(unmap_memory(PAGE, PAGE), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(client_end(&client), 0);
}

/* Names that nobody gave: nothing comes of them. */
static void a_name_that_was_not_given_opens_nothing(void **state)
{
	struct {
		struct vwire_token token;
		uint64_t args[2];
	} m = { .token = { .key = "guess", .pid = 1, .kind = VWIRE_TOKEN_MEMORY, .size = PAGE } };
	uint64_t seq;

	(void)state;
	client_open(&client);
	m.args[0] = client.welcome.range_base;
	m.args[1] = PAGE;
	for (uint32_t pid = 0; pid < 3; pid++) {
		m.token.pid = pid == 2 ? (uint32_t)client.pid : pid;
		seq = client_send(&client, CUDA_ID_cuIpcOpenMemHandle_v2, 0, &m, sizeof(m));
		assert_int_not_equal(client_reply(&client, seq, NULL), 0);
	}
	m.token.kind = VWIRE_TOKEN_ALLOCATION;
	m.args[0] = 1;
	seq = client_send(&client, CUDA_ID_cuMemImportFromShareableHandle, 0, &m, sizeof(m) - 8);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_HANDLE);
	seq = client_u64(&client, CUDA_ID_cuIpcGetMemHandle, 0, 2, client.welcome.range_base, PAGE);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(client_end(&client), 0);
}

#define BOX(...)	(&(struct vwire_box){ .width = 64, .height = 4, .depth = 2, __VA_ARGS__ })
#define AT(offset, p, r)								\
	{ .kind = VWIRE_END_DEVICE, .addr = client.welcome.range_base + (offset), .pitch = p,	\
	  .rows = r }
#define IN_ARRAY(...)	{ .kind = VWIRE_END_ARRAY, .array = 9, __VA_ARGS__ }
#define ARRAY_BYTES	(16u * 16 * 8 * 4)

static uint32_t copy_box(const struct vwire_box *box, const void *data, size_t n)
{
	uint8_t payload[sizeof(*box) + ARRAY_BYTES];

	memcpy(payload, box, sizeof(*box));
	if (n)
		memcpy(payload + sizeof(*box), data, n);
	return client_reply(&client,
			    client_send(&client, CUDA_ID_cuMemcpy3DAsync_v2, VWIRE_F_WAIT, payload,
					sizeof(*box) + n),
			    NULL);
}

static void make_array(uint32_t levels)
{
	struct vwire_array a = { .array = 9, .levels = levels, .width = 16, .height = 8,
				 .depth = 4, .format = CU_AD_FORMAT_FLOAT, .channels = 4 };
	uint64_t seq = client_send(&client, levels ? CUDA_ID_cuMipmappedArrayCreate
						   : CUDA_ID_cuArray3DCreate_v2,
				   VWIRE_F_WAIT, &a, sizeof(a));

	assert_int_equal(client_reply(&client, seq, NULL), 0);
}

static void a_box_goes_into_an_array_and_comes_back(void **state)
{
	struct vwire_end array = IN_ARRAY(), data = { .kind = VWIRE_END_DATA };
	struct vwire_box box = { .dst = array, .src = data, .width = 256, .height = 8,
				 .depth = 4 };
	static uint8_t bytes[ARRAY_BYTES];

	(void)state;
	client_open(&client);
	make_array(0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * 7 + i / 256;
	assert_int_equal(copy_box(&box, bytes, sizeof(bytes)), 0);
	box.dst = data;
	box.src = array;
	assert_int_equal(copy_box(&box, NULL, 0), 0);
	assert_int_equal(client.data_bytes, sizeof(bytes));
	assert_memory_equal(client.data, bytes, sizeof(bytes));
	assert_int_equal(client_end(&client), 0);
}

static void boxes_that_lie_are_refused(void **state)
{
	(void)state;
	client_open(&client);
	client_map(&client, 0, PAGE, 0);
	make_array(0);
	const struct vwire_box *lies[] = {
		BOX(.dst = AT(0, UINT64_MAX, 4), .src = IN_ARRAY()),
		BOX(.dst = AT(0, 1ull << 62, 4), .src = IN_ARRAY()),
		BOX(.dst = AT(0, 64, UINT64_MAX), .src = IN_ARRAY()),
		BOX(.dst = AT(0, 64, 1ull << 60), .src = IN_ARRAY()),
		BOX(.dst = AT(0, 63, 4), .src = IN_ARRAY()),		/* rows over each other */
		BOX(.dst = AT(0, 64, 3), .src = IN_ARRAY()),
		BOX(.dst = AT(PAGE - 64, 64, 4), .src = IN_ARRAY()),	/* beyond what is mapped */
		BOX(.dst = { .kind = VWIRE_END_DEVICE, .addr = 64, .pitch = 64, .rows = 4 },
		    .src = IN_ARRAY()),
		BOX(.dst = { .kind = VWIRE_END_DEVICE, .addr = UINT64_MAX - 63, .pitch = 64,
			     .rows = 4 }, .src = IN_ARRAY()),
		BOX(.dst = AT(0, 64, 4), .src = IN_ARRAY(.x = UINT64_MAX)),
		BOX(.dst = AT(0, 64, 4), .src = IN_ARRAY(.x = 208)),
		BOX(.dst = AT(0, 64, 4), .src = IN_ARRAY(.y = 5)),
		BOX(.dst = AT(0, 64, 4), .src = IN_ARRAY(.z = UINT64_MAX - 1)),
		BOX(.dst = AT(0, 64, 4), .src = { .kind = VWIRE_END_ARRAY, .array = 10 }),
		BOX(.dst = { .kind = VWIRE_END_DATA }, .src = IN_ARRAY(.y = 5)),
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint32_t r = copy_box(lies[i], NULL, 0);

		if (r != CUDA_ERROR_INVALID_VALUE && r != CUDA_ERROR_INVALID_HANDLE)
			fail_msg("lie %zu: %u", i, r);
	}
	assert_int_equal(copy_box(BOX(.dst = AT(0, 64, 4), .src = IN_ARRAY()), NULL, 0), 0);
	assert_int_equal(client_end(&client), 0);
}

/* Of which no memory could be taken for the data: the session ends, with the reason. */
static void boxes_without_their_data_close_the_session(void **state)
{
	static const uint64_t lies[][3] = {
		{ UINT64_MAX, 2, 2 }, { 1ull << 32, 1ull << 31, 2 }, { 1ull << 20, 1, 1 },
		{ 64, 4, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct vwire_box box = { .dst = IN_ARRAY(), .width = lies[i][0],
					 .height = lies[i][1], .depth = lies[i][2] };

		client_open(&client);
		make_array(0);
		client_send(&client, CUDA_ID_cuMemcpy3DAsync_v2, VWIRE_F_WAIT, &box, sizeof(box));
		while (!client.closed && client_recv(&client, 5000))
			;
		assert_true(client.closed);
		assert_int_equal(client.close_reason, VWIRE_REASON_PROTOCOL);
		assert_int_equal(client_end(&client), 0);
	}
}

static void arrays_count_against_the_limit(void **state)
{
	struct vwire_array a = { .width = 1024, .height = 1024, .depth = 0,
				 .format = CU_AD_FORMAT_FLOAT, .channels = 4 };
	uint32_t made = 0, r = 0;
	uint64_t seq;

	(void)state;
	client_open(&client);
	while (!r && made < 16) {	/* of 16 MiB each */
		a.array = ++made;
		seq = client_send(&client, CUDA_ID_cuArray3DCreate_v2, VWIRE_F_WAIT, &a, sizeof(a));
		r = client_reply(&client, seq, NULL);
	}
	assert_int_equal(r, CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(made, CLIENT_MEM / (16u << 20) + 1);
	seq = client_u64(&client, CUDA_ID_cuArrayDestroy, VWIRE_F_WAIT, 1, 1ull);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	seq = client_send(&client, CUDA_ID_cuArray3DCreate_v2, VWIRE_F_WAIT, &a, sizeof(a));
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(client_end(&client), 0);
}

static void levels_go_with_their_array(void **state)
{
	struct vwire_box box = { .dst = { .kind = VWIRE_END_DATA }, .width = 16, .height = 1,
				 .depth = 1, .src = { .kind = VWIRE_END_ARRAY, .array = 20 } };
	uint64_t seq;

	(void)state;
	client_open(&client);
	make_array(3);
	seq = client_u64(&client, CUDA_ID_cuMipmappedArrayGetLevel, VWIRE_F_WAIT, 3, 20ull, 9ull,
			 2ull);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(copy_box(&box, NULL, 0), 0);
	seq = client_u64(&client, CUDA_ID_cuArrayDestroy, VWIRE_F_WAIT, 1, 20ull);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_HANDLE);
	seq = client_u64(&client, CUDA_ID_cuMipmappedArrayDestroy, VWIRE_F_WAIT, 1, 9ull);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(copy_box(&box, NULL, 0), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(client_end(&client), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_module_of_ptx_text_runs),
		cmocka_unit_test(a_library_of_ptx_text_runs),
		cmocka_unit_test(a_module_whose_kernels_the_client_names_runs),
		cmocka_unit_test(a_kernel_that_a_client_names_wrongly_is_none),
		cmocka_unit_test(a_listed_image_that_is_none_is_an_error_later),
		cmocka_unit_test(a_kernel_that_faults_loses_the_context),
		cmocka_unit_test(memory_of_a_client_stays_in_its_range_and_limit),
		cmocka_unit_test(a_name_that_was_not_given_opens_nothing),
		cmocka_unit_test(a_box_goes_into_an_array_and_comes_back),
		cmocka_unit_test(boxes_that_lie_are_refused),
		cmocka_unit_test(boxes_without_their_data_close_the_session),
		cmocka_unit_test(arrays_count_against_the_limit),
		cmocka_unit_test(levels_go_with_their_array),
	};

	setenv("WORKER_TEST_CUDA", "build/softgpu/libcuda.so.1", 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
