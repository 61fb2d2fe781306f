/* SPDX-License-Identifier: MIT */
/*
 * vgpud_fuzz.c - what vgpud is told: its configuration, the module's announcements, and, of the
 * sessions announced, frames of the function and of the server
 *
 * An input goes through all of it: as a configuration file; as datagrams of the netlink socket (a
 * netlink header is as long as a frame's, with the length in the same place, so the mutator of
 * frames.c does for both); and as frames, put into the rings of the sessions that the datagrams
 * have begun and sent to them by their server. The module and the server are this program: the
 * calls to them are the linker's wraps. What may become a bulk connection ends where it does; what
 * moves its bytes is what moves a session's.
 */
#include <errno.h>
#include <fcntl.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "frames.h"
#include "linux/vgpu_netlink.h"
#include "log.h"
#include "rings.h"
#include "vgpud.h"

#define FAMILY		29
#define SQ		8192u
#define CQ		16384u
#define SLOTS		4u
#define ROUNDS		64	/* of mover_run() for one frame */

bool frames_count;
const uint64_t frames_numbers[] = {
	0, 1, 2, 3, 8, 12, 16, 20, 64, NLMSG_DONE, NLMSG_ERROR, SQ, CQ, VWIRE_FRAME_MAX, 1ull << 32, ~0ull,
	VWIRE_OP_BULK, VWIRE_MAGIC, VGPU_A_SESSION << 16 | 12, VGPU_A_ATTACHED << 16 | 8,
};
const size_t frames_nr_numbers = sizeof(frames_numbers) / sizeof(frames_numbers[0]);

/* A session's rings, and the other end of its connection. */
static struct slot {
	struct fwd_ring ring;
	bool taken;
	int server;
} slots[SLOTS];

static struct vgpud v;
static const uint8_t *input;
static size_t left;

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- the configuration ---- */

static const struct conf_option options[] = { VGPUD_OPTIONS(CONF_ROW, struct vgpud_conf) };
static const struct conf_option device_options[] = { DEVICE_OPTIONS(CONF_ROW, struct device_conf) };

static const struct conf_set *find_section(void *arg, const char *name)
{
	return strcmp(name, "vgpu0") ? NULL : arg;
}

static void configuration(const uint8_t *data, size_t size)
{
	struct vgpud_conf conf;
	struct device_conf device;
	struct conf_set set = { options, sizeof(options) / sizeof(options[0]), &conf };
	struct conf_set section = { device_options, sizeof(device_options) / sizeof(device_options[0]), &device };
	char path[64], err[CONF_TEXT_MAX] = "", host[NET_NAME_MAX], port[NET_NAME_MAX];
	int fd = memfd_create("conf", MFD_CLOEXEC), r;

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	must(conf_defaults(&set) && conf_defaults(&section));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = conf_read(&set, path, find_section, &section, err);
	must(!r || err[0]);
	must(memchr(err, 0, sizeof(err)));
	if (!r) {
		must(strlen(conf.server) < VGPU_SERVER_NAME_MAX && strlen(device.tenant) < VWIRE_NAME_MAX);
		net_split(conf.server, host, port);
		log_level_parse(conf.log_level);
	}
	conf_fini(&section);
	conf_fini(&set);
	close(fd);
}

/* ---- the module ---- */

int __wrap_control_attach(int control, uint64_t session, struct vgpu_session_attach *out);
int __wrap_control_report_device(int control, uint32_t device, uint32_t state, const char *server, const struct gpu *gpu);
int __wrap_control_report_session(int fd, uint64_t mem_used);
int __wrap_control_doorbell(int fd);
int __wrap_control_map(const struct vgpu_session_attach *a, struct fwd_ring *ring);
void __wrap_control_unmap(const struct fwd_ring *ring);
int __wrap_lane_create(struct lanes *l, const struct session *of, const struct session *a, const void *frame, uint32_t n);
int __wrap_device_take_spare(struct device *d);

/* Of five sessions one has gone and one is of a device that is not there. A process has sixteen. */
int __wrap_control_attach(int control, uint64_t session, struct vgpu_session_attach *out)
{
	(void)control;
	if (session % 5 == 4)
		return -ENOENT;
	*out = (struct vgpu_session_attach){
		.size = sizeof(*out), .session = session, .device = session % 5 == 3, .sq_bytes = SQ, .cq_bytes = CQ,
		.fd = eventfd(0, EFD_CLOEXEC), .pid = session / 16 % 4,
	};
	must(out->fd >= 0);
	return 0;
}

