/* SPDX-License-Identifier: MIT */
/*
 * ptx_module.h - what a PTX text turns into
 *
 * Everything of a module lives in its arena and dies with it; names point into the module's copy of
 * the text.
 */
#ifndef SOFTGPU_PTX_MODULE_H
#define SOFTGPU_PTX_MODULE_H

#include "engine.h"
#include "ptx_type.h"
#include "warp.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *chunks;
	size_t used, size;
};

/* zero-filled, 64-byte aligned; NULL: no memory */
void *arena_alloc(struct arena *a, size_t size);
void arena_free(struct arena *a);

enum ptx_linkage { PTX_PRIVATE, PTX_VISIBLE, PTX_WEAK, PTX_COMMON, PTX_EXTERN };

/* An address stored in an initialiser. */
struct ptx_reloc {
	struct ptx_reloc *next;
	struct ptx_var *var;
	struct ptx_func *fn;
	int64_t addend;
	uint64_t mask;		/* 0xff(sym): a byte of the address; 0: whole */
	uint32_t offset, bytes;
	bool generic;
};

struct ptx_var {
	struct ptx_var *next;
	const char *name;
	enum sg_space space;
	enum ptx_type type;
	enum ptx_linkage linkage;
	bool managed;		/* .attribute(.managed): the host uses it, too */
	bool borrowed;		/* its memory is another module's */
	uint32_t align;
	uint64_t size;		/* 0: an .extern array without bounds */
	uint8_t *init;		/* size bytes, or NULL: zeros */
	struct ptx_reloc *relocs;
	struct ptx_var *def;	/* after linking: the definition, often itself */
	uint64_t addr;		/* device address, or offset in local/param space */
	uint32_t shared_index;	/* of a .shared definition in its module, 1-based */
	uint32_t row;		/* a formal parameter in .reg space */
	uint32_t line;
	struct ptx_unit *unit;
};

/* What fills a row that no instruction writes. */
enum ptx_const_kind {
	CONST_IMM,
	CONST_SREG,		/* value: enum sg_sreg */
	CONST_VAR,		/* global or const: the address, known after linking */
	CONST_SHARED,		/* the kernel decides where the variable lies */
	CONST_LOCAL,		/* value plus the frame's local base */
	CONST_FUNC,
};

struct ptx_const {
	struct ptx_const *hash_next, *next;
	enum ptx_const_kind kind;
	bool wide, generic;	/* 8-byte elements; add the window */
	uint32_t row;
	uint64_t value;
	struct ptx_var *var;
	struct ptx_func *fn;
};

enum sg_sreg {
	SREG_TID_X, SREG_TID_Y, SREG_TID_Z, SREG_NTID_X, SREG_NTID_Y, SREG_NTID_Z,
	SREG_CTAID_X, SREG_CTAID_Y, SREG_CTAID_Z, SREG_NCTAID_X, SREG_NCTAID_Y, SREG_NCTAID_Z,
	SREG_ZERO, SREG_ONE, SREG_LANEID, SREG_WARPID, SREG_NWARPID, SREG_WARP_SIZE, SREG_SMID, SREG_NSMID, SREG_GRIDID,
	SREG_LM_EQ, SREG_LM_LE, SREG_LM_LT, SREG_LM_GE, SREG_LM_GT,
	SREG_DYN_SMEM, SREG_TOTAL_SMEM, SREG_RESERVED, SREG_RESERVED_1, SREG_RESERVED_END, SREG_RESERVED_CAP,
	SREG_ENVREG,
	SREG_CLOCK = SREG_ENVREG + 32, SREG_CLOCK_HI, SREG_CLOCK64, SREG_TIMER, SREG_TIMER_LO, SREG_TIMER_HI,
	SREG_NR
};
#define SREG_VOLATILE SREG_CLOCK	/* from here on: read anew by each instruction */

struct sg_sreg_name {
	const char *name;
	enum sg_sreg id;
	uint8_t bits;
};
extern const struct sg_sreg_name sg_sregs[];

