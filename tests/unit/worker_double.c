/* SPDX-License-Identifier: MIT */
/*
 * worker_double.c - a libcuda.so.1 with a clock in place of a device
 *
 * Every stream has a time at which its work will be done, and a kernel that sleeps moves it. What
 * the work does, it does at once. So a test can hold a stream up for as long as it likes and see
 * who has to wait. Modules are in worker_double_module.c, textures in worker_double_texture.c.
 */
#include "worker_double.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#undef cuMemAlloc
#undef cuEventElapsedTime

#define GRANULARITY	(2ull << 20)
#define TOTAL_MEM	(256ull << 20)
#define NR_STREAMS	64
#define NR_PAGES	(64ull << 30 >> 21)

struct CUstream_st {
	uint64_t end;
	bool non_blocking, live;
};
struct CUevent_st {
	uint64_t end;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct CUstream_st streams[NR_STREAMS];	/* 0: the legacy stream */
static uint64_t held_mem;
static CUdeviceptr range;
static bool mapped[NR_PAGES];
CUresult double_poison;

uint64_t double_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static void sleep_ms(uint64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static bool is_legacy(CUstream s)
{
	return !s || s == CU_STREAM_LEGACY;
}

uint64_t *double_start_of(CUstream s)
{
	struct CUstream_st *me = is_legacy(s) ? &streams[0] : s;

	for (int i = 1; is_legacy(s) && i < NR_STREAMS; i++)
		if (streams[i].live && !streams[i].non_blocking && streams[i].end > me->end)
			me->end = streams[i].end;
	if (!is_legacy(s) && !s->non_blocking && streams[0].end > me->end)
		me->end = streams[0].end;
	return &me->end;
}

CUresult cuInit(unsigned int flags) { return flags ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int *v) { *v = 13000; return CUDA_SUCCESS; }
CUresult cuDeviceGet(CUdevice *d, int n)
{
	*d = n;
	return n ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int *n) { *n = 1; return CUDA_SUCCESS; }
CUresult cuDeviceTotalMem_v2(size_t *n, CUdevice d)
{
	(void)d;
	*n = TOTAL_MEM;
	return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext *c, CUdevice d)
{
	(void)d;
	*c = (CUcontext)streams;
	return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext c) { (void)c; return CUDA_SUCCESS; }

CUresult cuGetErrorName(CUresult r, const char **name)
{
	static char text[32];

	snprintf(text, sizeof(text), "error %d", r);
	*name = text;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int n, CUdevice d)
{
	(void)d;
	snprintf(name, n, "Clock");
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid *u, CUdevice d)
{
	memset(u, 0x40 + d, sizeof(*u));
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *v, CUdevice_attribute a, CUdevice d)
{
	(void)d;
	*v = a == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 :
	     a == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR ? 0 : 1000 + a;
	return a % 10 == 9 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
	*least = 0;
	*greatest = -5;
	return CUDA_SUCCESS;
}

/* ---- memory ---- */

CUresult cuMemGetInfo_v2(size_t *free_mem, size_t *total)
{
	*free_mem = TOTAL_MEM - held_mem;
	*total = TOTAL_MEM;
	return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **p, size_t n, unsigned int flags)
{
	(void)flags;
	*p = malloc(n);
	return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemGetAllocationGranularity(size_t *n, const CUmemAllocationProp *p,
				       CUmemAllocationGranularity_flags f)
{
	(void)p, (void)f;
	*n = GRANULARITY;
	return CUDA_SUCCESS;
}

CUresult cuMemAddressReserve(CUdeviceptr *out, size_t n, size_t align, CUdeviceptr at,
			     unsigned long long flags)
{
	void *p = mmap((void *)at, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		       0);

	(void)align, (void)flags;
	*out = range = (CUdeviceptr)p;
	return p == MAP_FAILED ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *h, size_t n, const CUmemAllocationProp *p,
		     unsigned long long f)
{
	(void)p, (void)f;
	pthread_mutex_lock(&lock);
	*h = held_mem + n > TOTAL_MEM ? 0 : n;
	held_mem += *h;
	pthread_mutex_unlock(&lock);
	return *h ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle h) { (void)h; return CUDA_SUCCESS; }

CUresult cuMemMap(CUdeviceptr at, size_t n, size_t off, CUmemGenericAllocationHandle h,
		  unsigned long long f)
{
	(void)off, (void)f;
	return at % GRANULARITY || n != h ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

static void set_mapped(CUdeviceptr at, size_t n, bool is)
{
	for (uint64_t i = (at - range) / GRANULARITY; i < (at - range + n) / GRANULARITY; i++)
		mapped[i] = is;
}

CUresult cuMemSetAccess(CUdeviceptr at, size_t n, const CUmemAccessDesc *a, size_t nr)
{
	(void)a, (void)nr;
	set_mapped(at, n, true);
	return mprotect((void *)at, n, PROT_READ | PROT_WRITE) ? CUDA_ERROR_INVALID_VALUE
							       : CUDA_SUCCESS;
}

CUresult cuMemUnmap(CUdeviceptr at, size_t n)
{
	set_mapped(at, n, false);
	mmap((void *)at, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
	     0);
	pthread_mutex_lock(&lock);
	held_mem -= n;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

static bool is_variable(CUdeviceptr p, size_t n)
{
	CUdeviceptr start = (CUdeviceptr)double_variable;

	return p >= start && p + n <= start + sizeof(double_variable);
}

CUresult cuPointerGetAttribute(void *v, CUpointer_attribute a, CUdeviceptr p)
{
	bool own = is_variable(p, 1);

	(void)a;
	*(unsigned int *)v = CU_MEMORYTYPE_DEVICE;
	return own ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *n, CUdeviceptr p)
{
	(void)p;
	*base = (CUdeviceptr)double_variable;
	*n = sizeof(double_variable);
	return CUDA_SUCCESS;
}

/* What is not mapped must give an error, as the driver does, and not a signal. */
bool double_is_mapped(CUdeviceptr p, size_t n)
{
	if (!n)
		return true;
	if (is_variable(p, n))
		return true;
	for (uint64_t at = p / GRANULARITY * GRANULARITY; at < p + n; at += GRANULARITY)
		if (at < range || (at - range) / GRANULARITY >= NR_PAGES ||
		    !mapped[(at - range) / GRANULARITY])
			return false;
	return true;
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t n, CUstream s)
{
	double_start_of(s);
	if (double_poison)
		return double_poison;
	if (!double_is_mapped(dst, n))
		return CUDA_ERROR_INVALID_VALUE;
	if (n)
		memcpy((void *)dst, src, n);
	return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t n, CUstream s)
{
	double_start_of(s);
	if (double_poison)
		return double_poison;
	if (!double_is_mapped(src, n))
		return CUDA_ERROR_INVALID_VALUE;
	if (n)
		memcpy(dst, (void *)src, n);
	return CUDA_SUCCESS;
}

CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char c, size_t n, CUstream s)
{
	double_start_of(s);
	if (!double_is_mapped(dst, n))
		return CUDA_ERROR_INVALID_VALUE;
	if (n)
		memset((void *)dst, c, n);
	return CUDA_SUCCESS;
}

/* ---- streams and events ---- */

CUresult cuStreamCreate(CUstream *s, unsigned int flags)
{
	for (int i = 1; i < NR_STREAMS; i++) {
		if (streams[i].live)
			continue;
		streams[i] = (struct CUstream_st){ .live = true,
						   .non_blocking = flags & CU_STREAM_NON_BLOCKING };
		*s = &streams[i];
		return CUDA_SUCCESS;
	}
	return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuStreamDestroy_v2(CUstream s)
{
	s->live = false;
	return CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned int flags)
{
	uint64_t *end = double_start_of(s);

	(void)flags;
	if (e->end > *end)
		*end = e->end;
	return CUDA_SUCCESS;
}

static CUresult query(uint64_t end)
{
	if (double_now_ms() < end)
		return CUDA_ERROR_NOT_READY;
	return double_poison;
}

static CUresult wait_until(uint64_t end)
{
	while (double_now_ms() < end)
		sleep_ms(1);
	return double_poison;
}

CUresult cuStreamQuery(CUstream s) { return query(*double_start_of(s)); }
CUresult cuStreamSynchronize(CUstream s) { return wait_until(*double_start_of(s)); }

CUresult cuCtxSynchronize(void)
{
	uint64_t end = 0;

	for (int i = 0; i < NR_STREAMS; i++)
		if ((!i || streams[i].live) && streams[i].end > end)
			end = streams[i].end;
	return wait_until(end);
}

CUresult cuEventCreate(CUevent *e, unsigned int flags)
{
	(void)flags;
	*e = calloc(1, sizeof(**e));
	return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent e) { free(e); return CUDA_SUCCESS; }
CUresult cuEventQuery(CUevent e) { return query(e->end); }
CUresult cuEventSynchronize(CUevent e) { return wait_until(e->end); }

CUresult cuEventRecord(CUevent e, CUstream s)
{
	e->end = *double_start_of(s);
	return double_poison;
}
