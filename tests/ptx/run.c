/* SPDX-License-Identifier: MIT */
/*
 * run.c - carries out a plan of rows.py on whatever libcuda.so.1 is found
 *
 * It reads the plan and writes a line for each kernel: its label, a tab, the results of all threads in hexadecimal,
 * destinations parted by '|'; predicates are the bits of one number. A guarded result is compared here: where the
 * guard was false the destination must have kept what it held. The same program runs on softgpu, on a GPU and
 * through DGSF.
 *
 *	run PLAN
 *
 * A compiler that dies of a module is a result too: a child does the work, and another goes on behind that module.
 *
 * Exit status: 0 all kernels ran, though a module may have been refused (a line "!LABEL <tab> message").
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cuda.h>

#define N 64
#define GUARD 0x5a3c96e1u	/* GUARD of rows.py */
#define MAX_DST 8
#define SCRATCH (16 + N * 32)

struct input {
	struct input *next;
	char name[32];
	CUdeviceptr data;
};

static struct input *inputs;
static CUdeviceptr out, scratch;
static CUmodule module;
static char refused[1024];
static unsigned *at, from;	/* the module being done, shared with the parent; the first to do */
static bool died;

static void check(CUresult res, const char *what)
{
	const char *name = "?";

	if (!res)
		return;
	cuGetErrorName(res, &name);
	fprintf(stderr, "run: %s: %s\n", what, name);
	exit(1);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text;
	long size;

	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0) {
		fprintf(stderr, "run: cannot read %s\n", path);
		exit(1);
	}
	rewind(f);
	text = calloc(1, (size_t)size + 1);
	if (!text || fread(text, 1, (size_t)size, f) != (size_t)size) {
		fprintf(stderr, "run: cannot read %s\n", path);
		exit(1);
	}
	fclose(f);
	return text;
}

/* NAME COUNT VALUE... */
static void read_input(char *line)
{
	struct input *in = calloc(1, sizeof(*in));
	int used = 0;
	unsigned n = 0;
	uint64_t *v;

	if (!in || sscanf(line, "%31s %u%n", in->name, &n, &used) != 2 || n > N * 16) {
		fprintf(stderr, "run: bad input\n");
		exit(1);
	}
	v = calloc(n + 1, sizeof(*v));
	line += used;
	for (unsigned i = 0; v && i < n; i++)
		v[i] = strtoull(line, &line, 16);
	check(cuMemAlloc(&in->data, (n + 1) * sizeof(*v)), "cuMemAlloc");
	check(cuMemcpyHtoD(in->data, v, (n + 1) * sizeof(*v)), "cuMemcpyHtoD");
	free(v);
	in->next = inputs;
	inputs = in;
}

