/* SPDX-License-Identifier: MIT */
/*
 * worker_frames_test.c - a vgpu-worker that is told what no good client would tell it
 *
 * Whatever comes, the worker answers, or closes the session and says why. It never dies of a
 * signal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <cuda.h>
#include <elf.h>
#include <zstd.h>

#include "fatbin.h"
#include "imagecache.h"
#include "worker_client.h"

#undef cuStreamCreate
#undef cuEventRecord
#undef cuStreamWaitEvent

#define PAGE	(2ull << 20)
#define PAYLOAD_MAX	512

static struct client client;
static bool is_open;

static void open_with_objects(void)
{
	uint32_t ids[3];

	client_open(&client);
	is_open = true;
	client_map(&client, 0, PAGE, 0);
	client_kernels(&client, 1, 0, ids);
	client_u64(&client, CUDA_ID_cuStreamCreate, 0, 2, 1ull, 0ull);
	client_u64(&client, CUDA_ID_cuEventCreate, 0, 2, 1ull, 0ull);
}

static void assert_exits(void)
{
	int status = client_end(&client);

	is_open = false;
	if (status)
		fail_msg("the worker ended with status 0x%x", status);
}

/* True when the session lives on after what was sent, false when it was closed with a reason. */
static bool lives(void)
{
	uint64_t seq = client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	const struct vwire_frame *f;

	while ((f = client_recv(&client, 10000))) {
		if (client.closed) {
			assert_int_equal(client.close_reason, VWIRE_REASON_PROTOCOL);
			assert_true(strlen(client.close_text) > 0);
			return false;
		}
		if ((f->flags & VWIRE_F_REPLY) && f->seq == seq)
			return true;
	}
	fail_msg("neither an answer nor a reason; the worker ended with status 0x%x",
		 client_end(&client));
	return false;
}

/* Sends op with that payload. Returns whether the session lives on. */
static bool try(uint16_t op, uint16_t flags, const void *payload, size_t n)
{
	if (!is_open)
		open_with_objects();
	client_send(&client, op, flags, payload, n);
	if (lives())
		return true;
	assert_exits();
	return false;
}

static const uint16_t rows[] = {
	CUDA_ID_cuCtxSynchronize,
	CUDA_ID_cuCtxSetLimit,
	CUDA_ID_cuCtxSynchronize_v2,
	CUDA_ID_cuModuleLoadData,
	CUDA_ID_cuModuleGetFunction,
	CUDA_ID_cuModuleUnload,
	CUDA_ID_cuModuleGetGlobal_v2,
	CUDA_ID_cuLibraryUnload,
	CUDA_ID_cuMemAlloc_v2,
	CUDA_ID_cuMemFree_v2,
	CUDA_ID_cuMemCreate,
	CUDA_ID_cuMemRelease,
	CUDA_ID_cuMemMap,
	CUDA_ID_cuMemUnmap,
	CUDA_ID_cuMemSetAccess,
	CUDA_ID_cuMemExportToShareableHandle,
	CUDA_ID_cuMemImportFromShareableHandle,
	CUDA_ID_cuIpcGetMemHandle,
	CUDA_ID_cuIpcOpenMemHandle_v2,
	CUDA_ID_cuIpcGetEventHandle,
	CUDA_ID_cuIpcOpenEventHandle,
	CUDA_ID_cuMemcpyHtoDAsync_v2,
	CUDA_ID_cuMemcpyDtoHAsync_v2,
	CUDA_ID_cuMemcpyDtoDAsync_v2,
	CUDA_ID_cuMemsetD8Async,
	CUDA_ID_cuMemsetD2D32Async,
	CUDA_ID_cuStreamCreate,
	CUDA_ID_cuStreamCreateWithPriority,
	CUDA_ID_cuStreamDestroy_v2,
	CUDA_ID_cuStreamWaitEvent,
	CUDA_ID_cuStreamQuery,
	CUDA_ID_cuStreamSynchronize,
	CUDA_ID_cuEventCreate,
	CUDA_ID_cuEventRecord,
	CUDA_ID_cuEventQuery,
	CUDA_ID_cuEventSynchronize,
	CUDA_ID_cuEventDestroy_v2,
	CUDA_ID_cuEventElapsedTime_v2,
	CUDA_ID_cuFuncGetAttribute,
	CUDA_ID_cuFuncSetAttribute,
	CUDA_ID_cuFuncSetCacheConfig,
	CUDA_ID_cuLaunchKernel,
	CUDA_ID_cuLaunchKernelEx,
	CUDA_ID_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags,
	CUDA_ID_cuOccupancyAvailableDynamicSMemPerBlock,
	CUDA_ID_cuOccupancyMaxActiveClusters,
	CUDA_ID_cuOccupancyMaxPotentialClusterSize,
	CUDA_ID_cuArray3DCreate_v2,
	CUDA_ID_cuMipmappedArrayCreate,
	CUDA_ID_cuMipmappedArrayGetLevel,
	CUDA_ID_cuArrayDestroy,
	CUDA_ID_cuMipmappedArrayDestroy,
	CUDA_ID_cuMemcpy3DAsync_v2,
	CUDA_ID_cuTexObjectCreate,
	CUDA_ID_cuTexObjectDestroy,
	CUDA_ID_cuSurfObjectCreate,
	CUDA_ID_cuSurfObjectDestroy,
	CUDA_ID_cuTensorMapEncodeTiled,
	CUDA_ID_cuTensorMapEncodeIm2col,
	CUDA_ID_cuTensorMapEncodeIm2colWide,
	CUDA_ID_cuTensorMapReplaceAddress,
	CUDA_ID_cuCtxRecordEvent,
	CUDA_ID_cuCtxWaitEvent,
};
#define NR_ROWS	(sizeof(rows) / sizeof(rows[0]))

