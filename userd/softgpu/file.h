/* SPDX-License-Identifier: MIT */
/*
 * file.h - images in files
 */
#ifndef SOFTGPU_FILE_H
#define SOFTGPU_FILE_H

#include <stddef.h>

#include "api.h"

/*
 * Reads all of a file, and puts enough NULs behind it to end a text and the header of an image that
 * was cut off; the caller frees it. CUDA_ERROR_FILE_NOT_FOUND: it cannot be opened;
 * CUDA_ERROR_INVALID_VALUE: it is empty or no file.
 */
CUresult file_read(const char *path, char **data, size_t *size);
/* The same for an image, which has to be whole. CUDA_ERROR_INVALID_IMAGE: it is not. */
CUresult file_read_image(const char *path, char **data);

#endif
