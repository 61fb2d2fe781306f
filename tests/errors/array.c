// SPDX-License-Identifier: MIT
/* Arrays, mipmapped arrays, textures and surfaces. */
#include "errors.h"

static void arrays(void)
{
	CUDA_ARRAY_DESCRIPTOR d = { 16, 16, CU_AD_FORMAT_FLOAT, 1 };
	CUDA_ARRAY3D_DESCRIPTOR d3 = { 16, 16, 0, CU_AD_FORMAT_FLOAT, 1, 0 };
	CUarray array = NULL, level;
	CUmipmappedArray mipmap;
	char bytes[64];

	start();
	BAD(cuArrayCreate(NULL, &d));
	BAD(cuArrayCreate(&array, NULL));
	d.Width = 0;
	BAD(cuArrayCreate(&array, &d));
	d.Width = 1 << 30;
	BAD(cuArrayCreate(&array, &d));
	d.Width = 16;
	d.NumChannels = 3;
	BAD(cuArrayCreate(&array, &d));
	d.NumChannels = 0;
	BAD(cuArrayCreate(&array, &d));
	d.NumChannels = 1;
	d.Format = (CUarray_format)0x7777;
	BAD(cuArrayCreate(&array, &d));
	d.Format = CU_AD_FORMAT_FLOAT;
	BAD(cuArray3DCreate(NULL, &d3));
	BAD(cuArray3DCreate(&array, NULL));
	d3.Flags = 1u << 30;
	BAD(cuArray3DCreate(&array, &d3));
	d3.Flags = CUDA_ARRAY3D_CUBEMAP;
	BAD(cuArray3DCreate(&array, &d3));
	d3.Flags = CUDA_ARRAY3D_LAYERED;
	BAD(cuArray3DCreate(&array, &d3));
	d3.Flags = 0;
	BAD(cuMipmappedArrayCreate(NULL, &d3, 1));
	BAD(cuMipmappedArrayCreate(&mipmap, NULL, 1));
	NEED(cuMipmappedArrayCreate(&mipmap, &d3, 2));
	BAD(cuMipmappedArrayGetLevel(NULL, mipmap, 0));
	BAD(cuMipmappedArrayGetLevel(&level, mipmap, 2));
	BAD(cuMipmappedArrayGetLevel(&level, NULL, 0));
	BAD(cuMipmappedArrayDestroy(mipmap));
	BAD(cuMipmappedArrayDestroy(mipmap));
	BAD(cuMipmappedArrayDestroy(NULL));
	NEED(cuArrayCreate(&array, &d));
	BAD(cuArrayGetDescriptor(NULL, array));
	BAD(cuArrayGetDescriptor(&d, NULL));
	BAD(cuArray3DGetDescriptor(NULL, array));
	BAD(cuArrayGetPlane(&level, array, 0));
	BAD(cuArrayGetSparseProperties((CUDA_ARRAY_SPARSE_PROPERTIES *)junk, array));
	BAD(cuMemcpyHtoA(array, 16 * 4 - 8, bytes, 16));
	BAD(cuMemcpyHtoA(array, 0, bytes, 0));
	BAD(cuMemcpyHtoA(NULL, 0, bytes, 16));
	BAD(cuMemcpyAtoH(bytes, array, 1 << 20, 16));
	BAD(cuMemcpyAtoH(bytes, NULL, 0, 16));
	BAD(cuMemcpyDtoA(array, 0, 0, 16));
	BAD(cuArrayDestroy(array));
	BAD(cuArrayDestroy(array));
	BAD(cuArrayDestroy(NULL));
	BAD(cuArrayDestroy((CUarray)1));
	BAD(cuArrayDestroy(JUNK(CUarray)));
	BAD(cuArrayGetDescriptor(&d, JUNK(CUarray)));
	BAD(cuMemcpyHtoA(JUNK(CUarray), 0, bytes, 16));
}

