/* SPDX-License-Identifier: MIT */
/*
 * builtin.c - functions that the device runtime provides: vprintf, malloc, free, __assertfail,
 * cudaGraphSetConditional
 */
#include <stdio.h>
#include <string.h>

#include "grid.h"
#include "heap.h"
#include "race.h"

#define MAX_STRING 4096
#define MAX_LINE 8192

static uint64_t argument(const struct sg_warp *w, const struct ptx_call *call, uint32_t i,
			 uint32_t lane)
{
	const struct ptx_arg *a = &call->args[i];
	uint64_t v = 0;

	if (i >= call->nr_args)
		return 0;
	if (a->is_row)
		return a->bytes == 8 ? ((uint64_t *)(w->regs + a->row))[lane] :
		       ((uint32_t *)(w->regs + a->row))[lane];
	memcpy(&v, w->local + (size_t)lane * w->local_cap + w->frame->local_base + a->offset,
	       a->size < sizeof(v) ? a->size : sizeof(v));
	return v;
}

static void result(const struct sg_warp *w, const struct ptx_call *call, uint32_t lane, uint64_t v)
{
	const struct ptx_arg *a = call->rets;

	if (!call->nr_rets)
		return;
	if (!a->is_row)
		memcpy(w->local + (size_t)lane * w->local_cap + w->frame->local_base + a->offset,
		       &v, a->size < sizeof(v) ? a->size : sizeof(v));
	else if (a->bytes == 8)
		((uint64_t *)(w->regs + a->row))[lane] = v;
	else
		((uint32_t *)(w->regs + a->row))[lane] = (uint32_t)v;
}

/* Copies a string of the kernel; false when it leaves its allocation or does not end. */
static bool string(struct sg_warp *w, uint32_t lane, uint64_t addr, char buf[MAX_STRING])
{
	for (size_t i = 0; i < MAX_STRING; i++) {
		const uint8_t *p = sg_host_ptr(w, lane, addr + i, 1);

		if (!p)
			return false;
		buf[i] = (char)*p;
		if (!buf[i])
			return true;
	}
	return false;
}

struct output {
	char text[MAX_LINE];
	size_t len;
};

static void put(struct output *o, const char *s, size_t n)
{
	if (n > sizeof(o->text) - o->len)
		n = sizeof(o->text) - o->len;
	memcpy(o->text + o->len, s, n);
	o->len += n;
}

/* One conversion: spec is "%...c" without length modifiers, which are put back for the host. */
static bool convert(struct sg_warp *w, uint32_t lane, struct output *o, const char *flags,
		    size_t nflags, bool wide, char conv, const uint8_t *arg)
{
	char spec[48], buf[512], str[MAX_STRING];
	uint64_t u = 0;
	double d;
	int n;

	memcpy(&u, arg, 8);
	if (!wide && conv != 'p' && conv != 's' && !strchr("aAeEfFgG", conv))
		u = (uint32_t)u;
	snprintf(spec, sizeof(spec), "%%%.*s%s%c", (int)nflags, flags,
		 strchr("diouxX", conv) ? "ll" : "", conv);
	if (strchr("aAeEfFgG", conv)) {
		memcpy(&d, arg, 8);
		n = snprintf(buf, sizeof(buf), spec, d);
	} else if (conv == 's') {
		if (!string(w, lane, u, str))
			return false;
		n = snprintf(buf, sizeof(buf), spec, str);
		if (n >= (int)sizeof(buf)) {
			put(o, str, strlen(str));
			return true;
		}
	} else if (conv == 'p') {
		n = snprintf(buf, sizeof(buf), spec, (void *)(uintptr_t)u);
	} else if (conv == 'c') {
		n = snprintf(buf, sizeof(buf), spec, (int)u);
	} else {
		n = snprintf(buf, sizeof(buf), spec,
			     strchr("di", conv) && !wide ? (long long)(int32_t)u : (long long)u);
	}
	if (n > 0)
		put(o, buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
	return true;
}

/*
 * Arguments lie one after the other, each aligned to its size: 4 bytes, or 8 for l, ll, z,
 * pointers, strings, doubles.
 */
static const uint8_t *next_arg(struct sg_warp *w, uint32_t lane, uint64_t args, uint64_t *at,
			       bool wide)
{
	static const uint8_t zero[8];
	static __thread uint8_t tmp[8];
	uint32_t size = wide ? 8 : 4;
	const uint8_t *p;

	*at = (*at + size - 1) & ~(uint64_t)(size - 1);
	p = args ? sg_host_ptr(w, lane, args + *at, size) : zero;
	*at += size;
	if (!p)
		return NULL;
	memset(tmp, 0, sizeof(tmp));
	memcpy(tmp, p, size);
	return tmp;
}

/* Flags, width and precision of a conversion, with '*' filled in. */
static bool spec(struct sg_warp *w, uint32_t lane, const char **f, char *flags, size_t *n,
		 uint64_t args, uint64_t *at)
{
	while (**f && strchr("-+ #0123456789.*", **f)) {
		if (**f == '*') {
			const uint8_t *arg = next_arg(w, lane, args, at, false);
			int32_t v;

			if (!arg)
				return false;
			memcpy(&v, arg, sizeof(v));
			if (*n < 20)
				*n += (size_t)snprintf(flags + *n, 12, "%d", v % 1000);
		} else if (*n < 20) {
			flags[(*n)++] = **f;
		}
		(*f)++;
	}
	return true;
}

/* false: a pointer is bad. *nr counts the arguments, which is what vprintf returns. */
static bool format(struct sg_warp *w, uint32_t lane, const char *f, uint64_t args, struct output *o,
		   uint32_t *nr)
{
	uint64_t at = 0;

	while (*f) {
		const char *pct = strchr(f, '%');
		char flags[48];
		size_t nflags = 0;
		uint32_t longs = 0;
		const uint8_t *arg;
		bool wide;

		put(o, f, pct ? (size_t)(pct - f) : strlen(f));
		if (!pct)
			break;
		f = pct + 1;
		if (*f == '%') {
			put(o, f++, 1);
			continue;
		}
		if (!spec(w, lane, &f, flags, &nflags, args, &at))
			return false;
		for (; *f && strchr("hlLqjzt", *f); f++)
			longs += *f != 'h';
		if (!*f || !strchr("diouxXeEfFgGaAcsp", *f)) {
			put(o, pct, (size_t)(f - pct));	/* as it stands */
			continue;
		}
		wide = longs || strchr("eEfFgGaAsp", *f);
		arg = next_arg(w, lane, args, &at, wide);
		if (!arg || !convert(w, lane, o, flags, nflags, wide, *f, arg))
			return false;
		++*nr;
		f++;
	}
	return true;
}

static enum sg_result do_printf(struct sg_warp *w, const struct sg_insn *in, uint32_t lane)
{
	const struct ptx_call *call = in->aux;
	uint64_t fmt = argument(w, call, 0, lane);
	struct output o = { .len = 0 };
	char buf[MAX_STRING];
	uint32_t nr = 0;

	if (!fmt) {
		result(w, call, lane, UINT64_MAX);
		return SG_OK;
	}
	if (!string(w, lane, fmt, buf) ||
	    !format(w, lane, buf, argument(w, call, 1, lane), &o, &nr))
		return sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, 1u << lane, fmt,
				     "vprintf: bad pointer");
	sg_job_print(w->cta->job, o.text, o.len);
	result(w, call, lane, nr);
	return SG_OK;
}

