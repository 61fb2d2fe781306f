/* SPDX-License-Identifier: MIT */
/*
 * ptx_parse.h - state of the parser, shared by its files
 *
 * An instruction is parsed into a struct ptx_stmt and decoded at once; only labels and link-time
 * addresses stay open.
 */
#ifndef SOFTGPU_PTX_PARSE_H
#define SOFTGPU_PTX_PARSE_H

#include "ptx_lex.h"
#include "ptx_module.h"

#define PTX_MAX_SCOPES 64
#define PTX_MAX_MODS 16
#define PTX_MAX_OPS 12
#define PTX_MAX_ELEMS 40

enum ptx_sym_kind { SYM_REG, SYM_RANGE, SYM_VAR, SYM_FUNC, SYM_LABEL, SYM_PROTO, SYM_TARGETS };

struct ptx_targets;
struct ptx_reuse;

struct ptx_sym {
	struct ptx_sym *next, *scope_next;
	const char *name;
	uint32_t len, hash, depth;
	enum ptx_sym_kind kind;
	enum ptx_type type;	/* SYM_REG, SYM_RANGE */
	uint32_t lanes;		/* of a vector register, in rows that follow one another; 1: none */
	uint32_t row;		/* SYM_REG; SYM_RANGE: how many */
	uint32_t pc;		/* SYM_LABEL */
	struct ptx_var *var;
	struct ptx_func *fn;	/* SYM_FUNC, SYM_PROTO */
	struct ptx_targets *targets;
};

/* A label that was used before the end of its scope. */
struct ptx_fixup {
	struct ptx_fixup *next;
	struct ptx_tok tok;
	uint32_t hash, insn;
	uint32_t *slot;		/* entry of a branch table, or NULL: imm of insn */
};

struct ptx_targets {
	uint32_t nr, *pc;
};

struct ptx_symtab {
	struct ptx_sym **buckets;
	uint32_t nr_buckets, nr, depth;
	uint32_t seed;
	struct {
		struct ptx_sym *syms;
		struct ptx_fixup *fixups;
	} scope[PTX_MAX_SCOPES];
};

enum ptx_op_kind {
	OPK_REG, OPK_INT, OPK_F32, OPK_F64, OPK_SREG, OPK_VAR, OPK_FUNC, OPK_LABEL, OPK_SINK,
	OPK_VEC,	/* {a, b, ...} */
	OPK_PAIR,	/* p|q */
	OPK_ADDR,	/* [base + off]: elems[first] is the base, nr 0: absolute */
	OPK_POINT,	/* [a, {x, y}]: a and the coordinates are the elements */
	OPK_LIST,	/* (a, b): of a call */
};

struct ptx_operand {
	enum ptx_op_kind kind;
	bool neg;			/* !p */
	bool minus;			/* -a of vmad */
	struct ptx_tok sel;		/* .h10 of a video instruction; len 0: none */
	struct ptx_tok tok;
	enum ptx_type type;		/* OPK_REG */
	uint32_t row;
	uint64_t imm;			/* value, bits, offset, enum sg_sreg */
	uint8_t bits;			/* OPK_SREG */
	uint8_t lanes;			/* OPK_REG, OPK_SREG: a whole vector; 0: one register */
	struct ptx_sym *sym;
	uint32_t first, nr;		/* elements of a composed operand */
};

struct ptx_stmt {
	struct ptx_tok op, mods[PTX_MAX_MODS];
	uint32_t nr_mods, nr_ops, nr_elems;
	struct ptx_operand ops[PTX_MAX_OPS], elems[PTX_MAX_ELEMS];
	uint32_t guard;
	uint8_t guarded;
};

#define PTX_CONST_BUCKETS 256

struct ptx_parser {
	struct ptx_lex l;
	struct sg_module *m;
	struct ptx_unit *unit;
	struct ptx_func *fn;		/* NULL outside a body */
	struct ptx_var **vars_end;
	struct ptx_func **funcs_end;
	struct arena *arena;		/* the module's */
	struct arena tmp;		/* symbols: gone after parsing */
	struct ptx_symtab syms;
	struct ptx_const *consts[PTX_CONST_BUCKETS];
	uint32_t pred_row, pred_left;	/* predicates share a line of the register file */
	uint32_t sink;
	struct ptx_reuse *reuse;	/* of the body; NULL: every register has a row */
	struct ptx_stmt st;
};

/* ptx_sym.c */
uint32_t ptx_hash(const struct ptx_parser *p, const char *s, size_t len);
struct ptx_sym *ptx_sym_find(struct ptx_parser *p, const char *s, size_t len);
struct ptx_sym *ptx_sym_add(struct ptx_parser *p, const struct ptx_tok *name,
			    enum ptx_sym_kind kind);
bool ptx_scope_push(struct ptx_parser *p);
void ptx_scope_pop(struct ptx_parser *p);
void ptx_label_use(struct ptx_parser *p, const struct ptx_tok *name, uint32_t insn, uint32_t *slot);

/* NULL: and the error is recorded */
void *ptx_alloc(struct ptx_parser *p, struct arena *a, size_t size);
const char *ptx_strdup(struct ptx_parser *p, const char *s, size_t len);

/* ptx_operand.c */
bool ptx_const_int(struct ptx_parser *p, int64_t *v);
bool ptx_const_value(struct ptx_parser *p, struct ptx_operand *op);
bool ptx_parse_operand(struct ptx_parser *p, struct ptx_operand *op);

/* ptx_var.c */
struct ptx_var *ptx_parse_var(struct ptx_parser *p, enum sg_space space, enum ptx_linkage linkage,
			      bool param);