/* Payload bytes of the rows that have a fixed size; more or less is malformed. */
static size_t size_of(uint16_t op)
{
	switch (op) {
	case CUDA_ID_cuCtxSynchronize:
		return 0;
	case CUDA_ID_cuCtxSynchronize_v2:
	case CUDA_ID_cuModuleUnload:
	case CUDA_ID_cuLibraryUnload:
	case CUDA_ID_cuStreamDestroy_v2:
	case CUDA_ID_cuStreamQuery:
	case CUDA_ID_cuStreamSynchronize:
	case CUDA_ID_cuEventQuery:
	case CUDA_ID_cuEventSynchronize:
	case CUDA_ID_cuEventDestroy_v2:
	case CUDA_ID_cuFuncGetAttribute:
	case CUDA_ID_cuArrayDestroy:
	case CUDA_ID_cuMipmappedArrayDestroy:
	case CUDA_ID_cuTexObjectDestroy:
	case CUDA_ID_cuSurfObjectDestroy:
	case CUDA_ID_cuMemRelease:
	case CUDA_ID_cuIpcGetEventHandle:
	case CUDA_ID_cuMemExportToShareableHandle:
		return 8;
	case CUDA_ID_cuCtxSetLimit:
	case CUDA_ID_cuMemAlloc_v2:
	case CUDA_ID_cuStreamCreate:
	case CUDA_ID_cuEventCreate:
	case CUDA_ID_cuEventRecord:
	case CUDA_ID_cuEventElapsedTime_v2:
	case CUDA_ID_cuFuncSetCacheConfig:
	case CUDA_ID_cuMemCreate:
	case CUDA_ID_cuMemUnmap:
	case CUDA_ID_cuIpcGetMemHandle:
		return 16;
	case CUDA_ID_cuMemFree_v2:
	case CUDA_ID_cuMemcpyDtoHAsync_v2:
	case CUDA_ID_cuStreamCreateWithPriority:
	case CUDA_ID_cuStreamWaitEvent:
	case CUDA_ID_cuFuncSetAttribute:
	case CUDA_ID_cuOccupancyAvailableDynamicSMemPerBlock:
	case CUDA_ID_cuMemMap:
	case CUDA_ID_cuMemSetAccess:
		return 24;
	case CUDA_ID_cuIpcOpenEventHandle:
	case CUDA_ID_cuMemImportFromShareableHandle:
		return sizeof(struct vwire_token) + 8;
	case CUDA_ID_cuIpcOpenMemHandle_v2:
		return sizeof(struct vwire_token) + 16;
	default:
		return SIZE_MAX;
	}
}

