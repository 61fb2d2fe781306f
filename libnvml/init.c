// SPDX-License-Identifier: MIT
/*
 * init.c - nvmlInit() and what it leaves; the system's versions
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vnvml.h"

/*
 * The struct of the first answer is kept to the end of the process, so that handles stay what they
 * were over shutdown and the next nvmlInit(), as those of NVIDIA's library do.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int users;		/* nvmlInit() less nvmlShutdown() */
static struct vnvml_info info;

/* vgpu-server does not ask itself: userd/server/nvml.c looks for this name. */
EXPORT const int vgpu_nvml = 1;

nvmlReturn_t vnvml_ready(void)
{
	return __atomic_load_n(&users, __ATOMIC_ACQUIRE) > 0 ? NVML_SUCCESS :
							       NVML_ERROR_UNINITIALIZED;
}

const struct vnvml_info *vnvml_info(void)
{
	return &info;
}

nvmlReturn_t vnvml_check(nvmlDevice_t device)
{
	const struct vnvml_device *d = vnvml_device(device);
	unsigned int i;

	if (vnvml_ready())
		return NVML_ERROR_UNINITIALIZED;
	for (i = 0; i < info.nr_devices; i++)
		if (d == &info.devices[i])
			return NVML_SUCCESS;
	return NVML_ERROR_INVALID_ARGUMENT;
}

/* Once for each reason: programs try again and again. Under the lock. */
static void say(const char *why)
{
	static char last[VWIRE_TEXT_MAX];

	if (!strcmp(last, why))
		return;
	snprintf(last, sizeof(last), "%s", why);
	dprintf(STDERR_FILENO, "libnvml: %s\n", why);
}

static nvmlReturn_t query(struct vnvml_info *to, nvmlReturn_t failed)
{
	char why[VWIRE_TEXT_MAX];

	if (!vnvml_query(to, why))
		return NVML_SUCCESS;
	pthread_mutex_lock(&lock);
	say(why);
	pthread_mutex_unlock(&lock);
	return failed;
}

nvmlReturn_t vnvml_ask(struct vnvml_info *to)
{
	return query(to, NVML_ERROR_GPU_IS_LOST);
}

/* The parent's other threads may have held the lock. */
static void after_fork(void)
{
	pthread_mutex_init(&lock, NULL);
	vnvml_own_fork();
	vnvml_event_fork();
}

__attribute__((constructor)) static void watch_fork(void)
{
	pthread_atfork(NULL, NULL, after_fork);
}

static nvmlReturn_t start(void)
{
	struct vnvml_info *first = calloc(1, sizeof(*first));
	nvmlReturn_t r = first ? query(first, NVML_ERROR_DRIVER_NOT_LOADED) : NVML_ERROR_MEMORY;

	pthread_mutex_lock(&lock);
	if (!r && !users)
		info = *first;
	if (!r)
		__atomic_store_n(&users, users + 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	free(first);
	return r;
}

EXPORT nvmlReturn_t nvmlInit_v2(void)
{
	bool again;

	pthread_mutex_lock(&lock);
	again = users > 0;
	users += again;
	pthread_mutex_unlock(&lock);
	return again ? NVML_SUCCESS : start();
}

EXPORT nvmlReturn_t nvmlInit(void)
{
	return nvmlInit_v2();
}

/* NO_GPUS and NO_ATTACH ask for less than there is; there is no driver that FORCE_INIT would wake. */
EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
	(void)flags;
	return nvmlInit_v2();
}

EXPORT nvmlReturn_t nvmlShutdown(void)
{
	nvmlReturn_t r = NVML_SUCCESS;

	pthread_mutex_lock(&lock);
	if (users)
		__atomic_store_n(&users, users - 1, __ATOMIC_RELEASE);
	else
		r = NVML_ERROR_UNINITIALIZED;
	pthread_mutex_unlock(&lock);
	return r;
}

