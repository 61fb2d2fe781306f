/* SPDX-License-Identifier: MIT */
/*
 * softgpu_device_test.c - capabilities, what runs on them, and several devices
 */
#include <sched.h>

#include "softgpu_child.h"

/* CUDA programming guide, "Technical specifications per compute capability". */
struct row {
	int sm, threads, blocks, shared, optin, reserved;
	int resident;		/* blocks of 40000 bytes of shared memory */
};

static const struct row table[] = {
	{ 75, 1024, 16, 64, 64, 0, 1 },	  { 80, 2048, 32, 164, 163, 1, 4 },
	{ 86, 1536, 16, 100, 99, 1, 2 },  { 89, 1536, 24, 100, 99, 1, 2 },
	{ 90, 2048, 32, 228, 227, 1, 5 }, { 100, 2048, 32, 228, 227, 1, 5 },
	{ 120, 1536, 24, 100, 99, 1, 2 },
};

static const struct row *row;

static int attribute(CUdevice_attribute a)
{
	int v = -1;

	OK(cuDeviceGetAttribute(&v, a, 0));
	return v;
}

#define ATTRIBUTE(name)	attribute(CU_DEVICE_ATTRIBUTE_##name)

static const char shared_ptx[] = PTX_HEAD
	".visible .entry big() {\n\t.shared .align 4 .b8 s[40000];\n\t.reg .b32 r;\n"
	"\tld.shared.b32 r, [s];\n\tret;\n}\n"
	".visible .entry small() { ret; }\n";

static void capability(void)
{
	int n;
	CUmodule m;
	CUfunction f;

	open_device(0);
	IS(ATTRIBUTE(COMPUTE_CAPABILITY_MAJOR), row->sm / 10);
	IS(ATTRIBUTE(COMPUTE_CAPABILITY_MINOR), row->sm % 10);
	IS(ATTRIBUTE(MAX_THREADS_PER_MULTIPROCESSOR), row->threads);
	IS(ATTRIBUTE(MAX_BLOCKS_PER_MULTIPROCESSOR), row->blocks);
	IS(ATTRIBUTE(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR), row->shared * 1024);
	IS(ATTRIBUTE(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN), row->optin * 1024);
	IS(ATTRIBUTE(RESERVED_SHARED_MEMORY_PER_BLOCK), row->reserved * 1024);
	IS(ATTRIBUTE(MAX_SHARED_MEMORY_PER_BLOCK), 48 * 1024);
	IS(ATTRIBUTE(MAX_REGISTERS_PER_MULTIPROCESSOR), 65536);
	OK(cuModuleLoadData(&m, shared_ptx));
	OK(cuModuleGetFunction(&f, m, "big"));
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, 32, 0));
	IS(n, row->resident);
	OK(cuModuleGetFunction(&f, m, "small"));
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, 32, 0));
	IS(n, row->blocks);
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, 1024, 0));
	IS(n, row->threads / 1024);
}

static void capabilities_follow_the_documented_table(void **state)
{
	char sm[32];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		row = &table[i];
		snprintf(sm, sizeof(sm), "SOFTGPU_SM=%d", row->sm);
		IN_CHILD(capability, sm);
	}
}

/* A quarter of the cache was asked for as shared memory: fewer blocks fit, but never none. */
static void carveout(void)
{
	CUmodule m;
	CUfunction f;
	int n;

	open_device(0);
	OK(cuModuleLoadData(&m, shared_ptx));
	OK(cuModuleGetFunction(&f, m, "big"));
	OK(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 50));
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, 32, 0));
	IS(n, 3);	/* 114 KiB asked for, 132 KiB given */
	OK(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 0));
	OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, 32, 0));
	IS(n, 1);
}

static void a_carveout_limits_the_blocks(void **state)
{
	(void)state;
	IN_CHILD(carveout, "SOFTGPU_SM=90");
}

/* Registers without end, and blocks that do not fill the four partitions evenly. */
static void many_registers(void)
{
	static char text[65536];
	int n, threads;
	size_t at;
	CUmodule m;
	CUfunction f;

	open_device(0);
	for (threads = 32; threads <= 1024; threads += 32) {
		at = snprintf(text, sizeof(text), PTX_HEAD
			      ".visible .entry k() .maxntid %d, 1, 1 { .reg .b64 r<1000>;\n",
			      threads);
		for (n = 0; n < 1000; n++)
			at += snprintf(text + at, sizeof(text) - at, "mov.b64 r%d, 1;\n", n);
		snprintf(text + at, sizeof(text) - at, "ret;\n}\n");
		OK(cuModuleLoadData(&m, text));
		OK(cuModuleGetFunction(&f, m, "k"));
		OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&n, f, threads, 0));
		assert_true(n >= 1);
		OK(cuLaunchKernel(f, 1, 1, 1, threads, 1, 1, 0, NULL, NULL, NULL));
		OK(cuModuleUnload(m));
	}
}

