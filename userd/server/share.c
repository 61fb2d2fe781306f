/* SPDX-License-Identifier: MIT */
#include "share.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "run.h"
#include "worker.h"

#define MAGIC		0x43504944u	/* "DIPC" */
#define SHARES_MAX	65536u
#define TIMEOUT_S	2

struct share {
	struct share *next;
	struct vwire_token token;
	uint64_t addr, mapping;		/* MEMORY: the mapping's id, which says whether it lives */
	uint32_t number;		/* ALLOCATION */
	CUmemGenericAllocationHandle handle;
	CUipcEventHandle event;
};

struct question {
	uint32_t magic;
	struct vwire_token token;
	char tenant[VWIRE_NAME_MAX];
};

/* With a descriptor where it is memory. */
struct answer {
	uint32_t magic;
	uint32_t result;
	CUipcEventHandle event;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct share *shares;
static unsigned int nr_shares;
static int listener = -1;

static socklen_t address(struct sockaddr_un *a, uint32_t pid)
{
	int n;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* no file: the name goes with the socket */
	n = snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "dgsf-worker-%u", pid);
	return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

static bool same_user(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) && peer.uid == geteuid();
}

static void set_timeout(int fd)
{
	struct timeval t = { .tv_sec = TIMEOUT_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/* ---- answering ---- */

static CUresult export_handle(CUmemGenericAllocationHandle handle, int *fd)
{
	return real.cuMemExportToShareableHandle(fd, handle,
						 CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
}

/* What has been freed since, or freed and mapped anew, is no longer shared. */
static CUresult export_mapping(struct worker *w, const struct share *s, int *fd)
{
	CUmemGenericAllocationHandle handle;
	uint64_t size = le64toh(s->token.size);
	CUresult r;

	if (memory_mapping_id(&w->memory, s->addr, size) != s->mapping)
		return CUDA_ERROR_INVALID_HANDLE;
	r = real.cuMemRetainAllocationHandle(&handle, (void *)(uintptr_t)s->addr);
	if (r != CUDA_SUCCESS)
		return r;
	r = export_handle(handle, fd);
	real.cuMemRelease(handle);
	return r;
}

static CUresult give(struct worker *w, const struct question *q, struct answer *a, int *fd)
{
	const struct share *s;
	CUresult r = CUDA_ERROR_INVALID_HANDLE;

	pthread_mutex_lock(&lock);
	for (s = shares; s; s = s->next)
		if (!memcmp(&s->token, &q->token, sizeof(s->token)))
			break;
	if (!s || strncmp(q->tenant, w->lease.lease.tenant, sizeof(q->tenant)))
		s = NULL;
	switch (s ? le32toh(s->token.kind) : 0) {
	case VWIRE_TOKEN_MEMORY:
		r = export_mapping(w, s, fd);
		break;
	case VWIRE_TOKEN_ALLOCATION:
		r = export_handle(s->handle, fd);
		break;
	case VWIRE_TOKEN_EVENT:
		a->event = s->event;
		r = CUDA_SUCCESS;
		break;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static void send_answer(int to, const struct answer *a, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct iovec iov = { .iov_base = (void *)a, .iov_len = sizeof(*a) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *m;

	if (fd >= 0) {
		h.msg_control = c.bytes;
		h.msg_controllen = sizeof(c.bytes);
		m = CMSG_FIRSTHDR(&h);
		m->cmsg_level = SOL_SOCKET;
		m->cmsg_type = SCM_RIGHTS;
		m->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(m), &fd, sizeof(fd));
	}
	sendmsg(to, &h, MSG_NOSIGNAL);
}

static void answer(struct worker *w, int to)
{
	struct answer a = { .magic = MAGIC };
	struct question q;
	int fd = -1;

	set_timeout(to);
	if (!same_user(to) || recv(to, &q, sizeof(q), 0) != sizeof(q) || q.magic != MAGIC)
		return;
	a.result = give(w, &q, &a, &fd);
	send_answer(to, &a, a.result == CUDA_SUCCESS ? fd : -1);
	if (fd >= 0)
		close(fd);
}

static void *listen_on(void *arg)
{
	struct worker *w = arg;
	int fd;

	real.cuCtxSetCurrent(w->ctx);
	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		answer(w, fd);
		close(fd);
	}
	return NULL;
}

/* ---- sharing; on the executor ---- */

static bool listening(struct worker *w)
{
	struct sockaddr_un a;
	socklen_t n = address(&a, getpid());
	pthread_t thread;

	if (listener >= 0)
		return true;
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return false;
	if (!bind(listener, (struct sockaddr *)&a, n) && !listen(listener, 16) &&
	    !pthread_create(&thread, NULL, listen_on, w)) {
		pthread_detach(thread);
		return true;
	}
	log_warn("cannot share with other workers: %s", strerror(errno));
	close(listener);
	listener = -1;
	return false;
}

/* Shares what s describes, and replies with its name. */
static void share(struct request *rq, const struct share *what, uint32_t kind, uint64_t size)
{
	struct share *s = nr_shares < SHARES_MAX ? malloc(sizeof(*s)) : NULL;

	if (!s || !listening(rq->w) ||
	    getrandom(s->token.key, sizeof(s->token.key), 0) != sizeof(s->token.key)) {
		free(s);
		run_reply(rq, CUDA_ERROR_OUT_OF_MEMORY);
		return;
	}
	*s = (struct share){
		.addr = what->addr, .mapping = what->mapping, .number = what->number,
		.handle = what->handle, .event = what->event, .token = s->token,
	};
	s->token.pid = htole32(getpid());
	s->token.kind = htole32(kind);
	s->token.size = htole64(size);
	pthread_mutex_lock(&lock);
	s->next = shares;
	shares = s;
	nr_shares++;
	pthread_mutex_unlock(&lock);
	run_out_blob(rq, &s->token, sizeof(s->token));
	run_reply(rq, CUDA_SUCCESS);
}

void share_released(uint32_t number)
{
	struct share **p, *s;

	pthread_mutex_lock(&lock);
	for (p = &shares; (s = *p);) {
		if (!number || s->number != number) {
			p = &s->next;
			continue;
		}
		*p = s->next;
		nr_shares--;
		free(s);
	}
	pthread_mutex_unlock(&lock);
}

void run_cuIpcGetMemHandle(struct request *rq)
{
	struct share s = { .addr = rd_u64(&rq->in) };
	uint64_t size = rd_u64(&rq->in);

	if (!run_args_end(rq))
		return;
	s.mapping = memory_mapping_id(&rq->w->memory, s.addr, size);
	if (!rq->w->memory.shareable)
		run_reply(rq, CUDA_ERROR_NOT_SUPPORTED);
	else if (!s.mapping)
		run_reply(rq, CUDA_ERROR_INVALID_VALUE);
	else
		share(rq, &s, VWIRE_TOKEN_MEMORY, size);
}

void run_cuMemExportToShareableHandle(struct request *rq)
{
	uint32_t number = rd_u32(&rq->in);
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_allocation, number);
	struct physical *p = h ? h->aux : NULL;
	struct share s = { .number = number };

	if (!p)
		rq->err = CUDA_ERROR_INVALID_VALUE;
	if (!run_args_end(rq))
		return;
	s.handle = p->real;
	if (rq->w->memory.shareable)
		share(rq, &s, VWIRE_TOKEN_ALLOCATION, p->size);
	else
		run_reply(rq, CUDA_ERROR_NOT_SUPPORTED);
}

void run_cuIpcGetEventHandle(struct request *rq)
{
	CUevent event = run_handle(rq, CUDA_HANDLE_event, false);
	struct share s = { 0 };
	CUresult r;

	if (!run_args_end(rq))
		return;
	r = real.cuIpcGetEventHandle ? real.cuIpcGetEventHandle(&s.event, event)
				     : CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS)
		share(rq, &s, VWIRE_TOKEN_EVENT, 0);
	else
		run_reply(rq, r);
}

/* ---- asking; on the executor ---- */

static int connect_to(uint32_t pid)
{
	struct sockaddr_un a;
	socklen_t n = address(&a, pid);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_timeout(fd);
	if (!connect(fd, (struct sockaddr *)&a, n) && same_user(fd))
		return fd;
	close(fd);
	return -1;
}

static int take_answer(int from, struct answer *a)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} c;
	struct iovec iov = { .iov_base = a, .iov_len = sizeof(*a) };
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.bytes,
		.msg_controllen = sizeof(c.bytes),
	};
	struct cmsghdr *m;
	int fd = -1;

	if (recvmsg(from, &h, MSG_CMSG_CLOEXEC) != sizeof(*a) || a->magic != MAGIC)
		a->result = CUDA_ERROR_INVALID_HANDLE;
	m = CMSG_FIRSTHDR(&h);
	if (m && m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_RIGHTS &&
	    m->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(m), sizeof(fd));
	return fd;
}

