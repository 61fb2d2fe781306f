// SPDX-License-Identifier: MIT
/*
 * exec.c - executable graphs at the server: made, launched, changed, destroyed
 *
 * What a launch reads of the program's memory goes ahead of it; what it writes comes back as the
 * nodes run. Functions and sources that are asked for are slots (hostcall.h), which live until the
 * server has no launch left that may name them.
 */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "init.h"
#include "module.h"
#include "stream.h"
#include "vcuda_graph.h"
#include "view.h"
#include "wire.h"

#define FED_MAX		(64u << 20)	/* bytes sent ahead of launches without a wait */
/* With these an instantiation can go wrong no more than without. */
#define FLAGS_SURE	(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | \
			 CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY)

struct remote {
	struct slot *slots;
	unsigned int nr_calls;		/* that a launch makes */
	bool stores;			/* a launch writes to the program's memory */
	bool launched;
	/* once it is destroyed, for the last launch */
	struct plan *plan;
	struct remote *next;		/* of those whose launches are over */
};

static uint64_t fed;			/* under the driver lock */

static uint32_t exec_number(const struct graph_exec *e)
{
	return e->obj.handle;
}

static void add_slots(struct remote *r, struct slot *list)
{
	struct slot *next;

	for (; list; list = next) {
		next = list->next;
		list->next = r->slots;
		r->slots = list;
	}
}

static void free_slots(struct slot *list)
{
	struct slot *next;

	for (; list; list = next) {
		next = list->next;
		vcuda_slot_free(list);
	}
}

static bool is_call(const struct slot *s)
{
	return s->kind == SLOT_FUNCTION || s->kind == SLOT_COPY ||
	       (s->kind == SLOT_SOURCE && s->fetch);
}

static void count_calls(struct remote *r)
{
	const struct slot *s;

	r->nr_calls = 0;
	r->stores = false;
	for (s = r->slots; s; s = s->next) {
		r->nr_calls += !s->stale && is_call(s);
		r->stores |= s->kind == SLOT_PLACE;
	}
}

/* The nodes [first, first + nr) have others now. */
static void replace_slots(struct remote *r, uint32_t first, uint32_t nr, struct slot *new)
{
	struct slot *s;

	for (s = r->slots; s; s = s->next)
		if (s->node - first < nr)
			s->stale = true;
	add_slots(r, new);
	count_calls(r);
}

/* A thread must be there before the server can call. */
static CUresult prepare_calls(const struct slot *s)
{
	for (; s; s = s->next)
		if (is_call(s))
			return vcuda_hostcall_start();
	return CUDA_SUCCESS;
}

/* ---- text to the server ---- */