/*
 * Each malformed request is the end of a worker, and under ThreadSanitizer a new one takes its time; the decoders have
 * no threads that it could look at.
 */
#ifdef __SANITIZE_THREAD__
#define ROW_STEP	16
#else
#define ROW_STEP	1
#endif

static void rows_of_every_length_and_filling(void **state)
{
	static const uint64_t fillings[] = { 0, 1, UINT64_MAX, 0x8000000080000000ull, 1ull << 40 };
	uint64_t payload[16];

	(void)state;
	for (size_t row = 0; row < NR_ROWS; row += ROW_STEP) {
		for (size_t fill = 0; fill < sizeof(fillings) / sizeof(fillings[0]); fill++) {
			for (int i = 0; i < 16; i++)
				payload[i] = fillings[fill];
			for (size_t n = 0; n <= sizeof(payload); n += fill ? 24 : 8) {
				bool alive = try(rows[row], fill % 2 ? VWIRE_F_WAIT : 0, payload,
						 n);

				if (size_of(rows[row]) != SIZE_MAX && n != size_of(rows[row]) &&
				    alive)
					fail_msg("%s took %zu bytes", gen_name(rows[row]), n);
			}
		}
	}
	if (is_open)
		assert_exits();
}

/* One field after the other of good requests is made extreme. */
static void fields_that_lie(void **state)
{
	static const uint64_t lies[] = { UINT64_MAX, INT64_MAX, UINT32_MAX, 1ull << 32,
					 1ull << 20 };
	struct {
		struct vwire_copy_in h;
		uint8_t data[64];
	} in = { .h = { .bytes = 64 } };
	struct {
		struct vwire_launch_ex ex;
		uint8_t rest[256];
	} launch = {
		.ex = { .launch = { .function = 1, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } },
			.nr_attributes = 1 },
	};
	struct {
		struct vwire_module_load l;
		struct vwire_jit_option o[2];
	} load = { .l = { .module = 5, .bytes = 100, .nr_options = 2 },
		   .o = { { .option = 7 }, { .option = 7 } } };
	struct vwire_copy_out out = { .bytes = 64 };
	struct {
		struct vwire_function f;
		char name[8];
	} function = { { VWIRE_FUNCTION_NAMED, 1, 0, 1, 8, 5 }, "scale" };
	struct {
		struct vwire_box h;
		uint8_t data[64];
	} box_in = { .h = { .dst = { .kind = VWIRE_END_DEVICE, .addr = client.welcome.range_base,
				     .pitch = 8, .rows = 4 },
			    .width = 8, .height = 4, .depth = 2 } };
	struct vwire_box box_out = { .src = { .kind = VWIRE_END_DEVICE,
					      .addr = client.welcome.range_base, .pitch = 256,
					      .rows = 4 },
				     .width = 8, .height = 4, .depth = 2 };
	struct vwire_array array = { .array = 9, .width = 16, .height = 8, .depth = 4,
				     .format = CU_AD_FORMAT_FLOAT, .channels = 4 };
	struct vwire_map map = { .addr = 0, .size = PAGE };
	struct {
		uint64_t module, library, len;
		char name[16];
	} global = { 1, 0, 9, "variable" };
	const struct {
		uint16_t op;
		const void *payload;
		size_t n, words;
	} requests[] = {
		{ CUDA_ID_cuMemcpyHtoDAsync_v2, &in, sizeof(in), 3 },
		{ CUDA_ID_cuMemcpyDtoHAsync_v2, &out, sizeof(out), 3 },
		{ CUDA_ID_cuLaunchKernelEx, &launch, sizeof(launch), 8 },
		{ CUDA_ID_cuLaunchKernel, &launch, sizeof(launch), 5 },
		{ CUDA_ID_cuOccupancyMaxActiveClusters, &launch, sizeof(launch.ex) + VWIRE_ATTRIBUTE_BYTES, 8 },
		{ CUDA_ID_cuModuleLoadData, &load, sizeof(load), 7 },
		{ CUDA_ID_cuModuleGetFunction, &function, sizeof(function), 4 },
		{ CUDA_ID_cuMemAlloc_v2, &map, sizeof(map), 2 },
		{ CUDA_ID_cuModuleGetGlobal_v2, &global, sizeof(global), 4 },
		{ CUDA_ID_cuMemcpy3DAsync_v2, &box_in, sizeof(box_in), 18 },
		{ CUDA_ID_cuMemcpy3DAsync_v2, &box_out, sizeof(box_out), 18 },
		{ CUDA_ID_cuArray3DCreate_v2, &array, sizeof(array), 6 },
		{ CUDA_ID_cuMipmappedArrayCreate, &array, sizeof(array), 6 },
	};
	uint64_t payload[PAYLOAD_MAX / 8];

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		for (size_t word = 0; word < requests[i].words; word++) {
			for (size_t lie = 0; lie < sizeof(lies) / sizeof(lies[0]); lie++) {
				memcpy(payload, requests[i].payload, requests[i].n);
				payload[word] = lies[lie];
				try(requests[i].op, VWIRE_F_WAIT, payload, requests[i].n);
			}
		}
	}
	if (is_open)
		assert_exits();
}

