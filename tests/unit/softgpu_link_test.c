/* SPDX-License-Identifier: MIT */
/*
 * softgpu_link_test.c - several inputs into one image: cuLink*, wrappers of -rdc, images in files
 */
#include <fcntl.h>
#include <libgen.h>

#include "softgpu_child.h"

#define USER								\
	PTX_HEAD							\
	".extern .func (.param .b32 r) twice(.param .b32 v);\n"		\
	".extern .global .u32 offset;\n"				\
	".visible .entry across(.param .u64 p) {\n"			\
	"\t.reg .b64 a;\n\t.reg .b32 v, o;\n"				\
	"\tld.param.u64 a, [p];\n\tld.global.b32 v, [a];\n"		\
	"\t{\n\t.param .b32 in;\n\t.param .b32 out;\n"			\
	"\tst.param.b32 [in], v;\n\tcall.uni (out), twice, (in);\n"	\
	"\tld.param.b32 v, [out];\n\t}\n"				\
	"\tld.global.b32 o, [offset];\n\tadd.s32 v, v, o;\n"		\
	"\tst.global.b32 [a], v;\n\tret;\n}\n"

#define DEFINER								\
	PTX_HEAD							\
	".visible .global .u32 offset = 5;\n"				\
	".visible .func (.param .b32 r) twice(.param .b32 v) {\n"	\
	"\t.reg .b32 x;\n\tld.param.b32 x, [v];\n\tadd.s32 x, x, x;\n"	\
	"\tst.param.b32 [r], x;\n\tret;\n}\n"

static char log_text[400];
static void *log_values[2];
static char *directory;		/* of the objects that nvcc made */

static CUlinkState create(void)
{
	static CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER,
					  CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	CUlinkState st;

	log_values[0] = log_text;
	log_values[1] = (void *)sizeof(log_text);
	OK(cuLinkCreate(2, options, log_values, &st));
	return st;
}

static CUresult add_text(CUlinkState st, const char *text)
{
	return cuLinkAddData(st, CU_JIT_INPUT_PTX, (void *)text, strlen(text) + 1, "a text", 0, NULL,
			     NULL);
}

static void log_says(const char *want)
{
	if (!strstr(log_text, want))
		fprintf(stderr, "log: %s\n", log_text);
	TRUE(strstr(log_text, want));
	IS((size_t)log_values[1], strlen(log_text));
}

