/* SPDX-License-Identifier: MIT */
/*
 * ptx_row.c - rows of the register file: registers, immediates, addresses, special registers
 */
#include <stdlib.h>
#include <string.h>

#include "ptx_parse.h"

#define MAX_FRAME_BYTES (16u << 20)
#define LINE 64u

const struct sg_sreg_name sg_sregs[] = {
	{ "%tid.x", SREG_TID_X, 32 }, { "%tid.y", SREG_TID_Y, 32 }, { "%tid.z", SREG_TID_Z, 32 },
	{ "%ntid.x", SREG_NTID_X, 32 }, { "%ntid.y", SREG_NTID_Y, 32 }, { "%ntid.z", SREG_NTID_Z, 32 },
	{ "%ctaid.x", SREG_CTAID_X, 32 }, { "%ctaid.y", SREG_CTAID_Y, 32 }, { "%ctaid.z", SREG_CTAID_Z, 32 },
	{ "%nctaid.x", SREG_NCTAID_X, 32 }, { "%nctaid.y", SREG_NCTAID_Y, 32 }, { "%nctaid.z", SREG_NCTAID_Z, 32 },
	{ "%laneid", SREG_LANEID, 32 }, { "%warpid", SREG_WARPID, 32 }, { "%nwarpid", SREG_NWARPID, 32 },
	{ "%smid", SREG_SMID, 32 }, { "%nsmid", SREG_NSMID, 32 }, { "%gridid", SREG_GRIDID, 64 },
	{ "%lanemask_eq", SREG_LM_EQ, 32 }, { "%lanemask_le", SREG_LM_LE, 32 }, { "%lanemask_lt", SREG_LM_LT, 32 },
	{ "%lanemask_ge", SREG_LM_GE, 32 }, { "%lanemask_gt", SREG_LM_GT, 32 },
	{ "%dynamic_smem_size", SREG_DYN_SMEM, 32 }, { "%total_smem_size", SREG_TOTAL_SMEM, 32 },
	{ "%clock", SREG_CLOCK, 32 }, { "%clock_hi", SREG_CLOCK_HI, 32 }, { "%clock64", SREG_CLOCK64, 64 },
	{ "%globaltimer", SREG_TIMER, 64 }, { "%globaltimer_lo", SREG_TIMER_LO, 32 },
	{ "%globaltimer_hi", SREG_TIMER_HI, 32 },
	{ "%tid.w", SREG_ZERO, 32 }, { "%ntid.w", SREG_ZERO, 32 }, { "%ctaid.w", SREG_ZERO, 32 },
	{ "%nctaid.w", SREG_ZERO, 32 }, { "%current_graph_exec", SREG_ZERO, 64 },
	{ "%aggr_smem_size", SREG_TOTAL_SMEM, 32 },
	/* cooperative_groups keeps what tiles of several warps need behind _1 */
	{ "%reserved_smem_offset_begin", SREG_RESERVED, 32 }, { "%reserved_smem_offset_end", SREG_RESERVED_END, 32 },
	{ "%reserved_smem_offset_cap", SREG_RESERVED_CAP, 32 }, { "%reserved_smem_offset_0", SREG_RESERVED, 32 },
	{ "%reserved_smem_offset_1", SREG_RESERVED_1, 32 },
	/* no performance is monitored */
#define PM(n) { "%pm" #n, SREG_ZERO, 32 }, { "%pm" #n "_64", SREG_ZERO, 64 }
	PM(0), PM(1), PM(2), PM(3), PM(4), PM(5), PM(6), PM(7),
#undef PM
	/* a cluster is one CTA here */
	{ "%is_explicit_cluster", SREG_ZERO, 1 },
	{ "%clusterid.x", SREG_CTAID_X, 32 }, { "%clusterid.y", SREG_CTAID_Y, 32 }, { "%clusterid.z", SREG_CTAID_Z, 32 },
	{ "%nclusterid.x", SREG_NCTAID_X, 32 }, { "%nclusterid.y", SREG_NCTAID_Y, 32 },
	{ "%nclusterid.z", SREG_NCTAID_Z, 32 }, { "%clusterid.w", SREG_ZERO, 32 }, { "%nclusterid.w", SREG_ZERO, 32 },
	{ "%cluster_ctaid.w", SREG_ZERO, 32 }, { "%cluster_nctaid.w", SREG_ZERO, 32 },
	{ "%cluster_ctaid.x", SREG_ZERO, 32 }, { "%cluster_ctaid.y", SREG_ZERO, 32 },
	{ "%cluster_ctaid.z", SREG_ZERO, 32 }, { "%cluster_ctarank", SREG_ZERO, 32 },
	{ "%cluster_nctaid.x", SREG_ONE, 32 }, { "%cluster_nctaid.y", SREG_ONE, 32 },
	{ "%cluster_nctaid.z", SREG_ONE, 32 }, { "%cluster_nctarank", SREG_ONE, 32 },
#define ENV(n) { "%envreg" #n, SREG_ENVREG + n, 32 }
	ENV(0), ENV(1), ENV(2), ENV(3), ENV(4), ENV(5), ENV(6), ENV(7), ENV(8), ENV(9), ENV(10), ENV(11), ENV(12),
	ENV(13), ENV(14), ENV(15), ENV(16), ENV(17), ENV(18), ENV(19), ENV(20), ENV(21), ENV(22), ENV(23), ENV(24),
	ENV(25), ENV(26), ENV(27), ENV(28), ENV(29), ENV(30), ENV(31),
#undef ENV
	{ NULL, 0, 0 },
};