/* A worker that is not there, has nothing of the name, or serves another tenant: one answer. */
static CUresult ask(struct worker *w, const struct vwire_token *token, struct answer *a, int *fd)
{
	struct question q = { .magic = MAGIC, .token = *token };
	int to = connect_to(le32toh(token->pid));

	*fd = -1;
	if (to < 0)
		return CUDA_ERROR_INVALID_HANDLE;
	memcpy(q.tenant, w->lease.lease.tenant, sizeof(q.tenant));
	a->result = CUDA_ERROR_INVALID_HANDLE;
	if (send(to, &q, sizeof(q), MSG_NOSIGNAL) == sizeof(q))
		*fd = take_answer(to, a);
	close(to);
	return a->result;
}

static bool is_kind(const struct vwire_token *token, uint32_t kind)
{
	return le32toh(token->kind) == kind;
}

void run_cuIpcOpenMemHandle_v2(struct request *rq)
{
	struct vwire_token token;
	struct answer a;
	uint64_t addr, size;
	CUresult r;
	int fd = -1;

	rd_copy(&rq->in, &token, sizeof(token));
	addr = rd_u64(&rq->in);
	size = rd_u64(&rq->in);
	if (!run_args_end(rq))
		return;
	/* what a process exported it has already */
	if (le32toh(token.pid) == (uint32_t)getpid())
		r = CUDA_ERROR_INVALID_CONTEXT;
	else if (!is_kind(&token, VWIRE_TOKEN_MEMORY) || size != le64toh(token.size))
		r = CUDA_ERROR_INVALID_HANDLE;
	else
		r = ask(rq->w, &token, &a, &fd);
	if (r == CUDA_SUCCESS)
		r = fd < 0 ? CUDA_ERROR_INVALID_HANDLE
			   : memory_map_fd(&rq->w->memory, addr, size, fd);
	if (fd >= 0)
		close(fd);
	if (r == CUDA_SUCCESS)
		reply_used(rq->w);
	run_reply(rq, r);
}

