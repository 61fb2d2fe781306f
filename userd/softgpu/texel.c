/* SPDX-License-Identifier: MIT */
#include "texel.h"

#include <math.h>
#include <pthread.h>

#include "half.h"

/* "sRGB" of IEC 61966-2-1, for the 8-bit values there are. */
static float srgb[256];
static pthread_once_t srgb_once = PTHREAD_ONCE_INIT;

static void srgb_init(void)
{
	for (int i = 0; i < 256; i++) {
		double c = i / 255.0;

		srgb[i] = (float)(c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
	}
}

bool sg_texel_is_float(const struct sg_texture *t)
{
	return t->as_float || t->view.texel.cls >= SG_TEXEL_FLOAT;
}

static uint32_t raw(const uint8_t *at, uint32_t bits)
{
	uint16_t h;
	uint32_t w;

	switch (bits) {
	case 8:
		return *at;
	case 16:
		memcpy(&h, at, sizeof(h));
		return h;
	default:
		memcpy(&w, at, sizeof(w));
		return w;
	}
}

static int32_t sign_extend(uint32_t v, uint32_t bits)
{
	return (int32_t)(v << (32 - bits)) >> (32 - bits);
}

static float unorm(uint32_t v, uint32_t bits)
{
	return (float)v / (float)((1u << bits) - 1);
}

/* The smallest number is -1 as well as its neighbour. */
static float snorm(uint32_t v, uint32_t bits)
{
	float f = (float)sign_extend(v, bits) / (float)((1u << (bits - 1)) - 1);

	return f < -1.0f ? -1.0f : f;
}

static uint32_t channel(const struct sg_texture *t, const uint8_t *at, bool alpha)
{
	const struct sg_texel *x = &t->view.texel;
	uint32_t v = raw(at, x->bits);

	switch (x->cls) {
	case SG_TEXEL_FLOAT:
		return x->bits == 16 ? f32_bits(f16_to_f32(v)) : v;
	case SG_TEXEL_SINT:
		if (!t->as_float)
			return (uint32_t)sign_extend(v, x->bits);
		return f32_bits(snorm(v, x->bits));
	case SG_TEXEL_SNORM:
		return f32_bits(snorm(v, x->bits));
	case SG_TEXEL_UINT:
		if (!t->as_float)
			return v;
		break;
	default:
		break;
	}
	if (t->srgb && !alpha) {
		pthread_once(&srgb_once, srgb_init);
		return f32_bits(srgb[v]);
	}
	return f32_bits(unorm(v, x->bits));
}

struct sg_channels sg_texel_blank(const struct sg_texture *t)
{
	return (struct sg_channels){ { 0, 0, 0, sg_texel_is_float(t) ? f32_bits(1.0f) : 1 } };
}

struct sg_channels sg_texel_read(const struct sg_texture *t, const uint8_t *at)
{
	const struct sg_texel *x = &t->view.texel;
	struct sg_channels c = sg_texel_blank(t);

	if (x->cls == SG_TEXEL_FLOAT && x->bits == 32) {
		memcpy(c.c, at, x->bytes);
		return c;
	}
	for (uint32_t i = 0; i < x->channels; i++)
		c.c[i] = channel(t, at + i * (x->bits / 8), i == 3);
	return c;
}

static uint32_t to_u32(float f)
{
	return f > 0 ? f < 0x1p32f ? (uint32_t)f : UINT32_MAX : 0;
}

static int32_t to_s32(float f)
{
	return f > -0x1p31f ? f < 0x1p31f ? (int32_t)f : INT32_MAX : f == f ? INT32_MIN : 0;
}

struct sg_channels sg_texel_border(const struct sg_texture *t)
{
	struct sg_channels c = sg_texel_blank(t);

	for (int i = 0; i < t->view.texel.channels; i++) {
		if (sg_texel_is_float(t))
			c.c[i] = f32_bits(t->border[i]);
		else if (t->view.texel.cls == SG_TEXEL_UINT)
			c.c[i] = to_u32(t->border[i]);
		else
			c.c[i] = (uint32_t)to_s32(t->border[i]);
	}
	return c;
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static uint32_t normalize(float f, float lo, uint32_t scale)
{
	f = f == f ? f : 0.0f;
	f = f < lo ? lo : f > 1.0f ? 1.0f : f;
	return (uint32_t)(int32_t)rintf(f * (float)scale);
}

static uint32_t encode(const struct sg_texel *t, uint32_t v)
{
	int64_t half = t->bits == 32 ? INT64_C(1) << 31 : INT64_C(1) << (t->bits - 1);

	switch (t->cls) {
	case SG_TEXEL_FLOAT:
		return t->bits == 16 ? f32_to_f16(f32_of(v)) : v;
	case SG_TEXEL_SINT:
		return (uint32_t)clamp((int32_t)v, -half, half - 1);
	case SG_TEXEL_UINT:
		return (uint32_t)clamp(v, 0, 2 * half - 1);
	case SG_TEXEL_SNORM:
		return normalize(f32_of(v), -1.0f, (uint32_t)half - 1);
	default:
		return normalize(f32_of(v), 0.0f, (uint32_t)(2 * half - 1));
	}
}

void sg_texel_write(const struct sg_texel *t, uint8_t *at, const uint32_t *c, uint32_t n)
{
	for (uint32_t i = 0; i < t->channels; i++) {
		uint32_t v = encode(t, i < n ? c[i] : 0), bytes = t->bits / 8;

		memcpy(at + i * bytes, &v, bytes);	/* little endian */
	}
}
