/* SPDX-License-Identifier: MIT */
/*
 * engine_bench.h - the PTX engine on a bench: a double of device memory, and texts loaded and
 * launched
 *
 * Included once by each test program of the engine, after cmocka.h.
 */
#ifndef ENGINE_BENCH_H
#define ENGINE_BENCH_H

#include "engine.h"
#include "memory.h"

#ifndef PTX_DIR
#define PTX_DIR "tests/unit/ptx"
#endif

/* A double of memory.c: a short list of allocations. */
static struct extent {
	uint64_t lo, hi;
} extents[512];
static int nr_extents;
static uint64_t generation = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint64_t sg_mem_alloc(size_t size, size_t align)
{
	void *p = NULL;

	if (nr_extents == 512 || posix_memalign(&p, align < 256 ? 256 : align, size))
		return 0;
	memset(p, 0, size);
	pthread_mutex_lock(&lock);
	extents[nr_extents++] = (struct extent){ (uintptr_t)p, (uintptr_t)p + size };
	pthread_mutex_unlock(&lock);
	return (uintptr_t)p;
}

bool sg_mem_free(uint64_t addr)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < nr_extents && !found; i++) {
		found = extents[i].lo == addr;
		if (found) {
			extents[i] = extents[--nr_extents];
			generation++;
			free((void *)(uintptr_t)addr);
		}
	}
	pthread_mutex_unlock(&lock);
	return found;
}

uint64_t sg_mem_alloc_managed(size_t size, size_t align)
{
	return sg_mem_alloc(size, align);
}

static struct extent read_only;

bool sg_mem_is_read_only(uint64_t addr, size_t n)
{
	return addr >= read_only.lo && addr < read_only.hi && n <= read_only.hi - addr;
}

bool sg_mem_find(uint64_t addr, uint64_t *lo, uint64_t *hi)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < nr_extents && !found; i++) {
		found = addr >= extents[i].lo && addr < extents[i].hi;
		if (found) {
			*lo = extents[i].lo;
			*hi = extents[i].hi;
		}
	}
	pthread_mutex_unlock(&lock);
	return found;
}

uint64_t sg_mem_generation(void)
{
	return generation;
}

static void *device(size_t size)
{
	void *p = (void *)(uintptr_t)sg_mem_alloc(size, 256);

	assert_non_null(p);
	return p;
}

static inline void release(void *p)
{
	assert_true(sg_mem_free((uintptr_t)p));
}

static char log_text[512], printed[4096];

static enum sg_result load(const char *const *texts, size_t nr, struct sg_module **m)
{
	struct sg_log log = { log_text, sizeof(log_text), 0 };
	struct sg_ptx ptx[4];

	for (size_t i = 0; i < nr; i++)
		ptx[i] = (struct sg_ptx){ texts[i], strlen(texts[i]) };
	return sg_module_create(ptx, nr, m, &log);
}

static struct sg_module *load_ok(const char *text)
{
	struct sg_module *m;
	enum sg_result res = load(&text, 1, &m);

	if (res)
		fail_msg("%s", log_text);
	return m;
}

static inline char *read_text(const char *name)
{
	char path[256], *text;
	long size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", PTX_DIR, name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("cannot open %s", path);
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	text = calloc(1, (size_t)size + 1);
	assert_int_equal(fread(text, 1, (size_t)size, f), size);
	fclose(f);
	return text;
}

static inline struct sg_module *load_file(const char *name)
{
	char *text = read_text(name);
	struct sg_module *m = load_ok(text);

	free(text);
	return m;
}

static void print(void *arg, const char *text, size_t len)
{
	(void)arg;
	assert_true(strlen(printed) + len < sizeof(printed));
	strncat(printed, text, len);
}

static struct sg_fault fault;
static struct sg_heap *kernel_heap;	/* NULL: malloc finds no memory */

static enum sg_result launch(struct sg_module *m, const char *name, uint32_t grid, uint32_t block, const void *params)
{
	struct sg_launch l = {
		.kernel = sg_module_find(m, name), .grid = { grid, 1, 1 }, .block = { block, 1, 1 }, .params = params,
		.print = print, .heap = kernel_heap,
	};

	assert_non_null(l.kernel);
	printed[0] = 0;
	return sg_launch_run(&l, &fault);
}

static void launch_ok(struct sg_module *m, const char *name, uint32_t grid, uint32_t block, const void *params)
{
	if (launch(m, name, grid, block, params))
		fail_msg("%s: line %u: %s", name, fault.line, fault.text);
}

/* One instruction, its inputs and its result, as bits. Operand letters are those of ptx_form.c. */
struct row {
	const char *insn, *ops;
	uint64_t in[4], out;
};

#define F(x) ((union { float f; uint32_t u; }){ .f = (x) }.u)
#define D(x) ((union { double f; uint64_t u; }){ .f = (x) }.u)
#define NEG(x) ((uint32_t)-(x))
#define NAN32 0x7fffffff
#define INF32 0x7f800000
#define S64(x) ((uint64_t)(int64_t)(x))

static inline const char *reg_type(char letter)
{
	return letter == 'h' ? "b16" : letter == 'w' ? "b32" : letter == 'l' ? "b64" : letter == 'f' ? "f32" :
	       letter == 'd' ? "f64" : "pred";
}

