/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "device.h"
#include "engine.h"
#include "init.h"

#define SM_DEFAULT	75
#define MEMORY_DEFAULT	(4ull << 30)
#define MEMORY_MIN	(16ull << 20)
#define VERSION_MIN	11000
#define VERSION_MAX	99990

static unsigned int sm = SM_DEFAULT;
static size_t memory = MEMORY_DEFAULT;
static uint32_t check;
static bool faults_stay;
static int visible[SOFTGPU_DEVICES_MAX];
static int nr_visible;

unsigned int driver_sm(void)
{
	return sm;
}

size_t driver_memory(void)
{
	return memory;
}

uint32_t driver_check(void)
{
	return check;
}

bool driver_faults_stay(void)
{
	return faults_stay;
}

int driver_devices(void)
{
	return nr_visible;
}

int device_number(CUdevice dev)
{
	return visible[dev];
}

static const char *setting(const char *name)
{
	const char *s = getenv(name);

	return s && *s ? s : NULL;
}

/* The whole of s up to end is a number of at most max. */
static bool parse_number(const char *s, const char *end, unsigned int max, unsigned int *out)
{
	unsigned int n = 0;

	if (s == end)
		return false;
	for (; s < end; s++) {
		if (!isdigit((unsigned char)*s))
			return false;
		n = n * 10 + (unsigned int)(*s - '0');
		if (n > max)
			return false;
	}
	*out = n;
	return true;
}

static bool parse_bytes(const char *s, size_t *out)
{
	unsigned long long n;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (errno || end == s || !isdigit((unsigned char)*s))
		return false;
	switch (*end) {
	case 'G': case 'g': shift += 10; /* fall through */
	case 'M': case 'm': shift += 10; /* fall through */
	case 'K': case 'k': shift += 10; end++;
	}
	if (*end || n > SIZE_MAX >> shift >> 1)
		return false;
	*out = n << shift;
	return true;
}

static bool read_sm(void)
{
	const char *s = setting("SOFTGPU_SM");

	if (!s)
		return true;
	if (parse_number(s, s + strlen(s), 1000, &sm) && device_limits_of(sm))
		return true;
	driver_log("SOFTGPU_SM=%.20s: not 75, 80, 86, 89, 90, 100 or 120", s);
	return false;
}

static bool read_memory(void)
{
	const char *s = setting("SOFTGPU_MEMORY");

	if (!s || (parse_bytes(s, &memory) && memory >= MEMORY_MIN))
		return true;
	driver_log("SOFTGPU_MEMORY=%.40s: not a size of at least 16M", s);
	return false;
}

static bool read_devices(unsigned int *nr)
{
	const char *s = setting("SOFTGPU_DEVICES");

	*nr = 1;
	if (!s || (parse_number(s, s + strlen(s), SOFTGPU_DEVICES_MAX, nr) && *nr))
		return true;
	driver_log("SOFTGPU_DEVICES=%.20s: not a number of 1 to %d", s, SOFTGPU_DEVICES_MAX);
	return false;
}

/* Words with commas between them. */
static bool read_check(void)
{
	static const struct { const char *word; uint32_t check; } words[] = {
		{ "race", SG_CHECK_RACE }, { "fatal", SG_CHECK_FATAL },
	};
	const char *s = setting("SOFTGPU_CHECK");

	for (; s; s = *s ? s + 1 : NULL) {
		size_t len = strcspn(s, ","), i;

		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (len == strlen(words[i].word) && !strncmp(s, words[i].word, len))
				break;
		if (i == sizeof(words) / sizeof(words[0])) {
			driver_log("SOFTGPU_CHECK: '%.*s' is not race or fatal",
				   (int)(len < 20 ? len : 20), s);
			return false;
		}
		check |= words[i].check;
		s += len;
	}
	if (check != SG_CHECK_FATAL)
		return true;
	driver_log("SOFTGPU_CHECK=fatal: there is nothing to check");
	return false;
}

