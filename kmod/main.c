// SPDX-License-Identifier: GPL-2.0-only
/* vgpu - carries bytes between functions that use a remote GPU and the daemon that forwards them */
#include <linux/module.h>

#include "daemon.h"
#include "device.h"
#include "netlink.h"
#include "session.h"

static int __init vgpu_init(void)
{
	int ret;

	ret = vgpu_netlink_init();
	if (ret)
		return ret;

	ret = vgpu_device_init();
	if (ret)
		goto err_device;

	ret = vgpu_daemon_init();
	if (ret)
		goto err_daemon;

	return 0;

err_daemon:
	vgpu_device_uninit();
err_device:
	vgpu_netlink_uninit();
	return ret;
}

/* Every descriptor holds the module: no session is left, and none can be made, when this runs. */
static void __exit vgpu_exit(void)
{
	vgpu_daemon_uninit();
	vgpu_device_uninit();
	vgpu_netlink_uninit();
}

module_init(vgpu_init);
module_exit(vgpu_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Virtual GPU: shared rings between functions and the daemon that forwards them");
MODULE_AUTHOR("DGSF");
MODULE_VERSION("1");