static void a_block_of_the_promised_size_always_fits(void **state)
{
	(void)state;
	IN_CHILD(many_registers, "SOFTGPU_SM=120");
}

/* The log of a text that does not load. */
static void refused(const char *text, CUresult want, const char *log_want)
{
	CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	char log[200] = "";
	void *values[] = { log, (void *)sizeof(log) };
	CUlibrary lib;
	CUmodule m;

	IS(cuModuleLoadDataEx(&m, text, 2, options, values), want);
	IS((size_t)values[1], strlen(log));
	if (!strstr(log, log_want))
		fprintf(stderr, "%s", log);
	TRUE(strstr(log, log_want));
	memset(log, 0, sizeof(log));
	values[1] = (void *)sizeof(log);
	IS(cuLibraryLoadData(&lib, text, options, values, 2, NULL, NULL, 0), want);
	TRUE(strstr(log, log_want));
	IS(cuModuleLoadData(&m, text), want);
}

static void bad_texts(void)
{
	open_device(0);
	refused("// made\n.version 9.3\n.target sm_75\n.address_size 64\n",
		CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "line 2, column 10: .version 9.3 is newer");
	refused(".version 7.5\n.target texmode_unified, sm_90\n.address_size 64\n",
		CUDA_ERROR_INVALID_PTX, "line 2, column 26: a text for sm_90 does not run");
	refused(PTX_HEAD ".visible .entry k() {\n\tfoo.s32 1;\n}\n", CUDA_ERROR_INVALID_PTX,
		"line 5, column 2: ");
	refused(PTX_HEAD ".visible .entry k() {\n\tfoo.s32 1;\n}\n", CUDA_ERROR_INVALID_PTX,
		"foo.s32");
}

static void errors_of_a_text_have_a_place_in_the_log(void **state)
{
	(void)state;
	IN_CHILD(bad_texts, "SOFTGPU_SM=75");
}

static CUresult load(const char *target)
{
	char text[200];
	CUmodule m;

	snprintf(text, sizeof(text), ".version 9.0\n.target %s\n.address_size 64\n", target);
	return cuModuleLoadData(&m, text);
}

static void on_90(void)
{
	open_device(0);
	OK(load("sm_75"));
	OK(load("sm_90"));
	OK(load("sm_90a"));
	IS(load("sm_80a"), CUDA_ERROR_INVALID_PTX);
	IS(load("sm_100"), CUDA_ERROR_INVALID_PTX);
}

static void on_100(void)
{
	open_device(0);
	OK(load("sm_90"));
	OK(load("sm_100a"));
	OK(load("sm_100f"));
	IS(load("sm_90a"), CUDA_ERROR_INVALID_PTX);
	IS(load("sm_103"), CUDA_ERROR_INVALID_PTX);
}

static void on_120(void)
{
	open_device(0);
	OK(load("sm_100"));
	OK(load("sm_120f"));
	IS(load("sm_100f"), CUDA_ERROR_INVALID_PTX);
	IS(load("sm_100a"), CUDA_ERROR_INVALID_PTX);
}

static void exact_and_family_targets_run_where_they_may(void **state)
{
	(void)state;
	IN_CHILD(on_90, "SOFTGPU_SM=90");
	IN_CHILD(on_100, "SOFTGPU_SM=100");
	IN_CHILD(on_120, "SOFTGPU_SM=120");
}

/* A fatbin of stored PTX entries, each with one kernel called after its target. */
struct fatbin {
	uint32_t magic;
	uint16_t version, header;
	uint64_t size;
	unsigned char bytes[2048];
};

static void add_entry(struct fatbin *f, unsigned int arch, uint64_t flags, const char *suffix)
{
	unsigned char *p = f->bytes + f->size, *text = p + 64;
	int n;

	memset(p, 0, 64);
	n = sprintf((char *)text,
		    ".version 9.0\n.target sm_%u%s\n.address_size 64\n"
		    ".visible .entry k%u%s() { ret; }\n",
		    arch, suffix, arch, suffix);
	memset(text + n, 0, 8);
	*(uint16_t *)p = 1;
	*(uint16_t *)(p + 2) = 0x101;
	*(uint32_t *)(p + 4) = 64;
	*(uint64_t *)(p + 8) = (uint64_t)(n + 8) & ~7ull;
	*(uint32_t *)(p + 28) = arch;
	*(uint64_t *)(p + 40) = 0x11 | flags;
	f->size += 64 + *(uint64_t *)(p + 8);
}

