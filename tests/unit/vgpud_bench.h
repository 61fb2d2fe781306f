/* SPDX-License-Identifier: MIT */
/*
 * vgpud_bench.h - in the place of vgpud's devices and of what it tells the module, for a program that
 * runs its sessions
 */
#ifndef VGPUD_BENCH_H
#define VGPUD_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "vgpud.h"

/* Twice in a row, as the module does. */
static inline uint8_t *map_twice(uint32_t n)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, 2ul * n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(fd >= 0 && p != MAP_FAILED && !ftruncate(fd, n));
	for (int i = 0; i < 2; i++)
		assert_ptr_equal(mmap(p + i * n, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
				 p + i * n);
	close(fd);
	return p;
}

int control_doorbell(int fd)
{
	(void)fd;
	return 0;
}

int control_report_session(int fd, uint64_t mem_used)
{
	(void)fd, (void)mem_used;
	return 0;
}

const char *device_server(const struct device *d)
{
	(void)d;
	return "server:1";
}

const char *device_tenant(const struct device *d)
{
	(void)d;
	return "test";
}

uint32_t device_queue_wait(const struct device *d)
{
	(void)d;
	return 0;
}

void device_answered(struct device *d)
{
	(void)d;
}

void device_silent(struct device *d, int err)
{
	(void)d, (void)err;
}

#endif
