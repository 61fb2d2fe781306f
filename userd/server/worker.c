/* SPDX-License-Identifier: MIT */
/*
 * vgpu-worker - warms up, takes one lease from vgpu-server, serves it, exits
 */
#include "worker.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "net.h"
#include "run.h"
#include "sandbox.h"

#define CLOSE_MS	1000	/* for a client to read why it was closed */
#define RESET_S		1	/* for the driver to give everything back in good order */

static struct worker worker = {
	.cuda_path = "libcuda.so.1",
	.control = -1,
	.fd = -1,
	.cache = { .dir = -1 },
};

static void usage(FILE *to)
{
	fputs("usage: vgpu-worker --control FD [--cuda PATH] [--device N] [--image-cache DIR] "
	      "[--log-level LEVEL]\n"
	      "\n"
	      "Serves one lease for vgpu-server, which starts it.\n",
	      to);
}

static int take_number(const char *text, const char *what)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (!*text || *end || n < 0 || n > 65535) {
		fprintf(stderr, "vgpu-worker: %s: '%s' is not a number\n", what, text);
		exit(2);
	}
	return n;
}

static const char *take_options(struct worker *w, int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "cuda", required_argument, NULL, 'l' },
		{ "device", required_argument, NULL, 'd' },
		{ "image-cache", required_argument, NULL, 'i' },
		{ "log-level", required_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *cache = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			w->control = take_number(optarg, "--control");
		else if (c == 'l')
			w->cuda_path = optarg;
		else if (c == 'd')
			w->device_number = take_number(optarg, "--device");
		else if (c == 'i')
			cache = optarg;
		else if (c == 'v' && log_level_parse(optarg) >= 0)
			log_set_level(log_level_parse(optarg));
		else if (c == 'h')
			usage(stdout), exit(0);
		else
			usage(stderr), exit(2);
	}
	if (w->control < 0 || optind != argc)
		usage(stderr), exit(2);
	return cache;
}

/* What the worker's own code calls; generated rows check for themselves. */
static const char *missing_function(void)
{
#define NEED(fn) if (!real.fn) return #fn
	NEED(cuInit);
	NEED(cuDriverGetVersion);
	NEED(cuDeviceGet);
	NEED(cuDeviceGetCount);
	NEED(cuDeviceGetName);
	NEED(cuDeviceTotalMem_v2); NEED(cuDeviceGetUuid_v2); NEED(cuDeviceGetAttribute);
	NEED(cuDevicePrimaryCtxRetain); NEED(cuCtxSetCurrent); NEED(cuCtxSynchronize); NEED(cuCtxGetStreamPriorityRange);
	NEED(cuMemGetInfo_v2);
	NEED(cuMemHostAlloc);
	NEED(cuMemAddressReserve);
	NEED(cuMemGetAllocationGranularity);
	NEED(cuMemCreate);
	NEED(cuMemRelease);
	NEED(cuMemMap);
	NEED(cuMemUnmap);
	NEED(cuMemSetAccess);
	NEED(cuPointerGetAttribute); NEED(cuMemGetAddressRange_v2); NEED(cuMemcpyHtoDAsync_v2);
	NEED(cuMemcpyDtoHAsync_v2); NEED(cuEventCreate); NEED(cuEventRecord); NEED(cuEventQuery);
	NEED(cuEventSynchronize);
	NEED(cuStreamSynchronize);
	NEED(cuStreamQuery);
	NEED(cuLaunchKernel);
	NEED(cuLaunchKernelEx);
	NEED(cuLaunchCooperativeKernel);
	NEED(cuModuleLoadDataEx);
	NEED(cuModuleUnload);
	NEED(cuModuleGetGlobal_v2);
	NEED(cuModuleGetFunctionCount);
	NEED(cuModuleEnumerateFunctions);
	NEED(cuFuncGetName);
	NEED(cuFuncGetParamInfo);
	NEED(cuFuncGetAttribute);
	NEED(cuFuncSetAttribute);
	NEED(cuFuncSetCacheConfig);
	NEED(cuLibraryLoadData);
	NEED(cuLibraryUnload);
	NEED(cuLibraryGetGlobal);
	NEED(cuLibraryGetKernelCount); NEED(cuLibraryEnumerateKernels); NEED(cuKernelGetName);
	NEED(cuKernelGetParamInfo); NEED(cuKernelGetAttribute); NEED(cuKernelSetAttribute);
	NEED(cuKernelSetCacheConfig); NEED(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags);
	NEED(cuOccupancyAvailableDynamicSMemPerBlock);
#undef NEED
	return NULL;
}

