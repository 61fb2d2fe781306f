/* SPDX-License-Identifier: MIT */
/*
 * softgpu_context_test.c - contexts as a whole: order with events, use counts, flags; the log
 */
#include "softgpu_child.h"

#define FAILS(r, call)	IS(call, r)

#include "softgpu_gate.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static const char ptx[] = PTX_HEAD GATE_PTX;

static CUcontext ctx;
static struct gate gate;
static CUdeviceptr words;

static void open_test(void)
{
	CUmodule mod;

	ctx = open_device(0);
	OK(cuModuleLoadData(&mod, ptx));
	gate_init(&gate, mod);
	OK(cuMemAlloc(&words, 64));
	OK(cuMemsetD8(words, 0, 64));
	OK(cuCtxSynchronize());
}

static void record(void)
{
	CUstream a, b;
	CUevent e, other_e;
	CUcontext other;

	open_test();
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&e, 0));
	/* Nothing to wait for. */
	OK(cuCtxRecordEvent(ctx, e));
	OK(cuEventQuery(e));
	/* One of the streams is busy; what comes after the record does not count. */
	close_gate(&gate, a);
	OK(put(&gate, words, 1, a));
	OK(put(&gate, words + 4, 2, b));
	OK(cuCtxRecordEvent(ctx, e));
	FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(e));
	OK(cuStreamSynchronize(b));
	FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(e));
	open_gate(&gate);
	OK(cuEventSynchronize(e));
	OK(cuMemcpyDtoHAsync(gate.flag + 1, words, 8, b));
	OK(cuStreamSynchronize(b));
	IS(gate.flag[1], 1);
	IS(gate.flag[2], 2);

	/* Later work may go on without the earlier. */
	close_gate(&gate, a);
	OK(cuCtxRecordEvent(ctx, e));
	OK(put(&gate, words, 5, b));
	OK(cuStreamSynchronize(b));
	open_gate(&gate);
	OK(cuEventSynchronize(e));

	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxRecordEvent(NULL, e));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxRecordEvent((CUcontext)0x77, e));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuCtxRecordEvent(ctx, NULL));
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(cuEventCreate(&other_e, 0));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuCtxRecordEvent(ctx, other_e));
	OK(cuCtxDestroy(other));
}

static void wait_for_event(void)
{
	CUstream a, b, later;
	CUcontext other;
	CUevent e;

	open_test();
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&e, 0));
	OK(cuCtxSetCurrent(ctx));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	OK(cuCtxWaitEvent(ctx, e));	/* never recorded */
	OK(put(&gate, words, 1, b));
	OK(cuStreamSynchronize(b));

	/* An event behind work of one context holds up all streams of another. */
	close_gate(&gate, b);
	OK(cuEventDestroy(e));
	OK(cuEventCreate(&e, 0));
	OK(cuEventRecord(e, b));
	OK(cuCtxWaitEvent(other, e));
	OK(cuCtxSetCurrent(other));
	OK(cuStreamCreate(&later, CU_STREAM_NON_BLOCKING));
	OK(cuMemsetD8Async(words, 9, 1, a));
	OK(cuMemsetD8Async(words + 4, 9, 1, later));
	OK(cuMemsetD8Async(words + 8, 9, 1, NULL));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(a));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(later));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
	open_gate(&gate);
	OK(cuCtxSynchronize());
	OK(cuStreamQuery(a));
	OK(cuStreamQuery(later));
	OK(cuStreamCreate(&later, CU_STREAM_NON_BLOCKING));
	OK(cuStreamQuery(later));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxWaitEvent(NULL, e));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuCtxWaitEvent(other, NULL));
	OK(cuCtxDestroy(other));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxWaitEvent(other, e));
}

static void captures(void)
{
	CUstream s;
	CUgraph g;
	CUevent e;

	open_test();
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&e, 0));
	OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuCtxRecordEvent(ctx, e));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(s, &g));
	OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuCtxWaitEvent(ctx, e));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(s, &g));
}

/* What a capture does not allow, and what undoes it, which it does not allow either. */
static CUdeviceptr managed;
static void *host;
static CUarray array;
static CUmipmappedArray mipmapped;
static CUmodule module;
static char pages[8192] __attribute__((aligned(4096)));

static CUresult make_host(void) { return cuMemHostAlloc(&host, 64, 0); }
static CUresult free_host(void) { return cuMemFreeHost(host); }
static CUresult make_registered(void) { return cuMemHostRegister(pages, 4096, 0); }
static CUresult free_registered(void) { return cuMemHostUnregister(pages); }
static CUresult make_managed(void) { return cuMemAllocManaged(&managed, 64, CU_MEM_ATTACH_GLOBAL); }
static CUresult free_managed(void) { return cuMemFree(managed); }
static CUresult make_module(void) { return cuModuleLoadData(&module, ptx); }
static CUresult free_module(void) { return cuModuleUnload(module); }