int __wrap_control_map(const struct vgpu_session_attach *a, struct fwd_ring *ring)
{
	struct slot *s = slots;

	(void)a;
	while (s < slots + SLOTS && s->taken)
		s++;
	if (s == slots + SLOTS)
		return -ENOMEM;
	if (!s->ring.sq) {
		s->ring = (struct fwd_ring){ calloc(1, sizeof(*s->ring.control)), rings_map_twice(SQ), rings_map_twice(CQ), SQ, CQ };
		must(s->ring.control != NULL);
	}
	memset(s->ring.control, 0, sizeof(*s->ring.control));
	s->taken = true;
	s->server = -1;
	*ring = s->ring;
	return 0;
}

void __wrap_control_unmap(const struct fwd_ring *ring)
{
	for (struct slot *s = slots; s < slots + SLOTS; s++) {
		if (s->ring.control != ring->control || !s->taken)
			continue;
		s->taken = false;
		if (s->server >= 0)
			close(s->server);
	}
}

/* The rings and the descriptor are the lane's, or, of one in four, are not taken. */
int __wrap_lane_create(struct lanes *l, const struct session *of, const struct session *a, const void *frame, uint32_t n)
{
	struct { struct vwire_frame head; struct vwire_bulk bulk; } f;

	must(n == sizeof(f) && of != a && of->pump.running && !a->pump.running);
	must(of->pid == a->pid && of->device == a->device && l == &v.lanes);
	memcpy(&f, frame, sizeof(f));
	must(le32toh(f.head.size) == n && le16toh(f.head.op) == VWIRE_OP_BULK && !f.head.flags);
	must(le32toh(f.bulk.magic) == VWIRE_MAGIC);
	if (f.bulk.token[0] % 4 == 3)
		return -EUSERS;
	__wrap_control_unmap(&a->pump.fwd.ring);
	close(a->fd);
	return 0;
}

int __wrap_control_report_device(int control, uint32_t device, uint32_t state, const char *server, const struct gpu *gpu)
{
	(void)control, (void)device, (void)state, (void)server, (void)gpu;
	return 0;
}

int __wrap_control_report_session(int fd, uint64_t mem_used)
{
	(void)fd, (void)mem_used;
	return 0;
}

int __wrap_control_doorbell(int fd)
{
	(void)fd;
	return 0;
}

/* ---- the server ---- */

/* For the session that took the last slot. */
int __wrap_device_take_spare(struct device *d)
{
	int pair[2];

	(void)d;
	for (struct slot *s = slots; s < slots + SLOTS; s++) {
		if (!s->taken || s->server >= 0)
			continue;
		must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
		s->server = pair[1];
		return pair[0];
	}
	return -1;
}

/* What a function finds in its ring is whole frames. */
static void take_completions(struct slot *s)
{
	struct vgpu_control *c = s->ring.control;
	struct vwire_frame f;

	must(c->cq_head.index - c->cq_tail.index <= CQ);
	for (; c->cq_tail.index != c->cq_head.index; c->cq_tail.index += le32toh(f.size)) {
		memcpy(&f, s->ring.cq + c->cq_tail.index % CQ, sizeof(f));
		must(le32toh(f.size) >= sizeof(f) && le32toh(f.size) <= c->cq_head.index - c->cq_tail.index);
	}
}

/* One frame for each session: of the server, or of the function where the frame's number is odd. */
static void pass(const uint8_t *p, size_t n)
{
	static uint8_t drop[65536];

	for (struct slot *s = slots; s < slots + SLOTS; s++) {
		struct vgpu_control *c = s->ring.control;
		struct session *one, *after;

		if (!s->taken)
			continue;
		if (n < sizeof(struct vwire_frame) || p[8] % 2 == 0) {
			send(s->server, p, n, MSG_NOSIGNAL);
		} else {
			memcpy(s->ring.sq + c->sq_head.index % SQ, p, n < SQ ? n : SQ);
			c->sq_head.index += n;
		}
		for (one = TAILQ_FIRST(&v.sessions); one; one = after) {
			after = TAILQ_NEXT(one, link);
			if (one->pump.ring.fn)
				one->pump.ring.fn(&one->pump.ring, EPOLLIN);
		}
		for (int i = 0; i < ROUNDS && !TAILQ_EMPTY(&v.mover.busy); i++)
			mover_run(&v.mover);
		if (!s->taken)
			continue;
		take_completions(s);
		while (recv(s->server, drop, sizeof(drop), 0) > 0)
			;
	}
}

