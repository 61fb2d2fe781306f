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
#include <unistd.h>

#include "net.h"
#include "vgpu_codec.h"
#include "vnvml.h"

#define AGAIN_MS	50	/* a server that has just started knows its GPU in a moment */
#define NEAR_MS		1000	/* to reach the server, where the module can answer instead */
#define ALONE_MS	60000	/* it was not to be reached: so long it is not tried again */

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
	d->named = d->known = true;
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

/* *reached: there is a connection. */
static int ask(const struct vnvml_server *s, struct vnvml_info *info, uint64_t deadline, char *why,
	       bool *reached)
{
	int left = net_left(deadline), fd, err;

	fd = net_connect(s->name, s->ready && left > NEAR_MS ? NEAR_MS : left);
	*reached = fd >= 0;
	if (fd < 0)
		return fd;
	err = send_query(fd, s, deadline);
	if (!err)
		err = take_answer(fd, info, deadline, why);
	close(fd);
	return err;
}

/* A container without a way to the server, of which vgpud says that it answers. */
static int ask_nobody(const struct vnvml_server *s, struct vnvml_info *info)
{
	memset(info, 0, sizeof(*info));
	info->mem_limit = s->mem_limit;
	info->mem_used = s->mem_used;
	info->nr_devices = 1;
	info->devices[0].total_mem = UINT64_MAX;
	info->devices[0].named = s->has_gpu;
	memcpy(info->devices[0].name, s->gpu, sizeof(s->gpu));
	memcpy(info->devices[0].uuid, s->uuid, sizeof(s->uuid));
	return 0;
}

int vnvml_query(struct vnvml_info *info, char *why)
{
	static _Atomic uint64_t alone_until;
	uint64_t deadline = net_now() + VNVML_WAIT_MS;
	char text[VWIRE_TEXT_MAX] = "";
	struct vnvml_server s;
	bool reached;
	int err = vnvml_find_server(&s, why);

	if (err)
		return err;
	if (s.ready && net_now() < alone_until)
		return ask_nobody(&s, info);
	while ((err = ask(&s, info, deadline, text, &reached)) == -EAGAIN &&
	       net_left(deadline) > AGAIN_MS)
		poll(NULL, 0, AGAIN_MS);
	if (!reached && s.ready) {
		alone_until = net_now() + ALONE_MS;
		return ask_nobody(&s, info);
	}
	if (err)
		snprintf(why, VWIRE_TEXT_MAX, "server %.200s: %.250s", s.name,
			 *text ? text : strerror(-err));
	else if (s.has_used)
		info->mem_used = s.mem_used;
	return err;
}
