/* SPDX-License-Identifier: MIT */
/*
 * worker_double.c - a libcuda.so.1 with a clock in place of a device
 *
 * Every stream has a time at which its work will be done, and a kernel that sleeps moves it. What
 * the work does, it does at once. So a test can hold a stream up for as long as it likes and see
 * who has to wait. Any text is a module with the kernels of kernels[].
 */
#include <cuda.h>
#include <elf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
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
static CUresult poison;
static unsigned char variable[64];
static const void *kept;	/* the last cubin that stays where it is, until its library is unloaded */

static uint64_t now_ms(void)
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

/*
 * The time when what is put on s now can start; the legacy stream and blocking ones wait for each
 * other.
 */
static uint64_t *start_of(CUstream s)
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

CUresult cuPointerGetAttribute(void *v, CUpointer_attribute a, CUdeviceptr p)
{
	bool own = p >= (CUdeviceptr)variable && p < (CUdeviceptr)variable + sizeof(variable);

	(void)a;
	*(unsigned int *)v = CU_MEMORYTYPE_DEVICE;
	return own ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *n, CUdeviceptr p)
{
	(void)p;
	*base = (CUdeviceptr)variable;
	*n = sizeof(variable);
	return CUDA_SUCCESS;
}

/* What is not mapped must give an error, as the driver does, and not a signal. */
static bool is_mapped(CUdeviceptr p, size_t n)
{
	if (!n)
		return true;
	if (p >= (CUdeviceptr)variable && p + n <= (CUdeviceptr)variable + sizeof(variable))
		return true;
	for (uint64_t at = p / GRANULARITY * GRANULARITY; at < p + n; at += GRANULARITY)
		if (at < range || (at - range) / GRANULARITY >= NR_PAGES ||
		    !mapped[(at - range) / GRANULARITY])
			return false;
	return true;
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dst, const void *src, size_t n, CUstream s)
{
	start_of(s);
	if (poison)
		return poison;
	if (!is_mapped(dst, n))
		return CUDA_ERROR_INVALID_VALUE;
	if (n)
		memcpy((void *)dst, src, n);
	return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync_v2(void *dst, CUdeviceptr src, size_t n, CUstream s)
{
	start_of(s);
	if (poison)
		return poison;
	if (!is_mapped(src, n))
		return CUDA_ERROR_INVALID_VALUE;
	if (n)
		memcpy(dst, (void *)src, n);
	return CUDA_SUCCESS;
}

CUresult cuMemsetD8Async(CUdeviceptr dst, unsigned char c, size_t n, CUstream s)
{
	start_of(s);
	if (!is_mapped(dst, n))
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
	uint64_t *end = start_of(s);

	(void)flags;
	if (e->end > *end)
		*end = e->end;
	return CUDA_SUCCESS;
}

static CUresult query(uint64_t end)
{
	if (now_ms() < end)
		return CUDA_ERROR_NOT_READY;
	return poison;
}

static CUresult wait_until(uint64_t end)
{
	while (now_ms() < end)
		sleep_ms(1);
	return poison;
}

CUresult cuStreamQuery(CUstream s) { return query(*start_of(s)); }
CUresult cuStreamSynchronize(CUstream s) { return wait_until(*start_of(s)); }

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
	e->end = *start_of(s);
	return poison;
}

/* ---- modules ---- */

struct kernel {
	const char *name;
	int nr_params;
	size_t sizes[3];
};

static const struct kernel kernels[] = {
	{ "sleep", 1, { 8 } },			/* milliseconds */
	{ "add", 3, { 8, 4, 1 } },		/* address of bytes, how many, what to add */
	{ "fault", 0, { 0 } },
};
#define NR_KERNELS	(sizeof(kernels) / sizeof(kernels[0]))

