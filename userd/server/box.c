/* SPDX-License-Identifier: MIT */
/*
 * box.c - copies of rows and slices between the client, device memory and arrays
 */
#include "boxes.h"
#include "run.h"
#include "worker.h"

/* An end as the driver takes it, and where its parts lie. */
struct end {
	uint32_t kind;
	CUarray array;
	uint64_t addr, pitch, rows, slice;
	uint64_t x, y, z;
};

static void fail(struct request *rq, CUresult r)
{
	if (!rq->err)
		rq->err = r;
}

static void take_array(struct request *rq, const struct vwire_end *in, struct end *e)
{
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_array, le32toh(in->array));

	if (h)
		e->array = h->real;
	else
		fail(rq, CUDA_ERROR_INVALID_HANDLE);
	e->x = le64toh(in->x);
	e->y = le64toh(in->y);
	e->z = le64toh(in->z);
}

/* All of it has to be the device's: the worker's own memory has addresses, too. */
static void take_device(struct request *rq, const struct vwire_end *in, const struct box *b,
			struct end *e)
{
	uint64_t span;

	e->addr = le64toh(in->addr);
	e->pitch = le64toh(in->pitch);
	e->rows = le64toh(in->rows);
	if (!b->width || !b->height || !b->depth)
		return;
	if (e->pitch < b->width || (b->depth > 1 && e->rows < b->height) ||
	    __builtin_mul_overflow(e->pitch, e->rows, &e->slice) ||
	    !box_span(b, e->pitch, b->depth > 1 ? e->slice : 0, &span) ||
	    e->addr + span < e->addr)
		fail(rq, CUDA_ERROR_INVALID_VALUE);
	else
		fail(rq, memory_check(&rq->w->memory, e->addr, span));
}

static void take_end(struct request *rq, const struct vwire_end *in, const struct box *b,
		     struct end *e)
{
	*e = (struct end){ .kind = le32toh(in->kind) };
	if (e->kind == VWIRE_END_ARRAY)
		take_array(rq, in, e);
	else if (e->kind == VWIRE_END_DEVICE)
		take_device(rq, in, b, e);
	else if (e->kind != VWIRE_END_DATA)
		rq->in.err = true;
}

/* side: dst or src. The part of the end that a piece covers; host: packed data. */
#define SET_END(c, side, e, p, host)							\
	do {										\
		if ((e)->kind == VWIRE_END_ARRAY) {					\
			(c)->side##MemoryType = CU_MEMORYTYPE_ARRAY;			\
			(c)->side##Array = (e)->array;					\
			(c)->side##XInBytes = (e)->x + (p)->x;				\
			(c)->side##Y = (e)->y + (p)->y;					\
			(c)->side##Z = (e)->z + (p)->z;					\
		} else if ((e)->kind == VWIRE_END_DEVICE) {				\
			(c)->side##MemoryType = CU_MEMORYTYPE_DEVICE;			\
			(c)->side##Device = (e)->addr + (p)->x + (p)->y * (e)->pitch +	\
					    (p)->z * (e)->slice;			\
			(c)->side##Pitch = (e)->pitch;					\
			(c)->side##Height = (e)->rows;					\
		} else {								\
			(c)->side##MemoryType = CU_MEMORYTYPE_HOST;			\
			(c)->side##Host = host;						\
			(c)->side##Pitch = (p)->box.width;				\
			(c)->side##Height = (p)->box.height;				\
		}									\
	} while (0)

static CUresult copy_piece(const struct end *dst, const struct end *src,
			   const struct box_piece *p, void *host, CUstream stream)
{
	CUDA_MEMCPY3D c = { .WidthInBytes = p->box.width, .Height = p->box.height,
			    .Depth = p->box.depth };

	if (!real.cuMemcpy3DAsync_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	SET_END(&c, dst, dst, p, host);
	SET_END(&c, src, src, p, host);
	return real.cuMemcpy3DAsync_v2(&c, stream);
}

/* The payload is gone when this returns, so it is put aside. */
static CUresult from_client(struct request *rq, struct queue *q, const struct end *dst,
			    const struct end *src, const struct box_piece *whole, const void *data)
{
	struct copy_in_slot *s;
	CUresult r;

	s = copy_in_take(rq->w);
	memcpy(s->mem, data, whole->bytes);
	r = copy_piece(dst, src, whole, s->mem, q->stream);
	return r == CUDA_SUCCESS ? copy_in_begun(s, q->stream) : r;
}

struct box_out {
	struct copy_out out;
	struct box_piece piece;
	const struct end *dst, *src;
};

static CUresult begin_piece(struct copy_out *c, void *slot, CUstream stream)
{
	struct box_out *o = (struct box_out *)c;

	return copy_piece(o->dst, o->src, &o->piece, slot, stream);
}

static void to_client(struct request *rq, struct queue *q, const struct end *dst,
		      const struct end *src, const struct box_piece *whole)
{
	struct box_out o = { .out.begin = begin_piece, .dst = dst, .src = src };
	CUresult r = rq->err;

	while (r == CUDA_SUCCESS && box_next(&whole->box, copy_out_max(rq->w), &o.piece)) {
		o.out.offset = o.piece.offset;
		o.out.bytes = o.piece.bytes;
		o.out.last = o.piece.offset + o.piece.bytes == whole->bytes;
		r = copy_out_piece(rq, q, &o.out);
	}
	if (r != CUDA_SUCCESS || !whole->bytes)
		copy_out_end(rq, q, r);
}

void run_cuMemcpy3DAsync_v2(struct request *rq)
{
	struct box_piece whole = { 0 };
	struct vwire_box in;
	struct end dst, src;
	const void *data = NULL;
	struct queue *q;
	CUresult r;

	rd_copy(&rq->in, &in, sizeof(in));
	whole.box = (struct box){ le64toh(in.width), le64toh(in.height), le64toh(in.depth) };
	q = run_queue(rq, le32toh(in.stream));
	take_end(rq, &in.dst, &whole.box, &dst);
	take_end(rq, &in.src, &whole.box, &src);
	if (!box_bytes(&whole.box, &whole.bytes))
		rq->in.err = true;
	if (src.kind == VWIRE_END_DATA) {
		if (dst.kind == VWIRE_END_DATA || whole.bytes > VWIRE_DATA_MAX)
			rq->in.err = true;
		data = rd_bytes(&rq->in, rq->in.err ? 0 : whole.bytes);
	}
	if (!run_args_ready(rq))
		return;
	if (dst.kind == VWIRE_END_DATA) {
		to_client(rq, q, &dst, &src, &whole);
		return;
	}
	if (!whole.bytes)
		r = CUDA_SUCCESS;
	else if (src.kind == VWIRE_END_DATA)
		r = from_client(rq, q, &dst, &src, &whole, data);
	else
		r = copy_piece(&dst, &src, &whole, NULL, q->stream);
	run_result(rq, r);
}