static uint32_t take(struct ptx_parser *p, uint32_t bytes)
{
	struct ptx_func *fn = p->fn;
	uint32_t at = fn->frame_bytes;

	if (bytes > MAX_FRAME_BYTES - at) {
		ptx_error_at(&p->l, &p->l.tok, SG_UNSUPPORTED_PTX,
			     "function '%s' uses too many registers", fn->name);
		return 0;
	}
	fn->frame_bytes += bytes;
	return at;
}

uint32_t ptx_row(struct ptx_parser *p, uint32_t elem_bytes)
{
	if (elem_bytes) {
		p->fn->nr_rows += elem_bytes / 4;
		return take(p, elem_bytes * SG_LANES);
	}
	if (!p->pred_left) {
		p->pred_row = take(p, LINE);
		p->pred_left = LINE / sizeof(uint32_t);
	}
	p->pred_left--;
	p->pred_row += sizeof(uint32_t);
	return p->pred_row - (uint32_t)sizeof(uint32_t);
}

/* A .b128 register is two rows of 64 bits, the lower half first. */
uint32_t ptx_reg_row(struct ptx_parser *p, enum ptx_type t, uint32_t lanes)
{
	uint32_t bits = ptx_types[t].bits;

	return ptx_row(p, t == PTX_PRED ? 0 : (bits > 64 ? 16 : bits > 32 ? 8 : 4) * lanes);
}

uint32_t ptx_row_step(enum ptx_type t)
{
	return (ptx_types[t].bits > 32 ? 8 : 4) * SG_LANES;
}

static uint32_t const_row(struct ptx_parser *p, const struct ptx_const *want)
{
	uint64_t key[] = { want->kind, want->wide, want->generic, want->value, (uintptr_t)want->var,
			   (uintptr_t)want->fn };
	struct ptx_const **at =
		&p->consts[ptx_hash(p, (char *)key, sizeof(key)) % PTX_CONST_BUCKETS];
	struct ptx_const *c;
	uint32_t probes = 0;

	/* bounded: a text with very many constants pays with rows, not with time */
	for (c = *at; c && probes < 64; c = c->hash_next, probes++)
		if (c->kind == want->kind && c->wide == want->wide && c->generic == want->generic &&
		    c->value == want->value && c->var == want->var && c->fn == want->fn)
			return c->row;
	c = ptx_alloc(p, p->arena, sizeof(*c));
	if (!c)
		return 0;
	*c = *want;
	c->row = ptx_row(p, c->wide ? 8 : 4);
	c->hash_next = *at;
	*at = c;
	c->next = p->fn->consts;
	p->fn->consts = c;
	return c->row;
}

uint32_t ptx_imm_row(struct ptx_parser *p, uint64_t value, bool wide)
{
	struct ptx_const c = { .kind = CONST_IMM,
			       .wide = wide,
			       .value = wide ? value : (uint32_t)value };

	return const_row(p, &c);
}

