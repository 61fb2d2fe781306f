// SPDX-License-Identifier: MIT
#include "env.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPIN_MOST_US	20000

int env_bytes(const char *name, uint64_t *v, char *why, size_t n)
{
	static const char units[] = "KMG";
	const char *s = getenv(name), *unit;
	char *end;
	int shift = 0;

	*v = 0;
	if (!s || !*s)
		return 0;
	errno = 0;
	*v = strtoull(s, &end, 0);
	unit = *end && end != s ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (*s != '-' && end != s && !*end && !errno && *v <= UINT64_MAX >> shift) {
		*v <<= shift;
		return 0;
	}
	snprintf(why, n, "%s=%s is not a number of bytes", name, s);
	return -EINVAL;
}

long env_number(const char *name, long least, long most, long otherwise)
{
	const char *s = getenv(name);
	char *end;
	long v;

	if (!s || !*s)
		return otherwise;
	v = strtol(s, &end, 0);
	if (*end)
		return otherwise;
	return v < least ? least : v > most ? most : v;
}

int env_cpu_max(const char *line)
{
	unsigned long long quota, period;

	if (sscanf(line, "%llu %llu", &quota, &period) != 2 || !period)
		return INT_MAX;
	quota = quota / period + (quota % period != 0);
	return quota < INT_MAX ? (int)quota : INT_MAX;
}

/* The control group's, which a container sees at the root. */
static int allowed_time(void)
{
	FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
	char line[64] = "";

	if (!f)
		return INT_MAX;
	if (!fgets(line, sizeof(line), f))
		*line = '\0';
	fclose(f);
	return env_cpu_max(line);
}

static int processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set), time = allowed_time();

	return n < time ? n : time;
}

uint64_t env_spin_ns(uint64_t *most)
{
	int n = processors();
	long us = env_number("VGPU_SPIN_US", 0, SPIN_MOST_US, n >= 8 ? 200 : n >= 4 ? 50 : 0);
	long most_us = env_number("VGPU_SPIN_MOST_US", 0, SPIN_MOST_US, us && n >= 8 ? 5000 : 0);

	*most = 1000 * (most_us > us ? most_us : us);
	return 1000 * us;
}