void ptx_parse_regs(struct ptx_parser *p);
bool ptx_parse_vars(struct ptx_parser *p, enum sg_space space, enum ptx_linkage linkage);
enum sg_space ptx_space_find(const struct ptx_tok *t);	/* SG_SPACE_GENERIC: not a space */

/* ptx_func.c */
void ptx_parse_func(struct ptx_parser *p, enum ptx_linkage linkage);
/* Sets *managed when that is among what it says. */
bool ptx_skip_attribute(struct ptx_parser *p, bool *managed);
void ptx_parse_proto(struct ptx_parser *p, const struct ptx_tok *name);

/* ptx_loc.c */
void ptx_parse_loc(struct ptx_parser *p);
void ptx_parse_file(struct ptx_parser *p);

/* ptx_row.c */
uint32_t ptx_row(struct ptx_parser *p, uint32_t elem_bytes);	/* 0: a predicate */
uint32_t ptx_reg_row(struct ptx_parser *p, enum ptx_type t, uint32_t lanes);
/* how far the rows of the elements of a vector register are apart */
uint32_t ptx_row_step(enum ptx_type t);
uint32_t ptx_imm_row(struct ptx_parser *p, uint64_t value, bool wide);
struct sg_insn *ptx_emit(struct ptx_parser *p);
bool ptx_dst_row(struct ptx_parser *p, const struct ptx_operand *op, char letter, uint32_t *row);
bool ptx_src_row(struct ptx_parser *p, const struct ptx_operand *op, char letter, uint32_t *row);
void ptx_ref_add(struct ptx_parser *p, struct ptx_var *var, struct ptx_func *fn, uint32_t line);
char ptx_letter(enum ptx_type t);

/* ptx_reuse.c: around a body, whose brace is the current token */
void ptx_reuse_begin(struct ptx_parser *p);
void ptx_reuse_end(struct ptx_parser *p);
uint32_t ptx_reuse_row(struct ptx_parser *p, const char *s, size_t len, enum ptx_type t);

/* ptx_decode.c */
void ptx_decode(struct ptx_parser *p);
/* an instruction that softgpu does not run: said before its operands are read */
bool ptx_decode_refused(struct ptx_parser *p);
void ptx_decode_error(struct ptx_parser *p, enum sg_result res, const char *what);
struct sg_insn *ptx_emit_form(struct ptx_parser *p, const char *form);
/* by the row alone; mods: modifiers that are flags */
void ptx_decode_form(struct ptx_parser *p, uint32_t mods);
bool ptx_has_mod(const struct ptx_stmt *st, const char *mod);
enum ptx_type ptx_stmt_type(const struct ptx_stmt *st);	/* the last modifier that is a type */

/* ptx_form.c */
typedef void (*ptx_decoder)(struct ptx_parser *p);
struct ptx_op {
	const char *name;
	uint32_t mods;		/* modifiers that are flags for this opcode */
	ptx_decoder decode;	/* NULL: by form alone */
};
const struct ptx_op *ptx_op_find(const char *s, size_t len);
/* an opcode of PTX that softgpu does not run */
bool ptx_op_refused(const char *s, size_t len);
const struct sg_form *ptx_form_find(const char *name, size_t len);
const struct sg_isa *ptx_isa(void);

/* ptx_mem.c: [address] of a space; the parts of an address go to imm, r[4], a32 and space of out */
bool ptx_address(struct ptx_parser *p, const struct ptx_operand *op, enum sg_space space,
		 struct sg_insn *out);

/* ptx_mem.c, ptx_ctl.c, ptx_mov.c, ptx_async.c, ptx_mma.c: decoders named in the table of ptx_form.c */
void ptx_decode_ld(struct ptx_parser *p);
void ptx_decode_st(struct ptx_parser *p);
void ptx_decode_atom(struct ptx_parser *p);
void ptx_decode_fence(struct ptx_parser *p);
void ptx_decode_hint(struct ptx_parser *p);
void ptx_decode_cvta(struct ptx_parser *p);
void ptx_decode_isspacep(struct ptx_parser *p);
void ptx_decode_mov(struct ptx_parser *p);
void ptx_decode_cvt(struct ptx_parser *p);
void ptx_decode_setp(struct ptx_parser *p);
void ptx_decode_bra(struct ptx_parser *p);
void ptx_decode_brx(struct ptx_parser *p);
void ptx_decode_call(struct ptx_parser *p);
void ptx_decode_ret(struct ptx_parser *p);
void ptx_decode_bar(struct ptx_parser *p);
void ptx_decode_shfl(struct ptx_parser *p);
void ptx_decode_vote(struct ptx_parser *p);
void ptx_decode_sync(struct ptx_parser *p);
void ptx_decode_elect(struct ptx_parser *p);
void ptx_decode_lop3(struct ptx_parser *p);
void ptx_decode_nanosleep(struct ptx_parser *p);
void ptx_decode_video(struct ptx_parser *p);
void ptx_decode_alloca(struct ptx_parser *p);
void ptx_decode_cp(struct ptx_parser *p);
void ptx_decode_mbarrier(struct ptx_parser *p);
void ptx_decode_mma(struct ptx_parser *p);
void ptx_decode_wmma(struct ptx_parser *p);
void ptx_decode_ldmatrix(struct ptx_parser *p);
void ptx_decode_stmatrix(struct ptx_parser *p);
void ptx_decode_movmatrix(struct ptx_parser *p);

/* ptx_tex.c, ptx_surf.c */
void ptx_decode_tex(struct ptx_parser *p);
void ptx_decode_tld4(struct ptx_parser *p);
void ptx_decode_txq(struct ptx_parser *p);
void ptx_decode_istypep(struct ptx_parser *p);
void ptx_decode_suld(struct ptx_parser *p);
void ptx_decode_sust(struct ptx_parser *p);
void ptx_decode_sured(struct ptx_parser *p);

#endif
