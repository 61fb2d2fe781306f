/* SPDX-License-Identifier: MIT */
/*
 * vcuda.h - what the files of libvcuda share: the session, the calling thread, the objects behind
 * handles
 */
#ifndef VCUDA_H
#define VCUDA_H

#include <cuda.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"
#include "hand.gen.h"

#define VCUDA_MAX_DEVICES	16
#define VCUDA_ATTRIBUTES	256	/* room for CUdevice_attribute values by number */

/* ---- session.c: one for each process, opened by cuInit() ---- */

struct vcuda_device {
	char name[VWIRE_NAME_MAX];
	CUuuid uuid;
	/* the lease's limit when that is less than the device has */
	uint64_t total_mem;
	int priority_least, priority_greatest;
	int attributes[VCUDA_ATTRIBUTES];
	bool has_attribute[VCUDA_ATTRIBUTES];
	size_t limits[CU_LIMIT_MAX];	/* cuCtxGetLimit() in a new context */
	bool has_limit[CU_LIMIT_MAX];
};

struct vcuda_lease {
	int driver_version;
	uint64_t mem_limit;
	uint64_t range_base, range_bytes;
	uint64_t granularity;
	int nr_devices;
	struct vcuda_device devices[VCUDA_MAX_DEVICES];
};

/* cuInit(): connects and greets. Safe to call again. */
CUresult vcuda_session_init(void);
/* cuDriverGetVersion(), which may come before: connects and greets, too. */
CUresult vcuda_session_version(int *version);
/*
 * Before any other work: the error that ended the session, or CUDA_ERROR_NOT_INITIALIZED: also in a
 * child of a process that called cuInit().
 */
CUresult vcuda_session_check(void);
/* The greeting's answer; constant once vcuda_session_check() succeeded. */
const struct vcuda_lease *vcuda_lease(void);
/* The server's, as cuDriverGetVersion() says; 0 while there is no session. */
int vcuda_driver_version(void);
/* Ends the session for good: every later call that needs it returns r. text goes to stderr once. */
void vcuda_session_lose(CUresult r, const char *text);
/* CUDA_SUCCESS while the session is alive. */
CUresult vcuda_session_error(void);
bool device_exists(CUdevice dev);
/* One line on stderr, "libvcuda: ...". */
void vcuda_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- submit.c, receive.c: frames out, replies in ---- */

struct vcuda_iov {
	const void *p;
	size_t n;			/* each piece is padded to 8 in the frame */
};

/* How data that comes row behind row is spread. width 0: not at all. In bytes, and rows. */
struct vcuda_rows {
	uint64_t width, pitch, height, slice;
};

/* A reply that a thread waits for; on its stack. */
struct vcuda_wait {
	uint64_t seq;
	struct vcuda_wait *next;
	void *data;			/* where VWIRE_OP_DATA goes, NULL: none expected */
	uint64_t data_bytes;
	struct vcuda_rows rows;
	/* payload behind struct vwire_reply, of all frames; to be freed */
	uint8_t *reply;
	size_t reply_len;
	uint32_t reserved;		/* of struct vwire_reply */
	CUresult result;
	uint64_t told;			/* ends of large copies that came ahead of the reply */
	bool replied;
	_Atomic bool done;
};

/*
 * Keeps other threads' frames out between several vcuda_submit_locked(); order is the order of the
 * lock.
 */
void vcuda_submit_lock(void);
void vcuda_submit_unlock(void);
/* The number that the next frame gets; with the lock held. */
uint64_t vcuda_next_seq(void);
/* Puts one frame into the ring. wait: registered before the frame is visible. *seq may be NULL. */
CUresult vcuda_submit_locked(uint16_t op, uint16_t flags, const struct vcuda_iov *iov,
			     unsigned int n, struct vcuda_wait *wait, uint64_t *seq);