static void a_launch_with_too_few_parameter_bytes_is_malformed(void **state)
{
	struct {
		struct vwire_launch l;
		uint8_t params[16];
	} m = { .l = { .function = 2, .grid = { 1, 1, 1 }, .block = { 1, 1, 1 } } };

	(void)state;
	for (size_t n = 0; n < 12; n += 4) {
		open_with_objects();
		client_send(&client, CUDA_ID_cuLaunchKernel, VWIRE_F_WAIT, &m, sizeof(m.l) + n);
		assert_false(lives());
		assert_non_null(strstr(client.close_text, "cuLaunchKernel"));
		assert_exits();
	}
}

static void frames_with_wrong_heads(void **state)
{
	static const struct vwire_frame bad[] = {
		{ .size = 0, .op = CUDA_ID_cuCtxSynchronize, .seq = 100 },
		{ .size = 8, .op = CUDA_ID_cuCtxSynchronize, .seq = 100 },
		{ .size = 17, .op = CUDA_ID_cuCtxSynchronize, .seq = 100 },
		{ .size = VWIRE_FRAME_MAX + 8, .op = CUDA_ID_cuCtxSynchronize, .seq = 100 },
		{ .size = UINT32_MAX, .op = CUDA_ID_cuCtxSynchronize, .seq = 100 },
		{ .size = 16, .op = CUDA_ID_cuCtxSynchronize, .flags = VWIRE_F_REPLY, .seq = 100 },
		{ .size = 16, .op = CUDA_ID_cuCtxSynchronize, .flags = 0x8000, .seq = 100 },
		{ .size = 16, .op = CUDA_ID_cuCtxSynchronize, .seq = 0 },
		{ .size = 16, .op = CUDA_ID_cuCtxSynchronize, .seq = 1 },
		{ .size = 16, .op = 0, .seq = 100 },
		{ .size = 16, .op = 0xefff, .seq = 100 },
		{ .size = 16, .op = CUDA_ID_cuInit, .seq = 100 },
		{ .size = 16, .op = VWIRE_OP_HELLO, .seq = 100 },
		{ .size = 16, .op = VWIRE_OP_LEASE, .seq = 100 },
		{ .size = 16, .op = VWIRE_OP_FREED, .seq = 100 },
		{ .size = 16, .op = 0xffff, .seq = 100 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		open_with_objects();
		client_send_raw(&client, &bad[i], sizeof(bad[i]));
		client.seq = 1000;
		if (lives())
			fail_msg("head %zu was taken", i);
		assert_exits();
	}
}

static void a_wrong_greeting(void **state)
{
	struct {
		struct vwire_hello h;
		struct vwire_tlv t;
	} hello = {
		.h = { .version = VWIRE_VERSION,
		       .reply_max = VWIRE_FRAME_MAX,
		       .table_hash = GEN_TABLE_HASH },
		.t = { .type = 99, .flags = VWIRE_TLV_F_REQUIRED },
	};

	(void)state;
	for (int i = 0; i < 5; i++) {
		client_start(&client, NULL);
		client_lease(&client, CLIENT_MEM, 0, "default");
		hello.h.reply_max = i == 1 ? 16 : VWIRE_FRAME_MAX;
		hello.t.len = i == 2 ? 1000 : 0;
		hello.t.flags = i == 2 ? 0 : VWIRE_TLV_F_REQUIRED;
		if (i == 3)
			client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
		else
			client_send(&client, VWIRE_OP_HELLO, 0, &hello, i == 4 ? 8 : sizeof(hello));
		assert_non_null(client_recv(&client, 5000));
		assert_true(client.closed);
		assert_int_equal(client.close_reason, VWIRE_REASON_PROTOCOL);
		assert_int_equal(client_end(&client), 0);
	}
	/* An unknown value that is not required is skipped. */
	client_start(&client, NULL);
	client_lease(&client, CLIENT_MEM, 0, "default");
	hello.t.flags = hello.t.len = 0;
	client_send(&client, VWIRE_OP_HELLO, 0, &hello, sizeof(hello));
	assert_int_equal(client_recv(&client, 5000)->op, VWIRE_OP_WELCOME);
	assert_int_equal(client_end(&client), 0);
}

/* ---- images ---- */

static void parts_of_images_that_do_not_fit(void **state)
{
	static const struct vwire_image heads[][2] = {
		{ { 100, 0, 0 } },
		{ { 0, 0, 8 } },
		{ { VWIRE_IMAGE_MAX + 1, 0, 8 } },
		{ { 100, 8, 8 } },
		{ { 4, 0, 8 } },
		{ { 100, 0, 16 } },
		{ { 100, 0, UINT64_MAX } },
		{ { 100, 0, 8 }, { 100, 4, 8 } },
		{ { 100, 0, 8 }, { 101, 8, 8 } },
		{ { 100, 0, 8 }, { 100, UINT64_MAX, 8 } },
		{ { 12, 0, 8 }, { 12, 8, 8 } },
	};
	struct {
		struct vwire_image h;
		uint8_t data[8];
	} m = { .data = "// text" };

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		open_with_objects();
		for (int part = 0; part < 2 && (!part || heads[i][1].total); part++) {
			m.h = heads[i][part];
			client_send(&client, VWIRE_OP_IMAGE, 0, &m, sizeof(m));
		}
		if (lives())
			fail_msg("part %zu was taken", i);
		assert_exits();
	}
}