/* wait: NULL for no answer. */
static CUresult send(enum cuda_id id, const struct vwire_graph_instantiate *head,
		     const struct graph_wire *w, struct vcuda_wait *wait)
{
	struct vcuda_iov iov = { head, sizeof(*head) };
	struct vcuda_image text = { .nr = 1, .bytes = w->len, .pieces = { { w->p, w->len } } };
	uint64_t seq;
	CUresult r;

	if (w->len > VWIRE_IMAGE_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	vcuda_submit_lock();
	r = vcuda_image_send(&text);
	if (!r)
		r = vcuda_submit_locked(id, wait ? VWIRE_F_WAIT : 0, &iov, 1, wait, &seq);
	vcuda_submit_unlock();
	if (!r && !wait)
		vcuda_note_hidden_work(seq);
	return r;
}

static CUresult ask(enum cuda_id id, const struct vwire_graph_instantiate *head,
		    const struct graph_wire *w, struct vwire_graph_made *made)
{
	struct vcuda_wait wait = { 0 };
	struct vwire_rd rd;
	CUresult r = send(id, head, w, &wait);

	memset(made, 0, sizeof(*made));
	if (!r)
		r = vcuda_wait(&wait);
	rd = rd_init(wait.reply, wait.reply_len);
	if (wait.reply_len)
		rd_copy(&rd, made, sizeof(*made));
	free(wait.reply);
	return r;
}

static CUgraphNode node_at(struct graph *g, uint32_t *number, uint32_t want)
{
	struct graph_node *n;
	CUgraphNode found = NULL;
	size_t i;

	TAILQ_FOREACH(n, &g->nodes, link) {
		if ((*number)++ == want)
			return HANDLE_OF(n);
		for (i = 0; i < n->nr_bodies && !found; i++)
			found = node_at(n->bodies[i], number, want);
		if (found)
			return found;
	}
	return NULL;
}

/* made says the number plus 1; 0: no node. */
static CUgraphNode told_node(struct graph *g, uint32_t first, __le32 number)
{
	return number ? node_at(g, &first, le32toh(number) - 1) : NULL;
}

/*
 * Calls that are waited for come only where all has gone well, and what is fed has a place only then:
 * launches follow without a question.
 */
static bool is_sure(const struct graph *g, const struct graph_wire *w)
{
	const struct slot *s;

	for (s = w->slots; s; s = s->next)
		if (s->kind != SLOT_PLACE)
			return false;
	return graph_is_sure(g);
}

CUresult exec_open(struct graph_exec *e, struct graph *g, CUDA_GRAPH_INSTANTIATE_PARAMS *p)
{
	struct vwire_graph_instantiate head = { .exec = htole32(exec_number(e)),
						.flags = htole64(p->flags) };
	struct graph_wire w = { .fetch = wire_must_fetch(g) };
	struct remote *own = calloc(1, sizeof(*own));
	struct vwire_graph_made made;
	uint32_t stream = 0;
	CUresult r = own ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;

	if (g->remote)
		head.graph = htole32((uint32_t)g->obj.handle);
	if (!r && p->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD)
		r = vcuda_stream_number(p->hUploadStream, &stream);
	head.stream = htole32(stream);
	if (!r) {
		wire_graph(&w, g, e->plan);
		head.bytes = htole64(w.len);
		r = w.err ? w.err : prepare_calls(w.slots);
	}
	if (!r && !(p->flags & ~(cuuint64_t)FLAGS_SURE) && is_sure(g, &w)) {
		r = send(CUDA_ID_cuGraphInstantiateWithParams, &head, &w, NULL);
	} else if (!r) {
		r = ask(CUDA_ID_cuGraphInstantiateWithParams, &head, &w, &made);
		if (made.result)
			p->result_out = le32toh(made.result);
		p->hErrNode_out = told_node(g, 0, made.error_node);
	}
	free(w.p);
	if (r) {
		free_slots(w.slots);
		free(own);
		return r;
	}
	add_slots(own, w.slots);
	count_calls(own);
	e->remote = own;
	return CUDA_SUCCESS;
}

/* ---- launches ---- */

static uint32_t stream_number(const struct context *ctx, const struct stream *s)
{
	uint32_t number = VWIRE_STREAM_LEGACY;

	/* a context that is gone meanwhile: the worker's */
	if (s == ctx->legacy)
		vcuda_legacy_number(NULL, &number);
	return s == ctx->legacy ? number : (uint32_t)s->obj.handle;
}

static bool is_fed(const struct slot *s)
{
	return s->kind == SLOT_SOURCE && !s->fetch && !s->stale && !s->off;
}

/* With the submission lock, so that the launch follows. */
static CUresult feed(const struct graph_exec *e, const struct slot *s)
{
	struct vwire_feed head = { .exec = htole32(exec_number(e)), .node = htole32(s->node) };
	size_t total = vcuda_copy_bytes(&s->copy), chunk = vcuda_chunk(), done, part;
	struct vcuda_iov iov[2] = { { &head, sizeof(head) } };
	uint8_t *buf = malloc(chunk < total ? chunk : total);
	CUresult r = buf ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;

	head.total = htole64(total);
	for (done = 0; !r && done < total; done += part) {
		part = total - done < chunk ? total - done : chunk;
		vcuda_rows(&s->copy, false, done, buf, part);
		head.offset = htole64(done);
		head.len = htole64(part);
		iov[1] = (struct vcuda_iov){ buf, part };
		r = vcuda_submit_locked(VWIRE_OP_FEED, 0, iov, 2, NULL, NULL);
	}
	free(buf);
	return r;
}

/* The server keeps what is fed until its node runs: not more than it has room for. */
static CUresult make_room(const struct remote *own, uint32_t stream)
{
	uint64_t n = 0, number = htole64(stream);
	struct vcuda_iov iov = { &number, sizeof(number) };
	struct vcuda_wait wait = { 0 };
	const struct slot *s;
	CUresult r = CUDA_SUCCESS;

	for (s = own->slots; s; s = s->next)
		if (is_fed(s))
			n += vcuda_copy_bytes(&s->copy);
	if (fed && fed + n > FED_MAX) {
		r = vcuda_submit(CUDA_ID_cuStreamSynchronize, VWIRE_F_WAIT, &iov, 1, &wait, NULL);
		if (!r)
			r = vcuda_wait(&wait);
		free(wait.reply);
		fed = 0;
	}
	fed += n;
	return r;
}

CUresult exec_launch(struct graph_exec *e, struct context *ctx, struct stream *s)
{
	uint64_t args[2] = { htole64(exec_number(e)), htole64(stream_number(ctx, s)) };
	struct vcuda_iov iov = { args, sizeof(args) };
	struct remote *own = e->remote;
	const struct slot *slot;
	uint64_t seq;
	CUresult r = vcuda_sticky_error();

	if (!r)
		r = vcuda_graph_memory(e);
	if (!r)
		r = make_room(own, stream_number(ctx, s));
	if (r)
		return r;
	vcuda_hostcall_throttle(0);
	vcuda_submit_lock();
	for (slot = own->slots; slot && !r; slot = slot->next)
		if (is_fed(slot))
			r = feed(e, slot);
	vcuda_hostcall_expect(r ? 0 : own->nr_calls);
	if (!r)
		r = vcuda_submit_locked(CUDA_ID_cuGraphLaunch, 0, &iov, 1, NULL, &seq);
	vcuda_submit_unlock();
	if (r)
		return r;
	own->launched = true;
	vcuda_note_work(seq);
	if (own->stores)
		vcuda_host_changes(seq);
	return CUDA_SUCCESS;
}

/* What the program has changed of memory that it shares with the device goes ahead. */
CUresult hand_cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
	CUresult r = vcuda_has_views() ? vcuda_views_flush(stream) : CUDA_SUCCESS;

	return r ? r : cuGraphLaunch(exec, stream);
}

