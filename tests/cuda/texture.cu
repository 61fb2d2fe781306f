/* SPDX-License-Identifier: MIT */
/*
 * Textures and surfaces through objects, on arrays of every shape, on linear memory and on rows
 * with a pitch, against the formulas of the programming guide. Filtered values may differ by what 8
 * bits of weight leave open; everything else is exact.
 */
#include "dump.h"

#include <math.h>

#define N 64			/* threads of a block, and points of a test */

static float points[3 * N];	/* x, y, z of thread i at 3 * i */
static float *dev_points;
static float *dev_out, got[4 * N];

static unsigned int seed = 1;

static float number(float lo, float hi)
{
	seed = seed * 1664525 + 1013904223;
	return lo + (hi - lo) * ((float)(seed >> 8) + 0.5f) / (1 << 24);
}

static void random_points(float lo, float hi)
{
	for (int i = 0; i < 3 * N; i++)
		points[i] = number(lo, hi);
	CHECK(cudaMemcpy(dev_points, points, sizeof(points), cudaMemcpyHostToDevice));
}

/*
 * Weights have eight bits of fraction on every device (CUDA C++ Programming Guide, 16.2), but how a
 * device rounds them and the sum is its own: bound says what that may come to.
 */
static void fetch_results(const char *bound = "exact")
{
	CHECK_LAUNCH();
	CHECK(cudaMemcpy(got, dev_out, sizeof(got), cudaMemcpyDeviceToHost));
	dump_as(bound, "fetched", got, sizeof(got));
	CHECK(cudaMemset(dev_out, 0, sizeof(got)));	/* what a kernel leaves out is not another's */
}

static void expect(const char *what, int i, float value, double want, double tolerance)
{
	if (!(fabs(value - want) <= tolerance))
		fail("%s: point %d (%g, %g, %g) gives %.8g, not %.8g", what, i, points[3 * i],
		     points[3 * i + 1], points[3 * i + 2], value, want);
}

static cudaResourceDesc on_array(cudaArray_t a)
{
	cudaResourceDesc res = {};

	res.resType = cudaResourceTypeArray;
	res.res.array.array = a;
	return res;
}

static cudaTextureObject_t texture_of(cudaArray_t a, const cudaTextureDesc *desc)
{
	cudaResourceDesc res = on_array(a);
	cudaTextureObject_t t;

	CHECK(cudaCreateTextureObject(&t, &res, desc, NULL));
	return t;
}

static cudaSurfaceObject_t surface_of(cudaArray_t a)
{
	cudaResourceDesc res = on_array(a);
	cudaSurfaceObject_t s;

	CHECK(cudaCreateSurfaceObject(&s, &res));
	return s;
}

static cudaTextureDesc describe(cudaTextureAddressMode mode, cudaTextureFilterMode filter,
				cudaTextureReadMode read, int normalized)
{
	cudaTextureDesc desc = {};

	for (int i = 0; i < 3; i++)
		desc.addressMode[i] = mode;
	desc.filterMode = filter;
	desc.readMode = read;
	desc.normalizedCoords = normalized;
	return desc;
}

static void upload(cudaArray_t a, const void *texels, size_t row, size_t w, size_t h, size_t d)
{
	cudaMemcpy3DParms p = {};

	p.srcPtr = make_cudaPitchedPtr((void *)texels, row, w, h);
	p.dstArray = a;
	p.extent = make_cudaExtent(w, h, d);
	p.kind = cudaMemcpyHostToDevice;
	CHECK(cudaMemcpy3D(&p));
}

/* 1D, linear memory */

__global__ void fetch_1d(cudaTextureObject_t t, float *out)
{
	int4 v = tex1Dfetch<int4>(t, (int)threadIdx.x - 4);

	((float4 *)out)[threadIdx.x] = make_float4(v.x, v.y, v.z, v.w);
}

