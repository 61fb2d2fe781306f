/* SPDX-License-Identifier: MIT */
/*
 * control.h - what vgpu-server and a vgpu-worker tell each other
 *
 * The server makes a SOCK_SEQPACKET pair and starts "vgpu-worker --control FD ...". One datagram is
 * one struct below, whole, in the byte order of the machine: both ends are of one build, so the
 * first field says which build's layout it is.
 *
 *   worker                                      server
 *   CONTROL_READY, when warm              ->    counts it as free
 *                                         <-    CONTROL_LEASE, with the client's TCP socket in SCM_RIGHTS
 *                                         <-    CONTROL_BULK, with another connection that names the lease
 *   CONTROL_USED, when it changes         ->    at most one every 100 ms, the last value always
 *   CONTROL_ENDED                         ->    the lease is over; the process exits right after
 *
 * A worker serves one lease. It exits when the channel closes, and the server takes its exit, with
 * or without CONTROL_ENDED, as the end of the lease. The server has read the LEASE frame, and
 * nothing behind it, from the socket. The worker owns the socket from then on.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <stdint.h>

#include "vgpu_wire.h"

#define CONTROL_VERSION		1u
#define CONTROL_CLIENT_MAX	80u	/* "address:port" as text, NUL included */
#define CONTROL_BYTES_MAX	4096u	/* no message is longer */
#define CONTROL_DEVICE_MAX	3072u	/* bytes of the device behind CONTROL_READY */

enum control_type {
	CONTROL_READY = 1,
	CONTROL_LEASE,
	CONTROL_USED,
	CONTROL_ENDED,
	CONTROL_BULK,
};

struct control_head {
	uint32_t version;	/* CONTROL_VERSION */
	uint32_t type;		/* enum control_type */
};

/**
 * struct control_ready - the worker is warm
 * @driver_version: cuDriverGetVersion
 * @nr_devices: visible devices
 * @total_mem: bytes of the worker's device
 * @free_mem: bytes of it that were free with the worker's context made
 * @device: its number
 * @name: its name
 *
 * Behind it come the bytes of a VWIRE_TLV_DEVICE value, as WELCOME has it; none: not known.
 */
struct control_ready {
	struct control_head head;
	uint32_t driver_version;
	uint32_t nr_devices;
	uint64_t total_mem;
	uint64_t free_mem;
	uint32_t device;
	uint32_t reserved;
	char name[VWIRE_NAME_MAX];
};

/**
 * struct control_lease - serve this client; its socket comes along
 * @id: the server's number of the lease, for the logs
 * @mem_limit: bytes of device memory granted
 * @lease: as the client sent it, checked by the server, tenant NUL-terminated and not empty
 * @client: who that is, for the log
 */
struct control_lease {
	struct control_head head;
	uint64_t id;
	uint64_t mem_limit;
	struct vwire_lease lease;
	char client[CONTROL_CLIENT_MAX];
};

/* A bulk connection; its socket comes along. The worker looks at the token. */
struct control_bulk {
	struct control_head head;
	struct vwire_bulk bulk;
	char client[CONTROL_CLIENT_MAX];
};

struct control_used {
	struct control_head head;
	uint64_t mem_used;
};

enum control_end {
	CONTROL_END_CLIENT = 1,	/* the client closed its connection */
	CONTROL_END_LOST,	/* the connection broke, or took nothing for too long */
	CONTROL_END_PROTOCOL,	/* a wrong frame */
	CONTROL_END_VERSION,	/* HELLO of another version or table */
	CONTROL_END_FAULT,	/* the driver failed the worker itself */
};

struct control_ended {
	struct control_head head;
	uint32_t reason;	/* enum control_end */
	uint32_t reserved;
	uint64_t frames;	/* of the client */
	uint64_t mem_peak;	/* bytes */
};

#endif /* SERVER_CONTROL_H */
