// SPDX-License-Identifier: GPL-2.0-only
/* /sys/class/vgpu/vgpuN/: what each file says is in Documentation/ABI/sysfs-class-vgpu. */
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "device.h"
#include "session.h"

static ssize_t mem_limit_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vgpu_device *device = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%llu\n", READ_ONCE(device->mem_limit));
}

/* Sessions that are set up keep the limit that they were told. */
static ssize_t mem_limit_store(struct device *dev, struct device_attribute *attr, const char *buf,
			       size_t count)
{
	struct vgpu_device *device = dev_get_drvdata(dev);
	u64 bytes;
	int ret;

	ret = kstrtou64(buf, 10, &bytes);
	if (ret)
		return ret;
	WRITE_ONCE(device->mem_limit, bytes);
	return count;
}
static DEVICE_ATTR_RW(mem_limit);

static ssize_t mem_used_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vgpu_device *device = dev_get_drvdata(dev);
	u64 bytes;

	mutex_lock(&vgpu_lock);
	bytes = device->mem_used;
	mutex_unlock(&vgpu_lock);
	return sysfs_emit(buf, "%llu\n", bytes);
}
static DEVICE_ATTR_RO(mem_used);

static ssize_t sessions_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vgpu_device *device = dev_get_drvdata(dev);
	u32 sessions;

	mutex_lock(&vgpu_lock);
	sessions = device->sessions;
	mutex_unlock(&vgpu_lock);
	return sysfs_emit(buf, "%u\n", sessions);
}
static DEVICE_ATTR_RO(sessions);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[VGPU_DEVICE_OFFLINE] = "offline",
		[VGPU_DEVICE_READY] = "ready",
		[VGPU_DEVICE_UNREACHABLE] = "unreachable",
		[VGPU_DEVICE_DRAINING] = "draining",
	};
	struct vgpu_device *device = dev_get_drvdata(dev);
	u32 state;

	mutex_lock(&vgpu_lock);
	state = device->state;
	mutex_unlock(&vgpu_lock);
	return sysfs_emit(buf, "%s\n", names[state]);
}
static DEVICE_ATTR_RO(state);

/* A line that the daemon reports. */
static ssize_t show_text(const char *text, char *buf)
{
	ssize_t length;

	mutex_lock(&vgpu_lock);
	length = sysfs_emit(buf, "%s\n", text);
	mutex_unlock(&vgpu_lock);
	return length;
}

static ssize_t server_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vgpu_device *device = dev_get_drvdata(dev);

	return show_text(device->server, buf);
}
static DEVICE_ATTR_RO(server);

static ssize_t name_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vgpu_device *device = dev_get_drvdata(dev);

	return show_text(device->name, buf);
}
static DEVICE_ATTR_RO(name);

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vgpu_device *device = dev_get_drvdata(dev);
	u8 uuid[VGPU_UUID_BYTES];

	mutex_lock(&vgpu_lock);
	memcpy(uuid, device->uuid, sizeof(uuid));
	mutex_unlock(&vgpu_lock);
	if (!memchr_inv(uuid, 0, sizeof(uuid)))
		return sysfs_emit(buf, "\n");
	return sysfs_emit(buf, "%pUb\n", uuid);
}
static DEVICE_ATTR_RO(uuid);

static struct attribute *vgpu_device_attrs[] = {
	&dev_attr_mem_limit.attr,
	&dev_attr_mem_used.attr,
	&dev_attr_sessions.attr,
	&dev_attr_state.attr,
	&dev_attr_server.attr,
	&dev_attr_name.attr,
	&dev_attr_uuid.attr,
	NULL
};

static const struct attribute_group vgpu_device_group = {
	.attrs = vgpu_device_attrs,
};

const struct attribute_group *vgpu_device_groups[] = {
	&vgpu_device_group,
	NULL
};
