/* SPDX-License-Identifier: MIT */
/*
 * delayproxy.c - a TCP proxy that holds every byte back for half of a round trip
 *
 *	delayproxy --listen HOST:PORT --to HOST:PORT --rtt MICROSECONDS
 *
 * For measuring what a network's delay costs, where no network is at hand. Bytes keep their order
 * and their rate: a direction holds up to HELD_MAX bytes under way, enough for 5 GB/s over 10 ms,
 * and then stops reading, so that the sender feels it as it would feel a full pipe. One thread for
 * each direction of each connection. It sleeps until shortly before the time and looks at the clock
 * for the rest, because a timer that comes 60 us late would be a third of a delay of 200.
 *
 * Prints "listening on HOST:PORT" when it is ready. SIGTERM ends it.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

#define HELD_MAX	(64u << 20)	/* bytes under way in one direction; a power of two */
#define READ_MAX	(256u << 10)
#define MARKS		8192u		/* reads under way; a power of two */
#define SPIN_NS		80000		/* the last part of a wait is not slept */
#define CONNECT_MS	5000

/* What one read brought, and when it may go on. */
struct mark {
	uint64_t end;			/* bytes of the direction up to here */
	uint64_t due;			/* ns */
};

struct direction {
	int from, to;
	uint64_t delay;			/* ns */
	uint8_t *bytes;			/* ring of HELD_MAX */
	uint64_t head, tail;		/* bytes read, bytes written on */
	struct mark marks[MARKS];
	uint32_t first, last;
	bool ended;			/* from has no more */
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool has_room(const struct direction *d)
{
	return !d->ended && d->head - d->tail < HELD_MAX && d->last - d->first < MARKS;
}

/* Reads once, as far as the ring goes in one piece. */
static void take(struct direction *d)
{
	uint64_t at = d->head % HELD_MAX, room = HELD_MAX - (d->head - d->tail),
		 piece = HELD_MAX - at;
	ssize_t n;

	if (piece > room)
		piece = room;
	if (piece > READ_MAX)
		piece = READ_MAX;
	n = recv(d->from, d->bytes + at, piece, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		d->ended = true;
		return;
	}
	d->head += (uint64_t)n;
	d->marks[d->last++ % MARKS] = (struct mark){ d->head, now() + d->delay };
}

/* Writes on what is due; false when the other side is gone. */
static bool give(struct direction *d)
{
	while (d->first != d->last && d->marks[d->first % MARKS].due <= now()) {
		uint64_t at = d->tail % HELD_MAX, n = d->marks[d->first % MARKS].end - d->tail;
		ssize_t done;

		if (n > HELD_MAX - at)
			n = HELD_MAX - at;
		done = send(d->to, d->bytes + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (done < 0)
			return errno == EAGAIN || errno == EINTR;
		d->tail += (uint64_t)done;
		if (d->tail == d->marks[d->first % MARKS].end)
			d->first++;
	}
	return true;
}

/* Until there is something to read, room to write what is due, or something due. */
static void wait_for_work(const struct direction *d)
{
	struct pollfd fds[2] = { { .fd = -1 }, { .fd = -1 } };
	struct timespec t = { 0 }, *timeout = NULL;

	if (has_room(d)) {
		fds[0].fd = d->from;
		fds[0].events = POLLIN;
	}
	if (d->first != d->last) {
		uint64_t due = d->marks[d->first % MARKS].due, at = now();

		if (due <= at) {
			fds[1].fd = d->to;
			fds[1].events = POLLOUT;
		} else {
			uint64_t left = due - at > SPIN_NS ? due - at - SPIN_NS : 0;

			t.tv_sec = (time_t)(left / 1000000000u);
			t.tv_nsec = (long)(left % 1000000000u);
			timeout = &t;
		}
	}
	ppoll(fds, 2, timeout, NULL);
}

static void *run(void *arg)
{
	struct direction *d = arg;

	prctl(PR_SET_TIMERSLACK, 1ul);
	for (;;) {
		if (has_room(d))
			take(d);
		if (!give(d)) {
			shutdown(d->from, SHUT_RD);	/* the sender gets an error of its own */
			break;
		}
		if (d->ended && d->head == d->tail)
			break;
		wait_for_work(d);
	}
	shutdown(d->to, SHUT_WR);
	return NULL;
}

struct connection {
	int client;
	const char *target;
	uint64_t delay;
};

static struct direction *direction_new(int from, int to, uint64_t delay)
{
	struct direction *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->bytes = malloc(HELD_MAX);	/* touched only as far as it is used */
	if (!d->bytes) {
		free(d);
		return NULL;
	}
	d->from = from;
	d->to = to;
	d->delay = delay;
	return d;
}

static void direction_free(struct direction *d)
{
	if (d)
		free(d->bytes);
	free(d);
}

/*
 * One connection, from beginning to end. The first round trip is the client's handshake: it is not
 * delayed.
 */
static void *serve(void *arg)
{
	struct connection *c = arg;
	int server = net_connect(c->target, CONNECT_MS);
	struct direction *out = NULL, *in = NULL;
	pthread_t thread;

	if (server < 0) {
		fprintf(stderr, "delayproxy: %s: %s\n", c->target, strerror(-server));
		goto done;
	}
	net_options(c->client);
	net_options(server);
	out = direction_new(c->client, server, c->delay);
	in = direction_new(server, c->client, c->delay);
	if (!out || !in || pthread_create(&thread, NULL, run, in)) {
		fprintf(stderr, "delayproxy: no memory for a connection\n");
		goto done;
	}
	run(out);
	pthread_join(thread, NULL);
done:
	direction_free(out);
	direction_free(in);
	if (server >= 0)
		close(server);
	close(c->client);
	free(c);
	return NULL;
}

__attribute__((noreturn))
static void accept_all(int listener, const char *target, uint64_t delay)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		struct pollfd p = { .fd = listener, .events = POLLIN };
		struct connection *c;
		pthread_t thread;
		int fd;

		poll(&p, 1, -1);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		c = malloc(sizeof(*c));
		if (c)
			*c = (struct connection){ fd, target, delay };
		if (!c || pthread_create(&thread, &attr, serve, c)) {
			fprintf(stderr, "delayproxy: no memory for a connection\n");
			free(c);
			close(fd);
		}
	}
}

