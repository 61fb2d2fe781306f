// SPDX-License-Identifier: MIT
/*
 * vgpu-server: listens, admits, queues, keeps workers warm. It reads one frame of each client, the
 * LEASE, and calls no driver; a client's further frames go to a vgpu-worker, a process that serves
 * this client and nobody after it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lease.h"
#include "log.h"
#include "net.h"
#include "notify.h"
#include "server.h"

#define CONF_PATH	"/etc/dgsf/vgpu-server.conf"

static const struct conf_option options[] = { SERVER_OPTIONS(CONF_ROW, struct server_conf) };

static struct server server;

/* A file that the command line names must be there; the usual one need not. */
static int configure(struct server *s, int argc, char **argv)
{
	const struct conf_set set = { options, sizeof(options) / sizeof(options[0]), &s->conf };
	const char *path = conf_path(argc, argv, NULL);
	char err[CONF_TEXT_MAX] = "out of memory";
	int r;

	if (!conf_defaults(&set)) {
		r = -ENOMEM;
		goto fail;
	}
	if (conf_wants_help(argc, argv)) {
		conf_help(&set, "vgpu-server",
			  "Lends this machine's GPU to functions on other machines.", stdout);
		exit(EXIT_SUCCESS);
	}
	r = conf_read(&set, path ? path : CONF_PATH, NULL, NULL, err);
	if (r == -ENOENT && !path)
		r = 0;
	if (!r)
		r = conf_flags(&set, argc, argv, err);
	if (!r && log_level_parse(s->conf.log_level) < 0) {
		snprintf(err, sizeof(err), "log-level: '%s' is none", s->conf.log_level);
		r = -EINVAL;
	}
	if (!r)
		return 0;
fail:
	log_err("%s", err);
	return r;
}

static void size_memory(struct server *s)
{
	s->memory.total = s->conf.mem_total;
	s->memory.quota_default = s->conf.mem_default;
	s->mem_fixed = s->conf.mem_total != 0;
	if (s->mem_fixed && !s->conf.mem_default)
		s->memory.quota_default = s->conf.mem_total / s->conf.max_workers;
}

static void drain_over(struct event_timer *t)
{
	struct server *s = container_of(t, struct server, drain_timer);

	log_warn("%u workers are still busy, killed", s->pool.nr_alive);
	pool_kill(s);
}

static void drain(struct server *s)
{
	s->draining = true;
	notify("STOPPING=1");
	log_info("draining: %u workers, %u clients queued", s->pool.nr_alive, s->queue.len);
	listener_close(s);
	lease_refuse_all(s, VWIRE_REASON_DRAINING, "the server is going down");
	pool_drain(s);
	event_timer_set(&s->loop, &s->drain_timer, net_now() + s->conf.drain_timeout, drain_over);
}

static void signal_event(struct event *e, uint32_t events)
{
	struct server *s = container_of(e, struct server, signals);
	struct signalfd_siginfo si;

	(void)events;
	if (read(e->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD)
		pool_reap(s);
	else if (!s->draining)
		drain(s);
	else
		pool_kill(s);
}

static int watch_signals(struct server *s)
{
	sigset_t set;

	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	return event_add_signals(&s->loop, &s->signals, &set, signal_event);
}

static int start(struct server *s)
{
	int err = event_loop_init(&s->loop);

	queue_init(&s->queue);
	event_raise_files();
	size_memory(s);
	if (!err)
		err = watch_signals(s);
	if (!err)
		err = pool_init(s);
	if (!err)
		err = listener_open(s);
	return err;
}

/* Refused connections are left their moment to read why, but nobody waits for a second one. */
static bool done(const struct server *s)
{
	return s->draining && !s->pool.nr_alive && !s->listener.nr_lingering;
}

int main(int argc, char **argv)
{
	struct server *s = &server;
	int err;

	log_init("vgpu-server");
	if (configure(s, argc, argv))
		return EXIT_FAILURE;
	log_set_level(log_level_parse(s->conf.log_level));
	err = start(s);
	if (err) {
		log_err("cannot start: %s", strerror(-err));
		return EXIT_FAILURE;
	}
	notify("READY=1");
	pool_refill(s);
	while (!err && !done(s))
		err = event_loop_run(&s->loop, true);
	if (err)
		log_err("%s", strerror(-err));
	else
		log_info("stopped after %lu leases", (unsigned long)s->nr_leases);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
