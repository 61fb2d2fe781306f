/* SPDX-License-Identifier: MIT */
/* families_int.cu - integers: carry chains, bits and bit fields, video instructions, dot products */
#include "families.h"

#define LONG_ROW(want, text) ROW_AS("=l", "l", want, text)

static int32_t byte_of(uint32_t x, int i) { return (int8_t)(x >> 8 * i); }
static int32_t half_of(uint32_t x, int i) { return (int16_t)(x >> 16 * i); }
static uint32_t reversed(uint32_t x) { return x ? (x & 1) << 31 | reversed(x >> 1) >> 1 : 0; }
static uint32_t leading_zeros(uint32_t x) { return x ? __builtin_clz(x) : 32; }

static uint32_t permuted(uint32_t x, uint32_t y, uint32_t selector)
{
	uint64_t both = (uint64_t)y << 32 | x;
	uint32_t r = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t s = selector >> 4 * i, byte = both >> 8 * (s & 7) & 255;

		r |= (s & 8 ? byte & 128 ? 255 : 0 : byte) << 8 * i;
	}
	return r;
}

static uint32_t first_set(uint32_t mask, int from)
{
	while (from < 32 && !(mask >> from & 1))
		from++;
	return from < 32 ? from : ~0u;
}

template <class F> static uint32_t of_bytes(uint32_t x, uint32_t y, F f)
{
	uint32_t r = 0;

	for (int i = 0; i < 32; i += 8)
		r |= (f((int)(x >> i & 255), (int)(y >> i & 255)) & 255u) << i;
	return r;
}

template <class F> static uint32_t of_halves(uint32_t x, uint32_t y, F f)
{
	return (f((int)(x & 65535), (int)(y & 65535)) & 65535u) | (uint32_t)f((int)(x >> 16), (int)(y >> 16)) << 16;
}

static uint32_t saturated(int64_t v)
{
	return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v;
}

static int less(int a, int b) { return a < b ? a : b; }
static int more(int a, int b) { return a > b ? a : b; }

__host__ __device__ static uint32_t *carries(int, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	uint32_t r;

	ROW((uint64_t)x + y >> 32, "add.cc.u32 %0, %1, %2; addc.u32 %0, 0, 0;");
	ROW(z + ((uint64_t)x + y >> 32), "{.reg .u32 q; add.cc.u32 q, %1, %2; addc.cc.u32 %0, %3, 0; }");
	ROW(y - z - (x < y), "{.reg .u32 q; sub.cc.u32 q, %1, %2; subc.u32 %0, %2, %3; }");
	ROW(y - z - (x < y), "{.reg .u32 q; sub.cc.u32 q, %1, %2; subc.cc.u32 %0, %2, %3; }");
	ROW((uint64_t)x * y + z >> 32, "{.reg .u32 q; mad.lo.cc.u32 q, %1, %2, %3; madc.hi.u32 %0, %1, %2, 0; }");
	ROW((uint32_t)((uint64_t)x * y >> 32) + z + ((uint64_t)(x * y) + z >> 32),
	    "{.reg .u32 q; mad.lo.cc.u32 q, %1, %2, %3; madc.hi.cc.u32 %0, %1, %2, %3; }");
	return out;
}