/* Says a gigabyte, sends eight bytes: costs eight bytes and an error. */
static void an_image_that_is_not_all_there(void **state)
{
	struct {
		struct vwire_image h;
		uint8_t data[8];
	} m = { .h = { VWIRE_IMAGE_MAX, 0, 8 } };
	struct vwire_module_load l = { .module = 2, .bytes = VWIRE_IMAGE_MAX };
	uint64_t seq;

	(void)state;
	open_with_objects();
	client_send(&client, VWIRE_OP_IMAGE, 0, &m, sizeof(m));
	seq = client_send(&client, CUDA_ID_cuModuleLoadData, VWIRE_F_WAIT, &l, sizeof(l));
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_IMAGE);
	seq = client_send(&client, CUDA_ID_cuModuleLoadData, VWIRE_F_WAIT, &l, sizeof(l));
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_IMAGE);
	assert_true(lives());
	assert_exits();
}

static void images_that_are_none(void **state)
{
	static const uint8_t wrapper[24] = { 0xb1, 0x43, 0x62, 0x46, 1, 0, 0, 0, 0x50 };
	static const uint8_t fatbin[24] = { 0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0, 200 };
	static const uint8_t elf[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	static const uint8_t binary[32] = { 1, 2, 3 };
	static const char with_nul[] = "text\0and more text";
	static const struct {
		const void *p;
		size_t n;
	} images[] = {
		{ wrapper, sizeof(wrapper) }, { fatbin, sizeof(fatbin) },     { elf, 20 },
		{ binary, sizeof(binary) },   { with_nul, sizeof(with_nul) }, { "x", 1 },
	};

	(void)state;
	open_with_objects();
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		for (uint32_t flags = 0; flags < 8; flags++) {
			uint64_t seq;

			if (flags & VWIRE_MODULE_F_CACHED)
				continue;
			seq = client_image(&client, images[i].p, images[i].n, 10, flags, 0);
			assert_int_equal(client_reply(&client, seq, NULL),
					 CUDA_ERROR_INVALID_IMAGE);
		}
	}
	assert_true(lives());
	assert_exits();
}

