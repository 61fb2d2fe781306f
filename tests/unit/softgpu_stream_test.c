/* SPDX-License-Identifier: MIT */
/* softgpu_stream_test.c - streams of softgpu: order, events, host functions, faults, threads that share a context */
#include "softgpu_driver_bench.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>

static void streams_run_without_the_caller(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;
	CUstream s;

	OK(cuMemAlloc(&p, 4));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuStreamQuery(s));
	close_gate(&f->gate, s);
	OK(put(&f->gate, p, 11, s));
	pause_ms(5);
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(s));
	/* A non-blocking stream holds nobody else up. */
	assert_int_equal(word_at(p), 0);
	open_gate(&f->gate);
	OK(cuStreamSynchronize(s));
	OK(cuStreamQuery(s));
	assert_int_equal(word_at(p), 11);
	/* Destroying returns at once, and what is queued still runs. */
	close_gate(&f->gate, s);
	OK(put(&f->gate, p, 12, s));
	OK(cuStreamDestroy(s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(s));
	FAILS(CUDA_ERROR_INVALID_HANDLE, put(&f->gate, p, 13, s));
	open_gate(&f->gate);
	OK(cuCtxSynchronize());
	assert_int_equal(word_at(p), 12);
}

static void legacy_stream_orders_blocking_streams(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;
	CUstream a, b;

	OK(cuMemAlloc(&p, 4));
	OK(cuStreamCreate(&a, 0));
	OK(cuStreamCreate(&b, 0));
	/* a, then the legacy stream, then b: each waits for the one before. */
	close_gate(&f->gate, a);
	OK(put(&f->gate, p, 1, a));
	OK(put(&f->gate, p, 2, NULL));
	OK(put(&f->gate, p, 3, b));
	pause_ms(10);
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(b));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(b));
	assert_int_equal(word_at(p), 3);
	/* Without work of its own a stream is done, whatever the legacy stream does. */
	close_gate(&f->gate, NULL);
	OK(cuStreamQuery(a));
	OK(cuStreamSynchronize(a));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(NULL));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(NULL));
	/* The thread's own stream is a blocking one. */
	close_gate(&f->gate, CU_STREAM_PER_THREAD);
	OK(put(&f->gate, p, 4, CU_STREAM_LEGACY));
	pause_ms(5);
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(CU_STREAM_LEGACY));
	open_gate(&f->gate);
	assert_int_equal(word_at(p), 4);
}

static void events_order_and_time(void **state)
{
	struct fixture *f = *state;
	CUevent start, end, untimed, never;
	CUdeviceptr p;
	CUstream a, b;
	float ms;

	OK(cuMemAlloc(&p, 4));
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&start, 0));
	OK(cuEventCreate(&end, CU_EVENT_BLOCKING_SYNC));
	OK(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
	OK(cuEventCreate(&never, 0));
	OK(cuEventQuery(never));
	OK(cuEventSynchronize(never));
	OK(cuEventRecord(start, a));
	close_gate(&f->gate, a);
	OK(put(&f->gate, p, 1, a));
	OK(cuEventRecord(end, a));
	OK(cuEventRecord(untimed, a));
	OK(cuStreamWaitEvent(b, end, 0));
	OK(put(&f->gate, p, 2, b));
	FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(end));
	FAILS(CUDA_ERROR_NOT_READY, cuEventElapsedTime(&ms, start, end));
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(b));
	pause_ms(30);
	open_gate(&f->gate);
	OK(cuEventSynchronize(end));
	OK(cuEventElapsedTime(&ms, start, end));
	assert_true(ms >= 29 && ms < 5000);
	OK(cuStreamSynchronize(b));
	assert_int_equal(word_at(p), 2);
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&ms, start, untimed));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&ms, start, never));
	/* Destroyed while its record is queued. */
	close_gate(&f->gate, a);
	OK(cuEventRecord(end, a));
	OK(cuEventDestroy(end));
	FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventQuery(end));
	open_gate(&f->gate);
	OK(cuStreamSynchronize(a));
}

