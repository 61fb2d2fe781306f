/* SPDX-License-Identifier: MIT */
/*
 * Memory of every sort: managed, from pools, registered, in rectangles and boxes, and shared with
 * another process, which is forked before either of the two touches the device.
 */
#include "dump.h"

#include <sys/wait.h>
#include <unistd.h>

#define N 4096

__global__ void add(int *p, int n, int v)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		p[i] += v;
}

__managed__ int both[4] = { 1, 2, 3, 4 };

__global__ void add_to_both(void)
{
	both[threadIdx.x] += 10;
}

static void add_to(int *p, int n, int v, cudaStream_t stream)
{
	add<<<(n + 255) / 256, 256, 0, stream>>>(p, n, v);
	CHECK_LAUNCH();
}

static void expect(const char *what, const int *p, int n, int first, int step)
{
	for (int i = 0; i < n; i++)
		if (p[i] != first + i * step)
			fail("%s: [%d] is %d, not %d", what, i, p[i], first + i * step);
	dump(what, p, n * sizeof(*p));
}

static void count_up(int *p, int n)
{
	for (int i = 0; i < n; i++)
		p[i] = i;
}

static void use_managed(void)
{
	struct cudaPointerAttributes attributes;
	cudaMemLocation device = { cudaMemLocationTypeDevice, 0 };
	cudaMemLocation host = { cudaMemLocationTypeHost, 0 };
	int *p, concurrent, mostly;

	CHECK(cudaMallocManaged(&p, N * sizeof(int)));
	CHECK(cudaPointerGetAttributes(&attributes, p));
	if (attributes.type != cudaMemoryTypeManaged || attributes.hostPointer != p)
		fail("managed memory has type %d", (int)attributes.type);
	CHECK(cudaDeviceGetAttribute(&concurrent, cudaDevAttrConcurrentManagedAccess, 0));
	count_up(p, N);
	if (concurrent) {
		CHECK(cudaMemAdvise(p, N * sizeof(int), cudaMemAdviseSetReadMostly, device));
		CHECK(cudaMemRangeGetAttribute(&mostly, sizeof(mostly),
					       cudaMemRangeAttributeReadMostly, p, N));
		if (mostly != 1)
			fail("advice was forgotten");
		CHECK(cudaMemPrefetchAsync(p, N * sizeof(int), device, 0, 0));
	}
	add_to(p, N, 5, 0);
	if (concurrent)
		CHECK(cudaMemPrefetchAsync(p, N * sizeof(int), host, 0, 0));
	CHECK(cudaDeviceSynchronize());
	expect("managed", p, N, 5, 1);
	CHECK(cudaFree(p));
}

static void use_managed_variable(void)
{
	both[0] = 0;
	both[1] = 1;
	add_to_both<<<1, 2>>>();
	CHECK_LAUNCH();
	CHECK(cudaDeviceSynchronize());
	expect("managed variable", both, 2, 10, 1);
	expect("managed variable", both + 2, 2, 3, 1);
}

static unsigned long long pool_number(cudaMemPool_t pool, enum cudaMemPoolAttr what)
{
	unsigned long long v;

	CHECK(cudaMemPoolGetAttribute(pool, what, &v));
	return v;
}

static void use_pools(void)
{
	unsigned long long keep = 64 << 20, before;
	static int out[N];
	cudaStream_t stream;
	cudaMemPool_t pool;
	int *p;

	CHECK(cudaDeviceGetDefaultMemPool(&pool, 0));
	CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
	CHECK(cudaStreamCreate(&stream));
	before = pool_number(pool, cudaMemPoolAttrUsedMemCurrent);
	for (int round = 0; round < 20; round++) {
		CHECK(cudaMallocAsync(&p, sizeof(out), stream));
		CHECK(cudaMemsetAsync(p, 0, sizeof(out), stream));
		add_to(p, N, round, stream);
		CHECK(cudaMemcpyAsync(out, p, sizeof(out), cudaMemcpyDeviceToHost, stream));
		CHECK(cudaFreeAsync(p, stream));
		CHECK(cudaStreamSynchronize(stream));
		expect("pool", out, N, round, 0);
	}
	if (pool_number(pool, cudaMemPoolAttrUsedMemCurrent) != before)
		fail("memory of the pool is still in use");
	if (pool_number(pool, cudaMemPoolAttrReservedMemCurrent) < sizeof(out))
		fail("the pool kept nothing");
	CHECK(cudaMemPoolTrimTo(pool, 0));
	if (pool_number(pool, cudaMemPoolAttrReservedMemCurrent) != 0)
		fail("the pool kept what was trimmed");
	CHECK(cudaStreamDestroy(stream));
}

static void use_registered(void)
{
	int *p = (int *)malloc((N + 7) * sizeof(int)) + 7, *device;
	cudaError_t again;

	count_up(p, N);
	CHECK(cudaHostRegister(p, N * sizeof(int), cudaHostRegisterMapped));
	again = cudaHostRegister(p + 10, 64, cudaHostRegisterMapped);
	if (again != cudaErrorHostMemoryAlreadyRegistered)
		fail("registered twice: %s", cudaGetErrorName(again));
	cudaGetLastError();
	CHECK(cudaHostGetDevicePointer(&device, p, 0));
	add_to(device, N, 3, 0);
	CHECK(cudaDeviceSynchronize());
	expect("registered", p, N, 3, 1);
	CHECK(cudaHostUnregister(p));
	free(p - 7);
}

