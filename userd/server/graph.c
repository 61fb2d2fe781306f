/* SPDX-License-Identifier: MIT */
#include "graph.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "graph_node.h"
#include "log.h"
#include "worker.h"

/* What stands behind a handle of kind graph_exec. */
struct executable {
	CUgraphExec exec;
	CUgraph graph;			/* that it was made of; NULL: of one that has a handle */
	struct made_node *nodes;	/* of it, by number */
	uint32_t nr;
	struct host_node *hosts;
};

static struct executable *find(struct request *rq, uint32_t number)
{
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_graph_exec, number);

	if (!h && !rq->err)
		rq->err = CUDA_ERROR_INVALID_HANDLE;
	return h ? h->aux : NULL;
}

/* ---- what launches on their way may still need ---- */

static void retired(struct worker *w, struct job *job, CUresult r)
{
	struct executable *e = job->graph.exec;

	(void)r;
	hosts_free(job->graph.hosts);
	if (e) {
		real.cuGraphExecDestroy(e->exec);
		if (e->graph)
			real.cuGraphDestroy(e->graph);
		free(e->nodes);
		free(e);
	}
	if (job->graph.token)
		hostcall_tell(w, job->graph.token, VWIRE_CALL_GONE);
}

/* Once all work that was submitted is done; takes hosts and e over. */
static void retire(struct request *rq, struct host_node *hosts, struct executable *e, uint32_t token)
{
	struct job *job = wait_job(rq, retired);

	if (!job) {
		log_err("no memory for the end of a graph");
		_exit(1);
	}
	job->graph.hosts = hosts;
	job->graph.exec = e;
	job->graph.token = token;
	job->is_slow = true;
	wait_fence(rq->w, job);
	wait_submit(rq->w, &rq->w->wait.context, job);
}

static void take_out(struct host_node **list, struct host_node *h)
{
	while (*list && *list != h)
		list = &(*list)->next;
	if (*list)
		*list = h->next;
	h->next = NULL;
}

/* ---- making ---- */

static uint32_t number_of(const struct build *b, CUgraphNode node)
{
	for (uint32_t i = 0; node && i < b->nr; i++)
		if (b->nodes[i].node == node || b->nodes[i].beside == node)
			return i + 1;
	return 0;
}

