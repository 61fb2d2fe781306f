// SPDX-License-Identifier: MIT
/*
 * arraydesc.c - descriptors of arrays: what a device can have, and the calls for those of two dimensions
 */
#include "arraydesc.h"

#include "texels.h"

/* What is done with arrays; the others are for graphics, video and the virtual memory API. */
#define FLAGS_KNOWN	(CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST |		\
			 CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_TEXTURE_GATHER)
#define FLAGS_REFUSED	(CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_COLOR_ATTACHMENT |	\
			 CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING |		\
			 CUDA_ARRAY3D_VIDEO_ENCODE_DECODE)

static bool fits(const CUDA_ARRAY3D_DESCRIPTOR *d, size_t width, size_t height, size_t depth)
{
	return d->Width <= width && d->Height <= height && d->Depth <= depth;
}

#define MOST(name)	((size_t)device_attribute(CU_DEVICE_ATTRIBUTE_MAXIMUM_##name))

static bool cube_fits(const CUDA_ARRAY3D_DESCRIPTOR *d)
{
	size_t edge = d->Flags & CUDA_ARRAY3D_SURFACE_LDST ? MOST(SURFACECUBEMAP_WIDTH)
							   : MOST(TEXTURECUBEMAP_WIDTH);
	size_t faces = d->Flags & CUDA_ARRAY3D_LAYERED ? MOST(TEXTURECUBEMAP_LAYERED_LAYERS) : 6;

	return fits(d, edge, edge, faces);
}

static bool layers_fit(const CUDA_ARRAY3D_DESCRIPTOR *d)
{
	if (!d->Height)
		return fits(d, MOST(TEXTURE1D_LAYERED_WIDTH), 0, MOST(TEXTURE1D_LAYERED_LAYERS));
	return fits(d, MOST(TEXTURE2D_LAYERED_WIDTH), MOST(TEXTURE2D_LAYERED_HEIGHT),
		    MOST(TEXTURE2D_LAYERED_LAYERS));
}

static bool volume_fits(const CUDA_ARRAY3D_DESCRIPTOR *d)
{
	if (fits(d, MOST(TEXTURE3D_WIDTH), MOST(TEXTURE3D_HEIGHT), MOST(TEXTURE3D_DEPTH)))
		return true;
	return !(d->Flags & CUDA_ARRAY3D_SURFACE_LDST) &&
	       fits(d, MOST(TEXTURE3D_WIDTH_ALTERNATE), MOST(TEXTURE3D_HEIGHT_ALTERNATE),
		    MOST(TEXTURE3D_DEPTH_ALTERNATE));
}

/* The table in cuArray3DCreate()'s description. */
static bool extents_fit(const CUDA_ARRAY3D_DESCRIPTOR *d, bool mipmapped)
{
	if (d->Flags & CUDA_ARRAY3D_CUBEMAP)
		return cube_fits(d);
	if (d->Flags & CUDA_ARRAY3D_LAYERED)
		return layers_fit(d);
	if (d->Depth)
		return volume_fits(d);
	if (!d->Height)
		return fits(d,
			    d->Flags & CUDA_ARRAY3D_SURFACE_LDST ? MOST(SURFACE1D_WIDTH)
			    : mipmapped				 ? MOST(TEXTURE1D_MIPMAPPED_WIDTH)
								 : MOST(TEXTURE1D_WIDTH),
			    0, 0);
	if (d->Flags & CUDA_ARRAY3D_TEXTURE_GATHER)
		return fits(d, MOST(TEXTURE2D_GATHER_WIDTH), MOST(TEXTURE2D_GATHER_HEIGHT), 0);
	if (mipmapped)
		return fits(d, MOST(TEXTURE2D_MIPMAPPED_WIDTH), MOST(TEXTURE2D_MIPMAPPED_HEIGHT), 0);
	return fits(d, MOST(TEXTURE2D_WIDTH), MOST(TEXTURE2D_HEIGHT), 0);
}

static bool shape_is_valid(const CUDA_ARRAY3D_DESCRIPTOR *d)
{
	bool layered = d->Flags & CUDA_ARRAY3D_LAYERED;

	if (!d->Width || (!d->Height && d->Depth && !layered) || (layered && !d->Depth))
		return false;
	if ((d->Flags & CUDA_ARRAY3D_TEXTURE_GATHER) && (!d->Height || d->Depth))
		return false;
	if (!(d->Flags & CUDA_ARRAY3D_CUBEMAP))
		return true;
	return d->Width == d->Height && (layered ? d->Depth % 6 == 0 : d->Depth == 6);
}

/* Formats of several planes, of blocks and of packed fields. */
static bool format_is_known(CUarray_format f)
{
	return f == CU_AD_FORMAT_UNORM_INT_101010_2 ||
	       (f >= CU_AD_FORMAT_BC1_UNORM && f <= CU_AD_FORMAT_YUV444_16bit_SemiPlanar);
}

CUresult array_check(const CUDA_ARRAY3D_DESCRIPTOR *d, bool mipmapped)
{
	if (d->Flags & FLAGS_REFUSED) {
		driver_log("arrays with flags 0x%x are not supported", d->Flags & FLAGS_REFUSED);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if (!texel_bytes(d->Format, d->NumChannels)) {
		if (!format_is_known(d->Format))
			return CUDA_ERROR_INVALID_VALUE;
		driver_log("arrays of format 0x%x are not supported", d->Format);
		return CUDA_ERROR_NOT_SUPPORTED;
	}
	if ((d->Flags & ~(unsigned int)FLAGS_KNOWN) || !shape_is_valid(d) ||
	    !extents_fit(d, mipmapped))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

unsigned int array_levels(const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned int n)
{
	bool layered = d->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP);
	size_t edge = d->Width | d->Height | (layered ? 0 : d->Depth);
	unsigned int most = edge ? 64 - __builtin_clzl(edge) : 1;

	if (most > TEXELS_LEVELS_MAX)
		most = TEXELS_LEVELS_MAX;
	return n < 1 ? 1 : n < most ? n : most;
}

CUresult cuArrayCreate_v2(CUarray *out, const CUDA_ARRAY_DESCRIPTOR *desc)
{
	CUDA_ARRAY3D_DESCRIPTOR d;

	if (!out || !desc)
		return CUDA_ERROR_INVALID_VALUE;
	d = (CUDA_ARRAY3D_DESCRIPTOR){ .Width = desc->Width, .Height = desc->Height,
				       .Format = desc->Format, .NumChannels = desc->NumChannels };
	return cuArray3DCreate_v2(out, &d);
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *desc, CUarray handle)
{
	CUDA_ARRAY3D_DESCRIPTOR d;
	CUresult r = cuArray3DGetDescriptor_v2(&d, handle);

	if (r != CUDA_SUCCESS)
		return r;
	if (!desc)
		return CUDA_ERROR_INVALID_VALUE;
	*desc = (CUDA_ARRAY_DESCRIPTOR){ .Width = d.Width, .Height = d.Height, .Format = d.Format,
					 .NumChannels = d.NumChannels };
	return CUDA_SUCCESS;
}