static void use_rectangles(void)
{
	static int in[16][32], out[16][20];
	size_t pitch;
	char *p;

	count_up(&in[0][0], 16 * 32);
	CHECK(cudaMallocPitch(&p, &pitch, 20 * sizeof(int), 16));
	CHECK(cudaMemset2D(p, pitch, 0, 20 * sizeof(int), 16));
	CHECK(cudaMemcpy2D(p, pitch, in[0] + 4, sizeof(in[0]), 20 * sizeof(int), 16,
			   cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy2D(out, sizeof(out[0]), p, pitch, 20 * sizeof(int), 16,
			   cudaMemcpyDeviceToHost));
	for (int y = 0; y < 16; y++)
		expect("rectangle", out[y], 20, y * 32 + 4, 1);
	CHECK(cudaFree(p));
}

static void use_boxes(void)
{
	static int in[4][8][16], out[2][3][5];
	cudaExtent all = make_cudaExtent(sizeof(in[0][0]), 8, 4);
	cudaMemcpy3DParms to = {}, from = {};
	cudaPitchedPtr p;

	count_up(&in[0][0][0], 4 * 8 * 16);
	CHECK(cudaMalloc3D(&p, all));
	to.srcPtr = make_cudaPitchedPtr(in, sizeof(in[0][0]), 16, 8);
	to.dstPtr = p;
	to.extent = all;
	to.kind = cudaMemcpyHostToDevice;
	CHECK(cudaMemcpy3D(&to));
	from.srcPtr = p;
	from.srcPos = make_cudaPos(7 * sizeof(int), 2, 1);
	from.dstPtr = make_cudaPitchedPtr(out, sizeof(out[0][0]), 5, 3);
	from.extent = make_cudaExtent(sizeof(out[0][0]), 3, 2);
	from.kind = cudaMemcpyDeviceToHost;
	CHECK(cudaMemcpy3D(&from));
	for (int z = 0; z < 2; z++)
		for (int y = 0; y < 3; y++)
			expect("box", out[z][y], 5, in[z + 1][y + 2][7], 1);
	CHECK(cudaFree(p.ptr));
}

/* What one process tells the other. */
struct message {
	cudaIpcMemHandle_t memory;
	cudaIpcEventHandle_t event;
};

/* The other process: adds to what the first one shares, once that has said so by its event. */
static int guest(int from, int to)
{
	struct message m;
	cudaEvent_t event;
	int *p;

	if (read(from, &m, sizeof(m)) != sizeof(m))
		return 1;	/* the first process has said why */
	CHECK(cudaIpcOpenMemHandle((void **)&p, m.memory, cudaIpcMemLazyEnablePeerAccess));
	CHECK(cudaIpcOpenEventHandle(&event, m.event));
	CHECK(cudaStreamWaitEvent(0, event, 0));
	add_to(p, N, 100, 0);
	CHECK(cudaDeviceSynchronize());
	CHECK(cudaIpcCloseMemHandle(p));
	CHECK(cudaEventDestroy(event));
	return write(to, "", 1) != 1;
}

static void host_guest(int to, int from, pid_t pid)
{
	static int in[N], out[N];
	struct message m;
	cudaEvent_t event;
	int *p, status;
	char done;

	count_up(in, N);
	CHECK(cudaMalloc(&p, sizeof(in)));
	CHECK(cudaMemcpy(p, in, sizeof(in), cudaMemcpyHostToDevice));
	CHECK(cudaEventCreateWithFlags(&event, cudaEventInterprocess | cudaEventDisableTiming));
	CHECK(cudaIpcGetMemHandle(&m.memory, p));
	CHECK(cudaIpcGetEventHandle(&m.event, event));
	add_to(p, N, 20, 0);
	CHECK(cudaEventRecord(event, 0));
	if (write(to, &m, sizeof(m)) != sizeof(m) || read(from, &done, 1) != 1)
		fail("the other process is gone");
	CHECK(cudaMemcpy(out, p, sizeof(out), cudaMemcpyDeviceToHost));
	expect("shared", out, N, 120, 1);
	if (waitpid(pid, &status, 0) != pid || status)
		fail("the other process failed");
	CHECK(cudaEventDestroy(event));
	CHECK(cudaFree(p));
}

int main(int argc, char **argv)
{
	int there[2], back[2];
	bool alone = only_option(argc, argv, "--processes", 2, 1, 2) == 1;
	pid_t pid = 0;

	if (!alone) {
		if (pipe(there) || pipe(back))
			fail("no pipes");
		pid = fork();
		if (!pid) {
			close(there[1]);
			return guest(there[0], back[1]);
		}
		close(there[0]);
		close(back[1]);
	}
	use_managed();
	use_managed_variable();
	use_pools();
	use_registered();
	use_rectangles();
	use_boxes();
	if (!alone)
		host_guest(there[1], back[0], pid);
	return pass();
}
