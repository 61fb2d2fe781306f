// SPDX-License-Identifier: MIT
/*
 * libnvml: what each function answers before nvmlInit() and to handles that are none, buffers and
 * counts that are too small, versions of structs, what sysfs says. The server is a thread here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cuda.h>
#include <dlfcn.h>
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net.h"
#include "vgpu_codec.h"
#include "vnvml.h"

#define NR_DEVICES	2
#define LIMIT		(1ull << 30)
#define USED		(1ull << 20)

enum mode { HAND, DEVICE, NONE };
static const struct {
	const char *name;
	enum mode mode;
} rows[] = {
#define NVML(name, mode) { #name, mode },
#include "nvml.def"
#undef NVML
};
#define NR_ROWS	(sizeof(rows) / sizeof(rows[0]))

/* With nothing in every argument. */
typedef nvmlReturn_t (*any_fn)(void *device, void *, void *, void *, void *, void *);

static any_fn find(const char *name)
{
	any_fn fn;

	*(void **)&fn = dlsym(RTLD_DEFAULT, name);
	if (!fn)
		fail_msg("%s is not exported", name);
	return fn;
}

static bool one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(*names, name))
		names++;
	return *names;
}

/* ---- the server ---- */

static void put_device(struct vwire_wr *w, int number)
{
	const struct vwire_attribute attributes[] = {
		{ htole32(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), htole32(9) },
		{ htole32(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT), htole32(132) },
		{ htole32(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID), htole32(1) },
		{ htole32(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID), htole32(0x81 + number) },
		{ htole32(1u << 30), htole32(1) },	/* of a later CUDA */
	};
	struct vwire_device d = {
		.total_mem = htole64(80ull << 30),
		.nr_attributes = htole32(sizeof(attributes) / sizeof(attributes[0])),
	};
	struct vwire_tlv t = {
		.type = htole16(VWIRE_TLV_DEVICE),
		.len = htole32(sizeof(d) + sizeof(attributes)),
	};

	memset(d.name, 'n', sizeof(d.name));	/* without a NUL */
	d.uuid[15] = number;
	wr_bytes(w, &t, sizeof(t));
	wr_bytes(w, &d, sizeof(d));
	wr_bytes(w, attributes, sizeof(attributes));
}

static size_t put_info(void *buf, size_t n, int devices)
{
	struct vwire_info v = {
		.version = htole32(VWIRE_VERSION),
		.driver_version = htole32(13000),
		.mem_limit = htole64(LIMIT),
		.mem_used = htole64(USED),
		.nr_devices = htole32(devices),
	};
	struct vwire_wr w = wr_init(buf, n);
	int i;

	wr_bytes(&w, &v, sizeof(v));
	for (i = 0; i < devices; i++)
		put_device(&w, i);
	return wr_len(&w);
}

static void *serve(void *arg)
{
	uint8_t buf[VWIRE_CONTROL_MAX];
	struct vwire_frame h = { .op = htole16(VWIRE_OP_INFO) };
	int listener = *(int *)arg, fd;
	size_t n = put_info(buf, sizeof(buf), NR_DEVICES);

	h.size = htole32(sizeof(h) + n);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (send(fd, &h, sizeof(h), MSG_NOSIGNAL) < 0 || send(fd, buf, n, MSG_NOSIGNAL) < 0)
			break;
		shutdown(fd, SHUT_WR);
		while (recv(fd, &(char){ 0 }, 1, 0) > 0)
			;
		close(fd);
	}
	return NULL;
}

static int start_server(void **state)
{
	static int listener;
	struct net_addr addr;
	char name[NET_NAME_MAX];
	pthread_t thread;

	(void)state;
	assert_int_equal(net_resolve("127.0.0.1:0", true, &addr, 1), 1);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr.sa, addr.len), 0);
	assert_int_equal(listen(listener, 8), 0);
	net_local(listener, &addr);
	net_name(&addr, name, sizeof(name));
	setenv("VGPU_SERVER", name, 1);
	return pthread_create(&thread, NULL, serve, &listener) || pthread_detach(thread);
}

