/* SPDX-License-Identifier: MIT */
/*
 * warp.h - 32 lanes that execute decoded instructions in lock-step
 *
 * A register is a row of the frame's register file: 32 x 4 bytes, 32 x 8 bytes, or one 32-bit mask
 * for a predicate. Immediates, addresses of symbols and special registers are rows as well, filled
 * when the frame is made, so an executor never asks what kind of operand it has.
 *
 * Divergence: the lanes of a warp are a list of groups (frame, pc, mask), see group.c. The group in
 * the deepest frame with the lowest pc runs; groups whose pcs meet merge. No group sits on the C
 * stack, so a warp can stop anywhere and go on later.
 */
#ifndef SOFTGPU_WARP_H
#define SOFTGPU_WARP_H

#include <stdarg.h>
#include <stdatomic.h>

#include "engine.h"
#include "ptx_type.h"

#define SG_LANES 32
#define SG_ALL 0xffffffffu
#define SG_MAX_DEPTH 1024	/* frames of one warp: deeper recursion is a stack overflow */
#define SG_NR_BARRIERS 16
#define SG_NR_EXTENTS 4
#define SG_NR_OBJECTS 4	/* a power of two */

struct race_cta;
struct race_warp;
struct sg_warp;
struct sg_insn;
struct ptx_func;

/*
 * Runs one instruction for the lanes in mask (never 0). SG_OK, or the fault, described in w->fault.
 */
typedef enum sg_result (*sg_exec)(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);

/* What the run loop itself does; everything else is an executor. */
enum sg_ctl {
	SG_CTL_NONE,
	SG_CTL_WARPSYNC,	/* executor, once all lanes named by row r[5] have arrived */
	SG_CTL_BRA,
	SG_CTL_BRX,
	SG_CTL_CALL,
	SG_CTL_RET,
	SG_CTL_EXIT,
	SG_CTL_BAR,
	SG_CTL_POLL,		/* executor; the warp gives way when it sets w->polled */
};

struct sg_insn {
	sg_exec exec;
	uint32_t r[6];		/* byte offsets of rows: destinations first */
	int64_t imm;		/* address offset, branch target, table of lop3 */
	const void *aux;
	uint32_t mods;		/* enum ptx_mod */
	uint32_t guard;		/* row of the guard predicate */
	uint32_t line;
	uint8_t guarded;	/* 0 no, 1 @p, 2 @!p */
	uint8_t ctl;
	uint8_t space;
	uint8_t bytes;		/* of one element of a memory access */
	uint8_t vec;		/* elements of a memory access or a pack */
	uint8_t a32;		/* the address row has 32-bit elements */
	uint16_t flags;
};

#define SG_F_ACQUIRE	0x01
#define SG_F_RELEASE	0x02
#define SG_F_NEG	0x04
#define SG_F_VOLATILE	0x08	/* reads a clock */
#define SG_F_TRANS	0x10	/* ldmatrix, stmatrix */
#define SG_F_LOAD	0x20	/* an access that does not write */
/* what an access is to race.c */
#define SG_F_STRONG	0x40	/* PTX ISA 8.4: atomic, volatile, relaxed, acquire, release */
#define SG_F_ATOMIC	0x80
#define SG_F_STORE	0x100	/* st: writes what is in its rows r[0] ... */
#define SG_F_WIDE	0x200	/* ... of 64-bit elements */
#define SG_F_VOLATILE_ACCESS 0x400
/* what a loop does that waits for another lane, see warp.c */
#define SG_F_LOOKS	0x800	/* reads what another lane may write meanwhile: atom, ld.volatile ... */
#define SG_F_SPIN	0x1000	/* SG_CTL_BRA, SG_CTL_BRX, backward: one of those is in the loop */

/* SG_CTL_BAR: what happens at the barrier; in flags */
enum sg_bar_op { SG_BAR_SYNC, SG_BAR_ARRIVE, SG_BAR_RED_POPC, SG_BAR_RED_AND, SG_BAR_RED_OR };

struct sg_frame {
	struct sg_frame *parent;	/* NULL: the kernel's */
	struct sg_frame *next;		/* free list of the function */
	const struct ptx_func *fn;
	const struct sg_insn *call;	/* in parent */
	uint8_t *regs;
	uint32_t ret_pc, live, depth, local_base;
	uint32_t grown;			/* bytes of alloca behind the function's own */
};

enum sg_group_state { SG_RUN, SG_WAIT_LANES, SG_WAIT_BAR };

struct sg_group {
	uint64_t key;			/* group.h; set where it stands in the warp's list */
	struct sg_frame *frame;
	uint32_t pc, mask;
	enum sg_group_state state;
	uint32_t bar, bar_gen;
	uint64_t stamp;			/* of its last turn, for rotation */
};

/* Live allocations that this engine thread found lately. */
struct sg_extents {
	uint64_t gen;
	struct { uint64_t lo, hi; } e[SG_NR_EXTENTS];
	uint32_t next;
};

struct sg_bar {
	uint32_t gen;
	/* threads; expected 0: every thread of the CTA that is left */
	uint32_t arrived, expected;
	uint32_t popc, all, any;	/* of the running generation's bar.red */
	uint32_t last_popc, last_all, last_any;
};

