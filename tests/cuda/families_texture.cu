/* SPDX-License-Identifier: MIT */
/*
 * families_texture.cu - the forms of tex, suld and sust that texture.cu has not: whole numbers,
 * layers of one dimension, gradients; surfaces of one to three dimensions and of layers
 */
#include "families.h"

#define SIDE 8
#define DEPTH 4

static uint32_t texels[DEPTH * SIDE * SIDE], got[DEPTH * SIDE * SIDE], *dev_out;

static cudaArray_t array_of(struct cudaChannelFormatDesc format, struct cudaExtent extent, unsigned flags)
{
	struct cudaMemcpy3DParms copy = { 0 };
	size_t height = extent.height ? extent.height : 1, depth = extent.depth ? extent.depth : 1;
	cudaArray_t a;

	/* the layers of one dimension are counted where those of two are */
	CHECK(cudaMalloc3DArray(&a, &format, extent, flags));
	copy.srcPtr = make_cudaPitchedPtr(texels, SIDE * sizeof(*texels), SIDE, height);
	copy.dstArray = a;
	copy.extent = make_cudaExtent(extent.width, height, depth);
	copy.kind = cudaMemcpyHostToDevice;
	CHECK(cudaMemcpy3D(&copy));
	return a;
}

static cudaTextureObject_t texture_of(cudaArray_t a, bool linear)
{
	struct cudaResourceDesc resource = {};
	struct cudaTextureDesc how = {};
	cudaTextureObject_t t;

	resource.resType = cudaResourceTypeArray;
	resource.res.array.array = a;
	how.addressMode[0] = how.addressMode[1] = how.addressMode[2] = cudaAddressModeClamp;
	how.filterMode = linear ? cudaFilterModeLinear : cudaFilterModePoint;
	CHECK(cudaCreateTextureObject(&t, &resource, &how, NULL));
	return t;
}

static cudaSurfaceObject_t surface_of(cudaArray_t a)
{
	struct cudaResourceDesc resource = {};
	cudaSurfaceObject_t s;

	resource.resType = cudaResourceTypeArray;
	resource.res.array.array = a;
	CHECK(cudaCreateSurfaceObject(&s, &resource));
	return s;
}

static void fetch(const char *what, size_t nr)
{
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, nr * sizeof(*got), cudaMemcpyDeviceToHost));
	dump(what, got, nr * sizeof(*got));
}

__global__ void whole(cudaTextureObject_t t, uint32_t *out)
{
	int x = threadIdx.x, y = threadIdx.y;

	out[y * SIDE + x] = tex2D<unsigned>(t, x + 0.5f, y + 0.5f);
}

__global__ void lines(cudaTextureObject_t t, uint32_t *out)
{
	int x = threadIdx.x, y = threadIdx.y;

	out[y * SIDE + x] = tex1DLayered<unsigned>(t, x + 0.5f, y);
}

/* Halfway between two texels, of whole numbers below 2^20: exact. */
__global__ void halfway(cudaTextureObject_t t, uint32_t *out)
{
	int x = threadIdx.x, y = threadIdx.y;

	out[y * SIDE + x] = __float_as_uint(tex2DGrad<float>(t, x + 1.0f, y + 0.5f, make_float2(0.5f, 0), make_float2(0, 0.5f)));
}

