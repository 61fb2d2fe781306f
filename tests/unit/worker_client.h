/* SPDX-License-Identifier: MIT */
/*
 * worker_client.h - for tests: both ends that a vgpu-worker talks to, vgpu-server and a client
 */
#ifndef TESTS_WORKER_CLIENT_H
#define TESTS_WORKER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "control.h"
#include "cuda_ids.gen.h"
#include "vgpu_codec.h"
#include "vgpu_wire.h"

#define CLIENT_DATA_MAX	(8u << 20)
#define CLIENT_MEM	(64ull << 20)	/* mem_limit unless a test says otherwise */

struct client {
	pid_t pid;
	int control, fd;
	uint64_t seq;
	struct control_ready ready;
	struct vwire_welcome welcome;
	uint8_t welcome_values[16384];
	size_t welcome_len;
	/* what has come besides replies */
	uint8_t *data;			/* of DATA frames, by offset */
	uint64_t data_seq, data_bytes;	/* of the last; bytes of all */
	struct vwire_error error;	/* the last */
	unsigned int nr_errors, nr_status;
	uint64_t freed, status;
	bool closed;
	uint32_t close_result, close_reason;
	char close_text[VWIRE_TEXT_MAX];
	uint8_t frame[VWIRE_FRAME_MAX] __attribute__((aligned(8)));	/* the last received */
};

/*
 * Starts a worker with the driver double, or the driver that WORKER_TEST_CUDA names. cache: NULL
 * for none.
 */
void client_start(struct client *c, const char *cache);
/* Gives it a lease, without a HELLO. */
void client_lease(struct client *c, uint64_t mem_limit, uint64_t features, const char *tenant);
/* A message of vgpu-server's, with a descriptor. */
void client_pass(struct client *c, const void *msg, size_t n, int fd);
/* Both, HELLO and WELCOME. */
void client_open(struct client *c);
void client_hello(struct client *c);
/* Closes the connection and waits for the worker: its wait status. */
int client_end(struct client *c);
/* As client_end() where the worker ends first. */
int client_wait_exit(struct client *c);

uint64_t client_send(struct client *c, uint16_t op, uint16_t flags, const void *payload, size_t n);
void client_send_raw(struct client *c, const void *bytes, size_t n);
/*
 * The next frame; NULL at the end of the connection, or when none comes for ms. Notes DATA, ERROR,
 * ... in c.
 */
const struct vwire_frame *client_recv(struct client *c, int ms);
/*
 * Receives until the reply to seq; its result, and payload (behind struct vwire_reply) when wanted.
 */
uint32_t client_reply(struct client *c, uint64_t seq, struct vwire_rd *payload);

/* Requests. */
uint64_t client_map(struct client *c, uint64_t offset, uint64_t size, uint16_t flags);
uint64_t client_free(struct client *c, uint64_t offset, uint64_t size, uint16_t flags);
uint64_t client_copy_in(struct client *c, uint64_t addr, const void *data, size_t n,
			uint32_t stream);
uint64_t client_copy_out(struct client *c, uint64_t addr, uint64_t n, uint32_t stream,
			 uint16_t flags);
uint64_t client_u64(struct client *c, uint16_t op, uint16_t flags, int nr, ...);
uint64_t client_image(struct client *c, const void *image, size_t n, uint32_t module,
		      uint32_t flags, uint32_t log_bytes);
/* Loads a text with the double's kernels; the id of sleep, add and fault in ids[]. */
void client_kernels(struct client *c, uint32_t module, uint32_t flags, uint32_t ids[3]);
uint64_t client_launch(struct client *c, uint32_t function, uint32_t stream, uint16_t flags,
		       const void *params, size_t n);
/* A stream that waits for no other; the double's kernel that takes ms. */
void client_stream(struct client *c, uint32_t number);
void client_sleep(struct client *c, uint32_t function, uint32_t stream, uint64_t ms);
uint64_t client_sync(struct client *c, uint16_t op, uint32_t handle);

uint64_t client_now_ms(void);

#endif