static void linear_memory(void)
{
	cudaTextureDesc desc =
		describe(cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, 0);
	cudaResourceDesc res = {};
	cudaTextureObject_t t;
	int texels[4 * 40], *dev;

	for (int i = 0; i < 160; i++)
		texels[i] = i * 3 - 50;
	CHECK(cudaMalloc(&dev, sizeof(texels)));
	CHECK(cudaMemcpy(dev, texels, sizeof(texels), cudaMemcpyHostToDevice));
	res.resType = cudaResourceTypeLinear;
	res.res.linear.devPtr = dev;
	res.res.linear.desc = cudaCreateChannelDesc<int4>();
	res.res.linear.sizeInBytes = sizeof(texels);
	CHECK(cudaCreateTextureObject(&t, &res, &desc, NULL));
	fetch_1d<<<1, N>>>(t, dev_out);
	fetch_results();
	for (int i = 0; i < N; i++)
		for (int c = 0; c < 4; c++)
			expect("linear memory", i, got[4 * i + c],
			       i < 4 || i >= 44 ? 0 : texels[4 * (i - 4) + c], 0);
	CHECK(cudaDestroyTextureObject(t));
	CHECK(cudaFree(dev));
}

/* 2D: rows with a pitch, arrays of bytes */

__global__ void fetch_2d(cudaTextureObject_t t, const float *p, float *out)
{
	out[4 * threadIdx.x] = tex2D<float>(t, p[3 * threadIdx.x], p[3 * threadIdx.x + 1]);
}

__global__ void fetch_2d4(cudaTextureObject_t t, const float *p, float *out)
{
	((float4 *)out)[threadIdx.x] = tex2D<float4>(t, p[3 * threadIdx.x], p[3 * threadIdx.x + 1]);
}

#define W 20
#define H 12

static float image[H][W];

static int addressed(int i, int n, cudaTextureAddressMode mode)
{
	int m = (i % (2 * n) + 2 * n) % (2 * n);

	switch (mode) {
	case cudaAddressModeWrap:
		return (i % n + n) % n;
	case cudaAddressModeMirror:
		return m < n ? m : 2 * n - 1 - m;
	case cudaAddressModeBorder:
		return i < 0 || i >= n ? -1 : i;
	default:
		return i < 0 ? 0 : i >= n ? n - 1 : i;
	}
}

/* The guide's formulas, on image. */
static double texel(int x, int y, cudaTextureAddressMode mode)
{
	x = addressed(x, W, mode);
	y = addressed(y, H, mode);
	return x < 0 || y < 0 ? 0 : image[y][x];
}

static double bilinear(double x, double y, cudaTextureAddressMode mode)
{
	int i = (int)floor(x - 0.5), j = (int)floor(y - 0.5);
	double a = rint((x - 0.5 - i) * 256) / 256, b = rint((y - 0.5 - j) * 256) / 256;

	return (1 - a) * (1 - b) * texel(i, j, mode) + a * (1 - b) * texel(i + 1, j, mode) +
	       (1 - a) * b * texel(i, j + 1, mode) + a * b * texel(i + 1, j + 1, mode);
}

static void rows_with_a_pitch(void)
{
	cudaResourceDesc res = {};
	cudaTextureObject_t t;
	size_t pitch;
	float *dev;

	for (int i = 0; i < W * H; i++)
		image[i / W][i % W] = number(-1, 1);
	CHECK(cudaMallocPitch(&dev, &pitch, W * sizeof(float), H));
	CHECK(cudaMemcpy2D(dev, pitch, image, sizeof(image[0]), sizeof(image[0]), H,
			   cudaMemcpyHostToDevice));
	res.resType = cudaResourceTypePitch2D;
	res.res.pitch2D.devPtr = dev;
	res.res.pitch2D.desc = cudaCreateChannelDesc<float>();
	res.res.pitch2D.width = W;
	res.res.pitch2D.height = H;
	res.res.pitch2D.pitchInBytes = pitch;
	for (int border = 0; border < 2; border++) {
		cudaTextureAddressMode mode = border ? cudaAddressModeBorder : cudaAddressModeClamp;
		cudaTextureDesc desc =
			describe(mode, cudaFilterModeLinear, cudaReadModeElementType, 0);

		CHECK(cudaCreateTextureObject(&t, &res, &desc, NULL));
		random_points(-5, W + 5);
		fetch_2d<<<1, N>>>(t, dev_points, dev_out);
		fetch_results("f32:abs:0.01");
		for (int i = 0; i < N; i++)
			expect("rows with a pitch", i, got[4 * i],
			       bilinear(points[3 * i], points[3 * i + 1], mode), 0.01);
		CHECK(cudaDestroyTextureObject(t));
	}
	CHECK(cudaFree(dev));
}

