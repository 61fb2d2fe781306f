/* SPDX-License-Identifier: MIT */
/*
 * rings.h - memory of a ring as transport and forwarder want it
 */
#ifndef FUZZ_RINGS_H
#define FUZZ_RINGS_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* n bytes, whole pages, shown twice in a row. _GNU_SOURCE: memfd_create(). */
static inline uint8_t *rings_map_twice(uint32_t n)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *p = mmap(NULL, 2ul * n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || p == MAP_FAILED || ftruncate(fd, n))
		abort();
	for (int i = 0; i < 2; i++)
		if (mmap(p + i * n, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED)
			abort();
	close(fd);
	return p;
}

#endif /* FUZZ_RINGS_H */
