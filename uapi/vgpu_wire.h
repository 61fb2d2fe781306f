/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note OR MIT */
/*
 * vgpu_wire.h - frames between a function, its daemon and a GPU server
 *
 * The same bytes stand in the rings and on the TCP connection. Everything is little-endian,
 * naturally aligned, and every frame starts with struct vwire_frame and is a multiple of 8 bytes
 * long.
 *
 *   connection   client (vgpud, or libvcuda in direct mode)          server
 *   1            VWIRE_OP_LEASE                                 ->   vgpu-server reads this one frame and no further
 *                VWIRE_OP_HELLO, from libvcuda, right behind it ->   read by the worker that gets the connection
 *   2            VWIRE_OP_QUEUED, any number                    <-   vgpu-server, while no worker or memory is free
 *   3            VWIRE_OP_WELCOME                               <-   the worker; or VWIRE_OP_REFUSED, then the end
 *   4            frames of the table's rows (cuda.def)          <->  replies and notices
 *
 * Who wants to know what a lease would be, and take none, sends VWIRE_OP_QUERY instead of
 * VWIRE_OP_LEASE: vgpu-server answers with VWIRE_OP_INFO or VWIRE_OP_REFUSED and closes.
 *
 * So a lease costs one round trip. A request's op is its row's id. A request of an ASYNC row has no
 * reply: its first error comes as VWIRE_OP_ERROR. A reply repeats op and seq, has VWIRE_F_REPLY
 * set, and its payload starts with struct vwire_reply. Replies may come in another order than the
 * requests; requests start in the order of the connection.
 *
 * What later versions add needs no new format: struct vwire_lease and struct vwire_hello end in
 * tagged values (struct vwire_tlv), unknown ones are skipped unless VWIRE_TLV_F_REQUIRED is set;
 * feature bits are offered by one side and confirmed by the other; session and connection in struct
 * vwire_lease are there for resumption and for several connections of a session; seq numbers every
 * frame a client sends.
 *
 * Version changes: 1, the first.
 */
#ifndef _VGPU_WIRE_H
#define _VGPU_WIRE_H

#include <linux/types.h>

#define VWIRE_MAGIC		0x46534744u	/* "DGSF" */
#define VWIRE_VERSION		1u
#define VWIRE_VERSION_MIN	1u	/* the oldest peer that is still served */
#define VWIRE_PORT		7867

#define VWIRE_FRAME_MAX		(1u << 20)	/* bytes of one frame, header included */
#define VWIRE_DATA_MAX		(256u << 10)	/* bytes of bulk data in one frame */
#define VWIRE_CONTROL_MAX	4096u		/* bytes of a LEASE, QUEUED or REFUSED frame */
#define VWIRE_NAME_MAX		64u		/* bytes of a tenant or device name, NUL included */
#define VWIRE_TEXT_MAX		512u		/* bytes of a reason, NUL included */
#define VWIRE_STRIPE		(512u << 10)	/* bytes of bulk data in one frame of a bulk connection */
#define VWIRE_BULK_MAX		(64u * VWIRE_STRIPE)	/* bytes of a copy over bulk connections */
#define VWIRE_IMAGE_MAX		(1ull << 30)	/* bytes of one module image */
#define VWIRE_LOG_MAX		(64u << 10)	/* bytes of one log of the JIT or the linker */

/**
 * struct vwire_frame - what every frame starts with
 * @size: bytes of the frame, this header included: a multiple of 8, 16 to VWIRE_FRAME_MAX
 * @op: a row's id (below 0xf000) or VWIRE_OP_*
 * @flags: VWIRE_F_*
 * @seq: the request's number: 1, 2, 3 ... in a session; a reply repeats it; 0 in frames that are nobody's
 */
struct vwire_frame {
	__le32 size;
	__le16 op;
	__le16 flags;
	__le64 seq;
};

#define VWIRE_F_REPLY	0x0001	/* answers the request of the same seq */
/* the client waits for a reply to this one, also where the row is ASYNC */
#define VWIRE_F_WAIT	0x0002