static void arrays_of_bytes(void)
{
	static const cudaTextureAddressMode modes[] = { cudaAddressModeWrap, cudaAddressModeClamp,
							cudaAddressModeMirror,
							cudaAddressModeBorder };
	cudaChannelFormatDesc format = cudaCreateChannelDesc<uchar4>();
	static uchar4 bytes[H][W];
	cudaArray_t a;

	for (int i = 0; i < W * H; i++) {
		unsigned char v = (unsigned char)number(0, 256);

		bytes[i / W][i % W] = make_uchar4(255 - v, v, 0, 255);
		image[i / W][i % W] = v / 255.0f;
	}
	CHECK(cudaMallocArray(&a, &format, W, H));
	CHECK(cudaMemcpy2DToArray(a, 0, 0, bytes, sizeof(bytes[0]), sizeof(bytes[0]), H,
				  cudaMemcpyHostToDevice));
	for (int m = 0; m < 8; m++) {
		cudaTextureFilterMode filter = m / 4 ? cudaFilterModeLinear : cudaFilterModePoint;
		cudaTextureDesc desc =
			describe(modes[m % 4], filter, cudaReadModeNormalizedFloat, 1);
		cudaTextureObject_t t = texture_of(a, &desc);

		random_points(-2, 3);
		fetch_2d4<<<1, N>>>(t, dev_points, dev_out);
		fetch_results(m / 4 ? "f32:abs:0.01" : "f32:abs:1e-6");
		for (int i = 0; i < N; i++) {
			double x = (double)points[3 * i] * W, y = (double)points[3 * i + 1] * H;
			double want = m / 4 ? bilinear(x, y, modes[m % 4]) :
				      texel((int)floor(x), (int)floor(y), modes[m % 4]);

			expect("an array of bytes", i, got[4 * i + 1], want, m / 4 ? 0.01 : 1e-6);
		}
		CHECK(cudaDestroyTextureObject(t));
	}
	CHECK(cudaFreeArray(a));
}

/* Layers and faces */

__global__ void fetch_layers(cudaTextureObject_t t, float *out)
{
	int i = threadIdx.x;

	out[4 * i] = tex2DLayered<float>(t, i % 4 + 0.5f, i / 4 % 4 + 0.5f, i / 16);
}

__global__ void fetch_faces(cudaTextureObject_t t, const float *p, float *out)
{
	int i = threadIdx.x;

	out[4 * i] = texCubemap<float>(t, p[3 * i], p[3 * i + 1], p[3 * i + 2]);
}

/* Texel x, y of a 4 x 4 face, by the table of the guide ("Cubemap textures"). */
static int face_texel(const float *d)
{
	float ax = fabsf(d[0]), ay = fabsf(d[1]), az = fabsf(d[2]), m, s, t;
	int face, x, y;

	if (ax > ay && ax > az) {
		face = d[0] < 0;
		m = ax;
		s = d[0] < 0 ? d[2] : -d[2];
		t = -d[1];
	} else if (ay > az) {
		face = 2 + (d[1] < 0);
		m = ay;
		s = d[0];
		t = d[1] < 0 ? -d[2] : d[2];
	} else {
		face = 4 + (d[2] < 0);
		m = az;
		s = d[2] < 0 ? -d[0] : d[0];
		t = -d[1];
	}
	x = (int)((s / m + 1) / 2 * 4);
	y = (int)((t / m + 1) / 2 * 4);
	return face * 16 + (y > 3 ? 3 : y) * 4 + (x > 3 ? 3 : x);
}

static void layers_and_faces(void)
{
	cudaTextureDesc desc =
		describe(cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, 0);
	cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
	float texels[96];
	cudaTextureObject_t t;
	cudaArray_t a;

	for (int i = 0; i < 96; i++)
		texels[i] = i + 0.25f;
	CHECK(cudaMalloc3DArray(&a, &format, make_cudaExtent(4, 4, 6), cudaArrayLayered));
	upload(a, texels, 16, 4, 4, 6);
	t = texture_of(a, &desc);
	fetch_layers<<<1, N>>>(t, dev_out);
	fetch_results();
	for (int i = 0; i < N; i++)
		expect("layers", i, got[4 * i], texels[i], 0);
	CHECK(cudaDestroyTextureObject(t));
	CHECK(cudaFreeArray(a));

	CHECK(cudaMalloc3DArray(&a, &format, make_cudaExtent(4, 4, 6), cudaArrayCubemap));
	upload(a, texels, 16, 4, 4, 6);
	desc.normalizedCoords = 1;
	t = texture_of(a, &desc);
	random_points(-1, 1);
	fetch_faces<<<1, N>>>(t, dev_points, dev_out);
	fetch_results();
	for (int i = 0; i < N; i++)
		expect("faces", i, got[4 * i], texels[face_texel(points + 3 * i)], 0);
	CHECK(cudaDestroyTextureObject(t));
	CHECK(cudaFreeArray(a));
}

