// SPDX-License-Identifier: MIT
/*
 * where.c - the server of the virtual GPU, and what the module says of it
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "env.h"
#include "vnvml.h"

#define DEVICES		64	/* /dev/vgpu0 to /dev/vgpu63 */

static int read_line(const char *directory, const char *name, char *buf, size_t n)
{
	char path[512];
	FILE *f;
	int err = 0;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (!fgets(buf, n, f))
		err = -EIO;
	fclose(f);
	buf[err ? 0 : strcspn(buf, "\n")] = '\0';
	return err;
}

static int read_number(const char *directory, const char *name, uint64_t *v)
{
	char buf[32], *end;
	int err = read_line(directory, name, buf, sizeof(buf));

	if (err)
		return err;
	errno = 0;
	*v = strtoull(buf, &end, 10);
	return errno || end == buf || *end ? -EIO : 0;
}

/* 32 hexadecimal digits in groups. */
static bool parse_uuid(const char *text, unsigned char uuid[16])
{
	int i;

	for (i = 0; i < 16; i++, text += 2) {
		text += *text == '-';
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
		    sscanf(text, "%2hhx", &uuid[i]) != 1)
			return false;
	}
	return !*text;
}

/* Of the GPU, as vgpud has heard it; a module that does not say is an older one. */
static void read_gpu(struct vnvml_server *s, const char *directory)
{
	char uuid[64];

	s->has_gpu = !read_line(directory, "name", s->gpu, sizeof(s->gpu)) && *s->gpu &&
		     !read_line(directory, "uuid", uuid, sizeof(uuid)) && parse_uuid(uuid, s->uuid);
}

int vnvml_read_sysfs(struct vnvml_server *s, const char *directory, char *why)
{
	char state[32];
	int err = read_line(directory, "state", state, sizeof(state));

	if (!err)
		err = read_number(directory, "mem_limit", &s->mem_limit);
	if (!err)
		err = read_number(directory, "mem_used", &s->mem_used);
	if (!err)
		err = read_line(directory, "server", s->name, sizeof(s->name));
	if (!err)
		read_gpu(s, directory);
	s->has_used = !err;
	s->ready = !err && !strcmp(state, "ready");
	if (err) {
		snprintf(why, VWIRE_TEXT_MAX, "%s: %s", directory, strerror(-err));
		return err;
	}
	if (*s->name && strcmp(state, "offline"))
		return 0;
	snprintf(why, VWIRE_TEXT_MAX, "%s",
		 !strcmp(state, "offline") ? "vgpud is not running" : "vgpud has no server");
	return -EHOSTDOWN;
}

/* By the device's number: a container may show the node under another name. */
static int ask_module(struct vnvml_server *s, const char *node, char *why)
{
	char directory[64];
	struct stat st;

	if (stat(node, &st) < 0) {
		snprintf(why, VWIRE_TEXT_MAX, "%s: %s", node, strerror(errno));
		return -errno;
	}
	if (!S_ISCHR(st.st_mode)) {
		snprintf(why, VWIRE_TEXT_MAX, "%s: %s", node, strerror(ENOTTY));
		return -ENOTTY;
	}
	snprintf(directory, sizeof(directory), "/sys/dev/char/%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	return vnvml_read_sysfs(s, directory, why);
}

int vnvml_find_server(struct vnvml_server *s, char *why)
{
	const char *server = getenv("VGPU_SERVER"), *node = getenv("VGPU_DEVICE");
	char name[32];
	int i;

	memset(s, 0, sizeof(*s));
	if (server && *server) {
		snprintf(s->name, sizeof(s->name), "%s", server);
		return env_bytes("VGPU_MEM_LIMIT", &s->mem_limit, why, VWIRE_TEXT_MAX);
	}
	if (node && *node)
		return ask_module(s, node, why);
	for (i = 0; i < DEVICES; i++) {
		snprintf(name, sizeof(name), "/dev/vgpu%d", i);
		if (!access(name, F_OK))
			return ask_module(s, name, why);
	}
	snprintf(why, VWIRE_TEXT_MAX, "no /dev/vgpuN, and VGPU_SERVER is not set");
	return -ENODEV;
}