static nvmlDevice_t start(void)
{
	nvmlDevice_t d;

	assert_int_equal(nvmlInit_v2(), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(0, &d), NVML_SUCCESS);
	return d;
}

static int stop(void **state)
{
	(void)state;
	while (!nvmlShutdown())
		;
	return 0;
}

/* ---- every function ---- */

static void before_init_every_function_says_so(void **state)
{
	static const char *const others[] = {
		"nvmlInit", "nvmlInit_v2", "nvmlInitWithFlags", "nvmlErrorString",
		"nvmlSystemGetCudaDriverVersion", "nvmlSystemGetCudaDriverVersion_v2",
		"nvmlInternalGetExportTable", NULL,
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_ROWS; i++) {
		any_fn fn = find(rows[i].name);

		if (one_of(rows[i].name, others))
			continue;
		if (fn(NULL, NULL, NULL, NULL, NULL, NULL) != NVML_ERROR_UNINITIALIZED)
			fail_msg("%s", rows[i].name);
	}
	assert_int_equal(nvmlSystemGetCudaDriverVersion(NULL), NVML_ERROR_INVALID_ARGUMENT);
}

static void what_is_no_device_is_an_invalid_argument(void **state)
{
	nvmlDevice_t d = start();
	void *const bad[] = { NULL, (void *)1, (char *)d + 1, (char *)d - sizeof(struct vnvml_device),
			      (char *)d + NR_DEVICES * sizeof(struct vnvml_device) };
	unsigned int i, j;

	(void)state;
	for (i = 0; i < NR_ROWS; i++) {
		bool device = rows[i].mode == DEVICE;

		if (rows[i].mode == HAND && (strncmp(rows[i].name, "nvmlDevice", 10) ||
					     strstr(rows[i].name, "GetHandle") ||
					     strstr(rows[i].name, "GetCount")))
			continue;
		for (j = 0; j < sizeof(bad) / sizeof(bad[0]) && rows[i].mode != NONE; j++)
			if (find(rows[i].name)(bad[j], NULL, NULL, NULL, NULL, NULL) !=
			    NVML_ERROR_INVALID_ARGUMENT)
				fail_msg("%s, handle %u", rows[i].name, j);
		if (find(rows[i].name)(d, NULL, NULL, NULL, NULL, NULL) !=
		    (rows[i].mode == HAND ? NVML_ERROR_INVALID_ARGUMENT : NVML_ERROR_NOT_SUPPORTED))
			fail_msg("%s, %s", rows[i].name, device ? "a device" : "nothing");
	}
}

static void init_is_counted(void **state)
{
	unsigned int n;

	(void)state;
	assert_int_equal(nvmlShutdown(), NVML_ERROR_UNINITIALIZED);
	assert_int_equal(nvmlInit(), NVML_SUCCESS);
	assert_int_equal(nvmlInitWithFlags(NVML_INIT_FLAG_NO_ATTACH), NVML_SUCCESS);
	assert_int_equal(nvmlShutdown(), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetCount(&n), NVML_SUCCESS);
	assert_int_equal(n, NR_DEVICES);
	assert_int_equal(nvmlShutdown(), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetCount(&n), NVML_ERROR_UNINITIALIZED);
	assert_int_equal(nvmlShutdown(), NVML_ERROR_UNINITIALIZED);
}

static void every_error_has_a_text(void **state)
{
	int i;

	(void)state;
	assert_string_equal(nvmlErrorString(NVML_SUCCESS), "Success");
	for (i = 0; i <= NVML_ERROR_RESET_TYPE_NOT_SUPPORTED; i++)
		assert_string_not_equal(nvmlErrorString(i), "Unknown Error");
	assert_string_equal(nvmlErrorString(NVML_ERROR_UNKNOWN), "Unknown Error");
	assert_string_equal(nvmlErrorString(-1), "Unknown Error");
}

