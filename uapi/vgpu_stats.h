/* SPDX-License-Identifier: MIT */
/*
 * vgpu_stats.h - what a session has cost so far, read from inside the program
 *
 * cuGetExportTable() with VGPU_STATS_ID gives a table of this library; NVIDIA's driver knows no such
 * table and returns an error, so that a program can ask either. Nothing is sent for the question, and
 * VGPU_STATS needs not be set. The counters are the process's; each is read by itself, so that
 * threads at work may be seen between two of them.
 */
#ifndef VGPU_STATS_H
#define VGPU_STATS_H

#include <stddef.h>
#include <stdint.h>

/* CUuuid, in the order of its bytes */
#define VGPU_STATS_ID { 0x76, 0x67, 0x70, 0x75, 0x2d, 0x73, 0x74, 0x61, 0x74, 0x73, 0x2d, 0x31, 0x9c, 0x4e, 0x11, 0xd5 }

/**
 * struct vgpu_stats - counters since the library was loaded, or since fork() in a child
 * @calls: Exported functions called; 0 unless VGPU_STATS or VGPU_TRACE is set
 * @round_trips: Times that a thread waited for an answer of the server
 * @bytes_out: To the server
 * @bytes_in: From the server
 * @waited_ns: Nanoseconds in all that threads waited
 * @wakes: System calls that woke the peer because it slept
 *
 * New counters are added at the end.
 */
struct vgpu_stats {
	uint64_t calls, round_trips, bytes_out, bytes_in, waited_ns, wakes;
};

/**
 * struct vgpu_stats_table - what cuGetExportTable() points to
 * @size: Of this struct
 * @read: Copies the first @n bytes of the counters, or as many as there are, and returns how many
 */
struct vgpu_stats_table {
	size_t size;
	size_t (*read)(struct vgpu_stats *to, size_t n);
};

#endif
