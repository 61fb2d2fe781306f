// SPDX-License-Identifier: MIT
/*
 * link.c - the driver's linker: inputs go to the server, the linked image comes back
 */
#include <stdlib.h>
#include <string.h>

#include "fatbin.h"
#include "jit.h"
#include "module.h"

struct link {
	struct vcuda_jit jit;
	uint8_t *reply;		/* holds the image; the program's until it destroys the link */
};

static struct link *get(CUlinkState state)
{
	struct vcuda_object *o = vcuda_handle_get(CUDA_HANDLE_link, state);

	return o ? o->p : NULL;
}

/* The program may load it, and its length is then what it says itself. */
static bool is_image(const struct vcuda_iov *code)
{
	size_t n;

	return image_form(code->p, code->n) != IMAGE_WRAPPER && image_size(code->p, code->n, &n);
}

/* Every answer brings the logs; image: where the linked code lies in the reply. */
static CUresult answer(struct link *link, struct vcuda_wait *w, uint64_t start, CUresult r,
		       struct vcuda_iov *image)
{
	struct vwire_rd rd = rd_init(w->reply, w->reply_len);
	struct vcuda_iov error, info;
	struct vwire_linked v;

	*image = (struct vcuda_iov){ 0 };
	if (r && !w->reply)
		return r;
	rd_copy(&rd, &v, sizeof(v));
	image->n = le64toh(v.bytes);
	image->p = rd_bytes(&rd, image->n);
	error.n = le32toh(v.error_bytes);
	error.p = rd_bytes(&rd, error.n);
	info.n = le32toh(v.info_bytes);
	info.p = rd_bytes(&rd, info.n);
	if (rd.err || (image->n && !is_image(image))) {
		vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, "a link's answer that does not fit");
		return CUDA_ERROR_DEVICE_UNAVAILABLE;
	}
	vcuda_jit_give(&link->jit, error, info, vcuda_now_ns() - start);
	return r;
}

/* One request; w->reply is the caller's to free. */
static CUresult ask(enum cuda_id id, const struct vcuda_image *input, const struct vcuda_iov *iov,
		    unsigned int n, struct vcuda_wait *w)
{
	CUresult r = CUDA_SUCCESS;

	memset(w, 0, sizeof(*w));
	vcuda_submit_lock();
	if (input)
		r = vcuda_image_send(input);
	if (!r)
		r = vcuda_submit_locked(id, VWIRE_F_WAIT, iov, n, w, NULL);
	vcuda_submit_unlock();
	return r ? r : vcuda_wait(w);
}

static CUresult ask_for_nothing(struct link *link, enum cuda_id id, const struct vcuda_image *input,
				const struct vcuda_iov *iov, unsigned int n)
{
	uint64_t start = vcuda_now_ns();
	struct vcuda_iov image;
	struct vcuda_wait w;
	CUresult r = ask(id, input, iov, n, &w);

	r = answer(link, &w, start, r, &image);
	free(w.reply);
	return r;
}

static uint32_t log_room(size_t n)
{
	return n < VWIRE_LOG_MAX ? n : VWIRE_LOG_MAX;
}

CUresult hand_cuLinkCreate_v2(unsigned int n, CUjit_option *options, void **values,
			      CUlinkState *out)
{
	struct link *link;
	struct vcuda_object *o;
	struct vwire_link_create h;
	uint64_t handle;
	CUresult r = vcuda_need_context();

	if (!r && !out)
		r = CUDA_ERROR_INVALID_VALUE;
	if (r)
		return r;
	link = calloc(1, sizeof(*link));
	if (!link)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcuda_jit_take(&link->jit, n, options, values);
	handle = r ? 0 : vcuda_handle_new(CUDA_HANDLE_link, &o);
	if (!handle) {
		free(link);
		return r ? r : CUDA_ERROR_OUT_OF_MEMORY;
	}
	o->p = link;
	h = (struct vwire_link_create){ .link = htole32((uint32_t)handle),
					.nr_options = htole32(link->jit.nr),
					.error_bytes = htole32(log_room(link->jit.error_bytes)),
					.info_bytes = htole32(log_room(link->jit.info_bytes)) };
	r = ask_for_nothing(link, CUDA_ID_cuLinkCreate_v2, NULL,
			    (struct vcuda_iov[]){ { &h, sizeof(h) },
						  { link->jit.options,
						    link->jit.nr * sizeof(link->jit.options[0]) } },
			    2);
	if (r) {
		vcuda_handle_del(CUDA_HANDLE_link, (void *)(uintptr_t)handle);
		free(link);
		return r;
	}
	*out = (CUlinkState)(uintptr_t)handle;
	return CUDA_SUCCESS;
}

