// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions, from open to end:
 *
 *   vgpu_session_create()    open(2); counted in the device's opens, known to nobody else
 *   vgpu_session_announce()  VGPU_RING_SETUP; in vgpu_sessions, the daemon is told
 *   vgpu_session_attach()    VGPU_SESSION_ATTACH; once
 *   vgpu_session_end()       the first of: the function's release, the daemon's release of its
 *                            descriptor, the release of /dev/vgpuctl. Out of vgpu_sessions and the
 *                            device's sums, both sides see HUP
 *   vgpu_session_put()       by each side's release; the last one frees the pages
 *
 * A mapping holds its file, so the last put comes after the last munmap(2) of either side.
 */
#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uidgid.h>

#include "daemon.h"
#include "device.h"
#include "netlink.h"
#include "ring.h"
#include "session.h"

DEFINE_MUTEX(vgpu_lock);	/* what it is for is in session.h */
DEFINE_XARRAY(vgpu_sessions);

struct vgpu_session *vgpu_session_create(struct vgpu_device *device)
{
	struct vgpu_session *session;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return ERR_PTR(-ENOMEM);
	kref_init(&session->ref);
	session->device = device;
	init_waitqueue_head(&session->function_wait);
	init_waitqueue_head(&session->daemon_wait);

	mutex_lock(&vgpu_lock);
	if (vgpu_device_is_full(device)) {
		mutex_unlock(&vgpu_lock);
		kfree(session);
		return ERR_PTR(-EUSERS);
	}
	device->opens++;
	mutex_unlock(&vgpu_lock);
	return session;
}

static void session_free(struct kref *ref)
{
	struct vgpu_session *session = container_of(ref, struct vgpu_session, ref);

	vgpu_rings_free(session->rings);
	kfree(session);
}

void vgpu_session_get(struct vgpu_session *session)
{
	kref_get(&session->ref);
}

void vgpu_session_put(struct vgpu_session *session)
{
	kref_put(&session->ref, session_free);
}

unsigned long vgpu_session_new_id(void)
{
	static atomic_long_t last;

	return atomic_long_inc_return(&last);
}

/*
 * Takes over the rings when it succeeds. The message is allocated first: a session that nobody is
 * told of would wait for ever. A listener that has no room for it is told so by netlink (ENOBUFS)
 * and asks for a dump.
 */
int vgpu_session_announce(struct vgpu_session *session, struct vgpu_rings *rings, unsigned long id,
			  u64 mem_limit)
{
	s32 pid = task_tgid_nr(current);
	u32 uid = from_kuid(&init_user_ns, current_euid());
	struct sk_buff *event;
	int ret;

	event = vgpu_netlink_open_event(session->device->index, id, pid, uid);
	if (!event)
		return -ENOMEM;

	mutex_lock(&vgpu_lock);
	ret = -EHOSTDOWN;
	if (!vgpu_daemon_is_present())
		goto err_unlock;
	ret = -EBUSY;
	if (session->rings)
		goto err_unlock;
	ret = xa_insert(&vgpu_sessions, id, session, GFP_KERNEL);
	if (ret)
		goto err_unlock;
	session->id = id;
	session->pid = pid;
	session->uid = uid;
	session->mem_limit = mem_limit;
	session->device->sessions++;
	/* Pairs with vgpu_session_rings(). */
	smp_store_release(&session->rings, rings);
	vgpu_netlink_send(event);
	mutex_unlock(&vgpu_lock);
	return 0;

err_unlock:
	mutex_unlock(&vgpu_lock);
	vgpu_netlink_drop(event);
	return ret;
}

/* Returns a reference, or NULL when the session has ended or never was. */
struct vgpu_session *vgpu_session_find(u64 id)
{
	struct vgpu_session *session = NULL;

	if (id > ULONG_MAX)
		return NULL;
	mutex_lock(&vgpu_lock);
	session = xa_load(&vgpu_sessions, id);
	if (session)
		vgpu_session_get(session);
	mutex_unlock(&vgpu_lock);
	return session;
}

int vgpu_session_attach(struct vgpu_session *session)
{
	int ret = 0;

	mutex_lock(&vgpu_lock);
	if (session->gone) {
		ret = -ENOENT;
	} else if (session->attached) {
		ret = -EBUSY;
	} else {
		session->attached = true;
		vgpu_rings_set_state(session->rings, VGPU_STATE_ATTACHED);
		wake_up_interruptible_poll(&session->function_wait, EPOLLOUT | EPOLLWRNORM);
	}
	mutex_unlock(&vgpu_lock);
	return ret;
}

int vgpu_session_report(struct vgpu_session *session, u64 mem_used)
{
	int ret = 0;

	mutex_lock(&vgpu_lock);
	if (session->gone) {
		ret = -EPIPE;
	} else {
		/*
		 * Modulo 2^64: a daemon that reports nonsense sees nonsense, and what it adds comes
		 * off again.
		 */
		session->device->mem_used += mem_used - session->mem_used;
		session->mem_used = mem_used;
	}
	mutex_unlock(&vgpu_lock);
	return ret;
}

void vgpu_session_end(struct vgpu_session *session)
{
	lockdep_assert_held(&vgpu_lock);
	if (session->gone || !session->rings)
		return;

	xa_erase(&vgpu_sessions, session->id);
	session->device->sessions--;
	session->device->mem_used -= session->mem_used;
	session->mem_used = 0;

	WRITE_ONCE(session->gone, true);
	vgpu_rings_set_state(session->rings, VGPU_STATE_GONE);
	wake_up_interruptible_poll(&session->function_wait, EPOLLHUP | EPOLLERR);
	wake_up_interruptible_poll(&session->daemon_wait, EPOLLHUP | EPOLLERR);
	vgpu_netlink_close_event(session);
}

/* The function's release. */
void vgpu_session_close(struct vgpu_session *session)
{
	mutex_lock(&vgpu_lock);
	vgpu_session_end(session);
	session->device->opens--;
	mutex_unlock(&vgpu_lock);
	vgpu_session_put(session);
}
