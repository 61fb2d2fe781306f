// SPDX-License-Identifier: GPL-2.0-only
/* The devices /dev/vgpu0 ... N-1: made when the module is loaded, gone when it is unloaded. */
#include <linux/cdev.h>
#include <linux/fs.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "device.h"
#include "file.h"
#include "session.h"

static unsigned int nr_devices = 1;
module_param_named(devices, nr_devices, uint, 0444);
MODULE_PARM_DESC(devices, "Number of devices /dev/vgpuN, 1 to 64 (default 1)");

static unsigned int max_sessions = 1024;
module_param(max_sessions, uint, 0644);
MODULE_PARM_DESC(max_sessions, "Descriptors that may be open on a device at a time (default 1024)");

static struct vgpu_device *devices;
static struct class *device_class;
static struct cdev *device_cdev;
static dev_t device_base;

struct vgpu_device *vgpu_device_find(u32 index)
{
	return index < nr_devices ? &devices[index] : NULL;
}

bool vgpu_device_is_full(const struct vgpu_device *device)
{
	lockdep_assert_held(&vgpu_lock);
	return device->opens >= READ_ONCE(max_sessions);
}

/* The daemon has gone: what it said about the servers is no longer true. */
void vgpu_device_set_offline(void)
{
	u32 i;

	lockdep_assert_held(&vgpu_lock);
	for (i = 0; i < nr_devices; i++) {
		devices[i].state = VGPU_DEVICE_OFFLINE;
		devices[i].server[0] = '\0';
		devices[i].name[0] = '\0';
		memset(devices[i].uuid, 0, sizeof(devices[i].uuid));
	}
}

static int add_nodes(void)
{
	struct device *dev;
	u32 i;

	for (i = 0; i < nr_devices; i++) {
		dev = device_create_with_groups(device_class, NULL, device_base + i, &devices[i],
						vgpu_device_groups, "vgpu%u", i);
		if (IS_ERR(dev))
			goto err_nodes;
		devices[i].dev = dev;
	}
	return 0;

err_nodes:
	while (i--)
		device_destroy(device_class, device_base + i);
	return PTR_ERR(dev);
}

/*
 * One character device serves all minors. It is allocated, not static: its kobject may outlive the
 * last close by a grace period, and with it the module's data.
 */
static int add_cdev(void)
{
	int ret;

	device_cdev = cdev_alloc();
	if (!device_cdev)
		return -ENOMEM;
	device_cdev->owner = THIS_MODULE;
	device_cdev->ops = &vgpu_function_fops;

	ret = cdev_add(device_cdev, device_base, nr_devices);
	if (ret)
		kobject_put(&device_cdev->kobj);
	return ret;
}

int vgpu_device_init(void)
{
	int ret;
	u32 i;

	if (nr_devices < 1 || nr_devices > VGPU_MAX_DEVICES)
		return -EINVAL;

	devices = kcalloc(nr_devices, sizeof(*devices), GFP_KERNEL);
	if (!devices)
		return -ENOMEM;
	for (i = 0; i < nr_devices; i++)
		devices[i].index = i;

	device_class = vgpu_class_create("vgpu");
	if (IS_ERR(device_class)) {
		ret = PTR_ERR(device_class);
		goto err_class;
	}

	ret = alloc_chrdev_region(&device_base, 0, nr_devices, "vgpu");
	if (ret)
		goto err_region;

	ret = add_cdev();
	if (ret)
		goto err_cdev;

	ret = add_nodes();
	if (ret)
		goto err_nodes;

	return 0;

err_nodes:
	cdev_del(device_cdev);
err_cdev:
	unregister_chrdev_region(device_base, nr_devices);
err_region:
	class_destroy(device_class);
err_class:
	kfree(devices);
	return ret;
}

void vgpu_device_uninit(void)
{
	u32 i;

	for (i = 0; i < nr_devices; i++)
		device_destroy(device_class, device_base + i);
	cdev_del(device_cdev);
	unregister_chrdev_region(device_base, nr_devices);
	class_destroy(device_class);
	kfree(devices);
}

/* The minor says which device: the cdev's minors start at device_base. */
struct vgpu_device *vgpu_device_of_inode(const struct inode *inode)
{
	return vgpu_device_find(iminor(inode) - MINOR(device_base));
}
