// SPDX-License-Identifier: MIT
#include "announce.h"

#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "linux/vgpu_netlink.h"
#include "log.h"

/* Of socket buffer: some thousand sessions that come at once. */
#define RECEIVE_BYTES	(1 << 20)

static int ask(struct announce *a)
{
	int err = genl_send_simple(a->sock, a->family, VGPU_CMD_SESSION_GET, VGPU_GENL_VERSION,
				   NLM_F_DUMP);

	if (err < 0) {
		log_warn("cannot ask for sessions: %s", nl_geterror(err));
		return -EIO;
	}
	a->dumping = true;
	a->again = false;
	return 0;
}

/* A u32 or u64 that is shorter makes no sense of the whole message. */
static struct nla_policy policy[VGPU_A_MAX + 1] = {
	[VGPU_A_SESSION] = { .type = NLA_U64 },
	[VGPU_A_ATTACHED] = { .type = NLA_U32 },
};

static int take_message(struct nl_msg *msg, void *arg)
{
	struct genlmsghdr *h = genlmsg_hdr(nlmsg_hdr(msg));
	struct nlattr *attrs[VGPU_A_MAX + 1];
	struct announce *a = arg;

	if (nlmsg_get_src(msg)->nl_pid || !genlmsg_valid_hdr(nlmsg_hdr(msg), 0)) {
		log_err("an announcement that is not the module's");
		return NL_OK;
	}
	if (h->cmd != VGPU_CMD_SESSION_OPEN && h->cmd != VGPU_CMD_SESSION_GET)
		return NL_OK;
	if (genlmsg_parse(nlmsg_hdr(msg), 0, attrs, VGPU_A_MAX, policy) < 0 ||
	    !attrs[VGPU_A_SESSION]) {
		log_err("the module's announcement makes no sense");
		return NL_OK;
	}
	if (attrs[VGPU_A_ATTACHED] && nla_get_u32(attrs[VGPU_A_ATTACHED]))
		return NL_OK;
	a->fn(a, nla_get_u64(attrs[VGPU_A_SESSION]));
	return NL_OK;
}

static int take_end(struct nl_msg *msg, void *arg)
{
	struct announce *a = arg;

	(void)msg;
	a->dumping = false;
	return NL_OK;
}

static int take_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct announce *a = arg;

	(void)from;
	log_warn("cannot ask for sessions: error %d", e->error);
	a->dumping = false;
	return NL_SKIP;
}

/*
 * NLE_NOMEM is how libnl says ENOBUFS: the kernel had more to tell than the socket holds, so what
 * was announced meanwhile is asked for. NLE_DUMP_INTR: the list changed under the dump; nothing in
 * it is wrong, something may be missing.
 */
static void announce_event(struct event *e, uint32_t events)
{
	struct announce *a = container_of(e, struct announce, event);
	int err;

	(void)events;
	do {
		err = nl_recvmsgs_default(a->sock);
		if (err == -NLE_NOMEM || err == -NLE_DUMP_INTR)
			a->again = true;
		if (err == -NLE_DUMP_INTR)
			a->dumping = false;
	} while (err >= 0 || err == -NLE_NOMEM || err == -NLE_DUMP_INTR || err == -NLE_INTR);
	if (err != -NLE_AGAIN)
		log_warn("reading announcements: %s", nl_geterror(err));
	if (a->again && !a->dumping)
		ask(a);
}

static int join(struct announce *a)
{
	int group, err;

	err = genl_connect(a->sock);
	if (err < 0)
		return err;
	a->family = genl_ctrl_resolve(a->sock, VGPU_GENL_NAME);
	if (a->family < 0)
		return a->family;
	group = genl_ctrl_resolve_grp(a->sock, VGPU_GENL_NAME, VGPU_GENL_GROUP_SESSION);
	if (group < 0)
		return group;
	nl_socket_disable_seq_check(a->sock);
	nl_socket_set_buffer_size(a->sock, RECEIVE_BYTES, 0);
	nl_socket_modify_cb(a->sock, NL_CB_VALID, NL_CB_CUSTOM, take_message, a);
	nl_socket_modify_cb(a->sock, NL_CB_FINISH, NL_CB_CUSTOM, take_end, a);
	nl_socket_modify_err_cb(a->sock, NL_CB_CUSTOM, take_error, a);
	err = nl_socket_add_membership(a->sock, group);
	return err < 0 ? err : nl_socket_set_nonblocking(a->sock);
}

int announce_open(struct announce *a, struct event_loop *loop,
		  void (*fn)(struct announce *a, uint64_t session))
{
	int err;

	*a = (struct announce){ .loop = loop, .fn = fn };
	a->sock = nl_socket_alloc();
	if (!a->sock)
		return -ENOMEM;
	err = join(a);
	if (err < 0) {
		log_err("netlink family \"%s\": %s", VGPU_GENL_NAME, nl_geterror(err));
		nl_socket_free(a->sock);
		return err == -NLE_PERM ? -EPERM : -EIO;
	}
	err = event_add(loop, &a->event, nl_socket_get_fd(a->sock), EPOLLIN, announce_event);
	return err ? err : ask(a);
}

void announce_close(struct announce *a)
{
	event_del(a->loop, &a->event);
	nl_socket_free(a->sock);
}
