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
	OK(cuCtxPushCurrent(other));
	FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxGetFlags(&flags));
	FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxDetach(other));
	OK(cuCtxPopCurrent(NULL));
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
	yes = 1;
	OK(cuDeviceGetExecAffinitySupport(&yes, 7, 0));
	IS(yes, 0);
	FAILS(CUDA_ERROR_INVALID_DEVICE,
	      cuDeviceGetExecAffinitySupport(&yes, CU_EXEC_AFFINITY_TYPE_SM_COUNT, 1));
	FAILS(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY,
	      cuCtxGetExecAffinity(&p, CU_EXEC_AFFINITY_TYPE_SM_COUNT));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxGetExecAffinity(&p, 7));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxGetExecAffinity(NULL, CU_EXEC_AFFINITY_TYPE_SM_COUNT));
}

static const char limits_ptx[] = PTX_HEAD
	".extern .func (.param .b64 r) malloc(.param .b64 size);\n"
	".extern .func free(.param .b64 p);\n"
	".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 args);\n"
	".global .align 1 .b8 text[10] = {49, 50, 51, 52, 53, 54, 55, 56, 57, 0};\n"
	".visible .func (.param .b32 r) deep(.param .b32 n)\n"
	"{\n"
	"	.local .align 4 .b8 depot[64];\n"
	"	.reg .pred %p; .reg .b32 %n, %v; .reg .b64 %a;\n"
	"	ld.param.u32 %n, [n]; mov.u64 %a, depot; st.local.u32 [%a], %n; mov.u32 %v, 0;\n"
	"	setp.eq.u32 %p, %n, 0; @%p bra out;\n"
	"	sub.u32 %n, %n, 1;\n"
	"	{ .param .b32 a; .param .b32 b; st.param.b32 [a], %n; call (b), deep, (a);\n"
	"	  ld.param.b32 %v, [b]; }\n"
	"	ld.local.u32 %n, [%a]; add.u32 %v, %v, %n;\n"
	"out:	st.param.b32 [r], %v; ret;\n"
	"}\n"
	/* *p = the sum of 1 to n, by as many calls */
	".visible .entry recurse(.param .u64 pp, .param .u64 pn)\n"
	"{\n"
	"	.reg .b32 %v; .reg .b64 %p, %n;\n"
	"	ld.param.u64 %p, [pp]; ld.param.u64 %n, [pn]; cvt.u32.u64 %v, %n;\n"
	"	{ .param .b32 a; .param .b32 b; st.param.b32 [a], %v; call (b), deep, (a);\n"
	"	  ld.param.b32 %v, [b]; }\n"
	"	st.global.u32 [%p], %v; ret;\n"
	"}\n"
	/* *p = whether there are n bytes, which it keeps */
	".visible .entry take(.param .u64 pp, .param .u64 pn)\n"
	"{\n"
	"	.reg .pred %q; .reg .b32 %v; .reg .b64 %p, %n;\n"
	"	ld.param.u64 %p, [pp]; ld.param.u64 %n, [pn];\n"
	"	{ .param .b64 a; .param .b64 b; st.param.b64 [a], %n; call (b), malloc, (a);\n"
	"	  ld.param.b64 %n, [b]; }\n"
	"	setp.ne.u64 %q, %n, 0; selp.u32 %v, 1, 0, %q; st.global.u32 [%p], %v; ret;\n"
	"}\n"
	/* n times the text */
	".visible .entry say(.param .u64 pp, .param .u64 pn)\n"
	"{\n"
	"	.reg .pred %q; .reg .b64 %n, %t;\n"
	"	ld.param.u64 %n, [pn]; mov.u64 %t, text;\n"
	"more:	{ .param .b64 a; .param .b64 b; .param .b32 c; st.param.b64 [a], %t;\n"
	"	  st.param.b64 [b], 0; call (c), vprintf, (a, b); }\n"
	"	sub.u64 %n, %n, 1; setp.ne.u64 %q, %n, 0; @%q bra more; ret;\n"
	"}\n";

/* Runs a kernel of limits_ptx in the current context; *v: what it leaves. */
static CUresult run(const char *name, uint64_t n, uint32_t *v)
{
	CUfunction f;
	CUmodule mod;
	CUdeviceptr p;
	void *params[] = { &p, &n };
	CUresult r;

	OK(cuModuleLoadData(&mod, limits_ptx));
	OK(cuModuleGetFunction(&f, mod, name));
	OK(cuMemAlloc(&p, 4));
	r = cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL);
	if (r == CUDA_SUCCESS)
		r = cuCtxSynchronize();
	return r == CUDA_SUCCESS ? cuMemcpyDtoH(v, p, 4) : r;
}

static size_t limit(CUlimit l)
{
	size_t n;

	OK(cuCtxGetLimit(&n, l));
	return n;
}

