/* SPDX-License-Identifier: MIT */
#include "decompress.h"

#include <stdint.h>
#include <string.h>
#include <zstd.h>

struct reader {
	const unsigned char *p, *end;
};

/*
 * A length whose four bits in the token are all ones goes on in the following bytes, until one is
 * not 255.
 */
static bool read_length(struct reader *in, size_t *n)
{
	unsigned char c;

	if (*n != 15)
		return true;
	do {
		if (in->p == in->end)
			return false;
		c = *in->p++;
		*n += c;
	} while (c == 255);
	return true;
}

/*
 * LZ4 block format: token, literals, 16-bit distance, match of at least 4 bytes; the last sequence
 * has only literals.
 */
bool lz4_decompress(const void *in_data, size_t in_size, void *out_data, size_t out_size)
{
	struct reader in = { in_data, (const unsigned char *)in_data + in_size };
	unsigned char *out = out_data, *end = out + out_size;
	size_t n, distance;
	unsigned int token;

	while (in.p < in.end) {
		token = *in.p++;
		n = token >> 4;
		if (!read_length(&in, &n) || n > (size_t)(in.end - in.p) || n > (size_t)(end - out))
			return false;
		memcpy(out, in.p, n);
		out += n;
		in.p += n;
		if (in.p == in.end)
			break;
		if (in.end - in.p < 2)
			return false;
		distance = in.p[0] | in.p[1] << 8;
		in.p += 2;
		n = token & 15;
		if (!read_length(&in, &n) || !distance ||
		    distance > (size_t)(out - (unsigned char *)out_data))
			return false;
		n += 4;
		if (n > (size_t)(end - out))
			return false;
		for (; n; n--, out++)		/* may overlap: that is how runs are written */
			*out = out[-(ptrdiff_t)distance];
	}
	return out == end;
}

bool fatbin_decompress(const struct fatbin_entry *e, void *out)
{
	switch (e->codec) {
	case FATBIN_STORED:
		memcpy(out, e->data, e->size);
		return true;
	case FATBIN_LZ4:
		return lz4_decompress(e->data, e->size, out, e->plain_size);
	case FATBIN_ZSTD:
		return ZSTD_decompress(out, e->plain_size, e->data, e->size) == e->plain_size;
	}
	return false;
}