EXPORT const char *nvmlErrorString(nvmlReturn_t result)
{
	static const char *const texts[] = {
		[NVML_SUCCESS] = "Success",
		[NVML_ERROR_UNINITIALIZED] = "Uninitialized",
		[NVML_ERROR_INVALID_ARGUMENT] = "Invalid Argument",
		[NVML_ERROR_NOT_SUPPORTED] = "Not Supported",
		[NVML_ERROR_NO_PERMISSION] = "Insufficient Permissions",
		[NVML_ERROR_ALREADY_INITIALIZED] = "Already Initialized",
		[NVML_ERROR_NOT_FOUND] = "Not Found",
		[NVML_ERROR_INSUFFICIENT_SIZE] = "Insufficient Size",
		[NVML_ERROR_INSUFFICIENT_POWER] = "Insufficient External Power",
		[NVML_ERROR_DRIVER_NOT_LOADED] = "Driver Not Loaded",
		[NVML_ERROR_TIMEOUT] = "Timeout",
		[NVML_ERROR_IRQ_ISSUE] = "Interrupt Request Issue",
		[NVML_ERROR_LIBRARY_NOT_FOUND] = "NVML Shared Library Not Found",
		[NVML_ERROR_FUNCTION_NOT_FOUND] = "Function Not Found",
		[NVML_ERROR_CORRUPTED_INFOROM] = "Corrupted infoROM",
		[NVML_ERROR_GPU_IS_LOST] = "GPU is lost",
		[NVML_ERROR_RESET_REQUIRED] = "GPU requires restart",
		[NVML_ERROR_OPERATING_SYSTEM] = "The operating system has blocked the request.",
		[NVML_ERROR_LIB_RM_VERSION_MISMATCH] =
			"RM has detected an NVML/RM version mismatch.",
		[NVML_ERROR_IN_USE] = "In use by another client",
		[NVML_ERROR_MEMORY] = "Insufficient Memory",
		[NVML_ERROR_NO_DATA] = "No data",
		[NVML_ERROR_VGPU_ECC_NOT_SUPPORTED] = "vGPU ECC not supported",
		[NVML_ERROR_INSUFFICIENT_RESOURCES] = "Insufficient resources",
		[NVML_ERROR_FREQ_NOT_SUPPORTED] = "Frequency not supported",
		[NVML_ERROR_ARGUMENT_VERSION_MISMATCH] = "Argument version mismatch",
		[NVML_ERROR_DEPRECATED] = "Deprecated",
		[NVML_ERROR_NOT_READY] = "Not Ready",
		[NVML_ERROR_GPU_NOT_FOUND] = "GPU not found",
		[NVML_ERROR_INVALID_STATE] = "Invalid state",
		[NVML_ERROR_RESET_TYPE_NOT_SUPPORTED] = "Reset type not supported",
	};
	unsigned int i = result;

	return i < sizeof(texts) / sizeof(texts[0]) && texts[i] ? texts[i] : "Unknown Error";
}

/* ---- the system ---- */

nvmlReturn_t vnvml_give(const char *s, char *buf, unsigned int length)
{
	size_t n = strlen(s) + 1;

	if (!buf)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (n > length)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(buf, s, n);
	return NVML_SUCCESS;
}

/* Of the server; a server without NVIDIA's driver, as one with softgpu is, has none. */
EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
	nvmlReturn_t r = vnvml_ready();

	if (r)
		return r;
	if (!version)
		return NVML_ERROR_INVALID_ARGUMENT;
	return *info.driver ? vnvml_give(info.driver, version, length) : NVML_ERROR_NOT_SUPPORTED;
}

EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
	char text[NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE + 16];
	nvmlReturn_t r = vnvml_ready();

	snprintf(text, sizeof(text), "%d%s%s", NVML_API_VERSION, *info.driver ? "." : "",
		 info.driver);
	return r ? r : vnvml_give(text, version, length);
}

/* NVIDIA's answers before nvmlInit() too. */
EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	struct vnvml_info *now;
	nvmlReturn_t r;

	if (!version)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!vnvml_ready()) {
		*version = info.driver_version;
		return *version ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
	}
	now = calloc(1, sizeof(*now));
	r = now ? query(now, NVML_ERROR_LIBRARY_NOT_FOUND) : NVML_ERROR_MEMORY;
	if (!r && !now->driver_version)
		r = NVML_ERROR_NOT_SUPPORTED;
	if (!r)
		*version = now->driver_version;
	free(now);
	return r;
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
	return nvmlSystemGetCudaDriverVersion_v2(version);
}

/* The name is cut to the buffer's length, as NVIDIA's is. */
EXPORT nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
	nvmlReturn_t r = vnvml_ready();
	char path[32];
	FILE *f;
	size_t n;

	if (r)
		return r;
	if (!name || !length)
		return NVML_ERROR_INVALID_ARGUMENT;
	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	f = fopen(path, "re");
	if (!f)
		return NVML_ERROR_NOT_FOUND;
	n = fread(name, 1, length - 1, f);
	name[n] = '\0';		/* the arguments behind the first have a NUL before them */
	fclose(f);
	return NVML_SUCCESS;
}

static nvmlReturn_t none(unsigned int *count)
{
	nvmlReturn_t r = vnvml_ready();

	if (r)
		return r;
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = 0;
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlUnitGetCount(unsigned int *count)
{
	return none(count);
}

EXPORT nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned int *count)
{
	return none(count);
}

/* ---- confidential computing: NCCL asks, and no lease has it ---- */

EXPORT nvmlReturn_t nvmlSystemGetConfComputeState(nvmlConfComputeSystemState_t *state)
{
	nvmlReturn_t r = vnvml_ready();

	if (r)
		return r;
	if (!state)
		return NVML_ERROR_INVALID_ARGUMENT;
	memset(state, 0, sizeof(*state));
	return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlSystemGetConfComputeSettings(nvmlSystemConfComputeSettings_t *settings)
{
	nvmlReturn_t r = vnvml_ready();
	unsigned int version;

	if (r)
		return r;
	if (!settings)
		return NVML_ERROR_INVALID_ARGUMENT;
	version = settings->version;
	if (version != nvmlSystemConfComputeSettings_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	memset(settings, 0, sizeof(*settings));
	settings->version = version;
	return NVML_SUCCESS;
}