/* Memory that is imported counts for whoever imports it, too. */
static CUresult import(struct worker *w, uint32_t number, uint64_t size, int fd)
{
	CUmemGenericAllocationHandle handle = 0;
	CUresult r = memory_charge(&w->memory, size);

	if (r != CUDA_SUCCESS)
		return r;
	r = real.cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)fd,
						CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
	return vmm_take(w, number, handle, size, r);
}

void run_cuMemImportFromShareableHandle(struct request *rq)
{
	struct vwire_token token;
	struct answer a;
	uint32_t number;
	CUresult r = CUDA_ERROR_INVALID_HANDLE;
	int fd = -1;

	rd_copy(&rq->in, &token, sizeof(token));
	number = rd_u32(&rq->in);
	if (!run_args_end(rq))
		return;
	if (is_kind(&token, VWIRE_TOKEN_ALLOCATION))
		r = ask(rq->w, &token, &a, &fd);
	if (r == CUDA_SUCCESS)
		r = fd < 0 ? CUDA_ERROR_INVALID_HANDLE
			   : import(rq->w, number, le64toh(token.size), fd);
	if (fd >= 0)
		close(fd);
	if (r == CUDA_SUCCESS)
		reply_used(rq->w);
	run_reply(rq, r);
}

void run_cuIpcOpenEventHandle(struct request *rq)
{
	struct vwire_token token;
	struct answer a;
	uint32_t number;
	CUevent event;
	CUresult r = CUDA_ERROR_INVALID_HANDLE;
	int fd = -1;

	rd_copy(&rq->in, &token, sizeof(token));
	number = run_new(rq, CUDA_HANDLE_event);
	if (!run_args_end(rq))
		return;
	if (is_kind(&token, VWIRE_TOKEN_EVENT))
		r = ask(rq->w, &token, &a, &fd);
	if (fd >= 0)
		close(fd);
	if (r == CUDA_SUCCESS)
		r = real.cuIpcOpenEventHandle ? real.cuIpcOpenEventHandle(&event, a.event)
					      : CUDA_ERROR_NOT_SUPPORTED;
	if (r == CUDA_SUCCESS)
		run_bind(rq, CUDA_HANDLE_event, number, event);
	run_reply(rq, r);
}
