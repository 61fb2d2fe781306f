// SPDX-License-Identifier: MIT
/*
 * image.c - how long a module image is: CUDA's calls give an address and no size
 */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "fatbin.h"
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
