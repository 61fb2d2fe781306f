/* SPDX-License-Identifier: MIT */
/*
 * share.h - memory that several processes map: sealed memfds, and names for them
 *
 * A memfd has no name in /dev/shm, so nothing is left when processes die in whatever order. Its
 * size is sealed before anybody else sees it: a peer, which is not trusted, can change contents and
 * cannot make an access fail with SIGBUS. Handles of fixed size (CUipcMemHandle) cannot carry a
 * descriptor; they carry a name, which is opened through /proc/PID/fd. That needs no thread and no
 * socket in the exporter, and the kernel checks there that both belong to one user.
 */
#ifndef SOFTGPU_SHARE_H
#define SOFTGPU_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "api.h"

enum share_kind {
	SHARE_MEMORY = 1,
	SHARE_EVENT,
};

/* Meaningful to processes of the same machine and PID name space. */
struct share_name {
	uint32_t magic;
	uint32_t kind;
	int32_t pid;
	int32_t fd;
	uint64_t start;		/* of the process, as /proc/PID/stat says */
	uint64_t inode;
	uint64_t size;		/* bytes of the memfd */
};

/*
 * A sealed memfd of size bytes, close on exec, never 0, whose name tells a device of the machine
 * (device_number()). -1: errno.
 */
int share_create(size_t size, int number);
/* The device that it tells, as this process counts them; -1: none that it sees. */
CUdevice share_device(int fd);
/* The size of the memfd, if it is one that can be mapped without risk; 0 otherwise. */
size_t share_size(int fd);
uint64_t share_inode(int fd);
void share_name(struct share_name *name, enum share_kind kind, int fd);
/* Not: bytes that no process wrote as the name of such a thing. */
bool share_is_name(const struct share_name *name, enum share_kind kind);
/* Opens what the name says; -1 when that is gone or is something else. */
int share_open(const struct share_name *name, enum share_kind kind);
/* A descriptor of one's own for somebody else's. -1: none. */
int share_dup(int fd);

/* When a process started, in clock ticks since boot; 0: it is no more. */
uint64_t share_process_start(pid_t pid);

#endif
