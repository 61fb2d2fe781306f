/* SPDX-License-Identifier: MIT */
/*
 * session.h - both sides of a session, as the tests use them: a function on /dev/vgpu0 and a daemon
 * on /dev/vgpuctl
 */
#ifndef TESTS_SESSION_H
#define TESTS_SESSION_H

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/vgpu.h>

#include "ktap.h"

#define PAGE 4096u

struct side {
	int fd;
	uint32_t sq_bytes;
	uint32_t cq_bytes;
	struct vgpu_control *control;
	uint8_t *sq;
	uint8_t *cq;
};

struct pair {
	int control;
	uint64_t session;
	struct side function;
	struct side daemon;
};

static inline int function_open(void)
{
	int fd = open("/dev/vgpu0", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		FAIL("/dev/vgpu0: %s", strerror(errno));
	return fd;
}

static inline int control_open(void)
{
	int fd = open("/dev/vgpuctl", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		FAIL("/dev/vgpuctl: %s", strerror(errno));
	return fd;
}

static inline int ring_setup(int fd, uint32_t sq_bytes, uint32_t cq_bytes,
			     struct vgpu_ring_setup *out)
{
	struct vgpu_ring_setup setup = {
		.size = sizeof(setup), .sq_bytes = sq_bytes, .cq_bytes = cq_bytes,
	};
	int ret = ioctl(fd, VGPU_RING_SETUP, &setup);

	if (out)
		*out = setup;
	return ret;
}

static inline int doorbell(int fd)
{
	struct vgpu_doorbell bell = { .size = sizeof(bell) };

	return ioctl(fd, VGPU_DOORBELL, &bell);
}

static inline int session_attach(int control, uint64_t session, struct vgpu_session_attach *out)
{
	struct vgpu_session_attach attach = { .size = sizeof(attach), .session = session };
	int ret = ioctl(control, VGPU_SESSION_ATTACH, &attach);

	if (out)
		*out = attach;
	return ret ? ret : attach.fd;
}

static inline int session_report(int fd, uint64_t mem_used)
{
	struct vgpu_session_report report = { .size = sizeof(report), .mem_used = mem_used };

	return ioctl(fd, VGPU_SESSION_REPORT, &report);
}

static inline int device_report(int control, uint32_t device, uint32_t state, const char *server)
{
	struct vgpu_device_report report = {
		.size = sizeof(report), .device = device, .state = state,
	};

	strncpy((char *)report.server, server, sizeof(report.server) - 1);
	return ioctl(control, VGPU_DEVICE_REPORT, &report);
}

static inline void *map(int fd, size_t bytes, uint64_t offset)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	if (p == MAP_FAILED)
		FAIL("mmap of 0x%zx at 0x%llx: %s", bytes, (unsigned long long)offset,
		     strerror(errno));
	return p;
}

static inline void side_map(struct side *side, int fd, uint32_t sq_bytes, uint32_t cq_bytes)
{
	side->fd = fd;
	side->sq_bytes = sq_bytes;
	side->cq_bytes = cq_bytes;
	side->control = map(fd, PAGE, VGPU_MMAP_CONTROL);
	side->sq = map(fd, 2ul * sq_bytes, VGPU_MMAP_SQ);
	side->cq = map(fd, 2ul * cq_bytes, VGPU_MMAP_CQ);
}

/* Unmaps and closes: a mapping holds the descriptor's file. */
static inline void side_close(struct side *side)
{
	munmap(side->control, PAGE);
	munmap(side->sq, 2ul * side->sq_bytes);
	munmap(side->cq, 2ul * side->cq_bytes);
	close(side->fd);
}

static inline void function_setup(struct side *side, uint32_t sq_bytes, uint32_t cq_bytes,
				  uint64_t *session)
{
	struct vgpu_ring_setup setup;
	int fd = function_open();

	CHECK(!ring_setup(fd, sq_bytes, cq_bytes, &setup));
	side_map(side, fd, setup.sq_bytes, setup.cq_bytes);
	*session = setup.session;
}

static inline void daemon_attach(struct side *side, int control, uint64_t session)
{
	struct vgpu_session_attach attach;

	CHECK(session_attach(control, session, &attach) >= 0);
	side_map(side, attach.fd, attach.sq_bytes, attach.cq_bytes);
}

static inline void pair_open(struct pair *pair, uint32_t sq_bytes, uint32_t cq_bytes)
{
	pair->control = control_open();
	function_setup(&pair->function, sq_bytes, cq_bytes, &pair->session);
	daemon_attach(&pair->daemon, pair->control, pair->session);
}

/* What poll(2) says of a descriptor now, or within the time. */
static inline int poll_events(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM };

	return poll(&p, 1, timeout_ms) < 0 ? -1 : p.revents;
}

static inline int poll_for(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, timeout_ms) < 0 ? -1 : p.revents;
}

static inline void store_index(struct vgpu_ring_side *side, uint64_t index)
{
	__atomic_store_n(&side->index, index, __ATOMIC_RELEASE);
}

static inline uint64_t load_index(struct vgpu_ring_side *side)
{
	return __atomic_load_n(&side->index, __ATOMIC_ACQUIRE);
}

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/*
 * Seconds within which a side must learn that its peer has gone: one. VGPU_TEST_PROMPT allows more
 * on a kernel that is many times slower than the ones that people run.
 */
static inline double prompt(void)
{
	const char *text = getenv("VGPU_TEST_PROMPT");

	return text ? atof(text) : 1;
}

/* A file of /sys/class/vgpu/vgpu0 without its newline. */
static inline const char *attribute(const char *name)
{
	static char value[256];
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/vgpu/vgpu0/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		FAIL("%s: %s", path, strerror(errno));
	n = read(fd, value, sizeof(value) - 1);
	close(fd);
	if (n < 1 || value[n - 1] != '\n')
		FAIL("%s does not end with a newline", path);
	value[n - 1] = '\0';
	return value;
}

#define CHECK_ATTRIBUTE(_name, _want)						\
	do {									\
		const char *ktap_value = attribute(_name);			\
										\
		if (strcmp(ktap_value, _want))					\
			FAIL("%s is \"%s\", should be \"%s\"", _name, ktap_value, _want); \
	} while (0)

/* For the rest of the case: nobody, without a capability. */
static inline void drop_root(void)
{
	CHECK(!setgroups(0, NULL) && !setresgid(65534, 65534, 65534));
	CHECK(!setresuid(65534, 65534, 65534));
}

/* A page that can be written, to be protected once it is. */
static inline void *new_page(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Returns 0, or -1 and errno. */
static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error;
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

#endif /* TESTS_SESSION_H */