CUresult vcuda_submit(uint16_t op, uint16_t flags, const struct vcuda_iov *iov, unsigned int n,
		      struct vcuda_wait *wait, uint64_t *seq);
/*
 * Sleeps until the reply is there. Counts one round trip. Returns the reply's result, or an
 * asynchronous error that surfaces here.
 */
CUresult vcuda_wait(struct vcuda_wait *w);
/* Handles what has come in, without sleeping. */
void vcuda_drain(void);
/* Sleeps until vcuda_freed() has reached seq. */
CUresult vcuda_wait_freed(uint64_t seq);
/* A copy to the host whose data comes before a later wait's reply. */
CUresult vcuda_expect_data(uint64_t seq, void *dst, uint64_t bytes);
/* The same, spread over span bytes. */
CUresult vcuda_expect_rows(uint64_t seq, void *dst, uint64_t bytes, const struct vcuda_rows *rows,
			   uint64_t span);
void vcuda_unexpect_data(uint64_t seq);
/* true while a copy to any of these bytes is expected. */
bool vcuda_expects(const void *p, size_t n);
/* Bytes of bulk data for one frame. */
size_t vcuda_chunk(void);

/* ---- progress.c: what the device has done, errors that have no call of their own ---- */

/*
 * The number of the last frame that made the device work, and of the last whose end everything
 * before it has met. A wait shows nothing of hidden work but its errors: copies whose bytes were
 * taken already, objects made.
 */
void vcuda_note_work(uint64_t seq);
void vcuda_note_hidden_work(uint64_t seq);
bool vcuda_wait_shows(void);
bool vcuda_device_idle(void);
void vcuda_note_idle(uint64_t seq);
uint64_t vcuda_last_work(void);
/* Every cuMemFree up to that number is done. */
void vcuda_note_freed(uint64_t seq);
uint64_t vcuda_freed(void);
/* All work up to that number is known to be done. */
bool vcuda_is_done(uint64_t seq);
/* Asynchronous errors: the first that has not surfaced; a sticky one stays. */
void vcuda_async_error(CUresult r, bool sticky);
void vcuda_keep_error(CUresult r);
CUresult vcuda_take_error(CUresult r);
CUresult vcuda_sticky_error(void);

/* ---- handle.c: handles are numbers with a kind, never pointers ---- */

struct stream;
struct event;

/*
 * What is known here about an object; lives in the table, so that a stale handle reads old facts
 * and never freed memory.
 */
struct vcuda_object {
	union {
		struct {
			CUcontext ctx;
			unsigned int flags;
			int priority;
			uint64_t id, view_epoch;
			struct stream *captures;	/* vcuda_graph.h */
		} stream;
		struct { CUcontext ctx; unsigned int flags; struct event *captures; } event;
		/* a texture or surface reference: what it was last set to */
		struct { CUmodule module; CUarray array; CUmipmappedArray mipmapped; } ref;
		void *p;		/* module, function: see module.h; context: context.h */
	};
};

/* A new handle with its object zeroed; 0 when 4 million of the kind live. */
uint64_t vcuda_handle_new(enum cuda_handle_kind kind, struct vcuda_object **obj);
/* The object, NULL when the handle is not live or of another kind. */
struct vcuda_object *vcuda_handle_get(enum cuda_handle_kind kind, const void *handle);
void vcuda_handle_del(enum cuda_handle_kind kind, const void *handle);
/* It was given out once, and may be stale: not so garbage, an address that looks like one included. */
bool vcuda_handle_was_given(enum cuda_handle_kind kind, const void *handle);
/*
 * Notes of a handle that is not live any more that its object went with its context, and when, as the
 * caller counts, not 0; known until another has its place.
 */