static void stack(void)
{
	CUcontext other;
	uint32_t v;

	open_test();
	IS(limit(CU_LIMIT_STACK_SIZE), 1024);
	OK(run("recurse", 5, &v));
	IS(v, 15);
	OK(cuCtxCreate(&other, NULL, 0, 0));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, run("recurse", 500, &v));
	OK(cuCtxDestroy(other));
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 100001));
	IS(limit(CU_LIMIT_STACK_SIZE), 100016);
	OK(run("recurse", 500, &v));
	IS(v, 500 * 501 / 2);
	/* It holds at once, and for this context. */
	OK(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, run("recurse", 500, &v));
	OK(cuCtxDestroy(other));
	OK(run("recurse", 5, &v));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxSetLimit(CU_LIMIT_STACK_SIZE, (512 << 10) + 1));
	OK(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 512 << 10));
}

static void heap(void)
{
	size_t before, after, total;
	CUcontext other;
	uint32_t v;

	open_test();
	IS(limit(CU_LIMIT_MALLOC_HEAP_SIZE), 8 << 20);
	OK(cuMemGetInfo(&before, &total));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, total + 1));
	OK(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 99999));
	IS(limit(CU_LIMIT_MALLOC_HEAP_SIZE), 102400);
	OK(run("recurse", 1, &v));
	OK(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 1 << 20));
	OK(run("take", 600000, &v));
	IS(v, 1);
	OK(run("take", 600000, &v));
	IS(v, 0);
	OK(run("take", 400000, &v));
	IS(v, 1);
	/* A kernel that allocates was launched. */
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 1 << 20));
	IS(limit(CU_LIMIT_MALLOC_HEAP_SIZE), 1 << 20);
	OK(cuMemGetInfo(&after, NULL));
	TRUE(before - after >= 1 << 20);

	/* Another context has a heap of its own, which goes with it. */
	OK(cuMemGetInfo(&before, NULL));
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(run("take", 8 << 20, &v));
	IS(v, 1);
	OK(cuCtxDestroy(other));
	OK(cuMemGetInfo(&after, NULL));
	IS(after, before);
	OK(cuCtxCreate(&other, NULL, 0, 0));
	OK(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, total - (1 << 20)));
	FAILS(CUDA_ERROR_OUT_OF_MEMORY, run("take", 1, &v));
}

static void fifo(void)
{
	char path[] = "/tmp/softgpu-fifo-XXXXXX";
	int fd = mkstemp(path);
	uint32_t v;

	open_test();
	unlink(path);
	dup2(fd, 1);
	IS(limit(CU_LIMIT_PRINTF_FIFO_SIZE), 1 << 20);
	OK(cuCtxSetLimit(CU_LIMIT_PRINTF_FIFO_SIZE, 50));
	IS(limit(CU_LIMIT_PRINTF_FIFO_SIZE), 50);
	/* 200 times 9 bytes: more than the buffer has, and nothing is lost. */
	OK(run("say", 200, &v));
	fflush(stdout);
	IS(lseek(fd, 0, SEEK_CUR), 1800);
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxSetLimit(CU_LIMIT_PRINTF_FIFO_SIZE, 1 << 20));
}

static void other_limits(void)
{
	size_t n;

	open_test();
	FAILS(CUDA_ERROR_UNSUPPORTED_LIMIT, cuCtxGetLimit(&n, CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH));
	FAILS(CUDA_ERROR_UNSUPPORTED_LIMIT, cuCtxSetLimit(CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH, 2));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxSetLimit((CUlimit)99, 2));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxGetLimit(&n, (CUlimit)-1));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxGetLimit(NULL, CU_LIMIT_STACK_SIZE));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxSetLimit(CU_LIMIT_MAX_L2_FETCH_GRANULARITY, 129));
	OK(cuCtxSetLimit(CU_LIMIT_MAX_L2_FETCH_GRANULARITY, 128));
	OK(cuCtxSetLimit(CU_LIMIT_PERSISTING_L2_CACHE_SIZE, 4096));
	IS(limit(CU_LIMIT_PERSISTING_L2_CACHE_SIZE), 0);
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

#define TEST_AS(name, fn, env) static void name(void **state) { (void)state; IN_CHILD(fn, env); }
#define TEST(name, fn)	TEST_AS(name, fn, "SOFTGPU_DEVICES=1")
TEST(an_event_records_all_of_a_context, record)
TEST(a_context_waits_for_an_event, wait_for_event)
TEST(a_context_that_captures_is_refused, captures)
TEST(captures_forbid_what_might_disturb_them, allocations)
TEST(a_context_ends_with_its_last_use, use_count)
TEST(flags_can_be_set_and_affinity_cannot, flags_and_affinity)
TEST_AS(recursion_needs_a_stack, stack, "SOFTGPU_FAULTS=context")
TEST(kernels_share_a_heap_of_the_context, heap)
TEST(a_small_buffer_loses_no_text, fifo)
TEST_AS(limits_go_by_the_device, other_limits, "SOFTGPU_SM=90")
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
		cmocka_unit_test(recursion_needs_a_stack),
		cmocka_unit_test(kernels_share_a_heap_of_the_context),
		cmocka_unit_test(a_small_buffer_loses_no_text),
		cmocka_unit_test(limits_go_by_the_device),
		cmocka_unit_test(callbacks_hear_what_is_logged),
		cmocka_unit_test(the_log_keeps_the_latest_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