static void a_broken_text_brings_the_log(void **state)
{
	struct vwire_module m;
	struct vwire_rd rd;
	const char *log;
	uint64_t seq;

	(void)state;
	open_with_objects();
	seq = client_image(&client, "broken text", 12, 10, 0, 100);
	assert_int_equal(client_reply(&client, seq, &rd), CUDA_ERROR_INVALID_PTX);
	rd_copy(&rd, &m, sizeof(m));
	log = rd_bytes(&rd, m.log_bytes);
	assert_non_null(log);
	assert_int_equal(m.nr_kernels, 0);
	assert_memory_equal(log, "line 1: broken", m.log_bytes);
	seq = client_image(&client, "broken text", 12, 10, 0, 0);
	assert_int_equal(client_reply(&client, seq, &rd), CUDA_ERROR_INVALID_PTX);
	assert_true(lives());
	assert_exits();
}

static void a_number_taken_twice_is_an_error(void **state)
{
	uint64_t seq;

	(void)state;
	open_with_objects();
	seq = client_u64(&client, CUDA_ID_cuStreamCreate, VWIRE_F_WAIT, 2, 1ull, 0ull);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_HANDLE);
	seq = client_image(&client, "// a text", 10, 1, 0, 0);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_INVALID_HANDLE);
	assert_true(lives());
	assert_exits();
}

/* A command that has to succeed. */
__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
	char command[160];
	va_list list;

	va_start(list, format);
	assert_in_range(vsnprintf(command, sizeof(command), format, list), 0, sizeof(command) - 1);
	va_end(list);
	assert_int_equal(system(command), 0);
}

static void start_cached(const char *dir, const char *tenant)
{
	client_start(&client, dir);
	client_lease(&client, CLIENT_MEM, 0, tenant);
	client_hello(&client);
}

/* Bytes of the IMAGES value in the greeting, the first hash into hash. */
static size_t images_told(uint8_t hash[16])
{
	struct vwire_rd rd = rd_init(client.welcome_values, client.welcome_len);
	struct vwire_tlv t;
	const void *p;

	while (rd.end - rd.p >= (ptrdiff_t)sizeof(t)) {
		rd_copy(&rd, &t, sizeof(t));
		p = rd_bytes(&rd, t.len);
		assert_non_null(p);
		if (t.type == VWIRE_TLV_IMAGES) {
			memcpy(hash, p, 16);
			return t.len;
		}
	}
	return 0;
}

