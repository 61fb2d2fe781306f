// SPDX-License-Identifier: MIT
#include "pool.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lease.h"
#include "log.h"
#include "net.h"
#include "server.h"

#define CONTROL_FD	3
#define BROKEN_AFTER	3u
#define BACKOFF_MS	250u
#define BACKOFF_MAX_MS	30000u
#define ARGS_MAX	16

/* The program beside our own, unless the configuration names another. */
int pool_init(struct server *s)
{
	struct pool *p = &s->pool;
	char *slash;
	ssize_t n;

	snprintf(p->program, sizeof(p->program), "%s", s->conf.worker);
	if (!*p->program) {
		n = readlink("/proc/self/exe", p->program,
			     sizeof(p->program) - sizeof("vgpu-worker"));
		if (n < 0)
			return -errno;
		p->program[n] = '\0';
		slash = strrchr(p->program, '/');
		strcpy(slash ? slash + 1 : p->program, "vgpu-worker");
	}
	if (access(p->program, X_OK) < 0) {
		log_err("%s: %s", p->program, strerror(errno));
		return -errno;
	}
	return 0;
}

static void put_args(struct server *s, const char **argv, char *control, char *device)
{
	unsigned int n = 0;

	sprintf(control, "%d", CONTROL_FD);
	sprintf(device, "%u", s->conf.device);
	argv[n++] = s->pool.program;
	argv[n++] = "--control";
	argv[n++] = control;
	argv[n++] = "--cuda";
	argv[n++] = s->conf.cuda;
	argv[n++] = "--device";
	argv[n++] = device;
	argv[n++] = "--log-level";
	argv[n++] = s->conf.log_level;
	if (*s->conf.image_cache) {
		argv[n++] = "--image-cache";
		argv[n++] = s->conf.image_cache;
	}
	argv[n] = NULL;
}

/*
 * The child, which has the loop's thread and nothing else: only the channel and stderr go along,
 * signals as they were.
 */
static void run_program(struct server *s, int control, pid_t server)
{
	const char *argv[ARGS_MAX];
	char control_text[16], device_text[16];
	sigset_t none;

	put_args(s, argv, control_text, device_text);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != server)
		_exit(126);
	if (control == CONTROL_FD ? fcntl(control, F_SETFD, 0) < 0 : dup2(control, CONTROL_FD) < 0)
		_exit(126);
	execv(s->pool.program, (char *const *)argv);
	log_err("%s: %s", s->pool.program, strerror(errno));
	_exit(127);
}

static void set_state(struct pool_worker *w, enum pool_state state)
{
	struct pool *p = &w->server->pool;

	p->nr_warming -= w->state == POOL_WARMING;
	p->nr_free -= w->state == POOL_FREE;
	p->nr_warming += state == POOL_WARMING;
	p->nr_free += state == POOL_FREE;
	w->state = state;
}

static void worker_late(struct event_timer *t)
{
	struct pool_worker *w = container_of(t, struct pool_worker, timer);

	log_warn("worker %d %s, killed", (int)w->pid,
		 w->control.fd < 0 ? "does not exit" : "does not get warm");
	kill(w->pid, SIGKILL);
}

/* No more is heard from it: it is exiting, or has to. */
static void hang_up(struct pool_worker *w)
{
	struct server *s = w->server;

	if (w->control.fd < 0)
		return;
	event_del(&s->loop, &w->control);
	close(w->control.fd);
	w->control.fd = -1;
	if (w->state == POOL_FREE)
		set_state(w, POOL_WARMING);
	event_timer_set(&s->loop, &w->timer, net_now() + s->conf.kill_timeout, worker_late);
}

static bool worker_ready(struct pool_worker *w, const void *msg, size_t n)
{
	struct control_ready ready;

	if (w->state != POOL_WARMING || n < sizeof(ready) ||
	    n > sizeof(ready) + CONTROL_DEVICE_MAX)
		return false;
	memcpy(&ready, msg, sizeof(ready));
	info_device(&w->server->info, &ready, (const char *)msg + sizeof(ready),
		    n - sizeof(ready));
	ready.name[sizeof(ready.name) - 1] = '\0';
	event_timer_clear(&w->server->loop, &w->timer);
	set_state(w, POOL_FREE);
	log_debug("worker %d is warm: %s, %" PRIu64 " of %" PRIu64 " bytes free", (int)w->pid,
		  ready.name, ready.free_mem, ready.total_mem);
	lease_memory(w->server, &ready);
	lease_pump(w->server);
	return true;
}

