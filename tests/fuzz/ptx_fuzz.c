/* SPDX-License-Identifier: MIT */
/*
 * ptx_fuzz.c - parses and links any bytes as PTX: with libFuzzer, or the files that it is given
 *
 * A line "//----" parts several texts that are linked together. Whatever the text, sg_module_create() says yes or
 * names an error; memory is given back (LeakSanitizer), and time is linear (libFuzzer's -timeout).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define MAX_TEXTS 4
#define MARK "//----\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char message[256];
	struct sg_log log = { message, sizeof(message), 0 };
	struct sg_ptx ptx[MAX_TEXTS];
	const char *at = (const char *)data, *end = at + size, *next;
	struct sg_module *m = NULL;
	enum sg_result res;
	size_t nr = 0;

	do {
		next = nr + 1 < MAX_TEXTS ? memmem(at, (size_t)(end - at), MARK, sizeof(MARK) - 1) : NULL;
		ptx[nr++] = (struct sg_ptx){ at, (size_t)((next ? next : end) - at) };
		at = next ? next + sizeof(MARK) - 1 : end;
	} while (next);
	res = sg_module_create(ptx, nr, &m, &log);
	if (!res != !!m || (res && !message[0]))
		abort();
	if (m)
		sg_module_destroy(m);
	return 0;
}

#ifdef PTX_FUZZ_MAIN
/* Speaks TAP: each file went through. */
int main(int argc, char **argv)
{
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		uint8_t *data = NULL;
		size_t size = 0;

		/* the exact size: a sanitizer then sees each byte read beyond it */
		if (f && !fseek(f, 0, SEEK_END) && ftell(f) >= 0)
			size = (size_t)ftell(f);
		data = malloc(size ? size : 1);
		if (f)
			rewind(f);
		if (!f || !data || fread(data, 1, size, f) != size) {
			printf("Bail out! cannot read %s\n", argv[i]);
			return 1;
		}
		fclose(f);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
		printf("ok %d %s\n", i, argv[i]);
		fflush(stdout);
	}
	return 0;
}
#endif
