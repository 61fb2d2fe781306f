// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls. A new one is a struct in uapi/linux/vgpu.h, a handler here and a row in the table of
 * the descriptor that it belongs to; the dispatcher has then checked its size, and the flags are
 * the handler's first line.
 */
#include <linux/anon_inodes.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/vgpu.h>

#include "daemon.h"
#include "device.h"
#include "file.h"
#include "ioctl.h"
#include "ring.h"
#include "session.h"

/**
 * struct call - one ioctl under way
 * @file: the descriptor
 * @arg: the caller's struct
 * @arg_size: its size, as the caller knows it
 * @data: the kernel's copy; members that the caller's struct lacks are zero
 * @data_size: size of the struct as the kernel knows it
 */
struct call {
	struct file *file;
	void __user *arg;
	u32 arg_size;
	void *data;
	u32 data_size;
};

struct row {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	long (*handler)(struct call *call);
};

#define ROW(_cmd, _handler, _struct, _last) {			\
	.cmd = (_cmd),						\
	.size = sizeof(struct _struct),				\
	.min_size = offsetofend(struct _struct, _last),		\
	.handler = (_handler),					\
}

union argument {
	struct vgpu_ring_setup ring_setup;
	struct vgpu_doorbell doorbell;
	struct vgpu_session_attach session_attach;
	struct vgpu_device_report device_report;
	struct vgpu_session_report session_report;
};

/* Writes the struct back, as much of it as the caller knows. */
static int respond(const struct call *call)
{
	u32 size = min(call->arg_size, call->data_size);

	return copy_to_user(call->arg, call->data, size) ? -EFAULT : 0;
}

static bool ring_size(u32 *bytes)
{
	if (!*bytes)
		*bytes = VGPU_RING_DEFAULT;
	return is_power_of_2(*bytes) && *bytes >= VGPU_RING_MIN && *bytes <= VGPU_RING_MAX;
}

static bool daemon_is_present(void)
{
	bool present;

	mutex_lock(&vgpu_lock);
	present = vgpu_daemon_is_present();
	mutex_unlock(&vgpu_lock);
	return present;
}

/*
 * The pages are allocated without vgpu_lock, and the answer is written before the session is
 * announced: a caller that gets an error has no rings. What is asked before the allocation is asked
 * again by vgpu_session_announce().
 */
static long ring_setup(struct call *call)
{
	struct vgpu_session *session = call->file->private_data;
	struct vgpu_ring_setup *setup = call->data;
	struct vgpu_rings *rings;
	int ret;

	if (setup->flags)
		return -EOPNOTSUPP;
	if (!ring_size(&setup->sq_bytes) || !ring_size(&setup->cq_bytes))
		return -EINVAL;
	if (vgpu_session_rings(session))
		return -EBUSY;
	if (!daemon_is_present())
		return -EHOSTDOWN;

	rings = vgpu_rings_alloc(setup->sq_bytes, setup->cq_bytes);
	if (IS_ERR(rings))
		return PTR_ERR(rings);

	setup->session = vgpu_session_new_id();
	setup->mem_limit = READ_ONCE(session->device->mem_limit);
	setup->abi = VGPU_ABI_VERSION;
	setup->device = session->device->index;
	ret = respond(call);
	if (!ret)
		ret = vgpu_session_announce(session, rings, setup->session, setup->mem_limit);
	if (ret)
		vgpu_rings_free(rings);
	return ret;
}

static long ring_doorbell(struct call *call, wait_queue_head_t *peer)
{
	struct vgpu_session *session = call->file->private_data;
	const struct vgpu_doorbell *doorbell = call->data;

	if (doorbell->flags)
		return -EOPNOTSUPP;
	if (!vgpu_session_rings(session))
		return -ENXIO;
	if (READ_ONCE(session->gone))
		return -EPIPE;
	wake_up_interruptible_poll(peer, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM);
	return 0;
}

static long function_doorbell(struct call *call)
{
	struct vgpu_session *session = call->file->private_data;

	return ring_doorbell(call, &session->daemon_wait);
}

static long daemon_doorbell(struct call *call)
{
	struct vgpu_session *session = call->file->private_data;

	return ring_doorbell(call, &session->function_wait);
}

static long session_report(struct call *call)
{
	const struct vgpu_session_report *report = call->data;

	if (report->flags)
		return -EOPNOTSUPP;
	return vgpu_session_report(call->file->private_data, report->mem_used);
}