static CUresult load(const void *code)
{
	uint32_t magic = *(const uint32_t *)code;

	/* The wrapper's fatbin must be there, and so must each in its list. */
	if (magic == 0x466243b1) {
		const uint32_t *w = code;
		const void *const *data = (const void *const *)(w + 2);

		if (**(const uint32_t **)data != 0xba55ed50)
			return CUDA_ERROR_INVALID_IMAGE;
		for (const void *const *f = w[1] == 2 ? data[1] : NULL; f && *f; f++)
			if (*(const uint32_t *)*f != 0xba55ed50)
				return CUDA_ERROR_INVALID_IMAGE;
	}
	return strstr(code, "broken") == code ? CUDA_ERROR_INVALID_PTX : CUDA_SUCCESS;
}

CUresult cuModuleLoadDataEx(CUmodule *m, const void *code, unsigned int nr, CUjit_option *options,
			    void **values)
{
	CUresult r = load(code);

	for (unsigned int i = 0; r && i < nr; i++)
		if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
			strcpy(values[i], "line 1: broken");
	*m = (CUmodule)kernels;
	return r;
}

CUresult cuLibraryLoadData(CUlibrary *l, const void *code, CUjit_option *jo, void **jv,
			   unsigned int nj, CUlibraryOption *lo, void **lv, unsigned int nl)
{
	const Elf64_Ehdr *elf = code;

	(void)jo, (void)jv, (void)nj;
	*l = (CUlibrary)kernels;
	if (memcmp(elf->e_ident, ELFMAG, SELFMAG))
		return nl ? CUDA_ERROR_INVALID_VALUE : load(code);
	if (elf->e_flags == 2)
		return CUDA_ERROR_NO_BINARY_FOR_GPU;
	/* one that is kept for it, and has a kernel less: so it is told from others */
	if (elf->e_flags || nl != 1 || lo[0] != CU_LIBRARY_BINARY_IS_PRESERVED || !lv[0])
		return CUDA_ERROR_INVALID_IMAGE;
	*l = (CUlibrary)(kernels + 1);
	kept = code;
	return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule m) { (void)m; return CUDA_SUCCESS; }

CUresult cuLibraryUnload(CUlibrary l)
{
	if (!poison && l == (CUlibrary)(kernels + 1))
		kept = NULL;
	return poison;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice d)
{
	(void)d;
	if (kept && memcmp(kept, ELFMAG, SELFMAG))
		abort();
	return CUDA_SUCCESS;
}

CUresult cuModuleGetFunctionCount(unsigned int *n, CUmodule m)
{
	(void)m;
	*n = NR_KERNELS;
	return CUDA_SUCCESS;
}
CUresult cuLibraryGetKernelCount(unsigned int *n, CUlibrary l)
{
	*n = kernels + NR_KERNELS - (const struct kernel *)l;
	return CUDA_SUCCESS;
}

CUresult cuModuleEnumerateFunctions(CUfunction *list, unsigned int n, CUmodule m)
{
	(void)m;
	for (unsigned int i = 0; i < n; i++)
		list[i] = (CUfunction)&kernels[i];
	return CUDA_SUCCESS;
}

CUresult cuLibraryEnumerateKernels(CUkernel *list, unsigned int n, CUlibrary l)
{
	for (unsigned int i = 0; i < n; i++)
		list[i] = (CUkernel)((const struct kernel *)l + i);
	return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name)
{
	(void)m;
	for (unsigned int i = 0; i < NR_KERNELS; i++) {
		*f = (CUfunction)&kernels[i];
		if (!strcmp(kernels[i].name, name))
			return CUDA_SUCCESS;
	}
	return CUDA_ERROR_NOT_FOUND;
}

CUresult cuLibraryGetKernel(CUkernel *k, CUlibrary l, const char *name)
{
	(void)l;
	return cuModuleGetFunction((CUfunction *)k, NULL, name);
}

CUresult cuFuncGetName(const char **name, CUfunction f)
{
	*name = ((const struct kernel *)f)->name;
	return CUDA_SUCCESS;
}

CUresult cuKernelGetName(const char **name, CUkernel k)
{
	return cuFuncGetName(name, (CUfunction)k);
}

CUresult cuFuncGetParamInfo(CUfunction f, size_t i, size_t *offset, size_t *size)
{
	const struct kernel *k = (const struct kernel *)f;

	if (i >= (size_t)k->nr_params)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = 0;
	for (size_t j = 0; j < i; j++)
		*offset += k->sizes[j];
	*size = k->sizes[i];
	return CUDA_SUCCESS;
}

