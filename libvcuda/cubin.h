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

struct vcuda_param {
	uint32_t offset, size;		/* bytes */
};

struct cubin_kernel {
	const char *name;		/* in the cubin */
	uint32_t first_param, nr_params;	/* in cubin.params, in their order */
	uint32_t registers;		/* of a thread */
	uint32_t max_threads;		/* of a block, by __launch_bounds__; 0: not said */
	uint32_t shared_bytes;		/* static, with what the device keeps of a block's */
};

struct cubin {
	struct cubin_kernel *kernels;
	struct vcuda_param *params;
	uint32_t nr_kernels, nr_params;
};

/*
 * elf: n bytes, no alignment. sm: 90 for compute capability 9.0. false: not a whole cubin for that
 * device, or one that this does not understand. cubin_free() after true.
 */
bool cubin_read(struct cubin *c, const void *elf, size_t n, unsigned int sm);
void cubin_free(struct cubin *c);

#endif /* VCUDA_CUBIN_H */
