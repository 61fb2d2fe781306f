// SPDX-License-Identifier: MIT
/*
 * image.c - images: how long one is (CUDA's calls give an address and no size), which of its code
 * is for a device, from a file, and on their way to the server
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "code.h"
#include "module.h"

static CUresult add_piece(struct vcuda_image *out, const void *p)
{
	size_t n;

	if (out->nr == VCUDA_IMAGE_PIECES || image_form(p, SIZE_MAX) != IMAGE_FATBIN ||
	    !image_size(p, SIZE_MAX, &n) || n > VWIRE_IMAGE_MAX - out->bytes)
		return CUDA_ERROR_INVALID_IMAGE;
	out->pieces[out->nr++] = (struct vcuda_iov){ p, n };
	out->bytes += n;
	return CUDA_SUCCESS;
}

/*
 * Version 2: data is linked code, the list the fatbins that it was linked from, which hold the PTX.
 */
static CUresult find_wrapped(const struct fatbin_wrapper *w, struct vcuda_image *out)
{
	const void *const *list = w->list;
	CUresult r = w->data ? add_piece(out, w->data) : CUDA_ERROR_INVALID_IMAGE;

	if (w->version != 2)
		return r;
	for (; !r && list && *list; list++)
		r = add_piece(out, *list);
	if (out->nr > 1)
		out->flags |= VWIRE_MODULE_F_RDC;
	return r;
}

CUresult vcuda_image_find(const void *image, struct vcuda_image *out)
{
	size_t n;

	memset(out, 0, sizeof(*out));
	if (!image)
		return CUDA_ERROR_INVALID_VALUE;
	if (image_form(image, SIZE_MAX) == IMAGE_WRAPPER)
		return find_wrapped(image, out);
	if (image_form(image, SIZE_MAX) == IMAGE_NONE || !image_size(image, SIZE_MAX, &n) ||
	    n > VWIRE_IMAGE_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	out->pieces[0] = (struct vcuda_iov){ image, n };
	out->nr = 1;
	out->bytes = n;
	return CUDA_SUCCESS;
}

void vcuda_image_hash(const struct vcuda_image *image, uint8_t hash[16])
{
	XXH128_canonical_t c;
	XXH3_state_t s;
	unsigned int i;

	XXH3_INITSTATE(&s);
	XXH3_128bits_reset(&s);
	for (i = 0; i < image->nr; i++)
		XXH3_128bits_update(&s, image->pieces[i].p, image->pieces[i].n);
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(&s));
	memcpy(hash, c.digest, 16);
}

/* ---- the code for the device ---- */

static bool find_code(const struct vcuda_iov *piece, unsigned int sm, struct fatbin_entry *e)
{
	return image_form(piece->p, piece->n) == IMAGE_FATBIN && code_find(piece->p, piece->n, sm, e) &&
	       e->plain_size <= VWIRE_IMAGE_MAX;
}

bool vcuda_image_is_packed(const struct vcuda_image *image, unsigned int sm)
{
	struct fatbin_entry e;

	return image->nr == 1 && find_code(&image->pieces[0], sm, &e) && e.codec != FATBIN_STORED;
}

bool vcuda_image_cubin(const struct vcuda_image *image, unsigned int sm, struct vcuda_iov *cubin,
		       void **own)
{
	struct fatbin_entry e;

	*own = NULL;
	if (image->nr != 1)
		return false;
	*cubin = image->pieces[0];
	if (image_form(cubin->p, cubin->n) == IMAGE_ELF)
		return true;
	if (!find_code(cubin, sm, &e))
		return false;
	*cubin = (struct vcuda_iov){ e.data, e.size };
	if (e.codec == FATBIN_STORED)
		return true;
	*own = code_unpack(&e, 0);
	*cubin = (struct vcuda_iov){ *own, e.plain_size };
	return *own;
}

bool vcuda_image_has_no_barriers(const struct vcuda_image *image)
{
	const struct vcuda_iov *text = &image->pieces[0];

	return image->nr == 1 && image_form(text->p, text->n) == IMAGE_TEXT &&
	       !memmem(text->p, text->n, "bar", 3);
}

/* ---- on its way ---- */

CUresult vcuda_image_keep(struct vcuda_image *image, void **own)
{
	uint8_t *at = malloc(image->bytes + 1);
	unsigned int i;

	*own = at;
	if (!at)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (i = 0; i < image->nr; i++) {
		memcpy(at, image->pieces[i].p, image->pieces[i].n);
		image->pieces[i].p = at;
		at += image->pieces[i].n;
	}
	return CUDA_SUCCESS;
}

/* The image in parts, one after the other, with the submission lock held. */
CUresult vcuda_image_send(const struct vcuda_image *image)
{
	struct vwire_image h = { .total = htole64(image->bytes) };
	struct vcuda_iov iov[2] = { { &h, sizeof(h) } };
	size_t chunk = vcuda_chunk(), at, n;
	uint64_t offset = 0;
	unsigned int i;
	CUresult r = CUDA_SUCCESS;

	for (i = 0; i < image->nr; i++)
		for (at = 0; !r && at < image->pieces[i].n; at += n) {
			n = image->pieces[i].n - at < chunk ? image->pieces[i].n - at : chunk;
			h.offset = htole64(offset);
			h.len = htole64(n);
			iov[1] = (struct vcuda_iov){ (const uint8_t *)image->pieces[i].p + at, n };
			r = vcuda_submit_locked(VWIRE_OP_IMAGE, 0, iov, 2, NULL, NULL);
			offset += n;
		}
	return r;
}

/* The file, with a NUL behind it, so that PTX text ends. */
CUresult vcuda_image_map(const char *name, void **p, size_t *n)
{
	int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	struct stat st;
	ssize_t got = 0;
	char *buf;

	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	if (fd < 0)
		return errno == ENOENT ? CUDA_ERROR_FILE_NOT_FOUND : CUDA_ERROR_OPERATING_SYSTEM;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > VWIRE_IMAGE_MAX ||
	    !(buf = calloc(1, st.st_size + 8))) {
		close(fd);
		return CUDA_ERROR_OPERATING_SYSTEM;
	}
	for (*n = 0; *n < (size_t)st.st_size && (got = read(fd, buf + *n, st.st_size - *n)) > 0;
	     *n += got)
		;
	close(fd);
	*p = buf;
	if (*n == (size_t)st.st_size)
		return CUDA_SUCCESS;
	free(buf);
	return CUDA_ERROR_OPERATING_SYSTEM;
}
