/* SPDX-License-Identifier: MIT */
/*
 * client_fuzz.c - any frames to libvcuda, in answer to a program that asks for everything
 *
 * The library is linked in as it is, but for the transport: whenever a thread of it would sleep
 * until the server has sent something, the next frame of the input goes into the ring, and at its
 * end the server has gone. client_script.c, or worker_script.c, is the program. A process has one
 * session at most, so each input is taken by a child, which hands back what of the code it has
 * reached; when it does not end as it should, neither does this process.
 *
 * Slots for calls stand ready, but the calls are only taken: no thread makes them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_script.h"
#include "frames.h"
#include "rings.h"
#include "graph/hostfunc.h"
#include "hostcall.h"
#include "transport.h"
#include "vcuda.h"
#include "vgpu_wire.h"

#define RING	(1u << 20)
#define CHILD_S	20u		/* an input that takes longer is a finding */

bool frames_count;
const uint64_t frames_numbers[] = {
	0, 1, 2, 4, 8, 16, 64, 100, 200, 256, 1000, 4000, 4096, 1ull << 20, 1ull << 31, 1ull << 32, ~0ull,
	1ull << 63, 0x200000000000ull, GEN_BLOB_MAX, VWIRE_DATA_MAX, VWIRE_FRAME_MAX,
};
const size_t frames_nr_numbers = sizeof(frames_numbers) / sizeof(frames_numbers[0]);

static const uint8_t *input;
static size_t left;
static uint64_t cq_head;

/* What a process has at its end is not lost. The sanitizer looks for it from outside. */
const char *__asan_default_options(void) __attribute__((visibility("default")));
const char *__asan_default_options(void)
{
	return "detect_leaks=0:handle_segv=1:allow_user_segv_handler=0";
}

/* ---- the transport ---- */

int __wrap_vcuda_transport_open(struct vcuda_transport *t, char *why, size_t n);
int __wrap_vcuda_transport_sleep(struct vcuda_transport *t, bool want_data, bool want_room);
void __wrap_vcuda_transport_ring(struct vcuda_transport *t);
void __wrap_vcuda_transport_stop(struct vcuda_transport *t);
void __wrap_vcuda_transport_close(struct vcuda_transport *t);
void __wrap_vcuda_transport_abandon(struct vcuda_transport *t);

int __wrap_vcuda_transport_open(struct vcuda_transport *t, char *why, size_t n)
{
	static struct fwd_ring ring;

	(void)why, (void)n;
	if (!ring.sq) {
		ring = (struct fwd_ring){ .sq = rings_map_twice(RING), .cq = rings_map_twice(RING), .sq_bytes = RING,
					  .cq_bytes = RING };
		ring.control = calloc(1, sizeof(*ring.control));
	}
	memset(ring.control, 0, sizeof(*ring.control));
	ring.control->sq_tail.asleep = 1;
	memset(t, 0, sizeof(*t));
	t->ring = ring;
	t->fd = t->sock = t->kick = t->room = t->nudge = -1;
	cq_head = 0;
	return 0;
}

/* Requests vanish. */
static void take_requests(struct vgpu_control *c)
{
	__atomic_store_n(&c->sq_tail.index, __atomic_load_n(&c->sq_head.index, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}

/* Findings outlive the table that they were found with; a hash of 0 stays wrong. */
static void welcome(uint8_t *p, size_t n)
{
	struct {
		struct vwire_frame frame;
		struct vwire_welcome welcome;
	} f;

	if (n < sizeof(f))
		return;
	memcpy(&f, p, sizeof(f));
	if (le16toh(f.frame.op) == VWIRE_OP_WELCOME && f.welcome.table_hash)
		f.welcome.table_hash = htole64(GEN_TABLE_HASH);
	memcpy(p, &f, sizeof(f));
}

int __wrap_vcuda_transport_sleep(struct vcuda_transport *t, bool want_data, bool want_room)
{
	size_t n = frames_size(input, left);

	(void)want_data, (void)want_room;
	take_requests(t->ring.control);
	if (!n)
		return -EPIPE;
	if (n > RING)
		n = RING;
	memcpy(t->ring.cq + cq_head % RING, input, n);
	welcome(t->ring.cq + cq_head % RING, n);
	input += n;
	left -= n;
	cq_head += n;
	__atomic_store_n(&t->ring.control->cq_head.index, cq_head, __ATOMIC_RELEASE);
	return 0;
}

void __wrap_vcuda_transport_ring(struct vcuda_transport *t)
{
	take_requests(t->ring.control);
}

void __wrap_vcuda_transport_stop(struct vcuda_transport *t)
{
	(void)t;
}

void __wrap_vcuda_transport_close(struct vcuda_transport *t)
{
	(void)t;
}

void __wrap_vcuda_transport_abandon(struct vcuda_transport *t)
{
	(void)t;
}

/* ---- an input ---- */

/* As tokens 1 and on. */
static void stand_slots(void)
{
	static uint8_t host[64];
	CUDA_MEMCPY3D copy = { .WidthInBytes = 8, .Height = 4, .Depth = 2, .srcHost = host, .srcPitch = 8,
			       .srcHeight = 4, .dstHost = host, .dstPitch = 8, .dstHeight = 4 };

	vcuda_slot_new(&(struct slot){ .kind = SLOT_FUNCTION });
	vcuda_slot_new(&(struct slot){ .kind = SLOT_CALLBACK });
	vcuda_slot_new(&(struct slot){ .kind = SLOT_SOURCE, .copy = copy });
	vcuda_slot_new(&(struct slot){ .kind = SLOT_PLACE, .copy = copy });
}

/* An empty frame with this op in front: the answers are for worker_script(). */
static bool is_other(const uint8_t *data, size_t size)
{
	struct vwire_frame f;

	if (size < sizeof(f))
		return false;
	memcpy(&f, data, sizeof(f));
	return le32toh(f.size) == sizeof(f) && le16toh(f.op) == CLIENT_OP_OTHER;
}

static void run(const uint8_t *data, size_t size)
{
	input = data;
	left = size;
	stand_slots();
	if (is_other(data, size)) {
		left = size - sizeof(struct vwire_frame);
		input = data + sizeof(struct vwire_frame);
		worker_script();
	} else {
		client_script();
	}
}

/* ---- in a child ---- */

/* One for each edge of the code, where the compiler puts them for libFuzzer. */
extern uint8_t counters[] __asm__("__start___sancov_cntrs") __attribute__((weak));
extern uint8_t counters_end[] __asm__("__stop___sancov_cntrs") __attribute__((weak));

static uint8_t *shared_counters(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("client_fuzz");
		exit(1);
	}
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *reached;
	size_t n = counters_end - counters;
	int status = -1;
	pid_t child;

	if (n && !reached)
		reached = shared_counters(n);
	child = fork();
	if (!child) {
		signal(SIGALRM, SIG_DFL);
		alarm(CHILD_S);
		run(data, size);
		if (n)
			memcpy(reached, counters, n);
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;	/* libFuzzer's clock */
	if (status) {
		fprintf(stderr, "client_fuzz: a child ends with status %#x\n", status);
		abort();
	}
	if (n)
		memcpy(counters, reached, n);
	return 0;
}
