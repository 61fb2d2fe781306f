// SPDX-License-Identifier: MIT
#include "graph_host.h"

#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "hostcall.h"
#include "worker.h"

static _Atomic uint64_t fed_bytes;	/* of all nodes */

static void fill(struct host_node *h)
{
	struct fed *f;

	if (h->fetch) {
		hostcall_ask(h->w, h->token, VWIRE_CALL_FETCH, CUDA_SUCCESS, h->mem, h->bytes);
		return;
	}
	pthread_mutex_lock(&h->lock);
	f = h->fed;
	if (f) {
		h->fed = f->next;
		if (!h->fed)
			h->fed_tail = &h->fed;
	}
	pthread_mutex_unlock(&h->lock);
	if (!f)
		return;			/* switched off */
	memcpy(h->mem, f->data, f->bytes < h->bytes ? f->bytes : h->bytes);
	fed_bytes -= f->bytes;
	free(f);
}

static void CUDA_CB host_run(void *arg)
{
	struct host_node *h = arg;

	if (!h->mem)
		hostcall_ask(h->w, h->token, VWIRE_CALL_FUNCTION, CUDA_SUCCESS, NULL, 0);
	else if (h->fills)
		fill(h);
	else if (!h->off)
		hostcall_store(h->w, h->token, h->mem, h->bytes);
}

static void fed_free(struct fed *f)
{
	while (f) {
		struct fed *next = f->next;

		fed_bytes -= f->bytes;
		free(f);
		f = next;
	}
}

void hosts_free(struct host_node *h)
{
	while (h) {
		struct host_node *next = h->next;

		fed_free(h->fed);
		fed_free(h->coming);
		if (h->mem)
			real.cuMemFreeHost(h->mem);
		pthread_mutex_destroy(&h->lock);
		free(h);
		h = next;
	}
}

CUresult host_new(struct request *rq, struct host_node **list, uint32_t token, size_t bytes,
		  struct host_node **out)
{
	struct host_node *h = calloc(1, sizeof(*h));
	CUresult r;

	if (!h)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = bytes ? real.cuMemHostAlloc(&h->mem, bytes, 0) : CUDA_SUCCESS;
	if (r != CUDA_SUCCESS) {
		free(h);
		return r;
	}
	h->w = rq->w;
	h->token = token;
	h->bytes = h->room = bytes;
	h->fed_tail = &h->fed;
	pthread_mutex_init(&h->lock, NULL);
	h->next = *list;
	*list = *out = h;
	return CUDA_SUCCESS;
}

static bool feed_is_next(const struct host_node *h, const struct vwire_feed *f)
{
	uint64_t offset = le64toh(f->offset), total = le64toh(f->total), n = le64toh(f->len);

	if (!total || total > GRAPH_FED_MAX || offset > total || n > total - offset)
		return false;
	return h->coming ? h->coming->have == offset && h->coming->bytes == total : !offset;
}

bool host_feed(struct host_node *h, const struct vwire_feed *f, const void *data)
{
	uint64_t total = le64toh(f->total);
	struct fed *c;

	if (!feed_is_next(h, f))
		return false;
	if (!h->coming) {
		fed_bytes += total;
		h->coming = fed_bytes <= GRAPH_FED_MAX ? malloc(sizeof(*c) + total) : NULL;
		if (!h->coming)
			return false;
		*h->coming = (struct fed){ .bytes = total };
	}
	c = h->coming;
	memcpy(c->data + c->have, data, le64toh(f->len));
	c->have += le64toh(f->len);
	if (c->have < c->bytes)
		return true;
	h->coming = NULL;
	pthread_mutex_lock(&h->lock);
	*h->fed_tail = c;
	h->fed_tail = &c->next;
	pthread_mutex_unlock(&h->lock);
	return true;
}

CUresult host_add(CUgraph g, struct host_node *h, CUgraphNode *node)
{
	CUDA_HOST_NODE_PARAMS p = { .fn = host_run, .userData = h };

	return real.cuGraphAddHostNode(node, g, NULL, 0, &p);
}

CUresult host_set(CUgraphExec exec, CUgraphNode node, struct host_node *h)
{
	CUDA_HOST_NODE_PARAMS p = { .fn = host_run, .userData = h };

	return real.cuGraphExecHostNodeSetParams(exec, node, &p);
}