static int usage(const char *self)
{
	fprintf(stderr,
		"usage: %s --listen HOST:PORT --to HOST:PORT --rtt MICROSECONDS (0 to 1000000)\n",
		self);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' }, { "to", required_argument, NULL, 't' },
		{ "rtt", required_argument, NULL, 'r' }, { 0 }
	};
	const char *from = "127.0.0.1:0", *to = NULL;
	char name[NET_NAME_MAX], *end = NULL;
	struct net_addr addr;
	long rtt = -1;
	int c, fd, n;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'l')
			from = optarg;
		else if (c == 't')
			to = optarg;
		else if (c == 'r')
			rtt = strtol(optarg, &end, 10);
		else
			return usage(argv[0]);
	}
	if (optind != argc || !to || rtt < 0 || rtt > 1000000 || *end)
		return usage(argv[0]);
	signal(SIGPIPE, SIG_IGN);
	n = net_resolve(from, true, &addr, 1);
	fd = n < 0 ? n : net_listen(&addr, 64);
	if (fd < 0 || net_local(fd, &addr) < 0) {
		fprintf(stderr, "delayproxy: %s: %s\n", from, strerror(fd < 0 ? -fd : errno));
		return 1;
	}
	net_name(&addr, name, sizeof(name));
	printf("listening on %s\n", name);
	fflush(stdout);
	accept_all(fd, to, (uint64_t)rtt * 500u);
}
