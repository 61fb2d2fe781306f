// SPDX-License-Identifier: MIT
/*
 * attributes.c - on a GPU: what libvcuda reads of kernels in the cubins of libraries, beside what the
 * driver says of them
 *
 *	attributes [--all] FILE...
 *
 * Takes the fatbins of each file apart as libvcuda does, lets the driver load the image, and compares
 * the attributes of up to 400 kernels of each, 4,000 of a file. Prints what differs; with --all a line
 * for each kernel.
 */
#include <cuda.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fatbin.h"
#include "module.h"
#include "residency.h"

#define PER_IMAGE	400u
#define PER_FILE	4000u
#define NR_ATTRIBUTES	VWIRE_KERNEL_ATTRIBUTES

/* What sends an image or asks a server; neither is done here. */
size_t vcuda_chunk(void)
{
	abort();
}

CUresult vcuda_submit_locked(uint16_t op, uint16_t flags, const struct vcuda_iov *iov,
			     unsigned int n, struct vcuda_wait *wait, uint64_t *seq)
{
	(void)op, (void)flags, (void)iov, (void)n, (void)wait, (void)seq;
	abort();
}

static CUdevice dev;
static unsigned int sm, nr_kernels, nr_wrong, of_file, nr_questions;
static int device[CU_DEVICE_ATTRIBUTE_MAX];
static bool all;

/* Blocks that a multiprocessor holds: computed, beside the driver's answer. */
static void check_occupancy(CUkernel kernel, const int *k, int barriers, const char *name)
{
	static const int blocks[] = { 1, 32, 64, 96, 128, 160, 256, 384, 512, 640, 768, 1024 };
	const int shared[] = { 0, 1, 1000, 4096, 16384, k[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES],
			       k[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES] + 1 };
	int want;

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		for (size_t j = 0; j < sizeof(shared) / sizeof(shared[0]); j++) {
			int have = residency_blocks(device, k, barriers, blocks[i], shared[j]);

			if (cuOccupancyMaxActiveBlocksPerMultiprocessor(&want, (CUfunction)kernel,
									blocks[i], shared[j]))
				continue;
			nr_questions++;
			if (want == have)
				continue;
			nr_wrong++;
			printf("DIFF\t%d blocks of %d threads and %d bytes, the driver's %d\tregs %d shared %d barriers %d\t%.60s\n",
			       have, blocks[i], shared[j], want, k[CU_FUNC_ATTRIBUTE_NUM_REGS],
			       k[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES], barriers, name);
		}
}

/* Dynamic shared memory that so many blocks leave each other. */
static void check_dynamic(CUkernel kernel, const int *k, int barriers, const char *name)
{
	static const int sizes[] = { 1, 32, 128, 256, 384, 512, 1024 }, blocks[] = { 1, 2, 3, 4, 5, 8, 16, 24, 32, 33 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizeof(blocks) / sizeof(blocks[0]); j++) {
			size_t want = 0;
			CUresult r = cuOccupancyAvailableDynamicSMemPerBlock(&want, (CUfunction)kernel, blocks[j], sizes[i]);
			uint64_t have = 0;
			bool fits = residency_available(device, k, barriers, sizes[i], blocks[j], &have);

			nr_questions++;
			if (fits ? !r && want == have : r == CUDA_ERROR_INVALID_VALUE)
				continue;
			if (nr_wrong++ < 60)
				printf("DIFF\t%d blocks of %d threads leave %lu bytes (%d), the driver's %zu (%d)\tregs %d shared %d max %d barriers %d\t%.60s\n",
				       blocks[j], sizes[i], have, fits, want, r, k[CU_FUNC_ATTRIBUTE_NUM_REGS], k[CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES],
				       k[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES], barriers, name);
		}
}