/* An argument of a call: where it lies in the caller. */
struct ptx_arg {
	bool is_row;
	uint32_t row;		/* is_row */
	uint8_t bytes;		/* of an element of the row, 0: predicate */
	uint32_t offset, size;	/* in the caller's local memory otherwise */
};

#define SG_CODE_ADDRESS(index) (SG_WINDOW_CODE | ((index) + 1ull) << 4)

enum ptx_builtin { PTX_NOT_BUILTIN, PTX_VPRINTF, PTX_MALLOC, PTX_FREE, PTX_ASSERTFAIL, PTX_SET_CONDITIONAL };

struct ptx_call {
	struct ptx_func *fn;	/* NULL: indirect, the address is in row r[0] */
	const struct ptx_func *proto;
	uint32_t nr_args, nr_rets;
	struct ptx_arg *args, *rets;
};

struct ptx_ref {
	struct ptx_ref *next;
	struct ptx_var *var;
	struct ptx_func *fn;
	uint32_t line;
};

/* From this instruction on the code is of a line of a source file. */
struct ptx_loc {
	uint32_t pc, file, line;
};

struct ptx_file {
	struct ptx_file *next;
	uint32_t nr;
	const char *name;
};

struct ptx_func {
	struct ptx_func *next;
	const char *name;
	enum ptx_linkage linkage;
	bool entry, defined, noreturn, indirect;
	enum ptx_builtin builtin;
	struct ptx_var **params, **rets;
	uint32_t nr_params, nr_rets;
	struct sg_insn *code;
	uint32_t nr_code, cap_code;
	struct ptx_loc *locs;	/* in order of pc */
	uint32_t nr_locs, cap_locs;
	struct ptx_func *alias;	/* .alias: the function that this is another name of */
	struct ptx_const *consts;
	uint32_t frame_bytes;	/* of the register file */
	uint32_t local_bytes, param_bytes, nr_rows;
	uint32_t maxntid, maxntid_set;
	struct ptx_ref *refs;	/* functions called or named, shared variables used */
	struct ptx_func *def;	/* after linking */
	uint32_t index;		/* in the module, for frames and addresses */
	uint32_t line, mark;
	struct ptx_unit *unit;
};

/* One PTX text. */
struct ptx_unit {
	struct ptx_unit *next;
	struct sg_module *module;
	uint32_t nr;		/* 0: the only one */
	uint32_t version, target;
	struct ptx_var *vars;	/* .global .const .shared */
	struct ptx_func *funcs;
	struct ptx_file *files;
};

struct sg_kernel {
	struct sg_kernel_info info;
	struct sg_param *params;
	struct sg_module *module;
	struct ptx_func *fn;
	uint32_t *shared_off;	/* by shared_index */
};

struct sg_module {
	struct arena arena;
	struct ptx_unit *units, **units_end;
	const struct sg_module *first;	/* that has the memory of the managed variables; NULL: this one */
	uint32_t nr_kernels, nr_globals, nr_funcs, nr_shared;
	struct sg_kernel *kernels;
	struct ptx_var **globals;
	struct ptx_func **funcs;	/* by index */
	const struct sg_isa *isa;
	bool reserved;			/* a text asks where the system's shared memory is */
};

/* ptx_parse.c */
enum sg_result ptx_parse(struct sg_module *m, const struct sg_ptx *ptx, uint32_t nr, struct sg_log *log);
/* devrt.c: what the device runtime defines, and whether a module lacks some of it */
extern const struct sg_ptx sg_devrt;
bool sg_devrt_wanted(const struct sg_module *m);
/* ptx_loc.c: source file and line of an instruction; false: the text does not say */
bool ptx_source(const struct ptx_func *fn, const struct sg_insn *in, const char **file, uint32_t *line);
/* ptx_link.c */
enum sg_result ptx_link(struct sg_module *m, struct sg_log *log);

#endif
