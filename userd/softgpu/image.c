/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container.h"
#include "decompress.h"
#include "fatbin.h"
#include "init.h"
#include "object.h"
#include "ptx_lex.h"
#include "target.h"

/* A text that claims to be larger after decompression is not one. */
#define TEXT_MAX	((size_t)1 << 30)
#define LIST_MAX	65536

/* What a search for PTX met, for the message when it found none. */
struct search {
	struct fatbin_entry best;
	bool found;
	unsigned int elf_arch, ptx_arch;	/* the last ones seen that do not help */
	enum target_kind ptx_kind;
};

CUresult image_error(enum sg_result r)
{
	switch (r) {
	case SG_OK:
		return CUDA_SUCCESS;
	case SG_NOMEM:
		return CUDA_ERROR_OUT_OF_MEMORY;
	case SG_INVALID_PTX:
	case SG_UNRESOLVED:
		return CUDA_ERROR_INVALID_PTX;
	case SG_UNSUPPORTED_PTX:
		return CUDA_ERROR_NOT_SUPPORTED;
	case SG_ILLEGAL_ADDRESS:
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	case SG_MISALIGNED:
		return CUDA_ERROR_MISALIGNED_ADDRESS;
	case SG_ASSERT:
		return CUDA_ERROR_ASSERT;
	case SG_TRAP:
		return CUDA_ERROR_LAUNCH_FAILED;
	case SG_ILLEGAL_INSTRUCTION:
		return CUDA_ERROR_ILLEGAL_INSTRUCTION;
	case SG_INVALID_PC:
		return CUDA_ERROR_INVALID_PC;
	case SG_TIMEOUT:
		return CUDA_ERROR_LAUNCH_TIMEOUT;
	}
	return CUDA_ERROR_UNKNOWN;
}

static enum target_kind target_kind(uint64_t flags)
{
	if (flags & FATBIN_F_ARCH_SPECIFIC)
		return TARGET_EXACT;
	return flags & FATBIN_F_FAMILY ? TARGET_FAMILY : TARGET_PLAIN;
}

static bool runs_here(const struct fatbin_entry *e)
{
	return target_runs(e->arch, target_kind(e->flags));
}

static CUresult search_fatbin(struct search *s, const void *fatbin, size_t avail)
{
	struct fatbin_entry e;
	struct fatbin_walk w;
	int more;

	if (!fatbin_begin(&w, fatbin, avail))
		return CUDA_ERROR_INVALID_IMAGE;
	while ((more = fatbin_next(&w, &e)) > 0) {
		if (e.kind == FATBIN_ELF) {
			s->elf_arch = e.arch;
		} else if (e.kind == FATBIN_PTX && !runs_here(&e)) {
			s->ptx_arch = e.arch;
			s->ptx_kind = target_kind(e.flags);
		} else if (e.kind == FATBIN_PTX && (!s->found || e.arch > s->best.arch)) {
			s->best = e;
			s->found = true;
		}
	}
	return more ? CUDA_ERROR_INVALID_IMAGE : CUDA_SUCCESS;
}