struct sg_insn *ptx_emit(struct ptx_parser *p)
{
	static struct sg_insn nowhere;
	struct ptx_func *fn = p->fn;
	struct sg_insn *in;

	if (fn->nr_code == fn->cap_code) {
		uint32_t cap = fn->cap_code ? fn->cap_code * 2 : 64;

		in = cap < fn->cap_code ? NULL : realloc(fn->code, cap * sizeof(*in));
		if (!in) {
			ptx_error_at(&p->l, &p->l.tok, SG_NOMEM, "no memory");
			return &nowhere;
		}
		fn->code = in;
		fn->cap_code = cap;
	}
	in = &fn->code[fn->nr_code++];
	memset(in, 0, sizeof(*in));
	in->line = p->st.op.line;
	in->guard = p->st.guard;
	in->guarded = p->st.guarded;
	return in;
}

char ptx_letter(enum ptx_type t)
{
	switch (t) {
	case PTX_PRED:
		return 'p';
	case PTX_F32:
		return 'f';
	case PTX_F64:
		return 'd';
	default:
		return ptx_types[t].bits <= 16 ? 'h' : ptx_types[t].bits == 32 ? 'w' : 'l';
	}
}

static uint32_t letter_bits(char letter)
{
	switch (letter) {
	case 'p':
		return 1;
	case 'h':
		return 16;
	case 'w': case 'f':
		return 32;
	case 'q':
		return 128;
	default:
		return 64;
	}
}

static bool fits(struct ptx_parser *p, const struct ptx_operand *op, char letter)
{
	uint32_t bits = ptx_types[op->type].bits, want = letter_bits(letter);

	if (op->lanes) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
			     "vector register '%.*s' where one register is needed",
			     (int)op->tok.len, op->tok.s);
		return false;
	}
	if (bits == want || (bits == 8 && want == 16))
		return true;
	ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
		     "register '%.*s' is .%s where %u bits are needed", (int)op->tok.len, op->tok.s,
		     ptx_types[op->type].name, want);
	return false;
}

bool ptx_dst_row(struct ptx_parser *p, const struct ptx_operand *op, char letter, uint32_t *row)
{
	if (op->kind == OPK_SINK) {
		if (!p->sink)
			p->sink = ptx_row(p, 16);
		*row = p->sink;
		return true;
	}
	if (op->kind != OPK_REG || op->neg) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "a register expected as destination");
		return false;
	}
	*row = op->row;
	return fits(p, op, letter);
}

static bool sreg_row(struct ptx_parser *p, const struct ptx_operand *op, char letter, uint32_t *row)
{
	struct ptx_const c = { .kind = CONST_SREG, .wide = op->bits == 64, .value = op->imm };
	struct sg_insn *in;

	if (op->lanes) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "special register '%.*s' is a vector",
			     (int)op->tok.len, op->tok.s);
		return false;
	}
	if (op->bits == 1 && letter == 'p') {
		*row = ptx_imm_row(p, 0, false);
		return true;
	}
	if (op->imm == SREG_GRIDID && letter_bits(letter) == 32)
		c.wide = false;		/* as old texts read it */
	else if (letter_bits(letter) > (op->bits == 64 ? 64u : 32u) || letter == 'p' ||
	    (op->bits == 64 && letter_bits(letter) < 64)) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "special register '%.*s' has %u bits",
			     (int)op->tok.len, op->tok.s, op->bits);
		return false;
	}
	if (op->imm < SREG_VOLATILE) {
		*row = const_row(p, &c);
		return true;
	}
	in = ptx_emit_form(p, c.wide ? "@sreg.l" : "@sreg.w");
	in->imm = (int64_t)op->imm;
	in->flags = SG_F_VOLATILE;
	*row = in->r[0] = ptx_row(p, c.wide ? 8 : 4);
	return true;
}