CUresult cuKernelGetParamInfo(CUkernel k, size_t i, size_t *offset, size_t *size)
{
	return cuFuncGetParamInfo((CUfunction)k, i, offset, size);
}

CUresult cuFuncGetAttribute(int *v, CUfunction_attribute a, CUfunction f)
{
	(void)f;
	*v = a == 3 ? -7 : 100 + (int)a;
	return a == 15 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuKernelGetAttribute(int *v, CUfunction_attribute a, CUkernel k, CUdevice d)
{
	(void)d;
	return cuFuncGetAttribute(v, a, (CUfunction)k);
}

CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v)
{
	(void)f, (void)v;
	return a > 15 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuKernelSetAttribute(CUfunction_attribute a, int v, CUkernel k, CUdevice d)
{
	(void)d;
	return cuFuncSetAttribute((CUfunction)k, a, v);
}

CUresult cuFuncSetCacheConfig(CUfunction f, CUfunc_cache c)
{
	(void)f, (void)c;
	return CUDA_SUCCESS;
}
CUresult cuKernelSetCacheConfig(CUkernel k, CUfunc_cache c, CUdevice d)
{
	(void)k, (void)c, (void)d;
	return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *p, size_t *n, CUmodule m, const char *name)
{
	(void)m;
	*p = (CUdeviceptr)variable;
	*n = sizeof(variable);
	return strcmp(name, "variable") ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

CUresult cuLibraryGetGlobal(CUdeviceptr *p, size_t *n, CUlibrary l, const char *name)
{
	return cuModuleGetGlobal_v2(p, n, (CUmodule)l, name);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, CUfunction f, int block,
							      size_t shared, unsigned int flags)
{
	(void)f, (void)shared;
	*n = 2048 / (block > 0 ? block : 1) + flags;
	return block > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *n, CUfunction f, int nr, int block)
{
	(void)f;
	*n = 1000 * nr + block;
	return CUDA_SUCCESS;
}

/* 132 multiprocessors with a block each; 29 blocks are too many for its memory. */
CUresult cuOccupancyMaxActiveClusters(int *n, CUfunction f, const CUlaunchConfig *c)
{
	unsigned int x = 0;

	(void)f;
	for (unsigned int i = 0; i < c->numAttrs; i++)
		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
			x = c->attrs[i].value.clusterDim.x;
	if (!x || c->gridDimX % x)
		return CUDA_ERROR_INVALID_CLUSTER_SIZE;
	*n = x > 16 ? 0 : 132 / x;
	return x == 29 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

static CUresult run_add(void **params)
{
	CUdeviceptr p;
	uint32_t n;
	uint8_t x;

	memcpy(&p, params[0], 8);
	memcpy(&n, params[1], 4);
	memcpy(&x, params[2], 1);
	if (!is_mapped(p, n)) {
		poison = CUDA_ERROR_ILLEGAL_ADDRESS;
		return CUDA_SUCCESS;
	}
	for (uint32_t i = 0; i < n; i++)
		((uint8_t *)p)[i] += x;
	return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			CUstream s, void **params, void **extra)
{
	const struct kernel *k = (const struct kernel *)f;
	uint64_t *end = start_of(s), ms;

	(void)shared, (void)extra;
	if (poison)
		return poison;
	if (!gx || !gy || !gz || !bx || !by || !bz)
		return CUDA_ERROR_INVALID_VALUE;
	if (k == &kernels[1])
		return run_add(params);
	if (k == &kernels[2]) {
		poison = CUDA_ERROR_LAUNCH_FAILED;
		return CUDA_SUCCESS;
	}
	memcpy(&ms, params[0], 8);
	if (*end < now_ms())
		*end = now_ms();
	*end += ms;
	return CUDA_SUCCESS;
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
				   unsigned int bx, unsigned int by, unsigned int bz,
				   unsigned int shared, CUstream s, void **params)
{
	return cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, s, params, NULL);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction f, void **params, void **extra)
{
	for (unsigned int i = 0; i < c->numAttrs; i++)
		if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT)
			cuEventRecord(c->attrs[i].value.launchCompletionEvent.event, c->hStream);
	return cuLaunchKernel(f, c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY,
			      c->blockDimZ, c->sharedMemBytes, c->hStream, params, extra);
}

/* ---- tensor maps: the arguments, in an order of the double's own ---- */

static CUresult put_map(CUtensorMap *out, const void *address, uint64_t meta, cuuint32_t rank,
			const cuuint64_t *dim, const cuuint64_t *strides, const cuuint32_t *steps)
{
	uint64_t *w = (uint64_t *)out;

	memset(out, 0, sizeof(*out));
	w[0] = (uintptr_t)address;
	w[1] = meta | (uint64_t)rank << 8;
	for (cuuint32_t i = 0; i < rank; i++) {
		w[2 + i] = dim[i];
		w[7 + i] = i + 1 < rank ? strides[i] : 0;
		w[11 + i] = (uint64_t)steps[i] << 32;
	}
	return (uintptr_t)address % 16 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuTensorMapEncodeTiled(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank,
				void *address, const cuuint64_t *dim, const cuuint64_t *strides,
				const cuuint32_t *box, const cuuint32_t *steps,
				CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
				CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	CUresult r = put_map(out, address,
			     type | interleave << 16 | swizzle << 24 | (uint64_t)promotion << 32 |
				     (uint64_t)fill << 40,
			     rank, dim, strides, steps);

	for (cuuint32_t i = 0; i < rank; i++)
		((uint64_t *)out)[11 + i] |= box[i];
	return r;
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank,
				 void *address, const cuuint64_t *dim, const cuuint64_t *strides,
				 const int *lower, const int *upper, cuuint32_t channels,
				 cuuint32_t pixels, const cuuint32_t *steps,
				 CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
				 CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
	CUresult r = put_map(out, address,
			     type | interleave << 16 | swizzle << 24 | (uint64_t)promotion << 32 |
				     (uint64_t)fill << 40 | (uint64_t)channels << 48 |
				     (uint64_t)pixels << 56,
			     rank, dim, strides, steps);

	for (cuuint32_t i = 0; i + 2 < rank; i++)
		((uint64_t *)out)[11 + i] |= (uint16_t)lower[i] | (uint32_t)upper[i] << 16;
	return r;
}

CUresult cuTensorMapReplaceAddress(CUtensorMap *map, void *address)
{
	*(uint64_t *)map = (uintptr_t)address;
	return CUDA_SUCCESS;
}

/* ---- texture references: one, named "ref" ---- */

static struct {
	CUdeviceptr address;
	unsigned int flags;
	float bias, border[4];
} ref;

CUresult cuModuleGetTexRef(CUtexref *out, CUmodule m, const char *name)
{
	(void)m;
	*out = (CUtexref)&ref;
	return strcmp(name, "ref") ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

#define REF(r)	(void)((r) == (CUtexref)&ref || (abort(), 0))

CUresult cuTexRefSetAddress_v2(size_t *offset, CUtexref r, CUdeviceptr p, size_t n)
{
	REF(r);
	ref.address = p;
	*offset = n;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetAddress_v2(CUdeviceptr *p, CUtexref r)
{
	REF(r);
	*p = ref.address;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetFlags(CUtexref r, unsigned int flags)
{
	REF(r);
	ref.flags = flags;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetFlags(unsigned int *flags, CUtexref r)
{
	REF(r);
	*flags = ref.flags;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetMipmapLevelBias(CUtexref r, float bias)
{
	REF(r);
	ref.bias = bias;
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetMipmapLevelBias(float *bias, CUtexref r)
{
	REF(r);
	*bias = ref.bias;
	return CUDA_SUCCESS;
}

CUresult cuTexRefSetBorderColor(CUtexref r, float *color)
{
	REF(r);
	memcpy(ref.border, color, sizeof(ref.border));
	return CUDA_SUCCESS;
}

CUresult cuTexRefGetBorderColor(float *color, CUtexref r)
{
	REF(r);
	memcpy(color, ref.border, sizeof(ref.border));
	return CUDA_SUCCESS;
}
