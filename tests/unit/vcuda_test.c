// SPDX-License-Identifier: MIT
/*
 * vcuda_test.c - the parts of libvcuda that need no server: handles, the integrity answer,
 * cuGetProcAddress, calls before cuInit()
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport.h"
#include "vcuda.h"
#include "vgpu_stats.h"

void cudart_hmac_md2(const uint8_t key[16], const void *msg, size_t n, uint8_t out[16]);

static void hex(const uint8_t *p, size_t n, char *out)
{
	while (n--)
		out += sprintf(out, "%02x", *p++);
}

/* The vector was accepted by libcudart 13.0: driver 13000, version 13002, one device. */
static void integrity_answer_is_hmac_md2_of_the_message(void **state)
{
	static const uint8_t key[16] = { 0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52,
					 0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f };
	static const char message[] = "c8320000ca320000d20400007856341200100000007f000000200000007f"
				      "000000300000007f000000f15365000000000102"
				      "030405060708090a0b0c0d0e0f10000000000100000000000000";
	uint8_t msg[76], out[16];
	char text[33];
	unsigned int i, v;

	(void)state;
	for (i = 0; i < sizeof(msg); i++) {
		sscanf(message + 2 * i, "%2x", &v);
		msg[i] = v;
	}
	cudart_hmac_md2(key, msg, sizeof(msg), out);
	hex(out, 16, text);
	assert_string_equal(text, "41c67d9b4990eee43f9a8de3a5ef7dc5");
}

static void a_handle_is_found_by_its_kind_alone(void **state)
{
	struct vcuda_object *o;
	void *h = (void *)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_stream, &o);

	(void)state;
	assert_non_null(h);
	assert_ptr_equal(vcuda_handle_get(CUDA_HANDLE_stream, h), o);
	assert_null(vcuda_handle_get(CUDA_HANDLE_event, h));
	vcuda_handle_del(CUDA_HANDLE_stream, h);
}

static void a_deleted_handle_is_not_found_though_its_slot_is_used_again(void **state)
{
	void *old = (void *)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_event, NULL), *now;

	(void)state;
	vcuda_handle_del(CUDA_HANDLE_event, old);
	now = (void *)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_event, NULL);
	assert_ptr_not_equal(old, now);
	assert_null(vcuda_handle_get(CUDA_HANDLE_event, old));
	assert_non_null(vcuda_handle_get(CUDA_HANDLE_event, now));
	vcuda_handle_del(CUDA_HANDLE_event, now);
}

static void garbage_is_no_handle(void **state)
{
	static const uintptr_t garbage[] = { 0,
					     1,
					     2,
					     8,
					     (uintptr_t)-1,
					     0x5600000000,
					     0x560000000000ull,
					     0x7fffdeadbeef,
					     0xdeadbeefdeadbeef };
	unsigned int i, kind;

	(void)state;
	for (kind = 1; kind < CUDA_HANDLE_MAX; kind++)
		for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
			assert_null(vcuda_handle_get(kind, (void *)garbage[i]));
}

static void what_was_given_is_told_from_an_address_that_looks_like_it(void **state)
{
	uintptr_t h = vcuda_handle_new(CUDA_HANDLE_event, NULL);

	(void)state;
	assert_true(vcuda_handle_was_given(CUDA_HANDLE_event, (void *)h));
	assert_false(vcuda_handle_was_given(CUDA_HANDLE_stream, (void *)h));
	vcuda_handle_del(CUDA_HANDLE_event, (void *)h);
	assert_true(vcuda_handle_was_given(CUDA_HANDLE_event, (void *)h));
	assert_false(vcuda_handle_was_given(CUDA_HANDLE_event, (void *)((h & ~0xffffffffull) | 0x0c0d4060)));
	assert_false(vcuda_handle_was_given(CUDA_HANDLE_event, (void *)(h + 0x80000000u)));
	assert_false(vcuda_handle_was_given(CUDA_HANDLE_event, (void *)(h & ~0xffffffffull)));
}

static void a_hundred_thousand_handles_are_all_different(void **state)
{
	static void *h[100000];
	unsigned int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		struct vcuda_object *o;

		h[i] = (void *)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_function, &o);
		o->p = &h[i];
	}
	for (i = 0; i < 100000; i++)
		assert_ptr_equal(vcuda_handle_get(CUDA_HANDLE_function, h[i])->p, &h[i]);
	for (i = 0; i < 100000; i++)
		vcuda_handle_del(CUDA_HANDLE_function, h[i]);
	assert_null(vcuda_handle_get(CUDA_HANDLE_function, h[99999]));
}

