/* SPDX-License-Identifier: MIT */
#include "frames.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vgpu_wire.h"

#define FRAMES_MAX	512u
#define PLAIN		32u	/* one mutation in that many is libFuzzer's own */
#define CHANGES		100u	/* of each input, in make check */
#define ROOM		4096u	/* for what they add */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
				 uint8_t *out, size_t max, unsigned int seed);

struct piece {
	const uint8_t *p;
	size_t n;
};

struct row {
	struct piece frames[FRAMES_MAX];
	size_t nr;
};

static uint32_t state;

static uint32_t pick(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return below ? state % below : 0;
}

size_t frames_size(const uint8_t *p, size_t n)
{
	struct vwire_frame f;

	if (n < sizeof(f))
		return n;
	memcpy(&f, p, sizeof(f));
	return f.size >= sizeof(f) && f.size <= n ? f.size : n;
}

static void row_add(struct row *r, const uint8_t *p, size_t n)
{
	size_t one;

	for (; n && r->nr < FRAMES_MAX; p += one, n -= one) {
		one = frames_size(p, n);
		r->frames[r->nr++] = (struct piece){ p, one };
	}
}

static void row_insert(struct row *r, size_t at, struct piece f)
{
	if (r->nr == FRAMES_MAX)
		return;
	memmove(r->frames + at + 1, r->frames + at, (r->nr - at) * sizeof(f));
	r->frames[at] = f;
	r->nr++;
}

static void row_remove(struct row *r, size_t at)
{
	r->nr--;
	memmove(r->frames + at, r->frames + at + 1, (r->nr - at) * sizeof(r->frames[0]));
}

/* Whole frames, as far as there is room. */
static size_t row_write(const struct row *r, uint8_t *out, size_t max)
{
	struct vwire_frame f;
	uint64_t seq = 0;
	size_t n = 0;

	for (size_t i = 0; i < r->nr; i++) {
		size_t size = (r->frames[i].n + 7) & ~(size_t)7;

		if (r->frames[i].n < sizeof(f) || size > VWIRE_FRAME_MAX || size > max - n)
			continue;
		memset(out + n + size - 8, 0, 8);
		memcpy(out + n, r->frames[i].p, r->frames[i].n);
		memcpy(&f, out + n, sizeof(f));
		f.size = size;
		if (frames_count)
			f.seq = seq = f.seq > seq && f.seq < seq + (1u << 20) ? f.seq : seq + 1;
		memcpy(out + n, &f, sizeof(f));
		n += size;
	}
	return n;
}

static uint64_t number(uint64_t old)
{
	switch (pick(6)) {
	case 0:
		return pick(16);
	case 1:
		return old + pick(33) - 16;
	case 2:
		return old ^ 1ull << pick(64);
	case 3:
		return -(uint64_t)pick(4096);
	default:
		return frames_nr_numbers ? frames_numbers[pick(frames_nr_numbers)] + pick(3) * 8 : ~0ull;
	}
}

/* A number of 8 or 4 bytes somewhere in the payload. */
static void change_number(uint8_t *p, size_t n)
{
	bool wide = pick(2);
	size_t size = wide ? 8 : 4, at;
	uint64_t v = 0;

	if (n < sizeof(struct vwire_frame) + 8)
		return;
	at = sizeof(struct vwire_frame) + pick((n - sizeof(struct vwire_frame)) / size) * size;
	memcpy(&v, p + at, size);
	v = number(v);
	memcpy(p + at, &v, size);
}

static uint8_t *change_frame(struct row *r, size_t at, size_t max)
{
	size_t n = r->frames[at].n, head = sizeof(struct vwire_frame);
	size_t room = n + 64 < max ? n + 64 : max;
	uint8_t *p = calloc(1, room > n ? room : n);

	if (!p || n < head)
		return p;
	memcpy(p, r->frames[at].p, n);
	if (pick(2) || room <= head)
		for (uint32_t i = 1 + pick(3); i; i--)
			change_number(p, n);
	else
		n = head + LLVMFuzzerMutate(p + head, n - head, room - head);
	r->frames[at] = (struct piece){ p, n };
	return p;
}