/* Mipmaps: level l is filled with 10 * l by a kernel. */

__global__ void fill_level(cudaSurfaceObject_t s, float value, int edge)
{
	int x = threadIdx.x % 8, y = threadIdx.x / 8;

	if (x < edge && y < edge)
		surf2Dwrite(value, s, x * (int)sizeof(float), y);
}

__global__ void fetch_lod(cudaTextureObject_t t, float *out)
{
	out[4 * threadIdx.x] = tex2DLod<float>(t, 0.4f, 0.6f, threadIdx.x / 16.0f);
}

static void mipmaps(void)
{
	cudaTextureDesc desc =
		describe(cudaAddressModeClamp, cudaFilterModeLinear, cudaReadModeElementType, 1);
	cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
	cudaMipmappedArray_t m;
	cudaResourceDesc res = {};
	cudaTextureObject_t t;

	CHECK(cudaMallocMipmappedArray(&m, &format, make_cudaExtent(8, 8, 0), 4,
				       cudaArraySurfaceLoadStore));
	for (int l = 0; l < 4; l++) {
		cudaSurfaceObject_t s;
		cudaArray_t a;

		CHECK(cudaGetMipmappedArrayLevel(&a, m, l));
		s = surface_of(a);
		fill_level<<<1, 64>>>(s, 10.0f * l, 8 >> l);
		CHECK_LAUNCH();
		CHECK(cudaDestroySurfaceObject(s));
	}
	res.resType = cudaResourceTypeMipmappedArray;
	res.res.mipmap.mipmap = m;
	desc.mipmapFilterMode = cudaFilterModeLinear;
	desc.maxMipmapLevelClamp = 2.5f;
	CHECK(cudaCreateTextureObject(&t, &res, &desc, NULL));
	fetch_lod<<<1, N>>>(t, dev_out);
	fetch_results("f32:abs:0.1");
	for (int i = 0; i < N; i++)
		expect("levels", i, got[4 * i], i < 40 ? i * 10 / 16.0 : 25, 0.1);
	CHECK(cudaDestroyTextureObject(t));
	CHECK(cudaFreeMipmappedArray(m));
}

/* 3D: written as a surface, read as a texture */

__global__ void write_3d(cudaSurfaceObject_t s)
{
	int x = threadIdx.x % 4, y = threadIdx.x / 4 % 4, z = threadIdx.x / 16;

	surf3Dwrite(x + 10.0f * y + 100.0f * z, s, x * (int)sizeof(float), y, z);
}

__global__ void fetch_3d(cudaTextureObject_t t, const float *p, float *out)
{
	int i = threadIdx.x;

	out[4 * i] = tex3D<float>(t, p[3 * i], p[3 * i + 1], p[3 * i + 2]);
}

static void volumes(void)
{
	cudaTextureDesc desc =
		describe(cudaAddressModeClamp, cudaFilterModeLinear, cudaReadModeElementType, 0);
	cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
	cudaTextureObject_t t;
	cudaSurfaceObject_t s;
	cudaArray_t a;

	CHECK(cudaMalloc3DArray(&a, &format, make_cudaExtent(4, 4, 4), cudaArraySurfaceLoadStore));
	s = surface_of(a);
	t = texture_of(a, &desc);
	write_3d<<<1, 64>>>(s);
	random_points(0.5f, 3.5f);		/* where the filter is linear in x, y and z */
	fetch_3d<<<1, N>>>(t, dev_points, dev_out);
	fetch_results("f32:abs:0.5");
	for (int i = 0; i < N; i++)
		expect("a volume", i, got[4 * i],
		       points[3 * i] - 0.5 + 10 * (points[3 * i + 1] - 0.5) +
			       100 * (points[3 * i + 2] - 0.5),
		       0.5);
	CHECK(cudaDestroyTextureObject(t));
	CHECK(cudaDestroySurfaceObject(s));
	CHECK(cudaFreeArray(a));
}

