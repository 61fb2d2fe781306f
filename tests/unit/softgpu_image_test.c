/* SPDX-License-Identifier: MIT */
/*
 * softgpu_image_test.c - what is said of an image that cannot be loaded, in every form that an image has
 * and by each call that takes one: a mistake in the PTX, machine code alone
 */
#include <fcntl.h>
#include <zstd.h>

#include "fatbin.h"
#include "softgpu_child.h"

#define GOOD PTX_HEAD ".visible .entry k(.param .u64 p) {\n\t.reg .b64 a;\n\tld.param.b64 a, [p];\n\tret;\n}\n"
#define BAD PTX_HEAD ".visible .entry k(.param .u64 p) {\n\t.reg .b64 a;\n\tld.param.b64 a, [p];\n\tfrob.u32 a;\n\tret;\n}\n"
#define BAD_SAYS "line 7, column 2: unknown instruction 'frob.u32'"
#define TEXT_MAX 4096

struct fatbin {
	uint32_t magic;
	uint16_t version, header;
	uint64_t size;
	struct {
		uint16_t kind, unknown;
		uint32_t header;
		uint64_t padded;
		uint32_t compressed, unknown2[2], arch;
		uint64_t unknown3, flags, unknown4, plain;
	} entry;
	unsigned char payload[TEXT_MAX];
};

/* One block of literals alone. */
static size_t lz4_literals(unsigned char *out, const char *text, size_t n)
{
	unsigned char *p = out;
	size_t left = n - 15;

	*p++ = 0xf0;
	for (; left >= 255; left -= 255)
		*p++ = 255;
	*p++ = (unsigned char)left;
	memcpy(p, text, n);
	return (size_t)(p - out) + n;
}

static void make_fatbin(struct fatbin *f, const char *text, enum fatbin_codec codec)
{
	size_t n = strlen(text) + 1;

	memset(f, 0, sizeof(*f));
	f->magic = FATBIN_MAGIC;
	f->version = 1;
	f->header = 16;
	f->entry.kind = FATBIN_PTX;
	f->entry.unknown = 0x101;
	f->entry.header = sizeof(f->entry);
	f->entry.arch = 75;
	f->entry.flags = 0x10 | FATBIN_F_64BIT;
	f->entry.padded = TEXT_MAX;
	f->size = sizeof(f->entry) + TEXT_MAX;
	if (codec == FATBIN_STORED) {
		memcpy(f->payload, text, n);
		return;
	}
	f->entry.flags |= codec == FATBIN_LZ4 ? FATBIN_F_LZ4 : FATBIN_F_ZSTD;
	f->entry.plain = n;
	f->entry.compressed = (uint32_t)(codec == FATBIN_LZ4 ? lz4_literals(f->payload, text, n) :
					 ZSTD_compress(f->payload, TEXT_MAX, text, n, 3));
}

static char log_text[1024];
static void *log_values[2];
static CUjit_option log_options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };

static void **fresh_log(void)
{
	memset(log_text, 0, sizeof(log_text));
	log_values[0] = log_text;
	log_values[1] = (void *)sizeof(log_text);
	return log_values;
}

static void check(const char *form, const char *call, CUresult got, CUresult want, const char *says)
{
	if (got == want && (!says || strstr(log_text, says)) && (!says || (size_t)log_values[1] == strlen(log_text)))
		return;
	fprintf(stderr, "%s by %s: %d, not %d; log (%zu): %s\n", form, call, got, want, (size_t)log_values[1], log_text);
	_exit(1);
}

/* By each call; a linker is told what it gets, and does not take pointers to fatbins of another program. */
static void load(const char *form, const void *image, size_t size, CUjitInputType type, CUresult want, const char *says)
{
	CUlinkState st;
	CUlibrary lib;
	CUmodule m;
	CUresult r;

	r = cuModuleLoadDataEx(&m, image, 2, log_options, fresh_log());
	check(form, "cuModuleLoadDataEx", r, want, says);
	if (r == CUDA_SUCCESS)
		OK(cuModuleUnload(m));
	check(form, "cuModuleLoadData", cuModuleLoadData(&m, image), want, NULL);
	r = cuLibraryLoadData(&lib, image, log_options, fresh_log(), 2, NULL, NULL, 0);
	check(form, "cuLibraryLoadData", r, want, says);
	if (r == CUDA_SUCCESS)
		OK(cuLibraryUnload(lib));
	OK(cuLinkCreate(2, log_options, fresh_log(), &st));
	check(form, "cuLinkAddData", cuLinkAddData(st, type, (void *)image, size, "input", 0, NULL, NULL), want, says);
	OK(cuLinkDestroy(st));
}

static void every_form(const char *text, CUresult want, const char *says)
{
	static const char *const codecs[] = { "stored", "LZ4", "zstd" };
	static struct fatbin f;
	const void *list[] = { &f, NULL };
	struct fatbin_wrapper w = { FATBIN_WRAPPER_MAGIC, 1, &f, NULL }, w2 = { FATBIN_WRAPPER_MAGIC, 2, NULL, list };
	char form[64];

	load("text", text, strlen(text) + 1, CU_JIT_INPUT_PTX, want, says);
	for (enum fatbin_codec c = FATBIN_STORED; c <= FATBIN_ZSTD; c++) {
		make_fatbin(&f, text, c);
		snprintf(form, sizeof(form), "%s fatbin", codecs[c]);
		load(form, &f, sizeof(f), CU_JIT_INPUT_FATBINARY, want, says);
		snprintf(form, sizeof(form), "wrapper 1 of a %s fatbin", codecs[c]);
		load(form, &w, sizeof(w), CU_JIT_INPUT_FATBINARY, want, says);
		snprintf(form, sizeof(form), "wrapper 2 of a %s fatbin", codecs[c]);
		load(form, &w2, sizeof(w2), CU_JIT_INPUT_FATBINARY, want, says);
	}
}