static const char *best;

static void choose(void)
{
	static struct fatbin f = { .magic = 0xba55ed50, .version = 1, .header = 16 };
	CUfunction fn;
	CUmodule m;

	add_entry(&f, 80, 0, "");
	add_entry(&f, 90, 0x100000, "a");
	add_entry(&f, 75, 0, "");
	add_entry(&f, 100, 0x200000, "f");
	add_entry(&f, 110, 0, "");
	open_device(0);
	OK(cuModuleLoadFatBinary(&m, &f));
	OK(cuModuleGetFunction(&fn, m, best));
}

static void the_best_text_of_a_fatbin_is_chosen(void **state)
{
	static const struct { const char *sm, *best; } cases[] = {
		{ "SOFTGPU_SM=75", "k75" },   { "SOFTGPU_SM=86", "k80" },
		{ "SOFTGPU_SM=90", "k90a" },  { "SOFTGPU_SM=100", "k100f" },
		{ "SOFTGPU_SM=120", "k110" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		best = cases[i].best;
		IN_CHILD(choose, cases[i].sm);
	}
}

static int devices;

static void count(void)
{
	CUuuid a, b;
	char id[16];
	int n;

	OK(cuInit(0));
	OK(cuDeviceGetCount(&n));
	IS(n, devices);
	for (int i = 0; i < n; i++) {
		CUdevice dev = -1;

		OK(cuDeviceGet(&dev, i));
		IS(dev, i);
		OK(cuDeviceGetPCIBusId(id, sizeof(id), i));
		OK(cuDeviceGetByPCIBusId(&dev, id));
		IS(dev, i);
		OK(cuDeviceGetUuid_v2(&a, i));
		for (int j = 0; j < i; j++) {
			OK(cuDeviceGetUuid_v2(&b, j));
			TRUE(memcmp(&a, &b, sizeof(a)));
		}
	}
	IS(cuDeviceGet(&n, devices), CUDA_ERROR_INVALID_DEVICE);
	IS(cuDeviceGetByPCIBusId(&n, "0000:77:00.0"), CUDA_ERROR_INVALID_DEVICE);
}

static void devices_are_distinct(void **state)
{
	(void)state;
	devices = 1;
	IN_CHILD(count, "SOFTGPU_DEVICES=1");
	devices = 16;
	IN_CHILD(count, "SOFTGPU_DEVICES=16");
}

static void no_device(void)
{
	IS(cuInit(0), CUDA_ERROR_NO_DEVICE);
	IS(cuDeviceGetCount(&devices), CUDA_ERROR_NOT_INITIALIZED);
}

static void settings_that_are_none_are_refused(void **state)
{
	(void)state;
	IN_CHILD(no_device, "SOFTGPU_DEVICES=0");
	IN_CHILD(no_device, "SOFTGPU_DEVICES=17");
	IN_CHILD(no_device, "SOFTGPU_DEVICES=2x");
	IN_CHILD(no_device, "SOFTGPU_DEVICES=-1");
	IN_CHILD(no_device, "SOFTGPU_SM=91");
	IN_CHILD(no_device, "SOFTGPU_SM=9.0");
	IN_CHILD(no_device, "SOFTGPU_MEMORY= 2G");
	IN_CHILD(no_device, "SOFTGPU_MEMORY=1M");
	IN_CHILD(no_device, "SOFTGPU_FAULTS=none");
	IN_CHILD(no_device, "SOFTGPU_THREADS=0");
	IN_CHILD(no_device, "SOFTGPU_THREADS=257");
	IN_CHILD(no_device, "SOFTGPU_THREADS=4 ");
	IN_CHILD(no_device, "SOFTGPU_ISA=v5");
	IN_CHILD(no_device, "SOFTGPU_ISA=sse2");
	IN_CHILD(no_device, "SOFTGPU_DRIVER_VERSION=12.4");
	IN_CHILD(no_device, "SOFTGPU_DRIVER_VERSION=10999");
}

static void threads(void)
{
	const char *want = getenv("SOFTGPU_THREADS");
	cpu_set_t set;
	int n;

	open_device(0);
	OK(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0));
	IS(sched_getaffinity(0, sizeof(set), &set), 0);
	IS(n, *want ? atoi(want) : CPU_COUNT(&set));
}

