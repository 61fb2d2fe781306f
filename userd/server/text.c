/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "log.h"
#include "run.h"
#include "worker.h"

#define PIECE		(16u << 10)
#define PIPE_BYTES	(1 << 20)	/* a kernel that prints is not held up at once */

/* With the lock. */
static void drain(struct worker *w, int i)
{
	struct vwire_text head = { .fd = htole32(i + 1) };
	char buf[PIECE];
	size_t max = w->reply_max - sizeof(struct vwire_frame) - sizeof(head);
	ssize_t n;

	if (max > sizeof(buf))
		max = sizeof(buf);
	while ((n = read(w->text.fds[i], buf, max)) > 0) {
		head.len = htole32(n);
		reply_parts(w, VWIRE_OP_TEXT, &head, sizeof(head), buf, n);
	}
}

void text_flush(struct worker *w)
{
	if (!w->text.on || !w->reply_max)
		return;
	pthread_mutex_lock(&w->text.lock);
	drain(w, 0);
	drain(w, 1);
	pthread_mutex_unlock(&w->text.lock);
}

/* A kernel that prints more than a pipe holds goes on while somebody waits for it. */
static void *reader(void *arg)
{
	struct worker *w = arg;
	struct pollfd p[2] = { { w->text.fds[0], POLLIN, 0 }, { w->text.fds[1], POLLIN, 0 } };

	while (poll(p, 2, -1) > 0 || errno == EINTR)
		text_flush(w);
	return NULL;
}

static int redirect(int fd, int *out)
{
	int ends[2], err = 0;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	/* who writes waits for room, as with any stdout */
	fcntl(ends[1], F_SETFL, fcntl(ends[1], F_GETFL) & ~O_NONBLOCK);
	if (dup2(ends[1], fd) < 0)
		err = -errno;
	close(ends[1]);
	*out = ends[0];
	return err;
}

int text_start(struct worker *w)
{
	int log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10), err;
	pthread_t thread;

	if (log < 0)
		return -errno;
	log_set_fd(log);
	pthread_mutex_init(&w->text.lock, NULL);
	err = redirect(STDOUT_FILENO, &w->text.fds[0]);
	if (!err)
		err = redirect(STDERR_FILENO, &w->text.fds[1]);
	if (err)
		return err;
	w->text.on = true;
	err = pthread_create(&thread, NULL, reader, w);
	if (!err)
		pthread_detach(thread);
	return -err;
}
