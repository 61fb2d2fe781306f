// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vgpuctl: open it and you are the daemon; one at a time. Whoever may open the node may be it.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "daemon.h"
#include "device.h"
#include "ioctl.h"
#include "session.h"

static bool present;	/* under vgpu_lock */

bool vgpu_daemon_is_present(void)
{
	lockdep_assert_held(&vgpu_lock);
	return present;
}

static int control_open(struct inode *inode, struct file *file)
{
	int ret = -EBUSY;

	mutex_lock(&vgpu_lock);
	if (!present) {
		present = true;
		ret = 0;
	}
	mutex_unlock(&vgpu_lock);
	return ret;
}

/*
 * A daemon that dies loses its sessions, those too that it had not got round to attaching: a
 * program that waits must learn of it at once, and a daemon started again has none of the old one's
 * connections.
 */
static int control_release(struct inode *inode, struct file *file)
{
	struct vgpu_session *session;
	unsigned long id;

	mutex_lock(&vgpu_lock);
	present = false;
	vgpu_device_set_offline();
	xa_for_each(&vgpu_sessions, id, session)
		vgpu_session_end(session);
	mutex_unlock(&vgpu_lock);
	return 0;
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = control_open,
	.release = control_release,
	.unlocked_ioctl = vgpu_control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vgpuctl",
	.mode = 0600,
	.fops = &control_fops,
};

int vgpu_daemon_init(void)
{
	return misc_register(&control_device);
}

void vgpu_daemon_uninit(void)
{
	misc_deregister(&control_device);
}