__host__ __device__ static uint32_t *arithmetic(int, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	uint32_t r;

	ROW(saturated((int64_t)(int32_t)x + (int32_t)y), "add.sat.s32 %0, %1, %2;");
	ROW(saturated((int64_t)(int32_t)x - (int32_t)y), "sub.sat.s32 %0, %1, %2;");
	ROW((int64_t)(int32_t)x * (int32_t)y >> 32, "mul.hi.s32 %0, %1, %2;");
	ROW((uint64_t)x * y >> 32, "mul.hi.u32 %0, %1, %2;");
	ROW(x * y + z, "mad.lo.s32 %0, %1, %2, %3;");
	ROW((uint32_t)(uint16_t)x * (uint16_t)y, "{.reg .u16 a, b, c; mov.b32 {a, c}, %1; mov.b32 {b, c}, %2; mul.wide.u16 %0, a, b; }");
	ROW((uint64_t)(x & 0xffffff) * (y & 0xffffff), "mul24.lo.u32 %0, %1, %2;");
	ROW((int64_t)((int32_t)(x << 8) >> 8) * ((int32_t)(y << 8) >> 8) >> 16, "mul24.hi.s32 %0, %1, %2;");
	ROW((uint64_t)(x & 0xffffff) * (y & 0xffffff) + z, "mad24.lo.u32 %0, %1, %2, %3;");
	ROW(z + (x > y ? x - y : y - x), "sad.u32 %0, %1, %2, %3;");
	ROW(z + ((int32_t)x > (int32_t)y ? x - y : y - x), "sad.s32 %0, %1, %2, %3;");
	ROW(x / (y | 1), "{.reg .u32 q; or.b32 q, %2, 1; div.u32 %0, %1, q; }");
	ROW((int32_t)x % (int32_t)((y & 32767) | 1), "{.reg .s32 q; and.b32 q, %2, 32767; or.b32 q, q, 1; rem.s32 %0, %1, q; }");
	ROW((int32_t)x < 0 ? -x : x, "abs.s32 %0, %1;");
	ROW(-x, "neg.s32 %0, %1;");
	ROW(less(x, y), "min.s32 %0, %1, %2;");
	ROW(x > y ? x : y, "max.u32 %0, %1, %2;");
	ROW((int32_t)x < (int32_t)y ? ~0u : 0, "set.lt.u32.s32 %0, %1, %2;");
	ROW((int32_t)z >= 0 ? x : y, "slct.b32.s32 %0, %1, %2, %3;");
	ROW(x > y && y > z ? x : z, "{.reg .pred p; setp.gt.u32 p, %2, %3; setp.gt.and.u32 p, %1, %2, p; selp.b32 %0, %1, %3, p; }");
	ROW((uint32_t)(x & 255) * (y & 255) + (x >> 8 & 255) * (y >> 8 & 255) + (x >> 16 & 255) * (y >> 16 & 255) + (x >> 24) * (y >> 24) + z,
	    "dp4a.u32.u32 %0, %1, %2, %3;");
	ROW((uint32_t)(byte_of(x, 0) * byte_of(y, 0) + byte_of(x, 1) * byte_of(y, 1) + byte_of(x, 2) * byte_of(y, 2) + byte_of(x, 3) * byte_of(y, 3)) + z,
	    "dp4a.s32.s32 %0, %1, %2, %3;");
	ROW((x & 65535) * (y & 255) + (x >> 16) * (y >> 8 & 255) + z, "dp2a.lo.u32.u32 %0, %1, %2, %3;");
	ROW((uint32_t)(half_of(x, 0) * byte_of(y, 2) + half_of(x, 1) * byte_of(y, 3)) + z, "dp2a.hi.s32.s32 %0, %1, %2, %3;");
	if (PTX_ARCH >= 90) {
		ROW(of_halves(x, y, [](int a, int b) { return a + b; }), "add.u16x2 %0, %1, %2;");
		ROW(of_halves(x, y, [](int a, int b) { return less((int16_t)a, (int16_t)b); }), "min.s16x2 %0, %1, %2;");
		ROW(more(0, more(x, y)), "max.relu.s32 %0, %1, %2;");
	} else {
		SKIP_ROW();
		SKIP_ROW();
		SKIP_ROW();
	}
	return out;
}

