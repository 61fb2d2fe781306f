// SPDX-License-Identifier: GPL-2.0-only
/*
 * Generic netlink family "vgpu": who has come and gone, and who is there
 * (uapi/linux/vgpu_netlink.h).
 *
 * Events are sent under vgpu_lock, so that a listener sees them in the order in which they
 * happened, and a dump that it asks for after it has joined the group misses nothing. Only the
 * initial network namespace is served.
 */
#include <linux/vgpu.h>
#include <linux/vgpu_netlink.h>
#include <net/genetlink.h>

#include "compat.h"
#include "device.h"
#include "netlink.h"
#include "session.h"

static struct genl_family family;

/* No request has attributes: an entry that says nothing refuses what is sent all the same. */
static const struct nla_policy policy[VGPU_A_MAX + 1];

static int put_u64(struct sk_buff *skb, int attribute, u64 value)
{
	return nla_put_u64_64bit(skb, attribute, value, VGPU_A_PAD);
}

static struct sk_buff *event_new(u8 command, void **header)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);

	/* An empty message has room for the header. */
	if (skb)
		*header = genlmsg_put(skb, 0, 0, &family, 0, command);
	return skb;
}

struct sk_buff *vgpu_netlink_open_event(u32 device, u64 id, s32 pid, u32 uid)
{
	struct sk_buff *skb;
	void *header;

	skb = event_new(VGPU_CMD_SESSION_OPEN, &header);
	if (!skb)
		return NULL;
	if (nla_put_u32(skb, VGPU_A_DEVICE, device) || put_u64(skb, VGPU_A_SESSION, id) ||
	    nla_put_s32(skb, VGPU_A_PID, pid) || nla_put_u32(skb, VGPU_A_UID, uid)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, header);
	return skb;
}

/* Nobody listening is no error: a daemon that starts late asks for a dump. */
void vgpu_netlink_send(struct sk_buff *event)
{
	genlmsg_multicast(&family, event, 0, 0, GFP_KERNEL);
}

void vgpu_netlink_drop(struct sk_buff *event)
{
	nlmsg_free(event);
}

/*
 * Without memory the event is lost; the daemon's descriptor of the session says POLLHUP all the
 * same.
 */
void vgpu_netlink_close_event(const struct vgpu_session *session)
{
	struct sk_buff *skb;
	void *header;

	skb = event_new(VGPU_CMD_SESSION_CLOSE, &header);
	if (!skb)
		return;
	if (nla_put_u32(skb, VGPU_A_DEVICE, session->device->index) ||
	    put_u64(skb, VGPU_A_SESSION, session->id)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, header);
	vgpu_netlink_send(skb);
}

static void *entry_begin(struct sk_buff *skb, struct netlink_callback *cb, u8 command)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &family,
			   NLM_F_MULTI, command);
}

static int entry_session(struct sk_buff *skb, struct netlink_callback *cb,
			 const struct vgpu_session *session)
{
	void *header = entry_begin(skb, cb, VGPU_CMD_SESSION_GET);

	if (!header)
		return -EMSGSIZE;
	if (nla_put_u32(skb, VGPU_A_DEVICE, session->device->index) ||
	    put_u64(skb, VGPU_A_SESSION, session->id) ||
	    nla_put_s32(skb, VGPU_A_PID, session->pid) ||
	    nla_put_u32(skb, VGPU_A_UID, session->uid) ||
	    nla_put_u32(skb, VGPU_A_ATTACHED, session->attached) ||
	    put_u64(skb, VGPU_A_MEM_USED, session->mem_used)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

static int entry_device(struct sk_buff *skb, struct netlink_callback *cb,
			const struct vgpu_device *device)
{
	void *header = entry_begin(skb, cb, VGPU_CMD_DEVICE_GET);

	if (!header)
		return -EMSGSIZE;
	if (nla_put_u32(skb, VGPU_A_DEVICE, device->index) ||
	    put_u64(skb, VGPU_A_MEM_LIMIT, READ_ONCE(device->mem_limit)) ||
	    put_u64(skb, VGPU_A_MEM_USED, device->mem_used) ||
	    nla_put_u32(skb, VGPU_A_SESSIONS, device->sessions) ||
	    nla_put_u32(skb, VGPU_A_STATE, device->state) ||
	    nla_put_string(skb, VGPU_A_SERVER, device->server)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* cb->args[0] is where the next message of a dump that did not fit into one begins. */
static int dump_sessions(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct vgpu_session *session;
	unsigned long id;

	mutex_lock(&vgpu_lock);
	xa_for_each_start(&vgpu_sessions, id, session, cb->args[0]) {
		if (entry_session(skb, cb, session))
			break;
		cb->args[0] = id + 1;
	}
	mutex_unlock(&vgpu_lock);
	return skb->len;
}

static int dump_devices(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct vgpu_device *device;

	mutex_lock(&vgpu_lock);
	while ((device = vgpu_device_find(cb->args[0]))) {
		if (entry_device(skb, cb, device))
			break;
		cb->args[0]++;
	}
	mutex_unlock(&vgpu_lock);
	return skb->len;
}

static const struct genl_ops ops[] = {
	{
		.cmd = VGPU_CMD_SESSION_GET,
		.flags = GENL_ADMIN_PERM,
		.dumpit = dump_sessions,
	}, {
		.cmd = VGPU_CMD_DEVICE_GET,
		.flags = GENL_ADMIN_PERM,
		.dumpit = dump_devices,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = VGPU_GENL_GROUP_SESSION, .flags = VGPU_MCAST_CAP_NET_ADMIN },
};

static struct genl_family family __ro_after_init = {
	.name = VGPU_GENL_NAME,
	.version = VGPU_GENL_VERSION,
	.module = THIS_MODULE,
	.maxattr = VGPU_A_MAX,
	.policy = policy,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int vgpu_netlink_init(void)
{
	return genl_register_family(&family);
}

void vgpu_netlink_uninit(void)
{
	genl_unregister_family(&family);
}
