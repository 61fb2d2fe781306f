/* SPDX-License-Identifier: MIT */
/*
 * stripe.h - what stands before the data of a stripe on a bulk connection, either way
 */
#ifndef COMMON_STRIPE_H
#define COMMON_STRIPE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#include "vgpu_codec.h"
#include "vgpu_wire.h"

struct stripe_head {
	struct vwire_frame frame;
	struct vwire_data data;
};

/* len bytes at offset of the copy that the request seq is. */
static inline struct stripe_head stripe_head(uint64_t seq, uint64_t offset, uint64_t len)
{
	return (struct stripe_head){
		.frame = { .size = htole32(sizeof(struct stripe_head) + vwire_pad(len)),
			   .op = htole16(VWIRE_OP_DATA),
			   .seq = htole64(seq) },
		.data = { .offset = htole64(offset), .len = htole64(len) },
	};
}

/* A stripe, of whatever copy. */
static inline bool stripe_head_is_right(const struct stripe_head *h)
{
	uint64_t len = le64toh(h->data.len);

	return le16toh(h->frame.op) == VWIRE_OP_DATA && !h->frame.flags && len &&
	       len <= VWIRE_STRIPE && le64toh(h->data.offset) % VWIRE_STRIPE == 0 &&
	       le32toh(h->frame.size) == sizeof(*h) + vwire_pad(len);
}

#endif /* COMMON_STRIPE_H */