#define VWIRE_OP_CONTROL	0xf000u	/* at and above: not a row */
#define VWIRE_OP_LEASE		0xf000u	/* struct vwire_lease, tagged values */
#define VWIRE_OP_QUEUED		0xf001u	/* struct vwire_queued */
#define VWIRE_OP_REFUSED	0xf002u	/* struct vwire_refused, text */
#define VWIRE_OP_HELLO		0xf003u	/* struct vwire_hello, tagged values */
#define VWIRE_OP_WELCOME	0xf004u	/* struct vwire_welcome, tagged values */
/* struct vwire_status; worker to vgpud, which does not pass it on */
#define VWIRE_OP_STATUS		0xf005u
#define VWIRE_OP_ERROR		0xf006u	/* struct vwire_error; worker to client */
#define VWIRE_OP_FREED		0xf007u	/* struct vwire_freed; worker to client */
/* struct vwire_data, bytes; worker to client: copied to the host */
#define VWIRE_OP_DATA		0xf008u
/* struct vwire_refused, text; the last frame that a client gets */
#define VWIRE_OP_CLOSED		0xf009u
/* struct vwire_image, bytes; client to worker: part of a module image */
#define VWIRE_OP_IMAGE		0xf00au
/* struct vwire_call, bytes; worker to client: something for the program to do, or to take */
#define VWIRE_OP_CALL		0xf00bu
/* struct vwire_feed, bytes; client to worker: answers a call, or data for the next launch */
#define VWIRE_OP_FEED		0xf00cu
/* struct vwire_text, bytes; worker to client: what device code has printed */
#define VWIRE_OP_TEXT		0xf00du
/* struct vwire_bulk; first on a bulk connection, and the worker's answer to it, without payload */
#define VWIRE_OP_BULK		0xf00eu
/* struct vwire_copy_in; client to worker: the data comes over the bulk connections */
#define VWIRE_OP_BULK_IN	0xf00fu
/* struct vwire_copy_out; client to worker: the data is to come over the bulk connections */
#define VWIRE_OP_BULK_OUT	0xf010u
/* struct vwire_bulk_done; worker to client: so much of the copy of that seq has been sent */
#define VWIRE_OP_BULK_DONE	0xf011u
/* struct vwire_lease; client to vgpu-server, instead of LEASE */
#define VWIRE_OP_QUERY		0xf012u
#define VWIRE_OP_INFO		0xf013u	/* struct vwire_info, tagged values; answers it */

/* A tagged value: header, len bytes, padding to 8. */
struct vwire_tlv {
	__le16 type;
	__le16 flags;
	__le32 len;
};
#define VWIRE_TLV_F_REQUIRED	0x0001	/* a peer that does not know the type refuses the frame */

#define VWIRE_TLV_TOKEN		1	/* reserved: what admits the client */
/* struct vwire_device, then its attributes; one each device, in order */
#define VWIRE_TLV_DEVICE	2
/* 16-byte content hashes of the images the server has for this tenant */
#define VWIRE_TLV_IMAGES	3
/* struct vwire_bulk: what opens bulk connections, and how many */
#define VWIRE_TLV_BULK		4
#define VWIRE_TLV_DRIVER	5	/* version of the NVIDIA driver, as text without NUL */
#define VWIRE_TLV_UTILISATION	6	/* struct vwire_utilisation */

/*
 * Feature bits of vwire_lease, vwire_hello and vwire_welcome. Version 1 defines two; RESUME, MULTI
 * and TLS are reserved.
 */
/* the sender of LEASE wants VWIRE_OP_STATUS frames */
#define VWIRE_FEAT_STATUS	(1ull << 0)
#define VWIRE_FEAT_RESUME	(1ull << 1)
#define VWIRE_FEAT_MULTI	(1ull << 2)
#define VWIRE_FEAT_TLS		(1ull << 3)
/* the sender of LEASE, which is vgpud, makes bulk connections out of further sessions of a process */
#define VWIRE_FEAT_BULK		(1ull << 4)

/**
 * struct vwire_lease - payload of VWIRE_OP_LEASE
 * @magic: VWIRE_MAGIC
 * @version: the newest version the sender speaks
 * @version_min: the oldest it speaks
 * @features: VWIRE_FEAT_* offered
 * @mem_limit: bytes of device memory wanted at most; 0: the server's default
 * @wait_ms: milliseconds the client is ready to queue; 0: the server's setting, which is also the most
 * @connection: 0; reserved for further connections of a session
 * @session: 0; reserved for resumption
 * @tenant: who asks, NUL-terminated; empty: "default"
 */