struct calls {
	char log[32];
	CUresult inside;
};

static void note_host(void *arg)
{
	struct calls *c = arg;
	size_t n;

	strcat(c->log, "h");
	c->inside = cuMemGetInfo(&n, &n);
}

static void note_callback(CUstream s, CUresult r, void *arg)
{
	(void)s;
	strcat(((struct calls *)arg)->log, r == CUDA_SUCCESS ? "c" : "e");
}

static void host_functions_run_in_order(void **state)
{
	struct fixture *f = *state;
	struct calls c = { "", CUDA_SUCCESS };
	CUstream s;

	OK(cuStreamCreate(&s, 0));
	close_gate(&f->gate, s);
	OK(cuLaunchHostFunc(s, note_host, &c));
	OK(cuStreamAddCallback(s, note_callback, &c, 0));
	OK(cuLaunchHostFunc(s, note_host, &c));
	pause_ms(5);
	assert_string_equal(c.log, "");
	open_gate(&f->gate);
	OK(cuStreamSynchronize(s));
	assert_string_equal(c.log, "hch");
	assert_int_equal(c.inside, CUDA_ERROR_NOT_PERMITTED);
}

static void asynchronous_copies_keep_their_order(void **state)
{
	struct fixture *f = *state;
	uint32_t pageable = 5, *locked, back = 0;
	CUdeviceptr p, q;
	CUstream s;

	OK(cuMemAlloc(&p, 4));
	OK(cuMemAlloc(&q, 4));
	OK(cuMemAllocHost((void **)&locked, 4));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	close_gate(&f->gate, s);
	OK(cuMemcpyHtoDAsync(p, &pageable, 4, s));
	pageable = 99;			/* the call has taken it */
	OK(cuMemcpyDtoDAsync(q, p, 4, s));
	OK(cuMemcpyDtoHAsync(locked, q, 4, s));
	pause_ms(5);
	assert_int_equal(*locked, 0);
	open_gate(&f->gate);
	OK(cuMemcpyDtoHAsync(&back, q, 4, s));	/* pageable: waits */
	assert_int_equal(back, 5);
	assert_int_equal(*locked, 5);
	OK(cuMemFreeHost(locked));
	FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(locked));
}

