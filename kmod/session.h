/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VGPU_SESSION_H
#define _VGPU_SESSION_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/xarray.h>

struct vgpu_device;
struct vgpu_rings;

/*
 * vgpu_lock orders everything that is not the data path: which sessions there are, who is attached,
 * whether a daemon runs, what devices report. Doorbells, poll and mmap never take it. It nests
 * inside genl's locks (dumps), and is not held over a copy from or to user space: a page that is
 * slow to come would stop every session.
 */
extern struct mutex vgpu_lock;

/* Sessions that wait or are attached, by number; changed under vgpu_lock. */
extern struct xarray vgpu_sessions;

/**
 * struct vgpu_session - what open(2) of /dev/vgpuN makes
 * @ref: one for the function's file, one for the daemon's
 * @device: its device
 * @rings: NULL until VGPU_RING_SETUP; then published with release, freed with the session
 * @function_wait: pollers of the function's descriptor, woken by the daemon's doorbell
 * @daemon_wait: pollers of the daemon's descriptor, woken by the function's doorbell
 * @gone: one side has closed; set under vgpu_lock, read by poll and doorbell without
 * @id: number, 0 until announced
 * @attached: a daemon has, or had, its descriptor; under vgpu_lock
 * @pid: who set the rings up, in the initial PID namespace
 * @uid: likewise, effective, in the initial user namespace
 * @mem_limit: the device's when the rings were set up
 * @mem_used: as the daemon reports it; part of the device's sum; under vgpu_lock
 *
 * @id, @pid, @uid and @mem_limit are written with @rings and not after.
 */
struct vgpu_session {
	struct kref ref;
	struct vgpu_device *device;
	struct vgpu_rings *rings;
	wait_queue_head_t function_wait;
	wait_queue_head_t daemon_wait;
	bool gone;
	unsigned long id;
	bool attached;
	s32 pid;
	u32 uid;
	u64 mem_limit;
	u64 mem_used;
};

struct vgpu_session *vgpu_session_create(struct vgpu_device *device);
void vgpu_session_get(struct vgpu_session *session);
void vgpu_session_put(struct vgpu_session *session);

/* The rings, NULL before they are set up. */
static inline struct vgpu_rings *vgpu_session_rings(struct vgpu_session *session)
{
	/*
	 * Pairs with the release in vgpu_session_announce(): what the pointer leads to is complete.
	 */
	return smp_load_acquire(&session->rings);
}

unsigned long vgpu_session_new_id(void);
int vgpu_session_announce(struct vgpu_session *session, struct vgpu_rings *rings, unsigned long id,
			  u64 mem_limit);
struct vgpu_session *vgpu_session_find(u64 id);
int vgpu_session_attach(struct vgpu_session *session);
int vgpu_session_report(struct vgpu_session *session, u64 mem_used);
void vgpu_session_end(struct vgpu_session *session);
void vgpu_session_close(struct vgpu_session *session);

#endif /* _VGPU_SESSION_H */