struct sg_cta {
	struct sg_job *job;
	struct sg_warp *warps;
	uint32_t nr_warps, live_threads, live_warps;
	uint8_t *shared;
	uint32_t shared_bytes;
	struct sg_dim ctaid;
	uint64_t linear;
	struct sg_bar bar[SG_NR_BARRIERS];
	/* operations on mbarriers that changed one or found its phase complete */
	uint64_t events;
	uint32_t idle;			/* rounds in a row in which warps did nothing but poll */
	struct race_cta *race;		/* NULL: no check */
};

struct sg_warp {
	uint8_t *regs;			/* of the group that runs */
	struct sg_cta *cta;
	struct sg_extents *ext;
	uint8_t *shared;
	uint32_t shared_bytes;
	const uint8_t *params;
	uint32_t param_bytes;
	uint8_t *local;			/* 32 stacks of local_cap bytes */
	uint32_t local_cap;
	uint32_t id, live;
	uint32_t nr_groups;		/* without the one that runs */
	uint32_t spins;			/* backward branches since the last rotation */
	uint32_t turn;			/* jumps left before groups that stand earlier go first again */
	bool rotate;
	bool polled;			/* the last run ended with a poll that failed */
	bool watch, observed;		/* look for accesses that other CTAs could answer; there was one */
	struct { const struct sg_insn *in; uint32_t lanes; uint64_t address; } poll;	/* the last that failed */
	uint64_t steps, stamp;
	struct sg_frame *frame;		/* of the group that runs */
	struct sg_frame **pool;		/* free frames by function index */
	/* textures and surfaces that this CTA found (exec_tex.c), by some bits of the handle */
	struct sg_object {
		uint64_t handle;
		const void *object;
	} textures[SG_NR_OBJECTS], surfaces[SG_NR_OBJECTS];
	uint32_t cc[SG_LANES];		/* carry of add.cc, sub.cc, mad.cc */
	struct sg_group groups[SG_LANES];
	struct sg_fault *fault;
	struct race_warp *race;		/* NULL: no check */
};

enum sg_warp_state { SG_WARP_DONE, SG_WARP_BLOCKED, SG_WARP_YIELD, SG_WARP_FAULT };

/* One build of the executors: for the plain ABI, AVX2 and AVX-512. */
struct sg_form;
struct sg_isa {
	const char *name;
	const struct sg_form *const *forms;	/* NULL-terminated list of tables */
};

struct sg_form {
	const char *name;	/* opcode and the modifiers that choose: "mul.wide.s32" */
	sg_exec exec;		/* without modifiers of mods, or with M_RN only */
	sg_exec slow;		/* with some; NULL: exec looks at in->mods itself */
	uint32_t mods;		/* what else may stand there */
	const char *ops;	/* see ptx_form.c */
};

#define SG_WIDE_HALF 256	/* from the lower half of a .b128 register to the upper */
#define SG_ROW(T, n) ((T *)(w->regs + in->r[n]))

/* Fault of the lowest lane in lanes. */
enum sg_result sg_warp_fault(struct sg_warp *w, const struct sg_insn *in, enum sg_result res,
			     uint32_t lanes, uint64_t address, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* "kernel.cu:42"; false: the text does not say */
bool sg_source_name(const struct sg_module *m, const struct sg_insn *in, char *out, size_t size);

/* warp.c */
enum sg_warp_state sg_warp_run(struct sg_warp *w, uint64_t budget);
bool sg_warp_init(struct sg_warp *w, struct sg_cta *cta, uint32_t id, struct sg_extents *ext,
		  struct sg_fault *fault);
bool sg_warp_start(struct sg_warp *w);	/* for the CTA that w->cta now describes */
void sg_warp_fini(struct sg_warp *w);

/* frame.c */
struct sg_frame *sg_frame_push(struct sg_warp *w, const struct ptx_func *fn,
			       struct sg_frame *parent, uint32_t mask);
void sg_frame_pop(struct sg_warp *w, struct sg_frame *f);
bool sg_local_need(struct sg_warp *w, uint32_t bytes);	/* of local memory; false: more than there is */
void sg_frames_free(struct sg_warp *w);
void sg_call_args(struct sg_warp *w, const struct sg_insn *in, const struct sg_frame *callee,
		  uint32_t mask);
void sg_call_rets(struct sg_warp *w, const struct sg_frame *callee, uint32_t mask);

/* builtin.c: vprintf, malloc, free, __assertfail */
enum sg_result sg_builtin_call(struct sg_warp *w, const struct sg_insn *in, uint32_t mask);

/* barrier.c */
enum sg_result sg_bar_arrive(struct sg_warp *w, const struct sg_insn *in, uint32_t mask,
			     struct sg_group *g);
bool sg_bar_released(struct sg_warp *w, struct sg_group *g);	/* and its result is written */
void sg_bar_exit(struct sg_cta *cta, uint32_t threads);

/* mbarrier.c: what a failed poll waits for, as a fault of the lane */
void sg_mbarrier_stuck(struct sg_warp *w);

/* Host address of a lane's [generic, generic + size), or NULL (resolve.c) */
uint8_t *sg_host_ptr(struct sg_warp *w, uint32_t lane, uint64_t generic, uint64_t size);
/* The same for an address of a space. */
uint8_t *sg_space_ptr(struct sg_warp *w, enum sg_space space, uint32_t lane, uint64_t address,
		      uint64_t size);

#endif