static CUresult make_array(void)
{
	CUDA_ARRAY_DESCRIPTOR d = { 4, 4, CU_AD_FORMAT_FLOAT, 1 };

	return cuArrayCreate(&array, &d);
}

static CUresult free_array(void) { return cuArrayDestroy(array); }

static CUresult make_mipmapped(void)
{
	CUDA_ARRAY3D_DESCRIPTOR d = { 4, 4, 0, CU_AD_FORMAT_FLOAT, 1, 0 };

	return cuMipmappedArrayCreate(&mipmapped, &d, 2);
}

static CUresult free_mipmapped(void) { return cuMipmappedArrayDestroy(mipmapped); }

static const struct {
	CUresult (*make)(void), (*free)(void);
} pairs[] = {
	{ make_host, free_host }, { make_registered, free_registered },
	{ make_managed, free_managed }, { make_module, free_module },
	{ make_array, free_array }, { make_mipmapped, free_mipmapped },
};

static void refused(CUresult (*call)(void), CUstream s)
{
	CUgraph g;

	OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, call());
	FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(s, &g));
}

static void allocations(void)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUstream s;
	CUgraph g;

	open_test();
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		refused(pairs[i].make, s);
		OK(pairs[i].make());
		refused(pairs[i].free, s);
		OK(pairs[i].free());
	}
	/* The thread says that it knows what it does. */
	OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		OK(pairs[i].make());
	OK(cuThreadExchangeStreamCaptureMode(&mode));
	OK(cuStreamEndCapture(s, &g));
}

static void use_count(void)
{
	CUcontext other, again;
	unsigned int flags;

	open_test();
	OK(cuCtxCreate(&other, NULL, 0, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxAttach(&again, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxAttach(NULL, 0));
	OK(cuCtxAttach(&again, 0));
	TRUE(again == other);
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxDetach(ctx));	/* not current */
	OK(cuCtxDetach(other));
	OK(cuCtxGetFlags(&flags));
	OK(cuCtxDetach(other));
	OK(cuCtxGetCurrent(&again));
	TRUE(again == ctx);
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxSetCurrent(other));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxDetach(ctx));	/* a primary context's end is another call */
	OK(cuCtxSetCurrent(NULL));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxAttach(&again, 0));
}

static void flags_and_affinity(void)
{
	CUexecAffinityParam p;
	unsigned int flags;
	int yes = 1;

	open_test();
	OK(cuCtxSetFlags(CU_CTX_SCHED_BLOCKING_SYNC | CU_CTX_SYNC_MEMOPS));
	OK(cuCtxGetFlags(&flags));
	IS(flags, CU_CTX_SCHED_BLOCKING_SYNC | CU_CTX_SYNC_MEMOPS);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxSetFlags(CU_CTX_SCHED_SPIN | CU_CTX_SCHED_YIELD));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxSetFlags(1u << 30));
	OK(cuDeviceGetExecAffinitySupport(&yes, CU_EXEC_AFFINITY_TYPE_SM_COUNT, 0));
	IS(yes, 0);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetExecAffinitySupport(&yes, 7, 0));
	FAILS(CUDA_ERROR_INVALID_DEVICE,
	      cuDeviceGetExecAffinitySupport(&yes, CU_EXEC_AFFINITY_TYPE_SM_COUNT, 1));
	FAILS(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY,
	      cuCtxGetExecAffinity(&p, CU_EXEC_AFFINITY_TYPE_SM_COUNT));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxGetExecAffinity(&p, 7));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxGetExecAffinity(NULL, CU_EXEC_AFFINITY_TYPE_SM_COUNT));
}

struct heard {
	int nr;
	CUresult inside;
	size_t len;
	char text[256];
};

static void hear(void *arg, CUlogLevel level, char *message, size_t length)
{
	struct heard *h = arg;
	CUdeviceptr p;

	IS(level, CU_LOG_LEVEL_ERROR);
	h->nr++;
	h->len = length;
	snprintf(h->text, sizeof(h->text), "%.*s", (int)length, message);
	h->inside = cuMemAlloc(&p, 4);
	IS(cuLogsUnregisterCallback(NULL), CUDA_ERROR_NOT_PERMITTED);
}

