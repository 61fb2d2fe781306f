// SPDX-License-Identifier: MIT
#include "wire.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vgpu_codec.h"

void refusal_set(struct refusal *r, uint32_t result, uint32_t reason, const char *fmt, ...)
{
	va_list ap;

	r->result = result;
	r->reason = reason;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

static int malformed(struct refusal *why, const char *what, unsigned int value)
{
	refusal_set(why, WIRE_INVALID_VALUE, VWIRE_REASON_PROTOCOL, "not a LEASE frame: %s %u",
		    what, value);
	return -EPROTO;
}

int wire_check_header(const struct vwire_frame *h, struct refusal *why)
{
	uint32_t size = le32toh(h->size);

	if (le16toh(h->op) == VWIRE_OP_BULK && size == sizeof(*h) + sizeof(struct vwire_bulk))
		return 0;
	if (le16toh(h->op) != VWIRE_OP_LEASE && le16toh(h->op) != VWIRE_OP_QUERY)
		return malformed(why, "op", le16toh(h->op));
	if (size < sizeof(*h) + sizeof(struct vwire_lease) || size > VWIRE_CONTROL_MAX || size % 8)
		return malformed(why, "size", size);
	return 0;
}

static int check_version(const struct vwire_lease *lease, struct refusal *why)
{
	unsigned int newest = le16toh(lease->version), oldest = le16toh(lease->version_min);

	if (le32toh(lease->magic) != VWIRE_MAGIC)
		return malformed(why, "magic", le32toh(lease->magic));
	if (oldest <= newest && newest >= VWIRE_VERSION_MIN && oldest <= VWIRE_VERSION)
		return 0;
	refusal_set(why, WIRE_UNAVAILABLE, VWIRE_REASON_VERSION,
		    "no common version: the client speaks protocol %u to %u, the server %u to %u",
		    oldest, newest, VWIRE_VERSION_MIN, VWIRE_VERSION);
	return -EPROTO;
}

static int check_tenant(struct vwire_lease *lease, struct refusal *why)
{
	const char *p = lease->tenant;

	if (!memchr(p, '\0', sizeof(lease->tenant)))
		return malformed(why, "tenant longer than", sizeof(lease->tenant) - 1);
	for (; *p; p++)
		if (*p <= ' ' || *p > '~')
			return malformed(why, "tenant with a byte", (unsigned char)*p);
	if (!*lease->tenant)
		strcpy(lease->tenant, "default");
	return 0;
}

/* Members of version 1 that only a feature, which this server does not confirm, would use. */
static int check_reserved(const struct vwire_lease *lease, struct refusal *why)
{
	static const uint8_t none[sizeof(lease->session)];

	if (lease->connection)
		return malformed(why, "connection", le32toh(lease->connection));
	if (memcmp(lease->session, none, sizeof(none)))
		return malformed(why, "session", lease->session[0]);
	return 0;
}

/* No tagged value of a LEASE is known to version 1. */
static int check_tagged(struct vwire_rd *rd, struct refusal *why)
{
	struct vwire_tlv tlv;

	while (rd->end - rd->p >= (ptrdiff_t)sizeof(tlv)) {
		rd_copy(rd, &tlv, sizeof(tlv));
		if (!rd_bytes(rd, le32toh(tlv.len)))
			return malformed(why, "tagged value of length", le32toh(tlv.len));
		if (le16toh(tlv.flags) & VWIRE_TLV_F_REQUIRED) {
			refusal_set(
				why, WIRE_UNAVAILABLE, VWIRE_REASON_VERSION,
				"value of type %u is required and not known to protocol %u to %u",
				le16toh(tlv.type), VWIRE_VERSION_MIN, VWIRE_VERSION);
			return -EPROTO;
		}
	}
	return rd_end(rd) ? 0 : malformed(why, "bytes left over:", rd->end - rd->p);
}

int wire_parse_lease(const void *frame, size_t n, struct vwire_lease *lease, struct refusal *why)
{
	struct vwire_rd rd = rd_init(frame, n);
	int err;

	rd_bytes(&rd, sizeof(struct vwire_frame));
	rd_copy(&rd, lease, sizeof(*lease));
	err = check_version(lease, why);
	if (!err)
		err = check_reserved(lease, why);
	if (!err)
		err = check_tenant(lease, why);
	if (!err)
		err = check_tagged(&rd, why);
	return err;
}

int wire_parse_bulk(const void *frame, size_t n, struct vwire_bulk *bulk, struct refusal *why)
{
	struct vwire_rd rd = rd_init(frame, n);

	rd_bytes(&rd, sizeof(struct vwire_frame));
	rd_copy(&rd, bulk, sizeof(*bulk));
	if (rd_end(&rd) && le32toh(bulk->magic) == VWIRE_MAGIC)
		return 0;
	return malformed(why, "magic", le32toh(bulk->magic));
}

static size_t finish(struct vwire_wr *w, uint16_t op)
{
	struct vwire_frame h = { .size = htole32(wr_len(w)), .op = htole16(op) };

	memcpy(w->start, &h, sizeof(h));
	return wr_len(w);
}

size_t wire_queued(void *buf, uint32_t place, uint64_t waited_ms)
{
	struct vwire_queued q = {
		.place = htole32(place),
		.waited_ms = htole32(waited_ms > UINT32_MAX ? UINT32_MAX : waited_ms),
	};
	struct vwire_wr w = wr_init(buf, VWIRE_CONTROL_MAX);

	wr_reserve(&w, sizeof(struct vwire_frame));
	wr_bytes(&w, &q, sizeof(q));
	return finish(&w, VWIRE_OP_QUEUED);
}

size_t wire_refused(void *buf, const struct refusal *why)
{
	size_t len = strnlen(why->text, sizeof(why->text) - 1);
	struct vwire_refused r = {
		.result = htole32(why->result),
		.reason = htole32(why->reason),
		.version = htole16(VWIRE_VERSION),
		.version_min = htole16(VWIRE_VERSION_MIN),
		.text_len = htole32(len),
	};
	struct vwire_wr w = wr_init(buf, VWIRE_CONTROL_MAX);

	wr_reserve(&w, sizeof(struct vwire_frame));
	wr_bytes(&w, &r, sizeof(r));
	wr_bytes(&w, why->text, len);
	return finish(&w, VWIRE_OP_REFUSED);
}

static void put_value(struct vwire_wr *w, uint16_t type, const void *p, size_t n)
{
	struct vwire_tlv tlv = { .type = htole16(type), .len = htole32(n) };

	wr_bytes(w, &tlv, sizeof(tlv));
	wr_bytes(w, p, n);
}

size_t wire_info(void *buf, const struct wire_info *info)
{
	struct vwire_wr w = wr_init(buf, VWIRE_CONTROL_MAX);

	wr_reserve(&w, sizeof(struct vwire_frame));
	wr_bytes(&w, &info->info, sizeof(info->info));
	wr_bytes(&w, info->device, info->device_bytes);
	if (*info->driver)
		put_value(&w, VWIRE_TLV_DRIVER, info->driver, strlen(info->driver));
	if (info->has_utilisation)
		put_value(&w, VWIRE_TLV_UTILISATION, &info->utilisation, sizeof(info->utilisation));
	return finish(&w, VWIRE_OP_INFO);
}