static void expect_symbol(const char *name, int version, cuuint64_t flags, void *want)
{
	CUdriverProcAddressQueryResult status;
	void *fn = NULL;

	assert_int_equal(cuGetProcAddress_v2(name, &fn, version, flags, &status), CUDA_SUCCESS);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_SUCCESS);
	assert_ptr_equal(fn, want);
}

#undef cuMemAlloc
#undef cuCtxGetDevice
#undef cuMemcpyHtoD
CUresult cuMemAlloc(unsigned int *, unsigned int);
CUresult cuCtxGetDevice(CUdevice *);
CUresult cuCtxGetDevice_v2(CUdevice *, CUcontext);
CUresult cuMemcpyHtoD_v2_ptds(CUdeviceptr, const void *, size_t);
CUresult cuLaunchKernel_ptsz(void);

static void the_version_asked_for_chooses_the_variant(void **state)
{
	(void)state;
	expect_symbol("cuMemAlloc", 2000, 0, cuMemAlloc);
	expect_symbol("cuMemAlloc", 3020, 0, cuMemAlloc_v2);
	expect_symbol("cuMemAlloc", 13000, 0, cuMemAlloc_v2);
	expect_symbol("cuCtxGetDevice", 12080, 0, cuCtxGetDevice);
	expect_symbol("cuCtxGetDevice", 13000, 0, cuCtxGetDevice_v2);
	expect_symbol("cuMemcpyHtoD", 7000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM,
		      cuMemcpyHtoD_v2_ptds);
	expect_symbol("cuMemcpyHtoD", 7000, 0, cuMemcpyHtoD_v2);
	expect_symbol("cuInit", 13000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, cuInit);
}