void vcuda_handle_orphan(enum cuda_handle_kind kind, const void *handle, uint64_t when);
/* 0: its object did not. */
uint64_t vcuda_handle_orphaned(enum cuda_handle_kind kind, const void *handle);
/* The handle with that number. */
void *vcuda_handle_of(enum cuda_handle_kind kind, uint32_t number);
/* What goes over the wire for a handle. */
static inline uint32_t vcuda_handle_number(const void *handle)
{
	return (uint32_t)(uintptr_t)handle;
}
/* Calls fn for each live handle of the kind. */
void vcuda_handle_each(enum cuda_handle_kind kind,
		       void (*fn)(void *handle, struct vcuda_object *obj, void *arg), void *arg);

/* ---- context.c ---- */

/* The calling thread's current context, NULL for none. */
CUcontext vcuda_current(void);
/* CUDA_ERROR_INVALID_CONTEXT when the thread has none. */
CUresult vcuda_need_context(void);
CUdevice vcuda_current_device(void);
/*
 * What is said of a context that is not there: one that is destroyed of what never was one, and no
 * valid one of what was: natively so.
 */
CUresult vcuda_bad_context(CUcontext ctx);
/* A live context, primary ones that are not retained included. */
bool vcuda_context_ok(CUcontext ctx);
uint64_t vcuda_context_id(CUcontext ctx);
/* How often a context has become active. */
uint64_t vcuda_contexts_begun(void);

/* ---- primary.c ---- */

/* Primary context of a device without activating it. */
CUresult vcuda_primary(CUcontext *ctx, CUdevice dev);

/* ---- legacy.c ---- */

/* The number of a context's legacy stream; NULL: of the current one. */
CUresult vcuda_legacy_number(CUcontext ctx, uint32_t *number);
/* Contexts with legacy streams of their own have been there: one's wait is not the device's. */
bool vcuda_several_contexts(void);
void vcuda_legacy_forget(CUcontext ctx);

/* ---- stream.c ---- */

/* The number for the wire of any stream argument. */
CUresult vcuda_stream_number(CUstream stream, uint32_t *number);
/* The same for what a stream of another context than the current one is refused. */
CUresult vcuda_stream_own_number(CUstream stream, uint32_t *number);
/* What is known of it; NULL: the worker's legacy stream, or none. */
struct vcuda_object *vcuda_stream_object(CUstream stream);
/* The context it is of: the current one for a default stream. */
CUcontext vcuda_stream_context(CUstream stream);
/* A context's legacy stream waits for all others of it: there was never one that ignores it. */
bool vcuda_legacy_covers(void);
/* true once a stream exists that the worker's legacy stream does not wait for. */
bool vcuda_has_nonblocking(void);
void vcuda_stream_made(void *handle, struct vwire_rd args);
/* cuStreamSetAttribute(): stream, attribute, value. */
void vcuda_stream_changed(CUstream stream, struct vwire_rd args);
void vcuda_event_made(void *handle, struct vwire_rd args);
void vcuda_context_destroy_streams(CUcontext ctx);

/* ---- wait.c ---- */

/* The calling thread has waited for all in the stream up to that frame, which waited itself. */
void vcuda_stream_waited(uint32_t number, uint64_t seq);
/* As cuCtxSynchronize(), but the program has not asked for it: captures of others go on. NULL: the current one. */
CUresult vcuda_context_wait(CUcontext ctx);
/* Waits for the context's work, whatever comes of it. */
void vcuda_context_synchronize(CUcontext ctx);

/* ---- memory.c ---- */

/* As cuMemFree(), of memory that no graph has allocated. */
CUresult vcuda_mem_free(CUdeviceptr ptr);
bool vcuda_is_device(uint64_t addr);
/* Base, size and context of the live allocation around addr. */
bool vcuda_mem_range(uint64_t addr, uint64_t *base, uint64_t *size, CUcontext *ctx);
void vcuda_context_free_memory(CUcontext ctx);

/* ---- copy.c ---- */

/*
 * Before the program goes on: where the device works on memory that it has too, the program is to
 * see the end of that.
 */