static void check_kernel(CUlibrary library, const struct cubin *c, const struct cubin_kernel *k)
{
	int want[NR_ATTRIBUTES], have[NR_ATTRIBUTES];
	CUkernel kernel;
	bool same = true;

	if (cuLibraryGetKernel(&kernel, library, k->name))
		return;
	for (int i = 0; i < NR_ATTRIBUTES; i++)
		if (cuKernelGetAttribute(&want[i], i, kernel, dev))
			want[i] = -1000;
	cubin_attributes(c, k, have);
	for (int i = 0; i < NR_ATTRIBUTES; i++)
		same = same && want[i] == have[i];
	nr_kernels++;
	of_file++;
	nr_wrong += !same;
	if (same && of_file % 20 == 0) {
		check_occupancy(kernel, want, k->barriers, k->name);
		check_dynamic(kernel, want, k->barriers, k->name);
	}
	if (same && !all)
		return;
	printf("%s", same ? "same" : "DIFF");
	for (int i = 0; i < NR_ATTRIBUTES; i++)
		printf("\t%d%s", want[i], want[i] == have[i] ? "" : "!");
	printf("\tregs %u max %u shared %u const %u stack %u cluster %u %ux%ux%u arch %u virtual %u\t%.60s\n",
	       k->registers, k->max_threads, k->shared_bytes, c->const_bytes,
	       k->stack_bytes, k->cluster_set, k->cluster[0], k->cluster[1], k->cluster[2], c->arch,
	       c->virtual_arch, k->name);
}

static void check_image(const void *image, size_t n)
{
	struct vcuda_image im = { .pieces = { { image, n } }, .nr = 1, .bytes = n };
	struct vcuda_iov elf;
	CUlibrary library;
	struct cubin c;
	void *own;
	uint32_t step;
	bool odd;

	if (of_file >= PER_FILE || !vcuda_image_cubin(&im, sm, &elf, &own))
		return;
	if (!cubin_read(&c, elf.p, elf.n, sm)) {
		/* relocatable code is the driver's linker's */
		odd = ((const Elf64_Ehdr *)elf.p)->e_type != ET_REL;
		nr_wrong += odd;
		if (odd)
			printf("DIFF\tan image of %zu bytes is not understood\n", elf.n);
	} else {
		if (!cuLibraryLoadData(&library, image, NULL, NULL, 0, NULL, NULL, 0)) {
			step = c.nr_kernels / PER_IMAGE + 1;
			for (uint32_t i = 0; i < c.nr_kernels; i += step)
				check_kernel(library, &c, &c.kernels[i]);
			cuLibraryUnload(library);
		}
		cubin_free(&c);
	}
	free(own);
}

static void check_file(const char *name)
{
	int fd = open(name, O_RDONLY);
	const uint8_t *p;
	struct stat st;
	size_t size;

	if (fd < 0 || fstat(fd, &st)) {
		perror(name);
		exit(1);
	}
	p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		exit(1);
	of_file = 0;
	for (size_t at = 0; at + 64 < (size_t)st.st_size; at += 8)
		if (!memcmp(p + at, &(uint32_t){ FATBIN_MAGIC }, 4) &&
		    image_size(p + at, st.st_size - at, &size)) {
			check_image(p + at, size);
			at += (size - 1) & ~(size_t)7;
		}
	munmap((void *)p, st.st_size);
	printf("# %s: %u kernels\n", name, of_file);
}

int main(int argc, char **argv)
{
	int major, minor;
	CUcontext ctx;

	all = argc > 1 && !strcmp(argv[1], "--all");
	if (cuInit(0) || cuDeviceGet(&dev, 0) || cuDevicePrimaryCtxRetain(&ctx, dev) ||
	    cuCtxSetCurrent(ctx) ||
	    cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, dev) ||
	    cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, dev)) {
		puts("no device");
		return 1;
	}
	sm = major * 10 + minor;
	for (int i = 1; i < CU_DEVICE_ATTRIBUTE_MAX; i++)
		cuDeviceGetAttribute(&device[i], i, dev);
	for (int i = 1 + all; i < argc; i++)
		check_file(argv[i]);
	printf("# %u kernels, %u questions of occupancy, %u differ\n", nr_kernels, nr_questions, nr_wrong);
	return nr_wrong != 0;
}