/* ---- netlink ---- */

int __wrap_genl_connect(struct nl_sock *s);
int __wrap_genl_ctrl_resolve(struct nl_sock *s, const char *name);
int __wrap_genl_ctrl_resolve_grp(struct nl_sock *s, const char *name, const char *group);
int __wrap_genl_send_simple(struct nl_sock *s, int family, int cmd, int version, int flags);
int __wrap_nl_socket_add_membership(struct nl_sock *s, int group);
int __wrap_nl_socket_set_nonblocking(const struct nl_sock *s);
int __wrap_nl_socket_set_buffer_size(struct nl_sock *s, int rx, int tx);
int __wrap_nl_socket_get_fd(const struct nl_sock *s);

/* The next datagram: all of an odd group of frames, or one. */
static int receive(struct nl_sock *s, struct sockaddr_nl *from, unsigned char **buf, struct ucred **creds)
{
	size_t n = frames_size(input, left);

	(void)s, (void)creds;
	if (!left)
		return -NLE_AGAIN;
	if (n >= 16 && input[15] % 2)
		n += frames_size(input + n, left - n);
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	*buf = malloc(n);
	must(*buf != NULL);
	memcpy(*buf, input, n);
	input += n;
	left -= n;
	return n;
}

int __wrap_genl_connect(struct nl_sock *s)
{
	struct nl_cb *cb = nl_socket_get_cb(s);

	nl_cb_overwrite_recv(cb, receive);
	nl_cb_put(cb);
	return 0;
}

int __wrap_genl_ctrl_resolve(struct nl_sock *s, const char *name)
{
	(void)s, (void)name;
	return FAMILY;
}

int __wrap_genl_ctrl_resolve_grp(struct nl_sock *s, const char *name, const char *group)
{
	(void)s, (void)name, (void)group;
	return 1;
}

int __wrap_genl_send_simple(struct nl_sock *s, int family, int cmd, int version, int flags)
{
	(void)s, (void)family, (void)cmd, (void)version, (void)flags;
	return 0;
}

int __wrap_nl_socket_add_membership(struct nl_sock *s, int group)
{
	(void)s, (void)group;
	return 0;
}

int __wrap_nl_socket_set_nonblocking(const struct nl_sock *s)
{
	(void)s;
	return 0;
}

int __wrap_nl_socket_set_buffer_size(struct nl_sock *s, int rx, int tx)
{
	(void)s, (void)rx, (void)tx;
	return 0;
}

int __wrap_nl_socket_get_fd(const struct nl_sock *s)
{
	(void)s;
	return eventfd(0, EFD_CLOEXEC);
}

static void announced(struct announce *a, uint64_t session)
{
	(void)a;
	session_announced(&v, session);
}

static void start(void)
{
	static char server[] = "server:1", tenant[] = "fuzz";

	log_init("vgpud_fuzz");
	log_set_level(getenv("FUZZ_LOG") ? log_level_parse(getenv("FUZZ_LOG")) : -1);
	TAILQ_INIT(&v.sessions);
	mover_init(&v.mover, &v.loop, &v.look);
	must(!event_loop_init(&v.loop));
	v.conf.server = server;
	v.conf.tenant = tenant;
	v.conf.bulk_threads = 1;
	v.nr_devices = 1;
	v.devices[0] = (struct device){ .vgpud = &v, .conf = { server, tenant, 0 } };
	must(!announce_open(&v.announce, &v.loop, announced));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;

	if (!v.nr_devices)
		start();
	configuration(data, size);
	input = data;
	left = size;
	v.announce.event.fn(&v.announce.event, EPOLLIN);
	for (size_t at = 0; at < size; at += n) {
		n = frames_size(data + at, size - at);
		pass(data + at, n);
	}
	sessions_close(&v, VWIRE_REASON_DRAINING, "the end");
	must(!v.nr_sessions && TAILQ_EMPTY(&v.sessions) && TAILQ_EMPTY(&v.mover.busy));
	return 0;
}