__host__ __device__ static uint32_t *bits(int, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	uint32_t r;

	ROW(reversed(x), "brev.b32 %0, %1;");
	ROW(__builtin_popcount(x), "popc.b32 %0, %1;");
	ROW(leading_zeros(x), "clz.b32 %0, %1;");
	ROW(x ? 31 - leading_zeros(x) : ~0u, "bfind.u32 %0, %1;");
	ROW(x ? leading_zeros(x) : ~0u, "bfind.shiftamt.u32 %0, %1;");
	ROW(x >> 5 & 511, "bfe.u32 %0, %1, 5, 9;");
	ROW((int32_t)(x << 18) >> 23, "bfe.s32 %0, %1, 5, 9;");
	ROW((y & ~(2047u << 7)) | (x & 2047) << 7, "bfi.b32 %0, %1, %2, 7, 11;");
	ROW(first_set(x, y & 31), "{.reg .b32 q; and.b32 q, %2, 31; fns.b32 %0, %1, q, 1; }");
	ROW(permuted(x, y, z & 0xffff), "prmt.b32 %0, %1, %2, %3;");
	ROW((uint64_t)(((uint64_t)y << 32 | x) >> 8 * (z & 3)), "prmt.b32.f4e %0, %1, %2, %3;");
	ROW((((uint64_t)y << 32 | x) << (z & 31)) >> 32, "shf.l.wrap.b32 %0, %1, %2, %3;");
	ROW(z >= 32 ? y : ((uint64_t)y << 32 | x) >> z, "shf.r.clamp.b32 %0, %1, %2, %3;");
	ROW(z >= 32 ? 0 : x << z, "shl.b32 %0, %1, %3;");
	ROW((int32_t)x >> (z >= 32 ? 31 : z), "shr.s32 %0, %1, %3;");
	ROW(x ^ y ^ z, "lop3.b32 %0, %1, %2, %3, 0x96;");
	ROW((x & y) | z, "lop3.b32 %0, %1, %2, %3, 0xea;");
	ROW(!x, "cnot.b32 %0, %1;");
	ROW(~x, "not.b32 %0, %1;");
	ROW((x & y) ^ (y | z), "{.reg .b32 q; and.b32 q, %1, %2; or.b32 %0, %2, %3; xor.b32 %0, %0, q; }");
	ROW((int32_t)(x << 20) >> 20, "szext.wrap.s32 %0, %1, 12;");
	ROW((x & 31) + (y & 31) >= 32 ? ~0u << (x & 31) : ((1u << (y & 31)) - 1) << (x & 31),
	    "{.reg .b32 p, q; and.b32 p, %1, 31; and.b32 q, %2, 31; bmsk.clamp.b32 %0, p, q; }");
	return out;
}