CUresult vcuda_view_settle(uint64_t p, size_t n, CUstream stream);
/* What the end of a synchronous copy to the device has to wait for. */
CUresult vcuda_copy_settle(uint64_t p, size_t n, CUstream stream);
/* What is known to be wrong with a copy between pointers of either kind, before it is begun. */
CUresult vcuda_copy_check(CUdeviceptr dst, CUdeviceptr src, size_t n);
/* CUDA_ERROR_INVALID_VALUE where it is known that the device has not all of it. */
CUresult vcuda_check_device(CUdeviceptr p, size_t n);
/* Memory of the lease, or a variable that was asked for. */
bool vcuda_is_known(CUdeviceptr p);
/* As cuMemcpyAsync(), of ends whose kind is known; async: to pinned memory. */
CUresult vcuda_copy_run(CUdeviceptr dst, bool dst_device, CUdeviceptr src, bool src_device,
			size_t n, CUstream stream, bool async);
/*
 * A copy to the host, head its arguments, whose data comes before the reply of whatever waits for
 * it: rows of it, spread over span bytes.
 */
CUresult vcuda_copy_expect(enum cuda_id id, const struct vcuda_iov *head, void *dst, uint64_t bytes,
			   const struct vcuda_rows *rows, uint64_t span);

/* ---- memset.c ---- */

/* vcuda_check_device(), of rows of width elements; pitch in bytes. */
CUresult vcuda_check_rows(CUdeviceptr p, size_t pitch, size_t width, size_t height,
			  unsigned int size);
/* CUDA_ERROR_INVALID_VALUE where p is a variable that the stream's context cannot set. */
CUresult vcuda_check_set(CUdeviceptr p, CUstream stream);

/* ---- mempool.c ---- */

/* The program has waited for something: pools give back what is above their thresholds. */
void vcuda_pools_synchronized(void);

/* ---- ipc.c ---- */

/* Another process has memory of this one, or the other way round. */
bool vcuda_is_sharing(void);

/* ---- managed.c ---- */

/* A managed variable of a module: the program has its memory at the device's address. */
CUresult vcuda_managed_variable(uint64_t addr, uint64_t size);

/* ---- host.c ---- */

/* Memory that a kernel's parameters point to, and that the device does not see yet, is mapped. */
CUresult vcuda_host_map_params(const void *params, size_t bytes);
/* All n bytes are of one allocation or registration that the program made. */
bool vcuda_is_pinned(const void *p, size_t n);

/* ---- load.c ---- */

/* Hashes, 16 bytes each, of the images that need not be sent. */
void vcuda_images_at_server(const uint8_t *hashes, size_t n);

/* ---- module.c ---- */

/* Its modules, and what libraries are in it. */
void vcuda_context_unload(CUcontext ctx);
/* No context is left: libraries whose image is there have their variables anew. */
void vcuda_libraries_restart(void);
/* There is a second context: what has been used until now was so in the first. */
void vcuda_libraries_separate(CUcontext first);

/* ---- call.c: forgets the answers of MEMO rows (a module that goes may have been asked about) ---- */

void vcuda_memo_forget(void);

/* ---- procaddr.c: the version of CUDA that brought a function ---- */

int vcuda_since(const char *symbol);

/* ---- stats.c ---- */

/* After CUDA_ERROR_NOT_SUPPORTED: one line where the function is newer than the server's driver. */
void vcuda_tell_newer(enum cuda_id id);
void vcuda_stats_round_trip(uint64_t waited_ns);
/* A system call to wake the peer. */
void vcuda_stats_wake(void);
void vcuda_stats_print(void);
/* vgpu_stats.h, if that is its id; else NULL. */
const void *vcuda_stats_table(const CUuuid *id);
void vcuda_stats_reset(void);		/* in a forked child */
void vcuda_stats_bytes(uint64_t out, uint64_t in);
uint64_t vcuda_now_ns(void);

#endif
