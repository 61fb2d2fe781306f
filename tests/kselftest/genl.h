/* SPDX-License-Identifier: MIT */
/*
 * genl.h - just enough generic netlink, over a raw socket, to listen to the family "vgpu" and to
 * list it
 */
#ifndef TESTS_GENL_H
#define TESTS_GENL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vgpu_netlink.h>
#include <sys/socket.h>

#include "session.h"

struct genl {
	int fd;
	uint16_t family;
	uint32_t group;
	uint8_t buffer[32768] __attribute__((aligned(8)));
	ssize_t length;		/* of what is in buffer */
	struct nlmsghdr *next;
};

/* A message of the family, taken apart: attributes by number, NULL when absent. */
struct message {
	int command;
	const struct nlattr *attr[VGPU_A_MAX + 1];
};

static inline void genl_send(struct genl *genl, uint16_t type, uint16_t flags, uint8_t command,
			     uint16_t attribute, const void *value, uint16_t bytes)
{
	struct {
		struct nlmsghdr nl;
		struct genlmsghdr genl;
		struct nlattr attr;
		char value[64];
	} request = {
		.nl = {
			.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags,
		},
		.genl = { .cmd = command, .version = VGPU_GENL_VERSION },
	};

	if (value) {
		request.attr.nla_type = attribute;
		request.attr.nla_len = NLA_HDRLEN + bytes;
		memcpy(request.value, value, bytes);
		request.nl.nlmsg_len += NLA_HDRLEN + NLA_ALIGN(bytes);
	}
	CHECK(send(genl->fd, &request, request.nl.nlmsg_len, 0) == (ssize_t)request.nl.nlmsg_len);
}

/* The next netlink message, or NULL and errno (EAGAIN: none within the time). */
static inline struct nlmsghdr *genl_next(struct genl *genl, int timeout_ms)
{
	struct nlmsghdr *nl;

	if (!genl->next || !NLMSG_OK(genl->next, genl->length)) {
		if (!poll_for(genl->fd, POLLIN, timeout_ms)) {
			errno = EAGAIN;
			return NULL;
		}
		genl->length = recv(genl->fd, genl->buffer, sizeof(genl->buffer), 0);
		if (genl->length < 0)
			return NULL;
		genl->next = (struct nlmsghdr *)genl->buffer;
	}
	nl = genl->next;
	genl->next = NLMSG_NEXT(nl, genl->length);
	return nl;
}

#define GENL_ATTR(_nl) ((struct nlattr *)((char *)(_nl) + NLMSG_HDRLEN + GENL_HDRLEN))
#define ATTR_DATA(_a) ((void *)((char *)(_a) + NLA_HDRLEN))
#define ATTR_NEXT(_a) ((struct nlattr *)((char *)(_a) + NLA_ALIGN((_a)->nla_len)))
#define ATTR_END(_nl) ((char *)(_nl) + (_nl)->nlmsg_len)
#define FOR_EACH_ATTR(_a, _first, _end)						\
	for (_a = (_first); (char *)_a < (char *)(_end); _a = ATTR_NEXT(_a))

static inline void genl_resolve(struct genl *genl)
{
	struct nlattr *a, *group, *g;
	struct nlmsghdr *nl;

	genl_send(genl, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, VGPU_GENL_NAME,
		  sizeof(VGPU_GENL_NAME));
	nl = genl_next(genl, 5000);
	CHECK(nl && nl->nlmsg_type == GENL_ID_CTRL);
	FOR_EACH_ATTR(a, GENL_ATTR(nl), ATTR_END(nl)) {
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			genl->family = *(uint16_t *)ATTR_DATA(a);
		if ((a->nla_type & NLA_TYPE_MASK) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		FOR_EACH_ATTR(group, ATTR_DATA(a), ATTR_NEXT(a))
			FOR_EACH_ATTR(g, ATTR_DATA(group), ATTR_NEXT(group))
				if (g->nla_type == CTRL_ATTR_MCAST_GRP_ID)
					genl->group = *(uint32_t *)ATTR_DATA(g);
	}
	CHECK(genl->family && genl->group);
}

static inline int genl_join(struct genl *genl)
{
	return setsockopt(genl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &genl->group,
			  sizeof(genl->group));
}

static inline void genl_open(struct genl *genl)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };

	memset(genl, 0, sizeof(*genl));
	genl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	CHECK(genl->fd >= 0 && !bind(genl->fd, (struct sockaddr *)&any, sizeof(any)));
	genl_resolve(genl);
}

/* False at the end of a dump or when nothing came; an error that the kernel answers is in errno. */
static inline bool genl_message(struct genl *genl, struct message *message, int timeout_ms)
{
	struct nlmsghdr *nl = genl_next(genl, timeout_ms);
	struct nlattr *a;

	if (!nl)
		return false;
	errno = 0;
	if (nl->nlmsg_type == NLMSG_ERROR || nl->nlmsg_type == NLMSG_DONE) {
		errno = -*(int *)NLMSG_DATA(nl);
		return false;
	}
	CHECK_EQ(nl->nlmsg_type, genl->family);
	memset(message, 0, sizeof(*message));
	message->command = ((struct genlmsghdr *)NLMSG_DATA(nl))->cmd;
	FOR_EACH_ATTR(a, GENL_ATTR(nl), ATTR_END(nl)) {
		CHECK(a->nla_type <= VGPU_A_MAX && a->nla_len >= NLA_HDRLEN);
		message->attr[a->nla_type] = a;
	}
	return true;
}

static inline void genl_dump(struct genl *genl, uint8_t command)
{
	genl_send(genl, genl->family, NLM_F_DUMP, command, 0, NULL, 0);
}

static inline uint32_t get_u32(const struct message *message, int attribute)
{
	const struct nlattr *a = message->attr[attribute];

	if (!a || a->nla_len != NLA_HDRLEN + 4)
		FAIL("attribute %d is not a u32", attribute);
	return *(uint32_t *)ATTR_DATA(a);
}

static inline uint64_t get_u64(const struct message *message, int attribute)
{
	const struct nlattr *a = message->attr[attribute];
	uint64_t value;

	if (!a || a->nla_len != NLA_HDRLEN + 8)
		FAIL("attribute %d is not a u64", attribute);
	memcpy(&value, ATTR_DATA(a), 8);
	return value;
}

#endif /* TESTS_GENL_H */