struct vwire_lease {
	__le32 magic;
	__le16 version;
	__le16 version_min;
	__le64 features;
	__le64 mem_limit;
	__le32 wait_ms;
	__le32 connection;
	__u8 session[16];
	char tenant[VWIRE_NAME_MAX];
};

/* place: 1 is next. */
struct vwire_queued {
	__le32 place;
	__le32 waited_ms;
};

/**
 * struct vwire_refused - payload of VWIRE_OP_REFUSED and VWIRE_OP_CLOSED
 * @result: CUresult for the calls of the client
 * @reason: VWIRE_REASON_*
 * @version: the server's VWIRE_VERSION
 * @version_min: the server's VWIRE_VERSION_MIN
 * @text_len: bytes of text that follow, without NUL, at most VWIRE_TEXT_MAX
 */
struct vwire_refused {
	__le32 result;
	__le32 reason;
	__le16 version;
	__le16 version_min;
	__le32 text_len;
};
#define VWIRE_REASON_VERSION	1u	/* no common version, or another table */
#define VWIRE_REASON_FULL	2u	/* queued too long for a worker */
/* queued too long for memory, or more asked than the server has */
#define VWIRE_REASON_MEMORY	3u
#define VWIRE_REASON_PROTOCOL	4u	/* a frame that is wrong */
#define VWIRE_REASON_LOST	5u	/* the server, or the way to it, is gone */
#define VWIRE_REASON_WORKER	6u	/* the worker has died */
#define VWIRE_REASON_DRAINING	7u	/* the server or the daemon is going down */

/**
 * struct vwire_hello - payload of VWIRE_OP_HELLO, libvcuda to worker
 * @version: VWIRE_VERSION of the library
 * @reply_max: bytes of the largest frame the library takes
 * @features: VWIRE_FEAT_* offered
 * @table_hash: GEN_TABLE_HASH, of the rows of cuda.def and the sizes of their types as the library was built
 * @cuda_version: CUDA_VERSION of the cuda.h it was built with
 * @pid: of the program, for the log
 */
struct vwire_hello {
	__le32 version;
	__le32 reply_max;
	__le64 features;
	__le64 table_hash;
	__le32 cuda_version;
	__le32 pid;
};

/**
 * struct vwire_welcome - payload of VWIRE_OP_WELCOME
 * @version: version spoken from here on
 * @driver_version: as cuDriverGetVersion says on the server
 * @features: VWIRE_FEAT_* agreed
 * @table_hash: GEN_TABLE_HASH of the server
 * @mem_limit: bytes of device memory the lease may hold
 * @range_base: first address of the range in which the client places its allocations
 * @range_bytes: its size
 * @granularity: addresses and sizes of struct vwire_map are multiples of it, in bytes
 * @nr_devices: VWIRE_TLV_DEVICE values that follow
 *
 * Tagged values follow.
 */
struct vwire_welcome {
	__le32 version;
	__le32 driver_version;
	__le64 features;
	__le64 table_hash;
	__le64 mem_limit;
	__le64 range_base;
	__le64 range_bytes;
	__le32 granularity;
	__le32 nr_devices;
};

/**
 * struct vwire_info - payload of VWIRE_OP_INFO
 * @version: VWIRE_VERSION of the server
 * @driver_version: as cuDriverGetVersion says on the server
 * @mem_limit: bytes of device memory that a lease for this asker would have
 * @mem_used: bytes of device memory mapped for all leases of the tenant
 * @nr_leases: of the tenant
 * @nr_devices: VWIRE_TLV_DEVICE values that follow
 *
 * VWIRE_TLV_DRIVER and VWIRE_TLV_UTILISATION follow where the server knows them.
 */
struct vwire_info {
	__le32 version;
	__le32 driver_version;
	__le64 mem_limit;
	__le64 mem_used;
	__le32 nr_leases;
	__le32 nr_devices;
};

/* Percent of the last sample period of the GPU, whoever used it. */
struct vwire_utilisation {
	__le32 gpu;			/* time in which a kernel ran */
	__le32 memory;			/* time in which device memory was read or written */
};