static bool worker_used(struct pool_worker *w, const void *msg, size_t n)
{
	struct control_used used;

	if (w->state != POOL_LEASED || n != sizeof(used))
		return false;
	memcpy(&used, msg, sizeof(used));
	w->lease.mem_used = used.mem_used;
	return true;
}

static bool worker_ended(struct pool_worker *w, const void *msg, size_t n)
{
	struct control_ended ended;

	if (w->state != POOL_LEASED || n != sizeof(ended))
		return false;
	memcpy(&ended, msg, sizeof(ended));
	w->lease.end = ended.reason;
	w->lease.frames = ended.frames;
	w->lease.mem_peak = ended.mem_peak;
	event_timer_set(&w->server->loop, &w->timer, net_now() + w->server->conf.kill_timeout,
			worker_late);
	return true;
}

static bool worker_message(struct pool_worker *w, const void *msg, size_t n)
{
	struct control_head head;

	if (n < sizeof(head))
		return false;
	memcpy(&head, msg, sizeof(head));
	if (head.version != CONTROL_VERSION)
		return false;
	switch (head.type) {
	case CONTROL_READY:
		return worker_ready(w, msg, n);
	case CONTROL_USED:
		return worker_used(w, msg, n);
	case CONTROL_ENDED:
		return worker_ended(w, msg, n);
	default:
		return false;
	}
}

/*
 * MSG_TRUNC: the true length of a message that is too long; without SCM_RIGHTS room no descriptor
 * is taken.
 */
static void control_event(struct event *e, uint32_t events)
{
	struct pool_worker *w = container_of(e, struct pool_worker, control);
	uint8_t msg[CONTROL_BYTES_MAX];
	ssize_t n = recv(e->fd, msg, sizeof(msg), MSG_DONTWAIT | MSG_TRUNC);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(w);
		return;
	}
	if ((size_t)n > sizeof(msg) || !worker_message(w, msg, n)) {
		log_err("worker %d sends what the control protocol does not have, killed",
			(int)w->pid);
		kill(w->pid, SIGKILL);
		hang_up(w);
	}
}

static int start_worker(struct server *s)
{
	struct pool *p = &s->pool;
	struct pool_worker *w = calloc(1, sizeof(*w)), **end;
	pid_t server = getpid();
	int pair[2], err;

	if (!w)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err = -errno;
		goto free_worker;
	}
	err = event_add(&s->loop, &w->control, pair[0], EPOLLIN, control_event);
	if (err)
		goto close_pair;
	w->pid = fork();
	if (!w->pid)
		run_program(s, pair[1], server);
	if (w->pid < 0) {
		err = -errno;
		goto del_event;
	}
	close(pair[1]);
	w->server = s;
	for (end = &p->workers; *end; end = &(*end)->next)
		;
	*end = w;
	p->nr_alive++;
	p->nr_warming++;
	event_timer_set(&s->loop, &w->timer, net_now() + s->conf.warm_timeout, worker_late);
	return 0;

del_event:
	event_del(&s->loop, &w->control);
close_pair:
	close(pair[0]);
	close(pair[1]);
free_worker:
	free(w);
	return err;
}

static void retry_event(struct event_timer *t)
{
	struct server *s = container_of(t, struct server, pool.retry);

	pool_refill(s);
}

/* The next start is put off, twice as long for each failure in a row. */
static void note_failure(struct server *s)
{
	struct pool *p = &s->pool;
	uint32_t shift = p->failures < 7 ? p->failures : 7;
	uint32_t ms = BACKOFF_MS << shift;

	p->failures++;
	if (s->draining)
		return;
	event_timer_set(&s->loop, &p->retry,
			net_now() + (ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS), retry_event);
	if (pool_is_broken(p)) {
		char text[sizeof(p->why) + 32];

		log_err("no worker can be started (%u in a row failed): %s", p->failures, p->why);
		snprintf(text, sizeof(text), "no worker can be started: %s", p->why);
		lease_refuse_all(s, VWIRE_REASON_WORKER, text);
	}
}