static void a_thread_is_a_multiprocessor(void **state)
{
	(void)state;
	IN_CHILD(threads, "SOFTGPU_THREADS=");
	IN_CHILD(threads, "SOFTGPU_THREADS=1", "SOFTGPU_ISA=base");
	IN_CHILD(threads, "SOFTGPU_THREADS=256", "SOFTGPU_ISA=");
}

/* What is wrong with a child's environment, as it says on stderr. */
static void says(const char *env, const char *want)
{
	char text[256] = "";
	int status, p[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 2);
		putenv((char *)env);
		_exit(cuInit(0) != CUDA_ERROR_NO_DEVICE);
	}
	close(p[1]);
	n = read(p[0], text, sizeof(text) - 1);
	close(p[0]);
	assert_true(n >= 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(text, want);
}

static void a_bad_setting_is_named_once(void **state)
{
	(void)state;
	says("SOFTGPU_THREADS=300", "softgpu: SOFTGPU_THREADS=300: not a number of 1 to 256\n");
	says("SOFTGPU_ISA=avx", "softgpu: SOFTGPU_ISA=avx: not base, v3 or v4, or this processor lacks it\n");
	says("CUDA_VISIBLE_DEVICES=x", "");
}

/* The bus tells which of the machine's devices it is. */
static const char *order;

static void visible(void)
{
	char id[16];
	int n;

	OK(cuInit(0));
	OK(cuDeviceGetCount(&n));
	IS(n, strlen(order));
	for (int i = 0; i < n; i++) {
		OK(cuDeviceGetPCIBusId(id, sizeof(id), i));
		IS(id[6], order[i] + 1);
	}
}

/* The UUID of device 2, as CUDA_VISIBLE_DEVICES takes it. */
static void by_uuid(void)
{
	char text[64], *p = text + sprintf(text, "CUDA_VISIBLE_DEVICES=GPU-");
	CUuuid u;

	OK(cuInit(0));
	OK(cuDeviceGetUuid_v2(&u, 2));
	for (int i = 0; i < 16; i++)
		p += sprintf(p, "%s%02X", i >= 4 && i <= 10 && i % 2 == 0 ? "-" : "",
			     (unsigned char)u.bytes[i]);
	execl("/proc/self/exe", "device", text, "2", NULL);
	_exit(1);
}

static void cuda_visible_devices_selects_and_renumbers(void **state)
{
	(void)state;
	order = "20";
	IN_CHILD(visible, "SOFTGPU_DEVICES=4", "CUDA_VISIBLE_DEVICES=2, 0");
	order = "31";
	IN_CHILD(visible, "SOFTGPU_DEVICES=4", "CUDA_VISIBLE_DEVICES=3,1,7,0");
	IN_CHILD(no_device, "SOFTGPU_DEVICES=4", "CUDA_VISIBLE_DEVICES=");
	IN_CHILD(no_device, "SOFTGPU_DEVICES=4", "CUDA_VISIBLE_DEVICES=-1");
	IN_CHILD(no_device, "SOFTGPU_DEVICES=4", "CUDA_VISIBLE_DEVICES=1,1");
	/* The beginning of more than one. */
	IN_CHILD(no_device, "SOFTGPU_DEVICES=4", "CUDA_VISIBLE_DEVICES=GPU-736f");
	IN_CHILD(by_uuid, "SOFTGPU_DEVICES=4");
}

static const char store_ptx[] = PTX_HEAD
	".visible .global .u32 counter;\n"
	".visible .entry store(.param .u64 p) {\n\t.reg .b64 a;\n\t.reg .b32 v;\n"
	"\tld.param.u64 a, [p];\n\tmov.b32 v, 7;\n\tst.global.b32 [a], v;\n"
	"\tst.global.b32 [counter], v;\n\tret;\n}\n";

static CUfunction store_of(void)
{
	CUfunction f;
	CUmodule m;

	OK(cuModuleLoadData(&m, store_ptx));
	OK(cuModuleGetFunction(&f, m, "store"));
	return f;
}

static CUresult store(CUfunction f, CUdeviceptr p, CUstream s)
{
	void *params[] = { &p };
	CUresult r = cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, s, params, NULL);

	return r ? r : cuCtxSynchronize();
}

static void memory_of_each(void)
{
	size_t free_bytes, total;
	CUdeviceptr a, b;
	unsigned int ordinal;

	open_device(0);
	OK(cuMemAlloc(&a, 60 << 20));
	IS(cuMemAlloc(&b, 60 << 20), CUDA_ERROR_OUT_OF_MEMORY);
	open_device(1);
	OK(cuMemGetInfo(&free_bytes, &total));
	IS(total, 64 << 20);
	IS(free_bytes, 64 << 20);
	OK(cuMemAlloc(&b, 60 << 20));
	OK(cuMemGetInfo(&free_bytes, &total));
	IS(free_bytes, 4 << 20);
	OK(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, a));
	IS(ordinal, 0);
	OK(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, b));
	IS(ordinal, 1);
	OK(cuMemFree(a));
	OK(cuMemFree(b));
	OK(cuMemGetInfo(&free_bytes, &total));
	IS(free_bytes, 64 << 20);
}