/*
 * nr_attributes pairs (struct vwire_attribute) follow inside the tagged value. total_mem is the
 * device's, not the lease's.
 */
struct vwire_device {
	char name[VWIRE_NAME_MAX];
	__u8 uuid[16];
	__le64 total_mem;
	__le32 priority_least;		/* cuCtxGetStreamPriorityRange */
	__le32 priority_greatest;
	__le32 nr_attributes;
	__le32 reserved;
};
struct vwire_attribute {
	__le32 id;			/* CUdevice_attribute, or as below */
	__le32 value;
};
#define VWIRE_ATTRIBUTE_LIMIT	0x1000u	/* + CUlimit: cuCtxGetLimit in a new context */

struct vwire_status {
	__le64 mem_used;		/* bytes of device memory mapped for the lease */
};

/* The first error of an ASYNC request since the last one reported. sticky: the context is lost. */
struct vwire_error {
	__le32 result;			/* CUresult */
	__le16 op;
	__le16 sticky;
	__le64 seq;
};

/* Every cuMemFree request up to and including this seq is done: its addresses may be used again. */
struct vwire_freed {
	__le64 seq;
};

/*
 * Bytes [offset, offset + frame size - 16 - 16) of the copy to the host that the frame's seq asked
 * for; len without padding.
 */
struct vwire_data {
	__le64 offset;
	__le64 len;
};

/**
 * struct vwire_bulk - payload of VWIRE_OP_BULK, and the value VWIRE_TLV_BULK
 * @magic: VWIRE_MAGIC
 * @connections: how many the worker takes at most; in VWIRE_OP_BULK 0
 * @lease: the server's number of the lease
 * @token: random, the worker's
 *
 * On a bulk connection VWIRE_OP_DATA frames go both ways, as they do on the session's: seq is that
 * of the VWIRE_OP_BULK_IN or VWIRE_OP_BULK_OUT, offset a multiple of VWIRE_STRIPE, and len
 * VWIRE_STRIPE or what is left. Each stripe of a copy comes once, over any of the connections.
 */
struct vwire_bulk {
	__le32 magic;
	__le32 connections;
	__le64 lease;
	__u8 token[16];
};

struct vwire_bulk_done {
	__le64 bytes;
};

struct vwire_reply {
	__le32 result;			/* CUresult */
	__le32 reserved;
};

/* ---- requests of HAND rows ---- */

/*
 * A stream on the wire: a client-made handle, or one of these. Per-thread streams are client-made
 * handles.
 *
 * The client's contexts are known by their legacy streams; VWIRE_STREAM_LEGACY is one's. cuStreamCreate
 * and cuStreamCreateWithPriority have the context's in the upper half of the flags; a stream that is
 * named there itself is the legacy stream of a new context. cuCtxSynchronize waits for all contexts,
 * cuCtxSynchronize_v2 for the one whose legacy stream it names.
 */
#define VWIRE_STREAM_LEGACY	0u

/**
 * struct vwire_launch - cuLaunchKernel, cuLaunchCooperativeKernel: the parameter block follows, its
 * size is the kernel's
 * @function: id from the module's table
 * @flags: VWIRE_LAUNCH_F_*
 */
struct vwire_launch {
	__le32 function;
	__le32 stream;
	__le32 grid[3];
	__le32 block[3];
	__le32 shared_bytes;
	__le32 flags;
};
#define VWIRE_LAUNCH_F_COOPERATIVE	0x1u

/*
 * cuOccupancyMaxActiveClusters, cuOccupancyMaxPotentialClusterSize: without the parameter block;
 * answered with one 64-bit value. cuLaunchKernelEx: launch, nr_attributes x 72 bytes (le32 id, le32
 * 0, 64 bytes of value), the parameter block.
 *
 * cluster_sizes, of cuOccupancyMaxActiveClusters alone, at most VWIRE_CLUSTER_SIZES and 0 elsewhere:
 * so many questions in one, as if the cluster had 1, 2, 3 ... blocks in x, whatever its attribute,
 * which must be there, says; and the grid as many, where its x is 0. Answered with as many struct
 * vwire_clusters in a byte string.
 */
struct vwire_launch_ex {
	struct vwire_launch launch;
	__le32 nr_attributes;
	__le32 cluster_sizes;
};
#define VWIRE_ATTRIBUTE_BYTES	72u
#define VWIRE_CLUSTER_SIZES	32u	/* cuBLAS 13 asks for as many */

