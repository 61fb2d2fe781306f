// SPDX-License-Identifier: MIT
/*
 * box.c - copies of rows and slices, between the program's memory, the device's, and arrays
 *
 * A box that is one run of bytes is copied as one. Others go packed: rows of the program's memory
 * are gathered into frames, and what comes back is spread over them, so that neither a row nor a
 * slice costs a frame or a wait of its own.
 */
#include "box.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "vcuda_graph.h"
#include "view.h"

static bool add_product(uint64_t *sum, uint64_t a, uint64_t b)
{
	uint64_t n;

	return !__builtin_mul_overflow(a, b, &n) && !__builtin_add_overflow(*sum, n, sum);
}

static bool inside(uint64_t at, uint64_t n, uint64_t of)
{
	return at <= of && n <= of - at;
}

static CUresult array_end(struct end *e, const struct place *p, const struct box *b)
{
	const struct vcuda_array *a = vcuda_array_get(p->array);

	/* a handle that is none is a bad member; texels need not be whole */
	if (!a || !inside(p->x, b->width, a->desc.Width * a->texel_bytes) ||
	    !inside(p->y, b->height, a->desc.Height ? a->desc.Height : 1) ||
	    !inside(p->z, b->depth, a->desc.Depth ? a->desc.Depth : 1))
		return CUDA_ERROR_INVALID_VALUE;
	*e = (struct end){ .where = ARRAY, .array = p->array, .x = p->x, .y = p->y, .z = p->z };
	return CUDA_SUCCESS;
}