/* As main() set it, the fault is this context's alone. */
static void an_illegal_access_poisons_its_context(void **state)
{
	struct fixture *f = *state;
	struct calls c = { "", CUDA_SUCCESS };
	CUcontext bad;
	CUmodule m;
	CUfunction fn, wait;
	CUdeviceptr p, nowhere = 0x10;
	uint32_t v = 1, x;
	void *params[] = { &nowhere, &v };
	CUstream s;
	CUevent e;

	OK(cuCtxCreate(&bad, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&fn, m, "put"));
	OK(cuMemAlloc(&p, 4));
	OK(cuStreamCreate(&s, 0));
	OK(cuEventCreate(&e, 0));
	/* Behind a gate, or the fault could be faster than the next call. */
	OK(cuModuleGetFunction(&wait, m, "wait"));
	__atomic_store_n(f->gate.flag, 0, __ATOMIC_SEQ_CST);
	OK(launch1(wait, 1, 1, s, &f->gate.flag));
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, s, params, NULL));
	OK(cuStreamAddCallback(s, note_callback, &c, 0));
	open_gate(&f->gate);
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(s));
	assert_string_equal(c.log, "e");
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(NULL));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc(&p, 4));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemcpyDtoH(&x, p, 4));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuEventRecord(e, s));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuEventSynchronize(e));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, s, params, NULL));
	OK(cuCtxSetCurrent(f->ctx));
	OK(cuMemAlloc(&p, 4));
	OK(put(&f->gate, p, 4, NULL));
	assert_int_equal(word_at(p), 4);
	OK(cuCtxDestroy(bad));
	/* Beside an allocation, and in one that is gone. */
	OK(cuCtxCreate(&bad, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&fn, m, "put"));
	OK(cuMemAlloc(&nowhere, 4));
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	OK(cuCtxSynchronize());
	OK(cuMemFree(nowhere));
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
	OK(cuCtxDestroy(bad));
	OK(cuCtxCreate(&bad, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&fn, m, "put"));
	OK(cuMemAlloc(&nowhere, 4));
	nowhere += 1;
	OK(cuLaunchKernel(fn, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	FAILS(CUDA_ERROR_MISALIGNED_ADDRESS, cuCtxSynchronize());
	OK(cuCtxDestroy(bad));
}

struct worker {
	struct fixture *f;
	CUdeviceptr p;
};

/* A stream of its own and the thread's, many short launches, and memory that comes and goes. */
static void *hammer(void *arg)
{
	struct worker *w = arg;
	CUdeviceptr tmp;
	CUstream s;

	OK(cuCtxSetCurrent(w->f->ctx));
	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	for (int i = 0; i < 200; i++) {
		OK(launch1(w->f->gate.count, 2, 32, i % 2 ? s : CU_STREAM_PER_THREAD, &w->p));
		OK(cuMemAlloc(&tmp, 4096));
		OK(cuMemsetD8Async(tmp, i, 4096, s));
		if (i % 16 == 0)
			OK(cuStreamSynchronize(s));
		OK(cuMemFree(tmp));
	}
	OK(cuStreamSynchronize(s));
	OK(cuStreamSynchronize(CU_STREAM_PER_THREAD));
	OK(cuStreamDestroy(s));
	return NULL;
}

static void threads_share_a_context(void **state)
{
	struct fixture *f = *state;
	struct worker w = { f, 0 };
	pthread_t t[4];

	OK(cuMemAlloc(&w.p, 4));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer, &w), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(word_at(w.p), 4 * 200 * 64);
}

struct waiter {
	CUcontext ctx;
	CUresult result;
	bool ready;
};

static void *wait_in_context(void *arg)
{
	struct waiter *w = arg;

	OK(cuCtxSetCurrent(w->ctx));
	__atomic_store_n(&w->ready, true, __ATOMIC_SEQ_CST);
	w->result = cuStreamSynchronize(NULL);
	return NULL;
}

static void *destroy_context(void *arg)
{
	struct waiter *w = arg;

	w->result = cuCtxDestroy(w->ctx);
	return NULL;
}