static void an_image_is_kept_for_the_tenant_and_only_for_it(void **state)
{
	static const char text[] = "// a text to keep";
	char dir[] = "/tmp/worker_cache_XXXXXX";
	uint8_t hash[16], want[16];
	struct vwire_rd rd;
	uint64_t seq;

	(void)state;
	assert_non_null(mkdtemp(dir));
	imagecache_hash(text, sizeof(text), want);
	start_cached(dir, "one/..");
	assert_int_equal(images_told(hash), 0);
	seq = client_image(&client, text, sizeof(text), 1, 0, 0);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_true(lives());
	assert_int_equal(client_end(&client), 0);

	start_cached(dir, "one/..");
	assert_int_equal(images_told(hash), 16);
	assert_memory_equal(hash, want, 16);
	seq = client_image(&client, text, sizeof(text), 1, VWIRE_MODULE_F_CACHED, 0);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(client_end(&client), 0);

	start_cached(dir, "two");
	assert_int_equal(images_told(hash), 0);
	seq = client_image(&client, text, sizeof(text), 1, VWIRE_MODULE_F_CACHED, 0);
	assert_int_equal(client_reply(&client, seq, &rd), CUDA_ERROR_NOT_FOUND);
	assert_int_equal(
		((const struct vwire_reply *)(client.frame + sizeof(struct vwire_frame)))->reserved,
		VWIRE_MODULE_F_SEND);
	assert_int_equal(client_end(&client), 0);
	shell("rm -r %s", dir);
}

/* A fatbin with one cubin for the double's device, packed: a head that says it has no sections. */
static size_t make_packed(uint8_t *out, size_t room, uint32_t elf_flags)
{
	Elf64_Ehdr elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
			   .e_machine = 190, .e_flags = elf_flags };
	struct {
		uint32_t magic;
		uint16_t version, header_bytes;
		uint64_t bytes;
		uint16_t kind, entry_version;
		uint32_t entry_header_bytes;
		uint64_t padded;
		uint32_t packed, more[2], arch, rest[2];
		uint64_t flags, none, plain;
	} head = {
		.magic = FATBIN_MAGIC, .version = 1, .header_bytes = 16, .kind = FATBIN_ELF,
		.entry_version = 0x101, .entry_header_bytes = 64, .arch = 90,
		.flags = FATBIN_F_64BIT | FATBIN_F_ZSTD, .plain = 4096,
	};
	uint8_t plain[4096] = { 0 };

	_Static_assert(sizeof(head) == 16 + 64, "as fatbins have it");
	memcpy(plain, &elf, sizeof(elf));
	head.packed = ZSTD_compress(out + sizeof(head), room - sizeof(head), plain, sizeof(plain), 1);
	assert_false(ZSTD_isError(head.packed));
	head.padded = (head.packed + 7) & ~7u;
	memset(out + sizeof(head) + head.packed, 0, 8);
	head.bytes = 64 + head.padded;
	memcpy(out, &head, sizeof(head));
	return sizeof(head) + head.padded;
}

/* Loads the image as library 1 in a session of its own. The double has one kernel less in a cubin. */
static uint32_t kernels_of(const char *dir, const void *image, size_t n, uint32_t flags)
{
	struct vwire_module m;
	struct vwire_rd rd;
	uint64_t seq;

	start_cached(dir, "one");
	seq = client_image(&client, image, n, 1, VWIRE_MODULE_F_LIBRARY | flags, 0);
	assert_int_equal(client_reply(&client, seq, &rd), 0);
	rd_copy(&rd, &m, sizeof(m));
	client_u64(&client, CUDA_ID_cuLibraryUnload, 0, 1, 1ull);
	assert_true(lives());
	assert_int_equal(client_end(&client), 0);
	return m.nr_kernels;
}

static void a_packed_cubin_is_kept_unpacked(void **state)
{
	char dir[] = "/tmp/worker_cache_XXXXXX";
	uint8_t image[1024];
	size_t n = make_packed(image, sizeof(image), 0);

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(kernels_of(dir, image, n, 0), 2);
	/* the hash and 4096 bytes */
	shell("[ $(stat -c %%s %s/one/*-90) = 4112 ]", dir);
	/* The next session loads it before it is asked for. */
	shell("[ $(wc -c < %s/one/recent) = 33 ]", dir);
	/* What is needed is in it alone. */
	shell("for f in %s/one/*[!-]??; do [ $f != ${f%%-90} ] || : > $f; done", dir);
	assert_int_equal(kernels_of(dir, image, n, VWIRE_MODULE_F_CACHED), 2);
	/* A damaged one is made anew. */
	shell("rm %s/one/*", dir);
	assert_int_equal(kernels_of(dir, image, n, 0), 2);
	shell("printf x | dd of=$(echo %s/one/*-90) conv=notrunc status=none", dir);
	assert_int_equal(kernels_of(dir, image, n, VWIRE_MODULE_F_CACHED), 2);
	shell("[ $(head -c 1 %s/one/*-90) != x ]", dir);
	shell("rm -r %s", dir);
}