/* Rows that are not whole texels, and boxes that reach beyond their ends. */
static void boxes(void)
{
	CUDA_ARRAY_DESCRIPTOR d = { 4, 2, CU_AD_FORMAT_FLOAT, 1 };
	CUDA_MEMCPY3D box = { .WidthInBytes = 16, .Height = 2, .Depth = 1 };
	CUarray array;
	char in[32], out[32];

	start();
	memset(in, 1, sizeof(in));
	NEED(cuArrayCreate(&array, &d));
	box.srcMemoryType = CU_MEMORYTYPE_HOST;
	box.srcHost = in;
	box.srcPitch = 16;
	box.dstMemoryType = CU_MEMORYTYPE_ARRAY;
	box.dstArray = array;
	NEED(cuMemcpy3D(&box));
	memset(in, 2, sizeof(in));
	box.WidthInBytes = 15;
	BAD(cuMemcpy3D(&box));
	box.dstXInBytes = 2;
	box.WidthInBytes = 8;
	BAD(cuMemcpy3D(&box));
	box.dstXInBytes = 0;
	box.dstZ = 1;
	BAD(cuMemcpy3D(&box));
	box.dstZ = 0;
	box.dstY = 1;
	BAD(cuMemcpy3D(&box));
	box = (CUDA_MEMCPY3D){ .WidthInBytes = 16, .Height = 2, .Depth = 1 };
	box.srcMemoryType = CU_MEMORYTYPE_ARRAY;
	box.srcArray = array;
	box.dstMemoryType = CU_MEMORYTYPE_HOST;
	box.dstHost = out;
	box.dstPitch = 16;
	BAD(cuMemcpy3D(&box));
	SHOW(out[14]);
	SHOW(out[15]);
	box.dstPitch = (size_t)-1 / 2;
	BAD(cuMemcpy3D(&box));
	box.dstPitch = 16;
	box.dstHeight = (size_t)-1 / 2;
	BAD(cuMemcpy3D(&box));
	box.dstHeight = 0;
	box.dstHost = NULL;
	BAD(cuMemcpy3D(&box));
	box.dstHost = out;
	box.srcArray = NULL;
	BAD(cuMemcpy3D(&box));
}

/* An array whose context has ended. */
static void gone(void)
{
	CUDA_ARRAY_DESCRIPTOR d = { 4, 2, CU_AD_FORMAT_FLOAT, 1 };
	CUcontext primary = start(), other;
	CUarray array;

	NEED(cuCtxCreate(&other, NULL, 0, 0));
	NEED(cuArrayCreate(&array, &d));
	NEED(cuCtxDestroy(other));
	NEED(cuCtxSetCurrent(primary));
	BAD(cuArrayGetDescriptor(&d, array));
	BAD(cuArrayDestroy(array));
}

static void textures(void)
{
	CUDA_RESOURCE_DESC resource = { 0 };
	CUDA_TEXTURE_DESC texture = { 0 };
	CUtexObject object;
	CUsurfObject surface;
	CUdeviceptr p;

	start();
	NEED(cuMemAlloc(&p, 4096));
	BAD(cuTexObjectCreate(NULL, &resource, &texture, NULL));
	BAD(cuTexObjectCreate(&object, NULL, &texture, NULL));
	BAD(cuTexObjectCreate(&object, &resource, NULL, NULL));
	BAD(cuTexObjectCreate(&object, &resource, &texture, NULL));
	resource.resType = (CUresourcetype)99;
	BAD(cuTexObjectCreate(&object, &resource, &texture, NULL));
	resource.resType = CU_RESOURCE_TYPE_LINEAR;
	BAD(cuTexObjectCreate(&object, &resource, &texture, NULL));
	resource.res.linear.devPtr = p + 1;
	resource.res.linear.format = CU_AD_FORMAT_FLOAT;
	resource.res.linear.numChannels = 1;
	resource.res.linear.sizeInBytes = 64;
	BAD(cuTexObjectCreate(&object, &resource, &texture, NULL));
	resource.res.linear.devPtr = p;
	resource.res.linear.numChannels = 3;
	BAD(cuTexObjectCreate(&object, &resource, &texture, NULL));
	BAD(cuTexObjectDestroy(0));
	BAD(cuTexObjectDestroy(0x7777777));
	BAD(cuTexObjectGetResourceDesc(&resource, 0x7777777));
	BAD(cuTexObjectGetTextureDesc(NULL, 0));
	BAD(cuSurfObjectCreate(NULL, &resource));
	BAD(cuSurfObjectCreate(&surface, NULL));
	BAD(cuSurfObjectCreate(&surface, &resource));
	BAD(cuSurfObjectDestroy(0));
	BAD(cuSurfObjectDestroy(0x7777777));
	BAD(cuSurfObjectGetResourceDesc(NULL, 0));
	BAD(cuTensorMapEncodeTiled(NULL, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 1, NULL, NULL, NULL, NULL,
				   NULL, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
				   CU_TENSOR_MAP_L2_PROMOTION_NONE,
				   CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
	BAD(cuTensorMapReplaceAddress(NULL, (void *)p));
}

PARTS({ "arrays", arrays }, { "boxes", boxes }, { "gone", gone }, { "textures", textures })