/* Its graph is named already when a conditional handle has been made for it. */
static CUresult graph_for(struct request *rq, uint32_t number, CUgraph *g)
{
	struct handle *h;

	if (!number)
		return real.cuGraphCreate(g, 0);
	h = handles_find(&rq->w->handles, CUDA_HANDLE_graph, number);
	*g = h ? h->real : NULL;
	return h ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

/* Such a graph is made anew for each executable one: what it was before goes. */
static CUresult empty_graph(CUgraph g)
{
	CUgraphNode *nodes;
	size_t nr = 0;
	CUresult r = real.cuGraphGetNodes(g, NULL, &nr);

	if (r != CUDA_SUCCESS || !nr)
		return r;
	nodes = calloc(nr, sizeof(CUgraphNode));
	if (!nodes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = real.cuGraphGetNodes(g, nodes, &nr);
	for (size_t i = 0; i < nr && r == CUDA_SUCCESS; i++)
		r = real.cuGraphDestroyNode(nodes[i]);
	free(nodes);
	return r;
}

static CUresult build_from(struct build *b, CUgraph g, const struct vwire_graph_instantiate *in,
			   void **text)
{
	uint64_t bytes = le64toh(in->bytes);
	CUresult r = modules_take(b->rq->w, bytes, text);

	if (r != CUDA_SUCCESS)
		return r;
	if (in->graph)
		r = empty_graph(g);
	if (r != CUDA_SUCCESS)
		return r;
	b->in = rd_init(*text, bytes);
	r = build_graph(b, g, 0);
	return r == CUDA_SUCCESS && !rd_end(&b->in) ? CUDA_ERROR_INVALID_VALUE : r;
}

/* The client may know that nothing but memory can be lacking, and not ask. */
static void answer(struct request *rq, CUresult r, const struct vwire_graph_made *made)
{
	if (!(rq->flags & VWIRE_F_WAIT)) {
		run_result(rq, r);
		return;
	}
	if (run_is_sticky(r))
		rq->w->lost = r;
	reply_result(rq->w, rq->op, rq->seq, r, made, sizeof(*made));
}

static bool take_head(struct request *rq, struct vwire_graph_instantiate *in)
{
	rd_copy(&rq->in, in, sizeof(*in));
	if (rd_end(&rq->in))
		return true;
	modules_drop(rq->w);
	run_bad(rq);
	return false;
}

static CUresult instantiate(struct request *rq, const struct vwire_graph_instantiate *in,
			    struct build *b, struct executable *e, struct vwire_graph_made *made)
{
	CUDA_GRAPH_INSTANTIATE_PARAMS p = { .flags = le64toh(in->flags) };
	struct queue *q = run_queue(rq, le32toh(in->stream));
	CUgraph g = NULL;
	void *text = NULL;
	CUresult r;

	if (rq->err || p.flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH)
		return rq->err ? rq->err : CUDA_ERROR_NOT_SUPPORTED;
	if (p.flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD)
		p.hUploadStream = q->stream;
	r = graph_for(rq, le32toh(in->graph), &g);
	if (r == CUDA_SUCCESS)
		r = build_from(b, g, in, &text);
	if (r == CUDA_SUCCESS) {
		r = real.cuGraphInstantiateWithParams(&e->exec, g, &p);
		made->result = htole32(p.result_out);
		made->error_node = htole32(number_of(b, p.hErrNode_out));
	}
	free(text);
	if (!in->graph)
		e->graph = g;
	return r;
}

void run_cuGraphInstantiateWithParams(struct request *rq)
{
	struct vwire_graph_made made = { .result = htole32(CUDA_GRAPH_INSTANTIATE_ERROR) };
	struct build b = { .rq = rq };
	struct vwire_graph_instantiate in;
	struct executable *e;
	struct handle *h;
	CUresult r;

	if (!take_head(rq, &in))
		return;
	e = calloc(1, sizeof(*e));
	r = !e ? CUDA_ERROR_OUT_OF_MEMORY
	    : handles_find(&rq->w->handles, CUDA_HANDLE_graph_exec, le32toh(in.exec))
		    ? CUDA_ERROR_INVALID_HANDLE
		    : instantiate(rq, &in, &b, e, &made);
	modules_drop(rq->w);
	h = r == CUDA_SUCCESS ? handles_add(&rq->w->handles, CUDA_HANDLE_graph_exec,
					    le32toh(in.exec), e->exec)
			      : NULL;
	if (h) {
		h->aux = e;
		e->nodes = b.nodes;
		e->nr = b.nr;
		e->hosts = b.hosts;
	} else {
		if (e && e->exec)
			real.cuGraphExecDestroy(e->exec);
		if (e && e->graph)
			real.cuGraphDestroy(e->graph);
		build_free(&b);
		free(e);
		r = r ? r : CUDA_ERROR_OUT_OF_MEMORY;
	}
	answer(rq, r, &made);
}

void run_cuGraphConditionalHandleCreate(struct request *rq)
{
	uint32_t number = rd_u32(&rq->in), initial = rd_u32(&rq->in), flags = rd_u32(&rq->in);
	struct handle *h = handles_find(&rq->w->handles, CUDA_HANDLE_graph, number);
	CUgraph g = h ? h->real : NULL;
	CUgraphConditionalHandle out = 0;
	CUresult r = CUDA_SUCCESS;

	if (!run_args_end(rq))
		return;
	if (!h) {
		r = real.cuGraphCreate(&g, 0);
		if (r == CUDA_SUCCESS && !handles_add(&rq->w->handles, CUDA_HANDLE_graph, number, g))
			r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r == CUDA_SUCCESS)
		r = real.cuGraphConditionalHandleCreate
			    ? real.cuGraphConditionalHandleCreate(&out, g, rq->w->ctx, initial, flags)
			    : CUDA_ERROR_NOT_SUPPORTED;
	run_out_u64(rq, out);
	run_reply(rq, r);
}

/* Executable graphs of it live on. */
void run_cuGraphDestroy(struct request *rq)
{
	uint32_t number;
	CUgraph g = run_del(rq, CUDA_HANDLE_graph, &number);

	if (!run_args_ready(rq))
		return;
	run_unbind(rq, CUDA_HANDLE_graph, number);
	run_result(rq, real.cuGraphDestroy(g));
}

/* ---- launches ---- */

static void launch(struct request *rq, CUresult (*fn)(CUgraphExec, CUstream))
{
	struct executable *e = find(rq, rd_u32(&rq->in));
	struct queue *q = run_queue(rq, rd_u32(&rq->in));

	if (run_args_ready(rq))
		run_result(rq, fn(e->exec, q->stream));
}

void run_cuGraphLaunch(struct request *rq)
{
	launch(rq, real.cuGraphLaunch);
}

void run_cuGraphUpload(struct request *rq)
{
	launch(rq, real.cuGraphUpload);
}

bool graph_feed(struct worker *w, const struct vwire_feed *f, const void *data)
{
	struct handle *h = handles_find(&w->handles, CUDA_HANDLE_graph_exec, le32toh(f->exec));
	struct executable *e = h ? h->aux : NULL;
	uint32_t number = le32toh(f->node);
	struct host_node *host = e && number < e->nr ? e->nodes[number].host : NULL;

	return host && host->fills && host_feed(host, f, data);
}

/* ---- changes ---- */

static struct executable *take_exec(struct request *rq, struct vwire_graph_exec *in)
{
	struct executable *e;

	rd_copy(&rq->in, in, sizeof(*in));
	e = find(rq, le32toh(in->exec));
	if (!rq->in.err && e && le32toh(in->node) >= e->nr && !rq->err)
		rq->err = CUDA_ERROR_INVALID_VALUE;
	return e;
}

void run_cuGraphExecNodeSetParams(struct request *rq)
{
	struct host_node *old;
	struct vwire_graph_exec in;
	struct executable *e = take_exec(rq, &in);
	CUresult r;

	if (rq->in.err || rq->err) {
		rq->in.p = rq->in.end;
		run_bad(rq);
		return;
	}
	r = node_update(rq, e->exec, &e->nodes[le32toh(in.node)], &e->hosts, &old);
	if (old) {
		take_out(&e->hosts, old);
		retire(rq, old, NULL, 0);
	}
	run_result(rq, r);
}

void run_cuGraphNodeSetEnabled(struct request *rq)
{
	struct vwire_graph_exec in;
	struct executable *e = take_exec(rq, &in);
	struct made_node *n;

	if (!run_args_ready(rq))
		return;
	n = &e->nodes[le32toh(in.node)];
	if (n->host)
		n->host->off = !in.value;
	run_result(rq, real.cuGraphNodeSetEnabled(e->exec, n->node, le32toh(in.value)));
}

/* From first on, b's host nodes are those that run now. */
static void take_over(struct request *rq, struct executable *e, uint32_t first, struct build *b)
{
	struct host_node *gone = NULL, **last = &e->hosts;

	for (uint32_t i = 0; i < b->nr && first + i < e->nr; i++) {
		struct host_node *old = e->nodes[first + i].host;

		e->nodes[first + i].host = b->nodes[i].host;
		if (!old)
			continue;
		take_out(&e->hosts, old);
		old->next = gone;
		gone = old;
	}
	while (*last)
		last = &(*last)->next;
	*last = b->hosts;
	if (gone)
		retire(rq, gone, NULL, 0);
}

static CUresult update_whole(struct executable *e, CUgraph g, struct build *b,
			     struct vwire_graph_made *made)
{
	CUgraphExecUpdateResultInfo info = { .result = CU_GRAPH_EXEC_UPDATE_ERROR };
	CUresult r = real.cuGraphExecUpdate_v2(e->exec, g, &info);

	made->result = htole32(info.result);
	made->error_node = htole32(number_of(b, info.errorNode));
	made->error_from = htole32(number_of(b, info.errorFromNode));
	return r;
}

static void update(struct request *rq, bool whole)
{
	struct vwire_graph_made made = { 0 };
	struct build b = { .rq = rq };
	struct vwire_graph_instantiate in;
	struct executable *e;
	uint32_t node;
	void *text = NULL;
	CUgraph g = NULL;
	CUresult r;

	if (!take_head(rq, &in))
		return;
	e = find(rq, le32toh(in.exec));
	node = le32toh(in.node);
	r = rq->err;
	if (!r && !whole && (node >= e->nr || e->nodes[node].type != CU_GRAPH_NODE_TYPE_GRAPH))
		r = CUDA_ERROR_INVALID_VALUE;
	/* a graph with a name has one executable graph, whose nodes it holds */
	if (!r && in.graph)
		r = CUDA_ERROR_NOT_SUPPORTED;
	if (!r)
		r = graph_for(rq, 0, &g);
	if (!r)
		r = build_from(&b, g, &in, &text);
	if (!r)
		r = whole ? update_whole(e, g, &b, &made)
			  : real.cuGraphExecChildGraphNodeSetParams(e->exec, e->nodes[node].node, g);
	modules_drop(rq->w);
	free(text);
	if (r)
		hosts_free(b.hosts);
	else
		take_over(rq, e, whole ? 0 : node + 1, &b);
	free(b.nodes);
	if (g)
		real.cuGraphDestroy(g);
	answer(rq, r, &made);
}

void run_cuGraphExecUpdate_v2(struct request *rq)
{
	update(rq, true);
}

void run_cuGraphExecChildGraphNodeSetParams(struct request *rq)
{
	update(rq, false);
}

/* ---- the end ---- */

void run_cuGraphExecDestroy(struct request *rq)
{
	struct vwire_graph_exec in;
	struct executable *e;

	rd_copy(&rq->in, &in, sizeof(in));
	e = find(rq, le32toh(in.exec));
	if (!run_args_ready(rq))
		return;
	handles_del(&rq->w->handles, CUDA_HANDLE_graph_exec, le32toh(in.exec));
	retire(rq, e->hosts, e, le32toh(in.value));
	run_result(rq, CUDA_SUCCESS);
}
