// SPDX-License-Identifier: MIT
/*
 * vgpud: takes the sessions of /dev/vgpuN from the module and forwards their frames to a GPU server
 * and back. It knows where the server is and who asks; what the frames mean it does not know.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control.h"
#include "log.h"
#include "notify.h"
#include "privilege.h"
#include "vgpud.h"

#define CONF_PATH	"/etc/dgsf/vgpud.conf"

static const struct conf_option options[] = { VGPUD_OPTIONS(CONF_ROW, struct vgpud_conf) };
static const struct conf_option device_options[] = { DEVICE_OPTIONS(CONF_ROW, struct device_conf) };

/* What a reading of the configuration fills; taken over when all of it is right. */
struct reading {
	struct vgpud_conf conf;
	struct device_conf devices[VGPU_MAX_DEVICES];
	struct conf_set set, device_sets[VGPU_MAX_DEVICES];
};

static struct vgpud vgpud;

static const struct conf_set *find_section(void *arg, const char *name)
{
	struct reading *r = arg;
	char want[16];

	for (unsigned int i = 0; i < VGPU_MAX_DEVICES; i++) {
		snprintf(want, sizeof(want), "vgpu%u", i);
		if (!strcmp(name, want))
			return &r->device_sets[i];
	}
	return NULL;
}

static bool reading_init(struct reading *r)
{
	bool ok;

	r->set = (struct conf_set){ options, sizeof(options) / sizeof(options[0]), &r->conf };
	ok = conf_defaults(&r->set);
	for (unsigned int i = 0; i < VGPU_MAX_DEVICES; i++) {
		r->device_sets[i] = (struct conf_set){
			device_options,
			sizeof(device_options) / sizeof(device_options[0]),
			&r->devices[i],
		};
		ok = ok && conf_defaults(&r->device_sets[i]);
	}
	return ok;
}

static void reading_fini(struct reading *r)
{
	conf_fini(&r->set);
	for (unsigned int i = 0; i < VGPU_MAX_DEVICES; i++)
		conf_fini(&r->device_sets[i]);
}

/* The values change places with the daemon's. */
static void swap_values(struct vgpud *v, struct reading *r)
{
	struct vgpud_conf conf = v->conf;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	v->conf = r->conf;
	r->conf = conf;
	for (unsigned int i = 0; i < VGPU_MAX_DEVICES; i++) {
		struct device_conf device = v->devices[i].conf;

		v->devices[i].conf = r->devices[i];
		r->devices[i] = device;
	}
	/* Spinning keeps the function from its only CPU, and spinning for long from one of few. */
	v->look.us = processors < 2 ? 0 : v->conf.spin_us;
	v->look.most_us = v->look.us && processors >= 8 ? v->conf.spin_most_us : 0;
	log_set_level(log_level_parse(v->conf.log_level));
}

/* A file that the command line names must be there; the usual one need not. */
static int configure(struct vgpud *v)
{
	const char *path = conf_path(v->argc, v->argv, NULL);
	struct reading *r = calloc(1, sizeof(*r));
	char err[CONF_TEXT_MAX] = "out of memory";
	int ret = -ENOMEM;

	if (!r || !reading_init(r))
		goto out;
	ret = conf_read(&r->set, path ? path : CONF_PATH, find_section, r, err);
	if (ret == -ENOENT && !path)
		ret = 0;
	if (!ret)
		ret = conf_flags(&r->set, v->argc, v->argv, err);
	if (!ret && log_level_parse(r->conf.log_level) < 0) {
		snprintf(err, sizeof(err), "log-level: '%s' is none", r->conf.log_level);
		ret = -EINVAL;
	}
	if (!ret)
		swap_values(v, r);
out:
	if (ret)
		log_err("%s", err);
	if (r)
		reading_fini(r);
	free(r);
	return ret;
}

static void drain_over(struct event_timer *t)
{
	struct vgpud *v = container_of(t, struct vgpud, drain_timer);

	log_warn("%u sessions still run, closed", v->nr_sessions);
	sessions_close(v, VWIRE_REASON_DRAINING, "vgpud is going down");
}

static void drain(struct vgpud *v)
{
	v->draining = true;
	notify("STOPPING=1");
	log_info("draining: %u sessions", v->nr_sessions);
	devices_drain(v);
	event_timer_set(&v->loop, &v->drain_timer, net_now() + v->conf.drain_timeout, drain_over);
}

static void reload(struct vgpud *v)
{
	if (v->draining || configure(v)) {
		log_warn("configuration unchanged");
		return;
	}
	log_info("configuration read again");
	devices_reload(v);
}

static void signal_event(struct event *e, uint32_t events)
{
	struct vgpud *v = container_of(e, struct vgpud, signals);
	struct signalfd_siginfo si;

	(void)events;
	if (read(e->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGHUP)
		reload(v);
	else if (!v->draining)
		drain(v);
	else
		drain_over(&v->drain_timer);
}

static int watch_signals(struct vgpud *v)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return event_add_signals(&v->loop, &v->signals, &set, signal_event);
}

static void announced(struct announce *a, uint64_t session)
{
	session_announced(container_of(a, struct vgpud, announce), session);
}

/*
 * The control device comes before the announcements: opening it is what lets functions in, and what
 * they set up before we listen is in the list that we ask for.
 */
static int start(struct vgpud *v)
{
	int err = event_loop_init(&v->loop);

	if (err)
		return err;
	mover_init(&v->mover, &v->loop, &v->look);
	err = watch_signals(v);
	if (!err)
		err = lanes_init(&v->lanes, v);
	if (err)
		return err;
	v->control = control_open(v->conf.control);
	if (v->control < 0) {
		log_err("%s: %s", v->conf.control, strerror(-v->control));
		return v->control;
	}
	err = announce_open(&v->announce, &v->loop, announced);
	if (!err && *v->conf.user && !geteuid())
		err = privilege_drop(v->conf.user);
	return err ? err : devices_init(v);
}

int main(int argc, char **argv)
{
	struct vgpud *v = &vgpud;
	int err;

	log_init("vgpud");
	v->argc = argc;
	v->argv = argv;
	if (conf_wants_help(argc, argv)) {
		struct conf_set set = { options, sizeof(options) / sizeof(options[0]), &v->conf };

		conf_help(&set, "vgpud", "Forwards the sessions of /dev/vgpuN to GPU servers.",
			  stdout);
		return EXIT_SUCCESS;
	}
	TAILQ_INIT(&v->sessions);
	event_raise_files();
	if (configure(v))
		return EXIT_FAILURE;
	err = start(v);
	if (err) {
		log_err("cannot start: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	notify("READY=1");
	log_info("%u devices", v->nr_devices);
	while (!err && !(v->draining && !v->nr_sessions)) {
		err = event_loop_run(&v->loop, TAILQ_EMPTY(&v->mover.busy));
		mover_run(&v->mover);
	}
	lanes_fini(&v->lanes);
	if (err)
		log_err("%s", strerror(-err));
	else
		log_info("stopped");
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