struct vwire_clusters {
	__le32 result;			/* CUresult of the question */
	__le32 clusters;
};

/* cuMemAlloc_v2: map size bytes at addr, both multiples of the granularity, inside the range. */
struct vwire_map {
	__le64 addr;
	__le64 size;
};

/*
 * cuMemFree_v2: what was at addr is free. With VWIRE_FREE_F_UNMAP the mappings that make up [addr,
 * addr + size) are taken away. Carried out when all work submitted before is done, then told with
 * VWIRE_OP_FREED.
 */
struct vwire_free {
	__le64 addr;
	__le64 size;
	__le32 flags;
	__le32 reserved;
};
#define VWIRE_FREE_F_UNMAP	0x1u

/* cuMemCreate: memory without addresses; it lasts until it is released and mapped nowhere. */
struct vwire_allocation {
	__le32 number;			/* client-made */
	__le32 reserved;
	__le64 size;			/* a multiple of the granularity */
};

/* cuMemMap: inside the range, where nothing is mapped. cuMemUnmap is a struct vwire_map. */
struct vwire_mem_map {
	__le64 addr;
	__le64 size;
	__le32 number;
	__le32 reserved;
};

/* cuMemSetAccess: of the mappings that make up the span. */
struct vwire_mem_access {
	__le64 addr;
	__le64 size;
	__le32 flags;			/* CUmemAccess_flags */
	__le32 reserved;
};

/**
 * struct vwire_token - a worker's name for something that other processes of the tenant may have
 * @key: random
 * @pid: of the worker
 * @kind: VWIRE_TOKEN_*
 * @size: bytes of memory
 */
struct vwire_token {
	__u8 key[16];
	__le32 pid;
	__le32 kind;
	__le64 size;
};
#define VWIRE_TOKEN_MEMORY	1u	/* one mapping */
#define VWIRE_TOKEN_ALLOCATION	2u	/* of cuMemCreate */
#define VWIRE_TOKEN_EVENT	3u

/*
 * cuMemcpyHtoDAsync_v2: bytes (at most VWIRE_DATA_MAX) of data follow, padded to 8. A larger copy
 * is several of these.
 */
struct vwire_copy_in {
	__le64 dst;
	__le64 bytes;
	__le32 stream;
	__le32 reserved;
};

/*
 * cuMemcpyDtoHAsync_v2: the data comes back as VWIRE_OP_DATA frames of this request's seq, any
 * number of them, in ascending offsets, before the reply of any wait that covers it. With
 * VWIRE_F_WAIT a reply comes behind the last of them.
 */
struct vwire_copy_out {
	__le64 src;
	__le64 bytes;
	__le32 stream;
	__le32 flags;
};
/* of VWIRE_OP_BULK_OUT: a later part of the same copy is waited for, and this one with it alone */
#define VWIRE_COPY_F_PART	0x1u

/**
 * struct vwire_array - cuArray3DCreate_v2, cuMipmappedArrayCreate
 * @array: client-made handle
 * @levels: of a mipmapped array, 1 at least; 0: an array
 * @width: texels, as are @height and @depth, in the manner of CUDA_ARRAY3D_DESCRIPTOR
 * @format: CUarray_format
 * @channels: 1, 2 or 4
 * @flags: CUDA_ARRAY3D_*
 */
struct vwire_array {
	__le32 array;
	__le32 levels;
	__le64 width, height, depth;
	__le32 format;
	__le32 channels;
	__le32 flags;
	__le32 reserved;
};

/**
 * struct vwire_end - where one end of a box lies
 * @kind: VWIRE_END_*
 * @array: handle
 * @addr: first byte of the box in device memory
 * @pitch: bytes from one row to the next in device memory
 * @rows: from one slice to the next in device memory
 * @x: bytes, @y rows and @z slices into an array
 */
struct vwire_end {
	__le32 kind;
	__le32 array;
	__le64 addr, pitch, rows;
	__le64 x, y, z;
};
#define VWIRE_END_DATA		0u	/* row behind row, slice behind slice: in frames */
#define VWIRE_END_DEVICE	1u
#define VWIRE_END_ARRAY		2u