/* 2 * 4 + 5 */
static void runs(CUmodule m)
{
	CUdeviceptr p;
	CUfunction f;
	void *params[] = { &p };
	int v = 4;

	OK(cuModuleGetFunction(&f, m, "across"));
	OK(cuMemAlloc(&p, sizeof(v)));
	OK(cuMemcpyHtoD(p, &v, sizeof(v)));
	OK(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	OK(cuMemcpyDtoH(&v, p, sizeof(v)));
	IS(v, 13);
	OK(cuMemFree(p));
}

static void complete_and_run(CUlinkState st)
{
	void *cubin;
	size_t size;
	CUmodule m;

	OK(cuLinkComplete(st, &cubin, &size));
	TRUE(size > 64);
	OK(cuModuleLoadData(&m, cubin));
	runs(m);
	OK(cuModuleUnload(m));
	OK(cuLinkDestroy(st));
	IS(cuLinkDestroy(st), CUDA_ERROR_INVALID_HANDLE);
}

static void texts(void)
{
	CUlinkState st;

	IS(cuLinkCreate(0, NULL, NULL, &st), CUDA_ERROR_NOT_INITIALIZED);
	open_device(0);
	st = create();
	OK(add_text(st, USER));
	OK(add_text(st, DEFINER));
	complete_and_run(st);
}

static void texts_are_linked(void **state)
{
	(void)state;
	IN_CHILD(texts, NULL);
}

/* The image outlives the state once it is loaded, and is an input and a library as well. */
static void again(void)
{
	CUlinkState st, next;
	CUlibrary lib;
	CUmodule m;
	void *cubin;
	size_t size;

	open_device(0);
	st = create();
	OK(add_text(st, USER));
	OK(add_text(st, DEFINER));
	OK(cuLinkComplete(st, &cubin, &size));
	IS(add_text(st, DEFINER), CUDA_ERROR_INVALID_VALUE);
	next = create();
	OK(cuLinkAddData(next, CU_JIT_INPUT_CUBIN, cubin, size, "cubin", 0, NULL, NULL));
	for (size_t n = 0; n < size; n += n < 320 ? 1 : 61)
		TRUE(cuLinkAddData(next, CU_JIT_INPUT_CUBIN, cubin, n, "cut", 0, NULL, NULL));
	OK(cuLibraryLoadData(&lib, cubin, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLinkDestroy(st));
	OK(cuLibraryGetModule(&m, lib));
	runs(m);
	complete_and_run(next);
}

static void a_linked_image_is_an_image(void **state)
{
	(void)state;
	IN_CHILD(again, NULL);
}

static void bad_inputs(void)
{
	static const char nvvm[] = "BC\xc0\xde and so on";
	CUlinkState st;
	void *cubin;
	size_t size;

	open_device(0);
	st = create();
	IS(cuLinkComplete(st, &cubin, &size), CUDA_ERROR_INVALID_VALUE);
	IS(add_text(st, PTX_HEAD ".visible .entry k() {\n\tfoo.s32 1;\n}\n"),
	   CUDA_ERROR_INVALID_PTX);
	log_says("a text: line 5, column 2: unknown instruction 'foo.s32'");
	IS(add_text(st, ".version 9.7\n.target sm_75\n"), CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
	IS(cuLinkAddData(st, CU_JIT_INPUT_NVVM, (void *)nvvm, sizeof(nvvm), "lto", 0, NULL, NULL),
	   CUDA_ERROR_NO_BINARY_FOR_GPU);
	TRUE(strstr(log_text, "NVVM"));
	IS(cuLinkAddData(st, CU_JIT_INPUT_OBJECT, (void *)nvvm, sizeof(nvvm), "o", 0, NULL, NULL),
	   CUDA_ERROR_INVALID_IMAGE);
	IS(cuLinkAddData(st, CU_JIT_INPUT_FATBINARY, (void *)nvvm, sizeof(nvvm), "f", 0, NULL, NULL),
	   CUDA_ERROR_INVALID_IMAGE);
	IS(cuLinkAddData(st, 77, (void *)nvvm, sizeof(nvvm), "f", 0, NULL, NULL),
	   CUDA_ERROR_INVALID_VALUE);
	IS(cuLinkAddData(st, CU_JIT_INPUT_PTX, NULL, 4, "f", 0, NULL, NULL),
	   CUDA_ERROR_INVALID_VALUE);
	IS(cuLinkAddFile(st, CU_JIT_INPUT_PTX, "/nowhere/at/all", 0, NULL, NULL),
	   CUDA_ERROR_FILE_NOT_FOUND);
	IS(cuLinkAddFile(st, CU_JIT_INPUT_PTX, "/", 0, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	/* None of them spoils the rest. */
	OK(add_text(st, USER));
	OK(add_text(st, DEFINER));
	complete_and_run(st);
}

static void bad_inputs_are_refused_with_the_reason(void **state)
{
	(void)state;
	IN_CHILD(bad_inputs, NULL);
}

static void unresolved(void)
{
	CUlinkState st;
	void *cubin;
	size_t size;

	open_device(0);
	st = create();
	OK(add_text(st, USER));
	IS(cuLinkComplete(st, &cubin, &size), CUDA_ERROR_UNKNOWN);
	log_says("unresolved");
	OK(add_text(st, DEFINER));
	complete_and_run(st);
	st = create();
	OK(add_text(st, DEFINER));
	OK(add_text(st, DEFINER));
	IS(cuLinkComplete(st, &cubin, &size), CUDA_ERROR_UNKNOWN);
	log_says("is defined in two texts");
}

static void symbols_are_defined_once(void **state)
{
	(void)state;
	IN_CHILD(unresolved, NULL);
}

static const char *path_of(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/link/%s", directory, name);
	return path;
}

static void objects(void)
{
	CUlinkState st;

	open_device(0);
	st = create();
	OK(cuLinkAddFile(st, CU_JIT_INPUT_OBJECT, path_of("1.o"), 0, NULL, NULL));
	OK(cuLinkAddFile(st, CU_JIT_INPUT_OBJECT, path_of("2.o"), 0, NULL, NULL));
	complete_and_run(st);
	st = create();
	OK(cuLinkAddFile(st, CU_JIT_INPUT_LIBRARY, path_of("both.a"), 0, NULL, NULL));
	complete_and_run(st);
	/* A host object without device code. */
	st = create();
	IS(cuLinkAddFile(st, CU_JIT_INPUT_OBJECT, path_of("../file.o"), 0, NULL, NULL),
	   CUDA_ERROR_NO_BINARY_FOR_GPU);
}

static void nvcc_objects_and_libraries_are_linked(void **state)
{
	(void)state;
	IN_CHILD(objects, NULL);
}

/* sass.a is for another device alone: passed over as long as nothing of it is wanted. */
static void passed_over(void)
{
	CUlinkState st;
	void *cubin;
	size_t size;

	open_device(0);
	st = create();
	OK(cuLinkAddFile(st, CU_JIT_INPUT_LIBRARY, path_of("sass.a"), 0, NULL, NULL));
	IS(cuLinkComplete(st, &cubin, &size), CUDA_ERROR_NO_BINARY_FOR_GPU);
	log_says("sass.a was passed over: no kernel image for this device: there is only machine code (sm_75)");
	OK(add_text(st, USER));
	IS(cuLinkComplete(st, &cubin, &size), CUDA_ERROR_UNKNOWN);
	log_says("unresolved");
	log_says("build with -gencode arch=compute_");
	OK(add_text(st, DEFINER));
	complete_and_run(st);
	st = create();
	IS(cuLinkAddFile(st, CU_JIT_INPUT_OBJECT, path_of("sass.o"), 0, NULL, NULL), CUDA_ERROR_NO_BINARY_FOR_GPU);
	log_says("sass.o: no kernel image for this device: there is only machine code (sm_75)");
}

static void libraries_for_other_devices_are_passed_over(void **state)
{
	(void)state;
	IN_CHILD(passed_over, NULL);
}

#define GRID_KERNEL							\
	PTX_HEAD							\
	".extern .func (.param .b64 r) cudaCGGetIntrinsicHandle(.param .b32 s);\n"			\
	".extern .func (.param .b32 r) cudaCGSynchronize(.param .b64 h, .param .b32 f);\n"		\
	".extern .func (.param .b32 r) cudaCGSynchronizeGrid(.param .b64 h, .param .b32 f);\n"		\
	".extern .func (.param .b32 r) cudaCGGetSize(.param .b64 t, .param .b64 g, .param .b64 h);\n"	\
	".extern .func (.param .b32 r) cudaCGGetRank(.param .b64 t, .param .b64 g, .param .b64 h);\n"	\
	".visible .entry grid(.param .u64 p) {\n"			\
	"\t.reg .pred n;\n\t.reg .b64 a, c, h, o;\n\t.reg .b32 v, e, s;\n"	\
	"\t.local .align 4 .b32 mine[4];\n"				\
	"\tld.param.b64 a, [p];\n"					\
	"\t{ .param .b32 s; .param .b64 r;\n\tst.param.b32 [s], 1;\n"	\
	"\tcall.uni (r), cudaCGGetIntrinsicHandle, (s);\n\tld.param.b64 h, [r]; }\n"	\
	"\tred.global.add.u32 [a], 1;\n"				\
	"\t{ .param .b64 i; .param .b32 f; .param .b32 r;\n"		\
	"\tst.param.b64 [i], h;\n\tst.param.b32 [f], 0;\n"		\
	"\tcall.uni (r), cudaCGSynchronize, (i, f);\n\tld.param.b32 e, [r]; }\n"	\
	"\tld.volatile.global.u32 s, [a];\n"				\
	"\t{ .param .b64 i; .param .b32 f; .param .b32 r;\n"		\
	"\tst.param.b64 [i], h;\n\tst.param.b32 [f], 0;\n"		\
	"\tcall.uni (r), cudaCGSynchronizeGrid, (i, f);\n\tld.param.b32 v, [r];\n\tor.b32 e, e, v; }\n"	\
	"\tcvta.local.u64 c, mine;\n\tadd.u64 o, c, 4;\n"		\
	"\tst.local.b32 [mine], 0;\n\tst.local.b32 [mine+4], 7;\n"	\
	"\t{ .param .b64 t; .param .b64 g; .param .b64 i; .param .b32 r;\n"	\
	"\tst.param.b64 [t], c;\n\tst.param.b64 [g], o;\n\tst.param.b64 [i], h;\n"	\
	"\tcall.uni (r), cudaCGGetRank, (t, g, i);\n\tld.param.b32 v, [r];\n\tor.b32 e, e, v; }\n"	\
	"\tld.local.b32 v, [mine+4];\n\tor.b32 e, e, v;\n"		\
	"\tadd.u64 c, c, 8;\n\tadd.u64 o, c, 4;\n\tst.local.b32 [mine+8], 0;\n"	\
	"\t{ .param .b64 t; .param .b64 g; .param .b64 i; .param .b32 r;\n"	\
	"\tst.param.b64 [t], c;\n\tst.param.b64 [g], 0;\n\tst.param.b64 [i], h;\n"	\
	"\tcall.uni (r), cudaCGGetSize, (t, g, i);\n\tld.param.b32 v, [r];\n\tor.b32 e, e, v; }\n"	\
	"\tld.local.b32 v, [mine];\n\tmad.wide.u32 a, v, 16, a;\n"	\
	"\tadd.u64 a, a, 16;\n\tst.global.b32 [a], e;\n\tst.global.b32 [a+4], s;\n"	\
	"\tld.local.b32 s, [mine+8];\n\tst.global.b32 [a+8], s;\n\tret;\n}\n"

/* The threads of 2 x 3 blocks of 5 x 2 x 3: each has counted before any reads the count. */
static void grid(void)
{
	enum { THREADS = 6 * 30 };
	unsigned int host[4 + 4 * THREADS];
	CUdeviceptr p;
	CUfunction f;
	CUmodule m;
	void *params[] = { &p };

	open_device(0);
	OK(cuModuleLoadData(&m, GRID_KERNEL));
	OK(cuModuleGetFunction(&f, m, "grid"));
	OK(cuMemAlloc(&p, sizeof(host)));
	OK(cuMemsetD8(p, 0, sizeof(host)));
	OK(cuLaunchCooperativeKernel(f, 2, 3, 1, 5, 2, 3, 0, NULL, params));
	OK(cuMemcpyDtoH(host, p, sizeof(host)));
	IS(host[0], THREADS);
	for (unsigned int i = 0; i < THREADS; i++) {
		IS(host[4 + 4 * i], 0);
		IS(host[5 + 4 * i], THREADS);
		IS(host[6 + 4 * i], THREADS);
	}
	/* Without the cooperation there is no handle: cudaErrorInvalidValue, and nobody waits. */
	OK(cuMemsetD8(p, 0, sizeof(host)));
	OK(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL));
	OK(cuMemcpyDtoH(host, p, sizeof(host)));
	IS(host[4], 1 | 7);
}

static void the_device_runtime_of_cooperative_groups_is_there(void **state)
{
	(void)state;
	IN_CHILD(grid, NULL);
}

static size_t read_file(const char *path, char *p, size_t max)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, p, max);

	TRUE(fd >= 0 && n > 0 && (size_t)n < max);
	close(fd);
	return (size_t)n;
}

/* Cut off anywhere, or with a byte changed: an error or another image, never a crash. */
static void damaged(void)
{
	static char whole[1 << 20];
	size_t n = read_file(path_of("both.a"), whole, sizeof(whole));
	CUlinkState st;
	char *p;

	open_device(0);
	st = create();
	for (size_t i = 1; i < n; i += 97) {
		p = malloc(i);
		memcpy(p, whole, i);
		cuLinkAddData(st, CU_JIT_INPUT_LIBRARY, p, i, "cut", 0, NULL, NULL);
		free(p);
	}
	p = malloc(n);
	for (size_t i = 0; i < n; i += 41) {
		memcpy(p, whole, n);
		p[i] ^= 0x81;
		cuLinkAddData(st, CU_JIT_INPUT_LIBRARY, p, n, "changed", 0, NULL, NULL);
	}
	OK(cuLinkDestroy(st));
}

static void damaged_libraries_are_survived(void **state)
{
	(void)state;
	IN_CHILD(damaged, NULL);
}

/* The wrapper of -rdc: a list of fatbins, here of one stored text each. */
struct fatbin {
	uint32_t magic;
	uint16_t version, header;
	uint64_t size;
	unsigned char entry[64], text[1024];
};

static void make(struct fatbin *f, const char *text)
{
	memset(f, 0, sizeof(*f));
	f->magic = 0xba55ed50;
	f->version = 1;
	f->header = 16;
	f->size = sizeof(f->entry) + sizeof(f->text);
	*(uint16_t *)f->entry = 1;
	*(uint16_t *)(f->entry + 2) = 0x101;
	*(uint32_t *)(f->entry + 4) = 64;
	*(uint64_t *)(f->entry + 8) = sizeof(f->text);
	*(uint32_t *)(f->entry + 28) = 75;
	*(uint64_t *)(f->entry + 40) = 0x11;
	strcpy((char *)f->text, text);
}

static void wrapper(void)
{
	static struct fatbin user, definer;
	const void *both[] = { &user, &definer, NULL }, *one[] = { &user, NULL };
	const void *twice[] = { &user, &definer, &definer, NULL };
	struct {
		uint32_t magic, version;
		const void *data;
		const void **list;
	} w = { 0x466243b1, 2, NULL, both };
	CUlibrary lib;
	CUmodule m;

	make(&user, USER);
	make(&definer, DEFINER);
	open_device(0);
	OK(cuModuleLoadData(&m, &w));
	runs(m);
	OK(cuLibraryLoadData(&lib, &w, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetModule(&m, lib));
	runs(m);
	w.list = one;
	IS(cuModuleLoadData(&m, &w), CUDA_ERROR_INVALID_PTX);
	w.list = twice;
	IS(cuModuleLoadData(&m, &w), CUDA_ERROR_INVALID_PTX);
}

static void a_wrapper_of_separate_units_is_linked(void **state)
{
	(void)state;
	IN_CHILD(wrapper, NULL);
}

static const char *write_file(const char *text, size_t n)
{
	static char path[64];
	int fd;

	strcpy(path, "/tmp/softgpu-link-XXXXXX");
	fd = mkstemp(path);
	TRUE(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	close(fd);
	return path;
}

static void files(void)
{
	struct fatbin f;
	const char *path;
	unsigned int n;
	CUlibrary lib;
	CUmodule m;

	open_device(0);
	path = write_file(DEFINER, strlen(DEFINER));	/* without a NUL */
	OK(cuModuleLoad(&m, path));
	OK(cuLibraryLoadFromFile(&lib, path, NULL, NULL, 0, NULL, NULL, 0));
	OK(cuLibraryGetKernelCount(&n, lib));
	IS(n, 0);
	unlink(path);
	IS(cuModuleLoad(&m, path), CUDA_ERROR_FILE_NOT_FOUND);
	IS(cuLibraryLoadFromFile(&lib, path, NULL, NULL, 0, NULL, NULL, 0),
	   CUDA_ERROR_FILE_NOT_FOUND);
	make(&f, DEFINER);
	path = write_file((char *)&f, sizeof(f));
	OK(cuModuleLoad(&m, path));
	unlink(path);
	path = write_file((char *)&f, sizeof(f) - 1);
	IS(cuModuleLoad(&m, path), CUDA_ERROR_INVALID_IMAGE);
	unlink(path);
}

static void images_come_from_files(void **state)
{
	(void)state;
	IN_CHILD(files, NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_linked),
		cmocka_unit_test(a_linked_image_is_an_image),
		cmocka_unit_test(bad_inputs_are_refused_with_the_reason),
		cmocka_unit_test(symbols_are_defined_once),
		cmocka_unit_test(nvcc_objects_and_libraries_are_linked),
		cmocka_unit_test(libraries_for_other_devices_are_passed_over),
		cmocka_unit_test(the_device_runtime_of_cooperative_groups_is_there),
		cmocka_unit_test(damaged_libraries_are_survived),
		cmocka_unit_test(a_wrapper_of_separate_units_is_linked),
		cmocka_unit_test(images_come_from_files),
	};

	(void)argc;
	directory = dirname(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