/* The frame with the op and the flags of another. */
static uint8_t *other_op(struct row *r, size_t at)
{
	size_t n = r->frames[at].n, from = pick(r->nr);
	struct vwire_frame f, other;
	uint8_t *p;

	if (n < sizeof(f) || r->frames[from].n < sizeof(f))
		return NULL;
	p = malloc(n);
	if (!p)
		return NULL;
	memcpy(p, r->frames[at].p, n);
	memcpy(&f, p, sizeof(f));
	memcpy(&other, r->frames[from].p, sizeof(other));
	f.op = other.op;
	f.flags = other.flags;
	memcpy(p, &f, sizeof(f));
	r->frames[at] = (struct piece){ p, n };
	return p;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static struct row r;
	uint8_t *out, *changed = NULL;
	size_t at, n;

	state = seed | 1;
	r.nr = 0;
	row_add(&r, data, size);
	if (!r.nr || !pick(PLAIN))
		return LLVMFuzzerMutate(data, size, max);
	at = pick(r.nr);
	switch (pick(10)) {
	case 0:
		row_remove(&r, at);
		break;
	case 1:
		row_insert(&r, pick(r.nr + 1), r.frames[at]);
		break;
	case 2:
		n = pick(r.nr);
		row_insert(&r, n, r.frames[at]);
		row_remove(&r, at + (n <= at && r.nr < FRAMES_MAX));
		break;
	case 3:
		changed = other_op(&r, at);
		break;
	default:
		changed = change_frame(&r, at, max);
	}
	out = malloc(max);
	n = out ? row_write(&r, out, max) : 0;
	if (n)
		memcpy(data, out, n);
	free(out);
	free(changed);
	return n ? n : LLVMFuzzerMutate(data, size, max);
}

/* Some frames of b somewhere in a. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t na, const uint8_t *b, size_t nb,
				 uint8_t *out, size_t max, unsigned int seed)
{
	static struct row r, other;
	size_t from, nr, to;

	state = seed | 1;
	r.nr = other.nr = 0;
	row_add(&r, a, na);
	row_add(&other, b, nb);
	if (!other.nr)
		return 0;
	from = pick(other.nr);
	nr = 1 + pick(other.nr - from < 16 ? other.nr - from : 16);
	to = pick(r.nr + 1);
	for (size_t i = 0; i < nr; i++)
		row_insert(&r, to + i < r.nr ? to + i : r.nr, other.frames[from + i]);
	return row_write(&r, out, max);
}

#ifdef FUZZ_MAIN

static uint8_t *read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;

	*n = 0;
	if (f && !fseek(f, 0, SEEK_END) && ftell(f) >= 0)
		*n = (size_t)ftell(f);
	/* the exact size: a sanitizer then sees each byte read beyond it */
	data = malloc(*n ? *n : 1);
	if (f)
		rewind(f);
	if (!f || !data || fread(data, 1, *n, f) != *n) {
		free(data);
		data = NULL;
	}
	if (f)
		fclose(f);
	return data;
}

/* A few bytes in place of others, or behind them: as much of libFuzzer as make check has. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
	size_t more = size + 8 <= max && !pick(4) ? 8 : 0;

	for (size_t i = 0; i < more; i++)
		data[size++] = pick(256);
	for (uint32_t i = 1 + pick(4); i && size; i--)
		data[pick(size)] = pick(256);
	return size;
}

/* The input as it is, and some changes of it, always the same ones: up to 8, each on top of the one before. */
static void replay(const uint8_t *data, size_t n)
{
	uint8_t *changed = malloc(n + ROOM), *exact;
	size_t size = n;

	LLVMFuzzerTestOneInput(data, n);
	for (unsigned int i = 0; changed && i < CHANGES; i++) {
		if (n && i % 8 == 0)
			memcpy(changed, data, size = n);
		size = LLVMFuzzerCustomMutator(changed, size, n + ROOM, (i + 1) * 2654435761u);
		exact = malloc(size ? size : 1);
		if (!exact)
			break;
		memcpy(exact, changed, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	free(changed);
}

static bool replay_file(const char *path)
{
	static unsigned int nr;
	uint8_t *data;
	size_t n;

	printf("# %s\n", path);
	fflush(stdout);
	data = read_file(path, &n);
	if (!data)
		return false;
	replay(data, n);
	free(data);
	printf("ok %u %s\n", ++nr, path);
	return true;
}

static int is_file(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static bool replay_folder(const char *folder)
{
	struct dirent **list;
	int n = scandir(folder, &list, is_file, alphasort);
	char path[4096];
	bool ok = n > 0;

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
		ok = ok && replay_file(path);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return ok;
}

/* Folders of inputs. Speaks TAP. */
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!replay_folder(argv[i])) {
			printf("Bail out! cannot read %s\n", argv[i]);
			return 1;
		}
	return 0;
}
#endif