/*
 * cuMemcpy3DAsync_v2. Where the source is data, all of it follows, VWIRE_DATA_MAX at most: a larger
 * copy is several of these. Where the destination is, it comes back in VWIRE_OP_DATA frames as that
 * of cuMemcpyDtoHAsync_v2 does.
 */
struct vwire_box {
	struct vwire_end dst, src;
	__le64 width, height, depth;	/* bytes, rows, slices */
	__le32 stream;
	__le32 reserved;
};

/*
 * Part of an image: parts of one image come in order and without gaps; the request that uses it
 * follows the last.
 */
struct vwire_image {
	__le64 total;			/* bytes of the whole image, at most VWIRE_IMAGE_MAX */
	__le64 offset;
	__le64 len;			/* bytes in this frame, without padding */
};

/**
 * struct vwire_module_load - cuModuleLoadData, cuModuleLoadDataEx, cuModuleLoadFatBinary,
 * cuLibraryLoadData
 * @module: client-made handle of the module, or of the library
 * @flags: VWIRE_MODULE_F_*
 * @bytes: of the image, which VWIRE_OP_IMAGE frames brought, or the server has under @hash
 * @hash: XXH3 128-bit hash of the image, big-endian canonical form
 * @log_bytes: room the caller has for the JIT's error log; 0: wants none
 * @nr_options: pairs (struct vwire_jit_option) that follow
 *
 * Reply: struct vwire_reply, struct vwire_module, then nr_kernels times struct vwire_kernel each
 * followed by its parameters and its name, then log_bytes of log, each padded to 8. A table too
 * long for one frame goes on in further frames of the same seq with VWIRE_F_MORE on all but the
 * last: their payloads, each without its struct vwire_reply, make one text. An image that the
 * server said it had and has no more: CUDA_ERROR_NOT_FOUND and VWIRE_MODULE_F_SEND in
 * vwire_reply.reserved: send it and ask again.
 */
struct vwire_module_load {
	__le32 module;
	__le32 flags;
	__le64 bytes;
	__u8 hash[16];
	__le32 log_bytes;
	__le32 nr_options;
};
#define VWIRE_MODULE_F_LIBRARY	0x1u
#define VWIRE_MODULE_F_CACHED	0x2u	/* no VWIRE_OP_IMAGE came: take it from the cache */
/* the image is several fatbins back to back: a wrapper of version 2 */
#define VWIRE_MODULE_F_RDC	0x4u
#define VWIRE_MODULE_F_SEND	0x8u
/*
 * The client has read the kernels out of the image and names those it uses (struct vwire_function):
 * no table, and no reply unless VWIRE_F_WAIT asks for one.
 */
#define VWIRE_MODULE_F_LISTED	0x10u
#define VWIRE_F_MORE		0x0004

/* cuModuleGetGlobal_v2: in what the name is looked up; MANAGED: a library, for managed variables. */
#define VWIRE_GLOBAL_MODULE	0u
#define VWIRE_GLOBAL_LIBRARY	1u
#define VWIRE_GLOBAL_MANAGED	2u

/**
 * struct vwire_function - cuModuleGetFunction: a kernel that the client uses
 * @function: its number from now on: VWIRE_FUNCTION_NAMED, plus 0, 1, 2 ... in a session
 * @module: the module, or with VWIRE_MODULE_F_LIBRARY in @flags the library
 * @nr_params: what the client takes for its parameters, and
 * @param_bytes: for their block; where the driver says otherwise, the number stands for nothing
 * @name_len: bytes of the name that follows, without NUL, padded to 8
 */
struct vwire_function {
	__le32 function;
	__le32 module;
	__le32 flags;
	__le32 nr_params;
	__le32 param_bytes;
	__le32 name_len;
};
#define VWIRE_FUNCTION_NAMED	0x80000000u

struct vwire_jit_option {
	__le32 option;			/* CUjit_option with a plain value */
	__le32 reserved;
	__le64 value;
};

struct vwire_module {
	__le32 nr_kernels;
	__le32 log_bytes;
};