static void good(void)
{
	open_device(0);
	every_form(GOOD, CUDA_SUCCESS, NULL);
}

static void every_form_of_image_is_loaded(void **state)
{
	(void)state;
	IN_CHILD(good, NULL);
}

static void bad(void)
{
	open_device(0);
	every_form(BAD, CUDA_ERROR_INVALID_PTX, BAD_SAYS);
	every_form(PTX_HEAD ".visible .entry k() {\n\tadd.s32 %r1, %r2, ;\n}\n", CUDA_ERROR_INVALID_PTX, "line 5, column ");
	every_form(PTX_HEAD ".visible .entry k() {\n\tret;\n", CUDA_ERROR_INVALID_PTX, "the text ends inside function 'k'");
	every_form(PTX_HEAD ".visible .entry k() {\n\ttcgen05.fence::before_thread_sync;\n}\n", CUDA_ERROR_NOT_SUPPORTED,
		   "line 5, column 2: unsupported instruction 'tcgen05.fence::before_thread_sync'");
	every_form(PTX_HEAD ".visible .entry k() {\n\twgmma.fence.sync.aligned;\n}\n", CUDA_ERROR_NOT_SUPPORTED,
		   "line 5, column 2: unsupported instruction 'wgmma.fence.sync.aligned'");
}

static void a_mistake_in_ptx_is_told_with_its_place(void **state)
{
	(void)state;
	IN_CHILD(bad, NULL);
}

/* Reads what the build made beside this program. */
static size_t read_beside(const char *name, char *p, size_t max)
{
	char path[4096 + 64];
	ssize_t n = readlink("/proc/self/exe", path, 4096);
	int fd;

	TRUE(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, name);
	fd = open(path, O_RDONLY);
	n = read(fd, p, max);
	TRUE(fd >= 0 && n > 0 && (size_t)n < max);
	close(fd);
	return (size_t)n;
}

#define HELP "there is only machine code (sm_75), and softgpu runs PTX; build with -gencode arch=compute_80,code=compute_80"

static void machine_code(void)
{
	static char fatbin[1 << 20], cubin[1 << 20];
	const void *list[] = { fatbin, NULL };
	struct fatbin_wrapper w = { FATBIN_WRAPPER_MAGIC, 1, fatbin, NULL }, w2 = { FATBIN_WRAPPER_MAGIC, 2, NULL, list };
	size_t n = read_beside("fatbins/sass.fatbin", fatbin, sizeof(fatbin));

	open_device(0);
	load("fatbin", fatbin, n, CU_JIT_INPUT_FATBINARY, CUDA_ERROR_NO_BINARY_FOR_GPU, HELP);
	load("wrapper 1", &w, sizeof(w), CU_JIT_INPUT_FATBINARY, CUDA_ERROR_NO_BINARY_FOR_GPU, HELP);
	load("wrapper 2", &w2, sizeof(w2), CU_JIT_INPUT_FATBINARY, CUDA_ERROR_NO_BINARY_FOR_GPU, HELP);
	n = read_beside("fatbins/sass.cubin", cubin, sizeof(cubin));
	load("cubin", cubin, n, CU_JIT_INPUT_CUBIN, CUDA_ERROR_NO_BINARY_FOR_GPU, HELP);
}

static void machine_code_alone_is_told_with_what_would_help(void **state)
{
	(void)state;
	IN_CHILD(machine_code, "SOFTGPU_SM=80");
}

static void newer(void)
{
	static struct fatbin f;

	open_device(0);
	make_fatbin(&f, GOOD, FATBIN_STORED);
	f.entry.arch = 90;
	load("fatbin", &f, sizeof(f), CU_JIT_INPUT_FATBINARY, CUDA_ERROR_NO_BINARY_FOR_GPU,
	     "the PTX is for sm_90 and the device is sm_80; build with -gencode arch=compute_80,code=compute_80");
	load("text", ".version 8.0\n.target sm_90\n.address_size 64\n", 47, CU_JIT_INPUT_PTX, CUDA_ERROR_INVALID_PTX,
	     "line 2, column 9: a text for sm_90 does not run on this device, sm_80");
}

static void ptx_for_a_newer_device_is_told_so(void **state)
{
	(void)state;
	IN_CHILD(newer, "SOFTGPU_SM=80");
}

/* A program that gave no log, as the runtime, is told on stderr, in one line. */
static void without_a_log(void)
{
	static char sass[1 << 20];
	char said[512] = "";
	FILE *file = tmpfile();
	CUmodule m;
	size_t n;

	read_beside("fatbins/sass.fatbin", sass, sizeof(sass));
	open_device(0);
	dup2(fileno(file), 2);
	cuModuleLoadData(&m, BAD);
	cuModuleLoadData(&m, sass);
	rewind(file);
	n = fread(said, 1, sizeof(said) - 1, file);
	dup2(1, 2);
	said[n] = '\0';
	if (strcmp(said, "softgpu: cannot load PTX: " BAD_SAYS "\nsoftgpu: no kernel image for this device: " HELP "\n")) {
		fprintf(stderr, "%s\n", said);
		_exit(1);
	}
}

static void a_program_without_a_log_is_told_on_stderr(void **state)
{
	(void)state;
	IN_CHILD(without_a_log, "SOFTGPU_SM=80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_image_is_loaded),
		cmocka_unit_test(a_mistake_in_ptx_is_told_with_its_place),
		cmocka_unit_test(machine_code_alone_is_told_with_what_would_help),
		cmocka_unit_test(ptx_for_a_newer_device_is_told_so),
		cmocka_unit_test(a_program_without_a_log_is_told_on_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