static CUresult add_text(struct image *img, char *text, size_t len)
{
	struct sg_ptx *t = realloc(img->texts, (img->nr + 1) * sizeof(*t));

	if (!t) {
		free(text);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	img->texts = t;
	t[img->nr++] = (struct sg_ptx){ text, len };
	return CUDA_SUCCESS;
}

static CUresult add_entry(struct image *img, const struct fatbin_entry *e)
{
	char *text;

	if (e->plain_size > TEXT_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	text = malloc(e->plain_size + 1);
	if (!text)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!fatbin_decompress(e, text)) {
		free(text);
		return CUDA_ERROR_INVALID_IMAGE;
	}
	text[e->plain_size] = '\0';
	return add_text(img, text, strlen(text));	/* ends with a NUL and padding */
}

static const char *const target_suffix[] = {
	[TARGET_PLAIN] = "",
	[TARGET_FAMILY] = "f",
	[TARGET_EXACT] = "a",
};

/* One line: what there is, and what would help. */
static void say_no_binary(const struct search *s, char *line, size_t size)
{
	unsigned int sm = driver_sm();

	if (s->ptx_arch)
		snprintf(line, size,
			 "no kernel image for this device: the PTX is for sm_%u%s and the device "
			 "is sm_%u; build with -gencode arch=compute_%u,code=compute_%u, or set "
			 "SOFTGPU_SM",
			 s->ptx_arch, target_suffix[s->ptx_kind], sm, sm, sm);
	else if (s->elf_arch)
		snprintf(line, size,
			 "no kernel image for this device: there is only machine code (sm_%u), and "
			 "softgpu runs PTX; build with -gencode arch=compute_%u,code=compute_%u",
			 s->elf_arch, sm, sm);
	else
		snprintf(line, size,
			 "no kernel image for this device: the fatbin is empty");
}

static CUresult no_binary(const struct search *s, struct sg_log *log)
{
	char line[300];

	say_no_binary(s, line, sizeof(line));
	driver_log("%s", line);
	sg_log_add(log, "%s\n", line);
	return CUDA_ERROR_NO_BINARY_FOR_GPU;
}

static CUresult open_fatbin(const void *fatbin, size_t avail, struct image *img,
			    struct sg_log *log)
{
	struct search s = { .found = false };
	CUresult r = search_fatbin(&s, fatbin, avail);

	if (r != CUDA_SUCCESS)
		return r;
	return s.found ? add_entry(img, &s.best) : no_binary(&s, log);
}

/* One of several: where it has nothing for the device, perhaps nothing of it is needed. */
static CUresult open_part(const void *fatbin, struct image *img, struct search *s)
{
	CUresult r;

	*s = (struct search){ .found = false };
	r = search_fatbin(s, fatbin, SIZE_MAX);
	if (r == CUDA_SUCCESS && s->found)
		return add_entry(img, &s->best);
	if (r == CUDA_SUCCESS)
		say_no_binary(s, img->passed_over, sizeof(img->passed_over));
	return r;
}

/*
 * Version 2: data is machine code that nvlink made of the list's fatbins; their PTX has to be
 * linked again. That of the runtime on the device, where it is among them, is for few devices.
 */
static CUresult open_list(const struct fatbin_wrapper *w, struct image *img, struct sg_log *log)
{
	struct search last = { .found = false };
	CUresult r = CUDA_SUCCESS;
	size_t i;

	if (!w->list || !w->list[0])
		return open_fatbin(w->data, SIZE_MAX, img, log);
	for (i = 0; i < LIST_MAX && w->list[i] && r == CUDA_SUCCESS; i++)
		r = open_part(w->list[i], img, &last);
	if (i == LIST_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	return r == CUDA_SUCCESS && !img->nr ? no_binary(&last, log) : r;
}

static CUresult open_wrapper(const void *code, struct image *img, struct sg_log *log)
{
	struct fatbin_wrapper w;

	memcpy(&w, code, sizeof(w));
	if (w.version == 1)
		return open_fatbin(w.data, SIZE_MAX, img, log);
	return w.version == 2 ? open_list(&w, img, log) : CUDA_ERROR_INVALID_IMAGE;
}

static CUresult copy_text(const char *from, size_t len, struct image *img)
{
	char *text = malloc(len + 1);

	if (!text)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(text, from, len);
	text[len] = '\0';
	return add_text(img, text, len);
}

static CUresult open_text(const void *code, struct image *img)
{
	struct ptx_lex l;
	size_t size;

	if (!image_size(code, SIZE_MAX, &size))
		return CUDA_ERROR_INVALID_IMAGE;
	/* words that do not even begin as PTX are no bad PTX: a driver takes them for any other bytes */
	ptx_lex_init(&l, code, size - 1, NULL);
	return ptx_at_dot(&l, "version") ? copy_text(code, size - 1, img)
					 : CUDA_ERROR_INVALID_IMAGE;
}

static CUresult open_container(const void *code, size_t avail, struct image *img)
{
	CUresult r = CUDA_SUCCESS;
	struct sg_ptx text;
	int more = 0;

	for (size_t i = 0; r == CUDA_SUCCESS; i++) {
		more = container_text(code, avail, i, &text);
		if (more <= 0)
			break;
		r = copy_text(text.text, text.len, img);
	}
	return more < 0 ? CUDA_ERROR_INVALID_IMAGE : r;
}

static CUresult open_elf(const void *code, size_t avail, struct image *img, struct sg_log *log)
{
	struct search elf = { .elf_arch = 0 };
	uint16_t machine;
	uint32_t flags;

	if (container_is(code, avail))
		return open_container(code, avail, img);
	if (avail < 64)
		return CUDA_ERROR_INVALID_IMAGE;
	memcpy(&machine, (const char *)code + 18, sizeof(machine));	/* e_machine */
	if (machine != EM_CUDA)
		return CUDA_ERROR_INVALID_IMAGE;
	/*
	 * e_flags: the SM number is in the low byte, or in the second one of newer cubins
	 * (EI_OSABI 0x41).
	 */
	memcpy(&flags, (const char *)code + 48, sizeof(flags));
	elf.elf_arch = ((const unsigned char *)code)[7] == 0x41 ? flags >> 8 & 0xff : flags & 0xff;
	return no_binary(&elf, log);
}

CUresult image_add_text(struct image *img, const char *text, size_t len)
{
	const char *nul = memchr(text, 0, len);

	return copy_text(text, nul ? (size_t)(nul - text) : len, img);
}

CUresult image_add_binary(struct image *img, const void *code, size_t size, struct sg_log *log)
{
	CUresult r = CUDA_ERROR_INVALID_IMAGE;

	switch (image_form(code, size)) {
	case IMAGE_FATBIN:
		r = open_fatbin(code, size, img, log);
		break;
	case IMAGE_ELF:
		r = open_elf(code, size, img, log);
		break;
	case IMAGE_WRAPPER:
		if (size >= sizeof(struct fatbin_wrapper))
			r = open_wrapper(code, img, log);
		break;
	default:
		break;
	}
	if (r == CUDA_ERROR_INVALID_IMAGE)
		sg_log_add(log, "not a fatbin or cubin, or a damaged one\n");
	return r;
}

/* What a walk through the fatbins of host objects has found. */
struct object_walk {
	struct image *img;
	struct search last;
	unsigned int nr;
	CUresult r;
};

static bool add_from_object(void *arg, const void *fatbin, size_t avail)
{
	struct object_walk *w = arg;
	struct search s = { .found = false };

	w->r = search_fatbin(&s, fatbin, avail);
	if (w->r == CUDA_SUCCESS && s.found) {
		w->r = add_entry(w->img, &s.best);
		w->nr++;
	} else if (s.elf_arch || s.ptx_arch) {
		w->last = s;
	}
	return w->r == CUDA_SUCCESS;
}

CUresult image_add_objects(struct image *img, const void *data, size_t size, struct sg_log *log)
{
	struct object_walk w = { .img = img, .r = CUDA_SUCCESS };
	char line[300];

	if (!object_each(data, size, add_from_object, &w)) {
		sg_log_add(log, "not an object or a library with device code, or a damaged one\n");
		return w.r == CUDA_SUCCESS ? CUDA_ERROR_INVALID_IMAGE : w.r;
	}
	if (w.nr)
		return CUDA_SUCCESS;
	say_no_binary(&w.last, line, sizeof(line));
	sg_log_add(log, "%s\n", line);
	return CUDA_ERROR_NO_BINARY_FOR_GPU;
}

CUresult image_open(const void *code, struct image *img, struct sg_log *log)
{
	CUresult r = CUDA_ERROR_INVALID_IMAGE;

	*img = (struct image){ .nr = 0 };
	switch (image_form(code, SIZE_MAX)) {
	case IMAGE_WRAPPER:
		r = open_wrapper(code, img, log);
		break;
	case IMAGE_FATBIN:
		r = open_fatbin(code, SIZE_MAX, img, log);
		break;
	case IMAGE_ELF:
		r = open_elf(code, SIZE_MAX, img, log);
		break;
	case IMAGE_TEXT:
		r = open_text(code, img);
		break;
	case IMAGE_NONE:
		break;
	}
	if (r == CUDA_ERROR_INVALID_IMAGE)
		sg_log_add(log, "not a fatbin, cubin or PTX text, or a damaged one\n");
	if (r != CUDA_SUCCESS)
		image_close(img);
	return r;
}

void image_close(struct image *img)
{
	for (size_t i = 0; i < img->nr; i++)
		free((char *)img->texts[i].text);
	free(img->texts);
	*img = (struct image){ .nr = 0 };
}

CUresult image_link(const struct image *img, struct sg_module **out, struct sg_log *log)
{
	return image_link_again(img, NULL, out, log);
}

CUresult image_link_again(const struct image *img, const struct sg_module *first,
			  struct sg_module **out, struct sg_log *log)
{
	char own[1024] = "";
	struct sg_log fallback = { own, sizeof(own), 0 };
	struct sg_log *l = log && log->size ? log : &fallback;
	enum sg_result res = SG_OK;
	CUresult r = CUDA_SUCCESS;

	*out = NULL;
	for (size_t i = 0; i < img->nr && r == CUDA_SUCCESS; i++)
		r = target_check(&img->texts[i], img->nr > 1 ? i + 1 : 0, l);
	if (r == CUDA_SUCCESS) {
		res = sg_module_create_again(img->texts, img->nr, first, out, l);
		r = image_error(res);
	}
	if (res == SG_UNRESOLVED && img->passed_over[0])
		sg_log_add(l, "a part was passed over: %s\n", img->passed_over);
	/* A program that gave no log, as those of the runtime, would see a bare error number. */
	for (char *line = own; r != CUDA_SUCCESS && l == &fallback && *line;) {
		size_t len = strcspn(line, "\n");

		driver_log("cannot load PTX: %.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
	return r;
}

CUresult image_check(const struct image *img, size_t i, struct sg_log *log)
{
	CUresult r = CUDA_SUCCESS;

	for (; i < img->nr && r == CUDA_SUCCESS; i++) {
		r = target_check(&img->texts[i], 0, log);
		if (r == CUDA_SUCCESS)
			r = image_error(sg_ptx_check(&img->texts[i], log));
	}
	return r;
}

static bool option_is_known(CUjit_option o)
{
	return o >= CU_JIT_MAX_REGISTERS && o < CU_JIT_NUM_OPTIONS;
}

CUresult jit_log_init(struct jit_log *log, unsigned int nr, CUjit_option *options, void **values)
{
	char *error = NULL, *info = NULL;

	*log = (struct jit_log){ .error = { NULL, 0, 0 } };
	if (nr && (!options || !values))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < nr; i++) {
		switch (options[i]) {
		case CU_JIT_ERROR_LOG_BUFFER:
			error = values[i];
			break;
		case CU_JIT_INFO_LOG_BUFFER:
			info = values[i];
			break;
		case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
			log->error_size = &values[i];
			break;
		case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
			log->info_size = &values[i];
			break;
		default:
			if (!option_is_known(options[i]))
				return CUDA_ERROR_INVALID_VALUE;
		}
	}
	if (error && log->error_size)
		log->error = (struct sg_log){ error, (uint32_t)(uintptr_t)*log->error_size, 0 };
	if (log->error.size)
		error[0] = '\0';
	if (info && log->info_size && (uint32_t)(uintptr_t)*log->info_size)
		info[0] = '\0';
	return CUDA_SUCCESS;
}

void jit_log_finish(struct jit_log *log)
{
	if (log->error_size)
		*log->error_size = (void *)(uintptr_t)log->error.len;
	if (log->info_size)
		*log->info_size = NULL;
}