/* attributes[i]: CUfunction_attribute i, valid where the bit is set in attribute_mask. */
#define VWIRE_KERNEL_ATTRIBUTES	16
struct vwire_kernel {
	/* id for launches, from the worker, below VWIRE_FUNCTION_NAMED, never used twice in a session */
	__le32 function;
	/* without NUL; the name follows the parameters, padded to 8 */
	__le32 name_len;
	__le32 nr_params;		/* struct vwire_param that follow, padded to 8 */
	__le32 attribute_mask;
	__le32 attributes[VWIRE_KERNEL_ATTRIBUTES];
};
struct vwire_param {
	__le32 offset;
	__le32 size;
};

/*
 * cuFuncGetAttribute: of count functions whose numbers follow one another, VWIRE_KERNELS_ASK at
 * most. Reply: as many struct vwire_attributes, over several frames like a module's table.
 */
struct vwire_ask_attributes {
	__le32 function;
	__le32 count;
};
#define VWIRE_KERNELS_ASK	1024u
/*
 * Images of more bytes come without attributes, and are asked about one kernel at a time: to answer,
 * a driver loads the kernel's code, which of a library's thousands most programs need a few.
 */
#define VWIRE_ASK_IMAGE_MAX	(1u << 20)
struct vwire_attributes {
	__le32 mask;
	__le32 attributes[VWIRE_KERNEL_ATTRIBUTES];
	__le32 reserved;
};

/**
 * struct vwire_link_create - cuLinkCreate
 * @link: client-made handle
 * @nr_options: pairs (struct vwire_jit_option) that follow
 * @error_bytes: room the caller has for the linker's error log; 0: wants none
 * @info_bytes: for its info log
 */
struct vwire_link_create {
	__le32 link;
	__le32 nr_options;
	__le32 error_bytes;
	__le32 info_bytes;
};

/**
 * struct vwire_link_add - cuLinkAddData
 * @link: handle
 * @type: CUjitInputType
 * @bytes: of the input, which VWIRE_OP_IMAGE frames brought
 * @nr_options: pairs (struct vwire_jit_option) that follow
 * @name_len: bytes of the name behind the options, without NUL; 0: none
 */
struct vwire_link_add {
	__le32 link;
	__le32 type;
	__le64 bytes;
	__le32 nr_options;
	__le32 name_len;
};

/**
 * struct vwire_linked - what a request about a link is answered with, behind struct vwire_reply
 * @bytes: of the linked image, which follows; 0 but for cuLinkComplete
 * @error_bytes: of the error log so far, which follows
 * @info_bytes: of the info log so far, which follows
 *
 * Each padded to 8. The logs come with an error, too. Too long for one frame: as a module's table.
 */
struct vwire_linked {
	__le64 bytes;
	__le32 error_bytes;
	__le32 info_bytes;
};

/* ---- the program's functions and memory in streams and graphs ---- */

/**
 * struct vwire_host_func - cuLaunchHostFunc: the stream calls, and goes on when the call is answered
 * @stream: it is called in
 * @token: the client's name for the function
 * @flags: VWIRE_HOST_F_*
 * @dst: VWIRE_HOST_F_FETCH: where the bytes go that the client is asked for
 * @bytes: how many
 */
struct vwire_host_func {
	__le32 stream;
	__le32 token;
	__le32 flags;
	__le32 reserved;
	__le64 dst;
	__le64 bytes;
};
#define VWIRE_HOST_F_CALLBACK	0x1u	/* also in a context that is lost, with its error */
/* no function, but a copy of memory that functions before it may write */
#define VWIRE_HOST_F_FETCH	0x2u

/**
 * struct vwire_call - payload of VWIRE_OP_CALL
 * @call: number for the answer; 0: none is wanted
 * @token: the function, or the place in the program's memory
 * @kind: VWIRE_CALL_*
 * @result: CUresult that a callback is told
 * @len: bytes of data that follow (VWIRE_CALL_STORE)
 * @offset: of them, in the copy
 */
struct vwire_call {
	__le64 call;
	__le32 token;
	__le32 kind;
	__le32 result;
	__le32 len;
	__le64 offset;
};
#define VWIRE_CALL_FUNCTION	1u	/* call it; answered with a feed without data */
#define VWIRE_CALL_FETCH	2u	/* answered with the data */
#define VWIRE_CALL_STORE	3u	/* copied to the host */
#define VWIRE_CALL_GONE		4u	/* token: the executable graph, of which no launch is left */

