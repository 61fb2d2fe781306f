/* SPDX-License-Identifier: MIT */
/*
 * ptx_type.h - fundamental types, state spaces and instruction modifiers of PTX
 */
#ifndef SOFTGPU_PTX_TYPE_H
#define SOFTGPU_PTX_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PTX_TYPES(X) \
	X(PRED, "pred", 1, 'p') X(B8, "b8", 8, 'b') X(B16, "b16", 16, 'b') X(B32, "b32", 32, 'b') \
	X(B64, "b64", 64, 'b') X(B128, "b128", 128, 'b') X(U8, "u8", 8, 'u') X(U16, "u16", 16, 'u') \
	X(U32, "u32", 32, 'u') X(U64, "u64", 64, 'u') X(S8, "s8", 8, 's') X(S16, "s16", 16, 's') \
	X(S32, "s32", 32, 's') X(S64, "s64", 64, 's') X(F16, "f16", 16, 'f') X(F16X2, "f16x2", 32, 'f') \
	X(BF16, "bf16", 16, 'f') X(BF16X2, "bf16x2", 32, 'f') X(F32, "f32", 32, 'f') X(F64, "f64", 64, 'f')

#define PTX_TYPE_ENUM(id, name, bits, cls) PTX_##id,
enum ptx_type {
	PTX_NONE,
	PTX_TYPES(PTX_TYPE_ENUM)
	PTX_NR_TYPES
};
#undef PTX_TYPE_ENUM

struct ptx_type_info {
	const char *name;
	uint8_t bits;
	char cls;	/* p pred, b bits, u unsigned, s signed, f float */
};

extern const struct ptx_type_info ptx_types[PTX_NR_TYPES];

enum ptx_type ptx_type_find(const char *s, size_t len);	/* PTX_NONE: not a type */

static inline uint32_t ptx_type_bytes(enum ptx_type t)
{
	return (ptx_types[t].bits + 7u) / 8;
}

enum sg_space {
	SG_SPACE_GENERIC,
	SG_SPACE_GLOBAL,	/* also .const: it lives in device memory */
	SG_SPACE_SHARED,
	SG_SPACE_LOCAL,
	SG_SPACE_PARAM,		/* the kernel's parameter block */
	SG_SPACE_CONST,
	SG_SPACE_REG,
};

/*
 * Generic addresses of the spaces that are no device memory: bit 55 is set in no host address.
 * The low 32 bits are the offset in the window.
 */
#define SG_WINDOW_SHARED	0x0080000000000000ull
#define SG_WINDOW_LOCAL		0x0080000100000000ull
#define SG_WINDOW_PARAM		0x0080000200000000ull
#define SG_WINDOW_CODE		0x0080000300000000ull
#define SG_WINDOW_OF(a)		((a) & ~0xffffffffull)

/* Modifiers that do not choose the executor by name but change what it does. */
#define PTX_MODS(X) \
	X(RN, "rn") X(RZ, "rz") X(RM, "rm") X(RP, "rp") X(RNI, "rni") X(RZI, "rzi") X(RMI, "rmi") X(RPI, "rpi") \
	X(FTZ, "ftz") X(SAT, "sat") X(APPROX, "approx") X(FULL, "full") X(NAN, "NaN") X(AND, "and") X(OR, "or") \
	X(XOR, "xor") X(UNI, "uni") X(SHIFTAMT, "shiftamt") X(SYNC, "sync") X(ALIGNED, "aligned") X(ABS, "abs") \
	X(RELU, "relu") X(XORSIGN, "xorsign") X(NOFTZ, "noftz") \
	X(RNA, "rna") X(SATFINITE, "satfinite")

#define PTX_MOD_ENUM(id, name) PTX_BIT_##id,
enum { PTX_MODS(PTX_MOD_ENUM) PTX_NR_MODS };
#undef PTX_MOD_ENUM
#define PTX_MOD_ENUM(id, name) M_##id = 1u << PTX_BIT_##id,
enum ptx_mod { PTX_MODS(PTX_MOD_ENUM) };
#undef PTX_MOD_ENUM

#define M_ROUND	(M_RN | M_RZ | M_RM | M_RP)
#define M_ROUNDI (M_RNI | M_RZI | M_RMI | M_RPI)
#define M_BOOL	(M_AND | M_OR | M_XOR)

extern const char *const ptx_mod_names[PTX_NR_MODS];

#endif
