/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note OR MIT */
/*
 * vgpu_codec.h - the only way to read and write a frame's payload
 *
 * A reader never reads beyond its end: the first value that is not all there sets err, and from
 * then on every read gives zeros. Look at rd_end() once, after the last value. A writer never
 * writes beyond its end, likewise. Scalars of generated rows are 8 bytes each, byte strings are a
 * length and the bytes, padded to 8.
 */
#ifndef _VGPU_CODEC_H
#define _VGPU_CODEC_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline size_t vwire_pad(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

struct vwire_rd {
	const uint8_t *p, *end;
	bool err;
};

static inline struct vwire_rd rd_init(const void *p, size_t n)
{
	/* p may be NULL where there is nothing */
	return (struct vwire_rd){ .p = p, .end = n ? (const uint8_t *)p + n : p };
}

/*
 * The next n bytes in place, NULL when they are not there. Padding after them is skipped; it may be
 * missing at the very end.
 */
static inline const void *rd_bytes(struct vwire_rd *r, size_t n)
{
	const uint8_t *p = r->p;
	size_t left = r->end - r->p;

	if (r->err || n > left) {
		r->err = true;
		return NULL;
	}
	if (left)
		r->p += vwire_pad(n) < left ? vwire_pad(n) : left;
	return p;
}

/* Copies a fixed struct; zeros when it is not all there. */
static inline void rd_copy(struct vwire_rd *r, void *dst, size_t n)
{
	const void *p = rd_bytes(r, n);

	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

static inline uint64_t rd_u64(struct vwire_rd *r)
{
	uint64_t v;

	rd_copy(r, &v, sizeof(v));
	return le64toh(v);
}

/* A value that must fit 32 bits, signed or not. */
static inline uint32_t rd_u32(struct vwire_rd *r)
{
	uint64_t v = rd_u64(r);

	if (v > UINT32_MAX)
		r->err = true;
	return v;
}

static inline int32_t rd_s32(struct vwire_rd *r)
{
	int64_t v = rd_u64(r);

	if (v > INT32_MAX || v < INT32_MIN)
		r->err = true;
	return v;
}

/* A length of at most max, and of what is left to read when the bytes follow. */
static inline size_t rd_len(struct vwire_rd *r, size_t max)
{
	uint64_t v = rd_u64(r);

	if (v > max) {
		r->err = true;
		return 0;
	}
	return v;
}

/* Length and bytes; the length goes to *n. */
static inline const void *rd_blob(struct vwire_rd *r, size_t max, size_t *n)
{
	*n = rd_len(r, max);
	return rd_bytes(r, *n);
}

/* A string of at most max bytes with its NUL, which must be the last byte; NULL when it is not. */
static inline const char *rd_str(struct vwire_rd *r, size_t max)
{
	size_t n;
	const char *s = rd_blob(r, max, &n);

	if (s && n && !s[n - 1] && strnlen(s, n) == n - 1)
		return s;
	r->err = true;
	return NULL;
}

/* true when everything was there and nothing but padding is left. */
static inline bool rd_end(const struct vwire_rd *r)
{
	return !r->err && r->end - r->p < 8;
}

struct vwire_wr {
	uint8_t *start, *p, *end;
	bool err;
};

static inline struct vwire_wr wr_init(void *p, size_t n)
{
	return (struct vwire_wr){ .start = p, .p = p, .end = (uint8_t *)p + n };
}

/* Room for n bytes, zeroed padding behind them; NULL when there is none. */
static inline void *wr_reserve(struct vwire_wr *w, size_t n)
{
	uint8_t *p = w->p;

	if (w->err || n > (size_t)(w->end - w->p) || vwire_pad(n) > (size_t)(w->end - w->p)) {
		w->err = true;
		return NULL;
	}
	memset(p + n, 0, vwire_pad(n) - n);
	w->p += vwire_pad(n);
	return p;
}

static inline void wr_bytes(struct vwire_wr *w, const void *src, size_t n)
{
	void *p = wr_reserve(w, n);

	if (p && n)
		memcpy(p, src, n);
}

static inline void wr_u64(struct vwire_wr *w, uint64_t v)
{
	v = htole64(v);
	wr_bytes(w, &v, sizeof(v));
}

static inline void wr_blob(struct vwire_wr *w, const void *src, size_t n)
{
	wr_u64(w, n);
	wr_bytes(w, src, n);
}

static inline void wr_str(struct vwire_wr *w, const char *s)
{
	wr_blob(w, s, strlen(s) + 1);
}

static inline size_t wr_len(const struct vwire_wr *w)
{
	return w->p - w->start;
}

#endif /* _VGPU_CODEC_H */