static enum sg_result do_assert(struct sg_warp *w, const struct sg_insn *in, uint32_t lane)
{
	const struct ptx_call *call = in->aux;
	const struct sg_dim *b = &w->cta->job->l->block, *c = &w->cta->ctaid;
	uint32_t tid = w->id * SG_LANES + lane;
	char what[MAX_STRING], file[MAX_STRING], fn[MAX_STRING], line[MAX_LINE];
	int n;

	if (!string(w, lane, argument(w, call, 0, lane), what) ||
	    !string(w, lane, argument(w, call, 1, lane), file) ||
	    !string(w, lane, argument(w, call, 3, lane), fn))
		return sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, 1u << lane, 0,
				     "__assertfail: bad pointer");
	n = snprintf(line, sizeof(line),
		     "%s:%u: %s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%s` failed.\n",
		     file, (uint32_t)argument(w, call, 2, lane), fn, c->x, c->y, c->z, tid % b->x,
		     tid / b->x % b->y, tid / b->x / b->y, what);
	sg_job_print(w->cta->job, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
	return sg_warp_fault(w, in, SG_ASSERT, 1u << lane, 0, "assertion `%.100s` failed", what);
}

static uint64_t do_malloc(struct sg_warp *w, uint64_t size)
{
	uint64_t at = heap_alloc(w->cta->job->l->heap, size);

	if (at && w->race)
		sg_race_forget(w, at, size);
	return at;
}

static enum sg_result do_set_conditional(struct sg_warp *w, const struct sg_insn *in, uint32_t lane)
{
	const struct sg_launch *l = w->cta->job->l;
	uint64_t handle = argument(w, in->aux, 0, lane);

	if (l->set_conditional &&
	    l->set_conditional(handle, (uint32_t)argument(w, in->aux, 1, lane)))
		return SG_OK;
	return sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, 1u << lane, handle,
			     "cudaGraphSetConditional: no such handle");
}

enum sg_result sg_builtin_call(struct sg_warp *w, const struct sg_insn *in, uint32_t mask)
{
	const struct ptx_call *call = in->aux;
	enum sg_result res = SG_OK;

	for (uint32_t m = mask; m && !res; m &= m - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(m);
		uint64_t p = argument(w, call, 0, lane);

		switch (call->fn->builtin) {
		case PTX_VPRINTF:
			res = do_printf(w, in, lane);
			break;
		case PTX_MALLOC:
			result(w, call, lane, do_malloc(w, p));
			break;
		case PTX_FREE:
			if (p && !heap_free(w->cta->job->l->heap, p))
				res = sg_warp_fault(w, in, SG_ILLEGAL_ADDRESS, m, p,
						    "free of what malloc did not give");
			break;
		case PTX_SET_CONDITIONAL:
			res = do_set_conditional(w, in, lane);
			break;
		default:
			res = do_assert(w, in, lane);
			break;
		}
	}
	return res;
}