static void describe(struct vgpu_session_attach *attach, const struct vgpu_session *session, int fd)
{
	attach->fd = fd;
	attach->device = session->device->index;
	attach->mem_limit = session->mem_limit;
	attach->sq_bytes = session->rings->sq.bytes;
	attach->cq_bytes = session->rings->cq.bytes;
	attach->pid = session->pid;
	attach->uid = session->uid;
}

/*
 * The descriptor is made and the answer written before the session counts as attached, so that a
 * daemon that gets an error can try again. fd_install() cannot fail and comes last.
 */
static long session_attach(struct call *call)
{
	struct vgpu_session_attach *attach = call->data;
	struct vgpu_session *session;
	struct file *file;
	int fd, ret;

	if (attach->flags)
		return -EOPNOTSUPP;
	session = vgpu_session_find(attach->session);
	if (!session)
		return -ENOENT;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		ret = fd;
		goto err_fd;
	}
	file = anon_inode_getfile("[vgpu-session]", &vgpu_session_fops, session, O_RDWR);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_file;
	}
	describe(attach, session, fd);
	ret = respond(call);
	if (!ret)
		ret = vgpu_session_attach(session);
	if (ret)
		goto err_attach;
	fd_install(fd, file);
	return 0;

err_attach:
	/* The file's release must not end a session that is not its own. */
	file->private_data = NULL;
	fput(file);
err_file:
	put_unused_fd(fd);
err_fd:
	vgpu_session_put(session);
	return ret;
}

/* Printable ASCII that ends within @size bytes. */
static bool is_text(const u8 *text, size_t size, bool spaces)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (!text[i])
			return true;
		if (!isascii(text[i]) || !isprint(text[i]) || (text[i] == ' ' && !spaces))
			return false;
	}
	return false;
}

static long device_report(struct call *call)
{
	const struct vgpu_device_report *report = call->data;
	struct vgpu_device *device;

	if (report->flags)
		return -EOPNOTSUPP;
	if (report->state > VGPU_DEVICE_DRAINING)
		return -EOPNOTSUPP;
	if (report->state == VGPU_DEVICE_OFFLINE ||
	    !is_text(report->server, sizeof(report->server), false) ||
	    !is_text(report->name, sizeof(report->name), true))
		return -EINVAL;
	device = vgpu_device_find(report->device);
	if (!device)
		return -ENOENT;

	mutex_lock(&vgpu_lock);
	device->state = report->state;
	strscpy(device->server, report->server, sizeof(device->server));
	strscpy(device->name, report->name, sizeof(device->name));
	memcpy(device->uuid, report->uuid, sizeof(device->uuid));
	mutex_unlock(&vgpu_lock);
	return 0;
}

static const struct row function_rows[] = {
	ROW(VGPU_RING_SETUP, ring_setup, vgpu_ring_setup, device),
	ROW(VGPU_DOORBELL, function_doorbell, vgpu_doorbell, flags),
};

static const struct row session_rows[] = {
	ROW(VGPU_DOORBELL, daemon_doorbell, vgpu_doorbell, flags),
	ROW(VGPU_SESSION_REPORT, session_report, vgpu_session_report, mem_used),
};

static const struct row control_rows[] = {
	ROW(VGPU_SESSION_ATTACH, session_attach, vgpu_session_attach, uid),
	ROW(VGPU_DEVICE_REPORT, device_report, vgpu_device_report, server),
};

static const struct row *find_row(const struct row *rows, size_t nr, unsigned int cmd)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (rows[i].cmd == cmd)
			return &rows[i];
	return NULL;
}

static long dispatch(const struct row *rows, size_t nr, struct file *file, unsigned int cmd,
		     unsigned long arg)
{
	const struct row *row = find_row(rows, nr, cmd);
	union argument argument;
	struct call call = {
		.file = file,
		.arg = (void __user *)arg,
		.data = &argument,
	};
	int ret;

	if (!row)
		return -ENOTTY;
	if (get_user(call.arg_size, (u32 __user *)call.arg))
		return -EFAULT;
	if (call.arg_size < row->min_size)
		return -EINVAL;
	/*
	 * No struct will be that long, and nobody shall make the kernel look through gigabytes of
	 * zeroes.
	 */
	if (call.arg_size > PAGE_SIZE)
		return -E2BIG;
	call.data_size = row->size;
	ret = copy_struct_from_user(call.data, call.data_size, call.arg, call.arg_size);
	if (ret)
		return ret;
	return row->handler(&call);
}

long vgpu_function_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(function_rows, ARRAY_SIZE(function_rows), file, cmd, arg);
}

long vgpu_session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(session_rows, ARRAY_SIZE(session_rows), file, cmd, arg);
}

long vgpu_control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(control_rows, ARRAY_SIZE(control_rows), file, cmd, arg);
}