static void each_device_has_its_own_memory(void **state)
{
	(void)state;
	IN_CHILD(memory_of_each, "SOFTGPU_DEVICES=2", "SOFTGPU_MEMORY=64M");
}

static void peers(void)
{
	CUcontext zero = open_device(0), one, other;
	CUfunction f = store_of();
	CUdeviceptr mine, theirs;
	uint32_t v = 0;
	CUdevice dev;
	int yes;

	OK(cuMemAlloc(&mine, 4));
	one = open_device(1);
	OK(cuMemAlloc(&theirs, 4));
	OK(cuCtxGetDevice(&dev));
	IS(dev, 1);
	OK(cuDeviceCanAccessPeer(&yes, 0, 1));
	IS(yes, 1);
	OK(cuDeviceCanAccessPeer(&yes, 1, 1));
	IS(yes, 0);
	OK(cuDeviceGetP2PAttribute(&yes, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 1));
	IS(yes, 1);
	IS(cuDeviceGetP2PAttribute(&yes, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 1, 1),
	   CUDA_ERROR_INVALID_DEVICE);

	OK(cuCtxSetCurrent(zero));
	IS(cuCtxDisablePeerAccess(one), CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
	IS(cuCtxEnablePeerAccess(one, 1), CUDA_ERROR_INVALID_VALUE);
	IS(cuCtxEnablePeerAccess(zero, 0), CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
	OK(cuCtxCreate(&other, NULL, 0, 0));
	IS(cuCtxEnablePeerAccess(zero, 0), CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
	OK(cuCtxDestroy(other));
	OK(cuCtxSetCurrent(zero));
	OK(cuCtxEnablePeerAccess(one, 0));
	IS(cuCtxEnablePeerAccess(one, 0), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
	OK(store(f, mine, 0));
	OK(store(f, theirs, 0));
	OK(cuMemcpyDtoH(&v, theirs, 4));
	IS(v, 7);
	OK(cuCtxDisablePeerAccess(one));
	IS(store(f, theirs, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
	IS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);

	/* The other device is as well as before. */
	OK(cuCtxSetCurrent(one));
	OK(store(store_of(), theirs, 0));
	OK(cuCtxSetCurrent(zero));
	OK(cuDevicePrimaryCtxReset(0));
	open_device(0);
	OK(cuMemAlloc(&mine, 4));
	OK(store(store_of(), mine, 0));
}

static void kernels_reach_a_peer_only_while_that_is_enabled(void **state)
{
	(void)state;
	IN_CHILD(peers, "SOFTGPU_DEVICES=2", "SOFTGPU_FAULTS=context");
}

static void streams_of_each(void)
{
	CUcontext zero = open_device(0), one, got;
	CUfunction f = store_of(), g;
	CUstream s, t;
	CUevent e, other;
	CUdeviceptr p, q;
	uint32_t v;

	OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&e, 0));
	OK(cuMemAlloc(&p, 4));
	one = open_device(1);
	g = store_of();
	OK(cuStreamCreate(&t, CU_STREAM_NON_BLOCKING));
	OK(cuEventCreate(&other, 0));
	OK(cuMemAlloc(&q, 4));

	/* Work, and its records, stay in their context. */
	IS(store(g, q, s), CUDA_ERROR_INVALID_HANDLE);
	IS(store(f, q, t), CUDA_ERROR_INVALID_HANDLE);
	IS(cuEventRecord(other, s), CUDA_ERROR_INVALID_HANDLE);
	OK(cuStreamGetCtx(s, &got));
	TRUE(got == zero);

	/* Waiting crosses it. */
	OK(cuCtxSetCurrent(zero));
	OK(store(f, p, s));
	OK(cuEventRecord(e, s));
	OK(cuCtxSetCurrent(one));
	OK(cuStreamWaitEvent(t, e, 0));
	OK(cuMemcpyDtoDAsync(q, p, 4, t));
	OK(cuStreamSynchronize(t));
	OK(cuMemcpyDtoH(&v, q, 4));
	IS(v, 7);
}

static void streams_and_events_belong_to_contexts(void **state)
{
	(void)state;
	IN_CHILD(streams_of_each, "SOFTGPU_DEVICES=2");
}

static void own_errors(void)
{
	CUcontext a, b, c;
	CUdeviceptr p;
	CUfunction f;

	open_device(0);
	OK(cuCtxCreate(&a, NULL, 0, 0));
	f = store_of();
	IS(store(f, 16, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
	IS(cuMemAlloc(&p, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
	OK(cuCtxCreate(&b, NULL, 0, 0));
	OK(cuMemAlloc(&p, 4));
	OK(store(store_of(), p, 0));
	IS(cuCtxSynchronize_v2(a), CUDA_ERROR_ILLEGAL_ADDRESS);
	OK(cuCtxDestroy(a));
	OK(cuCtxGetCurrent(&c));
	TRUE(c == b);
	OK(cuCtxDestroy(b));
}

static void contexts_of_a_device_can_have_their_own_errors(void **state)
{
	(void)state;
	IN_CHILD(own_errors, "SOFTGPU_DEVICES=2", "SOFTGPU_FAULTS=context");
}

/* Memory mapped for one device, then for both. */
static void mapped(void)
{
	CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED,
				     .location = { CU_MEM_LOCATION_TYPE_DEVICE, 1 } };
	CUmemAccessDesc access[2] = {
		{ { CU_MEM_LOCATION_TYPE_DEVICE, 1 }, CU_MEM_ACCESS_FLAGS_PROT_READWRITE },
		{ { CU_MEM_LOCATION_TYPE_DEVICE, 0 }, CU_MEM_ACCESS_FLAGS_PROT_READWRITE },
	};
	CUmemGenericAllocationHandle h;
	unsigned long long flags;
	size_t size, free_bytes, total;
	CUdeviceptr p;

	open_device(1);
	OK(cuMemGetAllocationGranularity(&size, &prop, 0));
	OK(cuMemCreate(&h, size, &prop, 0));
	OK(cuMemAddressReserve(&p, size, 0, 0, 0));
	OK(cuMemMap(p, size, 0, h, 0));
	OK(cuMemSetAccess(p, size, access, 1));
	OK(cuMemGetInfo(&free_bytes, &total));
	IS(free_bytes, total - size);
	OK(store(store_of(), p, 0));
	open_device(0);
	OK(cuMemGetInfo(&free_bytes, &total));
	IS(free_bytes, total);
	OK(cuMemGetAccess(&flags, &access[1].location, p));
	IS(flags, CU_MEM_ACCESS_FLAGS_PROT_NONE);
	OK(cuMemSetAccess(p, size, access, 2));
	OK(store(store_of(), p, 0));
	access[1].flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
	OK(cuMemSetAccess(p, size, &access[1], 1));
	IS(store(store_of(), p, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
	open_device(1);
	OK(store(store_of(), p, 0));
}

static void mapped_memory_is_open_to_the_devices_that_were_named(void **state)
{
	(void)state;
	IN_CHILD(mapped, "SOFTGPU_DEVICES=2", "SOFTGPU_FAULTS=context");
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static void properties(void)
{
	CUdevprop p;
	int n;

	open_device(0);
	OK(cuDeviceGetProperties(&p, 0));
	IS(p.maxThreadsPerBlock, 1024);
	IS(p.maxThreadsDim[2], 64);
	IS(p.maxGridSize[0], 0x7fffffff);
	IS(p.sharedMemPerBlock, 49152);
	IS(p.SIMDWidth, 32);
	OK(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 0));
	IS(p.clockRate, n);
	OK(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, 0));
	IS(p.textureAlign, n);
	IS(cuDeviceGetProperties(NULL, 0), CUDA_ERROR_INVALID_VALUE);
	IS(cuDeviceGetProperties(&p, 2), CUDA_ERROR_INVALID_DEVICE);
}

static void the_old_structure_says_what_attributes_say(void **state)
{
	(void)state;
	IN_CHILD(properties, "SOFTGPU_DEVICES=1");
}

static void atomic_capabilities(void)
{
	const CUatomicOperation ops[] = { CU_ATOMIC_OPERATION_INTEGER_ADD, CU_ATOMIC_OPERATION_CAS,
					  CU_ATOMIC_OPERATION_FLOAT_MIN };
	const CUatomicOperation bad = CU_ATOMIC_OPERATION_MAX;
	unsigned int host[3], peer[3];
	int n;

	open_device(0);
	OK(cuDeviceGetAttribute(&n, CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED, 0));
	IS(n, 1);
	OK(cuDeviceGetHostAtomicCapabilities(host, ops, 3, 0));
	IS(host[0], CU_ATOMIC_CAPABILITY_SIGNED | CU_ATOMIC_CAPABILITY_UNSIGNED |
		    CU_ATOMIC_CAPABILITY_REDUCTION | CU_ATOMIC_CAPABILITY_SCALAR_32 |
		    CU_ATOMIC_CAPABILITY_SCALAR_64);
	TRUE(!(host[1] & CU_ATOMIC_CAPABILITY_REDUCTION));
	IS(host[2], 0);
	OK(cuDeviceGetP2PAtomicCapabilities(peer, ops, 3, 0, 1));
	TRUE(!memcmp(host, peer, sizeof(host)));
	IS(cuDeviceGetHostAtomicCapabilities(host, &bad, 1, 0), CUDA_ERROR_INVALID_VALUE);
	IS(cuDeviceGetHostAtomicCapabilities(host, ops, 0, 0), CUDA_ERROR_INVALID_VALUE);
	IS(cuDeviceGetHostAtomicCapabilities(NULL, ops, 3, 0), CUDA_ERROR_INVALID_VALUE);
	IS(cuDeviceGetHostAtomicCapabilities(host, ops, 3, 2), CUDA_ERROR_INVALID_DEVICE);
	IS(cuDeviceGetP2PAtomicCapabilities(peer, ops, 3, 0, 0), CUDA_ERROR_INVALID_DEVICE);
}

static void atomics_reach_the_host_and_peers(void **state)
{
	(void)state;
	IN_CHILD(atomic_capabilities, "SOFTGPU_DEVICES=2");
}

static int device_of(CUdeviceptr p)
{
	int dev;

	OK(cuPointerGetAttribute(&dev, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, p));
	return dev;
}

/* Files that name memory of device 1 name it in whoever gets them. */
static void imported_files(void)
{
	CUmemAllocationProp prop = { .type = CU_MEM_ALLOCATION_TYPE_PINNED,
				     .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
				     .location = { CU_MEM_LOCATION_TYPE_DEVICE, 1 } }, got;
	CUmemPoolProps pool_props = { .allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				      .handleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
				      .location = { CU_MEM_LOCATION_TYPE_DEVICE, 1 } };
	CUmemGenericAllocationHandle h, imported;
	CUmemPoolPtrExportData data;
	CUmemoryPool pool, other;
	CUdeviceptr p, q;
	size_t size;
	int fd;

	open_device(1);
	OK(cuMemGetAllocationGranularity(&size, &prop, 0));
	OK(cuMemCreate(&h, size, &prop, 0));
	OK(cuMemExportToShareableHandle(&fd, h, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
	OK(cuMemImportFromShareableHandle(&imported, (void *)(intptr_t)fd,
					  CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
	OK(cuMemGetAllocationPropertiesFromHandle(&got, imported));
	IS(got.location.id, 1);

	OK(cuMemPoolCreate(&pool, &pool_props));
	OK(cuMemAllocFromPoolAsync(&p, 64, pool, NULL));
	OK(cuMemPoolExportToShareableHandle(&fd, pool, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
	OK(cuMemPoolImportFromShareableHandle(&other, (void *)(intptr_t)fd,
					      CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
	OK(cuMemPoolExportPointer(&data, p));
	OK(cuMemPoolImportPointer(&q, other, &data));
	IS(device_of(q), 1);
	OK(store(store_of(), q, 0));
	open_device(0);
	IS(store(store_of(), q, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
}

/* The exporter has device 1, which the importer sees as its first; without it, its own will do. */
static void imported_handle(const char *sees, int want)
{
	CUipcMemHandle h;
	CUdeviceptr p;
	int out[2], in[2];
	char c;

	IS(pipe(out), 0);
	IS(pipe(in), 0);
	if (!fork()) {
		open_device(1);
		OK(cuMemAlloc(&p, 64));
		OK(cuIpcGetMemHandle(&h, p));
		IS(write(out[1], &h, sizeof(h)), sizeof(h));
		_exit(read(in[0], &c, 1) != 1);
	}
	setenv("CUDA_VISIBLE_DEVICES", sees, 1);
	open_device(0);
	IS(read(out[0], &h, sizeof(h)), sizeof(h));
	OK(cuIpcOpenMemHandle(&p, h, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	IS(device_of(p), want);
	OK(store(store_of(), p, 0));
	OK(cuIpcCloseMemHandle(p));
	IS(write(in[1], "", 1), 1);
	wait(NULL);
}

static void handle_of_the_first(void)
{
	imported_handle("1,0", 0);
}

static void handle_of_the_second(void)
{
	imported_handle("0,1", 1);
}

static void handle_of_none(void)
{
	imported_handle("0", 0);
}

static void imported_memory_is_on_the_exporter_s_device(void **state)
{
	(void)state;
	IN_CHILD(imported_files, "SOFTGPU_DEVICES=2");
	IN_CHILD(handle_of_the_first, "SOFTGPU_DEVICES=2");
	IN_CHILD(handle_of_the_second, "SOFTGPU_DEVICES=2");
	IN_CHILD(handle_of_none, "SOFTGPU_DEVICES=2");
}

static const char managed_ptx[] = PTX_HEAD
	".visible .global .attribute(.managed) .align 4 .u32 both = 40;\n"
	".visible .global .align 4 .u32 own = 40;\n"
	".visible .entry count() {\n\t.reg .b32 v;\n"
	"\tatom.global.add.u32 v, [both], 1;\n\tatom.global.add.u32 v, [own], 1;\n\tret;\n}\n";

static void count_on(CUlibrary lib, int dev, uint32_t both, CUcontext *ctx)
{
	CUdeviceptr p, own;
	CUkernel k;
	uint32_t v;
	size_t n;

	*ctx = open_device(dev);
	OK(cuLibraryGetKernel(&k, lib, "count"));
	OK(cuLaunchKernel((CUfunction)k, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	OK(cuCtxSynchronize());
	OK(cuLibraryGetManaged(&p, &n, lib, "both"));
	IS(n, 4);
	IS(*(uint32_t *)p, both);
	OK(cuLibraryGetGlobal(&own, &n, lib, "both"));
	IS(own, p);
	OK(cuLibraryGetGlobal(&own, &n, lib, "own"));
	OK(cuMemcpyDtoH(&v, own, 4));
	IS(v, 41);
}

static void managed_variables(void)
{
	CUcontext first, second, third;
	CUmodule mod;
	CUdeviceptr p, q;
	CUlibrary lib;
	size_t n;

	OK(cuInit(0));
	OK(cuLibraryLoadData(&lib, managed_ptx, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetManaged(&p, &n, lib, "both"));
	*(uint32_t *)p = 50;
	count_on(lib, 0, 51, &first);
	count_on(lib, 1, 52, &second);
	/* The first that used it ends. */
	OK(cuDevicePrimaryCtxReset(0));
	OK(cuCtxSetCurrent(second));
	IS(*(uint32_t *)p, 52);
	count_on(lib, 2, 53, &third);
	OK(cuLibraryUnload(lib));
	IS(cuMemcpyDtoH(&n, p, 4), CUDA_ERROR_INVALID_VALUE);
	/* A module is of one context. */
	OK(cuModuleLoadData(&mod, managed_ptx));
	OK(cuModuleGetGlobal(&p, &n, mod, "both"));
	OK(cuModuleLoadData(&mod, managed_ptx));
	OK(cuModuleGetGlobal(&q, &n, mod, "both"));
	TRUE(p != q);
}

static void contexts_of_a_library_share_managed_variables(void **state)
{
	(void)state;
	IN_CHILD(managed_variables, "SOFTGPU_DEVICES=3");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_follow_the_documented_table),
		cmocka_unit_test(a_carveout_limits_the_blocks),
		cmocka_unit_test(a_block_of_the_promised_size_always_fits),
		cmocka_unit_test(errors_of_a_text_have_a_place_in_the_log),
		cmocka_unit_test(exact_and_family_targets_run_where_they_may),
		cmocka_unit_test(the_best_text_of_a_fatbin_is_chosen),
		cmocka_unit_test(devices_are_distinct),
		cmocka_unit_test(settings_that_are_none_are_refused),
		cmocka_unit_test(a_thread_is_a_multiprocessor),
		cmocka_unit_test(a_bad_setting_is_named_once),
		cmocka_unit_test(cuda_visible_devices_selects_and_renumbers),
		cmocka_unit_test(each_device_has_its_own_memory),
		cmocka_unit_test(kernels_reach_a_peer_only_while_that_is_enabled),
		cmocka_unit_test(streams_and_events_belong_to_contexts),
		cmocka_unit_test(contexts_of_a_device_can_have_their_own_errors),
		cmocka_unit_test(mapped_memory_is_open_to_the_devices_that_were_named),
		cmocka_unit_test(imported_memory_is_on_the_exporter_s_device),
		cmocka_unit_test(contexts_of_a_library_share_managed_variables),
		cmocka_unit_test(the_old_structure_says_what_attributes_say),
		cmocka_unit_test(atomics_reach_the_host_and_peers),
	};

	if (argc == 3) {	/* by_uuid() */
		putenv(argv[1]);
		order = argv[2];
		visible();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