static void a_cubin_that_the_driver_refuses_is_left_to_it(void **state)
{
	char dir[] = "/tmp/worker_cache_XXXXXX";
	uint8_t image[1024];
	size_t n = make_packed(image, sizeof(image), 1);

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(kernels_of(dir, image, n, 0), 3);
	assert_int_equal(kernels_of(dir, image, n, VWIRE_MODULE_F_CACHED), 3);
	shell("[ $(ls %s/one | wc -l) = 1 ]; rm -r %s", dir, dir);
}

/* A cubin that a program brings for another GPU says nothing about those of libraries. */
static void a_cubin_for_another_device_is_the_programs_error(void **state)
{
	Elf64_Ehdr other = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
			     .e_machine = 190, .e_flags = 2 };
	uint8_t image[1024];
	size_t n = make_packed(image, sizeof(image), 0);
	struct vwire_module m;
	struct vwire_rd rd;
	uint64_t seq;

	(void)state;
	client_open(&client);
	seq = client_image(&client, &other, sizeof(other), 1, VWIRE_MODULE_F_LIBRARY, 0);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_NO_BINARY_FOR_GPU);
	seq = client_image(&client, image, n, 1, VWIRE_MODULE_F_LIBRARY, 0);
	assert_int_equal(client_reply(&client, seq, &rd), 0);
	rd_copy(&rd, &m, sizeof(m));
	assert_int_equal(m.nr_kernels, 2);
	assert_int_equal(client_end(&client), 0);
}

/* The driver lets go of nothing in a context that is lost, and may look at it until that has ended. */
static void a_library_that_is_not_unloaded_keeps_its_code(void **state)
{
	uint8_t image[1024];
	size_t n = make_packed(image, sizeof(image), 0);
	uint32_t ids[3];
	uint64_t seq;

	(void)state;
	client_open(&client);
	client_kernels(&client, 1, 0, ids);
	seq = client_image(&client, image, n, 2, VWIRE_MODULE_F_LIBRARY, 0);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	client_launch(&client, ids[2], 0, 0, NULL, 0);
	seq = client_send(&client, CUDA_ID_cuCtxSynchronize, VWIRE_F_WAIT, NULL, 0);
	assert_int_equal(client_reply(&client, seq, NULL), CUDA_ERROR_LAUNCH_FAILED);
	seq = client_u64(&client, CUDA_ID_cuLibraryUnload, VWIRE_F_WAIT, 1, 2ull);
	assert_int_equal(client_reply(&client, seq, NULL), 0);
	assert_int_equal(client_end(&client), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_every_length_and_filling),
		cmocka_unit_test(fields_that_lie),
		cmocka_unit_test(a_launch_with_too_few_parameter_bytes_is_malformed),
		cmocka_unit_test(frames_with_wrong_heads),
		cmocka_unit_test(a_wrong_greeting),
		cmocka_unit_test(parts_of_images_that_do_not_fit),
		cmocka_unit_test(an_image_that_is_not_all_there),
		cmocka_unit_test(images_that_are_none),
		cmocka_unit_test(a_broken_text_brings_the_log),
		cmocka_unit_test(a_number_taken_twice_is_an_error),
		cmocka_unit_test(an_image_is_kept_for_the_tenant_and_only_for_it),
		cmocka_unit_test(a_packed_cubin_is_kept_unpacked),
		cmocka_unit_test(a_cubin_that_the_driver_refuses_is_left_to_it),
		cmocka_unit_test(a_cubin_for_another_device_is_the_programs_error),
		cmocka_unit_test(a_library_that_is_not_unloaded_keeps_its_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