/* Surfaces: write, read, and what happens beyond the edge */

__global__ void write_2d(cudaSurfaceObject_t s)
{
	int x = threadIdx.x % 8, y = threadIdx.x / 8;

	surf2Dwrite(make_short2(x, y), s, x * (int)sizeof(short2), y);
	surf2Dwrite(make_short2(-1, -1), s, -4, y, cudaBoundaryModeZero);
}

__global__ void read_2d(cudaSurfaceObject_t s, float *out)
{
	int x = (int)threadIdx.x % 8 - 2, y = threadIdx.x / 8;
	short2 v = surf2Dread<short2>(s, x * (int)sizeof(short2), y, cudaBoundaryModeClamp);
	short2 zero = surf2Dread<short2>(s, x * (int)sizeof(short2), y, cudaBoundaryModeZero);

	((float4 *)out)[threadIdx.x] = make_float4(v.x, v.y, zero.x, zero.y);
}

static void surfaces(void)
{
	cudaChannelFormatDesc format = cudaCreateChannelDesc<short2>();
	cudaSurfaceObject_t s;
	cudaArray_t a;

	CHECK(cudaMallocArray(&a, &format, 8, 8, cudaArraySurfaceLoadStore));
	s = surface_of(a);
	write_2d<<<1, N>>>(s);
	read_2d<<<1, N>>>(s, dev_out);
	fetch_results();
	for (int i = 0; i < N; i++) {
		int x = i % 8 - 2, y = i / 8;

		expect("a surface's edge", i, got[4 * i], x < 0 ? 0 : x, 0);
		expect("a surface's rows", i, got[4 * i + 1], y, 0);
		expect("outside a surface", i, got[4 * i + 2], x < 0 ? 0 : x, 0);
		expect("outside a surface", i, got[4 * i + 3], x < 0 ? 0 : y, 0);
	}
	CHECK(cudaDestroySurfaceObject(s));
	CHECK(cudaFreeArray(a));
}

/* The four texels of a filter */

__global__ void gather(cudaTextureObject_t t, const float *p, float *out)
{
	((float4 *)out)[threadIdx.x] =
		tex2Dgather<float4>(t, p[3 * threadIdx.x], p[3 * threadIdx.x + 1], 0);
}

static void four_texels(void)
{
	static const int order[4][2] = { { 0, 1 }, { 1, 1 }, { 1, 0 }, { 0, 0 } };
	cudaTextureDesc desc =
		describe(cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, 0);
	cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
	cudaTextureObject_t t;
	cudaArray_t a;

	CHECK(cudaMallocArray(&a, &format, W, H, cudaArrayTextureGather));
	CHECK(cudaMemcpy2DToArray(a, 0, 0, image, sizeof(image[0]), sizeof(image[0]), H,
				  cudaMemcpyHostToDevice));
	t = texture_of(a, &desc);
	/* away from the middle of texels, where a few bits more or less choose others */
	random_points(0, W);
	for (int i = 0; i < 3 * N; i++)
		points[i] =
			floorf(points[i]) + (points[i] - floorf(points[i]) < 0.5f ? 0.25f : 0.75f);
	CHECK(cudaMemcpy(dev_points, points, sizeof(points), cudaMemcpyHostToDevice));
	gather<<<1, N>>>(t, dev_points, dev_out);
	fetch_results();
	for (int i = 0; i < N; i++)
		for (int c = 0; c < 4; c++)
			expect("four texels", i, got[4 * i + c],
			       texel((int)floor(points[3 * i] - 0.5) + order[c][0],
				     (int)floor(points[3 * i + 1] - 0.5) + order[c][1],
				     cudaAddressModeClamp), 0);
	CHECK(cudaDestroyTextureObject(t));
	CHECK(cudaFreeArray(a));
}

int main(void)
{
	CHECK(cudaMalloc(&dev_points, sizeof(points)));
	CHECK(cudaMalloc(&dev_out, sizeof(got)));
	CHECK(cudaMemset(dev_out, 0, sizeof(got)));
	linear_memory();
	rows_with_a_pitch();
	arrays_of_bytes();
	layers_and_faces();
	mipmaps();
	volumes();
	surfaces();
	four_texels();
	return pass();
}