/* A kernel that runs the instruction in the odd lanes and stores the destination of all. */
static inline size_t row_kernel(char *s, size_t size, const struct row *r, size_t nr)
{
	const char *ops = strchr(r->ops, '=') + 1;
	size_t n = (size_t)snprintf(s, size,
		".visible .entry row%zu(.param .u64 in, .param .u64 out) {\n"
		".reg .pred %%odd; .reg .b32 %%l; .reg .b64 %%i, %%o; .reg .%s %%d; .reg .b32 %%x;\n"
		"ld.param.u64 %%i, [in]; ld.param.u64 %%o, [out];\n"
		"mov.u32 %%l, %%laneid; mad.wide.u32 %%o, %%l, 8, %%o; and.b32 %%l, %%l, 1; setp.ne.u32 %%odd, %%l, 0;\n",
		nr, reg_type(r->ops[0]));

	for (size_t i = 0; ops[i]; i++) {
		if (ops[i] == 'i')
			continue;
		n += (size_t)snprintf(s + n, size - n, ".reg .%s %%s%zu;\n", reg_type(ops[i]), i);
		if (ops[i] == 'p')
			n += (size_t)snprintf(s + n, size - n,
					      "ld.global.u32 %%x, [%%i+%zu]; setp.ne.u32 %%s%zu, %%x, 0;\n", i * 8, i);
		else
			n += (size_t)snprintf(s + n, size - n, "ld.global.%s %%s%zu, [%%i+%zu];\n", reg_type(ops[i]), i,
					      i * 8);
	}
	if (r->ops[0] == 'p')
		n += (size_t)snprintf(s + n, size - n, "setp.ne.u32 %%d, 0, 0;\n");
	else
		n += (size_t)snprintf(s + n, size - n, "ld.global.%s %%d, [%%o];\n", reg_type(r->ops[0]));
	n += (size_t)snprintf(s + n, size - n, "@%%odd %s %%d", r->insn);
	for (size_t i = 0; ops[i]; i++)
		n += ops[i] == 'i' ?
		     (size_t)snprintf(s + n, size - n, ", 0x%llx", (unsigned long long)r->in[i]) :
		     (size_t)snprintf(s + n, size - n, ", %%s%zu", i);
	if (r->ops[0] == 'p')
		n += (size_t)snprintf(s + n, size - n, ";\nselp.b32 %%x, 1, 0, %%d; st.global.u32 [%%o], %%x; ret; }\n");
	else
		n += (size_t)snprintf(s + n, size - n, ";\nst.global.%s [%%o], %%d; ret; }\n", reg_type(r->ops[0]));
	return n;
}

static inline uint64_t width_mask(char letter)
{
	return letter == 'h' ? 0xffff : letter == 'l' || letter == 'd' ? UINT64_MAX : UINT32_MAX;
}

/* Runs each row in a kernel of its own; the even lanes must keep what they had. */
static inline void check_rows(const struct row *rows, size_t nr)
{
	size_t n, bad = 0, size;
	char *text = malloc(size = 2048 * nr);
	uint64_t *in = device(4 * 8), *out = device(32 * 8);
	struct { void *in, *out; } params = { in, out };
	struct sg_module *m;

	assert_non_null(text);
	n = (size_t)snprintf(text, size, ".version 8.6\n.target sm_90\n.address_size 64\n");
	for (size_t i = 0; i < nr; i++)
		n += row_kernel(text + n, size - n, &rows[i], i);
	m = load_ok(text);
	for (size_t i = 0; i < nr; i++) {
		const struct row *r = &rows[i];
		uint64_t mask = width_mask(r->ops[0]), old = r->ops[0] == 'p' ? 0 : 0x5a5a5a5a5a5a5a5a;
		char name[32];

		memcpy(in, r->in, sizeof(r->in));
		for (int k = 0; k < 32; k++)
			out[k] = old;
		snprintf(name, sizeof(name), "row%zu", i);
		launch_ok(m, name, 1, 32, &params);
		for (int k = 0; k < 32; k++) {
			uint64_t want = k & 1 ? r->out : old;

			if (((out[k] ^ want) & mask) == 0)
				continue;
			print_error("%s lane %d: 0x%llx, not 0x%llx\n", r->insn, k, (unsigned long long)(out[k] & mask),
				    (unsigned long long)(want & mask));
			bad++;
			break;
		}
	}
	assert_int_equal(bad, 0);
	sg_module_destroy(m);
	release(in);
	release(out);
	free(text);
}

#define HEAD ".version 8.0\n.target sm_80\n.address_size 64\n"
#define KERNEL(body) HEAD ".visible .entry k(.param .u64 out) {\n.reg .pred %p<8>;\n.reg .b16 %h<8>;\n.reg .b32 %r<16>;\n" \
	".reg .b64 %d<16>;\n.reg .f32 %f<8>;\nld.param.u64 %d0, [out];\nmov.u32 %r0, %tid.x;\n" body "\nret;\n}\n"

/* Runs KERNEL() text with one block and returns its output, which the caller releases. */
static inline void *run_text(const char *text, uint32_t threads, size_t bytes)
{
	struct sg_module *m = load_ok(text);
	void *out = device(bytes);

	launch_ok(m, "k", 1, threads, &out);
	sg_module_destroy(m);
	return out;
}

/* Texts that are not loaded, and what the log says of each. */
struct refusal {
	const char *text;
	enum sg_result result;
	const char *says;
};

static inline void check_refusals(const struct refusal *r, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct sg_module *m;
		enum sg_result res = load(&r[i].text, 1, &m);

		if (res != r[i].result || m || !strstr(log_text, r[i].says))
			fail_msg("text %zu: result %d, log: %s, wanted: %s", i, res, log_text, r[i].says);
	}
}

#endif