CUresult hand_cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t size,
			       const char *name, unsigned int n, CUjit_option *options,
			       void **values)
{
	struct vcuda_image input = { .pieces = { { data, size } }, .nr = 1, .bytes = size };
	struct link *link = get(state);
	size_t name_len = name ? strnlen(name, VWIRE_NAME_MAX) : 0;
	struct vcuda_jit jit;
	struct vwire_link_add h;
	CUresult r;

	if (!link)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!data || !size || size > VWIRE_IMAGE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcuda_jit_take(&jit, n, options, values);
	if (r)
		return r;
	h = (struct vwire_link_add){ .link = htole32(vcuda_handle_number(state)),
				     .type = htole32(type), .bytes = htole64(size),
				     .nr_options = htole32(jit.nr), .name_len = htole32(name_len) };
	return ask_for_nothing(link, CUDA_ID_cuLinkAddData_v2, &input,
			       (struct vcuda_iov[]){ { &h, sizeof(h) },
						     { jit.options,
						       jit.nr * sizeof(jit.options[0]) },
						     { name, name_len } },
			       3);
}

/* The file is where the program is. */
CUresult hand_cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char *path,
			       unsigned int n, CUjit_option *options, void **values)
{
	size_t size;
	void *p;
	CUresult r = get(state) ? vcuda_image_map(path, &p, &size) : CUDA_ERROR_INVALID_HANDLE;

	if (r)
		return r;
	/* PTX goes with the NUL that text needs */
	r = hand_cuLinkAddData_v2(state, type, p, size + (type == CU_JIT_INPUT_PTX), path, n,
				  options, values);
	free(p);
	return r;
}

CUresult hand_cuLinkComplete(CUlinkState state, void **cubin, size_t *size)
{
	uint64_t start = vcuda_now_ns(), number = htole64(vcuda_handle_number(state));
	struct link *link = get(state);
	struct vcuda_iov image;
	struct vcuda_wait w;
	CUresult r;

	if (!link)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!cubin)
		return CUDA_ERROR_INVALID_VALUE;
	r = ask(CUDA_ID_cuLinkComplete, NULL, &(struct vcuda_iov){ &number, sizeof(number) }, 1, &w);
	r = answer(link, &w, start, r, &image);
	if (r) {
		free(w.reply);
		return r;
	}
	free(link->reply);
	link->reply = w.reply;
	*cubin = (void *)image.p;
	if (size)
		*size = image.n;
	return CUDA_SUCCESS;
}

CUresult hand_cuLinkDestroy(CUlinkState state)
{
	struct link *link = get(state);
	struct vcuda_call c;
	CUresult r;

	if (!link)
		return CUDA_ERROR_INVALID_HANDLE;
	vcuda_begin(&c, CUDA_ID_cuLinkDestroy);
	vcuda_put_u64(&c, vcuda_handle_number(state));
	r = vcuda_async(&c);
	vcuda_handle_del(CUDA_HANDLE_link, state);
	free(link->reply);
	free(link);
	return r;
}

/* The first forms differ from the second in nothing but their names. */
CUresult hand_cuLinkCreate(unsigned int n, CUjit_option *options, void **values, CUlinkState *out)
{
	return hand_cuLinkCreate_v2(n, options, values, out);
}

CUresult hand_cuLinkAddData(CUlinkState state, CUjitInputType type, void *data, size_t size,
			    const char *name, unsigned int n, CUjit_option *options, void **values)
{
	return hand_cuLinkAddData_v2(state, type, data, size, name, n, options, values);
}

CUresult hand_cuLinkAddFile(CUlinkState state, CUjitInputType type, const char *path,
			    unsigned int n, CUjit_option *options, void **values)
{
	return hand_cuLinkAddFile_v2(state, type, path, n, options, values);
}