/* The wait ends when the work does, and by then the context is going away. */
static void a_context_ends_under_a_waiting_thread(void **state)
{
	struct fixture *f = *state;
	struct waiter w = { NULL, CUDA_SUCCESS, false }, d;
	pthread_t waits, destroys;
	unsigned int version;
	CUfunction wait;
	CUmodule m;

	OK(cuCtxCreate(&w.ctx, NULL, 0, 0));
	OK(cuModuleLoadData(&m, ptx));
	OK(cuModuleGetFunction(&wait, m, "wait"));
	__atomic_store_n(f->gate.flag, 0, __ATOMIC_SEQ_CST);
	OK(launch1(wait, 1, 1, NULL, &f->gate.flag));
	OK(cuCtxPopCurrent(NULL));
	d = w;
	assert_int_equal(pthread_create(&waits, NULL, wait_in_context, &w), 0);
	while (!__atomic_load_n(&w.ready, __ATOMIC_SEQ_CST))
		pause_ms(1);
	pause_ms(10);
	assert_int_equal(pthread_create(&destroys, NULL, destroy_context, &d), 0);
	/* The handle is gone as soon as the end has begun. */
	while (cuCtxGetApiVersion(w.ctx, &version) == CUDA_SUCCESS)
		pause_ms(1);
	open_gate(&f->gate);
	pthread_join(waits, NULL);
	pthread_join(destroys, NULL);
	assert_int_equal(d.result, CUDA_SUCCESS);
	assert_int_equal(w.result, CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

static void idle_streams_use_no_cpu(void **state)
{
	struct rusage a, b;
	CUdeviceptr p;
	CUstream s[8];
	long us;

	(void)state;
	OK(cuMemAlloc(&p, 8 * 4));
	for (int i = 0; i < 8; i++) {
		OK(cuStreamCreate(&s[i], 0));
		OK(cuMemsetD32Async(p + 4 * i, i, 1, s[i]));
	}
	OK(cuCtxSynchronize());
	getrusage(RUSAGE_SELF, &a);
	pause_ms(200);
	getrusage(RUSAGE_SELF, &b);
	us = (b.ru_utime.tv_sec - a.ru_utime.tv_sec + b.ru_stime.tv_sec - a.ru_stime.tv_sec) *
		     1000000 +
	     b.ru_utime.tv_usec - a.ru_utime.tv_usec + b.ru_stime.tv_usec - a.ru_stime.tv_usec;
	assert_true(us < 5000);
}

static CUcontext shared;

static void *free_it(void *p)
{
	CUresult r = cuCtxSetCurrent(shared);

	return (void *)(uintptr_t)(r ? r : cuMemFree((uintptr_t)p));
}

/* *begun = 1 once *p was read; until *p is not 0. */
static const char uses[] =
	".version 8.0\n.target sm_75\n.address_size 64\n"
	".visible .entry use(.param .u64 pp, .param .u64 pb)\n"
	"{\n"
	"	.reg .pred %p<2>; .reg .b32 %r<3>; .reg .b64 %rd<3>;\n"
	"	ld.param.u64 %rd1, [pp]; ld.param.u64 %rd2, [pb]; mov.u32 %r2, 1;\n"
	"LOOP:	ld.volatile.global.u32 %r1, [%rd1];\n"
	"	st.volatile.global.u32 [%rd2], %r2;\n"
	"	setp.eq.u32 %p1, %r1, 0;\n"
	"	@%p1 bra LOOP;\n"
	"	ret;\n"
	"}\n";

/* A program's mistake ends in wrong data or a fault, and not in a crash. */
static void memory_stays_for_what_is_launched_while_it_is_freed(void **state)
{
	struct fixture *f = *state;
	CUdeviceptr p;
	uint32_t word, *begun;
	CUfunction use;
	CUmodule mod;
	CUstream a, b;
	pthread_t t;
	void *r;

	OK(cuModuleLoadData(&mod, uses));
	OK(cuModuleGetFunction(&use, mod, "use"));
	OK(cuMemHostAlloc((void **)&begun, 4096, 0));
	*begun = 0;
	OK(cuMemAlloc(&p, 4));
	OK(cuMemsetD32(p, 0, 1));
	OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
	close_gate(&f->gate, a);
	OK(cuCtxGetCurrent(&shared));
	assert_int_equal(pthread_create(&t, NULL, free_it, (void *)(uintptr_t)p), 0);
	while (cuMemcpyDtoHAsync(&word, p, 4, b) == CUDA_SUCCESS)
		pause_ms(1);
	OK(cuStreamSynchronize(b));
	OK(cuLaunchKernel(use, 1, 1, 1, 1, 1, 1, 0, b, (void *[]){ &p, &begun }, NULL));
	while (!*(volatile uint32_t *)begun)
		pause_ms(1);
	open_gate(&f->gate);
	pause_ms(20);
	FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(b));
	*(volatile uint32_t *)p = 1;	/* the device's memory is this process's */
	assert_int_equal(pthread_join(t, &r), 0);
	assert_int_equal((uintptr_t)r, CUDA_SUCCESS);
	OK(cuStreamSynchronize(b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(streams_run_without_the_caller),
		CASE(legacy_stream_orders_blocking_streams),
		CASE(events_order_and_time),
		CASE(host_functions_run_in_order),
		CASE(asynchronous_copies_keep_their_order),
		CASE(an_illegal_access_poisons_its_context),
		CASE(threads_share_a_context),
		CASE(a_context_ends_under_a_waiting_thread),
		CASE(memory_stays_for_what_is_launched_while_it_is_freed),
		CASE(idle_streams_use_no_cpu),
	};

	set_environment();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