/* Pitch and slice: 0 means packed. */
static CUresult shape_end(struct end *e, const struct place *p, const struct box *b)
{
	const int *dev = vcuda_lease()->devices[vcuda_current_device()].attributes;

	if (p->pitch > (uint64_t)dev[CU_DEVICE_ATTRIBUTE_MAX_PITCH])
		return CUDA_ERROR_INVALID_VALUE;
	e->pitch = p->pitch;
	e->rows = p->rows ? p->rows : b->height;
	if (!e->pitch && __builtin_add_overflow(b->width, p->x, &e->pitch))
		return CUDA_ERROR_INVALID_VALUE;
	if (!inside(p->x, b->width, e->pitch))
		return CUDA_ERROR_INVALID_VALUE;
	if (b->depth > 1 || p->z) {
		if (!inside(p->y, b->height, e->rows) ||
		    __builtin_mul_overflow(e->pitch, e->rows, &e->slice))
			return CUDA_ERROR_INVALID_VALUE;
	}
	if (!box_span(b, e->pitch, e->slice, &e->span) || !add_product(&e->addr, p->z, e->slice) ||
	    !add_product(&e->addr, p->y, e->pitch) || !add_product(&e->addr, p->x, 1) ||
	    e->addr + e->span < e->addr)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

CUresult box_end(struct end *e, const struct place *p, const struct box *b)
{
	CUresult r;

	*e = (struct end){ .where = HOST };
	switch (p->type) {
	case CU_MEMORYTYPE_HOST:
		e->addr = (uintptr_t)p->host;
		/* managed memory is the device's */
		e->where = vcuda_has_views() && vcuda_is_device(e->addr) ? DEVICE : HOST;
		break;
	case CU_MEMORYTYPE_DEVICE:
		e->addr = p->device;
		e->where = DEVICE;
		break;
	case CU_MEMORYTYPE_UNIFIED:
		e->addr = p->device;
		e->where = vcuda_is_device(p->device) ? DEVICE : HOST;
		break;
	case CU_MEMORYTYPE_ARRAY:
		return array_end(e, p, b);
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	if (!e->addr)
		return CUDA_ERROR_INVALID_VALUE;
	r = shape_end(e, p, b);
	return !r && e->where == DEVICE ? vcuda_check_device(e->addr, e->span) : r;
}

static bool is_run(const struct end *e, const struct box *b)
{
	return e->where != ARRAY && (b->height == 1 || e->pitch == b->width) &&
	       (b->depth == 1 || e->slice == b->width * b->height);
}

static struct vwire_end on_wire(const struct end *e)
{
	if (e->where == ARRAY)
		return (struct vwire_end){ .kind = htole32(VWIRE_END_ARRAY),
					   .array = htole32(vcuda_handle_number(e->array)),
					   .x = htole64(e->x), .y = htole64(e->y),
					   .z = htole64(e->z) };
	if (e->where == DEVICE)
		return (struct vwire_end){ .kind = htole32(VWIRE_END_DEVICE),
					   .addr = htole64(e->addr), .pitch = htole64(e->pitch),
					   .rows = htole64(e->rows) };
	return (struct vwire_end){ .kind = htole32(VWIRE_END_DATA) };
}

static void set_box(struct vwire_box *h, const struct box *b)
{
	h->width = htole64(b->width);
	h->height = htole64(b->height);
	h->depth = htole64(b->depth);
}

/* The part of an end that a piece covers. */
static struct end part_of(const struct end *e, const struct box_piece *p)
{
	struct end part = *e;

	part.x += p->x;
	part.y += p->y;
	part.z += p->z;
	part.addr += p->x + p->y * e->pitch + p->z * e->slice;
	return part;
}

static void gather(uint8_t *to, const struct end *e, const struct box_piece *p)
{
	const uint8_t *from = (const uint8_t *)(uintptr_t)part_of(e, p).addr;
	uint64_t y, z;

	for (z = 0; z < p->box.depth; z++)
		for (y = 0; y < p->box.height; y++, to += p->box.width)
			memcpy(to, from + z * e->slice + y * e->pitch, p->box.width);
}

static CUresult send_piece(const struct end *dst, const struct end *src,
			   const struct box_piece *p, uint32_t stream, uint8_t *room)
{
	struct end part = part_of(dst, p);
	struct vwire_box h = { .dst = on_wire(&part), .stream = htole32(stream) };
	struct vcuda_iov iov[2] = { { &h, sizeof(h) }, { room, p->bytes } };
	uint64_t seq;
	CUresult r;

	set_box(&h, &p->box);
	if (room)
		gather(room, src, p);
	else
		iov[1].p = (const uint8_t *)(uintptr_t)src->addr + p->offset;
	r = vcuda_submit(CUDA_ID_cuMemcpy3DAsync_v2, 0, iov, 2, NULL, &seq);
	if (!r)
		vcuda_note_work(seq);
	return r;
}

static CUresult from_host(const struct end *dst, const struct end *src, const struct box *b,
			  uint32_t stream)
{
	uint64_t chunk = vcuda_chunk() - sizeof(struct vwire_box);
	uint8_t *room = is_run(src, b) ? NULL : malloc(chunk);
	struct box_piece p = { 0 };
	CUresult r = CUDA_SUCCESS;

	if (!room && !is_run(src, b))
		return CUDA_ERROR_OUT_OF_MEMORY;
	/* what an earlier copy brings here is what this one takes away */
	if (vcuda_expects((void *)(uintptr_t)src->addr, src->span))
		r = vcuda_context_wait(NULL);
	while (!r && box_next(b, chunk, &p))
		r = send_piece(dst, src, &p, stream, room);
	free(room);
	return r;
}

static CUresult to_host(const struct end *dst, const struct end *src, const struct box *b,
			uint32_t stream, bool async)
{
	struct vwire_box h = { .src = on_wire(src), .stream = htole32(stream) };
	struct vcuda_iov iov = { &h, sizeof(h) };
	struct vcuda_rows rows = { b->width, dst->pitch, b->height, dst->slice };
	struct vcuda_wait w = { .data = (void *)(uintptr_t)dst->addr, .rows = rows };
	CUresult r;

	set_box(&h, b);
	w.data_bytes = b->width * b->height * b->depth;
	if (async)
		return vcuda_copy_expect(CUDA_ID_cuMemcpy3DAsync_v2, &iov, w.data, w.data_bytes,
					 &rows, dst->span);
	r = vcuda_submit(CUDA_ID_cuMemcpy3DAsync_v2, VWIRE_F_WAIT, &iov, 1, &w, NULL);
	if (!r)
		r = vcuda_wait(&w);
	if (!r)
		vcuda_stream_waited(stream, w.seq);
	return r;
}

static CUresult on_device(const struct end *dst, const struct end *src, const struct box *b,
			  uint32_t stream)
{
	struct vwire_box h = { .dst = on_wire(dst), .src = on_wire(src),
			       .stream = htole32(stream) };
	uint64_t seq;
	CUresult r;

	set_box(&h, b);
	r = vcuda_submit(CUDA_ID_cuMemcpy3DAsync_v2, 0, &(struct vcuda_iov){ &h, sizeof(h) }, 1,
			 NULL, &seq);
	if (!r)
		vcuda_note_work(seq);
	return r;
}

/* In stream order: what the stream has to do first, first. */
static CUresult on_host(const struct end *dst, const struct end *src, const struct box *b,
			CUstream stream)
{
	CUresult r = vcuda_device_idle() ? vcuda_need_context() : hand_cuStreamSynchronize(stream);
	uint64_t y, z;

	for (z = 0; !r && z < b->depth; z++)
		for (y = 0; y < b->height; y++)
			memmove((uint8_t *)(uintptr_t)dst->addr + z * dst->slice + y * dst->pitch,
				(uint8_t *)(uintptr_t)src->addr + z * src->slice + y * src->pitch,
				b->width);
	return r;
}

/*
 * Memory that the device has too: what the program wrote goes there first, and what is here now may
 * come from before the work that the stream still has to do.
 */
static CUresult settle_views(const struct end *dst, const struct end *src, CUstream stream)
{
	CUresult r = vcuda_views_flush(stream);

	if (!r && ((src->where == HOST && vcuda_view_overlaps(src->addr, src->span)) ||
		   (dst->where == HOST && vcuda_view_overlaps(dst->addr, dst->span))))
		r = hand_cuStreamSynchronize(stream);
	return r;
}

CUresult box_copy_ends(const struct end *dst, const struct end *src, const struct box *b,
		       CUstream stream, bool async)
{
	void *host = (void *)(uintptr_t)dst->addr;
	uint32_t number;
	CUresult r;

	async = async && dst->where == HOST && vcuda_is_pinned(host, dst->span);
	if (is_run(dst, b) && is_run(src, b))
		return vcuda_copy_run(dst->addr, dst->where == DEVICE, src->addr,
				      src->where == DEVICE, dst->span, stream, async);
	r = vcuda_stream_number(stream, &number);
	if (!r)
		r = vcuda_sticky_error();
	if (!r && vcuda_has_views())
		r = settle_views(dst, src, stream);
	if (r)
		return r;
	if (dst->where == HOST && src->where == HOST)
		return on_host(dst, src, b, stream);
	if (src->where == HOST)
		return from_host(dst, src, b, number);
	if (dst->where == HOST)
		return to_host(dst, src, b, number, async);
	return on_device(dst, src, b, number);
}

/* A graph's node describes the copy as cuMemcpy3D() does. */
#define SET_PLACE(c, side, p)								\
	do {										\
		(c)->side##MemoryType = (p)->type;					\
		(c)->side##Host = (void *)(p)->host;					\
		(c)->side##Device = (p)->device;					\
		(c)->side##Array = (p)->array;						\
		(c)->side##Pitch = (p)->pitch;						\
		(c)->side##Height = (p)->rows;						\
		(c)->side##XInBytes = (p)->x;						\
		(c)->side##Y = (p)->y;							\
		(c)->side##Z = (p)->z;							\
	} while (0)

static CUresult capture_box(const struct place *dst, const struct place *src, const struct box *b,
			    CUstream stream, bool *capturing)
{
	CUDA_MEMCPY3D c = { .WidthInBytes = b->width, .Height = b->height, .Depth = b->depth };

	SET_PLACE(&c, dst, dst);
	SET_PLACE(&c, src, src);
	return vcuda_capture_copy(&c, stream, capturing);
}

CUresult box_copy(const struct place *dst, const struct place *src, const struct box *b,
		  CUstream stream, bool async)
{
	bool capturing = false;
	struct end d, s;
	uint64_t n;
	CUresult r = vcuda_need_context();

	if (!r && !async)
		r = vcuda_capture_refuse(stream);
	if (r)
		return r;
	if (!b->width || !b->height || !b->depth)
		return CUDA_SUCCESS;
	if (async && vcuda_capturing()) {
		r = capture_box(dst, src, b, stream, &capturing);
		if (r || capturing)
			return r;
	}
	if (!box_bytes(b, &n))
		return CUDA_ERROR_INVALID_VALUE;
	r = box_end(&d, dst, b);
	if (!r)
		r = box_end(&s, src, b);
	if (!r)
		r = box_copy_ends(&d, &s, b, stream, async);
	return r || async || d.where != DEVICE ? r : vcuda_copy_settle(d.addr, d.span, stream);
}