static void textures(void)
{
	struct cudaChannelFormatDesc words = cudaCreateChannelDesc<unsigned>(), floats = cudaCreateChannelDesc<float>();
	cudaArray_t plane = array_of(words, make_cudaExtent(SIDE, SIDE, 0), 0);
	cudaArray_t rows = array_of(words, make_cudaExtent(SIDE, 0, SIDE), cudaArrayLayered), numbers;
	cudaTextureObject_t t = texture_of(plane, false), u = texture_of(rows, false), v;
	dim3 all(SIDE, SIDE);
	float value;

	whole<<<1, all>>>(t, dev_out);
	fetch("whole numbers", SIDE * SIDE);
	for (int i = 0; i < SIDE * SIDE; i++)
		if (got[i] != texels[i])
			fail("texel %d is %#x, not %#x", i, got[i], texels[i]);
	lines<<<1, all>>>(u, dev_out);
	fetch("layers of lines", SIDE * SIDE);
	for (int i = 0; i < SIDE * SIDE; i++)
		if (got[i] != texels[i])
			fail("texel %d of layer %d is %#x, not %#x", i % SIDE, i / SIDE, got[i], texels[i]);
	for (int i = 0; i < SIDE * SIDE; i++) {
		value = texels[i] & 0xfffff;
		memcpy(texels + i, &value, sizeof(value));
	}
	numbers = array_of(floats, make_cudaExtent(SIDE, SIDE, 0), 0);
	v = texture_of(numbers, true);
	halfway<<<1, all>>>(v, dev_out);
	fetch("halfway", SIDE * SIDE);
	for (int i = 0; i < SIDE * SIDE; i++) {
		float a, b, between;

		memcpy(&a, texels + i, sizeof(a));
		memcpy(&b, texels + (i % SIDE < SIDE - 1 ? i + 1 : i), sizeof(b));
		memcpy(&between, got + i, sizeof(between));
		if (between != (a + b) / 2)
			fail("between %g and %g is %g", a, b, between);
	}
	CHECK(cudaDestroyTextureObject(t));
	CHECK(cudaDestroyTextureObject(u));
	CHECK(cudaDestroyTextureObject(v));
	CHECK(cudaFreeArray(plane));
	CHECK(cudaFreeArray(rows));
	CHECK(cudaFreeArray(numbers));
}

/* Each element is read, and three times itself written back to the mirrored place. */
__global__ void mirror_1d(cudaSurfaceObject_t from, cudaSurfaceObject_t to)
{
	int x = threadIdx.x;

	surf1Dwrite(3 * surf1Dread<unsigned>(from, 4 * x), to, 4 * (SIDE - 1 - x));
}

__global__ void mirror_layers(cudaSurfaceObject_t from, cudaSurfaceObject_t to)
{
	int x = threadIdx.x, y = threadIdx.y, z = blockIdx.x;

	surf2DLayeredwrite(3 * surf2DLayeredread<unsigned>(from, 4 * x, y, z), to, 4 * (SIDE - 1 - x), y, z);
}

__global__ void mirror_3d(cudaSurfaceObject_t from, cudaSurfaceObject_t to)
{
	int x = threadIdx.x, y = threadIdx.y, z = blockIdx.x;

	surf3Dwrite(3 * surf3Dread<unsigned>(from, 4 * x, y, z), to, 4 * (SIDE - 1 - x), y, z);
}

template <class K> static void mirror(const char *what, K *kernel, int height, int depth, unsigned flags)
{
	struct cudaExtent extent = make_cudaExtent(SIDE, height > 1 ? height : 0, depth > 1 ? depth : 0);
	cudaArray_t a = array_of(cudaCreateChannelDesc<unsigned>(), extent, cudaArraySurfaceLoadStore | flags);
	cudaArray_t b = array_of(cudaCreateChannelDesc<unsigned>(), extent, cudaArraySurfaceLoadStore | flags);
	cudaSurfaceObject_t from = surface_of(a), to = surface_of(b);
	struct cudaMemcpy3DParms copy = { 0 };

	kernel<<<depth, dim3(SIDE, height)>>>(from, to);
	CHECK_LAUNCH();
	copy.srcArray = b;
	copy.dstPtr = make_cudaPitchedPtr(got, SIDE * sizeof(*got), SIDE, height);
	copy.extent = make_cudaExtent(SIDE, height, depth);
	copy.kind = cudaMemcpyDeviceToHost;
	CHECK(cudaMemcpy3D(&copy));
	for (int i = 0; i < SIDE * height * depth; i++)
		if (got[i] != 3 * texels[i / SIDE * SIDE + SIDE - 1 - i % SIDE])
			fail("%s: element %d is %#x", what, i, got[i]);
	dump(what, got, SIDE * height * depth * sizeof(*got));
	CHECK(cudaDestroySurfaceObject(from));
	CHECK(cudaDestroySurfaceObject(to));
	CHECK(cudaFreeArray(a));
	CHECK(cudaFreeArray(b));
}

int main(void)
{
	random_bits(texels, DEPTH * SIDE * SIDE);
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	textures();
	mirror("a line", mirror_1d, 1, 1, 0);
	mirror("layers", mirror_layers, SIDE, DEPTH, cudaArrayLayered);
	mirror("a volume", mirror_3d, SIDE, DEPTH, 0);
	return pass();
}