static int open_driver(struct worker *w)
{
	void *lib = dlopen(w->cuda_path, RTLD_NOW | RTLD_LOCAL);

	if (!lib) {
		log_err("cannot open the driver: %s", dlerror());
		return -ENOENT;
	}
	realcuda_load(&real, lib);
	/* The same function; a runtime of CUDA 12.8 asks an older driver for the one it has, and cannot know here. */
	if (!real.cuEventElapsedTime_v2)
		real.cuEventElapsedTime_v2 = real.cuEventElapsedTime;
	if (missing_function()) {
		log_err("%s has no %s: a driver of CUDA 12.4 or newer is needed", w->cuda_path,
			missing_function());
		return -ENOSYS;
	}
	return 0;
}

static int make_context(struct worker *w, CUdevice *dev)
{
	CUresult r = real.cuInit(0);

	if (r == CUDA_SUCCESS)
		r = real.cuDeviceGetCount(&w->device.nr_devices);
	if (r == CUDA_SUCCESS)
		r = real.cuDeviceGet(dev, w->device_number);
	if (r == CUDA_SUCCESS)
		r = real.cuDevicePrimaryCtxRetain(&w->ctx, *dev);
	if (r == CUDA_SUCCESS)
		r = real.cuCtxSetCurrent(w->ctx);
	if (r == CUDA_SUCCESS)
		return 0;
	log_err("cannot make a context on device %d: %s", w->device_number, run_error_name(r));
	return -ENODEV;
}

static int warm_up(struct worker *w)
{
	uint64_t seed;
	CUdevice dev;
	int err;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -EIO;
	err = open_driver(w) ?: make_context(w, &dev);
	if (!err)
		err = copy_init(w) ?: bulk_init(w);
	if (!err)
		err = device_read(&w->device, dev);
	if (!err)
		err = memory_init(&w->memory, dev, le64toh(w->device.head.total_mem));
	if (!err)
		err = handles_init(&w->handles, seed);
	hostcall_init(w);
	return err ?: wait_init(w);
}

static int say_ready(struct worker *w)
{
	struct control_ready ready = {
		.head = { .version = CONTROL_VERSION, .type = CONTROL_READY },
		.driver_version = w->device.driver_version, .nr_devices = w->device.nr_devices,
		.total_mem = le64toh(w->device.head.total_mem), .free_mem = w->device.free_mem,
		.device = w->device_number,
	};
	uint8_t buf[sizeof(ready) + CONTROL_DEVICE_MAX];
	struct vwire_wr wr = wr_init(buf, sizeof(buf));

	_Static_assert(sizeof(struct vwire_tlv) + sizeof(w->device.head) +
		       sizeof(w->device.attributes) <= CONTROL_DEVICE_MAX, "a device in whole");
	memcpy(ready.name, w->device.head.name, sizeof(ready.name));
	wr_bytes(&wr, &ready, sizeof(ready));
	device_put(&w->device, &wr);
	if (send(w->control, buf, wr_len(&wr), MSG_NOSIGNAL) != (ssize_t)wr_len(&wr))
		return -errno;
	return 0;
}

static int passed_fd(struct msghdr *h)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* A message and the descriptor that came along, or -1. */
static ssize_t control_receive(int control, void *msg, size_t n, int *fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c;
	struct iovec iov = { .iov_base = msg, .iov_len = n };
	struct msghdr h = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = c.bytes,
		.msg_controllen = sizeof(c.bytes),
	};
	ssize_t got;

	do
		got = recvmsg(control, &h, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	*fd = got > 0 ? passed_fd(&h) : -1;
	return got;
}

