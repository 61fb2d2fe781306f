/* SPDX-License-Identifier: MIT */
#ifndef IMAGEIO_H
#define IMAGEIO_H

/* Rows of red, green, blue, without gaps. */
struct image {
	unsigned width, height;
	unsigned char *rgb;
};

#ifdef __cplusplus
extern "C" {
#endif

/* PNG or JPEG, as the first bytes say. 0, or -1 after a line on stderr; free image->rgb. */
int image_read(struct image *image, const char *path);

/* PNG. 0, or -1 after a line on stderr. */
int image_write(const struct image *image, const char *path);

#ifdef __cplusplus
}
#endif

#endif
