/* SPDX-License-Identifier: MIT */
/*
 * vgpud.h - what the files of vgpud share
 *
 * One loop, and some threads for bulk data (lane.c). mover.c moves frames, announce.c hears of sessions from the module, session.c serves them,
 * device.c knows each device's server and whether it answers, dial.c connects, control.c has the
 * ioctls.
 */
#ifndef VGPUD_VGPUD_H
#define VGPUD_VGPUD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "announce.h"
#include "conf.h"
#include "device.h"
#include "event.h"
#include "lane.h"
#include "linux/vgpu.h"
#include "mover.h"
#include "session.h"

/* What may stand in a [vgpuN] section too. */
#define DEVICE_OPTIONS(X, T)								\
	X(T, server, STR, "", 0, VGPU_SERVER_NAME_MAX - 1, "GPU server, host:port; empty: none") \
	X(T, tenant, STR, "", 0, VWIRE_NAME_MAX - 1, "who the server is told is asking")	\
	X(T, queue_wait, MS, "0", 0, 86400000, "longest wait for a lease; 0: as the server says")

#define VGPUD_OPTIONS(X, T)                                                                        \
	DEVICE_OPTIONS(X, T)                                                                       \
	X(T, connect_timeout, MS, "5s", 1, 600000, "time for the server to take a connection")     \
	X(T, probe_interval, MS, "2s", 10, 3600000,                                                \
	  "how often a server that does not answer is tried")                                      \
	X(T, spin_us, INT, "30", 0, 1000,                                                          \
	  "microseconds to look for work before sleeping; 0: none")                                \
	X(T, spin_most_us, INT, "5000", 0, 20000,                                                  \
	  "the same where work came that late; with 8 processors or more")                         \
	X(T, bulk_threads, INT, "4", 0, LANE_CARRIERS_MAX,                                         \
	  "threads for the data of large copies; 0: it goes with the requests")                    \
	X(T, drain_timeout, MS, "30s", 0, 86400000, "time that SIGTERM leaves running sessions")   \
	X(T, control, STR, "/dev/vgpuctl", 1, 255, "control device of the module")                 \
	X(T, user, STR, "", 0, 31, "user to become when started as root")                          \
	X(T, log_level, STR, "info", 3, 5, "err, warn, info or debug")

struct vgpud_conf { VGPUD_OPTIONS(CONF_MEMBER, ) };

/**
 * struct vgpud - all of it
 * @mover: of the sessions that run
 * @look: as @conf and the processors allow
 * @nr_sessions: in @sessions, all of them
 */
struct vgpud {
	struct vgpud_conf conf;
	struct event_loop loop;
	int control;
	struct announce announce;
	struct device devices[VGPU_MAX_DEVICES];
	uint32_t nr_devices;
	TAILQ_HEAD(sessions, session) sessions;
	struct mover mover;
	struct mover_look look;
	struct lanes lanes;
	uint32_t nr_sessions;
	bool draining;
	struct event signals;
	struct event_timer drain_timer;
	int argc;
	char **argv;
};

#endif /* VGPUD_VGPUD_H */