void pool_refill(struct server *s)
{
	struct pool *p = &s->pool;
	uint32_t want = s->conf.workers + (p->nr_free ? 0 : s->queue.len);
	int err = 0;

	if (s->draining || p->retry.at)
		return;
	while (!err && p->nr_warming + p->nr_free < want && p->nr_alive < s->conf.max_workers)
		err = start_worker(s);
	if (err) {
		snprintf(p->why, sizeof(p->why), "%s", strerror(-err));
		log_err("cannot start a worker: %s", p->why);
		note_failure(s);
	}
}

static int send_socket(int control, const void *msg, size_t n, int fd)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(int))]; } u = { 0 };
	struct iovec iov = { (void *)msg, n };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &u,
		.msg_controllen = sizeof(u.space),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ? 0 : -errno;
}

struct pool_worker *pool_hand_over(struct server *s, const struct control_lease *msg, int fd)
{
	struct pool_worker *w;
	int err;

	for (w = s->pool.workers; w; w = w->next) {
		if (w->state != POOL_FREE)
			continue;
		err = send_socket(w->control.fd, msg, sizeof(*msg), fd);
		if (!err) {
			set_state(w, POOL_LEASED);
			s->pool.failures = 0;
			return w;
		}
		log_warn("worker %d takes no lease: %s", (int)w->pid, strerror(-err));
		hang_up(w);
	}
	return NULL;
}

bool pool_hand_bulk(struct server *s, const struct control_bulk *msg, int fd)
{
	uint64_t id = le64toh(msg->bulk.lease);
	struct pool_worker *w;

	for (w = s->pool.workers; w; w = w->next)
		if (w->state == POOL_LEASED && w->lease.id == id && w->control.fd >= 0)
			return !send_socket(w->control.fd, msg, sizeof(*msg), fd);
	return false;
}

bool pool_is_broken(const struct pool *p)
{
	return p->failures >= BROKEN_AFTER && !p->nr_free && p->nr_warming == p->nr_alive;
}

static void status_text(int status, char *buf, size_t n)
{
	if (WIFSIGNALED(status))
		snprintf(buf, n, "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 127)
		snprintf(buf, n, "its program cannot be executed");
	else
		snprintf(buf, n, "exited with status %d", WEXITSTATUS(status));
}

/* w is out of the list; what it held is given back. */
static void reaped(struct pool_worker *w, int status)
{
	struct server *s = w->server;
	char how[80];

	status_text(status, how, sizeof(how));
	event_timer_clear(&s->loop, &w->timer);
	if (w->control.fd >= 0) {
		event_del(&s->loop, &w->control);
		close(w->control.fd);
	}
	s->pool.nr_alive--;
	s->pool.nr_warming -= w->state == POOL_WARMING;
	s->pool.nr_free -= w->state == POOL_FREE;
	if (w->state == POOL_LEASED) {
		lease_ended(s, w, how);
	} else if (!s->draining) {
		snprintf(s->pool.why, sizeof(s->pool.why), "%s worker %s",
			 w->state == POOL_FREE ? "a warm" : "the", how);
		log_warn("worker %d %s without a lease", (int)w->pid, how);
		note_failure(s);
	}
	free(w);
}

/*
 * What the worker said last may still be in its channel: it is read before the lease's end is told.
 */
static void read_last_words(struct pool_worker *w)
{
	uint8_t msg[CONTROL_BYTES_MAX];
	ssize_t n;

	while (w->control.fd >= 0 && (n = recv(w->control.fd, msg, sizeof(msg), MSG_DONTWAIT)) > 0)
		if (w->state == POOL_LEASED)
			worker_message(w, msg, n);
}

void pool_reap(struct server *s)
{
	struct pool_worker **p = &s->pool.workers, *w;
	bool any = false;
	int status;

	while ((w = *p)) {
		if (waitpid(w->pid, &status, WNOHANG) != w->pid) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		read_last_words(w);
		reaped(w, status);
		any = true;
	}
	if (any)
		lease_pump(s);
}

void pool_drain(struct server *s)
{
	struct pool_worker *w;

	event_timer_clear(&s->loop, &s->pool.retry);
	for (w = s->pool.workers; w; w = w->next)
		if (w->state != POOL_LEASED)
			hang_up(w);
}

void pool_kill(struct server *s)
{
	struct pool_worker *w;

	for (w = s->pool.workers; w; w = w->next)
		kill(w->pid, SIGKILL);
}
