// SPDX-License-Identifier: MIT
/*
 * nvml_double.c - a libnvidia-ml.so.1 for vgpu-server: it knows every GPU, and that it is busy. With
 * NVML_DOUBLE_HANGS in the environment it does not return, as with a GPU that has gone;
 * NVML_DOUBLE_DRIVER is the version of its driver
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int device;

int nvmlInit_v2(void)
{
	return 0;
}

int nvmlShutdown(void)
{
	return 0;
}

int nvmlSystemGetDriverVersion(char *version, unsigned int n)
{
	const char *driver = getenv("NVML_DOUBLE_DRIVER");

	return snprintf(version, n, "%s", driver ? driver : "580.1.2") < 0;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle)
{
	if (strlen(uuid) != 40 || strncmp(uuid, "GPU-", 4))
		return 2;
	*handle = &device;
	return 0;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned int rates[2])
{
	if (handle != &device)
		return 2;
	while (getenv("NVML_DOUBLE_HANGS"))
		pause();
	rates[0] = 37;
	rates[1] = 12;
	return 0;
}