CUresult cuGraphUpload(CUgraphExec handle, CUstream stream)
{
	struct graph_exec *e;
	struct context *ctx;
	struct vcuda_call c;
	struct stream *s;
	CUresult r = context_enter(&ctx);

	if (r)
		return r;
	r = exec_find(handle, &e);
	if (!r)
		r = stream_find(ctx, stream, &s);
	if (!r)
		r = capture_refuse(s);
	context_leave(r);
	if (r)
		return r;
	vcuda_begin(&c, CUDA_ID_cuGraphUpload);
	vcuda_put_u64(&c, vcuda_handle_number(handle));
	vcuda_put_stream(&c, stream);
	return vcuda_async(&c);
}

/* ---- changes ---- */

CUresult exec_renew(struct graph_exec *e, const struct plan_node *pn, struct action *a)
{
	struct vwire_graph_exec head = { .exec = htole32(exec_number(e)),
					 .node = htole32(pn->number) };
	struct graph_wire w = { .number = pn->number };
	struct vcuda_iov iov[2] = { { &head, sizeof(head) } };
	struct remote *own = e->remote;
	const struct slot *s;
	CUresult r;

	for (s = own->slots; s; s = s->next)
		w.fetch |= s->node == pn->number && s->fetch;
	wire_action(&w, a, 0);
	r = w.err ? w.err : prepare_calls(w.slots);
	iov[1] = (struct vcuda_iov){ w.p, w.len };
	if (!r)
		r = vcuda_submit(CUDA_ID_cuGraphExecNodeSetParams, 0, iov, 2, NULL, NULL);
	free(w.p);
	if (r)
		free_slots(w.slots);
	else
		replace_slots(own, pn->number, 1, w.slots);
	return r;
}

/* g takes the place of the whole, or of the child graph whose nodes begin behind their owner. */
CUresult exec_renew_all(struct graph_exec *e, struct plan *p, struct graph *g,
			CUgraphExecUpdateResultInfo *info)
{
	bool whole = p == e->plan;
	uint32_t first = whole || !p->nr ? 0 : p->nodes[0].number;
	struct vwire_graph_instantiate head = { .exec = htole32(exec_number(e)),
						.node = htole32(first - !whole) };
	struct graph_wire w = { .number = first, .fetch = wire_must_fetch(g) };
	enum cuda_id id = whole ? CUDA_ID_cuGraphExecUpdate_v2
				: CUDA_ID_cuGraphExecChildGraphNodeSetParams;
	struct vwire_graph_made made;
	CUresult r;

	if (!p->nr)
		return CUDA_SUCCESS;
	if (g->remote)
		head.graph = htole32((uint32_t)g->obj.handle);
	wire_graph(&w, g, p);
	head.bytes = htole64(w.len);
	r = w.err ? w.err : prepare_calls(w.slots);
	if (!r && is_sure(g, &w) && graph_keeps_kernels(p, g)) {
		r = send(id, &head, &w, NULL);
	} else if (!r) {
		r = ask(id, &head, &w, &made);
		if (r && made.result)
			info->result = le32toh(made.result);
		info->errorNode = told_node(g, first, made.error_node);
		info->errorFromNode = told_node(g, first, made.error_from);
	}
	free(w.p);
	if (r)
		free_slots(w.slots);
	else
		replace_slots(e->remote, first, w.number - first, w.slots);
	return r;
}