static void an_unknown_name_is_not_found_and_gives_null(void **state)
{
	CUdriverProcAddressQueryResult status;
	void *fn = &status;

	(void)state;
	assert_int_equal(cuGetProcAddress_v2("cuNoSuchThing", &fn, 13000, 0, &status), CUDA_SUCCESS);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
	assert_null(fn);
	fn = &status;
	assert_int_equal(cuGetProcAddress_v2("", &fn, 0, 0, NULL), CUDA_SUCCESS);
	assert_null(fn);
	assert_int_equal(cuGetProcAddress_v2("cuLaunchKernelEx", &fn, 11000, 0, &status),
			 CUDA_SUCCESS);
	assert_null(fn);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
	assert_int_equal(cuGetProcAddress_v2(NULL, &fn, 13000, 0, NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(cuGetProcAddress_v2("cuInit", &fn, 13000, 0x80, NULL),
			 CUDA_ERROR_INVALID_VALUE);
}

/* Lines in what the library has said since the iterator that hold a text. */
static unsigned int said(CUlogIterator *since, const char *text)
{
	char buf[32768], *p = buf;
	size_t n = sizeof(buf);
	unsigned int found = 0;

	assert_int_equal(hand_cuLogsDumpToMemory(since, buf, &n, 0), CUDA_SUCCESS);
	assert_int_equal(strlen(buf), n);
	while ((p = strstr(p, text))) {
		found++;
		p++;
	}
	return found;
}

static void an_unknown_name_is_said_once(void **state)
{
	CUlogIterator at;
	void *fn;

	(void)state;
	assert_int_equal(hand_cuLogsCurrent(&at, 0), CUDA_SUCCESS);
	cuGetProcAddress_v2("cuNoSuchThingEither", &fn, 13000, 0, NULL);
	cuGetProcAddress_v2("cuNoSuchThingEither", &fn, 13000, 0, NULL);
	cuGetProcAddress_v2("", &fn, 0, 0, NULL);
	cuGetProcAddress_v2("cuGLInit", &fn, 13000, 0, NULL);
	cuGetProcAddress_v2("cuLaunchKernelEx", &fn, 11000, 0, NULL);
	assert_int_equal(said(&at, "cuNoSuchThingEither"), 1);
	assert_int_equal(said(&at, "\n"), 0);
}

static unsigned int told;

static void tell(void *data, CUlogLevel level, char *message, size_t n)
{
	assert_ptr_equal(data, &told);
	assert_int_equal(level, CU_LOG_LEVEL_ERROR);
	assert_int_equal(strlen(message), n);
	told++;
}

static void what_was_said_is_told_and_kept_in_order(void **state)
{
	CUlogsCallbackHandle handle;
	CUlogIterator at, all = 0;
	char buf[64];
	size_t n = sizeof(buf);
	int i;

	(void)state;
	assert_int_equal(hand_cuLogsRegisterCallback(NULL, NULL, &handle),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(hand_cuLogsRegisterCallback(tell, &told, &handle), CUDA_SUCCESS);
	hand_cuLogsCurrent(&at, 0);
	vcuda_say("one");
	vcuda_say("two");
	assert_int_equal(told, 2);
	assert_int_equal(hand_cuLogsDumpToMemory(&at, buf, &n, 0), CUDA_SUCCESS);
	assert_string_equal(buf, "one\ntwo\n");
	assert_int_equal(n, 8);
	n = sizeof(buf);
	assert_int_equal(hand_cuLogsDumpToMemory(&at, buf, &n, 0), CUDA_SUCCESS);
	assert_int_equal(n, 0);
	assert_int_equal(hand_cuLogsUnregisterCallback(handle), CUDA_SUCCESS);
	assert_int_equal(hand_cuLogsUnregisterCallback(handle), CUDA_ERROR_INVALID_VALUE);
	for (i = 0; i < 200; i++)
		vcuda_say("line %d of many", i);
	assert_int_equal(told, 2);
	assert_int_equal(said(&all, "of many"), 100);
	n = sizeof(buf);
	assert_int_equal(hand_cuLogsDumpToMemory(NULL, buf, &n, 0), CUDA_SUCCESS);
	assert_string_equal(buf, "earlier messages are lost\nline 198 of many\nline 199 of many\n");
	n = 4;
	assert_int_equal(hand_cuLogsDumpToMemory(NULL, buf, &n, 0), CUDA_ERROR_INVALID_VALUE);
	all = 1u << 30;
	n = sizeof(buf);
	assert_int_equal(hand_cuLogsDumpToMemory(&all, buf, &n, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(hand_cuLogsDumpToFile(NULL, "/no/such/place", 0),
			 CUDA_ERROR_INVALID_VALUE);
}

static void core_dumps_are_described_and_not_turned_on(void **state)
{
	char path[1024] = "/tmp/core", got[1024];
	bool on = true, was = true;
	size_t n = 0;

	(void)state;
	assert_int_equal(hand_cuCoredumpGetAttributeGlobal(CU_COREDUMP_FILE, NULL, &n),
			 CUDA_SUCCESS);
	assert_int_equal(n, sizeof(got));
	n = strlen(path) + 1;
	assert_int_equal(hand_cuCoredumpSetAttributeGlobal(CU_COREDUMP_FILE, path, &n),
			 CUDA_SUCCESS);
	n = sizeof(got);
	assert_int_equal(hand_cuCoredumpGetAttributeGlobal(CU_COREDUMP_FILE, got, &n),
			 CUDA_SUCCESS);
	assert_string_equal(got, path);
	n = sizeof(on);
	assert_int_equal(hand_cuCoredumpSetAttributeGlobal(CU_COREDUMP_ENABLE_ON_EXCEPTION, &on,
							   &n),
			 CUDA_ERROR_NOT_SUPPORTED);
	assert_int_equal(hand_cuCoredumpGetAttributeGlobal(CU_COREDUMP_ENABLE_ON_EXCEPTION, &was,
							   &n),
			 CUDA_SUCCESS);
	assert_false(was);
	n = 5000;
	assert_int_equal(hand_cuCoredumpSetAttributeGlobal(CU_COREDUMP_PIPE, path, &n),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(hand_cuCoredumpGetAttributeGlobal(CU_COREDUMP_MAX, got, &n),
			 CUDA_ERROR_INVALID_VALUE);
}

static void calls_before_cuinit_say_so(void **state)
{
	CUcontext ctx;
	int n;

	(void)state;
	assert_int_equal(cuDeviceGetCount(&n), CUDA_ERROR_NOT_INITIALIZED);
	assert_int_equal(cuCtxGetCurrent(&ctx), CUDA_ERROR_NOT_INITIALIZED);
	assert_int_equal(cuCtxSynchronize(), CUDA_ERROR_NOT_INITIALIZED);
	assert_int_equal(cuStreamDestroy(NULL), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(cuInit(1), CUDA_ERROR_INVALID_VALUE);
}

static void without_a_device_or_server_cuinit_fails_and_says_why(void **state)
{
	(void)state;
	setenv("VGPU_SERVER", "127.0.0.1:1", 1);
	assert_int_equal(cuInit(0), CUDA_ERROR_DEVICE_UNAVAILABLE);
	unsetenv("VGPU_SERVER");
	setenv("VGPU_DEVICE", "/dev/no-such-vgpu", 1);
	assert_int_equal(cuInit(0), CUDA_ERROR_DEVICE_UNAVAILABLE);
}

static void private_tables_have_their_sizes(void **state)
{
	static const CUuuid hooks = { { '\xa0', '\x94', '\x79', '\x8c', '\x2e', '\x74', '\x2e',
					'\x74', '\x93', '\xf2', '\x8', 0, '\x20', '\xc', '\xa',
					'\x66' } };
	static const CUuuid unknown = { { 1, 2, 3 } };
	const void *table = &hooks;
	void (*fn)(void **, size_t *);
	size_t n = 0;
	void *p;

	(void)state;
	assert_int_equal(cuGetExportTable(&table, &hooks), CUDA_SUCCESS);
	assert_int_equal(*(const size_t *)table, 56);
	memcpy(&fn, (const char *)table + 16, sizeof(fn));
	fn(&p, &n);
	assert_true(n >= 1024);
	assert_int_not_equal(cuGetExportTable(&table, &unknown), CUDA_SUCCESS);
	assert_null(table);
}

static void counters_are_as_many_as_asked_for(void **state)
{
	static const uint8_t id[16] = VGPU_STATS_ID;
	const struct vgpu_stats_table *table = NULL;
	struct vgpu_stats s = { .waited_ns = 7 };
	CUuuid uuid;

	(void)state;
	memcpy(&uuid, id, sizeof(uuid));
	assert_int_equal(cuGetExportTable((const void **)&table, &uuid), CUDA_SUCCESS);
	assert_int_equal(table->size, sizeof(*table));
	assert_int_equal(table->read(&s, 16), 16);
	assert_int_equal(s.waited_ns, 7);
	assert_int_equal(table->read(&s, 4096), sizeof(s));
	assert_int_equal(s.waited_ns + s.round_trips, 0);
	assert_int_equal(cuGetExportTable(NULL, &uuid), CUDA_ERROR_INVALID_VALUE);
}

static void errors_have_names(void **state)
{
	const char *s;

	(void)state;
	assert_int_equal(cuGetErrorName(CUDA_ERROR_ILLEGAL_ADDRESS, &s), CUDA_SUCCESS);
	assert_string_equal(s, "CUDA_ERROR_ILLEGAL_ADDRESS");
	assert_int_equal(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &s), CUDA_SUCCESS);
	assert_string_equal(s, "out of memory");
	assert_int_equal(cuGetErrorName(54321, &s), CUDA_ERROR_INVALID_VALUE);
	assert_null(s);
}

static bool is_rung(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* The thread that reads sleeps on one ring, the one that waits for room on another: neither takes the other's. */
static void each_sleeper_takes_its_own_ring(void **state)
{
	static struct vgpu_control control;
	struct vcuda_transport t = { .direct = true, .ring.control = &control };

	(void)state;
	t.fd = eventfd(1, EFD_NONBLOCK);
	t.room = eventfd(1, EFD_NONBLOCK);
	assert_int_equal(vcuda_transport_sleep(&t, true, true), 0);
	assert_true(is_rung(t.fd));
	assert_false(is_rung(t.room));
	assert_int_equal(eventfd_write(t.room, 1), 0);
	assert_int_equal(vcuda_transport_sleep(&t, true, false), 0);
	assert_false(is_rung(t.fd));
	assert_true(is_rung(t.room));
	close(t.fd);
	close(t.room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integrity_answer_is_hmac_md2_of_the_message),
		cmocka_unit_test(a_handle_is_found_by_its_kind_alone),
		cmocka_unit_test(a_deleted_handle_is_not_found_though_its_slot_is_used_again),
		cmocka_unit_test(garbage_is_no_handle),
		cmocka_unit_test(what_was_given_is_told_from_an_address_that_looks_like_it),
		cmocka_unit_test(a_hundred_thousand_handles_are_all_different),
		cmocka_unit_test(the_version_asked_for_chooses_the_variant),
		cmocka_unit_test(an_unknown_name_is_not_found_and_gives_null),
		cmocka_unit_test(an_unknown_name_is_said_once),
		cmocka_unit_test(what_was_said_is_told_and_kept_in_order),
		cmocka_unit_test(core_dumps_are_described_and_not_turned_on),
		cmocka_unit_test(calls_before_cuinit_say_so),
		cmocka_unit_test(without_a_device_or_server_cuinit_fails_and_says_why),
		cmocka_unit_test(private_tables_have_their_sizes),
		cmocka_unit_test(counters_are_as_many_as_asked_for),
		cmocka_unit_test(errors_have_names),
		cmocka_unit_test(each_sleeper_takes_its_own_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