static bool read_faults(void)
{
	const char *s = setting("SOFTGPU_FAULTS");

	faults_stay = s && !strcmp(s, "context");
	if (!s || faults_stay || !strcmp(s, "process"))
		return true;
	driver_log("SOFTGPU_FAULTS=%.20s: not process or context", s);
	return false;
}

/* The engine reads it at each launch; a value that is none is refused here, once. */
static bool read_step_limit(void)
{
	const char *s = setting("SOFTGPU_STEP_LIMIT");
	char *end;

	if (!s)
		return true;
	errno = 0;
	if (isdigit((unsigned char)*s) && strtoull(s, &end, 0) && !*end && !errno)
		return true;
	driver_log("SOFTGPU_STEP_LIMIT=%.20s: not a number of at least 1", s);
	return false;
}

/* The engine reads these two itself, when the first image is loaded and the first grid runs. */
static bool read_threads(void)
{
	const char *s = setting("SOFTGPU_THREADS");
	unsigned int n;

	if (!s || (parse_number(s, s + strlen(s), SG_MAX_THREADS, &n) && n))
		return true;
	driver_log("SOFTGPU_THREADS=%.20s: not a number of 1 to %d", s, SG_MAX_THREADS);
	return false;
}

static bool read_isa(void)
{
	const char *s = setting("SOFTGPU_ISA");

	if (!s || sg_isa_runs_here(s))
		return true;
	driver_log("SOFTGPU_ISA=%.20s: not base, v3 or v4, or this processor lacks it", s);
	return false;
}

static bool parse_version(const char *s, unsigned int *version)
{
	return parse_number(s, s + strlen(s), VERSION_MAX, version) && *version >= VERSION_MIN;
}

static bool read_version(void)
{
	const char *s = setting("SOFTGPU_DRIVER_VERSION");
	unsigned int n;

	if (!s || parse_version(s, &n))
		return true;
	driver_log("SOFTGPU_DRIVER_VERSION=%.20s: not a version of %d to %d", s, VERSION_MIN,
		   VERSION_MAX);
	return false;
}

/* Asked before cuInit() too. */
int driver_version(void)
{
	const char *s = setting("SOFTGPU_DRIVER_VERSION");
	unsigned int n;

	return s && parse_version(s, &n) ? (int)n : SOFTGPU_DRIVER_VERSION;
}

/*
 * The device that [s, end) names: an index, or GPU- and the beginning of a UUID that no other
 * device has. -1: none.
 */
static int device_named(const char *s, const char *end, unsigned int nr)
{
	char text[DEVICE_UUID_TEXT];
	int found = -1;
	unsigned int n;

	if (parse_number(s, end, nr - 1, &n))
		return (int)n;
	for (n = 0; n < nr; n++) {
		device_uuid_text(n, text);
		if (end - s <= 4 || strncasecmp(text, s, end - s))
			continue;
		if (found >= 0)
			return -1;
		found = (int)n;
	}
	return found;
}

/* As CUDA reads it: up to the first name that is none; a device named twice leaves none at all. */
static void read_visible(unsigned int nr)
{
	const char *s = getenv("CUDA_VISIBLE_DEVICES"), *end;

	nr_visible = 0;
	if (!s) {
		for (; nr_visible < (int)nr; nr_visible++)
			visible[nr_visible] = nr_visible;
		return;
	}
	for (;; s = end + 1) {
		const char *last;
		int dev;

		while (isspace((unsigned char)*s))
			s++;
		last = end = s + strcspn(s, ",");
		while (last > s && isspace((unsigned char)last[-1]))
			last--;
		dev = device_named(s, last, nr);
		if (dev < 0)
			return;
		for (int i = 0; i < nr_visible; i++) {
			if (visible[i] == dev) {
				nr_visible = 0;
				return;
			}
		}
		visible[nr_visible++] = dev;
		if (!*end)
			return;
	}
}

CUresult settings_read(void)
{
	unsigned int nr;

	if (!read_sm() || !read_memory() || !read_devices(&nr) || !read_check() || !read_faults() ||
	    !read_step_limit() || !read_threads() || !read_isa() || !read_version())
		return CUDA_ERROR_NO_DEVICE;
	read_visible(nr);
	return nr_visible ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}