static void load(const char *path)
{
	static char log[4096];
	CUjit_option options[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	void *values[] = { log, (void *)(uintptr_t)sizeof(log) };
	char *text = read_file(path);
	CUresult res;

	if (module)
		check(cuModuleUnload(module), "cuModuleUnload");
	module = NULL;
	refused[0] = log[0] = '\0';
	res = cuModuleLoadDataEx(&module, text, 2, options, values);
	if (res) {
		module = NULL;
		log[strcspn(log, "\n")] = '\0';
		snprintf(refused, sizeof(refused), "%d %.900s", res, log);
	}
	free(text);
}

static unsigned width(char dst)
{
	return dst == 'h' ? 2 : dst == 'l' || dst == 'd' ? 8 : 4;
}

static uint64_t sentinel(char dst)
{
	return dst == 'p' ? 1 : 0xa5a5a5a5a5a5a5a5ull >> (64 - 8 * width(dst));
}

static void print_set(const uint64_t *v, const char *dst)
{
	for (unsigned k = 0; dst[k]; k++, v += N) {
		uint64_t bits = 0;

		if (k)
			putchar('|');
		for (unsigned i = 0; i < N && dst[k] == 'p'; i++)
			bits |= (v[i] & 1) << i;
		if (dst[k] == 'p')
			printf("%" PRIx64, bits);
		for (unsigned i = 0; i < N && dst[k] != 'p'; i++)
			printf(i ? " %" PRIx64 : "%" PRIx64, v[i]);
	}
}

static void compare_guarded(const uint64_t *v, const char *dst, const char *how)
{
	unsigned nd = (unsigned)strlen(dst);

	for (unsigned k = 0; k < nd; k++)
		for (unsigned i = 0; i < N; i++) {
			uint64_t got = v[(nd + k) * N + i];
			int on = GUARD >> (i & 31) & 1;

			if (got == (on ? v[k * N + i] : sentinel(dst[k])) || (on && !strcmp(how, "both")))
				continue;
			printf(" !guard: thread %u destination %u holds %" PRIx64, i, k, got);
			return;
		}
}

/* ENTRY INPUT DST HOW LABEL */
static void run_kernel(char *line)
{
	static uint64_t v[2 * MAX_DST * N];
	char entry[32], input[32], dst[MAX_DST + 1], how[8];
	struct input *in = inputs;
	CUfunction fn;
	int used = 0;

	if (sscanf(line, "%31s %31s %8s %7s %n", entry, input, dst, how, &used) != 4 || !used) {
		fprintf(stderr, "run: bad line: %s\n", line);
		exit(1);
	}
	if (!module) {
		printf("!%s\t%s\n", line + used, refused);
		return;
	}
	while (in && strcmp(in->name, input))
		in = in->next;
	check(in ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND, input);
	void *args[] = { &in->data, &out, &scratch };

	check(cuModuleGetFunction(&fn, module, entry), line);
	check(cuMemsetD8(out, 0, sizeof(v)), "cuMemsetD8");
	check(cuMemsetD8(scratch, 0, SCRATCH), "cuMemsetD8");
	check(cuLaunchKernel(fn, 1, 1, 1, N, 1, 1, 0, NULL, args, NULL), line);
	check(cuCtxSynchronize(), line);
	check(cuMemcpyDtoH(v, out, sizeof(v)), line);
	printf("%s\t", line + used);
	print_set(v, dst);
	if (!strcmp(how, "both")) {
		printf(" / ");
		print_set(v + strlen(dst) * N, dst);
	}
	if (strcmp(how, "once"))
		compare_guarded(v, dst, how);
	putchar('\n');
}

/* The forms of the module that the child before died of. */
static void say_died(const char *kernel)
{
	int used = 0;

	if (sscanf(kernel, "%*s %*s %*s %*s %n", &used) != EOF && used)
		printf("!%s\tthe driver died of this module\n", kernel + used);
}

static void run_plan(char *plan)
{
	char *line, *save = NULL;
	unsigned modules = 0;

	for (line = strtok_r(plan, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "input ", 6)) {
			read_input(line + 6);
		} else if (!strncmp(line, "module ", 7)) {
			*at = modules++;
			if (*at >= from)
				load(line + 7);
		} else if (!strncmp(line, "kernel ", 7)) {
			if (*at >= from)
				run_kernel(line + 7);
			else if (died && *at == from - 1)
				say_died(line + 7);
			fflush(stdout);
		}
	}
}

static int child(char *plan)
{
	char name[128] = "?";
	int driver = 0, major = 0, minor = 0;
	CUcontext context;
	CUdevice device;

	check(cuInit(0), "cuInit");
	check(cuDeviceGet(&device, 0), "cuDeviceGet");
	check(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
	check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
	cuDeviceGetName(name, sizeof(name), device);
	cuDriverGetVersion(&driver);
	cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
	cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
	if (!from)
		printf("# %s, compute capability %d.%d, driver API %d.%d\n", name, major, minor, driver / 1000,
		       driver % 1000 / 10);
	check(cuMemAlloc(&out, 2 * MAX_DST * N * 8), "cuMemAlloc");
	check(cuMemAlloc(&scratch, SCRATCH), "cuMemAlloc");
	run_plan(plan);
	if (module)
		check(cuModuleUnload(module), "cuModuleUnload");
	check(cuDevicePrimaryCtxRelease(device), "cuDevicePrimaryCtxRelease");
	return 0;
}

int main(int argc, char **argv)
{
	int status = 0;
	char *plan;

	if (argc != 2) {
		fprintf(stderr, "usage: run PLAN\n");
		return 2;
	}
	at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	plan = at == MAP_FAILED ? NULL : read_file(argv[1]);
	do {
		pid_t pid = plan ? fork() : -1;

		if (!pid)
			exit(child(plan));
		if (pid < 0 || waitpid(pid, &status, 0) != pid) {
			fprintf(stderr, "run: no process for it\n");
			return 1;
		}
		died = WIFSIGNALED(status);
		from = *at + 1;
	} while (died);
	free(plan);
	return WEXITSTATUS(status);
}
