/* SPDX-License-Identifier: MIT */
/*
 * link.c - cuLink*: the driver's linker, fed with what the client sends
 */
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "jit.h"
#include "run.h"
#include "worker.h"

#define NAME_MAX_BYTES	4096u

struct link {
	CUlinkState state;
	struct jit jit;		/* the driver fills its logs until the link ends */
	uint64_t held;		/* bytes of code */
};

static struct link *find(struct request *rq, uint32_t number)
{
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_link, number);

	if (!h && !rq->err)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	return h ? h->aux : NULL;
}

static uint8_t *put(uint8_t *at, const void *p, size_t n)
{
	if (n)
		memcpy(at, p, n);
	return at + vwire_pad(n);
}

/* The image, if any, and the logs as they are by now: also with an error, which they explain. */
static void reply(struct request *rq, const struct link *link, CUresult r, const void *image,
		  size_t n)
{
	size_t error = link && link->jit.error ? strnlen(link->jit.error, link->jit.error_room) : 0;
	size_t info = link && link->jit.info ? strnlen(link->jit.info, link->jit.info_room) : 0;
	size_t bytes = sizeof(struct vwire_linked) + vwire_pad(n) + vwire_pad(error) + vwire_pad(info);
	struct vwire_linked head = { .bytes = htole64(n), .error_bytes = htole32(error),
				     .info_bytes = htole32(info) };
	uint8_t *table = calloc(1, bytes), *at;

	if (!table) {
		reply_result(rq->w, rq->op, rq->seq, CUDA_ERROR_OUT_OF_MEMORY, NULL, 0);
		return;
	}
	at = put(table, &head, sizeof(head));
	at = put(at, image, n);
	at = put(at, error ? link->jit.error : NULL, error);
	put(at, info ? link->jit.info : NULL, info);
	if (run_is_sticky(r))
		rq->w->lost = r;
	reply_table(rq->w, rq->op, rq->seq, r, 0, table, bytes);
	free(table);
}

static void link_free(struct worker *w, struct link *link)
{
	if (link->state)
		real.cuLinkDestroy(link->state);
	modules_let_go(w, link->held);
	jit_fini(&link->jit);
	free(link);
}

static CUresult create(struct request *rq, struct link *link, const struct vwire_link_create *head)
{
	struct handle *h;
	CUresult r = jit_logs(&link->jit, le32toh(head->error_bytes), le32toh(head->info_bytes));

	if (r == CUDA_SUCCESS)
		r = real.cuLinkCreate_v2(link->jit.nr, link->jit.options, link->jit.values,
					 &link->state);
	if (r != CUDA_SUCCESS)
		return r;
	h = handles_add(&rq->w->handles, CUDA_HANDLE_link, le32toh(head->link), link->state);
	if (!h)
		return CUDA_ERROR_INVALID_HANDLE;
	h->aux = link;
	return CUDA_SUCCESS;
}

void run_cuLinkCreate_v2(struct request *rq)
{
	struct link *link = calloc(1, sizeof(*link));
	struct vwire_link_create head;
	CUresult r;

	rd_copy(&rq->in, &head, sizeof(head));
	if (!link) {
		reply(rq, NULL, CUDA_ERROR_OUT_OF_MEMORY, NULL, 0);
		return;
	}
	jit_take(&link->jit, rq, le32toh(head.nr_options));
	if (!rd_end(&rq->in)) {
		link_free(rq->w, link);
		run_bad(rq);
		return;
	}
	r = rq->err ? rq->err : create(rq, link, &head);
	reply(rq, link, r, NULL, 0);
	if (r != CUDA_SUCCESS)
		link_free(rq->w, link);
}

/*
 * What the driver would read past its end is refused here. Objects and libraries of the host's
 * format are left to it: the worker is the client's own.
 */
static bool is_whole(CUjitInputType type, const void *image, size_t n)
{
	struct image_source s;
	bool whole;

	if (type != CU_JIT_INPUT_PTX && type != CU_JIT_INPUT_CUBIN && type != CU_JIT_INPUT_FATBINARY)
		return true;
	whole = image_open(&s, image, n, false);
	image_close(&s);
	return whole;
}

static CUresult hold(struct worker *w, struct link *link, size_t n)
{
	if (!modules_hold(w, n))
		return CUDA_ERROR_OUT_OF_MEMORY;
	link->held += n;
	return CUDA_SUCCESS;
}

static CUresult add(struct request *rq, struct link *link, const struct vwire_link_add *head,
		    struct jit *jit, const char *name)
{
	size_t n = le64toh(head->bytes);
	void *image = NULL;
	CUresult r = modules_take(rq->w, n, &image);

	if (r == CUDA_SUCCESS && !is_whole(le32toh(head->type), image, n))
		r = CUDA_ERROR_INVALID_IMAGE;
	if (r == CUDA_SUCCESS)
		r = hold(rq->w, link, n);
	if (r == CUDA_SUCCESS)
		r = real.cuLinkAddData_v2(link->state, le32toh(head->type), image, n, name, jit->nr,
					  jit->options, jit->values);
	free(image);
	return r;
}

void run_cuLinkAddData_v2(struct request *rq)
{
	struct vwire_link_add head;
	struct jit jit = { 0 };
	struct link *link;
	const char *name;
	char *copy = NULL;
	uint32_t n;
	CUresult r;

	rd_copy(&rq->in, &head, sizeof(head));
	link = find(rq, le32toh(head.link));
	jit_take(&jit, rq, le32toh(head.nr_options));
	n = le32toh(head.name_len);
	name = n > NAME_MAX_BYTES ? NULL : rd_bytes(&rq->in, n);
	if (n > NAME_MAX_BYTES || !rd_end(&rq->in)) {
		run_bad(rq);
		return;
	}
	if (n)
		copy = strndup(name, n);
	r = rq->err;
	if (r == CUDA_SUCCESS)
		r = n && !copy ? CUDA_ERROR_OUT_OF_MEMORY : add(rq, link, &head, &jit, copy);
	modules_drop(rq->w);
	reply(rq, link, r, NULL, 0);
	free(copy);
}

void run_cuLinkComplete(struct request *rq)
{
	struct link *link = find(rq, rd_u64(&rq->in));
	void *image = NULL;
	size_t n = 0;
	CUresult r;

	if (!rd_end(&rq->in)) {
		run_bad(rq);
		return;
	}
	r = rq->err ? rq->err : real.cuLinkComplete(link->state, &image, &n);
	if (r == CUDA_SUCCESS && n > VWIRE_IMAGE_MAX)
		r = CUDA_ERROR_OUT_OF_MEMORY;
	reply(rq, link, r, image, r == CUDA_SUCCESS ? n : 0);
}

void run_cuLinkDestroy(struct request *rq)
{
	uint32_t number = rd_u64(&rq->in);
	struct link *link = find(rq, number);

	if (!run_args_ready(rq))
		return;
	handles_del(&rq->w->handles, CUDA_HANDLE_link, number);
	link_free(rq->w, link);
	run_result(rq, CUDA_SUCCESS);
}