__host__ __device__ static uint32_t *video(int, uint32_t x, uint32_t y, uint32_t z, const uint32_t *, uint32_t *out)
{
	uint32_t r;

	/* signed: unsigned, NVIDIA's compiler does not saturate as the PTX ISA says */
	ROW(saturated((int64_t)(int32_t)x + (int32_t)y), "vadd.s32.s32.s32.sat %0, %1, %2;");
	ROW((uint32_t)byte_of(x, 1) + half_of(y, 1), "vadd.s32.s32.s32 %0, %1.b1, %2.h1;");
	ROW(saturated((int64_t)(int32_t)x - (int32_t)y), "vsub.s32.s32.s32.sat %0, %1, %2;");
	ROW(x > y ? x - y : y - x, "vabsdiff.u32.u32.u32 %0, %1, %2;");
	ROW(less(x, y) + z, "vmin.s32.s32.s32.add %0, %1, %2, %3;");
	ROW(x > y ? x : y, "vmax.u32.u32.u32 %0, %1, %2;");
	ROW(y >= 32 ? 0 : x << y, "vshl.u32.u32.u32.clamp %0, %1, %2;");
	ROW(x >> (y & 31), "vshr.u32.u32.u32.wrap %0, %1, %2;");
	ROW((x & 255) * (y >> 16) + z, "vmad.u32.u32.u32 %0, %1.b0, %2.h1, %3;");
	ROW(x < y, "vset.u32.u32.lt %0, %1, %2;");
	ROW(of_halves(x, y, [](int a, int b) { return a + b; }), "vadd2.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_halves(x, y, [](int a, int b) { return a - b; }), "vsub2.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_halves(x, y, [](int a, int b) { return (a + b + 1) >> 1; }), "vavrg2.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_halves(x, y, [](int a, int b) { return abs(a - b); }), "vabsdiff2.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_halves(x, y, less), "vmin2.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_halves(x, y, more), "vmax2.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_halves(x, y, [](int a, int b) { return (int)(a < b); }), "vset2.u32.u32.lt %0, %1, %2, %3;");
	ROW(of_bytes(x, y, [](int a, int b) { return a + b; }), "vadd4.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_bytes(x, y, [](int a, int b) { return a - b; }), "vsub4.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_bytes(x, y, [](int a, int b) { return (a + b + 1) >> 1; }), "vavrg4.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_bytes(x, y, [](int a, int b) { return abs(a - b); }), "vabsdiff4.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_bytes(x, y, less), "vmin4.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_bytes(x, y, more), "vmax4.u32.u32.u32 %0, %1, %2, %3;");
	ROW(of_bytes(x, y, [](int a, int b) { return (int)(a < b); }), "vset4.u32.u32.lt %0, %1, %2, %3;");
	return out;
}

__host__ __device__ static uint64_t *wide(int, uint64_t x, uint64_t y, uint64_t z, const uint64_t *, uint64_t *out)
{
	uint64_t r;

	LONG_ROW(x * y + z, "mad.lo.u64 %0, %1, %2, %3;");
	LONG_ROW((uint64_t)((unsigned __int128)x * y >> 64), "mul.hi.u64 %0, %1, %2;");
	LONG_ROW((uint64_t)((__int128)(int64_t)x * (int64_t)y >> 64), "mul.hi.s64 %0, %1, %2;");
	LONG_ROW(x + y < x, "add.cc.u64 %0, %1, %2; addc.u64 %0, 0, 0;");
	LONG_ROW(y - z - (x < y), "{.reg .u64 q; sub.cc.u64 q, %1, %2; subc.u64 %0, %2, %3; }");
	LONG_ROW(x / (y | 1), "{.reg .u64 q; or.b64 q, %2, 1; div.u64 %0, %1, q; }");
	LONG_ROW((int64_t)x % (int64_t)((y & 32767) | 1), "{.reg .s64 q; and.b64 q, %2, 32767; or.b64 q, q, 1; rem.s64 %0, %1, q; }");
	LONG_ROW((uint64_t)((int64_t)x < (int64_t)y ? x : y), "min.s64 %0, %1, %2;");
	LONG_ROW((int64_t)x < 0 ? -x : x, "abs.s64 %0, %1;");
	LONG_ROW((uint64_t)__builtin_popcountll(x), "{.reg .u32 q; popc.b64 q, %1; cvt.u64.u32 %0, q; }");
	LONG_ROW((uint64_t)(x ? __builtin_clzll(x) : 64), "{.reg .u32 q; clz.b64 q, %1; cvt.u64.u32 %0, q; }");
	LONG_ROW((uint64_t)reversed(x) << 32 | reversed(x >> 32), "brev.b64 %0, %1;");
	LONG_ROW(x >> 11 & 0x7ffffffff, "bfe.u64 %0, %1, 11, 35;");
	LONG_ROW((y & ~(0x3ffffffffull << 9)) | (x & 0x3ffffffff) << 9, "bfi.b64 %0, %1, %2, 9, 34;");
	LONG_ROW((int64_t)x >> (z & 63), "{.reg .u32 q; cvt.u32.u64 q, %3; and.b32 q, q, 63; shr.s64 %0, %1, q; }");
	LONG_ROW(x << 32 | x >> 32, "{.reg .b32 lo, hi; mov.b64 {lo, hi}, %1; mov.b64 %0, {hi, lo}; }");
	return out;
}

int main(void)
{
	static uint32_t words[3 * N];
	static uint64_t longs[3 * N];

	random_bits(words, 3 * N);
	random_bits(longs, 3 * N);
	check_rows<uint32_t, uint32_t, carries>("carries", words);
	check_rows<uint32_t, uint32_t, arithmetic>("arithmetic", words);
	check_rows<uint32_t, uint32_t, bits>("bits", words);
	check_rows<uint32_t, uint32_t, video>("video", words);
	check_rows<uint64_t, uint64_t, wide>("64 bits", longs);
	return pass();
}
