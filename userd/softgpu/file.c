/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fatbin.h"

#define TAIL	64

static CUresult read_all(int fd, char *p, size_t size)
{
	while (size) {
		ssize_t n = read(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)	/* it became shorter */
			return CUDA_ERROR_OPERATING_SYSTEM;
		p += n;
		size -= (size_t)n;
	}
	return CUDA_SUCCESS;
}

CUresult file_read(const char *path, char **data, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CUresult r = CUDA_ERROR_INVALID_VALUE;
	struct stat st;

	if (fd < 0)
		return CUDA_ERROR_FILE_NOT_FOUND;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		goto close_fd;
	*size = (size_t)st.st_size;
	*data = calloc(1, *size + TAIL);
	r = *data ? read_all(fd, *data, *size) : CUDA_ERROR_OUT_OF_MEMORY;
	if (r != CUDA_SUCCESS)
		free(*data);
close_fd:
	close(fd);
	return r;
}

CUresult file_read_image(const char *path, char **data)
{
	size_t size, whole;
	CUresult r = file_read(path, data, &size);

	if (r != CUDA_SUCCESS)
		return r;
	/* A text in a file need not end with a NUL; there is one behind it. */
	if (image_form(*data, size) == IMAGE_TEXT)
		size++;
	if (image_form(*data, size) != IMAGE_WRAPPER && image_size(*data, size, &whole))
		return CUDA_SUCCESS;
	free(*data);
	return CUDA_ERROR_INVALID_IMAGE;
}