/* Waits for the lease. false: there is none to come. */
static bool take_lease(struct worker *w)
{
	ssize_t n = control_receive(w->control, &w->lease, sizeof(w->lease), &w->fd);

	if (n <= 0)
		return false;
	if (n != sizeof(w->lease) || w->lease.head.version != CONTROL_VERSION ||
	    w->lease.head.type != CONTROL_LEASE || w->fd < 0) {
		log_err("vgpu-server speaks another version");
		return false;
	}
	w->lease.lease.tenant[VWIRE_NAME_MAX - 1] = 0;
	w->lease.client[CONTROL_CLIENT_MAX - 1] = 0;
	return true;
}

static void block_again(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

/* Bulk connections, until vgpu-server is gone, and with it whoever could end this process. */
static void *watch_control(void *arg)
{
	struct worker *w = arg;
	struct control_bulk msg;
	ssize_t n;
	int fd;

	while ((n = control_receive(w->control, &msg, sizeof(msg), &fd)) > 0) {
		if (fd < 0)
			continue;
		block_again(fd);
		if (n == sizeof(msg) && msg.head.type == CONTROL_BULK)
			bulk_accept(w, &msg, fd);
		else
			close(fd);
	}
	_exit(0);
	return NULL;
}

static bool start_session(struct worker *w, int cache_root)
{
	pthread_t thread;

	block_again(w->fd);
	net_options(w->fd);	/* fails on what is not TCP, which is as well */
	w->memory.limit = w->lease.mem_limit;
	w->out.wants_status = le64toh(w->lease.lease.features) & VWIRE_FEAT_STATUS;
	imagecache_open(&w->cache, cache_root, w->lease.lease.tenant, w->device.sm);
	preload_start(w);
	if (reply_init(w) || text_start(w) || pthread_create(&thread, NULL, watch_control, w)) {
		log_err("cannot start a thread");
		return false;
	}
	pthread_detach(thread);
	return true;
}

/* Unread bytes would make the kernel reset the connection, and the client lose the reason. */
static void let_client_read(struct worker *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	uint64_t end = net_now() + CLOSE_MS;
	static char drop[65536];

	reply_drain(w, CLOSE_MS);
	shutdown(w->fd, SHUT_WR);
	while (net_left(end) > 0 && poll(&p, 1, net_left(end)) > 0)
		if (recv(w->fd, drop, sizeof(drop), MSG_DONTWAIT) <= 0)
			return;
}

static void say_ended(struct worker *w, uint32_t reason)
{
	struct control_ended ended = {
		.head = { .version = CONTROL_VERSION, .type = CONTROL_ENDED },
		.reason = reason, .frames = w->nr_frames, .mem_peak = w->memory.peak,
	};

	send(w->control, &ended, sizeof(ended), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void exit_now(int sig)
{
	(void)sig;
	_exit(0);
}

/*
 * Waiters may still be inside the driver, so nothing is taken down by hand. A reset in good order
 * spares others on the device, but a kernel that does not end must not keep the memory. The
 * thread that loads ahead has nothing to do in a context that is gone.
 */
static void leave(struct worker *w)
{
	bulk_stop(w);
	signal(SIGALRM, exit_now);
	alarm(RESET_S);
	preload_stop(w);
	if (real.cuDevicePrimaryCtxReset_v2)
		real.cuDevicePrimaryCtxReset_v2(w->device.dev);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct worker *w = &worker;
	const char *cache;
	uint32_t reason;
	int root = -1;

	log_init("vgpu-worker");
	cache = take_options(w, argc, argv);
	if (sandbox_enter()) {
		log_err("cannot give up privileges: %s", strerror(errno));
		return 1;
	}
	block_again(w->control);
	fcntl(w->control, F_SETFD, FD_CLOEXEC);
	if (cache) {
		root = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (root < 0)
			log_warn("image cache: cannot open %s: %s", cache, strerror(errno));
	}
	if (warm_up(w) || say_ready(w))
		return 1;
	if (!take_lease(w))
		return 0;
	reason = start_session(w, root) ? worker_serve(w) : CONTROL_END_FAULT;
	if (w->closing)
		let_client_read(w);
	bulk_log(w);
	preload_save(w);
	say_ended(w, reason);
	leave(w);
}
