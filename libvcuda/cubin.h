/* SPDX-License-Identifier: MIT */
/*
 * cubin.h - what a cubin says of its kernels: names, parameters, what a launch needs
 *
 * So a look-up needs no server, and an image from which nothing is launched need not be sent. The
 * form is not in NVIDIA's documents; it is what nvcc 11 to 13 write, and what does not look like
 * that is left to the driver at the server, which knows.
 */
#ifndef VCUDA_CUBIN_H
#define VCUDA_CUBIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CUBIN_ATTRIBUTES	16

struct vcuda_param {
	uint32_t offset, size;		/* bytes */
};

struct cubin_kernel {
	const char *name;		/* in the cubin */
	uint32_t first_param, nr_params;	/* in cubin.params, in their order */
	uint32_t registers;		/* of a thread */
	uint32_t max_threads;		/* of a block, by __launch_bounds__; 0: not said */
	uint32_t shared_bytes;		/* static, with what the device keeps of a block's */
	uint32_t stack_bytes;		/* of a thread, with what it calls */
	uint32_t cluster[3];		/* by __cluster_dims__; 0: not said */
	bool cluster_set;		/* a launch must be of clusters */
	uint8_t barriers;		/* that a block of it uses; 16, all, where a program computes which */
};

struct cubin {
	struct cubin_kernel *kernels;
	struct vcuda_param *params;
	uint32_t nr_kernels, nr_params;
	uint32_t const_bytes;		/* of the program's constants */
	unsigned int arch, virtual_arch;	/* 90; virtual: of the PTX that it was made from */
};

/*
 * elf: n bytes, no alignment. sm: 90 for compute capability 9.0. false: not a whole cubin for that
 * device, or one that this does not understand. cubin_free() after true.
 */
bool cubin_read(struct cubin *c, const void *elf, size_t n, unsigned int sm);
void cubin_free(struct cubin *c);
/*
 * CUfunction_attribute 0 to 15 of it, as the driver gives them (tests/gpu/attributes.c compares them;
 * 27,000 kernels of PyTorch's and CUDA's libraries were equal on compute capability 9.0).
 */
void cubin_attributes(const struct cubin *c, const struct cubin_kernel *k,
		      int values[CUBIN_ATTRIBUTES]);

#endif /* VCUDA_CUBIN_H */
