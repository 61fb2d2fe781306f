/* SPDX-License-Identifier: MIT */
/*
 * wire_fuzz.c - first frames, and what vgpud and the library in direct mode pass on
 *
 * An input goes through all of it: as the LEASE frame of a client, as frames of a server through
 * forward.c into a completion ring, and as frames of a program, whose indices lie now and then,
 * through it to a server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward.h"
#include "frames.h"
#include "rings.h"
#include "wire.h"

#define SQ	8192u
#define CQ	65536u

bool frames_count;
const uint64_t frames_numbers[] = { 0, 1, 8, 16, 64, 4096, SQ, CQ, VWIRE_FRAME_MAX, VWIRE_MAGIC, 1ull << 32, ~0ull };
const size_t frames_nr_numbers = sizeof(frames_numbers) / sizeof(frames_numbers[0]);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- vgpu-server: a lease, and its refusal ---- */

static void lease(const uint8_t *data, size_t size)
{
	uint8_t out[VWIRE_CONTROL_MAX];
	struct refusal why = { 0 };
	struct vwire_lease l;
	struct vwire_frame f;
	size_t n;
	void *exact;
	int err;

	if (size < sizeof(f))
		return;
	memcpy(&f, data, sizeof(f));
	err = wire_check_header(&f, &why);
	n = le32toh(f.size);
	if (!err && n <= size) {
		exact = malloc(n);
		must(exact != NULL);
		memcpy(exact, data, n);
		err = wire_parse_lease(exact, n, &l, &why);
		free(exact);
		must(err || (l.tenant[0] && memchr(l.tenant, 0, sizeof(l.tenant))));
	}
	if (err) {
		must(err == -EPROTO && why.reason && why.text[0]);
		must(wire_refused(out, &why) <= sizeof(out));
	}
}

/* ---- forward.c, between two rings and a socket ---- */

static struct vgpu_control control;
static struct fwd_ring ring = { .control = &control, .sq_bytes = SQ, .cq_bytes = CQ };
static struct fwd fwd;

static void wake(void *arg)
{
	(void)arg;
}

static void status(void *arg, uint64_t used)
{
	(void)arg, (void)used;
}

static const struct fwd_ops ops = { .wake = wake, .status = status };

/* The other end of the connection. */
static int begin(void)
{
	int pair[2];

	if (!ring.sq) {
		ring.sq = rings_map_twice(SQ);
		ring.cq = rings_map_twice(CQ);
	}
	memset(&control, 0, sizeof(control));
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	must(!fcntl(pair[1], F_SETFL, O_NONBLOCK));
	must(!fwd_init(&fwd, &ring, pair[0], &ops, NULL));
	return pair[1];
}

static void end(int server)
{
	fwd_close(&fwd, 1, VWIRE_REASON_PROTOCOL, "the end");
	close(server);
	close(fwd.sock);
}

static int run(void)
{
	int r;

	do
		r = fwd_run(&fwd);
	while (r > 0);
	return r;
}

/* What is in the completion ring must be whole frames. */
static void take_completions(void)
{
	uint64_t head = control.cq_head.index, tail = control.cq_tail.index;
	struct vwire_frame f;

	must(head - tail <= CQ);
	for (; tail != head; tail += le32toh(f.size)) {
		must(head - tail >= sizeof(f));
		memcpy(&f, ring.cq + tail % CQ, sizeof(f));
		must(le32toh(f.size) >= sizeof(f) && le32toh(f.size) <= head - tail);
	}
	control.cq_tail.index = tail;
}

static void from_server(const uint8_t *data, size_t size)
{
	int server = begin(), r = 0;
	ssize_t n;

	while (!r && size) {
		n = send(server, data, size < 4000 ? size : 4000, MSG_NOSIGNAL);
		if (n > 0) {
			data += n;
			size -= n;
		}
		r = run();
		take_completions();
	}
	end(server);
}

static void from_program(const uint8_t *data, size_t size)
{
	static uint8_t drop[65536];
	int server = begin(), r = 0;
	size_t n;

	while (!r && size) {
		n = frames_size(data, size);
		if (n > SQ)
			n = SQ;
		memcpy(ring.sq + control.sq_head.index % SQ, data, n);
		/* a frame with these bytes comes with a wrong index */
		control.sq_head.index += n + (data[0] == 0xa5 ? data[n - 1] * 4096u : 0);
		if (data[0] == 0x5a)
			control.cq_tail.index += data[n - 1];
		data += n;
		size -= n;
		r = run();
		while (recv(server, drop, sizeof(drop), 0) > 0)
			;
	}
	end(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	lease(data, size);
	from_server(data, size);
	from_program(data, size);
	return 0;
}
