// SPDX-License-Identifier: MIT
/*
 * query.c - asks the server of the virtual GPU what it is, without taking a lease
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "env.h"
#include "net.h"
#include "vgpu_codec.h"
#include "vnvml.h"

#define DEVICES		64	/* /dev/vgpu0 to /dev/vgpu63 */
#define AGAIN_MS	50	/* a server that has just started knows its GPU in a moment */

/* ---- where ---- */

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
	s->has_used = !err;
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

static int find_server(struct vnvml_server *s, char *why)
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

/* ---- the answer ---- */

static bool take_device(struct vnvml_info *info, struct vwire_rd rd)
{
	struct vnvml_device *d = &info->devices[info->nr_devices];
	struct vwire_attribute a;
	struct vwire_device v;
	uint32_t i;

	if (info->nr_devices == VNVML_MAX_DEVICES)
		return true;
	rd_copy(&rd, &v, sizeof(v));
	if (rd.err)
		return false;
	memcpy(d->name, v.name, sizeof(d->name) - 1);
	memcpy(d->uuid, v.uuid, sizeof(d->uuid));
	d->total_mem = le64toh(v.total_mem);
	for (i = 0; i < le32toh(v.nr_attributes) && !rd.err; i++) {
		rd_copy(&rd, &a, sizeof(a));
		if (!rd.err && le32toh(a.id) < VNVML_ATTRIBUTES)
			d->attributes[le32toh(a.id)] = (int)le32toh(a.value);
	}
	info->nr_devices++;
	return !rd.err;
}

static bool take_value(struct vnvml_info *info, const struct vwire_tlv *t, const void *p)
{
	struct vwire_rd rd = rd_init(p, le32toh(t->len));
	struct vwire_utilisation u;

	switch (le16toh(t->type)) {
	case VWIRE_TLV_DEVICE:
		return take_device(info, rd);
	case VWIRE_TLV_DRIVER:
		snprintf(info->driver, sizeof(info->driver), "%.*s",
			 (int)strnlen(p, le32toh(t->len)), (const char *)p);
		return true;
	case VWIRE_TLV_UTILISATION:
		rd_copy(&rd, &u, sizeof(u));
		info->has_utilisation = !rd.err;
		info->utilisation.gpu = le32toh(u.gpu);
		info->utilisation.memory = le32toh(u.memory);
		return !rd.err;
	default:
		return !(le16toh(t->flags) & VWIRE_TLV_F_REQUIRED);
	}
}

bool vnvml_take_info(struct vnvml_info *info, const void *payload, size_t n)
{
	struct vwire_rd rd = rd_init(payload, n);
	struct vwire_info v;
	struct vwire_tlv t;
	const void *p;

	memset(info, 0, sizeof(*info));
	rd_copy(&rd, &v, sizeof(v));
	if (rd.err)
		return false;
	info->driver_version = le32toh(v.driver_version);
	info->mem_limit = le64toh(v.mem_limit);
	info->mem_used = le64toh(v.mem_used);
	while (rd.end - rd.p >= (ptrdiff_t)sizeof(t)) {
		rd_copy(&rd, &t, sizeof(t));
		p = rd_bytes(&rd, le32toh(t.len));
		if (!p || !take_value(info, &t, p))
			return false;
	}
	return rd_end(&rd) && info->nr_devices;
}

/* ---- one question ---- */

/* A REFUSED frame's text; -EAGAIN: the server does not know yet, ask again. */
static int take_refused(const void *payload, size_t n, char *why)
{
	struct vwire_rd rd = rd_init(payload, n);
	struct vwire_refused r;
	const char *text;

	rd_copy(&rd, &r, sizeof(r));
	text = rd_bytes(&rd, le32toh(r.text_len));
	if (rd.err || !text)
		return -EPROTO;
	snprintf(why, VWIRE_TEXT_MAX, "%.*s", (int)strnlen(text, le32toh(r.text_len)), text);
	return le32toh(r.reason) == VWIRE_REASON_WORKER ? -EAGAIN : -ECONNREFUSED;
}

static int send_query(int fd, const struct vnvml_server *s, uint64_t deadline)
{
	uint8_t buf[VWIRE_CONTROL_MAX];
	struct vwire_frame h;
	int n = net_lease_frame(buf, sizeof(buf), 0, s->mem_limit, 0, getenv("VGPU_TENANT"));

	if (n < 0)
		return n;
	memcpy(&h, buf, sizeof(h));
	h.op = htole16(VWIRE_OP_QUERY);
	memcpy(buf, &h, sizeof(h));
	return net_write(fd, buf, n, deadline);
}

static int take_answer(int fd, struct vnvml_info *info, uint64_t deadline, char *why)
{
	uint8_t buf[VWIRE_CONTROL_MAX];
	struct vwire_frame h;
	size_t n;
	int err = net_read(fd, &h, sizeof(h), deadline);

	if (err)
		return err;
	n = le32toh(h.size);
	if (n < sizeof(h) || n - sizeof(h) > sizeof(buf) || n % 8)
		return -EPROTO;
	n -= sizeof(h);
	err = net_read(fd, buf, n, deadline);
	if (err)
		return err;
	if (le16toh(h.op) == VWIRE_OP_REFUSED)
		return take_refused(buf, n, why);
	return le16toh(h.op) == VWIRE_OP_INFO && vnvml_take_info(info, buf, n) ? 0 : -EPROTO;
}

static int ask(const struct vnvml_server *s, struct vnvml_info *info, uint64_t deadline, char *why)
{
	int fd = net_connect(s->name, net_left(deadline)), err;

	if (fd < 0)
		return fd;
	err = send_query(fd, s, deadline);
	if (!err)
		err = take_answer(fd, info, deadline, why);
	close(fd);
	return err;
}

int vnvml_query(struct vnvml_info *info, char *why)
{
	uint64_t deadline = net_now() + VNVML_WAIT_MS;
	char text[VWIRE_TEXT_MAX] = "";
	struct vnvml_server s;
	int err = find_server(&s, why);

	if (err)
		return err;
	while ((err = ask(&s, info, deadline, text)) == -EAGAIN &&
	       net_left(deadline) > AGAIN_MS)
		poll(NULL, 0, AGAIN_MS);
	if (err)
		snprintf(why, VWIRE_TEXT_MAX, "server %.200s: %.250s", s.name,
			 *text ? text : strerror(-err));
	else if (s.has_used)
		info->mem_used = s.mem_used;
	return err;
}
