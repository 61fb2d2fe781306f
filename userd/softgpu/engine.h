/* SPDX-License-Identifier: MIT */
/*
 * engine.h - the PTX side of softgpu, as its driver side sees it
 *
 * The driver side (driver.c, module.c, stream.c ...) owns contexts, streams, device memory and
 * images. The engine parses PTX text, links it, and runs one grid at a time per call of
 * sg_launch_run(). It never sees a CUDA handle. Device addresses are host addresses; generic and
 * global addresses are the same number.
 */
#ifndef SOFTGPU_ENGINE_H
#define SOFTGPU_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sg_module;
struct sg_kernel;

/*
 * Where the engine writes what is wrong with a PTX text: "line 12, column 7: unknown instruction
 * 'foo.s32'".
 */
struct sg_log {
	char *text;		/* the caller's buffer, always NUL-terminated when size > 0 */
	size_t size;
	size_t len;		/* bytes written, without the NUL */
};

struct sg_ptx {
	const char *text;	/* need not be NUL-terminated */
	size_t len;
};

/* Results of the engine, mapped to CUresult once, by the driver side. */
enum sg_result {
	SG_OK = 0,
	SG_NOMEM,
	SG_INVALID_PTX,		/* CUDA_ERROR_INVALID_PTX */
	SG_UNSUPPORTED_PTX,	/* a construct that softgpu refuses by name */
	SG_UNRESOLVED,		/* an .extern symbol that no text defines */
	SG_ILLEGAL_ADDRESS,
	SG_MISALIGNED,
	SG_ASSERT,
	SG_TRAP,		/* trap: CUDA_ERROR_LAUNCH_FAILED */
	SG_ILLEGAL_INSTRUCTION,
	SG_INVALID_PC,
	SG_TIMEOUT,		/* the step limit, or a barrier that cannot complete */
};

struct sg_param {
	uint32_t offset, size;	/* bytes in the parameter block */
};

struct sg_kernel_info {
	const char *name;
	const struct sg_param *params;
	uint32_t nr_params;
	uint32_t param_bytes;	/* whole block */
	uint32_t static_shared;	/* bytes */
	uint32_t local_bytes;	/* .local bytes of one thread */
	uint32_t const_bytes;
	uint32_t num_regs;	/* an estimate, for occupancy answers */
	uint32_t max_threads;	/* .maxntid/.reqntid product, or 1024 */
	uint32_t ptx_version;	/* 90 for .version 9.0 */
	uint32_t target;	/* 75 for .target sm_75 */
	uint32_t stack_bytes;	/* of local memory, if no function it can reach is in two frames */
	bool prints, allocates;	/* it can reach vprintf; malloc or free */
};

struct sg_dim {
	uint32_t x, y, z;
};

/* SOFTGPU_CHECK */
enum sg_check {
	SG_CHECK_RACE = 1,	/* accesses that nothing orders (race.h) */
	SG_CHECK_FATAL = 2,	/* what is found fails the launch: SG_TRAP, at its end */
};

struct sg_heap;

/* Of memory that the caller has, and keeps until all grids that use it have ended. NULL: no memory. */
struct sg_heap *sg_heap_create(uint64_t base, uint64_t bytes);
void sg_heap_destroy(struct sg_heap *h);

struct sg_launch {
	const struct sg_kernel *kernel;
	struct sg_dim grid, block;
	uint32_t dynamic_shared;	/* bytes */
	bool cooperative;
	int priority;			/* lower is more urgent: its CTAs are taken first */
	const void *params;		/* kernel_info.param_bytes bytes, already packed */
	/*
	 * Text of device printf and __assertfail; may be called from any engine thread, never
	 * concurrently.
	 */
	void (*print)(void *arg, const char *text, size_t len);
	void *print_arg;
	/*
	 * cudaGraphSetConditional() of the device; false: no such handle. NULL: none is. Any engine
	 * thread.
	 */
	bool (*set_conditional)(uint64_t handle, uint32_t value);
	struct sg_heap *heap;		/* for malloc; NULL: it has no memory */
	/* bytes of local memory beyond kernel_info.stack_bytes, for recursion and alloca; 0: all there is */
	uint32_t stack;
	uint32_t check;			/* enum sg_check, or'ed */
	void (*report)(const char *line);	/* what a check found */
};

/*
 * The devices whose memory a grid may touch, a bit each; none: any memory. sg_launch_run() takes the
 * calling thread's reach for all threads that run the grid, and memory.c asks for it.
 */
struct sg_reach {
	uint32_t own;		/* the grid's device */
	uint32_t peers;		/* it, and those whose memory is open to it */
};

extern __thread struct sg_reach sg_reach;

/* Where a kernel stopped; every field is zero or NULL when the fault has none. */
struct sg_fault {
	enum sg_result result;
	uint64_t address;
	struct sg_dim ctaid, tid;
	uint32_t line;			/* line of the PTX text */
	char source[96];		/* "kernel.cu:42", where the PTX text carries it */
	char text[160];			/* one line for the log */
};

/*
 * Parses and links the texts (one for an ordinary image, several for -rdc) into a module. Global
 * and constant variables get device memory through sg_mem_alloc() (memory.h) and are initialised.
 * On error *out is NULL and log says why.
 */
enum sg_result sg_module_create(const struct sg_ptx *ptx, size_t nr, struct sg_module **out,
				struct sg_log *log);
/* The same texts once more, with the managed variables of the first module, which is to outlive this. */
enum sg_result sg_module_create_again(const struct sg_ptx *ptx, size_t nr,
				      const struct sg_module *first, struct sg_module **out,
				      struct sg_log *log);
bool sg_module_has_managed(const struct sg_module *m);
void sg_module_destroy(struct sg_module *m);
/* Parses a text whose symbols may be in others. */
enum sg_result sg_ptx_check(const struct sg_ptx *ptx, struct sg_log *log);

size_t sg_module_nr_kernels(const struct sg_module *m);
struct sg_kernel *sg_module_kernel(struct sg_module *m, size_t i);
/* NULL: no such entry */
struct sg_kernel *sg_module_find(struct sg_module *m, const char *name);
const struct sg_kernel_info *sg_kernel_info(const struct sg_kernel *k);

size_t sg_module_nr_globals(const struct sg_module *m);
/* Name, device address and size of the i-th .global/.const variable. */
void sg_module_global(const struct sg_module *m, size_t i, const char **name, uint64_t *addr,
		      size_t *size);
bool sg_module_find_global(const struct sg_module *m, const char *name, uint64_t *addr,
			   size_t *size);

/* Threads that run grids: SOFTGPU_THREADS, or the cores that the process may use. */
uint32_t sg_threads(void);
#define SG_MAX_THREADS	256
/* Whether SOFTGPU_ISA may name this build of the executors, and the processor has what it needs. */
bool sg_isa_runs_here(const char *name);

/*
 * Runs a grid to its end on the engine's own threads (one per core, started at first use;
 * SOFTGPU_THREADS overrides) and the caller's. Blocks; may be called from several threads at once.
 * Returns SG_OK or the fault, which *fault then describes.
 */
enum sg_result sg_launch_run(const struct sg_launch *l, struct sg_fault *fault);

#endif