CUresult exec_enable(struct graph_exec *e, const struct plan_node *pn, bool enabled)
{
	struct vwire_graph_exec head = { .exec = htole32(exec_number(e)),
					 .node = htole32(pn->number), .value = htole32(enabled) };
	struct vcuda_iov iov = { &head, sizeof(head) };
	struct remote *own = e->remote;
	bool here = false;
	struct slot *s;

	for (s = own->slots; s; s = s->next) {
		if (s->node != pn->number || s->stale)
			continue;
		s->off = !enabled;
		here |= s->kind == SLOT_COPY;
	}
	return here ? CUDA_SUCCESS
		    : vcuda_submit(CUDA_ID_cuGraphNodeSetEnabled, 0, &iov, 1, NULL, NULL);
}

/* ---- the end ---- */

static struct remote *_Atomic ended;

static void free_ended(void)
{
	struct remote *own, *next;

	for (own = atomic_exchange(&ended, NULL); own; own = next) {
		next = own->next;
		free_slots(own->slots);
		plan_put(own->plan);
		free(own);
	}
}

void vcuda_graph_over(void)
{
	while (atomic_load(&ended) && driver_trylock()) {
		free_ended();
		driver_unlock();
		users_flush();
	}
}

/*
 * Who has the lock may wait for functions that this thread has yet to call: it is not waited for, but
 * does the rest itself.
 */
static void all_launches_over(void *arg)
{
	struct remote *own = arg;

	own->next = atomic_load(&ended);
	while (!atomic_compare_exchange_weak(&ended, &own->next, own))
		;
	vcuda_graph_over();
}

/* Launches that are on their way still have functions to call, and user objects to keep. */
void exec_close(struct graph_exec *e)
{
	struct vwire_graph_exec head = { .exec = htole32(exec_number(e)) };
	struct vcuda_iov iov = { &head, sizeof(head) };
	struct remote *own = e->remote;
	bool users = !SLIST_EMPTY(&e->plan->users);
	struct slot *told = NULL;

	if (own->launched && (users || own->slots) && !vcuda_device_idle() &&
	    !vcuda_sticky_error() && !vcuda_hostcall_start())
		told = vcuda_slot_new(&(struct slot){ .kind = SLOT_GONE, .once = true,
						      .gone = { all_launches_over, own } });
	if (told) {
		own->plan = e->plan;
		e->plan->refs++;
		head.value = htole32(told->token);
		vcuda_hostcall_submit(CUDA_ID_cuGraphExecDestroy, &iov, NULL);
	} else {
		free_slots(own->slots);
		free(own);
		vcuda_submit(CUDA_ID_cuGraphExecDestroy, 0, &iov, 1, NULL, NULL);
	}
}

/* ---- what the server's driver must know of a graph before it is instantiated ---- */

CUresult conditional_open(struct graph *g, struct object *obj, unsigned int initial,
			  unsigned int flags)
{
	struct graph *top = graph_top(g);
	struct vcuda_call c;
	uint64_t handle;
	CUresult r;

	vcuda_begin(&c, CUDA_ID_cuGraphConditionalHandleCreate);
	vcuda_put_u64(&c, (uint32_t)top->obj.handle);
	vcuda_put_u64(&c, initial);
	vcuda_put_u64(&c, flags);
	vcuda_want_scalar(&c, &handle, sizeof(handle), false);
	r = vcuda_sync(&c);
	if (r)
		return r;
	top->remote = true;
	vcuda_graph_conditional(obj, handle);
	return CUDA_SUCCESS;
}

void vcuda_graph_gone(uint32_t graph)
{
	uint64_t number = htole64(graph);
	struct vcuda_iov iov = { &number, sizeof(number) };

	vcuda_submit(CUDA_ID_cuGraphDestroy, 0, &iov, 1, NULL, NULL);
}

CUresult hand_cuGraphInstantiateWithParams(CUgraphExec *out, CUgraph graph,
					   CUDA_GRAPH_INSTANTIATE_PARAMS *p, CUstream dflt)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS own;
	CUresult r;

	if (!p)
		return CUDA_ERROR_INVALID_VALUE;
	own = *p;
	if (!own.hUploadStream)
		own.hUploadStream = dflt;
	r = cuGraphInstantiateWithParams(out, graph, &own);
	p->hErrNode_out = own.hErrNode_out;
	p->result_out = own.result_out;
	return r;
}
