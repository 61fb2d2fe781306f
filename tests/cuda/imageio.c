/* SPDX-License-Identifier: MIT */
/* Pictures from PNG (libpng's simplified interface) and JPEG, and back to PNG. */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "imageio.h"

#define PIXELS_MAX (1u << 26)

struct jpeg_failure {
	struct jpeg_error_mgr base;
	const char *path;
	jmp_buf back;
};

static int refuse(const char *path, const char *why)
{
	fprintf(stderr, "%s: %s\n", path, why);
	return -1;
}

/* A header is all that a hostile file needs to ask for gigabytes: the size is looked at first. */
static int allocate(struct image *image, const char *path, unsigned width, unsigned height)
{
	if (!width || !height || width > PIXELS_MAX / height)
		return refuse(path, "the picture is empty or too large");
	image->rgb = malloc((size_t)width * height * 3);
	if (!image->rgb)
		return refuse(path, strerror(ENOMEM));
	image->width = width;
	image->height = height;
	return 0;
}

static int read_png(struct image *image, FILE *file, const char *path)
{
	png_image png = { .version = PNG_IMAGE_VERSION };

	if (!png_image_begin_read_from_stdio(&png, file))
		return refuse(path, png.message);
	png.format = PNG_FORMAT_RGB;
	if (allocate(image, path, png.width, png.height)) {
		png_image_free(&png);
		return -1;
	}
	if (!png_image_finish_read(&png, &(png_color){ 255, 255, 255 }, image->rgb, 0, NULL)) {
		free(image->rgb);
		image->rgb = NULL;
		return refuse(path, png.message);
	}
	return 0;
}

/* libjpeg's own handler ends the process. */
static void jpeg_failed(j_common_ptr jpeg)
{
	struct jpeg_failure *failure = (struct jpeg_failure *)jpeg->err;
	char message[JMSG_LENGTH_MAX];

	jpeg->err->format_message(jpeg, message);
	refuse(failure->path, message);
	longjmp(failure->back, 1);
}

static int read_jpeg(struct image *image, FILE *file, const char *path)
{
	struct jpeg_decompress_struct jpeg;
	struct jpeg_failure failure = { .path = path };

	jpeg.err = jpeg_std_error(&failure.base);
	failure.base.error_exit = jpeg_failed;
	if (setjmp(failure.back))
		goto fail;
	jpeg_create_decompress(&jpeg);
	jpeg_stdio_src(&jpeg, file);
	jpeg_read_header(&jpeg, TRUE);
	jpeg.out_color_space = JCS_RGB;
	jpeg_start_decompress(&jpeg);
	if (allocate(image, path, jpeg.output_width, jpeg.output_height))
		goto fail;
	while (jpeg.output_scanline < jpeg.output_height) {
		JSAMPROW row = image->rgb + (size_t)jpeg.output_scanline * image->width * 3;

		jpeg_read_scanlines(&jpeg, &row, 1);
	}
	jpeg_finish_decompress(&jpeg);
	if (failure.base.num_warnings) {	/* libjpeg fills what is missing with grey */
		refuse(path, "the picture is damaged or cut short");
		goto fail;
	}
	jpeg_destroy_decompress(&jpeg);
	return 0;
fail:
	jpeg_destroy_decompress(&jpeg);
	free(image->rgb);
	image->rgb = NULL;
	return -1;
}

int image_read(struct image *image, const char *path)
{
	static const unsigned char png_magic[4] = { 0x89, 'P', 'N', 'G' };
	static const unsigned char jpeg_magic[3] = { 0xff, 0xd8, 0xff };
	unsigned char magic[4] = { 0 };
	FILE *file = fopen(path, "rb");
	int ret;

	memset(image, 0, sizeof(*image));
	if (!file)
		return refuse(path, strerror(errno));
	if (fread(magic, 1, sizeof(magic), file) < sizeof(magic))
		ret = refuse(path, "too short for a picture");
	else if (fseek(file, 0, SEEK_SET))
		ret = refuse(path, strerror(errno));
	else if (!memcmp(magic, png_magic, sizeof(png_magic)))
		ret = read_png(image, file, path);
	else if (!memcmp(magic, jpeg_magic, sizeof(jpeg_magic)))
		ret = read_jpeg(image, file, path);
	else
		ret = refuse(path, "neither PNG nor JPEG");
	fclose(file);
	return ret;
}

int image_write(const struct image *image, const char *path)
{
	png_image png = {
		.version = PNG_IMAGE_VERSION,
		.width = image->width,
		.height = image->height,
		.format = PNG_FORMAT_RGB,
	};

	if (!png_image_write_to_file(&png, path, 0, image->rgb, 0, NULL))
		return refuse(path, png.message);
	return 0;
}