static bool address_row(struct ptx_parser *p, const struct ptx_operand *op, char letter,
			uint32_t *row)
{
	struct ptx_const c = { .wide = letter_bits(letter) == 64, .value = op->imm };

	if (op->kind == OPK_FUNC) {
		c.kind = CONST_FUNC;
		c.fn = op->sym->fn;
		ptx_ref_add(p, NULL, c.fn, op->tok.line);
		c.fn->indirect = true;
	} else {
		c.var = op->sym->var;
		switch (c.var->space) {
		case SG_SPACE_SHARED:
			c.kind = CONST_SHARED;
			ptx_ref_add(p, c.var, NULL, op->tok.line);
			break;
		case SG_SPACE_LOCAL:
			c.kind = CONST_LOCAL;
			c.value += c.var->addr;
			c.var = NULL;
			break;
		case SG_SPACE_PARAM:
			c.kind = CONST_IMM;
			c.value += c.var->addr;
			c.var = NULL;
			break;
		default:
			c.kind = CONST_VAR;
			ptx_ref_add(p, c.var, NULL, op->tok.line);
			break;
		}
	}
	if (letter_bits(letter) < 32 ||
	    (!c.wide && (c.kind == CONST_VAR || c.kind == CONST_FUNC))) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
			     "the address of '%.*s' does not fit %u bits", (int)op->tok.len,
			     op->tok.s, letter_bits(letter));
		return false;
	}
	*row = const_row(p, &c);
	return true;
}

/*
 * Floating point literals are good for float and untyped operands of the same or, for f32, any
 * width.
 */
static bool float_imm(struct ptx_parser *p, const struct ptx_operand *op, char letter,
		      uint32_t *row)
{
	uint64_t bits = op->imm;
	double d;
	float f;

	if (op->kind == OPK_F64 && letter == 'f') {
		memcpy(&d, &bits, sizeof(d));
		f = (float)d;
		bits = 0;
		memcpy(&bits, &f, sizeof(f));
	} else if (op->kind == OPK_F32 && letter == 'd') {
		memcpy(&f, &bits, sizeof(f));
		d = f;
		memcpy(&bits, &d, sizeof(d));
	} else if (letter_bits(letter) != (op->kind == OPK_F32 ? 32 : 64)) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
			     "a floating point number does not fit here");
		return false;
	}
	*row = ptx_imm_row(p, bits, letter_bits(letter) == 64);
	return true;
}

static bool negated(struct ptx_parser *p, const struct ptx_operand *op, uint32_t *row)
{
	struct sg_insn *in;

	if (op->type != PTX_PRED) {
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "'!' needs a predicate");
		return false;
	}
	in = ptx_emit_form(p, "not.pred");
	in->r[1] = *row;
	*row = in->r[0] = ptx_row(p, 0);
	return true;
}

bool ptx_src_row(struct ptx_parser *p, const struct ptx_operand *op, char letter, uint32_t *row)
{
	switch (op->kind) {
	case OPK_REG:
		*row = op->row;
		if (!fits(p, op, letter))
			return false;
		return op->neg ? negated(p, op, row) : true;
	case OPK_INT:
		if (letter == 'f' || letter == 'd') {
			ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX,
				     "an integer where a floating point number is needed");
			return false;
		}
		if (letter == 'p') {
			*row = ptx_imm_row(p, op->imm & 1 ? SG_ALL : 0, false);
			return true;
		}
		*row = ptx_imm_row(p, letter == 'h' ? op->imm & 0xffff : op->imm, letter_bits(letter) == 64);
		return true;
	case OPK_F32: case OPK_F64:
		return float_imm(p, op, letter, row);
	case OPK_SREG:
		return sreg_row(p, op, letter, row);
	case OPK_VAR: case OPK_FUNC:
		return address_row(p, op, letter, row);
	case OPK_LABEL:
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "unknown symbol '%.*s'",
			     (int)op->tok.len, op->tok.s);
		return false;
	default:
		ptx_error_at(&p->l, &op->tok, SG_INVALID_PTX, "this operand does not fit here");
		return false;
	}
}

void ptx_ref_add(struct ptx_parser *p, struct ptx_var *var, struct ptx_func *fn, uint32_t line)
{
	struct ptx_ref *r = p->fn->refs;

	if (r && r->var == var && r->fn == fn)
		return;
	r = ptx_alloc(p, p->arena, sizeof(*r));
	if (!r)
		return;
	r->var = var;
	r->fn = fn;
	r->line = line;
	r->next = p->fn->refs;
	p->fn->refs = r;
}