/* ---- arguments ---- */

static void buffers_that_are_too_short_are_left_alone(void **state)
{
	nvmlDevice_t d = start();
	char buf[96] = "x";

	(void)state;
	assert_int_equal(nvmlDeviceGetName(d, buf, VWIRE_NAME_MAX - 1),
			 NVML_ERROR_INSUFFICIENT_SIZE);
	assert_int_equal(nvmlDeviceGetUUID(d, buf, 40), NVML_ERROR_INSUFFICIENT_SIZE);
	assert_int_equal(nvmlDeviceGetUUID(d, buf, 0), NVML_ERROR_INSUFFICIENT_SIZE);
	assert_string_equal(buf, "x");
	assert_int_equal(nvmlDeviceGetUUID(d, buf, 41), NVML_SUCCESS);
	assert_string_equal(buf, "GPU-00000000-0000-0000-0000-000000000000");
	assert_int_equal(nvmlDeviceGetName(d, buf, VWIRE_NAME_MAX), NVML_SUCCESS);
	assert_int_equal(strlen(buf), VWIRE_NAME_MAX - 1);
	assert_int_equal(nvmlSystemGetProcessName(getpid(), buf, 3), NVML_SUCCESS);
	assert_int_equal(strlen(buf), 2);
	assert_int_equal(nvmlSystemGetProcessName(0x7fffffff, buf, 3), NVML_ERROR_NOT_FOUND);
	assert_int_equal(nvmlSystemGetProcessName(getpid(), buf, 0), NVML_ERROR_INVALID_ARGUMENT);
}

