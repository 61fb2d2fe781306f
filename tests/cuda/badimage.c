/* SPDX-License-Identifier: MIT */
/*
 * Kernel images that are none: each is refused by name, and leaves the context as it was. The
 * buffers end in zeroes, so that a driver that believes a length or looks for the end of a text
 * stays inside them.
 */
#include "increment.h"

#define IMAGE_SIZE 4096

static void expect_refusal(const char *what, const void *image)
{
	CUmodule module;
	CUresult result = cuModuleLoadData(&module, image);

	printf("%s: %s\n", what, DRV_NAME(result));
	switch (result) {
	case CUDA_ERROR_INVALID_IMAGE:
	case CUDA_ERROR_INVALID_PTX:
	case CUDA_ERROR_NO_BINARY_FOR_GPU:
	case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
		return;
	default:
		fail("%s was not refused as a bad image", what);
	}
}

static void text_images(void)
{
	char image[IMAGE_SIZE] = "";

	strcpy(image, "an image this is not, but words; and { a brace");
	expect_refusal("words", image);

	memset(image, 0, sizeof(image));
	memcpy(image, increment_ptx, sizeof(increment_ptx) * 2 / 3);
	expect_refusal("PTX cut short", image);

	memset(image, 0, sizeof(image));
	strcpy(image, increment_ptx);
	memcpy(strstr(image, "add.u32"), "bad.u32", 7);
	expect_refusal("PTX with an unknown instruction", image);
}

/* The outer header of a fat binary as nvcc writes it, in front of nothing. */
static void binary_images(void)
{
	_Alignas(8) unsigned image[IMAGE_SIZE / 4] = { 0 };

	image[0] = 0x0badf00d;		/* 0xba55ed50 would be right */
	image[1] = 0x00100001;		/* version 1, a header of 16 bytes */
	image[2] = IMAGE_SIZE - 16;
	expect_refusal("a fat binary of wrong magic", image);

	memset(image, 0, sizeof(image));
	memcpy(image, "\177ELF\2\1\1", 7);
	expect_refusal("the first bytes of an ELF file", image);
}

int main(void)
{
	open_context();
	text_images();
	binary_images();
	increment(3);
	return pass();
}
