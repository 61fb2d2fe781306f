/* SPDX-License-Identifier: MIT */
/*
 * rows.c - a frame of every generated row, as the round trips encode it: rows FOLDER
 */
#include <stdio.h>

#include "roundtrip.h"

static bool write_frame(const char *folder, uint16_t op, const void *payload, size_t n)
{
	struct vwire_frame f = {
		.size = htole32(sizeof(f) + vwire_pad(n)), .op = htole16(op), .seq = htole64(2),
	};
	static const uint8_t zeros[8];
	char path[4096];
	FILE *out;
	bool ok;

	snprintf(path, sizeof(path), "%s/row.%s", folder, gen_name(op));
	out = fopen(path, "wb");
	if (!out)
		return false;
	ok = fwrite(&f, sizeof(f), 1, out) == 1;
	if (n)
		ok &= fwrite(payload, n, 1, out) == 1;
	fwrite(zeros, 1, vwire_pad(n) - n, out);
	return !fclose(out) && ok;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	for (const struct rt_row *row = rt_rows; row < rt_rows + rt_nr_rows; row++) {
		if (!row->wire || row->twin || !row->slot)
			continue;
		rt_reset(row);
		*row->slot = row->fake;
		row->call();
		if (!write_frame(argv[1], row->id, rt_seen.payload, rt_seen.len)) {
			perror(argv[1]);
			return 1;
		}
	}
	return 0;
}
