// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two descriptors of a session: the function's (/dev/vgpuN) and the daemon's
 * (VGPU_SESSION_ATTACH).
 */
#include <linux/poll.h>

#include "device.h"
#include "file.h"
#include "ioctl.h"
#include "ring.h"
#include "session.h"

/*
 * poll(2) and the peer's doorbell: the poller sets its asleep word, then comes here; the peer moves
 * its index, then reads the word. Full barriers between the two on either side mean that one sees
 * the other. The poller's is this one, wherever user space forgot its own; it also keeps the
 * indices from being read before the poller is on the queue.
 */
static struct vgpu_rings *poll_rings(struct file *file, wait_queue_head_t *queue, poll_table *wait)
{
	struct vgpu_session *session = file->private_data;

	poll_wait(file, queue, wait);
	/* Pairs with the peer's between its index and our asleep word. */
	smp_mb();
	return vgpu_session_rings(session);
}

static __poll_t function_poll(struct file *file, poll_table *wait)
{
	struct vgpu_session *session = file->private_data;
	struct vgpu_rings *rings = poll_rings(file, &session->function_wait, wait);
	__poll_t mask = 0;

	if (!rings)
		return EPOLLERR;
	if (!vgpu_cq_is_empty(rings))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (vgpu_sq_has_room(rings))
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(session->gone))
		mask |= EPOLLHUP | EPOLLERR;
	return mask;
}

static __poll_t daemon_poll(struct file *file, poll_table *wait)
{
	struct vgpu_session *session = file->private_data;
	struct vgpu_rings *rings = poll_rings(file, &session->daemon_wait, wait);
	__poll_t mask = 0;

	if (!vgpu_sq_is_empty(rings))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (vgpu_cq_has_room(rings))
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(session->gone))
		mask |= EPOLLHUP;
	return mask;
}

static int session_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vgpu_rings *rings = vgpu_session_rings(file->private_data);

	return rings ? vgpu_rings_mmap(rings, vma) : -ENXIO;
}

static int function_open(struct inode *inode, struct file *file)
{
	struct vgpu_device *device = vgpu_device_of_inode(inode);
	struct vgpu_session *session;

	if (!device)
		return -ENODEV;
	session = vgpu_session_create(device);
	if (IS_ERR(session))
		return PTR_ERR(session);
	file->private_data = session;
	return nonseekable_open(inode, file);
}

static int function_release(struct inode *inode, struct file *file)
{
	vgpu_session_close(file->private_data);
	return 0;
}

/*
 * A descriptor that was made but never given out (vgpu_ioctl_session_attach() failed) has no
 * session.
 */
static int daemon_release(struct inode *inode, struct file *file)
{
	struct vgpu_session *session = file->private_data;

	if (!session)
		return 0;
	mutex_lock(&vgpu_lock);
	vgpu_session_end(session);
	mutex_unlock(&vgpu_lock);
	vgpu_session_put(session);
	return 0;
}

const struct file_operations vgpu_function_fops = {
	.owner = THIS_MODULE,
	.open = function_open,
	.release = function_release,
	.mmap = session_mmap,
	.poll = function_poll,
	.unlocked_ioctl = vgpu_function_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

const struct file_operations vgpu_session_fops = {
	.owner = THIS_MODULE,
	.release = daemon_release,
	.mmap = session_mmap,
	.poll = daemon_poll,
	.unlocked_ioctl = vgpu_session_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