static void structs_of_another_version_are_refused(void **state)
{
	nvmlDevice_t d = start();
	nvmlMemory_v2_t memory = { .version = 2 };
	nvmlPciInfoExt_t pci = { .version = nvmlPciInfoExt_v1 + 1 };
	nvmlUUID_t uuid = { .version = 0 };
	nvmlSystemConfComputeSettings_t settings = { .version = 0 };
	union {
		nvmlGpuFabricInfo_v3_t v3;
		nvmlGpuFabricInfoV_t newest;
	} fabric = { .v3 = { .version = 99 } };

	(void)state;
	assert_int_equal(nvmlDeviceGetMemoryInfo_v2(d, &memory),
			 NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	assert_int_equal(nvmlDeviceGetPciInfoExt(d, &pci), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	assert_int_equal(nvmlDeviceGetHandleByUUIDV(&uuid, &d),
			 NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	assert_int_equal(nvmlSystemGetConfComputeSettings(&settings),
			 NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	assert_int_equal(nvmlDeviceGetGpuFabricInfoV(d, &fabric.newest),
			 NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	memset(&fabric, 0xff, sizeof(fabric));
	fabric.v3.version = nvmlGpuFabricInfo_v2;
	assert_int_equal(nvmlDeviceGetGpuFabricInfoV(d, &fabric.newest), NVML_SUCCESS);
	assert_int_equal(fabric.v3.state, NVML_GPU_FABRIC_STATE_NOT_SUPPORTED);
	assert_int_equal(fabric.v3.healthSummary, 0xff);	/* behind the end of v2 */
	memory.version = nvmlMemory_v2;
	assert_int_equal(nvmlDeviceGetMemoryInfo_v2(d, &memory), NVML_SUCCESS);
	assert_int_equal(memory.total, LIMIT);
	assert_int_equal(memory.used, USED);
	assert_int_equal(memory.free, LIMIT - USED);
}

static void devices_are_found_by_what_they_are(void **state)
{
	nvmlDevice_t d = start(), second, found;
	nvmlUUID_t uuid = { .version = nvmlUUID_v1, .type = NVML_UUID_TYPE_BINARY };
	nvmlPciInfo_t pci;

	(void)state;
	assert_int_equal(nvmlDeviceGetHandleByIndex(NR_DEVICES, &found),
			 NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetHandleByIndex(1, &second), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetHandleByUUID("GPU-00000000-0000-0000-0000-000000000001",
						   &found), NVML_SUCCESS);
	assert_ptr_equal(found, second);
	assert_int_equal(nvmlDeviceGetHandleByUUID("GPU-", &found), NVML_ERROR_NOT_FOUND);
	uuid.value.bytes[15] = 1;
	assert_int_equal(nvmlDeviceGetHandleByUUIDV(&uuid, &found), NVML_SUCCESS);
	assert_ptr_equal(found, second);
	uuid.type = NVML_UUID_TYPE_ASCII;
	memset(uuid.value.str, 'x', sizeof(uuid.value.str));
	assert_int_equal(nvmlDeviceGetHandleByUUIDV(&uuid, &found), NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetPciInfo_v3(second, &pci), NVML_SUCCESS);
	assert_string_equal(pci.busId, "00000001:82:00.0");
	assert_string_equal(pci.busIdLegacy, "0001:82:00.0");
	assert_int_equal(nvmlDeviceGetHandleByPciBusId("1:82:0", &found), NVML_SUCCESS);
	assert_ptr_equal(found, second);
	assert_int_equal(nvmlDeviceGetHandleByPciBusId("82:00.0", &found), NVML_ERROR_NOT_FOUND);
	assert_int_equal(nvmlDeviceGetHandleByPciBusId("gpu", &found), NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetHandleBySerial("1", &found), NVML_ERROR_NOT_FOUND);
	assert_ptr_not_equal(d, second);
}

static void devices_do_not_reach_each_other(void **state)
{
	nvmlDevice_t d = start(), second;
	nvmlGpuTopologyLevel_t level;
	nvmlGpuP2PStatus_t status;
	unsigned int cores, n = 7;

	(void)state;
	nvmlDeviceGetHandleByIndex(1, &second);
	assert_int_equal(nvmlDeviceGetTopologyCommonAncestor(d, second, &level), NVML_SUCCESS);
	assert_int_equal(level, NVML_TOPOLOGY_SYSTEM);
	assert_int_equal(nvmlDeviceGetP2PStatus(d, second, NVML_P2P_CAPS_INDEX_READ, &status),
			 NVML_SUCCESS);
	assert_int_equal(status, NVML_P2P_STATUS_NOT_SUPPORTED);
	assert_int_equal(nvmlDeviceGetP2PStatus(d, second, NVML_P2P_CAPS_INDEX_UNKNOWN, &status),
			 NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetNumGpuCores(d, &cores), NVML_SUCCESS);
	assert_int_equal(cores, 132 * 128);
	assert_int_equal(nvmlDeviceGetComputeRunningProcesses_v3(d, &n, NULL), NVML_SUCCESS);
	assert_int_equal(n, 0);
}

/* ---- what comes from outside ---- */

static void answers_that_are_cut_are_no_answers(void **state)
{
	struct vnvml_info *info = malloc(sizeof(*info));
	uint8_t buf[VWIRE_CONTROL_MAX], *cut;
	size_t n = put_info(buf, sizeof(buf), NR_DEVICES), i;
	size_t one = put_info(buf, sizeof(buf), 1);

	(void)state;
	put_info(buf, sizeof(buf), NR_DEVICES);
	assert_true(vnvml_take_info(info, buf, n));
	for (i = 0; i < n; i += 8) {
		cut = malloc(i ? i : 1);	/* of that size, for the sanitizers */
		memcpy(cut, buf, i);
		assert_true(vnvml_take_info(info, cut, i) == (i == one));
		free(cut);
	}
	free(info);
}

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (!text) {
		unlink(path);
		return;
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void the_module_says_where_and_how_much(void **state)
{
	static const char *const files[] = { "state", "server", "mem_limit", "mem_used" };
	static const struct {
		const char *text[4];
		int err;
	} cases[] = {
		{ { "ready\n", "gpu1:7867\n", "4096\n", "12\n" }, 0 },
		{ { "unreachable\n", "gpu1:7867\n", "0\n", "0\n" }, 0 },
		{ { "offline\n", "\n", "0\n", "0\n" }, -EHOSTDOWN },
		{ { "ready\n", "\n", "0\n", "0\n" }, -EHOSTDOWN },
		{ { "ready\n", "gpu1:7867\n", "many\n", "0\n" }, -EIO },
		{ { "ready\n", "gpu1:7867\n", "99999999999999999999\n", "0\n" }, -EIO },
		{ { "ready\n", "gpu1:7867\n", "1\n", "" }, -EIO },
		{ { "ready\n", NULL, "1\n", "1\n" }, -ENOENT },
	};
	char directory[] = "/tmp/nvml_test.XXXXXX", why[VWIRE_TEXT_MAX];
	struct vnvml_server s;
	unsigned int i, j;

	(void)state;
	assert_non_null(mkdtemp(directory));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (j = 0; j < 4; j++)
			write_file(directory, files[j], cases[i].text[j]);
		memset(&s, 0, sizeof(s));
		*why = '\0';
		assert_int_equal(vnvml_read_sysfs(&s, directory, why), cases[i].err);
		assert_int_equal(!*why, !cases[i].err);
		if (i)
			continue;
		assert_string_equal(s.name, "gpu1:7867");
		assert_int_equal(s.mem_limit, 4096);
		assert_true(s.has_used && s.mem_used == 12 && s.ready && !s.has_gpu);
	}
	for (j = 0; j < 4; j++)
		write_file(directory, files[j], NULL);
	rmdir(directory);
}

static void the_module_says_which_gpu(void **state)
{
	static const unsigned char uuid[16] = { 0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 };
	static const char *const good[] = { "state", "ready\n", "server", "gpu1:7867\n", "mem_limit", "0\n", "mem_used", "0\n" };
	static const char *const bad[] = { "\n", "abcdef01-0203-0405-0607-08090a0b0c\n", "abcdef01-0203-0405-0607-08090a0b0c0d0e\n",
					   "abcdef01-0203-0405-0607-08090a0b0c0x\n", "abcdef01-0203- 0405-0607-08090a0b0c0d\n", NULL };
	char directory[] = "/tmp/nvml_test.XXXXXX", why[VWIRE_TEXT_MAX];
	struct vnvml_server s;
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(directory));
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i += 2)
		write_file(directory, good[i], good[i + 1]);
	write_file(directory, "name", "NVIDIA H100 80GB HBM3\n");
	write_file(directory, "uuid", "abcdef01-0203-0405-0607-08090a0b0c0d\n");
	assert_int_equal(vnvml_read_sysfs(&s, directory, why), 0);
	assert_true(s.has_gpu);
	assert_string_equal(s.gpu, "NVIDIA H100 80GB HBM3");
	assert_memory_equal(s.uuid, uuid, sizeof(uuid));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(directory, "uuid", bad[i]);
		assert_int_equal(vnvml_read_sysfs(&s, directory, why), 0);
		assert_false(s.has_gpu);
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i += 2)
		write_file(directory, good[i], NULL);
	write_file(directory, "name", NULL);
	rmdir(directory);
}

/* What is found is this, where it has a name. */
static struct vnvml_server module;

int __real_vnvml_find_server(struct vnvml_server *s, char *why);
int __wrap_vnvml_find_server(struct vnvml_server *s, char *why);

int __wrap_vnvml_find_server(struct vnvml_server *s, char *why)
{
	if (!*module.name)
		return __real_vnvml_find_server(s, why);
	*s = module;
	return 0;
}

/* Nobody listens at a port of 1. */
static void found(bool ready, uint64_t limit, uint64_t used)
{
	module = (struct vnvml_server){
		.name = "127.0.0.1:1", .mem_limit = limit, .has_used = true, .mem_used = used, .ready = ready,
	};
}

static int stop_module(void **state)
{
	module = (struct vnvml_server){ 0 };
	return stop(state);
}

static void without_a_way_to_the_server_the_module_answers(void **state)
{
	char text[96];
	unsigned int n = 0;
	int version;
	nvmlDevice_t d;
	nvmlMemory_t m;
	nvmlPciInfo_t pci;
	nvmlEnableState_t on;
	nvmlUtilization_t u;

	(void)state;
	found(false, LIMIT, USED);
	assert_int_equal(nvmlInit_v2(), NVML_ERROR_DRIVER_NOT_LOADED);
	found(true, LIMIT, USED);
	assert_int_equal(nvmlInit_v2(), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetCount_v2(&n), NVML_SUCCESS);
	assert_int_equal(n, 1);
	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(0, &d), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetMemoryInfo(d, &m), NVML_SUCCESS);
	assert_true(m.total == LIMIT && m.used == USED && m.free == LIMIT - USED);
	assert_int_equal(nvmlDeviceGetPersistenceMode(d, &on), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetIndex(d, &n), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetName(d, text, sizeof(text)), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlDeviceGetUUID(d, text, sizeof(text)), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlDeviceGetPciInfo_v3(d, &pci), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlDeviceGetUtilizationRates(d, &u), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlSystemGetDriverVersion(text, sizeof(text)), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlSystemGetCudaDriverVersion_v2(&version), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlDeviceGetHandleByUUID("GPU-00000000-0000-0000-0000-000000000000", &d),
			 NVML_ERROR_NOT_FOUND);
	assert_int_equal(nvmlDeviceGetHandleByPciBusId_v2("0:0:0.0", &d), NVML_ERROR_NOT_FOUND);
	found(true, 0, USED);		/* no limit but the server's */
	assert_int_equal(nvmlDeviceGetMemoryInfo(d, &m), NVML_ERROR_NOT_SUPPORTED);
}

static void without_a_way_to_the_server_the_module_names_the_gpu(void **state)
{
	static const char uuid[] = "GPU-00000000-0000-0000-0000-000000000007";
	nvmlDevice_t d, same;
	nvmlPciInfo_t pci;
	char text[96];

	(void)state;
	found(true, LIMIT, USED);
	module.has_gpu = true;
	strcpy(module.gpu, "A GPU");
	module.uuid[15] = 7;
	assert_int_equal(nvmlInit_v2(), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(0, &d), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetName(d, text, sizeof(text)), NVML_SUCCESS);
	assert_string_equal(text, "A GPU");
	assert_int_equal(nvmlDeviceGetUUID(d, text, sizeof(text)), NVML_SUCCESS);
	assert_string_equal(text, uuid);
	assert_int_equal(nvmlDeviceGetHandleByUUID(uuid, &same), NVML_SUCCESS);
	assert_ptr_equal(same, d);
	assert_int_equal(nvmlDeviceGetPciInfo_v3(d, &pci), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlDeviceGetHandleByPciBusId_v2("0:0:0.0", &same), NVML_ERROR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_init_every_function_says_so),
		cmocka_unit_test_teardown(what_is_no_device_is_an_invalid_argument, stop),
		cmocka_unit_test_teardown(init_is_counted, stop),
		cmocka_unit_test(every_error_has_a_text),
		cmocka_unit_test_teardown(buffers_that_are_too_short_are_left_alone, stop),
		cmocka_unit_test_teardown(structs_of_another_version_are_refused, stop),
		cmocka_unit_test_teardown(devices_are_found_by_what_they_are, stop),
		cmocka_unit_test_teardown(devices_do_not_reach_each_other, stop),
		cmocka_unit_test(answers_that_are_cut_are_no_answers),
		cmocka_unit_test(the_module_says_where_and_how_much),
		cmocka_unit_test(the_module_says_which_gpu),
		cmocka_unit_test_teardown(without_a_way_to_the_server_the_module_answers, stop_module),
		cmocka_unit_test_teardown(without_a_way_to_the_server_the_module_names_the_gpu, stop_module),
	};

	return cmocka_run_group_tests(tests, start_server, NULL);
}