/* Makes the driver write a line, to be found by n. */
static void say(int n)
{
	char bad[64];
	CUmodule mod;

	snprintf(bad, sizeof(bad), "%s.bogus%d", PTX_HEAD, n);
	FAILS(CUDA_ERROR_NOT_SUPPORTED, cuModuleLoadData(&mod, bad));
}

static void log_callbacks(void)
{
	struct heard h = { 0 }, h2 = { 0 };
	CUlogsCallbackHandle one, two;

	open_test();
	OK(cuLogsRegisterCallback(hear, &h, &one));
	OK(cuLogsRegisterCallback(hear, &h2, &two));
	say(17);
	IS(h.nr, 1);
	IS(h2.nr, 1);
	IS(h.inside, CUDA_ERROR_NOT_PERMITTED);
	TRUE(strstr(h.text, "bogus17"));
	IS(strlen(h.text), h.len);
	OK(cuLogsUnregisterCallback(one));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsUnregisterCallback(one));
	say(18);
	IS(h.nr, 1);
	IS(h2.nr, 2);
	/* The thread is none of a host function's afterwards. */
	OK(cuCtxSynchronize());
	OK(cuLogsUnregisterCallback(two));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsRegisterCallback(NULL, NULL, &one));
}

static void log_dumps(void)
{
	char buf[32768], path[] = "/tmp/softgpu-log-XXXXXX";
	size_t size = sizeof(buf), all;
	CUlogIterator it, from;
	FILE *f;

	open_test();
	OK(cuLogsCurrent(&from, 0));
	say(1);
	say(2);
	it = from;
	OK(cuLogsDumpToMemory(&it, buf, &size, 0));
	IS(size, strlen(buf));
	TRUE(strstr(buf, "bogus1'") && strstr(buf, "bogus2'") && buf[size - 1] == '\n');
	all = size;
	/* It has moved on. */
	size = sizeof(buf);
	OK(cuLogsDumpToMemory(&it, buf, &size, 0));
	IS(size, 0);
	IS(*buf, 0);
	/* Just enough room; then room for the latest and a word that there were others; then none. */
	it = from;
	size = all + 1;
	OK(cuLogsDumpToMemory(&it, buf, &size, 0));
	IS(size, all);
	it = from;
	size = all;
	OK(cuLogsDumpToMemory(&it, buf, &size, 0));
	TRUE(size < all && size == strlen(buf));
	TRUE(!strstr(buf, "bogus1") && strstr(buf, "bogus2") && strstr(buf, "lost"));
	it = from;
	size = 20;
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsDumpToMemory(&it, buf, &size, 0));
	IS(size, 0);
	IS(it, from);

	for (int i = 0; i < 1000; i++)
		say(i);
	size = sizeof(buf);
	OK(cuLogsDumpToMemory(&from, buf, &size, 0));
	TRUE(size > 20000 && size < 26000);
	TRUE(strstr(buf, "lost") && strstr(buf, "bogus999") && !strstr(buf, "bogus1'"));
	close(mkstemp(path));
	OK(cuLogsDumpToFile(NULL, path, 0));
	f = fopen(path, "r");
	IS(fread(buf, 1, sizeof(buf), f), size);
	fclose(f);
	unlink(path);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsDumpToFile(NULL, "/nowhere/log", 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsDumpToFile(NULL, NULL, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsDumpToMemory(NULL, NULL, &size, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsDumpToMemory(NULL, buf, &size, 1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsCurrent(NULL, 0));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuLogsCurrent(&it, 1));
}

#define TEST(name, fn)	static void name(void **state) { (void)state; IN_CHILD(fn, "SOFTGPU_DEVICES=1"); }
TEST(an_event_records_all_of_a_context, record)
TEST(a_context_waits_for_an_event, wait_for_event)
TEST(a_context_that_captures_is_refused, captures)
TEST(captures_forbid_what_might_disturb_them, allocations)
TEST(a_context_ends_with_its_last_use, use_count)
TEST(flags_can_be_set_and_affinity_cannot, flags_and_affinity)
TEST(callbacks_hear_what_is_logged, log_callbacks)
TEST(the_log_keeps_the_latest_lines, log_dumps)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_records_all_of_a_context),
		cmocka_unit_test(a_context_waits_for_an_event),
		cmocka_unit_test(a_context_that_captures_is_refused),
		cmocka_unit_test(captures_forbid_what_might_disturb_them),
		cmocka_unit_test(a_context_ends_with_its_last_use),
		cmocka_unit_test(flags_can_be_set_and_affinity_cannot),
		cmocka_unit_test(callbacks_hear_what_is_logged),
		cmocka_unit_test(the_log_keeps_the_latest_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