/**
 * struct vwire_feed - payload of VWIRE_OP_FEED
 * @call: what it answers; 0: data for a launch of a graph, which comes next
 * @exec: handle of the executable graph
 * @node: number of the node in it
 * @total: bytes of all the data
 * @offset: of what follows: in order and without gaps
 * @len: bytes that follow, at most VWIRE_DATA_MAX
 */
struct vwire_feed {
	__le64 call;
	__le32 exec;
	__le32 node;
	__le64 total;
	__le64 offset;
	__le64 len;
};

struct vwire_text {
	__le32 fd;			/* 1 or 2 */
	__le32 len;
};

/*
 * A graph: struct vwire_graph, its nodes, its edges. Nodes are numbered over the whole tree of
 * graphs, as they come. A node: struct vwire_graph_node, bytes of what it does (padded to 8), and
 * the graphs that it holds. Such a text comes as an image does (VWIRE_OP_IMAGE).
 */
struct vwire_graph {
	__le32 nr_nodes;
	__le32 nr_edges;
};

/**
 * struct vwire_graph_node
 * @type: CUgraphNodeType
 * @bytes: of what it does. Kernel: struct vwire_launch_ex, attributes, parameter block; memcpy:
 *	struct vwire_graph_copy; memset: struct vwire_graph_memset; host function: its token, 8
 *	bytes; event: its number, 8 bytes; batch of memory operations: as CUstreamBatchMemOpParams,
 *	48 bytes each; conditional: struct vwire_graph_cond
 * @nr_graphs: of those behind it: the child, or the bodies
 */
struct vwire_graph_node {
	__le32 type;
	__le32 bytes;
	__le32 nr_graphs;
	__le32 reserved;
};

struct vwire_graph_edge {
	__le32 from, to;		/* places among the graph's nodes */
	__u8 from_port, to_port, type;
	__u8 reserved[5];
};

/* One side of a copy, as CUDA_MEMCPY3D has it. Host memory: ptr is a token, and rows are packed. */
struct vwire_graph_side {
	__le32 type;			/* CUmemorytype: host, device, array */
	__le32 lod;
	__le64 ptr;			/* address, token, handle of the array */
	__le64 pitch, height;
	__le64 x, y, z;
};

struct vwire_graph_copy {
	struct vwire_graph_side src, dst;
	__le64 width, height, depth;
	__le32 flags;
	__le32 reserved;
};
/* the source is fetched when the node runs; otherwise it is fed before each launch */
#define VWIRE_GRAPH_F_FETCH	0x1u

struct vwire_graph_memset {
	__le64 dst, pitch, width, height;
	__le32 value, element_size;
};

struct vwire_graph_cond {
	__le64 handle;
	__le32 type;			/* CUgraphConditionalNodeType */
	__le32 size;
};

/**
 * struct vwire_graph_instantiate - cuGraphInstantiateWithParams; cuGraphExecUpdate_v2: the graph that
 * an executable one is to follow; cuGraphExecChildGraphNodeSetParams: the same for a child graph
 * @exec: handle of the executable graph
 * @graph: handle of the graph, if cuGraphConditionalHandleCreate has named it; else 0
 * @flags: CUgraphInstantiate_flags
 * @bytes: of the text, which VWIRE_OP_IMAGE frames brought
 * @stream: for CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD
 * @node: number of the node whose child graph it is
 *
 * Answered with struct vwire_graph_made, in case of an error too.
 */
struct vwire_graph_instantiate {
	__le32 exec;
	__le32 graph;
	__le64 flags;
	__le64 bytes;
	__le32 stream;
	__le32 node;
};

struct vwire_graph_made {
	__le32 result;			/* CUgraphInstantiateResult, CUgraphExecUpdateResult */
	__le32 error_node;		/* number plus 1; 0: none */
	__le32 error_from;
	__le32 reserved;
};

/*
 * cuGraphExecNodeSetParams: struct vwire_graph_node and what the node does follow.
 * cuGraphNodeSetEnabled: value. cuGraphExecDestroy: value 1: tell with VWIRE_CALL_GONE.
 */
struct vwire_graph_exec {
	__le32 exec;
	__le32 node;
	__le32 value;
	__le32 reserved;
};

#endif /* _VGPU_WIRE_H */
